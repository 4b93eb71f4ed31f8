"""Every course that a small world can take, walked through the very rules that the engine runs by.

Two or three jobs, twins among them; a stranger on the same account who makes up to two tasks of the same model,
also of our prompt; every POST answered, lost with its task made, or lost without; the task made at once or as
late as the settling time allows, and shown at once or as late; the process killed or its POST timed out.

What it shows: no task gets two jobs, no job pays twice, and every task that we made is claimed by its own job or
its job is Held. A stranger's task is adopted in one case only, and that case does happen: our POST made no task,
and the stranger asked for the very same prompt of the same model within the window. Nothing in the task list
tells such a task from ours; the job then gets a video of its prompt, and nothing is paid twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from support import NOW, planned, wanted

from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board
from wanbatch.jobs.choose import select
from wanbatch.jobs.policy import Limits, judge, next_look
from wanbatch.jobs.reconcile import EARLY_S, Doubt, may_be
from wanbatch.jobs.state import Event, Held, InDoubt, Ready, SubmitIntended, TaskAdopted, Waiting
from wanbatch.manifest.model import JobKey, Wanted

SETTLE_S, POST_S, RENDER_S, GAP_S = 180.0, 60.0, 90.0, 30.0
STRANGER = "stranger"
END_OF_WORLD = NOW + 20_000


class Choices:
    """One course: the choices made so far, then the first of each."""

    def __init__(self, made: list[int]) -> None:
        self.made = made
        self.sizes: list[int] = []

    def __call__(self, options: Sequence[Any]) -> Any:
        at = len(self.sizes)
        if at == len(self.made):
            self.made.append(0)
        self.sizes.append(len(options))
        return options[self.made[at]]

    def next(self) -> list[int] | None:
        made = self.made
        while made and made[-1] + 1 == self.sizes[len(made) - 1]:
            made = made[:-1]
        return [*made[:-1], made[-1] + 1] if made else None


def courses(course: Callable[[Choices], "Course"]) -> Iterator["Course"]:
    made: list[int] | None = []
    while made is not None:
        choices = Choices(made)
        yield course(choices)
        made = choices.next()


@dataclass
class Task:
    """A task of the account."""

    id: str
    of: JobKey | str
    prompt: str
    created_at: float
    shown_at: float


@dataclass
class Course:
    """A world and a run over it."""

    choose: Choices
    jobs: list[Wanted]
    limits: Limits
    strangers: list[str]
    """The prompts of the tasks that the stranger may still make."""
    delays: Sequence[tuple[float, float]]
    """(from the end of the POST to the task, from the task to its row)"""
    odd_posts: int = 2
    """How many POSTs may end other than with an answer."""
    endings: Sequence[str] = ("timed out", "killed")
    posts: int = 0
    now: float = NOW
    tasks: list[Task] = field(default_factory=list)
    history: list[tuple[JobKey, Event, float]] = field(default_factory=list)
    made: Counter[JobKey] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.board = Board()
        for one in self.jobs:
            self.record(one.key, planned(one))
        self.prompts = {one.key: one.request.prompt for one in self.jobs}
        self.start()

    def record(self, key: JobKey, event: Event) -> None:
        self.board.apply(key, event, self.now)
        self.history.append((key, event, self.now))

    def start(self) -> None:
        """A new process: everything it knows is the journal's."""
        self.board = Board()
        for key, event, at in self.history:
            self.board.apply(key, event, at)
        self.board.take_over(self.now)
        self.board.clock_offset_s = 0.0
        for key, job in self.board.jobs.items():
            after = SETTLE_S if isinstance(job.state, InDoubt) else 0.0
            self.board.schedule(key, job.state.since + after if after else self.now)

    def run(self) -> "Course":
        while self.now < END_OF_WORLD:
            selection = select(self.board, self.now, self.limits)
            for key, action in selection.todo:
                if self.do(key, action):
                    break
            else:
                if not selection.todo and selection.wake_at == float("inf"):
                    return self
                self.now = self.now if selection.todo else selection.wake_at
        raise AssertionError("this run never ends")

    def do(self, key: JobKey, action: Action) -> bool:
        """One performer from start to end. True: the process was killed."""
        if action is Action.SUBMIT:
            self.stranger()
            self.record(key, SubmitIntended(0.0))
        self.board.start(key, action)
        seen = self.see(key, action)
        if seen is None:
            self.start()
            return True
        self.board.finish(key)
        event = judge(self.board, key, seen, self.now, self.limits)
        if event is not None:
            self.record(key, event)
        look_at = next_look(self.board, self.board.jobs[key], seen, self.now, self.limits)
        if look_at is not None:
            self.board.schedule(key, look_at)
        return False

    def see(self, key: JobKey, action: Action) -> saw.Seen | None:
        match action:
            case Action.SUBMIT:
                return self.post(key)
            case Action.RECONCILE:
                return self.search(key)
            case Action.FETCH:
                return saw.Saved(f"videos/{key.stem}.mp4", 1, "ab")
            case _:
                return self.view(self.board.jobs[key].task_id)

    def post(self, key: JobKey) -> saw.Seen | None:
        self.posts += 1
        fate = self.choose(["answered", "lost", "nothing"]) if self.posts <= self.odd_posts else "answered"
        if fate == "answered":
            return saw.Accepted(self.make(key, self.prompts[key], self.now, self.now).id)
        ending = self.choose(self.endings)
        self.now += POST_S if ending == "timed out" else 1.0
        if fate == "lost":
            after, shown = self.choose(self.delays)
            self.make(key, self.prompts[key], self.now + after, self.now + after + shown)
        self.stranger()
        return saw.Unknown("no answer in time") if ending == "timed out" else None

    def make(self, of: JobKey | str, prompt: str, at: float, shown_at: float) -> Task:
        task = Task(f"task-{len(self.tasks)}", of, prompt, at, shown_at)
        self.tasks.append(task)
        if isinstance(of, JobKey):
            self.made[of] += 1
        return task

    def stranger(self) -> None:
        """A moment at which the stranger may make a task."""
        if self.strangers:
            what = self.choose(["none", 0.0, SETTLE_S])
            if what != "none":
                self.make(STRANGER, self.strangers.pop(), self.now, self.now + what)

    def search(self, key: JobKey) -> saw.Seen:
        """As the engine does: two readings, a while apart."""
        job = self.board.jobs[key]
        assert isinstance(job.state, InDoubt)
        doubt = Doubt(job.state, job.model, job.prompt_hash, POST_S + SETTLE_S)
        readings = []
        for wait in (0.0, GAP_S):
            self.now += wait
            rows = [saw.Row(t.id, None, job.model, "", t.created_at) for t in self.tasks if t.shown_at <= self.now]
            readings.append(tuple(row for row in rows if may_be(doubt, row, self.board.claimed, 0.0)))
            if not wait:
                self.stranger()
        views = tuple(self.view(row.task_id) for row in readings[1])
        return saw.Searched(readings[1], views, readings[0] == readings[1])

    def view(self, task_id: str | None) -> saw.TaskView:
        task = next(task for task in self.tasks if task.id == task_id)
        if self.now < task.created_at + RENDER_S:
            return saw.TaskView(task.id, "RUNNING")
        return saw.TaskView(task.id, "SUCCEEDED", orig_prompt=task.prompt, video_url="https://oss/v.mp4")


def check(course: Course) -> set[str]:
    """The promises; returns what happened that is worth knowing."""
    board, happened = course.board, set()
    intents = {(key, at) for key, event, at in course.history if isinstance(event, SubmitIntended)}
    for task in course.tasks:
        owner = board.claimed.get(task.id)
        if task.of == STRANGER and owner is not None:
            happened.add("a stranger's task was adopted")
            assert task.prompt == course.prompts[owner]
            assert any(k == owner and -EARLY_S <= task.created_at - at <= POST_S + SETTLE_S for k, at in intents)
            assert not course.made[owner], "a job whose POST made a task never takes another's"
        elif task.of not in (STRANGER, owner):
            happened.add("a task of ours is not claimed")
            assert owner is None, "one job's task was adopted by another"
            assert isinstance(board.jobs[task.of].state, Held)
    assert all(count <= 1 for count in course.made.values()), "paid twice"
    assert not any(isinstance(job.state, InDoubt | Waiting | Ready) for job in board.jobs.values())
    happened |= {type(event).__name__ for _, event, _ in course.history if isinstance(event, TaskAdopted)}
    happened |= {type(job.state).__name__ for job in board.jobs.values()}
    return happened


TWINS = [wanted("first", prompt="the same"), wanted("second", prompt="the same")]
OTHER = wanted("other", prompt="another")
ALL_DELAYS = ((0.0, 0.0), (0.0, SETTLE_S), (SETTLE_S / 2, SETTLE_S / 2), (SETTLE_S, 0.0))
LATE = ((0.0, SETTLE_S), (SETTLE_S, 0.0))
WORLDS = {
    "twins and a stranger of their prompt": (TWINS, ["the same"], ALL_DELAYS, 2),
    "twins, another scene and a stranger": ([*TWINS, OTHER], ["the same"], LATE, 2),
    "one scene and a stranger of its prompt and of another": ([OTHER], ["another", "the same"], ALL_DELAYS, 2),
    "two scenes and a stranger with a task like ours and one more": ([OTHER, TWINS[0]], ["x", "another"], LATE, 1),
}


@pytest.mark.parametrize("on_absent", ["hold", "resubmit"])
@pytest.mark.parametrize("name", WORLDS)
def test_no_course_of_a_small_world_pays_twice_or_mixes_tasks_up(name, on_absent):
    jobs, strangers, delays, odd_posts = WORLDS[name]
    limits = Limits(settle_s=SETTLE_S, post_timeout_s=POST_S, on_absent=on_absent)
    happened, count = set(), 0
    for course in courses(lambda choose: Course(choose, jobs, limits, list(strangers), delays, odd_posts).run()):
        happened |= check(course)
        count += 1
    assert count > 300
    assert {"a stranger's task was adopted", "TaskAdopted", "Done"} <= happened
