"""The service over HTTP: submit, task, tasks, cancel → outcome values. Knows nothing of jobs.

Every POST goes out on a connection of its own, is never repeated and never redirected: a second one is a
second bill. What cannot be told from a task that was made is `Unknown`.
"""

import asyncio
import os
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
from wanbatch.service.account import Account

MAX_REPLY_BYTES = 1024 * 1024
"""The longest documented reply is some 6 KB of prompt; a page of 100 rows some 50 KB."""
READ_TIMEOUT_S = 30.0
POST_TIMEOUT_S = 60.0
PAGE_SIZE = 100
"""No maximum is documented; the service's own `page_size` in the reply is not relied on."""
MAX_PAGES = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Spacing:
    """Hands out turns at a rate: one every `1 / per_second` seconds, to whoever asks first."""

    def __init__(
        self, per_second: float, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._gap = 1 / per_second
        self._now = now
        self._sleep = sleep
        self._free_at = float("-inf")

    async def turn(self) -> None:
        """Wait for the next turn."""
        at = max(self._free_at, self._now())
        self._free_at = at + self._gap
        wait = at - self._now()
        if wait > 0:
            await self._sleep(wait)


class TooLarge(Exception):
    """A reply that no answer of this service can be."""


def proxy_for(url: str) -> str | None:
    """Return the environment's proxy for `url`. Not `trust_env`, which adds credentials from ~/.netrc."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


class Client:
    """The service of one account. Use as an async context manager."""

    def __init__(self, account: Account, *, asks: Spacing, post_timeout_s: float = POST_TIMEOUT_S) -> None:
        self.account = account
        self.clock_offset_s = 0.0
        self._asks = asks
        self._post_timeout = aiohttp.ClientTimeout(total=post_timeout_s)
        self._proxy = proxy_for(account.base_url)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers(),
            timeout=aiohttp.ClientTimeout(total=READ_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session:
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
            reason = self._reason(error)
            if not sent.is_set():
                return NotSent(reason)
            return Unknown(reason, wire.request_id_of(None, partial))
        return wire.submit_outcome(reply.status, reply.headers, reply.body)

    async def task(self, task_id: str) -> TaskView | ReadFailed:
        """Ask about one task."""
        reply = await self._ask("GET", f"/tasks/{quote(task_id, safe='')}")
        if isinstance(reply, ReadFailed):
            return reply
        return wire.task_view(task_id, reply.status, reply.headers, reply.body)

    async def tasks(self, model: str) -> Listing | ReadFailed:
        """Read all pages of the last 24 hours' tasks of a model. No time filter: its zone is documented nowhere."""
        rows: dict[str, Row] = {}
        for number in range(1, MAX_PAGES + 1):
            query = urlencode({"model_name": model, "page_no": number, "page_size": PAGE_SIZE})
            reply = await self._ask("GET", f"/tasks/?{query}")
            page = reply if isinstance(reply, ReadFailed) else wire.list_page(reply.status, reply.headers, reply.body)
            if isinstance(page, ReadFailed):
                return page
            found, pages = page
            rows |= {row.task_id: row for row in found}
            if number >= pages:
                return Listing(tuple(rows.values()))
        return ReadFailed(Kind.SERVICE, "TooManyPages", f"the task list has more than {MAX_PAGES} pages")

    async def cancel(self, task_id: str) -> bool | ReadFailed:
        """Ask that a task be canceled. True: it will be; False: it is no longer pending."""
        reply = await self._ask("POST", f"/tasks/{quote(task_id, safe='')}/cancel")
        if isinstance(reply, ReadFailed):
            return reply
        if reply.status == 200:
            return True
        failed = wire.read_failed(reply.status, reply.headers, reply.body)
        return False if failed.code.casefold() == "unsupportedoperation" else failed

    async def _ask(self, method: str, path: str) -> Reply | ReadFailed:
        """Make a call that may be repeated, in its turn."""
        assert self._session, "the client is used inside `async with`"
        await self._asks.turn()
        try:
            return await self._call(self._session, method, self.account.base_url + path, None, {}, {})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TooLarge) as error:
            return ReadFailed(Kind.SERVICE, "NoAnswer", self._reason(error))

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
            partial.update({name.lower(): value for name, value in response.headers.items()})
            self._note_clock(partial)
            content = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                content += chunk
                if len(content) > MAX_REPLY_BYTES:
                    raise TooLarge
            redacted = self.account.key.redact(content.decode("utf-8", "surrogateescape"))
            return Reply(response.status, partial, redacted.encode("utf-8", "surrogateescape"))

    def _note_clock(self, headers: Mapping[str, str]) -> None:
        """Keep how far the service's clock is from ours; `Date` has whole seconds."""
        from email.utils import parsedate_to_datetime
        from time import time

        try:
            self.clock_offset_s = parsedate_to_datetime(headers["date"]).timestamp() + 0.5 - time()
        except (KeyError, ValueError, TypeError):
            return

    def _reason(self, error: BaseException) -> str:
        """Say in a few words what happened; an exception's `repr` would hold the key."""
        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(error, TooLarge):
            return f"the answer is larger than {MAX_REPLY_BYTES:,} bytes"
        if isinstance(error, aiohttp.ClientConnectorError):
            code = error.os_error.errno
            return f"cannot connect to {error.host}: {os.strerror(code) if code and code > 0 else 'no such host'}"
        return self.account.key.redact(str(error))[:200] or type(error).__name__
