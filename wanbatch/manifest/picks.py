"""The picks file beside a manifest: which take of a scene is the one, and how many takes `reroll` asked for.

`film.picks.yaml` is meant for git: its text is the same for the same choices, and a line is a scene.
"""

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wanbatch import disk
from wanbatch.errors import ManifestInvalid, Problem
from wanbatch.manifest.document import parse
from wanbatch.manifest.matrix import CALLED
from wanbatch.manifest.model import Picks
from wanbatch.manifest.places import DataPath, Document
from wanbatch.manifest.values import nearest

MAX_BYTES = 16 * 1024 * 1024
"""A line for each of 100,000 scenes is some 4 MB."""
MAX_TAKES = 100
"""Takes of a scene; a test holds it together with the schema."""
FORMAT = 1
MARK = "wanbatch_picks"
SECTIONS = {
    "picks": "the chosen take",
    "takes": "how many takes to make",
}
HEAD = """\
# Which take of a scene was chosen (wanbatch pick), and how many takes were asked for (wanbatch reroll).
# For git, beside the manifest. Numbers may be edited by hand; other comments do not stay.
"""
BASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
AXIS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z][A-Za-z0-9_-]*\Z", re.IGNORECASE)
"""Ids that every reader of YAML takes for text without quotes."""
BLANK = "\ufeff \t\r\n"
CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: .*)?$", re.MULTILINE)


def path_of(manifest: Path, profile: str | None) -> Path:
    """Return where the picks of a manifest are: a profile has its own, as its videos are others."""
    stem = manifest.stem if profile is None else f"{manifest.stem}@{profile}"
    return manifest.with_name(f"{stem}.picks.yaml")


def is_scene(text: str) -> bool:
    """Say whether a text can be a scene's id: `alley`, `skyline[city=Paris,ratio=16:9]`."""
    base, bracket, rest = text.partition("[")
    if not BASE.match(base):
        return False
    pairs = [axis.partition("=") for axis in rest.removesuffix("]").split(",")]
    return not bracket or (
        rest.endswith("]") and all(AXIS.match(axis) and CALLED.match(value) for axis, _, value in pairs)
    )


# --- reading ---


def read(text: str, file: str) -> Picks:
    """Return what a picks file says. Raises ManifestInvalid with every problem that it has, each with its place.

    A scene that no manifest has is no problem: it may come back, and its choice with it.
    """
    document = parse(file, text)
    problems = [*conflicts(document)] or [*document.problems] or [*faults(document)]
    if problems:
        raise ManifestInvalid(file, tuple(sorted(problems, key=lambda one: one.order)))
    data = document.data or {}
    picks, takes = (dict(sorted((data.get(name) or {}).items())) for name in SECTIONS)
    return Picks(picks, takes)


def conflicts(document: Document) -> Iterator[Problem]:
    """Yield the first line that a merge left behind: what YAML makes of it says nothing."""
    found = CONFLICT.search(document.text)
    if found:
        hint = "keep the lines of one side, or of both where they are different scenes, and remove the marks"
        yield Problem(document.at(*found.span()), "E334", "a merge has left its marks here", hint)


def faults(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with a picks file's data."""

    def problem(path: DataPath, message: str, hint: str, *, key: bool = False) -> Problem:
        return Problem(document.place(path, key=key), "E334", message, hint)

    data = document.data
    if not isinstance(data, dict):
        if document.text.strip(BLANK):
            yield problem((), "this is no picks file", f"start it with `{MARK}: {FORMAT}`, or remove the file")
        else:
            hint = f"put it back, from git perhaps; or to choose anew, write `{MARK}: {FORMAT}`"
            yield problem((), "this picks file is empty", hint)
        return
    if MARK not in data:
        yield problem(
            (), "this is no picks file: its version is missing", f"write `{MARK}: {FORMAT}` as its first line"
        )
    elif data[MARK] != FORMAT or data[MARK] is True:
        yield problem((MARK,), f"version {shown(data[MARK])} of picks files", f"this wanbatch reads `{MARK}: {FORMAT}`")
    for name, value in data.items():
        if name in SECTIONS:
            yield from faults_in(name, value, problem)
        elif name != MARK:
            close = nearest(name, [MARK, *SECTIONS])
            hint = f"did you mean `{close}`?" if close else "there are `picks` and `takes`; comments start with #"
            yield problem((name,), f"a picks file has no `{name[:50]}`", hint, key=True)


def faults_in(section: str, value: object, problem: Any) -> Iterator[Problem]:
    """Yield what is wrong with one section."""
    meaning = SECTIONS[section]
    if value is None:
        return
    if not isinstance(value, dict):
        yield problem((section,), f"`{section}` has a line for each scene", f"write `alley: 2` below: {meaning}")
        return
    for scene, number in value.items():
        path = (section, scene)
        if not is_scene(scene):
            hint = 'write an id of the manifest, like alley or "skyline[city=Paris]", as `wanbatch pick` does'
            yield problem(path, f"{scene[:50]!r} is no scene's id", hint, key=True)
        elif not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_TAKES:
            yield problem(path, f"{shown(number)} is no number of takes" if section == "takes" else
                          f"{shown(number)} is no take", f"write {meaning}, 1 to {MAX_TAKES}")  # fmt: skip


def shown(value: object) -> str:
    """Return a value as it may have been written, cut where it is long."""
    return json.dumps(value, ensure_ascii=False, default=str)[:50]


# --- writing ---


def text_of(picks: Picks) -> str:
    """Return the file's text: scenes in order, so that a change is one line of a diff."""
    sections = ((name, section) for name, section in (("picks", picks.picks), ("takes", picks.takes)) if section)
    return f"{HEAD}{MARK}: {FORMAT}\n" + "".join(f"{name}:\n{lines(section)}" for name, section in sections)


def lines(section: Mapping[str, int]) -> str:
    """Return a section's lines."""
    return "".join(f"  {key(scene)}: {number}\n" for scene, number in sorted(section.items()))


def key(scene: str) -> str:
    """Return a scene's id as YAML that no reader takes for anything but text."""
    return scene if PLAIN.match(scene) else json.dumps(scene, ensure_ascii=False)


def write(path: Path, picks: Picks) -> None:
    """Write a picks file, whole or not at all, readable for whom it was or for whom new files are. Raises OSError."""
    path = Path(os.path.realpath(path))
    with disk.Folder.open(path.parent) as folder:
        there = folder.status(path.name)
        mode = stat.S_IMODE(there.st_mode) if there else folder.usual_mode(f".{path.name}.mode")
        folder.write_whole(path.name, text_of(picks).encode())
    path.chmod(mode)
