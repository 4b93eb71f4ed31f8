"""Which scripted fault hits which request, and what is said about a plan that makes no sense."""

import pytest

from wanbatch.simulator.faults import KINDS, Fault, Faults
from wanbatch.simulator.kinds import ALL, BY_NAME, CATALOGUE, EXAMPLES, minimal


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
    for endpoint, kinds in KINDS.items():
        for kind in kinds:
            fault = Faults.from_list([minimal(endpoint, kind)]).pick(endpoint, "p", "SUCCEEDED")
            assert fault is not None
            assert fault.kind == kind


def test_every_field_and_shape_of_every_kind_can_be_given():
    for kind in CATALOGUE:
        for endpoint in kind.where:
            for name in kind.takes:
                for value in kind.shapes if name == "shape" else [EXAMPLES[name]]:
                    assert len(Faults.from_list([{**minimal(endpoint, kind.name), name: value}])) == 1


def test_the_catalogue_is_of_one_piece():
    assert len(BY_NAME) == len(CATALOGUE)
    assert tuple(KINDS) == ALL
    for kind in CATALOGUE:
        assert kind.where
        assert kind.does
        assert ("shape" in kind.fields) == bool(kind.shapes)
    assert all(len(kinds) >= 30 for kinds in KINDS.values())


def test_the_names_that_earlier_plans_use_are_still_known():
    common = {"reset", "error_500", "html_200", "throttle"}
    create = "reset_before_accept reset_after_accept hang error_500 error_500_after_accept html_200 cut_json throttle"
    assert set(create.split()) <= KINDS["create"]
    assert common | {"unknown"} <= KINDS["query"]
    assert common <= KINDS["list"] & KINDS["cancel"]
    video = "reset error_500 html_200 forbidden cut no_length no_length_cut slow"
    assert set(video.split()) <= KINDS["video"]


@pytest.mark.parametrize(
    ("kind", "status", "counted"),
    [
        ("no_url", "RUNNING", False),
        ("no_url", "FAILED", False),
        ("no_url", "SUCCEEDED", True),
        ("backwards", "PENDING", False),
        ("backwards", "RUNNING", True),
        ("backwards", "CANCELED", True),
        ("backwards", None, False),
        ("odd_status", None, True),
    ],
)
def test_kinds_that_need_a_state_count_only_queries_for_tasks_in_it(kind, status, counted):
    assert (Faults([Fault("query", kind, nth=1)]).pick("query", "p", status) is not None) == counted


def test_what_fired_is_counted_by_endpoint_and_kind():
    plan = Faults([Fault("query", "reset", nth=2, times=2), Fault("list", "throttle", times=1), Fault("query", "hang")])
    assert plan.fired() == {}
    for endpoint in ["query", "query", "list", "list", "query", "create"]:
        plan.pick(endpoint)
    assert plan.fired() == {"list": {"throttle": 1}, "query": {"hang": 1, "reset": 2}}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"endpoint": "create", "kind": "explode"}, "fault 2: unknown kind 'explode' for create; known: bad_gateway, "),
        ({"endpoint": "create", "kind": "unknown"}, "unknown kind 'unknown' for create"),
        ({"endpoint": "poll", "kind": "reset"}, "unknown endpoint 'poll'; known: create, query"),
        ({"endpoint": "query", "kind": "reset", "wen": 1}, "fault 2: unknown field 'wen'; known: endpoint, kind"),
        ({"kind": "reset"}, "fault 2: endpoint is missing"),
        ({"endpoint": "query"}, "fault 2: kind is missing"),
        ("reset", "fault 2: must be a mapping"),
        ({"endpoint": "query", "kind": "reset", "nth": 0}, "nth must be a whole number from 1 on, not 0"),
        ({"endpoint": "query", "kind": "reset", "times": True}, "times must be a whole number"),
        ({"endpoint": "query", "kind": "reset", "prompt": ""}, "prompt must be a text that is not empty"),
        ({"endpoint": "list", "kind": "reset", "prompt": "p"}, "a list has no prompt"),
        (
            {"endpoint": "query", "kind": "reset", "retry_after": "1"},
            "retry_after belongs to throttle, denied, not to reset",
        ),
        (
            {"endpoint": "query", "kind": "throttle", "retry_after": 1},
            "retry_after must be a text, not 1: put",
        ),
        ({"endpoint": "video", "kind": "slow"}, "seconds is missing; slow needs it"),
        ({"endpoint": "video", "kind": "slow", "seconds": "2"}, "seconds must be a number above 0"),
        ({"endpoint": "video", "kind": "slow", "seconds": 0}, "seconds must be a number above 0"),
        ({"endpoint": "video", "kind": "cut", "seconds": 1}, "slow, slow_bytes, not to cut"),
        ({"endpoint": ["query"], "kind": "reset"}, "unknown endpoint ['query']; known: create, "),
        ({"endpoint": "query", "kind": ["reset"]}, "unknown kind ['reset'] for query; known: "),
        ({"endpoint": "video", "kind": "slow", "seconds": float("nan")}, "seconds must be a number above 0"),
        ({"endpoint": "video", "kind": "slow", "seconds": 604_801}, "at most a week, not 604801"),
        ({"endpoint": "video", "kind": "slow", "seconds": True}, "seconds must be a number above 0"),
        ({"endpoint": "create", "kind": "land_late"}, "seconds is missing; land_late needs it"),
        (
            {"endpoint": "query", "kind": "no_url", "shape": "round"},
            "unknown shape 'round' of no_url; known: miss",
        ),
        ({"endpoint": "query", "kind": "reset", "shape": "list"}, "shape belongs to wrong_types, no_url, not to reset"),
        (
            {"endpoint": "query", "kind": "redirect", "status": 304},
            "unknown status 304; known: 301, 302, 303, ",
        ),
        (
            {"endpoint": "query", "kind": "redirect", "location": "/a\nA: b"},
            "location must be printable ASCII",
        ),
        ({"endpoint": "query", "kind": "throttle", "retry_after": "1\r\nA: b"}, "retry_after must be printable ASCII"),
        (
            {"endpoint": "query", "kind": "gzip_bomb", "mebibytes": 257},
            "mebibytes must be a whole number from 1 to",
        ),
        ({"endpoint": "query", "kind": "odd_status", "word": 7}, "word must be a text, not 7: put it in quotes"),
        ({"endpoint": "query", "kind": "reset", 7: 1}, "fault 2: unknown field 7; known: "),
    ],
    ids=str,
)
def test_a_plan_that_makes_no_sense_is_refused_with_its_row_and_reason(row, sentence):
    with pytest.raises(ValueError, match="fault 2: ") as caught:
        Faults.from_list([{"endpoint": "query", "kind": "reset"}, row])
    assert sentence in str(caught.value)


def test_a_complaint_about_a_plan_of_many_references_stays_short():
    bomb = ["x"]
    for _ in range(40):
        bomb = [bomb, bomb]
    with pytest.raises(ValueError, match="unknown kind") as caught:
        Faults.from_list([{"endpoint": "create", "kind": bomb}])
    assert len(str(caught.value)) < 2000
