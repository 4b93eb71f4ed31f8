"""A shot list in Markdown → scenes: a heading each, below it an intro, and shots with their times.

A small form, docs/importing.md describes it. A line that does not fit is a problem, never skipped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wanbatch.errors import Problem
from wanbatch.manifest.importing_source import FIELDS, Draft, Entry, Fields, Found, Source, Spot, normal, put

HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*\Z")
ITEM = re.compile(r"[ \t]*(?:[-*+]|[0-9]{1,3}[.)])[ \t]+(?=\S)")
RULE = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*\Z")
RULER = re.compile(r"[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)*[ \t]*:?-+:?[ \t]*\|?[ \t]*\Z")
"""The line below a table's first one."""
REMARK = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|\Z)")
TIME = r"(?:([0-9]{1,2}):)?([0-9]{1,2}(?:\.[0-9]+)?)"
UNIT = r"[ \t]*(?:seconds?|secs?\.?|s\b|秒)"
RANGE = re.compile(
    rf"[\[(（]?[ \t]*{TIME}(?:{UNIT})?(?:[ \t]*(?:[-–—~～至]|to)[ \t]*{TIME}(?:{UNIT})?|{UNIT})[ \t]*[\])）]?",
    re.IGNORECASE,
)
"""`0-3s`, `0–3 seconds`, `[0:00-0:03]`, `0-3秒`; or a length alone, `3s`."""
NUMBERED = re.compile(
    r"(?:shot[ \t]*[0-9]+|(?:第[ \t]*)?[0-9]+[ \t]*个?镜头|镜头[ \t]*[0-9]+)[ \t]*[:：.]?[ \t]*", re.IGNORECASE
)
FRAMING = re.compile(r"[ \t]*([^:：.。!?！？\r\n]{0,60}?)[ \t]*(?:：|:(?=[ \t]|\Z))[ \t]*")
KEY = re.compile(r"([^:：]{1,30})[:：][ \t]*(.*)\Z", re.DOTALL)
OTHER = re.compile(r"[ \t]*(```|~~~|>|!\[|<[A-Za-z/])")
CALLED = {"```": "a block of code", "~~~": "a block of code", ">": "a quotation", "![": "a picture"}
COLUMNS = {
    **dict.fromkeys(("time", "times", "timecode", "range", "seconds", "duration", "s", "时间", "时长"), "time"),
    **dict.fromkeys(("framing", "shot_size", "camera", "景别"), "framing"),
    **dict.fromkeys(("prompt", "text", "description", "action", "picture", "画面", "内容"), "prompt"),
}
"""What a table of shots calls its columns."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")
STRONG = re.compile(r"(?<!\\)(\*\*|__|`)(?=\S)(.+?)(?<=[^\s\\])\1")
EMPHASIS = re.compile(r"(?<![\w*\\])([*_])(?=\S)([^*_]+?)(?<=[^\s\\])\1(?![\w*])")
ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>-])")


@dataclass
class Scene:
    """A heading and what was read below it so far."""

    level: int
    title: str
    spot: Spot
    texts: list[tuple[str, Spot]] = field(default_factory=list)
    shots: list[Fields] = field(default_factory=list)
    fields: dict[str, Entry] = field(default_factory=dict)
    ends: float = 0.0
    """Where the last shot ends, in seconds."""
    broken: bool = False

    @property
    def bare(self) -> bool:
        """Whether nothing stands below the heading."""
        return not (self.texts or self.shots or self.fields or self.broken)


class Reading:
    """One pass over the lines."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.scenes: list[Scene] = []
        self.problems: list[Problem] = []
        self.spare: dict[str, None] = {}
        self.columns: list[str] | None = None
        """What the columns of the table mean that the last line was part of."""
        self.last = ""
        """What the line above was, when this one goes on with it: `text`, `shot` or `field`."""

    def problem(self, spot: Spot, message: str, hint: str, code: str = "E501") -> None:
        """Note a problem; the scene that it is in is none."""
        self.problems.append(self.source.problem(spot, code, message, hint))
        if self.scenes:
            self.scenes[-1].broken = True

    def line(self, text: str, at: int) -> None:
        """Read one line that starts at an offset."""
        whole = Spot(at + len(text) - len(text.lstrip()), at + len(text.rstrip()))
        heading = HEADING.match(text)
        if not text.strip() or heading:
            self.columns, self.last = None, ""
        if heading:
            self.scenes.append(
                Scene(len(heading[1]), plain(heading[2]), Spot(at + heading.start(2), at + heading.end(2)))
            )
        elif not text.strip() or (RULE.match(text) and not self.last):
            pass
        elif not self.scenes:
            hint = "write a heading above it, `## The alley`; or put it into <!-- … -->"
            self.problem(whole, "text above the first heading belongs to no scene", hint)
        elif other := OTHER.match(text):
            called = CALLED.get(other[1], "HTML")
            self.problem(whole, f"{called} is nothing that a shot list has", "take it out, or put it into <!-- … -->")
        elif text.lstrip().startswith("|"):
            self.row(text, at, whole)
        elif item := ITEM.match(text):
            self.item(text[item.end() :].rstrip(), at + item.end(), whole)
        else:
            self.text(text.strip(), whole)

    def text(self, text: str, spot: Spot) -> None:
        """Read a line of a paragraph, or one that goes on with a shot."""
        scene = self.scenes[-1]
        if RULE.match(text) or re.fullmatch(r"=+", text):
            self.problem(spot, "a line under a text, which some read as a heading", "write headings as `## The alley`")
        elif self.last == "shot" and scene.shots:
            last = scene.shots[-1]["prompt"]
            scene.shots[-1] = {**scene.shots[-1], "prompt": Entry(f"{last.value} {plain(text)}", last.spot)}
        elif self.last in ("shot", "field"):
            self.problem(spot, "a line that goes on with the one above", "write both in one line")
        elif scene.shots:
            hint = "move it above the shots, or put it into <!-- … -->"
            self.problem(spot, "a paragraph below the shots: the intro stands above them", hint)
        else:
            self.last = "text"
            scene.texts.append((plain(text), spot))

    def item(self, text: str, at: int, spot: Spot) -> None:
        """Read an entry of a list: a shot with its time, or a field of the scene."""
        numbered = NUMBERED.match(text)
        begin = numbered.end() if numbered else 0
        times = RANGE.match(text, begin)
        found = KEY.match(text)
        name = FIELDS.get(normal(found[1])) if found else None
        if times is None and found and name and name not in ("prompt", "intro", "size"):
            self.last = "field"
            put(self.scenes[-1].fields, name, plain(found[2]), Spot(at + found.start(2), spot.end))
        elif times is None:
            hint = "begin a shot with its time: `- 0-3s wide shot: …`; a field with its name: `- seed: 7`"
            self.problem(spot, "neither a shot with its time nor a field of a scene", hint)
        else:
            self.last = "shot"
            framing = FRAMING.match(text, times.end())
            rest = framing.end() if framing else times.end()
            called = Entry(plain(framing[1]), Spot(at + framing.start(1), at + framing.end(1))) if framing else None
            said = Entry(plain(text[rest:]), Spot(at + rest, spot.end))
            self.shot(times, Spot(at + times.start(), at + times.end()), called, said, spot)

    def shot(self, times: re.Match[str], at: Spot, framing: Entry | None, said: Entry, spot: Spot) -> None:
        """Add a shot to the scene, if its time begins where the last one ended."""
        scene = self.scenes[-1]
        start, end = clock(times[1], times[2]), clock(times[3], times[4])
        if end is None:
            start, end = scene.ends, scene.ends + (start or 0)
        assert start is not None
        if start != scene.ends or end <= start:
            long = f"{scene.ends:g}-{scene.ends + max(end - start, 1):g}s"
            message = f"the shot begins at {start:g} s, but the one before it ends at {scene.ends:g} s"
            if end <= start:
                message = "the shot ends before it begins"
            self.problem(at, message, f"shots follow each other without a gap, the first from 0: {long}", "E202")
        elif not said.value:
            self.problem(spot, "the shot has no text", "write what is seen after its time", "E107")
        else:
            length: float = end - start
            fields = {"seconds": Entry(int(length) if length.is_integer() else length, at), "prompt": said}
            scene.shots.append(fields | ({"framing": framing} if framing and framing.value else {}))
        scene.ends = max(end, scene.ends)

    def row(self, text: str, at: int, spot: Spot) -> None:
        """Read a line of a table of shots: the first names the columns."""
        cells = cells_of(text, at)
        if self.columns is None:
            self.columns = [COLUMNS.get(normal(plain(cell)), "") for cell, _ in cells]
            spare = [plain(cell) for (cell, _), name in zip(cells, self.columns, strict=True) if not name]
            self.spare |= {f"the column {name[:40]!r}": None for name in spare if name}
            for needed in ("time", "prompt"):
                if needed not in self.columns:
                    hint = "call the columns time, framing and prompt"
                    self.problem(spot, f"the table of shots has no column {needed}", hint, "E502")
        elif not RULER.match(text) and {"time", "prompt"} <= set(self.columns):
            self.cells(cells, spot)

    def cells(self, cells: Sequence[tuple[str, Spot]], spot: Spot) -> None:
        """Read a table's row."""
        if len(cells) > len(self.columns or ()):
            message = f"the row has {len(cells)} cells, the table {len(self.columns or ())} columns"
            self.problem(cells[-1][1], message, r"write \| for a bar inside a text", "E503")
            return
        found = {
            name: Entry(plain(cell), where) for name, (cell, where) in zip(self.columns or (), cells, strict=False)
        }
        if not any(str(entry.value).strip() for entry in found.values()):
            return
        written = found.get("time", Entry("", spot))
        length = re.fullmatch(r"[0-9]{1,2}(?:\.[0-9]+)?", str(written.value))
        times = RANGE.fullmatch(f"{written.value}s" if length else str(written.value))
        if times is None:
            self.problem(written.spot or spot, "not a time", "write 0-3s, or the seconds alone")
        else:
            said = found.get("prompt", Entry("", spot))
            self.shot(times, written.spot or spot, found.get("framing"), said, spot)


def read(source: Source, _chosen: Mapping[str, str]) -> Found:
    """Return the scenes of a shot list."""
    reading = Reading(source)
    text = REMARK.sub(lambda found: re.sub(r"[^\r\n]", " ", found[0]), source.text)
    for match in LINE.finditer(text):
        reading.line(match[0].rstrip("\r\n"), match.start())
    drafts = []
    followers: list[Scene | None] = [*reading.scenes[1:], None]
    for scene, after in zip(reading.scenes, followers, strict=False):
        above = after is not None and after.level > scene.level
        if above and scene.bare:
            reading.spare[f"the heading {scene.title[:60]!r}, which has headings below it"] = None
        elif above and not scene.broken:
            hint = "give the scenes headings of one level; or put its text into <!-- … -->"
            message = "a heading with a text of its own and with headings below it: is it a scene?"
            reading.problems.append(source.problem(scene.spot, "E501", message, hint))
        elif not scene.broken:
            drafts += draft(reading, scene)
    return Found(tuple(drafts), tuple(reading.problems), tuple(reading.spare))


def draft(reading: Reading, scene: Scene) -> list[Draft]:
    """Return a heading's scene; none, and a problem, when it has no text."""
    if not scene.texts and not scene.shots:
        hint = "write what is seen below it; or take the heading out"
        reading.problems.append(reading.source.problem(scene.spot, "E107", "a scene without a text", hint))
        return []
    fields: dict[str, Entry] = dict(scene.fields)
    fields.setdefault("title", Entry(scene.title, scene.spot))
    if scene.texts:
        said = Entry(" ".join(text for text, _ in scene.texts), scene.texts[0][1])
        fields["intro" if scene.shots else "prompt"] = said
    if any(CHINESE.search(str(shot["prompt"].value)) for shot in scene.shots):
        fields.setdefault("language", Entry("zh", scene.spot))
    return [Draft(scene.spot, fields, tuple(scene.shots))]


def clock(minutes: str | None, seconds: str | None) -> float | None:
    """Return a time in seconds."""
    return None if seconds is None else 60 * int(minutes or 0) + float(seconds)


def plain(text: str) -> str:
    """Return a text without Markdown's marks for bold, italics and code."""
    text = EMPHASIS.sub(r"\2", STRONG.sub(r"\2", text.strip()))
    return ESCAPED.sub(r"\1", text)


def cells_of(text: str, at: int) -> list[tuple[str, Spot]]:
    """Return the cells of a table's line, each with its place."""
    found = []
    for match in re.finditer(r"(?:\\.|[^|])+|(?<=\|)(?=\|)", text.rstrip().removesuffix("|")):
        cell = match[0]
        start = at + match.start() + len(cell) - len(cell.lstrip())
        found.append((cell.strip(), Spot(start, max(start + 1, at + match.start() + len(cell.rstrip())))))
    return found[1:] if found and not found[0][0] and text[:1].isspace() else found
