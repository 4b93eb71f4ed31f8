"""The catalogue of misbehaviour: every kind of fault, where it can happen, what may be said of it, and what it does.

Knows names and words. Does not know how a kind is done: `spoil` changes replies, `framing` their bytes, `app` the rest.
"""

from dataclasses import dataclass

from wanbatch.simulator.codes import FAILURES, REFUSALS

API = ("create", "query", "list", "cancel")
ALL = (*API, "video")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. Its endpoints, fields and words are the table in docs/simulator.md."""

    name: str
    where: tuple[str, ...]
    does: str
    spares: bool = False
    """The service never sees the request: it is counted and changes nothing."""
    needs: tuple[str, ...] = ()
    """Fields of a rule that must be given."""
    takes: tuple[str, ...] = ()
    """Fields of a rule that may be given."""
    shapes: tuple[str, ...] = ()
    """What `shape` may be; the first is what it is when not given."""
    codes: tuple[str, ...] = ()
    """What `code` may be."""
    told: frozenset[str] = frozenset()
    """Counts only queries for a task in one of these states; empty: all."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field beside endpoint, kind, nth, prompt, key and times that a rule of this kind may have."""
        return (*self.needs, *self.takes)


_TASK_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})

CATALOGUE = (
    # The connection.
    Kind(
        "refuse",
        ALL,
        "the connection is closed at once, without an answer; with `seconds` nobody can connect for so long, to any"
        " endpoint",
        spares=True,
        takes=("seconds",),
    ),
    Kind("reset", ALL, "the connection is reset before the service reads", spares=True),
    Kind("reset_before_accept", ALL, "the same by another name", spares=True),
    Kind("reset_after_accept", ALL, "the service does what was asked, then the connection is reset without an answer"),
    Kind("reset_midway", ALL, "half of the answer, then a reset"),
    Kind("hang", ALL, "the service does what was asked; no answer comes until the client goes"),
    Kind(
        "land_late",
        ("create",),
        "the connection is reset, and the task comes into being `seconds` later",
        needs=("seconds",),
    ),
    # The list's own delay: together with a lost create it is the hardest case of all.
    Kind("list_late", ("list",), "tasks younger than `seconds` are not in the list yet", needs=("seconds",)),
    # Answers of gateways.
    Kind("error_500", ALL, "500 InternalError", spares=True),
    Kind("error_500_after_accept", ALL, "the service does what was asked, and the answer is 500 InternalError"),
    Kind("bad_gateway", ALL, "502 with a page of HTML and no request id", spares=True),
    Kind("gateway_timeout", ALL, "the service does what was asked; 504 with a page of HTML and no request id"),
    Kind(
        "throttle",
        ALL,
        "429 Throttling.RateQuota; `retry_after` is the header Retry-After, word for word",
        spares=True,
        takes=("retry_after",),
    ),
    Kind(
        "denied",
        API,
        "the documented status and words of `code`, or `message`; `code` is one of",
        spares=True,
        needs=("code",),
        takes=("message", "retry_after"),
        codes=tuple(REFUSALS),
    ),
    Kind(
        "redirect",
        ALL,
        "`status` 301, 302, 303, 307 (if not given) or 308 to `location`; if not given, to `/_elsewhere`, which counts"
        " who comes, and for a video to its own URL",
        spares=True,
        takes=("status", "location"),
    ),
    Kind("html_200", ALL, "200 with a page of HTML"),
    Kind("empty_200", ALL, "200 with an empty body"),
    # Answers that are wrong in what they say.
    Kind("cut_json", API, "half of the JSON, and a Content-Length that fits: only the JSON tells"),
    Kind(
        "wrong_types",
        API,
        "JSON of another `shape`",
        takes=("shape",),
        shapes=("number", "null_output", "no_output", "array", "text", "null", "nan", "empty_object", "deep"),
    ),
    Kind("floats", API, "every whole number in the JSON has a decimal point: `10.0`"),
    Kind(
        "other_task_id",
        ("create", "query"),
        "the answer is about another task: the newest of the others, or one that does not exist",
    ),
    Kind("unknown", ("query",), "200 and UNKNOWN, whatever the task is", spares=True),
    Kind("odd_status", ("query", "list"), "the status is `word`, or QUEUEING", takes=("word",)),
    Kind(
        "backwards",
        ("query",),
        "a task that runs is PENDING again, one that ended is RUNNING again; counts only queries for such",
        told=_TASK_ENDED | {"RUNNING"},
    ),
    Kind(
        "no_url",
        ("query",),
        "SUCCEEDED, and the video's URL is of another `shape`; counts only queries for a task that has SUCCEEDED",
        takes=("shape",),
        shapes=("missing", "empty", "null", "relative", "list", "number"),
        told=frozenset({"SUCCEEDED"}),
    ),
    # Tasks that come to nothing.
    Kind(
        "fails",
        ("create",),
        "the task comes into being, runs and fails with the documented words of `code`, or `message`, and nothing is"
        " billed; `code` is one of",
        needs=("code",),
        takes=("message",),
        codes=tuple(FAILURES),
    ),
    # Answers that are wrong in their bytes.
    Kind("slow", ALL, "the whole answer, evenly over `seconds`", needs=("seconds",)),
    Kind("slow_bytes", ALL, "one byte of the body every `seconds`", needs=("seconds",)),
    Kind(
        "gzip_bomb",
        ALL,
        "the answer and blanks up to `mebibytes` (64), compressed to a thousandth though nobody asked for it",
        takes=("mebibytes",),
    ),
    Kind("huge_body", ALL, "the answer and blanks up to `mebibytes` (2)", takes=("mebibytes",)),
    Kind("huge_headers", ALL, "a header of 1 MiB"),
    Kind("odd_headers", ALL, "headers twice with different values, empty, not ASCII, of a wrong type and date"),
    Kind("two_lengths", ALL, "two Content-Length headers that differ"),
    Kind("length_and_chunked", ALL, "Content-Length and chunked encoding at once"),
    Kind("no_status_line", ALL, "the body alone, without a status line or headers"),
    Kind("cut", ALL, "whole Content-Length, half of the bytes, connection closed"),
    Kind("length_too_large", ALL, "all bytes, and a Content-Length of 1,000 more"),
    Kind("length_too_small", ALL, "all bytes, and a Content-Length of half as many"),
    Kind("no_length", ALL, "no Content-Length, all bytes, end marked by closing"),
    Kind("no_length_cut", ALL, "no Content-Length, half of the bytes, end marked by closing"),
    # The video host.
    Kind("forbidden", ("video",), "403 as for an expired URL"),
    Kind("garbage", ("video",), "bytes that are no video, as many as the video has"),
    Kind("range_ignored", ("video",), "the whole video though a part was asked for"),
    Kind("range_wrong", ("video",), "206 and the video from its first byte, whatever part was asked for"),
)
"""Every kind, as the table in docs/simulator.md lists them."""

BY_NAME = {kind.name: kind for kind in CATALOGUE}
KINDS: dict[str, frozenset[str]] = {
    endpoint: frozenset(kind.name for kind in CATALOGUE if endpoint in kind.where) for endpoint in ALL
}
"""The names of the kinds that each endpoint knows."""
EXAMPLES: dict[str, object] = {
    "seconds": 1.0,
    "retry_after": "999999",
    "status": 308,
    "location": "http://127.0.0.1:9/",
    "word": "SUCCESS",
    "mebibytes": 4,
    "code": "DataInspectionFailed",
    "message": "Input data may contain inappropriate content.",
}
"""A value that makes sense for each field of a kind but `shape`."""


def minimal(endpoint: str, kind: str) -> dict[str, object]:
    """The shortest rule for a kind, as `Faults.from_list` takes it; KeyError for an unknown kind."""
    return {"endpoint": endpoint, "kind": kind, **{name: EXAMPLES[name] for name in BY_NAME[kind].needs}}
