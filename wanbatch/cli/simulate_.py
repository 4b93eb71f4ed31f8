"""`wanbatch simulate`: the documented API on this machine."""

import asyncio
import signal
from pathlib import Path
from secrets import randbits
from typing import TYPE_CHECKING, Any, Literal

import click

from wanbatch.errors import Exit, WanbatchError

if TYPE_CHECKING:
    from wanbatch.simulator.faults import Faults
    from wanbatch.simulator.rules import Rules

MAX_PLAN_BYTES = 1 << 20
"""A longer plan is no plan."""


@click.command("simulate")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1.  [default: a free one]")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="How many times faster than real time videos are made and expire.",
)
@click.option(
    "--render-s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long a task runs on average, in the service's seconds.",
)
@click.option(
    "--slots", type=click.IntRange(1), default=5, show_default=True, help="Tasks of a model that run at once."
)
@click.option(
    "--over-cap",
    type=click.Choice(["queue", "reject"]),
    default="queue",
    show_default=True,
    help="What happens to more tasks than slots: they wait, or are refused with HTTP 429.",
)
@click.option(
    "--expire-s",
    type=click.FloatRange(min=0, min_open=True),
    default=86_400.0,
    show_default=True,
    help="How long tasks and videos can be fetched, in the service's seconds.",
)
@click.option(
    "--prices",
    type=click.Choice(["CNY", "USD"]),
    help="Keep the bill of what was made, by the price list of Beijing (CNY) or Singapore (USD).",
)
@click.option(
    "--separate-accounts", is_flag=True, help="Every key has an account of its own: its tasks, limits and rates."
)
@click.option(
    "--free-seconds",
    type=click.FloatRange(min=0),
    help="Refuse an account that has made so many seconds with a model: the free tier is over.",
)
@click.option(
    "--arrears-after", type=click.IntRange(0), help="Refuse an account that was given so many tasks: arrears."
)
@click.option("--revoked-after", type=click.IntRange(0), help="Refuse a key that was used for so many requests.")
@click.option(
    "--faults",
    "plan",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML list of what goes wrong and when; docs/simulator.md has the kinds and examples.",
)
def command(
    port: int,
    speed: float,
    slots: int,
    over_cap: Literal["queue", "reject"],
    prices: str | None,
    separate_accounts: bool,
    plan: Path | None,
    **more: Any,
) -> int:
    """Serve the API on this machine until Ctrl-C: no key, no money.

    The first line on stdout is the base URL; use it with --base-url or DASHSCOPE_HTTP_BASE_URL, also with the
    official SDK. Any key is accepted but one that contains `invalid`. A prompt that contains `[moderated
    input]`, `[moderated output]` or `[internal error]` meets that fate. URL/_stats, without /api/v1, tells
    what was asked for.
    """
    from wanbatch.simulator.rules import PRICES, Rules

    try:
        rules = Rules(
            slots=slots,
            over_cap=over_cap,
            accounts="by_key" if separate_accounts else "one",
            prices=PRICES[prices] if prices else None,
            ttl_s=more.pop("expire_s"),
            **more,
        )
    except ValueError as error:  # what no range of click's finds: nan is neither too small nor too large
        raise click.UsageError(str(error)) from None
    faults = read_plan(plan) if plan else None
    try:
        asyncio.run(serve(rules, speed, port, faults))
    except OSError as error:
        raise WanbatchError(
            f"cannot listen on port {port}: {error.strerror or error}",
            exit_code=Exit.USAGE,
            hint="name another with --port, or none for a free one",
        ) from None
    return 0


def read_plan(path: Path) -> "Faults":
    """Read a plan of faults; WanbatchError (exit 2) names the file, the rule, the field, and what is known."""
    import yaml

    from wanbatch.simulator.faults import Faults

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_PLAN_BYTES + 1)
        if len(raw) > MAX_PLAN_BYTES:
            raise ValueError(f"longer than {MAX_PLAN_BYTES:,} bytes")
        rows = yaml.safe_load(raw)
        if not isinstance(rows, list) or not rows:
            raise ValueError("must be a list of rules, at least one")
        return Faults.from_list(rows)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not text in UTF-8"
        reason = f"no YAML: {problem}" + (f", line {mark.line + 1}, column {mark.column + 1}" if mark else "")
    except RecursionError:
        reason = "nested too deep"
    except ValueError as error:
        reason = str(error)
    raise WanbatchError(
        f"cannot use the faults in {path}: {reason}",
        exit_code=Exit.USAGE,
        hint="a rule is, for example: {endpoint: create, kind: reset_after_accept, nth: 1}",
    )


async def serve(rules: "Rules", speed: float, port: int, faults: "Faults | None" = None) -> None:
    """Serve until a signal comes. Task ids are never those of an earlier simulator: journals outlive it."""
    from wanbatch.simulator.app import Simulator

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Simulator(rules, faults, speed=speed, port=port, seed=randbits(32)) as simulator:
        click.echo(simulator.base_url)
        if faults:
            click.echo(f"misbehaving by {len(faults)} rule{'s'[: len(faults) > 1]}", err=True)
        click.echo(f"simulating; try: wanbatch run MANIFEST --base-url {simulator.base_url} --out out/trial", err=True)
        await stop.wait()
