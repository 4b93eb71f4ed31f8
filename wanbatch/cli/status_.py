"""`wanbatch status`: how far each scene is, read from the journal without disturbing a run."""

import sys
import time
from collections import Counter
from contextlib import suppress
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
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import picked
from wanbatch.manifest.files import DISK
from wanbatch.manifest.model import Picks
from wanbatch.views.text import duration, printable, table

WORDS = {
    "Ready": "ready", "InDoubt": "in doubt", "Waiting": "waiting", "Cancelling": "cancelling",
    "Rendered": "rendered", "Held": "held", "Done": "done", "Failed": "failed", "Canceled": "canceled",
}  # fmt: skip


@click.command("status")
@click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))
@common.reading_options
@common.out_option
@common.json_option
def command(where: Path, reading: Reading, out: Path | None, as_json: bool) -> int:
    """Show how far each scene of MANIFEST is. Reads only the journal, so it works while a run is going on.

    MANIFEST may also be an output folder, for a manifest that has moved or changed. Exit code 4 when something is
    with the service that can still be saved, 8 when a scene waits for a person.
    """
    folder = common.folder_named(where, out, "status", reading)
    board = journal.read(common.journal_in(folder, where))
    if not board.jobs:
        raise common.nothing_run(folder, where)
    now, picks = time.time(), picks_of(where, reading)
    if as_json:
        echo_json(as_data(board, folder, picks))
        return code(board)
    header = ["scene", "state", "changed", "what is known"]
    click.echo(table([header, *(row(job, now, picks) for job in shown(board))], columns(sys.stdout), right=(2,)))
    click.echo(summary(board))
    for line in open_questions(board, common.named_again(where, reading, out)):
        click.echo(printable(line))
    held = next((job for job in board.jobs.values() if isinstance(job.state, Held)), None)
    if held:
        again = common.typed("wanbatch", "resolve", where, held.stem, *common.named_again(where, reading, out)[1:])
        say("held scenes wait for you", f"{again} --help")
    return code(board)


def code(board: Board) -> int:
    """Return the exit code: what can still be saved, and what waits for a person, is no success."""
    states = {type(job.state) for job in board.jobs.values()}
    found = {Exit.HELD} if Held in states else set()
    found |= {Exit.RUNNING} if states & {InDoubt, Waiting, Cancelling, Rendered} else set()
    return int(gravest(found))


def open_questions(board: Board, named: list[str | Path | None]) -> list[str]:
    """Say of each job that is held or in doubt what is known, what is at stake, and the next command.

    `named` are the words of a command line that name the manifest and its folder.
    """
    try:
        price = common.outline_prices(None)
    except WanbatchError:  # a base URL that cannot be is no reason to show nothing
        price = lambda _outline: None  # noqa: E731
    said = []
    open_jobs = [job for job in board.jobs.values() if isinstance(job.state, Held | InDoubt)]
    by_lane = common.lane_prices(open_jobs)
    for job in open_jobs:
        verb = "resolve" if isinstance(job.state, Held) else "reconcile"
        scene = job.stem if verb == "resolve" else None
        command = ["wanbatch", verb, named[0], scene, *named[1:]]
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


def picks_of(where: Path, reading: Reading) -> Picks | None:
    """Return what was picked of a manifest's takes; None for an output folder, which says nothing of it."""
    if where.is_dir():
        return None
    with suppress(WanbatchError):  # a mistake in the picks is no reason to show nothing
        return picked(where, reading, DISK)
    return None


def is_picked(job: Job, picks: Picks | None) -> bool | None:
    """Say whether a job's video is the take that was picked of its scene; None where that is not known."""
    if picks is None:
        return None
    return picks.picks.get(job.key.scene) == job.key.take and word(job) != SUPERSEDED


def row(job: Job, now: float, picks: Picks | None) -> list[str]:
    """Return a job's cells."""
    since = duration(now - (job.ended_at or job.planned_at))
    known = tell(job) + common.expires(deadline(job), now) + ("; picked" if is_picked(job, picks) else "")
    return [job.stem, word(job), f"{since} ago", known]


def summary(board: Board) -> str:
    """Return the counts in one line."""
    counts = Counter(word(job) for job in shown(board))
    return "status: " + ", ".join(f"{counts[one]} {one}" for one in (*WORDS.values(), SUPERSEDED) if counts[one])


def as_data(board: Board, folder: Path, picks: Picks | None) -> dict[str, object]:
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
                "picked": is_picked(job, picks),
            }
            for job in shown(board)
        ],
    }
