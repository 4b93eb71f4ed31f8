"""Problems of a manifest as text: place, what is wrong, the line itself, a caret, what to write. Decides nothing."""

from wanbatch.errors import Problem
from wanbatch.views.text import cut, printable, width

SOURCE_COLUMNS = 110


def show(problem: Problem) -> str:
    """Return one problem in the manner of compilers."""
    where = problem.where
    lines = [f"{printable(str(where))}: {problem.code} {printable(problem.message)}"]
    if where.source.strip():
        lines += excerpt(where.source, where.column - 1, where.width)
    if problem.hint:
        lines.append(f"  help: {printable(problem.hint)}")
    return "\n".join(lines)


def excerpt(source: str, start: int, length: int) -> list[str]:
    """Return the source line and the carets under the marked characters, both cut to a sensible width."""
    before, marked = source[:start], source[start : start + length]
    if width(before) > SOURCE_COLUMNS - 30:
        kept = before[-40:]
        source = "…" + source[start - len(kept) :]
        before = "…" + kept
    pad = " " * width(printable(before.replace("\t", " ")))
    carets = "^" * max(1, min(width(printable(marked)), SOURCE_COLUMNS - len(pad)))
    return [f"  | {cut(printable(source.replace(chr(9), ' ')), SOURCE_COLUMNS)}", f"  | {pad}{carets}"]
