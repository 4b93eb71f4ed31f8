"""Faults that speak the service's own codes: requests that are denied, tasks that fail, for one key or for all."""

import json
import threading

import pytest
from simulator.asking import HEADERS, MODEL, body, headers
from simulator.loopback import AT_ONCE, CREATE, fault, over_loopback

from wanbatch.simulator.callers import key_id
from wanbatch.simulator.codes import FAILURES, REFUSALS
from wanbatch.simulator.faults import Fault, Faults
from wanbatch.simulator.rules import PRICES, Rules

INPUT = "Input data may contain inappropriate content."
OUTPUT = "Output data may contain inappropriate content."
PRICED = Rules(pending_s=0, render_s=0, prices=PRICES["CNY"], submit_rate=1000, query_rate=1000)


async def create(client, key="sk-test", prompt="p"):
    status, raw, found = await client.ask("POST", CREATE, headers(key), data=body(prompt))
    return status, json.loads(raw), found


def test_a_request_that_is_denied_hears_the_documented_words_and_no_task_comes_of_it():
    async def story(client):
        return [await create(client) for _ in REFUSALS], client.sim.stats()

    rows = [fault("create", "denied", code=code, nth=nth)[0] for nth, code in enumerate(REFUSALS, 1)]
    told, stats = over_loopback(story, PRICED, rows)
    assert [(status, said["code"], said["message"]) for status, said, _ in told] == [
        (refusal.status, refusal.code, refusal.message) for refusal in REFUSALS.values()
    ]
    assert all(set(said) == {"code", "message", "request_id"} for _, said, _ in told)
    assert stats["accepted"] == 0
    assert stats["refused"] == dict.fromkeys(REFUSALS, 1)
    assert stats["refused_by_key"] == {key_id("sk-test"): dict.fromkeys(REFUSALS, 1)}
    assert stats["peak_submits_per_s_by_key"] == {key_id("sk-test"): {MODEL: stats["peak_submits_per_s"]}}
    assert stats["over_rate"] == 0


def test_a_denial_has_the_words_and_the_retry_after_that_its_rule_gives():
    async def story(client):
        return await create(client)

    rows = fault("create", "denied", code="Throttling.BurstRate", message="slower", retry_after="7")
    status, said, found = over_loopback(story, PRICED, rows)
    assert (status, said["code"], said["message"], found["Retry-After"]) == (429, "Throttling.BurstRate", "slower", "7")


@pytest.mark.parametrize("code", FAILURES)
def test_a_task_that_fails_says_why_and_costs_nothing(code):
    async def story(client):
        failed, made = await client.submit("first"), await client.submit("second")
        return await client.output(failed), await client.output(made), client.sim.stats()

    failed, made, stats = over_loopback(story, PRICED, fault("create", "fails", code=code, nth=1))
    assert (failed["task_status"], failed["code"], failed["message"]) == ("FAILED", code, FAILURES[code])
    assert "video_url" not in failed
    assert made["task_status"] == "SUCCEEDED"
    assert stats["accepted"] == 2
    assert stats["bill"] == {"CNY": "5.00"}
    assert stats["faults"] == {"create": {"fails": 1}}


def test_moderation_of_the_input_and_of_the_output_can_be_told_by_their_words():
    async def story(client):
        status, said, _ = await create(client)
        ids = [await client.submit("p") for _ in range(2)]
        return (status, said["code"], said["message"]), [await client.output(one) for one in ids]

    flagged = {"endpoint": "create", "code": "DataInspectionFailed"}
    rows = [
        flagged | {"kind": "denied", "nth": 1},
        flagged | {"kind": "fails", "nth": 2},
        flagged | {"kind": "fails", "nth": 3, "message": INPUT},
    ]
    denied, tasks = over_loopback(story, AT_ONCE, rows)
    assert denied == (400, "DataInspectionFailed", INPUT)
    assert [(task["code"], task["message"]) for task in tasks] == [
        ("DataInspectionFailed", OUTPUT),
        ("DataInspectionFailed", INPUT),
    ]


def test_a_rule_for_a_key_counts_and_hits_only_requests_with_such_a_key():
    async def story(client):
        told = [(await create(client, key))[0] for key in ("sk-a", "sk-b", "sk-a", "sk-a", "sk-b")]
        listed = [(await client.ask("GET", "/tasks", headers(key)))[0] for key in ("sk-a", "sk-b")]
        return told, listed

    rows = [
        *fault("create", "denied", code="Arrearage", key="sk-a", nth=2, times=100),
        *fault("list", "denied", code="InvalidApiKey", key="-b"),
    ]
    assert over_loopback(story, PRICED, rows) == ([200, 200, 400, 400, 200], [200, 401])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"endpoint": "create", "kind": "denied"}, "code is missing; denied needs it"),
        ({"endpoint": "create", "kind": "denied", "code": "Nope"}, "unknown code 'Nope' of denied; known: Arrearage, "),
        ({"endpoint": "create", "kind": "fails", "code": "Arrearage"}, "unknown code 'Arrearage' of fails; known: "),
        ({"endpoint": "query", "kind": "fails", "code": "InternalError"}, "unknown kind 'fails' for query; known: "),
        ({"endpoint": "create", "kind": "denied", "code": 429}, "code must be a text, not 429"),
        ({"endpoint": "create", "kind": "reset", "code": "Arrearage"}, "code belongs to denied, fails, not to reset"),
        ({"endpoint": "video", "kind": "cut", "key": "sk"}, "a video is asked for without a key; match it by prompt"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_rule_about_codes_and_keys_is_refused_with_its_reason(row, reason):
    with pytest.raises(ValueError, match="fault 1: ") as caught:
        Faults.from_list([row])
    assert str(caught.value).startswith(f"fault 1: {reason}")


def test_a_rule_for_a_key_does_not_count_a_request_without_one():
    assert Faults([Fault("query", "error_500", key="sk-a")]).pick("query", "p") is None


def test_the_limits_are_told_over_the_wire_by_both_names_with_and_without_a_slash():
    async def story(client):
        told = [
            await client.ask("GET", path, params={"model": MODEL}, headers=HEADERS)
            for path in ("/models/limits", "/models/limits/", "/quotas", "/quotas/")
        ]
        return told, client.sim.stats()["requests"]

    told, requests = over_loopback(story, Rules())
    for status, raw, found in told:
        said = json.loads(raw)
        (row,) = said["output"]["quotas"]
        assert (status, row["model"], row["model_limit"]["async_user_concurrency_limit"]) == (200, MODEL, 5)
        assert found["x-request-id"] == said["request_id"]
    assert len(told) == requests["limits"] == 4


def test_the_bill_goes_on_though_nobody_asks_and_can_be_read_from_any_thread():
    async def story(client):
        await client.submit()
        here, there = client.sim.stats(), []
        thread = threading.Thread(target=lambda: there.append(client.sim.stats()))
        thread.start()
        while thread.is_alive():
            await client.ask("GET", "/tasks", HEADERS)
        return here, there[0], client.sim

    here, there, sim = over_loopback(story, PRICED)
    assert here["bill"] == there["bill"] == sim.stats()["bill"] == {"CNY": "5.00"}
