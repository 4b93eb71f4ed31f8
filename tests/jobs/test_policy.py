"""What may start, and what an observation means: never too much at once, never twice, never asleep for ever."""

from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support import NOW, board_with, planned, wanted

from wanbatch.errors import Exit
from wanbatch.jobs import policy
from wanbatch.jobs import seen as saw
from wanbatch.jobs import state as s
from wanbatch.jobs.board import Action, Board, Job
from wanbatch.jobs.choose import LOOK_AHEAD, Selection, select
from wanbatch.jobs.lanes import Gate, Lane
from wanbatch.jobs.policy import TASK_LIFE_S, Limits, judge, next_look
from wanbatch.jobs.seen import Kind, Lost

LIMITS = Limits(concurrency=3, downloads=2, asks_at_once=2)
URL = "https://oss.example/v.mp4?Expires=1800050000&Signature=x"


def job_in(state: str, **changes) -> tuple[Board, Job]:
    """A board of one job in a state."""
    events: dict[str, list[s.Event]] = {
        "Ready": [],
        "InDoubt": [s.SubmitIntended()],
        "Waiting": [s.SubmitIntended(), s.SubmitAccepted("t1")],
        "Cancelling": [s.SubmitIntended(), s.SubmitAccepted("t1"), s.CancelRequested("a test")],
        "Rendered": [s.SubmitIntended(), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 1000)],
    }
    one = wanted(**changes)
    board = board_with((one, events[state]))
    return board, board.jobs[one.key]


def view(status: str, **more) -> saw.TaskView:
    return saw.TaskView("t1", status, **more)


# --- select ---

MANY = [
    wanted(f"s{number}", prompt=f"prompt {number % 4}", model=model)
    for number, model in enumerate(["wan2.7-t2v", "wan2.7-t2v-2026-06-12"] * 5)
]
ANSWERS: dict[Action, list[saw.Seen]] = {
    Action.SUBMIT: [
        saw.Accepted("new"), saw.Unknown("lost", "r"), saw.Unknown("lost"), saw.NotSent("no network"),
        saw.Refused(Kind.RATE, "Throttling", "slow", 30.0), saw.Refused(Kind.SCENE, "Bad", "no"),
    ],
    Action.POLL: [
        view("RUNNING"), view("SUCCEEDED", video_url=URL), view("SUCCEEDED"), view("UNKNOWN"), view("CANCELED"),
        view("FAILED", kind=Kind.SERVICE), view("FAILED"), saw.ReadFailed(Kind.RATE, "Throttling", ""),
    ],
    Action.RECONCILE: [saw.Searched((), (), True), saw.Searched((), (), False), saw.ReadFailed(Kind.SERVICE, "x", "")],
    Action.CANCEL: [saw.CancelAnswered(True, view("RUNNING")), saw.CancelAnswered(False, view("CANCELED"))],
    Action.FETCH: [saw.Saved("videos/a.mp4", 1, "ab"), saw.NotSaved(Lost.RETRY, "cut"), saw.NotSaved(Lost.GONE, "x")],
}  # fmt: skip


class Run:
    """A run in which the draw decides who comes back, and with what."""

    def __init__(self, draw, limits: Limits, lanes: list[Lane]) -> None:
        self.draw, self.limits, self.now = draw, limits, NOW
        self.board = board_with(*((one, []) for one in MANY))
        self.board.use(lanes)
        for one in MANY:
            self.board.schedule(one.key, float("-inf"))
        self.submitted: dict[Gate, float] = {}
        self.tasks = 0

    def step(self) -> bool:
        selection = select(self.board, self.now, self.limits)
        self.check(selection)
        for key, action in selection.todo:
            if action is Action.SUBMIT:
                lane = selection.by[key]
                gate = self.board.gate(lane, self.board.jobs[key].model)
                self.board.apply(key, s.SubmitIntended(lane=lane.name), self.now)
                gate.last_submit_at = self.submitted[gate] = self.now
            self.board.start(key, action)
        self.within_the_caps()
        if selection.todo:
            return True
        if self.board.busy and (selection.wake_at == float("inf") or self.draw(st.booleans())):
            self.come_back(self.draw(st.sampled_from(sorted(self.board.busy))))
            return True
        self.now = selection.wake_at
        return self.now != float("inf")

    def come_back(self, key) -> None:
        seen = self.draw(st.sampled_from(ANSWERS[self.board.finish(key)]))
        if isinstance(seen, saw.Accepted):
            self.tasks += 1
            seen = saw.Accepted(f"t{self.tasks}")
        event = judge(self.board, key, seen, self.now, self.limits)
        if event is not None:
            self.board.apply(key, event, self.now)
        gate = self.board.gate_of(self.board.jobs[key])
        if isinstance(event, s.SubmitRefused) and event.retry_at is not None:
            gate.refused(getattr(seen, "kind", None), event.code, 0, event.retry_at)
        elif isinstance(event, s.SubmitAccepted):
            gate.accepted()
        self.board.note_oddity(key, policy.oddity(seen))
        look_at = next_look(self.board, self.board.jobs[key], seen, self.now, self.limits)
        if look_at is not None:
            assert look_at >= self.now
            self.board.schedule(key, look_at)

    def check(self, selection: Selection) -> None:
        board, now = self.board, self.now
        keys = [key for key, _ in selection.todo]
        assert len(set(keys)) == len(keys)
        assert not set(keys) & set(board.busy)
        assert selection.wake_at > now
        leaving = [key for key, action in selection.todo if action is Action.SUBMIT]
        assert set(leaving) == set(selection.by)
        prompts = [board.jobs[key].prompt_hash for key in leaving]
        prompts += [other.prompt_hash for other in board.jobs.values() if isinstance(other.state, s.InDoubt)]
        assert not {board.jobs[key].prompt_hash for key in leaving} & {p for p in prompts if prompts.count(p) > 1}
        for key in leaving:
            job, gate = board.jobs[key], board.gate(selection.by[key], board.jobs[key].model)
            assert isinstance(job.state, s.Ready)
            assert now >= max(job.state.not_before, gate.pause_until)
            assert now - self.submitted.get(gate, float("-inf")) >= 0.999 / gate.rate
            assert not gate.submitting
        if not selection.todo:
            until = min(selection.wake_at, now + 10**9)
            for moment in (now + 1e-3, (now + until) / 2, until - 1e-3):
                if now < moment < until:
                    assert not select(board, moment, self.limits).todo, "it slept too long"

    def within_the_caps(self) -> None:
        board = self.board
        assert self.limits.concurrency is None or board.open_tasks <= self.limits.concurrency
        assert all(board.open_at[lane.name, model] <= lane.at_once for lane in board.lanes for model in board.to_submit)
        assert board.open_tasks == sum(isinstance(j.state, s.InDoubt | s.Waiting | s.Cancelling)
                                       for j in board.jobs.values())  # fmt: skip
        doing = list(board.busy.values())
        assert doing.count(Action.FETCH) <= self.limits.downloads
        asks = (Action.POLL, Action.RECONCILE, Action.CANCEL)
        assert sum(action in asks for action in doing) <= self.limits.asks_at_once * len(board.lanes)
        sent = [board.jobs[key] for key, action in board.busy.items() if action is Action.SUBMIT]
        posting = [(job.lane, job.model) for job in sent]
        assert len(set(posting)) == len(posting)


@settings(deadline=None, max_examples=60, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_a_run_keeps_within_its_limits_and_never_oversleeps(data):
    limits = Limits(
        concurrency=data.draw(st.none() | st.integers(1, 6)),
        downloads=data.draw(st.integers(1, 3)),
        asks_at_once=data.draw(st.integers(1, 4)),
        on_absent=data.draw(st.sampled_from(["hold", "resubmit"])),
    )
    caps = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    run = Run(data.draw, limits, [Lane(f"lane{n}", cap) for n, cap in enumerate(caps)])
    for _ in range(120):
        if not run.step():
            left = [job.state for job in run.board.jobs.values() if isinstance(job.state, s.InDoubt | s.Waiting)]
            assert not left, "nobody will ever look at these again"
            return


def test_downloads_come_first_then_questions_then_one_submission():
    wants = [wanted(name) for name in ("ready", "more", "waits", "made")]
    waiting = [s.SubmitIntended(), s.SubmitAccepted("t1")]
    made = [s.SubmitIntended(), s.SubmitAccepted("t2"), s.TaskSucceeded(NOW + 9)]
    board = board_with((wants[0], []), (wants[1], []), (wants[2], waiting), (wants[3], made))
    for one in wants:
        board.schedule(one.key, NOW)
    chosen = select(board, NOW, LIMITS).todo
    assert [(key.scene, action) for key, action in chosen] == [
        ("made", Action.FETCH), ("waits", Action.POLL), ("ready", Action.SUBMIT),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "action"),
    [("InDoubt", Action.RECONCILE), ("Waiting", Action.POLL), ("Cancelling", Action.CANCEL)],
)
def test_what_is_asked_is_what_the_state_leaves_open(state, action):
    board, job = job_in(state)
    board.schedule(job.key, NOW)
    assert select(board, NOW, LIMITS).todo == ((job.key, action),)


def test_a_job_behind_a_blocked_one_is_not_slept_over():
    """The first in the line waits for its twin's doubt; the one behind it may go in ten seconds."""
    doubtful, twin, later = wanted("a", prompt="same"), wanted("b", prompt="same"), wanted("c", prompt="other")
    again = [s.SubmitIntended(), s.SubmitRefused("Throttling", "slow", NOW + 20)]
    board = board_with((doubtful, [s.SubmitIntended()]), (twin, []), (later, again))
    board.schedule(doubtful.key, NOW + 180)
    board.schedule(twin.key, NOW)
    board.schedule(later.key, NOW)
    assert select(board, NOW + 10, LIMITS) == Selection((), {}, NOW + 20)
    assert select(board, NOW + 20, LIMITS).todo == ((later.key, Action.SUBMIT),)


def test_a_twin_of_a_prompt_in_doubt_waits_and_others_go():
    twins = [wanted("a", prompt="same"), wanted("b", prompt=" same "), wanted("c", prompt="other")]
    board = board_with((twins[0], [s.SubmitIntended()]), (twins[1], []), (twins[2], []))
    for one in twins[1:]:
        board.schedule(one.key, NOW)
    assert select(board, NOW, LIMITS).todo == ((twins[2].key, Action.SUBMIT),)


class Touched(list):
    """Entries that count how many of them are looked at."""

    def __init__(self, entries) -> None:
        super().__init__(entries)
        self.touched = 0

    def __iter__(self):
        for entry in super().__iter__():
            self.touched += 1
            yield entry


@pytest.mark.parametrize("blocked", [False, True])
def test_a_look_at_a_hundred_thousand_jobs_touches_a_few(blocked):
    board = Board()
    template = wanted()
    event = planned(template)
    for number in range(101_000):
        one = type(template.key)(f"s{number}", 1, "0" * 12)
        board.apply(one, event, NOW)
        if number < 1000:
            board.apply(one, s.SubmitIntended(), NOW)
            board.apply(one, s.SubmitAccepted(f"t{number}"), NOW)
        board.schedule(one, NOW)
    board.use([Lane(at_once=2000)])
    if blocked:
        board.doubtful_prompts[planned(template).outline["prompt"]] += 1
    agendas = (board.to_submit[template.request.model], board.to_ask, board.to_fetch)
    for agenda in agendas:
        agenda._entries = Touched(agenda._entries)
    select(board, NOW, Limits(concurrency=2000))
    assert sum(agenda._entries.touched for agenda in agendas) <= 20 + LOOK_AHEAD + 10


def test_a_closed_board_submits_nothing_more():
    board, job = job_in("Ready")
    board.schedule(job.key, NOW)
    board.close()
    board.schedule(job.key, NOW)
    assert select(board, NOW, LIMITS) == Selection((), {}, float("inf"))
    assert not board.unfinished


# --- judge: one POST (every row of the outcome table) ---


def test_an_accepted_request_is_waiting():
    board, job = job_in("InDoubt")
    assert judge(board, job.key, saw.Accepted("t9", "r"), NOW, LIMITS) == s.SubmitAccepted("t9", "r")


def test_an_answer_with_a_task_that_somebody_has_leaves_the_job_in_doubt_with_what_came():
    first, second = wanted("first"), wanted("second")
    board = board_with((first, [s.SubmitIntended(), s.SubmitAccepted("t1")]), (second, [s.SubmitIntended()]))
    event = judge(board, second.key, saw.Accepted("t1", "r2"), NOW, LIMITS)
    assert event == s.SubmitUnclear(f"the service answered with task t1, which {first.key} has", "r2")
    assert isinstance(board.apply(second.key, event, NOW).state, s.InDoubt)


def test_what_was_never_sent_goes_again_after_a_while():
    board, job = job_in("InDoubt")
    event = judge(board, job.key, saw.NotSent("refused"), NOW, LIMITS)
    assert (event.code, event.message) == ("NotSent", "refused")
    assert 0.5 <= event.retry_at - NOW < 1


def test_an_unknown_outcome_is_written_down_and_nothing_else():
    board, job = job_in("InDoubt")
    assert judge(board, job.key, saw.Unknown("HTTP 502", "r"), NOW, LIMITS) == s.SubmitUnclear("HTTP 502", "r")


def test_a_refused_scene_fails_and_a_refused_account_leaves_it_ready():
    board, job = job_in("InDoubt")
    assert judge(board, job.key, saw.Refused(Kind.SCENE, "Bad", "no"), NOW, LIMITS) == s.SubmitRefused("Bad", "no")
    refused = saw.Refused(Kind.ACCOUNT, "Arrearage", "pay")
    assert judge(board, job.key, refused, NOW, LIMITS) == s.SubmitRefused("Arrearage", "pay", NOW)


@pytest.mark.parametrize("kind", [Kind.RATE, Kind.SERVICE])
@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(None, 0.5, 1), (30.0, 30, 30), (0.1, 0.5, 1), (999_999.0, 3600, 3600), (-5.0, 0.5, 1),
     (float("inf"), 3600, 3600), (float("nan"), 0.5, 1)],
)  # fmt: skip
def test_a_throttled_request_waits_as_long_as_asked_within_reason(kind, asked, least, most):
    board, job = job_in("InDoubt")
    event = judge(board, job.key, saw.Refused(kind, "Throttling", "slow", asked), NOW, LIMITS)
    assert least <= event.retry_at - NOW <= most


@given(st.integers(0, 100_000), st.text("0123456789abcdef", max_size=12))
def test_a_backoff_doubles_up_to_its_cap_and_spreads_by_half(tries, digest):
    key = type(wanted().key)("s", 1, digest)
    ceiling = min(60.0, 2.0 ** min(tries, 16))
    assert ceiling / 2 <= policy.backoff(tries, key) < ceiling


# --- judge: a task ---


def test_a_success_is_kept_with_its_urls_own_end():
    board, job = job_in("Waiting")
    seen = view("SUCCEEDED", video_url=URL, usage={"duration": 5}, times={"end_time": "x"})
    event = judge(board, job.key, seen, NOW, LIMITS)
    assert event == s.TaskSucceeded(1_800_050_000.0, {"duration": 5}, {"end_time": "x"})


@pytest.mark.parametrize("query", ["", "?Signature=x", "?Expires=soon", "?Expires=" + "9" * 400, "?Expires=-1"])
def test_a_url_that_says_no_end_lasts_a_day_from_submission(query):
    board, job = job_in("Waiting")
    event = judge(board, job.key, view("SUCCEEDED", video_url=f"https://x/v.mp4{query}"), NOW + 99, LIMITS)
    assert event == s.TaskSucceeded(job.submitted_at + TASK_LIFE_S)


@pytest.mark.parametrize(
    ("seen", "times", "word"),
    [
        (view("SUCCEEDED"), 3, "no video"),
        (view("SUCCEEDED", video_url=""), 3, "no video"),
        (view("UNKNOWN"), 5, "does not know"),
    ],
)
def test_an_odd_answer_is_held_after_several_in_a_row_and_only_of_the_same(seen, times, word):
    board, job = job_in("Waiting")
    for _ in range(6):
        board.note_oddity(job.key, policy.oddity(saw.ReadFailed(Kind.SERVICE, "x", "")))
    board.note_oddity(job.key, policy.oddity(seen))
    for _ in range(times - 2):
        assert judge(board, job.key, seen, NOW + 60, LIMITS) is None
        board.note_oddity(job.key, policy.oddity(seen))
    event = judge(board, job.key, seen, NOW + 60, LIMITS)
    assert isinstance(event, s.HeldForReview)
    assert word in event.reason
    assert "billed" in event.reason
    board.note_oddity(job.key, policy.oddity(view("RUNNING")))
    assert judge(board, job.key, seen, NOW + 60, LIMITS) is None


def test_one_odd_answer_after_unanswered_questions_is_the_first_of_its_kind():
    board, job = job_in("Waiting")
    for _ in range(20):
        board.note_oddity(job.key, policy.oddity(saw.ReadFailed(Kind.SERVICE, "x", "")))
    board.note_oddity(job.key, policy.oddity(view("UNKNOWN")))
    assert board.strikes[job.key] == 1


def test_a_task_that_is_unknown_after_a_day_is_held_at_once():
    board, job = job_in("Waiting")
    assert judge(board, job.key, view("UNKNOWN"), job.submitted_at + TASK_LIFE_S, LIMITS) is None
    event = judge(board, job.key, view("UNKNOWN"), job.submitted_at + TASK_LIFE_S + 1, LIMITS)
    assert isinstance(event, s.HeldForReview)
    assert "24 h" in event.reason


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SUSPENDED", "ANYTHING"])
def test_a_word_that_nobody_documented_is_a_running_task(status):
    board, job = job_in("Waiting")
    assert judge(board, job.key, view(status), NOW, LIMITS) is None


def test_a_failed_task_goes_again_only_when_the_service_was_at_fault_and_not_for_ever():
    board, job = job_in("Waiting")
    failed = view("FAILED", kind=Kind.SERVICE, code="InternalError", message="odd")
    event = judge(board, job.key, failed, NOW, Limits(attempts=2))
    assert event.retry_at > NOW
    assert judge(board, job.key, failed, NOW, Limits(attempts=1)).retry_at is None
    scene = view("FAILED", code="DataInspectionFailed", message="no")
    assert judge(board, job.key, scene, NOW, LIMITS) == s.TaskFailed("DataInspectionFailed", "no")


def test_a_canceled_task_is_canceled_whoever_did_it():
    for state in ("Waiting", "Cancelling"):
        board, job = job_in(state)
        assert judge(board, job.key, view("CANCELED"), NOW, LIMITS) == s.TaskCanceled()


def test_a_cancel_is_believed_when_the_task_says_so():
    board, job = job_in("Cancelling")
    unread = saw.ReadFailed(Kind.SERVICE, "x", "")
    for seen, event in [
        (saw.CancelAnswered(False, view("CANCELED")), s.TaskCanceled()),
        (saw.CancelAnswered(True, view("CANCELED")), s.TaskCanceled()),
        (saw.CancelAnswered(True, view("RUNNING")), s.CancelRefused()),
        (saw.CancelAnswered(True, unread), s.CancelRefused()),
        (saw.CancelAnswered(False, view("PENDING")), None),
        (saw.CancelAnswered(False, unread), None),
    ]:
        assert judge(board, job.key, seen, NOW, LIMITS) == event
    for seen in (view("UNKNOWN"), unread, view("SUCCEEDED")):
        assert policy.oddity(saw.CancelAnswered(False, seen)) == policy.oddity(seen) is not None


@pytest.mark.parametrize("state", ["InDoubt", "Waiting", "Cancelling", "Rendered"])
def test_silence_says_nothing_until_the_service_has_forgotten(state):
    board, job = job_in(state)
    silence = saw.ReadFailed(Kind.SERVICE, "NoAnswer", "no answer in time")
    end = NOW + 1000 if state == "Rendered" else job.submitted_at + TASK_LIFE_S
    for _ in range(10):
        assert judge(board, job.key, silence, end, LIMITS) is None
        board.note_oddity(job.key, policy.oddity(silence))
    event = judge(board, job.key, silence, end + 1, LIMITS)
    assert isinstance(event, s.HeldForReview)
    board.note_oddity(job.key, None)
    assert judge(board, job.key, silence, end + 1, LIMITS) is None, "one unanswered question is no proof"


# --- judge: the doubt is settled when all that was sent must show ---


def test_a_doubt_settles_from_the_posts_last_byte_on():
    board, job = job_in("InDoubt")
    since = job.state.since
    limits = Limits(settle_s=180, post_timeout_s=60, on_absent="resubmit")
    absent = saw.Searched((), (), True)
    assert policy.settled_at(board, job, limits) == since + 240
    assert judge(board, job.key, absent, since + 239, limits) is None
    assert isinstance(judge(board, job.key, absent, since + 240, limits), s.SubmitDisproved)
    board.apply(job.key, s.SubmitUnclear("reset"), since + 2)
    assert policy.settled_at(board, board.jobs[job.key], limits) == since + 182


def test_a_doubt_that_a_dead_process_left_settles_from_the_take_over_on():
    board, job = job_in("InDoubt")
    since = job.state.since
    board.take_over(since + 10)
    assert policy.settled_at(board, job, LIMITS) == since + 10 + LIMITS.settle_s
    board.take_over(since + 10_000)
    assert policy.settled_at(board, job, LIMITS) == since + LIMITS.post_timeout_s + LIMITS.settle_s
    board.take_over(since - 90_000)
    assert policy.settled_at(board, job, LIMITS) < since, "a clock that was set back makes nobody wait for a day"


# --- judge: a download ---


def test_a_saved_video_is_done_and_a_lost_one_is_held():
    board, job = job_in("Rendered")
    assert judge(board, job.key, saw.Saved("videos/a.mp4", 9, "ab"), NOW, LIMITS) == s.VideoSaved(
        "videos/a.mp4", 9, "ab"
    )
    gone = judge(board, job.key, saw.NotSaved(Lost.GONE, "no longer there"), NOW, LIMITS)
    assert gone == s.HeldForReview("billed, but the video is lost: no longer there")


@pytest.mark.parametrize("why", [Lost.RETRY, Lost.DISK, Lost.TAKEN])
def test_a_download_that_failed_is_tried_again_while_the_service_has_the_video(why):
    board, job = job_in("Rendered")
    assert judge(board, job.key, saw.NotSaved(why, "x"), NOW + 1000, LIMITS) is None
    assert isinstance(judge(board, job.key, saw.NotSaved(why, "x"), NOW + 1001, LIMITS), s.HeldForReview)


# --- next_look ---


def test_the_next_look_at_a_running_task_is_rarer_the_older_it_is():
    board, job = job_in("Waiting")
    for age, wait in [(0, 15), (599, 15), (600, 30), (1799, 30), (1800, 60), (80_000, 60)]:
        now = job.submitted_at + age
        assert next_look(board, job, view("RUNNING"), now, LIMITS) == now + wait


def slot_wanted(*lasted: float, lane: Lane = Lane(), model: str = "wan2.7-t2v") -> tuple[Board, Job]:  # noqa: B008
    """A task that is still made, others of its kind that took so long, and a scene that waits for the slot."""
    board, job = job_in("Waiting")
    board.use([lane])
    for number, span in enumerate(lasted):
        one = wanted(f"made-{number}")
        board.apply(one.key, planned(one), NOW)
        for event, at in [(s.SubmitIntended(), NOW), (s.SubmitAccepted(f"m{number}"), NOW)]:
            board.apply(one.key, event, at)
        board.apply(one.key, s.TaskSucceeded(NOW + 1e5), NOW + span)
    one = wanted("next", model=model)
    board.apply(one.key, planned(one), NOW)
    board.schedule(one.key, NOW)
    return board, job


def asked_after(board: Board, job: Job, limits: Limits = LIMITS) -> list[float]:
    """At which ages a task that never ends is asked about in its first ten minutes, in seconds."""
    ages, age = [], 0.0
    while age < 600:
        age = next_look(board, job, view("RUNNING"), job.submitted_at + age, limits) - job.submitted_at
        ages.append(round(age, 3))
    return ages


def test_a_slot_that_a_scene_waits_for_is_looked_at_often_from_when_the_task_may_end():
    ages = asked_after(*slot_wanted(72.0, 55.0))
    assert ages[:3] == [15, 30, 45]
    assert ages[3:7] == [49.5, 50.5, 51.5, 52.5]
    assert asked_after(*slot_wanted(60.0), Limits(poll_interval_s=40.0))[:3] == [40, 54, 56.667]


def test_a_long_task_is_asked_about_no_more_often_than_it_is_worth():
    assert asked_after(*slot_wanted(400.0))[23:26] == [360, 366.667, 373.333]
    assert asked_after(*slot_wanted(900.0)) == asked_after(*job_in("Waiting"))
    board, job = slot_wanted(60.0)
    assert next_look(board, job, view("RUNNING"), job.submitted_at + 600, LIMITS) == job.submitted_at + 630


def test_an_account_with_many_tasks_keeps_three_quarters_of_its_rate():
    ages = asked_after(*slot_wanted(60.0, lane=Lane(at_once=50, ask_rate=20.0)))
    assert ages[3:6] == [55, 65, 75]
    crowd = slot_wanted(60.0, lane=Lane(at_once=1000, ask_rate=20.0))
    assert asked_after(*crowd) == asked_after(*job_in("Waiting"))


@pytest.mark.parametrize("why", ["nothing waits", "another model waits", "nothing was made", "not this run's account"])
def test_a_slot_that_nobody_waits_for_is_not_worth_a_question_more(why):
    board, job = slot_wanted(*(() if why == "nothing was made" else (60.0,)))
    if why == "nothing waits":
        board.close()
    if why == "another model waits":
        board, job = slot_wanted(60.0, model="wan2.7-t2v-2026-06-12")
    if why == "not this run's account":
        board.use([Lane("another")])
    assert asked_after(board, job) == [15.0 * n for n in range(1, 41)]


def test_what_a_clock_that_was_set_back_says_of_a_task_is_not_believed():
    assert slot_wanted(-5.0)[0].lasted == {}


def test_an_unanswered_question_is_asked_again_later_and_later():
    board, job = job_in("Waiting")
    failed = saw.ReadFailed(Kind.RATE, "Throttling", "")
    assert next_look(board, job, failed, NOW, LIMITS) == NOW + LIMITS.poll_interval_s
    for _ in range(10):
        board.note_oddity(job.key, policy.oddity(failed))
    assert 30 <= next_look(board, job, failed, NOW, LIMITS) - NOW < 60
    asked = saw.ReadFailed(Kind.RATE, "Throttling", "", 1e9)
    assert next_look(board, job, asked, NOW, LIMITS) == NOW + 3600


def test_a_broken_download_is_tried_five_times_in_a_run_and_others_are_left():
    board, job = job_in("Rendered")
    broken = saw.NotSaved(Lost.RETRY, "cut")
    for _ in range(4):
        board.note_oddity(job.key, policy.oddity(broken))
        assert next_look(board, job, broken, NOW, LIMITS) > NOW
    board.note_oddity(job.key, policy.oddity(broken))
    assert next_look(board, job, broken, NOW, LIMITS) is None
    for why in (Lost.GONE, Lost.DISK, Lost.TAKEN):
        assert next_look(board, job, saw.NotSaved(why, "x"), NOW, LIMITS) is None


def test_a_doubt_is_looked_at_when_it_is_settled_and_then_at_each_interval():
    board, job = job_in("InDoubt")
    settled = policy.settled_at(board, job, LIMITS)
    assert next_look(board, job, saw.Unknown("x"), NOW + 5, LIMITS) == settled
    assert next_look(board, job, saw.Searched((), (), False), settled, LIMITS) == settled + LIMITS.poll_interval_s


def test_a_rendered_video_is_fetched_at_once():
    board, job = job_in("Rendered")
    assert next_look(board, job, view("SUCCEEDED", video_url=URL), NOW, LIMITS) == NOW


# --- halt, oddity ---


def test_a_refused_account_ends_the_run_and_a_refused_scene_does_not():
    board, job = job_in("InDoubt")
    halted = policy.halt(board, job, saw.Refused(Kind.ACCOUNT, "Arrearage", "pay"), NOW, LIMITS)
    assert (halted.exit_code, halted.at_once) == (Exit.ACCOUNT, False)
    halted = policy.halt(board, job, saw.ReadFailed(Kind.ACCOUNT, "InvalidApiKey", "no"), NOW, LIMITS)
    assert (halted.exit_code, halted.at_once) == (Exit.ACCOUNT, True)
    for seen in (saw.Refused(Kind.SCENE, "x", ""), saw.ReadFailed(Kind.RATE, "x", ""), saw.Accepted("t")):
        assert policy.halt(board, job, seen, NOW, LIMITS) is None


def test_a_service_that_cannot_be_reached_is_tried_for_a_while():
    board, job = job_in("InDoubt")
    assert policy.halt(board, job, saw.NotSent("no network"), NOW, LIMITS) is None
    board.unsent_since = NOW
    assert policy.halt(board, job, saw.NotSent("no network"), NOW + 299, LIMITS) is None
    halted = policy.halt(board, job, saw.NotSent("no network"), NOW + 300, LIMITS)
    assert (halted.exit_code, halted.at_once) == (Exit.RUNNING, True)


def test_a_quota_that_stays_refused_is_the_account_s_and_not_the_rate_s():
    board, job = job_in("InDoubt")
    refused = saw.Refused(Kind.ALLOCATION, "Throttling.AllocationQuota", "no")
    gate = board.gate_of(job)
    for _ in range(LIMITS.allocations):
        gate.refused(Kind.RATE, "Throttling.RateQuota", 0, NOW)  # the rate's are not the quota's
    for _ in range(LIMITS.allocations):
        assert policy.halt(board, job, refused, NOW, LIMITS) is None
        gate.refused(Kind.ALLOCATION, refused.code, 0, NOW)
    assert policy.halt(board, job, refused, NOW, LIMITS).exit_code is Exit.ACCOUNT
    gate.accepted()
    assert policy.halt(board, job, refused, NOW, LIMITS) is None


def test_a_lane_that_is_full_or_paused_leaves_the_job_to_the_next_one():
    wants = [wanted(name) for name in ("a", "b", "c", "d")]
    board = board_with(*((one, []) for one in wants))
    lanes = [Lane("full", at_once=1), Lane("paused"), Lane("free", at_once=2), Lane("without", models=frozenset())]
    board.use(lanes)
    board.apply(wants[0].key, s.SubmitIntended(lane="full"), NOW)
    board.gate(lanes[1], wants[0].request.model).pause_until = NOW + 30
    for one in wants:
        board.schedule(one.key, NOW)
    chosen = select(board, NOW, Limits())
    assert chosen.by == {wants[1].key: lanes[2]}  # one POST in flight for each lane and model
    assert (wants[0].key, Action.RECONCILE) in chosen.todo
    board.apply(wants[1].key, s.SubmitIntended(lane="free"), NOW)
    board.start(wants[1].key, Action.SUBMIT)
    assert select(board, NOW, Limits()).by == {}
    assert select(board, NOW + 30, Limits()).by == {wants[2].key: lanes[1]}


def test_a_model_that_no_account_of_the_run_has_is_not_waited_for():
    one = wanted()
    board = board_with((one, []))
    board.use([Lane("old", models=frozenset({"other"}))])
    board.schedule(one.key, NOW)
    assert not board.unfinished
    board.use([Lane("new"), Lane("newer")])
    board.schedule(one.key, NOW)
    assert board.close_lane("new")
    assert board.unfinished
    assert not board.close_lane("newer")
    assert not board.unfinished


def test_only_odd_answers_are_counted():
    odd = [view("UNKNOWN"), view("SUCCEEDED"), saw.ReadFailed(Kind.RATE, "", ""), saw.NotSaved(Lost.DISK, "")]
    plain = [view("RUNNING"), view("SUCCEEDED", video_url=URL), saw.Accepted("t"), saw.Searched((), (), True)]
    assert len({policy.oddity(seen) for seen in odd}) == 4
    assert [policy.oddity(seen) for seen in plain] == [None] * 4


def test_a_clock_that_was_set_forward_has_not_let_the_settling_time_pass():
    one = wanted()
    board = board_with((one, [s.SubmitIntended(3600.0)]))
    job = board.jobs[one.key]
    slow = policy.settled_at(board, job, LIMITS)
    board.clock_offset_s = 0.0  # an hour forward since the intent: our clock is right now
    assert policy.settled_at(board, job, LIMITS) == slow + 3600
    board.clock_offset_s = 3600.0
    assert policy.settled_at(board, job, LIMITS) == slow


def test_a_deadline_is_a_day_after_the_submission_or_the_end_of_the_url_if_that_is_earlier():
    assert policy.deadline(job_in("Ready")[1]) is None
    for state in ("InDoubt", "Waiting", "Cancelling"):
        job = job_in(state)[1]
        assert policy.deadline(job) == job.submitted_at + TASK_LIFE_S
    assert policy.deadline(job_in("Rendered")[1]) == NOW + 1000
    one = wanted()
    late = board_with((one, [s.SubmitIntended(), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 10 * TASK_LIFE_S)]))
    assert policy.deadline(late.jobs[one.key]) == NOW + 1 + TASK_LIFE_S


def test_the_limits_are_those_that_the_documents_name():
    assert Limits() == Limits(
        concurrency=None, downloads=4, asks_at_once=20, poll_interval_s=15.0, settle_s=180.0, post_timeout_s=60.0,
        on_absent="hold", attempts=3, allocations=5, fetches=5, unreachable_s=300.0,
    )  # fmt: skip
    assert Lane() == Lane("", at_once=5, submit_rate=5.0, ask_rate=20.0, models=None)
    assert policy.TASK_LIFE_S == 24 * 3600


@pytest.mark.parametrize(("blocked", "found"), [(64, 1), (65, 0)])
def test_a_look_past_twins_that_wait_goes_so_far_and_no_further(blocked, found):
    doubtful, free = wanted("doubtful", prompt="same"), wanted("free", prompt="other")
    twins = [wanted(f"s{number}", prompt="same") for number in range(blocked)]
    board = board_with((doubtful, [s.SubmitIntended()]), *((one, []) for one in (*twins, free)))
    for one in (*twins, free):
        board.schedule(one.key, NOW)
    assert select(board, NOW, LIMITS).todo == ((free.key, Action.SUBMIT),) * found


def test_who_is_busy_counts_in_the_cap():
    made = [s.SubmitIntended(), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 1000)]
    for events, action, limits in [
        (made, Action.FETCH, Limits(downloads=3)),
        (made[:1], Action.RECONCILE, Limits(asks_at_once=3)),
        (made[:2], Action.POLL, Limits(asks_at_once=3)),
        ([*made[:2], s.CancelRequested("me")], Action.CANCEL, Limits(asks_at_once=3)),
    ]:
        board = Board()
        wants = [wanted(f"s{number}") for number in range(5)]
        for number, one in enumerate([*wants, wanted("later")]):
            board.apply(one.key, planned(one), NOW)
            for event in events:
                own = s.SubmitAccepted(f"t{number}") if isinstance(event, s.SubmitAccepted) else event
                board.apply(one.key, own, NOW)
            board.schedule(one.key, NOW + 10 if one not in wants else NOW)
        board.start(wants[0].key, action)
        chosen = select(board, NOW, limits)
        assert chosen.todo == ((wants[1].key, action), (wants[2].key, action))
        for key, _ in chosen.todo:
            board.start(key, action)
        assert select(board, NOW, limits) == Selection((), {}, float("inf")), "full: somebody must come back first"


def test_a_run_wakes_for_what_comes_later_if_one_place_is_free_and_only_then():
    made = [s.SubmitIntended(), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 1000)]
    for events, action, limits in [
        (made, Action.FETCH, Limits(downloads=2)),
        (made[:2], Action.POLL, Limits(asks_at_once=2)),
    ]:
        busy, later = wanted("busy"), wanted("later")
        theirs = [s.SubmitAccepted("t2") if isinstance(event, s.SubmitAccepted) else event for event in events]
        board = board_with((busy, events), (later, theirs))
        board.schedule(later.key, NOW + 10)
        board.start(busy.key, action)
        assert select(board, NOW, limits) == Selection((), {}, NOW + 10)
        full = Limits(downloads=1, asks_at_once=1)
        assert select(board, NOW, full) == Selection((), {}, float("inf"))


def test_submissions_are_spaced_to_the_rate_and_wait_for_a_slot_of_the_cap():
    open_, ready = wanted("open"), wanted("ready")
    board = board_with((open_, [s.SubmitIntended(), s.SubmitAccepted("t1")]), (ready, []))
    board.schedule(ready.key, NOW)
    board.use([Lane(submit_rate=4.0)])
    gate = board.gate(board.lanes[0], ready.request.model)
    gate.last_submit_at = NOW
    assert select(board, NOW, Limits()) == Selection((), {}, NOW + 0.25)
    assert select(board, NOW + 0.25, Limits()).todo == ((ready.key, Action.SUBMIT),)
    assert select(board, NOW, Limits(concurrency=1)) == Selection((), {}, float("inf")), "the service is full"
    assert select(board, NOW + 60, Limits(concurrency=1)) == Selection((), {}, float("inf"))
    gate.pause_until = NOW + 7
    assert select(board, NOW + 1, LIMITS) == Selection((), {}, NOW + 7)


def test_a_backoff_is_the_same_each_time_and_another_for_each_job():
    """Many jobs that are refused at once must not all come back at once."""

    def wait(tries: int, digest: str, **more: float) -> float:
        return policy.backoff(tries, type(wanted().key)("s", 1, digest), **more)

    assert wait(0, "abcdef123456") == 0.5 * 1.375  # 0xabcdef ends on 375
    assert wait(1, "abcdef123456") == 1.0 * 1.750
    assert wait(2, "abcdef123456") == 2.0 * 1.125
    assert wait(20, "abcdef123456") == 30.0 * (1 + 11_259_375 * 21 % 1000 / 1000)
    assert wait(0, "") == 0.5
    assert wait(3, "", base_s=2.0) == 8.0
    assert wait(10_000, "", cap_s=1e9) == 32_768.0, "no number grows without bound"


def test_five_unanswered_questions_after_the_services_day_hold_a_job_and_four_do_not():
    board, job = job_in("Waiting")
    silence = saw.ReadFailed(Kind.SERVICE, "NoAnswer", "no answer in time")
    over = job.submitted_at + TASK_LIFE_S + 1
    for _ in range(4):
        assert judge(board, job.key, silence, over, LIMITS) is None
        board.note_oddity(job.key, policy.oddity(silence))
    assert isinstance(judge(board, job.key, silence, over, LIMITS), s.HeldForReview)


def test_a_urls_end_is_its_expires_and_no_other_number():
    assert policy.expiry("https://x/v.mp4?OSSAccessKeyId=12345&Expires=1800050000&Part=7") == 1_800_050_000.0
    assert policy.expiry("https://x/v.mp4?Other=1800050000") is None
    assert policy.expiry(f"https://x/v.mp4?Expires={'9' * 11}") == 99_999_999_999.0
    assert policy.expiry(f"https://x/v.mp4?Expires={'9' * 12}") is None


def test_what_the_service_leaves_out_is_empty_and_no_offset_is_none():
    board, job = job_in("Waiting")
    assert judge(board, job.key, saw.TaskView("t1", "FAILED"), NOW, LIMITS) == s.TaskFailed("", "")
    assert saw.Searched((), (), True).clock_offset_s == 0.0


@pytest.mark.parametrize("offset", [-25 * 3600.0, 25 * 3600.0])
def test_a_download_is_given_up_by_the_service_s_clock(offset):
    board, job = job_in("Rendered")
    board.clock_offset_s = offset
    again, end = saw.NotSaved(Lost.RETRY, "cut"), NOW + 1000 - offset
    assert judge(board, job.key, again, end, LIMITS) is None
    assert "the video is lost" in judge(board, job.key, again, end + 1, LIMITS).reason


@pytest.mark.parametrize("set_by", [25 * 3600.0, -25 * 3600.0])
def test_a_clock_that_was_set_since_the_submission_makes_no_task_older(set_by):
    one = wanted()
    board = board_with((one, [s.SubmitIntended(0.0), s.SubmitAccepted("t1")]))
    board.clock_offset_s = -set_by
    end = board.jobs[one.key].submitted_at + TASK_LIFE_S + set_by
    assert judge(board, one.key, view("UNKNOWN"), end, LIMITS) is None
    assert isinstance(judge(board, one.key, view("UNKNOWN"), end + 1, LIMITS), s.HeldForReview)


@pytest.mark.parametrize(("then", "now"), [(None, 0.0), (0.0, None), (None, None)])
def test_what_a_dead_process_sent_by_a_clock_that_nobody_compared_is_held_when_it_is_not_found(then, now):
    one, limits = wanted(), Limits(on_absent="resubmit")
    board = board_with((one, [s.SubmitIntended(then)]))
    board.clock_offset_s = now
    absent, late = saw.Searched((), (), True), NOW + 3600
    assert isinstance(judge(board, one.key, absent, late, limits), s.SubmitDisproved), "our own clock never jumps"
    board.take_over(NOW + 2)
    assert "by which clock" in judge(board, one.key, absent, late, limits).reason


def test_a_post_that_left_late_is_looked_for_as_late():
    """The process was stopped, or the laptop slept, between the intent and the POST."""
    board, job = job_in("InDoubt")
    board.apply(job.key, s.SubmitUnclear("reset"), job.state.since + 601)
    state = board.jobs[job.key].state
    assert policy.window_s(state, Limits(settle_s=180, post_timeout_s=60)) == 781
    assert policy.window_s(job.state, Limits(settle_s=180, post_timeout_s=60)) == 240


def test_without_the_offset_of_its_submission_a_task_is_as_old_as_our_clock_says():
    one = wanted()
    board = board_with((one, [s.SubmitIntended(), s.SubmitAccepted("t1")]))
    board.clock_offset_s = 3600.0
    end = board.jobs[one.key].submitted_at + TASK_LIFE_S
    assert judge(board, one.key, view("UNKNOWN"), end, LIMITS) is None
    assert isinstance(judge(board, one.key, view("UNKNOWN"), end + 1, LIMITS), s.HeldForReview)


def test_the_age_of_a_task_counts_by_the_service_s_clock():
    one = wanted()
    board = board_with((one, [s.SubmitIntended(100.0), s.SubmitAccepted("t1")]))
    job = board.jobs[one.key]
    board.clock_offset_s = 400.0
    assert policy.age(board, job, job.submitted_at + 50) == 350
    assert policy.age(board, replace(job, submitted_at=None, clock_offset_s=None), NOW) == 0


@pytest.mark.parametrize(("inherited", "then", "now", "found"), [
    (False, None, None, False), (True, None, 0.0, True), (True, 0.0, None, True), (True, 0.0, 0.0, False),
])  # fmt: skip
def test_a_doubt_is_untimed_only_if_a_dead_process_left_it_and_a_clock_is_not_known(inherited, then, now, found):
    one = wanted()
    board = board_with((one, [s.SubmitIntended(then)]))
    board.clock_offset_s = now
    if inherited:
        board.take_over(NOW)
    assert policy.untimed(board, one.key, board.jobs[one.key].state) == found
    assert policy.window_s(board.jobs[one.key].state, Limits(post_timeout_s=1.0, settle_s=0.0)) == 1.0


def test_two_new_takes_of_one_prompt_never_leave_together_however_many_lanes_are_free():
    twins = [wanted("a", prompt="same"), wanted("b", prompt=" same "), wanted("c", prompt="other")]
    board = board_with(*((one, []) for one in twins))
    lanes = [Lane("one"), Lane("two"), Lane("three")]
    board.use(lanes)
    for one in twins:
        board.schedule(one.key, NOW)
    assert select(board, NOW, Limits()).by == {twins[0].key: lanes[0], twins[2].key: lanes[1]}


def test_a_paused_lane_wakes_the_run_when_the_first_of_them_is_free_again():
    one = wanted()
    board = board_with((one, []))
    lanes = [Lane("late"), Lane("soon")]
    board.use(lanes)
    for lane, pause in zip(lanes, (60, 9), strict=True):
        board.gate(lane, one.request.model).pause_until = NOW + pause
    board.schedule(one.key, NOW)
    assert select(board, NOW, Limits()) == Selection((), {}, NOW + 9)
    assert select(board, NOW, Limits(concurrency=1)) == Selection((), {}, NOW + 9)


def test_several_lanes_may_ask_as_much_as_each_of_them_alone():
    wants = [wanted(f"s{n}") for n in range(5)]
    histories = [[s.SubmitIntended(lane="a"), s.SubmitAccepted(f"t{n}")] for n in range(5)]
    board = board_with(*zip(wants, histories, strict=True))
    for one in wants:
        board.schedule(one.key, NOW)
    board.use([Lane("a"), Lane("b")])
    assert len(select(board, NOW, Limits(asks_at_once=2)).todo) == 4
    board.use([])
    assert len(select(board, NOW, Limits(asks_at_once=2)).todo) == 2
