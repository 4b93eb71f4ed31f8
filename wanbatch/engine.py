"""The one loop: select → perform → record. The only writer of state.

Performers get a job and return what they saw; what that means is `policy`'s to say, and only the loop, with
all jobs before it, writes it down. Being killed is the normal way to stop: there is no clean-up that matters.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from wanbatch.jobs import orphans, policy
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board, Job, claim
from wanbatch.jobs.journal import Journal, JournalError
from wanbatch.jobs.orphans import Orphans, Withheld
from wanbatch.jobs.policy import Halt, Limits
from wanbatch.jobs.rescue import rescue
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
from wanbatch.lookup import Service, Time, look_for_orphans, search
from wanbatch.manifest.model import JobKey, Request
from wanbatch.service.download import Target

POST_GRACE_S = 30.0
"""How long a POST in flight may take to answer after the first Ctrl-C; without an answer it stays in doubt."""


class Fetcher(Protocol):
    """What the engine asks of the output folder: `service.download.Downloader`, or a test's."""

    def present(self, target: Target) -> saw.Saved | saw.NotSaved | None:
        """Say whether the name is taken already."""

    async def fetch(self, url: str, target: Target) -> saw.Saved | saw.NotSaved:
        """Bring a video home."""


Told = Callable[[Job, Event], None]
"""Called after each change of state, with the job as it is then."""
Warned = Callable[[str], None]
"""Called with what is odd about the account and nobody's state."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run is to do: the requests it may submit, and where each job's video goes.

    A job that is not among `requests` is collected, whatever the service has of it, and never submitted.
    """

    requests: Mapping[JobKey, Request]
    target: Callable[[Job], Target]
    look_for_orphans: bool = True
    """Whether to compare the account's task list with the journal before anything is submitted."""
    copied: bool = False
    """Whether the journal's file was copied or restored since its last line was written."""
    elsewhere: frozenset[str] = frozenset()
    """Tasks that the journals of other manifests have."""
    doubts_only: bool = False
    """Whether only what is in doubt is looked at: nothing is submitted, polled or downloaded."""


Report = tuple[JobKey, Seen | BaseException] | Orphans | BaseException | None
"""What comes back to the loop; None only wakes it."""


class Engine:
    """One run over one journal."""

    def __init__(
        self,
        journal: Journal,
        service: Service,
        downloader: Fetcher,
        clock: Time,
        limits: Limits,
        told: Told,
        *,
        warned: Warned = lambda _message: None,
    ) -> None:
        self.journal = journal
        self.board: Board = journal.board
        self.halted: Halt | None = None
        self.draining = False
        self.troubles: dict[JobKey, saw.NotSaved | saw.ReadFailed] = {}
        self.withheld: dict[JobKey, Withheld] = {}
        """Jobs that are not submitted in this run, since a task that nobody has may be theirs."""
        self._drain_until = float("inf")
        self._service = service
        self._downloader = downloader
        self._clock = clock
        self._limits = limits
        self._told = told
        self._warned = warned
        self._orphans = Orphans()
        self._unchecked: set[JobKey] = set()
        self._seen: asyncio.Queue[Report] = asyncio.Queue()
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
        except JournalError as error:
            with contextlib.suppress(asyncio.CancelledError):  # a second signal ends the waiting, not the words
                await self._keep_answers(error)
            raise
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
        self._check_first()
        for key in self._work.requests:
            self._schedule(key, float("-inf"))
        for key, job in self.board.jobs.items():
            if isinstance(job.state, InDoubt):
                self.board.schedule(key, policy.settled_at(self.board, job, self._limits))
            elif isinstance(job.state, Waiting | Cancelling | Rendered) and not self._work.doubts_only:
                self.board.schedule(key, now)

    def _check_first(self) -> None:
        """Let the account's task list be compared with the journal, if this run may submit at all."""
        jobs = [self.board.jobs[key] for key in self._work.requests]
        may_become_ready = InDoubt if self._limits.on_absent == "resubmit" else Ready
        if self._work.look_for_orphans and any(isinstance(job.state, Ready | may_become_ready) for job in jobs):
            self.board.checking = True
            self._spawn(self._look_for_orphans(sorted({job.model for job in jobs})))

    def _schedule(self, key: JobKey, at: float) -> None:
        """Put a job where it will be looked at, unless it may be the owner of a task that nobody has."""
        job = self.board.jobs[key]
        self.withheld.pop(key, None)
        if isinstance(job.state, Ready) and self.board.checking:
            self._unchecked.add(key)
            return
        held_back = orphans.withheld(self._orphans, job, self.board.claimed) if isinstance(job.state, Ready) else None
        if held_back is None:
            self.board.schedule(key, at)
        else:
            self.withheld[key] = held_back

    def _checked(self, found: Orphans) -> None:
        """The task list was looked at: what may be submitted is let go, the rest is withheld."""
        self._orphans, self.board.checking = found, False
        for warning in orphans.warnings(found, self.board.claimed):
            self._warned(warning)
        waiting, self._unchecked = sorted(self._unchecked), set()
        for key in waiting:
            self._schedule(key, float("-inf"))

    def _start_what_may(self) -> float:
        """Start everything that may start now; return when to look again."""
        while not self.draining:
            now = self._clock.now()
            selection = policy.select(self.board, now, self._limits)
            for key, action in selection.todo:
                if action is Action.SUBMIT:
                    self._record(key, SubmitIntended(self._offset()))  # on disk before the POST
                    self.board.last_submit_at = now
                self._start(key, action)
            if not selection.todo:
                return selection.wake_at
        return self._drain_until

    def _start(self, key: JobKey, action: Action) -> None:
        """Give a job to a performer."""
        self.board.start(key, action)
        self._spawn(self._perform(key, action))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        """Let a performer work."""
        performer = asyncio.create_task(work)
        self._performers.add(performer)
        performer.add_done_callback(self._performers.discard)

    def _offset(self) -> float | None:
        """Return the service's clock minus ours, in seconds; None while no answer has shown it."""
        offset = self._service.clock_offset_s
        return None if offset is None else round(offset, 1)

    async def _judge_what_was_seen(self, wake_at: float) -> None:
        """Wait for the first performer or the wake-up; judge all that have come back by then."""
        timeout = None if wake_at == float("inf") else max(0.0, wake_at - self._clock.now())
        try:
            self._take(await self._clock.wait_for(self._seen.get(), timeout))
        except TimeoutError:
            return
        while not self._seen.empty():
            self._take(self._seen.get_nowait())

    def _take(self, result: Report) -> None:
        """Take what one performer reported. Raises JournalError, and whatever bug a performer had."""
        match result:
            case None:
                return
            case Orphans():
                self._checked(result)
            case BaseException() | (_, BaseException()):
                raise result if isinstance(result, BaseException) else result[1]
            case (key, seen):
                self._judge(key, seen)

    def _judge(self, key: JobKey, seen: Seen) -> None:
        """Write down what was seen of a job, and say when to look at it again."""
        now = self._clock.now()
        board = self.board
        board.clock_offset_s = self._offset()
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
        if look_at is not None and self._is_ours_to_do(board.jobs[key]):
            self._schedule(key, look_at)

    def _is_ours_to_do(self, job: Job) -> bool:
        """Say whether this run goes on with a job."""
        if self._work.doubts_only:
            return isinstance(job.state, InDoubt)
        return job.key in self._work.requests or not isinstance(job.state, Ready)

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
        now = self._clock.now()
        try:
            self.journal.record(key, event, now)
        except JournalError as error:
            if isinstance(event, SubmitAccepted):
                self._rescue(key, event, error)
            raise
        if claim(event) is not None:
            for other in list(self.withheld):  # its task may be the one that held them back
                self._schedule(other, now)
        self._told(self.board.jobs[key], event)

    def _rescue(self, key: JobKey, event: SubmitAccepted, error: JournalError) -> None:
        """Keep a task id that the journal could not take, and say it in the error."""
        kept = rescue(self.journal.line(key, event, self._clock.now()), self.journal.path)
        where = f" (kept in {kept})" if kept else ""
        paid = f"scene {key.scene} is task {event.task_id}{where}: note it, it is being paid for"
        error.hint = f"{paid}. {error.hint}"

    async def _keep_answers(self, error: JournalError) -> None:
        """The journal takes nothing more: let the POSTs of other models answer, and rescue their task ids too."""
        until = self._clock.now() + POST_GRACE_S
        while self.board.doing[Action.SUBMIT] and (left := until - self._clock.now()) > 0:
            try:
                result = await self._clock.wait_for(self._seen.get(), left)
            except TimeoutError:
                return
            match result:
                case (key, seen):
                    self.board.finish(key)
                    if isinstance(seen, saw.Accepted):
                        self._rescue(key, SubmitAccepted(seen.task_id, seen.request_id), error)

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
            return await search(job, self.board, self._service, self._clock, self._limits, self._work.elsewhere)
        assert job.task_id, "only jobs with a task are asked about"
        if action is Action.FETCH:
            return await self._fetch(job, job.task_id)
        if action is Action.CANCEL:
            return await self._cancel(job.task_id)
        return await self._service.task(job.task_id)

    async def _look_for_orphans(self, models: Sequence[str]) -> None:
        """Compare the task list with the journal, and report what was found. A bug is reported too."""
        try:
            elsewhere = self._work.elsewhere
            found = await look_for_orphans(models, self.board, self._service, self._clock, self._limits, elsewhere)
            self._seen.put_nowait(replace(found, copied=self._work.copied))
        except Exception as bug:  # noqa: BLE001 - it is raised again by the loop
            self._seen.put_nowait(bug)

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
