"""What is asked before money is spent, and told what became of it.

Puts the ledger's caps and the account's shared slots and turns behind one question of the engine's.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Protocol

from wanbatch.errors import Exit
from wanbatch.jobs.board import Job
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.policy import Halt
from wanbatch.manifest.model import JobKey
from wanbatch.money.amount import Cap
from wanbatch.money.ledger import Ledger, LedgerError
from wanbatch.money.rows import Full, OverCap
from wanbatch.money.standing import Payer, claim, standings
from wanbatch.money.turns import Turns

FULL_S = 2.0
"""How long to wait before a slot that another run holds is asked for again."""


class Till(Protocol):
    """What the engine asks before each submission, and tells after each change of state."""

    lacking: bool
    """Whether the ledger knows of attempts that the journal has forgotten."""

    def ask(self, job: Job, lane: Lane, now: float) -> Halt | float | None:
        """Reserve what a submission may cost. None: it may leave; a time: not before; a Halt: never in this run."""

    def note(self, job: Job) -> Halt | None:
        """Take in what a job has become; a Halt when that could not be written down."""

    def ticket_s(self, lane: Lane, gap_s: float) -> float:
        """Take a lane's next turn to ask something; return how many seconds it is until then."""


class NoTill:
    """Nothing costs anything: for what is simulated."""

    lacking = False

    def ask(self, job: Job, lane: Lane, now: float) -> Halt | float | None:
        """Let everything leave."""
        return None

    def note(self, job: Job) -> Halt | None:
        """Forget it."""
        return None

    def ticket_s(self, lane: Lane, gap_s: float) -> float:
        """Let everything be asked."""
        return 0.0


class LedgerTill:
    """The till of a run that pays. `payers` are by lane; `turns` spaces the submissions of all runs of an account."""

    def __init__(
        self, ledger: Ledger, payers: Mapping[str, Payer], caps: Sequence[Cap], turns: Turns, now: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._payers = payers
        self._caps = tuple(caps)
        self._turns = turns
        self._now = now
        self._broken = False
        self.lacking = False

    def begin(self, jobs: Mapping[JobKey, Job], *, copied: bool = False) -> None:
        """Bring the ledger to what the journal says, before anything is submitted. Raises LedgerError.

        A journal that is younger than a reservation, or was put back (`copied`), does not prove that nothing was sent.
        """
        here = next(iter(self._payers.values())).journal
        rows = [row for job in jobs.values() for row in standings(job, self._payers)]
        sent = (job for job in jobs.values() if job.submitted_at is not None)
        beside = [str(job.key) for job in sent if job.lane not in self._payers]
        gone = [(str(job.key), past.attempt) for job in jobs.values() for past in job.past]
        said = {(row.job, row.attempt) for row in rows}
        doubts = [attempt for attempt in gone if attempt not in said]
        born = inf if copied else min((job.planned_at for job in jobs.values()), default=inf)
        self.lacking = self._ledger.sync(here, rows, self._now(), beside=beside, lacks_before=born, doubts=doubts)

    def ask(self, job: Job, lane: Lane, now: float) -> Halt | float | None:
        """Reserve, in the ledger and among the account's slots and turns."""
        payer = self._payers[lane.name]
        wait_s = self._turns.wait_s(f"{payer.account}-{job.model}", 1 / lane.submit_rate)
        if wait_s > 0:
            return now + wait_s
        try:
            asked_for = claim(job, payer, now)
            verdict = self._ledger.reserve(asked_for, now, self._caps, lane.at_once)
        except LedgerError as error:
            return halted(error)
        match verdict:
            case OverCap():
                several = len({cap.currency for cap in self._caps}) > 1
                return over(verdict, asked_for.currency, several=several)
            case Full():
                return now + FULL_S
            case _:
                return None

    def ticket_s(self, lane: Lane, gap_s: float) -> float:
        """Take the account's next turn among all runs on this machine."""
        return self._turns.ticket_s(f"{self._payers[lane.name].account}-asks", gap_s)

    def note(self, job: Job) -> Halt | None:
        """Put what the job's attempts mean now. Once it fails it is left to the next run, which reads the journal."""
        if self._broken:
            return None
        try:
            self._ledger.put_all(standings(job, self._payers), self._now())
        except LedgerError as error:
            self._broken = True
            return halted(error)
        return None


def halted(error: LedgerError) -> Halt:
    """Return what a ledger that cannot be written means for a run: what is in flight is still collected."""
    return Halt(Exit.STATE, error.message, error.hint or "mend it, then run again: nothing is lost", False)


def over(verdict: OverCap, currency: str | None, *, several: bool) -> Halt:
    """Say which cap allows no more, and why. With caps in `several` currencies it ends only one account's part."""
    words = f"the cap of {verdict.cap} allows no more: {verdict.reason}"
    if verdict.wants is None:
        hint = "say the price under `prices` in the configuration (wanbatch doctor shows what is known)"
    elif currency != verdict.cap.currency:
        hint = f"give a cap per {verdict.cap.over} in {currency} too"
    else:
        where = "budget.per_day" if verdict.cap.over == "day" else "--max-cost or run.budget.per_run"
        hint = f"what is in flight is collected; to go on, raise the cap ({where}) and run again"
    of_lane = currency is not None and (several or currency != verdict.cap.currency)
    return Halt(Exit.REFUSED, words, hint, False, of_lane=of_lane)
