"""`wanbatch status`: how far each scene is, read from the journal without disturbing a run."""

import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, say
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, WanbatchError, gravest
from wanbatch.jobs import journal
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.plan import tell
from wanbatch.jobs.policy import Limits, deadline
from wanbatch.jobs.reconcile import EARLY_S
from wanbatch.jobs.shelf import SUPERSEDED, final_path
from wanbatch.jobs.state import Cancelling, Done, Held, InDoubt, Ready, Rendered, Waiting
from wanbatch.views.text import duration, printable, table

WORDS = {
    "Ready": "ready", "InDoubt": "in doubt", "Waiting": "waiting", "Cancelling": "cancelling",
    "Rendered": "rendered", "Held": "held", "Done": "done", "Failed": "failed", "Canceled": "canceled",
}  # fmt: skip


@click.command("status")
@click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))
@common.out_option
@common.json_option
def command(where: Path, out: Path | None, as_json: bool) -> int:
    """Show how far each scene of MANIFEST is. Reads only the journal, so it works while a run is going on.

    MANIFEST may also be an output folder, for a manifest that has moved or changed. Exit code 4 when something is
    with the service that can still be saved, 8 when a scene waits for a person.
    """
    folder = common.folder_named(where, out, "status")
    board = journal.read(common.journal_in(folder, where))
    if not board.jobs:
        raise common.nothing_run(folder, where)
    now = time.time()
    if as_json:
        echo_json(as_data(board, folder))
        return code(board)
    header = ["scene", "state", "changed", "what is known"]
    click.echo(table([header, *(row(job, now) for job in shown(board))], columns(sys.stdout), right=(2,)))
    click.echo(summary(board))
    for line in open_questions(board, where, out):
        click.echo(printable(line))
    held = next((job for job in board.jobs.values() if isinstance(job.state, Held)), None)
    if held:
        words: list[str | Path] = ["wanbatch", "resolve", where, held.stem, *common.out_again(out)]
        say("held scenes wait for you", f"{common.typed(*words)} --help")
    return code(board)


def code(board: Board) -> int:
    """Return the exit code: what can still be saved, and what waits for a person, is no success."""
    states = {type(job.state) for job in board.jobs.values()}
    found = {Exit.HELD} if Held in states else set()
    found |= {Exit.RUNNING} if states & {InDoubt, Waiting, Cancelling, Rendered} else set()
    return int(gravest(found))


def open_questions(board: Board, where: Path, out: Path | None) -> list[str]:
    """Say of each job that is held or in doubt what is known, what is at stake, and the next command."""
    try:
        price = common.outline_prices(None)
    except WanbatchError:  # a base URL that cannot be is no reason to show nothing
        price = lambda _outline: None  # noqa: E731
    said = []
    open_jobs = [job for job in board.jobs.values() if isinstance(job.state, Held | InDoubt)]
    by_lane = common.lane_prices(open_jobs)
    for job in open_jobs:
        verb = "resolve" if isinstance(job.state, Held) else "reconcile"
        command: list[str | Path] = [
            "wanbatch",
            verb,
            where,
            *([job.stem] if verb == "resolve" else []),
            *common.out_again(out),
        ]
        decide = " --adopt TASK_ID | --resubmit | --give-up" if verb == "resolve" else ""
        cost = by_lane(job) if job.lane else price(job.outline)
        stake = f"{cost.amount:.2f} {cost.currency} at stake" if cost else "at stake: price unknown"
        said += [f"{job.stem}: {known(job)}; {stake}", f"  next: {common.typed(*command)}{decide}"]
    return said


def known(job: Job) -> str:
    """Say what is known of a job whose outcome is not: its task, its request id, when it was sent."""
    facts = [f"task {job.task_id}"] if job.task_id else []
    facts += [f"request id {job.request_id}"] if job.request_id else ["no request id came"]
    if job.task_id is None and job.submitted_at is not None:
        limits = Limits()
        first = datetime.fromtimestamp(job.submitted_at - EARLY_S, UTC)
        last = datetime.fromtimestamp(job.submitted_at + limits.post_timeout_s + limits.settle_s, UTC)
        facts.append(f"its task, if there is one, was made between {first:%Y-%m-%d %H:%M:%S} and {last:%H:%M:%S} UTC")
    return ", ".join(facts)


def shown(board: Board) -> list[Job]:
    """Return the jobs worth a line: not those that were planned, then edited before they were sent."""
    return [job for job in board.jobs.values() if not forgotten(job, board)]


def forgotten(job: Job, board: Board) -> bool:
    """Say whether a job was planned and never sent, and another of its scene took its place."""
    siblings = board.by_scene[job.key.scene, job.key.take]
    return isinstance(job.state, Ready) and job.state.attempts == 0 and job.key != siblings[-1]


def word(job: Job) -> str:
    """Return a job's state in a word; a video that a newer one has replaced is superseded."""
    if isinstance(job.state, Done) and job.state.path != final_path(job.stem):
        return SUPERSEDED
    return WORDS[type(job.state).__name__]


def row(job: Job, now: float) -> list[str]:
    """Return a job's cells."""
    since = duration(now - (job.ended_at or job.planned_at))
    return [job.stem, word(job), f"{since} ago", tell(job) + common.expires(deadline(job), now)]


def summary(board: Board) -> str:
    """Return the counts in one line."""
    counts = Counter(word(job) for job in shown(board))
    return "status: " + ", ".join(f"{counts[one]} {one}" for one in (*WORDS.values(), SUPERSEDED) if counts[one])


def as_data(board: Board, folder: Path) -> dict[str, object]:
    """Return the status as JSON data; a contract, versioned. Times are epoch seconds."""
    return {
        "format": common.JSON_FORMAT,
        "folder": str(folder),
        "summary": summary(board),
        "jobs": [
            {
                "job": str(job.key),
                "scene": job.key.scene,
                "take": job.key.take,
                "state": word(job),
                "since": job.ended_at or job.planned_at,
                "task_id": job.task_id,
                "request_id": job.request_id,
                "submitted_at": job.submitted_at,
                "expires_at": deadline(job) or getattr(job.state, "expires_at", None),
                "path": getattr(job.state, "path", None),
                "known": tell(job),
            }
            for job in shown(board)
        ],
    }
