"""Caps under fire: two manifests side by side on one account, killed at random, a network that misbehaves.

The service knows what it would bill at most at any moment; that is never more than the caps. When all has ended, the
ledger's sum is the service's bill to the cent, unless something is left in doubt.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import kill
import rig

from wanbatch.simulator.app import Simulator
from wanbatch.simulator.rules import PRICES

REGIONS = {"CNY": "cn-beijing", "USD": "ap-southeast-1"}
FAILURES = ("InternalError.Algo", "ModelServiceFailed", "DataInspectionFailed")
AT_ONCE = 5
"""The account's tasks at once, over both manifests."""
LOOK_S = 0.02
"""How often the service is asked what it would bill at most."""
LANDED_S = 0.1
"""What a killed program had sent has come to the service by then."""
MOST_LIVES = 12
PER_RUN = ("none", "flag", "manifest")
PER_DAY = ("none", "manifest", "configuration")
LOSSES = ("deleted", "rolled back")


@dataclass(frozen=True)
class Caps:
    """What may be spent, and where that is written; None where nothing is said."""

    currency: str
    run: Decimal | None
    day: Decimal | None
    run_by: str
    day_by: str


@dataclass
class Film:
    """One manifest with its output folder, and what became of its lives."""

    name: str
    folder: Path
    prices: dict[str, Decimal]
    """What each scene costs, by its prompt."""
    caps: Caps
    on_absent: str
    dice: Any
    copies: list[bytes] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def manifest(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def journal(self) -> Path:
        return self.folder / self.name / "journal.jsonl"


@dataclass
class Stage:
    """One run of the campaign: a service, two films, and what was seen."""

    simulator: Simulator
    caps: Caps
    verdict: rig.Verdict
    losses: bool
    most: Decimal = Decimal(0)
    """The most that the service would have billed at any moment."""

    def bill(self, name: str = "bill") -> Decimal:
        """Return what the service bills, or would bill at most."""
        return Decimal(self.simulator.stats()[name][self.caps.currency])

    def cost(self, film: Film) -> dict[str, Decimal]:
        """Return what each task of a film costs if it succeeds; nothing of those that have failed."""
        accepted, states = self.simulator.stats()["accepted_by_prompt"], self.simulator.world
        return {
            task: price
            for prompt, price in film.prices.items()
            for task in accepted.get(prompt, ())
            if states.status_of(float("-inf"), task) != "FAILED"
        }

    def fault(self, words: str) -> None:
        self.verdict.faults.append(words)

    def count(self, what: str) -> None:
        self.verdict.counts[what] += 1


def film_of(folder: Path, name: str, caps: Caps, on_absent: str, dice: Any) -> Film:
    """Choose a film's scenes: two to five seconds, in both resolutions. No prompt is there twice."""
    per_s, rows, prices = PRICES[caps.currency].per_s, [], {}
    for number in range(1, dice.randint(3, 5) + 1):
        seconds, resolution = dice.randint(2, 5), dice.choice(sorted(per_s))
        prompt = f"{name}, the {number}. scene"
        rows.append(f"  - {{id: s{number}, prompt: '{prompt}', duration: {seconds}, resolution: {resolution}}}")
        prices[prompt] = per_s[resolution] * seconds
    film = Film(name, folder, prices, caps, on_absent, dice)
    film.manifest.write_text(manifest_text(film, rows, caps), "utf-8")
    return film


def manifest_text(film: Film, rows: list[str], caps: Caps) -> str:
    """Return a manifest, with those caps that are its own to say."""
    said = [("per_run", caps.run, caps.run_by), ("per_day", caps.day, caps.day_by)]
    budget = [f"{name}: {amount} {caps.currency}" for name, amount, by in said if by == "manifest"]
    run = f"run: {{on_absent: {film.on_absent}, budget: {{{', '.join(budget)}}}}}"
    return "\n".join(["wanbatch: 1", run, "scenes:", *rows]) + "\n"


def caps_of(dice: Any, number: int, total: Decimal, currency: str) -> Caps:
    """Choose the caps: between a fifth and all of what both films cost."""
    run_by, day_by = PER_RUN[number % 3], PER_DAY[number // 3 % 3]
    if run_by == day_by == "none":
        day_by = "configuration"

    def amount(share: float) -> Decimal:
        return (total * Decimal(dice.uniform(0.2, share))).quantize(Decimal("0.01"))

    run = None if run_by == "none" else amount(0.5)
    return Caps(currency, run, None if day_by == "none" else amount(1.0), run_by, day_by)


def words_of(film: Film, simulator: Simulator, *, freely: bool) -> list[str]:
    """Return the command line of a film's run. `freely`: without a cap of the command line's."""
    caps = film.caps
    words = [rig.PROGRAM, "run", str(film.manifest), "--out", str(film.journal.parent), "--base-url"]
    words += [simulator.base_url, "--region", REGIONS[caps.currency], *rig.FAST]
    words += ["--max-cost", f"{caps.run} {caps.currency}"] if caps.run_by == "flag" and not freely else []
    return words


def also(film: Film) -> dict[str, str]:
    """Return what is special in the environment of a film's runs: its own key of the account, and a noon.

    A campaign that works at midnight has no single day to keep a cap over.
    """
    noon = f"NOON{dt.datetime.now(dt.UTC).hour - 12:+d}"
    return {"DASHSCOPE_API_KEY": f"{rig.KEY}-{film.name}", "TZ": noon}


async def shoot(stage: Stage, film: Film, kills: int) -> None:
    """Run a film, killed so many times, and then to an end of its own."""
    for life in range(MOST_LIVES):
        after_s = film.dice.uniform(kill.START_S, 1.8) if life < kills else None
        ended = await one_life(stage, film, after_s, freely=False)
        if after_s is None and ended.code != 4:
            break
        if stage.losses and film.dice.random() < 0.4:
            lose(stage, film)
    film.ends.append(ended.code)
    stage.count(f"ended with exit {ended.code}")
    if ended.code not in {0, 3, 7, 8}:
        stage.fault(f"{film.name}: exit {ended.code}: {ended.said[-400:]}")
    if ended.code == 7 and "cap of" not in ended.said:
        stage.fault(f"{film.name}: exit 7 without the cap in words: {ended.said[-400:]}")


async def one_life(stage: Stage, film: Film, after_s: float | None, *, freely: bool) -> rig.Ended:
    """Let one process work; see that it spent no more than a run may."""
    before = set(stage.cost(film))
    words = words_of(film, stage.simulator, freely=freely)
    words += ["--ignore-orphans"] if stage.losses and film.dice.random() < 0.5 else []
    ended = await rig.life(words, after_s, also=also(film))
    await asyncio.sleep(LANDED_S)
    stage.count("processes")
    stage.verdict.counts["kills landed"] += ended.code == -9
    stage.verdict.faults += rig.complaints(ended)
    spent = sum((cost for task, cost in stage.cost(film).items() if task not in before), Decimal(0))
    if film.caps.run is not None and not freely and spent > film.caps.run:
        stage.count("caps exceeded")
        stage.fault(f"{film.name}: one run spent {spent}, its cap is {film.caps.run}")
    with contextlib.suppress(OSError):
        film.copies.append(film.journal.read_bytes())
    return ended


def lose(stage: Stage, film: Film) -> None:
    """Delete the journal, or put an earlier one back."""
    loss = film.dice.choice(LOSSES)
    if not film.journal.exists():
        return
    stage.count(f"journals {loss}")
    if loss == "deleted":
        film.journal.unlink()
    else:
        film.journal.write_bytes(film.dice.choice(film.copies))


async def watch(stage: Stage) -> None:
    """Look, again and again, at what the service would bill at most."""
    while True:
        stage.most = max(stage.most, stage.bill("bill_at_most"))
        await asyncio.sleep(LOOK_S)


@contextlib.asynccontextmanager
async def watched(stage: Stage) -> Any:
    """Watch while the body works, and once more at its end."""
    watching = asyncio.create_task(watch(stage))
    try:
        yield
    finally:
        watching.cancel()
        stage.most = max(stage.most, stage.bill("bill_at_most"))


def sums(state: Path) -> dict[str, Decimal]:
    """Read the ledger's sums by state, past the program's own reader."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    if not (state / "rehearsal.db").exists():
        return found
    with contextlib.closing(sqlite3.connect(state / "rehearsal.db")) as db:
        for name, micro in db.execute("SELECT state, SUM(amount) FROM standing GROUP BY state"):
            found[name] = Decimal(micro) / 1_000_000
    return found


def settle(stage: Stage, films: list[Film]) -> None:
    """Judge what is left: caps, the ledger against the bill, no second bill, no paid video lost."""
    caps, verdict = stage.caps, stage.verdict
    kept, billed, at_most = sums(rig.STATE.get()), stage.bill(), stage.bill("bill_at_most")
    may_cost = kept["billed"] + kept["open"] + kept["doubt"]
    if caps.day is not None and stage.most > caps.day:
        stage.count("caps exceeded")
        stage.fault(f"up to {stage.most} would have been billed, the cap of the day is {caps.day}")
    if at_most > may_cost:
        stage.count("ledgers that lack something")
        stage.fault(f"up to {at_most} is billed, the ledger knows of {dict(kept)}")
    if kept["billed"] > billed and billed == at_most:
        stage.fault(f"the ledger says {kept['billed']} was billed, the service {billed}")
    if kept["open"] == kept["doubt"] == 0:
        stage.count("ledgers equal to the bill")
        if not kept["billed"] == billed == at_most:
            stage.fault(f"nothing is in doubt; the ledger has {kept['billed']}, the service bills {billed}")
    else:
        stage.count("ledgers with something left in doubt")
    most_open = max((max(by.values()) for by in stage.simulator.stats()["max_open_by_key"].values() if by), default=0)
    verdict.counts["reached the account's tasks at once"] += most_open == AT_ONCE
    if stage.losses:
        return
    if most_open > AT_ONCE:
        stage.fault(f"{most_open} tasks at once over both films")
    for film in films:
        rig.look_for_key(film.journal.parent, verdict)
        if sum(stage.cost(film).values(), Decimal(0)) > sum(film.prices.values(), Decimal(0)):
            stage.count("paid twice")
            stage.fault(f"{film.name}: more was made than there are scenes")


async def finish(stage: Stage, films: list[Film]) -> None:
    """Take the caps away: what was left undone is made, and nothing is paid twice."""
    configuration().unlink(missing_ok=True)
    for film in films:
        text = film.manifest.read_text("utf-8")
        run = next(line for line in text.splitlines() if line.startswith("run:"))
        film.manifest.write_text(text.replace(run, f"run: {{on_absent: {film.on_absent}}}"), "utf-8")
        ended = await one_life(stage, film, None, freely=True)
        if ended.code not in {0, 3, 8}:
            stage.fault(f"{film.name}: without caps exit {ended.code}: {ended.said[-400:]}")
        whole = sum(film.prices.values(), Decimal(0))
        if ended.code == 0 and sum(stage.cost(film).values(), Decimal(0)) != whole and not stage.losses:
            stage.fault(f"{film.name}: all is said to be made, for {sum(stage.cost(film).values())} and not {whole}")
    stage.count("gone on without caps")


def faults_of(dice: Any) -> Iterator[dict[str, Any]]:
    """Choose what goes wrong: on the network, and tasks that fail and so are not billed."""
    yield from kill.plan(dice)
    if dice.random() < 0.5:
        yield {"endpoint": "create", "kind": "fails", "code": dice.choice(FAILURES), "nth": dice.randint(1, 4)}


def one(seed: int, number: int) -> Callable[[Path], Awaitable[rig.Verdict]]:
    """Return one run of the campaign. Some lose journals, some go on without caps at the end."""

    async def go(folder: Path) -> rig.Verdict:
        dice, verdict = rig.dice(seed, number), rig.Verdict()
        currency = "USD" if number % 5 == 4 else "CNY"
        faults, losses, goes_on = list(faults_of(dice)), dice.random() < 0.2, dice.random() < 0.35
        caps = caps_of(dice, number, 18 * PRICES[currency].per_s["720P"] * 2, currency)
        on_absent = dice.choice(("hold", "resubmit"))
        names = ("north", "south")
        films = [film_of(folder, name, caps, on_absent, rig.dice(seed, number, name)) for name in names]
        rules = dataclasses.replace(rig.RULES, prices=PRICES[currency], render_s=0.5)
        verdict.counts["runs"] += 1
        async with rig.fresh(number, faults, rules) as simulator:
            stage = Stage(simulator, caps, verdict, losses)
            configure(caps)
            async with watched(stage):
                await asyncio.gather(*(shoot(stage, film, dice.choice((1, 2))) for film in films))
            settle(stage, films)
            if goes_on and not losses:
                await finish(stage, films)
                settle(dataclasses.replace(stage, caps=dataclasses.replace(caps, day=None)), films)
        where = f"run {number} ({caps}, {on_absent}, losses {losses}, seed {seed}, {faults})"
        verdict.faults = [f"{where}: {fault}" for fault in verdict.faults]
        return verdict

    return go


def configure(caps: Caps) -> None:
    """Write the user's configuration."""
    configuration().parent.mkdir(parents=True)
    if caps.day_by == "configuration":
        text = f"wanbatch_config: 1\nbudget: {{per_day: {caps.day} {caps.currency}}}\n"
        configuration().write_text(text, "utf-8")


def configuration() -> Path:
    """Return where the user's configuration is."""
    return rig.STATE.get() / "wanbatch" / "config.yaml"


def main() -> int:
    """Run the campaign; return its exit code."""
    asked = rig.arguments(__doc__ or "", runs=300, jobs=2)
    rig.heading("budget", asked.seed)
    total = asyncio.run(rig.in_parallel([one(asked.seed, number) for number in range(asked.runs)], asked.jobs))
    count = total.counts
    names = ("runs", "processes", "kills landed", "journals deleted", "journals rolled back", "caps exceeded",
             "ledgers equal to the bill", "ledgers with something left in doubt", "ledgers that lack something",
             "gone on without caps", "reached the account's tasks at once", "paid twice", "hangs")  # fmt: skip
    ends = {name: count[name] for name in sorted(count) if name.startswith("ended")}
    rig.table("caps under fire, two manifests on one account", {name: count[name] for name in names} | ends)
    return rig.finish(total)


if __name__ == "__main__":
    sys.exit(main())
