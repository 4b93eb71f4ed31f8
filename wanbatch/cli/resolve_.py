"""`wanbatch resolve`: a person decides about a scene that is held."""

import time
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import note
from wanbatch.cli.status_ import WORDS
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.state import Canceled, CancelRequested, Event, Failed, Held, ResubmitApproved, State, TaskAdopted
from wanbatch.manifest.assemble import Reading
from wanbatch.service.wire import TASK_ID


@click.command("resolve")
@click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))
@click.argument("scene")
@common.reading_options
@common.out_option
@click.option("--adopt", metavar="TASK_ID", help="This task of the account is the scene's: collect it.")
@click.option("--resubmit", is_flag=True, help="Submit once more; if the first one was billed, it is billed twice.")
@click.option("--give-up", is_flag=True, help="Leave it; nothing more is sent for this request.")
def command(
    where: Path, scene: str, reading: Reading, out: Path | None, adopt: str | None, resubmit: bool, give_up: bool
) -> None:
    """Decide about SCENE of MANIFEST, which is held: its outcome is not known, or what was paid for is lost.

    The account's tasks and bills are in the service's console: look there first. Sends nothing itself; the next
    run does what was decided. MANIFEST may also be an output folder.
    """
    if [adopt is not None, resubmit, give_up].count(True) != 1:
        raise click.UsageError("say one of --adopt TASK_ID, --resubmit, --give-up")
    if adopt is not None and not TASK_ID.match(adopt):
        raise click.BadParameter("a task id is letters, digits and hyphens", param_hint="--adopt")
    named = common.named_again(where, reading, out)
    path = common.journal_in(common.folder_named(where, out, "resolve", reading), where)
    with Journal.open(path, time.time()) as journal:
        job = open_to(journal.board, scene, (Held, Failed, Canceled) if resubmit else (Held,), where)
        event: Event
        if adopt is not None:
            owner = journal.board.claimed.get(adopt)
            if owner is not None and owner != job.key:
                raise WanbatchError(f"task {adopt} belongs to scene {owner.scene} already", exit_code=Exit.USAGE)
            event = TaskAdopted(adopt, "wanbatch resolve")
        else:
            event = ResubmitApproved("wanbatch resolve") if resubmit else CancelRequested("wanbatch resolve")
        journal.record(job.key, event, time.time())
    if give_up:
        again = common.typed("wanbatch", "resolve", where, scene, *named[1:], "--resubmit")
        note(f"scene {scene} is given up; should you change your mind: {again}")
        return
    did = f"is task {adopt}" if adopt else "goes again"
    run = "the next run does it" if where.is_dir() else f"next: {common.typed('wanbatch', 'run', *named)}"
    note(f"scene {scene} {did}; {run}")


def open_to(board: Board, scene: str, states: tuple[type[State], ...], where: Path) -> Job:
    """Return the scene's job in one of `states`, the latest first. Raises WanbatchError when there is none."""
    jobs = list(reversed(board.jobs.values()))
    named = [job for job in jobs if job.stem == scene] or [job for job in jobs if job.key.scene == scene]
    able = [job for job in named if isinstance(job.state, states)]
    if len({job.stem for job in able}) > 1:
        takes = ", ".join(dict.fromkeys(job.stem for job in reversed(able)))
        hint = f"name one of them: {takes}"
        raise WanbatchError(f"scene {scene} has several takes; nothing was changed", exit_code=Exit.USAGE, hint=hint)
    if able:
        return able[0]
    held = [job.stem for job in board.jobs.values() if isinstance(job.state, Held)]
    state = WORDS[type(named[0].state).__name__] if named else ""
    raise WanbatchError(
        f"scene {scene} is {state}, not held" if named else f"the journal has no scene {scene}",
        exit_code=Exit.USAGE,
        hint=f"held are: {', '.join(held)}"
        if held
        else f"nothing is held; see {common.typed('wanbatch', 'status', where)}",
    )
