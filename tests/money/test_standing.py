"""What attempts mean in money, from the journal alone: nothing that may be billed is ever free."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from jobs.histories import histories
from support import NOW, board_with, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.manifest.model import JobKey
from wanbatch.money.amount import Cost
from wanbatch.money.rows import State
from wanbatch.money.standing import Payer, claim, standings


def price(outline):
    per_second = {"720P": "0.6", "1080P": "1.0"}.get(outline.get("resolution"))
    return Cost(Decimal(per_second) * outline["duration"], "CNY", "2026-08-15") if per_second else None


PAYER = Payer("/out/film", "film", "main", price)
SENT = [s.SubmitIntended(), s.SubmitAccepted("t1")]
MADE = [*SENT, s.TaskSucceeded(NOW + 99)]
LOST = [s.SubmitIntended(), s.HeldForReview("no task matches")]


def after(*events):
    one = wanted()
    return board_with((one, list(events))).jobs[one.key]


def rows(*events):
    return [(row.attempt, row.state, row.amount) for row in standings(after(*events), {"": PAYER})]


THREE = Decimal("3.0")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([s.SubmitIntended()], [(1, State.OPEN, THREE)]),
        (SENT, [(1, State.OPEN, THREE)]),
        ([*SENT, s.CancelRequested("me")], [(1, State.OPEN, THREE)]),
        (MADE, [(1, State.BILLED, THREE)]),
        ([*MADE, s.VideoSaved("v", 1, "ab")], [(1, State.BILLED, THREE)]),
        ([*MADE, s.HeldForReview("lost")], [(1, State.BILLED, THREE)]),
        ([s.SubmitIntended(), s.SubmitRefused("x", "no")], [(1, State.FREE, THREE)]),
        ([s.SubmitIntended(), s.SubmitDisproved("absent", NOW)], [(1, State.FREE, THREE)]),
        ([*SENT, s.TaskFailed("x", "no")], [(1, State.FREE, THREE)]),
        ([*SENT, s.TaskFailed("x", "no", NOW), s.SubmitIntended()], [(2, State.OPEN, THREE)]),
        (LOST, [(1, State.DOUBT, THREE)]),
        ([*SENT, s.HeldForReview("forgotten")], [(1, State.DOUBT, THREE)]),
        ([*LOST, s.CancelRequested("me")], [(1, State.DOUBT, THREE)]),
        ([*LOST, s.ResubmitApproved("me")], [(1, State.DOUBT, THREE)]),
        ([*LOST, s.ResubmitApproved("me"), *SENT], [(1, State.DOUBT, THREE), (2, State.OPEN, THREE)]),
        ([*MADE, s.HeldForReview("lost"), s.ResubmitApproved("me"), s.SubmitIntended()],
         [(1, State.BILLED, THREE), (2, State.OPEN, THREE)]),
    ],
)  # fmt: skip
def test_each_attempt_is_open_billed_free_or_in_doubt(events, expected):
    assert rows(*events) == expected


@pytest.mark.parametrize(
    ("usage", "amount"),
    [
        ({}, "3.0"),
        ({"duration": 5.0}, "3.0"),
        ({"duration": 4}, "2.4"),
        ({"duration": 5, "SR": 1080}, "5.0"),
        ({"duration": 5, "SR": "720"}, "3.0"),
        ({"duration": True, "SR": "high"}, "3.0"),
        ({"duration": 2.5}, "3.0"),
        ({"duration": -1}, "3.0"),
        ({"SR": 480}, "3.0"),
    ],
)
def test_what_was_billed_is_what_the_usage_says_and_else_what_was_reserved(usage, amount):
    billed = [*SENT, s.TaskSucceeded(NOW + 99, usage)]
    assert rows(*billed) == [(1, State.BILLED, Decimal(amount))]


def test_a_price_that_is_not_known_is_unknown_and_never_nothing():
    one = wanted(resolution="1080P")
    job = board_with((one, SENT)).jobs[one.key]
    (row,) = standings(job, {"": Payer("/out/film", "film", "main", lambda _outline: None)})
    assert (row.amount, row.currency) == (None, None)


def test_a_claim_is_the_next_attempt_and_becomes_the_row_of_the_intent():
    job = after(*LOST, s.ResubmitApproved("me"))
    asked = claim(job, PAYER, NOW + 2)
    assert (asked.attempt, asked.state, asked.at) == (2, State.OPEN, NOW + 2)
    sent = after(*LOST, s.ResubmitApproved("me"), s.SubmitIntended())
    (_, row) = standings(sent, {"": PAYER})
    assert (row.attempt, row.state, row.job) == (asked.attempt, asked.state, asked.job)


@settings(max_examples=200)
@given(histories())
def test_whatever_happened_an_attempt_that_may_be_billed_is_never_free(history):
    """A person's word changes what is sent next, and not what was spent."""
    board = Board()
    any_lane = {getattr(event, "lane", None) or "": PAYER for _, event, _ in history}
    may_be_billed: set[tuple[JobKey, int]] = set()
    for key, event, at in history:
        board.apply(key, event, at)
        job = board.jobs[key]
        attempt = getattr(job.state, "attempt", None) or getattr(job.state, "attempts", 0)
        match event:
            case s.SubmitIntended() | s.TaskAdopted():
                may_be_billed.add((key, attempt))
            case s.SubmitRefused() | s.SubmitDisproved() | s.TaskFailed() | s.TaskCanceled():
                may_be_billed.discard((key, attempt))
        free = {(key, row.attempt) for row in standings(job, any_lane) if row.state is State.FREE}
        known = {(key, row.attempt) for row in standings(job, any_lane)}
        assert not free & may_be_billed
        assert {one for one in may_be_billed if one[0] == key} <= known


def test_what_another_account_sent_is_left_to_a_run_that_has_it():
    sent = [s.SubmitIntended(lane="other"), s.HeldForReview("lost"), s.ResubmitApproved("me"), s.SubmitIntended()]
    job = after(*sent)
    assert [row.attempt for row in standings(job, {"": PAYER})] == [2]
    other = Payer("/out/film", "film", "other", price)
    assert [(row.attempt, row.account) for row in standings(job, {"": PAYER, "other": other})] == [
        (1, "other"), (2, "main"),
    ]  # fmt: skip
