"""What performers do with the world: one thing for one job, and a value that says what was seen.

Knows services and the output folder. Does not know what anything means, and changes no state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Action, Board, Job
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.seen import Seen
from wanbatch.lookup import Service, Time, search
from wanbatch.manifest.model import JobKey, Request
from wanbatch.service.download import Target


class Fetcher(Protocol):
    """What is asked of the output folder: `service.download.Downloader`, or a test's."""

    def present(self, target: Target) -> saw.Saved | saw.NotSaved | None:
        """Say whether the name is taken already."""

    async def fetch(self, url: str, target: Target) -> saw.Saved | saw.NotSaved:
        """Bring a video home."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run is to do: the requests it may submit, and where each job's video goes.

    A job that is not among `requests` is collected, whatever the service has of it, and never submitted.
    """

    requests: Mapping[JobKey, Request]
    target: Callable[[Job], Target]
    look_for_orphans: bool = True
    """Whether to compare the account's task list with the journal before anything is submitted."""
    copied: bool = False
    """Whether the journal's file was copied or restored since its last line was written."""
    elsewhere: Callable[[], frozenset[str]] = frozenset
    """Tasks that the journals of other manifests and profiles have by now: they may be running too."""
    doubts_only: bool = False
    """Whether only what is in doubt is looked at: nothing is submitted, polled or downloaded."""
    collect: bool = True
    """Whether what is made is waited for and brought home; without, the run ends when nothing more can be submitted."""


@dataclass(frozen=True, slots=True)
class Performer:
    """The world as a run reaches it: the service of each lane, by its name, and the output folder."""

    services: Mapping[str, Service]
    folder: Fetcher
    clock: Time
    limits: Limits

    async def see(self, job: Job, action: Action, board: Board, work: Work) -> Seen:
        """Do one thing for a job; return what was seen."""
        service = self.services[job.lane]
        if action is Action.SUBMIT:
            return await service.submit(work.requests[job.key])
        if action is Action.RECONCILE:
            return await search(job, board, service, self.clock, self.limits, work.elsewhere)
        assert job.task_id, "only jobs with a task are asked about"
        if action is Action.FETCH:
            return await self.fetch(service, work.target(job), job.task_id)
        if action is Action.CANCEL:
            return await cancel(service, job.task_id)
        return await service.task(job.task_id)

    async def fetch(self, service: Service, target: Target, task_id: str) -> Seen:
        """Ask the task for a fresh signed URL (it is never stored), then bring the video home."""
        present = self.folder.present(target)
        if present is not None:
            return present
        view = await service.task(task_id)
        if isinstance(view, saw.ReadFailed):
            return view
        if view.status == "UNKNOWN":
            return saw.NotSaved(saw.Lost.GONE, "the service no longer knows the task")
        if not view.video_url:
            return saw.NotSaved(saw.Lost.RETRY, f"the task is {view.status} and shows no video")
        return await self.folder.fetch(view.video_url, target)


async def cancel(service: Service, task_id: str) -> Seen:
    """Cancel, then ask: the answer to a cancel says only that it was heard."""
    heard = await service.cancel(task_id)
    if isinstance(heard, saw.ReadFailed):
        return heard
    return saw.CancelAnswered(not heard, await service.task(task_id))
