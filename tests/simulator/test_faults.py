"""Which scripted fault hits which request, and what is said about a plan that makes no sense."""

import pytest

from wanbatch.simulator.faults import KINDS, Fault, Faults


def hits(row, requests):
    plan = Faults.from_list([row])
    return [plan.pick(endpoint, prompt) is not None for endpoint, prompt in requests]


def queries(count):
    return [("query", "a"), *([("query", "a")] * (count - 1))]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"times": 2}, [1, 1, 0, 0]),
        ({"nth": 3}, [0, 0, 1, 0]),
        ({"nth": 2, "times": 2}, [0, 1, 1, 0]),
    ],
    ids=str,
)
def test_a_fault_hits_from_the_nth_request_on_as_often_as_it_says(when, expected):
    assert hits({"endpoint": "query", "kind": "error_500", **when}, queries(4)) == [bool(one) for one in expected]


def test_a_fault_counts_only_its_endpoint_and_its_prompt():
    row = {"endpoint": "query", "kind": "error_500", "prompt": "rain", "nth": 2}
    seen = [("query", "rain 1"), ("query", "sun"), ("create", "rain"), ("query", None), ("query", "the rain 2")]
    assert hits(row, seen) == [False, False, False, False, True]


def test_of_two_faults_the_first_listed_hits_and_the_second_counts_on():
    plan = Faults([Fault("query", "error_500", nth=1), Fault("query", "throttle", nth=2)])
    assert [fault and fault.kind for fault in (plan.pick("query") for _ in range(3))] == ["error_500", "throttle", None]
    both = Faults([Fault("query", "error_500", nth=1), Fault("query", "throttle", nth=1)])
    assert [fault and fault.kind for fault in (both.pick("query") for _ in range(2))] == ["error_500", None]


def test_an_empty_plan_hits_nothing():
    assert Faults().pick("create", "p") is None


def test_every_kind_can_be_loaded_from_plain_data():
    rows = [
        {"endpoint": endpoint, "kind": kind, **({"seconds": 1} if kind == "slow" else {})}
        for endpoint, kinds in KINDS.items()
        for kind in kinds
    ]
    for row in rows:
        fault = Faults.from_list([row]).pick(row["endpoint"], "p")
        assert fault is not None
        assert fault.kind == row["kind"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"endpoint": "create", "kind": "explode"}, "fault 2: unknown kind 'explode' for create; known: cut_json, "),
        ({"endpoint": "create", "kind": "unknown"}, "unknown kind 'unknown' for create"),
        ({"endpoint": "poll", "kind": "reset"}, "unknown endpoint 'poll'; known: create, query"),
        ({"endpoint": "query", "kind": "reset", "wen": 1}, "fault 2: unknown field 'wen'; known: endpoint, kind"),
        ({"kind": "reset"}, "fault 2: endpoint is missing"),
        ({"endpoint": "query"}, "fault 2: kind is missing"),
        ("reset", "fault 2: must be a mapping"),
        ({"endpoint": "query", "kind": "reset", "nth": 0}, "nth must be a whole number from 1 on, not 0"),
        ({"endpoint": "query", "kind": "reset", "times": True}, "times must be a whole number"),
        ({"endpoint": "query", "kind": "reset", "prompt": ""}, "prompt must be a text"),
        ({"endpoint": "list", "kind": "reset", "prompt": "p"}, "a list has no prompt"),
        ({"endpoint": "query", "kind": "reset", "retry_after": "1"}, "retry_after belongs to throttle"),
        ({"endpoint": "query", "kind": "throttle", "retry_after": 1}, "retry_after must be a text"),
        ({"endpoint": "video", "kind": "slow"}, "slow needs it"),
        ({"endpoint": "video", "kind": "slow", "seconds": "2"}, "seconds must be a number above 0"),
        ({"endpoint": "video", "kind": "slow", "seconds": 0}, "seconds must be a number above 0"),
        ({"endpoint": "video", "kind": "cut", "seconds": 1}, "seconds belongs to slow"),
        ({"endpoint": ["query"], "kind": "reset"}, "fault 2: "),
    ],
    ids=str,
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_row_and_reason(row, sentence):
    with pytest.raises(ValueError, match="fault 2: ") as caught:
        Faults.from_list([{"endpoint": "query", "kind": "reset"}, row])
    assert sentence in str(caught.value)
