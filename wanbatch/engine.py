"""The one loop: select → perform → record. The only writer of state.

Performers get a job and return what they saw; what that means is `policy`'s to say, and only the loop, with
all jobs before it, writes it down. Being killed is the normal way to stop: there is no clean-up that matters.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace

from wanbatch.errors import Exit
from wanbatch.jobs import orphans, policy
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board, Job, claim
from wanbatch.jobs.choose import select
from wanbatch.jobs.journal import Journal, JournalError
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.orphans import Orphans, Withheld
from wanbatch.jobs.policy import Halt
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
from wanbatch.lookup import look_for_orphans
from wanbatch.manifest.model import JobKey
from wanbatch.money.till import NoTill, Till
from wanbatch.perform import Performer, Work
from wanbatch.service.download import Target

POST_GRACE_S = 30.0
"""How long a POST in flight may take to answer after the first Ctrl-C; without an answer it stays in doubt."""


Told = Callable[[Job, Event], None]
"""Called after each change of state, with the job as it is then."""
Warned = Callable[[str], None]
"""Called with what is odd about the account and nobody's state."""


Report = tuple[JobKey, Seen | BaseException] | Orphans | BaseException | None
"""What comes back to the loop; None only wakes it."""


class Engine:
    """One run over one journal."""

    def __init__(
        self,
        journal: Journal,
        world: Performer,
        told: Told,
        *,
        lanes: Sequence[Lane] = (Lane(),),
        till: Till | None = None,
        warned: Warned = lambda _message: None,
    ) -> None:
        self.journal = journal
        self.board: Board = journal.board
        self.board.use(lanes)
        self.halted: Halt | None = None
        self.draining = False
        self.troubles: dict[JobKey, saw.NotSaved | saw.ReadFailed] = {}
        self.withheld: dict[JobKey, Withheld] = {}
        """Jobs that are not submitted in this run, since a task that nobody has may be theirs."""
        self._drain_until = float("inf")
        self.refused: dict[str, Halt] = {}
        """Accounts that were refused in this run, by lane."""
        self._performer = world
        self._services = world.services
        self._till: Till = till or NoTill()
        self._clock = world.clock
        self._limits = world.limits
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
            while self._unfinished() and not self._drained():
                wake_at = self._start_what_may()
                if wake_at == float("inf") and not (self.board.busy or self.board.checking) and self._seen.empty():
                    return  # what is left waits for tasks of accounts that this run does not have: nobody would wake us
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

    def _unfinished(self) -> bool:
        """Say whether anything is left that this run may still do."""
        if self._work.collect:
            return self.board.unfinished
        return self.board.checking or any(self.board.to_submit.values()) or self.board.doing[Action.SUBMIT] > 0

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
                self._schedule(key, policy.settled_at(self.board, job, self._limits))
            elif isinstance(job.state, Waiting | Cancelling | Rendered):
                self._schedule(key, now)

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
        if not self._is_ours_to_do(job):
            return
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
            selection = select(self.board, now, self._limits)
            for key, action in selection.todo:
                if action is not Action.SUBMIT:
                    self._start(key, action)
                elif self._may_spend(key, selection.by[key], now):
                    self._submit(key, selection.by[key], now)
            if not selection.todo:
                return selection.wake_at
        return self._drain_until

    def _may_spend(self, key: JobKey, lane: Lane, now: float) -> bool:
        """Ask the till; what it refuses is not submitted now, or not in this run."""
        if self.board.closed or lane not in self.board.lanes:
            return False  # it has refused what was chosen together with this
        job = self.board.jobs[key]
        gate = self.board.gate(lane, job.model)
        verdict = self._till.ask(job, gate.lane, now)
        if isinstance(verdict, Halt) and verdict.of_lane and self.board.close_lane(lane.name):
            self._warned(f"account {lane.name}: {verdict.message}; the other accounts go on")
        elif isinstance(verdict, Halt):
            self._halt(verdict)
        elif verdict is not None:
            gate.pause_until = max(gate.pause_until, verdict)
        return verdict is None

    def _submit(self, key: JobKey, lane: Lane, now: float) -> None:
        """Intent on disk, then the POST."""
        self._record(key, SubmitIntended(self._offset(lane.name), lane.name))
        self.board.gate(lane, self.board.jobs[key].model).last_submit_at = now
        self._start(key, Action.SUBMIT)

    def _start(self, key: JobKey, action: Action) -> None:
        """Give a job to a performer."""
        self.board.start(key, action)
        self._spawn(self._perform(key, action))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        """Let a performer work."""
        performer = asyncio.create_task(work)
        self._performers.add(performer)
        performer.add_done_callback(self._performers.discard)

    def _offset(self, lane: str) -> float | None:
        """Return the service's clock minus ours, in seconds; None while no answer has shown it."""
        offset = self._services[lane].clock_offset_s
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
        board.clock_offset_s = self._offset(board.jobs[key].lane)
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
        self._note_refusal(key, seen, event, now)
        if halted := policy.halt(board, board.jobs[key], seen, now, self._limits):
            self._halt_lane(board.jobs[key].lane, halted)
        look_at = policy.next_look(board, board.jobs[key], seen, now, self._limits)
        if look_at is not None:
            self._schedule(key, look_at)

    def _is_ours_to_do(self, job: Job) -> bool:
        """Say whether this run goes on with a job: a task is asked for only on the lane that it was sent by."""
        if isinstance(job.state, Ready):
            return job.key in self._work.requests and not self._work.doubts_only
        if job.lane not in self._services or (job.lane in self.refused and self.refused[job.lane].at_once):
            return False
        if isinstance(job.state, Rendered) and not self._work.collect:
            return False
        return isinstance(job.state, InDoubt) or not self._work.doubts_only

    def _note_move(self, key: JobKey, path: str, aside: str) -> None:
        """The download moved an earlier video aside: its own job says so before the new one takes the name."""
        owner = self.board.owner(path, key.scene, key.take)
        if owner:
            self._record(owner.key, VideoMoved(aside))

    def _note_refusal(self, key: JobKey, seen: Seen, event: Event | None, now: float) -> None:
        """A refusal that will be tried again is a pause for every scene: the account's rate is one for all."""
        board = self.board
        if isinstance(seen, saw.NotSent):
            board.unsent_since = board.unsent_since or now
        elif isinstance(seen, saw.Accepted | saw.Refused | saw.Unknown):
            board.unsent_since = None
        job = board.jobs[key]
        gate = board.gate_of(job)
        if gate is None:
            return
        if isinstance(event, SubmitRefused) and event.retry_at is not None:
            kind = seen.kind if isinstance(seen, saw.Refused) else None
            gate.refused(kind, event.code, board.open_at[job.lane, job.model], event.retry_at)
        elif isinstance(event, SubmitAccepted):
            gate.accepted()

    def _halt_lane(self, lane: str, halted: Halt) -> None:
        """One account is refused: the others go on. The last one, or what is not the account's, ends the run."""
        if halted.exit_code is not Exit.ACCOUNT:
            self._halt(halted)
            return
        known = self.refused.get(lane)
        self.refused[lane] = halted if known is None or halted.at_once else known
        if not self.board.close_lane(lane):
            self._halt(halted)
        elif known is None:
            self._warned(f"account {lane or 'of the environment'}: {halted.message}; the other accounts go on")

    def _halt(self, halted: Halt) -> None:
        """Submit nothing more; with `at_once`, ask nothing more either."""
        if self.halted is None or halted.at_once:
            self.halted = halted
        self.board.close()
        self._seen.put_nowait(None)  # it may be the till that refused, with nothing in flight to wake the loop
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
        unwritten = self._till.note(self.board.jobs[key])
        if unwritten is not None:
            self._halt(unwritten)

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
            seen = await self._performer.see(self.board.jobs[key], action, self.board, self._work)
            self._seen.put_nowait((key, seen))
        except Exception as bug:  # noqa: BLE001 - it is raised again by the loop
            self._seen.put_nowait((key, bug))

    async def _look_for_orphans(self, models: Sequence[str]) -> None:
        """Compare the task list with the journal, and report what was found. A bug is reported too."""
        try:
            elsewhere = self._work.elsewhere()
            accounts = {lane.name: self._services[lane.name] for lane in self.board.lanes}
            found = await look_for_orphans(models, self.board, accounts, self._clock, self._limits, elsewhere)
            self._seen.put_nowait(replace(found, copied=self._work.copied))
        except Exception as bug:  # noqa: BLE001 - it is raised again by the loop
            self._seen.put_nowait(bug)
