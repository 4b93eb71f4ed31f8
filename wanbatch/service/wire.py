"""The service's JSON ↔ our values, and what its codes mean for a batch. Text only, no sockets.

A tolerant reader: unknown fields are passed over, numbers may be floats, an unknown state is a running one.
Sources: Wan 2.7 create task and query result; manage asynchronous tasks; error messages (2026-08-15).
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from wanbatch.jobs.seen import Accepted, Kind, ReadFailed, Refused, Row, SubmitOutcome, TaskView, Unknown

TASK_ID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
"""Task ids are UUIDs; what cannot stand in a path is no task id."""

ANSWERED = frozenset({400, 401, 403, 404, 413, 415, 422, 429})
"""Statuses that, with the service's own JSON, say that no task was made. All others leave it open."""

ACCOUNT_CODES = frozenset({
    "invalidapikey", "notauthorized", "arrearage", "allocationquota.freetieronly", "accessdenied.unpurchased",
    "model.accessdenied", "workspace.accessdenied", "endpoint.accessdenied", "workspacenotfound",
    "commoditynotpurchased", "prepaidbilloverdue", "postpaidbilloverdue",
})  # fmt: skip
ALLOCATION_CODES = frozenset({"throttling.allocationquota", "insufficientquota"})
RATE_CODES = ("throttling", "limitrequests", "resourceexhausted")
MODERATION_CODES = frozenset({"datainspectionfailed", "ipinfringementsuspect", "customroleblocked", "faqruleblocked"})
SERVICE_CODES = (
    "internalerror", "systemerror", "serviceunavailable", "modelunavailable", "modelservicefailed",
    "rewritefailed", "invalidurl.timeout", "invalidurl.connectionrefused", "invalidparameter.datainspection",
)  # fmt: skip

SAID = 300
"""How much of a text is kept, in characters."""


class Page(NamedTuple):
    """One page of the task list; `pages` and `total` are what the service says that there are."""

    rows: tuple[Row, ...]
    pages: int
    total: int


class Limits(NamedTuple):
    """What the service says that the account may do with a model; None where it says nothing that can be used."""

    submit_per_s: float | None
    tasks_at_once: int | None
    queued: int | None
    """Tasks that may wait behind those that are worked on."""


def fold(code: str) -> str:
    """Return a code as it is compared: `InvalidApiKey`, `invalid_api_key` and `invalidapikey ` are one."""
    return "".join(code.casefold().replace("_", "").split())


def kind_of(code: str, status: int | None = None) -> Kind:
    """Say what an error code means for the batch. Messages are never compared."""
    folded = fold(code)
    if folded in ACCOUNT_CODES or status == 401:
        return Kind.ACCOUNT
    if folded in ALLOCATION_CODES:
        return Kind.ALLOCATION
    if folded in MODERATION_CODES:
        return Kind.MODERATION
    if folded.startswith(RATE_CODES) or status == 429:
        return Kind.RATE
    if folded.startswith(SERVICE_CODES) or folded.endswith(".timeout") or (status or 0) >= 500:
        return Kind.SERVICE
    return Kind.SCENE


def as_object(body: bytes) -> Mapping[str, Any] | None:
    """Return a body as a JSON object; None for anything else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def writable(text: str) -> str:
    """Return a text of the service's that can be written down: half characters (lone surrogates) become `?`."""
    return text.encode("utf-8", "replace").decode()


def text_of(data: Mapping[str, Any], name: str) -> str:
    """Return a text field, stripped and shortened; empty when it is missing or no text."""
    value = data.get(name)
    return writable(value.strip()[:SAID]) if isinstance(value, str) else ""


def number_of(data: Mapping[str, Any], name: str) -> float | None:
    """Return a number; None when it is missing, no number, or one that no clock and no count reaches."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def error_of(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the code and the message of an error body, in either of the two shapes; empty when there is none."""
    inner = data.get("error")
    source = inner if isinstance(inner, dict) else data
    return text_of(source, "code"), text_of(source, "message")


def request_id_of(data: Mapping[str, Any] | None, headers: Mapping[str, str]) -> str | None:
    """Return the call's request id, from the body or from the header that comes even when the body is cut."""
    return text_of(data or {}, "request_id") or text_of(headers, "x-request-id") or None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` asks for. No page documents it; a date or nonsense counts as none."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def clock_of(headers: Mapping[str, str]) -> float | None:
    """Return the service's time from its `Date`, in epoch seconds, to half a second; None without one."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() + 0.5
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def submit_outcome(status: int, headers: Mapping[str, str], body: bytes) -> SubmitOutcome:
    """Say what the answer to a create call means. Header names are lower case.

    An answer that is a refusal and shows a task as well proves neither.
    """
    data = as_object(body)
    request_id = request_id_of(data, headers)
    if data is None:
        return Unknown(f"HTTP {status} and a body that is no JSON object", request_id)
    code, message = error_of(data)
    output = data.get("output")
    task_id = output.get("task_id") if isinstance(output, dict) else None
    if status in ANSWERED and code and task_id is None:
        return Refused(kind_of(code, status), code, message, retry_after(headers))
    if status == 200 and not code and isinstance(task_id, str) and TASK_ID.match(task_id):
        return Accepted(task_id, request_id)
    return Unknown(f"HTTP {status}, {code or 'not as documented'}", request_id)


def read_failed(status: int, headers: Mapping[str, str], body: bytes) -> ReadFailed:
    """Say what went wrong with a call that only reads."""
    code, message = error_of(as_object(body) or {})
    return ReadFailed(kind_of(code, status), code or f"HTTP {status}", message, retry_after(headers))


def task_view(task_id: str, status: int, headers: Mapping[str, str], body: bytes) -> TaskView | ReadFailed:
    """Read the answer to a query: only the status word and the video's address are needed."""
    data = as_object(body)
    output = data.get("output") if data else None
    if status != 200 or data is None or not isinstance(output, dict):
        return read_failed(status, headers, body)
    word, named = output.get("task_status"), output.get("task_id", task_id)
    if not isinstance(word, str) or named != task_id:
        return ReadFailed(Kind.SERVICE, "OddReply", f"the answer is not about task {task_id}")
    code = text_of(output, "code")
    prompt, usage = output.get("orig_prompt"), data.get("usage")
    return TaskView(
        task_id=task_id,
        status=text_of(output, "task_status").upper(),
        kind=kind_of(code),
        code=code or "Unknown",
        message=text_of(output, "message"),
        orig_prompt=writable(prompt) if isinstance(prompt, str) else None,
        video_url=video_url(output),
        usage=plain(usage) if isinstance(usage, dict) else {},
        times={n: text_of(output, n) for n in ("submit_time", "scheduled_time", "end_time") if text_of(output, n)},
    )


def plain(usage: Mapping[str, Any]) -> dict[str, object]:
    """Return the texts and numbers of a usage, as the service gave them."""
    kept: dict[str, object] = {}
    for name, value in usage.items():
        if isinstance(value, str):
            kept[writable(name)] = text_of(usage, name)
        elif isinstance(value, bool) or number_of(usage, name) is not None:
            kept[writable(name)] = value
    return kept


def video_url(output: Mapping[str, Any]) -> str | None:
    """Return the video's address, byte for byte: it is signed."""
    url = output.get("video_url")
    return url if isinstance(url, str) and url.lower().startswith(("https://", "http://")) else None


def list_page(status: int, headers: Mapping[str, str], body: bytes) -> Page | ReadFailed:
    """Read one page of the task list."""
    data = as_object(body)
    rows = data.get("data") if data else None
    if status != 200 or data is None or not isinstance(rows, list):
        return read_failed(status, headers, body)
    read = tuple(row for row in map(list_row, rows) if row is not None)
    return Page(read, int(number_of(data, "total_page") or 1), int(number_of(data, "total") or 0))


def list_row(data: object) -> Row | None:
    """Read one row; its times are epoch milliseconds. None for what is no task."""
    task_id = data.get("task_id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(task_id, str) or not TASK_ID.match(task_id):
        return None
    return Row(
        task_id=task_id,
        request_id=text_of(data, "request_id") or None,
        model=text_of(data, "model_name"),
        status=text_of(data, "status").upper(),
        created_at=(number_of(data, "gmt_create") or 0.0) / 1000,
    )


def limits_of(model: str, status: int, headers: Mapping[str, str], body: bytes) -> Limits | ReadFailed:
    """Read the account's limits for a model; a workspace's own, where they are lower. Anything odd is not known.

    Source: list model quotas (2026-09-28), `output.quotas[]` with `model_limit` and `workspace_limit`; an earlier
    page shows the same fields without a list around them.
    """
    data = as_object(body)
    if status != 200 or data is None:
        return read_failed(status, headers, body)
    output = data.get("output")
    around = output if isinstance(output, dict) else data
    quotas = around.get("quotas")
    rows = [row for row in quotas if isinstance(row, dict)] if isinstance(quotas, list) else []
    mine = [row.get(level) for row in rows if row.get("model") == model for level in ("model_limit", "workspace_limit")]
    read = [limit for limit in map(limit_row, mine if rows else [around]) if any(limit)]
    if not read:
        return ReadFailed(Kind.SERVICE, "OddReply", f"the answer has no limits of {model}")
    rates, tasks, queued = (min((one for one in column if one), default=None) for column in zip(*read, strict=True))
    return Limits(rates, None if tasks is None else int(tasks), None if queued is None else int(queued))


def limit_row(data: object) -> tuple[float | None, float | None, float | None]:
    """Read submissions a second, tasks at once and the length of the queue; a limit of nothing is none."""
    row = data if isinstance(data, dict) else {}
    many, period = number_of(row, "request_limit") or 0.0, number_of(row, "request_limit_period") or 0.0
    tasks, queued = (number_of(row, f"async_user_{name}_limit") or 0.0 for name in ("concurrency", "queue"))
    return (
        many / period if many >= 1 and period >= 1 else None,
        tasks if tasks >= 1 else None,
        queued if queued >= 1 else None,
    )
