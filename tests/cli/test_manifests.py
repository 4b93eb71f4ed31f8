"""Every manifest of ours makes its videos: what the examples show is what happens."""

import json
from pathlib import Path

import pytest

from wanbatch.cli.door import guarded
from wanbatch.jobs.folder import manifests_of

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "manifests").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_example_runs_to_its_last_video(path, in_tmp, capsys):
    assert guarded(["plan", str(path), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    out = in_tmp / "made"
    speed = ["--poll-interval", "0.05", "--submit-rate", "1000"]
    assert guarded(["run", str(path), "--simulate", "--yes", "--quiet", "--out", str(out), *speed]) == 0
    videos = {video.stem for video in (out / "videos").glob("*.mp4")}
    assert len(videos) == planned["submit"]["count"] == len(planned["entries"])
    assert videos == {Path(line).stem for line in capsys.readouterr().out.splitlines()}


def test_a_profile_and_the_real_ones_never_share_a_folder(in_tmp, capsys):
    path = ROOT / "manifests" / "cities.yaml"
    for words in (["--select", "map"], ["--select", "map", "--profile", "draft"]):
        assert guarded(["run", str(path), "--simulate", "--yes", "--quiet", "--poll-interval", "0.05", *words]) == 0
    made = sorted(str(one) for one in Path("out/simulated").glob("*/videos/*.mp4"))
    assert made == ["out/simulated/cities/videos/map.mp4", "out/simulated/cities@draft/videos/map.mp4"]
    capsys.readouterr()
    folders = []
    for words in (["--profile", "draft"], ["--profile", "draft", "--out", "out/x"], ["--out", "out/x"]):
        assert guarded(["plan", str(path), "--json", *words]) == 0
        folders.append(json.loads(capsys.readouterr().out)["folder"])
    assert folders == ["out/cities@draft", "out/x@draft", "out/x"]


def test_the_journal_of_a_profile_is_another_manifests(in_tmp):
    """Else the tasks of the real videos, which show the same prompts, would keep a draft from being submitted."""
    path = ROOT / "manifests" / "cities.yaml"
    words = ["--simulate", "--yes", "--quiet", "--poll-interval", "0.05", "--select", "map", "--profile", "draft"]
    assert guarded(["run", str(path), *words]) == 0
    assert manifests_of(Path("out/simulated/cities@draft/journal.jsonl")) == {"cities.yaml@draft"}
