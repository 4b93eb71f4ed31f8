"""A signed URL becomes a whole file under its name, whatever the network, the disk and the neighbours do."""

import asyncio
import hashlib
import io
import json
import os
import re
import signal
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
from conftest import CANARY
from service.servers import http, read_request, reset, serving
from support import request

from wanbatch.jobs.seen import Lost, NotSaved, Saved
from wanbatch.service import download
from wanbatch.service.account import Account, Key
from wanbatch.service.client import Client, Spacing
from wanbatch.service.download import Downloader, Stopped, Target, address
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
    record = json.loads(content)
    return record["sha256"] if record.get("job") == "alley" else None


TARGET = Target("videos/alley.mp4", "videos/.alley.0.part", sidecar, ours)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


WHOLE = ["videos/alley.json", "videos/alley.mp4"]


def is_whole(folder):
    return (folder / TARGET.path).read_bytes() == VIDEO and names(folder) == WHOLE


async def fetch_once(url, folder, target=TARGET, *, limits=download.TIMEOUT, most_bytes=None, loopback=True):
    settings = {} if most_bytes is None else {"most_bytes": most_bytes}
    async with download.session(limits) as session:
        return await Downloader(folder, session, loopback=loopback, **settings).fetch(url, target)


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


def test_only_the_owner_may_read_what_is_saved(tmp_path):
    before = os.umask(0)
    try:
        fetched(tmp_path, http(200, VIDEO))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in WHOLE}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "videos").stat().st_mode) == 0o700


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


def test_the_bounds_that_hold_by_default_are_real_ones():
    assert download.TIMEOUT.total == 1800
    assert download.TIMEOUT.sock_read == 60
    assert download.MAX_VIDEO_BYTES == 2 * 1024**3


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
def test_a_redirect_is_not_followed(tmp_path, status):
    async def main():
        async with serving(http(200, VIDEO)) as other, serving(http(status, b"", f"Location: {other.url}")) as server:
            return await fetch_once(server.url, tmp_path), other.connections

    seen, elsewhere = asyncio.run(main())
    assert seen == NotSaved(Lost.RETRY, f"HTTP {status} instead of the video")
    assert elsewhere == 0


SIGNED = "dashscope-a717.oss-accelerate.aliyuncs.com/1d/13/x.mp4?Expires=1&Signature=a%2Fb%2Bc%3D&d=+%e4~"


@pytest.mark.parametrize("loopback", [True, False])
def test_an_address_is_asked_byte_for_byte_and_encrypted(loopback):
    for scheme in ("http", "https", "HTTPS"):
        at = address(f"{scheme}://{SIGNED}", loopback=loopback)
        assert str(at) == f"{'HTTPS' if scheme == 'HTTPS' else 'https'}://{SIGNED}".replace("HTTPS", "https")
        assert at.raw_path_qs == "/" + SIGNED.partition("/")[2]


def test_this_machine_is_asked_only_when_the_api_is_on_it(tmp_path):
    for host in ("127.0.0.1:8", "localhost:8", "[::1]:8", "[::ffff:127.0.0.1]:8"):
        assert address(f"http://{host}/x", loopback=True).scheme == "http"
        for scheme in ("http", "https"):
            with pytest.raises(Stopped):
                address(f"{scheme}://{host}/x", loopback=False)


REFUSED = """file:///etc/passwd|ftp://h/x|data:video/mp4;base64,AAAA|//h/x|/x|x|javascript:1|https://|https:///x
https://user:pw@h/x|https://user@h/x|https://@h/x|https://h:0/x|https://h:99999/x|https://h:x/x|https://[::1/x
https://h/a b|https://h/x#y|https://h\\x|https://①②⑦.⓪.⓪.①/x|https://ｈ/x|https://h/é|https://169.254.169.254/x
https://10.0.0.1/x|https://192.168.1.1/x|https://[fe80::1]/x|https://[::]/x|https://0.0.0.0/x|https://[fc00::1]/x
https://[::ffff:10.0.0.1]/x|http://172.16.0.1/x|https://100.64.0.1/x"""


@pytest.mark.parametrize(
    "url", [*re.split(r"[|\n]", REFUSED), "", "https://h/x\r\nX: y", "https://h/\tx", "https://h/\0"]
)
def test_no_other_address_is_fetched_from(tmp_path, url):
    seen = asyncio.run(fetch_once(url, tmp_path, loopback=True))
    assert isinstance(seen, NotSaved)
    assert seen.why is Lost.RETRY
    assert not names(tmp_path)


@pytest.mark.parametrize("url", ["https://nobody.invalid/x.mp4", "http://a..invalid/x", "https://127.0.0.1:9/x"])
def test_a_host_that_cannot_be_reached_is_tried_again_later(tmp_path, url):
    assert asyncio.run(fetch_once(url, tmp_path)).why is Lost.RETRY


def test_the_proxy_is_the_one_of_the_scheme_that_is_used(tmp_path, monkeypatch):
    async def main():
        async with serving(http(502)) as proxy:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
            return await fetch_once("http://bucket.invalid/x.mp4?Signature=s", tmp_path), proxy.asked

    seen, (asked,) = asyncio.run(main())
    assert seen.why is Lost.RETRY
    assert asked.line == "CONNECT bucket.invalid:443 HTTP/1.1"


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
    def no_links(*_args):
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
