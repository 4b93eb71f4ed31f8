"""The account's own limits and a key's acceptance: free calls, of which nothing odd is believed."""

import asyncio
import json
import time

import pytest
from conftest import CANARY
from hypothesis import given
from hypothesis import strategies as st
from service.servers import free_port, http, serving

from wanbatch.jobs.seen import Kind, ReadFailed
from wanbatch.service import wire
from wanbatch.service.account import Account, Key
from wanbatch.service.client import Client, Spacing
from wanbatch.service.wire import Limits

MODEL = "wan2.7-t2v"
LIMIT = {
    "request_limit": 5,
    "request_limit_period": 1,
    "usage_limit": None,
    "async_user_queue_limit": 500,
    "async_user_concurrency_limit": 5,
}


def quotas(*rows):
    return {"request_id": "r-1", "output": {"total": len(rows), "page_no": 1, "page_size": 20, "quotas": list(rows)}}


def quota(limit=LIMIT, workspace=None, model=MODEL):
    return {"model": model, "workspace_id": "ws-1", "model_limit": limit, "workspace_limit": workspace}


def read(body, status=200):
    return wire.limits_of(MODEL, status, {}, json.dumps(body).encode())


def test_the_documented_answer_is_read():
    assert read(quotas(quota(model="wan2.7-t2v-2026-06-12"), quota())) == Limits(5.0, 5, 500)


def test_a_period_makes_the_rate():
    assert read(quotas(quota({"request_limit": 90, "request_limit_period": 60}))) == Limits(1.5, None, None)


def test_a_workspaces_lower_limit_holds():
    lower = {"request_limit": 2, "request_limit_period": 1, "async_user_concurrency_limit": 3}
    assert read(quotas(quota(workspace=lower))) == Limits(2.0, 3, 500)
    assert read(quotas(quota(workspace={**LIMIT, "request_limit": 50}))) == Limits(5.0, 5, 500)


@pytest.mark.parametrize("around", [lambda limit: limit, lambda limit: {"output": limit}])
def test_the_fields_alone_are_read_too(around):
    assert read(around(LIMIT)) == Limits(5.0, 5, 500)


NOTHING = [
    {},
    {"output": {}},
    {"output": {"quotas": []}},
    {"output": {"quotas": "none"}},
    quotas("none", None, 3),
    quotas(quota(model="another")),
    quotas(quota(None)),
    quotas(quota("5")),
    quotas(quota({})),
    quotas(quota(dict.fromkeys(LIMIT, 0))),
    quotas(quota(dict.fromkeys(LIMIT, -1))),
    quotas(quota(dict.fromkeys(LIMIT, "5"))),
    quotas(quota(dict.fromkeys(LIMIT, True))),
    quotas(quota(dict.fromkeys(LIMIT, 1e300))),
    quotas(quota({"request_limit": 5})),
]


@pytest.mark.parametrize("body", NOTHING)
def test_what_says_nothing_that_can_be_used_is_not_known(body):
    assert read(body) == ReadFailed(Kind.SERVICE, "OddReply", f"the answer has no limits of {MODEL}")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"'])
def test_an_answer_that_is_no_object_is_a_failed_call(body):
    assert isinstance(wire.limits_of(MODEL, 200, {}, body), ReadFailed)


def test_a_refused_call_says_why():
    seen = read({"code": "InvalidApiKey", "message": "No.", "request_id": "r"}, 401)
    assert (seen.kind, seen.code, seen.message) == (Kind.ACCOUNT, "InvalidApiKey", "No.")


numbers = st.one_of(st.integers(), st.floats(), st.none(), st.text(max_size=3))
limits = st.dictionaries(st.sampled_from(list(LIMIT)), numbers)


@given(limits, st.one_of(st.none(), limits))
def test_a_limit_that_is_read_lets_something_through_and_is_finite(limit, workspace):
    seen = read(quotas(quota(limit, workspace)))
    if isinstance(seen, Limits):
        assert any(value is not None for value in seen)
        assert all(value is None or 0 < value < 1e16 for value in seen)


def client_of(base_url):
    return Client(Account(Key(CANARY), base_url), asks=Spacing(1000, time.monotonic), read_timeout_s=5.0)


def against(call, *answers):
    """What a call sees of a server, and what the server was asked."""

    async def main():
        async with serving(*answers) as server, client_of(server.base_url) as client:
            return await call(client), [asked.line for asked in server.asked]

    return asyncio.run(main())


def ask_limits(client):
    return client.limits(MODEL)


def ask_accepted(client):
    return client.accepted(MODEL)


GOOD = http(200, json.dumps(quotas(quota())).encode())
GONE = http(404, b'{"code":"NotFound","message":"Not found."}')


def test_the_limits_are_asked_for_where_they_are_documented():
    seen, asked = against(ask_limits, GOOD)
    assert seen == Limits(5.0, 5, 500)
    assert asked == [f"GET /api/v1/models/limits?model={MODEL} HTTP/1.1"]


@pytest.mark.parametrize("gone", [GONE, http(405)])
def test_a_host_without_the_older_address_is_asked_at_the_newer_one(gone):
    seen, asked = against(ask_limits, gone, GOOD)
    assert seen == Limits(5.0, 5, 500)
    assert asked[1:] == [f"GET /api/v1/quotas?model={MODEL} HTTP/1.1"]


def test_a_host_that_tells_no_limits_leaves_them_unknown():
    seen, asked = against(ask_limits, GONE)
    assert (seen.code, len(asked)) == ("NotFound", 2)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(401, b'{"code":"InvalidApiKey","message":"No."}'), Kind.ACCOUNT),
        (http(429, b'{"code":"Throttling","message":"No."}'), Kind.RATE),
        (http(500), Kind.SERVICE),
    ],
)
@pytest.mark.parametrize("call", [ask_limits, ask_accepted])
def test_any_other_refusal_is_asked_once(call, answer, kind):
    seen, asked = against(call, answer)
    assert (seen.kind, len(asked)) == (kind, 1)


@pytest.mark.parametrize("call", [ask_limits, ask_accepted])
def test_nobody_there_is_a_failed_call(call):
    async def main():
        async with client_of(f"http://127.0.0.1:{free_port()}/api/v1") as client:
            return await call(client)

    assert asyncio.run(main()).code == "NoAnswer"


def test_a_key_is_accepted_by_one_row_of_the_task_list():
    seen, asked = against(ask_accepted, http(200, b'{"total":0,"data":[],"total_page":0}'))
    assert seen is None
    assert asked == [f"GET /api/v1/tasks/?model_name={MODEL}&page_no=1&page_size=1 HTTP/1.1"]


@pytest.mark.parametrize("call", [ask_limits, ask_accepted])
def test_a_key_that_is_echoed_is_in_no_outcome(call):
    body = json.dumps({"code": CANARY, "message": f"key {CANARY}"}).encode()
    seen, _ = against(call, http(401, body))
    assert CANARY not in f"{seen!r} {seen}"
