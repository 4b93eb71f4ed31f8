"""What one attempt means in money, and the rules by which that may change. Pure.

The ledger (`wanbatch.money.ledger`) keeps these values; the journal is where they come from.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from wanbatch.money.amount import Cap


class State(Enum):
    """What is known of an attempt's price. All but FREE count against caps."""

    OPEN = "open"
    """reserved; the service has or may have the task, so it holds one of the account's slots"""
    DOUBT = "doubt"
    """reserved; held for a person, so it holds no slot"""
    BILLED = "billed"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one attempt, that is one POST, means in money now."""

    journal: str
    """The output folder, absolute."""
    job: str
    """`str(JobKey)`."""
    attempt: int
    """Counts from 1."""
    scene: str
    manifest: str
    account: str
    model: str
    state: State
    amount: Decimal | None
    """None where the price is not known, and then `currency` is None too."""
    currency: str | None
    at: float
    """When it was submitted, in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A standing as the ledger has it: `day` is the local date of its `at`, `run` reserved it ("" if none did)."""

    standing: Standing
    day: str
    run: str


def settled(old: Standing, new: Standing) -> Standing:
    """Return what is to be kept when `new` is said of an attempt of which `old` was known.

    What was billed stays as it was billed: a later price list does not change it. A doubt ends only by evidence of a
    task (OPEN, BILLED), never by FREE: a person who gives a scene up, or has it sent again, does not know that the
    first task was not billed. Until it is billed, what was reserved stays reserved. The time stays that of the
    reservation, or a row could move to another day after its day's cap was looked at.
    """
    if old.state is State.BILLED and (new.state is not State.BILLED or old.amount is not None):
        return old
    if old.state is State.DOUBT and new.state is State.FREE:
        return old
    if new.amount is None or (new.state is not State.BILLED and old.amount is not None and old.state is not State.FREE):
        return replace(new, amount=old.amount, currency=old.currency, at=old.at)
    return replace(new, at=old.at)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The amount and the slot are taken: the POST may go out."""


@dataclass(frozen=True, slots=True)
class Full:
    """All `at_once` slots of the account and model are taken; `by_others` of them by other runs."""

    taken: int
    by_others: int


@dataclass(frozen=True, slots=True)
class OverCap:
    """A cap does not allow it. `already` counts against the cap, `wants` is None where a price is not known."""

    cap: Cap
    already: Decimal
    wants: Decimal | None
    reason: str
