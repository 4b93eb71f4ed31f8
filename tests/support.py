"""Builders with defaults, a clock that tests move, and the simulator's world behind the engine's protocol."""

import asyncio
from pathlib import Path
from typing import Any

from wanbatch.jobs.board import Board
from wanbatch.jobs.state import Event, Planned
from wanbatch.manifest import expand
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse
from wanbatch.manifest.model import JobKey, Manifest, Request, Scene, Wanted

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
    """A clock that stands still until it is moved. Its `sleep` moves it and lets others run."""

    def __init__(self, now: float = NOW) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)
