"""The ledger's file: made with care, changed in transactions, and every way in which it can fail in words.

SQLite, because several processes write at once and any of them may be killed. With a rollback journal and not WAL,
whose reset can lose what was committed in SQLite before 3.51.3 (https://sqlite.org/wal.html#walresetbug). The journal
is kept and its head overwritten (PERSIST): as safe as deleting it, and faster. With synchronous=EXTRA, so that not even
a power cut takes a reservation back after its POST.
"""

import contextlib
import errno
import os
import shlex
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wanbatch.disk import why
from wanbatch.errors import Exit, WanbatchError

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

FORMAT = 1
"""Version of the file (`PRAGMA user_version`); a newer one is not touched."""
APPLICATION = 0x77616E62
"""Marks the file as ours (`PRAGMA application_id`): "wanb"."""
JOURNAL_BYTES = 1_000_000
"""What SQLite's own journal is cut to after a large transaction."""
NAP_S = 0.01
PATIENCE_S = 30.0
"""How long to wait for another process that is writing; each is done in milliseconds, unless it is suspended."""

SCHEMA = (
    """CREATE TABLE run (id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL,
        at REAL NOT NULL)""",
    """CREATE TABLE standing (id INTEGER PRIMARY KEY,
        journal TEXT NOT NULL, job TEXT NOT NULL, attempt INTEGER NOT NULL, life INTEGER NOT NULL DEFAULT 0,
        scene TEXT NOT NULL, manifest TEXT NOT NULL, account TEXT NOT NULL, model TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'doubt', 'billed', 'free')),
        amount INTEGER CHECK (amount >= 0), currency TEXT, at REAL NOT NULL,
        day TEXT NOT NULL, run TEXT NOT NULL, holder TEXT NOT NULL, sure INTEGER NOT NULL,
        UNIQUE (journal, job, attempt, life))""",
    "CREATE INDEX by_day ON standing (day)",
    "CREATE INDEX by_run ON standing (run)",
    "CREATE INDEX slots ON standing (account, model) WHERE state = 'open'",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
"""Amounts are millionths. `life` is 0, or counts the journals that were in a folder before. `run` reserved the row,
`holder` follows its open task. `sure`: the journal was seen to know the attempt."""


class LedgerError(WanbatchError):
    """The ledger cannot be read or written: nothing more may be submitted."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}; nothing more is submitted", exit_code=Exit.STATE, hint=hint)


class Damaged(ValueError):
    """The file holds what nobody wrote."""


class Busy(Exception):
    """Another process is writing."""


class Store:
    """An open file. Several processes, and threads of one, may each write at any time."""

    def __init__(self, path: Path, sleep: Callable[[float], None]) -> None:
        """Open the file, make it if there is none. Raises LedgerError."""
        self.path = path
        self._sleep = sleep
        self._gave_up = False
        self._one_at_a_time = threading.Lock()
        try:
            make(path)
            self._identity = identity(path)
        except OSError as error:
            raise unusable(path, why(error)) from error
        self._db = connected(path)
        try:
            self._patiently(self._prepared)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def read(self, work: "Callable[[sqlite3.Connection], T]") -> T:
        """Do one query. Raises LedgerError."""
        return self._patiently(lambda: work(self._db))

    def write(self, work: "Callable[[sqlite3.Connection], T]") -> T:
        """Do a piece of work in one transaction, whole or not at all. Raises LedgerError."""

        def whole() -> T:
            self._still_there()  # or SQLite would speak of an error of the disk
            self._db.execute("BEGIN IMMEDIATE")
            self._still_there()
            done = work(self._db)
            self._db.execute("COMMIT")
            return done

        return self._patiently(whole)

    def _still_there(self) -> None:
        """Raise LedgerError when the name stands for another file: what is written would be seen by no other run."""
        if identity(self.path) != self._identity:
            raise LedgerError(
                f"the ledger {self.path} was moved or deleted while it was in use",
                "the same command goes on, with the ledger that is there or a new one",
            )

    def _prepared(self) -> None:
        """Make the tables of a new file; refuse one that is not ours, or too new."""
        db = self._db
        db.execute("PRAGMA journal_mode = PERSIST")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        if version > FORMAT and application == APPLICATION:
            raise LedgerError(
                f"the ledger {self.path} is of format {version}; this wanbatch knows format {FORMAT}",
                "use the newer wanbatch that wrote it",
            )
        if tables == version == application == 0:
            for statement in SCHEMA:
                db.execute(statement)
        elif (version, application) != (FORMAT, APPLICATION):
            raise damaged(self.path, "it is another program's file")
        db.execute("COMMIT")

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do it, again and again while another process is writing."""
        with self._one_at_a_time:
            for _ in range(1 if self._gave_up else round(PATIENCE_S / NAP_S)):
                with contextlib.suppress(Busy):
                    return self._once(work)
                self._sleep(NAP_S)
            self._gave_up = True  # asked again, it does not hold the loop, and Ctrl-C, for as long once more
        raise LedgerError(
            f"another process has held the ledger {self.path} for {PATIENCE_S:g} s",
            f"is a run suspended? see which: fuser -v {shlex.quote(str(self.path))}",
        )

    def _once(self, work: Callable[[], T]) -> T:
        """Do it, or leave everything as it was. Raises Busy, LedgerError."""
        import sqlite3

        try:
            return work()
        except sqlite3.ProgrammingError:
            raise  # ours, not the file's
        except sqlite3.Error as error:
            if code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Busy from error
            raise in_words(self.path, error) from error
        except Damaged as error:
            raise damaged(self.path, str(error)) from error
        finally:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def make(path: Path) -> None:
    """Make the file and its folder, for this user's eyes only. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    # A pipe would be waited for; and a plain file must not be opened here, since closing it lets go of SQLite's locks.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")


def connected(path: Path) -> "sqlite3.Connection":
    """Open the file with SQLite; never makes it. Raises LedgerError."""
    try:
        import sqlite3
    except ImportError as error:
        raise LedgerError(
            "this Python was built without SQLite, so the ledger cannot be kept",
            "install its sqlite3 module, or use another Python",
        ) from error
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise in_words(path, error) from error


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file a name stands for; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def code_of(error: "sqlite3.Error") -> int | None:
    """Return SQLite's primary result code; None where the failure is Python's (https://sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def in_words(path: Path, error: "sqlite3.Error") -> LedgerError:
    """Say what SQLite said."""
    import sqlite3

    code = code_of(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None):
        return damaged(path, str(error))
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return LedgerError(
            f"the ledger {path} cannot be written: {error}",
            f"make room on that disk (df -h {shlex.quote(str(path.parent))}), then the same command goes on",
        )
    return unusable(path, str(error))


def unusable(path: Path, reason: str) -> LedgerError:
    """Say that a ledger cannot be opened where it is to be."""
    return LedgerError(
        f"the ledger {path} cannot be written: {reason}",
        "make its folder writable, or name another one for all runs: export WANBATCH_STATE=/some/folder",
    )


def damaged(path: Path, reason: str) -> LedgerError:
    """Say that a file is no ledger, and what it takes to do without it."""
    name = shlex.quote(str(path))
    return LedgerError(
        f"the ledger {path} cannot be read: {reason}",
        f"move it away, and each manifest's next run notes its own attempts anew (until then caps per day do not know "
        f"them): mv {name} {shlex.quote(f'{path}.damaged')}",
    )
