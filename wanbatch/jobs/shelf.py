"""Which file a job's video is, and the record beside it. Names and bytes only; touches no disk."""

import json
from collections.abc import Callable, Container, Iterable, Mapping

from wanbatch import __version__
from wanbatch.jobs.board import Board, Job
from wanbatch.manifest.model import JobKey, Request

VIDEOS = "videos"
SUPERSEDED = "superseded"
SIDECAR_FORMAT = 1


def final_path(stem: str) -> str:
    """Return where the current video of a scene's take is, relative to the output folder."""
    return f"{VIDEOS}/{stem}.mp4"


def record_path(video: str) -> str:
    """Return where the record of a video is: beside it."""
    return f"{video.removesuffix('.mp4')}.json"


def superseded_path(stem: str, digest: str, taken: Callable[[str], bool] = lambda _path: False) -> str:
    """Return where a video goes that a newer one replaces; what is there already is never overwritten."""
    path, number = f"{SUPERSEDED}/{stem}.{digest}.mp4", 1
    while taken(path):
        number += 1
        path = f"{SUPERSEDED}/{stem}.{digest}.{number}.mp4"
    return path


def part_path(job: Job) -> str:
    """Return where a video arrives. The digest keeps an edited scene's video apart from the earlier one's."""
    return f"{VIDEOS}/.{job.stem}.{job.key.digest}.part"


Names = Mapping[str, tuple[str, int]]
"""Which scene's take has a file's name, folded: some file systems do not tell `Alley` from `alley`."""


def names_of(wanted: Iterable[JobKey]) -> Names:
    """Return whose the names of the wanted videos are."""
    return {key.stem.casefold(): (key.scene, key.take) for key in wanted}


def has_the_name(board: Board, job: Job, wanted: Container[JobKey], names: Names, *, keep: bool) -> bool:
    """Say whether the job's video gets its scene's name, or arrives too late and goes to `superseded/`.

    It is late when the manifest asks for another request of the same scene by now, unless changes are kept; and when
    another scene of the manifest has the name by now: `alley.t2` was a scene, and is the second take of `alley`.
    `names` are those of `wanted`.
    """
    if job.key in wanted:
        return True
    mine = (job.key.scene, job.key.take)
    if names.get(job.stem.casefold(), mine) != mine:
        return False
    if keep:
        return True
    siblings = board.by_scene.get((job.key.scene, job.key.take), [])
    return not any(key in wanted for key in siblings)


def sidecar(job: Job, request: Request | None, size_bytes: int, sha256: str) -> bytes:
    """Return the record of how a video came to be: everything but the key and the signed URL.

    `request` is None for a scene that left the manifest: then the outline, with its hashes, is all there is.
    Times of ours are epoch seconds; the service's are its own strings (UTC+8).
    """
    record = {
        "format": SIDECAR_FORMAT,
        "tool": f"wanbatch {__version__}",
        "job": str(job.key),
        "scene": job.key.scene,
        "take": job.key.take,
        "request": request.body() if request else None,
        "request_outline": job.outline,
        "request_digest": request.digest() if request else job.key.digest,
        "task_id": job.task_id,
        "request_id": job.request_id,
        "submitted_at": job.submitted_at,
        "rendered_at": job.rendered_at,
        "service_times": job.times,
        "usage": job.usage,
        "size_bytes": size_bytes,
        "sha256": sha256,
    }
    return (json.dumps(record, ensure_ascii=False, indent=2) + "\n").encode(errors="backslashreplace")


def sidecar_sha256(content: bytes, job: Job) -> str | None:
    """Return the sha256 that a sidecar of this very job and task states; None for any other sidecar."""
    try:
        record = json.loads(content)
    except ValueError:
        return None
    if not isinstance(record, dict) or (record.get("job"), record.get("task_id")) != (str(job.key), job.task_id):
        return None
    sha256 = record.get("sha256")
    return sha256 if isinstance(sha256, str) else None
