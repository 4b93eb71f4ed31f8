"""Scripted misbehaviour: which fault hits which request, and what a spoiled reply looks like.

Knows kinds, counters and reply values. Does not know tasks, sockets or time.

Kinds, by endpoint:

create  reset_before_accept     the connection is reset and no task exists
        reset_after_accept      the task exists and the connection is reset before any answer
        hang                    the task exists and no answer comes until the client goes
        error_500               500, and no task exists
        error_500_after_accept  500, and the task exists
        html_200                200 with a page of HTML; the task exists
        cut_json                200 with half of the JSON; the task exists
        throttle                429 Throttling.RateQuota; `retry_after` adds that header, word for word
query   reset, error_500, html_200, throttle, and unknown: 200 and UNKNOWN, whatever the task is
list    reset, error_500, html_200, throttle
cancel  reset, error_500, throttle: the task is not canceled; html_200: it is, if it was PENDING
video   reset, error_500, html_200, forbidden: 403 as for an expired URL
        cut                     whole Content-Length, half of the bytes, connection closed
        no_length               no Content-Length, all bytes, end marked by closing
        no_length_cut           no Content-Length, half of the bytes, end marked by closing
        slow                    all bytes, evenly over `seconds`
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from wanbatch.simulator.replies import Refusal, Reply, refuse, xml_refusal

_COMMON = frozenset({"reset", "error_500", "html_200", "throttle"})
KINDS: dict[str, frozenset[str]] = {
    "create": frozenset(
        {
            "reset_before_accept",
            "reset_after_accept",
            "hang",
            "error_500",
            "error_500_after_accept",
            "html_200",
            "cut_json",
            "throttle",
        }
    ),
    "query": _COMMON | {"unknown"},
    "list": _COMMON,
    "cancel": _COMMON,
    "video": frozenset({"reset", "error_500", "html_200", "forbidden", "cut", "no_length", "no_length_cut", "slow"}),
}
SPARES_WORLD = frozenset({"reset_before_accept", "reset", "error_500", "throttle", "unknown"})
"""Kinds that answer instead of the service: the request is counted and changes nothing."""

_HTML = b"<!DOCTYPE html>\n<html><head><title>Gateway</title></head><body>Please wait.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where, what, when.

    A fault counts the requests to its endpoint, only those whose prompt contains `prompt` if it is given (queries
    and videos go by their task's prompt; a list has none). It hits from the `nth` of them on (1-based, default the
    first), `times` of them: default one if `nth` is given, else all. ValueError when a value makes no sense.
    """

    endpoint: str
    kind: str
    nth: int | None = None
    prompt: str | None = None
    times: int | None = None
    retry_after: str | None = None
    """Only for throttle: the value of the Retry-After header, sensible or not."""
    seconds: float | None = None
    """Only for slow, and required there: how long the whole body takes, in real seconds."""

    def __post_init__(self) -> None:
        if self.endpoint not in KINDS:
            raise ValueError(f"unknown endpoint {self.endpoint!r}; known: {', '.join(KINDS)}")
        known = KINDS[self.endpoint]
        if self.kind not in known:
            raise ValueError(f"unknown kind {self.kind!r} for {self.endpoint}; known: {', '.join(sorted(known))}")
        for name in ("nth", "times"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a whole number from 1 on, not {value!r}")
        self._check_text("prompt")
        self._check_text("retry_after")
        if self.prompt is not None and self.endpoint == "list":
            raise ValueError("a list has no prompt; match it by nth or always")
        if self.retry_after is not None and self.kind != "throttle":
            raise ValueError(f"retry_after belongs to throttle, not to {self.kind}")
        if (self.seconds is not None) != (self.kind == "slow"):
            raise ValueError(f"seconds belongs to slow, and slow needs it; this is {self.kind}")
        if self.seconds is not None and not (isinstance(self.seconds, int | float) and self.seconds > 0):
            raise ValueError(f"seconds must be a number above 0, not {self.seconds!r}")

    def _check_text(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and (not isinstance(value, str) or not value):
            raise ValueError(f"{name} must be a text that is not empty, not {value!r}")

    def matches(self, endpoint: str, prompt: str | None) -> bool:
        """Whether this fault counts such a request."""
        if endpoint != self.endpoint:
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

    @classmethod
    def from_list(cls, rows: Iterable[Mapping[str, Any]]) -> "Faults":
        """Build a plan from plain dicts with the fields of `Fault`; ValueError says which row is wrong and why."""
        return cls([_from_row(number, row) for number, row in enumerate(rows, 1)])

    def pick(self, endpoint: str, prompt: str | None = None) -> Fault | None:
        """The fault that hits this request, after counting it. To be called once for each request."""
        hit = None
        for place, fault in enumerate(self._faults):
            if not fault.matches(endpoint, prompt):
                continue
            self._counts[place] += 1
            if hit is None and fault.hits(self._counts[place]):
                hit = fault
        return hit


def _from_row(number: int, row: object) -> Fault:
    names = [field.name for field in fields(Fault)]
    if not isinstance(row, Mapping):
        raise ValueError(f"fault {number}: must be a mapping, not {row!r}")  # noqa: TRY004 - one error for bad plans
    unknown = [key for key in row if key not in names]
    if unknown:
        raise ValueError(f"fault {number}: unknown field {unknown[0]!r}; known: {', '.join(names)}")
    missing = [name for name in ("endpoint", "kind") if name not in row]
    if missing:
        raise ValueError(f"fault {number}: {missing[0]} is missing")
    try:
        return Fault(**row)
    except (ValueError, TypeError) as error:
        raise ValueError(f"fault {number}: {error}") from error


def spoil(kind: str, reply: Reply) -> Reply:
    """The reply as the client gets it, for kinds that replace or shorten it; any other reply stays as it is.

    A 500 keeps the request's id, as a gateway's does: it is what a lost create can be recognised by.
    """
    request_id = reply.header("x-request-id") or reply.header("x-oss-request-id") or ""
    if kind in {"error_500", "error_500_after_accept"}:
        return refuse(Refusal(500, "InternalError", "An internal error has occurred."), request_id)
    if kind == "html_200":
        return Reply(200, _HTML, (("Content-Type", "text/html; charset=utf-8"), ("x-request-id", request_id)))
    if kind == "forbidden":
        return xml_refusal(403, "AccessDenied", "Request has expired.", request_id)
    if kind == "cut_json":
        return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
    return reply
