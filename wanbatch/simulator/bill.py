"""The service's own bill: what was made, for which key, and what it costs.

Knows seconds and prices. Does not know requests, rates or what clients believe.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from wanbatch.simulator.checks import RESOLUTIONS
from wanbatch.simulator.lane import Lane
from wanbatch.simulator.rules import Prices

_NAMES = {lines: name for name, lines in RESOLUTIONS.items()}


def bill(lanes: Iterable[Lane], prices: Prices | None) -> dict[str, Any]:
    """Seconds and money as plain JSON data: only what SUCCEEDED; `bill_at_most` takes what is under way for made.

    Money is a text, exact; without prices the bills are empty.
    """
    made: Counter[tuple[str, int]] = Counter()
    coming: Counter[tuple[str, int]] = Counter()
    for lane in lanes:
        made.update(lane.made)
        for task in lane.under_way():
            coming[task.api_key_id, task.order.sr] += task.order.duration
    # A task with wrong parameters has no picture lines and no seconds: the sum of two counters drops it.
    seconds: dict[str, dict[str, int]] = defaultdict(dict)
    by_key: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for (key, lines), count in sorted(made.items()):
        seconds[key][_NAMES[lines]] = count
        by_key[key][key, lines] = count
    return {
        "billed_seconds": dict(seconds),
        "bill": _money(made, prices),
        "bill_at_most": _money(made + coming, prices),
        "bill_by_key": {key: _money(count, prices) for key, count in by_key.items()},
    }


def _money(seconds: Counter[tuple[str, int]], prices: Prices | None) -> dict[str, str]:
    if prices is None:
        return {}
    total = sum((prices.per_s[_NAMES[lines]] * count for (_, lines), count in seconds.items()), Decimal("0.00"))
    return {prices.currency: str(total)}
