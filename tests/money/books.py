"""Builders for what is in the ledger, and programs that use it from processes of their own."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from support import NOW

from wanbatch.money.amount import Cap
from wanbatch.money.ledger import Ledger, Standing, State

DAY_S = 24 * 3600.0


def standing(job: str = "alley", attempt: int = 1, state: State = State.OPEN, **changes: Any) -> Standing:
    """What an attempt of three yuan means."""
    values: dict[str, Any] = {
        "journal": "/out/film", "job": job, "attempt": attempt, "scene": job, "manifest": "film.yaml",
        "account": "main", "model": "wan2.7-t2v", "state": state, "amount": Decimal(3), "currency": "CNY", "at": NOW,
    }  # fmt: skip
    return Standing(**values | changes)


def per_day(amount: int | str, currency: str = "CNY") -> Cap:
    return Cap("day", Decimal(amount), currency)


def per_run(amount: int | str, currency: str = "CNY") -> Cap:
    return Cap("run", Decimal(amount), currency)


def opened(folder: Path, now: float = NOW) -> Ledger:
    """The ledger of a folder, without waiting for anybody's disk."""
    ledger = Ledger.open(folder / "ledger.db", now)
    ledger._store._db.execute("PRAGMA synchronous = OFF")
    return ledger


def found(ledger: Ledger) -> dict[tuple[str, int], str]:
    """Each attempt's state."""
    return {(row.standing.job, row.standing.attempt): row.standing.state.value for row in ledger.spent()}


def program(body: str, *args: object) -> subprocess.Popen[str]:
    """Start a program in its own process. It has `path`, the ledger's, and the builders; the rest is in `args`."""
    head = "import os, time\nfrom pathlib import Path\nfrom money.books import *\n"
    head += "from wanbatch.money.ledger import *\n"
    head += "path, args = Path(sys.argv[1]), sys.argv[2:]\n"
    tests = str(Path(__file__).parents[1])
    start = f"import sys; sys.path.insert(0, {tests!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + head + body, *map(str, args)], text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    """What a program printed; it must not have failed."""
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    return said
