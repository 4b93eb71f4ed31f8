"""Keys and accounts of the pretended service: what each may do, what it is told, and what it is counted for."""

import dataclasses

import pytest
from simulator.asking import HEADERS, MODEL, T0, body, headers, refusal, status, submit

from wanbatch.simulator.callers import key_id
from wanbatch.simulator.rules import MODELS, Rules
from wanbatch.simulator.world import World

CALM = Rules(submit_rate=1e6, query_rate=1e6, spread=0.0)


def with_(**changes):
    return World(dataclasses.replace(CALM, **changes))


def ask(world, now, key="sk-test", **rest):
    """What a create is answered: 200, or (status, code)."""
    reply = world.create(now, headers(key), body(**rest))
    return 200 if reply.status == 200 else refusal(reply)


def test_with_an_account_per_key_each_key_has_its_own_tasks_slots_and_rates():
    world = World(Rules(accounts="by_key", over_cap="reject", query_rate=2))
    for key in ("sk-a", "sk-b"):
        assert [ask(world, T0, key) for _ in range(6)] == [200] * 5 + [(429, "Throttling.RateQuota")]
    for key in ("sk-a", "sk-b"):
        assert ask(world, T0 + 1, key) == (429, "Throttling.Concurrency")
    task_id = submit(world, T0 + 100, key="sk-a")
    assert status(world, T0 + 100, task_id, "sk-a") == "PENDING"
    assert status(world, T0 + 100, task_id, "sk-b") == "UNKNOWN"
    assert world.list_tasks(T0 + 100, headers("sk-a"), {}).json["total"] == 6
    assert refusal(world.query(T0 + 100, headers("sk-a"), task_id)) == (429, "Throttling.RateQuota")
    assert world.list_tasks(T0 + 100, headers("sk-b"), {}).json["total"] == 5
    stats = world.stats()
    a, b = key_id("sk-a"), key_id("sk-b")
    assert stats["max_open_by_key"] == {a: {MODEL: 5}, b: {MODEL: 5}}
    assert stats["max_open"] == {"all": 10, MODEL: 5}
    assert stats["over_rate"] == 3
    assert stats["requests_by_key"] == {
        a: {"create": 8, "query": 2, "list": 1},
        b: {"create": 7, "query": 1, "list": 1},
    }
    assert stats["refused_by_key"][a] == {"Throttling.RateQuota": 2, "Throttling.Concurrency": 1}
    assert stats["peak_submits_per_s_by_key"] == {a: {MODEL: 6}, b: {MODEL: 6}}
    assert stats["peak_queries_per_s_by_key"] == {a: 3, b: 2}


def test_keys_of_one_account_fill_one_cap_together_and_both_show_its_peak():
    world = with_()
    submit(world, T0, key="sk-a")
    for _ in range(3):
        submit(world, T0, key="sk-b")
    submit(world, T0, key="sk-b", model=MODELS[1])
    peaks = {MODEL: 4, MODELS[1]: 1}
    assert world.stats()["max_open_by_key"] == {key_id("sk-a"): peaks, key_id("sk-b"): peaks}


def test_submissions_are_counted_by_key_and_model_even_when_a_fault_or_the_key_refuses_them():
    world = with_()
    for nth in range(4):
        world.create(T0 + nth / 10, HEADERS, body(model=MODELS[nth % 2]))
    world.create(T0 + 0.5, headers("sk-invalid"), body())
    stats = world.stats()
    assert stats["peak_submits_per_s_by_key"][key_id("sk-test")] == {MODEL: 2, MODELS[1]: 2}
    assert stats["peak_submits_per_s_by_key"][key_id("sk-invalid")] == {MODEL: 1}
    assert stats["refused_by_key"][key_id("sk-invalid")] == {"InvalidApiKey": 1}
    assert stats["refused"] == {"InvalidApiKey": 1}


def test_an_account_in_arrears_is_given_nothing_more_and_can_ask_about_what_it_has():
    world = with_(arrears_after=2)
    first = submit(world, T0)
    submit(world, T0)
    assert ask(world, T0) == (400, "Arrearage")
    assert ask(world, T0, model=MODELS[1]) == (400, "Arrearage")
    assert ask(world, T0, key="sk-other-account") == 200
    assert status(world, T0 + 100, first) == "SUCCEEDED"


def test_a_key_that_is_revoked_is_refused_everywhere_and_another_of_its_account_is_not():
    world = with_(revoked_after=3)
    task_id = submit(world, T0)
    assert status(world, T0, task_id) == "PENDING"
    assert world.limits(T0, HEADERS, {}).status == 200
    revoked = (401, "InvalidApiKey")
    assert ask(world, T0) == revoked
    assert refusal(world.query(T0, HEADERS, task_id)) == revoked
    assert refusal(world.list_tasks(T0, HEADERS, {})) == revoked
    assert refusal(world.cancel(T0, HEADERS, task_id)) == revoked
    assert refusal(world.limits(T0, HEADERS, {})) == revoked
    assert status(world, T0, task_id, "sk-fresh") == "PENDING"


def test_a_free_tier_ends_with_its_seconds_for_each_model_and_what_fails_uses_none_of_them():
    world = with_(free_seconds=10)
    submit(world, T0, duration=5)
    moderated = submit(world, T0, "[moderated output]", duration=5)
    over = (403, "AllocationQuota.FreeTierOnly")
    assert ask(world, T0) == over
    assert ask(world, T0, model=MODELS[1]) == 200
    assert status(world, T0 + 100, moderated) == "FAILED"
    assert ask(world, T0 + 100, duration=5) == 200
    assert ask(world, T0 + 200) == over


def test_other_rules_hold_from_now_on():
    world = with_(arrears_after=1, over_cap="reject", slots=1)
    submit(world, T0)
    assert ask(world, T0) == (400, "Arrearage")
    world.obey(dataclasses.replace(CALM, over_cap="reject", slots=2))
    assert [ask(world, T0), ask(world, T0)] == [200, (429, "Throttling.Concurrency")]
    world.advance(T0 + 2)
    assert world.stats()["max_running"] == {MODEL: 2}
    world.obey(dataclasses.replace(CALM, submit_rate=1, over_cap="queue"))
    assert [ask(world, T0 + 3), ask(world, T0 + 3)] == [200, (429, "Throttling.RateQuota")]


def test_a_queue_has_room_for_so_many_and_no_more():
    world = with_(slots=2, queue=3)
    assert [ask(world, T0) for _ in range(6)] == [200] * 5 + [(429, "Throttling.Concurrency")]


def test_the_limits_of_a_model_are_told_as_documented():
    world = World(Rules(slots=7, submit_rate=0.5, queue=500))
    reply = world.limits(T0, HEADERS, {"model": MODELS[1]})
    assert reply.status == 200
    assert reply.json == {
        "request_id": reply.header("x-request-id"),
        "output": {
            "total": 1,
            "page_no": 1,
            "page_size": 20,
            "quotas": [
                {
                    "model": MODELS[1],
                    "workspace_id": "ws-main",
                    "model_limit": {
                        "request_limit": 1,
                        "request_limit_period": 2,
                        "usage_limit": None,
                        "usage_limit_field": None,
                        "usage_limit_period": None,
                        "async_user_queue_limit": 500,
                        "async_user_concurrency_limit": 7,
                    },
                    "workspace_limit": None,
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("params", "models", "total"),
    [
        ({}, list(MODELS), 3),
        ({"model": "wan"}, [], 0),
        ({"name": "2026"}, list(MODELS[1:]), 2),
        ({"page_no": "2", "page_size": "2"}, [MODELS[2]], 3),
    ],
    ids=str,
)
def test_limits_are_found_by_model_name_and_page(params, models, total):
    told = World(CALM).limits(T0, HEADERS, params).json["output"]
    assert ([row["model"] for row in told["quotas"]], told["total"]) == (models, total)


def test_limits_can_be_unknown_and_are_told_to_no_stranger():
    assert refusal(with_(tells_limits=False).limits(T0, HEADERS, {})) == (404, "NotFound")
    world = with_()
    assert refusal(world.limits(T0, {}, {})) == (401, "InvalidApiKey")
    assert refusal(world.limits(T0, HEADERS, {"page_no": "x"})) == (400, "InvalidParameter")
    assert refusal(world.limits(T0, HEADERS, {"page_size": "0"})) == (400, "InvalidParameter")
    assert world.stats()["requests"] == {"limits": 3}


@pytest.mark.parametrize("wrong", [{"accounts": "many"}, {"free_seconds": -1}, {"arrears_after": -1}, {"queue": -1}])
def test_rules_of_accounts_that_make_no_sense_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rules(**wrong)
