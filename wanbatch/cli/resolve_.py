"""`wanbatch resolve`: a person decides about a scene that is held."""

import time
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.state import CancelRequested, Event, Held, ResubmitApproved, TaskAdopted
from wanbatch.service.wire import TASK_ID


@click.command("resolve")
@common.manifest_argument
@click.argument("scene")
@common.out_option
@click.option("--adopt", metavar="TASK_ID", help="This task of the account is the scene's: collect it.")
@click.option("--resubmit", is_flag=True, help="Submit once more; if the first one was billed, it is billed twice.")
@click.option("--give-up", is_flag=True, help="Leave it; nothing more is sent for this request.")
def command(manifest: Path, scene: str, out: Path | None, adopt: str | None, resubmit: bool, give_up: bool) -> None:
    """Decide about SCENE of MANIFEST, which is held: its outcome is not known, or what was paid for is lost.

    Sends nothing itself; the next run does what was decided.
    """
    if [adopt is not None, resubmit, give_up].count(True) != 1:
        raise click.UsageError("say one of --adopt TASK_ID, --resubmit, --give-up")
    if adopt is not None and not TASK_ID.match(adopt):
        raise click.BadParameter("a task id is letters, digits and hyphens", param_hint="--adopt")
    folder = common.folder_of(common.manifest_of(manifest), out)
    with Journal.open(common.journal_path(folder), time.time()) as journal:
        job = held_job(journal.board, scene)
        event: Event
        if adopt is not None:
            owner = journal.board.claimed.get(adopt)
            if owner is not None and owner != job.key:
                raise WanbatchError(f"task {adopt} belongs to scene {owner.scene} already", exit_code=Exit.USAGE)
            event = TaskAdopted(adopt, "wanbatch resolve")
        else:
            event = ResubmitApproved("wanbatch resolve") if resubmit else CancelRequested("wanbatch resolve")
        journal.record(job.key, event, time.time())
    did = f"is task {adopt}" if adopt else "goes again" if resubmit else "is given up"
    click.echo(f"scene {scene} {did}; next: wanbatch run {manifest}", err=True)


def held_job(board: Board, scene: str) -> Job:
    """Return the scene's held job. Raises WanbatchError when there is none."""
    held = [job for job in board.jobs.values() if isinstance(job.state, Held)]
    found = next((job for job in held if scene in (job.key.scene, job.stem)), None)
    if found is None:
        names = ", ".join(job.stem for job in held)
        raise WanbatchError(
            f"scene {scene} is not held",
            exit_code=Exit.USAGE,
            hint=f"held are: {names}" if names else "nothing is; wanbatch status shows what is",
        )
    return found
