"""`wanbatch status`: how far each scene is, read from the journal without disturbing a run."""

import time
from collections import Counter
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import journal
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.plan import tell
from wanbatch.jobs.state import Done, Ready
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
    folder = where if where.is_dir() else common.folder_of(common.manifest_of(where), out)
    path = common.journal_path(folder)
    if not path.exists():
        raise WanbatchError(
            f"no journal at {path}: nothing was run yet", exit_code=Exit.USAGE, hint=f"start with: wanbatch run {where}"
        )
    board = journal.read(path)
    now = time.time()
    if as_json:
        echo_json(as_data(board, folder))
        return
    header = ["scene", "state", "since", "what is known"]
    click.echo(table([header, *(row(job, board, now) for job in shown(board))], common.columns()))
    click.echo(summary(board))


def shown(board: Board) -> list[Job]:
    """Return the jobs worth a line: not those that were planned, then edited before they were sent."""
    return [job for job in board.jobs.values() if not forgotten(job, board)]


def forgotten(job: Job, board: Board) -> bool:
    """Say whether a job was planned and never sent, and another of its scene took its place."""
    siblings = board.by_scene[job.key.scene, job.key.take]
    return isinstance(job.state, Ready) and job.state.attempts == 0 and job.key != siblings[-1]


def row(job: Job, board: Board, now: float) -> list[str]:
    """Return a job's cells."""
    since = duration(now - (job.ended_at or job.planned_at))
    state = WORDS[type(job.state).__name__]
    if isinstance(job.state, Done) and board.by_scene[job.key.scene, job.key.take][-1] != job.key:
        state = "superseded"
    return [job.stem, state, since, tell(job)]


def summary(board: Board) -> str:
    """Return the counts in one line."""
    counts = Counter(WORDS[type(job.state).__name__] for job in shown(board))
    return "status: " + ", ".join(f"{counts[word]} {word}" for word in WORDS.values() if counts[word])


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
                "state": WORDS[type(job.state).__name__],
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
