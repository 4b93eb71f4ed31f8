"""The ledger: what all runs of this user have reserved and spent, in one small file.

Caps per day hold over all manifests and over runs side by side, so this cannot be in a manifest's journal. The
journals stay the truth of their own attempts. A ledger that was deleted starts empty, and each manifest's next run
(`sync`) writes the rows of its journal again, dated by their submission; until then a cap per day does not count them.
A journal that was deleted leaves its rows: what they cost was spent; what was open may be billed, so it is in doubt.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wanbatch.jobs.lock import host, is_alive
from wanbatch.money.amount import Cap, plain
from wanbatch.money.rows import Full, OverCap, Reserved, Row, Standing, State, settled
from wanbatch.money.store import Damaged, LedgerError, Store

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["Full", "Ledger", "LedgerError", "OverCap", "Reserved", "Row", "Standing", "State", "state_folder"]

DAY_S = 86_400.0
LEDGER = "ledger.db"
REHEARSAL = "rehearsal.db"
"""The ledger of accounts on this machine: what is pretended is no money."""
MICRO = 1_000_000
"""Amounts are kept as whole millionths of a currency's unit: sums are exact."""
STALE_S = 20 * 60.0
"""How long after its submission a task of a dead process of this machine still counts as with the service."""
EXPIRED_S = 24 * 3600.0
"""The same where its process cannot be seen: after that time the service has forgotten the task."""
COLUMNS = "journal, job, attempt, scene, manifest, account, model, state, amount, currency, at"
MARKS = ", ".join("?" * 11)


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of what this user's runs share, absolute; it need not exist.

    WANBATCH_STATE, else $XDG_STATE_HOME/wanbatch (ignored unless absolute, as the XDG specification says), else
    ~/.local/state/wanbatch. Raises LedgerError where there is no home.
    """
    if env.get("WANBATCH_STATE"):
        try:
            return Path(env["WANBATCH_STATE"]).expanduser().absolute()
        except RuntimeError:  # ~nobody
            raise LedgerError(
                "WANBATCH_STATE names the home of a user that is none",
                "name a folder: export WANBATCH_STATE=/some/folder",
            ) from None
    if Path(env.get("XDG_STATE_HOME", "")).is_absolute():
        return Path(env["XDG_STATE_HOME"]) / "wanbatch"
    if Path(env.get("HOME", "")).is_absolute():
        return Path(env["HOME"]) / ".local/state/wanbatch"
    raise LedgerError(
        "there is no home folder to keep the ledger in", "name a folder: export WANBATCH_STATE=/some/folder"
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it is in the file."""

    id: int
    row: Row
    holder: str
    sure: bool

    @property
    def idle(self) -> bool:
        """Whether nothing can have been sent for it, so that a new reservation may take its place."""
        return self.row.standing.state is State.FREE or (self.row.standing.state is State.OPEN and not self.sure)


class Ledger:
    """The open file. Use it as a context manager; several processes, and threads, may each write at any time."""

    def __init__(self, store: Store, now: float, run: str | None = None) -> None:
        self.run = run or secrets.token_hex(8)
        self._store = store
        pid = os.getpid()
        self._me = (self.run, host(), pid, birth(pid), now)
        self._seen: set[int] = set()
        """Rows that the journal was seen to know, which is not yet written: that can wait for the next reservation."""

    @classmethod
    def open(
        cls, path: Path, now: float, *, run: str | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> Self:
        """Open the ledger, make it if there is none. `now` is when this run began. Raises LedgerError."""
        return cls(Store(path, sleep), now, run)

    def close(self) -> None:
        """Close the file; what was open stays reserved. Raises nothing."""
        if self._seen:
            with contextlib.suppress(LedgerError):
                self._store.write(self._confirm)
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reserve(
        self, claim: Standing, now: float, caps: Sequence[Cap], at_once: int | None
    ) -> Reserved | Full | OverCap:
        """Take the amount and a slot for a POST that is about to go out, or say what forbids it. Raises LedgerError.

        Until this returned Reserved nothing was changed. A kill right after it leaves a row that the next `sync` frees,
        because the journal knows nothing of the attempt.
        """

        def work(db: "Connection") -> Reserved | Full | OverCap:
            self._confirm(db)
            own = one(db, claim)
            again = own if own and own.idle else None
            refused = self._over(db, claim, caps, again) or self._full(db, claim, now, at_once, again)
            if refused:
                return refused
            if again:
                db.execute("DELETE FROM standing WHERE id = ?", (again.id,))
            elif own:  # an attempt of this number was paid for by a journal that is no more
                db.execute(
                    "UPDATE standing SET life = (SELECT MAX(life) + 1 FROM standing WHERE journal = ?) WHERE id = ?",
                    (own.row.standing.journal, own.id),
                )
            self._insert(db, replace(claim, state=State.OPEN), run=self.run, sure=False)
            return Reserved()

        verdict = self._store.write(work)
        self._seen.clear()
        return verdict

    def put(self, standing: Standing, now: float) -> None:
        """Write what an attempt means now; saying it twice changes nothing. Raises LedgerError.

        Facts are not refused, whatever the caps: see `settled` for what is kept of an earlier row. Say OPEN once the
        journal has the intent: that is written with the next reservation or at the end, costs nothing, and from then
        on a journal that is lost cannot free the row.
        """
        self.put_all((standing,), now)

    def put_all(self, standings: Iterable[Standing], now: float) -> None:
        """Write what several attempts mean now, in one transaction. Raises LedgerError."""
        said = tuple(standings)

        def work(db: "Connection") -> None:
            for standing in said:
                self._keep(db, one(db, standing), standing)

        self._store.write(work)

    def sync(
        self,
        journal: str,
        standings: Iterable[Standing],
        now: float,
        *,
        beside: Collection[str] = (),
        lacks_before: float = -inf,
        doubts: Collection[tuple[str, int]] = (),
    ) -> bool:
        """Write every attempt that a journal knows; call it with that journal's lock held. Raises LedgerError.

        Return whether the journal lacks an attempt of the last day that it once knew: it was put back or deleted.

        Jobs of `beside` are known to the journal, but what they mean is not said now: their rows stay as they are.
        Attempts before a job's last one need not be given where they cost nothing. An open row that the journal does
        not know was reserved by a process that was killed before it wrote its intent, so nothing was sent: it becomes
        FREE. Unless the journal lacks what it once had: then it is another journal, or an older copy of it, and proves
        nothing, so what was open is in DOUBT. So is what was reserved before `lacks_before`: the journal is younger
        than it, or was put back, and this may not have been seen in any other row.
        """
        said = {(safe(standing.job), standing.attempt): standing for standing in standings}
        apart = frozenset(map(safe, beside))
        unsaid = {(safe(job), attempt) for job, attempt in doubts}
        last: dict[str, int] = {}
        for job, attempt in said:
            last[job] = max(attempt, last.get(job, 0))
        lacking: list[Kept] = []

        def work(db: "Connection") -> None:
            found = rows(db, "journal = ? AND life = 0", (safe(journal),))
            there = {(kept.row.standing.job, kept.row.standing.attempt): kept for kept in found}
            there = {key: kept for key, kept in there.items() if key[0] not in apart}
            for key, standing in said.items():
                self._keep(db, there.pop(key, None), standing)
            late = [kept for (job, attempt), kept in there.items() if attempt > last.get(job, 0)]
            known = [kept for kept in late if kept.sure and not kept.idle]
            another = bool(known)
            lacking.extend(kept for kept in known if now - kept.row.standing.at < DAY_S)
            for key, kept in there.items():
                if kept.row.standing.state is State.OPEN:
                    lost = another or key in unsaid or kept.row.standing.at < lacks_before
                    state = State.DOUBT if lost else State.FREE
                    db.execute("UPDATE standing SET state = ? WHERE id = ?", (state.value, kept.id))

        self._store.write(work)
        return bool(lacking)

    def spent(self, *, since: float | None = None, until: float | None = None) -> list[Row]:
        """Return the rows submitted from `since` on and before `until`, oldest first. Raises LedgerError."""
        where, values = ["1"], []
        for condition, at in (("at >= ?", since), ("at < ?", until)):
            if at is not None:
                where.append(condition)
                values.append(at)
        condition = f"{' AND '.join(where)} ORDER BY at, id"
        return self._store.read(lambda db: [kept.row for kept in rows(db, condition, values)])

    def total(self, over: str, currency: str, now: float) -> Decimal:
        """Return what counts against a cap over this "run", or over the "day" of `now`. Raises LedgerError."""
        cap = Cap(over, Decimal(0), currency)
        return self._store.read(lambda db: decimal(self._counted(db, cap, now, None)[0]))

    def _over(self, db: "Connection", claim: Standing, caps: Sequence[Cap], again: Kept | None) -> OverCap | None:
        """Return the first cap that a claim would exceed. What has no known price cannot be under any."""
        for cap in caps:
            micro, unknown = self._counted(db, cap, claim.at, again)
            already = decimal(micro)
            if claim.amount is None or claim.currency is None:
                return OverCap(cap, already, None, "its price is not known, so no cap can hold")
            if claim.currency != cap.currency:
                if any(other.over == cap.over and other.currency == claim.currency for other in caps):
                    continue  # each currency has its own cap over the same span
                reason = f"it is priced in {claim.currency}, and the cap is in {cap.currency}"
                return OverCap(cap, already, claim.amount, reason)
            if unknown:
                reason = f"earlier submissions of this {cap.over} ({unknown}) have no known price, so no cap can hold"
                return OverCap(cap, already, claim.amount, reason)
            if micro + millionths(claim.amount) > int((cap.amount * MICRO).to_integral_value(ROUND_FLOOR)):
                reason = f"{plain(already)} {cap.currency} spent or reserved, and it costs {plain(claim.amount)} more"
                return OverCap(cap, already, claim.amount, reason)
        return None

    def _counted(self, db: "Connection", cap: Cap, at: float, again: Kept | None) -> tuple[int, int]:
        """Return what counts against a cap in millionths, and how many rows of unknown price there are."""
        scope, value = ("run", self.run) if cap.over == "run" else ("day", day_of(at))
        micro, unknown = db.execute(
            f"""SELECT COALESCE(SUM(CASE WHEN currency = ? THEN amount END), 0), COUNT(*) - COUNT(amount)
                FROM standing WHERE {scope} = ? AND state <> 'free' AND id IS NOT ?""",  # noqa: S608 - two fixed words
            (cap.currency, value, again.id if again else None),
        ).fetchone()
        return micro, unknown

    def _full(
        self, db: "Connection", claim: Standing, now: float, at_once: int | None, again: Kept | None
    ) -> Full | None:
        """Return how the slots of the claim's account and model are taken, if all are."""
        if at_once is None:
            return None
        taken = db.execute(
            """SELECT standing.at, run.id, run.host, run.pid, run.born
               FROM standing LEFT JOIN run ON run.id = standing.holder
               WHERE state = 'open' AND account = ? AND model = ? AND standing.id IS NOT ?""",
            (safe(claim.account), claim.model, again.id if again else None),
        ).fetchall()
        ages = {owner: age_of(*owner, own=self.run) for owner in {tuple(owner) for _, *owner in taken}}
        held = [owner[0] for at, *owner in taken if now - at < ages[tuple(owner)]]
        if len(held) < at_once:
            return None
        return Full(len(held), sum(run != self.run for run in held))

    def _keep(self, db: "Connection", old: Kept | None, new: Standing) -> None:
        """Write a standing over the row that there is. What was not reserved here counts for its day, for no run."""
        if old is None:
            self._insert(db, new, run="", sure=True)
            return
        after = settled(old.row.standing, new)
        mine = old.holder == self.run or after.state is not State.OPEN
        if mine and cells(after) == cells(old.row.standing):
            self._seen |= set() if old.sure else {old.id}
            return
        self._note_run(db)
        db.execute(
            f"UPDATE standing SET ({COLUMNS}, holder, sure) = ({MARKS}, ?, 1) WHERE id = ?",  # noqa: S608 - fixed words
            (*cells(after), self.run, old.id),
        )

    def _insert(self, db: "Connection", new: Standing, *, run: str, sure: bool) -> None:
        """Write a new row."""
        self._note_run(db)
        db.execute(
            f"INSERT INTO standing ({COLUMNS}, day, run, holder, sure) VALUES ({MARKS}, ?, ?, ?, ?)",  # noqa: S608 - fixed
            (*cells(new), day_of(new.at), run, self.run, int(sure)),
        )

    def _confirm(self, db: "Connection") -> None:
        """Write which rows the journal was seen to know."""
        db.executemany("UPDATE standing SET sure = 1 WHERE id = ?", [(number,) for number in self._seen])

    def _note_run(self, db: "Connection") -> None:
        """Write who we are, so that others can see whether we still live."""
        db.execute("INSERT OR IGNORE INTO run VALUES (?, ?, ?, ?, ?)", self._me)


def rows(db: "Connection", condition: str, values: Sequence[Any]) -> list[Kept]:
    """Return the rows for which `condition`, SQL of our own, holds. Raises Damaged."""
    query = f"SELECT {COLUMNS}, id, day, run, holder, sure FROM standing WHERE {condition}"  # noqa: S608 - fixed words
    return [
        Kept(number, Row(standing_of(*kept), day, run), holder, bool(sure))
        for *kept, number, day, run, holder, sure in db.execute(query, values).fetchall()
    ]


def cells(standing: Standing) -> tuple[Any, ...]:
    """Return a standing as it is kept, in the order of COLUMNS."""
    return (
        *(safe(standing.journal), safe(standing.job), standing.attempt, safe(standing.scene), safe(standing.manifest)),
        *(safe(standing.account), safe(standing.model), standing.state.value),
        *(None if standing.amount is None else millionths(standing.amount), standing.currency, standing.at),
    )


def standing_of(*kept: Any) -> Standing:
    """Return a standing as it was kept. Raises Damaged."""
    *who, state, micro, currency, at = kept
    journal, job, attempt, scene, manifest, account, model = who
    try:
        amount = None if micro is None else decimal(micro)
        return Standing(journal, job, attempt, scene, manifest, account, model, State(state), amount, currency, at)
    except (ValueError, TypeError) as error:
        raise Damaged(str(error)) from error


def one(db: "Connection", standing: Standing) -> Kept | None:
    """Return the row of an attempt."""
    where = "journal = ? AND life = 0 AND job = ? AND attempt = ?"
    return next(iter(rows(db, where, (safe(standing.journal), safe(standing.job), standing.attempt))), None)


def age_of(run: str | None, where: str, pid: int, born: str, *, own: str) -> float:
    """Return how long after its submission a run's open task counts as with the service, in seconds."""
    if run == own:
        return inf
    if run is None or where != host():
        return EXPIRED_S
    return inf if is_alive(pid) and birth(pid) == born else STALE_S


def birth(pid: int) -> str:
    """Return when a process began, as far as Linux says: a number that a later process of the same pid has not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return told.rpartition(")")[2].split()[19]  # field 22 of proc(5), counted behind the name
    except (OSError, IndexError):
        return ""


def day_of(at: float) -> str:
    """Return the local date of a time, as ISO writes it."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def millionths(value: Decimal) -> int:
    """Return an amount as the ledger keeps it, rounded up: a cap must hold."""
    return int((value * MICRO).to_integral_value(ROUND_CEILING))


def decimal(micro: int) -> Decimal:
    """Return an amount that the ledger kept."""
    return Decimal(micro) / MICRO


def safe(text: str) -> str:
    """Return a text that SQLite can keep: names of files need not be UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
