"""All jobs of one output folder, with the indexes that let `select` look at a few of 100,000.

`apply` is the only setter. What is true for ever comes from the journal's events; what is true for this run
only (who is busy, when to look again) is kept apart and never written.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from wanbatch.jobs.lanes import Gate, Lane
from wanbatch.jobs.state import (
    Cancelling,
    CancelRequested,
    Done,
    Event,
    Held,
    InDoubt,
    Planned,
    Ready,
    Rendered,
    ResubmitApproved,
    State,
    SubmitAccepted,
    SubmitIntended,
    SubmitUnclear,
    TaskAdopted,
    TaskFailed,
    TaskSucceeded,
    Waiting,
    evolve,
)
from wanbatch.manifest.model import JobKey


class Action(Enum):
    """What the engine can be told to do with a job."""

    SUBMIT = "submit"
    POLL = "poll"
    RECONCILE = "reconcile"
    CANCEL = "cancel"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier attempt that was or may have been paid for, although a person had it sent again or gave it up."""

    attempt: int
    at: float
    billed: bool
    lane: str


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its state, and what its history says that a record of the video should hold.

    Times are epoch seconds, by our clock.
    """

    key: JobKey
    stem: str
    outline: dict[str, object]
    state: State
    order: int
    planned_at: float
    submitted_at: float | None = None
    clock_offset_s: float | None = None
    """The service's clock minus ours at `submitted_at`, if it was known."""
    rendered_at: float | None = None
    ended_at: float | None = None
    request_id: str | None = None
    usage: dict[str, object] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    lane: str = ""
    """The account that it was sent by; its task is asked for only there."""
    failures: int = 0
    """How many of its tasks failed, since it was planned or a person approved another attempt."""
    past: tuple[Past, ...] = ()

    @property
    def model(self) -> str:
        """The model id, whose quota the job counts in."""
        return str(self.outline["model"])

    @property
    def prompt_hash(self) -> str:
        """What the prompt is known by."""
        return str(self.outline["prompt"])

    @property
    def kind(self) -> tuple[object, ...]:
        """What decides how long its task takes."""
        return tuple(self.outline.get(name) for name in ("model", "resolution", "duration"))

    @property
    def task_id(self) -> str | None:
        """The task that the job has now, if it has one."""
        return getattr(self.state, "task_id", None)


class Agenda:
    """Jobs in the order of their time: one sorted list, so looking ahead costs nothing and changes nothing.

    Inserting moves memory, not objects: 100,000 entries cost some 20 µs, far less than the line on disk that
    goes with it.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, JobKey]] = []
        self._at: dict[JobKey, tuple[float, int, JobKey]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: JobKey) -> bool:
        return key in self._at

    def put(self, key: JobKey, at: float, order: int) -> None:
        """Set the time of `key`; among equal times the smaller `order` comes first."""
        self.drop(key)
        entry = self._at[key] = (at, order, key)
        insort(self._entries, entry)

    def drop(self, key: JobKey) -> None:
        """Take `key` out, if it is in."""
        entry = self._at.pop(key, None)
        if entry is not None:
            del self._entries[bisect_left(self._entries, entry)]

    def due(self, now: float) -> Iterator[JobKey]:
        """Yield the keys whose time has come, earliest first."""
        for at, _, key in self._entries:
            if at > now:
                return
            yield key

    def next_at(self) -> float:
        """Return the earliest time, or infinity."""
        return self._entries[0][0] if self._entries else float("inf")

    def next_after(self, now: float) -> float:
        """Return the earliest time after `now`, or infinity."""
        index = bisect_right(self._entries, now, key=lambda entry: entry[0])
        return self._entries[index][0] if index < len(self._entries) else float("inf")


LATEST = 1000
"""How many tasks of a kind say how long the next may take: as many as 200 accounts have at once, since of those that
began together the last to end say nothing of the shortest."""
OPEN = (InDoubt, Waiting, Cancelling)
"""States that hold a slot of the cap: the service has the task, or may have it."""


def remember(job: Job, event: Event, at: float) -> Job:
    """Return `job` after `event`."""
    before = job.state
    job = replace(job, state=evolve(before, event, at), ended_at=at)
    match event:
        case SubmitIntended(clock_offset_s=offset, lane=lane):
            job = replace(job, submitted_at=at, clock_offset_s=offset, lane=lane)
            return replace(job, request_id=None, rendered_at=None, usage={}, times={})
        case TaskAdopted(lane=lane) if not isinstance(before, InDoubt | Held):
            # Made by a POST that is not in this journal, at the latest now.
            job = replace(job, submitted_at=at, clock_offset_s=None, lane=job.lane if lane is None else lane)
            return replace(job, request_id=None, rendered_at=None, usage={}, times={})
        case TaskAdopted(lane=str(lane)):
            return replace(job, lane=lane)
        case TaskFailed():
            return replace(job, failures=job.failures + 1)
        case ResubmitApproved() | CancelRequested() if isinstance(before, Held):
            was = Past(before.attempt, job.submitted_at or job.planned_at, job.rendered_at is not None, job.lane)
            return replace(job, failures=0, past=(*job.past, was))
        case ResubmitApproved():
            return replace(job, failures=0)
        case SubmitAccepted(request_id=request_id) | SubmitUnclear(request_id=request_id):
            return replace(job, request_id=request_id or job.request_id)
        case TaskSucceeded(usage=usage, times=times):
            return replace(job, rendered_at=at, usage=usage, times=times)
        case _:
            return job


def claim(event: Event) -> str | None:
    """Return the task id that `event` gives to its job."""
    return event.task_id if isinstance(event, SubmitAccepted | TaskAdopted) else None


class Board:
    """Every job, by key, and what `select` needs to know without looking at every job."""

    def __init__(self) -> None:
        self.jobs: dict[JobKey, Job] = {}
        self.by_scene: dict[tuple[str, int], list[JobKey]] = {}
        self.claimed: dict[str, JobKey] = {}
        self.counts: Counter[type[State]] = Counter()
        self.doubtful_prompts: Counter[str] = Counter()
        self.open_at: Counter[tuple[str, str]] = Counter()
        """How many tasks the service has, or may have, by lane and model id."""
        self.lasted: dict[tuple[object, ...], deque[float]] = {}
        """How many seconds the latest tasks of a kind of request took, from the submission to the poll that saw it."""
        # of this run only
        self.busy: dict[JobKey, Action] = {}
        self.doing: Counter[Action] = Counter()
        self.lanes: tuple[Lane, ...] = (Lane(),)
        self.gates: dict[tuple[str, str], Gate] = {}
        self.to_submit: dict[str, Agenda] = {}
        """What may be submitted, by model id: one that waits for its quota must not hold up the others."""
        self.to_ask = Agenda()
        self.to_fetch = Agenda()
        self.strikes: Counter[JobKey] = Counter()
        self.oddities: dict[JobKey, str] = {}
        self.inherited: dict[JobKey, float] = {}
        """Jobs that an earlier process left in doubt, and a time at which that process was gone."""
        self.from_ahead: set[JobKey] = set()
        """Jobs whose last event an earlier process wrote by a clock that was ahead of ours."""
        self.checking = False
        """Whether the account's task list is still looked at, before anything may be submitted."""
        self.clock_offset_s: float | None = None
        """The service's clock minus ours, once an answer has shown it."""
        self.unsent_since: float | None = None
        self.closed = False

    def after(self, key: JobKey, event: Event, at: float) -> Job:
        """Return what the job would be after `event`; changes nothing. Raises IllegalTransition, ValueError.

        A task id belongs to at most one job: claiming it twice is refused.
        """
        return self.after_all([(key, event)], at)[0]

    def after_all(self, events: Iterable[tuple[JobKey, Event]], at: float) -> list[Job]:
        """Return what each event, after those before it, would make of its job. Like `after`."""
        jobs: dict[JobKey, Job] = {}
        claimed: dict[str, JobKey] = {}
        found = []
        for key, event in events:
            task_id = claim(event)
            if task_id is not None:
                owner = self.claimed.get(task_id) or claimed.setdefault(task_id, key)
                if owner != key:
                    raise ValueError(f"task {task_id} belongs to {owner} already")
            job = jobs.get(key) or self.jobs.get(key)
            jobs[key] = remember(job, event, at) if job else self._born(key, event, at)
            found.append(jobs[key])
        return found

    def _born(self, key: JobKey, event: Event, at: float) -> Job:
        state = evolve(None, event, at)
        assert isinstance(event, Planned)
        return Job(key, event.stem, event.outline, state, len(self.jobs), at)

    def apply(self, key: JobKey, event: Event, at: float) -> Job:
        """Change the state of a job: the only place that does. Raises like `after`."""
        after = self.after(key, event, at)
        before = self.jobs.get(key)
        if before is None:
            self.by_scene.setdefault((key.scene, key.take), []).append(key)
        else:
            self._count(before, -1)
        task_id = claim(event)
        if task_id is not None:
            self.claimed[task_id] = key
        if isinstance(event, SubmitIntended):
            self.inherited.pop(key, None)
        self.from_ahead.discard(key)
        if isinstance(event, TaskSucceeded) and at > (after.submitted_at or at):
            self.lasted.setdefault(after.kind, deque(maxlen=LATEST)).append(at - (after.submitted_at or at))
        self.jobs[key] = after
        self._count(after, +1)
        return after

    def take_over(self, at: float) -> None:
        """Say that whatever is in doubt now was left by a process that is gone."""
        self.inherited = {key: at for key, job in self.jobs.items() if isinstance(job.state, InDoubt)}
        self.from_ahead = {key for key, job in self.jobs.items() if (job.ended_at or at) > at}

    def _count(self, job: Job, step: int) -> None:
        self.counts[type(job.state)] += step
        if isinstance(job.state, OPEN):
            self.open_at[job.lane, job.model] += step
        if isinstance(job.state, InDoubt):
            self.doubtful_prompts[job.prompt_hash] += step

    @property
    def open_tasks(self) -> int:
        """How many tasks the service has, or may have."""
        return sum(self.counts[state] for state in OPEN)

    def use(self, lanes: Sequence[Lane]) -> None:
        """Say by which accounts this run may submit, the preferred one first."""
        self.lanes = tuple(lanes)

    def gate(self, lane: Lane, model: str) -> Gate:
        """Return what a lane lets through of a model id."""
        found = self.gates.get((lane.name, model))
        if found is None:
            found = self.gates[lane.name, model] = Gate(lane)
        return found

    def gate_of(self, job: Job) -> Gate | None:
        """Return the gate by which a job was sent; None for a lane that is not this run's."""
        lane = next((one for one in self.lanes if one.name == job.lane), None)
        return self.gate(lane, job.model) if lane else None

    def owner(self, path: str, scene: str, take: int) -> Job | None:
        """Return the finished job of this scene whose file is at `path`, if there is one."""
        jobs = (self.jobs[key] for key in self.by_scene.get((scene, take), ()))
        return next((j for j in jobs if isinstance(j.state, Done) and j.state.path == path), None)

    def schedule(self, key: JobKey, at: float) -> None:
        """Put the job where its state belongs, to be looked at from `at` on."""
        job = self.jobs[key]
        self.unschedule(key)
        match job.state:
            case Ready(not_before=not_before) if not self.closed and self.has_lane(job.model):
                # Our clock was set back since: a pause that was written down would last as long as that.
                start = at if key in self.from_ahead else max(at, not_before)
                self.to_submit.setdefault(job.model, Agenda()).put(key, start, job.order)
            case InDoubt() | Waiting() | Cancelling():
                self.to_ask.put(key, at, job.order)
            case Rendered():
                self.to_fetch.put(key, at, job.order)
            case _:
                pass

    def close(self) -> None:
        """Let nothing more be submitted in this run."""
        self.closed = True
        self.to_submit = {}

    def close_lane(self, name: str) -> bool:
        """Let nothing more be submitted by one account in this run; say whether another one is left."""
        self.lanes = tuple(lane for lane in self.lanes if lane.name != name)
        self.to_submit = {model: agenda for model, agenda in self.to_submit.items() if self.has_lane(model)}
        return bool(self.lanes)

    def has_lane(self, model: str) -> bool:
        """Say whether some account of this run has a model."""
        return any(lane.has(model) for lane in self.lanes)

    def unschedule(self, key: JobKey) -> None:
        """Take a job out of every agenda."""
        for agenda in (self.to_submit.get(self.jobs[key].model), self.to_ask, self.to_fetch):
            if agenda is not None:
                agenda.drop(key)

    def start(self, key: JobKey, action: Action) -> None:
        """Say that a performer has the job now."""
        self.busy[key] = action
        self.doing[action] += 1
        gate = self.gate_of(self.jobs[key]) if action is Action.SUBMIT else None
        if gate is not None:
            gate.submitting = True
        self.unschedule(key)

    def finish(self, key: JobKey) -> Action:
        """Say that the performer is back."""
        action = self.busy.pop(key)
        self.doing[action] -= 1
        gate = self.gate_of(self.jobs[key]) if action is Action.SUBMIT else None
        if gate is not None:
            gate.submitting = False
        return action

    def note_oddity(self, key: JobKey, what: str | None) -> None:
        """Count how often the same odd thing was seen of a job in a row; None says that nothing odd was."""
        again = what is not None and self.oddities.get(key) == what
        self.strikes[key] = self.strikes[key] + 1 if again else int(what is not None)
        if what is None:
            self.oddities.pop(key, None)
        else:
            self.oddities[key] = what

    @property
    def unfinished(self) -> bool:
        """Whether anything is left that this run may still do."""
        return bool(self.checking or self.busy or any(self.to_submit.values()) or self.to_ask or self.to_fetch)
