"""How an answer uses its connection: whole and at once, slowly, by hand, or not at all.

Knows aiohttp's server and sockets. Does not know tasks or which request a fault hits.
"""

import asyncio
import email.utils
import socket
import struct

from aiohttp import web

from wanbatch.simulator.faults import Fault
from wanbatch.simulator.framing import BY_HAND, framed
from wanbatch.simulator.replies import Reply

_SLOW_STEPS = 20
_BEFORE_RESET_S = 0.05
"""How long the half of an answer has to arrive before the reset takes back what has not."""


def response(reply: Reply, *more: tuple[str, str]) -> web.Response:
    """The reply as aiohttp sends it, with further headers."""
    found = web.Response(status=reply.status, body=reply.body)
    for name, value in (*reply.headers, *more):
        found.headers[name] = value
    return found


async def misbehave(
    request: web.Request, reply: Reply, fault: Fault, closing: asyncio.Event, arrived: tuple[str, str]
) -> web.StreamResponse:
    """Send a spoiled reply the way its fault says; whatever takes time ends when `closing` is set."""
    if fault.kind == "refuse":
        return closed(request)
    if fault.kind in {"reset", "reset_before_accept", "reset_after_accept"}:
        return reset(request)
    if fault.kind == "hang":
        await closing.wait()
        return reset(request)
    if fault.kind in {"slow", "slow_bytes"}:
        seconds = fault.seconds or 0.0
        if fault.kind == "slow_bytes":
            return await _slowly(request, reply, 1, seconds, closing)
        step = max(1, -(-len(reply.body) // _SLOW_STEPS))
        return await _slowly(request, reply, step, seconds / max(1, -(-len(reply.body) // step)), closing)
    if fault.kind == "reset_midway":
        _by_hand(request, reply, fault.kind)
        await nap(_BEFORE_RESET_S, closing)
        return reset(request)
    if fault.kind in BY_HAND:
        _by_hand(request, reply, fault.kind)
        return closed(request)
    return response(reply, arrived)


async def nap(seconds: float, closing: asyncio.Event) -> bool:
    """Wait so long or until `closing` is set; whether it is."""
    try:
        await asyncio.wait_for(closing.wait(), seconds)
    except TimeoutError:
        return False
    return True


def closed(request: web.Request) -> web.Response:
    """Close politely, with FIN, once what was written is sent."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def reset(request: web.Request) -> web.Response:
    """Close with RST: a plain close would say FIN, which a client may take for a polite end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _by_hand(request: web.Request, reply: Reply, kind: str) -> None:
    """Write what aiohttp would rightly refuse to."""
    date = email.utils.formatdate(usegmt=True)
    if request.transport is not None:
        request.transport.write(framed(kind, reply, date, head_only=request.method == "HEAD"))


async def _slowly(
    request: web.Request, reply: Reply, step: int, pause_s: float, closing: asyncio.Event
) -> web.StreamResponse:
    found = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    found.content_length = len(reply.body)
    await found.prepare(request)
    for start in range(0, len(reply.body), step):
        if await nap(pause_s, closing):
            return reset(request)
        await found.write(reply.body[start : start + step])
    await found.write_eof()
    return found
