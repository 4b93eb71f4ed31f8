"""The service's own bill: what was made and nothing else, to the cent."""

import json
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.asking import HEADERS, MODEL, T0, output, submit

from wanbatch.simulator.callers import key_id
from wanbatch.simulator.rules import MODELS, PRICES, Rules
from wanbatch.simulator.world import World

CALM = Rules(submit_rate=1e6, query_rate=1e6, spread=0.0, prices=PRICES["CNY"])
KEY, OTHER = key_id("sk-test"), key_id("sk-b")


def money(world):
    stats = world.stats()
    return stats["bill"], stats["bill_at_most"]


def test_the_bill_is_what_succeeded_by_resolution_and_key_and_nothing_before():
    world = World(CALM)
    submit(world, T0, resolution="720P", duration=10)
    submit(world, T0, resolution="1080P", duration=3)
    submit(world, T0, key="sk-b", resolution="720P", duration=15, model=MODELS[1])
    assert money(world) == ({"CNY": "0.00"}, {"CNY": "18.00"})
    world.advance(T0 + 60.9)
    assert money(world) == ({"CNY": "0.00"}, {"CNY": "18.00"})
    world.advance(T0 + 61)
    stats = world.stats()
    assert stats["bill"] == stats["bill_at_most"] == {"CNY": "18.00"}
    assert stats["bill_by_key"] == {KEY: {"CNY": "9.00"}, OTHER: {"CNY": "9.00"}}
    assert stats["billed_seconds"] == {KEY: {"720P": 10, "1080P": 3}, OTHER: {"720P": 15}}
    assert json.loads(json.dumps(stats)) == stats


def test_what_failed_or_was_canceled_or_took_too_long_costs_nothing():
    world = World(Rules(submit_rate=1e6, query_rate=1e6, spread=0.0, timeout_s=90, slots=1, prices=PRICES["USD"]))
    submit(world, T0, "[moderated output]", duration=5)
    late = submit(world, T0, duration=5)
    submit(world, T0, duration=99)
    canceled = submit(world, T0, duration=5)
    assert world.cancel(T0, HEADERS, canceled).status == 200
    assert money(world) == ({"USD": "0.00"}, {"USD": "1.50"})
    assert output(world, T0 + 100, late)["code"] == "InternalError.Timeout"
    assert money(world) == ({"USD": "0.00"}, {"USD": "0.00"})
    assert world.stats()["billed_seconds"] == {}


def test_without_prices_there_is_no_bill_and_the_seconds_are_counted():
    world = World(Rules())
    submit(world, T0)
    world.advance(T0 + 100)
    assert money(world) == ({}, {})
    assert world.stats()["billed_seconds"] == {KEY: {"1080P": 5}}


@pytest.mark.parametrize(
    ("currency", "resolution", "cost"),
    [("CNY", "720P", "0.60"), ("CNY", "1080P", "1.00"), ("USD", "720P", "0.10"), ("USD", "1080P", "0.15")],
)
def test_the_price_lists_are_the_documented_ones(currency, resolution, cost):
    assert PRICES[currency].per_s[resolution] == Decimal(cost)


PLAY = st.lists(
    st.tuples(
        st.sampled_from(["make", "make", "bad", "moderated", "cancel"]),
        st.floats(0, 40),
        st.integers(2, 15),
        st.sampled_from(["720P", "1080P"]),
        st.sampled_from(["sk-test", "sk-b"]),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(PLAY, st.integers(1, 3), st.sampled_from([70.0, 10800.0]), st.sampled_from(["one", "by_key"]))
def test_the_bill_is_the_sum_of_the_usage_that_clients_are_told(play, slots, timeout_s, accounts):
    rules = Rules(slots, submit_rate=1e6, query_rate=1e6, timeout_s=timeout_s, accounts=accounts, prices=PRICES["CNY"])
    world, now, ids = World(rules), T0, []
    for what, pause, duration, resolution, key in play:
        now += pause
        before = Decimal(world.stats()["bill_at_most"]["CNY"])
        if what == "cancel" and ids:
            world.cancel(now, {**HEADERS, "Authorization": f"Bearer {ids[-1][1]}"}, ids[-1][0])
            continue
        prompt = "[moderated output]" if what == "moderated" else "p"
        rest = {"duration": 99 if what == "bad" else duration, "resolution": resolution}
        ids.append((submit(world, now, prompt, key, **rest), key))
        price = PRICES["CNY"].per_s[resolution] * (0 if what == "bad" else duration)
        assert Decimal(world.stats()["bill_at_most"]["CNY"]) <= before + price
    told = Counter()
    for task_id, key in ids:
        reply = world.query(now + 50_000, {**HEADERS, "Authorization": f"Bearer {key}"}, task_id).json
        if "usage" in reply:
            told[key_id(key)] += PRICES["CNY"].per_s[f"{reply['usage']['SR']}P"] * reply["usage"]["duration"]
    stats = world.stats()
    assert {key: Decimal(bill["CNY"]) for key, bill in stats["bill_by_key"].items()} == told
    assert Decimal(stats["bill"]["CNY"]) == sum(told.values())
    assert stats["bill"] == stats["bill_at_most"]


def test_spans_say_when_each_task_began_and_ended_with_the_service():
    world = World(CALM)
    submit(world, T0)
    canceled = submit(world, T0 + 1, key="sk-b")
    world.cancel(T0 + 1.5, HEADERS, canceled)
    submit(world, T0 + 2)
    world.advance(T0 + 2)
    assert world.spans() == [
        (KEY, MODEL, T0, T0 + 61),
        (OTHER, MODEL, T0 + 1, T0 + 1.5),
        (KEY, MODEL, T0 + 2, None),
    ]
