"""The board and its agenda: few jobs are looked at, and none is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import NOW, board_with, key, planned, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Action, Agenda, Board

NAMES = [key(f"s{number}") for number in range(8)]
TIMES = st.sampled_from([float("-inf"), 0.0, 1.0, 2.5, 7.0, float("inf")])
SENT = [s.SubmitIntended(), s.SubmitAccepted("t1", "r1")]
MADE = [*SENT, s.TaskSucceeded(NOW + 99, {"duration": 5}, {"end_time": "x"})]
SAVED = [*MADE, s.VideoSaved("videos/alley.mp4", 9, "ab")]


@given(st.lists(st.tuples(st.sampled_from(range(8)), TIMES | st.none(), TIMES)))
def test_an_agenda_is_a_list_that_is_sorted_by_time_then_order(steps):
    agenda, naive = Agenda(), {}
    for number, at, now in steps:
        if at is None:
            agenda.drop(NAMES[number])
            naive.pop(number, None)
        else:
            agenda.put(NAMES[number], at, number)
            naive[number] = at
        ordered = sorted((when, n) for n, when in naive.items())
        assert list(agenda.due(now)) == [NAMES[n] for when, n in ordered if when <= now]
        assert agenda.next_at() == min(naive.values(), default=float("inf"))
        assert agenda.next_after(now) == min((when for when in naive.values() if when > now), default=float("inf"))
        assert len(agenda) == len(naive)
        assert bool(agenda) == bool(naive)
        assert [name in agenda for name in NAMES] == [n in naive for n in range(8)]


def test_looking_ahead_changes_nothing():
    agenda = Agenda()
    agenda.put(NAMES[0], 1.0, 0)
    assert list(agenda.due(5.0)) == list(agenda.due(5.0)) == [NAMES[0]]


def test_a_task_belongs_to_one_job_for_ever():
    first, second = wanted("first"), wanted("second")
    failed = [*SENT, s.TaskFailed("x", "y", NOW), s.SubmitIntended()]
    board = board_with((first, failed), (second, [s.SubmitIntended()]))
    for event in (s.SubmitAccepted("t1"), s.TaskAdopted("t1", "?")):
        with pytest.raises(ValueError, match=f"t1 belongs to {first.key} already"):
            board.apply(second.key, event, NOW)
    assert board.claimed == {"t1": first.key}
    assert board.apply(first.key, s.TaskAdopted("t1", "a person"), NOW).task_id == "t1"


def test_looking_at_what_would_be_changes_nothing():
    one = wanted()
    board = board_with((one, []))
    assert isinstance(board.after(one.key, s.SubmitIntended(), NOW).state, s.InDoubt)
    assert isinstance(board.jobs[one.key].state, s.Ready)
    assert board.after(key("new"), planned(one), NOW).order == 1


def test_a_job_remembers_what_the_record_beside_its_video_needs():
    one = wanted()
    board = board_with((one, SAVED))
    job = board.jobs[one.key]
    assert (job.planned_at, job.submitted_at, job.rendered_at, job.ended_at) == (NOW, NOW + 1, NOW + 3, NOW + 4)
    assert (job.request_id, job.usage, job.times, job.task_id) == ("r1", {"duration": 5}, {"end_time": "x"}, "t1")
    assert (job.model, job.prompt_hash) == (one.request.model, one.request.outline()["prompt"])


def test_a_new_attempt_forgets_what_the_last_one_was():
    one = wanted()
    board = board_with((one, [*MADE, s.HeldForReview("x"), s.ResubmitApproved("me"), s.SubmitIntended()]))
    job = board.jobs[one.key]
    assert (job.request_id, job.rendered_at, job.usage, job.times, job.task_id) == (None, None, {}, {}, None)
    assert board.apply(one.key, s.SubmitUnclear("cut", "r9"), NOW).request_id == "r9"
    assert board.apply(one.key, s.SubmitUnclear("again"), NOW).request_id == "r9"


def test_slots_and_doubtful_prompts_are_counted_as_jobs_go_on():
    one = wanted()
    board = board_with((one, []))
    prompt = board.jobs[one.key].prompt_hash
    for event, slots, doubtful in [
        (s.SubmitIntended(), 1, 1), (s.SubmitUnclear("x"), 1, 1), (s.SubmitAccepted("t"), 1, 0),
        (s.CancelRequested("me"), 1, 0), (s.TaskSucceeded(NOW), 0, 0), (s.VideoSaved("a", 1, "b"), 0, 0),
    ]:  # fmt: skip
        board.apply(one.key, event, NOW)
        assert (board.open_tasks, board.doubtful_prompts[prompt]) == (slots, doubtful)


def test_a_files_owner_is_the_finished_job_that_has_it():
    one = wanted()
    board = board_with((one, SAVED))
    assert board.owner("videos/alley.mp4", "alley", 1).key == one.key
    assert board.owner("videos/other.mp4", "alley", 1) is None
    assert board.owner("videos/alley.mp4", "nobody", 1) is None


@pytest.mark.parametrize(
    ("events", "where"),
    [([], "to_submit"), (SENT[:1], "to_ask"), (SENT, "to_ask"), (MADE, "to_fetch"), (SAVED, None)],
)
def test_a_job_is_looked_at_where_its_state_belongs(events, where):
    one = wanted()
    board = board_with((one, events))
    board.schedule(one.key, NOW + 50)
    agendas = {
        "to_submit": board.to_submit.get(one.request.model, ()),
        "to_ask": board.to_ask,
        "to_fetch": board.to_fetch,
    }
    found = [name for name, agenda in agendas.items() if one.key in agenda]
    assert found == ([where] if where else [])
    assert board.unfinished == (where is not None)
    board.start(one.key, Action.POLL)
    assert board.unfinished
    assert board.finish(one.key) is Action.POLL
    assert not board.unfinished


def test_a_ready_job_waits_for_its_own_time():
    one = wanted()
    board = board_with((one, [s.SubmitIntended(), s.SubmitRefused("x", "y", NOW + 60)]))
    board.schedule(one.key, float("-inf"))
    assert board.to_submit[one.request.model].next_at() == NOW + 60


def test_a_model_is_busy_while_its_post_is_in_flight():
    one = wanted()
    board = board_with((one, [s.SubmitIntended()]))
    gate = board.gate(board.lanes[0], one.request.model)
    board.start(one.key, Action.SUBMIT)
    assert gate.submitting
    board.finish(one.key)
    assert not gate.submitting
    assert board.doing[Action.SUBMIT] == 0


def test_oddities_are_counted_by_the_same_in_a_row():
    board = Board()
    counts = []
    for what in ("a", "a", "b", "b", "b", None, "b", None, None):
        board.note_oddity(NAMES[0], what)
        counts.append(board.strikes[NAMES[0]])
    assert counts == [1, 2, 1, 2, 3, 0, 1, 0, 0]


def test_a_task_that_is_adopted_without_an_intent_was_made_at_the_latest_then():
    one = wanted()
    job = board_with((one, [s.TaskAdopted("t9", "a person")])).jobs[one.key]
    assert (job.state, job.submitted_at, job.request_id) == (s.Waiting(1, "t9"), NOW + 1, None)
    doubt = [s.SubmitIntended(), s.SubmitUnclear("?", "r1"), s.TaskAdopted("t9", "request id")]
    job = board_with((one, doubt)).jobs[one.key]
    assert (job.state, job.submitted_at, job.request_id) == (s.Waiting(1, "t9"), NOW + 1, "r1")


def test_a_held_jobs_task_is_as_old_as_its_own_post():
    """Its video is gone 24 h after the POST, not after the day on which a person found the task."""
    one = wanted()
    held = [s.SubmitIntended(), s.SubmitUnclear("?", "r1"), s.HeldForReview("odd"), s.TaskAdopted("t9", "a person")]
    job = board_with((one, held)).jobs[one.key]
    assert (job.state, job.submitted_at, job.request_id) == (s.Waiting(1, "t9"), NOW + 1, "r1")


def test_a_doubt_is_an_earlier_process_s_until_this_one_submits_the_job_itself():
    """The time of taking over ends the settling time of a POST that is gone, never that of one of our own."""
    one = wanted()
    board = board_with((one, [s.SubmitIntended()]), (wanted("other"), []))
    board.take_over(NOW + 50)
    assert board.inherited == {one.key: NOW + 50}
    board.apply(one.key, s.SubmitUnclear("still nothing"), NOW + 51)
    assert board.inherited == {one.key: NOW + 50}
    board.apply(one.key, s.SubmitDisproved("absent", NOW + 60), NOW + 60)
    board.apply(one.key, s.SubmitIntended(), NOW + 61)
    assert board.inherited == {}


def test_a_job_is_on_one_agenda_at_a_time():
    one = wanted()
    board = board_with((one, []))
    for event, where in [
        (None, "to_submit"), (s.SubmitIntended(), "to_ask"), (s.SubmitAccepted("t1"), "to_ask"),
        (s.TaskSucceeded(NOW), "to_fetch"), (s.VideoSaved("videos/a.mp4", 1, "b"), None),
    ]:  # fmt: skip
        if event:
            board.apply(one.key, event, NOW)
        board.schedule(one.key, NOW)
        agendas = {"to_submit": board.to_submit[one.request.model], "to_ask": board.to_ask, "to_fetch": board.to_fetch}
        found = [name for name, agenda in agendas.items() if one.key in agenda]
        assert found == ([where] if where else [])


def test_a_pause_that_a_clock_ahead_of_ours_wrote_means_nothing_and_one_of_this_run_does():
    one = wanted()
    refused = [s.SubmitIntended(), s.SubmitRefused("Throttling", "slow", NOW + 90_000)]
    board = board_with((one, refused), at=NOW + 80_000)
    board.take_over(NOW)
    board.schedule(one.key, NOW)
    assert board.to_submit[one.request.model].next_at() == NOW
    for event in (s.SubmitIntended(), s.SubmitRefused("Throttling", "slow", NOW + 60)):
        board.apply(one.key, event, NOW)
    board.schedule(one.key, NOW)
    assert board.to_submit[one.request.model].next_at() == NOW + 60
