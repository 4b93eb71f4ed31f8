"""What a lock file says: which video each scene's take became. Pure: values, their text, where they differ.

Not the lock of a journal, which keeps two runs apart: that is `lock.py`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.state import Done
from wanbatch.manifest.model import PARAMETERS, JobKey, Manifest, Wanted, differences
from wanbatch.money.amount import Cost, plain

FORMAT = 1
"""Version of the file."""
MARK = "wanbatch_lock"
HASHED = ("prompt", "negative_prompt", "audio_url")
"""Texts of a request; the lock holds a hash of each, as the journal does."""
OUTLINE = ("model", *HASHED, *PARAMETERS)
TIMES = ("submit_time", "scheduled_time", "end_time")
"""The task's times as the service wrote them (UTC+8)."""
HEAD = """\
# Which video each scene's take became: written by wanbatch after a run, meant for git, not to be edited.
# `wanbatch verify` compares it with the journal and the files; `run --locked` submits only what is in it.
"""
Name = tuple[str, int]
"""A scene's id and a take's number."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One video: the request that it was made of, the task that made it, and the file that it is."""

    scene: str
    take: int
    digest: str
    """sha256 of the request, 64 hexadecimal digits."""
    outline: Mapping[str, object]
    task_id: str
    path: str
    """Relative to the output folder."""
    size_bytes: int
    sha256: str
    times: Mapping[str, str] = field(default_factory=dict)
    cost: Cost | None = None
    """Its price, as known when it was first written down."""
    picked: bool = False

    @property
    def name(self) -> Name:
        """Which scene's take it is."""
        return self.scene, self.take

    @property
    def stem(self) -> str:
        """What people call it: `alley`, `alley.t2`."""
        return JobKey(self.scene, self.take, self.digest[:12]).stem


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file's contents; `entries` are sorted by scene and take."""

    manifest: str
    profile: str | None = None
    entries: tuple[Locked, ...] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """A lock as it is to be written, and the entries in it whose scenes this journal has other videos of."""

    lock: Lock
    foreign: tuple[Locked, ...] = ()


PriceOf = Callable[[Job], Cost | None]


def merged(manifest: Manifest, board: Board, price: PriceOf, earlier: Lock | None) -> Merged:
    """Return the lock of a manifest, as its journal knows it now, over an `earlier` one.

    Every take that the manifest asks for has the video that was made of it. Where the journal has none, the earlier
    entry stays: it was made on another machine, or is the video that is there until the scene's new one comes. What
    was written down first for a request stays too; only a task that the journal itself had can be replaced.
    """
    before = {one.name: one for one in earlier.entries} if earlier else {}
    entries, foreign = [], []
    for wanted in sorted(manifest.wanted, key=lambda one: (one.key.scene, one.key.take)):
        was = before.get((wanted.key.scene, wanted.key.take))
        job = board.jobs.get(wanted.key)
        now = video_of(wanted, job, job.state, price(job)) if job and isinstance(job.state, Done) else None
        one = later(was, now, board)
        if one is None:
            continue
        one = replace(one, picked=manifest.picks.picks.get(one.scene) == one.take)
        entries.append(one)
        if now is not None and one.task_id != now.task_id:
            foreign.append(one)
    return Merged(Lock(manifest.name, manifest.profile, tuple(entries)), tuple(foreign))


def video_of(wanted: Wanted, job: Job, state: Done, cost: Cost | None) -> Locked:
    """Return the entry of a finished job."""
    return Locked(
        scene=wanted.key.scene,
        take=wanted.key.take,
        digest=wanted.request.digest(),
        outline=wanted.request.outline(),
        task_id=state.task_id,
        path=state.path,
        size_bytes=state.size_bytes,
        sha256=state.sha256,
        times={name: job.times[name] for name in TIMES if job.times.get(name)},
        cost=cost,
    )


def later(was: Locked | None, now: Locked | None, board: Board) -> Locked | None:
    """Return which of two entries of a take counts."""
    if was is None or now is None:
        return now or was
    if was.task_id == now.task_id:
        return replace(now, cost=was.cost or now.cost)
    return now if was.digest != now.digest or was.task_id in board.claimed else was


# --- where it differs from a manifest ---


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where a manifest and its lock differ: `kind` is "stale", "unmade" or "extra"."""

    name: Name
    kind: str
    fields: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """What people call the take."""
        return JobKey(*self.name, "").stem

    def __str__(self) -> str:
        said = {"unmade": "not in the lock", "extra": "only in the lock"}.get(self.kind)
        return f"{self.stem} ({said or ', '.join(self.fields)})"


def disagreements(wanted: Iterable[Wanted], lock: Lock) -> tuple[Disagreement, ...]:
    """Return where a manifest asks for something else than its lock holds, in the manifest's order."""
    entries = {one.name: one for one in lock.entries}
    found = []
    for one in wanted:
        name = (one.key.scene, one.key.take)
        entry = entries.pop(name, None)
        if entry is None:
            found.append(Disagreement(name, "unmade"))
        elif entry.digest != one.request.digest():
            fields = differences(entry.outline, one.request.outline())
            found.append(Disagreement(name, "stale", fields or ("the form of a text",)))
    return (*found, *(Disagreement(name, "extra") for name in entries))


# --- as text ---

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*\Z")
"""Texts that need no quotes, unless they are one of `WORDS`."""
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that YAML's quotes do not take as they are, and JSON's do."""


def quoted(text: str) -> str:
    """Return a text in double quotes, as YAML and JSON both read it."""
    return ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def scalar(value: object) -> str:
    """Return a value as YAML of any version reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    return text if PLAIN.match(text) and text.lower() not in WORDS else quoted(text)


def text_of(lock: Lock) -> str:
    """Return a lock file's text: the same for the same lock, with each field on a line of its own."""
    head = [f"{MARK}: {FORMAT}", f"manifest: {scalar(lock.manifest)}"]
    head += [] if lock.profile is None else [f"profile: {scalar(lock.profile)}"]
    head.append("jobs:" if lock.entries else "jobs: {}")
    return HEAD + "\n".join([*head, *map(entry_text, lock.entries)]) + "\n"


def entry_text(one: Locked) -> str:
    """Return one entry."""
    lines = [f"  {scalar(one.stem)}:", f"    scene: {scalar(one.scene)}", f"    take: {one.take}"]
    lines += ["    picked: true"] if one.picked else []
    lines.append(f"    digest: {quoted(one.digest)}")
    lines += [f"    {name}: {scalar(one.outline[name])}" for name in OUTLINE if name in one.outline]
    lines.append(f"    task_id: {quoted(one.task_id)}")
    lines += [f"    {name}: {quoted(one.times[name])}" for name in TIMES if name in one.times]
    lines += [f"    file: {quoted(one.path)}", f"    size_bytes: {one.size_bytes}", f"    sha256: {quoted(one.sha256)}"]
    if one.cost is not None:
        lines.append(f"    price: {quoted(f'{plain(one.cost.amount)} {one.cost.currency}')}")
        lines.append(f"    prices_as_of: {quoted(one.cost.as_of)}")
    return "\n".join(lines)
