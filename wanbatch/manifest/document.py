"""YAML text → plain data with a place for every path, in one pass over libyaml's events.

Knows nothing of scenes. No composer and no constructor: a composer recurses (100,000 brackets end the
process), keeps the last of two equal keys, and walks what an alias multiplies. Scalars are read as YAML 1.2
reads JSON: unquoted `16:9`, `010`, `no` and `2026-06-12` are the text that they look like.
"""

import re
import sys
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from wanbatch.errors import Exit, ManifestInvalid, Place, Problem, WanbatchError
from wanbatch.manifest.complaint import left_out, yaml_problem
from wanbatch.manifest.places import Document, Spot, place_in, starts_of_lines

MAX_BYTES = 64 * 1024 * 1024
"""A manifest of 100,000 scenes is some 35 MB."""
MAX_DEPTH = 32
"""The language needs 5."""
MAX_EXPANDED = 500_000
EXPANDED_PER_NODE = 10
"""Nodes that aliases and merges may add: so many, and so many more for each that is written out."""
MAX_DIGITS = 300
"""A longer number is no number; 4,300 digits would make `int` raise."""

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
CONSTANTS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
NUMERIC_START = frozenset("-0123456789")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""What no text of a manifest may hold. Tabs and line breaks are judged where they matter."""

BRACES = re.compile(r"\{\{[^{}\n]*\}\}")
"""What other tools' variables look like."""
TAGS = {
    "!include": "scenes from another file are an entry of their own: `- include: {}`",
    **dict.fromkeys(("!file", "!read", "!text"), "a text from a file is `prompt_file: {}`"),
}
"""Tags of other tools, and what there is in their place."""

SCALAR: Any = yaml.ScalarEvent
LIST_END: Any = yaml.SequenceEndEvent
MAPPING_END: Any = yaml.MappingEndEvent

BOM = "\ufeff"
"""What some editors put at the start of a file. No part of its text."""


def character(char: str) -> str:
    """Return what kind of character a text must not hold."""
    return "half a character (a lone surrogate)" if "\ud800" <= char <= "\udfff" else "a control character"


def remarks_in(text: str) -> dict[int, int]:
    """Return where white space ends in a `#`: by the offset of its start, that of the `#`."""
    found = {}
    at = text.find("#")
    while at >= 0:
        start = at
        while start and text[start - 1] in " \t":
            start -= 1
        if start < at:
            found[start] = at
        at = text.find("#", at + 1)
    return found


class Anchored(NamedTuple):
    """What an alias repeats. `size` counts nodes, `height` levels below."""

    value: object
    spot: Spot
    size: int = 1
    height: int = 0


class Stop(Exception):
    """Nothing after this place can be trusted."""


class Builder:
    """Builds data and spots from events. `problems` is what was wrong on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.lines = starts_of_lines(text)
        self.remarks = remarks_in(text)
        self.cut: dict[int, int] = {}
        self.problems: list[Problem] = []
        self.anchors: dict[str, Anchored | None] = {}
        self.lost: set[int] = set()
        """Aliases of nothing, by offset."""
        self.nodes = self.expanded = self.deepest = 0

    def problem(self, code: str, start: int, end: int, message: str, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(place_in(self.file, self.text, self.lines, start, end), code, message, hint))

    def line_of(self, offset: int) -> int:
        """Return the line, from 1, of an offset."""
        return bisect_right(self.lines, offset)

    def build(self) -> tuple[object, Spot | None]:
        """Return the document's data and its spot. Raises Stop."""
        events: Any = yaml.parse(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        data: object = None
        root: Spot | None = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    mark: Any = event.start_mark
                    at = mark.index
                    self.problem("E009", at, at + 3, "a second document starts here", "one manifest a file: split it")
                    raise Stop
            elif isinstance(event, yaml.NodeEvent):
                data, root = self.node(event, events, 0)
        return data, root

    def node(self, event: Any, events: Any, depth: int, key: int | None = None) -> tuple[object, Spot]:
        """Return one node's data and spot; `key` is the offset of the key that it belongs to."""
        self.nodes += 1
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self.alias(event, depth, key)
        if event.tag is not None and (kind is not SCALAR or event.tag != "!"):
            self.tag(event)
        if kind is SCALAR:
            value, spot = self.scalar(event, key)
            if event.anchor:
                self.anchors[event.anchor] = Anchored(value, spot)
            return value, spot
        self.descend(depth + 1, event)
        build = self.mapping if kind is yaml.MappingStartEvent else self.sequence
        if not event.anchor:
            return build(event, events, depth + 1, key)
        first, outside = self.nodes + self.expanded, self.deepest
        self.anchors[event.anchor], self.deepest = None, depth
        value, spot = build(event, events, depth + 1, key)
        size, height = self.nodes + self.expanded - first + 1, self.deepest - depth
        self.anchors[event.anchor], self.deepest = Anchored(value, spot, size, height), max(self.deepest, outside)
        return value, spot

    def descend(self, depth: int, event: Any) -> None:
        """Count a level, its own or an alias's."""
        if depth > MAX_DEPTH:
            at = event.start_mark.index
            hint = "take brackets away: a manifest needs five levels"
            self.problem("E006", at, at + 1, f"nested deeper than {MAX_DEPTH} levels", hint)
            raise Stop
        self.deepest = max(self.deepest, depth)

    def tag(self, event: Any) -> None:
        """Refuse a tag: the language has plain data only."""
        at = event.start_mark.index
        word = self.text[at:].split(maxsplit=1)[0][:40] if at < len(self.text) else "!"
        hint = "remove the tag; quote the value if it is text"
        value = getattr(event, "value", None)
        if value and word in TAGS:
            hint = TAGS[word].format(value[:80])
        self.problem("E004", at, at + len(word), f"a YAML tag, {word}", hint)

    def scalar(self, event: Any, key: int | None) -> tuple[object, Spot]:
        """Return a scalar as YAML 1.2 reads JSON."""
        start, end, text = event.start_mark.index, event.end_mark.index, event.value
        spot = Spot(start, end, start if key is None else key)
        if not event.style:
            if end in self.remarks:
                self.cut[start] = self.remarks[end]
            if text in CONSTANTS:
                return CONSTANTS[text], spot
            if text[0] in NUMERIC_START and (match := NUMBER.match(text)):
                return self.number(text, match, spot), spot
        elif event.style == '"' and CONTROL.search(text):
            self.control(text, spot)
        elif not text.strip() and event.style in ("|", ">") and (left := left_out(self.text, start)):
            self.problem("E002", *left)
            raise Stop
        return text, spot

    def control(self, text: str, spot: Spot) -> None:
        """Refuse what only an escape can bring in."""
        found = CONTROL.search(text)
        assert found
        message = f"{character(found[0])}, U+{ord(found[0]):04X}, in a text"
        self.problem("E008", spot.start, spot.end, message, "remove its escape, the part that starts with a backslash")

    def number(self, text: str, match: re.Match[str], spot: Spot) -> object:
        """Return a JSON number."""
        if len(text) > MAX_DIGITS:
            self.problem("E010", spot.start, spot.end, f"a number of {len(text)} characters", "quote it if it is text")
            return 0
        if match[1] is None and match[2] is None:
            return int(text)
        value = float(text)
        if abs(value) > sys.float_info.max:
            self.problem("E010", spot.start, spot.end, f"{text} is too large for a number", "quote it if it is text")
            return 0
        return value

    def alias(self, event: Any, depth: int, key: int | None) -> tuple[object, Spot]:
        """Return what the anchor names: shared, and counted as often as it is seen."""
        at, end, name = event.start_mark.index, event.end_mark.index, event.anchor
        key = at if key is None else key
        known = self.anchors.get(name)
        if known is None:
            if name in self.anchors:
                message, hint = f"*{name} stands inside what it repeats", f"write the value out instead of *{name}"
            else:
                message = f"*{name} repeats a value, but no value above is marked &{name}"
                hint = f"put &{name} before the value to repeat; a text that starts with * needs quotes"
            self.problem("E005", at, end, message, hint)
            self.lost.add(at)
            return None, Spot(at, end, key)
        self.descend(depth + known.height, event)
        self.expand(known.size, at, end)
        if known.spot.start in self.cut:
            self.cut[at] = self.cut[known.spot.start]
        return known.value, Spot(at, end, key, known.spot.inside)

    def expand(self, size: int, at: int, end: int) -> None:
        """Count what an alias or a merge adds."""
        self.expanded += size
        if self.expanded > MAX_EXPANDED + EXPANDED_PER_NODE * self.nodes:
            message = f"aliases repeat more than {MAX_EXPANDED:,} values"
            self.problem("E007", at, end, message, "write fewer aliases of aliases")
            raise Stop

    def sequence(self, start: Any, events: Any, depth: int, key: int | None) -> tuple[object, Spot]:
        """Return a list."""
        values: list[object] = []
        inside: list[Spot] = []
        while type(event := next(events)) is not LIST_END:
            value, spot = self.node(event, events, depth)
            values.append(value)
            inside.append(spot)
        at = start.start_mark.index
        return values, Spot(at, event.end_mark.index, at if key is None else key, inside)

    def mapping(self, start: Any, events: Any, depth: int, key: int | None) -> tuple[object, Spot]:
        """Return a mapping. Keys are text, whatever they look like."""
        values: dict[str, object] = {}
        inside: dict[str, Spot] = {}
        merges: list[tuple[object, Spot]] = []
        while type(event := next(events)) is not MAPPING_END:
            name, at, end = self.key(event, events, depth)
            value, spot = self.node(next(events), events, depth, at)
            if name == "<<":
                merges.append((value, spot))
            elif name in values:
                first = self.line_of(inside[name].key)
                hint = "keep one of the two; YAML itself would silently take the last"
                self.problem("E003", at, end, f"`{name[:50]}` for the second time; first in line {first}", hint)
            elif name is not None:
                values[name] = value
                inside[name] = spot
        for value, spot in merges:
            self.merge(values, inside, value, spot)
        at = start.start_mark.index
        return values, Spot(at, event.end_mark.index, at if key is None else key, inside)

    def key(self, event: Any, events: Any, depth: int) -> tuple[str | None, int, int]:
        """Return a mapping key and its offsets; None for what cannot be one."""
        at, end = event.start_mark.index, event.end_mark.index
        if type(event) is SCALAR:
            if event.tag is not None and event.tag != "!":
                self.tag(event)
            if event.style == '"' and CONTROL.search(event.value):
                self.control(event.value, Spot(at, end, at))
            if event.anchor:
                self.anchors[event.anchor] = Anchored(event.value, Spot(at, end, at))
            return sys.intern(event.value), at, end
        self.node(event, events, depth)
        if use := BRACES.match(self.text, at - 1):
            hint = "a variable is `${name}`; a text that starts with { needs quotes"
            self.problem("E011", *use.span(), f"`{use[0][:40]}` is no variable, and to YAML two blocks", hint)
        else:
            self.problem("E011", at, end, "a key must be plain text", "quote a key that starts with [ or {")
        return None, at, end

    def merge(self, values: dict[str, object], inside: dict[str, Spot], source: object, spot: Spot) -> None:
        """Put what `<<` names under the mapping's own keys."""
        if isinstance(source, list) and isinstance(spot.inside, list):
            for one, one_spot in zip(source, spot.inside, strict=True):
                self.merge(values, inside, one, one_spot)
            return
        if spot.start in self.lost:
            return
        if not isinstance(source, dict) or not isinstance(spot.inside, dict):
            hint = "name one by its alias: `<<: *base`"
            self.problem("E005", spot.start, spot.end, "`<<` takes a block of `key: value` lines", hint)
            return
        self.expand(len(source), spot.start, spot.end)
        for key, value in source.items():
            if key not in values:
                values[key] = value
                inside[key] = spot.inside[key]


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a manifest. Raises WanbatchError, and ManifestInvalid for bytes that are not text."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
    except OSError as error:
        hint = "wanbatch init writes a first manifest" if isinstance(error, FileNotFoundError) else ""
        reason = error.strerror or str(error)
        raise WanbatchError(f"cannot read {path}: {reason}", exit_code=Exit.USAGE, hint=hint) from None
    if len(raw) > max_bytes:
        raise too_large(str(path), max_bytes)
    return text_of(str(path), raw)


def too_large(file: str, max_bytes: int) -> ManifestInvalid:
    """Return the error for more than `max_bytes`."""
    hint = "split it into several manifests, or allow more: --max-manifest-bytes"
    return ManifestInvalid(file, (Problem(Place(file, 1, 1), "E001", f"larger than {max_bytes:,} bytes", hint),))


def text_of(file: str, raw: bytes) -> str:
    """Return the text in a file's bytes. Raises ManifestInvalid for bytes that are not text."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return raw.decode(encoding).removeprefix(BOM)
    except UnicodeDecodeError as error:
        text = raw.decode(encoding, "replace").removeprefix(BOM)
        at = len(raw[: error.start].decode(encoding, "replace").removeprefix(BOM))
        place = place_in(file, text, starts_of_lines(text), at, at + 1)
        message = f"byte 0x{raw[error.start]:02x} is not {encoding.upper()}"
        raise ManifestInvalid(file, (Problem(place, "E001", message, "save the file as UTF-8"),)) from None


def parse(file: str, text: str) -> Document:
    """Return the document in `text`; what is wrong with it is in its `problems`, never raised."""
    text = text.removeprefix(BOM)
    builder = Builder(file, text)
    bad = CONTROL.search(text)
    if bad:
        hint = "save the file as UTF-8" if bad[0] == "\0" else "remove it"
        builder.problem("E008", bad.start(), bad.end(), f"{character(bad[0])}, U+{ord(bad[0]):04X}", hint)
        return Document(file, text, None, None, tuple(builder.problems), line_starts=builder.lines)
    data: object = None
    root: Spot | None = None
    try:
        data, root = builder.build()
    except Stop:
        pass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        offset, message, hint = yaml_problem(error, text)
        line = builder.line_of(offset)
        if not any(one.code == "E011" and one.where.line == line for one in builder.problems):
            builder.problem("E002", offset, offset + 1, message, hint)
    return Document(file, text, data, root, tuple(builder.problems), builder.cut, builder.lines)
