"""The machine of one job: exactly this table, and the laws that make it safe to spend by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import table

from wanbatch.jobs import state as s

ALLOWED = """
    Planned:           – > Ready
    SubmitIntended:    Ready > InDoubt
    SubmitAccepted:    InDoubt > Waiting
    SubmitUnclear:     InDoubt > InDoubt
    SubmitRefused:     InDoubt > Ready, InDoubt > Failed
    SubmitDisproved:   InDoubt > Ready, InDoubt > Failed
    TaskAdopted:       InDoubt > Waiting, Held > Waiting, Ready > Waiting, Failed > Waiting, Canceled > Waiting
    TaskSucceeded:     Waiting > Rendered, Cancelling > Rendered
    TaskFailed:        Waiting > Ready, Waiting > Failed, Cancelling > Failed
    TaskCanceled:      Waiting > Canceled, Cancelling > Canceled
    CancelRefused:     Cancelling > Waiting
    VideoSaved:        Rendered > Done
    VideoMoved:        Done > Done
    VideoMissing:      Done > Rendered
    HeldForReview:     InDoubt > Held, Waiting > Held, Cancelling > Held, Rendered > Held
    CancelRequested:   Ready > Canceled, Held > Canceled, Waiting > Cancelling
    ResubmitApproved:  Held > Ready, Failed > Ready, Canceled > Ready
"""


def allowed() -> dict[tuple[str, str], set[str]]:
    """(event, from) → where it may lead."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in ALLOWED.strip().splitlines():
        event, ways = line.strip().split(":")
        for way in ways.split(","):
            before, after = way.split(">")
            found.setdefault((event.strip(), before.strip()), set()).add(after.strip())
    return found


@pytest.mark.parametrize("event", table.EVENTS, ids=lambda e: f"{table.name(e)}-{getattr(e, 'retry_at', '')}")
@pytest.mark.parametrize("before", table.STATES, ids=table.name)
def test_a_pair_does_what_the_table_says_and_any_other_is_illegal(before, event):
    ways = allowed().get((table.name(event), table.name(before)))
    if ways is None:
        with pytest.raises(s.IllegalTransition, match=table.name(event)):
            s.evolve(before, event, 1000.0)
    else:
        assert table.name(s.evolve(before, event, 1000.0)) in ways


def test_every_way_of_the_table_is_taken():
    said = {(event, before, after) for (event, before), afters in allowed().items() for after in afters}
    assert set(table.transitions()) == said


def test_the_samples_hold_every_state_and_every_event():
    assert {type(state) for state in table.STATES if state} == set(s.State.__args__)
    assert list(dict.fromkeys(type(event) for event in table.EVENTS)) == list(s.Event.__args__)


def test_the_printed_table_has_a_row_for_each_event():
    rows = table.markdown().splitlines()
    assert rows[:2] == ["| event | from → to |", "|---|---|"]
    assert [row.split()[1] for row in rows[2:]] == [kind.__name__ for kind in s.Event.__args__]
    assert "| SubmitRefused | InDoubt → Ready or Failed |" in rows
    assert "| TaskSucceeded | Waiting, Cancelling → Rendered |" in rows
    assert "| CancelRequested | Ready, Held → Canceled; Waiting → Cancelling |" in rows


def attempts(state: s.State | None) -> int:
    if state is None:
        return 0
    return state.attempts if hasattr(state, "attempts") else state.attempt


GIVES_A_TASK = (s.SubmitAccepted, s.TaskAdopted)
HAS_NO_TASK = (s.Ready, s.InDoubt, s.Failed, s.Canceled)


@given(st.lists(st.sampled_from(table.EVENTS), max_size=200))
def test_only_a_post_raises_the_attempt_and_nothing_lowers_it(events):
    """A POST is an intent of this journal, or one that it does not know and whose task is adopted."""
    state = None
    for at, event in enumerate(events):
        try:
            after = s.evolve(state, event, at)
        except s.IllegalTransition:
            continue
        unknown_post = isinstance(event, s.TaskAdopted) and not isinstance(state, s.InDoubt | s.Held)
        assert attempts(after) == attempts(state) + (isinstance(event, s.SubmitIntended) or unknown_post)
        state = after


@given(st.lists(st.sampled_from(table.EVENTS), max_size=200))
def test_a_task_id_once_gained_is_kept_until_another_is_given_or_the_task_is_over(events):
    state = s.Ready()
    for at, event in enumerate(events):
        try:
            after = s.evolve(state, event, at)
        except s.IllegalTransition:
            continue
        before_id, after_id = getattr(state, "task_id", None), getattr(after, "task_id", None)
        if isinstance(event, GIVES_A_TASK):
            assert after_id == event.task_id
        elif not isinstance(after, HAS_NO_TASK):
            assert after_id == before_id
        state = after


def test_what_is_paid_for_leaves_only_by_a_person_or_onto_the_disk():
    """From Rendered on, no event of a program leads to another submission."""
    ways = {(event, after) for event, before, after in table.transitions() if before == "Rendered"}
    assert ways == {("VideoSaved", "Done"), ("HeldForReview", "Held")}
    ways = {(event, after) for event, before, after in table.transitions() if before == "Held"}
    assert ways == {("TaskAdopted", "Waiting"), ("CancelRequested", "Canceled"), ("ResubmitApproved", "Ready")}


def test_a_doubt_remembers_its_intent_its_request_id_and_when_the_post_had_ended():
    doubt = s.evolve(s.Ready(1), s.SubmitIntended(), 100.0)
    assert doubt == s.InDoubt(2, 100.0)
    known = s.evolve(doubt, s.SubmitUnclear("cut", "r-1"), 130.0)
    assert known == s.InDoubt(2, 100.0, "r-1", 130.0)
    assert s.evolve(known, s.SubmitUnclear("again"), 131.0) == s.InDoubt(2, 100.0, "r-1", 131.0)


def test_a_retry_is_the_events_decision():
    refused = s.SubmitRefused("Throttling", "slow down", 200.0)
    assert s.evolve(s.InDoubt(3, 1.0), refused, 2.0) == s.Ready(3, 200.0)
    assert s.evolve(s.InDoubt(3, 1.0), s.SubmitRefused("Bad", "no"), 2.0) == s.Failed(3, "Bad", "no")
    assert s.evolve(s.InDoubt(3, 1.0), s.SubmitDisproved("absent", 9.0), 2.0) == s.Ready(3, 9.0)
    assert s.evolve(s.InDoubt(3, 1.0), s.SubmitDisproved("absent"), 2.0) == s.Failed(3, "NotSubmitted", "absent")
    assert s.evolve(s.Waiting(3, "t"), s.TaskFailed("Internal", "odd", 9.0), 2.0) == s.Ready(3, 9.0)
    assert s.evolve(s.Cancelling(3, "t"), s.TaskFailed("I", "odd", 9.0), 2.0) == s.Failed(3, "I", "odd")


def test_a_held_job_keeps_the_task_it_had():
    for state in (s.Waiting(1, "t"), s.Cancelling(1, "t"), s.Rendered(1, "t", 5.0)):
        assert s.evolve(state, s.HeldForReview("why"), 2.0) == s.Held(1, "why", "t")
    assert s.evolve(s.InDoubt(1, 1.0), s.HeldForReview("why"), 2.0) == s.Held(1, "why")


def test_a_video_that_is_missing_can_be_fetched_as_long_as_before():
    done = s.Done(1, "t", "videos/a.mp4", 9, "ab", 900.0)
    assert s.evolve(done, s.VideoMissing(), 2.0) == s.Rendered(1, "t", 900.0)
    assert s.evolve(s.Rendered(1, "t", 900.0), s.VideoSaved("videos/a.mp4", 9, "ab"), 2.0) == done


def test_an_event_that_cannot_happen_is_named_with_the_state_that_it_cannot_happen_in():
    """What a person with an edited journal is told."""
    with pytest.raises(s.IllegalTransition, match=r"^VideoSaved cannot happen to a job that is Waiting$"):
        s.evolve(s.Waiting(1, "t1"), s.VideoSaved("a", 1, "b"), 0.0)


def test_a_new_job_may_be_submitted_at_once():
    assert s.evolve(None, s.Planned("a", {}), 5.0) == s.Ready(attempts=0, not_before=0.0)
