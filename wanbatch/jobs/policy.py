"""What it means that something was seen: pure decisions over the board.

Performs nothing, writes nothing, reads no clock; `now` is epoch seconds and given.
"""

from dataclasses import dataclass

from wanbatch.errors import Exit
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.lanes import Lane
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

OLD_S = 600.0
"""From which age on a task waits in a queue or is long."""
EARLY = 0.9
"""From which part of the shortest time that is known on a task may end."""

ACCOUNT_HINT = "check the key, its region and the account's balance; then run again, nothing is lost"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run keeps to. Durations are in seconds. What each account lets through is its lane's to say."""

    concurrency: int | None = None
    """Tasks with the service at once, over all accounts and models; None: what each account lets through."""
    downloads: int = 4
    asks_at_once: int = 20
    """Questions that wait for an answer at once, for each account; their rate is the client's to keep."""
    poll_interval_s: float = 15.0
    settle_s: float = 180.0
    post_timeout_s: float = 60.0
    on_absent: str = "hold"
    attempts: int = 3
    """Tasks of a job that may fail by the service's own fault; a failed task is not billed."""
    allocations: int = 5
    """Refusals in a row for a quota that may be spent for good, before an account is left alone."""
    fetches: int = 5
    """Downloads of one video tried in one run; what is left is the next run's."""
    unreachable_s: float = 300.0
    """How long a service that cannot be reached at all is tried before the run ends."""


def poll_after(board: Board, job: Job, now: float, limits: Limits) -> float:
    """Return when to ask next about a task that is still running.

    15 s is the documented interval. A task that is older than ten minutes waits in a queue or is long: it is
    asked about half as often, and after half an hour every minute (the documented maximum), scaled with the
    interval. So a slot would be seen free 7.5 s late on average, a tenth of the 60 to 140 s that a short clip takes:
    where a scene waits for the slot, a younger task is asked about more often from a little before the shortest time
    on that one of its kind took. Before one has ended nothing is expected.
    """
    old_s = now - (job.submitted_at or now)
    usual_s = limits.poll_interval_s * (1.0 if old_s < OLD_S else 2.0 if old_s < 1800 else 4.0)
    lasted, gate = board.lasted.get(job.kind), board.gate_of(job)
    if old_s >= OLD_S or not lasted or gate is None or not board.to_submit.get(job.model):
        return now + usual_s
    shortest_s = min(lasted)
    return now + min(usual_s, max(near_s(shortest_s, gate.lane, limits), EARLY * shortest_s - old_s))


def near_s(shortest_s: float, lane: Lane, limits: Limits) -> float:
    """Return how often to ask about a task that may end soon, in seconds.

    A fifteenth of the interval (1 s), or for long tasks a sixtieth of what they take: a slot that is free is seen so
    within a sixtieth of a task's time. All tasks of a model together take at most a quarter of the account's rate.
    """
    return max(limits.poll_interval_s / 15, shortest_s / 60, 4 * lane.at_once / lane.ask_rate)


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
            odd = untimed(board, job.key, job.state)
            doubt = Doubt(job.state, job.model, job.prompt_hash, window, odd, job.outline)
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
    submitted_at = job.submitted_at or now
    if job.clock_offset_s is None or board.clock_offset_s is None:
        return now - submitted_at
    return there(board, now) - (submitted_at + job.clock_offset_s)


def judge_submit(board: Board, job: Job, seen: saw.SubmitOutcome, now: float) -> Event:
    """Only an answer moves a job out of doubt; silence is written down with what little came."""
    gate = board.gate_of(job)
    tries = gate.refusals_in_a_row if gate else 0
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
        case saw.Refused(kind=Kind.SCENE | Kind.MODERATION, code=code, message=message):
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
            tries = job.failures + 1
            again = view.kind in (Kind.SERVICE, Kind.RATE, Kind.ALLOCATION) and tries < limits.attempts
            return TaskFailed(view.code, view.message, now + backoff(tries, job.key) if again else None)
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
    """Nothing more is submitted in this run, and why. With `at_once`, nothing more is asked either.

    `of_lane`: it concerns one account; the others go on.
    """

    exit_code: Exit
    message: str
    hint: str
    at_once: bool
    of_lane: bool = False


def halt(board: Board, job: Job, seen: saw.Seen, now: float, limits: Limits) -> Halt | None:
    """Say whether what was seen of a job ends its account's part of the run: a refused key is refused for every scene.

    A spent quota and a rate share one code (Throttling.AllocationQuota): after some refusals in a row it is the quota.
    """
    gate = board.gate_of(job)
    match seen:
        case saw.Refused(kind=Kind.ACCOUNT, code=code, message=message):
            return Halt(Exit.ACCOUNT, f"the service refuses the account: {code}: {message}", ACCOUNT_HINT, False)
        case saw.ReadFailed(kind=Kind.ACCOUNT, code=code, message=message):
            return Halt(Exit.ACCOUNT, f"the service refuses the account: {code}: {message}", ACCOUNT_HINT, True)
        case saw.Refused(kind=Kind.ALLOCATION, code=code, message=message) if (
            gate is not None and gate.allocations_in_a_row >= limits.allocations
        ):
            words = f"the service refuses the account {gate.allocations_in_a_row} times in a row: {code}: {message}"
            return Halt(Exit.ACCOUNT, words, ACCOUNT_HINT, False)
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
            return poll_after(board, job, now, limits)


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
