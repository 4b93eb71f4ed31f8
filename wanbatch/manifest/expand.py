"""From checked manifest data to scenes, takes and requests: layers of fields, variables, seeds where none is given.

Takes data whose shape the schema has accepted; pure, and knows no places.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from wanbatch.manifest.model import JobKey, Request, RunSettings, Scene, Shot, Take, Wanted
from wanbatch.manifest.prompt import one_line, render
from wanbatch.manifest.variables import filled
from wanbatch.money.amount import Cap, amount

BUILT_IN: dict[str, object] = {
    "model": "wan2.7-t2v",
    "ratio": "16:9",
    "prompt_extend": False,
    "watermark": False,
    "language": "en",
    "takes": 1,
}
"""What a scene has when neither it nor the manifest's defaults say. `resolution` is missing on purpose:
it decides the price, so it must be said. A test keeps these equal to the schema's defaults."""

SEED_RANGE = 2**31
"""Seeds are 0 … 2147483647 (Wan 2.7 create task)."""


def run_settings(data: Mapping[str, Any]) -> RunSettings:
    """Return the manifest's `run` mapping as a value."""
    plain = {name: value for name, value in data.items() if name not in ("budget", "accounts", "retries")}
    retries = {f"{what}_retries": times for what, times in data.get("retries", {}).items()}
    caps = tuple(Cap(over.removeprefix("per_"), *amount(text)) for over, text in data.get("budget", {}).items())
    return RunSettings(**plain, **retries, budget=caps, accounts=tuple(data.get("accounts", ())))


def shots_duration(shots: list[Mapping[str, Any]]) -> float:
    """Return the shots' seconds, added up."""
    return float(sum(shot["seconds"] for shot in shots))


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return one layer of scene fields on another, key by key; a style's prefix and suffix each by itself."""
    merged = {**under, **over}
    if "style" in over and "style" in under:
        merged["style"] = {**under["style"], **over["style"]}
    if "model" in over:
        merged.pop("models", None)
    return merged


def scene(
    data: Mapping[str, Any],
    defaults: Mapping[str, Any],
    over: Mapping[str, Any] | None = None,
    value_of: Callable[[str], str] | None = None,
) -> Scene:
    """Return a scene as written in `data`, with `defaults` under it and `over`, a profile or a matrix' values, on it.

    `value_of` gives the variables' values. The shots' sum wins over a duration from elsewhere; whether a scene's own
    duration agrees with its shots is for the check to say.
    """
    merged = overlaid(overlaid(BUILT_IN, defaults), data)
    if over:
        merged = overlaid(merged, over)
    if value_of is not None:
        merged = filled_in(merged, value_of)
    if models := merged.pop("models", None):
        merged["model"] = one_of(models, merged["id"])
    shots = tuple(Shot(s["prompt"], float(s["seconds"]), s.get("framing")) for s in merged.pop("shots", ()))
    if shots:
        merged["duration"] = int(sum(shot.seconds for shot in shots))
    if style := merged.pop("style", None):
        merged |= style
    merged.pop("matrix", None)
    merged["tags"] = tuple(merged.get("tags", ()))
    return Scene(shots=shots, **merged)


TEXTS = ("title", "intro", "prompt", "negative_prompt", "audio_url")
"""The fields of a scene whose variables are filled in; those of its shots and of its style come to them."""
SHOT_TEXTS = ("framing", "prompt")


def filled_in(merged: Mapping[str, Any], value_of: Callable[[str], str]) -> dict[str, Any]:
    """Return a scene's fields with the variables of its texts filled in."""
    found = {**merged, **{name: filled(merged[name], value_of) for name in TEXTS if name in merged}}
    if "style" in merged:
        found["style"] = {name: filled(text, value_of) for name, text in merged["style"].items()}
    if "shots" in merged:
        found["shots"] = [
            {**shot, **{name: filled(shot[name], value_of) for name in SHOT_TEXTS if name in shot}}
            for shot in merged["shots"]
        ]
    return found


def one_of(models: list[str], scene_id: str) -> str:
    """Return a scene's model among several: by its id alone, and when a model is added only its share of scenes moves.

    That is highest random weight hashing (Thaler and Ravishankar, 1998).
    """
    return max(models, key=lambda model: hashlib.sha256(f"{model}\0{scene_id}".encode()).digest())


def derived_seed(scene_id: str, take: int, again: int = 0) -> int:
    """Return the seed of a take whose scene gives none: the same for ever, whatever else the manifest holds.

    `again` counts the further seeds of a take whose video was withheld.
    """
    name = f"{scene_id}\0{take}" + (f"\0again {again}" if again else "")
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") % SEED_RANGE


def seed_of(scene: Scene, take: int) -> int:
    """Return a take's seed: the scene's own and the numbers after it, or the derived one."""
    return derived_seed(scene.id, take) if scene.seed is None else (scene.seed + take - 1) % SEED_RANGE


def takes(scene: Scene) -> tuple[Take, ...]:
    """Return the scene's takes, each with its own seed: more of them change none that were there before."""
    return tuple(Take(scene, number, seed_of(scene, number)) for number in range(1, scene.takes + 1))


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
