"""Scripted misbehaviour: which fault hits which request, and how often each has.

Knows rules and counters. Does not know what a kind does, nor tasks, sockets or time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from reprlib import repr as shown
from typing import Any

from wanbatch.simulator.kinds import BY_NAME, KINDS, Kind

__all__ = ["KINDS", "Fault", "Faults"]

_REDIRECTS = (301, 302, 303, 307, 308)
_LONGEST_S = 7 * 86_400.0
_MOST_MEBIBYTES = 256


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where, what, when.

    A fault counts the requests to its endpoint, only those whose prompt contains `prompt` if it is given (queries
    and videos go by their task's prompt; a list has none), and only those whose key contains `key`. It hits from
    the `nth` of them on (1-based, default the first), `times` of them: default one if `nth` is given, else all. The
    other fields belong to some kinds only, see `kinds.CATALOGUE`. ValueError when a value makes no sense.
    """

    endpoint: str
    kind: str
    nth: int | None = None
    prompt: str | None = None
    times: int | None = None
    retry_after: str | None = None
    """The value of the Retry-After header, sensible or not."""
    seconds: float | None = None
    """How long, in real seconds whatever the simulator's speed."""
    shape: str | None = None
    """Which of the kind's shapes; default the first."""
    word: str | None = None
    """The status to tell."""
    status: int | None = None
    """The redirect's status; default 307."""
    location: str | None = None
    """Where a redirect leads, word for word."""
    mebibytes: int | None = None
    """How large the body is, unpacked."""
    key: str | None = None
    """Count only requests whose API key contains this; for a video there is none."""
    code: str | None = None
    """What the service says, one of the codes that the kind knows."""
    message: str | None = None
    """Its words; default the documented ones."""

    def __post_init__(self) -> None:
        if not isinstance(self.endpoint, str) or self.endpoint not in KINDS:
            raise ValueError(f"unknown endpoint {shown(self.endpoint)}; known: {', '.join(KINDS)}")
        known = KINDS[self.endpoint]
        if not isinstance(self.kind, str) or self.kind not in known:
            raise ValueError(f"unknown kind {shown(self.kind)} for {self.endpoint}; known: {', '.join(sorted(known))}")
        for name in ("nth", "times"):
            self._check_whole(name, 1, None)
        self._check_whole("mebibytes", 1, _MOST_MEBIBYTES)
        for name in ("prompt", "retry_after", "word", "location", "key", "code", "message"):
            self._check_text(name)
        if self.key is not None and self.endpoint == "video":
            raise ValueError("a video is asked for without a key; match it by prompt, nth or always")
        if self.prompt is not None and self.endpoint == "list":
            raise ValueError("a list has no prompt; match it by nth or always")
        self._check_fields(BY_NAME[self.kind])
        self._check_choices(BY_NAME[self.kind])
        if self.seconds is not None and not _sensible(self.seconds):
            raise ValueError(f"seconds must be a number above 0 and at most a week, not {shown(self.seconds)}")

    def _check_whole(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
            span = f"from {least} to {most}" if most else f"from {least} on"
            raise ValueError(f"{name} must be a whole number {span}, not {shown(value)}")

    def _check_text(self, name: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if not isinstance(value, str):
            wrong = f"{name} must be a text, not {shown(value)}: put it in quotes"
            raise ValueError(wrong)  # noqa: TRY004 - one error for bad plans
        if not value:
            raise ValueError(f"{name} must be a text that is not empty")
        # A header with a line break in it would be another header.
        if name in {"retry_after", "location"} and not (value.isprintable() and value.isascii()):
            raise ValueError(f"{name} must be printable ASCII, not {shown(value)}")

    def _check_fields(self, kind: Kind) -> None:
        common = {"endpoint", "kind", "nth", "prompt", "times", "key"}
        given = {field.name for field in fields(self) if getattr(self, field.name) is not None} - common
        for name in sorted(given - set(kind.fields)):
            others = ", ".join(other.name for other in BY_NAME.values() if name in other.fields)
            raise ValueError(f"{name} belongs to {others}, not to {kind.name}")
        for name in kind.needs:
            if name not in given:
                raise ValueError(f"{name} is missing; {kind.name} needs it")

    def _check_choices(self, kind: Kind) -> None:
        if self.shape is not None and self.shape not in kind.shapes:
            raise ValueError(f"unknown shape {shown(self.shape)} of {kind.name}; known: {', '.join(kind.shapes)}")
        if self.code is not None and self.code not in kind.codes:
            raise ValueError(f"unknown code {shown(self.code)} of {kind.name}; known: {', '.join(kind.codes)}")
        if self.status is not None and self.status not in _REDIRECTS:
            raise ValueError(f"unknown status {shown(self.status)}; known: {', '.join(map(str, _REDIRECTS))}")

    def matches(self, endpoint: str, prompt: str | None, status: str | None = None, key: str = "") -> bool:
        """Whether this fault counts such a request; `status` is the state of the task that a query is for."""
        if endpoint != self.endpoint or (self.key is not None and self.key not in key):
            return False
        told = BY_NAME[self.kind].told
        if told and status not in told:
            return False
        return self.prompt is None or (prompt is not None and self.prompt in prompt)

    def hits(self, count: int) -> bool:
        """Whether the `count`th request that matches is hit."""
        first = self.nth or 1
        times = self.times if self.times is not None or self.nth is None else 1
        return count >= first and (times is None or count < first + times)


class Faults:
    """The plan: of several faults that would hit a request, the first listed does; each counts on its own."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._counts = [0] * len(self._faults)
        self._fired: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._faults)

    @classmethod
    def from_list(cls, rows: Iterable[Mapping[str, Any]]) -> "Faults":
        """Build a plan from plain dicts with the fields of `Fault`; ValueError says which row is wrong and why."""
        return cls([_from_row(number, row) for number, row in enumerate(rows, 1)])

    def pick(self, endpoint: str, prompt: str | None = None, status: str | None = None, key: str = "") -> Fault | None:
        """The fault that hits this request, after counting it. To be called once for each request."""
        hit = None
        for place, fault in enumerate(self._faults):
            if not fault.matches(endpoint, prompt, status, key):
                continue
            self._counts[place] += 1
            if hit is None and fault.hits(self._counts[place]):
                hit = fault
        if hit is not None:
            self._fired[hit.endpoint, hit.kind] += 1
        return hit

    def fired(self) -> dict[str, dict[str, int]]:
        """How many requests each kind has hit, by endpoint; kinds that hit none are not there."""
        found: dict[str, dict[str, int]] = {}
        for (endpoint, kind), count in sorted(self._fired.items()):
            found.setdefault(endpoint, {})[kind] = count
        return found


def _sensible(seconds: object) -> bool:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return 0 < seconds <= _LONGEST_S


def _from_row(number: int, row: object) -> Fault:
    names = [field.name for field in fields(Fault)]
    if not isinstance(row, Mapping):
        raise ValueError(f"fault {number}: must be a mapping, not {shown(row)}")  # noqa: TRY004 - one error for bad plans
    unknown = [key for key in row if key not in names]
    if unknown:
        raise ValueError(f"fault {number}: unknown field {shown(unknown[0])}; known: {', '.join(names)}")
    missing = [name for name in ("endpoint", "kind") if name not in row]
    if missing:
        raise ValueError(f"fault {number}: {missing[0]} is missing")
    try:
        return Fault(**row)
    except (ValueError, TypeError) as error:
        raise ValueError(f"fault {number}: {error}") from error
