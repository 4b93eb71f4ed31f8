"""What several verbs share: arguments, the output folder, the price list, the plan."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Board
from wanbatch.jobs.folder import JOURNAL, videos_on_disk
from wanbatch.jobs.plan import Cost, Entry, Plan, PriceOf, plan
from wanbatch.manifest.check import load
from wanbatch.manifest.model import Manifest, Request, Wanted
from wanbatch.manifest.selection import select
from wanbatch.service import account, catalog

JSON_FORMAT = 1
"""Version of what `--json` writes."""

Command = Callable[..., Any]


def manifest_argument(command: Command) -> Command:
    """Add the argument that names the manifest."""
    return click.argument("manifest", type=click.Path(path_type=Path))(command)


def out_option(command: Command) -> Command:
    """Add `--out`."""
    return click.option(
        "--out", type=click.Path(path_type=Path, file_okay=False), help="Output folder.  [default: out/NAME]"
    )(command)


def select_option(command: Command) -> Command:
    """Add `--select`."""
    words = "Only these scenes: ids, id*, tag:NAME, comma-separated; -TERM takes away."
    return click.option("--select", "selection", metavar="TERMS", help=words)(command)


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")(command)


def base_url_option(command: Command) -> Command:
    """Add `--base-url`."""
    words = "Where the API is.  [default: DASHSCOPE_HTTP_BASE_URL, else the region's host]"
    return click.option("--base-url", metavar="URL", help=words)(command)


def folder_of(manifest: Manifest, out: Path | None, *, simulated: bool = False) -> Path:
    """Return the output folder. What is simulated is kept apart: it must never count as made."""
    if out is not None:
        return out
    return Path("out", "simulated", manifest.name) if simulated else Path("out", manifest.name)


def wanted_of(manifest: Manifest, selection: str | None) -> tuple[Wanted, ...]:
    """Return the jobs that the manifest, or a selection of it, asks for."""
    if selection is None:
        return manifest.wanted
    ids = select(selection, manifest.scenes)
    return tuple(one for one in manifest.wanted if one.key.scene in ids)


def price_list(base_url: str | None) -> PriceOf:
    """Return what a request costs where it would be sent. Raises WanbatchError for a base URL that cannot be."""
    url = account.base_url(os.environ, base_url)
    region = account.region_id(os.environ, url)

    def cost(request: Request) -> Cost | None:
        price = catalog.price(request.model, request.resolution, region) if region else None
        if price is None:
            return None
        return Cost(price.per_second * Decimal(request.duration), price.currency, price.date.isoformat())

    return cost


def plan_for(
    manifest: Manifest, wanted: tuple[Wanted, ...], board: Board, folder: Path, price: PriceOf, now: float | None = None
) -> Plan:
    """Return the plan of `wanted` for what is on the board and on the disk now."""
    keep = manifest.run.on_change == "keep"
    at = time.time() if now is None else now
    return plan(wanted, board, videos_on_disk(folder), at, keep_changed=keep, price=price)


def journal_path(folder: Path) -> Path:
    """Return where a folder's journal is."""
    return folder / JOURNAL


def columns() -> int:
    """Return the width to write tables in."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 160


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return a line of the plan as JSON data."""
    cost = entry.cost
    return {
        "scene": entry.key.scene,
        "take": entry.key.take,
        "job": str(entry.key),
        "action": entry.kind.name.lower(),
        "reason": entry.reason,
        "changes": list(entry.changes),
        "seconds": entry.seconds,
        "cost": {"amount": str(cost.amount), "currency": cost.currency, "as_of": cost.as_of} if cost else None,
        "task_id": entry.task_id,
        "path": entry.path,
    }


def manifest_of(path: Path) -> Manifest:
    """Read and check a manifest. Raises ManifestInvalid, WanbatchError."""
    if path.is_dir():
        raise WanbatchError(f"{path} is a folder, not a manifest", exit_code=Exit.USAGE, hint="name the .yaml file")
    return load(path)
