"""`wanbatch plan`: what a run would do, why, and what it costs."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, gravest
from wanbatch.jobs import journal
from wanbatch.jobs.plan import Entry, Kind, Plan, sentence, total
from wanbatch.views.text import table


@click.command("plan")
@common.manifest_argument
@common.out_option
@common.select_option
@common.base_url_option
@common.json_option
def command(manifest: Path, out: Path | None, selection: str | None, base_url: str | None, as_json: bool) -> int:
    """Show what a run of MANIFEST would do with each scene, and why. Sends nothing and needs no key.

    Exit code 4 when something is with the service that can still be saved, 8 when a scene waits for a person.
    """
    checked = common.manifest_of(manifest)
    folder = common.folder_of(checked, out)
    wanted = common.wanted_of(checked, selection)
    board = journal.read(common.journal_path(folder))
    planned = common.plan_for(checked, wanted, board, folder, common.price_list(base_url))
    if as_json:
        echo_json(as_data(planned, folder))
    else:
        click.echo(table(rows(planned.entries, time.time()), columns(sys.stdout), right=(2, 3)))
        click.echo(sentence(planned))
    found = {Exit.HELD} if planned.of(Kind.HELD) else set()
    found |= {Exit.RUNNING} if planned.of(Kind.IN_FLIGHT, Kind.FETCH) else set()
    return int(gravest(found))


def rows(entries: Sequence[Entry], now: float) -> list[list[str]]:
    """Return the plan's lines as cells."""
    return [["scene", "action", "length", "price", "why"], *(row(entry, now) for entry in entries)]


def row(entry: Entry, now: float) -> list[str]:
    """Return one line's cells."""
    cost = f"{entry.cost.amount:.2f} {entry.cost.currency}" if entry.cost else "?"
    paid = "-" if not entry.kind.submits else cost
    why = f"{entry.reason}: {', '.join(entry.changes)}" if entry.changes else entry.reason
    why += common.expires(entry.expires_at, now)
    return [entry.key.stem, entry.kind.value, f"{entry.seconds} s", paid, why]


def as_data(planned: Plan, folder: Path) -> dict[str, object]:
    """Return the plan as JSON data; a contract, versioned."""
    sums, as_of, unknown = total(planned.submissions)
    return {
        "format": common.JSON_FORMAT,
        "folder": str(folder),
        "summary": sentence(planned),
        "counts": {kind.name.lower(): len(planned.of(kind)) for kind in Kind},
        "submit": {
            "count": len(planned.submissions),
            "seconds": sum(entry.seconds for entry in planned.submissions),
            "cost": {currency: str(amount) for currency, amount in sums.items()},
            "prices_as_of": as_of,
            "unknown_prices": unknown,
        },
        "entries": [common.entry_json(entry) for entry in planned.entries],
    }
