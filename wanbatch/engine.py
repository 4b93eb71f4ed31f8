"""The one loop: select → perform → record. The only writer of state.

Performers get a job and return what they saw; what that means is `policy`'s to say, and only the loop, with
all jobs before it, writes it down. Being killed is the normal way to stop: there is no clean-up that matters.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from wanbatch.jobs import policy
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board, Job
from wanbatch.jobs.journal import Journal, JournalError
from wanbatch.jobs.policy import Halt, Limits
from wanbatch.jobs.reconcile import Doubt, may_be
from wanbatch.jobs.seen import Seen
from wanbatch.jobs.state import (
    Cancelling,
    Event,
    InDoubt,
    Ready,
    Rendered,
    SubmitAccepted,
    SubmitIntended,
    SubmitRefused,
    VideoMoved,
    Waiting,
)
from wanbatch.manifest.model import JobKey, Request
from wanbatch.service.download import Target

T = TypeVar("T")

POST_GRACE_S = 30.0
"""How long a POST in flight may take to answer after the first Ctrl-C; without an answer it stays in doubt."""
AGREEMENT_GAP_S = 30.0
"""Between the two readings of the task list that must agree; a shorter settling time shortens it."""
MOST_CANDIDATES = 50


class Service(Protocol):
    """What the engine asks of the service: `service.client.Client`, or a test's world."""

    clock_offset_s: float

    async def submit(self, request: Request) -> saw.SubmitOutcome:
        """Make a task."""

    async def task(self, task_id: str) -> saw.TaskView | saw.ReadFailed:
        """Ask about a task."""

    async def tasks(self, model: str) -> saw.Listing | saw.ReadFailed:
        """List the account's tasks of a model."""

    async def cancel(self, task_id: str) -> bool | saw.ReadFailed:
        """Cancel a task that is still pending."""


class Fetcher(Protocol):
    """What the engine asks of the output folder: `service.download.Downloader`, or a test's."""

    def present(self, target: Target) -> saw.Saved | saw.NotSaved | None:
        """Say whether the name is taken already."""

    async def fetch(self, url: str, target: Target) -> saw.Saved | saw.NotSaved:
        """Bring a video home."""


class Time(Protocol):
    """Epoch seconds that never jump, and waiting: `clock.Clock`, or a test's that does not really wait."""

    def now(self) -> float:
        """Return the time."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def wait_for(self, what: Awaitable[T], seconds: float | None) -> T:
        """Wait for `what`, at most so long. Raises TimeoutError."""


Told = Callable[[Job, Event], None]
"""Called after each change of state, with the job as it is then."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run is to do: the requests it may submit, and where each job's video goes.

    A job that is not among `requests` is collected, whatever the service has of it, and never submitted.
    """

    requests: Mapping[JobKey, Request]
    target: Callable[[Job], Target]


class Engine:
    """One run over one journal."""

    def __init__(
        self, journal: Journal, service: Service, downloader: Fetcher, clock: Time, limits: Limits, told: Told
    ) -> None:
        self.journal = journal
        self.board: Board = journal.board
        self.halted: Halt | None = None
        self.draining = False
        self.troubles: dict[JobKey, saw.NotSaved | saw.ReadFailed] = {}
        self._drain_until = float("inf")
        self._service = service
        self._downloader = downloader
        self._clock = clock
        self._limits = limits
        self._told = told
        self._seen: asyncio.Queue[tuple[JobKey, Seen | BaseException] | None] = asyncio.Queue()
        self._performers: set[asyncio.Task[None]] = set()
        self._work = Work({}, self._no_target)

    @staticmethod
    def _no_target(job: Job) -> Target:
        raise LookupError(job.key)

    async def run(self, work: Work) -> None:
        """Submit `work`, and collect whatever the service has of any job. Raises JournalError.

        Returns when nothing is left that this run may do, or when `drain` was called or the run was halted.
        """
        self._work = work
        self._seed()
        try:
            while self.board.unfinished and not self._drained():
                wake_at = self._start_what_may()
                await self._judge_what_was_seen(wake_at)
        finally:
            for performer in self._performers:
                performer.cancel()
            await asyncio.gather(*self._performers, return_exceptions=True)

    def drain(self) -> None:
        """Start nothing more; `run` returns when the POST in flight, if there is one, has its answer.

        Without an answer its job stays in doubt, and is reconciled by the next run.
        """
        if not self.draining:
            self.draining = True
            self._drain_until = self._clock.now() + POST_GRACE_S
            self._seen.put_nowait(None)

    def _drained(self) -> bool:
        waiting = self.board.doing[Action.SUBMIT] and self._clock.now() < self._drain_until
        return self.draining and not waiting

    def _seed(self) -> None:
        """Put every job that is not at its end where it will be looked at."""
        now = self._clock.now()
        for key in self._work.requests:
            self.board.schedule(key, float("-inf"))
        for key, job in self.board.jobs.items():
            if isinstance(job.state, InDoubt):
                self.board.schedule(key, policy.settled_at(self.board, job, self._limits))
            elif isinstance(job.state, Waiting | Cancelling | Rendered):
                self.board.schedule(key, now)

    def _start_what_may(self) -> float:
        """Start everything that may start now; return when to look again."""
        while not self.draining:
            now = self._clock.now()
            selection = policy.select(self.board, now, self._limits)
            for key, action in selection.todo:
                if action is Action.SUBMIT:
                    self._record(key, SubmitIntended())  # on disk before the POST
                    self.board.last_submit_at = now
                self._start(key, action)
            if not selection.todo:
                return selection.wake_at
        return self._drain_until

    def _start(self, key: JobKey, action: Action) -> None:
        """Give a job to a performer."""
        self.board.start(key, action)
        performer = asyncio.create_task(self._perform(key, action))
        self._performers.add(performer)
        performer.add_done_callback(self._performers.discard)

    async def _judge_what_was_seen(self, wake_at: float) -> None:
        """Wait for the first performer or the wake-up; judge all that have come back by then."""
        timeout = None if wake_at == float("inf") else max(0.0, wake_at - self._clock.now())
        try:
            results = [await self._clock.wait_for(self._seen.get(), timeout)]
        except TimeoutError:
            return
        while not self._seen.empty():
            results.append(self._seen.get_nowait())
        for result in results:
            if result is None:
                continue
            key, seen = result
            if isinstance(seen, BaseException):
                raise seen
            self._judge(key, seen)

    def _judge(self, key: JobKey, seen: Seen) -> None:
        """Write down what was seen of a job, and say when to look at it again."""
        now = self._clock.now()
        board = self.board
        board.finish(key)
        event = policy.judge(board, key, seen, now, self._limits)
        if isinstance(seen, saw.Saved) and seen.aside:
            self._note_move(key, seen.path, seen.aside)
        if event is not None:
            self._record(key, event)
        if isinstance(seen, saw.NotSaved | saw.ReadFailed):
            self.troubles[key] = seen
        else:
            self.troubles.pop(key, None)
        board.note_oddity(key, policy.oddity(seen))
        self._note_refusal(seen, event, now)
        if halted := policy.halt(board, seen, now, self._limits):
            self._halt(halted)
        look_at = policy.next_look(board, board.jobs[key], seen, now, self._limits)
        may_be_sent = key in self._work.requests or not isinstance(board.jobs[key].state, Ready)
        if look_at is not None and may_be_sent:
            board.schedule(key, look_at)

    def _note_move(self, key: JobKey, path: str, aside: str) -> None:
        """The download moved an earlier video aside: its own job says so before the new one takes the name."""
        owner = self.board.owner(path, key.scene, key.take)
        if owner:
            self._record(owner.key, VideoMoved(aside))

    def _note_refusal(self, seen: Seen, event: Event | None, now: float) -> None:
        """A refusal that will be tried again is everybody's pause: the account's rate is one for all scenes."""
        board = self.board
        if isinstance(seen, saw.NotSent):
            board.unsent_since = board.unsent_since or now
        elif isinstance(seen, saw.Accepted | saw.Refused | saw.Unknown):
            board.unsent_since = None
        if isinstance(event, SubmitRefused) and event.retry_at is not None:
            board.refusals_in_a_row += 1
            board.pause_until = max(board.pause_until, event.retry_at)
        elif isinstance(event, SubmitAccepted):
            board.refusals_in_a_row = 0

    def _halt(self, halted: Halt) -> None:
        """Submit nothing more; with `at_once`, ask nothing more either."""
        if self.halted is None or halted.at_once:
            self.halted = halted
        self.board.close()
        if halted.at_once:
            self.drain()

    def _record(self, key: JobKey, event: Event) -> None:
        """Journal, board, views: the only place where state changes."""
        try:
            self.journal.record(key, event, self._clock.now())
        except JournalError as error:
            if isinstance(event, SubmitAccepted):
                error.hint = f"scene {key.scene} is task {event.task_id}: note it, it is being paid for. {error.hint}"
            raise
        self._told(self.board.jobs[key], event)

    async def _perform(self, key: JobKey, action: Action) -> None:
        """Do one thing with the world and report what was seen. A bug is reported too, and ends the run."""
        try:
            self._seen.put_nowait((key, await self._see(key, action)))
        except Exception as bug:  # noqa: BLE001 - it is raised again by the loop
            self._seen.put_nowait((key, bug))

    async def _see(self, key: JobKey, action: Action) -> Seen:
        """Do one thing with the world; return what was seen."""
        job = self.board.jobs[key]
        if action is Action.SUBMIT:
            return await self._service.submit(self._work.requests[key])
        if action is Action.RECONCILE:
            return await self._search(job)
        assert job.task_id, "only jobs with a task are asked about"
        if action is Action.FETCH:
            return await self._fetch(job, job.task_id)
        if action is Action.CANCEL:
            return await self._cancel(job.task_id)
        return await self._service.task(job.task_id)

    async def _search(self, job: Job) -> Seen:
        """Read the task list twice, and look at each task that may be the job's."""
        assert isinstance(job.state, InDoubt)
        limits = self._limits
        doubt = Doubt(job.state, job.model, job.prompt_hash, limits.post_timeout_s + limits.settle_s)
        readings = []
        for wait in (0.0, min(AGREEMENT_GAP_S, limits.settle_s / 6)):
            await self._clock.sleep(wait)
            listing = await self._service.tasks(job.model)
            if isinstance(listing, saw.ReadFailed):
                return listing
            offset = self._service.clock_offset_s
            readings.append([row for row in listing.rows if may_be(doubt, row, self.board.claimed, offset)])
        agreed = {row.task_id for row in readings[0]} == {row.task_id for row in readings[1]}
        views = []
        for row in readings[1][:MOST_CANDIDATES]:
            view = await self._service.task(row.task_id)
            if isinstance(view, saw.ReadFailed):
                return view
            views.append(view)
        return saw.Searched(tuple(readings[1]), tuple(views), agreed, self._service.clock_offset_s)

    async def _cancel(self, task_id: str) -> Seen:
        """Cancel, then ask: the answer to a cancel says only that it was heard."""
        heard = await self._service.cancel(task_id)
        if isinstance(heard, saw.ReadFailed):
            return heard
        return saw.CancelAnswered(not heard, await self._service.task(task_id))

    async def _fetch(self, job: Job, task_id: str) -> Seen:
        """Ask the task for a fresh signed URL (it is never stored), then bring the video home."""
        target = self._work.target(job)
        present = self._downloader.present(target)
        if present is not None:
            return present
        view = await self._service.task(task_id)
        if isinstance(view, saw.ReadFailed):
            return view
        if view.status == "UNKNOWN":
            return saw.NotSaved(saw.Lost.GONE, "the service no longer knows the task")
        if not view.video_url:
            return saw.NotSaved(saw.Lost.RETRY, f"the task is {view.status} and shows no video")
        return await self._downloader.fetch(view.video_url, target)
