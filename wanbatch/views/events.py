"""What happens in a run, as JSON objects for programs: `--log-format json` and `--events FILE`. Decides nothing.

One object for each change of state. The format is a contract, versioned; docs/json.md says what each field means. No
prompt, no URL and no key is in it.
"""

import json
import re
from collections.abc import Mapping

from wanbatch.jobs.board import Job
from wanbatch.jobs.state import Event
from wanbatch.money.amount import Cost

FORMAT = 1
"""Version of the objects."""
STATES = {
    "Ready": "ready", "InDoubt": "in_doubt", "Waiting": "waiting", "Cancelling": "cancelling",
    "Rendered": "rendered", "Held": "held", "Done": "done", "Failed": "failed", "Canceled": "canceled",
}  # fmt: skip
"""The words of the contract, so that a class that is renamed changes nothing for programs."""
TOLD = (
    "task_id", "request_id", "code", "message", "reason", "evidence", "retry_at", "expires_at", "path", "size_bytes",
    "sha256", "by",
)  # fmt: skip
"""The fields of events that are told. Not `outline`, `usage` and `times`: they are in the journal and the sidecar."""
WORDS = ("code", "message", "reason", "evidence")
"""Fields that may repeat what the service or a server said."""
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def line(job: Job, event: Event, at: float, cost: Cost | None = None) -> dict[str, object]:
    """Return a change of state, with the job as it is after it. `at` is epoch seconds; `cost` is that of the video."""
    fields: dict[str, object] = {
        "format": FORMAT,
        "at": round(at, 3),
        "event": type(event).__name__,
        "scene": job.key.scene,
        "take": job.key.take,
        "job": str(job.key),
        "state": STATES[type(job.state).__name__],
        "account": job.lane,
        "model": job.model,
    }
    for name in TOLD:
        value = getattr(event, name, None)
        if value is not None:
            fields[name] = unlinked(str(value)) if name in WORDS else value
    if "task_id" not in fields and job.task_id is not None:
        fields["task_id"] = job.task_id
    if cost is not None:
        fields["cost"] = {"amount": str(cost.amount), "currency": cost.currency, "as_of": cost.as_of}
    return fields


def started(at: float, *, manifest: str, folder: str, counts: Mapping[str, int], tool: str = "") -> dict[str, object]:
    """Return the object that opens a run. `counts` is what the plan says, by kind; `tool` this program's version."""
    return {
        "format": FORMAT,
        "at": round(at, 3),
        "event": "RunStarted",
        "tool": tool,
        "manifest": manifest,
        "folder": folder,
        "counts": dict(counts),
    }


def ended(at: float, *, exit_code: int, counts: Mapping[str, int], saved: int, reason: str = "") -> dict[str, object]:
    """Return the object that closes a run.

    `counts` is what the plan says now, `saved` how many videos came, `reason` why nothing more was submitted.
    """
    return {
        "format": FORMAT,
        "at": round(at, 3),
        "event": "RunEnded",
        "exit_code": exit_code,
        "saved": saved,
        "reason": unlinked(reason) or None,
        "counts": dict(counts),
    }


def unlinked(words: str) -> str:
    """Return words without the URLs in them: a signed one is as good as the video, and is in too many logs already."""
    return URL.sub("URL", words)


def text(fields: Mapping[str, object]) -> str:
    """Return an object as one line of JSON in ASCII, with its line break: no locale and no terminal can spoil it."""
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"
