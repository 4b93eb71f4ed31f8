"""The values a manifest becomes: scenes, shots, takes, requests, and the key that a job has.

Knows nothing of YAML, of the journal or of the network. Everything here is frozen.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from wanbatch.errors import Problem
from wanbatch.money.amount import Cap

PARAMETERS = ("resolution", "ratio", "prompt_extend", "watermark", "duration", "seed")
"""The request's parameters in the order of the documented example (Wan 2.7 create task, 2026-08-15)."""
CANONICAL = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
"""Made once: `json.dumps` makes one for every request."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A timed part of a scene. `seconds` is a multiple of a half, so a float holds it exactly."""

    prompt: str
    seconds: float
    framing: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One video to make, with the manifest's defaults already under it and its variables filled in.

    Exactly one of `prompt` and `shots` is given. `duration` is in whole seconds.
    """

    id: str
    """Of a scene that a matrix made, with what makes it different: `skyline[city=Paris,ratio=16:9]`."""
    model: str
    resolution: str
    ratio: str
    duration: int
    prompt_extend: bool
    watermark: bool
    language: str
    prompt: str | None = None
    intro: str | None = None
    shots: tuple[Shot, ...] = ()
    negative_prompt: str | None = None
    audio_url: str | None = None
    seed: int | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    prefix: str | None = None
    suffix: str | None = None
    takes: int = 1
    axes: tuple[tuple[str, str], ...] = ()
    """What a matrix varies, by the axis' name: the axis, and what its value is called."""

    @property
    def base(self) -> str:
        """The id as it is written in the manifest."""
        return self.id.partition("[")[0]


@dataclass(frozen=True, slots=True)
class Take:
    """One generation of a scene. `number` counts from 1; `seed` is always known, so it is always sent."""

    scene: Scene
    number: int
    seed: int


@dataclass(frozen=True, slots=True)
class Request:
    """The exact body to be sent. Its digest is its identity.

    Every parameter is stated, also those at the API's default, so that a change of the API's defaults
    changes nothing.
    """

    model: str
    prompt: str
    negative_prompt: str | None
    audio_url: str | None
    resolution: str
    ratio: str
    prompt_extend: bool
    watermark: bool
    duration: int
    seed: int

    def body(self) -> dict[str, object]:
        """Return the body as data, in the order of the documented example."""
        texts = {"prompt": self.prompt, "negative_prompt": self.negative_prompt, "audio_url": self.audio_url}
        return {
            "model": self.model,
            "input": {name: text for name, text in texts.items() if text is not None},
            "parameters": {name: getattr(self, name) for name in PARAMETERS},
        }

    def canonical(self) -> bytes:
        """Return the bytes that are sent and that the digest is taken of: sorted keys, UTF-8, no spaces."""
        return CANONICAL.encode(self.body()).encode()

    def digest(self) -> str:
        """Return the sha256 of the canonical body, as 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def outline(self) -> dict[str, object]:
        """Return the request flat, with a hash for each text: what the journal may hold.

        A prompt may be private, and the journal is what people mail to support.
        """
        fields: dict[str, object] = {"model": self.model}
        for name in ("prompt", "negative_prompt", "audio_url"):
            text = getattr(self, name)
            if text is not None:
                fields[name] = text_hash(text)
        fields |= {name: getattr(self, name) for name in PARAMETERS}
        return fields


def text_hash(text: str) -> str:
    """Return a hash by which a text is known again when the service echoes it.

    Normal form and surrounding white space do not count: whether `orig_prompt` comes back byte for byte is
    documented nowhere.
    """
    return "sha256:" + hashlib.sha256(unicodedata.normalize("NFC", text).strip().encode()).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """Which job: a scene's take with one request. An edited scene is a new job; the old one stays known."""

    scene: str
    take: int
    digest: str
    """The first 12 hexadecimal digits of the request's digest."""

    def __str__(self) -> str:
        return f"{self.scene}/{self.take}/{self.digest}"

    @classmethod
    def parse(cls, text: str) -> "JobKey":
        """Read back what `str` gave. Raises ValueError for anything else."""
        scene, take, digest = text.rsplit("/", 2)
        key = cls(scene, int(take), digest)
        if str(key) != text:
            raise ValueError(f"not a job's key: {text!r}")
        return key

    @property
    def stem(self) -> str:
        """The output's file name without its ending: `alley`, `alley.t2`, `skyline.paris.16x9`."""
        stem = stem_of(self.scene) if "[" in self.scene else self.scene
        return stem if self.take == 1 else f"{stem}.t{self.take}"


def stem_of(scene: str) -> str:
    """Return the first take's file name without its ending: `skyline[city=Paris,ratio=16:9]` → `skyline.paris.16x9`."""
    base, _, axes = scene.partition("[")
    values = [axis.partition("=")[2] for axis in axes.removesuffix("]").split(",")] if axes else []
    return ".".join([base, *map(in_a_name, values)])


def in_a_name(value: str) -> str:
    """Return a matrix value as a part of a file's name: small letters, digits and what stands well between them."""
    crossed = re.sub(r"(?<=[0-9]):(?=[0-9])", "x", value.lower())
    return re.sub(r"[^\w.+]+", "-", crossed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that the manifest asks for: its key, its take and the request that it will send."""

    key: JobKey
    take: Take
    request: Request


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How to run a manifest; never part of a request's identity. Durations are in seconds."""

    concurrency: int | None = None
    downloads: int = 4
    poll_interval_s: float = 15.0
    settle_s: float = 180.0
    on_absent: str = "hold"
    on_change: str = "generate"
    budget: tuple[Cap, ...] = ()
    accounts: tuple[str, ...] = ()
    service_retries: int = 2
    moderation_retries: int = 0


@dataclass(frozen=True, slots=True)
class Picks:
    """What people chose among takes, by scene: the take that is the one, and how many takes were asked for."""

    picks: Mapping[str, int] = field(default_factory=dict)
    takes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest: every scene is within the limits and every request within its schema."""

    name: str
    run: RunSettings
    scenes: tuple[Scene, ...]
    wanted: tuple[Wanted, ...] = field(repr=False)
    profile: str | None = None
    picks: Picks = field(default_factory=Picks)
    warnings: tuple[Problem, ...] = ()
    sources: tuple[str, ...] = ()
    """The paths of all files that were read, the manifest's first."""
    fingerprint: str = ""
    """sha256, in hexadecimal, of all that the manifest was made from: files, command line, environment."""


def as_written(value: object) -> str:
    """Return a value of an outline as a manifest would write it."""
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[str, ...]:
    """Say which fields of two outlines differ, in words: `resolution 720P → 1080P`, `prompt`."""
    said = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        hashed = any(isinstance(value, str) and value.startswith("sha256:") for value in (before, after))
        said.append(name if hashed else f"{name} {as_written(before)} → {as_written(after)}")
    return tuple(said)
