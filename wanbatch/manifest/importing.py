"""What people have, in a file of some format → the text of a manifest that validates as it stands. Pure text.

Which format it is, who reads it, and where in the file a problem of the manifest came from.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from wanbatch.errors import Problem
from wanbatch.manifest import importing_curl, importing_json, importing_markdown, importing_table
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse
from wanbatch.manifest.importing_scenes import Written, written
from wanbatch.manifest.importing_source import (
    FIELDS,
    KEY,
    Draft,
    Entry,
    Found,
    Source,
    Spot,
    Value,
    discreet,
    normal,
)
from wanbatch.manifest.places import LINE_BREAK

Read = Callable[[Source, Mapping[str, str]], Found]

ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".md": "markdown", ".markdown": "markdown", ".curl": "curl", ".sh": "curl",
}  # fmt: skip
JSON = re.compile(r'\s*(?:\{\s*"|\[\s*[{"])')
CURL = re.compile(r"^[ \t]*(?:\$ )?curl\s(?:.*https?:|.*\\[ \t]*$)", re.MULTILINE)
SHOTS = re.compile(
    r"^#{1,6}[ \t]+\S[^\r\n]*(?:\r?\n)+(?s:.*?)^[ \t]*(?:[-*+]|[0-9]+[.)]|\|)[^\r\n]*[0-9]", re.MULTILINE
)
"""A heading, and below it an entry of a list or a table that holds a number."""
LAYOUT = re.compile(r"[\t\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that no prompt may hold, among others: for showing which one the check refused."""
OF_CHARACTERS = ("E008", "E208")


class Imported(NamedTuple):
    """A manifest's text, or why there is none; what was left out of it either way."""

    text: str
    scenes: int
    problems: tuple[Problem, ...]
    left_out: tuple[str, ...]
    unused: tuple[str, ...] = ()
    """Which of the values for scenes that do not say have no scene, because all of them say."""


class NameRefused(Exception):
    """The manifest's name cannot be one. Holds the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def lines(source: Source, _chosen: Mapping[str, str]) -> Found:
    """Return a scene for each line that is not blank."""
    drafts = []
    for at, line in zip(source.starts, LINE_BREAK.split(source.text), strict=True):
        if text := line.strip():
            start = at + line.index(text)
            spot = Spot(start, start + len(text))
            drafts.append(Draft(spot, {"prompt": Entry(text, spot)}))
    return Found(tuple(drafts))


READERS: Mapping[str, Read] = {
    "text": lines,
    "csv": importing_table.read,
    "tsv": lambda source, chosen: importing_table.read(source, chosen, "\t"),
    "jsonl": importing_json.read,
    "curl": importing_curl.read,
    "markdown": importing_markdown.read,
}
FORMATS = tuple(READERS)
WITH_COLUMNS = ("csv", "tsv", "jsonl")
"""Formats whose fields have names that people choose."""


def format_of(file: str, text: str) -> str:
    """Return the format of a file, by its ending, else by what it looks like; `text` for one prompt a line."""
    ending = re.search(r"\.[A-Za-z]+\Z", file)
    if ending and ending[0].casefold() in ENDINGS:
        return ENDINGS[ending[0].casefold()]
    if JSON.match(text):
        return "jsonl"
    if CURL.search(text):
        return "curl"
    first = next((line for line in text.splitlines() if line.strip()), "")
    for separator in importing_table.SEPARATORS:
        names = [FIELDS.get(normal(cell.strip().strip('"'))) for cell in first.split(separator)]
        if len(names) > 1 and None not in names and "prompt" in names:
            return "csv"
    return "markdown" if SHOTS.search(text) else "text"


def imported(
    source: Source, form: str, chosen: Mapping[str, str], name: str, otherwise: Mapping[str, Value]
) -> Imported:
    """Return the manifest of a file, and its problems with their places in the file.

    `chosen` says by which column a field is called, `otherwise` what holds for scenes that do not say. Raises
    NameRefused.
    """
    found = READERS[form](source, chosen)
    problems = [*found.problems, *secrets(source, found.drafts), *twins(source, found.drafts)]
    made = written(name, found.drafts, otherwise)
    if found.drafts:
        _, refused = check(parse(source.file, made.text))
        known = {(problem.where, problem.code) for problem in problems}
        for problem in refused:
            moved = in_source(source, made, problem)
            if moved.code != "E203" and (moved.where, moved.code) not in known:
                problems.append(moved)
    unused = [key for key in otherwise if found.drafts and all(says(draft, key) for draft in found.drafts)]
    silent = (replace(one, message=discreet(one.message), hint=discreet(one.hint)) for one in problems)
    ordered = sorted(dict.fromkeys(silent), key=lambda problem: problem.order)
    left_out = tuple(map(discreet, found.left_out))
    return Imported(made.text, len(found.drafts), tuple(ordered), left_out, tuple(unused))


def says(draft: Draft, name: str) -> bool:
    """Say whether a scene states a field; shots state the duration."""
    return name in draft.fields or (name == "duration" and bool(draft.shots))


def in_source(source: Source, made: Written, problem: Problem) -> Problem:
    """Return a problem of the manifest with its place in the source. Raises NameRefused for one of its name."""
    spot = made.spots[problem.where.line - 1]
    if spot is None:
        raise NameRefused(problem)
    if problem.code in OF_CHARACTERS and (odd := LAYOUT.search(source.text, *spot)):
        spot = Spot(odd.start(), odd.end())
    return Problem(source.at(*spot), problem.code, problem.message, problem.hint)


def secrets(source: Source, drafts: tuple[Draft, ...]) -> list[Problem]:
    """Return a problem for each text that holds what looks like a key: a manifest is read by others."""
    hint = "take it out; for a file of curl commands: --format curl"
    return [
        source.problem(entry.spot or draft.spot, "E504", "this looks like an API key", hint)
        for draft in drafts
        for fields in (draft.fields, *draft.shots)
        for entry in fields.values()
        if isinstance(entry.value, str) and KEY.search(entry.value)
    ]


def twins(source: Source, drafts: tuple[Draft, ...]) -> list[Problem]:
    """Return a problem for each id that the file gives twice: ids name files, without regard to case."""
    first: dict[str, Spot] = {}
    problems = []
    for draft in drafts:
        entry = draft.fields.get("id")
        if entry is None or entry.spot is None:
            continue
        known = first.setdefault(str(entry.value).casefold(), entry.spot)
        if known != entry.spot:
            message = f"id {entry.value} is taken already, in line {source.line(known.start)}"
            hint = "give one of the two another id: ids name files, without regard to case"
            problems.append(source.problem(entry.spot, "E203", message, hint))
    return problems
