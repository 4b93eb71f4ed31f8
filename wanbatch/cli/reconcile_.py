"""`wanbatch reconcile`: what is in doubt is looked for in the account's task list, now, and nothing is submitted."""

import asyncio
import os
import signal
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import note, say
from wanbatch.cli.status_ import code
from wanbatch.clock import Clock
from wanbatch.drive import Drive
from wanbatch.errors import Exit, WanbatchError, gravest
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.folder import claimed_beside
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.plan import tell
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import Event, InDoubt
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import RunSettings
from wanbatch.perform import Work
from wanbatch.service.account import account
from wanbatch.service.accounts import Lanes, reached, read_config
from wanbatch.service.download import Target
from wanbatch.views.progress import spoken
from wanbatch.views.text import printable


@click.command("reconcile")
@click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))
@common.reading_options
@common.out_option
@common.base_url_option
@click.option(
    "--settle",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="How long an unknown outcome is watched before absence is believed.  [default: 180]",
)
def command(where: Path, reading: Reading, out: Path | None, base_url: str | None, settle: float | None) -> int:
    """Look for every scene of MANIFEST that is in doubt in the account's task list, as a run would. Submits nothing.

    Takes as long as it needs to be sure: the settling time, and until tasks that may be the one have ended. May be
    stopped at any moment. MANIFEST may also be an output folder.
    """
    folder = common.folder_named(where, out, "reconcile", reading)
    path = common.journal_in(folder, where)
    settings = RunSettings() if where.is_dir() or not where.exists() else common.manifest_of(where, reading).run
    limits = Limits(
        poll_interval_s=settings.poll_interval_s,
        settle_s=settings.settle_s if settle is None else settle,
        on_absent=settings.on_absent,
    )
    clock = Clock()
    with Journal.open(path, clock.now()) as journal:
        drive = None
        if any(isinstance(job.state, InDoubt) for job in journal.board.jobs.values()):
            accounts = accounts_of(journal.board, base_url)
            journal.note_run(clock.now(), common.manifest_label(where, reading))
            drive = searched(Drive(journal, folder, limits, told), accounts, clock)
        else:
            note("reconcile: nothing is in doubt")
        return said(journal.board, drive, common.named_again(where, reading, out))


def accounts_of(board: Board, base_url: str | None) -> Lanes:
    """Return the accounts by which what is in doubt was sent. Raises WanbatchError when none can be reached."""
    lanes = sorted({job.lane for job in board.jobs.values() if isinstance(job.state, InDoubt)})
    if lanes == [""]:
        return ((Lane(), account(os.environ, base_url)),)
    found, gone = reached(os.environ, read_config(os.environ), lanes)
    for name, why in gone.items():
        say(f"account {name or 'of the environment'} cannot be asked: {why}")
    if not found:
        raise WanbatchError("no account can be asked; nothing was changed", exit_code=Exit.ACCOUNT)
    return found


def searched(drive: Drive, accounts: Lanes, clock: Clock) -> Drive:
    """Drive the engine over what is in doubt."""

    def beside() -> frozenset[str]:
        return claimed_beside(drive.folder, clock.now())

    try:
        asyncio.run(drive.run(accounts, Work({}, no_target, elsewhere=beside, doubts_only=True), clock))
    except asyncio.CancelledError:
        if drive.signal is None:
            raise
    return drive


def no_target(job: Job) -> Target:
    """Nothing is downloaded here."""
    raise LookupError(job.key)


def told(job: Job, event: Event) -> None:
    """Say what was found of a scene."""
    words = spoken(event)
    if words:
        note(f"{printable(job.stem)}: {words}")


def said(board: Board, drive: Drive | None, named: list[str | Path | None]) -> int:
    """Say what is still in doubt and the next command; return the exit code."""
    engine = drive.engine if drive else None
    if engine and engine.halted:
        say(engine.halted.message, engine.halted.hint)
    for job in board.jobs.values():
        if isinstance(job.state, InDoubt):
            note(f"{printable(job.stem)}: {tell(job)}")
    found = {Exit(code(board))}
    if engine and engine.halted:
        found.add(engine.halted.exit_code)
    if drive and drive.signal is not None:
        say("interrupted; nothing is lost", f"go on with: {common.typed('wanbatch', 'reconcile', *named)}")
        return int(Exit.TERMINATED if drive.signal == signal.SIGTERM else Exit.INTERRUPTED)
    worst = gravest(found)
    if worst is Exit.HELD:
        say("held scenes wait for you", f"what is known: {common.typed('wanbatch', 'status', *named)}")
    elif worst is Exit.RUNNING and not Path(str(named[0])).is_dir():
        say("nothing is lost", f"collect what was found: {common.typed('wanbatch', 'run', *named)}")
    return int(worst)
