"""Pre-signed URLs and byte ranges, without a socket."""

import hashlib
import re
from urllib.parse import unquote

import pytest
import yarl

from wanbatch.simulator import store

DATA = bytes(range(256)) * 4
ETAG = f'"{hashlib.md5(DATA).hexdigest().upper()}"'
STORED = store.shelve("0385dc79-5ff8-4d82-bcb6-000000000000", 1_787_492_474.9, 86400.0, 28800.0)


def serve(**headers):
    return store.serve(DATA, STORED.made, {key.replace("_", "-"): value for key, value in headers.items()}, "r")


def code(now=0.0, query=STORED.query, stored=STORED, signed_twice=False):
    reply = store.refusal(stored, now, query, signed_twice, "r")
    return reply and (reply.status, re.search(rb"<Code>(\w+)</Code>", reply.body)[1].decode())


def test_a_url_has_the_shape_of_the_one_seen_and_does_not_name_its_task():
    assert re.fullmatch(r"/1d/[0-9a-f]{2}/20260823/[0-9a-f]{8}/\d{8}-metadata_user_[0-9a-f]{16}\.mp4", STORED.path)
    assert re.fullmatch(r"Expires=1787578874&OSSAccessKeyId=LTAI\w+&Signature=([\w]|%2B|%2F)+%3D", STORED.query)
    assert "0385dc79" not in STORED.target


@pytest.mark.parametrize("n", range(20))
def test_no_url_survives_requoting(n):
    target = "http://h" + store.shelve(f"task-{n}", 1.7e9, 86400.0, 28800.0).target
    assert str(yarl.URL(target, encoded=True)) == target
    assert str(yarl.URL(target)) != target
    assert unquote(target) != target


def test_a_query_is_compared_byte_for_byte():
    assert code() is None
    assert code(query=STORED.query.replace("%2F", "/")) == (403, "SignatureDoesNotMatch")
    assert code(query=STORED.query.replace("%2F", "%2f")) == (403, "SignatureDoesNotMatch")
    assert code(query=STORED.query.replace("Expires=1", "Expires=2")) == (403, "SignatureDoesNotMatch")
    assert code(query="") == (403, "AccessDenied")


def test_a_second_signature_an_old_url_and_an_unknown_file_are_refused():
    assert code(signed_twice=True) == (403, "SignatureDoesNotMatch")
    assert code(signed_twice=True, query="") == (403, "SignatureDoesNotMatch")
    assert code(now=STORED.expires) is None
    assert code(now=STORED.expires + 0.1) == (403, "AccessDenied")
    assert code(stored=None) == (404, "NoSuchKey")


def test_the_whole_video_says_how_it_may_be_asked_for_in_parts():
    whole = serve()
    assert (whole.status, whole.body) == (200, DATA)
    assert (whole.header("etag"), whole.header("accept-ranges")) == (ETAG, "bytes")
    assert whole.header("content-range") is None


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=1000-", 1000, 1023),
        ("bytes=1000-9999", 1000, 1023),
        ("bytes=-24", 1000, 1023),
        ("bytes=-9999", 0, 1023),
    ],
)
def test_a_range_gives_exactly_the_bytes_asked_for(asked, first, last):
    part = serve(range=asked)
    assert (part.status, part.body) == (206, DATA[first : last + 1])
    assert part.header("content-range") == f"bytes {first}-{last}/1024"
    assert part.header("etag") == ETAG


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_gives_416_and_the_size(asked):
    none = serve(range=asked)
    assert (none.status, none.header("content-range")) == (416, "bytes */1024")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "bytes=a-b", "items=0-1"])
def test_a_range_that_makes_no_sense_is_ignored(asked):
    assert serve(range=asked).status == 200


def test_if_range_is_honest():
    assert serve(range="bytes=5-", if_range=ETAG).status == 206
    assert serve(range="bytes=5-", if_range='"0123"').body == DATA
    assert serve(range="bytes=5-", if_range=f"W/{ETAG}").status == 200
    date = serve().header("last-modified")
    assert serve(range="bytes=5-", if_range=date).status == 206
    assert serve(range="bytes=5-", if_range="Thu, 01 Jan 1970 00:00:00 GMT").status == 200
