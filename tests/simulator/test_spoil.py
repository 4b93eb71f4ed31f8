"""What a spoiled reply says, and its bytes: plain functions over reply values."""

import gzip
import http.client
import io
import json
import tracemalloc
import zlib

import pytest

from wanbatch.simulator.faults import Fault
from wanbatch.simulator.framing import BY_HAND, framed
from wanbatch.simulator.kinds import BY_NAME
from wanbatch.simulator.replies import Reply, json_reply
from wanbatch.simulator.spoil import MISSING_TASK, spoil

DATE = "Sat, 01 Aug 2026 10:00:00 GMT"
URL = "http://127.0.0.1:1/1d/ab/x.mp4?Expires=1&Signature=a%2Fb"
SUCCEEDED = {
    "request_id": "r-1",
    "output": {
        "task_id": "t-1",
        "task_status": "SUCCEEDED",
        "scheduled_time": "s",
        "end_time": "e",
        "orig_prompt": "雨",
        "video_url": URL,
    },
    "usage": {"duration": 5, "SR": 720},
}
LISTED = {"request_id": "r-1", "total": 1, "data": [{"task_id": "t-1", "status": "RUNNING", "gmt_create": 17}]}


def spoiled(kind, data=SUCCEEDED, endpoint="query", **fields):
    """The JSON of a reply after a fault."""
    return spoil(Fault(endpoint, kind, **fields), json_reply(200, data)).json


def test_wrong_types_keeps_the_form_and_changes_what_stands_in_it():
    found = spoiled("wrong_types")
    assert (found["output"]["task_id"], found["output"]["task_status"], found["request_id"]) == (12345, 12345, 12345)
    assert found["usage"] == {"duration": 5, "SR": 720}
    assert spoiled("wrong_types", LISTED, "list")["data"] == [{"task_id": 12345, "status": 12345, "gmt_create": 17}]


@pytest.mark.parametrize(("data", "part"), [(SUCCEEDED, "output"), (LISTED, "data"), ({"request_id": "r-1"}, "output")])
def test_wrong_types_takes_away_or_empties_what_the_answer_is_about(data, part):
    rest = {name: value for name, value in data.items() if name != part}
    assert spoiled("wrong_types", data, shape="null_output") == {**rest, part: None}
    assert spoiled("wrong_types", data, shape="no_output") == rest


@pytest.mark.parametrize(
    ("shape", "raw"),
    [("array", b"[]"), ("text", b'"ok"'), ("null", b"null"), ("nan", b"NaN"), ("empty_object", b"{}")],
)
def test_wrong_types_can_be_no_object_at_all(shape, raw):
    assert spoil(Fault("create", "wrong_types", shape=shape), json_reply(200, SUCCEEDED)).body == raw


def test_wrong_types_can_be_deeper_than_a_parser_goes():
    with pytest.raises(RecursionError):
        spoiled("wrong_types", shape="deep")


def test_every_shape_of_every_kind_differs_from_the_others():
    for kind in ("wrong_types", "no_url"):
        bodies = {
            spoil(Fault("query", kind, shape=shape), json_reply(200, SUCCEEDED)).body for shape in BY_NAME[kind].shapes
        }
        assert len(bodies) == len(BY_NAME[kind].shapes)


def test_floats_gives_every_whole_number_a_point_and_leaves_booleans():
    reply = json_reply(200, {"request_id": "r", "total": 3, "rows": [1, True, "2", 1.5, None]})
    raw = spoil(Fault("list", "floats"), reply).body
    assert raw == b'{"request_id": "r", "total": 3.0, "rows": [1.0, true, "2", 1.5, null]}'


def test_another_task_s_id_is_the_newest_other_or_one_that_does_not_exist():
    fault, reply = Fault("create", "other_task_id"), json_reply(200, SUCCEEDED)
    assert spoil(fault, reply, other="t-0").json["output"]["task_id"] == "t-0"
    assert spoil(fault, reply).json["output"]["task_id"] == MISSING_TASK


def test_an_odd_status_is_the_word_given_in_answers_and_rows():
    assert spoiled("odd_status")["output"]["task_status"] == "QUEUEING"
    assert spoiled("odd_status", LISTED, "list", word="SUCCESS")["data"][0]["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("status", "before"),
    [("RUNNING", "PENDING"), ("SUCCEEDED", "RUNNING"), ("FAILED", "RUNNING"), ("CANCELED", "RUNNING")],
)
def test_going_backwards_forgets_what_only_the_later_state_has(status, before):
    data = {**SUCCEEDED, "output": {**SUCCEEDED["output"], "task_status": status, "code": "c", "message": "m"}}
    output = {"task_id": "t-1", "task_status": before}
    if before == "RUNNING":
        output["scheduled_time"] = "s"
    assert spoiled("backwards", data) == {"request_id": "r-1", "output": output}


def test_nothing_comes_before_pending_or_a_refusal():
    for data in ({"request_id": "r", "output": {"task_status": "PENDING"}}, {"request_id": "r", "code": "Throttling"}):
        reply = json_reply(200, data)
        assert spoil(Fault("query", "backwards"), reply) is reply
        assert spoil(Fault("query", "no_url"), reply) is reply


@pytest.mark.parametrize(
    ("shape", "url"),
    [
        ("empty", ""),
        ("null", None),
        ("relative", "/1d/ab/x.mp4?Expires=1&Signature=a%2Fb"),
        ("list", [URL]),
        ("number", 12345),
    ],
)
def test_a_success_can_have_a_url_that_is_none(shape, url):
    found = spoiled("no_url", shape=shape)["output"]
    assert (found["task_status"], found["video_url"]) == ("SUCCEEDED", url)


def test_a_success_can_be_without_a_url():
    output = {name: value for name, value in SUCCEEDED["output"].items() if name != "video_url"}
    assert spoiled("no_url") == {**SUCCEEDED, "output": output}


def test_a_lone_surrogate_of_a_prompt_survives_every_rewriting():
    data = {"request_id": "r", "output": {"task_id": "t", "task_status": "SUCCEEDED", "orig_prompt": "\ud800"}}
    for kind in ("floats", "odd_status", "other_task_id"):
        assert "\ud800" in spoil(Fault("query", kind), json_reply(200, data)).body.decode("utf-8", "surrogatepass")


def test_a_huge_body_is_the_answer_and_blanks():
    reply = spoil(Fault("create", "huge_body", mebibytes=3), json_reply(200, SUCCEEDED))
    assert len(reply.body) == 3 << 20
    assert reply.json == SUCCEEDED


def test_a_gzip_bomb_is_small_valid_and_unpacks_to_the_answer_and_blanks():
    tracemalloc.start()
    reply = spoil(Fault("create", "gzip_bomb", mebibytes=64), json_reply(200, SUCCEEDED))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reply.header("Content-Encoding") == "gzip"
    assert len(reply.body) < 80_000
    assert most < 8 << 20
    whole = json_reply(200, SUCCEEDED).body
    for unpacked in (gzip.decompress(reply.body), zlib.decompress(reply.body, 31)):
        assert len(unpacked) == len(whole) + (64 << 20)
        assert json.loads(unpacked) == SUCCEEDED


def test_garbage_is_as_long_as_the_video_and_always_the_same():
    reply = Reply(200, bytes(5000), (("Content-Type", "video/mp4"),))
    first, again = (spoil(Fault("video", "garbage"), reply) for _ in range(2))
    assert first == again
    assert len(first.body) == 5000
    assert b"ftyp" not in first.body[:100]
    assert first.headers == reply.headers


@pytest.mark.parametrize("status", [None, 301, 302, 303, 307, 308])
def test_a_redirect_leads_where_it_is_told_to(status):
    given = Fault("create", "redirect", status=status, location="http://127.0.0.2:9/a?b=%2F")
    reply = spoil(given, json_reply(500, {"request_id": "r-1"}), target="http://x/default")
    assert (reply.status, reply.header("Location")) == (status or 307, "http://127.0.0.2:9/a?b=%2F")
    default = spoil(Fault("create", "redirect"), json_reply(500, {"request_id": "r-1"}), target="http://x/default")
    assert default.header("location") == "http://x/default"
    assert default.header("x-request-id") == "r-1"


@pytest.mark.parametrize(("kind", "status"), [("bad_gateway", 502), ("gateway_timeout", 504)])
def test_a_gateway_knows_no_request_id(kind, status):
    reply = spoil(Fault("create", kind), json_reply(200, SUCCEEDED))
    assert (reply.status, reply.header("Content-Type")) == (status, "text/html; charset=utf-8")
    assert reply.header("x-request-id") is None
    assert b"r-1" not in reply.body


BODY = b"0123456789"


def parsed(kind, **options):
    """(head as pairs in lower case, bytes after it)"""
    raw = framed(kind, Reply(200, BODY, (("Content-Type", "video/mp4"),)), DATE, **options)
    head, _, rest = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:])], rest


@pytest.mark.parametrize(
    ("kind", "lengths", "rest"),
    [
        ("cut", ["10"], b"01234"),
        ("reset_midway", ["10"], b"01234"),
        ("no_length", [], BODY),
        ("no_length_cut", [], b"01234"),
        ("length_too_large", ["1010"], BODY),
        ("length_too_small", ["5"], BODY),
        ("two_lengths", ["10", "5"], BODY),
        ("length_and_chunked", ["10"], b"a\r\n0123456789\r\n0\r\n\r\n"),
        ("huge_headers", ["10"], BODY),
        ("odd_headers", ["10"], BODY),
    ],
)
def test_each_framing_is_wrong_in_its_own_way(kind, lengths, rest):
    pairs, found = parsed(kind)
    assert [value for name, value in pairs if name == "content-length"] == lengths
    assert found == rest
    assert ("date", DATE) in pairs
    assert ("connection", "close") in pairs
    assert (("transfer-encoding", "chunked") in pairs) == (kind == "length_and_chunked")
    assert parsed(kind, head_only=True) == (pairs, b"")


def test_every_framing_has_a_kind_and_no_status_line_is_the_body_alone():
    assert BY_NAME.keys() >= BY_HAND
    assert framed("no_status_line", Reply(200, BODY), DATE) == BODY


def test_a_huge_header_is_larger_than_what_http_libraries_take():
    pairs, _ = parsed("huge_headers")
    assert len(dict(pairs)["x-padding"]) == 1 << 20
    with pytest.raises(http.client.LineTooLong):
        http.client.parse_headers(io.BytesIO(framed("huge_headers", Reply(200, BODY), DATE).partition(b"\r\n")[2]))


def test_odd_headers_come_twice_and_empty_and_not_in_ascii():
    pairs, _ = parsed("odd_headers")
    names = [name for name, _ in pairs]
    assert names.count("content-type") == names.count("date") == names.count("set-cookie") == 2
    assert ("retry-after", "") in pairs
    assert any(not value.isascii() for _, value in pairs)
    assert ("content-disposition", 'attachment; filename="../../etc/passwd"') in pairs


def test_a_chunked_answer_without_a_body_ends_at_once():
    assert framed("length_and_chunked", Reply(200, b""), DATE).endswith(b"\r\n\r\n0\r\n\r\n")
