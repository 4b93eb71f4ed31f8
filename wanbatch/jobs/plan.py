"""Manifest × jobs × files → what a run would do, and why, per scene. Pure.

Knows no clock (`now` is given), no disk (`files` is given) and no prices (`price` is given).
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from heapq import heapify, heapreplace

from wanbatch.jobs import shelf
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.policy import deadline
from wanbatch.jobs.state import Canceled, Cancelling, Done, Failed, Held, InDoubt, Ready, Rendered, Waiting
from wanbatch.manifest.model import JobKey, Request, Wanted, differences
from wanbatch.money.amount import Cost as Cost  # noqa: PLC0414 - taken from here by others
from wanbatch.money.amount import plain


class Kind(Enum):
    """What a run would do with a scene's take. The value is what people read."""

    NEW = "submit"
    STALE = "submit anew"
    KEPT = "keep"
    IN_FLIGHT = "collect"
    FETCH = "download"
    RESTORE = "restore"
    DONE = "done"
    FAILED = "failed"
    HELD = "held"

    @property
    def submits(self) -> bool:
        """Whether it costs money."""
        return self in (Kind.NEW, Kind.STALE)


PriceOf = Callable[[Request], Cost | None]
"""What a request costs; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the plan. `seconds` and `cost` are those of the video, whether it is to be paid or was."""

    key: JobKey
    kind: Kind
    reason: str
    seconds: int
    cost: Cost | None
    changes: tuple[str, ...] = ()
    path: str | None = None
    task_id: str | None = None
    expires_at: float | None = None
    """Until when what the service has can be saved, in epoch seconds; None if it has nothing."""
    model: str = ""
    """The model id, whose quota the scene counts in."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, scene by scene in the manifest's order; what left the manifest comes last."""

    entries: tuple[Entry, ...]

    def of(self, *kinds: Kind) -> tuple[Entry, ...]:
        """Return the entries of some kinds."""
        return tuple(entry for entry in self.entries if entry.kind in kinds)

    @property
    def submissions(self) -> tuple[Entry, ...]:
        """Return the entries that cost money."""
        return tuple(entry for entry in self.entries if entry.kind.submits)

    @property
    def paid(self) -> tuple[Entry, ...]:
        """Return the entries whose video is made and paid for, as they are now in the manifest."""
        return self.of(Kind.DONE, Kind.RESTORE, Kind.FETCH)


def plan(
    wanted: Iterable[Wanted],
    board: Board,
    files: Mapping[str, int],
    now: float,
    *,
    keep_changed: bool,
    price: PriceOf,
    asked_for: Collection[JobKey] = (),
) -> Plan:
    """Return the plan. `files` maps paths in the output folder to sizes in bytes.

    `asked_for` is everything that the manifest asks for, when `wanted` is a selection of it.
    """
    wanted = tuple(wanted)
    looked = [Look(one, board, files, now, keep_changed).entry(price(one.request)) for one in wanted]
    keys = {one.key for one in wanted}
    return Plan((*looked, *beside(keys, asked_for or keys, board)))


def beside(wanted: set[JobKey], asked_for: Collection[JobKey], board: Board) -> tuple[Entry, ...]:
    """Return what the service still has beside what is wanted now: it is paid for, so it is collected."""
    entries = []
    for key, job in board.jobs.items():
        if key in wanted or not isinstance(job.state, InDoubt | Waiting | Cancelling | Rendered | Held):
            continue
        kind = Kind.HELD if isinstance(job.state, Held) else Kind.IN_FLIGHT
        reason = tell(job) if key in asked_for else f"{tell(job)}; the manifest no longer asks for it"
        until = deadline(job)
        entry = Entry(key, kind, reason, duration(job), None, task_id=job.task_id, expires_at=until, model=job.model)
        entries.append(entry)
    return tuple(entries)


def duration(job: Job) -> int:
    """Return a job's video length in seconds."""
    seconds = job.outline.get("duration")
    return seconds if isinstance(seconds, int) else 0


def tell(job: Job) -> str:
    """Say in a few words what is true of a job."""
    match job.state:
        case Ready(attempts=0):
            return "not sent yet"
        case Ready(attempts=n):
            return f"attempt {n} ended without a task that counts"
        case InDoubt():
            return "sent, but the answer never came: the task list will tell"
        case Waiting(task_id=task):
            return f"task {task} is with the service"
        case Cancelling(task_id=task):
            return f"task {task} is being canceled"
        case Rendered():
            return "made and paid for, not on disk yet"
        case Held(reason=reason):
            return reason
        case Failed(code=code, message=message):
            return f"{code}: {message}" if message else code
        case Canceled():
            return "canceled"
        case _:
            return job.state.path


def is_at(job: Job, path: str) -> bool:
    """Say whether a job's video was saved at `path`, be it still there or not."""
    return isinstance(job.state, Done) and job.state.path == path


def was_made(job: Job) -> bool:
    """Say whether a job's video was made, by its last attempt or by an earlier one."""
    return job.rendered_at is not None or any(past.billed for past in job.past)


@dataclass(frozen=True, slots=True)
class Look:
    """One wanted job, looked at."""

    wanted: Wanted
    board: Board
    files: Mapping[str, int]
    now: float
    keep_changed: bool

    @property
    def final(self) -> str:
        """The path that the video has, or will have."""
        return shelf.final_path(self.wanted.key.stem)

    def entry(self, cost: Cost | None) -> Entry:
        """Return the entry."""
        job = self.board.jobs.get(self.wanted.key)
        kind, reason, changes = self.unknown() if job is None else self.known(job)
        path = self.final if kind is Kind.KEPT else None
        if kind is Kind.DONE and job is not None and isinstance(job.state, Done):
            path = self.place(job, job.state)
        task_id, until = (job.task_id, deadline(job)) if job else (None, None)
        if kind is Kind.FETCH and job is not None and isinstance(job.state, Done):
            until = job.state.expires_at
        key, request = self.wanted.key, self.wanted.request
        return Entry(key, kind, reason, request.duration, cost, changes, path, task_id, until, request.model)

    def known(self, job: Job) -> tuple[Kind, str, tuple[str, ...]]:
        """Judge a job that the journal knows."""
        match job.state:
            case Done():
                return (*self.finished(job, job.state), ())
            case Rendered():
                return Kind.FETCH, tell(job), ()
            case InDoubt() | Waiting() | Cancelling():
                return Kind.IN_FLIGHT, tell(job), ()
            case Held():
                return Kind.HELD, tell(job), ()
            case Failed() | Canceled():
                return Kind.FAILED, tell(job), ()
            case Ready(attempts=0):
                return self.unknown()
            case _:
                taken = self.taken()
                return (Kind.HELD, taken, ()) if taken else (Kind.NEW, tell(job), ())

    def place(self, job: Job, state: Done) -> str | None:
        """Return where a finished job's video is; None when it is gone."""
        places = (state.path, shelf.superseded_path(job.stem, job.key.digest))
        return next((path for path in places if path in self.files), None)

    def finished(self, job: Job, state: Done) -> tuple[Kind, str]:
        """Judge a job whose video was saved: it is still there, elsewhere, or gone."""
        path = self.place(job, state)
        if path == self.final:
            edited = self.files[path] != state.size_bytes
            return Kind.DONE, f"{path}, edited since" if edited else path
        if path is not None:
            taken = self.taken()
            return (Kind.DONE, f"{path}; {taken}") if taken else (Kind.RESTORE, f"made before; from {path}")
        if self.now < state.expires_at:
            return Kind.FETCH, f"{state.path} was deleted; the service still has it"
        return Kind.HELD, f"{state.path} was deleted, and the service no longer has it"

    def siblings(self) -> list[Job]:
        """Return the jobs that this scene's take has had."""
        key = self.wanted.key
        return [self.board.jobs[other] for other in self.board.by_scene.get((key.scene, key.take), [])]

    def taken(self) -> str | None:
        """Say that a file has the video's name, or its record's, that is not this take's; None when none has.

        A sibling that is Rendered may own it: a crash may have come between its new name and the journal. A record
        alone is that of any sibling that was made: somebody took its video away.
        """
        record = shelf.record_path(self.final)
        there = next((path for path in (self.final, record) if path in self.files), None)
        if there is None:
            return None
        siblings = self.siblings()
        if any(isinstance(job.state, Rendered) or is_at(job, self.final) for job in siblings):
            return None
        if there == record and any(map(was_made, siblings)):
            return None
        owner = next((job.key for job in self.board.jobs.values() if is_at(job, self.final)), None)
        if owner is None:
            return f"{there} exists, and the journal knows nothing of it: move it away"
        whose = f"scene {owner.scene}" if owner.take == 1 else f"take {owner.take} of {owner.scene}"
        if there == record:
            return f"{there} is the record of {whose}, which left the manifest: move it to its video"
        return f"{there} is the video of {whose}, which left the manifest: move it and its .json away"

    def unknown(self) -> tuple[Kind, str, tuple[str, ...]]:
        """Judge a request that was never sent: the scene is new, or it has changed."""
        taken = self.taken()
        if taken:
            return Kind.HELD, taken, ()
        earlier = [job for job in self.siblings() if not isinstance(job.state, Ready | Failed | Canceled)]
        if not earlier:
            return Kind.NEW, "new", ()
        latest = max(earlier, key=lambda job: job.submitted_at or 0.0)
        changes = differences(latest.outline, self.wanted.request.outline())
        if self.keep_changed and any(not isinstance(j.state, Done) or self.place(j, j.state) for j in earlier):
            return Kind.KEPT, "changed since, kept as the manifest says", changes
        return Kind.STALE, "changed since it was made", changes


def total(entries: Iterable[Entry]) -> tuple[dict[str, Decimal], str | None, int]:
    """Return what entries cost per currency, the oldest price list's date, and how many prices are not known."""
    sums: dict[str, Decimal] = {}
    dates: list[str] = []
    unknown = 0
    for entry in entries:
        if entry.cost is None:
            unknown += 1
            continue
        sums[entry.cost.currency] = sums.get(entry.cost.currency, Decimal(0)) + entry.cost.amount
        dates.append(entry.cost.as_of)
    return sums, min(dates, default=None), unknown


def money(entries: Iterable[Entry]) -> str:
    """Say what entries cost: `39.00 CNY at prices of 2026-08`, `price unknown`."""
    sums, as_of, unknown = total(entries)
    if as_of is None:
        return "price unknown"
    said = " + ".join(f"{plain(amount)} {currency}" for currency, amount in sums.items())
    return f"{said} at prices of {as_of[:7]}" + (f", {unknown} of unknown price" if unknown else "")


def sentence(plan: Plan, takes: float | None = None) -> str:
    """Say the plan in one sentence; `takes` is what `takes_s` found."""
    submitted = plan.submissions
    parts = []
    if submitted:
        changed = len(plan.of(Kind.STALE))
        stale = f", {changed} of them stale" if changed else ""
        parts.append(f"{len(submitted)} to submit ({sum(e.seconds for e in submitted)} s, {money(submitted)}{stale})")
    words = {
        Kind.IN_FLIGHT: "in flight",
        Kind.FETCH: "to download",
        Kind.RESTORE: "to restore",
        Kind.DONE: "done",
        Kind.KEPT: "stale but kept",
        Kind.FAILED: "failed",
        Kind.HELD: "held",
    }
    parts += [f"{len(plan.of(kind))} {word}" for kind, word in words.items() if plan.of(kind)]
    return "plan: " + ", ".join(parts or ["nothing"]) + ("" if takes is None else f"; {about(takes)}")


# --- time ---

RECENT = 100
"""How many of the latest tasks say how long the next one will take."""
DAY_S = 86_400.0
TIME_OF_DAY = re.compile(r"(\d\d):(\d\d):(\d\d(?:\.\d+)?)")


def typical_s(board: Board) -> float | None:
    """Return how long a task takes in seconds, the median of the latest ones; None before one has succeeded."""
    made = [(job.rendered_at, span_s(job)) for job in board.jobs.values() if job.rendered_at is not None]
    latest = sorted(span for _, span in sorted(made)[-RECENT:])
    return latest[len(latest) // 2] if latest else None


def span_s(job: Job) -> float:
    """Return how long a job's task took, in seconds.

    Ours is from the submission to the poll that saw it made, perhaps a day later; the service's, in its own local
    times, is then shorter. It is longer where a simulator's time runs faster than ours.
    """
    assert job.rendered_at is not None
    ours = job.rendered_at - (job.submitted_at or job.rendered_at)
    first, last = (of_day_s(job.times.get(name, "")) for name in ("submit_time", "end_time"))
    return ours if first is None or last is None else min(ours, (last - first) % DAY_S)


def of_day_s(time: str) -> float | None:
    """Return the time of day in a time that the service wrote, in seconds since midnight; None if there is none."""
    found = TIME_OF_DAY.search(time)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def takes_s(plan: Plan, board: Board, now: float, *, at_once: int) -> float | None:
    """Return how long a run of the plan will take, in seconds; None where nothing was learnt, or nothing is to be made.

    `at_once` is how many tasks of a model id the accounts of the run let through together. Downloads are not counted.
    """
    typical = typical_s(board)
    if typical is None:
        return None
    queues: dict[str, list[float]] = {}
    for entry in plan.of(Kind.IN_FLIGHT):
        since = board.jobs[entry.key].submitted_at or now
        queues.setdefault(entry.model, []).append(max(0.0, typical - (now - since)))
    for entry in plan.submissions:
        queues.setdefault(entry.model, []).append(typical)
    return max((drained_s(spans, at_once) for spans in queues.values()), default=None)


def drained_s(spans: Iterable[float], at_once: int) -> float:
    """Return when the last of some tasks ends, if each starts as soon as one of `at_once` slots is free."""
    slots = [0.0] * max(1, at_once)
    heapify(slots)
    for span in spans:
        heapreplace(slots, slots[0] + span)
    return max(slots)


def about(seconds: float) -> str:
    """Say a time that is only guessed: `about 14 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"about {minutes} min"
    return f"about {minutes // 60} h" if minutes >= 600 else f"about {minutes // 60} h {minutes % 60:02} min"
