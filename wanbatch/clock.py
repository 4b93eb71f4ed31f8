"""One axis of time for a run: epoch seconds that never jump.

Wall time is read once; from then on a steady clock counts, one that goes on during suspend where the system
has it. So a clock that is set, or a laptop that sleeps, shortens and lengthens no wait.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def steady() -> float:
    """Return seconds of a clock that cannot be set, counting suspend where the system can."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boot) if boot is not None else time.monotonic()


class Clock:
    """The run's clock. Tests bring their own."""

    def __init__(self) -> None:
        self._wall = time.time()
        self._steady = steady()

    def now(self) -> float:
        """Return the time, in epoch seconds."""
        return self._wall + steady() - self._steady

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def wait_for(self, what: Awaitable[T], seconds: float | None) -> T:
        """Wait for `what`, at most so long; None: as long as it takes. Raises TimeoutError."""
        return await asyncio.wait_for(what, seconds)
