"""curl commands, as the API's documentation prints them → scenes, one of each body that is sent.

Only bodies are read: headers, and the key in one, go nowhere.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wanbatch.errors import Problem
from wanbatch.manifest.importing_json import Text, found_in
from wanbatch.manifest.importing_shell import Unclosed, Word, commands
from wanbatch.manifest.importing_source import Draft, Found, Source, Spot

BODY = ("--data-raw", "--data-binary", "--data-ascii", "--data", "--json", "-d")
"""Options of curl that send a body (curl(1))."""
APOSTROPHE = r"an apostrophe inside '…' ends the quote: write ’, or '\'' for it"


class Body(NamedTuple):
    """The body that a command sends: a word, from one of its characters on."""

    word: Word
    start: int = 0

    @property
    def spot(self) -> Spot:
        """Where its characters stand; of an empty one, the quote that ends it."""
        offsets = self.word.offsets[self.start :]
        return Spot(offsets[0], offsets[-2] + 1) if len(offsets) > 1 else Spot(offsets[0] - 1, offsets[0])


def read(source: Source, _chosen: Mapping[str, str]) -> Found:
    """Return the scenes that a file of curl commands would submit."""
    drafts: list[Draft] = []
    problems: list[Problem] = []
    left_out: dict[str, None] = {}
    others: list[int] = []
    try:
        for words in commands(source.text):
            line = source.line(words[0].offsets[0])
            bodies = bodies_of(words)
            if bodies is None:
                others.append(line)
            elif not bodies:
                left_out[f"the curl command in line {line}, which submits nothing"] = None
            else:
                found = one(source, bodies)
                drafts += found.drafts
                problems += found.problems
                left_out |= dict.fromkeys(found.left_out)
    except Unclosed as stopped:
        spot = Spot(stopped.offset, stopped.offset + 1)
        message = "a quote that is never closed, or closed by an apostrophe"
        problems.append(source.problem(spot, "E501", message, APOSTROPHE))
    if others:
        said = ", ".join(map(str, others[:8])) + (" …" if len(others) > 8 else "")
        left_out[f"line{'s' if len(others) > 1 else ''} {said}: no curl command"] = None
    return Found(tuple(drafts), tuple(problems), tuple(left_out))


def bodies_of(words: Sequence[Word]) -> list[Body] | None:
    """Return the bodies that a command sends; None for a command that is not curl."""
    texts = [word.text for word in words]
    if texts[:1] == ["$"]:  # a prompt that was copied along
        words, texts = words[1:], texts[1:]
    if not texts or texts[0].rsplit("/", 1)[-1] not in ("curl", "curl.exe"):
        return None
    found = []
    for index, text in enumerate(texts):
        option = next((name for name in BODY if text.startswith(name)), None)
        if option is None or texts[index - 1] in ("-H", "--header"):
            continue
        rest = len(option) + (text[len(option) :].startswith("="))
        if text == option and index + 1 < len(words):
            found.append(Body(words[index + 1]))
        elif rest < len(text) and (option == "-d" or text[len(option)] == "="):
            found.append(Body(words[index], rest))
    return found


def one(source: Source, bodies: Sequence[Body]) -> Found:
    """Return the scenes of one command's body."""
    word, start = bodies[0]
    text, offsets = word.text[start:], word.offsets[start:]
    spot = bodies[0].spot
    if len(bodies) > 1:
        message = "a second body in one command: curl joins them with &, which is no JSON"
        return broken(source, bodies[1].spot, message, "keep one -d")
    if text.startswith("@"):
        hint = f"import that file: wanbatch import {text[1:61]}"
        return broken(source, spot, "the body is in another file", hint)
    if word.variable is not None:
        spot = Spot(word.variable, word.variable + 1)
        return broken(source, spot, "a variable of the shell, whose value is not in this file", "write its text here")
    if word.apostrophe is not None:
        return broken(source, Spot(word.apostrophe, word.apostrophe + 1), "the quote ends here", APOSTROPHE)
    found = found_in(Text(source, text, lambda at: offsets[min(at, len(offsets) - 1)]))
    if not found.drafts and not found.problems:
        return broken(source, spot, "an empty body", "write the body after -d, in single quotes")
    return found


def broken(source: Source, spot: Spot, message: str, hint: str) -> Found:
    """Return a command's one problem."""
    return Found((), (source.problem(spot, "E501", message, hint),))
