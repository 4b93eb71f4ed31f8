"""CSV and TSV → scenes: a row each, its columns known by their names.

The standard library decides what a cell holds; where it stands is found beside that, for messages.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from wanbatch.errors import Problem
from wanbatch.manifest.importing_source import FIELDS, NAMES, Draft, Entry, Found, Source, Spot, discreet, normal, put
from wanbatch.manifest.values import nearest

SEPARATORS = ",;\t|"
NONE = "\x1f"
"""The separator of a file with one column: then a comma is part of the text."""
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""A first line by which Excel is told the separator."""
WORDS = {
    "unexpected end of data": ("a quote that is opened here and never closed", 'close it, or write it as two: ""'),
    "expected after": ("text after the end of a quote", 'quote the whole cell, a quote in it as two: ""'),
    "field limit": ("a cell of more than 131,072 characters", "close a quote that was left open above"),
}  # fmt: skip


class Row(NamedTuple):
    """A row's cells, and the part of the text that it is."""

    cells: list[str]
    spot: Spot


class Unreadable(Exception):
    """The text is no table from here on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read(source: Source, chosen: Mapping[str, str], separators: str = SEPARATORS) -> Found:
    """Return the scenes of a table whose first row names its columns. `chosen` says which column a field is."""
    separator, start = separated(source.text, separators)
    found = rows(source, separator, start)
    drafts: list[Draft] = []
    problems: list[Problem] = []
    left_out: tuple[str, ...] = ()
    try:
        head = next((row for row in found if any(cell.strip() for cell in row.cells)), None)
        if head is None:
            return Found(())
        spots = spots_of(source, head, separator)
        columns, spare, problems = mapped(source, head, spots, chosen)
        if problems:
            return Found((), tuple(problems))
        left_out = tuple(f"the column {shown(head.cells[index])}" for index in spare if head.cells[index].strip())
        for row in found:
            if any(cell.strip() for cell in row.cells):
                drafts += scene(source, row, separator, columns, len(head.cells), problems)
    except Unreadable as stopped:
        problems.append(stopped.problem)
    return Found(tuple(drafts), tuple(problems), left_out)


def separated(text: str, separators: str) -> tuple[str, int]:
    """Return what separates the cells, and where the table starts: what gives most known names in the first row."""
    told = SEPARATOR_LINE.match(text)
    if told:
        return told[1], told.end()
    first = next((line for line in text.splitlines() if line.strip()), "")
    # A separator inside quotes is none; names of columns have no line breaks.
    bare = re.sub(r'"[^"]*"', "", first)
    present = [one for one in separators if one in bare]
    if not present:
        return NONE if len(separators) > 1 else separators, 0

    def fit(one: str) -> tuple[int, int]:
        names = next(csv.reader([first], delimiter=one), [])
        return sum(normal(name) in FIELDS for name in names), len(names)

    return max(present, key=fit), 0


def rows(source: Source, separator: str, start: int) -> Iterator[Row]:
    """Yield the rows. Raises Unreadable for quotes that do not match."""
    above = source.line(start) - 1 if start else 0
    reader = csv.reader(io.StringIO(source.text[start:], newline=""), delimiter=separator, strict=True)
    line = above
    ends = (*source.starts, len(source.text))
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Unreadable(misread(source, separator, Spot(ends[line], len(source.text)), error)) from None
        if cells is None:
            return
        after = above + reader.line_num
        yield Row(cells, Spot(ends[line], ends[min(after, len(ends) - 1)]))
        line = after


def misread(source: Source, separator: str, spot: Spot, error: csv.Error) -> Problem:
    """Return the problem of a row that cannot be read: at its first quote that is not closed as it should."""
    message, hint = next((words for sign, words in WORDS.items() if sign in str(error)), (str(error), ""))
    name = "CSV" if separator != "\t" else "TSV"
    at = spot.start
    for cell in spots_of(source, Row([], spot), separator, whole=True):
        at = cell.start
        text = source.text[cell.start : cell.end]
        if text.startswith('"') and not re.fullmatch(r'"(?:[^"]|"")*"', text):
            break
    return source.problem(Spot(at, at + 1), "E501", f"not {name} here: {message}", hint)


def spots_of(source: Source, row: Row, separator: str, *, whole: bool = False) -> list[Spot]:
    """Return where each cell of a row stands; the whole row where that cannot be told."""
    pattern = re.compile(rf'(?:"(?:[^"]|"")*"?)?[^{re.escape(separator)}\r\n]*')
    found: list[Spot] = []
    at = row.spot.start
    while at <= row.spot.end:
        match = pattern.match(source.text, at, row.spot.end)
        assert match
        found.append(Spot(at, match.end()))
        at = match.end()
        if source.text[at : at + 1] != separator or at >= row.spot.end:
            break
        at += 1
    if not whole and len(found) != len(row.cells):
        return [row.spot] * len(row.cells)
    return found


def mapped(
    source: Source, head: Row, spots: Sequence[Spot], chosen: Mapping[str, str]
) -> tuple[dict[int, str], list[int], list[Problem]]:
    """Return which column is which field, which columns are none, and what is wrong with the names."""
    problems: list[Problem] = []
    names = [cell.strip() for cell in head.cells]
    taken = {}
    for name, column in chosen.items():
        index = position(names, column)
        if index is None:
            hint = f"the columns are {listed(names)}"
            near = nearest(column, names)
            problems.append(
                source.problem(
                    Spot(head.spot.start, spots[-1].end),
                    "E502",
                    f"no column is called {shown(column)}",
                    f"did you mean {near}? {hint}" if near else hint,
                )
            )
        else:
            taken[index] = name
    for known in (
        dict(zip(NAMES, NAMES, strict=True)),
        FIELDS,
    ):  # the field's own name goes before what else it is called
        for name in NAMES:
            free = [index for index, one in enumerate(names) if index not in taken and known.get(normal(one)) == name]
            if free and name not in taken.values():
                taken[free[0]] = name
                problems += [twice(source, spots[index], name, names[index], names[free[0]]) for index in free[1:]]
    if "prompt" not in taken.values() and not problems:
        spot = Spot(head.spot.start, spots[-1].end)
        near = names[0] if len(names) == 1 else nearest("prompt", names)
        hint = f"say which column is the prompt: --column prompt={near or 'NAME'}"
        problems.append(
            source.problem(spot, "E502", f"no column is called prompt; the columns are {listed(names)}", hint)
        )
    return taken, [index for index in range(len(names)) if index not in taken], problems


def position(names: Sequence[str], column: str) -> int | None:
    """Return which column has a name, to the letter if there is one."""
    if column.strip() in names:
        return names.index(column.strip())
    return next((index for index, name in enumerate(names) if normal(name) == normal(column)), None)


def twice(source: Source, spot: Spot, field: str, name: str, first: str) -> Problem:
    """Return the problem of two columns that could both be one field."""
    message = f"the columns {shown(first)} and {shown(name)} could both be the {field}"
    return source.problem(spot, "E502", message, f"say which it is: --column {field}=NAME")


def scene(
    source: Source, row: Row, separator: str, columns: Mapping[int, str], width: int, problems: list[Problem]
) -> Iterator[Draft]:
    """Yield a row's scene, unless it is a problem."""
    spots = spots_of(source, row, separator)
    spare = next((index for index in range(width, len(row.cells)) if row.cells[index].strip()), None)
    if spare is not None:
        message = f"the row has {len(row.cells)} cells, the first row names {width} columns"
        hint = "put a text that holds the separator in quotes"
        # After a comma of a text stands a space; after one that separates, none.
        torn = next((spot for spot in spots[1:] if source.text[spot.start : spot.end][:1].isspace()), spots[spare])
        problems.append(source.problem(torn, "E503", message, hint))
        return
    fields: dict[str, Entry] = {}
    for index, name in columns.items():
        if index < len(row.cells):
            put(fields, name, row.cells[index], spots[index])
    if "prompt" not in fields:
        where = next(index for index, name in columns.items() if name == "prompt")
        spot = spots[where] if where < len(spots) else row.spot
        problems.append(source.problem(spot, "E107", "the prompt is empty", "write one, or take the row out"))
        return
    yield Draft(Spot(spots[0].start, spots[-1].end), fields)


def shown(name: str) -> str:
    """Return a column's name for a message."""
    name = discreet(name)
    return repr(name if len(name) <= 40 else f"{name[:39]}…")


def listed(names: Sequence[str]) -> str:
    """Return columns' names for a message."""
    known = [discreet(name)[:40] for name in names if name]
    return ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
