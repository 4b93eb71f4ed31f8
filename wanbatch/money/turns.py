"""Turns that all runs on this machine take one after another: the account's rate is not a process's.

One small file for each rate, locked for microseconds. It holds when the last turn was, on the clock that all
processes share and nobody sets; a file from before a restart of the machine is from the future, and counts for nothing.
"""

import fcntl
import hashlib
import os
import struct
import time
from pathlib import Path

FUTURE_S = 60.0
"""No turn is given away so far ahead."""
TRIES, NAP_S = 50, 0.001
"""Whoever holds a turn longer is suspended: it is not waited for, or no signal and no deadline would be heard."""
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def shared_now() -> float:
    """Return seconds since the machine started."""
    return time.clock_gettime(CLOCK)


class Turns:
    """The turns below one folder. A folder that cannot be written spaces nothing: the service's own limit is left."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def wait_s(self, rate: str, gap_s: float) -> float:
        """Take a turn of a rate if one is free now, and return 0; else take none and return how long it is to wait."""
        return self._take(rate, gap_s, 0.0)

    def ticket_s(self, rate: str, gap_s: float) -> float:
        """Take the next turn of a rate, and return how long it is until then."""
        return self._take(rate, gap_s, FUTURE_S)

    def _take(self, rate: str, gap_s: float, ahead_s: float) -> float:
        if self._folder is None:
            return 0.0
        name = hashlib.sha256(rate.encode()).hexdigest()[:16]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._folder / f"turn-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return 0.0
        try:
            return self._turn(fd, gap_s, ahead_s)
        except OSError:
            return 0.0
        finally:
            os.close(fd)

    def _turn(self, fd: int, gap_s: float, ahead_s: float) -> float:
        """Read, decide and write under the file's lock. Raises OSError."""
        for left in reversed(range(TRIES)):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not left:
                    raise
                time.sleep(NAP_S)
        now = shared_now()
        written = os.pread(fd, 8, 0)
        last = struct.unpack("<d", written)[0] if len(written) == 8 else float("-inf")
        turn = last + gap_s if now - gap_s < last < now + FUTURE_S else now
        if turn - now <= ahead_s:
            os.pwrite(fd, struct.pack("<d", turn), 0)
        return max(0.0, turn - now)
