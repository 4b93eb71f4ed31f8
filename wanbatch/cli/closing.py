"""How a run ended: written to `results.json`, said for people, as JSON for programs, and as an exit code."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.asked import Asked
from wanbatch.cli.door import echo_json, note, say
from wanbatch.cli.driving import Course
from wanbatch.cli.telling import Telling, code_of
from wanbatch.cli.terminal import columns
from wanbatch.disk import why, write_whole
from wanbatch.engine import Engine
from wanbatch.errors import Exit, WanbatchError, gravest
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.orphans import Withheld
from wanbatch.jobs.plan import Entry, Kind, Plan, money, sentence
from wanbatch.jobs.seen import Kind as Fault
from wanbatch.manifest.model import JobKey
from wanbatch.manifest.selection import of_nothing
from wanbatch.run import codes
from wanbatch.service.wire import kind_of
from wanbatch.views.results import NAME, Ran, content, results
from wanbatch.views.text import duration, printable, table

LISTED = 20
"""How many scenes that need attention are listed; `wanbatch status` lists all."""
GIVEN_UP = "canceled"
"""What the plan says of a scene that a person gave up."""

WORK = {"run": "do", "submit": "submit", "wait": "wait for"}
"""What there may be none of, by verb."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: its exit code, whether another run goes on with it, and why scenes were not reached."""

    code: int
    goes_on: bool
    reason: str


def end_of(course: Course, after: Plan, error: BaseException | None = None) -> End:
    """Return how a run ended; `error` is what ended it before its time, if anything did."""
    drive = course.drive
    engine = drive.engine if drive else None
    reason = reason_of(course, engine)
    if error is not None:
        said = error.message if isinstance(error, WanbatchError) else reason or "the run ended before its time"
        return End(code_of(error), goes_on=False, reason=said)
    found = codes(after, engine)
    if course.is_late and (after.submissions or after.of(Kind.IN_FLIGHT, Kind.FETCH)):
        found.add(Exit.RUNNING)
    code = int(gravest(found))
    if drive and drive.signal is not None:
        code = int(Exit.TERMINATED if drive.signal == signal.SIGTERM else Exit.INTERRUPTED)
    return End(code, Exit.RUNNING in found, reason)


def reason_of(course: Course, engine: Engine | None) -> str:
    """Return why nothing more was submitted; nothing if nothing stopped it."""
    if engine and engine.halted:
        return engine.halted.message
    if course.drive and course.drive.signal is not None:
        return "the run was interrupted"
    if course.is_late:
        return f"the deadline of {duration(course.asked.options.deadline or 0)} was reached"
    return "" if course.asked.options.submits else "wanbatch wait submits nothing"


def leave(course: Course, journal: Journal, after: Plan, telling: Telling, error: BaseException | None = None) -> End:
    """Write `results.json`, while nobody else may, and tell programs of the end; return it.

    Whoever reads the results must not take an earlier run's for this one's: a disk that takes none is an error.
    """
    end, asked = end_of(course, after, error), course.asked
    now = course.clock.now()
    ran = Ran(
        manifest=str(asked.path),
        folder=str(asked.folder),
        started_at=course.started_at,
        ended_at=now,
        exit_code=end.code,
        unreached=end.reason,
        reasons=reasons_of(course, after),
        saved=frozenset(os.path.relpath(path, asked.folder) for path in course.saved),
        simulated=asked.simulate,
    )
    try:
        write_whole(asked.folder / NAME, content(results(ran, asked.manifest.wanted, after, journal.board)))
    except OSError as unwritten:
        say(f"cannot write {asked.folder / NAME}: {why(unwritten)}; what it holds is an earlier run's")
        if end.code in {int(code) for code in (Exit.DONE, Exit.FAILED, Exit.RUNNING, Exit.REFUSED, Exit.HELD)}:
            end = End(int(Exit.STATE), end.goes_on, end.reason)
    telling.ended(now, end.code, after, len(course.saved), end.reason)
    return end


def reasons_of(course: Course, after: Plan) -> dict[JobKey, str]:
    """Return what is known of single jobs beside the plan; what was decided about one says more than its trouble."""
    engine = course.drive.engine if course.drive else None
    if engine is None:
        return {}
    decided = {entry.key for entry in after.of(Kind.FAILED, Kind.HELD)}
    troubles = {key: getattr(trouble, "reason", "") for key, trouble in engine.troubles.items() if key not in decided}
    return {key: said for key, said in troubles.items() if said} | {
        key: back.reason for key, back in engine.withheld.items()
    }


def report(course: Course, after: Plan, end: End) -> int:
    """Say how it ended, and what to do next; return the exit code."""
    asked, drive, saved = course.asked, course.drive, course.saved
    order = {str(asked.folder / entry.path): place for place, entry in enumerate(after.entries) if entry.path}
    saved = sorted(saved, key=lambda path: order.get(path, len(order)))
    engine = drive.engine if drive else None
    if engine and engine.halted:
        say(engine.halted.message, engine.halted.hint)
        if undone := after.submissions:
            say(f"left undone: {scenes(len(undone))} ({money(undone)})")
    if not asked.options.objects:
        if not asked.quiet:
            closing(course, after, saved)
        troubles = engine.troubles if engine else {}
        attention(asked, after, {key: getattr(trouble, "reason", "") for key, trouble in troubles.items()}, engine)
    if drive and drive.signal is not None:
        stopped(asked, after, "interrupted")
    elif course.is_late and end.goes_on:
        stopped(asked, after, end.reason)
    elif end.goes_on:
        go_on(course, after)
    if asked.options.as_json:
        echo_json(as_data(asked, after, saved, end.code))
    else:
        for path in saved:
            click.echo(os.fsencode(path))
    return end.code


def go_on(course: Course, after: Plan) -> None:
    """Say what is still to come, and the command that brings it."""
    options, open_ones = course.asked.options, len(after.of(Kind.IN_FLIGHT, Kind.FETCH))
    if options.verb == "submit" and open_ones:
        say(f"{tasks(open_ones)} with the service", f"collect with: {options.typed('wait')}")
    elif options.verb == "wait" and not open_ones:
        unsent = len(after.submissions)
        say(f"{scenes(unsent)} not submitted yet", f"submit with: {options.typed('submit')}")
    else:
        say("some videos are still to come; nothing is lost", f"go on with: {course.asked.again}")


def tasks(count: int) -> str:
    """Return `1 task stays`, `2 tasks stay`."""
    return f"{count} task{'s' if count != 1 else ''} stay{'' if count != 1 else 's'}"


def scenes(count: int) -> str:
    """Return `1 scene`, `2 scenes`."""
    return f"{count} scene{'s' if count != 1 else ''}"


def closing(course: Course, after: Plan, saved: Sequence[str]) -> None:
    """Say in one line what came of it."""
    asked, planned = course.asked, course.planned
    done = len(after.of(Kind.DONE, Kind.KEPT))
    if course.drive is None and not planned.of(Kind.RESTORE):
        found = sentence(after).removeprefix("plan: ")
        if asked.options.selection is not None and not after.entries:
            found = of_nothing(asked.options.selection)
        note(f"nothing to {WORK[asked.options.verb]}: {found}; videos are in {asked.folder}")
        return
    restored = len(planned.of(Kind.RESTORE))
    came = f"{len(saved)} saved" + (f", {restored} restored" if restored else "")
    if not asked.options.collects:
        came = f"{len(planned.submissions) - len(after.submissions)} submitted"
    note(f"{asked.options.verb}: {came}, {done} of {len(asked.wanted)} videos are in {asked.folder}")


def attention(asked: Asked, after: Plan, troubles: Mapping[JobKey, str], engine: Engine | None) -> None:
    """List the scenes that did not come through, with the reason and the next command."""
    entries = [*after.of(Kind.FAILED, Kind.HELD), *(e for e in after.of(Kind.FETCH) if troubles.get(e.key))]
    if not entries:
        return
    decided = (Kind.FAILED, Kind.HELD)  # the reason says what it means for the money, the trouble only what happened
    whys = [e.reason if e.kind in decided else troubles.get(e.key) or e.reason for e in entries]
    rows = [[entry.key.stem, entry.kind.value, why] for entry, why in zip(entries[:LISTED], whys, strict=False)]
    note(table(rows, columns(sys.stderr)))
    where = asked.folder if asked.folder != Path("out", asked.manifest.name) else asked.path
    if len(entries) > LISTED:
        note(f"… and {len(entries) - LISTED} more: {common.typed('wanbatch', 'status', where)}")
    failed = after.of(Kind.FAILED)
    refused_texts(asked, failed)
    if any(entry.reason != GIVEN_UP for entry in failed):
        say(
            "failed scenes were not billed",
            f"mend their prompts, or try them again: {asked.options.typed('run')} --retry-failed",
        )
    withheld = engine.withheld if engine else {}
    held = [entry for entry in after.of(Kind.HELD) if entry.key not in withheld]
    if held:
        say("held scenes wait for you", how_to_decide(held[0], where))
    if withheld:
        held_back(asked, [entry for entry in after.entries if entry.key in withheld], withheld)


def refused_texts(asked: Asked, failed: Sequence[Entry]) -> None:
    """Say where the texts stand that moderation refused: no attempt will make them pass, only another text."""
    refused = [e for e in failed if kind_of(e.reason.partition(":")[0]) is Fault.MODERATION][:LISTED]
    if not refused:
        return
    from wanbatch.manifest.check import text_places

    with suppress(WanbatchError):  # it was changed or moved meanwhile
        places = text_places(asked.path, {entry.key.scene for entry in refused}, asked.options.reading)
        for entry in refused:
            at = places.get(entry.key.scene)
            if at is not None:
                note(f"{printable(at.file)}:{at.line}:{at.column}: the text of scene {printable(entry.key.stem)}")


def held_back(asked: Asked, entries: Sequence[Entry], withheld: Mapping[JobKey, Withheld]) -> None:
    """Say that scenes were not submitted since they may be paid for already, and both ways on."""
    count = len(entries)
    say(
        f"{count} scene{'s were' if count != 1 else ' was'} not submitted: {'they' if count != 1 else 'it'} may be "
        f"made and paid for already ({money(entries)})",
        f"if none is: {asked.options.typed('run')} --ignore-orphans",
    )
    again = [*common.reading_words(asked.options.reading), *common.out_again(asked.options.out)]
    for entry in entries[:LISTED]:
        back = withheld[entry.key]
        if back.task_id is not None:
            words: list[str | Path] = ["wanbatch", "adopt", asked.path, back.task_id, "--as", entry.key.stem]
            words += ["--account", back.lane] if back.lane else []
            note(f"  if it is its video: {common.typed(*words, *again)}")


def how_to_decide(entry: Entry, where: Path) -> str:
    """Return the next command for a held scene; a file in the way is no matter for `resolve`."""
    if entry.task_id is None and entry.path is None and "move it away" in entry.reason:
        return "move the file away, then run again"
    return f"what you may decide: {common.typed('wanbatch', 'resolve', where, entry.key.stem)} --help"


def stopped(asked: Asked, after: Plan, why_stopped: str) -> None:
    """Say what is left and how to go on."""
    left, unsent = len(after.of(Kind.IN_FLIGHT, Kind.FETCH)), len(after.submissions)
    said = [why_stopped]
    if left and not asked.simulate:
        said.append(f"{tasks(left)} with the service")
    if unsent:
        said.append(f"{scenes(unsent)} not submitted yet")
    say("; ".join([*said, "nothing is lost"]), f"go on with: {asked.again}")


def as_data(asked: Asked, after: Plan, saved: list[str], code: int) -> dict[str, object]:
    """Return the result as JSON data; a contract, versioned."""
    return {
        "format": common.JSON_FORMAT,
        "exit_code": code,
        "folder": str(asked.folder),
        "saved": saved,
        "counts": {kind.name.lower(): len(after.of(kind)) for kind in Kind},
        "scenes": [common.entry_json(entry, asked.manifest.picks) for entry in after.entries],
    }
