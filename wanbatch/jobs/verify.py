"""Do lock, journal, manifest and files agree? `seen_at` looks at a file; all else compares values."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from os import O_RDONLY, fdopen, fstat
from pathlib import Path

from wanbatch.disk import Folder
from wanbatch.jobs import shelf
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.locked import Disagreement, Lock, Locked, Name, disagreements
from wanbatch.jobs.plan import tell
from wanbatch.jobs.state import Done, Rendered
from wanbatch.manifest.model import JobKey, Wanted

CHUNK_BYTES = 1024 * 1024


class Kind(Enum):
    """What is not as the lock says. The value is what people read."""

    ABSENT = "file missing"
    CHANGED = "file changed"
    UNREAD = "file unreadable"
    JOURNAL = "journal differs"
    UNKNOWN = "not in the journal"
    STALE = "scene changed"
    UNMADE = "not in the lock"
    EXTRA = "only in the lock"
    STRANGE = "unknown file"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the lock says. `what` is a scene's take, or a file that belongs to none."""

    kind: Kind
    what: str
    said: str
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it is. `sha256` is None where only the size was looked at, `trouble` why it could not be read."""

    size_bytes: int = 0
    sha256: str | None = None
    trouble: str = ""


def seen_at(folder: Path, path: str, *, quick: bool, passed: Callable[[int], None]) -> Seen | None:
    """Look at a video of an output folder; None where there is none. `passed` hears how many bytes were read.

    `quick` looks at its size only.
    """
    above, name = path.split("/")
    try:
        with Folder.open(folder, above) as opened:
            fd = opened.open_file(name, O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Seen(trouble=error.strerror or str(error))
    with fdopen(fd, "rb", buffering=0) as stream:
        size = fstat(fd).st_size
        if quick:
            return Seen(size)
        digest = sha256()
        try:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                passed(len(chunk))
        except OSError as error:
            return Seen(size, trouble=error.strerror or str(error))
    return Seen(size, digest.hexdigest())


def differences(
    lock: Lock,
    wanted: Iterable[Wanted],
    board: Board | None,
    seen: Mapping[str, Seen | None],
    files: Collection[str],
) -> tuple[Difference, ...]:
    """Return all that is not as the lock says: first the scenes in the lock's order, then files that nobody knows.

    `seen` is what each locked path is, `files` every video in the output folder; `board` is None without a journal.
    """
    apart = {one.name: one for one in disagreements(wanted, lock)}
    found: list[Difference] = []
    for entry in lock.entries:
        found += in_the_file(entry, seen.get(entry.path))
        found += in_the_journal(entry, board) if board is not None else ()
        if entry.name in apart:
            found.append(in_the_manifest(apart.pop(entry.name), board))
    found += [in_the_manifest(one, board) for one in apart.values()]
    known = {entry.path for entry in lock.entries} | (paths_of(board) if board is not None else set())
    strange = sorted(path for path in files if path.startswith(f"{shelf.VIDEOS}/") and path not in known)
    return (*found, *(Difference(Kind.STRANGE, path, "neither lock nor journal knows it") for path in strange))


def in_the_file(entry: Locked, seen: Seen | None) -> Iterator[Difference]:
    """Yield what is wrong with an entry's file."""
    if seen is None:
        yield Difference(Kind.ABSENT, entry.stem, f"{entry.path} is not there")
    elif seen.trouble:
        yield Difference(Kind.UNREAD, entry.stem, f"{entry.path}: {seen.trouble}")
    elif seen.size_bytes != entry.size_bytes:
        said = f"{entry.path} has {seen.size_bytes:,} bytes; locked are {entry.size_bytes:,}"
        yield Difference(Kind.CHANGED, entry.stem, said)
    elif seen.sha256 is not None and seen.sha256 != entry.sha256:
        said = f"{entry.path} has sha256 {seen.sha256[:12]}…; locked is {entry.sha256[:12]}…"
        yield Difference(Kind.CHANGED, entry.stem, said)


def in_the_journal(entry: Locked, board: Board) -> Iterator[Difference]:
    """Yield how the journal's job differs from an entry."""
    job = board.jobs.get(JobKey(entry.scene, entry.take, entry.digest[:12]))
    if job is None:
        said = f"made elsewhere, as task {entry.task_id}; a run here would pay for it"
        yield Difference(Kind.UNKNOWN, entry.stem, said, entry.task_id)
    elif said := otherwise(entry, job):
        yield Difference(Kind.JOURNAL, entry.stem, said)


def otherwise(entry: Locked, job: Job) -> str:
    """Say what the journal has of a job that the lock has otherwise; nothing where they agree."""
    state = job.state
    if not isinstance(state, Done):
        return f"here: {tell(job)}"
    if state.task_id != entry.task_id:
        return f"task {state.task_id} here; locked is task {entry.task_id}"
    if (state.size_bytes, state.sha256) != (entry.size_bytes, entry.sha256):
        return f"sha256 {state.sha256[:12]}… was saved here; locked is {entry.sha256[:12]}…"
    return "" if state.path == entry.path else f"it is at {state.path} here"


def in_the_manifest(one: Disagreement, board: Board | None) -> Difference:
    """Return where the manifest asks for something else."""
    if one.kind == "stale":
        return Difference(Kind.STALE, one.stem, f"changed since it was made: {', '.join(one.fields)}")
    if one.kind == "extra":
        return Difference(Kind.EXTRA, one.stem, "the manifest no longer asks for it")
    made = board is not None and is_made(one.name, board)
    return Difference(Kind.UNMADE, one.stem, "made, but not written down" if made else "not made yet")


def is_made(name: Name, board: Board) -> bool:
    """Say whether a take has a video."""
    return any(isinstance(board.jobs[key].state, Done) for key in board.by_scene.get(name, ()))


def paths_of(board: Board) -> set[str]:
    """Return where the journal has, or may have, its videos."""
    done = {job.state.path for job in board.jobs.values() if isinstance(job.state, Done)}
    return done | {shelf.final_path(job.stem) for job in board.jobs.values() if isinstance(job.state, Rendered)}
