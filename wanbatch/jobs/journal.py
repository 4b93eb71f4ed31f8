"""The only durable state: an append-only file of events, one JSON object a line.

Knows events and bytes; decides nothing. Each line ends with a CRC chained over the line before, so a lost,
doubled, swapped or changed line shows; a torn last line is cut off and said.

    {"seq":0,"at":1790000000.0,"event":"Opened","format":1,"tool":"0.1.0","host":"h","crc":"d4c3b2a1"}
    {"seq":1,"at":…,"event":"Planned","job":"alley/1/3fa9c2d41b7e","stem":"alley","outline":{…},"crc":"…"}
"""

import contextlib
import json
import os
import shlex
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Self

from wanbatch import __version__, disk
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import state
from wanbatch.jobs.board import Board
from wanbatch.jobs.lock import JournalLocked, host, lock, unheard, why
from wanbatch.jobs.state import Event, IllegalTransition
from wanbatch.manifest.model import JobKey

__all__ = ["Journal", "JournalDamaged", "JournalError", "JournalLocked", "Line", "read", "replay"]

FORMAT = 1
EVENTS: dict[str, type] = {kind.__name__: kind for kind in state.Event.__args__}
CRC_FIELD = b',"crc":"'
CRC_LENGTH = len(CRC_FIELD) + 8 + len(b'"}')


class JournalError(WanbatchError):
    """The journal cannot be read or written: nothing more may be submitted."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, exit_code=Exit.STATE, hint=hint)


class JournalDamaged(JournalError):
    """A line of the journal is not as it was written, or cannot have happened. Lines count from 1."""

    def __init__(self, path: Path, number: int, reason: str, hint: str) -> None:
        super().__init__(f"{path}: line {number} {reason}", hint=hint)
        self.number = number
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what happened to which job, when. `job` is None for a line about the journal or a run itself."""

    seq: int
    at: float
    event: str
    job: str | None
    fields: dict[str, Any]


def event_fields(event: Event) -> dict[str, Any]:
    """Return an event's fields as JSON data; those at their default are left out."""
    named = {field.name: (getattr(event, field.name), default_of(field)) for field in fields(event)}
    return {name: value for name, (value, default) in named.items() if value != default}


def default_of(field: "Field[Any]") -> object:
    """Return a field's default; MISSING for a field that has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def encode(line: Line, crc: int) -> tuple[bytes, int]:
    """Return the line's bytes, chained to the CRC of the one before, and its own CRC."""
    head = {"seq": line.seq, "at": round(line.at, 3), "event": line.event}
    if line.job is not None:
        head["job"] = line.job
    text = json.dumps(head | line.fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode(errors="backslashreplace")[:-1]  # half a character stays the JSON escape that it came as
    crc = zlib.crc32(body, crc)
    return body + CRC_FIELD + f"{crc:08x}".encode() + b'"}\n', crc


def decode(raw: bytes, crc: int) -> tuple[Line, int]:
    """Return the line in `raw` (without its line break) and its CRC. Raises ValueError when it is not whole."""
    body, tail = raw[:-CRC_LENGTH], raw[-CRC_LENGTH:]
    crc = zlib.crc32(body, crc)
    if tail != CRC_FIELD + f"{crc:08x}".encode() + b'"}':
        raise ValueError("its check sum does not match it and the line before")
    data = json.loads(raw)
    data.pop("crc")
    return Line(data.pop("seq"), data.pop("at"), data.pop("event"), data.pop("job", None), data), crc


def lines_of(content: bytes, path: Path) -> Iterator[tuple[Line, int, int]]:
    """Yield each whole line with its CRC and the offset after it. Raises JournalError for a bad one.

    An unterminated last line is a write that a crash cut short: it ends the iteration. One that lacks only its
    line break was written whole. One with another byte in the line break's place, or with a zero byte, which is
    never written, was whole and has been damaged.
    """
    crc, offset, number = 0, 0, 0
    while offset < len(content):
        number += 1
        end = content.find(b"\n", offset)
        raw = content[offset : end if end >= 0 else len(content)]
        try:
            line, crc = decode(raw, crc)
            if line.seq != number - 1:
                raise ValueError(f"its number is {line.seq}")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            if end < 0 and not (b"\0" in raw or is_whole(raw[:-1], crc)):
                return
            raise JournalDamaged(
                path,
                number,
                f"is damaged: {error}",
                "nothing was submitted; restore the file from a backup: without it, what is being made now is "
                f"forgotten, and would be paid for again; or: wanbatch journal repair {shlex.quote(str(path.parent))}",
            ) from None
        offset = end + 1 if end >= 0 else len(content)
        yield line, crc, offset


def is_whole(raw: bytes, crc: int) -> bool:
    """Say whether `raw` is a line that follows the one with `crc`."""
    try:
        return bool(decode(raw, crc))
    except ValueError:
        return False


def replay(lines: Iterator[Line], path: Path) -> Board:
    """Return the board after all events. Raises JournalError for a line that cannot have happened."""
    board = Board()
    for line in lines:
        follow(board, line, path)
    return board


def follow(board: Board, line: Line, path: Path) -> None:
    """Do to the board what the line says. Raises JournalError; then the board is as before."""
    if line.job is None:
        check_format(line, path)
        return
    try:
        event = EVENTS[line.event](**line.fields)
        board.apply(JobKey.parse(line.job), event, line.at)
    except (KeyError, TypeError, ValueError, IllegalTransition) as error:
        raise JournalDamaged(
            path,
            line.seq + 1,
            f"cannot have happened: {error}",
            "the file was edited, or written by another version of wanbatch",
        ) from None


def check_format(line: Line, path: Path) -> None:
    """Refuse a journal of a later version."""
    if line.event == "Opened" and line.fields.get("format") != FORMAT:
        written = line.fields.get("tool", "a later version")
        raise JournalError(
            f"{path}: written by wanbatch {written} in format {line.fields.get('format')}; this one reads {FORMAT}",
            hint="install the newer wanbatch that wrote it",
        )


def read(path: Path) -> Board:
    """Return the board of a journal without locking it, as `status` does while a run goes on.

    A missing journal is an empty board. Raises JournalError.
    """
    try:
        content = disk.read_plain(path)
    except FileNotFoundError:
        return Board()
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error.strerror}") from None
    return replay((line for line, _, _ in lines_of(content, path)), path)


class Journal:
    """A journal that this process holds the lock of, and its board. Open with `Journal.open`.

    `record` is the only way in: it syncs before it returns.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.board = Board()
        self.torn_bytes = 0
        self._fd = fd
        self._seq = 0
        self._crc = 0
        self._end = 0
        self._poisoned = False
        self._run_noted = False

    @classmethod
    def open(
        cls,
        path: Path,
        now: float,
        wait_s: float = 0.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        told: Callable[[str], None] = unheard,
    ) -> "Journal":
        """Lock, replay and mend the journal at `path`; create it if it is not there.

        Another run is waited for, at most `wait_s` seconds; `told` hears once who it is. That run goes on submitting
        after `now`: what it leaves in doubt is counted from the moment, by `clock`, at which the lock was had.
        Raises JournalLocked, JournalError.
        """
        try:
            new = [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            journal = cls(path, lock(path, wait_s, sleep, told))
        except OSError as error:
            raise JournalError(f"cannot open {path}: {why(error)}", hint="--out names another folder") from None
        try:
            journal._load(max(now, clock()) if wait_s else now)
            for folder in (path.parent, *(folder.parent for folder in new)):
                disk.sync_folder(folder)
        except OSError as error:
            journal.close()
            raise JournalError(f"cannot mend {path}: {why(error)}", hint="--out names another folder") from None
        except BaseException:
            journal.close()
            raise
        return journal

    def _load(self, now: float) -> None:
        # The file that is locked, whatever its path names by now.
        with open(self._fd, "rb", closefd=False) as stream:
            content = stream.read()

        def followed() -> Iterator[Line]:
            for line, crc, end in lines_of(content, self.path):
                self._seq, self._crc, self._end = line.seq + 1, crc, end
                yield line

        self.board = replay(followed(), self.path)
        self.board.take_over(now)
        self.torn_bytes = len(content) - self._end
        if self.torn_bytes:
            self._keep_torn(content[self._end :])
            os.ftruncate(self._fd, self._end)
        elif content and not content.endswith(b"\n"):
            self._write(b"\n")
        if not self._seq:
            self._append(Line(0, now, "Opened", None, {"format": FORMAT, "tool": __version__, "host": host()}))

    def _keep_torn(self, tail: bytes) -> None:
        kept = self.path.with_name(f"{self.path.stem}.torn-{self._seq}")
        with contextlib.suppress(OSError):
            disk.write_whole(kept, tail)

    def record(self, key: JobKey, event: Event, at: float) -> None:
        """Write an event and change the board: on disk first. Raises JournalError; then nothing may be submitted."""
        line = self._next(key, event, at)
        self.board.after(key, event, line.at)  # an event that cannot happen must not reach the disk
        self._append(line)
        self.board.apply(key, event, line.at)

    def line(self, key: JobKey, event: Event, at: float) -> bytes:
        """Return the line that `record` would append: after it failed, what could not be written."""
        return encode(self._next(key, event, at), self._crc)[0]

    def _next(self, key: JobKey, event: Event, at: float) -> Line:
        return Line(self._seq, round(at, 3), type(event).__name__, str(key), event_fields(event))

    def record_all(self, events: Iterable[tuple[JobKey, Event]], at: float) -> None:
        """Write many events with one sync: for what is planned, which no money depends on yet."""
        at, raw, crc, seq = round(at, 3), bytearray(), self._crc, self._seq
        events = tuple(events)
        self.board.after_all(events, at)
        for key, event in events:
            encoded, crc = encode(Line(seq, at, type(event).__name__, str(key), event_fields(event)), crc)
            raw += encoded
            seq += 1
        if events:
            self._write(bytes(raw))
            self._seq, self._crc = seq, crc
        for key, event in events:
            self.board.apply(key, event, at)

    def note_run(self, at: float, manifest: str) -> None:
        """Write once who runs: for the person who finds the lock held, and for the history."""
        if not self._run_noted:
            self._run_noted = True
            about = {"tool": __version__, "host": host(), "pid": os.getpid(), "manifest": manifest}
            self._append(Line(self._seq, at, "RunStarted", None, about))

    def _append(self, line: Line) -> None:
        raw, crc = encode(line, self._crc)
        self._write(raw)
        self._seq, self._crc = line.seq + 1, crc

    def _write(self, raw: bytes) -> None:
        """Append and sync, whole or not at all: a short write goes on, an error takes back what was written."""
        if self._poisoned:
            raise JournalError(f"{self.path} could not be written before; nothing more is")
        try:
            view = memoryview(raw)
            while view:
                view = view[os.write(self._fd, view) :]
            disk.sync(self._fd)
        except OSError as error:
            self._poisoned = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise JournalError(
                f"cannot write {self.path}: {error.strerror}",
                hint="make room or mend the disk, then run again: nothing is submitted that cannot be recorded",
            ) from None
        self._end += len(raw)

    def close(self) -> None:
        """Let go of the lock. Every line was synced by itself: a close that fails has nothing to say."""
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
