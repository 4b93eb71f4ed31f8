"""A run while it goes on: the engine with whoever watches it, the built-in simulator, and the deadline."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from secrets import randbits, token_hex

from wanbatch.cli.asked import Asked
from wanbatch.cli.door import note, say
from wanbatch.cli.paying import as_asked, beside, paying
from wanbatch.cli.telling import Telling
from wanbatch.clock import Clock
from wanbatch.drive import Drive
from wanbatch.jobs.board import Job
from wanbatch.jobs.folder import claimed_beside
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.plan import Kind, Plan
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import Event, VideoSaved
from wanbatch.manifest.model import JobKey, Wanted
from wanbatch.perform import Work
from wanbatch.run import work_of
from wanbatch.service.account import Account, Key
from wanbatch.service.accounts import Lanes
from wanbatch.views.progress import Progress
from wanbatch.views.text import printable

SIMULATED_SPEED = 60.0
"""A minute of the service's is a second: a first try should take seconds."""
TICK_S = 1.0


@dataclass
class Course:
    """How far a run is: what its report needs, whatever ends it."""

    asked: Asked
    clock: Clock
    started_at: float
    copied: bool = False
    """Whether the journal's file was copied or restored since its last line was written."""
    planned: Plan = field(default_factory=lambda: Plan(()))
    drive: Drive | None = None
    saved: list[str] = field(default_factory=list)
    """Paths of the videos that this run saved, with the output folder's."""
    target: Lanes | None = None
    """The accounts that it runs by; None for the built-in simulator."""
    is_late: bool = False
    """Whether the deadline ended it."""
    run: str = field(default_factory=lambda: token_hex(8))
    """Its name in the ledger: a cap of a run holds over all its rounds."""

    @property
    def wanted(self) -> dict[JobKey, Wanted]:
        """What is wanted, by key."""
        return {one.key: one for one in self.asked.wanted}

    @property
    def goes_on(self) -> bool:
        """Whether nothing has ended the run that would end another round too."""
        drive = self.drive
        ended = drive is None or drive.signal is not None or drive.engine is None or drive.engine.halted is not None
        return self.asked.options.submits and not self.is_late and not ended

    @property
    def left_s(self) -> float:
        """How long until the deadline, in seconds; counted by a clock that nobody sets."""
        deadline = self.asked.options.deadline
        return float("inf") if deadline is None else self.started_at + deadline - self.clock.now()


def perform(course: Course, journal: Journal, target: Lanes | None, limits: Limits, telling: Telling) -> None:
    """Drive the engine; `target` are the accounts, None for the built-in simulator."""
    asked, planned = course.asked, course.planned
    total = len(planned.of(Kind.IN_FLIGHT, Kind.FETCH)) if asked.options.collects else 0
    total += len(planned.submissions) if asked.options.submits else 0
    with Progress(total, quiet=asked.quiet or asked.options.objects) as progress:
        try:
            asyncio.run(drive_on(course, journal, target, limits, telling, progress))
        except asyncio.CancelledError:
            if course.drive is None or course.drive.signal is None:
                raise


async def drive_on(
    course: Course, journal: Journal, target: Lanes | None, limits: Limits, telling: Telling, progress: Progress
) -> None:
    """Drive the engine to its end, the deadline or a signal."""
    asked = course.asked

    def told(job: Job, event: Event) -> None:
        if isinstance(event, VideoSaved):
            course.saved.append(str(asked.folder / event.path))
        progress.told(job, event)
        telling.told(job, event)

    async with served(asked, target) as accounts:
        also = beside(asked, accounts, journal)
        with paying(asked, (*accounts, *also), journal, course.clock, copied=course.copied, run=course.run) as till:
            hosts = frozenset(asked.options.allowed_hosts)
            drive = Drive(journal, asked.folder, limits, told, till=till, warned=warn, allowed_hosts=hosts)
            course.drive = drive
            attending = asyncio.create_task(attend(course, drive, progress))
            try:
                await drive.run(accounts, work_for(course, journal, lacking=till.lacking), course.clock, also)
            finally:
                attending.cancel()


def work_for(course: Course, journal: Journal, *, lacking: bool) -> Work:
    """Return what the engine is to do. `lacking`: the ledger knows of submissions that the journal has forgotten."""
    asked = course.asked
    options = asked.options
    wanted = {one.key: one for one in asked.manifest.wanted}
    keep = asked.manifest.run.on_change == "keep"
    work = work_of(journal.board, wanted, course.planned, asked.folder, keep=keep)
    work = replace(work, elsewhere=lambda: claimed_beside(asked.folder, course.clock.now()))
    if not options.submits:
        return replace(work, requests={}, look_for_orphans=False)
    look = not (options.ignore_orphans or options.simulate)
    return replace(
        work,
        collect=options.collects,
        look_for_orphans=look,
        copied=course.copied or lacking,
    )


async def attend(course: Course, drive: Drive, progress: Progress) -> None:
    """Show that time passes while the service works, and end the run at its deadline as the first Ctrl-C would."""
    while True:
        await asyncio.sleep(max(0.01, min(TICK_S, course.left_s)))
        progress.tick()
        if course.left_s <= 0 and drive.engine is not None:
            course.is_late = True
            drive.engine.drain()
            return


def warn(message: str) -> None:
    """Say what is odd about the account, above the bar if there is one."""
    if not sys.stderr.isatty():
        say(message)
        return
    from tqdm import tqdm

    tqdm.write(f"wanbatch: {printable(message)}", file=sys.stderr)


@asynccontextmanager
async def served(asked: Asked, target: Lanes | None) -> AsyncIterator[Lanes]:
    """Give the accounts to run against: `target`, or that of a simulator, which ends with the run.

    A simulator's task ids are never those of an earlier one. It counts what was asked of it, and says so.
    """
    if target is not None:
        yield target
        return
    from wanbatch.simulator.app import Simulator

    async with Simulator(speed=SIMULATED_SPEED, seed=randbits(32)) as simulator:
        yield ((as_asked(asked, Lane()), Account(Key("sk-simulated"), simulator.base_url)),)
        counted = simulator.stats()
        requests, most = len(counted["accepted_by_body"]), counted["max_open"].get("all", 0)
        if not asked.quiet:
            note(f"simulator: tasks made {counted['accepted']}, different requests {requests}, at once at most {most}")
