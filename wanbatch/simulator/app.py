"""The pretended service on a loopback port: routes, the clock, and faults that need a socket.

Knows HTTP and real time. Does not know what the service's rules are: every answer comes from the world. What a fault
says is in `spoil`, its bytes in `framing`, how it uses its connection in `sending`.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from wanbatch.simulator import callers, checks, sending
from wanbatch.simulator.codes import FAILURES, REFUSALS
from wanbatch.simulator.faults import Fault, Faults
from wanbatch.simulator.kinds import BY_NAME
from wanbatch.simulator.replies import Refusal, Reply
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.spoil import spoil
from wanbatch.simulator.world import BROKEN, TOO_FAST, World

_CREATE = "/api/v1/services/aigc/video-generation/video-synthesis"
_TASKS = "/api/v1/tasks"
_LIMITS = ("/api/v1/models/limits", "/api/v1/quotas")
"""The same call by two names: pages until 2026-09-02 have the first, later ones the second."""
_ELSEWHERE = "/_elsewhere"

Answer = Callable[[float, float, Fault | None], Reply]
"""Asks the world, given its time, the clients' time, and the fault that hits the request."""


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
        self._site: web.BaseSite | None = None
        self._closing = asyncio.Event()
        self._shut: asyncio.Task[None] | None = None
        """Waits to open the port again; None while it is open."""
        self._landing: set[asyncio.TimerHandle] = set()
        self._elsewhere = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    async def __aenter__(self) -> Self:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        app = web.Application()
        routes = app.router
        for end in ("", "/"):
            routes.add_post(_CREATE + end, self._create)
            routes.add_get(_TASKS + end, self._list)
            routes.add_get(_TASKS + "/{task_id}" + end, self._query)
            routes.add_post(_TASKS + "/{task_id}/cancel" + end, self._cancel)
            for path in _LIMITS:
                routes.add_get(path + end, self._limits)
        routes.add_get(r"/1d/{a:[0-9a-f]{2}}/{day:\d{8}}/{b:[0-9a-f]{8}}/{name}", self._video)
        routes.add_get("/_stats", self._stats)
        routes.add_route("*", _ELSEWHERE, self._count_elsewhere)
        # A client that goes ends its handler, so that `hang` ends with it.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            self._site = web.TCPSite(runner, "127.0.0.1", self._port)
            await self._site.start()
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
        for handle in self._landing:
            handle.cancel()
        if self._shut:
            await self._shut
        if self._runner:
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        """Where clients point their base URL to: http://127.0.0.1:PORT/api/v1."""
        return f"http://127.0.0.1:{self._port}/api/v1"

    def stats(self) -> dict[str, Any]:
        """The oracle of the world, and what the plan has done; the same is served at /_stats.

        `faults` counts the requests that each kind has hit, by endpoint; `elsewhere` those that followed a redirect
        to the place where nothing should ever come. The bill is that of now. May be called from any thread.
        """
        loop = self._loop
        if loop is None or not loop.is_running() or threading.get_ident() == self._thread:
            return self._counted()
        return asyncio.run_coroutine_threadsafe(self._count(), loop).result()

    async def _count(self) -> dict[str, Any]:
        return self._counted()

    def _counted(self) -> dict[str, Any]:
        self.world.advance(self._clock()[0])
        return {**self.world.stats(), "faults": self._faults.fired(), "elsewhere": self._elsewhere}

    def _clock(self) -> tuple[float, float]:
        """The world's time and the clients' time, epoch seconds; monotonic, so that a set clock moves neither."""
        elapsed = time.monotonic() - self._started
        return self._epoch + elapsed * self._speed, self._epoch + elapsed

    async def _create(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        parsed = checks.read_body(raw)
        prompt = checks.prompt_of(parsed) if isinstance(parsed, dict) else None

        def answer(now: float, wall: float, fault: Fault | None) -> Reply:
            fate = None
            if fault is not None and fault.kind == "fails" and fault.code:
                fate = checks.Failure(fault.code, fault.message or FAILURES[fault.code])
            return self.world.create(now, request.headers, raw, wall=wall, fate=fate)

        return await self._answer(request, "create", prompt, answer, checks.model_of(parsed))

    async def _query(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]

        def answer(now: float, wall: float, fault: Fault | None) -> Reply:
            swapped = fault is not None and fault.kind == "other_task_id"
            about = (self.world.other_than(task_id) or task_id) if swapped else task_id
            return self.world.query(now, request.headers, about, wall=wall)

        return await self._answer(request, "query", self.world.prompt_of(task_id), answer)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]

        def answer(now: float, wall: float, _: Fault | None) -> Reply:
            return self.world.cancel(now, request.headers, task_id, wall=wall)

        return await self._answer(request, "cancel", self.world.prompt_of(task_id), answer)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        def answer(now: float, wall: float, fault: Fault | None) -> Reply:
            late_s = (fault.seconds or 0.0) if fault is not None and fault.kind == "list_late" else 0.0
            return self.world.list_tasks(now, request.headers, request.query, wall=wall, late_s=late_s)

        return await self._answer(request, "list", None, answer)

    async def _limits(self, request: web.Request) -> web.StreamResponse:
        # No plan of faults reaches it: clients must do without it anyway.
        if self._shut:
            return sending.closed(request)
        reply = self.world.limits(self._clock()[0], request.headers, request.query, wall=self._clock()[1])
        return sending.response(reply)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        # The raw path: aiohttp's parsed query would hide that a client re-quoted the signature.
        path, _, raw_query = request.raw_path.partition("?")

        def answer(now: float, wall: float, fault: Fault | None) -> Reply:
            headers = dict(request.headers)
            if fault is not None and fault.kind in {"range_ignored", "range_wrong"}:
                headers = {name: value for name, value in headers.items() if name.lower() not in {"range", "if-range"}}
                headers |= {"Range": "bytes=0-"} if fault.kind == "range_wrong" else {}
            return self.world.video(now, path, raw_query, headers, wall=wall)

        return await self._answer(request, "video", self.world.prompt_of(path), answer)

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _count_elsewhere(self, _: web.Request) -> web.Response:
        self._elsewhere += 1
        return web.Response(status=404)

    async def _answer(
        self, request: web.Request, endpoint: str, prompt: str | None, answer: Answer, model: str = ""
    ) -> web.StreamResponse:
        """Let the world answer, or a fault instead of it, or a fault after it."""
        arrived = ("req-arrive-time", str(time.time_ns() // 1_000_000))
        if self._shut:
            # A connection from before the port was shut is no way in either.
            return sending.closed(request)
        task_id = request.match_info.get("task_id")
        status = self.world.status_of(self._clock()[0], task_id) if task_id else None
        fault = self._faults.pick(endpoint, prompt, status, callers.key_of(request.headers))
        if fault is None:
            return sending.response(answer(*self._clock(), None), arrived)
        if fault.kind == "land_late":
            self._land_later(fault.seconds or 0.0, answer)
            return sending.reset(request)
        spared = BY_NAME[fault.kind].spares
        reply = self._instead(request, endpoint, fault, model) if spared else answer(*self._clock(), fault)
        if fault.kind == "refuse":
            await self._refuse(fault.seconds)
        target = request.raw_path if endpoint == "video" else _ELSEWHERE
        reply = spoil(fault, reply, other=self._other(reply), target=self.world.origin + target)
        return await sending.misbehave(request, reply, fault, self._closing, arrived)

    def _instead(self, request: web.Request, endpoint: str, fault: Fault, model: str) -> Reply:
        """What stands for an answer when the request never reaches the service proper."""
        now, wall = self._clock()
        headers = callers.NOBODY if endpoint == "video" else request.headers
        if fault.kind == "unknown":
            return self.world.mislaid(now, request.match_info["task_id"], wall=wall, headers=headers)
        return self.world.deny(now, endpoint, _refusal(fault), wall=wall, headers=headers, model=model)

    def _other(self, reply: Reply) -> str | None:
        """A task that this answer is not about."""
        try:
            return self.world.other_than(reply.json["output"]["task_id"])
        except (KeyError, TypeError, ValueError):
            return None

    def _land_later(self, seconds: float, answer: Answer) -> None:
        """Let the service take the request when its client has long gone."""

        def land() -> None:
            self._landing.discard(handle)
            answer(*self._clock(), None)

        handle = asyncio.get_running_loop().call_later(seconds, land)
        self._landing.add(handle)

    async def _refuse(self, seconds: float | None) -> None:
        """Shut the port for so long, if at all; nobody else can take it meanwhile."""
        if seconds is None or self._site is None:
            return
        await self._site.stop()
        # A socket that is bound and does not listen: who connects is refused, and the port stays ours.
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self._port))
        self._shut = asyncio.ensure_future(self._reopen(bound, seconds))

    async def _reopen(self, bound: socket.socket, seconds: float) -> None:
        if await sending.nap(seconds, self._closing) or self._runner is None:
            bound.close()
            return
        self._site = web.SockSite(self._runner, bound)
        await self._site.start()
        self._shut = None


def _refusal(fault: Fault) -> Refusal:
    """What a request is told that the service spares itself."""
    if fault.kind == "denied" and fault.code:
        documented = REFUSALS[fault.code]
        message = fault.message or documented.message
        return replace(documented, message=message, retry_after=fault.retry_after)
    return replace(TOO_FAST, retry_after=fault.retry_after) if fault.kind == "throttle" else BROKEN
