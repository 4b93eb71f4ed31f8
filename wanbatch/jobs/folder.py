"""The output folder: which videos are there, and where one is that a crash left under another name.

Synchronous; knows names, sidecars and the journal, not the network.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from wanbatch import disk
from wanbatch.jobs import shelf
from wanbatch.jobs.board import Job
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.state import Done, VideoMoved

JOURNAL = "journal.jsonl"


def videos_on_disk(folder: Path) -> dict[str, int]:
    """Return the videos in an output folder: path relative to it → size in bytes."""
    files: dict[str, int] = {}
    for name in (shelf.VIDEOS, shelf.SUPERSEDED):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / name) as entries:
            files |= {f"{name}/{e.name}": e.stat().st_size for e in entries if e.name.endswith(".mp4")}
    return files


def mend(journal: Journal, folder: Path, now: float) -> None:
    """Note the moves that a crash kept from the journal: a video is where its sidecar says that it is its own.

    Only scenes with more than one job can have such; the others' sidecars are not read.
    """
    board = journal.board
    for keys in board.by_scene.values():
        if len(keys) < 2:
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

    A video that has the name already is never overwritten.
    """
    if (folder / old).exists() and os.path.lexists(folder / new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder / new))
    (folder / new).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for suffix in (".json", ".mp4"):
        source = (folder / old).with_suffix(suffix)
        if source.exists():
            source.replace((folder / new).with_suffix(suffix))
    disk.sync_folder((folder / new).parent)
    disk.sync_folder((folder / old).parent)
