"""The problems of a manifest as they are found: each mistake once, with the scene that it is in."""

import re
from collections.abc import Iterable

from wanbatch.errors import Place, Problem
from wanbatch.manifest.assemble import At, listed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
"""Ids that a message may call a scene by."""


class Notes:
    """The problems of one manifest; fills up as it is checked."""

    def __init__(self, found: Iterable[Problem] = ()) -> None:
        self.problems: list[Problem] = list(found)
        self.refused = {(problem.where.file, problem.where.line, problem.where.column) for problem in self.problems}
        """Places where the value is not what was written, so that nothing more can be said of it."""
        self.noted: set[tuple[Place, str, str]] = set()

    def add(self, code: str, at: At, message: str, hint: str = "", *, key: bool = False, of: str = "") -> None:
        """Note a problem at a place of the data; `of` names a scene that a matrix made."""
        self.add_at(at.document.place(at.path, key=key), code, at, message, hint, of=of)

    def add_at(self, where: Place, code: str, at: At, message: str, hint: str = "", *, of: str = "") -> None:
        """Note a problem; once, though an alias, the defaults or a matrix bring it into many scenes."""
        known = (where, code, "" if of else message)
        if known not in self.noted and (where.file, where.line, where.column) not in self.refused:
            self.noted.add(known)
            self.problems.append(Problem(where, code, (f"scene {of}: " if of else subject(at)) + message, hint))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the manifest from being run, by place."""
        return in_order(problem for problem in self.problems if not problem.code.startswith("W"))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What costs money or reproducibility, by place."""
        return in_order(problem for problem in self.problems if problem.code.startswith("W"))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems by place, each once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.order))


def subject(at: At) -> str:
    """Return `scene alley, shot 2: ` for what lies inside one."""
    path = at.path
    if len(path) < 2 or path[0] != "scenes" or not isinstance(path[1], int):
        return ""
    scene = listed(at.document)[path[1]]
    name = scene.get("id") if isinstance(scene, dict) else None
    known = isinstance(name, str) and NAME.match(name) and path[2:] != ("id",)
    if not known and isinstance(scene, dict) and "include" in scene:
        return ""
    said = f"scene {name if known else path[1] + 1}"
    if len(path) > 3 and path[2] == "shots" and isinstance(path[3], int):
        said += f", shot {path[3] + 1}"
    return f"{said}: "
