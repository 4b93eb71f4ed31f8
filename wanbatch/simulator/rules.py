"""The knobs of the pretended service, with the documented values as defaults.

Knows numbers and their limits. Does not know what is done with them.
"""

from dataclasses import dataclass
from typing import Literal

MODELS = ("wan2.7-t2v", "wan2.7-t2v-2026-06-12", "wan2.7-t2v-2026-04-25")


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

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ValueError(f"slots must be 1 or more, not {self.slots}")
        if self.over_cap not in {"queue", "reject"}:
            raise ValueError(f'over_cap must be "queue" or "reject", not {self.over_cap!r}')
        for name in ("submit_rate", "query_rate", "ttl_s", "timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in ("pending_s", "render_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not 0 <= self.spread < 1:
            raise ValueError(f"spread must be at least 0 and less than 1, not {self.spread}")
