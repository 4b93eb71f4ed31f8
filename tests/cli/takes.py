"""Manifests with several takes, their videos without a run, and the picks file beside them."""

from pathlib import Path

from support import NOW, planned

from wanbatch.jobs import state as s
from wanbatch.jobs.journal import Journal
from wanbatch.manifest.check import load
from wanbatch.manifest.picks import HEAD

MATRIX = """\
wanbatch: 1
defaults: {model: wan2.7-t2v-2026-06-12, resolution: 720P, duration: 5}
scenes:
  - {id: alley, prompt: an alley in the rain, takes: 3}
  - {id: roof, prompt: a roof in the rain}
  - id: skyline
    prompt: pass over ${city}
    takes: 2
    matrix: {city: [Paris, Tokyo], ratio: [16:9, 9:16]}
"""


def tell(folder: Path, stem: str, *events: s.Event, out: str = "out/film") -> None:
    """Write events of one take of `film.yaml` into the journal."""
    one = next(one for one in load(folder / "film.yaml").wanted if one.key.stem == stem)
    (folder / out).mkdir(parents=True, exist_ok=True)
    with Journal.open(folder / out / "journal.jsonl", NOW) as journal:
        for event in (planned(one), *events):
            journal.record(one.key, event, NOW)


def made(folder: Path, *stems: str, out: str = "out/film") -> None:
    """Let some takes of `film.yaml` have their videos."""
    (folder / out / "videos").mkdir(parents=True, exist_ok=True)
    for stem in stems:
        path, task = f"videos/{stem}.mp4", f"task-of-{stem.replace('.', '-')}"
        (folder / out / path).write_bytes(b"12345")
        sent = [s.SubmitIntended(), s.SubmitAccepted(task)]
        tell(folder, stem, *sent, s.TaskSucceeded(NOW + 80_000), s.VideoSaved(path, 5, "ab"), out=out)


def picks(folder: Path, name: str = "film.picks.yaml") -> str:
    """The picks file without its head."""
    text = (folder / name).read_text("utf-8")
    assert text.startswith(HEAD)
    return text.removeprefix(HEAD)
