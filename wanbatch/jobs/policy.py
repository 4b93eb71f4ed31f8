"""What to do next, and what it means that something was seen: pure decisions over the board.

Performs nothing, writes nothing, reads no clock; `now` is epoch seconds and given.
"""

from dataclasses import dataclass

from wanbatch.errors import Exit
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board, Job
from wanbatch.jobs.reconcile import Doubt, reconcile, shift
from wanbatch.jobs.seen import Kind
from wanbatch.jobs.state import (
    Cancelling,
    CancelRefused,
    Event,
    HeldForReview,
    InDoubt,
    Rendered,
    SubmitAccepted,
    SubmitRefused,
    SubmitUnclear,
    TaskCanceled,
    TaskFailed,
    TaskSucceeded,
    VideoSaved,
    Waiting,
)
from wanbatch.manifest.model import JobKey

TASK_LIFE_S = 86_400.0
"""A task can be queried, and its video fetched, for 24 h; of submission and completion the earlier is safe
to count from (Wan 2.7 query result)."""

ACCOUNT_HINT = "check the key, its region and the account's balance; then run again, nothing is lost"

LOOK_AHEAD = 64
"""How many ready jobs `select` looks at when the first ones are blocked by a twin or a busy model."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run keeps to. Rates are per second, durations in seconds."""

    concurrency: int = 5
    downloads: int = 4
    submit_rate: float = 5.0
    ask_rate: float = 20.0
    """Queries, lists and cancels together; the client keeps it."""
    asks_at_once: int = 20
    poll_interval_s: float = 15.0
    settle_s: float = 180.0
    post_timeout_s: float = 60.0
    on_absent: str = "hold"
    attempts: int = 3
    """Attempts of a job whose task failed by the service's own fault; a failed task is not billed."""
    fetches: int = 5
    """Downloads of one video tried in one run; what is left is the next run's."""
    unreachable_s: float = 300.0
    """How long a service that cannot be reached at all is tried before the run ends."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to start now, and when to look again if nothing happens before."""

    todo: tuple[tuple[JobKey, Action], ...]
    wake_at: float


def select(board: Board, now: float, limits: Limits) -> Selection:
    """Say what may start now: downloads first (they are paid for and expire), then questions, then submissions."""
    todo: list[tuple[JobKey, Action]] = []
    todo += fetches(board, now, limits)
    todo += asks(board, now, limits)
    todo += submissions(board, now, limits)
    return Selection(tuple(todo), wake_at(board, now, limits))


def fetches(board: Board, now: float, limits: Limits) -> list[tuple[JobKey, Action]]:
    """Downloads have their own cap and hold no slot of the service's."""
    free = free_fetches(board, limits)
    return [(key, Action.FETCH) for key, _ in zip(board.to_fetch.due(now), range(free), strict=False)]


def asks(board: Board, now: float, limits: Limits) -> list[tuple[JobKey, Action]]:
    """Polls, reconciliations and cancels share one cap; the client spaces them to the account's rate."""
    free = free_asks(board, limits)
    return [(key, question(board.jobs[key])) for key, _ in zip(board.to_ask.due(now), range(free), strict=False)]


def free_fetches(board: Board, limits: Limits) -> int:
    """Return how many more downloads may start."""
    return limits.downloads - board.doing[Action.FETCH]


def free_asks(board: Board, limits: Limits) -> int:
    """Return how many more questions may be asked at once."""
    return limits.asks_at_once - sum(board.doing[action] for action in (Action.POLL, Action.RECONCILE, Action.CANCEL))


def question(job: Job) -> Action:
    """Say what there is to ask about a job whose task the service has, or may have."""
    match job.state:
        case InDoubt():
            return Action.RECONCILE
        case Cancelling():
            return Action.CANCEL
        case _:
            return Action.POLL


def submissions(board: Board, now: float, limits: Limits) -> list[tuple[JobKey, Action]]:
    """At most one submission at a time: one POST in flight per model id, within cap and rate.

    A prompt with an open intent blocks its twins: two tasks of one prompt could not be told apart in the
    task list, and each job could adopt the other's.
    """
    if now < submit_at(board, limits) or board.open_tasks >= limits.concurrency:
        return []
    for key, _ in zip(board.to_submit.due(now), range(LOOK_AHEAD), strict=False):
        job = board.jobs[key]
        if job.model not in board.submitting and not board.doubtful_prompts[job.prompt_hash]:
            return [(key, Action.SUBMIT)]
    return []


def submit_at(board: Board, limits: Limits) -> float:
    """Return when the next POST may leave: spaced to the rate, and not before a refusal's pause is over."""
    return max(board.last_submit_at + 1 / limits.submit_rate, board.pause_until)


def wake_at(board: Board, now: float, limits: Limits) -> float:
    """Return when to look again although nothing was seen.

    What could have started by now, and what meets a cap that is full, waits for a performer to come back.
    """
    times = [float("inf")]
    if free_fetches(board, limits) > 0:
        times.append(board.to_fetch.next_after(now))
    if free_asks(board, limits) > 0:
        times.append(board.to_ask.next_after(now))
    if board.open_tasks < limits.concurrency:
        start = max(board.to_submit.next_at(), submit_at(board, limits))
        times.append(start if start > now else board.to_submit.next_after(now))
    return min(times)


def poll_after(job: Job, now: float, limits: Limits) -> float:
    """Return when to ask next about a task that is still running.

    15 s is the documented interval. A task that is older than ten minutes waits in a queue or is long: it is
    asked about half as often, and after half an hour every minute (the documented maximum), scaled with the
    interval. A short clip takes 70 to 140 s, so a slot is seen free within seconds of being so.
    """
    age = now - (job.submitted_at or now)
    factor = 1.0 if age < 600 else 2.0 if age < 1800 else 4.0
    return now + limits.poll_interval_s * factor


def backoff(tries: int, key: JobKey, *, base_s: float = 1.0, cap_s: float = 60.0) -> float:
    """Return how long to wait, in seconds, after `tries` refusals in a row: doubling, capped, spread by the key.

    The spread is a hash and not a die, so that a decision can be repeated in a test.
    """
    ceiling = min(cap_s, base_s * 2.0 ** min(tries, 16))
    spread = int(key.digest[:6] or "0", 16) * (tries + 1) % 1000 / 1000
    return ceiling / 2 * (1 + spread)


def pause(tries: int, key: JobKey, asked_s: float | None) -> float:
    """Return the wait after a refusal; what the service asks for is honoured up to an hour."""
    own = backoff(tries, key)
    return own if asked_s is None else min(max(own, asked_s), 3600.0)


def judge(board: Board, key: JobKey, seen: saw.Seen, now: float, limits: Limits) -> Event | None:
    """Say what `seen` means for the job; None when it changes nothing."""
    job = board.jobs[key]
    match seen:
        case saw.Accepted() | saw.Refused() | saw.NotSent() | saw.Unknown():
            return judge_submit(board, job, seen, now)
        case saw.TaskView():
            return judge_task(board, job, seen, now, limits)
        case saw.Searched():
            assert isinstance(job.state, InDoubt)
            window = window_s(job.state, limits)
            doubt = Doubt(job.state, job.model, job.prompt_hash, window, untimed(board, job.key, job.state))
            settled = now >= settled_at(board, job, limits)
            return reconcile(doubt, seen, board.claimed, now, settled=settled, on_absent=limits.on_absent)
        case saw.CancelAnswered(refused=refused, view=view):
            event = judge_task(board, job, view, now, limits) if isinstance(view, saw.TaskView) else None
            return event if event or not refused else CancelRefused()
        case saw.Saved(path=path, size_bytes=size, sha256=sha256):
            return VideoSaved(path, size, sha256)
        case saw.NotSaved():
            return judge_download(board, job, seen, now)
        case _:
            return judge_silence(board, job, now)


def settled_at(board: Board, job: Job, limits: Limits) -> float:
    """Return from when on the task list shows all that the POST of a job in doubt could make.

    The settling time counts from the POST's last byte. That left at the latest when the POST was seen to end,
    or when its process was gone, or when its time was over. What an earlier process wrote down is read by our clock
    as it is now: one that was set forward in between has not let the time pass.
    """
    assert isinstance(job.state, InDoubt)
    sent_by = job.state.since + limits.post_timeout_s if job.state.sent_by is None else job.state.sent_by
    sent_by += shift(job.state, board.clock_offset_s)
    return min(sent_by, board.inherited.get(job.key, float("inf"))) + limits.settle_s


def window_s(state: InDoubt, limits: Limits) -> float:
    """Return how long after the intent the task of a job in doubt may appear.

    A process that was stopped, or a laptop that slept, between the intent and the POST has sent it late.
    """
    sent_s = 0.0 if state.sent_by is None else state.sent_by - state.since
    return max(limits.post_timeout_s, sent_s) + limits.settle_s


def untimed(board: Board, key: JobKey, state: InDoubt) -> bool:
    """Say whether our clock may have been set since an earlier process's intent without anybody being able to tell."""
    return key in board.inherited and None in (state.clock_offset_s, board.clock_offset_s)


def there(board: Board, now: float) -> float:
    """Return the time by the service's clock, by which its URLs end; ours until an answer has shown it."""
    return now + (board.clock_offset_s or 0.0)


def age(board: Board, job: Job, now: float) -> float:
    """Return how long the service has had a job's task, in seconds; a clock that was set since counts for nothing."""
    if job.submitted_at is None:
        return 0.0
    if job.clock_offset_s is None or board.clock_offset_s is None:
        return now - job.submitted_at
    return there(board, now) - (job.submitted_at + job.clock_offset_s)


def judge_submit(board: Board, job: Job, seen: saw.SubmitOutcome, now: float) -> Event:
    """Only an answer moves a job out of doubt; silence is written down with what little came."""
    tries = board.refusals_in_a_row
    match seen:
        case saw.Accepted(task_id=task_id, request_id=request_id) if task_id in board.claimed:
            reason = f"the service answered with task {task_id}, which {board.claimed[task_id]} has"
            return SubmitUnclear(reason, request_id)
        case saw.Accepted(task_id=task_id, request_id=request_id):
            return SubmitAccepted(task_id, request_id)
        case saw.NotSent(reason=reason):
            return SubmitRefused("NotSent", reason, now + backoff(tries, job.key))
        case saw.Unknown(reason=reason, request_id=request_id):
            return SubmitUnclear(reason, request_id)
        case saw.Refused(kind=Kind.SCENE, code=code, message=message):
            return SubmitRefused(code, message)
        case saw.Refused(kind=Kind.ACCOUNT, code=code, message=message):
            # The run stops; the scene itself is as good as before and goes again at once in the next run.
            return SubmitRefused(code, message, now)
        case _:
            return SubmitRefused(seen.code, seen.message, now + pause(tries, job.key, seen.retry_after_s))


def judge_task(board: Board, job: Job, view: saw.TaskView, now: float, limits: Limits) -> Event | None:
    """A status that nobody documented is a task that is still running."""
    match view.status:
        case "SUCCEEDED" if view.video_url:
            until = expiry(view.video_url) or there(board, now) - age(board, job, now) + TASK_LIFE_S
            return TaskSucceeded(until, view.usage, view.times)
        case "SUCCEEDED":
            return strike(board, job, 3, "the task succeeded and is billed, but the service shows no video")
        case "FAILED":
            attempts = getattr(job.state, "attempt", 0)
            again = view.kind in (Kind.SERVICE, Kind.RATE) and attempts < limits.attempts
            return TaskFailed(view.code, view.message, now + backoff(attempts, job.key) if again else None)
        case "CANCELED":
            return TaskCanceled()
        case "UNKNOWN" if age(board, job, now) > TASK_LIFE_S:
            return HeldForReview("the service forgets tasks after 24 h; this one may have been billed")
        case "UNKNOWN":
            return strike(board, job, 5, "the service does not know the task; it may have been billed")
        case _:
            return None


def strike(board: Board, job: Job, most: int, reason: str) -> Event | None:
    """Hold the job when the same odd answer came `most` times in a row in this run, this one included."""
    return HeldForReview(reason) if board.strikes[job.key] + 1 >= most else None


def judge_silence(board: Board, job: Job, now: float) -> Event | None:
    """A question without an answer says nothing, until what it is about is past its time at the service."""
    state, time = job.state, there(board, now)
    if time <= (state.expires_at if isinstance(state, Rendered) else time - age(board, job, now) + TASK_LIFE_S):
        return None
    return strike(board, job, 5, "no answer within the 24 h that the service keeps a task; it may have been billed")


def judge_download(board: Board, job: Job, seen: saw.NotSaved, now: float) -> Event | None:
    """A download that failed is tried again while the service has the video."""
    assert isinstance(job.state, Rendered)
    if seen.why is saw.Lost.GONE or there(board, now) > job.state.expires_at:
        return HeldForReview(f"billed, but the video is lost: {seen.reason}")
    return None


def deadline(job: Job) -> float | None:
    """Return until when what the service has of a job can be saved, in epoch seconds; None if it has nothing.

    A task is forgotten 24 h after its submission, and a signed URL ends when it says: the earlier counts, since a
    download asks the task for its URL.
    """
    if not isinstance(job.state, InDoubt | Waiting | Cancelling | Rendered):
        return None
    forgotten = (job.submitted_at or job.planned_at) + TASK_LIFE_S
    return min(forgotten, job.state.expires_at) if isinstance(job.state, Rendered) else forgotten


def expiry(url: str) -> float | None:
    """Return the epoch seconds at which a signed URL ends, from its own `Expires`; None if it does not say.

    More than eleven digits are no time that this program will see.
    """
    _, _, query = url.partition("?")
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "Expires" and value.isdecimal() and len(value) <= 11:
            return float(value)
    return None


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing more is submitted in this run, and why. With `at_once`, nothing more is asked either."""

    exit_code: Exit
    message: str
    hint: str
    at_once: bool


def halt(board: Board, seen: saw.Seen, now: float, limits: Limits) -> Halt | None:
    """Say whether what was seen ends the run: one refused key is refused for every scene."""
    match seen:
        case saw.Refused(kind=Kind.ACCOUNT, code=code, message=message):
            return Halt(Exit.ACCOUNT, f"the service refuses the account: {code}: {message}", ACCOUNT_HINT, False)
        case saw.ReadFailed(kind=Kind.ACCOUNT, code=code, message=message):
            return Halt(Exit.ACCOUNT, f"the service refuses the account: {code}: {message}", ACCOUNT_HINT, True)
        case saw.NotSent(reason=reason) if now - (board.unsent_since or now) >= limits.unreachable_s:
            return Halt(
                Exit.RUNNING, f"the service cannot be reached: {reason}", "check the network, then run again", True
            )
        case _:
            return None


def next_look(board: Board, job: Job, seen: saw.Seen, now: float, limits: Limits) -> float | None:
    """Return when the job is looked at again, `seen` and its event taken into account; None: not in this run."""
    match seen:
        case saw.ReadFailed(retry_after_s=asked):
            return now + max(pause(board.strikes[job.key], job.key, asked), limits.poll_interval_s)
        case saw.NotSaved(why=saw.Lost.RETRY) if isinstance(job.state, Rendered):
            tries = board.strikes[job.key]
            return now + backoff(tries, job.key) if tries < limits.fetches else None
        case saw.NotSaved():
            return None
        case _ if isinstance(job.state, InDoubt):
            settled = settled_at(board, job, limits)
            return settled if settled > now else now + limits.poll_interval_s
        case _ if isinstance(job.state, Rendered):
            return now
        case _:
            return poll_after(job, now, limits)


def oddity(seen: saw.Seen) -> str | None:
    """Return in a word what is odd about an answer: several of the same in a row mean something."""
    match seen:
        case saw.TaskView(status="SUCCEEDED", video_url=url) if not url:
            return "no video"
        case saw.TaskView(status="UNKNOWN"):
            return "not known"
        case saw.CancelAnswered(view=view):
            return oddity(view)
        case saw.ReadFailed():
            return "no answer"
        case saw.NotSaved():
            return "not saved"
        case _:
            return None
