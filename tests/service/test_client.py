"""The client against servers that misbehave: one POST a submission, and never a wrong certainty."""

import asyncio
import gzip
import heapq
import itertools
import json
import random
import shutil
import socket
import ssl
import subprocess
import time
import traceback
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import CANARY
from hypothesis import given
from hypothesis import strategies as st
from service.servers import free_port, http, read_request, reset, serving
from support import request

from wanbatch.jobs.seen import Accepted, Kind, Listing, NotSent, ReadFailed, Refused, TaskView, Unknown
from wanbatch.service.account import Account, Key
from wanbatch.service.client import MAX_PAGES, MAX_REPLY_BYTES, Client, Spacing, proxy_for
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

MADE = json.dumps({"request_id": "r-1", "output": {"task_id": "a-1", "task_status": "PENDING"}}).encode()
ID = "x-request-id: r-9"


def client_of(base_url, *, workspace=None, timeout=5.0, read_timeout=5.0, now=time.time):
    return Client(
        Account(Key(CANARY), base_url, workspace),
        asks=Spacing(1000, time.monotonic),
        post_timeout_s=timeout,
        read_timeout_s=read_timeout,
        now=now,
    )


async def ask(base_url, call, **settings):
    async with client_of(base_url, **settings) as client:
        return await call(client)


def submit(client):
    return client.submit(request())


def against(*answers, call=submit, **settings):
    """What a call sees of a server, and the server."""

    async def main():
        async with serving(*answers) as server:
            seen = await ask(server.base_url, call, **settings)
            await asyncio.sleep(0.02)  # a second POST would come now
            return seen, server

    return asyncio.run(main())


def test_a_submission_is_exactly_this_on_the_wire():
    sent = request(prompt="第1个镜头[0-3秒] “rain”", negative_prompt="flowers")
    seen, server = against(http(200, MADE), call=lambda client: client.submit(sent), workspace="ws-1")
    assert seen == Accepted("a-1", "r-1")
    (asked,) = server.asked
    assert asked.line == "POST /api/v1/services/aigc/video-generation/video-synthesis HTTP/1.1"
    assert asked.body == sent.canonical()
    agent = asked.headers.pop("user-agent")
    assert agent.startswith("wanbatch/")
    assert asked.headers.pop("connection", "close") == "close"  # older versions of aiohttp only do it
    assert asked.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": f"Bearer {CANARY}",
        "content-type": "application/json",
        "x-dashscope-async": "enable",
        "x-dashscope-workspace": "ws-1",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-length": str(len(asked.body)),
    }


def test_without_a_workspace_no_workspace_is_named():
    _, server = against(http(200, MADE))
    assert "x-dashscope-workspace" not in server.asked[0].headers


def test_each_submission_has_a_connection_of_its_own_though_the_server_would_keep_it():
    async def keep(reader, writer):
        while True:
            await read_request(reader)
            writer.write(http(200, MADE))

    async def twice(client):
        return [await submit(client) for _ in range(5)]

    seen, server = against(keep, call=twice)
    assert seen == [Accepted("a-1", "r-1")] * 5
    assert server.connections == 5


def test_a_server_that_closes_after_each_answer_leaves_nothing_uncertain():
    async def story(client):
        return [await submit(client) if n % 2 else await client.task("a-1") for n in range(20)]

    body = json.dumps({"request_id": "r-1", "output": {"task_id": "a-1", "task_status": "RUNNING"}}).encode()
    seen, server = against(http(200, body), call=story)
    assert {type(one) for one in seen} == {Accepted, TaskView}
    assert len(server.asked) == 20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    async def main():
        async with serving(http(200, MADE)) as other:
            moved = http(status, b"", f"Location: {other.base_url}/services/x", ID)
            async with serving(moved) as server:
                seen = [
                    await ask(server.base_url, call)
                    for call in (submit, lambda c: c.task("a-1"), lambda c: c.tasks("m"), lambda c: c.cancel("a-1"))
                ]
            return seen, len(server.asked), other.connections

    (first, *others), asked, elsewhere = asyncio.run(main())
    assert first == Unknown(f"HTTP {status} and a body that is no JSON object", "r-9")
    assert all(isinstance(other, ReadFailed) for other in others)
    assert (asked, elsewhere) == (4, 0)


async def hang(reader, writer):
    await read_request(reader)
    await asyncio.sleep(60)


async def reset_at_once(reader, writer):
    reset(writer)


async def reset_after_reading(reader, writer):
    await read_request(reader)
    reset(writer)


async def close_after_reading(reader, writer):
    await read_request(reader)


async def half_headers(reader, writer):
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    await writer.drain()


async def drip(reader, writer):
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n" + ID.encode() + b"\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


UNKNOWN = {
    "reset before reading": (reset_at_once, None),
    "reset after reading": (reset_after_reading, None),
    "closed after reading": (close_after_reading, None),
    "no answer": (hang, None),
    "half of the headers": (half_headers, None),
    "half of the body": (http(200, MADE[:30], ID, length=len(MADE)), "r-9"),
    "half of the body, no length": (http(200, MADE[:30], ID, length=None), "r-9"),
    "a body that drips": (drip, "r-9"),
    "500": (http(500, b'{"code":"InternalError","request_id":"r-9"}'), "r-9"),
    "502 with HTML": (http(502, b"<html>Bad Gateway</html>", ID), "r-9"),
    "200 with HTML": (http(200, b"<html>Log in</html>", ID), "r-9"),
    "403 with HTML": (http(403, b"<html>Blocked</html>", ID), "r-9"),
    "408": (http(408, b'{"code":"RequestTimeOut"}', ID), "r-9"),
    "a gzip bomb": (http(200, gzip.compress(bytes(50_000_000)), ID, "Content-Encoding: gzip"), "r-9"),
    "a task id that is no path": (http(200, b'{"output":{"task_id":"../x"}}', ID), "r-9"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", None),
    "HTTP/0.9": (MADE, None),
    "a header of 1 MB": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n", None),
    "two lengths": (http(200, MADE, "Content-Length: 3", ID), None),
    "length and chunks": (http(200, MADE, "Transfer-Encoding: chunked", ID), None),
    "bad chunks": (http(200, b"zz\r\n", "Transfer-Encoding: chunked", ID, length=None), None),
    "a bad header": (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", None),
    "a status of 99999": (b"HTTP/1.1 99999 OK\r\n\r\n", None),
    "bytes in a header": (http(200, b"", "x-request-id: r\udcff"), "r?"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_post_that_left_is_unknown_and_not_sent_again(case):
    answer, request_id = UNKNOWN[case]
    seen, server = against(answer, timeout=0.3)
    assert isinstance(seen, Unknown), seen
    assert seen.request_id == request_id
    assert server.connections == 1


def test_no_answer_however_garbled_ends_in_an_exception_or_a_second_post():
    dice = random.Random(7)
    good = http(200, MADE, ID, "Content-Type: application/json")

    def garbled():
        noise = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(noise))
            noise[at : at + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
        return bytes(noise)

    answers = [garbled() for _ in range(300)]

    async def all_of_them(client):
        return [await submit(client) for _ in answers]

    seen, server = against(*answers, call=all_of_them, timeout=0.2)
    assert server.connections == len(answers)
    assert {type(one) for one in seen} <= {Accepted, Unknown}
    for one in seen:
        assert isinstance(one, Unknown) or len(one.task_id) <= 64
        str(one).encode()


def refused():
    return f"http://127.0.0.1:{free_port()}/api/v1"


NOT_SENT = {
    "refused": (refused, "Connection refused"),
    "no such host": (lambda: "https://nobody.invalid/api/v1", "no such host"),
    "no host at all": (lambda: "https://a..invalid/api/v1", "UnicodeError"),
    "a port that is none": (lambda: "https://localhost:99999/api/v1", "ValueError"),
}


@pytest.mark.parametrize("case", NOT_SENT)
def test_a_post_that_could_not_leave_is_not_sent(case):
    url, reason = NOT_SENT[case]
    seen = asyncio.run(ask(url(), submit))
    assert isinstance(seen, NotSent), seen
    assert reason in seen.reason


def test_a_tls_handshake_that_is_cut_is_not_sent():
    async def garbage(reader, writer):
        await reader.read(1000)
        writer.write(b"no TLS here\r\n\r\n")

    async def main():
        async with serving(garbage) as server:
            return await ask(server.base_url.replace("http:", "https:"), submit), server.connections

    assert asyncio.run(main()) == (NotSent("cannot connect to 127.0.0.1: no trusted TLS"), 1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_a_certificate_that_nobody_trusts_gets_no_request(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    line = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*line.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    got = []

    async def talk(reader, writer):
        got.append(await reader.read(10))
        writer.close()

    async def main():
        quiet = asyncio.get_running_loop()
        quiet.set_exception_handler(lambda *_: None)  # the server's own complaint about the handshake
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
        async with server:
            return await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1", submit)

    assert asyncio.run(main()) == NotSent("cannot connect to 127.0.0.1: no trusted TLS")
    assert got == []


def test_a_connection_that_is_never_accepted_is_not_sent():
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (one, two):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        seen = asyncio.run(ask(f"http://127.0.0.1:{full.getsockname()[1]}/api/v1", submit, timeout=0.3))
    assert seen == NotSent("no answer in time")


def test_an_endless_answer_is_left_after_a_mebibyte():
    sent = []

    async def endless(reader, writer):
        await read_request(reader)
        writer.write(http(200, b"{", ID, length=10**10))
        while True:
            writer.write(bytes(65_536))
            sent.append(65_536)
            await writer.drain()

    seen, server = against(endless)
    assert seen == Unknown("the answer is larger than 1,048,576 bytes", "r-9")
    assert server.connections == 1
    assert sum(sent) < 16 * MAX_REPLY_BYTES  # what the sockets' buffers hold


def test_a_compressed_answer_is_not_unpacked():
    seen, _ = against(UNKNOWN["a gzip bomb"][0])
    assert seen.reason == "HTTP 200 and a body that is no JSON object"


def test_the_simulator_counts_one_task_for_each_submission_however_it_is_answered():
    kinds = ["reset_before_accept", "reset_after_accept", "error_500", "error_500_after_accept", "html_200", "cut_json"]
    faults = Faults.from_list([{"endpoint": "create", "kind": kind, "prompt": f"{kind}."} for kind in kinds])

    async def main():
        async with Simulator(Rules(submit_rate=1000), faults) as sim, client_of(sim.base_url) as client:
            seen = {kind: await client.submit(request(prompt=f"{kind}.")) for kind in kinds}
            made = await client.submit(request(prompt="plain"))
            return seen, made, sim.stats()["accepted_by_prompt"]

    seen, made, accepted = asyncio.run(main())
    assert isinstance(made, Accepted)
    assert {kind: type(one) for kind, one in seen.items()} == dict.fromkeys(kinds, Unknown)
    assert all(seen[kind].request_id for kind in kinds[2:])
    spared = {"reset_before_accept", "error_500"}
    assert {prompt: len(ids) if isinstance(ids, list) else ids for prompt, ids in accepted.items()} == {
        **{f"{kind}.": 1 for kind in kinds if kind not in spared},
        "plain": 1,
    }


def test_refusals_come_through_with_kind_and_pause():
    body = b'{"code":"Throttling.RateQuota","message":"slowly"}'
    seen, server = against(http(429, body, "Retry-After: 7"))
    assert seen == Refused(Kind.RATE, "Throttling.RateQuota", "slowly", 7.0)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("call", "line", "method"),
    [
        (lambda c: c.task("a-1"), "/api/v1/tasks/a-1", "GET"),
        (lambda c: c.task("../x"), "/api/v1/tasks/..%2Fx", "GET"),
        (lambda c: c.cancel("a-1"), "/api/v1/tasks/a-1/cancel", "POST"),
        (lambda c: c.tasks("wan2.7-t2v"), "/api/v1/tasks/?model_name=wan2.7-t2v&page_no=1&page_size=100", "GET"),
    ],
)
def test_a_question_goes_to_its_documented_path_without_a_body(call, line, method):
    _, server = against(http(200, b"{}"), call=call)
    (asked,) = server.asked
    assert asked.line == f"{method} {line} HTTP/1.1"
    assert asked.body == b""
    assert asked.headers["authorization"] == f"Bearer {CANARY}"
    assert "x-dashscope-async" not in asked.headers
    assert "cookie" not in asked.headers


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (http(200, b'{"request_id":"r"}'), True),
        (http(400, b'{"code":"UnsupportedOperation ","message":"not PENDING"}'), False),
        (http(400, b'{"code":"unsupported_operation"}'), False),
        (http(404, b'{"code":"NotFound"}'), ReadFailed(Kind.SCENE, "NotFound", "")),
        (http(401, b'{"code":"InvalidApiKey"}'), ReadFailed(Kind.ACCOUNT, "InvalidApiKey", "")),
        (http(500, b"<html>"), ReadFailed(Kind.SERVICE, "HTTP 500", "")),
        (reset_after_reading, ReadFailed(Kind.SERVICE, "NoAnswer", "the connection broke: Connection reset by peer")),
    ],
)
def test_a_cancel_says_what_the_service_said(answer, outcome):
    assert against(answer, call=lambda client: client.cancel("a-1"))[0] == outcome


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_question_without_a_usable_answer_is_a_value(case):
    for call in (lambda c: c.task("a-1"), lambda c: c.tasks("m")):
        seen, _ = against(UNKNOWN[case][0], call=call, read_timeout=0.2)
        assert isinstance(seen, ReadFailed), seen


def pages_of(ids, *, size=None, total_page=None, total=None):
    """A list that shows `ids`, `size` a page, and says what it is told to say."""

    async def answer(reader, writer):
        asked = await read_request(reader)
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.line.split()[1]).query).items()}
        step, number = size or int(query["page_size"]), int(query["page_no"])
        shown = ids[(number - 1) * step : number * step]
        body = {"data": [{"task_id": id, "model_name": "m", "gmt_create": 1000} for id in shown]}
        said = {"total_page": -(-len(ids) // step) if total_page is None else total_page, "total": total}
        writer.write(http(200, json.dumps(body | said).encode()))

    return answer


IDS = [f"t-{n}" for n in range(250)]


@pytest.mark.parametrize(
    ("answer", "expected", "pages"),
    [
        (pages_of([]), [], 1),
        (pages_of(IDS[:100], total=100), IDS[:100], 1),
        (pages_of(IDS, total=250), IDS, 3),
        (pages_of(IDS, size=10), IDS, 25),
        (pages_of(IDS, size=50, total_page=3, total=250), IDS, 5),
        (pages_of(IDS, total_page=1, total=250), IDS, 3),
        (pages_of(IDS, total_page=0, total=250), IDS, 3),
        (pages_of(IDS[:5], total_page=1, total=999), IDS[:5], 2),
        (pages_of([*IDS[:100], *IDS[99:150]], total=150), IDS[:150], 2),
        (pages_of(IDS, total_page=4, total=250), IDS, 4),
    ],
    ids=["empty", "exact", "three", "small", "capped", "short", "none", "overcounted", "repeated", "long"],
)
def test_the_list_is_read_to_its_end_whatever_it_says_of_its_pages(answer, expected, pages):
    seen, server = against(answer, call=lambda client: client.tasks("m"))
    assert isinstance(seen, Listing)
    assert [row.task_id for row in seen.rows] == expected
    assert server.connections == pages


def test_a_list_without_an_end_proves_nothing():
    seen, server = against(pages_of(IDS, total_page=10**9), call=lambda client: client.tasks("m"))
    assert isinstance(seen, ReadFailed)
    assert server.connections == MAX_PAGES


def test_a_list_that_breaks_on_a_later_page_proves_nothing():
    seen, _ = against(pages_of(IDS), pages_of(IDS), http(500), call=lambda client: client.tasks("m"))
    assert isinstance(seen, ReadFailed)


def test_a_whole_life_in_the_simulator_is_seen():
    async def main():
        rules = Rules(pending_s=0, render_s=0)
        async with Simulator(rules) as sim, client_of(sim.base_url) as client:
            made = await client.submit(request(prompt="rain"))
            return made, await client.task(made.task_id), await client.tasks("wan2.7-t2v"), client.clock_offset_s

    made, view, listing, offset = asyncio.run(main())
    assert (view.status, view.orig_prompt, view.usage["duration"]) == ("SUCCEEDED", "rain", 5)
    assert [(row.task_id, row.request_id) for row in listing.rows] == [(made.task_id, made.request_id)]
    assert abs(listing.rows[0].created_at - time.time()) < 10
    assert abs(offset) < 1


def test_a_pending_task_is_canceled_and_a_running_one_is_not():
    async def main():
        async with Simulator(Rules(slots=1, pending_s=0)) as sim, client_of(sim.base_url) as client:
            running, pending = [(await client.submit(request(prompt=name))).task_id for name in ("one", "two")]
            return [await client.cancel(task) for task in (running, pending)], (await client.task(pending)).status

    assert asyncio.run(main()) == ([False, True], "CANCELED")


def test_the_clocks_are_compared_on_the_run_s_own_axis():
    async def offset(client):
        await submit(client)
        return client.clock_offset_s

    dated = http(200, MADE, "Date: Sun, 22 Nov 2026 10:00:00 GMT")
    assert against(dated, call=offset, now=lambda: 1795341600.5 - 3600)[0] == 3600
    assert against(http(200, MADE, "Date: soon"), call=offset)[0] is None


class Later:
    """A clock on which time passes only when everybody waits. Sleepers may wake `late`."""

    def __init__(self, late):
        self.at, self.late, self.sleepers, self.count = 0.0, list(late), [], 0

    def now(self):
        return self.at

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        late = self.late.pop() if self.late else 0.0
        self.count += 1
        heapq.heappush(self.sleepers, (self.at + seconds + late, self.count, woken))
        await woken

    async def run(self, tasks):
        while not all(task.done() for task in tasks):
            for _ in range(8):
                await asyncio.sleep(0)
            if self.sleepers:
                at, _, woken = heapq.heappop(self.sleepers)
                self.at = max(self.at, at)
                woken.set_result(None)


@given(
    st.lists(st.floats(0, 0.3), min_size=1, max_size=20), st.lists(st.floats(0, 0.2), max_size=20), st.integers(1, 50)
)
def test_turns_are_never_closer_than_the_gap_and_keep_their_order(arrivals, late, per_second):
    async def main():
        clock = Later(late)
        spacing = Spacing(per_second, clock.now, clock.sleep)
        turns = []

        async def one(number, wait):
            await clock.sleep(wait)
            asked.append(number)
            await spacing.turn()
            turns.append((clock.now(), number))

        asked = []
        await clock.run([asyncio.ensure_future(one(n, wait)) for n, wait in enumerate(arrivals)])
        return asked, turns

    asked, turns = asyncio.run(main())
    assert [number for _, number in turns] == asked
    times = [at for at, _ in turns]
    assert all(b - a >= 1 / per_second - 1e-9 for a, b in itertools.pairwise(times))


def test_a_turn_that_is_given_up_is_the_next_one_s():
    async def main():
        clock = Later([])
        spacing = Spacing(1, clock.now, clock.sleep)
        await spacing.turn()
        gone = asyncio.ensure_future(spacing.turn())
        next_ = asyncio.ensure_future(spacing.turn())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        clock.sleepers.clear()
        await clock.run([next_])
        return clock.at

    assert asyncio.run(main()) == 1.0


def test_questions_are_spaced_and_submissions_are_not_held_up_by_them():
    async def main():
        async with serving(http(200, b"{}")) as server:
            account = Account(Key(CANARY), server.base_url)
            async with Client(account, asks=Spacing(50, time.monotonic)) as client:
                start = time.monotonic()
                await asyncio.gather(*(client.task("a-1") for _ in range(6)))
                return time.monotonic() - start

    assert asyncio.run(main()) >= 0.1


def test_a_proxy_is_taken_from_the_environment_and_refusals_there_are_not_sent(monkeypatch):
    async def main():
        async with serving(http(407, b"who are you")) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            seen = await ask("https://api.invalid/api/v1", submit)
            return seen, proxy.asked

    seen, (asked,) = asyncio.run(main())
    assert seen == NotSent("the proxy refuses: HTTP 407")
    assert asked.line == "CONNECT api.invalid:443 HTTP/1.1"
    assert not {"authorization", "proxy-authorization"} & asked.headers.keys()
    assert CANARY not in str(asked)


def test_a_tunnel_without_tls_behind_it_carries_no_request(monkeypatch):
    got = []

    async def tunnel(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        got.append(await reader.read(5000))
        writer.write(b"plain text\r\n\r\n")

    async def main():
        async with serving(tunnel) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            return await ask("https://api.invalid/api/v1", submit)

    assert isinstance(asyncio.run(main()), NotSent)
    assert CANARY.encode() not in got[0]


def test_what_stays_on_this_machine_goes_through_no_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3129")
    assert proxy_for("http://127.0.0.1:8000/api/v1") is None
    assert proxy_for("http://localhost:8000/api/v1") is None
    assert proxy_for("https://[::1]:8000/api/v1") is None
    assert proxy_for("https://dashscope.aliyuncs.com/api/v1") == "http://proxy.invalid:3129"
    assert proxy_for("http://elsewhere.invalid/v.mp4") == "http://proxy.invalid:3128"
    assert isinstance(against(http(200, MADE))[0], Accepted)


def test_no_proxy_is_obeyed(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3129")
    monkeypatch.setenv("no_proxy", ".aliyuncs.com")
    assert proxy_for("https://dashscope.aliyuncs.com/api/v1") is None


def test_credentials_in_netrc_are_not_sent(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password swordfish\ndefault login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Path("~/.netrc").expanduser().exists()

    async def both(client):
        return [await submit(client), await client.task("a-1")]

    _, server = against(http(200, MADE), call=both)
    assert [asked.headers["authorization"] for asked in server.asked] == [f"Bearer {CANARY}"] * 2


def test_cookies_are_not_kept():
    async def main():
        async with serving(http(200, MADE, "Set-Cookie: acw_tc=1; Path=/")) as server:
            named = server.base_url.replace("127.0.0.1", "localhost")  # cookies are never kept for bare addresses
            async with client_of(named) as client:
                await client.task("a-1")
                await client.task("a-1")
                await submit(client)
            return server.asked

    asked = asyncio.run(main())
    assert len(asked) == 3
    assert not any("cookie" in one.headers for one in asked)


ECHOES = {
    "message": http(400, json.dumps({"code": "InvalidParameter", "message": f"bad key {CANARY}!"}).encode()),
    "code": http(400, json.dumps({"code": CANARY}).encode()),
    "request id": http(500, json.dumps({"request_id": CANARY}).encode()),
    "header": http(500, b"", f"x-request-id: {CANARY}"),
    "task id": http(200, json.dumps({"output": {"task_id": CANARY, "task_status": "PENDING"}}).encode()),
    "HTML": http(502, f"<html>{CANARY}</html>".encode()),
    "reason": f"HTTP/1.1 abc {CANARY}\r\n\r\n".encode(),
    "bad header": f"HTTP/1.1 200 OK\r\n{CANARY}\r\n\r\n".encode(),
    "task": http(
        200,
        json.dumps(
            {
                "output": {"task_id": "a-1", "task_status": "FAILED", "code": CANARY, "message": CANARY}
                | {"orig_prompt": CANARY, "submit_time": CANARY},
                "usage": {CANARY: CANARY},
            }
        ).encode(),
    ),
    "list": http(200, json.dumps({"data": [{"task_id": "a-1", "request_id": CANARY, "model_name": CANARY}]}).encode()),
}


@pytest.mark.parametrize("case", ECHOES)
def test_a_key_that_is_echoed_is_in_no_outcome(case):
    for call in (submit, lambda c: c.task("a-1"), lambda c: c.tasks("m"), lambda c: c.cancel("a-1")):
        seen, _ = against(ECHOES[case], call=call)
        assert CANARY not in f"{seen!r} {seen}"


def test_no_value_of_ours_shows_the_key():
    client = client_of("https://api.invalid/api/v1")
    for value in (client, client.account, client.account.key):
        assert CANARY not in f"{value!r} {value} {[value]}"
    try:
        raise ValueError(client.account)
    except ValueError as error:
        assert CANARY not in "".join(traceback.format_exception(error))
