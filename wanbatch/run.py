"""One run over one output folder: prepare what the plan needs, drive the engine.

Puts rooms together; asks nobody, prints nothing and reads no environment.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wanbatch.engine import Engine, Told
from wanbatch.errors import Exit
from wanbatch.jobs import shelf
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.folder import move
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Kind, Plan
from wanbatch.jobs.policy import TASK_LIFE_S
from wanbatch.jobs.seen import Lost, NotSaved
from wanbatch.jobs.state import Done, Event, HeldForReview, Planned, VideoMissing, VideoMoved
from wanbatch.manifest.model import JobKey, Wanted
from wanbatch.perform import Work
from wanbatch.service import download


def untold(_job: Job, _event: Event) -> None:
    """Tell nobody."""


def prepare(
    journal: Journal, plan: Plan, wanted: Mapping[JobKey, Wanted], folder: Path, now: float, told: Told = untold
) -> None:
    """Do what the plan needs before the loop: write down new jobs, notice missing videos, bring back old ones."""
    board = journal.board
    events: list[tuple[JobKey, Event]] = []
    for entry in plan.entries:
        job = board.jobs.get(entry.key)
        if entry.kind.submits and job is None:
            events.append((entry.key, Planned(entry.key.stem, wanted[entry.key].request.outline())))
        elif job is not None and isinstance(job.state, Done) and entry.kind in (Kind.FETCH, Kind.HELD):
            events.append((entry.key, VideoMissing()))
            if entry.kind is Kind.HELD:
                events.append((entry.key, HeldForReview(entry.reason)))
    journal.record_all(events, now)
    for key, event in events:
        told(board.jobs[key], event)
    for entry in plan.of(Kind.RESTORE):
        restore(journal, board.jobs[entry.key], folder, now, told)


def restore(journal: Journal, job: Job, folder: Path, now: float, told: Told = untold) -> None:
    """Give an earlier video its name back: the scene is again as it was, and nothing is paid twice."""
    assert isinstance(job.state, Done)
    final = shelf.final_path(job.stem)
    owner = journal.board.owner(final, job.key.scene, job.key.take)
    if owner:
        aside = shelf.superseded_path(owner.stem, owner.key.digest, lambda path: (folder / path).exists())
        move(folder, final, aside)
        journal.record(owner.key, VideoMoved(aside), now)
        told(journal.board.jobs[owner.key], VideoMoved(aside))
    move(folder, job.state.path, final)
    journal.record(job.key, VideoMoved(final), now)
    told(journal.board.jobs[job.key], VideoMoved(final))


def work_of(
    board: Board,
    wanted: Mapping[JobKey, Wanted],
    plan: Plan,
    folder: Path,
    *,
    keep: bool,
) -> Work:
    """Return what the engine is to do for a plan."""
    names = shelf.names_of(wanted)

    def target(job: Job) -> download.Target:
        request = wanted[job.key].request if job.key in wanted else None
        final = shelf.final_path(job.stem)
        named = shelf.has_the_name(board, job, wanted, names, keep=keep)
        path = final if named else shelf.superseded_path(job.stem, job.key.digest)
        owner = board.owner(path, job.key.scene, job.key.take)
        replaces = None
        if owner and owner.key != job.key:
            aside = shelf.superseded_path(owner.stem, owner.key.digest, lambda name: (folder / name).exists())
            replaces = (path, aside)
        return download.Target(
            path=path,
            part=shelf.part_path(job),
            sidecar=lambda size, sha256: shelf.sidecar(job, request, size, sha256),
            ours=lambda content: shelf.sidecar_sha256(content, job),
            replaces=replaces,
        )

    # What is in flight may come back as ready: found absent, or failed by the service's own fault.
    sendable = plan.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH)
    requests = {entry.key: wanted[entry.key].request for entry in sendable if entry.key in wanted}
    return Work(requests, target)


COPIED_S = 60.0
"""How much later than its last line a journal's file may have been changed last: our clock may be set meanwhile."""
TAIL_BYTES = 65_536
COPIED_MARK = "journal.copied"
"""Remembers that for a day: the first line that a run writes would cover the sign."""


def was_copied(path: Path) -> bool:
    """Say whether a journal's file was copied, restored or otherwise touched since its last line was written.

    Whoever puts a file back cannot set the time of its last change (ctime). To be asked before the journal is opened,
    which may mend it. Of a file that cannot be read this says nothing: False.
    """
    mark = path.with_name(COPIED_MARK)
    with contextlib.suppress(OSError):
        if is_newer_than_its_last_line(path):
            mark.write_text("The journal was copied or restored; its account may have tasks that it lacks.\n", "utf-8")
            return True
        return time.time() - mark.stat().st_mtime < TASK_LIFE_S
    return False


def is_newer_than_its_last_line(path: Path) -> bool:
    """Say whether a journal's file was changed well after its last line was written. Raises OSError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - TAIL_BYTES))
            at = json.loads(file.read().rstrip(b"\n").rpartition(b"\n")[2])["at"]
        return bool(status.st_ctime > at + COPIED_S)
    except (ValueError, KeyError, TypeError):
        return False


def with_withheld(plan: Plan, engine: Engine | None) -> Plan:
    """Return a plan in which the jobs that the engine held back are held, and why."""
    back = engine.withheld if engine else {}
    if not back:
        return plan
    return Plan(
        tuple(
            replace(entry, kind=Kind.HELD, reason=back[entry.key].reason) if entry.key in back else entry
            for entry in plan.entries
        )
    )


def codes(plan: Plan, engine: Engine | None) -> set[Exit]:
    """Return every exit code that holds after a run, from what is still to do."""
    found: set[Exit] = set()
    if plan.of(Kind.HELD):
        found.add(Exit.HELD)
    if plan.of(Kind.IN_FLIGHT, Kind.FETCH):
        found.add(Exit.RUNNING)
    if plan.of(Kind.FAILED):
        found.add(Exit.FAILED)
    if engine and engine.halted:
        found.add(engine.halted.exit_code)
    if engine and engine.refused and (plan.submissions or plan.of(Kind.IN_FLIGHT, Kind.FETCH)):
        found.add(Exit.ACCOUNT)  # the other accounts went on, but not all that is wanted is here
    troubles = engine.troubles.values() if engine else ()
    if any(isinstance(trouble, NotSaved) and trouble.why is Lost.DISK for trouble in troubles):
        found.add(Exit.STATE)
    if plan.submissions and not found:
        found.add(Exit.RUNNING)  # not everything wanted is on disk, and running again is the cure
    return found
