"""Whose task is it: what the task list proves, and what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import NOW, key

from wanbatch.jobs.reconcile import EARLY_S, TOO_OLD_S, Doubt, may_be, reconcile, since
from wanbatch.jobs.seen import Row, Searched, TaskView
from wanbatch.jobs.state import HeldForReview, InDoubt, SubmitDisproved, TaskAdopted
from wanbatch.manifest.model import text_hash

MODEL, PROMPT, WINDOW = "wan2.7-t2v", "a rainy alley", 240.0
LATER = NOW + 600


def doubt(request_id: str | None = None) -> Doubt:
    return Doubt(InDoubt(1, NOW, request_id), MODEL, text_hash(PROMPT), WINDOW)


def row(task_id: str = "t1", *, after: float = 1.0, model: str = MODEL, request_id: str | None = None) -> Row:
    return Row(task_id, request_id, model, "SUCCEEDED", NOW + after)


def view(task_id: str = "t1", status: str = "SUCCEEDED", prompt: str | None = PROMPT) -> TaskView:
    return TaskView(task_id, status, orig_prompt=prompt)


def ask(rows, views=(), *, claimed=None, now=LATER, settled=True, on_absent="hold", agreed=True, offset=0.0, of=None):
    searched = Searched(tuple(rows), tuple(views), agreed, offset)
    return reconcile(of or doubt(), searched, claimed or {}, now, settled=settled, on_absent=on_absent)


def test_the_request_id_proves_whatever_else_is_not_known_yet():
    rows = [row("t0"), row("t1", model="another", after=-4000, request_id="r1")]
    found = ask(rows, of=doubt("r1"), now=NOW, settled=False, agreed=False)
    assert found == TaskAdopted("t1", "the create call's request id")
    assert ask(rows, of=doubt("r1"), now=NOW + TOO_OLD_S * 2) == found


def test_without_a_request_id_of_ours_none_of_the_lists_counts():
    assert ask([row(request_id=None)], of=doubt(None), settled=False) is None


@pytest.mark.parametrize(
    ("after", "within"),
    [(-EARLY_S - 0.01, False), (-EARLY_S, True), (0.0, True), (WINDOW, True), (WINDOW + 0.01, False)],
)
def test_a_task_is_a_candidate_from_just_before_the_intent_to_the_end_of_the_window(after, within):
    assert may_be(doubt(), row(after=after), {}, 0.0) is within
    assert may_be(doubt(), row(after=after + 3600), {}, 3600.0) is within, "by the service's clock"


def test_another_model_or_a_claimed_task_is_no_candidate():
    assert not may_be(doubt(), row(model="wan2.6-t2v"), {}, 0.0)
    assert not may_be(doubt("r1"), row(request_id="r1"), {"t1": key()}, 0.0)


def test_one_task_that_echoes_the_prompt_is_adopted():
    assert ask([row()], [view()]) == TaskAdopted("t1", "time, model and prompt")
    assert ask([row()], [view(prompt=f"  {PROMPT}\n")]) == TaskAdopted("t1", "time, model and prompt")


def test_another_prompt_is_another_task():
    held = ask([row("t1"), row("t2")], [view("t1", prompt="another"), view("t2", prompt="\ud800")])
    assert held == HeldForReview("no task of the account matches; it may still have been billed")
    assert isinstance(ask([row("t1"), row("t2")], [view("t1", prompt="another"), view("t2")]), TaskAdopted)


def test_a_claimed_task_is_never_adopted():
    assert isinstance(ask([row()], [view()], claimed={"t1": key()}), HeldForReview)


def test_nothing_is_concluded_before_the_doubt_is_settled_or_from_readings_that_differ():
    assert ask([row()], [view()], settled=False) is None
    assert ask([row()], [view()], agreed=False) is None
    assert ask([], settled=False, on_absent="resubmit") is None
    assert ask([], agreed=False, on_absent="resubmit") is None


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SOMETHING NEW"])
def test_a_candidate_that_still_runs_may_be_the_one(status):
    assert ask([row("t1"), row("t2")], [view("t1"), view("t2", status, None)]) is None


def test_a_candidate_that_was_not_looked_at_may_be_the_one():
    assert ask([row("t1"), row("t2")], [view("t1")]) is None


def test_several_that_match_are_for_a_person_to_tell_apart():
    held = ask([row("t1"), row("t2")], [view("t1"), view("t2")], on_absent="resubmit")
    assert held == HeldForReview("several tasks of the account match: t1, t2")


def test_absence_holds_or_disproves_as_the_manifest_says():
    assert isinstance(ask([]), HeldForReview)
    assert ask([], on_absent="resubmit") == SubmitDisproved("no task of the account matches", LATER)
    ended = [view("t1", "FAILED", None), view("t2", "CANCELED", None)]
    assert isinstance(ask([row("t1"), row("t2")], ended, on_absent="resubmit"), SubmitDisproved), "neither is billed"


@pytest.mark.parametrize("status", ["SUCCEEDED", "UNKNOWN"])
def test_a_task_that_may_be_billed_and_shows_no_prompt_is_no_absence(status):
    held = ask([row()], [view(status=status, prompt=None)], on_absent="resubmit")
    assert held == HeldForReview("tasks of the account may be it, but show no prompt: t1")


def test_what_is_too_old_for_the_list_is_held():
    assert isinstance(ask([], now=NOW + TOO_OLD_S), HeldForReview)
    held = ask([row()], [view()], now=NOW + TOO_OLD_S + 1, on_absent="resubmit", agreed=False)
    assert held == HeldForReview("too old to be found in the task list; it may have been billed")


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(["t1", "t2", "t3", "t4"]),
        st.sampled_from([None, "r1", "r2"]),
        st.sampled_from([MODEL, "another"]),
        st.just("SUCCEEDED"),
        st.floats(NOW - 500, NOW + 500),
    ),
    unique_by=lambda r: r.task_id,
)
VIEWS = st.fixed_dictionaries({
    name: st.builds(
        TaskView,
        st.just(name),
        st.sampled_from(["SUCCEEDED", "FAILED", "RUNNING", "UNKNOWN"]),
        orig_prompt=st.sampled_from([PROMPT, "another", None]),
    )
    for name in ("t1", "t2", "t3", "t4")
})  # fmt: skip


@given(ROWS, VIEWS, st.sets(st.sampled_from(["t1", "t2", "t3"])), st.sampled_from([None, "r1"]), st.booleans())
def test_only_an_unclaimed_task_of_the_request_id_or_of_model_prompt_and_window_is_adopted(
    rows, views, claimed, request_id, settled
):
    found = ask(
        rows, views.values(), claimed=dict.fromkeys(claimed, key()), of=doubt(request_id), settled=settled,
        on_absent="resubmit",
    )  # fmt: skip
    if isinstance(found, TaskAdopted):
        adopted = next(r for r in rows if r.task_id == found.task_id)
        assert found.task_id not in claimed
        exact = request_id is not None and adopted.request_id == request_id
        alike = adopted.model == MODEL and views[found.task_id].orig_prompt == PROMPT
        assert exact or (settled and alike and NOW - EARLY_S <= adopted.created_at <= NOW + WINDOW)
    if isinstance(found, SubmitDisproved):
        alike = [r for r in rows if may_be(doubt(request_id), r, dict.fromkeys(claimed, key()), 0.0)]
        assert settled
        assert all(views[r.task_id].status == "FAILED" or views[r.task_id].orig_prompt == "another" for r in alike)


def test_a_clock_that_was_set_between_two_runs_does_not_move_the_window():
    """The intent was written by a clock an hour slow; the search is by one that is right."""
    slow = Doubt(InDoubt(1, NOW - 3600, clock_offset_s=3600.0), MODEL, text_hash(PROMPT), WINDOW)
    assert may_be(slow, row(after=1.0), {}, 0.0)
    assert not may_be(slow, row(after=-3599.0), {}, 0.0)
    assert since(slow.state, 0.0) == NOW
    assert since(slow.state, None) == since(slow.state, 3600.0) == NOW - 3600
    late = NOW + TOO_OLD_S - 1
    assert "no task" in ask([], of=slow, now=late).reason, "it is not as old as the slow clock made it"


def test_the_bounds_of_the_search_are_those_that_were_reasoned_out():
    """Seconds for what two clocks still differ by; an hour less than what the list shows."""
    assert (EARLY_S, TOO_OLD_S) == (5.0, 82_800.0)


def test_a_request_id_of_ours_makes_no_other_task_a_candidate():
    for strange in (row(model="another", request_id="r2"), row(after=-4000, request_id="r2"), row(after=9999)):
        assert not may_be(doubt("r1"), strange, {}, 0.0)
    assert may_be(doubt("r1"), row(after=-4000, model="another", request_id="r1"), {}, 0.0)


def test_to_the_very_end_of_what_the_list_shows_its_absence_counts():
    assert ask([], now=NOW + TOO_OLD_S, on_absent="resubmit") == SubmitDisproved(
        "no task of the account matches", NOW + TOO_OLD_S
    )


ASKED = {"resolution": "1080P", "ratio": "16:9", "duration": 5}


@pytest.mark.parametrize(
    ("usage", "taken"),
    [
        ({"SR": 1080, "ratio": "16:9", "output_video_duration": 5.0}, True),
        ({}, True),
        ({"SR": "1080", "ratio": 1.78, "output_video_duration": "5"}, True),
        ({"SR": 720}, False),
        ({"ratio": "9:16"}, False),
        ({"output_video_duration": 10}, False),
    ],
)
def test_a_task_of_the_prompt_that_made_another_picture_is_for_a_person(usage, taken):
    """A profile of the same manifest has the same prompts: its task is nobody's proof, and no absence either."""
    of = Doubt(InDoubt(1, NOW), MODEL, text_hash(PROMPT), WINDOW, outline=ASKED)
    made = TaskView("t1", "SUCCEEDED", orig_prompt=PROMPT, usage=usage)
    found = ask([row()], [made], of=of, on_absent="resubmit")
    assert isinstance(found, TaskAdopted if taken else HeldForReview)
    both = ask([row(), row("t2")], [made, TaskView("t2", "SUCCEEDED", orig_prompt=PROMPT, usage={"SR": 1080})], of=of)
    assert both == (
        HeldForReview("several tasks of the account match: t1, t2")
        if taken
        else TaskAdopted("t2", "time, model and prompt")
    )
