"""Replies that are wrong in their bytes: what no HTTP library would rightly send.

Knows heads, lengths and bodies of HTTP/1.1. Does not know tasks, sockets or what a reply says.
"""

import http

from wanbatch.simulator.replies import Reply

HALVED = frozenset({"cut", "no_length_cut", "reset_midway"})
BY_HAND = HALVED | {
    "length_too_large",
    "length_too_small",
    "no_length",
    "two_lengths",
    "length_and_chunked",
    "huge_headers",
    "odd_headers",
    "no_status_line",
}
"""Kinds that `framed` knows; after its bytes the connection ends."""
_HUGE = 1 << 20


def framed(kind: str, reply: Reply, date: str, *, head_only: bool = False) -> bytes:
    """The bytes of the whole answer, head and body; `date` is the Date header, `head_only` the answer to a HEAD."""
    body = reply.body[: len(reply.body) // 2] if kind in HALVED else reply.body
    if kind == "no_status_line":
        return body
    if kind == "length_and_chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    lines = [f"HTTP/1.1 {reply.status} {http.HTTPStatus(reply.status).phrase}"]
    pairs = [*reply.headers, ("Date", date), ("Connection", "close"), *_lengths(kind, len(reply.body)), *_odd(kind)]
    lines += [f"{name}: {value}" for name, value in pairs]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if head_only else head + body


def _lengths(kind: str, size: int) -> tuple[tuple[str, str], ...]:
    """The headers that say where the body ends."""
    if kind in {"no_length", "no_length_cut"}:
        return ()
    told = {"length_too_large": size + 1000, "length_too_small": size // 2}.get(kind, size)
    pairs = (("Content-Length", str(told)),)
    if kind == "two_lengths":
        return (*pairs, ("Content-Length", str(size // 2)))
    if kind == "length_and_chunked":
        return (*pairs, ("Transfer-Encoding", "chunked"))
    return pairs


def _odd(kind: str) -> tuple[tuple[str, str], ...]:
    """Headers that stand there beside the right ones."""
    if kind == "huge_headers":
        return (("X-Padding", "a" * _HUGE),)
    if kind != "odd_headers":
        return ()
    return (
        ("Content-Type", "text/plain; charset=no-such-charset"),
        ("x-request-id", "\xa0another one\xff"),
        ("Date", "yesterday"),
        ("Retry-After", ""),
        ("Content-Disposition", 'attachment; filename="../../etc/passwd"'),
        ("Set-Cookie", "session=1; Path=/"),
        ("Set-Cookie", "session=2; Path=/"),
        ("ETag", "W/no quotes"),
    )
