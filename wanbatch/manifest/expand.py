"""From checked manifest data to scenes, takes and requests: defaults under scenes, seeds where none is given.

Takes data whose shape the schema has accepted; pure, and knows no places.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from wanbatch.manifest.model import JobKey, Request, RunSettings, Scene, Shot, Take, Wanted
from wanbatch.manifest.prompt import one_line, render

BUILT_IN: dict[str, object] = {
    "model": "wan2.7-t2v",
    "ratio": "16:9",
    "prompt_extend": False,
    "watermark": False,
    "language": "en",
}
"""What a scene has when neither it nor the manifest's defaults say. `resolution` is missing on purpose:
it decides the price, so it must be said. A test keeps these equal to the schema's defaults."""

SEED_RANGE = 2**31
"""Seeds are 0 … 2147483647 (Wan 2.7 create task)."""


def run_settings(data: Mapping[str, Any]) -> RunSettings:
    """Return the manifest's `run` mapping as a value."""
    return RunSettings(**data)


def shots_duration(shots: list[Mapping[str, Any]]) -> float:
    """Return the shots' seconds, added up."""
    return float(sum(shot["seconds"] for shot in shots))


def scene(data: Mapping[str, Any], defaults: Mapping[str, Any]) -> Scene:
    """Return a scene with the manifest's `defaults` under it, key by key.

    The shots' sum wins over a duration from the defaults; whether a scene's own duration agrees with its
    shots is for the check to say.
    """
    merged = {**BUILT_IN, **defaults, **data}
    shots = tuple(Shot(s["prompt"], float(s["seconds"]), s.get("framing")) for s in merged.pop("shots", ()))
    if shots:
        merged["duration"] = int(sum(shot.seconds for shot in shots))
    merged["tags"] = tuple(merged.get("tags", ()))
    return Scene(shots=shots, **merged)


def derived_seed(scene_id: str, take: int) -> int:
    """Return the seed of a take whose scene gives none: the same for ever, whatever else the manifest holds."""
    digest = hashlib.sha256(f"{scene_id}\0{take}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % SEED_RANGE


def takes(scene: Scene) -> tuple[Take, ...]:
    """Return the scene's takes. One for now; further takes come with their own derived seeds."""
    return (Take(scene, 1, scene.seed if scene.seed is not None else derived_seed(scene.id, 1)),)


def request(take: Take) -> Request:
    """Return what the take sends."""
    scene = take.scene
    return Request(
        model=scene.model,
        prompt=render(scene),
        negative_prompt=None if scene.negative_prompt is None else one_line(scene.negative_prompt),
        audio_url=scene.audio_url,
        resolution=scene.resolution,
        ratio=scene.ratio,
        prompt_extend=scene.prompt_extend,
        watermark=scene.watermark,
        duration=scene.duration,
        seed=take.seed,
    )


def wanted(take: Take) -> Wanted:
    """Return the job that makes the take."""
    compiled = request(take)
    return Wanted(JobKey(take.scene.id, take.number, compiled.digest()[:12]), take, compiled)
