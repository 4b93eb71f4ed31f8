"""A profile has the real scenes' prompts and a folder beside theirs: neither takes the other's tasks or videos."""

import json
from pathlib import Path

import pytest
from cli.stage import QUICK, kinds, requests, run, service, start, wait_until
from support import write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs.journal import read

LOST = {"endpoint": "create", "kind": "reset_before_accept", "nth": 1}


def film(folder: Path) -> Path:
    """A manifest of one scene, with a profile that makes the same picture, but for the watermark."""
    path = write_manifest(folder, "alley")
    with path.open("a", encoding="utf-8") as manifest:
        manifest.write("profiles: {marked: {watermark: true}, draft: {resolution: 720P}}\n")
    return path


@pytest.mark.parametrize("verb", ["wait", "run", "reconcile"])
def test_a_profiles_task_is_never_taken_for_a_real_scenes_that_is_in_doubt(in_tmp, verb):
    with service(QUICK, LOST) as sim:
        path = film(in_tmp)
        process = start("run", path, "--yes", "--base-url", sim.base_url)
        wait_until(lambda: "SubmitUnclear" in kinds(in_tmp / "out/film"))
        process.kill()
        process.communicate()
        assert run(sim, path, "--profile", "marked") == 0
        spends = ["--yes"] if verb == "run" else []
        assert guarded([verb, str(path), "--base-url", sim.base_url, "--settle", "0", *spends]) == 8
        assert requests(sim)["create"] == 2
    (job,) = read(in_tmp / "out/film/journal.jsonl").jobs.values()
    assert job.task_id is None
    assert "no task of the account matches" in job.state.reason


def test_a_profile_and_the_real_ones_are_made_side_by_side(in_tmp):
    with service(QUICK) as sim:
        path = film(in_tmp)
        assert run(sim, path, "--profile", "marked") == run(sim, path) == run(sim, path, "--profile", "marked") == 0
        assert requests(sim)["create"] == 2
    marks = {}
    for folder in ("film", "film@marked"):
        sidecar = json.loads(Path("out", folder, "videos/alley.json").read_text("utf-8"))
        marks[folder] = sidecar["request"]["parameters"]["watermark"]
    assert marks == {"film": False, "film@marked": True}
    assert sorted(one.name for one in in_tmp.glob("*.lock.yaml")) == ["film.lock.yaml", "film@marked.lock.yaml"]
