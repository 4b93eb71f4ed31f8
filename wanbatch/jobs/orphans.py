"""Tasks of the account that no job has: of a journal that was rolled back, copied or deleted, or of somebody else.

Pure. A journal that was rolled back is older than the tasks that it forgot, one that was deleted is younger: when it
was born tells nothing, so all that the task list shows (24 h) is compared. A list row carries no prompt; a
SUCCEEDED task echoes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.reconcile import Doubt, may_be
from wanbatch.jobs.seen import ReadFailed, Row, TaskView
from wanbatch.jobs.state import InDoubt
from wanbatch.manifest.model import JobKey, text_hash

MOST_LOOKED_AT = 50
"""How many tasks are asked for their prompt at a start."""
MOST_NAMED = 5

UNBILLED = frozenset({"FAILED", "CANCELED"})
PROMPTLESS = frozenset({"PENDING", "RUNNING"})
"""A task that has not ended shows no prompt."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A task that no job has. `prompt_hash` is None while its prompt is not known."""

    task_id: str
    model: str
    prompt_hash: str | None = None
    maybe_doubted: bool = False
    """Whether it may be the task of a job that is in doubt: then it is reconciliation's, and no sign of anything."""
    lane: str = ""
    """The account that showed it."""


@dataclass(frozen=True, slots=True)
class Orphans:
    """What the account's task list showed at the start of a run.

    `known` show the prompt of a job of ours, of `dark` no prompt is known, `failed` are the models whose list could
    not be read. `copied` says that the journal's file was copied or restored since its last line was written.
    """

    known: tuple[Orphan, ...] = ()
    dark: tuple[Orphan, ...] = ()
    failed: tuple[tuple[str, ReadFailed], ...] = ()
    copied: bool = False


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a job is not submitted. `task_id` is the task, of account `lane`, that may be its own by its prompt."""

    reason: str
    task_id: str | None = None
    lane: str = ""


def to_look_at(rows: Iterable[Row], claimed: Mapping[str, JobKey]) -> tuple[Row, ...]:
    """Return the rows of which the prompt is worth a question: nobody's, ended and billed; the newest of them."""
    ended = (row for row in rows if row.task_id not in claimed and row.status not in UNBILLED | PROMPTLESS)
    return tuple(sorted(ended, key=lambda row: row.created_at, reverse=True)[:MOST_LOOKED_AT])


def orphans(
    rows: Iterable[Row],
    views: Iterable[TaskView],
    board: Board,
    window_s: float,
    clock_offset_s: float,
    *,
    failed: tuple[tuple[str, ReadFailed], ...] = (),
    copied: bool = False,
) -> Orphans:
    """Sort the tasks that no job has. A task that shows a prompt which no job of ours has is a stranger's.

    `window_s` is how long after its intent the task of a job in doubt may appear.
    """
    seen = {view.task_id: view for view in views}
    prompts = {(job.model, job.prompt_hash) for job in board.jobs.values()}
    doubts = [
        Doubt(job.state, job.model, job.prompt_hash, window_s)
        for job in board.jobs.values()
        if isinstance(job.state, InDoubt)
    ]
    known, dark = [], []
    for row in rows:
        view = seen.get(row.task_id)
        status = view.status if view else row.status
        if row.task_id in board.claimed or status in UNBILLED:
            continue
        doubted = any(may_be(doubt, row, board.claimed, clock_offset_s) for doubt in doubts)
        prompt = hash_of(view.orig_prompt) if view and view.orig_prompt is not None else None
        if prompt is None:
            dark.append(Orphan(row.task_id, row.model, None, doubted))
        elif (row.model, prompt) in prompts:
            known.append(Orphan(row.task_id, row.model, prompt, doubted))
    return Orphans(tuple(known), tuple(dark), failed, copied)


def hash_of(prompt: str) -> str:
    """Return what a prompt is known by; for half a character, which no prompt of ours has, nothing that matches."""
    try:
        return text_hash(prompt)
    except UnicodeEncodeError:
        return ""


def withheld(found: Orphans, job: Job, claimed: Mapping[str, JobKey]) -> Withheld | None:
    """Return why a job must not be submitted, as things are now; None when it may.

    A task that shows its prompt withholds it until some job has that task. One such task, or a journal that was
    copied since it was written, is a sign that the journal does not know all: then tasks without a known prompt
    withhold every job of their model, for any of them may be its own. Without a sign they do not: an account may
    be shared.
    """
    for orphan in found.known:
        mine = (orphan.model, orphan.prompt_hash) == (job.model, job.prompt_hash)
        if mine and orphan.task_id not in claimed:
            reason = f"task {orphan.task_id} of the account shows its prompt, and no scene has it"
            return Withheld(reason, orphan.task_id, orphan.lane)
    signs = [one for one in found.known if one.task_id not in claimed and not one.maybe_doubted]
    if not signs and not found.copied:
        return None
    for model, failure in found.failed:
        if model == job.model:
            return Withheld(f"the journal may not know all, and the task list cannot be read: {failure.code}")
    dark = [one for one in found.dark if one.model == job.model and one.task_id not in claimed]
    if dark:
        return Withheld(f"the journal may not know all, and any of these may be its task: {named(dark)}")
    return None


def unknown(found: Orphans, claimed: Mapping[str, JobKey]) -> list[Orphan]:
    """Return the tasks without a known prompt that nobody has, and that are no job's in doubt."""
    return [one for one in found.dark if one.task_id not in claimed and not one.maybe_doubted]


def named(found: list[Orphan]) -> str:
    """Return task ids for people, a few and the count of the others."""
    more = len(found) - MOST_NAMED
    return ", ".join(one.task_id for one in found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def warnings(found: Orphans, claimed: Mapping[str, JobKey]) -> list[str]:
    """Say what is odd and withholds nothing by itself."""
    said = [
        f"the account's tasks of {model} cannot be read ({failure.code}): one that the journal forgot would not show"
        for model, failure in found.failed
    ]
    dark = unknown(found, claimed)
    if dark:
        said.append(
            f"{len(dark)} task{'s' if len(dark) != 1 else ''} of the account that no scene here has: {named(dark)}; "
            "whose they are cannot be told before they end"
        )
    return said
