"""JSON objects → scenes: one a line, one after another, or in a list; fields by name, or a body of the API.

The standard library decides what a value is; walking over it again tells where it stands.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from wanbatch.errors import Problem
from wanbatch.manifest.importing_source import (
    FIELDS,
    OLDER_MODEL,
    Draft,
    Entry,
    Fields,
    Found,
    Source,
    Spot,
    discreet,
    normal,
    put,
)
from wanbatch.manifest.values import nearest

DECODER = json.JSONDecoder(strict=False)
"""Line breaks inside a text are let through: pasted prompts have them."""
SPACE = re.compile(r"[ \t\r\n]*")
NEXT = re.compile(r"[\r\n](?=\{)")
"""Where reading goes on after a line that is not JSON."""
SHOT = {
    **dict.fromkeys(("framing", "camera"), "framing"),
    **dict.fromkeys(("seconds", "duration", "length"), "seconds"),
    **dict.fromkeys(("prompt", "text", "description"), "prompt"),
}
"""What people call the parts of a shot."""
GROUPS = ("input", "parameters")
"""What a body of the API has below it (Wan 2.7 create task)."""


class Member(NamedTuple):
    """A key of an object, its value, and where both stand in the JSON text."""

    name: str
    value: Any
    key: Spot
    spot: Spot


class Text(NamedTuple):
    """A JSON text that is part of a source: `place` gives an offset of the source for one of the text."""

    source: Source
    text: str
    place: Callable[[int], int]
    chosen: Mapping[str, str] = {}

    def spot(self, start: int, end: int) -> Spot:
        """Return where a part of the text stands in the source."""
        return Spot(self.place(start), self.place(end - 1) + 1 if end > start else self.place(start) + 1)

    def problem(self, spot: Spot, code: str, message: str, hint: str = "") -> Problem:
        """Return a problem with a part of the text."""
        return self.source.problem(self.spot(*spot), code, message, hint)


def read(source: Source, chosen: Mapping[str, str]) -> Found:
    """Return the scenes of a file of JSON."""
    return found_in(Text(source, source.text, lambda offset: offset, chosen))


def found_in(text: Text) -> Found:
    """Return the scenes of a JSON text."""
    drafts: list[Draft] = []
    problems: list[Problem] = []
    spare: dict[str, None] = {}
    at = skipped(text.text, 0)
    while at < len(text.text):
        try:
            _, end = DECODER.raw_decode(text.text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            problems.append(not_json(text, at, error))
            onward = NEXT.search(text.text, getattr(error, "pos", at))
            at = onward.end() if onward else len(text.text)
            continue
        for start, stop in items(text.text, at, end):
            drafts += scene(text, Spot(start, stop), spare, problems)
        at = skipped(text.text, end)
    return Found(tuple(drafts), tuple(problems), tuple(spare))


def not_json(text: Text, at: int, error: Exception) -> Problem:
    """Return the problem of a text that is not JSON."""
    if isinstance(error, json.JSONDecodeError):
        at, said = min(error.pos, max(len(text.text) - 1, 0)), error.msg
    else:
        said = "too many brackets inside each other"
    said = said[:1].lower() + said[1:]
    return text.problem(
        Spot(at, at + 1), "E501", f"not JSON here: {said}", "one object a line, its texts in double quotes"
    )


def skipped(text: str, at: int) -> int:
    """Return the offset after white space."""
    match = SPACE.match(text, at)
    return match.end() if match else at


def items(text: str, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a list of valid JSON; of anything else itself."""
    if text[at] != "[":
        yield at, end
        return
    at = skipped(text, at + 1)
    while text[at] != "]":
        _, stop = DECODER.raw_decode(text, at)
        yield at, stop
        at = skipped(text, stop)
        if text[at] == ",":
            at = skipped(text, at + 1)


def members(text: str, at: int) -> Iterator[Member]:
    """Yield the members of a valid object that starts at an offset."""
    at = skipped(text, at + 1)
    while text[at] != "}":
        name, end = DECODER.raw_decode(text, at)
        start = skipped(text, skipped(text, end) + 1)
        value, stop = DECODER.raw_decode(text, start)
        yield Member(name, value, Spot(at, end), Spot(start, stop))
        at = skipped(text, stop)
        if text[at] == ",":
            at = skipped(text, at + 1)


def scene(text: Text, spot: Spot, spare: dict[str, None], problems: list[Problem]) -> Iterator[Draft]:
    """Yield the scene of an object, or of a text alone; `spare` gets the names of what no scene can hold."""
    value, _ = DECODER.raw_decode(text.text, spot.start)
    where = text.spot(*spot)
    if isinstance(value, str) and value.strip():
        fields: dict[str, Entry] = {}
        put(fields, "prompt", value, where)
        yield Draft(where, fields)
        return
    if not isinstance(value, dict):
        problems.append(text.problem(spot, "E501", "neither an object nor a text", 'write {"prompt": "…"}'))
        return
    before = len(problems)
    fields = {}
    shots: tuple[Fields, ...] = ()
    for member in flat(text.text, spot.start):
        if member.name == "shots" and isinstance(member.value, list) and member.value:
            shots = tuple(shots_of(text, member.spot, problems))
        elif named(member, text.chosen) is None:
            spare.setdefault(f"the key {discreet(member.name)[:60]!r}{why(member)}")
        else:
            place(text, str(named(member, text.chosen)), member, fields, problems, spare)
    if len(problems) == before and "prompt" not in fields and not shots:
        near = nearest("prompt", list(value))
        hint = f"write it, or say which key it is: --column prompt={near or 'NAME'}"
        problems.append(text.problem(Spot(spot.start, spot.start + 1), "E107", "no prompt in this object", hint))
    elif len(problems) == before:
        yield Draft(where, fields, shots)


def flat(text: str, at: int) -> Iterator[Member]:
    """Yield the members of an object, and those of a body's `input` and `parameters` in their place."""
    for member in members(text, at):
        if member.name in GROUPS and isinstance(member.value, dict):
            yield from members(text, member.spot.start)
        else:
            yield member


def named(member: Member, chosen: Mapping[str, str]) -> str | None:
    """Return the field that a key stands for."""
    for field, column in chosen.items():
        if member.name == column:
            return field
    name = FIELDS.get(normal(member.name))
    return None if name in chosen else name


def why(member: Member) -> str:
    """Return why a key of wan2.6's, or of the SDK's, is nothing here."""
    return " (wan2.7 has none: describe the shots in the prompt)" if member.name == "shot_type" else ""


def place(
    text: Text,
    name: str,
    member: Member,
    fields: dict[str, Entry],
    problems: list[Problem],
    spare: dict[str, None],
) -> None:
    """Put a key's value among a scene's fields."""
    if isinstance(member.value, dict) or (isinstance(member.value, list) and name != "tags"):
        kind = "an object" if isinstance(member.value, dict) else "a list"
        message = f"{member.name} is {kind}, but must be one value"
        problems.append(text.problem(member.spot, "E101", message, "write one text or one number"))
    elif name in fields and fields[name].spot is not None and name != "size":
        message = f"{member.name!r} says the {name} for the second time"
        problems.append(text.problem(member.key, "E502", message, "keep one of the two"))
    else:
        if name == "model" and OLDER_MODEL.match(str(member.value)):
            spare.setdefault(f"the model {member.value} (the scenes get wan2.7-t2v)")
        put(fields, name, member.value, text.spot(*member.spot))


def shots_of(text: Text, spot: Spot, problems: list[Problem]) -> Iterator[Fields]:
    """Yield the shots of a list of objects."""
    for start, stop in items(text.text, spot.start, spot.end):
        value, _ = DECODER.raw_decode(text.text, start)
        fields: dict[str, Entry] = {}
        before = len(problems)
        for member in members(text.text, start) if isinstance(value, dict) else ():
            part = SHOT.get(normal(member.name))
            if part is None or isinstance(member.value, dict | list):
                message = f"{member.name!r} is nothing that a shot has"
                problems.append(text.problem(member.key, "E103", message, "a shot has framing, seconds and prompt"))
            else:
                put(fields, part, member.value, text.spot(*member.spot))
        if fields:
            yield fields
        elif len(problems) == before:
            hint = 'write {"seconds": 3, "framing": "wide shot", "prompt": "…"}'
            problems.append(text.problem(Spot(start, stop), "E501", "not a shot", hint))
