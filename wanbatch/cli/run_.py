"""`wanbatch run`: submit, collect and download what the manifest asks for."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, say
from wanbatch.clock import Clock
from wanbatch.errors import Exit, WanbatchError, gravest
from wanbatch.jobs.board import Job
from wanbatch.jobs.folder import mend
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Kind, Plan, PriceOf, sentence
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import Event, Failed, ResubmitApproved, VideoSaved
from wanbatch.manifest.model import Manifest, Wanted
from wanbatch.run import Drive, codes, prepare, work_of
from wanbatch.service import catalog
from wanbatch.service.account import Account, Key, account
from wanbatch.views.progress import Progress
from wanbatch.views.text import table

SIMULATED_SPEED = 60.0
"""A minute of the service's is a second: a first try should take seconds."""
SIMULATED_POLL_S = 0.5
LISTED = 20
"""How many scenes that need attention are listed; `wanbatch status` lists all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    path: Path
    manifest: Manifest
    wanted: tuple[Wanted, ...]
    folder: Path
    base_url: str | None
    simulate: bool
    yes: bool
    as_json: bool
    quiet: bool
    retry_failed: bool


@click.command("run")
@common.manifest_argument
@common.out_option
@common.select_option
@common.base_url_option
@click.option("--simulate", is_flag=True, help="Run against the built-in simulator: no key, no money.")
@click.option("-y", "--yes", is_flag=True, help="Submit without asking.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Tasks with the service at once.  [default: 5]")
@click.option(
    "--poll-interval",
    type=click.FloatRange(0.05, 600),
    metavar="SECONDS",
    help="Between two questions about a task.  [default: 15]",
)
@click.option(
    "--settle",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="How long an unknown outcome is watched before absence is believed.  [default: 180]",
)
@click.option("--retry-failed", is_flag=True, help="Give scenes that failed another attempt.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@common.json_option
def command(
    manifest: Path, out: Path | None, selection: str | None, base_url: str | None, simulate: bool, yes: bool,
    concurrency: int | None, poll_interval: float | None, settle: float | None, retry_failed: bool, quiet: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Submit, collect and download what MANIFEST asks for.

    Says in one sentence what it will do and asks before it spends; --yes answers. May be stopped at any moment:
    the same command goes on where it stopped, and pays for nothing twice. The paths of new videos go to stdout.
    """
    if simulate and base_url:
        raise click.UsageError("--simulate brings its own service: leave --base-url out")
    checked = common.manifest_of(manifest)
    asked = Asked(
        path=manifest,
        manifest=checked,
        wanted=common.wanted_of(checked, selection),
        folder=common.folder_of(checked, out, simulated=simulate),
        base_url=base_url,
        simulate=simulate,
        yes=yes,
        as_json=as_json,
        quiet=quiet,
        retry_failed=retry_failed,
    )
    return run(asked, limits_of(checked, concurrency, poll_interval, settle, simulate=simulate))


def limits_of(
    manifest: Manifest, concurrency: int | None, poll_interval: float | None, settle: float | None, *, simulate: bool
) -> Limits:
    """Return what the run keeps to: the flag, else the manifest, else the default."""
    settings = manifest.run
    return Limits(
        concurrency=concurrency or settings.concurrency,
        downloads=settings.downloads,
        submit_rate=catalog.rates().submit_per_s,
        poll_interval_s=poll_interval or (SIMULATED_POLL_S if simulate else settings.poll_interval_s),
        settle_s=settings.settle_s if settle is None else settle,
        on_absent=settings.on_absent,
    )


def run(asked: Asked, limits: Limits) -> int:
    """Run; return the exit code."""
    clock = Clock()
    price = common.price_list(asked.base_url)
    with Journal.open(common.journal_path(asked.folder), clock.now()) as journal:
        if journal.torn_bytes:
            say(f"{journal.path}: the last line was cut short by a crash ({journal.torn_bytes} bytes) and is left out")
        mend(journal, asked.folder, clock.now())
        if asked.retry_failed:
            approve(journal, asked.wanted, clock.now())
        planned = plan_of(asked, journal, price, clock)
        drive = None
        saved: list[str] = []
        if planned.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE):
            consent(asked, planned)
            target = None if asked.simulate else account(os.environ, asked.base_url)
            journal.note_run(clock.now(), str(asked.path))
            prepare(journal, planned, {one.key: one for one in asked.wanted}, asked.folder, clock.now())
            drive = perform(asked, journal, planned, target, limits, clock, saved)
        elif planned.of(Kind.HELD):
            prepare(journal, planned, {one.key: one for one in asked.wanted}, asked.folder, clock.now())
        after = plan_of(asked, journal, price, clock)
    return report(asked, planned, after, drive, saved)


def plan_of(asked: Asked, journal: Journal, price: PriceOf, clock: Clock) -> Plan:
    """Return the plan as things are now."""
    return common.plan_for(asked.manifest, asked.wanted, journal.board, asked.folder, price, clock.now())


def approve(journal: Journal, wanted: tuple[Wanted, ...], now: float) -> None:
    """Write down that failed scenes may go again; a failed task was not billed."""
    failed = [one.key for one in wanted if one.key in journal.board.jobs]
    again = [key for key in failed if isinstance(journal.board.jobs[key].state, Failed)]
    journal.record_all([(key, ResubmitApproved("--retry-failed")) for key in again], now)


def consent(asked: Asked, planned: Plan) -> None:
    """Say what will be done; ask before money is spent. Raises WanbatchError without a yes."""
    if not asked.quiet or not asked.yes:
        free = " (simulated: costs nothing)" if asked.simulate and planned.submissions else ""
        click.echo(sentence(planned) + free, err=True)
    if asked.yes or not planned.submissions:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WanbatchError(
            "nobody to ask whether to submit; nothing was sent",
            exit_code=Exit.REFUSED,
            hint=f"say it with --yes: wanbatch run {asked.path} --yes",
        )
    if not click.confirm("Submit?", default=False, err=True):
        raise WanbatchError("not submitted; nothing was sent", exit_code=Exit.REFUSED)


def perform(
    asked: Asked,
    journal: Journal,
    planned: Plan,
    target: Account | None,
    limits: Limits,
    clock: Clock,
    saved: list[str],
) -> Drive:
    """Drive the engine; the paths of new videos are left in `saved`."""
    wanted = {one.key: one for one in asked.manifest.wanted}
    keep = asked.manifest.run.on_change == "keep"
    work = work_of(journal.board, wanted, planned, asked.folder, keep=keep)
    total = len(planned.submissions) + len(planned.of(Kind.IN_FLIGHT, Kind.FETCH))
    with Progress(total, quiet=asked.quiet) as progress:

        def told(job: Job, event: Event) -> None:
            if isinstance(event, VideoSaved):
                saved.append(str(asked.folder / event.path))
            progress.told(job, event)

        drive = Drive(journal, asked.folder, limits, told)

        async def go() -> None:
            async with AsyncExitStack() as stack:
                where = target or await simulated(stack)
                await drive.run(where, work, clock)

        try:
            asyncio.run(go())
        except asyncio.CancelledError:
            if drive.signal is None:
                raise
    return drive


async def simulated(stack: AsyncExitStack) -> Account:
    """Start the built-in simulator; it ends with the run."""
    from wanbatch.simulator.app import Simulator

    simulator = await stack.enter_async_context(Simulator(speed=SIMULATED_SPEED))
    return Account(Key("sk-simulated"), simulator.base_url)


def report(asked: Asked, planned: Plan, after: Plan, drive: Drive | None, saved: list[str]) -> int:
    """Say how it ended, and what to do next; return the exit code."""
    engine = drive.engine if drive else None
    found = codes(after, engine)
    code = int(gravest(found))
    if drive and drive.signal is not None:
        code = int(Exit.TERMINATED if drive.signal == signal.SIGTERM else Exit.INTERRUPTED)
    if engine and engine.halted:
        say(engine.halted.message, engine.halted.hint)
    if not asked.quiet:
        closing(asked, planned, after, saved)
    troubles = {str(key): trouble for key, trouble in engine.troubles.items()} if engine else {}
    attention(after, {key: getattr(trouble, "reason", "") for key, trouble in troubles.items()})
    if drive and drive.signal is not None:
        interrupted(asked, after)
    elif Exit.RUNNING in found:
        say("some videos are still to come; nothing is lost", f"go on with: wanbatch run {asked.path}")
    if asked.as_json:
        echo_json(as_data(asked, after, saved, code))
    else:
        for path in saved:
            click.echo(path)
    return code


def closing(asked: Asked, planned: Plan, after: Plan, saved: Sequence[str]) -> None:
    """Say in one line what came of it."""
    done = len(after.of(Kind.DONE, Kind.KEPT))
    if not saved and not planned.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE):
        click.echo(f"nothing to do: {sentence(after).removeprefix('plan: ')}; videos are in {asked.folder}", err=True)
        return
    click.echo(f"run: {len(saved)} saved, {done} of {len(asked.wanted)} videos are in {asked.folder}", err=True)


def attention(after: Plan, troubles: dict[str, str]) -> None:
    """List the scenes that did not come through, with the reason and the next command."""
    entries = [*after.of(Kind.FAILED, Kind.HELD), *(e for e in after.of(Kind.FETCH) if troubles.get(str(e.key)))]
    if not entries:
        return
    rows = [[e.key.stem, e.kind.value, troubles.get(str(e.key)) or e.reason] for e in entries[:LISTED]]
    click.echo(table(rows, 160), err=True)
    if len(entries) > LISTED:
        click.echo(f"… and {len(entries) - LISTED} more: wanbatch status", err=True)
    if after.of(Kind.FAILED):
        say("failed scenes were not billed", "mend their prompts, or run again with --retry-failed")
    if after.of(Kind.HELD):
        say("held scenes wait for you", "wanbatch resolve --help shows what you may decide")


def interrupted(asked: Asked, after: Plan) -> None:
    """Say what is left and how to go on."""
    left = len(after.of(Kind.IN_FLIGHT, Kind.FETCH))
    command_line = f"wanbatch run {asked.path}" + (" --simulate" if asked.simulate else "")
    if asked.simulate and left:
        hint = f"the built-in simulator forgets its tasks when it ends: start afresh with rm -r {asked.folder}"
    else:
        hint = f"go on with: {command_line}"
    say(f"interrupted; {left} task{'s' if left != 1 else ''} stay with the service, nothing is lost", hint)


def as_data(asked: Asked, after: Plan, saved: list[str], code: int) -> dict[str, object]:
    """Return the result as JSON data; a contract, versioned."""
    return {
        "format": common.JSON_FORMAT,
        "exit_code": code,
        "folder": str(asked.folder),
        "saved": saved,
        "counts": {kind.name.lower(): len(after.of(kind)) for kind in Kind},
        "scenes": [common.entry_json(entry) for entry in after.entries],
    }
