"""The output folder: which videos are there, and where one is that a crash left under another name.

Synchronous; knows names, sidecars and the journal, not the network.
"""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

from wanbatch import disk
from wanbatch.disk import Folder
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import shelf
from wanbatch.jobs.board import Job
from wanbatch.jobs.journal import Journal, JournalError, lines_of, read
from wanbatch.jobs.state import Done, VideoMoved

JOURNAL = "journal.jsonl"


def videos_on_disk(folder: Path) -> dict[str, int]:
    """Return the videos in an output folder: path relative to it → size in bytes; and records in `videos/` without one.

    Such a record takes a video's name too: what is paid for could not be saved. Raises WanbatchError for what cannot be
    read: a video that is only out of sight must not count as missing.
    """
    files: dict[str, int] = {}
    for name in (shelf.VIDEOS, shelf.SUPERSEDED):
        endings = (".mp4", ".json") if name == shelf.VIDEOS else ".mp4"
        try:
            with os.scandir(folder / name) as entries:
                found = {entry.name: entry for entry in entries if entry.name.endswith(endings)}
                lone = (one for one in found if one.endswith(".mp4") or beside(one, ".mp4") not in found)
                sizes = {f"{name}/{one}": size_of(found[one]) for one in lone}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise WanbatchError(
                f"cannot read {folder / name}: {error.strerror}; nothing was sent",
                exit_code=Exit.STATE,
                hint="make it readable, or name another folder with --out, then run again",
            ) from None
        files |= {path: size for path, size in sizes.items() if size is not None}
    return files


def size_of(entry: os.DirEntry[str]) -> int | None:
    """Return the size of what a name leads to; None for a name that leads nowhere."""
    try:
        return entry.stat().st_size
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return None
        raise


LISTED_S = 25 * 3600.0
"""The task list shows 24 h: a journal that was last written before has nothing in it."""


def claimed_beside(folder: Path, now: float) -> frozenset[str]:
    """Return the tasks that the journals of the folders beside this one have.

    Manifests of one account may share a prompt; the other's task is then no orphan, and nobody's to adopt. Not so
    in an earlier folder of the same manifest, moved aside or copied: what it paid for must not be paid again in
    silence. A journal that cannot be read claims nothing.
    """
    own = manifests_of(folder / JOURNAL)
    claimed: set[str] = set()
    for path in folder.parent.glob(f"*/{JOURNAL}"):
        with suppress(OSError, JournalError):
            recent = path.parent != folder and now - path.stat().st_mtime < LISTED_S
            if recent and not own & manifests_of(path):
                claimed |= read(path).claimed.keys()
    return frozenset(claimed)


def manifests_of(journal: Path) -> set[str]:
    """Return the file names of the manifests that were run over a journal. Raises JournalError, OSError."""
    if not journal.exists():
        return set()
    lines = (line for line, _, _ in lines_of(disk.read_plain(journal), journal))
    return {Path(line.fields["manifest"]).name for line in lines if line.event == "RunStarted"}


def mend(journal: Journal, folder: Path, now: float, *, copied: bool) -> None:
    """Note the moves that a crash kept from the journal: a video is where its sidecar says that it is its own.

    Only scenes with more than one job can have such, and any scene of a journal that was put back (`copied`): it may
    have forgotten a later one. The others' sidecars are not read.
    """
    board = journal.board
    for keys in board.by_scene.values():
        if len(keys) < 2 and not copied:
            continue
        for job in [board.jobs[key] for key in keys]:
            moved = whereabouts(folder, job)
            if moved:
                journal.record(job.key, VideoMoved(moved), now)


def whereabouts(folder: Path, job: Job) -> str | None:
    """Return where a finished job's video is, if it is elsewhere than the journal says.

    A sidecar proves; without one, a name in `superseded/` that holds the job's digest does. A video where it
    should be is believed to be the one, unless its sidecar is another job's.
    """
    if not isinstance(job.state, Done) or is_at(folder, job, job.state.path, unmarked=True):
        return None
    asides = [path for path in asides_of(folder, job) if path != job.state.path]
    final = shelf.final_path(job.stem)
    marked = (path for path in (*asides, final) if path != job.state.path and is_at(folder, job, path, unmarked=False))
    return next(marked, None) or next((path for path in asides if is_at(folder, job, path, unmarked=True)), None)


def asides_of(folder: Path, job: Job) -> list[str]:
    """Return the job's videos in `superseded/`: usually one, numbered if there are more."""
    pattern = Path(shelf.superseded_path(job.stem, job.key.digest)).with_suffix(".*mp4").name
    return sorted(f"{shelf.SUPERSEDED}/{path.name}" for path in (folder / shelf.SUPERSEDED).glob(pattern))


def is_at(folder: Path, job: Job, path: str, *, unmarked: bool) -> bool:
    """Say whether the video at `path` is this job's, by the sidecar beside it; `unmarked` is the answer without one."""
    video = folder / path
    try:
        if not video.is_file():
            return False
        return shelf.sidecar_sha256(video.with_suffix(".json").read_bytes(), job) is not None
    except FileNotFoundError:
        return unmarked
    except OSError:
        return False


def move(folder: Path, old: str, new: str) -> None:
    """Move a video of ours, and its sidecar, to another name within the output folder. Raises OSError.

    Nothing that has one of the names already is overwritten: FileExistsError. The sidecar goes first; a move
    that was cut between the two is gone on with.
    """
    (*above, name), (*onward, wanted) = PurePosixPath(old).parts, PurePosixPath(new).parts
    with Folder.open(folder, *onward, make=True) as there, Folder.open(folder, *above) as here:
        pairs = [(beside(name, suffix), beside(wanted, suffix)) for suffix in (".json", ".mp4")]
        pairs = [pair for pair in pairs if here.status(pair[0])]
        for _, one in pairs:
            if there.status(one):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(there.path / one))
        for source, one in pairs:
            here.rename(source, there, one)
        there.sync()
        here.sync()


def beside(name: str, suffix: str) -> str:
    """Return a file's name with another suffix."""
    return PurePosixPath(name).with_suffix(suffix).name


def is_earlier(content: bytes, record: bytes) -> bool:
    """Say whether `content` is a record of ours of the scene and take that `record` is of, be it of another task.

    Without its video, which somebody took away, it may be written anew.
    """
    try:
        old, new = json.loads(content), json.loads(record)
    except ValueError:
        return False
    if not isinstance(old, dict) or not isinstance(old.get("scene"), str):
        return False
    made_here = str(old.get("tool")).startswith("wanbatch ")
    return made_here and (old["scene"], old.get("take")) == (new.get("scene"), new.get("take"))
