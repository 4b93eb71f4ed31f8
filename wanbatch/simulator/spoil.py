"""Replies that are wrong in what they say: each kind as a plain function from reply to reply.

Knows the JSON of the API and kinds of faults. Does not know tasks, sockets, framing or time.
"""

import functools
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

from wanbatch.simulator.faults import Fault
from wanbatch.simulator.kinds import BY_NAME
from wanbatch.simulator.replies import Refusal, Reply, refuse, xml_refusal

MISSING_TASK = "00000000-0000-4000-8000-000000000000"
"""The task that an answer about another task names when there is no other."""
_HTML = b"<!DOCTYPE html>\n<html><head><title>Gateway</title></head><body>Please wait.</body></html>\n"
_HTML_TYPE = ("Content-Type", "text/html; charset=utf-8")
_MIB = 1 << 20
_DEEP = 100_000
_TEXTS = frozenset({"task_id", "request_id", "task_status", "status", "code", "message", "video_url", "orig_prompt"})
_BEFORE = {"RUNNING": "PENDING", "SUCCEEDED": "RUNNING", "FAILED": "RUNNING", "CANCELED": "RUNNING"}
_OF_AN_END = ("end_time", "orig_prompt", "video_url", "code", "message")


def spoil(fault: Fault, reply: Reply, *, other: str | None = None, target: str = "/") -> Reply:
    """The reply as the client gets it; kinds that are no matter of what is said leave it as it is.

    `other` is the task that a wrong answer to a create names, `target` where a redirect without a location leads.
    """
    if fault.kind == "redirect":
        return _redirect(fault, reply, target)
    if fault.kind == "other_task_id":
        return _about(other or MISSING_TASK, reply)
    change = _CHANGES.get(fault.kind)
    return change(fault, reply) if change else reply


def _request_id(reply: Reply) -> str:
    return reply.header("x-request-id") or reply.header("x-oss-request-id") or ""


def _error_500(_: Fault, reply: Reply) -> Reply:
    """Keeps the request's id, as the service's own 500 does: it is what a lost create can be recognised by."""
    return refuse(Refusal(500, "InternalError", "An internal error has occurred."), _request_id(reply))


def _html_200(_: Fault, reply: Reply) -> Reply:
    return Reply(200, _HTML, (_HTML_TYPE, ("x-request-id", _request_id(reply))))


def _empty_200(_: Fault, reply: Reply) -> Reply:
    return Reply(200, b"", reply.headers)


def _redirect(fault: Fault, reply: Reply, target: str) -> Reply:
    headers = (("Location", fault.location or target), ("x-request-id", _request_id(reply)))
    return Reply(fault.status or 307, b"", headers)


def _forbidden(_: Fault, reply: Reply) -> Reply:
    return xml_refusal(403, "AccessDenied", "Request has expired.", _request_id(reply))


def _cut_json(_: Fault, reply: Reply) -> Reply:
    return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)


def _rewritten(reply: Reply, data: Any) -> Reply:
    # The JSON may hold a lone surrogate of a prompt: it goes out as it came in.
    raw = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Reply(reply.status, raw, reply.headers)


def _walked(data: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """The same JSON with every single value changed; `name` is the key that it stands under."""
    if isinstance(data, dict):
        return {key: _walked(value, change, key) for key, value in data.items()}
    if isinstance(data, list):
        return [_walked(value, change, name) for value in data]
    return change(name, data)


def _wrong_types(fault: Fault, reply: Reply) -> Reply:
    shape = fault.shape or BY_NAME[fault.kind].shapes[0]
    raw = {"array": b"[]", "text": b'"ok"', "null": b"null", "nan": b"NaN", "empty_object": b"{}"}.get(shape)
    if shape == "deep":
        raw = b"[" * _DEEP + b"]" * _DEEP
    if raw is not None:
        return Reply(reply.status, raw, reply.headers)
    data = reply.json
    if shape == "number":
        return _rewritten(reply, _walked(data, lambda name, value: 12345 if name in _TEXTS else value))
    part = "data" if "data" in data else "output"
    data.pop(part, None)
    return _rewritten(reply, {**data, part: None} if shape == "null_output" else data)


def _floats(_: Fault, reply: Reply) -> Reply:
    def change(_name: str, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return _rewritten(reply, _walked(reply.json, change))


def _about(task_id: str, reply: Reply) -> Reply:
    def change(name: str, value: Any) -> Any:
        return task_id if name == "task_id" else value

    return _rewritten(reply, _walked(reply.json, change))


def _odd_status(fault: Fault, reply: Reply) -> Reply:
    def change(name: str, value: Any) -> Any:
        return (fault.word or "QUEUEING") if name in {"task_status", "status"} else value

    return _rewritten(reply, _walked(reply.json, change))


def _backwards(_: Fault, reply: Reply) -> Reply:
    data = reply.json
    output = data.get("output")
    before = _BEFORE.get(str(output.get("task_status"))) if isinstance(output, dict) else None
    if before is None:
        return reply
    data.pop("usage", None)
    gone = {*_OF_AN_END, *(("scheduled_time",) if before == "PENDING" else ())}
    data["output"] = {**{key: value for key, value in output.items() if key not in gone}, "task_status": before}
    return _rewritten(reply, data)


def _no_url(fault: Fault, reply: Reply) -> Reply:
    data = reply.json
    url = data.get("output", {}).pop("video_url", None)
    if url is None:
        return reply
    shape = fault.shape or BY_NAME[fault.kind].shapes[0]
    if shape != "missing":
        relative = "/" + url.split("/", 3)[3]
        odd = {"empty": "", "null": None, "relative": relative, "list": [url], "number": 12345}
        data["output"]["video_url"] = odd[shape]
    return _rewritten(reply, data)


def _huge_body(fault: Fault, reply: Reply) -> Reply:
    size = (fault.mebibytes or 2) * _MIB
    return Reply(reply.status, reply.body.ljust(size), reply.headers)


def _gzip_bomb(fault: Fault, reply: Reply) -> Reply:
    body = _bomb(reply.body, fault.mebibytes or 64)
    return Reply(reply.status, body, (*reply.headers, ("Content-Encoding", "gzip")))


@functools.lru_cache(maxsize=1)
def _blanks() -> bytes:
    """A mebibyte of blanks as a part of a deflate stream that can stand anywhere in one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(b" " * _MIB) + packer.flush(zlib.Z_FULL_FLUSH)


def _bomb(start: bytes, mebibytes: int) -> bytes:
    """`start` and so many mebibytes of blanks as one gzip member, made without ever holding them unpacked."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum, blanks = zlib.crc32(start), b" " * _MIB
    for _ in range(mebibytes):
        checksum = zlib.crc32(blanks, checksum)
    size = (len(start) + mebibytes * _MIB) & 0xFFFF_FFFF
    end = packer.flush() + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + head + _blanks() * mebibytes + end


def _garbage(_: Fault, reply: Reply) -> Reply:
    # Always the same bytes: a rehearsal can be repeated.
    return Reply(reply.status, random.Random(0).randbytes(len(reply.body)), reply.headers)  # noqa: S311


def _gateway(status: int) -> Callable[[Fault, Reply], Reply]:
    return lambda _fault, _reply: Reply(status, _HTML, (_HTML_TYPE,))


_CHANGES: dict[str, Callable[[Fault, Reply], Reply]] = {
    "error_500": _error_500,
    "error_500_after_accept": _error_500,
    "bad_gateway": _gateway(502),
    "gateway_timeout": _gateway(504),
    "html_200": _html_200,
    "empty_200": _empty_200,
    "forbidden": _forbidden,
    "cut_json": _cut_json,
    "wrong_types": _wrong_types,
    "floats": _floats,
    "odd_status": _odd_status,
    "backwards": _backwards,
    "no_url": _no_url,
    "huge_body": _huge_body,
    "gzip_bomb": _gzip_bomb,
    "garbage": _garbage,
}
