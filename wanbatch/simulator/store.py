"""The object store where finished videos wait: pre-signed URLs, ranges and its XML refusals, as Alibaba OSS answers.

Knows URLs, signatures and byte ranges. Does not know tasks, the API or sockets.
"""

import base64
import email.utils
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from wanbatch.simulator.replies import Reply, xml_refusal

ACCESS_KEY_ID = "LTAISimulatorNoRealKey00"
_SECRET = b"a simulator keeps no secrets"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a video lies: URL path, the only raw query string that opens it, and its times in epoch seconds."""

    path: str
    query: str
    made: int
    expires: int

    @property
    def target(self) -> str:
        """Path and query, byte for byte as they must be asked for."""
        return f"{self.path}?{self.query}"


def shelve(task_id: str, ended: float, ttl: float, offset: float) -> Stored:
    """Choose a place for a task's video: the same arguments give the same URL.

    Shape of path and query: a URL seen from wan2.7-t2v-2026-06-12; the file is not named after the task.
    `offset` is the service's time zone in seconds. Expires is the end of the task plus `ttl`.
    """
    expires = int(ended + ttl)
    day = time.strftime("%Y%m%d", time.gmtime(ended + offset))
    nonce = 0
    while True:
        name = hashlib.sha256(f"{task_id}/{nonce}".encode()).hexdigest()
        number = int(name[:8], 16) % 10**8
        path = f"/1d/{name[8:10]}/{day}/{name[10:18]}/{number:08d}-metadata_user_{name[18:34]}.mp4"
        signature = _sign(path, expires)
        # Only some signatures hold a slash and a plus. Every one of ours does, so that a client that
        # re-quotes the URL is refused always and not one time in three.
        if "/" in signature and "+" in signature:
            break
        nonce += 1
    query = f"Expires={expires}&OSSAccessKeyId={ACCESS_KEY_ID}&Signature={quote(signature, safe='')}"
    return Stored(path, query, int(ended), expires)


def _sign(path: str, expires: int) -> str:
    """OSS signature version 1: base64 of HMAC-SHA1 over method, empty MD5 and type, expiry and object."""
    text = f"GET\n\n\n{expires}\n/simulator{path}"
    return base64.b64encode(hmac.new(_SECRET, text.encode(), hashlib.sha1).digest()).decode()


def refusal(stored: Stored | None, now: float, raw_query: str, signed_twice: bool, request_id: str) -> Reply | None:
    """Why this GET is not answered with the video, or None.

    `raw_query` is compared byte for byte; `signed_twice` says that an Authorization header came too, which OSS
    refuses (contract of pre-signed URLs). Order: signature, existence, expiry.
    """
    if not raw_query and not signed_twice:
        message = "You have no right to access this object because of bucket acl."
        return xml_refusal(403, "AccessDenied", message, request_id)
    if signed_twice or (stored and raw_query != stored.query):
        message = "The request signature we calculated does not match the signature you provided."
        return xml_refusal(403, "SignatureDoesNotMatch", message, request_id)
    if stored is None:
        return xml_refusal(404, "NoSuchKey", "The specified key does not exist.", request_id)
    if now > stored.expires:
        return xml_refusal(403, "AccessDenied", "Request has expired.", request_id)
    return None


def serve(data: bytes, made: int, headers: Mapping[str, str], request_id: str) -> Reply:
    """The video or the part of it that a Range header (lower-case names) asks for.

    A Range that makes no sense or asks for several parts is ignored (RFC 9110, 14.2); one that starts behind
    the end gets 416. If-Range is honest: another ETag or date gives the whole, with 200.
    """
    etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest().upper()}"'
    modified = email.utils.formatdate(made, usegmt=True)
    common = (
        ("Content-Type", "video/mp4"),
        ("Accept-Ranges", "bytes"),
        ("ETag", etag),
        ("Last-Modified", modified),
        ("x-oss-request-id", request_id),
    )
    whole = Reply(200, data, common)
    wanted = headers.get("range")
    if wanted is None or headers.get("if-range", etag) not in {etag, modified}:
        return whole
    part = _part(wanted, len(data))
    if part is None:
        return whole
    first, last = part
    if first > last:
        denied = xml_refusal(416, "InvalidRange", "The requested range cannot be satisfied.", request_id)
        return Reply(416, denied.body, (*denied.headers, ("Content-Range", f"bytes */{len(data)}")))
    span = ("Content-Range", f"bytes {first}-{last}/{len(data)}")
    return Reply(206, data[first : last + 1], (*common, span))


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a range, both inclusive; first > last when nothing can be sent; None: ignore it."""
    found = _RANGE.fullmatch(wanted.strip())
    if not found or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size - 1
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1
