"""One model's slots and queue: when each task starts and ends, worked out only as far as somebody has looked.

Knows times, order, and how many seconds were made for which key. Does not know HTTP, JSON, accounts or prices.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from wanbatch.simulator.checks import Failure, Order
from wanbatch.simulator.store import Stored

TIMED_OUT = Failure("InternalError.Timeout", "An internal error has occurred, please try again later.")
"""No result within three hours of the submission (Q-ERR, 500-InternalError.Timeout)."""


@dataclass(slots=True)
class Task:
    """An accepted order and what became of it; times in epoch seconds of the world's clock."""

    task_id: str
    request_id: str
    account: str
    api_key_id: str
    order: Order
    submitted: float
    ready: float
    """The earliest start: a task is PENDING for a moment even when slots are free."""
    render: float
    """How long it renders, seconds."""
    deadline: float
    """When it fails if it has not ended."""
    failure: Failure | None
    started: float | None = None
    ended: float | None = None
    """Known from the start on; the task is RUNNING until then."""
    canceled: float | None = None
    stored: Stored | None = None
    accepted: float = float("-inf")
    """When it was accepted by the clients' clock."""

    def status(self, now: float) -> str:
        """The state's name at a time its lane has been advanced to."""
        if self.canceled is not None:
            return "CANCELED"
        if self.ended is not None and self.ended <= now:
            return "FAILED" if self.failure else "SUCCEEDED"
        return "RUNNING" if self.started is not None else "PENDING"


@dataclass(slots=True)
class Lane:
    """First come, first served, on `slots` slots; `advance` must have seen every time it is asked about."""

    slots: int
    peak_running: int = 0
    peak_open: int = 0
    made: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Seconds of video that SUCCEEDED, by key id and picture lines."""
    due: float = float("inf")
    """Nothing happens here before."""
    _queue: deque[Task] = field(default_factory=deque)
    _pending: int = 0
    _running: list[tuple[float, str, Task]] = field(default_factory=list)
    _clock: float = float("-inf")
    """When the last thing happened here: a task that waited for a slot starts then."""

    def open(self) -> int:
        """Tasks accepted and not ended, at the last time advanced to."""
        return self._pending + len(self._running)

    def add(self, task: Task) -> None:
        """Queue a task; tasks must come in the order of their `ready`."""
        self._queue.append(task)
        self._pending += 1
        self.peak_open = max(self.peak_open, self.open())
        self._look()

    def resize(self, slots: int) -> None:
        """Have another number of slots from now on; who runs goes on."""
        self.slots = slots
        self._look()

    def under_way(self) -> Iterator[Task]:
        """The tasks accepted and not ended, at the last time advanced to."""
        yield from (task for task in self._queue if task.canceled is None)
        yield from (task for _, _, task in self._running)

    def cancel(self, task: Task, now: float) -> bool:
        """Take a PENDING task out of the queue; False when it is not PENDING any more."""
        if task.status(now) != "PENDING":
            return False
        task.canceled = now
        self._pending -= 1
        return True

    def advance(self, now: float) -> None:
        """Let everything happen that happens up to `now`, in order: amortised O(log n) a task."""
        while True:
            while self._queue and self._queue[0].canceled is not None:
                self._queue.popleft()
            step = self._look()
            if step > now:
                return
            self._clock = max(self._clock, step)
            if self._running and self._running[0][0] <= step:
                self._end(heapq.heappop(self._running)[2])
            else:
                self._begin(step)

    def _look(self) -> float:
        step = self._next()
        self.due = float("inf") if step is None else step
        return self.due

    def _next(self) -> float | None:
        """When the next thing happens: the first end of a running task, or the start of the first in the queue."""
        end = self._running[0][0] if self._running else None
        if not self._queue or len(self._running) >= self.slots:
            return end
        head = self._queue[0]
        # Whoever runs was submitted before, so its deadline frees a slot before the head's own has passed.
        start = min(max(head.ready, self._clock), head.deadline)
        return start if end is None else min(start, end)

    def _end(self, task: Task) -> None:
        if task.failure is None:
            self.made[task.api_key_id, task.order.sr] += task.order.duration

    def _begin(self, step: float) -> None:
        task = self._queue.popleft()
        self._pending -= 1
        task.started = step
        task.ended = step + task.render
        if task.ended > task.deadline or step >= task.deadline:
            task.failure, task.ended = TIMED_OUT, task.deadline
        heapq.heappush(self._running, (task.ended, task.task_id, task))
        self.peak_running = max(self.peak_running, len(self._running))
