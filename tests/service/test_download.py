"""A signed URL becomes a whole file under its name, whatever the network, the disk and the neighbours do."""

import asyncio
import errno
import hashlib
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from conftest import CANARY
from service.servers import http, read_request, reset, serving
from support import request

from wanbatch.jobs.seen import Lost, NotSaved, Saved
from wanbatch.service import download
from wanbatch.service.account import Account, Key
from wanbatch.service.client import Client, Spacing
from wanbatch.service.download import Downloader, Pace, Target
from wanbatch.service.mp4 import broken
from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

VIDEO = clip.video("a-1")
SHA256 = hashlib.sha256(VIDEO).hexdigest()
HALF = len(VIDEO) // 2
ETAG = '"0123456789ABCDEF"'


def sidecar(size, sha256):
    return json.dumps({"job": "alley", "size_bytes": size, "sha256": sha256}).encode()


def ours(content):
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record["sha256"] if isinstance(record, dict) and record.get("job") == "alley" else None


TARGET = Target("videos/alley.mp4", "videos/.alley.0.part", sidecar, ours)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


WHOLE = ["videos/alley.json", "videos/alley.mp4"]


def is_whole(folder):
    return (folder / TARGET.path).read_bytes() == VIDEO and names(folder) == WHOLE


async def fetch_once(
    url, folder, target=TARGET, *, limits=download.TIMEOUT, allowed=frozenset(), lookup=None, loopback=True, **settings
):
    async with download.session(limits, allowed_hosts=allowed, lookup=lookup) as session:
        downloader = Downloader(folder, session, loopback=loopback, allowed_hosts=allowed, **settings)
        return await downloader.fetch(url, target)


def fetched(folder, *answers, tries=1, **settings):
    """What each try against a server brought, and the server."""

    async def main():
        async with serving(*answers) as server:
            return [await fetch_once(server.url, folder, **settings) for _ in range(tries)], server

    return asyncio.run(main())


def ranged(*, etag=ETAG, cut_at=None, heed=True, where="bytes {first}-{last}/{size}"):
    """An honest object store for VIDEO; the first whole answer ends after `cut_at` bytes."""
    sent = []

    async def answer(reader, writer):
        asked = await read_request(reader)
        answer.asked.append(asked)
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", "")) if heed else None
        first = int(wanted.group(1)) if wanted and asked.headers.get("if-range") == etag else None
        if first is None:
            body, status, more = VIDEO, 200, []
        elif first >= len(VIDEO):
            body, status, more = b"<Error/>", 416, [f"Content-Range: bytes */{len(VIDEO)}"]
        else:
            said = where.format(first=first, last=len(VIDEO) - 1, size=len(VIDEO))
            body, status, more = VIDEO[first:], 206, [f"Content-Range: {said}"]
        keep = cut_at if cut_at is not None and not sent else len(body)
        sent.append(len(body[:keep]))
        writer.write(http(status, body[:keep], f"ETag: {etag}", *more, length=len(body)))
        await writer.drain()

    answer.asked, answer.sent = [], sent
    return answer


def test_a_video_is_saved_whole_with_its_record(tmp_path):
    (seen,), server = fetched(tmp_path, http(200, VIDEO))
    assert seen == Saved("videos/alley.mp4", len(VIDEO), SHA256)
    assert is_whole(tmp_path)
    assert json.loads((tmp_path / "videos/alley.json").read_bytes())["sha256"] == SHA256
    assert server.connections == 1


@pytest.mark.parametrize(("umask", "video"), [(0o022, 0o644), (0o077, 0o600), (0, 0o666)])
def test_records_are_the_owner_s_and_a_video_is_as_every_new_file(tmp_path, umask, video):
    before = os.umask(umask)
    try:
        fetched(tmp_path, http(200, VIDEO))
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in WHOLE}
    assert modes == {"videos/alley.json": 0o600, "videos/alley.mp4": video}
    assert stat.S_IMODE((tmp_path / "videos").stat().st_mode) == 0o700 & ~umask


def test_a_video_on_its_way_is_the_owner_s(tmp_path):
    before = os.umask(0)
    try:
        fetched(tmp_path, ranged(cut_at=HALF))
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)} == {0o600}


def test_the_download_host_gets_the_url_byte_for_byte_and_no_credentials(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("default login me password swordfish\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    answer = ranged(cut_at=HALF)
    fetched(tmp_path / "out", answer, tries=2)
    assert len(answer.asked) == 2
    for asked in answer.asked:
        assert asked.line == "GET /v.mp4?Expires=9999999999&Signature=a%2Fb%2Bc%3D HTTP/1.1"
        assert not {"authorization", "proxy-authorization", "cookie", "x-dashscope-workspace"} & asked.headers.keys()
        assert asked.headers["accept-encoding"] == "identity"
        assert CANARY not in str(asked)


def test_the_download_host_s_cookies_are_not_kept(tmp_path):
    async def main():
        async with (
            serving(http(200, b"<html>", "Set-Cookie: acw_tc=1; Path=/")) as server,
            download.session() as session,
        ):
            url = server.url.replace("127.0.0.1", "localhost")  # cookies are never kept for bare addresses
            for _ in range(2):
                await Downloader(tmp_path, session, loopback=True).fetch(url, TARGET)
            return server.asked

    asked = asyncio.run(main())
    assert len(asked) == 2
    assert not any("cookie" in one.headers for one in asked)


def test_from_submission_to_file_in_the_simulator(tmp_path):
    async def main():
        async with Simulator(Rules(pending_s=0, render_s=0)) as sim:
            account = Account(Key(CANARY), sim.base_url)
            async with Client(account, asks=Spacing(1000, time.monotonic)) as client:
                made = await client.submit(request())
                url = (await client.task(made.task_id)).video_url
            return made, url, await fetch_once(url, tmp_path)

    made, url, seen = asyncio.run(main())
    assert isinstance(seen, Saved)
    assert (tmp_path / TARGET.path).read_bytes() == clip.video(made.task_id)
    for name in WHOLE:
        content = (tmp_path / name).read_bytes()
        assert CANARY.encode() not in content
        assert url.partition("?")[2].encode() not in content


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        ("cut", 2),
        ("no_length_cut", 2),
        ("error_500", 2),
        ("html_200", 2),
        ("forbidden", 2),
        ("no_length", 1),
        ("reset", 1),  # before an answer: aiohttp asks a second time on its own
    ],
)
def test_each_fault_of_the_simulator_is_survived(tmp_path, kind, tries):
    async def main():
        faults = Faults.from_list([{"endpoint": "video", "kind": kind, "nth": 1}])
        async with Simulator(Rules(pending_s=0, render_s=0), faults) as sim:
            account = Account(Key(CANARY), sim.base_url)
            async with Client(account, asks=Spacing(1000, time.monotonic)) as client:
                made = await client.submit(request())
                url = (await client.task(made.task_id)).video_url
            return [await fetch_once(url, tmp_path) for _ in range(tries)]

    *failed, last = asyncio.run(main())
    assert [one.why for one in failed] == [Lost.RETRY] * (tries - 1)
    assert isinstance(last, Saved)
    assert names(tmp_path) == WHOLE


def test_after_a_cut_only_the_rest_is_fetched(tmp_path):
    answer = ranged(cut_at=HALF)
    (first, second), _ = fetched(tmp_path, answer, tries=2)
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert answer.asked[1].headers["range"] == f"bytes={HALF}-"
    assert answer.asked[1].headers["if-range"] == ETAG
    assert sum(answer.sent) == len(VIDEO)
    assert is_whole(tmp_path)


def test_a_changed_file_is_fetched_whole(tmp_path):
    other = ranged(etag='"other"')
    (_, second), _ = fetched(tmp_path, ranged(cut_at=HALF), other, tries=2)
    assert isinstance(second, Saved)
    assert other.sent == [len(VIDEO)]
    assert is_whole(tmp_path)


def test_a_server_that_ignores_ranges_is_taken_from_the_start(tmp_path):
    (_, second), _ = fetched(tmp_path, ranged(cut_at=HALF, heed=False), tries=2)
    assert isinstance(second, Saved)
    assert is_whole(tmp_path)


@pytest.mark.parametrize("etag", ["", 'W/"weak"', "unquoted", '"\udcff"', '"é"'])
def test_without_a_strong_version_nothing_is_resumed(tmp_path, etag):
    cut = http(200, VIDEO[:HALF], f"ETag: {etag}", length=len(VIDEO))
    (first, second), server = fetched(tmp_path, cut, http(200, VIDEO), tries=2)
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert "range" not in server.asked[1].headers


@pytest.mark.parametrize(
    "where", ["bytes 0-{last}/{size}", "bytes {last}-{last}/{size}", "", "items", "bytes */{size}", "bytes {first}"]
)
def test_a_range_that_is_not_the_one_asked_for_is_not_joined(tmp_path, where):
    odd = ranged(where=where)
    (_, second, third), _ = fetched(tmp_path, ranged(cut_at=HALF), odd, odd, tries=3)
    assert second.why is Lost.RETRY
    assert "range" not in odd.asked[1].headers
    assert isinstance(third, Saved)
    assert is_whole(tmp_path)


def test_a_range_of_another_version_is_not_joined(tmp_path):
    other = http(206, VIDEO[HALF:], 'ETag: "other"', f"Content-Range: bytes {HALF}-{len(VIDEO) - 1}/{len(VIDEO)}")
    (_, second, third), _ = fetched(tmp_path, ranged(cut_at=HALF), other, http(200, VIDEO), tries=3)
    assert second.why is Lost.RETRY
    assert isinstance(third, Saved)
    assert is_whole(tmp_path)


def test_a_short_range_is_gone_on_from(tmp_path):
    part = http(206, VIDEO[HALF:-9], f"Content-Range: bytes {HALF}-{len(VIDEO) - 10}/{len(VIDEO)}")
    answer = ranged()
    (_, second, third), _ = fetched(tmp_path, ranged(cut_at=HALF), part, answer, tries=3)
    assert second == NotSaved(Lost.RETRY, f"{len(VIDEO) - 9:,} of {len(VIDEO):,} bytes came")
    assert isinstance(third, Saved)
    assert answer.sent == [9]


def part_with(folder, content, etag=ETAG):
    (folder / "videos").mkdir(parents=True)
    (folder / TARGET.part).write_bytes(content)
    (folder / "videos/.alley.0.etag").write_text(etag)


def test_a_part_that_is_whole_already_is_not_fetched_again(tmp_path):
    part_with(tmp_path, VIDEO)
    answer = ranged()
    (seen,), _ = fetched(tmp_path, answer)
    assert isinstance(seen, Saved)
    assert answer.sent == [len(b"<Error/>")]
    assert is_whole(tmp_path)


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path):
    part_with(tmp_path, VIDEO + b"more")
    (first, second), _ = fetched(tmp_path, ranged(), tries=2)
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert is_whole(tmp_path)


def test_a_part_with_other_bytes_than_the_file_s_is_found_out(tmp_path):
    part_with(tmp_path, b"<html>" + b"x" * HALF)
    (first, second), _ = fetched(tmp_path, ranged(), tries=2)
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert is_whole(tmp_path)


def test_a_new_version_s_note_never_stands_beside_old_bytes(tmp_path):
    part_with(tmp_path, b"old" * 100, '"old"')
    (tmp_path / "videos/..alley.0.etag.draft").mkdir()  # the note cannot be written: as if killed just before it
    (seen,), _ = fetched(tmp_path, ranged())
    assert seen.why is Lost.DISK
    assert (tmp_path / TARGET.part).stat().st_size == 0


BROKEN = {
    "cut, with a length": http(200, VIDEO[:HALF], length=len(VIDEO)),
    "cut, without a length": http(200, VIDEO[:HALF], length=None),
    "a length too short": http(200, VIDEO, length=HALF),
    "HTML": http(200, b"<html>Please wait</html>"),
    "nothing": http(200, b""),
    "nothing, without a length": http(200, b"", length=None),
    "403": http(403, b"<Error><Code>AccessDenied</Code></Error>"),
    "404": http(404, b""),
    "416 out of the blue": http(416, b"", "Content-Range: bytes */0"),
    "206 out of the blue": http(206, VIDEO[HALF:], f"Content-Range: bytes {HALF}-{len(VIDEO) - 1}/{len(VIDEO)}"),
    "204": http(204, b""),
    "500": http(500, b"oops"),
    "no HTTP": b"SSH-2.0\r\n",
    "gzip": http(200, VIDEO[:8] + b"\x1f\x8b" + VIDEO[9:], "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_the_whole_video_gets_no_name(tmp_path, case):
    (seen, again), _ = fetched(tmp_path, BROKEN[case], BROKEN[case], http(200, VIDEO), tries=2)
    assert (seen.why, again.why) == (Lost.RETRY, Lost.RETRY)
    assert not [name for name in names(tmp_path) if not name.startswith("videos/.")]
    (last,), _ = fetched(tmp_path, http(200, VIDEO))
    assert isinstance(last, Saved)
    assert is_whole(tmp_path)


def test_of_a_box_to_the_end_the_declared_length_sees_the_cut(tmp_path):
    whole = bytearray(VIDEO)
    at = whole.index(b"mdat") - 4
    size = int.from_bytes(whole[at : at + 4], "big")
    whole = whole[:at] + whole[at + size :] + bytes(4) + whole[at + 4 : at + size]  # the last box, of size 0
    assert broken(io.BytesIO(whole[:-1000])) is None
    cut = http(200, bytes(whole[:-1000]), length=len(whole))
    (seen, after), _ = fetched(tmp_path, cut, http(200, bytes(whole)), tries=2)
    assert seen.why is Lost.RETRY
    assert isinstance(after, Saved)


def open_ended_video():
    """The same video with its pictures last, in a box without a size."""
    at = VIDEO.index(b"mdat") - 4
    size = int.from_bytes(VIDEO[at : at + 4], "big")
    return VIDEO[:at] + VIDEO[at + size :] + bytes(4) + VIDEO[at + 4 : at + size]


def test_a_video_of_which_nobody_says_the_end_is_kept_and_gets_no_name(tmp_path):
    whole = open_ended_video()
    (seen,), _ = fetched(tmp_path, http(200, whole, length=None))
    assert seen.why is Lost.RETRY
    assert str(tmp_path / TARGET.part) in seen.reason
    assert (tmp_path / TARGET.part).read_bytes() == whole
    assert not (tmp_path / TARGET.path).exists()


@pytest.mark.parametrize("said", ["length", "chunks"])
def test_a_video_without_an_end_is_whole_when_the_server_says_so(tmp_path, said):
    whole = open_ended_video()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole), whole)
    by_chunks = http(200, chunked, "Transfer-Encoding: chunked", length=None)
    (seen,), _ = fetched(tmp_path, http(200, whole) if said == "length" else by_chunks)
    assert isinstance(seen, Saved)


def test_chunks_that_are_cut_are_no_whole_video(tmp_path):
    whole = open_ended_video()
    cut = http(200, b"%x\r\n%s" % (len(whole), whole), "Transfer-Encoding: chunked", length=None)
    (seen,), _ = fetched(tmp_path, cut)
    assert seen.why is Lost.RETRY
    assert not (tmp_path / TARGET.path).exists()


def test_a_video_that_stalls_is_left_and_gone_on_with(tmp_path):
    async def stalls(reader, writer):
        await read_request(reader)
        writer.write(http(200, VIDEO[:HALF], f"ETag: {ETAG}", length=len(VIDEO)))
        await asyncio.sleep(60)

    answer = ranged()
    limits = aiohttp.ClientTimeout(total=5, sock_read=0.1)
    (first, second), _ = fetched(tmp_path, stalls, answer, tries=2, limits=limits)
    assert first == NotSaved(Lost.RETRY, "the connection broke: no bytes in time")
    assert isinstance(second, Saved)
    assert answer.sent == [len(VIDEO) - HALF]


def test_a_video_that_drips_is_bounded_in_all(tmp_path):
    async def drips(reader, writer):
        await read_request(reader)
        writer.write(http(200, b"", length=len(VIDEO)))
        for byte in VIDEO:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    (seen,), _ = fetched(tmp_path, drips, limits=aiohttp.ClientTimeout(total=0.2))
    assert seen.why is Lost.RETRY


def drip(gap_s, size):
    """The video in small pieces, with a pause after each."""

    async def drips(reader, writer):
        await read_request(reader)
        writer.write(http(200, b"", f"ETag: {ETAG}", length=len(VIDEO)))
        for at in range(0, len(VIDEO), size):
            writer.write(VIDEO[at : at + size])
            await writer.drain()
            await asyncio.sleep(gap_s)

    return drips


def test_a_video_that_comes_too_slowly_is_left_and_gone_on_with(tmp_path):
    answer = ranged()
    pace = Pace(bytes_per_s=1_000_000, over_s=0.1)
    (first, second), _ = fetched(tmp_path, drip(0.02, 16), answer, tries=2, pace=pace)
    assert first == NotSaved(Lost.RETRY, "slower than 1,000,000 bytes a second; gone on with later")
    assert isinstance(second, Saved)
    assert 0 < answer.sent[0] < len(VIDEO)
    assert is_whole(tmp_path)


def test_a_good_start_does_not_pay_for_a_slow_end(tmp_path):
    async def slows_down(reader, writer):
        await read_request(reader)
        writer.write(http(200, VIDEO[:HALF], f"ETag: {ETAG}", length=len(VIDEO)))
        for at in range(HALF, len(VIDEO)):
            writer.write(VIDEO[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0.02)

    limits = aiohttp.ClientTimeout(total=8)
    (seen,), _ = fetched(tmp_path, slows_down, pace=Pace(bytes_per_s=1000, over_s=0.2), limits=limits)
    assert seen == NotSaved(Lost.RETRY, "slower than 1,000 bytes a second; gone on with later")
    assert HALF <= (tmp_path / TARGET.part).stat().st_size < HALF + 200


def test_a_video_at_the_pace_is_waited_for_however_long(tmp_path):
    (seen,), _ = fetched(tmp_path, drip(0.02, len(VIDEO) // 20), pace=Pace(bytes_per_s=10, over_s=0.01))
    assert isinstance(seen, Saved)


def test_the_bounds_that_hold_by_default_are_real_ones():
    assert download.TIMEOUT.total == 1800
    assert download.TIMEOUT.sock_read == 60
    assert download.MAX_VIDEO_BYTES == 2 * 1024**3
    assert Pace() == Pace(bytes_per_s=1024, over_s=60)
    assert Downloader(Path(), None, loopback=False)._bounds == download.Bounds(2 * 1024**3, Pace(1024, 60))


def test_more_than_any_video_has_is_left_and_takes_no_room(tmp_path):
    async def endless(reader, writer):
        await read_request(reader)
        writer.write(http(200, VIDEO, f"ETag: {ETAG}", length=None))
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    (seen,), _ = fetched(tmp_path, endless, most_bytes=200_000, limits=aiohttp.ClientTimeout(total=5))
    assert seen == NotSaved(Lost.RETRY, "larger than 200,000 bytes")
    assert (tmp_path / TARGET.part).stat().st_size == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_credentials_and_byte_for_byte(tmp_path, status):
    async def main():
        async with serving(http(200, VIDEO)) as other, serving(http(status, b"", f"Location: {other.url}")) as server:
            return await fetch_once(server.url, tmp_path), other.asked

    seen, (asked,) = asyncio.run(main())
    assert isinstance(seen, Saved)
    assert asked.line == "GET /v.mp4?Expires=9999999999&Signature=a%2Fb%2Bc%3D HTTP/1.1"
    assert not {"authorization", "cookie", "referer"} & asked.headers.keys()


def test_what_is_left_is_asked_for_behind_a_redirect_too(tmp_path):
    async def main():
        answer = ranged(cut_at=HALF)
        async with serving(answer) as other, serving(http(302, b"", f"Location: {other.url}")) as server:
            seen = [await fetch_once(server.url, tmp_path) for _ in range(2)]
        return seen, answer

    (first, second), answer = asyncio.run(main())
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert answer.asked[1].headers["range"] == f"bytes={HALF}-"
    assert sum(answer.sent) == len(VIDEO)


@pytest.mark.parametrize(("hops", "saved"), [(3, True), (4, False)])
def test_three_redirects_are_followed_and_no_more(tmp_path, hops, saved):
    answers = [http(307, b"", f"Location: /hop/{n}?x=%2f") for n in range(hops)]
    (seen,), server = fetched(tmp_path, *answers, http(200, VIDEO))
    assert server.connections == 4
    assert server.asked[1].line == "GET /hop/0?x=%2f HTTP/1.1"
    if saved:
        assert isinstance(seen, Saved)
    else:
        assert seen == NotSaved(Lost.RETRY, "more than 3 redirects instead of the video")
        assert not names(tmp_path)


@pytest.mark.parametrize(
    "onward",
    [
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/x",
        "https://user:pw@bucket.aliyuncs.com/x",
        "ftp://bucket.aliyuncs.com/x",
        "file:///etc/passwd",
        "//evil.example/x",
        "https://bucket.aliyuncs.com/x#y",
        "https://bucket.aliyuncs.com/a b",
        "ht\ttps://bucket.aliyuncs.com/x",
        "https://[::1",
        "//[::1",
    ],
)
def test_a_redirect_is_checked_like_the_first_address(tmp_path, onward):
    (seen,), server = fetched(tmp_path, http(302, b"", f"Location: {onward}"))
    assert seen.why is Lost.RETRY
    assert server.connections == 1
    assert not names(tmp_path)


@pytest.mark.parametrize(
    "answer", [http(302, VIDEO), http(302, VIDEO, "Location: "), http(300, VIDEO, "Location: /x"), http(304)]
)
def test_a_redirect_to_nowhere_is_no_video(tmp_path, answer):
    (seen,), server = fetched(tmp_path, answer)
    assert seen.why is Lost.RETRY
    assert "instead of the video" in seen.reason
    assert server.connections == 1


def test_the_total_bound_is_of_all_redirects_together(tmp_path):
    async def late(reader, writer):
        await read_request(reader)
        await asyncio.sleep(0.3)
        writer.write(http(307, b"", "Location: /again"))

    (seen,), server = fetched(tmp_path, late, limits=aiohttp.ClientTimeout(total=0.5))
    assert seen == NotSaved(Lost.RETRY, "the connection broke: no bytes in time")
    assert server.connections == 2


class Lookup(AbstractResolver):
    """A name server: every host is at `addresses`."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in self.addresses
        ]

    async def close(self):
        pass


BUCKET = "bucket.oss-accelerate.aliyuncs.com"


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("10.0.0.7",), ("47.0.0.1", "10.0.0.7")])
def test_a_host_of_the_service_that_is_found_inside_is_not_connected_to(tmp_path, addresses):
    async def main():
        async with serving(http(200, VIDEO)) as server:
            url = f"https://{BUCKET}:{server.port}/x.mp4?Signature=secret"
            return await fetch_once(url, tmp_path, lookup=Lookup(*addresses)), server.connections

    seen, connections = asyncio.run(main())
    assert seen.why is Lost.RETRY
    assert f"{BUCKET} is found at {addresses[-1]}" in seen.reason
    assert f"--allow-download-host {addresses[-1]}" in seen.reason
    assert "secret" not in seen.reason
    assert connections == 0
    assert not names(tmp_path)


def test_what_was_checked_is_what_is_connected_to(tmp_path):
    class Rebinding(Lookup):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            found = await super().resolve(host, port, family)
            self.addresses = ("10.9.9.9",)  # the next answer is another one
            return found

    async def main(lookup):
        async with serving(http(200, VIDEO)) as server:
            url = f"http://localhost:{server.port}/x.mp4"
            return await fetch_once(url, tmp_path, lookup=lookup), server.connections

    lookup = Rebinding("127.0.0.1")
    seen, connections = asyncio.run(main(lookup))
    assert isinstance(seen, Saved)
    assert (connections, len(lookup.asked)) == (1, 1)
    seen, connections = asyncio.run(main(lookup))
    assert seen.why is Lost.RETRY
    assert connections == 0


def test_a_host_that_is_not_the_service_s_is_named_with_the_way_to_allow_it(tmp_path):
    url = "https://video.relay.invalid/x.mp4?Signature=secret"
    seen = asyncio.run(fetch_once(url, tmp_path, loopback=False))
    assert seen.why is Lost.RETRY
    assert "video.relay.invalid" in seen.reason
    assert "--allow-download-host video.relay.invalid" in seen.reason
    assert "secret" not in seen.reason
    seen = asyncio.run(fetch_once(url, tmp_path, loopback=False, allowed=frozenset({"Video.Relay.Invalid."})))
    assert seen.reason.startswith("the connection broke: ")


def test_no_file_left_for_a_connection_is_this_machine_s_fault(tmp_path):
    class Exhausted(Lookup):
        async def resolve(self, *_args, **_more):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def main():
        return await fetch_once("http://localhost:9/x.mp4", tmp_path, lookup=Exhausted())

    seen = asyncio.run(main())
    assert seen == NotSaved(Lost.DISK, "too many files are open for one more connection")


@pytest.mark.parametrize("host", ["nobody.invalid", "a..invalid", "127.0.0.1:9"])
def test_a_host_that_cannot_be_reached_is_tried_again_later(tmp_path, host):
    seen = asyncio.run(fetch_once(f"https://{host}/x.mp4", tmp_path, allowed=frozenset({host})))
    assert seen.why is Lost.RETRY
    assert seen.reason.startswith("the connection broke: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
def test_the_proxy_is_the_one_of_the_scheme_that_is_used_wherever_it_is(tmp_path, monkeypatch, host):
    async def main():
        async with serving(http(502)) as proxy:
            monkeypatch.setenv("https_proxy", f"http://{host}:{proxy.port}")
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
            lookup = Lookup("127.0.0.1")  # of the proxy: who finds the video's host is the proxy
            return await fetch_once(f"http://{BUCKET}/x.mp4?Signature=s", tmp_path, lookup=lookup), proxy.asked

    seen, (asked,) = asyncio.run(main())
    assert seen.why is Lost.RETRY
    assert asked.line == f"CONNECT {BUCKET}:443 HTTP/1.1"


@pytest.mark.parametrize("name", ["videos/.alley.0.part", "videos/.alley.0.etag", "videos/alley.mp4"])
@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_at_a_name_of_ours_is_never_followed(tmp_path, name, dangling):
    victim, folder = tmp_path / "victim", tmp_path / "out"
    if not dangling:
        victim.write_bytes(VIDEO)
    (folder / "videos").mkdir(parents=True)
    (folder / "videos/.alley.0.etag").write_text(ETAG)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    (seen,), _ = fetched(folder, ranged())
    assert victim.exists() is not dangling
    assert dangling or victim.read_bytes() == VIDEO
    if name.endswith(".etag"):
        assert isinstance(seen, Saved)
    else:
        assert seen.why in (Lost.DISK, Lost.TAKEN)
        assert (folder / name).is_symlink()


def test_a_file_that_is_not_ours_keeps_its_name_and_contents(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / TARGET.path).write_bytes(b"holiday")
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert seen.why is Lost.TAKEN
    assert (tmp_path / TARGET.path).read_bytes() == b"holiday"
    assert not (tmp_path / "videos/alley.json").exists()
    assert Downloader(tmp_path, None, loopback=True).present(TARGET).why is Lost.TAKEN


def test_what_says_that_it_is_too_large_is_not_even_begun(tmp_path):
    (seen,), _ = fetched(tmp_path, http(200, VIDEO, length=10**12))
    assert seen == NotSaved(Lost.RETRY, "larger than 2,147,483,648 bytes")
    assert not names(tmp_path)


def test_an_install_that_nobody_waits_for_any_more_ends_well(tmp_path):
    """A second Ctrl-C cancels the task, and no thread."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(size, sha256):
        begun.set()
        assert go_on.wait(10)
        return sidecar(size, sha256)

    async def main():
        async with serving(http(200, VIDEO)) as server:
            task = asyncio.create_task(fetch_once(server.url, tmp_path, replace(TARGET, sidecar=slow)))
            await asyncio.to_thread(begun.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()

    asyncio.run(main())  # waits for its threads
    assert is_whole(tmp_path)


FOREIGN = b'{"job": "a person"}'


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link", "pipe", "huge"])
def test_a_record_that_is_not_ours_takes_the_name_before_anything_is_fetched(tmp_path, kind):
    record = tmp_path / "videos/alley.json"
    record.parent.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(sidecar(len(VIDEO), SHA256))  # even one that says what ours would
    make_odd(record, kind, victim)
    seen = Downloader(tmp_path, None, loopback=True).present(TARGET)
    assert seen == NotSaved(Lost.TAKEN, f"{record} exists and is not from this journal; move it away, then run again")
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert seen.why is Lost.TAKEN
    assert not (tmp_path / TARGET.path).exists()
    assert (tmp_path / TARGET.part).read_bytes() == VIDEO  # paid for, and kept
    assert victim.read_bytes() == sidecar(len(VIDEO), SHA256)
    assert kind != "file" or record.read_bytes() == FOREIGN


def make_odd(path, kind, victim):
    match kind:
        case "file":
            path.write_bytes(FOREIGN)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(victim)
        case "dangling link":
            path.symlink_to(victim.with_name("nowhere"))
        case "pipe":
            os.mkfifo(path)
        case "huge":
            path.write_bytes(FOREIGN)
            os.truncate(path, 5 * 1024**2)


def test_a_record_that_takes_the_name_at_the_last_moment_keeps_it(tmp_path):
    def slip_in(size, sha256):
        (tmp_path / "videos/alley.json").write_bytes(FOREIGN)
        return sidecar(size, sha256)

    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=replace(TARGET, sidecar=slip_in))
    assert seen.why is Lost.TAKEN
    assert (tmp_path / "videos/alley.json").read_bytes() == FOREIGN
    assert not (tmp_path / TARGET.path).exists()


def test_a_record_that_appears_while_ours_is_written_is_not_replaced(tmp_path, monkeypatch):
    record = tmp_path / "videos/alley.json"
    real = os.fdatasync

    def sync(fd):
        real(fd)
        if (tmp_path / "videos/.alley.json.draft").exists():
            record.write_bytes(FOREIGN)

    monkeypatch.setattr(os, "fdatasync", sync)
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert seen == NotSaved(Lost.TAKEN, f"{record} exists and is not from this journal; move it away, then run again")
    assert record.read_bytes() == FOREIGN
    assert names(tmp_path) == ["videos/.alley.0.etag", TARGET.part, "videos/alley.json"]


def test_our_own_record_without_its_video_is_written_anew(tmp_path):
    """What a kill between the record and the video's name leaves."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/alley.json").write_bytes(sidecar(1, "of an earlier try"))
    assert Downloader(tmp_path, None, loopback=True).present(TARGET) is None
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert isinstance(seen, Saved)
    assert json.loads((tmp_path / "videos/alley.json").read_bytes())["sha256"] == SHA256


@pytest.mark.parametrize(
    ("record", "known"),
    [
        ({"tool": "wanbatch 0.1", "scene": "alley", "take": 1}, True),
        ({"tool": "wanbatch 0.1", "scene": "roof", "take": 1}, False),
        ({"tool": "wanbatch 0.1", "scene": "alley", "take": 2}, False),
        ({"tool": "another", "scene": "alley", "take": 1}, False),
        ({"scene": "alley", "take": 1}, False),
        ({"tool": "wanbatch 0.1"}, False),
        (["wanbatch 0.1"], False),
        (None, False),
    ],
)
def test_the_record_of_an_earlier_task_whose_video_was_deleted_is_in_nobody_s_way(tmp_path, record, known):
    def named(size, sha256):
        return json.dumps(json.loads(sidecar(size, sha256)) | {"scene": "alley", "take": 1}).encode()

    (tmp_path / "videos").mkdir()
    before = b"no record" if record is None else json.dumps(record).encode()
    (tmp_path / "videos/alley.json").write_bytes(before)
    target = replace(TARGET, sidecar=named)
    present = Downloader(tmp_path, None, loopback=True).present(target)
    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=target)
    if known:
        assert present is None
        assert isinstance(seen, Saved)
        assert is_whole(tmp_path)
    else:
        assert present.why is seen.why is Lost.TAKEN
        assert (tmp_path / "videos/alley.json").read_bytes() == before


def test_a_draft_that_a_kill_left_as_a_second_name_takes_nothing_with_it(tmp_path):
    (tmp_path / "videos").mkdir()
    record = tmp_path / "videos/alley.json"
    record.write_bytes(sidecar(1, "of an earlier try"))
    os.link(record, tmp_path / "kept.json")
    os.link(record, tmp_path / "videos/.alley.json.draft")
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert isinstance(seen, Saved)
    assert (tmp_path / "kept.json").read_bytes() == sidecar(1, "of an earlier try")
    assert names(tmp_path) == ["kept.json", *WHOLE]


def test_a_part_that_has_a_second_name_is_not_written_to(tmp_path):
    part_with(tmp_path, VIDEO[:HALF])
    os.link(tmp_path / TARGET.part, tmp_path / "somebody's")
    answer = ranged()
    (seen,), _ = fetched(tmp_path, answer)
    assert isinstance(seen, Saved)
    assert answer.sent == [len(VIDEO)]
    assert (tmp_path / "somebody's").read_bytes() == VIDEO[:HALF]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_a_part_that_is_no_plain_file_is_left_alone(tmp_path, kind):
    (tmp_path / "videos").mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    make_odd(tmp_path / TARGET.part, kind, tmp_path / "victim")
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert seen.why is Lost.DISK
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert os.path.lexists(tmp_path / TARGET.part)


@pytest.mark.parametrize("dangling", [True, False])
def test_a_folder_of_ours_that_is_a_link_leads_nowhere(tmp_path, dangling):
    elsewhere = tmp_path / "elsewhere"
    if not dangling:
        elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/videos").symlink_to(elsewhere)
    (seen,), server = fetched(tmp_path / "out", http(200, VIDEO))
    assert seen == NotSaved(Lost.DISK, f"{tmp_path}/out/videos: is a link, and links are not followed")
    assert server.connections == 0
    assert dangling or not list(elsewhere.iterdir())
    there = Downloader(tmp_path / "out", None, loopback=True).present(TARGET)
    assert there == seen


def test_an_earlier_video_does_not_move_out_through_a_link(tmp_path):
    (tmp_path / "out/videos").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/superseded").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out" / TARGET.path).write_bytes(b"earlier")
    target = replace(TARGET, replaces=(TARGET.path, "superseded/alley.0.mp4"))
    (seen,), _ = fetched(tmp_path / "out", http(200, VIDEO), target=target)
    assert seen.why is Lost.DISK
    assert (tmp_path / "out" / TARGET.path).read_bytes() == b"earlier"
    assert (tmp_path / "out" / TARGET.part).read_bytes() == VIDEO
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_output_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    (seen,), _ = fetched(tmp_path / "out", http(200, VIDEO))
    assert isinstance(seen, Saved)
    assert is_whole(tmp_path / "disk")
    assert Downloader(tmp_path / "out", None, loopback=True).present(TARGET) == seen


def test_a_folder_that_becomes_a_link_on_the_way_catches_nothing(tmp_path):
    """Names are looked up in the folder that was opened, wherever its own name leads by then."""

    def swap(size, sha256):
        (tmp_path / "videos").rename(tmp_path / "moved")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "videos").symlink_to(tmp_path / "elsewhere")
        return sidecar(size, sha256)

    fetched(tmp_path, http(200, VIDEO), target=replace(TARGET, sidecar=swap))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_name_that_the_file_system_refuses_is_said_in_words(tmp_path):
    name = "x" * 300
    target = replace(TARGET, path=f"videos/{name}.mp4", part=f"videos/.{name}.part")
    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=target)
    assert seen.why is Lost.DISK
    assert "takes no name this long" in seen.reason
    assert Downloader(tmp_path, None, loopback=True).present(target).why is Lost.DISK
    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=replace(target, part=TARGET.part))
    assert seen.why is Lost.DISK
    assert (tmp_path / TARGET.part).read_bytes() == VIDEO


def test_a_file_that_takes_the_name_at_the_last_moment_keeps_it(tmp_path):
    def slip_in(size, sha256):
        (tmp_path / TARGET.path).write_bytes(b"holiday")  # after the name was looked at, before it is given
        return sidecar(size, sha256)

    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=replace(TARGET, sidecar=slip_in))
    assert seen.why is Lost.TAKEN
    assert (tmp_path / TARGET.path).read_bytes() == b"holiday"
    assert (tmp_path / TARGET.part).read_bytes() == VIDEO


def test_a_record_that_cannot_be_made_is_our_bug_and_nobody_else_s(tmp_path):
    def no_record(size, sha256):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        fetched(tmp_path, http(200, VIDEO), target=replace(TARGET, sidecar=no_record))


def test_a_disk_without_links_still_gives_names(tmp_path, monkeypatch):
    def no_links(*_args, **_more):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert isinstance(seen, Saved)
    assert is_whole(tmp_path)


def test_an_earlier_video_of_ours_moves_aside_with_its_record(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / TARGET.path).write_bytes(b"earlier")
    (tmp_path / "videos/alley.json").write_bytes(b'{"job": "earlier"}')
    target = replace(TARGET, replaces=(TARGET.path, "superseded/alley.0.mp4"))
    assert Downloader(tmp_path, None, loopback=True).present(target) is None
    (seen,), _ = fetched(tmp_path, http(200, VIDEO), target=target)
    assert seen == Saved(TARGET.path, len(VIDEO), SHA256, "superseded/alley.0.mp4")
    assert (tmp_path / "superseded/alley.0.mp4").read_bytes() == b"earlier"
    assert (tmp_path / "superseded/alley.0.json").read_bytes() == b'{"job": "earlier"}'
    assert names(tmp_path) == ["superseded/alley.0.json", "superseded/alley.0.mp4", *WHOLE]


def test_an_earlier_video_stays_when_the_new_one_does_not_come(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / TARGET.path).write_bytes(b"earlier")
    target = replace(TARGET, replaces=(TARGET.path, "superseded/alley.0.mp4"))
    (seen,), _ = fetched(tmp_path, http(200, VIDEO[:HALF], length=None), target=target)
    assert seen.why is Lost.RETRY
    assert (tmp_path / TARGET.path).read_bytes() == b"earlier"


def test_our_own_file_is_known_again_and_a_changed_one_is_not(tmp_path):
    downloader = Downloader(tmp_path, None, loopback=True)
    assert downloader.present(TARGET) is None
    fetched(tmp_path, http(200, VIDEO))
    (tmp_path / TARGET.part).write_bytes(VIDEO)  # what a kill between link and unlink leaves
    assert downloader.present(TARGET) == Saved(TARGET.path, len(VIDEO), SHA256)
    assert names(tmp_path) == WHOLE
    (tmp_path / TARGET.path).write_bytes(VIDEO + b"x")
    assert downloader.present(TARGET).why is Lost.TAKEN


CHILD = """
import asyncio, json, sys
from pathlib import Path
from wanbatch.service import download
sys.path.insert(0, {tests!r})
from service.test_download import TARGET, fetch_once
{before}
seen = asyncio.run(fetch_once({url!r}, Path({folder!r})))
print(seen.why.name if hasattr(seen, "why") else "SAVED")
"""


def child(url, folder, before=""):
    code = CHILD.format(tests=str(Path(__file__).parents[1]), url=url, folder=str(folder), before=before)
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)


def served_in_a_thread(answer, work):
    """Do `work(url)` while a server answers; for what must run in another process."""
    ready, done = threading.Event(), threading.Event()
    found = {}

    async def main():
        async with serving(answer) as server:
            found["url"] = server.url
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        return work(found["url"])
    finally:
        done.set()
        thread.join(10)


def test_a_kill_in_the_middle_is_gone_on_from(tmp_path):
    async def slowly(reader, writer):
        await read_request(reader)
        writer.write(http(200, VIDEO[:HALF], f"ETag: {ETAG}", length=len(VIDEO)))
        await asyncio.sleep(60)

    def work(url):
        process = child(url, tmp_path, "download.CHUNK_BYTES = 4096")
        deadline = time.monotonic() + 15
        part = tmp_path / TARGET.part
        while not (part.exists() and part.stat().st_size > 4096) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return part.stat().st_size

    have = served_in_a_thread(slowly, work)
    assert 0 < have <= HALF
    assert not (tmp_path / TARGET.path).exists()
    answer = ranged()
    (seen,), _ = fetched(tmp_path, answer)
    assert isinstance(seen, Saved)
    assert answer.sent == [len(VIDEO) - have]
    assert is_whole(tmp_path)


def test_a_full_disk_is_the_disk_s_fault_and_the_part_stays(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"

    def work(url):
        return child(url, tmp_path, limit).communicate(timeout=20)[0].strip()

    assert served_in_a_thread(http(200, VIDEO, f"ETag: {ETAG}"), work) == "DISK"
    assert (tmp_path / TARGET.part).read_bytes() == VIDEO[:20_000]
    answer = ranged()
    (seen,), _ = fetched(tmp_path, answer)
    assert isinstance(seen, Saved)
    assert answer.sent == [len(VIDEO) - 20_000]
    assert is_whole(tmp_path)


def test_a_folder_that_cannot_be_made_is_the_disk_s_fault(tmp_path):
    (tmp_path / "out").write_bytes(b"a file")
    (seen,), server = fetched(tmp_path / "out", http(200, VIDEO))
    assert seen.why is Lost.DISK
    assert server.connections == 0


def test_a_reset_in_the_middle_is_the_network_s_fault(tmp_path):
    async def breaks(reader, writer):
        await read_request(reader)
        writer.write(http(200, VIDEO[:HALF], f"ETag: {ETAG}", length=len(VIDEO)))
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    (first, second), _ = fetched(tmp_path, breaks, ranged(), tries=2)
    assert first.why is Lost.RETRY
    assert isinstance(second, Saved)
    assert is_whole(tmp_path)


def test_a_part_that_a_killed_process_did_not_sync_is_synced_before_it_gets_its_name(tmp_path, monkeypatch):
    part_with(tmp_path, VIDEO)
    inode = (tmp_path / TARGET.part).stat().st_ino
    order = []
    real_sync, real_link = os.fdatasync, os.link

    def sync(fd):
        order.append(("sync", os.fstat(fd).st_ino))
        real_sync(fd)

    def link(old, new, **more):
        order.append(("link", os.lstat(old, dir_fd=more["src_dir_fd"]).st_ino))
        real_link(old, new, **more)

    monkeypatch.setattr(os, "fdatasync", sync)
    monkeypatch.setattr(os, "link", link)
    (seen,), _ = fetched(tmp_path, ranged())
    assert isinstance(seen, Saved)
    assert order.index(("sync", inode)) < order.index(("link", inode))


CALLS = ["open", "write", "fsync", "fdatasync", "link", "rename", "unlink", "mkdir", "ftruncate", "lseek", "lstat"]
ERRNOS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EMFILE]


class FailsOnce:
    """A system call that goes wrong the n-th time, and the others as ever."""

    def __init__(self, real, nth, error):
        self.real, self.nth, self.error, self.count = real, nth, error, 0

    def __call__(self, *args, **more):
        self.count += 1
        if self.count == self.nth:
            raise OSError(self.error, os.strerror(self.error))
        return self.real(*args, **more)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_whatever_the_disk_refuses_nothing_half_gets_a_name_and_nothing_paid_is_lost(
    tmp_path, monkeypatch, call, number
):
    """Each call of a download, with an earlier video that must move aside, fails once; then the disk is well."""
    target = replace(TARGET, replaces=(TARGET.path, "superseded/alley.0.mp4"))
    for nth in range(1, 40):
        folder = tmp_path / str(nth)
        (folder / "videos").mkdir(parents=True)
        (folder / TARGET.path).write_bytes(b"earlier")
        (folder / "videos/alley.json").write_bytes(b'{"job": "earlier"}')
        fails = FailsOnce(getattr(os, call), nth, number)

        async def main(folder=folder, fails=fails):
            async with serving(ranged()) as server:
                with monkeypatch.context() as broken_disk:
                    broken_disk.setattr(os, call, fails)
                    first = await fetch_once(server.url, folder, target)
                    present = Downloader(folder, None, loopback=True).present(target)
                return first, present, await fetch_once(server.url, folder, target)

        first, present, second = asyncio.run(main())
        assert isinstance(first, Saved) or first.why is Lost.DISK, (nth, first)
        if isinstance(first, Saved) or isinstance(present, Saved):
            assert (folder / TARGET.path).read_bytes() == VIDEO
        else:
            assert isinstance(second, Saved), (nth, second)
        assert (folder / TARGET.path).read_bytes() == VIDEO
        assert (folder / "superseded/alley.0.mp4").read_bytes() == b"earlier"
        if fails.count < nth:
            return
    pytest.fail("a download makes fewer calls than that")


def test_a_disk_that_writes_a_byte_at_a_time_is_slow_and_nothing_worse(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: real(fd, bytes(content[: max(1, len(content) // 2)])))
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert isinstance(seen, Saved)
    assert is_whole(tmp_path)


def test_a_disk_that_takes_not_one_byte_ends_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda *_args: 0)
    (seen,), _ = fetched(tmp_path, http(200, VIDEO))
    assert seen.why is Lost.DISK
