"""What a workflow of GitHub shows: commands on stdout, and Markdown for its summary. Renders values, decides nothing.

Form as in GitHub's "Workflow commands"; escapes as its own `@actions/core` writes them.
"""

from collections.abc import Sequence

MOST = 10
"""So many of one step are shown (actions/toolkit, docs/problem-matchers.md says it of warnings and errors)."""


def command(kind: str, message: str, **properties: object) -> str:
    """Return a command, `notice` or `error`, with properties like `file`, `line` and `title`."""
    given = ",".join(f"{name}={escaped(str(value), ':,')}" for name, value in properties.items())
    return f"::{kind}{' ' if given else ''}{given}::{escaped(message)}"


def escaped(text: str, more: str = "") -> str:
    """Return a text in which nothing ends the command, or one of its properties with `more`."""
    for char in f"%\r\n{more}":
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def markdown(sentence: str, tables: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """Return a summary: a sentence, and a table under the name of each manifest."""
    said = [f"### {cell(sentence)}", ""]
    for name, (head, *body) in tables:
        said += [f"**{cell(name)}**", "", row(head), row(["---"] * len(head)), *map(row, body), ""]
    return "\n".join(said) + "\n"


def row(cells: Sequence[str]) -> str:
    """Return a table's line."""
    return f"| {' | '.join(map(cell, cells))} |"


def cell(text: str) -> str:
    """Return a text that Markdown takes for nothing else."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|~" else char for char in text.replace("\n", " "))
