"""The oracle: what clients did to the service, counted, so that a test can ask whether anything was paid twice.

Knows counts and rates. Does not know replies, schedules or time zones.
"""

import hashlib
import json
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

SUBMITS = frozenset({"create"})
QUERIES = frozenset({"query", "list", "cancel"})


def body_sha256(body: Any) -> str:
    """SHA-256 (hex) of a parsed body as canonical JSON: sorted keys, no blanks, UTF-8 unescaped."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, at most one second's worth saved, one token a request."""

    rate: float
    _tokens: float | None = None
    _seen: float = 0.0

    def take(self, wall: float) -> bool:
        """Whether a request at this time (seconds of the clients' clock) may pass; a refused one costs nothing."""
        full = max(1.0, self.rate)
        if self._tokens is None:
            self._tokens, self._seen = full, wall
        self._tokens = min(full, self._tokens + max(0.0, wall - self._seen) * self.rate)
        self._seen = max(self._seen, wall)
        # A client that keeps exactly to the rate must not fall to a rounding error.
        if self._tokens < 1.0 - 1e-6:
            return False
        self._tokens -= 1.0
        return True


@dataclass(slots=True)
class Peak:
    """The most events in any window of one second."""

    most: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def add(self, wall: float) -> None:
        """Count an event; times must not go backwards."""
        self._recent.append(wall)
        while self._recent[0] <= wall - 1.0:
            self._recent.popleft()
        self.most = max(self.most, len(self._recent))


@dataclass(slots=True)
class KeyTally:
    """Counts of what came with one key; submits by model, since each model has a rate of its own."""

    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    submits: dict[str, Peak] = field(default_factory=lambda: defaultdict(Peak))
    queries: Peak = field(default_factory=Peak)


@dataclass(slots=True)
class Tally:
    """Counts of one service."""

    requests: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    by_body: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_prompt: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    accepted: int = 0
    peak_open: int = 0
    submits: Peak = field(default_factory=Peak)
    queries: Peak = field(default_factory=Peak)
    refused: Counter[str] = field(default_factory=Counter)
    by_key: dict[str, KeyTally] = field(default_factory=lambda: defaultdict(KeyTally))

    def arrived(self, endpoint: str, wall: float, key_id: str | None, model: str) -> None:
        """Count a request to create, query, list, cancel, limits or video, whatever is answered."""
        self.requests[endpoint] += 1
        if key_id is not None:
            self.by_key[key_id].requests[endpoint] += 1
        if endpoint in SUBMITS:
            self.submits.add(wall)
            if key_id is not None:
                self.by_key[key_id].submits[model].add(wall)
        elif endpoint in QUERIES:
            self.queries.add(wall)
            if key_id is not None:
                self.by_key[key_id].queries.add(wall)

    def turned_away(self, code: str, status: int, key_id: str | None) -> None:
        """Count a refusal."""
        self.throttled += status == 429
        self.refused[code] += 1
        if key_id is not None:
            self.by_key[key_id].refused[code] += 1

    def tables(self) -> dict[str, Any]:
        """The counts by key as plain JSON data."""
        keys = self.by_key
        return {
            "refused": dict(self.refused),
            "requests_by_key": {key: dict(one.requests) for key, one in keys.items()},
            "refused_by_key": {key: dict(one.refused) for key, one in keys.items()},
            "peak_submits_per_s_by_key": {
                key: {model: peak.most for model, peak in one.submits.items()} for key, one in keys.items()
            },
            "peak_queries_per_s_by_key": {key: one.queries.most for key, one in keys.items()},
        }

    def accept(self, task_id: str, body: Any, prompt: str, open_now: int) -> None:
        """Count an accepted order; `open_now` includes it."""
        self.accepted += 1
        self.by_body[body_sha256(body)].append(task_id)
        self.by_prompt[prompt].append(task_id)
        self.peak_open = max(self.peak_open, open_now)
