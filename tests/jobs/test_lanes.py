"""A gate adapts: slower when it is told so, faster again with each task that is accepted, never beyond the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.jobs.lanes import LEAST_RATE, Gate, Lane
from wanbatch.jobs.seen import Kind


@given(st.lists(st.tuples(st.sampled_from(["accepted", "many", "fast", "other"]), st.integers(0, 9)), max_size=60))
def test_whatever_comes_a_gate_stays_within_its_lane_and_never_closes_for_good(story):
    gate, until = Gate(Lane(at_once=5, submit_rate=5.0)), 0.0
    for what, open_tasks in story:
        until += 1
        if what == "accepted":
            gate.accepted()
        else:
            code = {"many": "Throttling.Concurrency", "fast": "Throttling.RateQuota", "other": "NotSent"}[what]
            gate.refused(None if what == "other" else Kind.RATE, code, open_tasks, until)
            assert gate.submit_at >= until
        assert 1 <= gate.cap <= 5
        assert LEAST_RATE <= gate.rate <= 5.0
        assert gate.has_room(0)


def test_too_many_tasks_lower_the_cap_and_accepted_ones_raise_it_slowly():
    gate = Gate(Lane(at_once=5))
    gate.refused(Kind.RATE, "Throttling.Concurrency", 2, 10.0)
    assert gate.has_room(1)
    assert not gate.has_room(2)
    assert gate.rate == 5.0
    gate.accepted()
    gate.accepted()
    gate.accepted()
    assert gate.has_room(2)
    assert not gate.has_room(3)


def test_too_many_requests_halve_the_rate_and_nothing_else_does():
    gate = Gate(Lane(submit_rate=4.0))
    gate.refused(Kind.RATE, "Throttling.RateQuota", 1, 0.0)
    gate.last_submit_at = 100.0
    assert gate.submit_at == pytest.approx(100.5)
    gate.refused(None, "NotSent", 1, 0.0)
    gate.refused(Kind.ALLOCATION, "Throttling.AllocationQuota", 1, 0.0)
    assert gate.rate == 2.0
    assert gate.refusals_in_a_row == 3
    gate.accepted()
    assert (gate.rate, gate.refusals_in_a_row) == (2.5, 0)


def test_what_the_service_says_of_its_limits_lowers_them_and_never_raises_them():
    gate = Gate(Lane(at_once=5, submit_rate=5.0))
    gate.told(3, 0.5)
    assert (gate.lane.at_once, gate.cap, gate.lane.submit_rate, gate.rate) == (3, 3.0, 0.5, 0.5)
    gate.told(20, 20.0)
    gate.told(None, None)
    gate.told(0, None)
    assert (gate.lane.at_once, gate.rate) == (3, 0.5)
    for _ in range(50):
        gate.accepted()
    assert (gate.cap, gate.rate) == (3.0, 0.5)


def test_the_limits_of_a_lane_are_the_documented_ones():
    lane = Lane()
    assert (lane.name, lane.at_once, lane.submit_rate, lane.ask_rate, lane.models) == ("", 5, 5.0, 20.0, None)
    assert LEAST_RATE == 0.1
    assert lane.has("any")
    assert Lane(models=frozenset({"m"})).has("m")
    assert not Lane(models=frozenset({"m"})).has("other")


def test_a_gate_of_one_task_stays_one_and_grows_by_a_share_of_its_cap():
    gate = Gate(Lane(at_once=5))
    gate.refused(Kind.RATE, "throttling_.concurrency", 0, 0.0)
    assert gate.cap == 1.0
    gate.accepted()
    assert gate.cap == 2.0
    gate.accepted()
    assert gate.cap == 2.5
    assert gate.rate == 5.0
    one = Gate(Lane(at_once=5))
    one.told(1, None)
    assert one.lane.at_once == 1
