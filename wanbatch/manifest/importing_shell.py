"""Shell text → the words of its commands, as a POSIX shell splits them, each character with its offset.

Runs nothing and knows no variables: a word that the shell would fill in says so.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<joined>\\\r?\n)
  | (?P<escaped>\\.)
  | (?P<ansi>\$'(?:[^'\\]|\\.)*')
  | (?P<single>'[^']*')
  | (?P<double>"(?:[^"\\]|\\.)*")
  | (?P<end>\r?\n|\r|;|&&?|\|\|?|[()])
  | (?P<space>[ \t]+)
  | (?P<open>'|"|\$')
  | (?P<variable>\$(?=[A-Za-z_{(])|`)
  | (?P<plain>[^\s'"\\;&|()$`#]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{1,4})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
COMMENT = re.compile(r"[^\r\n]*")
VARIABLE = re.compile(r"\$(?=[A-Za-z_{(])|`")


class Word(NamedTuple):
    """A word of a command: its text, and for each character the offset that it came from, and one for the end."""

    text: str
    offsets: tuple[int, ...]
    variable: int | None = None
    """Offset of the first `$NAME` or backtick, which the shell would replace."""
    apostrophe: int | None = None
    """Offset of the first closing quote that stands between two letters, and was hardly meant as one."""


class Unclosed(Exception):
    """A quote is opened and never closed: at `offset`, or where an apostrophe closed an earlier one."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"unclosed quote at {offset}")
        self.offset = offset


class Building:
    """A word while it is read."""

    def __init__(self) -> None:
        self.begun = False
        self.chars: list[str] = []
        self.offsets: list[int] = []
        self.end = 0
        self.variable: int | None = None
        self.apostrophe: int | None = None

    def add(self, text: str, at: int) -> None:
        """Add characters that stand for themselves."""
        self.chars += text
        self.offsets += range(at, at + len(text))

    def word(self) -> Word:
        """Return the word."""
        return Word("".join(self.chars), (*self.offsets, self.end), self.variable, self.apostrophe)


def commands(text: str, at: int = 0) -> Iterator[list[Word]]:
    """Yield each command's words. Raises Unclosed."""
    words: list[Word] = []
    now = Building()
    first: int | None = None
    while at < len(text):
        if text[at] == "#" and not now.begun:
            at = COMMENT.match(text, at).end()  # type: ignore[union-attr]
            continue
        match = TOKEN.match(text, at)
        assert match
        kind, at = str(match.lastgroup), match.end()
        if kind == "open":
            raise Unclosed(match.start() if first is None else first)
        if kind in ("space", "end"):
            words += [now.word()] if now.begun else []
            now = Building()
        elif kind != "joined":
            now.begun = True
            take(now, kind, match)
            first = now.apostrophe if first is None else first
            now.end = at
        if kind == "end" and words:
            yield words
            words = []
    words += [now.word()] if now.begun else []
    if words:
        yield words


def take(now: Building, kind: str, match: re.Match[str]) -> None:
    """Add what a token means to a word."""
    text, at = match[0], match.start()
    match kind:
        case "escaped":
            now.add(text[1:], at + 1)
        case "single":
            now.add(text[1:-1], at + 1)
            if now.apostrophe is None and text[-2].isalpha() and match.string[match.end() :][:1].isalpha():
                now.apostrophe = match.end() - 1
        case "ansi":
            ansi(now, text[2:-1], at + 2)
        case "double":
            double(now, text[1:-1], at + 1)
        case "variable":
            now.variable = at if now.variable is None else now.variable
            now.add(text, at)
        case _:
            now.add(text, at)


def double(now: Building, text: str, at: int) -> None:
    """Add the inside of double quotes, where a backslash is one unless it stands before one of four characters."""
    index = 0
    while index < len(text):
        pair = text[index : index + 2]
        if pair.startswith("\\") and pair[1:] in ("\\", '"', "$", "`"):
            now.add(pair[1], at + index + 1)
            index += 2
        elif pair == "\\\n":
            index += 2
        else:
            if now.variable is None and VARIABLE.match(text, index):
                now.variable = at + index
            now.add(text[index], at + index)
            index += 1


def ansi(now: Building, text: str, at: int) -> None:
    """Add the inside of `$'…'`, which is how browsers copy requests."""
    index = 0
    while index < len(text):
        found = ESCAPE.match(text, index)
        char = meant(found) if found else text[index]
        now.chars.append(char)
        now.offsets.append(at + index)
        index = found.end() if found else index + 1


def meant(found: re.Match[str]) -> str:
    """Return the character of an escape."""
    four, two, octal, letter = found.groups()
    if letter is not None:
        return LETTERS.get(letter, letter if letter in "\\'\"?" else f"\\{letter}")
    return chr(int(four or two, 16)) if four or two else chr(int(octal, 8))
