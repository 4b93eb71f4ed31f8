"""The machine of one job: its states, the events that change them, and `evolve`, the only place that does.

A state carries exactly what is true in it. Knows no clock, no file and no network: the time of an event is
given with it.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is with the service. May be submitted from `not_before` (epoch seconds) on."""

    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An intent is on disk and its outcome is unknown: a POST is in flight, or its answer never came."""

    attempt: int
    since: float
    request_id: str | None = None
    """The create call's request id, if at least the response's headers arrived: an exact match in the task list."""
    sent_by: float | None = None
    """When the POST had ended without an answer (epoch seconds): no byte of it left later. None: that was not seen."""
    clock_offset_s: float | None = None
    """The service's clock minus ours at `since`, if it was known. Ours may be set before the next run looks."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The service has the task."""

    attempt: int
    task_id: str


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The task is to be canceled; the service has not said yet what became of it."""

    attempt: int
    task_id: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """The video exists at the service, is paid for, and can be fetched until `expires_at` (epoch seconds)."""

    attempt: int
    task_id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Held:
    """Only a person may decide."""

    attempt: int
    reason: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The video is on disk: `path` is relative to the output folder."""

    attempt: int
    task_id: str
    path: str
    size_bytes: int
    sha256: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The service said no, for good."""

    attempts: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Canceled:
    """Given up, by us or by somebody else."""

    attempts: int


State = Ready | InDoubt | Waiting | Cancelling | Rendered | Held | Done | Failed | Canceled


@dataclass(frozen=True, slots=True)
class Planned:
    """A job came to be. `outline` is its request with a hash for each text; `stem` names its output."""

    stem: str
    outline: dict[str, object]


@dataclass(frozen=True, slots=True)
class SubmitIntended:
    """Synced before the first byte of the POST leaves. `clock_offset_s` is the service's clock minus ours, if known.

    `lane` is the account that it leaves by; empty for the environment's.
    """

    clock_offset_s: float | None = None
    lane: str = ""


@dataclass(frozen=True, slots=True)
class SubmitAccepted:
    """The service answered with a task id."""

    task_id: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitUnclear:
    """The answer was no answer. Changes nothing but what is known: the request id, if one came."""

    reason: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class SubmitRefused:
    """The service said no, or the request provably never left. With `retry_at` the job may go again then."""

    code: str
    message: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class SubmitDisproved:
    """The task list shows that the POST made no task."""

    reason: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class TaskAdopted:
    """A task of the account is this job's; `evidence` says how that is known.

    `lane` is the account whose task it is; None: the one by which the job was last sent.
    """

    task_id: str
    evidence: str
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """The video exists. `usage` and `times` are the service's words, kept for the record."""

    expires_at: float
    usage: dict[str, object] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task failed; failed tasks are not billed. With `retry_at` the job may go again then."""

    code: str
    message: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class TaskCanceled:
    """The service says that the task was canceled."""


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The task is no longer pending: it runs to its end and is billed."""


@dataclass(frozen=True, slots=True)
class VideoSaved:
    """The file is complete, synced and under its final name."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VideoMoved:
    """The file has another name now: into `superseded/` when a newer one takes its place, or back."""

    path: str


@dataclass(frozen=True, slots=True)
class VideoMissing:
    """The file is gone from the disk."""


@dataclass(frozen=True, slots=True)
class HeldForReview:
    """Nothing that a program may decide is left."""

    reason: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person gave the job up."""

    by: str


@dataclass(frozen=True, slots=True)
class ResubmitApproved:
    """A person accepted that the job is submitted, and perhaps billed, once more."""

    by: str


Event = (
    Planned
    | SubmitIntended
    | SubmitAccepted
    | SubmitUnclear
    | SubmitRefused
    | SubmitDisproved
    | TaskAdopted
    | TaskSucceeded
    | TaskFailed
    | TaskCanceled
    | CancelRefused
    | VideoSaved
    | VideoMoved
    | VideoMissing
    | HeldForReview
    | CancelRequested
    | ResubmitApproved
)


class IllegalTransition(Exception):
    """An event that cannot happen in this state: a bug, or a journal that was edited."""

    def __init__(self, state: State | None, event: Event) -> None:
        super().__init__(f"{type(event).__name__} cannot happen to a job that is {type(state).__name__}")


def again_or_failed(attempts: int, event: SubmitRefused | TaskFailed) -> Ready | Failed:
    """The decision to retry was taken when the event was written; replay only obeys it."""
    if event.retry_at is None:
        return Failed(attempts, event.code, event.message)
    return Ready(attempts, event.retry_at)


def evolve(state: State | None, event: Event, at: float) -> State:  # noqa: C901, PLR0912 - one table, one row a case
    """Return the state after `event`, recorded at `at` (epoch seconds).

    This is the whole table of a job; DESIGN.md prints it from here. Raises IllegalTransition for every pair
    that is not in it.
    """
    match state, event:
        case None, Planned():
            return Ready()
        case Ready(attempts=n), SubmitIntended(clock_offset_s=offset):
            return InDoubt(n + 1, at, clock_offset_s=offset)
        case InDoubt(attempt=n), SubmitAccepted(task_id=task):
            return Waiting(n, task)
        case InDoubt(), SubmitUnclear(request_id=request_id):
            return replace(state, request_id=request_id or state.request_id, sent_by=at)
        case InDoubt(attempt=n), SubmitRefused():
            return again_or_failed(n, event)
        case InDoubt(attempt=n), SubmitDisproved(reason=reason, retry_at=retry_at):
            return Failed(n, "NotSubmitted", reason) if retry_at is None else Ready(n, retry_at)
        case InDoubt(attempt=n) | Held(attempt=n), TaskAdopted(task_id=task):
            return Waiting(n, task)
        case Ready(attempts=n) | Failed(attempts=n) | Canceled(attempts=n), TaskAdopted(task_id=task):
            return Waiting(n + 1, task)  # made by a POST that this journal does not know
        case Waiting(attempt=n, task_id=task) | Cancelling(attempt=n, task_id=task), TaskSucceeded(expires_at=until):
            return Rendered(n, task, until)
        case Waiting(attempt=n), TaskFailed():
            return again_or_failed(n, event)
        case Cancelling(attempt=n), TaskFailed(code=code, message=message):
            return Failed(n, code, message)
        case Waiting(attempt=n) | Cancelling(attempt=n), TaskCanceled():
            return Canceled(n)
        case Cancelling(attempt=n, task_id=task), CancelRefused():
            return Waiting(n, task)
        case Rendered(), VideoSaved(path=path, size_bytes=size, sha256=sha256):
            return Done(state.attempt, state.task_id, path, size, sha256, state.expires_at)
        case Done(), VideoMoved(path=path):
            return replace(state, path=path)
        case Done(), VideoMissing():
            return Rendered(state.attempt, state.task_id, state.expires_at)
        case InDoubt(attempt=n), HeldForReview(reason=reason):
            return Held(n, reason)
        case (
            Waiting(attempt=n, task_id=task) | Cancelling(attempt=n, task_id=task) | Rendered(attempt=n, task_id=task),
            HeldForReview(reason=reason),
        ):
            return Held(n, reason, task)
        case Ready(attempts=n) | Held(attempt=n), CancelRequested():
            return Canceled(n)
        case Waiting(attempt=n, task_id=task), CancelRequested():
            return Cancelling(n, task)
        case Held(attempt=n) | Failed(attempts=n) | Canceled(attempts=n), ResubmitApproved():
            return Ready(n)
        case _:
            raise IllegalTransition(state, event)
