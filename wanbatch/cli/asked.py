"""What the command lines of `run`, `submit` and `wait` say: their options, and what they mean."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wanbatch.cli import common
from wanbatch.jobs.board import Board
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import AS_IT_IS
from wanbatch.manifest.model import Manifest, Wanted
from wanbatch.manifest.selection import asks_for_status
from wanbatch.money.amount import Cap, amount, plain

if TYPE_CHECKING:
    from wanbatch.cli.saved import Saved

Command = Callable[..., Any]

CLASSES = ("all", "moderation", "parameters", "service")
"""Which failed scenes `--retry-failed` means."""
MOST_SHARDS = 10_000


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of a manifest's scenes, counted from 1. Each scene is in exactly one, by its id alone."""

    number: int
    count: int

    def has(self, scene: str) -> bool:
        """Say whether a scene is in this part. Other scenes, this process and this machine make no difference."""
        digest = hashlib.sha256(scene.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class ShardType(click.ParamType):  # type: ignore[type-arg]
    """`2/5`: the second of five parts."""

    name = "shard"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Return the part; a usage error for what is none."""
        found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", str(value))
        if found is None or not 1 <= int(found[1]) <= int(found[2]) <= MOST_SHARDS:
            self.fail(f"{str(value)!r} is no shard: write 1/3, 2/3 and 3/3 for three parts", param, ctx)
        return Shard(int(found[1]), int(found[2]))


class Money(click.ParamType):  # type: ignore[type-arg]
    """`13 CNY`: a cap of one run."""

    name = "money"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Cap:
        """Return the cap; a usage error for what is no amount."""
        try:
            return Cap("run", *amount(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Rate(click.FloatRange):
    """A number a second; `nan` is none, and would never let anything leave."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; a usage error for what is none."""
        found: float = super().convert(value, param, ctx)
        if found != found:  # noqa: PLR0124 - nan alone
            self.fail(f"{str(value)!r} is no rate", param, ctx)
        return found


class Verb(click.Command):
    """A verb whose `--retry-failed` may stand alone. What follows it is its value only if it is a class."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a lone `--retry-failed` its value before click reads on."""
        end = args.index("--") if "--" in args else len(args)
        before = list(args[:end])
        for place, word in enumerate(before):
            if word == "--retry-failed" and before[place + 1 : place + 2] not in [[one] for one in CLASSES]:
                before[place] = f"{word}=all"
        return super().parse_args(ctx, before + list(args[end:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A command line. None and empty where it says nothing; durations are in seconds."""

    verb: str
    manifest: Path
    reading: Reading = AS_IT_IS
    out: Path | None = None
    selection: str | None = None
    shard: Shard | None = None
    base_url: str | None = None
    region: str | None = None
    accounts: tuple[str, ...] = ()
    cheapest_first: bool = False
    simulate: bool = False
    yes: bool = False
    locked: bool = False
    max_cost: tuple[Cap, ...] = ()
    concurrency: int | None = None
    poll_interval: float | None = None
    settle: float | None = None
    submit_rate: float | None = None
    query_rate: float | None = None
    retry_failed: str | None = None
    ignore_orphans: bool = False
    lock_timeout: float = 0.0
    deadline: float | None = None
    allowed_hosts: tuple[str, ...] = ()
    log_format: str = "text"
    events: Path | None = None
    ping: str | None = None
    quiet: bool = False
    as_json: bool = False

    @property
    def submits(self) -> bool:
        """Whether this verb may spend."""
        return self.verb != "wait"

    @property
    def collects(self) -> bool:
        """Whether this verb brings videos home."""
        return self.verb != "submit"

    @property
    def objects(self) -> bool:
        """Whether stderr is for programs."""
        return self.log_format == "json"

    def typed(self, verb: str) -> str:
        """Return the command that goes on with this one: other folders, accounts or parts would pay once more."""
        spends = verb != "wait"
        options: dict[str, object] = {
            "--out": self.out,
            "--select": self.selection,
            "--shard": self.shard,
            "--base-url": self.base_url,
            "--region": self.region,
            "--concurrency": self.concurrency if spends else None,
            "--settle": None if self.settle is None else f"{self.settle:g}",
            "--submit-rate": self.submit_rate if spends else None,
            "--query-rate": self.query_rate,
        }
        words: list[str | Path | None] = ["wanbatch", verb, self.manifest, *common.reading_words(self.reading)]
        for name, value in options.items():
            words += [name, str(value)] if value is not None else []
        words += repeated("--account", self.accounts)
        words += ["--cheapest-first"] if spends and self.cheapest_first else []
        words += ["--locked"] if spends and self.locked else []
        caps = [f"{plain(cap.amount)} {cap.currency}" for cap in self.max_cost]
        words += repeated("--max-cost", caps if spends else ())
        words += repeated("--allow-download-host", self.allowed_hosts)
        words += ["--simulate" if self.simulate else None, "--yes" if self.yes and spends else None]
        return common.typed(*words)


def repeated(name: str, values: Iterable[str]) -> list[str | Path | None]:
    """Return an option once for each value."""
    return [word for value in values for word in (name, value)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line asks for, with its manifest read. `again` is the command that goes on with it."""

    options: Options
    manifest: Manifest
    wanted: tuple[Wanted, ...]
    folder: Path
    again: str
    plan: "Saved | None" = None
    """The saved plan that was given in place of a manifest."""

    def at(self, board: Board) -> "Asked":
        """Return what is asked for as things are on a board: a withheld video stands for its next seed."""
        manifest = common.manifest_now(self.manifest, board)
        takes = {(one.key.scene, one.key.take) for one in self.wanted}
        wanted = tuple(one for one in manifest.wanted if (one.key.scene, one.key.take) in takes)
        return replace(self, manifest=manifest, wanted=wanted)

    @property
    def path(self) -> Path:
        """The manifest, as named on the command line or in the plan."""
        return self.options.manifest

    @property
    def quiet(self) -> bool:
        """Whether nothing is said of what went well."""
        return self.options.quiet

    @property
    def simulate(self) -> bool:
        """Whether the built-in simulator is the service."""
        return self.options.simulate


FROM_A_PLAN = {
    "--profile": "profile",
    "--set": "settings",
    "--out": "out",
    "--select": "selection",
    "--shard": "shard",
    "--base-url": "base_url",
    "--region": "region",
    "--account": "accounts",
    "--retry-failed": "retry_failed",
    "--simulate": "simulate",
}
"""What a saved plan has decided: another choice would be another plan."""


def asked_of(options: Options) -> Asked:
    """Read what a command line names. Raises WanbatchError, click.UsageError."""
    from wanbatch.cli import saved

    plan = saved.load(options.manifest) if saved.is_plan(options.manifest) else None
    if plan is not None:
        options = by_plan(options, plan)
    checked = common.manifest_of(options.manifest, options.reading)
    wanted = common.wanted_of(checked, options.selection, dict)
    if asks_for_status(options.selection):
        wanted = checked.wanted  # which of them, the journal says: `statuses.settled`
    shard = options.shard
    return Asked(
        options=options,
        manifest=checked,
        wanted=tuple(one for one in wanted if shard is None or shard.has(one.key.scene)),
        folder=common.folder_of(checked, options.out, simulated=options.simulate),
        again=options.typed(options.verb),
        plan=plan,
    )


def by_plan(options: Options, plan: "Saved") -> Options:
    """Return the command line that a saved plan stands for. Raises click.UsageError for one that chooses otherwise."""
    for flag, name in FROM_A_PLAN.items():
        if getattr(options.reading if name in ("profile", "settings") else options, name):
            raise click.UsageError(f"a saved plan cannot be combined with {flag}: leave it out, or name the manifest")
    if not options.submits:
        raise click.UsageError("wait submits nothing, and so takes no saved plan: name the manifest")
    choice = plan.choice
    return replace(
        options,
        manifest=choice.manifest,
        reading=replace(options.reading, profile=choice.profile, settings=choice.settings),
        out=choice.out,
        selection=choice.selection,
        accounts=tuple(choice.accounts),
        region=choice.region,
        base_url=choice.base_url,
    )


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds options in the order in which the help shows them."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


SHARD = click.option(
    "--shard",
    type=ShardType(),
    metavar="I/N",
    help="Only the I-th of N parts of the scenes, the same on every machine.",
)
WHAT = with_options(common.manifest_argument, common.reading_options, common.out_option, common.select_option, SHARD)
WHERE = with_options(common.base_url_option, common.region_option, common.account_option)
SPENDING = with_options(
    click.option("-y", "--yes", is_flag=True, help="Submit without asking."),
    click.option(
        "--locked",
        is_flag=True,
        help="Refuse unless the manifest asks for just what its lock file says.",
    ),
    click.option(
        "--max-cost",
        type=Money(),
        multiple=True,
        metavar="AMOUNT",
        help="Spend at most this in this run, like '13 CNY'; submits without asking. May be repeated.",
    ),
    click.option(
        "--cheapest-first",
        is_flag=True,
        help="Of several accounts use the cheapest while it has room.  [default: in the order in which they are named]",
    ),
    click.option(
        "--retry-failed",
        type=click.Choice(CLASSES),
        metavar="[CLASS]",
        help="Give scenes that failed another attempt, all or those of a CLASS (moderation, parameters, service); "
        "failed ones are not billed.",
    ),
    click.option(
        "--ignore-orphans",
        is_flag=True,
        help="Submit although tasks of the account that no scene has may be these scenes'.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 10_000),
        metavar="N",
        help="Tasks with the service at once.  [default: 5]",
    ),
    click.option(
        "--submit-rate",
        type=Rate(min=0, min_open=True),
        metavar="N",
        help="Submissions a second.  [default: the account's limit, 5]",
    ),
)
PACE = with_options(
    click.option(
        "--poll-interval",
        type=common.Duration(0.05, 600),
        metavar="DURATION",
        help="Between two questions about a task.  [default: 15s]",
    ),
    click.option(
        "--settle",
        type=common.Duration(0, 86_400),
        metavar="DURATION",
        help="How long an unknown outcome is watched before absence is believed.  [default: 3m]",
    ),
    click.option(
        "--query-rate",
        type=Rate(min=0, min_open=True),
        metavar="N",
        help="Queries, lists and cancels a second.  [default: the account's limit, 20]",
    ),
    click.option(
        "--allow-download-host",
        "allowed_hosts",
        multiple=True,
        metavar="HOST",
        help="Fetch videos from this host too, which is not known as the service's. May be repeated.",
    ),
)
UNATTENDED = with_options(
    click.option(
        "--deadline",
        type=common.Duration(1, 30 * 86_400),
        metavar="DURATION",
        help="Stop after so long, like 50m; what is with the service is the next run's.",
    ),
    click.option(
        "--lock-timeout",
        type=common.Duration(0, 86_400),
        default="0",
        metavar="DURATION",
        help="Wait so long for another run of the same folder to end.  [default: 0]",
    ),
    click.option(
        "--log-format",
        type=click.Choice(("text", "json")),
        default="text",
        help="How stderr tells what happens; json is one object a line.  [default: text]",
    ),
    click.option(
        "--events",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Append each change of state to FILE, one JSON object a line.",
    ),
    click.option(
        "--ping",
        metavar="URL",
        help="Tell this health check of start, success and failure.  [default: WANBATCH_PING_URL]",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no summary."),
    common.json_option,
)
