"""Whose task is it: a job in doubt against the account's task list. Pure.

There is no idempotency key, and a list row carries no prompt. What there is: the create call's request id in
each row (exact), and the prompt that a SUCCEEDED task echoes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wanbatch.jobs.seen import Row, Searched, TaskView
from wanbatch.jobs.state import HeldForReview, InDoubt, SubmitDisproved, TaskAdopted
from wanbatch.manifest.model import JobKey, text_hash

EARLY_S = 5.0
"""How much earlier than our intent the service may say that a task was made, after both clocks are compared."""

TOO_OLD_S = 23 * 3600.0
"""The list shows 24 h; near its end, absence proves nothing."""

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A job in doubt, as reconciliation sees it. `window_s` is how long after the intent its task may appear.

    `untimed`: by a clock that nobody has compared with the service's, and that may have been set since; when its task
    must have been made is then not known.
    """

    state: InDoubt
    model: str
    prompt_hash: str
    window_s: float
    untimed: bool = False
    outline: Mapping[str, object] = field(default_factory=dict)
    """The request's parameters, as in the journal: another one of the same prompt may be a profile's."""


def since(state: InDoubt, clock_offset_s: float | None) -> float:
    """Return when the intent was written, by our clock as it is now: it may have been set in between.

    `clock_offset_s` is the service's clock minus ours now. Where one of the two offsets is not known, our clock is
    taken to have stood as it does.
    """
    return state.since + shift(state, clock_offset_s)


def shift(state: InDoubt, clock_offset_s: float | None) -> float:
    """Return by how much our clock was set forward since the intent, in seconds, as the service's clock shows."""
    if state.clock_offset_s is None or clock_offset_s is None:
        return 0.0
    return state.clock_offset_s - clock_offset_s


def may_be(doubt: Doubt, row: Row, claimed: Mapping[str, JobKey], clock_offset_s: float) -> bool:
    """Say whether `row` can be the doubt's task: nobody else's, the same model, made when it must have been."""
    if row.task_id in claimed:
        return False
    if doubt.state.request_id is not None and row.request_id == doubt.state.request_id:
        return True
    after = row.created_at - clock_offset_s - since(doubt.state, clock_offset_s)
    return row.model == doubt.model and -EARLY_S <= after <= doubt.window_s


def reconcile(
    doubt: Doubt, searched: Searched, claimed: Mapping[str, JobKey], now: float, *, settled: bool, on_absent: str
) -> TaskAdopted | SubmitDisproved | HeldForReview | None:
    """Return what the task list proves about the doubt; None when it is too early to say.

    A request id proves. A prompt proves once its task SUCCEEDED, if no other candidate shows it and none may
    still come to: so not before the doubt is `settled`, when all that the POST could make is in the list, and
    only from two readings that agree. Of absence `on_absent` decides: `hold` leaves it to a person, `resubmit`
    accepts the risk; but a candidate that cannot be told is no absence.
    """
    rows = [row for row in searched.candidates if may_be(doubt, row, claimed, searched.clock_offset_s)]
    for row in rows:
        if doubt.state.request_id is not None and row.request_id == doubt.state.request_id:
            return TaskAdopted(row.task_id, "the create call's request id")
    if now - since(doubt.state, searched.clock_offset_s) > TOO_OLD_S:
        return HeldForReview("too old to be found in the task list; it may have been billed")
    if not settled or not searched.agreed:
        return None
    views = {view.task_id: view for view in searched.views}
    if any(row.task_id not in views or views[row.task_id].status not in ENDED for row in rows):
        return None
    matching = [row for row in rows if shows(views[row.task_id], doubt.prompt_hash)]
    alike = [row for row in matching if not differs(views[row.task_id], doubt.outline)]
    if len(alike) == 1:
        return TaskAdopted(alike[0].task_id, "time, model and prompt")
    if alike:
        return HeldForReview(f"several tasks of the account match: {names(alike)}")
    if matching:
        return HeldForReview(f"tasks of the account show its prompt, but another picture or length: {names(matching)}")
    silent = [row for row in rows if says_nothing(views[row.task_id])]
    if silent:
        return HeldForReview(f"tasks of the account may be it, but show no prompt: {names(silent)}")
    if doubt.untimed:
        return HeldForReview("no task of the account matches, but by which clock it was sent is not known")
    if on_absent == "resubmit":
        return SubmitDisproved("no task of the account matches", now)
    return HeldForReview("no task of the account matches; it may still have been billed")


def shows(view: TaskView, prompt_hash: str) -> bool:
    """Say whether the task echoes the prompt. Only a SUCCEEDED one does."""
    try:
        return view.orig_prompt is not None and text_hash(view.orig_prompt) == prompt_hash
    except UnicodeEncodeError:  # half a character: no prompt of ours
        return False


def differs(view: TaskView, outline: Mapping[str, object]) -> bool:
    """Say whether what the task made is not what the job asked for: SR 720, ratio "16:9", duration 5 (Wan 2.7 usage).

    What the service does not say, or says in another form, is no difference.
    """
    usage, asked = view.usage, str(outline.get("resolution", ""))
    sr, seconds, ratio = usage.get("SR"), usage.get("output_video_duration"), usage.get("ratio")
    return (
        (isinstance(sr, int) and asked[:-1].isdecimal() and f"{sr}P" != asked)
        or (isinstance(seconds, int | float) and "duration" in outline and seconds != outline["duration"])
        or (isinstance(ratio, str) and ":" in ratio and "ratio" in outline and ratio != outline["ratio"])
    )


def says_nothing(view: TaskView) -> bool:
    """Say whether the task may have been billed and does not echo whose prompt it was."""
    return view.orig_prompt is None and view.status in ("SUCCEEDED", "UNKNOWN")


def names(rows: Iterable[Row]) -> str:
    """Return the rows' task ids, for people."""
    return ", ".join(row.task_id for row in rows)
