"""How a run ended: said for people, as JSON for programs, and as an exit code. Decides nothing else."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, note, say
from wanbatch.cli.terminal import columns
from wanbatch.engine import Engine
from wanbatch.errors import Exit, gravest
from wanbatch.jobs.orphans import Withheld
from wanbatch.jobs.plan import Entry, Kind, Plan, money, sentence
from wanbatch.manifest.model import JobKey, Manifest, Wanted
from wanbatch.run import Drive, codes
from wanbatch.views.text import table

LISTED = 20
"""How many scenes that need attention are listed; `wanbatch status` lists all."""
GIVEN_UP = "canceled"
"""What the plan says of a scene that a person gave up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. `again` is the command that goes on with it."""

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
    ignore_orphans: bool
    lock_timeout_s: float
    allowed_hosts: tuple[str, ...]
    again: str


def report(asked: Asked, planned: Plan, after: Plan, drive: Drive | None, saved: list[str]) -> int:
    """Say how it ended, and what to do next; return the exit code."""
    order = {str(asked.folder / entry.path): place for place, entry in enumerate(after.entries) if entry.path}
    saved = sorted(saved, key=lambda path: order.get(path, len(order)))
    engine = drive.engine if drive else None
    found = codes(after, engine)
    if after.submissions and not found:
        found.add(Exit.RUNNING)
    code = int(gravest(found))
    if drive and drive.signal is not None:
        code = int(Exit.TERMINATED if drive.signal == signal.SIGTERM else Exit.INTERRUPTED)
    if engine and engine.halted:
        say(engine.halted.message, engine.halted.hint)
    if not asked.quiet:
        closing(asked, planned, after, saved)
    troubles = engine.troubles if engine else {}
    attention(asked, after, {key: getattr(trouble, "reason", "") for key, trouble in troubles.items()}, engine)
    if drive and drive.signal is not None:
        interrupted(asked, after)
    elif Exit.RUNNING in found:
        say("some videos are still to come; nothing is lost", f"go on with: {asked.again}")
    if asked.as_json:
        echo_json(as_data(asked, after, saved, code))
    else:
        for path in saved:
            click.echo(os.fsencode(path))
    return code


def closing(asked: Asked, planned: Plan, after: Plan, saved: Sequence[str]) -> None:
    """Say in one line what came of it."""
    done = len(after.of(Kind.DONE, Kind.KEPT))
    if not saved and not planned.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE):
        note(f"nothing to do: {sentence(after).removeprefix('plan: ')}; videos are in {asked.folder}")
        return
    restored = len(planned.of(Kind.RESTORE))
    came = f"{len(saved)} saved" + (f", {restored} restored" if restored else "")
    note(f"run: {came}, {done} of {len(asked.wanted)} videos are in {asked.folder}")


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
    if any(entry.reason != GIVEN_UP for entry in failed):
        say("failed scenes were not billed", f"mend their prompts, or try them again: {asked.again} --retry-failed")
    withheld = engine.withheld if engine else {}
    held = [entry for entry in after.of(Kind.HELD) if entry.key not in withheld]
    if held:
        say("held scenes wait for you", how_to_decide(held[0], where))
    if withheld:
        held_back(asked, [entry for entry in after.entries if entry.key in withheld], withheld)


def held_back(asked: Asked, entries: Sequence[Entry], withheld: Mapping[JobKey, Withheld]) -> None:
    """Say that scenes were not submitted since they may be paid for already, and both ways on."""
    count = len(entries)
    say(
        f"{count} scene{'s were' if count != 1 else ' was'} not submitted: {'they' if count != 1 else 'it'} may be "
        f"made and paid for already ({money(entries)})",
        f"if none is: {asked.again} --ignore-orphans",
    )
    out = asked.folder if asked.folder != Path("out", asked.manifest.name) else None
    for entry in entries[:LISTED]:
        task_id = withheld[entry.key].task_id
        if task_id is not None:
            words: list[str | Path] = ["wanbatch", "adopt", asked.path, task_id, "--as", entry.key.stem]
            note(f"  if it is its video: {common.typed(*words, *common.out_again(out))}")


def how_to_decide(entry: Entry, where: Path) -> str:
    """Return the next command for a held scene; a file in the way is no matter for `resolve`."""
    if entry.task_id is None and entry.path is None and "move it away" in entry.reason:
        return "move the file away, then run again"
    return f"what you may decide: {common.typed('wanbatch', 'resolve', where, entry.key.stem)} --help"


def interrupted(asked: Asked, after: Plan) -> None:
    """Say what is left and how to go on."""
    left, unsent = len(after.of(Kind.IN_FLIGHT, Kind.FETCH)), len(after.submissions)
    said = ["interrupted"]
    if left and not asked.simulate:
        said.append(f"{left} task{'s' if left != 1 else ''} stay{'' if left != 1 else 's'} with the service")
    if unsent:
        said.append(f"{unsent} scene{'s' if unsent != 1 else ''} not submitted yet")
    say("; ".join([*said, "nothing is lost"]), f"go on with: {asked.again}")


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
