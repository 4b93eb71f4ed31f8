"""Amounts of money: what a video costs, and what a user allows. Decimals, never floats."""

import re
from dataclasses import dataclass
from decimal import Decimal

NAMES = {"CNY": "CNY", "RMB": "CNY", "USD": "USD", "¥": "CNY", "\uffe5": "CNY", "$": "USD"}
"""How people write the service's two currencies; the yen sign is read as yuan, since no price is in yen."""
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
WHOLE = re.compile(
    rf"(?P<before>[A-Za-z]{{3}}|[¥\uffe5$])?\s*(?P<number>{NUMBER})\s*(?P<after>[A-Za-z]{{3}}|[¥\uffe5$])?"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """A price, `amount` in `currency`, by the price list of `as_of` (an ISO date)."""

    amount: Decimal
    currency: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `amount` in `currency` over a "run", or over a local calendar "day" of all runs of this user."""

    over: str
    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency} per {self.over}"


def amount(text: str) -> tuple[Decimal, str]:
    """Read `13 CNY`, `13.50CNY`, `CNY 13`, `¥13`, `$5` as an amount and a currency's three letters.

    Raises ValueError, with words that say what is wrong, for anything else.
    """
    found = WHOLE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no amount of money: write it as '13 CNY' or '2.50 USD'")
    before, after = found["before"], found["after"]
    if before and after:
        raise ValueError(f"{text!r} names two currencies: write it as '{found['number']} {currency(after, text)}'")
    if not before and not after:
        raise ValueError(f"a cap needs a currency: '{found['number']} CNY'")
    return Decimal(found["number"]), currency(before or after, text)


def currency(name: str, text: str) -> str:
    """Return a currency's three letters. Raises ValueError."""
    known = NAMES.get(name.upper())
    if known is None and not name.isupper():
        raise ValueError(f"{text!r} names no currency: prices are in CNY or USD")
    return known or name


def plain(value: Decimal) -> str:
    """Return an amount for people: two places, more only where they are needed."""
    if value == value.quantize(Decimal("0.01")):
        return f"{value:.2f}"
    return f"{value:.6f}".rstrip("0")
