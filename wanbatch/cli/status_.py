"""`wanbatch status`: how far each scene is, read from the journal without disturbing a run."""

import sys
import time
from collections import Counter
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, say
from wanbatch.cli.terminal import columns
from wanbatch.jobs import journal
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.plan import tell
from wanbatch.jobs.shelf import SUPERSEDED, final_path
from wanbatch.jobs.state import Done, Held, Ready
from wanbatch.views.text import duration, table

WORDS = {
    "Ready": "ready", "InDoubt": "in doubt", "Waiting": "waiting", "Cancelling": "cancelling",
    "Rendered": "rendered", "Held": "held", "Done": "done", "Failed": "failed", "Canceled": "canceled",
}  # fmt: skip


@click.command("status")
@click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))
@common.out_option
@common.json_option
def command(where: Path, out: Path | None, as_json: bool) -> None:
    """Show how far each scene of MANIFEST is. Reads only the journal, so it works while a run is going on.

    MANIFEST may also be an output folder, for a manifest that has moved or changed.
    """
    folder = common.folder_named(where, out, "status")
    board = journal.read(common.journal_in(folder, where))
    if not board.jobs:
        raise common.nothing_run(folder, where)
    now = time.time()
    if as_json:
        echo_json(as_data(board, folder))
        return
    header = ["scene", "state", "changed", "what is known"]
    click.echo(table([header, *(row(job, now) for job in shown(board))], columns(sys.stdout), right=(2,)))
    click.echo(summary(board))
    held = next((job for job in board.jobs.values() if isinstance(job.state, Held)), None)
    if held:
        say("held scenes wait for you", f"{common.typed('wanbatch', 'resolve', where, held.stem)} --help")


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
    return [job.stem, word(job), f"{since} ago", tell(job)]


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
                "expires_at": getattr(job.state, "expires_at", None),
                "path": getattr(job.state, "path", None),
                "known": tell(job),
            }
            for job in shown(board)
        ],
    }
