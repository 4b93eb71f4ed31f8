"""`wanbatch spend`: what was spent and is reserved, by day, manifest or scene, from the ledger of all runs."""

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, say
from wanbatch.cli.terminal import columns
from wanbatch.money.amount import plain
from wanbatch.money.ledger import LEDGER, REHEARSAL, Ledger, Row, State, state_folder
from wanbatch.views.text import printable, table

COUNTED = (State.BILLED, State.OPEN, State.DOUBT)
"""What costs or may cost, in the order of the table's columns."""
DAY = click.DateTime(["%Y-%m-%d"])


@dataclass(frozen=True, slots=True)
class Line:
    """What belongs together: `name` is a day, a manifest or a scene; "" for the total. `unknown` have no price."""

    name: str
    currency: str
    billed: Decimal
    reserved: Decimal
    doubt: Decimal
    attempts: int
    unknown: int


@click.command("spend")
@click.option("--since", type=DAY, metavar="DATE", help="From this day on (YYYY-MM-DD, local time).")
@click.option("--until", type=DAY, metavar="DATE", help="Up to this day, and with it.")
@click.option(
    "--by", type=click.Choice(["day", "manifest", "scene"]), default="day", show_default=True, help="What to sum up by."
)
@click.option("--rehearsal", is_flag=True, help="What rehearsals with a service on this machine would have cost.")
@common.json_option
def command(since: datetime | None, until: datetime | None, by: str, rehearsal: bool, as_json: bool) -> int:
    """Show what all runs of this user have spent, have reserved for what the service is making, and have in doubt.

    It is read from one file, the ledger, that caps per day are kept with; the service's own bill is what counts.
    Rehearsals with a simulator cost nothing and are not in it: they have a ledger of their own.
    """
    first, last = (moment.date() if moment else None for moment in (since, until))
    if first and last and last < first:
        raise click.UsageError(f"--until {last} is before --since {first}")
    path = state_folder(os.environ) / (REHEARSAL if rehearsal else LEDGER)
    rows = rows_between(path, first, last)
    lines, totals = grouped(rows, by), grouped(rows, "")
    if as_json:
        echo_json(as_data(path, first, last, by, lines, totals))
        return 0
    if not lines:
        click.echo(f"spend: nothing{period(first, last)} in {printable(str(path))}")
        return 0
    named = [(line.name, line) for line in lines] + [("total", line) for line in totals]
    header = [by, "billed", "reserved", "in doubt", "", "attempts"]
    click.echo(table([header, *(shown(name, line) for name, line in named)], columns(sys.stdout), right=(1, 2, 3)))
    unknown = sum(line.unknown for line in totals)
    if unknown:
        say(f"these sums lack what has no known price ({unknown} attempt{'s' if unknown != 1 else ''})")
    return 0


def rows_between(path: Path, first: date | None, last: date | None) -> list[Row]:
    """Return what counts of the days from `first` to `last`. Without a ledger nothing was spent, and none is made."""
    if not path.exists():
        return []
    with Ledger.open(path, time.time()) as ledger:
        found = ledger.spent(
            since=midnight(first) if first else None, until=midnight(last + timedelta(days=1)) if last else None
        )
    return [row for row in found if row.standing.state in COUNTED]


def midnight(day: date) -> float:
    """Return when a local day begins, in epoch seconds."""
    return datetime(day.year, day.month, day.day).astimezone().timestamp()


def grouped(rows: Iterable[Row], by: str) -> list[Line]:
    """Return the sums by "day", "manifest", "scene" or "" (all), each currency apart, in the rows' order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((name_of(row, by), row.standing.currency or ""), []).append(row)
    return [line(name, currency, group) for (name, currency), group in groups.items()]


def name_of(row: Row, by: str) -> str:
    """Return the group that a row belongs to."""
    standing = row.standing
    return {"day": row.day, "manifest": standing.manifest, "scene": f"{standing.manifest} {standing.scene}"}.get(by, "")


def line(name: str, currency: str, rows: list[Row]) -> Line:
    """Return the sums of some rows of one currency."""
    sums = dict.fromkeys(COUNTED, Decimal(0))
    for row in rows:
        sums[row.standing.state] += row.standing.amount or 0
    billed, reserved, doubt = sums.values()
    unknown = sum(row.standing.amount is None for row in rows)
    return Line(name, currency, billed, reserved, doubt, len(rows), unknown)


def shown(name: str, line: Line) -> list[str]:
    """Return a line's cells."""
    if not line.currency:
        return [name, "unknown", "", "", "", str(line.attempts)]
    return [name, plain(line.billed), plain(line.reserved), plain(line.doubt), line.currency, str(line.attempts)]


def period(first: date | None, last: date | None) -> str:
    """Say which days were asked for."""
    return (f" since {first}" if first else "") + (f" until {last}" if last else "")


def as_data(
    path: Path, first: date | None, last: date | None, by: str, lines: list[Line], totals: list[Line]
) -> dict[str, object]:
    """Return what was spent as JSON data; a contract, versioned. Amounts are texts: they are decimals."""
    return {
        "format": common.JSON_FORMAT,
        "ledger": printable(str(path)),
        "since": str(first) if first else None,
        "until": str(last) if last else None,
        "by": by,
        "groups": [{by: line.name, **sums(line)} for line in lines],
        "total": [sums(line) for line in totals],
    }


def sums(line: Line) -> dict[str, object]:
    """Return a line's sums as JSON data."""
    return {
        "currency": line.currency or None,
        "billed": plain(line.billed),
        "reserved": plain(line.reserved),
        "doubt": plain(line.doubt),
        "attempts": line.attempts,
        "unknown": line.unknown,
    }
