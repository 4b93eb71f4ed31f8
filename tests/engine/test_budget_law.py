"""The law of the caps, from the loop to the ledger: no kill, fault or lost journal lets more be billed than allowed.

Two manifests on one account, side by side or one after another, in virtual time. What the service would bill at most
is looked at after every task that it takes.
"""

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from support import NOW, FakeClock, Shelf, WorldService, planned, wanted

from wanbatch.engine import Engine
from wanbatch.jobs.board import Job
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.plan import plan
from wanbatch.jobs.policy import Limits
from wanbatch.manifest.model import Request, Wanted
from wanbatch.money.amount import Cap, Cost
from wanbatch.money.ledger import Ledger, State
from wanbatch.money.standing import Payer
from wanbatch.money.till import LedgerTill
from wanbatch.money.turns import Turns
from wanbatch.perform import Performer
from wanbatch.run import work_of
from wanbatch.simulator.rules import PRICES, Rules
from wanbatch.simulator.world import World

PER_S = PRICES["CNY"].per_s
AT_ONCE = 3
FATES = st.sampled_from([None, None, None, None, "lost", "never", "unsent"])
MARKS = st.sampled_from(["", "", "", "", "[internal error]", "[moderated output]", "[moderated input]"])
WAYS = st.sampled_from(["one", "other", "both"])
STEPS = st.none() | st.integers(1, 12) | st.integers(1, 60)
"""A submission is seven steps: asked for, told, noted, sent, answered, told, noted."""
LOSSES = st.sampled_from(["none", "none", "deleted", "put back"])
SCENES = st.lists(st.tuples(st.integers(2, 5), st.sampled_from(sorted(PER_S)), MARKS), min_size=1, max_size=4)
SHARES = st.none() | st.integers(10, 110)


class Killed(BaseException):
    """The process is no more."""


def price(outline: dict[str, Any]) -> Cost:
    return Cost(PER_S[outline["resolution"]] * outline["duration"], "CNY", "2026-08")


def asked(one: Request) -> Cost:
    return price(one.outline())


def noon() -> float:
    """A time with the most room on both sides before it is another day, wherever the test is."""
    local = time.localtime(NOW)
    return NOW + (12 - local.tm_hour) * 3600


@dataclass(frozen=True)
class Life:
    """One process of a film: when it is killed, and what becomes of its journal before it begins."""

    dies_at: int | None
    loss: str = "none"
    fates: tuple[str | None, ...] = ()
    look: bool = True


@dataclass
class Film:
    """A manifest with its output folder."""

    name: str
    folder: Path
    wants: list[Wanted]
    on_absent: str
    shelf: Shelf = field(default_factory=Shelf)
    copied: bool = False
    copies: list[bytes] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        return self.folder / "journal.jsonl"

    def lose(self, loss: str, clock: FakeClock) -> None:
        """Delete the journal, or put an older one back; the videos are gone with it."""
        if loss == "none" or not self.journal.exists():
            return
        self.shelf.saved.clear()
        if loss == "deleted":
            self.journal.unlink()
            clock.at += 1
        else:
            self.journal.write_bytes(self.copies[len(self.copies) // 2])
            self.copied = True


class Process(WorldService):
    """One life of a film: its service, its till and its end, which may come at any step."""

    def __init__(self, town: "Town", film: Film, life: Life) -> None:
        super().__init__(town.world, town.clock, lambda nth: life.fates[nth] if nth < len(life.fates) else None)
        self.town, self.film, self.left = town, film, life.dies_at or -1
        self.look = life.look
        self.loop = asyncio.current_task()
        self.mine: set[str] = set()
        self.till: LedgerTill | None = None

    def step(self) -> None:
        """One more thing was done by the loop: the process may be dead after it."""
        self.left -= 1
        if self.left == 0:
            raise Killed

    async def outside(self) -> None:
        """One more thing was done by a performer: the loop may be dead after it."""
        self.left -= 1
        if self.left == 0:
            self.loop.cancel()
            await asyncio.Event().wait()

    async def submit(self, request):
        await self.outside()
        before = {task for tasks in self.town.accepted().values() for task in tasks}
        seen = await super().submit(request)
        self.mine |= {task for task in self.town.accepted().get(request.prompt, ()) if task not in before}
        self.town.look(self.film, self.mine)
        await self.outside()
        return seen

    def ask(self, job: Job, lane: Lane, now: float):
        verdict = self.till.ask(job, lane, now)
        self.step()
        return verdict

    def note(self, job: Job):
        verdict = self.till.note(job)
        self.step()
        return verdict

    def ticket_s(self, lane: Lane, gap_s: float) -> float:
        return 0.0

    def told(self, _job: Job, _event: object) -> None:
        self.step()


class Town:
    """One account, one ledger, and the films that share them."""

    def __init__(self, folder: Path, caps: tuple[Cap, ...]) -> None:
        self.folder, self.caps = folder, caps
        self.clock = FakeClock(noon())
        self.world = World(Rules(slots=20, prices=PRICES["CNY"]))
        self.dead = Counter()

    def accepted(self) -> dict[str, list[str]]:
        return self.world.stats()["accepted_by_prompt"]

    def bill(self, name: str = "bill") -> Decimal:
        return Decimal(self.world.stats()[name]["CNY"])

    def cap(self, over: str) -> Decimal | None:
        return min((cap.amount for cap in self.caps if cap.over == over), default=None)

    def cost(self, film: Film, tasks: set[str]) -> Decimal:
        """What tasks of a film cost, if those that have not failed succeed."""
        prices = {one.request.prompt: asked(one.request).amount for one in film.wants}
        return sum(
            (
                prices[prompt]
                for prompt, found in self.accepted().items()
                for task in found
                if task in tasks and self.world.status_of(self.clock.now(), task) != "FAILED"
            ),
            Decimal(0),
        )

    def look(self, film: Film, mine: set[str]) -> None:
        """What this test is about."""
        day, run = self.cap("day"), self.cap("run")
        assert day is None or self.bill("bill_at_most") <= day
        assert run is None or self.cost(film, mine) <= run

    async def live(self, film: Film, life: Life) -> None:
        """Let one process work to its end, or until it is killed."""
        film.lose(life.loss, self.clock)
        process = Process(self, film, life)
        ledger = Ledger.open(self.folder / "ledger.db", self.clock.now())
        try:
            await self.work(film, process, ledger)
        except (Killed, asyncio.CancelledError):
            ledger._store.close()  # without the last word that an orderly end has
            with contextlib.closing(sqlite3.connect(self.folder / "ledger.db")) as db:
                db.execute("UPDATE run SET born = 'long ago' WHERE id = ?", (ledger.run,))  # nobody has its pid now
                db.commit()
        else:
            ledger.close()
        film.copies.append(film.journal.read_bytes())

    async def work(self, film: Film, process: Process, ledger: Ledger) -> None:
        with Journal.open(film.journal, self.clock.now()) as journal:
            new = [one for one in film.wants if one.key not in journal.board.jobs]
            journal.record_all([(one.key, planned(one)) for one in new], self.clock.now())
            files = dict.fromkeys(film.shelf.saved, 1)
            todo = plan(film.wants, journal.board, files, self.clock.now(), keep_changed=False, price=asked)
            wants = {one.key: one for one in film.wants}
            work = work_of(journal.board, wants, todo, film.folder, keep=False)
            payers = {"": Payer(str(film.folder), film.name, "main", price)}
            process.till = LedgerTill(ledger, payers, self.caps, Turns(None), self.clock.now)
            process.till.begin(journal.board.jobs, copied=film.copied)
            world = Performer({"": process}, film.shelf, self.clock, Limits(on_absent=film.on_absent))
            engine = Engine(journal, world, process.told, lanes=[Lane(at_once=AT_ONCE)], till=process)
            await engine.run(replace(work, copied=film.copied, look_for_orphans=process.look))

    def ledger(self) -> dict[State, Decimal]:
        """The ledger's sums by state."""
        sums = dict.fromkeys(State, Decimal(0))
        with Ledger.open(self.folder / "ledger.db", self.clock.now()) as ledger:
            for row in ledger.spent():
                sums[row.standing.state] += row.standing.amount
        return sums

    def settle(self, *, recounted: bool) -> None:
        """What the ledger says against what the service bills: to the cent, where nothing is in doubt.

        `recounted`: a journal that was put back has forgotten an attempt that never left. The task found again is then
        counted under another number, and stays in the ledger under both: too much, never too little.
        """
        kept, billed = self.ledger(), self.bill()
        assert kept[State.OPEN] == 0, "who has ended in good order has nothing with the service"
        assert self.bill("bill_at_most") <= kept[State.BILLED] + kept[State.DOUBT]
        if recounted:
            return
        assert kept[State.BILLED] <= billed
        if kept[State.DOUBT] == 0:
            event("equal to the cent")
            assert kept[State.BILLED] == billed


def film_of(folder: Path, name: str, rows: list[tuple[int, str, str]], on_absent: str) -> Film:
    wants = [
        wanted(f"s{number}", prompt=f"{name} {number} {mark}".strip(), duration=seconds, resolution=resolution)
        for number, (seconds, resolution, mark) in enumerate(rows)
    ]
    (folder / name).mkdir()
    return Film(name, folder / name, wants, on_absent)


LIVES = st.builds(Life, STEPS, LOSSES, st.lists(FATES, max_size=6).map(tuple), st.booleans())
HISTORIES = st.lists(st.tuples(WAYS, LIVES, LIVES), min_size=1, max_size=5)


def caps_of(day: int | None, run: int | None, whole: Decimal) -> tuple[Cap, ...]:
    """Caps as shares of what all scenes cost, in hundredths."""
    shares = (("day", day), ("run", run))
    return tuple(Cap(over, (whole * share / 100).quantize(Decimal("0.01")), "CNY") for over, share in shares if share)


async def play(town: Town, films: list[Film], histories: list[tuple[str, Life, Life]]) -> None:
    """Let the films live, side by side or alone, and then each to an end of its own."""
    for way, one, other in [*histories, ("both", Life(None), Life(None))]:
        lives = [(films[0], one)] * (way != "other") + [(films[1], other)] * (way != "one")
        for error in await asyncio.gather(*(town.live(*life) for life in lives), return_exceptions=True):
            if isinstance(error, BaseException):
                raise error


@settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(SCENES, SCENES, st.sampled_from(["hold", "resubmit"]), SHARES, SHARES, HISTORIES)
def test_whatever_happens_no_more_is_billed_than_the_caps_allow_and_the_ledger_knows_it(
    north, south, on_absent, day, run, histories
):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = [film_of(folder, "north", north, on_absent), film_of(folder, "south", south, on_absent)]
        whole = sum((asked(one.request).amount for film in films for one in film.wants), Decimal(0))
        town = Town(folder, caps_of(day, run, whole))
        asyncio.run(play(town, films, histories))
        assert town.clock.now() - noon() < 11 * 3600, "it is still the same day"
        for film in films:
            town.look(film, set())
        lives = [life for _, *pair in histories for life in pair]
        town.settle(recounted=any("unsent" in a.fates and b.loss == "put back" for a in lives for b in lives))
        if not any(life.loss != "none" for _, *lives in histories for life in lives):
            assert all(most <= AT_ONCE for most in town.world.stats()["max_open"].values())
