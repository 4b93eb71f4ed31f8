"""Which request a scene's take stands for now: a video that moderation withheld may be made again with another seed.

Pure. Only what the output showed is tried again, and only where the manifest says so: a prompt that was refused would
be refused again. A seed that is written down in the manifest is the user's word, and stays.
"""

from collections.abc import Iterable
from dataclasses import replace

from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.state import Failed
from wanbatch.manifest import expand
from wanbatch.manifest.model import Wanted


def current(wanted: Iterable[Wanted], board: Board, retries: int) -> tuple[Wanted, ...]:
    """Return the jobs that are wanted now: each one, or the first of its further seeds that was not withheld."""
    return tuple(now(one, board, retries) for one in wanted)


def now(wanted: Wanted, board: Board, retries: int) -> Wanted:
    """Return what one take stands for now, after at most `retries` further seeds."""
    one = wanted
    for again in range(1, retries + 1):
        if wanted.take.scene.seed is not None or not is_withheld(board.jobs.get(one.key)):
            break
        seed = expand.derived_seed(wanted.take.scene.id, wanted.take.number, again)
        one = expand.wanted(replace(wanted.take, seed=seed))
    return one


def is_withheld(job: Job | None) -> bool:
    """Say whether moderation withheld a job's video: "Output data may contain …" (error messages, 2026-08-15).

    The code is one for input and output. "Input or output" says neither, and counts as the prompt's.
    """
    if job is None or not isinstance(job.state, Failed):
        return False
    code, message = job.state.code.casefold().replace("_", ""), job.state.message.casefold()
    return code == "datainspectionfailed" and "output" in message and "input" not in message
