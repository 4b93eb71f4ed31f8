"""Each kind of fault over a real socket: what a client gets, how its connection ends, what became of its request."""

import asyncio
import gzip
import json
import time

import pytest
import yarl
from simulator.asking import HEADERS, body
from simulator.loopback import AT_ONCE, CREATE, fault, over_loopback, raw

from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import KINDS, Faults
from wanbatch.simulator.kinds import ALL, API, BY_NAME, minimal
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.spoil import MISSING_TASK

LONG = Rules(pending_s=3600)
ROUTE = {
    "create": ("POST", "/api/v1" + CREATE),
    "query": ("GET", "/api/v1/tasks/{task}"),
    "list": ("GET", "/api/v1/tasks"),
    "cancel": ("POST", "/api/v1/tasks/{task}/cancel"),
}


async def ask(client, endpoint, task="", prompt="p"):
    """(all bytes of the answer, how the connection ended)"""
    port = yarl.URL(client.sim.base_url).port
    if endpoint == "video":
        return await raw(port, "GET", task, headers={})
    method, target = ROUTE[endpoint]
    return await raw(port, method, target.format(task=task), body(prompt) if endpoint == "create" else b"")


async def target_of(client, endpoint):
    """What a request to an endpoint is about: a task id, or the target of a video."""
    if endpoint == "video":
        return (await client.video_url("before"))[1].raw_path_qs
    return await client.submit("before")


def answered(endpoint, rules=LONG, **row):
    """(bytes, how it ended, stats, the bytes of the same request without a fault)"""

    async def story(client):
        about = await target_of(client, endpoint)
        got, ended = await ask(client, endpoint, about)
        stats = client.sim.stats()
        # A task is canceled once; every other request can be made again.
        return got, ended, stats, (await ask(client, endpoint, about))[0]

    rules = AT_ONCE if endpoint == "video" else rules
    row = minimal(endpoint, row.pop("kind")) | row
    # The request before this one was a create too, and one before a video was a query.
    nth = 2 if endpoint == "create" else 1
    return over_loopback(story, rules, [row | {"nth": nth}])


def parts(got):
    """(status, headers as a dict in lower case, bytes of the body)"""
    head, _, rest = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = dict(line.lower().split(":", 1) for line in lines)
    return int(first.split()[1]), {name: value.strip() for name, value in pairs.items()}, rest


async def until(seen):
    """Wait for a condition that time or another connection brings about."""
    async with asyncio.timeout(10):
        while not seen():  # noqa: ASYNC110 - what is waited for does not know that somebody waits
            await asyncio.sleep(0.01)


SILENT = {
    "refuse": "closed",
    "reset": "reset",
    "reset_before_accept": "reset",
    "reset_after_accept": "reset",
}


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize("kind", SILENT)
def test_a_connection_that_ends_without_a_word(endpoint, kind):
    got, ended, stats, after = answered(endpoint, kind=kind)
    assert (got, ended) == (b"", SILENT[kind])
    assert stats["faults"] == {endpoint: {kind: 1}}
    assert parts(after)[0] == (400 if endpoint == "cancel" and kind == "reset_after_accept" else 200)
    assert stats["accepted"] == 1 + (endpoint == "create" and kind == "reset_after_accept")


DONE = [(endpoint, kind) for endpoint in ("create", "cancel") for kind in sorted(KINDS[endpoint])]
WAITS = {"hang", "land_late", "slow", "slow_bytes"}


@pytest.mark.parametrize(("endpoint", "kind"), [pair for pair in DONE if pair[1] not in WAITS])
def test_a_request_is_done_exactly_when_its_kind_says_so(endpoint, kind):
    _, _, stats, after = answered(endpoint, kind=kind)
    done = not BY_NAME[kind].spares
    if endpoint == "create":
        assert len(stats["accepted_by_prompt"].get("p", [])) == done
        assert stats["accepted"] == 1 + done
    else:
        assert parts(after)[0] == (400 if done else 200)
    assert stats["requests"][endpoint] == 1 + (endpoint == "create")
    assert stats["faults"] == {endpoint: {kind: 1}}


@pytest.mark.parametrize("endpoint", ALL)
def test_a_reset_midway_comes_after_half_of_the_answer_at_most(endpoint):
    got, ended, _, after = answered(endpoint, kind="reset_midway")
    assert ended == "reset"
    status, headers, rest = parts(got)
    assert status == 200
    whole = parts(after)[2]
    assert len(rest) <= int(headers["content-length"]) // 2 < len(whole) or endpoint == "cancel"


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("error_500", 500),
        ("error_500_after_accept", 500),
        ("bad_gateway", 502),
        ("gateway_timeout", 504),
        ("throttle", 429),
        ("redirect", 307),
        ("html_200", 200),
        ("empty_200", 200),
    ],
)
def test_an_answer_of_somebody_on_the_way(endpoint, kind, status):
    got, ended, *_ = answered(endpoint, kind=kind)
    found, headers, rest = parts(got)
    assert (found, ended) == (status, "closed")
    assert headers["content-length"] == str(len(rest))
    if kind in {"html_200", "bad_gateway", "gateway_timeout"}:
        assert rest.startswith(b"<!DOCTYPE html>")
    if kind in {"empty_200", "redirect"}:
        assert rest == b""
    assert ("x-request-id" in headers or "x-oss-request-id" in headers) == (status not in {502, 504})


RETRIES = ["999999", "-1", "Wed, 21 Oct 2099 07:28:00 GMT", "soon", "1.5", None]


def test_a_storm_of_429_says_every_odd_thing_word_for_word():
    rows = [fault("create", "throttle", nth=1, **({"retry_after": one} if one else {}))[0] for one in RETRIES]
    for nth, row in enumerate(rows, 1):
        row["nth"] = nth

    async def story(client):
        return [await client.ask("POST", CREATE, data=body()) for _ in [*RETRIES, "after"]]

    *storm, after = over_loopback(story, Rules(submit_rate=1000), rows)
    assert [(status, headers.get("Retry-After")) for status, _, headers in storm] == [(429, one) for one in RETRIES]
    assert after[0] == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_where_who_follows_is_counted(status):
    async def story(client):
        found, _, headers = await client.ask("POST", CREATE, data=body(), allow_redirects=False)
        assert (found, headers["Location"]) == (status, client.sim.base_url.removesuffix("/api/v1") + "/_elsewhere")
        assert client.sim.stats()["elsewhere"] == 0
        assert (await client.ask("POST", CREATE, data=body()))[0] == 404
        assert client.sim.stats()["elsewhere"] == 1
        assert client.sim.stats()["accepted"] == 0

    over_loopback(story, faults=fault("create", "redirect", status=status))


def test_a_redirected_video_is_reached_by_who_follows_and_a_given_place_is_kept():
    async def story(client):
        task_id, url = await client.video_url()
        _, _, headers = await client.ask("GET", url, {}, allow_redirects=False)
        there = yarl.URL(headers["Location"], encoded=True)
        assert (await client.ask("GET", there, {}))[1] == clip.video(task_id)
        status, _, headers = await client.ask("GET", url, {}, allow_redirects=False)
        assert (status, headers["Location"]) == (302, "ftp://127.0.0.1/a%2Fb")

    rows = fault("video", "redirect", nth=1) + fault("video", "redirect", nth=3, status=302)
    rows[1]["location"] = "ftp://127.0.0.1/a%2Fb"
    over_loopback(story, faults=rows)


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize(
    "kind",
    [
        "cut",
        "no_length",
        "no_length_cut",
        "length_too_large",
        "length_too_small",
        "two_lengths",
        "length_and_chunked",
        "huge_headers",
        "odd_headers",
    ],
)
def test_an_answer_that_is_wrong_in_its_bytes_arrives_as_it_was_framed(endpoint, kind):
    got, ended, _, after = answered(endpoint, kind=kind)
    assert ended == "closed"
    status, headers, rest = parts(got)
    assert status == 200
    size = len(parts(after)[2])
    if endpoint in {"create", "cancel"}:  # the same request made again is answered with another body
        size = 2 * len(rest) if "cut" in kind else len(rest)
        size = int(headers["content-length"]) if kind == "cut" else size
    bounds = {"cut": (size, size // 2), "length_too_large": (size + 1000, size), "length_too_small": (size // 2, size)}
    if kind in bounds:
        assert (int(headers["content-length"]), len(rest)) == bounds[kind]
    assert ("content-length" in headers) == (not kind.startswith("no_length"))
    if kind == "no_length_cut":
        assert len(rest) == size // 2
    if kind == "huge_headers":
        assert len(got) > 1 << 20
    if kind == "two_lengths":
        assert got.count(b"Content-Length: ") == 2
    if kind == "odd_headers":
        assert got.count(b"Content-Type: ") == 2


@pytest.mark.parametrize("endpoint", ALL)
def test_a_body_without_a_status_line_is_the_body_alone(endpoint):
    got, ended, _, after = answered(endpoint, kind="no_status_line")
    assert ended == "closed"
    assert got == parts(after)[2] if endpoint == "video" else got.startswith(b"{")


@pytest.mark.parametrize("endpoint", ALL)
def test_a_huge_body_is_larger_than_any_answer_should_be(endpoint):
    got, *_ = answered(endpoint, kind="huge_body")
    _, headers, rest = parts(got)
    assert headers["content-length"] == str(2 << 20) == str(len(rest))
    assert endpoint == "video" or json.loads(rest)["request_id"]


@pytest.mark.parametrize("endpoint", ALL)
def test_a_gzip_bomb_comes_though_nobody_asked_for_it(endpoint):
    got, *_ = answered(endpoint, kind="gzip_bomb", mebibytes=2)
    _, headers, rest = parts(got)
    assert headers["content-encoding"] == "gzip"
    assert len(rest) < 100_000
    assert len(gzip.decompress(rest)) > 2 << 20


@pytest.mark.parametrize("endpoint", API)
def test_json_of_another_form_comes_from_every_endpoint(endpoint):
    for kind, seen in [
        ("wrong_types", lambda raw: json.loads(raw)["request_id"] == 12345),
        ("floats", json.loads),
        ("cut_json", lambda raw: not raw.endswith(b"}")),
    ]:
        status, headers, rest = parts(answered(endpoint, kind=kind)[0])
        assert (status, headers["content-length"]) == (200, str(len(rest)))
        assert seen(rest)


def test_a_list_of_floats_counts_in_floats():
    assert isinstance(json.loads(parts(answered("list", kind="floats")[0])[2])["total"], float)


@pytest.mark.parametrize("endpoint", API)
def test_a_hanging_request_is_done_and_never_answered(endpoint):
    async def story(client):
        about = await client.submit("before")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(client, endpoint, about), 0.1)
        stats = client.sim.stats()
        assert stats["accepted"] == 1 + (endpoint == "create")
        assert (await client.output(about))["task_status"] == ("CANCELED" if endpoint == "cancel" else "PENDING")

    nth = 2 if endpoint == "create" else 1
    over_loopback(story, LONG, fault(endpoint, "hang", nth=nth))


def test_a_task_can_land_after_its_client_has_gone():
    async def story(client):
        assert await ask(client, "create", prompt="late") == (b"", "reset")
        assert client.accepted() == {}
        assert json.loads((await client.ask("GET", "/tasks"))[1])["total"] == 0
        await until(client.accepted)
        assert time.monotonic() - began >= 0.3
        assert json.loads((await client.ask("GET", "/tasks"))[1])["total"] == 1

    began = time.monotonic()
    over_loopback(story, faults=fault("create", "land_late", seconds=0.3, nth=1))


def test_a_task_that_is_still_to_land_never_does_once_its_simulator_is_closed():
    async def main():
        began = time.monotonic()
        async with Simulator(LONG, Faults.from_list(fault("create", "land_late", seconds=0.2))) as sim:
            port = yarl.URL(sim.base_url).port
            assert await raw(port, "POST", "/api/v1" + CREATE, body()) == (b"", "reset")
        await asyncio.sleep(began + 0.3 - time.monotonic())
        assert sim.stats()["accepted"] == 0

    asyncio.run(main())


def test_a_lost_answer_and_a_late_list_make_a_task_nobody_can_see_for_a_while():
    async def story(client):
        assert (await ask(client, "create", prompt="lost"))[1] == "reset"
        accepted = client.accepted()["lost"]
        seen = []
        async with asyncio.timeout(10):
            while accepted not in seen:
                rows = json.loads((await client.ask("GET", "/tasks"))[1])["data"]
                seen.append([row["task_id"] for row in rows])
                await asyncio.sleep(0.05)
        assert time.monotonic() - began >= 0.3
        assert seen[0] == []
        # By its id the task could be asked for all the while.
        assert (await client.output(accepted[0]))["task_id"] == accepted[0]

    began = time.monotonic()
    # Whatever the speed: a rule's seconds are the client's.
    rows = fault("create", "reset_after_accept", nth=1) + fault("list", "list_late", seconds=0.3)
    over_loopback(story, LONG, rows, speed=10)


def test_the_port_can_be_shut_for_a_while_and_opens_again():
    async def story(client):
        about = await client.submit()
        assert await ask(client, "list") == (b"", "closed")
        began = time.monotonic()
        assert await ask(client, "query", about) == (b"", "refused")
        await until(lambda: client.sim._shut is None)
        assert time.monotonic() - began >= 0.25
        assert (await client.output(about))["task_id"] == about
        assert client.sim.stats()["requests"] == {"create": 1, "list": 1, "query": 1}

    over_loopback(story, LONG, fault("list", "refuse", nth=1, seconds=0.3))


def test_a_connection_from_before_is_no_way_in_while_the_port_is_shut():
    async def main():
        plan = Faults.from_list(fault("list", "refuse", nth=1, seconds=0.3))
        async with Simulator(LONG, plan) as sim:
            reader, writer = await asyncio.open_connection("127.0.0.1", yarl.URL(sim.base_url).port)
            query = b"GET /api/v1/tasks/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n"
            writer.write(query)
            assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}}")
            assert await raw(yarl.URL(sim.base_url).port, "GET", "/api/v1/tasks") == (b"", "closed")
            writer.write(query)
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
            assert sim.stats()["requests"] == {"list": 1, "query": 1}

    asyncio.run(main())


def test_a_simulator_with_a_shut_port_closes_at_once():
    async def story(client):
        assert await ask(client, "list") == (b"", "closed")
        assert (await ask(client, "list"))[1] == "refused"

    began = time.monotonic()
    over_loopback(story, faults=fault("list", "refuse", seconds=60))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("endpoint", ["create", "list", "video"])
def test_slow_bytes_come_one_by_one(endpoint):
    async def story(client):
        method, target = ROUTE.get(endpoint, ("GET", ""))
        origin = client.sim.base_url.removesuffix("/api/v1")
        url = (await client.video_url())[1] if endpoint == "video" else origin + target
        got, began = [], time.monotonic()
        async with client.session.request(method, url, headers={} if target == "" else HEADERS, data=body()) as reply:
            while len(got) < 10:
                got.append(await reply.content.readany())
        assert time.monotonic() - began >= 0.18
        assert {len(piece) for piece in got} <= {1, 2, 3}  # two may meet on the way

    over_loopback(story, faults=fault(endpoint, "slow_bytes", seconds=0.02))


@pytest.mark.parametrize("endpoint", ALL)
def test_slow_is_whole_after_its_time(endpoint):
    began = time.monotonic()
    got, *_ = answered(endpoint, kind="slow", seconds=0.2)
    assert time.monotonic() - began >= 0.2
    _, headers, rest = parts(got)
    assert headers["content-length"] == str(len(rest))


@pytest.mark.parametrize("kind", ["slow", "slow_bytes"])
def test_a_simulator_closes_at_once_though_an_answer_is_slow(kind):
    async def story(client):
        waiting = asyncio.ensure_future(ask(client, "list"))
        await until(lambda: client.sim.stats()["faults"])
        return waiting

    began = time.monotonic()
    over_loopback(story, faults=fault("list", kind, seconds=30))
    assert time.monotonic() - began < 5


def test_an_answer_can_be_about_another_task():
    async def story(client):
        first, second = await client.submit("one"), await client.submit("two")
        told = [json.loads((await client.ask("POST", CREATE, data=body("three")))[1])["output"]["task_id"]]
        told.append((await client.output(first))["orig_prompt"])
        return told == [second, "three"], len(client.accepted())

    rows = fault("create", "other_task_id", nth=3) + fault("query", "other_task_id", prompt="one")
    assert over_loopback(story, faults=rows) == (True, 3)


def test_the_only_task_s_answer_names_one_that_does_not_exist():
    async def story(client):
        told = json.loads((await client.ask("POST", CREATE, data=body("p")))[1])["output"]["task_id"]
        (made,) = client.accepted()["p"]
        output = await client.output(made)
        return told, output["task_id"], output["task_status"], (await client.output(told))["task_status"]

    rows = fault("create", "other_task_id") + fault("query", "other_task_id", nth=1)
    told, asked, status, missing = over_loopback(story, faults=rows)
    assert told == asked == MISSING_TASK
    assert (status, missing) == ("SUCCEEDED", "UNKNOWN")


def test_a_status_goes_back_and_forth():
    async def story(client):
        task_id = await client.submit()
        return [(await client.output(task_id))["task_status"] for _ in range(4)]

    rows = fault("query", "backwards", nth=2) + fault("query", "odd_status", nth=4, word="DONE?")
    assert over_loopback(story, faults=rows) == ["SUCCEEDED", "RUNNING", "SUCCEEDED", "DONE?"]


def test_a_success_without_a_url_waits_for_the_success():
    async def story(client):
        task_id = await client.submit()
        told = [await client.output(task_id)]
        while told[-1]["task_status"] != "SUCCEEDED":
            told.append(await client.output(task_id))
            await asyncio.sleep(0.01)
        assert told[0]["task_status"] == "PENDING"
        assert "video_url" not in told[-1]
        assert (await client.output(task_id))["video_url"].startswith("http://127.0.0.1:")

    over_loopback(story, Rules(pending_s=0.2, render_s=0, query_rate=1000), fault("query", "no_url", nth=1))


def test_unknown_for_a_while_ends():
    async def story(client):
        task_id = await client.submit()
        return [(await client.output(task_id))["task_status"] for _ in range(4)]

    assert over_loopback(story, faults=fault("query", "unknown", times=3)) == ["UNKNOWN"] * 3 + ["SUCCEEDED"]


def test_a_video_can_be_garbage_of_the_right_size_or_empty_or_expired():
    async def story(client):
        task_id, url = await client.video_url()
        return clip.video(task_id), [await client.ask("GET", url, {}) for _ in range(3)]

    rows = fault("video", "garbage", nth=1) + fault("video", "empty_200", nth=2) + fault("video", "forbidden", nth=3)
    whole, (garbage, empty, expired) = over_loopback(story, faults=rows)
    assert (garbage[0], len(garbage[1]), garbage[2]["Content-Type"]) == (200, len(whole), "video/mp4")
    assert garbage[1] != whole
    assert (empty[0], empty[1], empty[2]["Content-Length"]) == (200, b"", "0")
    assert (expired[0], b"<Code>AccessDenied</Code>" in expired[1]) == (403, True)


@pytest.mark.parametrize(("kind", "status"), [("range_ignored", 200), ("range_wrong", 206)])
def test_a_range_can_be_answered_with_the_whole(kind, status):
    async def story(client):
        task_id, url = await client.video_url()
        found, raw, headers = await client.ask("GET", url, {"Range": "bytes=100-"})
        whole = clip.video(task_id)
        assert (found, raw) == (status, whole)
        span = f"bytes 0-{len(whole) - 1}/{len(whole)}" if status == 206 else None
        assert headers.get("Content-Range") == span

    over_loopback(story, faults=fault("video", kind))


@pytest.mark.parametrize("endpoint", ALL)
def test_no_kind_stops_the_simulator_or_is_left_uncounted(endpoint):
    """All kinds of an endpoint in a row, from a client that takes whatever comes; then all is well."""
    # One hangs for ever, and a whole video a byte at a time takes as good as that.
    names = sorted(KINDS[endpoint] - {"hang"} - ({"slow_bytes"} if endpoint == "video" else set()))
    # Each rule counts every request that it could hit, so the nth hits the nth.
    first = 2 if endpoint == "create" else 1
    rows = [minimal(endpoint, kind) | {"nth": nth} for nth, kind in enumerate(names, first)]
    rows = [row | ({"seconds": 0.001} if "seconds" in row else {}) for row in rows]

    async def story(client):
        about = await target_of(client, endpoint)
        for _ in names:
            await ask(client, endpoint, about)
        return client.sim.stats()["faults"], (await ask(client, endpoint, about))[0]

    rules = Rules(pending_s=0, render_s=0, submit_rate=1000, query_rate=1000)
    fired, after = over_loopback(story, rules, rows)
    assert fired == {endpoint: dict.fromkeys(names, 1)}
    assert parts(after)[0] == (400 if endpoint == "cancel" else 200)
