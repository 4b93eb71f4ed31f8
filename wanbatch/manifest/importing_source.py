"""What an import reads: a text with its places, and scenes as fields that know where they were found.

Knows what people call the fields and how they write their values; knows no file format. Keys of the service
that stand in a text are shown by nothing here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from wanbatch.errors import Place, Problem
from wanbatch.manifest.foreign import EXACT, LARGER, SIZE, nearest_ratio
from wanbatch.manifest.places import place_in, starts_of_lines
from wanbatch.manifest.prompt import one_line

Value = str | int | float | bool | tuple[str, ...]

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("scene_id", "clip_id", "编号"),
    "title": ("name", "heading", "标题", "名称"),
    "tags": ("tag", "labels", "标签"),
    "intro": (),
    "prompt": ("text", "description", "prompt_text", "提示词", "描述"),
    "negative_prompt": ("negative", "反向提示词"),
    "duration": ("seconds", "length", "duration_s", "时长"),
    "ratio": ("aspect_ratio", "aspect", "比例", "宽高比"),
    "resolution": ("分辨率",),
    "seed": ("种子",),
    "audio_url": ("audio", "sound"),
    "model": ("模型",),
    "prompt_extend": (),
    "watermark": ("水印",),
    "language": (),
    "takes": (),
    "size": (),
}
"""The fields of a scene and what else people call them. `size` is wan2.6's for resolution and ratio."""

AS_NUMBER = re.compile(r"(-?[0-9]{1,10})(?:[.,]0+)?\Z")
AS_SECONDS = re.compile(r"(-?[0-9]{1,4}(?:\.[0-9]+)?)\s*(?:s|secs?\.?|seconds?|秒)?\Z", re.IGNORECASE)
AS_RATIO = re.compile(r"0?([0-9]{1,2})\s*[:：/x×*]\s*0?([0-9]{1,2})(?::00)?\Z", re.IGNORECASE)
"""`16:9`, `16/9`, `16x9`, and `16:09:00`, which is what a spreadsheet makes of 16:9: it takes it for a time."""
AS_RESOLUTION = re.compile(r"([0-9]{3,4})\s*[pP]?\Z")
BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1", "是"), True),
    **dict.fromkeys(("false", "no", "off", "0", "否"), False),
}
OLDER_MODEL = re.compile(r"wan(?:x?2\.[0-6])-t2v[\w-]*\Z")
"""Text-to-video models whose requests wan2.7 understands, and which the catalogue does not have."""

SECRET = re.compile(
    r"\bsk-[\w.~+-]{8,}"
    r"|(?:(?<=bearer )|(?<=authorization: )|(?<=-u )|(?<=--user )|(?<=--oauth2-bearer )|(?<=api-key: ))[^\s'\"]+",
    re.IGNORECASE,
)
KEY = re.compile(r"\bsk-(?=[\w.-]*\d)[\w.-]{16,}|\bauthorization\s*:\s*bearer\s", re.IGNORECASE)
"""What looks like a key, or like the header that carries one."""


def discreet(line: str) -> str:
    """Return a line with stars in place of keys, so that each character stays where it is."""
    return SECRET.sub(lambda found: "*" * len(found[0]), line)


@dataclass(frozen=True, slots=True)
class Source:
    """The text that is imported. Places in it are offsets until somebody has to see one."""

    file: str
    text: str
    starts: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(cls, file: str, text: str) -> "Source":
        """Return a text with the offsets of its lines."""
        return cls(file, text, starts_of_lines(text))

    def at(self, start: int, end: int) -> Place:
        """Return the place of some characters; its line shows no key."""
        place = place_in(self.file, self.text, self.starts, start, end)
        return replace(place, source=discreet(place.source))

    def problem(self, spot: "Spot", code: str, message: str, hint: str = "") -> Problem:
        """Return a problem with a part of the text."""
        return Problem(self.at(*spot), code, message, hint)

    def line(self, offset: int) -> int:
        """Return the line, from 1, of an offset."""
        return self.at(offset, offset + 1).line


class Spot(NamedTuple):
    """A part of the source: offsets of its first character and of the one after its last."""

    start: int
    end: int


class Entry(NamedTuple):
    """A value, and where it was found."""

    value: Value
    spot: Spot | None = None
    """None for what no file says, but the command line."""


Fields = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Draft:
    """A scene that was found: what it states, and nothing that it leaves open."""

    spot: Spot
    fields: Fields
    shots: tuple[Fields, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds. `left_out` says in words what of it no manifest can hold."""

    drafts: tuple[Draft, ...]
    problems: tuple[Problem, ...] = ()
    left_out: tuple[str, ...] = ()


def normal(name: str) -> str:
    """Return a column's name without what does not count: case, spaces, hyphens."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


FIELDS: Mapping[str, str] = {
    **{normal(other): name for name, others in NAMES.items() for other in others},
    **{name: name for name in NAMES},
}
"""Every known name, and the field that it stands for."""


def stated(name: str, raw: object) -> dict[str, Value]:
    """Return what a field's value says in the manifest's words; nothing for an empty one.

    What cannot be read stays as it is written: the check knows what to say of it.
    """
    if raw is None or raw == "" or (isinstance(raw, str) and not raw.strip()):
        return {}
    if name == "size" or (name == "resolution" and SIZE.match(str(raw))):
        return of_size(str(raw).strip())
    value = as_written(name, raw)
    if name == "model" and OLDER_MODEL.match(str(value)):
        return {}
    return {name: value}


def put(fields: dict[str, Entry], name: str, raw: object, spot: Spot) -> None:
    """Add what a field says; what a size brings along gives way to a field of its own."""
    for key, value in stated(name, raw).items():
        if key == name or key not in fields:
            fields[key] = Entry(value, spot)


def of_size(text: str) -> dict[str, Value]:
    """Return resolution and ratio of wan2.6's `size`; an unknown one as a resolution, which the check refuses."""
    match = SIZE.match(text)
    across, down = (int(match[1]), int(match[2])) if match else (0, 0)
    if (across, down) not in EXACT:
        return {"resolution": text}
    return {"resolution": "1080P" if across * down > LARGER else "720P", "ratio": nearest_ratio(across / down)}


def as_written(name: str, raw: object) -> Value:
    """Return a value as the manifest writes it."""
    if name == "tags":
        parts = [str(part) for part in raw] if isinstance(raw, list) else re.split(r"[;,；，、]", str(raw))
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if isinstance(raw, bool | float | int) and name in ("duration", "seconds", "seed", "takes", *SWITCHES):
        return int(raw) if isinstance(raw, float) and raw.is_integer() else raw
    text = one_line(re.sub(r"\r\n?", "\n", raw if isinstance(raw, str) else str(raw)))
    return READINGS.get(name, str)(text)


def number(text: str) -> Value:
    """Return a whole number; `5.0` is one."""
    match = AS_NUMBER.match(text)
    return int(match[1]) if match else text


def seconds(text: str) -> Value:
    """Return seconds, with or without their unit."""
    match = AS_SECONDS.match(text)
    if match is None:
        return text
    value = float(match[1])
    return int(value) if value.is_integer() else value


def ratio(text: str) -> Value:
    """Return a ratio as `16:9`."""
    match = AS_RATIO.match(text)
    return f"{int(match[1])}:{int(match[2])}" if match else text


def resolution(text: str) -> Value:
    """Return a resolution as `720P`."""
    match = AS_RESOLUTION.match(text)
    return f"{match[1]}P" if match else text


def switch(text: str) -> Value:
    """Return true or false."""
    return BOOLEANS.get(text.casefold(), text)


SWITCHES = ("prompt_extend", "watermark")
READINGS = {
    "duration": seconds,
    "seconds": seconds,
    "seed": number,
    "takes": number,
    "ratio": ratio,
    "resolution": resolution,
    **dict.fromkeys(SWITCHES, switch),
}
