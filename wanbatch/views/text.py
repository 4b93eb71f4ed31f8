"""Text for terminals: widths counted in columns, control characters shown, nothing raw. Decides nothing."""

import unicodedata
from collections.abc import Sequence

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
    """Return how many columns `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
            continue
        columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def cut(text: str, columns: int) -> str:
    """Return `text` in at most `columns` columns, with … where something is missing."""
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept + "…"


def table(rows: Sequence[Sequence[str]], columns: int) -> str:
    """Return rows as aligned lines, two spaces between columns; the last column is cut to fit the width."""
    if not rows:
        return ""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(width(row[index]) for row in cells) for index in range(len(cells[0]))]
    lines = []
    for row in cells:
        *first, last = row
        start = "".join(cell + " " * (size - width(cell) + 2) for cell, size in zip(first, widths, strict=False))
        room = max(20, columns - width(start))
        lines.append((start + cut(last, room)).rstrip())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Return a time span for people: `45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
