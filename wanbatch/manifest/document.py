"""YAML text → plain data with a place for every path, in one pass over libyaml's events.

Knows nothing of scenes. No composer and no constructor: a composer recurses (100,000 brackets end the
process), keeps the last of two equal keys, and walks what an alias multiplies. Scalars are read as YAML 1.2
reads JSON: unquoted `16:9`, `010`, `no` and `2026-06-12` are the text that they look like.
"""

import re
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from wanbatch.errors import Exit, ManifestInvalid, Place, Problem, WanbatchError
from wanbatch.manifest.complaint import yaml_problem

MAX_BYTES = 64 * 1024 * 1024
"""A manifest of 100,000 scenes is some 35 MB."""
MAX_DEPTH = 32
"""The language needs 5."""
MAX_EXPANDED = 500_000
"""Nodes that aliases and merges may add. What is written out is bounded by its size, so only copies count."""
MAX_DIGITS = 300
"""A longer number is no number; 4,300 digits would make `int` raise."""

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
CONSTANTS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
NUMERIC_START = frozenset("-0123456789")
CUT = re.compile(r"[ \t]+#")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""What no text of a manifest may hold. Tabs and line breaks are judged where they matter."""

DataPath = tuple[str | int, ...]


class Spot(NamedTuple):
    """Where a node is: offsets in the text, and the spots of what it contains."""

    start: int
    end: int
    key: int
    """Offset of the mapping key that the node belongs to, or its own start."""
    inside: "dict[str, Spot] | list[Spot] | None" = None


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest's data, and the text that it came from."""

    file: str
    text: str
    data: Any
    root: Spot | None
    problems: tuple[Problem, ...] = ()
    cut: frozenset[int] = frozenset()
    """Offsets of unquoted scalars that ` #` ends: what follows was taken for a comment."""
    line_starts: tuple[int, ...] = field(default=(), repr=False)

    def spot(self, path: DataPath) -> Spot | None:
        """Return the spot of `path`, or of the nearest thing around it."""
        spot = self.root
        for step in path:
            inside = spot.inside if spot else None
            if isinstance(inside, dict) and isinstance(step, str) and step in inside:
                spot = inside[step]
            elif isinstance(inside, list) and isinstance(step, int) and step < len(inside):
                spot = inside[step]
            else:
                return spot
        return spot

    def place(self, path: DataPath, *, key: bool = False) -> Place:
        """Return the place of the value at `path`, or of its key."""
        spot = self.spot(path)
        if spot is None:
            return self.at(0, 0)
        if key:
            step = path[-1] if path else ""
            return self.at(spot.key, spot.key + len(str(step)))
        return self.at(spot.start, spot.end)

    def at(self, start: int, end: int) -> Place:
        """Return the place of the characters from `start` to `end`, at most to the end of the line."""
        return place_in(self.file, self.text, self.line_starts, start, end)


def place_in(file: str, text: str, line_starts: tuple[int, ...], start: int, end: int) -> Place:
    """Return the place of an offset range."""
    line = bisect_right(line_starts, start) - 1 if line_starts else 0
    begin = line_starts[line] if line_starts else 0
    stop = text.find("\n", begin)
    source = text[begin : stop if stop >= 0 else len(text)].rstrip("\r")
    width = max(1, min(end, begin + len(source)) - start)
    return Place(file, line + 1, start - begin + 1, width, source)


def starts_of_lines(text: str) -> tuple[int, ...]:
    """Return the offset of each line's first character."""
    return (0, *(match.end() for match in re.finditer("\n", text)))


class Stop(Exception):
    """Nothing after this place can be trusted."""


class Builder:
    """Builds data and spots from events. `problems` is what was wrong on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = starts_of_lines(text)
        self.cuts = {match.start() for match in CUT.finditer(text)}
        self.cut: set[int] = set()
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[object, Spot, int] | None] = {}
        self.nodes = 0
        self.expanded = 0

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

    def node(self, event: Any, events: Any, depth: int) -> tuple[object, Spot]:
        """Return one node's data and spot."""
        self.nodes += 1
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self.alias(event)
        if event.tag is not None and (kind is not yaml.ScalarEvent or event.tag != "!"):
            self.tag(event)
        if kind is yaml.ScalarEvent:
            value, spot = self.scalar(event)
        elif depth >= MAX_DEPTH:
            at = event.start_mark.index
            self.problem("E006", at, at + 1, f"nested deeper than {MAX_DEPTH} levels", "the language needs five")
            raise Stop
        else:
            first = self.nodes + self.expanded
            if event.anchor:
                self.anchors[event.anchor] = None
            build = self.mapping if kind is yaml.MappingStartEvent else self.sequence
            value, spot = build(event, events, depth + 1)
            if event.anchor:
                self.anchors[event.anchor] = (value, spot, self.nodes + self.expanded - first + 1)
            return value, spot
        if event.anchor:
            self.anchors[event.anchor] = (value, spot, 1)
        return value, spot

    def tag(self, event: Any) -> None:
        """Refuse a tag: the language has plain data only."""
        at = event.start_mark.index
        word = self.text[at:].split(maxsplit=1)[0][:40] if at < len(self.text) else "!"
        self.problem("E004", at, at + len(word), f"YAML tag {word}", "remove the tag; quote the value if it is text")

    def scalar(self, event: Any) -> tuple[object, Spot]:
        """Return a scalar as YAML 1.2 reads JSON."""
        start, end, text = event.start_mark.index, event.end_mark.index, event.value
        spot = Spot(start, end, start)
        if event.style is None or event.style == "":
            if end in self.cuts:
                self.cut.add(start)
            if text in CONSTANTS:
                return CONSTANTS[text], spot
            if text[0] in NUMERIC_START and (match := NUMBER.match(text)):
                return self.number(text, match, spot), spot
        elif event.style == '"' and CONTROL.search(text):
            self.control(text, spot)
        return text, spot

    def control(self, text: str, spot: Spot) -> None:
        """Refuse what only an escape can bring in."""
        found = CONTROL.search(text)
        assert found
        name = f"\\u{ord(found[0]):04x}"
        what = "a lone surrogate" if "\ud800" <= found[0] <= "\udfff" else "a control character"
        self.problem("E008", spot.start, spot.end, f"{what}, {name}, in a text", "remove the escape")

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

    def alias(self, event: Any) -> tuple[object, Spot]:
        """Return what the anchor names: shared, and counted as often as it is seen."""
        at, end, name = event.start_mark.index, event.end_mark.index, event.anchor
        known = self.anchors.get(name)
        if known is None:
            if name in self.anchors:
                self.problem(
                    "E005", at, end, f"*{name} stands inside what it repeats", "an alias cannot contain itself"
                )
            else:
                self.problem("E005", at, end, f"no anchor &{name} before this alias", "write the anchor first")
            return None, Spot(at, end, at)
        value, spot, size = known
        self.expand(size, at, end)
        return value, Spot(at, end, at, spot.inside)

    def expand(self, size: int, at: int, end: int) -> None:
        """Count what an alias or a merge adds."""
        self.expanded += size
        if self.expanded > MAX_EXPANDED:
            message = f"aliases repeat more than {MAX_EXPANDED:,} values"
            self.problem("E007", at, end, message, "write fewer aliases of aliases")
            raise Stop

    def sequence(self, start: Any, events: Any, depth: int) -> tuple[object, Spot]:
        """Return a list."""
        values: list[object] = []
        inside: list[Spot] = []
        for event in events:
            if type(event) is yaml.SequenceEndEvent:
                break
            value, spot = self.node(event, events, depth)
            values.append(value)
            inside.append(spot)
        at = start.start_mark.index
        return values, Spot(at, event.end_mark.index, at, inside)

    def mapping(self, start: Any, events: Any, depth: int) -> tuple[object, Spot]:
        """Return a mapping. Keys are text, whatever they look like."""
        values: dict[str, object] = {}
        inside: dict[str, Spot] = {}
        merges: list[tuple[object, Spot]] = []
        for event in events:
            if type(event) is yaml.MappingEndEvent:
                break
            key, at, end = self.key(event, events, depth)
            value, spot = self.node(next(events), events, depth)
            if key == "<<":
                merges.append((value, spot))
            elif key in values:
                first = self.line_of(inside[key].key)
                hint = "keep one of the two; YAML itself would silently take the last"
                self.problem("E003", at, end, f"{key!r} stands here for the second time; first in line {first}", hint)
            elif key is not None:
                values[key] = value
                inside[key] = Spot(spot.start, spot.end, at, spot.inside)
        for value, spot in merges:
            self.merge(values, inside, value, spot)
        at = start.start_mark.index
        return values, Spot(at, event.end_mark.index, at, inside)

    def key(self, event: Any, events: Any, depth: int) -> tuple[str | None, int, int]:
        """Return a mapping key and its offsets; None for what cannot be one."""
        at, end = event.start_mark.index, event.end_mark.index
        if type(event) is yaml.ScalarEvent:
            if event.tag is not None and event.tag != "!":
                self.tag(event)
            return event.value, at, end
        self.node(event, events, depth)
        self.problem("E011", at, end, "a key must be plain text", "quote a key that starts with [ or {")
        return None, at, end

    def merge(self, values: dict[str, object], inside: dict[str, Spot], source: object, spot: Spot) -> None:
        """Put what `<<` names under the mapping's own keys."""
        if isinstance(source, list) and isinstance(spot.inside, list):
            for one, one_spot in zip(source, spot.inside, strict=True):
                self.merge(values, inside, one, one_spot)
            return
        if not isinstance(source, dict) or not isinstance(spot.inside, dict):
            self.problem("E005", spot.start, spot.end, "`<<` takes a mapping", "name one by its alias: `<<: *base`")
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
        reason = error.strerror or str(error)
        raise WanbatchError(
            f"cannot read {path}: {reason}", exit_code=Exit.USAGE, hint="wanbatch init writes a first manifest"
        ) from None
    if len(raw) > max_bytes:
        problem = Problem(Place(str(path), 1, 1), "E001", f"larger than {max_bytes:,} bytes", "split it")
        raise ManifestInvalid(str(path), (problem,))
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(encoding, "replace")
        place = Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise ManifestInvalid(str(path), (Problem(place, "E001", message, "save the file as UTF-8"),)) from None


def parse(file: str, text: str) -> Document:
    """Return the document in `text`; what is wrong with it is in its `problems`, never raised."""
    builder = Builder(file, text)
    bad = CONTROL.search(text)
    if bad:
        name = f"U+{ord(bad[0]):04X}"
        builder.problem("E008", bad.start(), bad.end(), f"control character {name}", "remove it")
        return Document(file, text, None, None, tuple(builder.problems), line_starts=builder.lines)
    data: object = None
    root: Spot | None = None
    try:
        data, root = builder.build()
    except Stop:
        pass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        offset, message, hint = yaml_problem(error, text)
        builder.problem("E002", offset, offset + 1, message, hint)
    problems = tuple(builder.problems)
    return Document(file, text, data, root, problems, frozenset(builder.cut), builder.lines)
