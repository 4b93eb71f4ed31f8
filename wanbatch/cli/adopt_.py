"""`wanbatch adopt`: a task of the account that no scene has is given to the scene that it was made for."""

import os
import time
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import note
from wanbatch.cli.status_ import WORDS
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.state import Canceled, Event, Failed, Held, InDoubt, Planned, Ready, TaskAdopted
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import JobKey, Wanted
from wanbatch.service.accounts import chosen, read_config
from wanbatch.service.wire import TASK_ID

OPEN_TO_ADOPTION = (Ready, InDoubt, Held, Failed, Canceled)
"""States of a job without a task that counts."""


@click.command("adopt")
@common.manifest_argument
@click.argument("task_id", metavar="TASK_ID")
@click.option("--as", "scene", metavar="SCENE", required=True, help="The scene that the task was made for.")
@click.option("--account", metavar="NAME", help="Whose task it is.  [default: the environment's account]")
@common.reading_options
@common.out_option
def command(manifest: Path, task_id: str, scene: str, account: str | None, reading: Reading, out: Path | None) -> None:
    """Give the task TASK_ID of the account to a scene of MANIFEST, which is then not submitted but collected.

    For tasks that the journal does not know, since it was deleted or put back from a backup. Sends nothing itself;
    the next run collects the video.
    """
    if not TASK_ID.match(task_id):
        raise click.BadParameter("a task id is letters, digits and hyphens", param_hint="TASK_ID")
    checked = common.manifest_of(manifest, reading)
    wanted_named(checked.wanted, scene)  # before a journal is made
    lane = lane_of(account, checked.run.accounts)
    with Journal.open(common.journal_path(common.folder_of(checked, out)), time.time()) as journal:
        one = wanted_named(common.manifest_now(checked, journal.board).wanted, scene)
        events = adoption(journal.board, one, task_id, lane)
        journal.record_all([(one.key, event) for event in events], time.time())
    words = common.named_again(manifest, reading, out)
    note(f"scene {one.key.stem} is task {task_id}; next: {common.typed('wanbatch', 'run', *words)}")


def wanted_named(wanted: tuple[Wanted, ...], scene: str) -> Wanted:
    """Return the job that the manifest asks for under a name: a scene's id, or a take's like `alley.t2`.

    Raises WanbatchError for a name that the manifest does not have.
    """
    found = next((one for one in wanted if scene == one.key.stem), None)
    found = found or next((one for one in wanted if scene == one.key.scene), None)  # its first take
    if found is None:
        names = ", ".join(one.key.stem for one in wanted[:10])
        raise WanbatchError(f"the manifest has no scene {scene}", exit_code=Exit.USAGE, hint=f"it has: {names}")
    return found


def lane_of(account: str | None, used: tuple[str, ...]) -> str | None:
    """Return the lane of a task: the account that is named, or the only one that the manifest uses.

    Raises WanbatchError for a name that is not configured, and where one of several has to be named.
    """
    if account is None and not used:
        return None
    config = read_config(os.environ)
    found = chosen(config, (account,) if account else used)
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise WanbatchError("the task is of one account; nothing was changed", exit_code=Exit.USAGE,
                            hint=f"say which with --account: {names}")  # fmt: skip
    return found[0].name


def adoption(board: Board, one: Wanted, task_id: str, lane: str | None = None) -> list[Event]:
    """Return what to write down. Raises WanbatchError when the task, or the scene, has another already."""
    owner: JobKey | None = board.claimed.get(task_id)
    if owner is not None:
        raise WanbatchError(
            f"task {task_id} belongs to scene {owner.scene} already; nothing was changed", exit_code=Exit.USAGE
        )
    job = board.jobs.get(one.key)
    if job is not None and not isinstance(job.state, OPEN_TO_ADOPTION):
        raise WanbatchError(
            f"scene {job.stem} is {WORDS[type(job.state).__name__]} as task {job.task_id}; nothing was changed",
            exit_code=Exit.USAGE,
        )
    born: list[Event] = [] if job else [Planned(one.key.stem, one.request.outline())]
    return [*born, TaskAdopted(task_id, "wanbatch adopt", lane)]
