"""What several verbs share: arguments, the output folder, the price list, the plan."""

import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.jobs.again import current
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.folder import JOURNAL, videos_on_disk
from wanbatch.jobs.plan import Cost, Entry, Plan, PriceOf, plan
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import AS_IT_IS, load
from wanbatch.manifest.document import MAX_BYTES
from wanbatch.manifest.model import Manifest, Picks, Request, Wanted
from wanbatch.manifest.selection import Statuses, selected
from wanbatch.service import account, catalog
from wanbatch.service.accounts import read_config
from wanbatch.views.text import duration

JSON_FORMAT = 1
"""Version of what `--json` writes."""

Command = Callable[..., Any]

SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
"""`1h30m`, `50m`, `90s`, `2d`; a number alone is seconds, and `1h30` could be either: it is neither."""
UNITS_S = (86_400, 3600, 60, 1)


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time span on the command line, as seconds between `least` and `most`, both in seconds."""

    name = "duration"

    def __init__(self, least: float = 0.0, most: float = 7 * 86_400.0) -> None:
        self.least = least
        self.most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; a usage error for what is no time span, or is out of bounds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).replace(" ", "").lower()
        found = SPAN.fullmatch(f"{text}s" if text.replace(".", "", 1).isdecimal() else text)
        if found is None or not any(found.groups()):
            self.fail(f"{str(value)!r} is no duration: write 90s, 50m or 1h30m", param, ctx)
        seconds = sum(float(amount) * unit for amount, unit in zip(found.groups("0"), UNITS_S, strict=True))
        if not self.least <= seconds <= self.most:
            self.fail(f"{value} is not between {duration(self.least)} and {duration(self.most)}", param, ctx)
        return seconds


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
    words = "Only these: ID, id*, ID[AXIS=VALUE], ID.t2, tag:NAME, status:WORD, with commas; -TERM takes away."
    return click.option("--select", "selection", metavar="TERMS", help=words)(command)


def reading_options(command: Command) -> Command:
    """Add `--profile`, `--set` and `--max-manifest-bytes`; the command gets them as one `reading`."""

    @wraps(command)
    def with_reading(*args: Any, profile: str | None, settings: tuple[str, ...], max_bytes: int, **given: Any) -> Any:
        return command(*args, reading=Reading(profile, settings, max_bytes), **given)

    with_reading = click.option(
        "--max-manifest-bytes",
        "max_bytes",
        type=click.IntRange(min=1),
        metavar="N",
        default=MAX_BYTES,
        help="Read a manifest of at most so many bytes.  [default: 64 MB]",
    )(with_reading)
    with_reading = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="As if the manifest said so, like defaults.resolution=1080P. May be repeated.",
    )(with_reading)
    words = "Use this profile of the manifest; its videos are kept apart, in out/NAME@PROFILE."
    return click.option("--profile", metavar="PROFILE", help=words)(with_reading)


def manifest_label(path: Path, reading: Reading) -> str:
    """Return what a journal calls the manifest of a run: with a profile it is another one, for its tasks are."""
    return str(path) if reading.profile is None else f"{path}@{reading.profile}"


def reading_words(reading: Reading) -> list[str | Path | None]:
    """Return the words of a command line that read a manifest the same way."""
    words: list[str | Path | None] = ["--profile", reading.profile] if reading.profile is not None else []
    for setting in reading.settings:
        words += ["--set", setting]
    return words + (["--max-manifest-bytes", str(reading.max_bytes)] if reading.max_bytes != MAX_BYTES else [])


def json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")(command)


def base_url_option(command: Command) -> Command:
    """Add `--base-url`."""
    words = "Where the API is.  [default: DASHSCOPE_HTTP_BASE_URL, else the region's host]"
    return click.option("--base-url", metavar="URL", help=words)(command)


def region_option(command: Command) -> Command:
    """Add `--region`."""
    words = "The region of key and host; decides the price.  [default: the host's, DASHSCOPE_API_REGION, cn-beijing]"
    return click.option("--region", metavar="REGION", help=words)(command)


def account_option(command: Command) -> Command:
    """Add `--account`, whose value is a tuple of names."""
    words = (
        "Use this account of the configuration; `all` uses every one. May be repeated.  [default: the environment's]"
    )
    return click.option("--account", "accounts", metavar="NAME", multiple=True, help=words)(command)


def folder_of(manifest: Manifest, out: Path | None, *, simulated: bool = False) -> Path:
    """Return the output folder. What is simulated or of a profile is kept apart: it must not count as made."""
    default = Path("out", "simulated", manifest.name) if simulated else Path("out", manifest.name)
    return of_profile(default if out is None else out, manifest.profile)


def of_profile(folder: Path, profile: str | None) -> Path:
    """Return the folder beside an output folder that a profile's videos go to."""
    return folder if profile is None else folder.parent / f"{folder.name or 'out'}@{profile}"


def wanted_of(manifest: Manifest, selection: str | None, statuses: Statuses | None = None) -> tuple[Wanted, ...]:
    """Return the jobs that the manifest, or a selection of it, asks for. Raises WanbatchError, as `selected` does."""
    if selection is None:
        return manifest.wanted
    keys = selected(selection, manifest.wanted, statuses)
    return tuple(one for one in manifest.wanted if one.key in keys)


def price_list(
    base_url: str | None, region: str | None = None, rows: Sequence[catalog.PriceRow] | None = None
) -> PriceOf:
    """Return what a request costs where it would be sent, by the environment, the flags and the user's own prices.

    `rows` are the user's prices where they are read already. Raises WanbatchError for a base URL or a region that
    cannot be, and for a configuration with problems.
    """
    of_outline = outline_prices(base_url, region, rows)

    def cost(request: Request) -> Cost | None:
        return of_outline(request.outline())

    return cost


def outline_prices(
    base_url: str | None, region: str | None = None, rows: Sequence[catalog.PriceRow] | None = None
) -> Callable[[Mapping[str, object]], Cost | None]:
    """Return what the request of an outline costs where it would be sent. Raises like `price_list`."""
    url = account.base_url(os.environ, base_url, region)
    where = account.region_id(os.environ, url, region)
    extra = read_config(os.environ).prices if rows is None else rows

    def cost(outline: Mapping[str, object]) -> Cost | None:
        return cost_in(where, outline, extra)

    return cost


def cost_in(region: str, outline: Mapping[str, object], rows: Sequence[catalog.PriceRow] = ()) -> Cost | None:
    """Return what the request of an outline costs in a region; None where that is not known."""
    model, resolution, seconds = (outline.get(name) for name in ("model", "resolution", "duration"))
    price = catalog.price(str(model), str(resolution), region, rows)
    if price is None or not isinstance(seconds, int):
        return None
    return Cost(price.per_second * seconds, price.currency, price.date.isoformat())


def expires(until: float | None, now: float) -> str:
    """Return `; expires in 3 h 12 min`, or that the time is over; nothing for what does not expire."""
    if until is None:
        return ""
    return f"; expires in {duration(until - now)}" if until > now else "; its 24 hours are over"


def manifest_now(manifest: Manifest, board: Board) -> Manifest:
    """Return a manifest whose jobs are what its scenes stand for now: a video that was withheld, with another seed."""
    return replace(manifest, wanted=current(manifest.wanted, board, manifest.run.moderation_retries))


def plan_for(
    manifest: Manifest, wanted: tuple[Wanted, ...], board: Board, folder: Path, price: PriceOf, now: float | None = None
) -> Plan:
    """Return the plan of `wanted` for what is on the board and on the disk now."""
    keep = manifest.run.on_change == "keep"
    at = time.time() if now is None else now
    asked_for = {one.key for one in manifest.wanted}
    found = plan(wanted, board, videos_on_disk(folder), at, keep_changed=keep, price=price, asked_for=asked_for)
    at_its_price = lane_prices(board.jobs.values())

    def priced(entry: Entry) -> Entry:
        job = board.jobs.get(entry.key)
        if job is None or not job.lane or entry.kind.submits:
            return entry
        return replace(entry, cost=at_its_price(job))

    return Plan(tuple(map(priced, found.entries)))


def lane_prices(jobs: Iterable[Job]) -> Callable[[Job], Cost | None]:
    """Return what a job's video costs with the configured account that it was sent by; None where that is not known.

    The configuration is read once, and only if one of `jobs` names an account.
    """
    config = None
    if any(job.lane for job in jobs):
        from wanbatch.service.config import read_config

        with suppress(WanbatchError):  # what is wrong with it is said by whoever needs it
            config = read_config(os.environ)

    def price(job: Job) -> Cost | None:
        account = config.accounts.get(job.lane) if config else None
        return cost_in(account.region, job.outline, config.prices) if config and account else None

    return price


def journal_path(folder: Path) -> Path:
    """Return where a folder's journal is."""
    return folder / JOURNAL


def entry_json(entry: Entry, picks: Picks) -> dict[str, Any]:
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
        "expires_at": entry.expires_at,
        "picked": picks.picks.get(entry.key.scene) == entry.key.take,
    }


def typed(*words: str | Path | None) -> str:
    """Return a command line as it has to be typed, without the words that are None."""
    return " ".join(shlex.quote(str(word)) for word in words if word is not None)


def named_again(where: Path, reading: Reading, out: Path | None) -> list[str | Path | None]:
    """Return the words that name the same manifest, read the same way, and the same output folder."""
    return [where, *reading_words(reading), *out_again(out)]


def out_again(out: Path | None) -> list[str | Path]:
    """Return the words that name the same output folder in a hint: another one would pay again."""
    return ["--out", out] if out else []


def folder_named(where: Path, out: Path | None, verb: str, reading: Reading = AS_IT_IS) -> Path:
    """Return the output folder that `where` names: itself, or that of the manifest it is.

    Raises WanbatchError; a manifest that cannot be read says how to do without it.
    """
    if where.is_dir():
        if reading.profile is not None:
            message = f"{where} is an output folder, which is of one profile; --profile goes with a manifest"
            hint = f"name the profile's folder: {of_profile(where, reading.profile)}"
            raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)
        return where
    if out is not None and where.exists():
        return of_profile(out, reading.profile)
    try:
        return folder_of(manifest_of(where, reading), out)
    except ManifestInvalid as error:
        error.hint = f"or name the output folder instead: wanbatch {verb} out/{where.stem}"
        raise


def journal_in(folder: Path, where: Path) -> Path:
    """Return the journal of an output folder. Raises WanbatchError when there is none, with the way to one."""
    path = journal_path(folder)
    if path.exists():
        return path
    raise nothing_run(folder, where)


def nothing_run(folder: Path, where: Path) -> WanbatchError:
    """Return the error that no run has left anything in `folder`."""
    simulated = Path("out", "simulated", folder.name)
    if journal_path(simulated).exists() and folder != simulated:
        hint = f"the simulated run is another matter: {typed('wanbatch', 'status', simulated)}"
    elif where.is_dir():
        hint = "name a manifest, or a folder like out/NAME"
    else:
        hint = f"start with: {typed('wanbatch', 'plan', where)}"
    return WanbatchError(f"nothing was run yet in {folder}", exit_code=Exit.USAGE, hint=hint)


def manifest_of(path: Path, reading: Reading = AS_IT_IS) -> Manifest:
    """Read and check a manifest, with the environment's variables. Raises ManifestInvalid, WanbatchError."""
    if path.is_dir():
        raise WanbatchError(
            f"{path} is a folder, not a manifest", exit_code=Exit.USAGE, hint="name the .yaml file in it"
        )
    return load(path, reading, environ=os.environ)
