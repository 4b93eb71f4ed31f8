"""`wanbatch run`: submit, collect and download what the manifest asks for."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from secrets import randbits
from typing import Any

import click

from wanbatch.cli import common
from wanbatch.cli.closing import Asked, report
from wanbatch.cli.door import note, say
from wanbatch.clock import Clock
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Job
from wanbatch.jobs.folder import claimed_beside, mend
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Kind, Plan, PriceOf, sentence
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import Done, Event, Failed, HeldForReview, ResubmitApproved, VideoMissing, VideoSaved
from wanbatch.manifest.model import Manifest, Wanted
from wanbatch.run import Drive, prepare, was_copied, with_withheld, work_of
from wanbatch.service import catalog
from wanbatch.service.account import Account, Key, account
from wanbatch.views.progress import Progress
from wanbatch.views.text import printable

SIMULATED_SPEED = 60.0
"""A minute of the service's is a second: a first try should take seconds."""
SIMULATED_POLL_S = 0.5
SIMULATED = "simulated.txt"
"""Marks an output folder whose videos the simulator made."""
TICK_S = 1.0


@click.command("run")
@common.manifest_argument
@common.out_option
@common.select_option
@common.base_url_option
@click.option("--simulate", is_flag=True, help="Run against the built-in simulator: no key, no money.")
@click.option("-y", "--yes", is_flag=True, help="Submit without asking.")
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), metavar="N", help="Tasks with the service at once.  [default: 5]"
)
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
@click.option(
    "--submit-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Submissions a second.  [default: the account's limit, 5]",
)
@click.option(
    "--query-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Queries, lists and cancels a second.  [default: the account's limit, 20]",
)
@click.option(
    "--retry-failed", is_flag=True, help="Give scenes that failed another attempt; failed ones are not billed."
)
@click.option(
    "--ignore-orphans",
    is_flag=True,
    help="Submit although tasks of the account that no scene has may be these scenes'.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0, 86_400),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for another run of the same folder to end.  [default: 0]",
)
@click.option(
    "--allow-download-host",
    "allowed_hosts",
    multiple=True,
    metavar="HOST",
    help="Fetch videos from this host too, which is not known as the service's. May be repeated.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, no summary.")
@common.json_option
def command(
    manifest: Path, out: Path | None, selection: str | None, base_url: str | None, simulate: bool, yes: bool,
    concurrency: int | None, poll_interval: float | None, settle: float | None, submit_rate: float | None,
    query_rate: float | None, retry_failed: bool, ignore_orphans: bool, lock_timeout: float,
    allowed_hosts: tuple[str, ...], quiet: bool, as_json: bool,
) -> int:  # fmt: skip
    """Submit, collect and download what MANIFEST asks for.

    Says in one sentence what it will do and asks before it spends; --yes answers. May be stopped at any moment:
    the same command goes on where it stopped, and pays for nothing twice. The paths of new videos go to stdout.

    The key is read from DASHSCOPE_API_KEY, or from the file that DASHSCOPE_API_KEY_FILE_PATH names.
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
        yes=yes or simulate,
        as_json=as_json,
        quiet=quiet,
        retry_failed=retry_failed,
        ignore_orphans=ignore_orphans,
        lock_timeout_s=lock_timeout,
        allowed_hosts=allowed_hosts,
        again=again(
            manifest, out, selection, base_url, concurrency, simulate=simulate, yes=yes, allowed_hosts=allowed_hosts
        ),
    )
    flags = {
        "concurrency": concurrency,
        "poll_interval_s": poll_interval,
        "settle_s": settle,
        "submit_rate": submit_rate,
        "ask_rate": query_rate,
    }
    return run(asked, limits_of(checked, {name: v for name, v in flags.items() if v is not None}, simulate=simulate))


def limits_of(manifest: Manifest, flags: dict[str, Any], *, simulate: bool) -> Limits:
    """Return what the run keeps to: the flag, else the manifest, else the account's limit or the default."""
    settings, rates = manifest.run, catalog.rates()
    limits = Limits(
        concurrency=settings.concurrency,
        downloads=settings.downloads,
        submit_rate=rates.submit_per_s,
        ask_rate=rates.ask_per_s,
        poll_interval_s=SIMULATED_POLL_S if simulate else settings.poll_interval_s,
        settle_s=settings.settle_s,
        on_absent=settings.on_absent,
    )
    return replace(limits, **flags)


def again(
    path: Path, out: Path | None, selection: str | None, base_url: str | None, concurrency: int | None,
    *, simulate: bool, yes: bool, allowed_hosts: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """Return the command that goes on with this run: another folder or another service would pay once more."""
    options = {"--out": out, "--select": selection, "--base-url": base_url, "--concurrency": concurrency}
    words: list[str | Path | None] = ["wanbatch", "run", path]
    for name, value in options.items():
        words += [name, str(value)] if value is not None else []
    for host in allowed_hosts:
        words += ["--allow-download-host", host]
    return common.typed(*words, "--simulate" if simulate else None, "--yes" if yes else None)


def run(asked: Asked, limits: Limits) -> int:
    """Run; return the exit code."""
    clock = Clock()
    price = common.price_list(asked.base_url)
    path = common.journal_path(asked.folder)
    copied = was_copied(path)
    with Journal.open(path, clock.now(), asked.lock_timeout_s, clock.now, told=say) as journal:
        if journal.torn_bytes:
            say(f"{journal.path}: the last line was cut short by a crash ({journal.torn_bytes} bytes) and is left out")
        keep_apart(asked, journal)
        mend(journal, asked.folder, clock.now(), copied=copied)
        if asked.retry_failed:
            approve(journal, asked.wanted, clock.now())
        if asked.simulate:
            start_afresh(journal, plan_of(asked, journal, price, clock), clock.now())
        planned = plan_of(asked, journal, price, clock)
        drive = None
        saved: list[str] = []
        wanted = {one.key: one for one in asked.wanted}
        if planned.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE):
            announce(asked, planned)
            target = None if asked.simulate else account(os.environ, asked.base_url)
            consent(asked, planned)
            journal.note_run(clock.now(), str(asked.path))
            prepare(journal, planned, wanted, asked.folder, clock.now())
            drive = perform(asked, journal, planned, target, limits, clock, saved, copied=copied)
        elif planned.of(Kind.HELD):
            prepare(journal, planned, wanted, asked.folder, clock.now())
        after = with_withheld(plan_of(asked, journal, price, clock), drive.engine if drive else None)
    return report(asked, planned, after, drive, saved)


def plan_of(asked: Asked, journal: Journal, price: PriceOf, clock: Clock) -> Plan:
    """Return the plan as things are now."""
    return common.plan_for(asked.manifest, asked.wanted, journal.board, asked.folder, price, clock.now())


def keep_apart(asked: Asked, journal: Journal) -> None:
    """See to it that simulated and real videos never share a folder. Raises WanbatchError."""
    mark = asked.folder / SIMULATED
    if asked.simulate and not journal.board.jobs:
        mark.write_text("The videos in this folder were made by wanbatch's simulator; they show nothing.\n", "utf-8")
    if asked.simulate == mark.exists():
        return
    if asked.simulate:
        raise WanbatchError(
            f"{asked.folder} holds real videos; nothing was simulated",
            exit_code=Exit.USAGE,
            hint="name another folder with --out",
        )
    raise WanbatchError(
        f"{asked.folder} holds simulated videos; nothing was sent",
        exit_code=Exit.USAGE,
        hint="name another folder with --out, or leave --out away; with --simulate it goes on",
    )


def start_afresh(journal: Journal, planned: Plan, now: float) -> None:
    """Let what an earlier simulator had go again: it forgot its tasks when its run ended."""
    open_ones = [entry.key for entry in planned.of(Kind.IN_FLIGHT, Kind.FETCH)]
    jobs = journal.board.jobs
    missing = [key for key in open_ones if isinstance(jobs[key].state, Done)]
    journal.record_all([(key, VideoMissing()) for key in missing], now)
    reason = "the built-in simulator that had it has ended"
    journal.record_all([(key, HeldForReview(reason)) for key in open_ones], now)
    journal.record_all([(key, ResubmitApproved("--simulate")) for key in open_ones], now)


def approve(journal: Journal, wanted: tuple[Wanted, ...], now: float) -> None:
    """Write down that failed scenes may go again; a failed task was not billed."""
    failed = [one.key for one in wanted if one.key in journal.board.jobs]
    again = [key for key in failed if isinstance(journal.board.jobs[key].state, Failed)]
    journal.record_all([(key, ResubmitApproved("--retry-failed")) for key in again], now)


def announce(asked: Asked, planned: Plan) -> None:
    """Say what will be done."""
    if not asked.quiet or not asked.yes:
        free = " (simulated: costs nothing)" if asked.simulate and planned.submissions else ""
        note(sentence(planned) + free)


def consent(asked: Asked, planned: Plan) -> None:
    """Ask before money is spent. Raises WanbatchError without a yes."""
    if asked.yes or not planned.submissions:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WanbatchError(
            "nobody to ask whether to submit; nothing was sent",
            exit_code=Exit.REFUSED,
            hint=f"say it with --yes: {asked.again} --yes",
        )
    click.echo("Submit? [y/N] ", err=True, nl=False)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        note("")
        raise WanbatchError("interrupted; nothing was sent", exit_code=Exit.INTERRUPTED) from None
    if not answer:
        note("")
    if answer.strip().casefold() not in ("y", "yes"):
        raise WanbatchError("not submitted; nothing was sent", exit_code=Exit.REFUSED, hint=f"later: {asked.again}")


def perform(
    asked: Asked,
    journal: Journal,
    planned: Plan,
    target: Account | None,
    limits: Limits,
    clock: Clock,
    saved: list[str],
    *,
    copied: bool,
) -> Drive:
    """Drive the engine; the paths of new videos are left in `saved`."""
    wanted = {one.key: one for one in asked.manifest.wanted}
    keep = asked.manifest.run.on_change == "keep"
    look = not (asked.ignore_orphans or asked.simulate)
    work = replace(
        work_of(journal.board, wanted, planned, asked.folder, keep=keep),
        look_for_orphans=look,
        copied=copied,
        elsewhere=claimed_beside(asked.folder, clock.now()) if look else frozenset(),
    )
    total = len(planned.submissions) + len(planned.of(Kind.IN_FLIGHT, Kind.FETCH))
    with Progress(total, quiet=asked.quiet) as progress:

        def told(job: Job, event: Event) -> None:
            if isinstance(event, VideoSaved):
                saved.append(str(asked.folder / event.path))
            progress.told(job, event)

        drive = Drive(journal, asked.folder, limits, told, warned=warn, allowed_hosts=frozenset(asked.allowed_hosts))

        async def go() -> None:
            async with served(target, quiet=asked.quiet) as where:
                ticking = asyncio.create_task(tick(progress))
                try:
                    await drive.run(where, work, clock)
                finally:
                    ticking.cancel()

        try:
            asyncio.run(go())
        except asyncio.CancelledError:
            if drive.signal is None:
                raise
    return drive


def warn(message: str) -> None:
    """Say what is odd about the account, above the bar if there is one."""
    if not sys.stderr.isatty():
        say(message)
        return
    from tqdm import tqdm

    tqdm.write(f"wanbatch: {printable(message)}", file=sys.stderr)


async def tick(progress: Progress) -> None:
    """Show that time passes while the service works."""
    while True:
        await asyncio.sleep(TICK_S)
        progress.tick()


@asynccontextmanager
async def served(target: Account | None, *, quiet: bool) -> AsyncIterator[Account]:
    """Give the account to run against: `target`, or that of a simulator, which ends with the run.

    A simulator's task ids are never those of an earlier one. It counts what was asked of it, and says so.
    """
    if target is not None:
        yield target
        return
    from wanbatch.simulator.app import Simulator

    async with Simulator(speed=SIMULATED_SPEED, seed=randbits(32)) as simulator:
        yield Account(Key("sk-simulated"), simulator.base_url)
        counted = simulator.stats()
        requests, most = len(counted["accepted_by_body"]), counted["max_open"].get("all", 0)
        if not quiet:
            note(f"simulator: tasks made {counted['accepted']}, different requests {requests}, at once at most {most}")
