"""The pretended service over a real loopback socket."""

import asyncio
import hashlib
import json
import time

import aiohttp
import pytest
import yarl
from simulator.asking import HEADERS, MODEL, body
from simulator.loopback import AT_ONCE, CREATE, Client, fault, over_loopback

from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_route_works_with_and_without_a_trailing_slash(slash):
    async def story(client):
        task_id = json.loads((await client.ask("POST", CREATE + slash, data=body()))[1])["output"]["task_id"]
        assert (await client.ask("GET", f"/tasks/{task_id}{slash}"))[0] == 200
        listed = await client.ask("GET", f"/tasks{slash}", params={"page_size": "3"})
        assert json.loads(listed[1])["data"][0]["task_id"] == task_id
        canceled = await client.ask("POST", f"/tasks/{task_id}/cancel{slash}", json={"model": "", "input": ""})
        assert canceled[0] == 200

    over_loopback(story, Rules(pending_s=3600))


def test_every_api_reply_has_its_id_its_arrival_and_its_date():
    async def story(client):
        for method, path, headers in [
            ("POST", CREATE, HEADERS),
            ("POST", CREATE, {}),
            ("GET", "/tasks/x", HEADERS),
            ("GET", "/tasks", HEADERS),
            ("POST", "/tasks/x/cancel", HEADERS),
        ]:
            before = time.time()
            _, raw, found = await client.ask(method, path, headers)
            assert found["x-request-id"] == json.loads(raw)["request_id"]
            assert before - 0.01 <= int(found["req-arrive-time"]) / 1000 <= time.time()
            assert found["Date"]

    over_loopback(story, speed=1000)


def test_the_video_is_the_task_s_own_whole_and_in_parts():
    async def story(client):
        task_id, url = await client.video_url()
        status, raw, found = await client.ask("GET", url, {})
        assert (status, raw) == (200, clip.video(task_id))
        etag = f'"{hashlib.md5(raw).hexdigest().upper()}"'
        assert (found["ETag"], found["Content-Type"]) == (etag, "video/mp4")
        assert found["Content-Length"] == str(len(raw))
        half = len(raw) // 2
        part = await client.ask("GET", url, {"Range": f"bytes={half}-", "If-Range": etag})
        assert (part[0], part[1]) == (206, raw[half:])
        assert part[2]["Content-Range"] == f"bytes {half}-{len(raw) - 1}/{len(raw)}"
        other = await client.ask("GET", url, {"Range": f"bytes={half}-", "If-Range": '"other"'})
        assert (other[0], other[1]) == (200, raw)
        behind = await client.ask("GET", url, {"Range": f"bytes={len(raw)}-"})
        assert (behind[0], behind[2]["Content-Range"]) == (416, f"bytes */{len(raw)}")
        head = await client.ask("HEAD", url, {})
        assert (head[0], head[1], head[2]["Content-Length"]) == (200, b"", str(len(raw)))

    over_loopback(story)


def test_a_requoted_url_and_an_authorization_header_are_refused_with_xml():
    async def story(client):
        _, url = await client.video_url()
        requoted = yarl.URL(str(url))
        assert str(requoted) != str(url)
        for target, headers in [(requoted, {}), (url, {"Authorization": "Bearer k"})]:
            status, raw, found = await client.ask("GET", target, headers)
            assert (status, found["Content-Type"]) == (403, "application/xml")
            assert b"<Code>SignatureDoesNotMatch</Code>" in raw

    over_loopback(story)


def test_speed_compresses_a_day_and_leaves_the_rates_alone():
    async def story(client):
        task_id = await client.submit()
        for _ in range(4):
            await client.submit()
        status, raw, _ = await client.ask("POST", CREATE, data=body())
        assert (status, json.loads(raw)["code"]) == (429, "Throttling.RateQuota")
        async with asyncio.timeout(10):
            while (output := await client.output(task_id))["task_status"] != "UNKNOWN":
                assert output["task_status"] in {"PENDING", "RUNNING", "SUCCEEDED"}
                await asyncio.sleep(0.05)
        assert client.sim.stats()["throttled"] == 1

    began = time.monotonic()
    over_loopback(story, Rules(query_rate=1000), speed=86400 / 0.3)
    assert 0.3 <= time.monotonic() - began < 10


def test_slow_worlds_do_not_throttle_a_client_that_keeps_to_the_rate_either():
    async def story(client):
        for _ in range(3):
            await client.submit()
            await asyncio.sleep(0.06)

    over_loopback(story, Rules(submit_rate=20), speed=0.01)


@pytest.mark.parametrize("kind", ["reset_before_accept", "reset_after_accept"])
def test_a_reset_create_tells_the_client_the_same_whether_or_not_the_task_exists(kind):
    async def story(client):
        with pytest.raises(aiohttp.ClientConnectionError) as caught:
            await client.ask("POST", CREATE, data=body("lost"))
        assert "reset" in str(caught.value).lower()
        assert len(client.accepted()) == (kind == "reset_after_accept")
        assert client.sim.stats()["requests"] == {"create": 1}
        await client.submit("kept")

    over_loopback(story, faults=fault("create", kind, nth=1))


def test_a_hanging_create_has_made_its_task_and_never_answers():
    async def story(client):
        with pytest.raises(TimeoutError):
            await client.ask("POST", CREATE, data=body("lost"), timeout=aiohttp.ClientTimeout(total=0.2))
        assert list(client.accepted()) == ["lost"]

    over_loopback(story, faults=fault("create", "hang"))


def test_a_simulator_closes_at_once_though_somebody_hangs():
    async def main():
        faults = Faults.from_list(fault("create", "hang"))
        async with aiohttp.ClientSession() as session:
            async with Simulator(AT_ONCE, faults) as sim:
                accepted = asyncio.Event()
                answer = sim.world.create
                sim.world.create = lambda *args, **rest: (accepted.set(), answer(*args, **rest))[1]
                waiting = asyncio.ensure_future(Client(sim, session).ask("POST", CREATE, data=body()))
                await accepted.wait()
                began = time.monotonic()
            with pytest.raises(aiohttp.ClientConnectionError):
                await waiting
        assert time.monotonic() - began < 5

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "status", "start", "accepted"),
    [
        ("error_500", 500, b'{"code":"InternalError"', 0),
        ("error_500_after_accept", 500, b'{"code":"InternalError"', 1),
        ("html_200", 200, b"<!DOCTYPE html>", 1),
        ("cut_json", 200, b'{"request_id":', 1),
        ("throttle", 429, b'{"code":"Throttling.RateQuota"', 0),
    ],
)
def test_a_spoiled_create_answers_as_its_kind_says(kind, status, start, accepted):
    async def story(client):
        found, raw, headers = await client.ask("POST", CREATE, data=body())
        assert found == status
        assert raw.startswith(start)
        assert headers["x-request-id"]
        if kind == "cut_json":
            with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
                json.loads(raw)
        assert client.sim.stats()["accepted"] == accepted

    over_loopback(story, faults=fault("create", kind))


def test_a_500_after_accept_keeps_the_request_id_that_the_list_shows():
    async def story(client):
        _, _, headers = await client.ask("POST", CREATE, data=body())
        rows = json.loads((await client.ask("GET", "/tasks"))[1])["data"]
        assert [row["request_id"] for row in rows] == [headers["x-request-id"]]

    over_loopback(story, faults=fault("create", "error_500_after_accept"))


def test_a_throttle_says_when_to_come_back_only_if_it_is_told_to():
    async def story(client):
        return [(await client.ask("GET", "/tasks"))[2].get("Retry-After") for _ in range(3)]

    rows = fault("list", "throttle", nth=1, retry_after="999999") + fault("list", "throttle", nth=2)
    assert over_loopback(story, faults=rows) == ["999999", None, None]


@pytest.mark.parametrize("endpoint", ["query", "list", "cancel"])
@pytest.mark.parametrize("kind", ["error_500", "throttle", "html_200", "reset"])
def test_task_calls_can_fail_once_and_then_work(endpoint, kind):
    async def story(client):
        task_id = await client.submit()
        method, path = {
            "query": ("GET", f"/tasks/{task_id}"),
            "list": ("GET", "/tasks"),
            "cancel": ("POST", f"/tasks/{task_id}/cancel"),
        }[endpoint]
        if kind == "reset":
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.ask(method, path)
        else:
            status, raw, _ = await client.ask(method, path)
            assert status == {"error_500": 500, "throttle": 429, "html_200": 200}[kind]
            assert raw.startswith(b"<!DOCTYPE" if kind == "html_200" else b'{"code"')
        assert (await client.ask("GET", f"/tasks/{task_id}"))[0] == 200
        canceled = endpoint == "cancel" and kind == "html_200"
        assert (await client.output(task_id))["task_status"] == ("CANCELED" if canceled else "PENDING")

    # aiohttp's client sends a GET again by itself when its connection is reset, so that takes two.
    times = 2 if kind == "reset" and endpoint != "cancel" else 1
    over_loopback(story, Rules(pending_s=3600), faults=fault(endpoint, kind, nth=1, times=times))


def test_a_task_can_be_unknown_once_and_come_back():
    async def story(client):
        task_id = await client.submit("the lost one")
        return [(await client.output(task_id))["task_status"] for _ in range(2)]

    assert over_loopback(story, faults=fault("query", "unknown", prompt="lost", times=1)) == ["UNKNOWN", "SUCCEEDED"]


@pytest.mark.parametrize(("kind", "status"), [("forbidden", 403), ("error_500", 500), ("html_200", 200)])
def test_a_video_can_be_answered_with_something_else_once(kind, status):
    async def story(client):
        task_id, url = await client.video_url()
        found, raw, _ = await client.ask("GET", url, {})
        assert found == status
        assert not raw.startswith(clip.original()[:8])
        assert (await client.ask("GET", url, {}))[1] == clip.video(task_id)

    over_loopback(story, faults=fault("video", kind, nth=1))


def test_a_cut_video_declares_its_length_and_stops_at_half():
    async def story(client):
        task_id, url = await client.video_url()
        got = b""
        async with client.session.get(url) as reply:
            assert reply.headers["Content-Length"] == str(len(clip.video(task_id)))
            with pytest.raises(aiohttp.ClientPayloadError):
                async for piece in reply.content.iter_any():
                    got += piece
        assert got == clip.video(task_id)[: len(clip.video(task_id)) // 2]

    over_loopback(story, faults=fault("video", "cut"))


@pytest.mark.parametrize("kind", ["no_length", "no_length_cut"])
def test_a_video_without_a_length_ends_where_the_connection_does(kind):
    async def story(client):
        task_id, url = await client.video_url()
        status, raw, headers = await client.ask("GET", url, {})
        whole = clip.video(task_id)
        assert (status, raw) == (200, whole if kind == "no_length" else whole[: len(whole) // 2])
        assert not {"Content-Length", "Transfer-Encoding"} & set(headers)

    over_loopback(story, faults=fault("video", kind))


def test_a_video_connection_can_be_reset():
    async def story(client):
        _, url = await client.video_url()
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.ask("GET", url, {})

    over_loopback(story, faults=fault("video", "reset"))


def test_a_slow_video_takes_its_time_and_is_whole():
    async def story(client):
        task_id, url = await client.video_url("the slow one")
        began = time.monotonic()
        assert (await client.ask("GET", url, {}))[1] == clip.video(task_id)
        assert time.monotonic() - began >= 0.3

    over_loopback(story, faults=fault("video", "slow", seconds=0.3, prompt="slow"))


def test_the_oracle_is_served_and_does_not_count_itself():
    async def story(client):
        await client.submit("雨")
        url = yarl.URL(client.sim.base_url).with_path("/_stats")
        stats = json.loads((await client.ask("GET", url, {}))[1])
        assert stats == client.sim.stats()
        assert list(stats["accepted_by_prompt"]) == ["雨"]
        assert stats["max_running"] == {MODEL: 0}
        assert stats["requests"] == {"create": 1}

    over_loopback(story, Rules(pending_s=3600))


def test_only_loopback_is_bound_and_a_taken_port_is_an_oserror():
    async def main():
        async with Simulator() as sim:
            assert sim.base_url.startswith("http://127.0.0.1:")
            assert sim.base_url.endswith("/api/v1")
            addresses = sim._runner.addresses
            assert [address[0] for address in addresses] == ["127.0.0.1"]
            with pytest.raises(OSError, match="in use"):
                async with Simulator(port=addresses[0][1]):
                    pass

    asyncio.run(main())


def test_a_speed_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="speed"):
        Simulator(speed=0)
