"""One run over one output folder: prepare what the plan needs, drive the engine.

Puts rooms together; asks nobody, prints nothing and reads no environment.
"""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from wanbatch.clock import Clock
from wanbatch.engine import Engine, Told, Work
from wanbatch.errors import Exit
from wanbatch.jobs import shelf
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.folder import move
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Kind, Plan
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.seen import Lost, NotSaved
from wanbatch.jobs.state import Done, Event, HeldForReview, Planned, VideoMissing, VideoMoved
from wanbatch.manifest.model import JobKey, Wanted
from wanbatch.service import client, download
from wanbatch.service.account import Account


def prepare(journal: Journal, plan: Plan, wanted: Mapping[JobKey, Wanted], folder: Path, now: float) -> None:
    """Do what the plan needs before the loop: write down new jobs, notice missing videos, bring back old ones."""
    board = journal.board
    events: list[tuple[JobKey, Event]] = []
    for entry in plan.entries:
        job = board.jobs.get(entry.key)
        if entry.kind.submits and job is None:
            events.append((entry.key, Planned(entry.key.stem, wanted[entry.key].request.outline())))
        elif job is not None and isinstance(job.state, Done) and entry.kind in (Kind.FETCH, Kind.HELD):
            events.append((entry.key, VideoMissing()))
            if entry.kind is Kind.HELD:
                events.append((entry.key, HeldForReview(entry.reason)))
    journal.record_all(events, now)
    for entry in plan.of(Kind.RESTORE):
        restore(journal, board.jobs[entry.key], folder, now)


def restore(journal: Journal, job: Job, folder: Path, now: float) -> None:
    """Give an earlier video its name back: the scene is again as it was, and nothing is paid twice."""
    assert isinstance(job.state, Done)
    final = shelf.final_path(job.stem)
    owner = journal.board.owner(final, job.key.scene, job.key.take)
    if owner:
        aside = shelf.superseded_path(owner.stem, owner.key.digest, lambda path: (folder / path).exists())
        move(folder, final, aside)
        journal.record(owner.key, VideoMoved(aside), now)
    move(folder, job.state.path, final)
    journal.record(job.key, VideoMoved(final), now)


def work_of(board: Board, wanted: Mapping[JobKey, Wanted], plan: Plan, folder: Path, *, keep: bool) -> Work:
    """Return what the engine is to do for a plan."""

    def target(job: Job) -> download.Target:
        request = wanted[job.key].request if job.key in wanted else None
        final = shelf.final_path(job.stem)
        named = shelf.has_the_name(board, job, wanted, keep=keep)
        path = final if named else shelf.superseded_path(job.stem, job.key.digest)
        owner = board.owner(path, job.key.scene, job.key.take)
        replaces = None
        if owner and owner.key != job.key:
            aside = shelf.superseded_path(owner.stem, owner.key.digest, lambda name: (folder / name).exists())
            replaces = (path, aside)
        return download.Target(
            path=path,
            part=shelf.part_path(job),
            sidecar=lambda size, sha256: shelf.sidecar(job, request, size, sha256),
            ours=lambda content: shelf.sidecar_sha256(content, job),
            replaces=replaces,
        )

    # What is in flight may come back as ready: found absent, or failed by the service's own fault.
    sendable = plan.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH)
    return Work({entry.key: wanted[entry.key].request for entry in sendable if entry.key in wanted}, target)


def codes(plan: Plan, engine: Engine | None) -> set[Exit]:
    """Return every exit code that holds after a run, from what is still to do."""
    found: set[Exit] = set()
    if plan.of(Kind.HELD):
        found.add(Exit.HELD)
    if plan.of(Kind.IN_FLIGHT, Kind.FETCH):
        found.add(Exit.RUNNING)
    if plan.of(Kind.FAILED):
        found.add(Exit.FAILED)
    if engine and engine.halted:
        found.add(engine.halted.exit_code)
    troubles = engine.troubles.values() if engine else ()
    if any(isinstance(trouble, NotSaved) and trouble.why is Lost.DISK for trouble in troubles):
        found.add(Exit.STATE)
    if plan.submissions and not found:
        found.add(Exit.RUNNING)  # not everything wanted is on disk, and running again is the cure
    return found


class Drive:
    """The engine with its sessions and signals. `signal` is the one that ended it, if one did."""

    def __init__(self, journal: Journal, folder: Path, limits: Limits, told: Told) -> None:
        self.journal = journal
        self.folder = folder
        self.limits = limits
        self.told = told
        self.engine: Engine | None = None
        self.signal: signal.Signals | None = None

    async def run(self, account: Account, work: Work, clock: Clock) -> Engine:
        """Run the engine to its end, or to the first signal; a second one ends the process's loop at once."""
        asks = client.Spacing(self.limits.ask_rate, clock.now)
        service = client.Client(account, asks=asks, post_timeout_s=self.limits.post_timeout_s, now=clock.now)
        async with service, download.session() as bare:
            downloader = download.Downloader(self.folder, bare, loopback=account.is_loopback)
            self.engine = Engine(self.journal, service, downloader, clock, self.limits, self.told)
            loop = asyncio.get_running_loop()
            main = asyncio.current_task()
            assert main
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._signaled, number, main)
            try:
                await self.engine.run(work)
            finally:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    loop.remove_signal_handler(number)
            return self.engine

    def _signaled(self, number: signal.Signals, main: "asyncio.Task[Engine]") -> None:
        """First: start nothing more. Second: out, which is safe, since every state is on disk already."""
        assert self.engine
        if self.signal is not None:
            main.cancel()
        self.signal = self.signal or number
        self.engine.drain()
