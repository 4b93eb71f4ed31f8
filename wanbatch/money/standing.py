"""What a job's attempts mean in money, read from the job alone: the ledger can be made again from the journal.

Pure. Successful seconds are billed, failed tasks are not (pricing, 2026-08-15); what cannot be known counts as billed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from wanbatch.jobs.board import Job
from wanbatch.jobs.state import Canceled, Cancelling, Done, Failed, Held, InDoubt, Ready, Rendered, Waiting
from wanbatch.money.amount import Cost
from wanbatch.money.rows import Standing, State

Prices = Callable[[dict[str, object]], Cost | None]
"""What a request costs, by its outline; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose money it is: the names that go with a lane's rows in the ledger, and what it pays."""

    journal: str
    """The output folder, absolute."""
    manifest: str
    account: str
    prices: Prices


def standings(job: Job, payers: Mapping[str, Payer]) -> Iterator[Standing]:
    """Yield one standing for each attempt of a job that may have cost something, and for its last one.

    `payers` are by lane; what was sent by another lane is left to a run that has it.
    """
    for past in job.past:
        if past.lane in payers:
            yield standing(job, payers[past.lane], past.attempt, State.BILLED if past.billed else State.DOUBT, past.at)
    if job.lane not in payers:
        return
    match job.state:
        case Ready(attempts=n) | Failed(attempts=n) | Canceled(attempts=n):
            found = n, State.FREE
        case InDoubt(attempt=n) | Waiting(attempt=n) | Cancelling(attempt=n):
            found = n, State.OPEN
        case Rendered(attempt=n) | Done(attempt=n):
            found = n, State.BILLED
        case Held(attempt=n):
            found = n, State.DOUBT if job.rendered_at is None else State.BILLED
    last, state = found
    if last > 0 and last not in {past.attempt for past in job.past}:
        yield standing(job, payers[job.lane], last, state, job.submitted_at or job.planned_at)


def claim(job: Job, payer: Payer, now: float) -> Standing:
    """Return what the next submission of a job would reserve."""
    assert isinstance(job.state, Ready)
    return standing(job, payer, job.state.attempts + 1, State.OPEN, now)


def standing(job: Job, payer: Payer, attempt: int, state: State, at: float) -> Standing:
    """Return one attempt's standing: what was reserved, or for what was billed what its usage says."""
    outline = job.outline | used(job.usage) if state is State.BILLED else job.outline
    cost = payer.prices(outline) or payer.prices(job.outline)
    return Standing(
        journal=payer.journal,
        job=str(job.key),
        attempt=attempt,
        scene=job.key.scene,
        manifest=payer.manifest,
        account=payer.account,
        model=job.model,
        state=state,
        amount=cost.amount if cost else None,
        currency=cost.currency if cost else None,
        at=at,
    )


def used(usage: dict[str, object]) -> dict[str, object]:
    """Return what a usage says of what is billed, in the words of an outline. `duration` may come as 5.0."""
    said: dict[str, object] = {}
    seconds, lines = usage.get("duration"), usage.get("SR")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0 and seconds == int(seconds):
        said["duration"] = int(seconds)
    if isinstance(lines, int | float | str) and str(lines).isdecimal():
        said["resolution"] = f"{lines}P"
    return said
