"""The knobs of the pretended service, with the documented values as defaults.

Knows numbers and their limits. Does not know what is done with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

MODELS = ("wan2.7-t2v", "wan2.7-t2v-2026-06-12", "wan2.7-t2v-2026-04-25")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a second of video costs, by resolution; only what has SUCCEEDED is billed (Q-PRICE)."""

    currency: str
    per_s: Mapping[str, Decimal]


PRICES: Mapping[str, Prices] = MappingProxyType(
    {
        "CNY": Prices("CNY", MappingProxyType({"720P": Decimal("0.60"), "1080P": Decimal("1.00")})),
        "USD": Prices("USD", MappingProxyType({"720P": Decimal("0.10"), "1080P": Decimal("0.15")})),
    }
)
"""The price lists of wan2.7 in Beijing (Q-PRICE, 2026-08) and Singapore (model pricing, 2026-07)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the service behaves; times in seconds of the world's clock, rates in requests per second of the clients'.

    Limits from the rate-limit table (H-RATE): five running and five submits a second for each model of an account;
    twenty queries, lists and cancels a second, shared (Q-ASYNC). ValueError when a value makes no sense.
    """

    slots: int = 5
    """Tasks of one model that run at the same time."""
    over_cap: Literal["queue", "reject"] = "queue"
    """More tasks than slots: accept them as PENDING, or answer 429 Throttling.Concurrency. No source says which."""
    submit_rate: float = 5.0
    query_rate: float = 20.0
    pending_s: float = 1.0
    """How long a task is PENDING when a slot is free."""
    render_s: float = 60.0
    """How long a task runs on average."""
    spread: float = 0.2
    """Each render takes between (1 - spread) and (1 + spread) times `render_s`, by the seed."""
    ttl_s: float = 86400.0
    """A task can be asked for this long after its submission, its video this long after its end."""
    timeout_s: float = 10800.0
    """A task without a result this long after its submission fails with InternalError.Timeout (Q-ERR)."""
    models: tuple[str, ...] = MODELS
    accounts: Literal["one", "by_key"] = "one"
    """All keys are of one account (but for those with `other-account` in them), or each is an account of its own."""
    prices: Prices | None = None
    """What `stats()` makes the bill of; None: no bill."""
    free_seconds: float | None = None
    """Each model's free tier: once so many seconds of video are made or under way, an account gets 403
    AllocationQuota.FreeTierOnly. The bill counts these seconds like any others."""
    arrears_after: int | None = None
    """An account that has been given so many tasks gets 400 Arrearage for more; it can ask about those that it has."""
    revoked_after: int | None = None
    """A key that was used for so many requests is none any more: 401 InvalidApiKey for everything."""
    queue: int | None = None
    """With `over_cap` "queue": so many may wait beside the slots, more are refused as by "reject"; None: any number."""
    tells_limits: bool = True
    """Whether GET …/models/limits answers: no page says so for every region and model. If not, 404."""

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"slots must be 1 or more, not {self.slots}")
        for name, words in (("over_cap", ("queue", "reject")), ("accounts", ("one", "by_key"))):
            if getattr(self, name) not in words:
                raise ValueError(f'{name} must be "{words[0]}" or "{words[1]}", not {getattr(self, name)!r}')
        for name in ("submit_rate", "query_rate", "ttl_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in ("pending_s", "render_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("free_seconds", "arrears_after", "revoked_after", "queue"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be 0 or more, or not given, not {value}")
        if not 0 <= self.spread < 1:
            raise ValueError(f"spread must be at least 0 and less than 1, not {self.spread}")

    @property
    def most_open(self) -> float:
        """Tasks of one model that an account may have open at once."""
        if self.over_cap == "reject":
            return self.slots
        return float("inf") if self.queue is None else self.slots + self.queue
