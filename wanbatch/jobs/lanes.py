"""Which account a submission leaves by, and how fast: lanes, and the gate that each has for each model id.

Pure. The service counts its limits for each model id of a main account (rate limits, 2026-08-15), so a gate is one
lane's for one model. Gates know this run only; nothing of them is written down.
"""

from dataclasses import dataclass, replace

from wanbatch.jobs.seen import Kind

LEAST_RATE = 0.1
"""Submissions a second below which a gate does not go: a storm must not become a stop."""
FASTER = 0.5
"""What an accepted submission gives back of a rate that refusals have halved, per second."""
MANY_IN_A_ROW = "throttling.concurrency"
"""The one code, folded, that speaks of tasks at once and not of requests a second (error messages, 2026-08-15)."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One account as a run uses it. `at_once` tasks and `submit_rate` a second for each model id; rates per second.

    The lane without a name is the environment's account. `models` are those that its region has; None: all.
    """

    name: str = ""
    at_once: int = 5
    submit_rate: float = 5.0
    ask_rate: float = 20.0
    models: frozenset[str] | None = None

    def has(self, model: str) -> bool:
        """Say whether a model can be asked for here."""
        return self.models is None or model in self.models


class Gate:
    """What one lane lets through of one model id; `lane` holds its limits. Times are epoch seconds by our clock.

    It adapts: a refusal for too many tasks lowers the cap to what is open then, one for too many requests halves the
    rate; each accepted task gives a little back (additive increase, multiplicative decrease: TCP's way).
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.cap = float(lane.at_once)
        self.rate = lane.submit_rate
        self.submitting = False
        self.last_submit_at = float("-inf")
        self.pause_until = float("-inf")
        self.refusals_in_a_row = 0
        self.allocations_in_a_row = 0

    @property
    def submit_at(self) -> float:
        """When the next POST may leave: spaced to the rate, and not before a refusal's pause is over."""
        return max(self.last_submit_at + 1 / self.rate, self.pause_until)

    def told(self, at_once: int | None, submit_rate: float | None) -> None:
        """Take in what the service says of its limits: it lowers what user or table say, and never raises it."""
        lane = self.lane
        self.lane = replace(
            lane,
            at_once=max(1, min(lane.at_once, at_once or lane.at_once)),
            submit_rate=min(lane.submit_rate, submit_rate or lane.submit_rate),
        )
        self.cap, self.rate = min(self.cap, float(self.lane.at_once)), min(self.rate, self.lane.submit_rate)

    def has_room(self, open_tasks: int) -> bool:
        """Say whether one more task may be with the service, and no POST is on its way."""
        return not self.submitting and open_tasks < max(1, int(self.cap))

    def accepted(self) -> None:
        """A task was made: go a little faster again."""
        self.refusals_in_a_row = self.allocations_in_a_row = 0
        self.cap = min(float(self.lane.at_once), self.cap + 1 / max(1.0, self.cap))
        self.rate = min(self.lane.submit_rate, self.rate + FASTER)

    def refused(self, kind: Kind | None, code: str, open_tasks: int, until: float) -> None:
        """A submission was refused and will be tried again: pause, and go slower where the service asks for it."""
        self.refusals_in_a_row += 1
        self.allocations_in_a_row = self.allocations_in_a_row + 1 if kind is Kind.ALLOCATION else 0
        self.pause_until = max(self.pause_until, until)
        if kind is not Kind.RATE:
            return
        if code.casefold().replace("_", "").strip() == MANY_IN_A_ROW:
            self.cap = float(max(1, min(int(self.cap), open_tasks)))
        else:
            self.rate = max(LEAST_RATE, self.rate / 2)
