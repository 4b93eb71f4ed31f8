"""`wanbatch run`: submit, collect and download what the manifest asks for. `submit` and `wait` are parts of it."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any

import click

from wanbatch.cli import asked as options_of
from wanbatch.cli import common, locking
from wanbatch.cli.asked import Asked, Options, Verb, asked_of
from wanbatch.cli.closing import leave, report, scenes
from wanbatch.cli.door import note, say
from wanbatch.cli.driving import Course, perform
from wanbatch.cli.paying import caps_of, lanes_of, prices_of
from wanbatch.cli.pricing import Prices
from wanbatch.cli.statuses import settled
from wanbatch.cli.telling import Telling, pinged, speak
from wanbatch.clock import Clock
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.folder import mend
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Kind, Plan, sentence
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.seen import Kind as Fault
from wanbatch.jobs.state import Done, Event, Failed, HeldForReview, ResubmitApproved, VideoMissing
from wanbatch.manifest.model import JobKey
from wanbatch.money.amount import Cap
from wanbatch.run import prepare, was_copied, with_withheld
from wanbatch.service.wire import kind_of

SIMULATED_POLL_S = 0.5
SIMULATED = "simulated.txt"
"""Marks an output folder whose videos the simulator made."""
FAULTS = {
    "moderation": (Fault.MODERATION,),
    "service": (Fault.SERVICE, Fault.RATE, Fault.ALLOCATION),
    "parameters": (Fault.SCENE,),
}
"""What `--retry-failed CLASS` means, by what the service's code means."""


@click.command("run", cls=Verb)
@options_of.WHAT
@options_of.WHERE
@click.option("--simulate", is_flag=True, help="Run against the built-in simulator: no key, no money.")
@options_of.SPENDING
@options_of.PACE
@options_of.UNATTENDED
def command(**given: Any) -> int:
    """Submit, collect and download what MANIFEST asks for. MANIFEST may also be a saved plan (plan --save).

    Says in one sentence what it will do and asks before it spends; --yes, --max-cost and a saved plan answer. May be
    stopped at any moment: the same command goes on where it stopped, and submits no scene twice by itself. The paths
    of new videos go to stdout, and a row for each scene to results.json in the output folder.

    The key is read from DASHSCOPE_API_KEY, or from the file that DASHSCOPE_API_KEY_FILE_PATH names.
    """
    return go(Options(verb="run", **given))


def go(options: Options) -> int:
    """Do what a command line says; return the exit code."""
    speak(options)
    if options.simulate and (options.base_url or options.accounts):
        flag = "--base-url" if options.base_url else "--account"
        raise click.UsageError(f"--simulate brings its own service: leave {flag} out")
    clock = Clock()
    return pinged(options, lambda: run(asked_of(options), clock))


def limits_of(asked: Asked) -> Limits:
    """Return what the run keeps to: the flag, else the manifest, else the default."""
    options, settings = asked.options, asked.manifest.run
    poll_interval_s = SIMULATED_POLL_S if options.simulate else settings.poll_interval_s
    return Limits(
        concurrency=options.concurrency or settings.concurrency,
        downloads=settings.downloads,
        poll_interval_s=poll_interval_s if options.poll_interval is None else options.poll_interval,
        settle_s=settings.settle_s if options.settle is None else options.settle,
        on_absent=settings.on_absent,
        attempts=settings.service_retries + 1,
    )


def run(asked: Asked, clock: Clock) -> int:
    """Run; return the exit code."""
    options, prices = asked.options, prices_of(asked)
    path = common.journal_path(asked.folder)
    course = Course(asked, clock, clock.now(), was_copied(path))
    patience_s = min(options.lock_timeout, course.left_s)
    with (
        Journal.open(path, clock.now(), patience_s, clock.now, told=say) as journal,
        Telling(options, prices) as telling,
    ):
        if journal.torn_bytes:
            say(f"{journal.path}: the last line was cut short by a crash ({journal.torn_bytes} bytes) and is left out")
        keep_apart(asked, journal)
        try:
            carry_out(course, journal, prices, telling)
            after = with_withheld(plan_of(course, journal, prices), course.drive.engine if course.drive else None)
        except BaseException as error:
            with suppress(WanbatchError, OSError):  # of two failures the first is told
                leave(course, journal, plan_of(course, journal, prices), telling, error)
            raise
        end = leave(course, journal, after, telling)
        locking.write_down(course.asked, journal.board, prices)
    return report(course, after, end)


def carry_out(course: Course, journal: Journal, prices: Prices, telling: Telling) -> None:
    """Do what is to be done, as far as it goes."""
    clock, options = course.clock, course.asked.options
    course.asked = settled(course.asked.at(journal.board), journal.board, clock.now())
    if course.asked.plan is not None:
        agree(course, journal, prices)
    if options.locked:
        locking.keep_to(course.asked)
    mend(journal, course.asked.folder, clock.now(), copied=course.copied)
    if options.simulate:
        start_afresh(journal, plan_of(course, journal, prices), clock.now(), telling)
    approvals = to_approve(journal, course.asked) if options.retry_failed else []
    course.planned = approved(plan_of(course, journal, prices), approvals)
    telling.started(clock.now(), options, course.asked.folder, course.planned)
    todo = to_do(course)
    if has_work(todo, options):
        announce(course.asked, todo)
        course.target = None if options.simulate else lanes_of(course.asked, journal.board)
        consent(course.asked, todo)
        journal.note_run(clock.now(), common.manifest_label(course.asked.path, options.reading))
        record(journal, approvals, clock.now(), telling)
        do(course, journal, todo, telling)
        while is_asked_anew(course, journal):  # a video was withheld: failed is not billed, so the consent still holds
            course.planned = plan_of(course, journal, prices)
            do(course, journal, to_do(course), telling)
    elif course.planned.of(Kind.HELD):
        prepare(journal, todo, course.wanted, course.asked.folder, clock.now(), telling.told)


def to_do(course: Course) -> Plan:
    """Return the plan without what the verb leaves alone."""
    if course.asked.options.submits:
        return course.planned
    return Plan(tuple(entry for entry in course.planned.entries if not entry.kind.submits))


def do(course: Course, journal: Journal, todo: Plan, telling: Telling) -> None:
    """Drive one round of the engine, unless the deadline has passed."""
    asked = course.asked
    prepare(journal, todo, course.wanted, asked.folder, course.clock.now(), telling.told)
    if course.left_s > 0:
        perform(course, journal, course.target, limits_of(asked), telling)
    else:
        course.is_late = True


def is_asked_anew(course: Course, journal: Journal) -> bool:
    """Say whether withheld videos now stand for other seeds, and the run may still submit them."""
    anew = course.asked.at(journal.board)
    if anew.wanted == course.asked.wanted or not course.goes_on or course.asked.options.locked:
        return False
    course.asked = anew
    return True


def has_work(todo: Plan, options: Options) -> bool:
    """Say whether there is anything to do for a verb."""
    if not options.collects:
        return bool(todo.submissions)
    return bool(todo.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE))


def plan_of(course: Course, journal: Journal, prices: Prices) -> Plan:
    """Return the plan as things are now."""
    asked = course.asked
    return common.plan_for(
        asked.manifest,
        asked.wanted,
        journal.board,
        asked.folder,
        lambda request: prices(request.outline()),
        course.clock.now(),
    )


def agree(course: Course, journal: Journal, prices: Prices) -> None:
    """See whether a saved plan still holds, before anything is written down. Raises WanbatchError if it does not."""
    from wanbatch.cli.saved import position, still_holds

    assert course.asked.plan is not None
    here = position(journal.path)
    still_holds(course.asked.plan, course.asked.manifest, here, plan_of(course, journal, prices))


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


def start_afresh(journal: Journal, planned: Plan, now: float, telling: Telling) -> None:
    """Let what an earlier simulator had go again: it forgot its tasks when its run ended."""
    open_ones = [entry.key for entry in planned.of(Kind.IN_FLIGHT, Kind.FETCH)]
    jobs = journal.board.jobs
    missing = [key for key in open_ones if isinstance(jobs[key].state, Done)]
    reason = "the built-in simulator that had it has ended"
    for keys, event in (
        (missing, VideoMissing()),
        (open_ones, HeldForReview(reason)),
        (open_ones, ResubmitApproved("--simulate")),
    ):
        record(journal, [(key, event) for key in keys], now, telling)


def to_approve(journal: Journal, asked: Asked) -> list[tuple[JobKey, Event]]:
    """Return what to write down so that failed scenes of a class go again; a failed task was not billed."""
    jobs, which = journal.board.jobs, asked.options.retry_failed or "all"
    again: list[tuple[JobKey, Event]] = []
    for key in [one.key for one in asked.wanted if one.key in jobs]:
        state = jobs[key].state
        if isinstance(state, Failed) and (which == "all" or kind_of(state.code) in FAULTS[which]):
            again.append((key, ResubmitApproved("--retry-failed")))
    return again


def approved(planned: Plan, approvals: Sequence[tuple[JobKey, Event]]) -> Plan:
    """Return a plan in which what would be approved is submitted: nothing is written down before somebody said yes."""
    keys = {key for key, _ in approvals}
    return Plan(tuple(replace(one, kind=Kind.NEW) if one.key in keys else one for one in planned.entries))


def record(journal: Journal, events: Sequence[tuple[JobKey, Event]], now: float, telling: Telling) -> None:
    """Write changes of state down, at most one for each job, and tell them."""
    journal.record_all(events, now)
    for key, event in events:
        telling.told(journal.board.jobs[key], event)


def announce(asked: Asked, planned: Plan) -> None:
    """Say what will be done."""
    asks = not may_spend(asked) and (on_a_terminal() or not caps_of(asked))
    if not asked.quiet or asks:
        free = " (simulated: costs nothing)" if asked.simulate and planned.submissions else ""
        note(sentence(planned) + free)
        for cap in caps_of(asked) if not asked.simulate else ():
            if cap.over != "run":
                continue  # what the day has left is the ledger's to say
            covered, every = within(cap, planned)
            if covered < every:
                note(f"the cap of {cap} covers {covered} of {scenes(every)}; what it does not cover is left undone")


def within(cap: Cap, planned: Plan) -> tuple[int, int]:
    """Return how many of a plan's submissions a cap would cover, in the manifest's order, and how many there are.

    Those in another currency, and those of unknown price, are none of its.
    """
    costs = [entry.cost.amount for entry in planned.submissions if entry.cost and entry.cost.currency == cap.currency]
    return sum(total <= cap.amount for total in accumulate(costs)), len(costs)


def on_a_terminal() -> bool:
    """Say whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def may_spend(asked: Asked) -> bool:
    """Say whether the command line has answered already: with a yes, a cap, or a plan that was looked at."""
    options = asked.options
    return options.yes or options.simulate or bool(options.max_cost) or asked.plan is not None


def once(options: Options) -> str:
    """Return the options that a hint repeats only while nothing was done: later they would be another yes."""
    retry = f" --retry-failed={options.retry_failed}" if options.retry_failed else ""
    return retry + (" --ignore-orphans" if options.ignore_orphans else "")


def consent(asked: Asked, planned: Plan) -> None:
    """Ask before money is spent. Raises WanbatchError without a yes.

    The manifest's own cap answers where there is nobody to ask.
    """
    if may_spend(asked) or not planned.submissions:
        return
    if not on_a_terminal():
        if caps_of(asked):
            return
        yes = replace(asked.options, yes=True).typed(asked.options.verb)
        raise WanbatchError(
            "nobody to ask whether to submit; nothing was sent",
            exit_code=Exit.REFUSED,
            hint=f"say it with --yes: {yes}{once(asked.options)}",
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
        raise WanbatchError(
            "not submitted; nothing was sent", exit_code=Exit.REFUSED, hint=f"later: {asked.again}{once(asked.options)}"
        )
