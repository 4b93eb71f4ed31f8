"""What `plan` and `run` say of the same accounts: the price of a video, and how many tasks go at once.

One place, since a saved plan holds only as long as both find the same prices. Reads no key.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from wanbatch.cli import common
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.plan import Cost
from wanbatch.service import catalog
from wanbatch.service.accounts import Lanes, chosen, read_config
from wanbatch.service.catalog import PriceRow

Prices = Callable[[Mapping[str, object]], Cost | None]
"""What the video of an outline costs; None where that is not known."""


def prices(base_url: str | None, region: str | None, accounts: Sequence[str] = ()) -> Prices:
    """Return what a video costs, at most: by the environment and the flags, or with the named accounts.

    Which account a scene will leave by is not known before: the dearest counts. Where one's price is not known, or
    they are in different currencies, no sum can be promised: None. Raises WanbatchError.
    """
    if not accounts:
        return common.outline_prices(base_url, region)
    if base_url or region:
        flag = "--base-url" if base_url else "--region"
        raise WanbatchError(
            f"{flag} and a named account exclude each other: an account has its own",
            exit_code=Exit.USAGE,
            hint=f"leave out {flag}, or --account and the manifest's `accounts`",
        )
    config = read_config(os.environ)
    regions = sorted({one.region for one in chosen(config, accounts)})
    return lambda outline: dearest([common.cost_in(one, outline, config.prices) for one in regions])


def dearest(found: Sequence[Cost | None]) -> Cost | None:
    """Return the highest of some prices; None where one is not known, or their currencies differ."""
    known = [one for one in found if one is not None]
    if len(known) < len(found) or len({one.currency for one in known}) != 1:
        return None
    return max(known, key=lambda one: one.amount)


def cheapest_first(found: Lanes, outlines: Sequence[dict[str, object]], rows: Sequence[PriceRow]) -> Lanes:
    """Return accounts by what they would take for all of some videos, the cheapest first, among equals as named.

    Raises WanbatchError where that cannot be compared.
    """
    sums: dict[str, Decimal] = {}
    currencies = set()
    for lane, account in found:
        costs = [common.cost_in(account.region or "", outline, rows) for outline in outlines]
        known = [cost for cost in costs if cost is not None]
        currencies |= {cost.currency for cost in known}
        if len(known) < len(costs) or len(currencies) > 1:
            why = "in different currencies" if len(currencies) > 1 else f"not known for account {lane.name}"
            raise WanbatchError(
                f"--cheapest-first cannot compare prices that are {why}; nothing was sent",
                exit_code=Exit.USAGE,
                hint="leave it out: accounts are then used in the order in which they are named",
            )
        sums[lane.name] = sum((cost.amount for cost in known), Decimal(0))
    return tuple(sorted(found, key=lambda one: sums[one[0].name]))


def tasks_at_once(accounts: Sequence[str], concurrency: int | None) -> int:
    """Return how many tasks of a model id a run may have with the service at once. Raises WanbatchError.

    Of the environment's account the user knows better than the documentation; each configured one has its own limit.
    """
    if not accounts:
        return concurrency or catalog.rates().tasks_at_once
    most = sum(one.tasks_at_once for one in chosen(read_config(os.environ), accounts))
    return min(most, concurrency or most)
