"""What a run tells programs while it goes on: JSON objects on stderr, a file of events, a health check.

None of it may fail a run. What cannot be told is said once, in words.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from wanbatch import __version__
from wanbatch.cli.asked import Options
from wanbatch.cli.door import FORM, Ended, echo, say
from wanbatch.disk import why, write_all
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Job
from wanbatch.jobs.plan import Kind, Plan
from wanbatch.jobs.state import Event
from wanbatch.money.amount import Cost
from wanbatch.views import events

APPENDED = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe that nobody reads blocks no run."""
PING = "WANBATCH_PING_URL"


def speak(options: Options) -> None:
    """Let everything on stderr be JSON objects from now on, if the command line says so."""
    if options.objects:
        FORM.set(spoken)


def spoken(message: str, hint: str) -> str:
    """Return a message for people, with the next command, as one object."""
    said = {"format": events.FORMAT, "at": round(time.time(), 3), "event": "Said", "message": message}
    return events.text(said | ({"hint": hint} if hint else {})).rstrip("\n")


class Telling:
    """Tells programs of changes of state. Use as a context manager; `cost` is that of an outline's video."""

    def __init__(self, options: Options, cost: Callable[[dict[str, object]], Cost | None]) -> None:
        self._path: Path | None = options.events
        self._objects = options.objects
        self._cost = cost
        self._fd: int | None = None
        self._started = False

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._fd = os.open(self._path, APPENDED, 0o666)
            except OSError as error:
                self._give_up(self._path, error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def listens(self) -> bool:
        """Whether anybody is told."""
        return self._objects or self._fd is not None

    def told(self, job: Job, event: Event) -> None:
        """Tell a change of state, with the job as it is after it."""
        if self.listens:
            at = time.time() if job.ended_at is None else job.ended_at
            self._tell(events.line(job, event, at, self._cost(job.outline)))

    def started(self, at: float, options: Options, folder: Path, planned: Plan) -> None:
        """Tell that a run starts, and what it is going to do."""
        self._started = True
        if self.listens:
            manifest = str(options.manifest)
            self._tell(
                events.started(at, manifest=manifest, folder=str(folder), counts=counts(planned), tool=__version__)
            )

    def ended(self, at: float, code: int, after: Plan, saved: int, reason: str) -> None:
        """Tell that the run is over, if it was told that it started."""
        if self._started and self.listens:
            self._started = False
            self._tell(events.ended(at, exit_code=code, counts=counts(after), saved=saved, reason=reason))

    def _tell(self, fields: Mapping[str, object]) -> None:
        line = events.text(fields)
        if self._objects:
            echo(line.rstrip("\n"))
        if self._fd is not None and self._path is not None:
            try:
                write_all(self._fd, line.encode())
            except OSError as error:
                os.close(self._fd)
                self._fd = None
                self._give_up(self._path, error)

    def _give_up(self, path: Path, error: OSError) -> None:
        reason = why(error)
        say(f"no more events are written to {reason if str(path) in reason else f'{path}: {reason}'}; the run goes on")


def counts(plan: Plan) -> dict[str, int]:
    """Return how many entries of each kind a plan has."""
    return {kind.name.lower(): len(plan.of(kind)) for kind in Kind}


def pinged(options: Options, work: Callable[[], int]) -> int:
    """Do the work and return its exit code, and tell a health check of both ends if the command line names one."""
    url = options.ping or ("" if options.simulate else os.environ.get(PING, ""))
    if not url:
        return work()
    from wanbatch.cli.ping import outcome, ping, usable

    ping(usable(url), "start")
    code = int(Exit.BUG)
    try:
        code = work()
    except BaseException as error:
        code = code_of(error)
        raise
    finally:
        ping(url, outcome(code), code)
    return code


def code_of(error: BaseException) -> int:
    """Return the exit code that the door gives to an error."""
    match error:
        case WanbatchError(exit_code=code):
            return int(code)
        case Ended(number=signal.SIGTERM):
            return int(Exit.TERMINATED)
        case KeyboardInterrupt():
            return int(Exit.INTERRUPTED)
        case BrokenPipeError():
            return 141
        case OSError():
            return int(Exit.STATE)
        case _:
            return int(Exit.BUG)
