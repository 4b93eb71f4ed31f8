"""The door of the pretended service: which keys pass, and how fast.

Knows keys, accounts and rates. Does not know tasks, bodies or replies.
"""

from wanbatch.simulator import callers
from wanbatch.simulator.callers import Caller, Headers
from wanbatch.simulator.replies import Refusal
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.tally import Bucket


class Gate:
    """Remembers how often each key was used and how fast each account asks. `accounts` is whose each used key is."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._uses: dict[str, int] = {}
        self.accounts: dict[str, str] = {}
        self.over_rate = 0
        """Requests that came too fast."""

    def obey(self, rules: Rules) -> None:
        """Go by other rules from now on."""
        self._rules = rules
        # A bucket is as good as new: nobody knows what a limit that changes does to the second it changes in.
        self._buckets.clear()

    def caller(self, headers: Headers) -> Caller | Refusal:
        """Who asks, if the key is one and still is. Each call is one use of the key."""
        caller = callers.caller(headers, self._rules.accounts)
        if isinstance(caller, Refusal):
            return caller
        self.accounts[caller.key_id] = caller.account
        uses = self._uses[caller.key_id] = self._uses.get(caller.key_id, 0) + 1
        revoked_after = self._rules.revoked_after
        return callers.WRONG_KEY if revoked_after is not None and uses > revoked_after else caller

    def submits(self, account: str, model: str, wall: float) -> bool:
        """Whether a submission is in time: each model has its own rate, over all keys of the account (H-RATE)."""
        return self._passes((account, model), self._rules.submit_rate, wall)

    def asks(self, account: str, wall: float) -> bool:
        """Whether a query, list or cancel is in time: they share one rate (Q-ASYNC)."""
        return self._passes((account, "tasks"), self._rules.query_rate, wall)

    def _passes(self, lane: tuple[str, str], rate: float, wall: float) -> bool:
        passed = self._buckets.setdefault(lane, Bucket(rate)).take(wall)
        self.over_rate += not passed
        return passed
