"""Builders with defaults, a clock that tests move, and the simulator's world behind the engine's protocol."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Board
from wanbatch.jobs.state import Event, Planned
from wanbatch.manifest import expand
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse
from wanbatch.manifest.model import JobKey, Manifest, Request, Scene, Wanted
from wanbatch.service import wire
from wanbatch.service.download import Target
from wanbatch.simulator.replies import Reply
from wanbatch.simulator.world import World

T = TypeVar("T")

NOW = 1_800_000_000.0
"""When tests happen, unless they say otherwise: epoch seconds."""


def scene(id: str = "alley", **changes: Any) -> Scene:
    """A valid scene of one prompt."""
    data = {"id": id, "prompt": f"a {id} in the rain", "duration": 5, "resolution": "720P"} | changes
    if "shots" in changes:
        data.pop("prompt")
        data.pop("duration")
    return expand.scene(data, {})


def wanted(id: str = "alley", **changes: Any) -> Wanted:
    """The job of a valid scene."""
    return expand.wanted(expand.takes(scene(id, **changes))[0])


def request(id: str = "alley", **changes: Any) -> Request:
    """The request of a valid scene."""
    return wanted(id, **changes).request


def board_with(*histories: tuple[Wanted, list[Event]], at: float = NOW) -> Board:
    """A board on which each job was planned and then went through its events, a second apart."""
    board = Board()
    for one, events in histories:
        board.apply(one.key, planned(one), at)
        for step, event in enumerate(events, 1):
            board.apply(one.key, event, at + step)
    return board


def planned(one: Wanted) -> Planned:
    """The event that brings a job into the journal."""
    return Planned(one.key.stem, one.request.outline())


def key(id: str = "alley", digest: str = "0" * 12) -> JobKey:
    """A job key."""
    return JobKey(id, 1, digest)


def manifest(text: str, file: str = "film.yaml") -> Manifest:
    """A manifest from its text; fails with its problems."""
    found, problems = check(parse(file, text))
    assert found is not None, problems
    return found


def manifest_text(*ids: str, **defaults: Any) -> str:
    """The text of a valid manifest of plain prompts."""
    lines = ["wanbatch: 1", "defaults:"]
    lines += [f"  {name}: {value}" for name, value in ({"resolution": "720P", "duration": 5} | defaults).items()]
    lines += ["scenes:", *(f"  - {{id: {id}, prompt: a {id} in the rain}}" for id in ids or ("alley",))]
    return "\n".join(lines) + "\n"


def write_manifest(folder: Path, *ids: str, name: str = "film.yaml", **defaults: Any) -> Path:
    """A valid manifest on disk."""
    path = folder / name
    path.write_text(manifest_text(*ids, **defaults), "utf-8")
    return path


class FakeClock:
    """A clock that stands still until somebody waits: then time passes at once, and nobody really waits.

    Whoever can go on without time passing goes first; a world that takes no time is done in a few rounds.
    """

    ROUNDS = 40

    def __init__(self, now: float = NOW) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.at += seconds

    async def wait_for(self, what: Awaitable[T], seconds: float | None) -> T:
        task = asyncio.ensure_future(what)
        for _ in range(self.ROUNDS):
            await asyncio.sleep(0)
            if task.done():
                return task.result()
        task.cancel()
        assert seconds is not None, "the loop waits for ever"
        self.at += seconds
        raise TimeoutError


HEADERS = {
    "Authorization": "Bearer sk-test",
    "Content-Type": "application/json",
    "X-DashScope-Async": "enable",
}


class WorldService:
    """The simulator's world behind the engine's protocol, without sockets and without time.

    `fate` may decide what becomes of a submission, by its number from 0: `lost` (accepted, no answer), `never`
    (not accepted, no answer), `unsent`, or None.
    """

    def __init__(self, world: World, clock: FakeClock, fate: Callable[[int], str | None] = lambda _nth: None) -> None:
        self.world = world
        self.clock = clock
        self.fate = fate
        self.clock_offset_s = 0.0
        self.posts = 0

    async def submit(self, request: Request) -> saw.SubmitOutcome:
        await asyncio.sleep(0)
        fate = self.fate(self.posts)
        if fate == "unsent":
            return saw.NotSent("refused")
        self.posts += 1
        if fate == "never":
            return saw.Unknown("no answer in time")
        reply = self.world.create(self.clock.now(), HEADERS, request.canonical())
        outcome = wire.submit_outcome(reply.status, headers_of(reply), reply.body)
        return saw.Unknown("no answer in time") if fate == "lost" else outcome

    async def task(self, task_id: str) -> saw.TaskView | saw.ReadFailed:
        await asyncio.sleep(0)
        reply = self.world.query(self.clock.now(), HEADERS, task_id)
        return wire.task_view(task_id, reply.status, headers_of(reply), reply.body)

    async def tasks(self, model: str) -> saw.Listing | saw.ReadFailed:
        await asyncio.sleep(0)
        params = {"model_name": model, "page_size": "100000"}
        reply = self.world.list_tasks(self.clock.now(), HEADERS, params)
        page = wire.list_page(reply.status, headers_of(reply), reply.body)
        return page if isinstance(page, saw.ReadFailed) else saw.Listing(page[0])

    async def cancel(self, task_id: str) -> bool | saw.ReadFailed:
        await asyncio.sleep(0)
        reply = self.world.cancel(self.clock.now(), HEADERS, task_id)
        return reply.status == 200


def headers_of(reply: Reply) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers}


class Shelf:
    """An output folder in memory, behind the engine's protocol: path → sidecar."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}
        self.answers: list[saw.NotSaved] = []

    def present(self, target: Target) -> saw.Saved | saw.NotSaved | None:
        if target.path not in self.saved:
            return None
        sha256 = target.ours(self.saved[target.path])
        if sha256 is not None:
            return saw.Saved(target.path, 1, sha256)
        return None if target.replaces else saw.NotSaved(saw.Lost.TAKEN, "not ours")

    async def fetch(self, url: str, target: Target) -> saw.Saved | saw.NotSaved:
        await asyncio.sleep(0)
        if self.answers:
            return self.answers.pop(0)
        aside = None
        if target.replaces:
            self.saved[target.replaces[1]] = self.saved.pop(target.replaces[0])
            aside = target.replaces[1]
        assert target.path not in self.saved, "nothing that was paid for is overwritten"
        self.saved[target.path] = target.sidecar(1, "ab")
        return saw.Saved(target.path, 1, "ab", aside)
