"""`results.json`: one row for each scene's take that the manifest asks for, always. Renders values, decides nothing.

The format is a contract, versioned; docs/json.md says what each field means.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wanbatch.jobs import plan
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.plan import Entry, Kind, Plan
from wanbatch.jobs.state import Canceled, Failed
from wanbatch.manifest.model import JobKey, Wanted
from wanbatch.views.events import unlinked

FORMAT = 1
"""Version of the file."""
NAME = "results.json"
"""Its name in the output folder."""

OUTCOMES = {
    Kind.NEW: "not_reached", Kind.STALE: "not_reached", Kind.KEPT: "kept", Kind.IN_FLIGHT: "in_flight",
    Kind.FETCH: "not_downloaded", Kind.RESTORE: "not_restored", Kind.DONE: "done", Kind.FAILED: "failed",
    Kind.HELD: "held",
}  # fmt: skip
"""What a row says of what the plan would do next."""
NOT_SELECTED = "not_selected"
CANCELED = "canceled"
BILLED = {
    "done": True, "kept": True, "not_downloaded": True, "not_restored": True, "failed": False, "not_reached": False,
}  # fmt: skip
"""Whether the service bills the row's own task; of the other outcomes that is not known, or the journal says it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went as a whole. Times are epoch seconds."""

    manifest: str
    folder: str
    started_at: float
    ended_at: float
    exit_code: int
    unreached: str = ""
    """Why scenes were not submitted: the cap, the account, the deadline, a signal. Empty: nothing stopped the run."""
    reasons: Mapping[JobKey, str] = field(default_factory=dict)
    """What is known of single jobs beside the plan: a download that failed, a task that may be theirs."""
    saved: frozenset[str] = frozenset()
    """Paths in the output folder of the videos that this run saved."""
    simulated: bool = False


def results(ran: Ran, wanted: Sequence[Wanted], after: Plan, board: Board) -> dict[str, object]:
    """Return the file's contents. `wanted` is everything that the manifest asks for, also what was not selected;
    `after` is the plan as it is at the end of the run. What left the manifest and is still with the service comes last.
    """
    entries = {entry.key: entry for entry in after.entries}
    models = {one.key: one.request.model for one in wanted}
    keys = [*models, *(key for key in entries if key not in models)]
    rows = [row(ran, key, entries.get(key), board.jobs.get(key), models.get(key)) for key in keys]
    return {
        "format": FORMAT,
        "manifest": ran.manifest,
        "folder": ran.folder,
        "simulated": ran.simulated,
        "started_at": round(ran.started_at, 3),
        "ended_at": round(ran.ended_at, 3),
        "exit_code": ran.exit_code,
        "stopped_by": unlinked(ran.unreached) or None,
        "summary": plan.sentence(after),
        "counts": dict(sorted(Counter(str(one["outcome"]) for one in rows).items())),
        "scenes": rows,
    }


def row(ran: Ran, key: JobKey, entry: Entry | None, job: Job | None, model: str | None) -> dict[str, object]:
    """Return a row; `entry` is None for a scene that was not selected and has nothing with the service."""
    outcome = outcome_of(entry, job)
    cost = entry.cost if entry else None
    return {
        "scene": key.scene,
        "take": key.take,
        "job": str(key),
        "outcome": outcome,
        "reason": unlinked(reason(ran, key, entry, outcome)),
        "code": job.state.code if job and isinstance(job.state, Failed) else None,
        "new": bool(entry and entry.path in ran.saved),
        "path": entry.path if entry else None,
        "size_bytes": getattr(job.state, "size_bytes", None) if job else None,
        "sha256": getattr(job.state, "sha256", None) if job else None,
        "model": model or (job.model if job else None),
        "account": job.lane if job else None,
        "task_id": job.task_id if job else None,
        "request_id": job.request_id if job else None,
        "attempts": attempts(job),
        "seconds": entry.seconds if entry else None,
        "cost": {"amount": str(cost.amount), "currency": cost.currency, "as_of": cost.as_of} if cost else None,
        "billed": billed(outcome, job),
        "submitted_at": job.submitted_at if job else None,
        "changed_at": (job.ended_at or job.planned_at) if job else None,
        "expires_at": entry.expires_at if entry else None,
    }


def outcome_of(entry: Entry | None, job: Job | None) -> str:
    """Return what became of a scene, in a word of the contract."""
    if entry is None:
        return NOT_SELECTED
    if job is not None and isinstance(job.state, Canceled):
        return CANCELED
    return OUTCOMES[entry.kind]


def reason(ran: Ran, key: JobKey, entry: Entry | None, outcome: str) -> str:
    """Say why a row is as it is: what is known of the job itself, else what stopped the run."""
    if entry is None:
        return "not selected"
    known = ran.reasons.get(key, "")
    if outcome == "not_reached":
        return known or ran.unreached or "the run ended before it was its turn"
    return known or entry.reason


def attempts(job: Job | None) -> int:
    """Return how many POSTs a job has had since a person last decided about it."""
    if job is None:
        return 0
    return int(getattr(job.state, "attempt", 0) or getattr(job.state, "attempts", 0))


def billed(outcome: str, job: Job | None) -> bool | None:
    """Say whether the row's task is billed by the service's rules; None where that is not known yet."""
    if job is not None and job.rendered_at is not None:
        return True
    return False if attempts(job) == 0 and outcome != "kept" else BILLED.get(outcome)


def content(found: Mapping[str, object]) -> bytes:
    """Return `results` as the file's bytes, for `disk.write_whole(folder / NAME, …)`."""
    return rows_apart(found, "scenes", ensure_ascii=False).encode(errors="backslashreplace")


def rows_apart(found: Mapping[str, object], name: str, *, ensure_ascii: bool) -> str:
    """Return a document as JSON text, with each row of its last field `name` on a line of its own.

    Half the time of indenting it all, which is felt at 100,000 rows, and a row can be searched for.
    """
    rows = found[name]
    assert isinstance(rows, Sequence)
    head = {field: value for field, value in found.items() if field != name}
    begun = json.dumps(head, ensure_ascii=ensure_ascii, indent=2, allow_nan=False).removesuffix("\n}")
    lines = ",\n".join("    " + json.dumps(one, ensure_ascii=ensure_ascii, allow_nan=False) for one in rows)
    return f'{begun},\n  "{name}": [\n{lines}\n  ]\n}}\n'
