"""Output folders as runs leave them, without a run."""

from pathlib import Path

from support import NOW, planned

from wanbatch.jobs import state as s
from wanbatch.jobs.journal import Journal
from wanbatch.manifest.check import load
from wanbatch.manifest.model import Wanted


def job(manifest: Path, scene: str) -> Wanted:
    """The job that a manifest on disk asks for."""
    return next(one for one in load(manifest).wanted if one.key.scene == scene)


def record(folder: Path, manifest: Path, scene: str, *events: s.Event, at: float = NOW, step: float = 1) -> None:
    """Write a job's events into the journal of `folder`'s output folder, `step` seconds apart."""
    one = job(manifest, scene)
    with Journal.open(folder / "out" / manifest.stem / "journal.jsonl", at) as journal:
        if one.key not in journal.board.jobs:
            journal.record(one.key, planned(one), at)
        for nth, event in enumerate(events):
            journal.record(one.key, event, at + nth * step)


def made(folder: Path, manifest: Path, scene: str, *, seconds: float = 60) -> None:
    """Let a scene have its video, made in so many seconds."""
    path = f"videos/{scene}.mp4"
    video = folder / "out" / manifest.stem / path
    video.parent.mkdir(parents=True, exist_ok=True)
    video.write_bytes(b"12345")
    sent = [s.SubmitIntended(), s.SubmitAccepted(f"task-of-{scene}")]
    record(folder, manifest, scene, *sent, step=0)
    record(folder, manifest, scene, s.TaskSucceeded(NOW + 80_000), s.VideoSaved(path, 5, "ab"), at=NOW + seconds)
