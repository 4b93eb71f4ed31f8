"""The service over HTTP: submit, task, tasks, cancel → outcome values. Knows nothing of jobs.

Every create call goes out on a connection of its own, is never repeated and never redirected: a second one
is a second bill. What cannot be told from a task that was made is `Unknown`.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from wanbatch import __version__
from wanbatch.jobs.seen import Kind, Listing, NotSent, ReadFailed, Row, SubmitOutcome, TaskView, Unknown
from wanbatch.manifest.model import Request
from wanbatch.service import wire
from wanbatch.service.account import Account, is_loopback

MAX_REPLY_BYTES = 1024 * 1024
"""The longest documented reply is some 6 KB of prompt; a page of 100 rows some 50 KB."""
READ_TIMEOUT_S = 30.0
POST_TIMEOUT_S = 60.0
PAGE_SIZE = 100
"""No maximum is documented; the service's own `page_size` in the reply is not relied on."""
MAX_PAGES = 200
NO_SUCH_PATH = (404, 405)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def alone(_gap_s: float) -> float:
    """Wait for nobody: no other process uses the account."""
    return 0.0


class Spacing:
    """Hands out turns at a rate: two are never closer than `1 / per_second` seconds; who asks first goes first.

    `ticket` takes the next turn among all processes that use the account, and says in how many seconds it is.
    """

    def __init__(
        self,
        per_second: float,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        ticket: Callable[[float], float] = alone,
    ) -> None:
        self._gap = 1 / per_second
        self._ticket = ticket
        self._now = now
        self._sleep = sleep
        self._free_at = float("-inf")
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for the next turn."""
        async with self._line:
            wait = max(self._free_at - self._now(), self._ticket(self._gap))
            if wait > 0:
                await self._sleep(wait)
            self._free_at = max(self._free_at, self._now()) + self._gap


class TooLarge(Exception):
    """A reply that no answer of this service can be."""


def proxy_for(url: str) -> str | None:
    """Return the environment's proxy for `url`. Not `trust_env`, which adds credentials from ~/.netrc.

    What stays on this machine goes through none: there the key travels unencrypted.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


class Client:
    """The service of one account. Use as an async context manager."""

    def __init__(
        self,
        account: Account,
        *,
        asks: Spacing,
        post_timeout_s: float = POST_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.account = account
        self.clock_offset_s: float | None = None
        """The service's clock minus `now`, once an answer has shown it."""
        self._now = now
        self._asks = asks
        self._read_timeout = aiohttp.ClientTimeout(total=read_timeout_s)
        self._post_timeout = aiohttp.ClientTimeout(total=post_timeout_s)
        self._proxy = proxy_for(account.base_url)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers(),
            timeout=self._read_timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._session, "the client is used inside `async with`"
        await self._session.close()

    def _headers(self) -> dict[str, str]:
        headers = {
            "Authorization": self.account.key.header(),
            "User-Agent": f"wanbatch/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if self.account.workspace:
            headers["X-DashScope-WorkSpace"] = self.account.workspace
        return headers

    async def submit(self, request: Request) -> SubmitOutcome:
        """Make a task: one POST on a fresh connection. Never raises for what the world does."""
        sent = asyncio.Event()

        async def headers_sent(_session: object, _context: SimpleNamespace, _params: object) -> None:
            sent.set()

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(headers_sent)
        headers = {**self._headers(), "Content-Type": "application/json", "X-DashScope-Async": "enable"}
        partial: dict[str, str] = {}
        try:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                timeout=self._post_timeout,
                trace_configs=[trace],
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            ) as session:
                url = f"{self.account.base_url}/services/aigc/video-generation/video-synthesis"
                reply = await self._call(session, "POST", url, request.canonical(), headers, partial)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TooLarge) as error:
            reason = reason_of(error)
            if not sent.is_set():
                return NotSent(reason)
            return Unknown(reason, wire.request_id_of(None, partial))
        return wire.submit_outcome(reply.status, reply.headers, reply.body)

    async def task(self, task_id: str) -> TaskView | ReadFailed:
        """Ask about one task."""
        reply = await self._ask("GET", f"/tasks/{quote(task_id, safe='')}")
        return wire.task_view(task_id, reply.status, reply.headers, reply.body) if isinstance(reply, Reply) else reply

    async def tasks(self, model: str) -> Listing | ReadFailed:
        """Read all pages of the last 24 hours' tasks of a model. No time filter: its zone is documented nowhere.

        What is not in the list may be submitted again, so the number of pages is not believed while rows are
        missing from the total: pages are then asked for until one shows nothing new.
        """
        rows: dict[str, Row] = {}
        for number in range(1, MAX_PAGES + 1):
            query = urlencode({"model_name": model, "page_no": number, "page_size": PAGE_SIZE})
            reply = await self._ask("GET", f"/tasks/?{query}")
            page = reply if isinstance(reply, ReadFailed) else wire.list_page(reply.status, reply.headers, reply.body)
            if isinstance(page, ReadFailed):
                return page
            known = len(rows)
            rows |= {row.task_id: row for row in page.rows}
            if number >= page.pages and (len(rows) >= page.total or len(rows) == known):
                return Listing(tuple(rows.values()))
        return ReadFailed(Kind.SERVICE, "TooManyPages", f"the task list has more than {MAX_PAGES} pages")

    async def cancel(self, task_id: str) -> bool | ReadFailed:
        """Ask that a task be canceled. True: it will be; False: it is no longer pending."""
        reply = await self._ask("POST", f"/tasks/{quote(task_id, safe='')}/cancel")
        if isinstance(reply, Reply) and reply.status == 200:
            return True
        failed = wire.read_failed(reply.status, reply.headers, reply.body) if isinstance(reply, Reply) else reply
        return False if wire.fold(failed.code) == "unsupportedoperation" else failed

    async def limits(self, model: str) -> wire.Limits | ReadFailed:
        """Read the account's limits for a model. A failing call means that they are not known: the table holds then.

        Two addresses are documented, the older one first; only a host that does not have it is asked for the other.
        """
        query = urlencode({"model": model})
        reply = await self._ask("GET", f"/models/limits?{query}")
        if isinstance(reply, Reply) and reply.status in NO_SUCH_PATH:
            reply = await self._ask("GET", f"/quotas?{query}")
        return wire.limits_of(model, reply.status, reply.headers, reply.body) if isinstance(reply, Reply) else reply

    async def accepted(self, model: str) -> ReadFailed | None:
        """Ask for one row of the task list, which costs nothing: None says that the key is accepted."""
        query = urlencode({"model_name": model, "page_no": 1, "page_size": 1})
        reply = await self._ask("GET", f"/tasks/?{query}")
        page = reply if isinstance(reply, ReadFailed) else wire.list_page(reply.status, reply.headers, reply.body)
        return page if isinstance(page, ReadFailed) else None

    async def _ask(self, method: str, path: str) -> Reply | ReadFailed:
        """Make a call that may be repeated, in its turn."""
        assert self._session, "the client is used inside `async with`"
        await self._asks.turn()
        try:
            return await self._call(self._session, method, self.account.base_url + path, None, {}, {})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TooLarge) as error:
            return ReadFailed(Kind.SERVICE, "NoAnswer", reason_of(error))

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        partial: dict[str, str],
    ) -> Reply:
        """Make one call. The headers of an answer whose body never ends are left in `partial`."""
        async with session.request(
            method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False, proxy=self._proxy
        ) as response:
            redact = self.account.key.redact
            partial.update({name.lower(): redact(value) for name, value in response.headers.items()})
            there = wire.clock_of(partial)
            if there is not None:
                self.clock_offset_s = there - self._now()
            content = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                content += chunk
                if len(content) > MAX_REPLY_BYTES:
                    raise TooLarge
            text = redact(content.decode("utf-8", "surrogateescape"))
            return Reply(response.status, partial, text.encode("utf-8", "surrogateescape"))


def reason_of(error: BaseException) -> str:
    """Say in a few words what happened. Never in the exception's own: they may hold the key, or what was sent."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case TooLarge():
            return f"the answer is larger than {MAX_REPLY_BYTES:,} bytes"
        case aiohttp.ClientSSLError():
            return f"cannot connect to {error.host}: no trusted TLS"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}: {os_reason(error.os_error) or 'no such host'}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refuses: HTTP {error.status}"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short"
        case aiohttp.ClientResponseError():
            return "the answer is no HTTP"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed without an answer"
        case OSError() if os_reason(error):
            return f"the connection broke: {os_reason(error)}"
        case _:
            return f"the connection broke: {type(error).__name__}"


def os_reason(error: OSError) -> str:
    """Return the system's words for an error of its own; empty for those of name look-up, which count apart."""
    own = error.errno is not None and error.errno > 0 and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno) if own and error.errno else ""
