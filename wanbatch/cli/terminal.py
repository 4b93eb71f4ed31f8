"""How wide to write. Knows streams only."""

import os
from typing import TextIO

UNCUT = 100_000
"""Where nobody looks at a terminal, nothing is cut: a search must find the whole line."""


def columns(stream: TextIO) -> int:
    """Return the width to write to `stream` in: its terminal's, or COLUMNS."""
    if not stream.isatty():
        return UNCUT
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 100
    except (OSError, ValueError):
        return 100
