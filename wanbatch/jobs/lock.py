"""The lock of a journal: one run at a time, and words for whoever finds it held.

The lock is on the journal itself: a separate lock file could be deleted, and then there are two holders. The
system lets go of it when the process ends, however it ends; nobody ever takes it away from a live one.
"""

import contextlib
import errno
import fcntl
import json
import os
import shlex
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wanbatch.errors import Exit, WanbatchError

NAP_S = 0.1
"""How long to wait before the lock is tried again."""
NAPS_FOR_A_NAME = 5
NAMELESS = "its process is not known"


class JournalLocked(WanbatchError):
    """Another run holds the journal."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"another run holds {path}: {holder}",
            exit_code=Exit.LOCKED,
            hint=f"wait for it to end; how far it is: wanbatch status {shlex.quote(str(path.parent))}",
        )


def unheard(_said: str) -> None:
    """Tell nobody."""


def lock(path: Path, wait_s: float, sleep: Callable[[float], None], told: Callable[[str], None]) -> int:
    """Return a descriptor of `path` that holds its lock; create the file. Raises JournalLocked, OSError.

    Waits for another run at most `wait_s` seconds, counted in naps, so that a clock that is set changes nothing;
    `told` hears once, in a sentence, who that is.
    """
    waited = 0.0
    while True:
        fd = try_lock(path)
        if fd is not None:
            return fd
        if waited >= wait_s:
            raise JournalLocked(path, named_holder(path, sleep))
        if not waited:
            told(f"another run holds {path}: {holder(path)}; waiting up to {wait_s:g} s for it to end")
        nap = min(NAP_S, wait_s - waited)
        sleep(nap)
        waited += nap


def try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock, None when another has it. Raises OSError."""
    while True:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if same_file(fd, path):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        os.close(fd)  # replaced between open and lock: once more with the new one


def same_file(fd: int, path: Path) -> bool:
    """Say whether `path` still names the file that was opened."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def named_holder(path: Path, sleep: Callable[[float], None]) -> str:
    """Say who holds the lock; one that has only just taken it gets a moment to write who it is."""
    for _ in range(NAPS_FOR_A_NAME):
        if holder(path) != NAMELESS:
            break
        sleep(NAP_S)
    return holder(path)


def holder(path: Path) -> str:
    """Say in words who holds the lock, as far as the last run noted. Reads one line, not all."""
    noted: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        content = path.read_bytes()
        start = content.rindex(b"\n", 0, content.rindex(b'"event":"RunStarted"')) + 1
        noted = json.loads(content[start : content.index(b"\n", start)])
    if "pid" not in noted or (noted["host"] == host() and not is_alive(noted["pid"])):
        return NAMELESS
    return f"process {noted['pid']} on {noted['host']}"


def is_alive(pid: int) -> bool:
    """Say whether a process of this machine exists."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def why(error: OSError) -> str:
    """Say in words what the system said."""
    return "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror or str(error)


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()
