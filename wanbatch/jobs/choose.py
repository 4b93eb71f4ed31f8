"""What to do next: pure decisions over the board.

Performs nothing, writes nothing, reads no clock; `now` is epoch seconds and given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wanbatch.jobs.board import Action, Board, Job
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import Cancelling, InDoubt
from wanbatch.manifest.model import JobKey

LOOK_AHEAD = 64
"""How many ready jobs of a model `select` looks at beyond those that it starts, when a twin blocks the first ones."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to start now, `by` which account each submission leaves, and when to look again if nothing happens."""

    todo: tuple[tuple[JobKey, Action], ...]
    by: Mapping[JobKey, Lane]
    wake_at: float


def select(board: Board, now: float, limits: Limits) -> Selection:
    """Say what may start now: downloads first (they are paid for and expire), then questions, then submissions."""
    by = submissions(board, now, limits)
    todo = [*fetches(board, now, limits), *asks(board, now, limits), *((key, Action.SUBMIT) for key in by)]
    return Selection(tuple(todo), by, wake_at(board, now, limits))


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
    asked = sum(board.doing[action] for action in (Action.POLL, Action.RECONCILE, Action.CANCEL))
    return limits.asks_at_once * max(1, len(board.lanes)) - asked


def question(job: Job) -> Action:
    """Say what there is to ask about a job whose task the service has, or may have."""
    match job.state:
        case InDoubt():
            return Action.RECONCILE
        case Cancelling():
            return Action.CANCEL
        case _:
            return Action.POLL


def submissions(board: Board, now: float, limits: Limits) -> dict[JobKey, Lane]:
    """Return what to submit, and by which lane: one POST in flight for each lane and model id, within cap and rate.

    A prompt with an open intent blocks its twins, on whatever lane: two tasks of one prompt could not be told apart
    in the task list, and each job could adopt the other's. A lane that is named first is used first.
    """
    chosen: dict[JobKey, Lane] = {}
    prompts: set[str] = set()
    for model, agenda in board.to_submit.items():
        lanes = free_lanes(board, model, now)[: free_tasks(board, limits, len(chosen))]
        most = len(lanes) + LOOK_AHEAD
        for key, _ in zip(agenda.due(now) if lanes else (), range(most), strict=False):
            prompt = board.jobs[key].prompt_hash
            if prompt not in prompts and not board.doubtful_prompts[prompt]:
                chosen[key] = lanes.pop(0)
                prompts.add(prompt)
            if not lanes:
                break
    return chosen


def free_tasks(board: Board, limits: Limits, chosen: int) -> int:
    """Return how many more tasks the run's own cap allows, `chosen` of them being given away already."""
    if limits.concurrency is None:
        return len(board.lanes)
    return max(0, limits.concurrency - board.open_tasks - chosen)


def free_lanes(board: Board, model: str, now: float) -> list[Lane]:
    """Return the lanes by which a task of a model may be submitted now."""
    return [lane for lane in room(board, model) if board.gate(lane, model).submit_at <= now]


def room(board: Board, model: str) -> list[Lane]:
    """Return the lanes that have room for another task of a model, now or when their pause is over."""
    having = (lane for lane in board.lanes if lane.has(model))
    return [lane for lane in having if board.gate(lane, model).has_room(board.open_at[lane.name, model])]


def wake_at(board: Board, now: float, limits: Limits) -> float:
    """Return when to look again although nothing was seen.

    What could have started by now, and what meets a cap that is full, waits for a performer to come back.
    """
    times = [float("inf")]
    if free_fetches(board, limits) > 0:
        times.append(board.to_fetch.next_after(now))
    if free_asks(board, limits) > 0:
        times.append(board.to_ask.next_after(now))
    if free_tasks(board, limits, 0) > 0:
        times += [may_start(board, model, now) for model, agenda in board.to_submit.items() if agenda]
    return min(times)


def may_start(board: Board, model: str, now: float) -> float:
    """Return the next moment at which a model's first job may be submitted, or at which another job becomes due."""
    agenda = board.to_submit[model]
    opens = min((board.gate(lane, model).submit_at for lane in room(board, model)), default=float("inf"))
    start = max(agenda.next_at(), opens)
    return start if start > now else agenda.next_after(now)
