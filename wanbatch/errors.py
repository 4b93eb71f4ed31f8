"""What can go wrong, as values: a problem in a manifest, an error that ends a command, an exit code.

Knows nothing of files, terminals or the service; every other room may import it.
"""

from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes, each with one meaning. Scripts rely on them; the table in README.md is tested against this."""

    DONE = 0
    """everything wanted is on disk"""
    BUG = 1
    """a bug in wanbatch"""
    USAGE = 2
    """the command line is wrong"""
    FAILED = 3
    """some scenes failed"""
    RUNNING = 4
    """tasks are still with the service: run again, do not resubmit"""
    INVALID = 5
    """the manifest is invalid; nothing was sent"""
    ACCOUNT = 6
    """the account: key, arrears or quota"""
    REFUSED = 7
    """budget or consent refused"""
    HELD = 8
    """uncertain or expired scenes wait for a person"""
    STATE = 9
    """state cannot be read or written"""
    LOCKED = 11
    """another run holds the lock"""
    INTERRUPTED = 130
    """interrupted by Ctrl-C or a hang-up; resumable"""
    TERMINATED = 143
    """interrupted by SIGTERM; resumable"""


PRECEDENCE = (Exit.STATE, Exit.ACCOUNT, Exit.HELD, Exit.REFUSED, Exit.RUNNING, Exit.FAILED)
"""When several hold, the first of these is the exit code: what a person must act on first."""


def gravest(codes: set[Exit]) -> Exit:
    """Return the one code that a command ends with when all of `codes` hold; `DONE` for none."""
    return next((code for code in PRECEDENCE if code in codes), Exit.DONE)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: `line` and `column` count from 1, `width` is the marked text's length in characters."""

    file: str
    line: int
    column: int
    width: int = 1
    source: str = ""
    """The whole source line, so that whoever shows the place needs no file."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the user wrote and that cannot be taken as it is."""

    where: Place
    code: str
    message: str
    hint: str = ""

    @property
    def order(self) -> tuple[str, int, int, str]:
        """Sort key: by file, then by place."""
        return (self.where.file, self.where.line, self.where.column, self.code)


class WanbatchError(Exception):
    """A command ends here. `message` says what happened and what it means, `hint` the next command to type."""

    def __init__(self, message: str, *, exit_code: Exit, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class ManifestInvalid(WanbatchError):
    """The manifest has problems; nothing was sent."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        count = len(problems)
        super().__init__(
            f"{file}: {count} problem{'s' if count != 1 else ''}; nothing was sent", exit_code=Exit.INVALID
        )
        self.problems = problems
