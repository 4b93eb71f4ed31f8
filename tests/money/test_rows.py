"""What may become of what is known of an attempt's price."""

from decimal import Decimal

import pytest
from money.books import standing

from wanbatch.money.rows import State, settled

AFTER = {
    ("open", "open"): "open", ("open", "doubt"): "doubt", ("open", "billed"): "billed", ("open", "free"): "free",
    ("doubt", "open"): "open", ("doubt", "doubt"): "doubt", ("doubt", "billed"): "billed", ("doubt", "free"): "doubt",
    ("billed", "open"): "billed", ("billed", "doubt"): "billed", ("billed", "billed"): "billed",
    ("billed", "free"): "billed",
    ("free", "open"): "open", ("free", "doubt"): "doubt", ("free", "billed"): "billed", ("free", "free"): "free",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), AFTER)
def test_what_is_billed_stays_billed_and_a_doubt_is_never_free(old, new):
    after = settled(standing(state=State(old)), standing(state=State(new)))
    assert after.state.value == AFTER[old, new]


def test_an_amount_is_not_forgotten_for_an_unknown_one():
    after = settled(standing(), standing(state=State.BILLED, amount=None, currency=None))
    assert (after.state, after.amount, after.currency) == (State.BILLED, Decimal(3), "CNY")


def test_the_bill_replaces_the_reservation_once():
    billed = settled(standing(), standing(state=State.BILLED, amount=Decimal(2)))
    assert billed.amount == Decimal(2)
    assert settled(billed, standing(state=State.BILLED, amount=Decimal(4), currency="USD")) == billed


@pytest.mark.parametrize("state", [State.OPEN, State.DOUBT])
def test_a_later_price_list_does_not_change_what_was_reserved(state):
    after = settled(standing(), standing(state=state, amount=Decimal(4), currency="USD"))
    assert (after.state, after.amount, after.currency) == (state, Decimal(3), "CNY")


@pytest.mark.parametrize("state", [State.OPEN, State.DOUBT, State.BILLED])
def test_a_price_that_was_not_known_may_become_known(state):
    assert settled(standing(state=state, amount=None, currency=None), standing(state=state)).amount == Decimal(3)


@pytest.mark.parametrize("state", [State.OPEN, State.BILLED, State.FREE])
def test_the_time_stays_that_of_the_reservation(state):
    assert settled(standing(at=1.0), standing(state=state, at=2.0)).at == 1.0
