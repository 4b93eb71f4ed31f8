"""Laws of the pretended service that hold whatever is asked of it and when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.asking import HEADERS, MODEL, T0, status, submit

from wanbatch.simulator.rules import MODELS, Rules
from wanbatch.simulator.tally import Bucket
from wanbatch.simulator.world import World

RANK = {"PENDING": 0, "RUNNING": 1, "SUCCEEDED": 2, "FAILED": 2, "CANCELED": 2}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "bad", "cancel", "look"]),
        st.floats(0, 40),
        st.integers(0, 30),
        st.sampled_from(MODELS[:2]),
    ),
    max_size=40,
)
RULES = st.builds(
    Rules,
    slots=st.integers(1, 3),
    pending_s=st.sampled_from([0.0, 1.0, 15.0]),
    render_s=st.sampled_from([0.0, 10.0, 60.0]),
    timeout_s=st.sampled_from([50.0, 10800.0]),
    submit_rate=st.just(1e6),
    query_rate=st.just(1e6),
)


UNHURRIED = settings(deadline=None)
"""A machine that is busy breaks no law."""


def story(world, steps):
    """Play the steps; yields (now, ids so far) after each."""
    now, ids = T0, []
    for kind, pause, which, model in steps:
        now += pause
        if kind == "create":
            ids.append(submit(world, now, model=model))
        elif kind == "bad":
            ids.append(submit(world, now, model=model, duration=99))
        elif kind == "cancel" and ids:
            world.cancel(now, HEADERS, ids[which % len(ids)])
        yield now, ids


@UNHURRIED
@given(RULES, STEPS)
def test_states_never_go_backwards_and_an_end_is_final(rules, steps):
    world, seen = World(rules), {}
    for now, ids in story(world, [*steps, ("look", 20_000.0, 0, MODEL)]):
        for one in ids:
            before, after = seen.get(one), status(world, now, one)
            assert before is None or RANK[before] < RANK[after] or before == after
            seen[one] = after
    assert all(RANK[state] == 2 for state in seen.values())


@UNHURRIED
@given(RULES, STEPS)
def test_never_more_run_than_there_are_slots_and_none_waits_beside_a_free_slot(rules, steps):
    world = World(rules)
    ids = [one for _, ids in story(world, steps) for one in ids[-1:]]
    world.query(T0 + 50_000, HEADERS, "any")
    tasks = [world._tasks[one] for one in dict.fromkeys(ids)]
    for model in MODELS[:2]:
        spans = sorted((t.started, t.ended) for t in tasks if t.order.model == model and t.started is not None)
        for start, _ in spans:
            assert sum(begin <= start < end for begin, end in spans) <= rules.slots
        waited = [t for t in tasks if t.order.model == model and t.started and t.started > t.ready]
        for task in waited:
            just_before = [1 for begin, end in spans if begin < task.started <= end]
            assert len(just_before) >= rules.slots
    assert all(count <= rules.slots for count in world.stats()["max_running"].values())


@UNHURRIED
@given(RULES, STEPS)
def test_looking_more_often_changes_no_task(rules, steps):
    quiet, watched = World(rules, 3), World(rules, 3)
    for _ in story(quiet, steps):
        pass
    for now, ids in story(watched, steps):
        for one in ids:
            watched.query(now, HEADERS, one)
    end = T0 + 50_000
    for world in (quiet, watched):
        world.query(end, HEADERS, "any")
    final = [[(s, t.status(end), t.started, t.ended) for s, t in w._tasks.items()] for w in (quiet, watched)]
    assert final[0] == final[1]


@UNHURRIED
@given(st.integers(0, 25), st.integers(1, 9))
def test_the_pages_of_a_list_are_a_partition_newest_first(count, size):
    world = World(Rules(submit_rate=1e6, query_rate=1e6))
    ids = [submit(world, T0 + n) for n in range(count)]
    pages = -(-count // size)
    rows = []
    for page in range(1, pages + 2):
        reply = world.list_tasks(T0 + 60, HEADERS, {"page_no": str(page), "page_size": str(size)}).json
        assert (reply["total"], reply["total_page"]) == (count, pages)
        assert len(reply["data"]) <= size
        rows += [row["task_id"] for row in reply["data"]]
    assert rows == ids[::-1]


@UNHURRIED
@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(1, 20))
def test_a_bucket_lets_no_window_pass_more_than_its_rate_and_one_second_saved(pauses, rate):
    bucket, wall, passed = Bucket(float(rate)), T0, []
    for pause in pauses:
        wall += pause
        if bucket.take(wall):
            passed.append(wall)
    for n, first in enumerate(passed):
        for m, last in enumerate(passed[n:], 1):
            assert m <= rate + rate * (last - first) + 1e-3


class NeverWalked(dict):
    """A dict that only answers for single keys."""

    def __iter__(self):
        raise AssertionError("somebody walked over all tasks")

    keys = values = items = __reversed__ = __iter__


def test_no_request_but_a_list_walks_over_all_tasks():
    world = World(Rules(submit_rate=1e9, query_rate=1e9, render_s=1.0))
    world._tasks, world._shelf = NeverWalked(), NeverWalked()
    ids = [submit(world, T0 + n / 1000) for n in range(2000)]
    assert world.cancel(T0 + 2, HEADERS, ids[-1]).status == 200
    assert status(world, T0 + 1000, ids[0]) == "SUCCEEDED"
    assert world.video(T0 + 1000, "/1d/none", "x", {}).status == 404
    assert world.stats()["max_running"][MODEL] == 5
    with pytest.raises(AssertionError, match="walked"):
        world.list_tasks(T0 + 1000, HEADERS, {})
