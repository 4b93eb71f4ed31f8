"""What each code of a problem means: read from `diagnostics.toml` when somebody asks.

Knows nothing of how a problem is found; a test holds the pages and the codes in the source together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

FILM = "film.yaml"
"""What the file of an example is called that has one file."""


@dataclass(frozen=True, slots=True)
class Example:
    """A file of an example: its name and its text."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """All that is to be said of a code. `why` and `notes` are paragraphs of plain words, without line breaks."""

    code: str
    title: str
    why: str
    wrong: tuple[Example, ...] = ()
    """The files of the smallest manifest that gives the code, the manifest first; empty for what no example shows."""
    right: tuple[Example, ...] = ()
    notes: str = ""
    command: str = ""
    """What gives the code where that is not `wanbatch validate`."""

    @property
    def severity(self) -> str:
        """`warning` for what is said of a valid manifest, else `error`."""
        return severity(self.code)


def severity(code: str) -> str:
    """Return `warning` for the code of what is only said, `error` for that of what is refused."""
    return "warning" if code.startswith("W") else "error"


@cache
def pages() -> Mapping[str, Page]:
    """Return every page by its code, in the order of the codes."""
    import tomllib
    from importlib.resources import files

    raw = tomllib.loads(files("wanbatch.manifest").joinpath("diagnostics.toml").read_text("utf-8"))
    found = {}
    for code in sorted(raw):
        entry = raw[code]
        why, notes = (" ".join(entry.get(name, "").split()) for name in ("why", "notes"))
        wrong, right = (examples(entry.get(name, {})) for name in ("wrong", "right"))
        found[code] = Page(code, entry["title"], why, wrong, right, notes, entry.get("command", ""))
    return found


def examples(written: str | Mapping[str, str]) -> tuple[Example, ...]:
    """Return the files of an example, written as one text or as a text for each."""
    named = {FILM: written} if isinstance(written, str) else written
    return tuple(Example(name, text) for name, text in named.items())


def named(word: str) -> Page | None:
    """Return the page that a word names: `E104`, `e104`, `[E104]:`, `104` where only one code has the number."""
    said = "".join(word.upper().split()).strip("[]():.,")
    by_number = [code for code in pages() if code[1:] == said]
    return pages().get(by_number[0] if len(by_number) == 1 else said)


def near(word: str) -> str | None:
    """Return the code that an unknown one was probably meant to be."""
    from difflib import get_close_matches

    said = word.strip().upper()
    close = get_close_matches(said, pages(), n=1, cutoff=0.6)
    return next((code for code in pages() if code[1:] == said[1:]), close[0] if close else None)


def markdown() -> str:
    """Return all pages as a document: docs/diagnostics.md."""
    lines = ["# Diagnostics", "", INTRODUCTION]
    for kind, title in (("error", "Errors"), ("warning", "Warnings")):
        rows = [one for one in pages().values() if one.severity == kind]
        lines += ["", f"## {title}", "", "| code | says |", "|---|---|"]
        lines += [f"| [{one.code}](#{one.code.lower()}) | {one.title} |" for one in rows]
    for one in pages().values():
        lines += ["", f'## <a id="{one.code.lower()}"></a>{one.code}: {one.title}', "", one.why]
        lines += ["", f"Seen with `{one.command}`."] if one.command else []
        for word, shown in (("Wrong", one.wrong), ("Right", one.right)):
            for number, example in enumerate(shown):
                heading = f"{word}:" if number == 0 else ""
                heading = f"{heading} `{example.file}`".strip() if len(shown) > 1 else heading
                lines += ["", heading, "", f"```{language(example.file)}", example.text.rstrip("\n"), "```"]
        lines += ["", one.notes] if one.notes else []
    return "\n".join(lines) + "\n"


def language(file: str) -> str:
    """Return what an editor calls the language of a file."""
    return "yaml" if file.endswith((".yaml", ".yml")) else "text"


INTRODUCTION = """\
This page is generated from `wanbatch/manifest/diagnostics.toml`; `wanbatch explain E104` prints one part of it.
The tests run every example.

A problem is said with its file, line and column, a code, what is wrong, the line itself with carets under the very
characters, and what to write instead; all problems of a manifest at once. **E**: the manifest is refused, exit code
5, and nothing is sent. **W**: the manifest is valid, and money or reproducibility is at stake; `wanbatch validate
--strict` takes warnings for errors, `--ignore W402` leaves one out.

E0 is about the file itself, E1 about keys and values, E2 about rules, E3 about variables, matrices, included files,
picks and the lock file, E5 about files to import, E6 about the configuration; W4 are the warnings."""
