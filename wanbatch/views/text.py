"""Text for terminals: widths counted in columns, control characters shown, nothing raw. Decides nothing."""

import unicodedata
from collections.abc import Collection, Sequence

BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder what stands around them; a message could lie with them."""


def printable(text: str) -> str:
    """Return `text` on one line, with control and reordering characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(shown(char) for char in text)


def shown(char: str) -> str:
    """Return a character, or its escape when a terminal would obey it."""
    if char in BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
        return char.encode("unicode_escape").decode()
    return char


def width(text: str) -> int:
    """Return how many columns `text` takes: wide characters two, combining and invisible ones none."""
    if text.isascii():
        return len(text)
    return sum(map(columns_of, text))


def columns_of(char: str) -> int:
    """Return how many columns a character takes."""
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return `text` in at most `columns` columns, with … where something is missing."""
    if columns < 1 or width(text) <= columns:
        return text if columns > 0 else ""
    used, kept = 0, []
    for char in text:
        used += columns_of(char)
        if used > columns - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


LAST = 20
"""The last column gets at least this; the first one gives way."""
FIRST = 8


def table(rows: Sequence[Sequence[str]], columns: int, right: Collection[int] = ()) -> str:
    """Return rows as aligned lines within `columns`, two spaces between cells; numbers in `right` end flush.

    Where there is too little room the last cell is cut, then the first.
    """
    if not rows:
        return ""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(width(row[index]) for row in cells) for index in range(len(cells[0]))]
    rest = sum(size + 2 for size in widths[1:-1])
    last = min(LAST, widths[-1])
    if len(widths) > 1:
        widths[0] = min(widths[0], max(FIRST, columns - rest - last - 2))
    lines = []
    for row in cells:
        line = ""
        for index, cell in enumerate(row[:-1]):
            shown_cell = cut(cell, widths[index])
            gap = " " * (widths[index] - width(shown_cell))
            line += (gap + shown_cell if index in right else shown_cell + gap) + "  "
        lines.append((line + cut(row[-1], max(1, columns - width(line)))).rstrip())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a time span for people: `45 s`, `3 min 20 s`, `2 h 05 min`, `4 d 15 h`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 2 * 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
