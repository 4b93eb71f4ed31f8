"""The list of tasks: which rows a query asks for, in which order, on which page, and what a row shows.

Knows the parameters and rows of GET /tasks (Q-TASKS). Does not know schedules, accounts or limits.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wanbatch.simulator.lane import Task
from wanbatch.simulator.replies import Refusal

STATES = frozenset({"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})
BEIJING = dt.timezone(dt.timedelta(hours=8))
"""The service writes and (as far as its pages tell) reads times in UTC+8, without saying so in the text."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list asks for; `since` and `until` in epoch seconds, both inclusive; None: any."""

    since: float
    until: float
    task_id: str | None
    model: str | None
    status: str | None
    api_key_id: str | None
    region: str | None
    page_no: int
    page_size: int


def asked(params: Mapping[str, str], now: float) -> Asked | Refusal:
    """Read the query parameters; the window is the last 24 hours, or 24 hours from the one end given (Q-TASKS)."""
    try:
        page_no, page_size = int(params.get("page_no", "1")), int(params.get("page_size", "10"))
        start, end = _moment(params.get("start_time")), _moment(params.get("end_time"))
    except ValueError:
        return _bad("page_no, page_size, start_time or end_time")
    status = params.get("status")
    if page_no < 1 or page_size < 1:
        return _bad("page_no or page_size")
    if status is not None and status not in STATES:
        return _bad("status")
    if start is None:
        since, until = (now - _DAY, now) if end is None else (end - _DAY, end)
    else:
        since, until = start, start + _DAY if end is None else end
    if not 0 <= until - since <= _DAY:
        return _bad("start_time and end_time (24 hours at most)")
    return Asked(
        since,
        until,
        params.get("task_id"),
        params.get("model_name"),
        status,
        params.get("api_key_id"),
        params.get("region"),
        page_no,
        page_size,
    )


def _bad(what: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"the parameters must conform to the specification: {what}.")


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    if len(text) != 14:
        raise ValueError(text)
    moment = dt.datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    return moment.timestamp()


def local_time(moment: float) -> str:
    """Epoch seconds as the query reply writes them: UTC+8, milliseconds, no offset (Q-QUERY)."""
    whole = dt.datetime.fromtimestamp(milliseconds(moment) // 1000, BEIJING)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{milliseconds(moment) % 1000:03d}"


def milliseconds(moment: float) -> int:
    """Epoch seconds as the list writes them."""
    return math.floor(moment * 1000)


def page(newest_first: Iterable[Task], wanted: Asked, now: float, region: str) -> dict[str, Any]:
    """One page as the flat JSON object of the reply, without its request_id."""
    rows = [task for task in newest_first if _matches(task, wanted, now, region)]
    first = (wanted.page_no - 1) * wanted.page_size
    return {
        "total": len(rows),
        "data": [_row(task, now, region) for task in rows[first : first + wanted.page_size]],
        "total_page": math.ceil(len(rows) / wanted.page_size),
        "page_no": wanted.page_no,
        "page_size": wanted.page_size,
    }


def _matches(task: Task, wanted: Asked, now: float, region: str) -> bool:
    return (
        wanted.since <= task.submitted <= wanted.until
        and wanted.task_id in {None, task.task_id}
        and wanted.model in {None, task.order.model}
        and wanted.api_key_id in {None, task.api_key_id}
        and wanted.region in {None, region}
        and wanted.status in {None, task.status(now)}
    )


def _row(task: Task, now: float, region: str) -> dict[str, Any]:
    row = {
        "api_key_id": task.api_key_id,
        "caller_parent_id": task.account,
        "caller_uid": task.account,
        "gmt_create": milliseconds(task.submitted),
        "model_name": task.order.model,
        "region": region,
        "request_id": task.request_id,
        "status": task.status(now),
        "task_id": task.task_id,
        "user_api_unique_key": f"apikey:v1:aigc:video-generation:video-synthesis:{task.order.model}",
    }
    if task.started is not None:
        row["start_time"] = milliseconds(task.started)
    ended = task.canceled if task.canceled is not None else task.ended
    if ended is not None and ended <= now:
        row["end_time"] = milliseconds(ended)
    return row
