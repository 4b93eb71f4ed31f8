"""Problems of a manifest as text: place, what is wrong, the line itself, a caret, what to write. Decides nothing."""

from wanbatch.errors import Problem
from wanbatch.views.text import cut, printable, width

WIDEST = 110
"""A line of the manifest takes no more columns than this, even where there are more."""
NARROWEST = 40
BEFORE = 25
"""How many columns stay in front of the marked text when the line is too long."""


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
