"""What a damaged journal still tells, and a copy of it that nobody can pay twice with.

Knows bytes and events. What stands before the first bad line is believed. What stands after it is not, but it
is read as a warning: a scene whose submission is in there, or may be, is held in the copy. Never touches the
journal itself.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wanbatch import disk
from wanbatch.jobs import lock
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import EVENTS, Journal, JournalDamaged, JournalError, Line, follow, lines_of
from wanbatch.jobs.lock import JournalLocked
from wanbatch.jobs.state import (
    Canceled,
    Cancelling,
    Done,
    Event,
    Failed,
    Held,
    HeldForReview,
    InDoubt,
    Planned,
    Ready,
    Rendered,
    ResubmitApproved,
    State,
    SubmitIntended,
    Waiting,
)
from wanbatch.manifest.model import JobKey

UNKNOWN_OUTLINE: dict[str, object] = {"model": "?", "prompt": "?"}
"""Of a job that only the lost lines know: its request is in the manifest, or nowhere."""

Outlines = Mapping[JobKey, dict[str, object]]

BEGINNING = re.compile(rb'(?=\{"seq":)')
NAMED = re.compile(rb'"job":"([^"/]{1,200}/[0-9]{1,9}/[0-9a-f]{12})"')

RUN_EVENTS = {"Opened", "RunStarted"}

UNPAID = {"Planned", "CancelRequested", "ResubmitApproved"}
"""Events that can follow a state without a task and need no submission."""


@dataclass(frozen=True, slots=True)
class Findings:
    """A journal, looked at. `good` is the part to be believed, `lost` what stands after it."""

    board: Board
    lines: int
    last: Line | None
    good: bytes
    lost: bytes
    bad: JournalDamaged | None

    @property
    def torn_bytes(self) -> int:
        """The size of a last line that a crash cut short; 0 when the journal is damaged, or whole."""
        return 0 if self.bad else len(self.lost)


@dataclass(frozen=True, slots=True)
class Loss:
    """A scene of which lines were lost. `task_ids`: what those lines name, as far as they can be read."""

    key: JobKey
    state: State | None
    task_ids: tuple[str, ...]
    outline: dict[str, object] | None
    """Of a job that only the lost lines know, if they can be read: its request."""
    held: bool
    """Whether the copy holds it: it was submitted in the lost part, or may have been."""


def examine(content: bytes, path: Path) -> Findings:
    """Return what a journal tells. Raises JournalError for one of a later format: that is no damage."""
    board, count, last, end = Board(), 0, None, 0
    bad = None
    try:
        for line, _, offset in lines_of(content, path):
            follow(board, line, path)
            count, last, end = count + 1, line, offset
    except JournalDamaged as error:
        bad = error
    return Findings(board, count, last, content[:end], content[end:], bad)


def content_of(path: Path) -> bytes:
    """Return a journal's bytes. Needs no lock and changes nothing. Raises JournalError."""
    try:
        return disk.read_plain(path)
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error.strerror}") from None


def losses(found: Findings) -> tuple[list[Loss], int]:
    """Return the scenes of which lines were lost, and how many lost lines cannot be read.

    Each of those may have been any unsent scene's submission: while there is one, all unsent scenes are held.
    """
    said, unread = tell_apart(found) if found.bad else ({}, 0)
    lost = [loss(key, found.board, lines) for key, lines in said.items()]
    if unread:
        lost = [one if one.held else suspected(one) for one in lost]
        lost += [
            Loss(key, job.state, (), None, held=True)
            for key, job in found.board.jobs.items()
            if isinstance(job.state, Ready) and key not in said
        ]
    return [one for one in lost if one.held or one.state is not None], unread


def tell_apart(found: Findings) -> tuple[dict[JobKey, list[Line | None]], int]:
    """Return the lost lines by job, None for one that does not read as a line, and how many hide their job.

    A name that was never planned may be the damaged name of another: both are suspected.
    """
    said: dict[JobKey, list[Line | None]] = {}
    planned = set(found.board.jobs)
    unread, expected, line = 0, found.lines, None
    for raw in rows(found.lost):
        line = legible(raw)
        seq = line.seq if line else expected
        unread += max(0, seq - expected)  # lines that are not even there
        expected = max(expected, seq + 1)
        if line is not None and line.job is None:
            continue
        keys = keys_of(line, raw)
        if line is not None and line.event == "Planned":
            planned.update(keys)
        unread += not planned.issuperset(keys) or not keys
        for key in keys:
            said.setdefault(key, []).append(line)
    return said, unread + (line is None)  # the last one may have swallowed others; in the middle the numbers tell


def rows(lost: bytes) -> list[bytes]:
    """Return the lost lines. One begins also where its line break was damaged; no text can look like a beginning."""
    return [row for part in lost.split(b"\n") for row in BEGINNING.split(part) if row]


def suspected(one: Loss) -> Loss:
    """Return the loss of a scene that a line which cannot be read may have submitted."""
    return replace(one, held=isinstance(one.state, Ready | None))


def legible(raw: bytes) -> Line | None:
    """Return a lost line as far as it reads as one; its sum is not looked at. None: it does not."""
    try:
        end = raw.rindex(b"}") + 1  # what follows was a line break
        data = json.loads(raw[:end])
        del data["crc"]
        seq, job = int(data.pop("seq")), data.pop("job", None)
        line = Line(seq, data.pop("at"), data.pop("event"), job, data)
        if job is None:
            return line if line.event in RUN_EVENTS else None
        return line if line.event in EVENTS and JobKey.parse(job) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def keys_of(line: Line | None, raw: bytes) -> set[JobKey]:
    """Return whose line it is; of one that does not read as a line, whoever is named."""
    if line is not None and line.job is not None:
        return {JobKey.parse(line.job)}
    keys = set()
    for named in NAMED.findall(raw):
        with contextlib.suppress(ValueError):
            keys.add(JobKey.parse(named.decode()))
    return keys


def loss(key: JobKey, board: Board, lines: list[Line | None]) -> Loss:
    """Return what the lost lines mean for one job."""
    job = board.jobs.get(key)
    state = job.state if job else None
    tasks = [str(line.fields["task_id"]) for line in lines if line and "task_id" in line.fields]
    others = {task for task in tasks if task != getattr(state, "task_id", None)}
    kinds = {line.event if line else "?" for line in lines}
    match state:
        case None | Ready() | Failed() | Canceled():
            sent = bool(kinds - UNPAID)
        case InDoubt():
            sent = "SubmitIntended" in kinds
        case Waiting() | Cancelling() | Rendered():
            sent = bool(kinds & {"SubmitIntended", "?"}) or bool(others)
        case _:
            sent = False  # done or held: nothing is submitted by itself
    return Loss(key, state, tuple(dict.fromkeys(tasks)), outline_in(lines), sent)


def outline_in(lines: list[Line | None]) -> dict[str, object] | None:
    """Return the request that lost lines give a job, when it is whole enough to be of use."""
    for line in lines:
        outline = line.fields.get("outline") if line and line.event == "Planned" else None
        if isinstance(outline, dict) and {"model", "prompt"} <= outline.keys():
            return outline
    return None


def holding(one: Loss, number: int, outlines: Outlines) -> Iterator[Event]:
    """Yield the events that bring a job from what is believed of it to Held."""
    if one.state is None:
        yield Planned(one.key.stem, outlines.get(one.key) or one.outline or UNKNOWN_OUTLINE)
    if isinstance(one.state, Failed | Canceled):
        yield ResubmitApproved("wanbatch journal repair")
    if isinstance(one.state, Ready | Failed | Canceled | None):
        yield SubmitIntended()
    named = f"; they name task {', '.join(one.task_ids)}" if one.task_ids else ""
    yield HeldForReview(f"may have been submitted: the journal's lines from {number} on were lost{named}")


def stake(one: Loss) -> str:
    """Say what a loss means for the money."""
    named = f" (task {', '.join(one.task_ids)})" if one.task_ids else ""
    match one.state:
        case _ if one.held:
            return f"was submitted, or may have been{named}: sent anew it would be paid for again; held in the copy"
        case InDoubt():
            return f"in doubt as before{named}: the next run looks for its task"
        case Waiting() | Cancelling():
            return f"task {one.state.task_id} is asked about again by the next run"
        case Rendered():
            return f"the video of task {one.state.task_id} is fetched, or found on disk, by the next run"
        case Done():
            return "its video may have moved: the next run looks"
        case Held():
            return f"held as before{named}; what was decided since is forgotten"
        case _:
            return "not sent, as far as the lost lines can be read"


def write_copy(path: Path, copy: Path, now: float, outlines: Outlines) -> Findings:
    """Write the part of the journal at `path` that is to be believed to `copy`, with what is uncertain held.

    `outlines`: the requests of the manifest, for jobs that only the lost lines know. Returns what was found;
    writes nothing when the journal is whole. Raises JournalLocked while a run holds it, JournalError; then no copy
    is left.
    """
    with unheld(path):
        found = examine(content_of(path), path)
        if found.bad is None:
            return found
        lost, _ = losses(found)
        held = [(one.key, event) for one in lost if one.held for event in holding(one, found.bad.number, outlines)]
        try:
            fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise JournalError(f"{copy} exists and is not overwritten", hint="-o names another file") from None
        except OSError as error:
            raise JournalError(f"cannot write {copy}: {error.strerror}", hint="-o names another file") from None
        try:
            fill(fd, copy, found.good)
            with Journal.open(copy, now) as journal:
                journal.record_all(held, now)
        except BaseException:
            with contextlib.suppress(OSError):
                copy.unlink()
            raise
    return found


def fill(fd: int, copy: Path, good: bytes) -> None:
    """Write what is to be believed. Raises JournalError."""
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(good)
    except OSError as error:
        raise JournalError(f"cannot write {copy}: {error.strerror}", hint="-o names another file") from None


@contextlib.contextmanager
def unheld(path: Path) -> Iterator[None]:
    """Keep runs away while the journal at `path` is read. Raises JournalLocked, JournalError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise JournalLocked(path, lock.holder(path)) from None
    except OSError as error:
        raise JournalError(f"cannot read {path}: {lock.why(error)}") from None
    finally:
        os.close(fd)
