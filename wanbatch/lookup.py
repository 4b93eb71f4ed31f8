"""Questions that take several calls: what the account's task list says of jobs in doubt, and of tasks that nobody has.

Performs; what the answers mean is `jobs.reconcile`'s and `jobs.orphans`' to say.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from wanbatch.jobs import orphans
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.orphans import Orphans
from wanbatch.jobs.policy import Limits, window_s
from wanbatch.jobs.reconcile import Doubt, may_be
from wanbatch.jobs.state import InDoubt
from wanbatch.manifest.model import Request

T = TypeVar("T")

AGREEMENT_GAP_S = 30.0
"""Between the two readings of the task list that must agree; a shorter settling time shortens it."""
MOST_CANDIDATES = 50
LIST_TRIES = 3
"""How often the task list, or a task in it, is asked for before a run goes on without it."""
LIST_PATIENCE_S = 10.0
"""From when on it is not tried again."""


class Service(Protocol):
    """What the engine asks of the service: `service.client.Client`, or a test's world."""

    clock_offset_s: float | None

    async def submit(self, request: Request) -> saw.SubmitOutcome:
        """Make a task."""

    async def task(self, task_id: str) -> saw.TaskView | saw.ReadFailed:
        """Ask about a task."""

    async def tasks(self, model: str) -> saw.Listing | saw.ReadFailed:
        """List the account's tasks of a model."""

    async def cancel(self, task_id: str) -> bool | saw.ReadFailed:
        """Cancel a task that is still pending."""


class Time(Protocol):
    """Epoch seconds that never jump, and waiting: `clock.Clock`, or a test's that does not really wait."""

    def now(self) -> float:
        """Return the time."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def wait_for(self, what: Awaitable[T], seconds: float | None) -> T:
        """Wait for `what`, at most so long. Raises TimeoutError."""


async def search(
    job: Job,
    board: Board,
    service: Service,
    clock: Time,
    limits: Limits,
    elsewhere: Callable[[], frozenset[str]] = frozenset,
) -> saw.Searched | saw.ReadFailed:
    """Read the task list twice, and look at each task that may be the job's; none that is claimed `elsewhere`."""
    assert isinstance(job.state, InDoubt)
    doubt = Doubt(job.state, job.model, job.prompt_hash, window_s(job.state, limits))
    readings = []
    for wait in (0.0, min(AGREEMENT_GAP_S, limits.settle_s / 6)):
        await clock.sleep(wait)
        listing = await service.tasks(job.model)
        if isinstance(listing, saw.ReadFailed):
            return listing
        offset = service.clock_offset_s or 0.0
        taken = elsewhere()
        free = [row for row in listing.rows if row.task_id not in taken]
        readings.append([row for row in free if may_be(doubt, row, board.claimed, offset)])
    agreed = {row.task_id for row in readings[0]} == {row.task_id for row in readings[1]}
    views = []
    for row in readings[1][:MOST_CANDIDATES]:
        view = await service.task(row.task_id)
        if isinstance(view, saw.ReadFailed):
            return view
        views.append(view)
    return saw.Searched(tuple(readings[1]), tuple(views), agreed, service.clock_offset_s or 0.0)


async def look_for_orphans(
    models: Sequence[str],
    board: Board,
    services: Mapping[str, Service],
    clock: Time,
    limits: Limits,
    elsewhere: frozenset[str] = frozenset(),
) -> Orphans:
    """Compare the task list of every account with the journal; nobody's tasks are those that it has not."""
    looks = [look_for_orphans_of(one, models, board, clock, limits, elsewhere) for one in services.values()]
    found = list(zip(services, await asyncio.gather(*looks), strict=True))
    return Orphans(
        tuple(replace(orphan, lane=lane) for lane, one in found for orphan in one.known),
        tuple(replace(orphan, lane=lane) for lane, one in found for orphan in one.dark),
        tuple(failure for _, one in found for failure in one.failed),
    )


async def look_for_orphans_of(
    service: Service, models: Sequence[str], board: Board, clock: Time, limits: Limits, elsewhere: frozenset[str]
) -> Orphans:
    """Read the task list once for each model, and ask the prompts of tasks that nobody has, here or `elsewhere`."""
    rows: list[saw.Row] = []
    failed = []
    for model in models:
        listing = await listed(model, service, clock)
        if isinstance(listing, saw.ReadFailed):
            failed.append((model, listing))
        else:
            rows += [row for row in listing.rows if row.task_id not in elsewhere]
    views: list[saw.TaskView | saw.ReadFailed] = []
    asked = orphans.to_look_at(rows, board.claimed)
    for first in range(0, len(asked), limits.asks_at_once):
        some = asked[first : first + limits.asks_at_once]
        views += await asyncio.gather(*(viewed(row.task_id, service, clock) for row in some))
    told = [view for view in views if isinstance(view, saw.TaskView)]
    window = limits.post_timeout_s + limits.settle_s
    return orphans.orphans(rows, told, board, window, service.clock_offset_s or 0.0, failed=tuple(failed))


async def listed(model: str, service: Service, clock: Time) -> saw.Listing | saw.ReadFailed:
    """Read the task list, with a few tries: a run must neither fail nor wait long for it."""
    return await patiently(lambda: service.tasks(model), clock)


async def viewed(task_id: str, service: Service, clock: Time) -> saw.TaskView | saw.ReadFailed:
    """Ask about a task, with a few tries: its prompt may be all that keeps a scene from being paid for again."""
    return await patiently(lambda: service.task(task_id), clock)


async def patiently(ask: Callable[[], Awaitable[T | saw.ReadFailed]], clock: Time) -> T | saw.ReadFailed:
    """Ask, and ask again a few times where no answer came."""
    started, tried = clock.now(), 1
    answer = await ask()
    while isinstance(answer, saw.ReadFailed) and answer.kind is not saw.Kind.ACCOUNT:
        if tried == LIST_TRIES or clock.now() - started > LIST_PATIENCE_S:
            break
        await clock.sleep(2.0 * tried)
        answer, tried = await ask(), tried + 1
    return answer
