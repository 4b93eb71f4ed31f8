"""The pretended service on a loopback port: routes, the clock, and faults that need a socket.

Knows HTTP and real time. Does not know what the service's rules are: every answer comes from the world.
"""

import asyncio
import email.utils
import http
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from wanbatch.simulator import checks
from wanbatch.simulator.faults import SPARES_WORLD, Fault, Faults, spoil
from wanbatch.simulator.replies import Reply
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World

_CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
_TASKS = "/api/v1/tasks"
_SLOW_STEPS = 20

Answer = Callable[[float, float], Reply]
"""Asks the world, given its time and the clients' time."""


class Simulator:
    """The service as an async context manager on 127.0.0.1; OSError comes out when the port is taken.

    `speed` compresses the world's time: with 60, a minute's render takes a second. Rates are judged by real
    seconds whatever the speed. `port` 0 takes a free one. What happened is in `stats()`.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        faults: Faults | None = None,
        *,
        speed: float = 1.0,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.world = World(rules, seed)
        self._faults = faults or Faults()
        self._speed = speed
        self._port = port
        self._epoch = time.time()
        self._started = time.monotonic()
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        routes = app.router
        for end in ("", "/"):
            routes.add_post(_CREATE + end, self._create)
            routes.add_get(_TASKS + end, self._list)
            routes.add_get(_TASKS + "/{task_id}" + end, self._query)
            routes.add_post(_TASKS + "/{task_id}/cancel" + end, self._cancel)
        routes.add_get(r"/1d/{a:[0-9a-f]{2}}/{day:\d{8}}/{b:[0-9a-f]{8}}/{name}", self._video)
        routes.add_get("/_stats", self._stats)
        # A client that goes ends its handler, so that `hang` ends with it.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]
        self.world.origin = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner:
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """Where clients point their base URL to: http://127.0.0.1:PORT/api/v1."""
        return f"http://127.0.0.1:{self._port}/api/v1"

    def stats(self) -> dict[str, Any]:
        """The oracle of the world; the same is served at /_stats."""
        return self.world.stats()

    def _clock(self) -> tuple[float, float]:
        """The world's time and the clients' time, epoch seconds; monotonic, so that a set clock moves neither."""
        elapsed = time.monotonic() - self._started
        return self._epoch + elapsed * self._speed, self._epoch + elapsed

    async def _create(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        parsed = checks.read_body(raw)
        prompt = checks.prompt_of(parsed) if isinstance(parsed, dict) else None

        def answer(now: float, wall: float) -> Reply:
            return self.world.create(now, request.headers, raw, wall=wall)

        return await self._answer(request, "create", prompt, answer)

    async def _query(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]

        def answer(now: float, wall: float) -> Reply:
            return self.world.query(now, request.headers, task_id, wall=wall)

        return await self._answer(request, "query", self.world.prompt_of(task_id), answer)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]

        def answer(now: float, wall: float) -> Reply:
            return self.world.cancel(now, request.headers, task_id, wall=wall)

        return await self._answer(request, "cancel", self.world.prompt_of(task_id), answer)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        def answer(now: float, wall: float) -> Reply:
            return self.world.list_tasks(now, request.headers, request.query, wall=wall)

        return await self._answer(request, "list", None, answer)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        # The raw path: aiohttp's parsed query would hide that a client re-quoted the signature.
        path, _, raw_query = request.raw_path.partition("?")

        def answer(now: float, wall: float) -> Reply:
            return self.world.video(now, path, raw_query, request.headers, wall=wall)

        return await self._answer(request, "video", self.world.prompt_of(path), answer)

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _answer(
        self, request: web.Request, endpoint: str, prompt: str | None, answer: Answer
    ) -> web.StreamResponse:
        """Let the world answer, or a fault instead of it, or a fault after it."""
        arrived = ("req-arrive-time", str(time.time_ns() // 1_000_000))
        fault = self._faults.pick(endpoint, prompt)
        if fault is None:
            return _response(answer(*self._clock()), arrived)
        reply = self._instead(request, endpoint, fault) if fault.kind in SPARES_WORLD else answer(*self._clock())
        reply = spoil(fault.kind, reply)
        if fault.kind in {"reset", "reset_before_accept", "reset_after_accept"}:
            return _reset(request)
        if fault.kind == "hang":
            await self._closing.wait()
            return _reset(request)
        if fault.kind == "slow":
            return await _send_slowly(request, reply, fault.seconds or 0.0)
        if fault.kind in {"cut", "no_length", "no_length_cut"}:
            return _send_by_hand(
                request,
                reply,
                declared=fault.kind == "cut",
                whole=fault.kind == "no_length",
            )
        return _response(reply, arrived)

    def _instead(self, request: web.Request, endpoint: str, fault: Fault) -> Reply:
        """What stands for an answer when the request never reaches the service proper."""
        now, wall = self._clock()
        if fault.kind == "throttle":
            return self.world.throttled(now, endpoint, fault.retry_after, wall=wall)
        if fault.kind == "unknown":
            return self.world.mislaid(now, request.match_info["task_id"], wall=wall)
        return self.world.failed(now, endpoint, wall=wall)


def _response(reply: Reply, *more: tuple[str, str]) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body)
    for name, value in (*reply.headers, *more):
        response.headers[name] = value
    return response


def _reset(request: web.Request) -> web.Response:
    """Close with RST: a plain close would say FIN, which a client may take for a polite end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _send_by_hand(request: web.Request, reply: Reply, *, declared: bool, whole: bool) -> web.Response:
    """Send what aiohttp would rightly refuse to: too few bytes, or a body that only ends by closing."""
    body = reply.body if whole else reply.body[: len(reply.body) // 2]
    lines = [f"HTTP/1.1 {reply.status} {http.HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += [f"Date: {email.utils.formatdate(usegmt=True)}", "Connection: close"]
    if declared:
        lines.append(f"Content-Length: {len(reply.body)}")
    if request.transport is not None:
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        request.transport.write(head if request.method == "HEAD" else head + body)
        request.transport.close()
    return web.Response()


async def _send_slowly(request: web.Request, reply: Reply, seconds: float) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    response.content_length = len(reply.body)
    await response.prepare(request)
    step = max(1, -(-len(reply.body) // _SLOW_STEPS))
    for start in range(0, len(reply.body), step):
        await asyncio.sleep(seconds / _SLOW_STEPS)
        await response.write(reply.body[start : start + step])
    await response.write_eof()
    return response
