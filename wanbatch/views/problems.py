"""Problems of a manifest as text: place, what is wrong, the line itself, a caret, what to write. Decides nothing.

Also as JSON, and as what a workflow of GitHub shows beside the line.
"""

import re
from collections.abc import Iterable, Sequence

from wanbatch.errors import Problem
from wanbatch.views.text import cut, printable, width

WIDEST = 110
"""A line of the manifest takes no more columns than this, even where there are more."""
NARROWEST = 40
BEFORE = 25
"""How many columns stay in front of the marked text when the line is too long."""


SUBJECT = re.compile(r"scene (?:[^\s:,]|[:,](?! ))+(?:, shot [0-9]+)?: ")
"""The scene and the shot that a message begins with; an id of a matrix may hold `:` and `,`."""
ALIKE = 2
"""So many problems with the same words are shown in full; of more, the first one and where the others are."""
PLACES = 8
"""So many places are named of them."""
MOST = 100
"""So many texts are read by nobody: more are only counted."""


def report(problems: Sequence[Problem], columns: int = WIDEST) -> list[str]:
    """Return problems as texts, in their order; those that only differ in their scene as one text."""
    alike: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.code, SUBJECT.sub("", problem.message, count=1), problem.hint), []).append(problem)
    said = []
    for same in alike.values():
        if len(same) <= ALIKE:
            said += [(problem.order, show(problem, columns)) for problem in same]
        else:
            said.append((same[0].order, f"{show(same[0], columns)}\n{others(same)}"))
    texts = [text for _, text in sorted(said)]
    if len(texts) > MOST:
        left = f"… and {len(texts) - MOST:,} more; wanbatch validate --output-format json lists them all"
        texts = [*texts[:MOST], left]
    return texts


def others(same: Sequence[Problem]) -> str:
    """Say where the problems like the first one are."""
    file = same[0].where.file
    places = [str(one.where).removeprefix(f"{file}:") for one in same[1 : PLACES + 1]]
    more = ", …" if len(same) > PLACES + 1 else ""
    return f"  the same in {len(same) - 1:,} more places: {printable(', '.join(places))}{more}"


def severity(problem: Problem) -> str:
    """Return `warning` for what is said of a valid manifest, else `error`."""
    return "warning" if problem.code.startswith("W") else "error"


def as_json(problem: Problem) -> dict[str, object]:
    """Return a problem as JSON data. Columns count characters from 1; `end_column` is the one after the last."""
    where = problem.where
    return {
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "end_column": where.column + where.width,
        "code": problem.code,
        "severity": severity(problem),
        "message": problem.message,
        "help": problem.hint or None,
    }


def annotations(problems: Iterable[Problem]) -> list[str]:
    """Return problems as commands of a GitHub workflow, each shown beside its line."""
    from wanbatch.views.github import command

    return [
        command(
            severity(problem), f"{problem.message}\n{f'help: {problem.hint}' if problem.hint else ''}".rstrip(),
            file=problem.where.file, line=problem.where.line, endLine=problem.where.line, col=problem.where.column,
            endColumn=problem.where.column + problem.where.width, title=problem.code,
        )
        for problem in problems
    ]  # fmt: skip


def show(problem: Problem, columns: int = WIDEST) -> str:
    """Return one problem in the manner of compilers, for a terminal of `columns` columns."""
    where = problem.where
    lines = [f"{printable(str(where))}: {problem.code} {printable(problem.message)}"]
    if where.source.strip():
        lines += excerpt(where.source, where.column - 1, where.width, min(max(columns - 4, NARROWEST), WIDEST))
    if problem.hint:
        lines.append(f"  help: {printable(problem.hint)}")
    return "\n".join(lines)


def excerpt(source: str, start: int, length: int, room: int) -> list[str]:
    """Return the source line and carets under the marked characters, both in at most `room` columns.

    A tab is shown as one space, so that the caret is where it seems to be.
    """
    before, marked, after = (
        printable(part.replace("\t", " "))
        for part in (source[:start], source[start : start + length], source[start + length :])
    )
    if width(before + marked + after) > room:
        before = ending(before, max(BEFORE, room - width(marked + after)))
    pad = width(before)
    carets = "^" * max(1, min(width(marked), room - pad))
    return [f"  | {cut(before + marked + after, room)}", f"  | {' ' * pad}{carets}"]


def ending(text: str, columns: int) -> str:
    """Return the end of `text` in at most `columns` columns, with … where its beginning is missing."""
    if width(text) <= columns:
        return text
    start = len(text)
    while start and width(text[start - 1 :]) < columns:
        start -= 1
    return "…" + text[start:]
