"""`wanbatch plan`: what a run would do, why, what it costs, and how long it takes."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from wanbatch.cli import common, saved
from wanbatch.cli.door import echo_json, note
from wanbatch.cli.pricing import prices, tasks_at_once
from wanbatch.cli.statuses import wanted_now
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, gravest
from wanbatch.jobs import journal
from wanbatch.jobs.plan import Entry, Kind, Plan, money, sentence, takes_s
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import Picks
from wanbatch.manifest.selection import of_nothing
from wanbatch.views.text import printable, table


@click.command("plan")
@common.manifest_argument
@common.reading_options
@common.out_option
@common.select_option
@common.base_url_option
@common.region_option
@common.account_option
@click.option(
    "--save",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan; `wanbatch run FILE` does just that, as long as nothing has changed.",
)
@common.json_option
def command(
    manifest: Path, reading: Reading, out: Path | None, selection: str | None, base_url: str | None, region: str | None,
    accounts: tuple[str, ...], file: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Show what a run of MANIFEST would do with each scene, and why. Sends nothing and needs no key.

    Exit code 4 when something is with the service that can still be saved, 8 when a scene waits for a person.
    """
    if file is not None and not manifest.is_file():
        raise click.UsageError("--save needs a manifest that is a file, so that a run can compare it")
    checked = common.manifest_of(manifest, reading)
    folder = common.folder_of(checked, out)
    path, now = common.journal_path(folder), time.time()
    position = saved.position(path) if file is not None else None  # before it is read: a run may be going on
    board = journal.read(path)
    checked = common.manifest_now(checked, board)
    wanted = wanted_now(checked, selection, board, folder, now)
    named = accounts or (() if base_url else checked.run.accounts)
    cost = prices(base_url, region, named)
    planned = common.plan_for(checked, wanted, board, folder, lambda request: cost(request.outline()), now)
    takes = takes_s(planned, board, now, at_once=tasks_at_once(named, checked.run.concurrency))
    if file is not None:
        where = out or common.folder_of(replace(checked, profile=None), None)
        choice = saved.Choice(manifest, where, reading.profile, reading.settings, selection, accounts, region, base_url)
        saved.save(file, choice, checked, position, planned, now)
    if as_json:
        echo_json(as_data(planned, folder, takes, checked.picks))
    else:
        show(planned, now, takes, checked.picks)
    if selection is not None and not wanted:
        note(of_nothing(selection))
    if checked.warnings:
        codes = ", ".join(sorted({problem.code for problem in checked.warnings}))
        again = common.typed("wanbatch", "validate", manifest, *common.reading_words(reading))
        note(
            f"{len(checked.warnings)} warning{'s' if len(checked.warnings) != 1 else ''} ({codes}): {printable(again)}"
        )
    if file is not None:
        note(f"saved: {printable(common.typed('wanbatch', 'run', file))} does this, as long as nothing has changed")
    found = {Exit.HELD} if planned.of(Kind.HELD) else set()
    found |= {Exit.RUNNING} if planned.of(Kind.IN_FLIGHT, Kind.FETCH) else set()
    return int(gravest(found))


def show(planned: Plan, now: float, takes: float | None, picks: Picks) -> None:
    """Write the plan for people: a line a scene, what is paid already, the sentence."""
    click.echo(table(rows(planned.entries, now, picks), columns(sys.stdout), right=(2, 3)))
    if planned.paid:
        videos = f"{len(planned.paid)} video{'s' if len(planned.paid) != 1 else ''}"
        click.echo(f"already paid: {videos} ({sum(entry.seconds for entry in planned.paid)} s, {money(planned.paid)})")
    click.echo(sentence(planned, takes))


def rows(entries: Sequence[Entry], now: float, picks: Picks) -> list[list[str]]:
    """Return the plan's lines as cells."""
    return [["scene", "action", "length", "price", "why"], *(row(entry, now, picks) for entry in entries)]


def row(entry: Entry, now: float, picks: Picks) -> list[str]:
    """Return one line's cells."""
    cost = f"{entry.cost.amount:.2f} {entry.cost.currency}" if entry.cost else "?"
    paid = "-" if not entry.kind.submits else cost
    why = f"{entry.reason}: {', '.join(entry.changes)}" if entry.changes else entry.reason
    why += common.expires(entry.expires_at, now) + ("; picked" if is_picked(entry, picks) else "")
    return [entry.key.stem, entry.kind.value, f"{entry.seconds} s", paid, why]


def is_picked(entry: Entry, picks: Picks) -> bool:
    """Say whether an entry is the take that was picked of its scene."""
    return picks.picks.get(entry.key.scene) == entry.key.take


def as_data(planned: Plan, folder: Path, takes: float | None, picks: Picks) -> dict[str, object]:
    """Return the plan as JSON data; a contract, versioned. `takes` is in seconds."""
    return {
        "format": common.JSON_FORMAT,
        "folder": str(folder),
        "summary": sentence(planned, takes),
        "counts": {kind.name.lower(): len(planned.of(kind)) for kind in Kind},
        "submit": saved.sum_json(planned.submissions),
        "paid": saved.sum_json(planned.paid),
        "takes_s": None if takes is None else round(takes, 1),
        "entries": [common.entry_json(entry, picks) for entry in planned.entries],
    }
