"""The engine with everything that it reaches the world by: sessions, one service for each account, signals.

Puts rooms together; asks nobody, prints nothing and reads no environment.
"""

import asyncio
import signal
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from wanbatch.clock import Clock
from wanbatch.engine import Engine, Told, Warned
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.seen import ReadFailed
from wanbatch.money.till import NoTill, Till
from wanbatch.perform import Performer, Work
from wanbatch.service import client, download
from wanbatch.service.account import Account

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Drive:
    """The engine with its sessions and signals. `signal` is the one that ended it, if one did."""

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        limits: Limits,
        told: Told,
        *,
        till: Till | None = None,
        warned: Warned = lambda _message: None,
        allowed_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self.journal = journal
        self.folder = folder
        self.limits = limits
        self.told = told
        self.till = till or NoTill()
        self.warned = warned
        self.allowed_hosts = allowed_hosts
        self.engine: Engine | None = None
        self.signal: signal.Signals | None = None

    async def run(
        self,
        accounts: Sequence[tuple[Lane, Account]],
        work: Work,
        clock: Clock,
        also: Sequence[tuple[Lane, Account]] = (),
    ) -> Engine:
        """Run the engine to its end, or to the first signal; a second one ends the process's loop at once.

        Submissions leave by `accounts`; what earlier runs have with the accounts of `also` is collected.
        """
        every = [*accounts, *also]
        named = {urlsplit(account.base_url).hostname or "" for _, account in every}
        hosts = self.allowed_hosts | named  # a relay may serve the videos too
        loopback = all(account.is_loopback for _, account in every)
        async with AsyncExitStack() as stack:
            services = {
                lane.name: await stack.enter_async_context(self._client(lane, account, clock))
                for lane, account in every
            }
            bare = await stack.enter_async_context(download.session(allowed_hosts=hosts))
            downloader = download.Downloader(self.folder, bare, loopback=loopback, allowed_hosts=hosts)
            world = Performer(services, downloader, clock, self.limits)
            lanes = [lane for lane, _ in accounts]
            self.engine = Engine(self.journal, world, self.told, lanes=lanes, till=self.till, warned=self.warned)
            await self._heeding(self._told_limits(self.engine, services, work), self.engine, work)
            return self.engine

    async def _told_limits(self, engine: Engine, services: Mapping[str, client.Client], work: Work) -> None:
        """Ask each account for its limits of each model that may be submitted. Who does not answer has the table's."""
        models = {request.model for request in work.requests.values()}
        pairs = [(lane, model) for lane in engine.board.lanes for model in sorted(models) if lane.has(model)]
        answers = await asyncio.gather(*(services[lane.name].limits(model) for lane, model in pairs))
        for (lane, model), told in zip(pairs, answers, strict=True):
            if not isinstance(told, ReadFailed):
                engine.board.gate(lane, model).told(told.tasks_at_once, told.submit_per_s)

    def _client(self, lane: Lane, account: Account, clock: Clock) -> client.Client:
        asks = client.Spacing(lane.ask_rate, clock.now, ticket=partial(self.till.ticket_s, lane))
        return client.Client(account, asks=asks, post_timeout_s=self.limits.post_timeout_s, now=clock.now)

    async def _heeding(self, first: Coroutine[None, None, None], engine: Engine, work: Work) -> None:
        """Run the engine with the signals in its hands. One that was switched off (nohup) stays off."""
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main
        before = {number: signal.getsignal(number) for number in HEEDED}
        heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        for number in heeded:
            loop.add_signal_handler(number, self._signaled, number, main)
        try:
            await first
            await engine.run(work)
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    def _signaled(self, number: signal.Signals, main: "asyncio.Task[object]") -> None:
        """First: start nothing more. Second: out, which is safe, since every state is on disk already."""
        assert self.engine
        if self.signal is not None:
            main.cancel()
        self.signal = self.signal or number
        self.engine.drain()
