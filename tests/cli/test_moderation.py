"""A video that the service withholds is made again with another seed where the manifest says so, and paid for once."""

import json
import os
import signal

import pytest
from cli.stage import FAST, events, kinds, service, start, wait_until, wanbatch

from wanbatch.simulator.rules import Rules

FILM = """wanbatch: 1
run: {%s}
defaults: {resolution: 720P, duration: 5}
scenes:
  - {id: alley, prompt: a wet alley}
  - {id: roof, prompt: a dry roof%s}
"""
QUICK = Rules(render_s=0.05, pending_s=0.0)


def withheld(*nths: int) -> list[dict[str, object]]:
    return [{"endpoint": "create", "kind": "fails", "code": "DataInspectionFailed", "nth": nth} for nth in nths]


def film(folder, run: str, more: str = ""):
    path = folder / "film.yaml"
    path.write_text(FILM % (run, more), "utf-8")
    return path


def made(folder) -> list[str]:
    return sorted(path.name for path in (folder / "out/film/videos").glob("*.mp4"))


def test_a_withheld_video_is_made_with_another_seed_in_the_same_run(in_tmp):
    path = film(in_tmp, "retries: {moderation: 2}")
    with service(QUICK, *withheld(1, 3)) as sim:
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST)
        assert ended.returncode == 0, ended.stderr
        assert made(in_tmp) == ["alley.mp4", "roof.mp4"]
        assert sim.stats()["accepted"] == 4
        again = wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST)
        assert (again.returncode, sim.stats()["accepted"]) == (0, 4)
    failed = [line for line in events(in_tmp / "out/film") if line["event"] == "TaskFailed"]
    assert len(failed) == 2
    rows = {
        row["scene"]: row["outcome"] for row in json.loads((in_tmp / "out/film/results.json").read_text())["scenes"]
    }
    assert set(rows.values()) == {"done"}


@pytest.mark.parametrize(
    ("run", "more", "faults"),
    [
        ("concurrency: 1", "", withheld(1)),
        ("concurrency: 1, retries: {moderation: 0}", "", withheld(1)),
        ("concurrency: 1, retries: {moderation: 1}", ", seed: 7", withheld(2)),
        ("concurrency: 1, retries: {moderation: 3}", "",
         [{"endpoint": "create", "kind": "denied", "code": "DataInspectionFailed", "nth": 1}]),
    ],
    ids=["not asked for", "none", "own seed", "the prompt is refused"],
)  # fmt: skip
def test_nothing_else_is_made_again(run, more, faults, in_tmp):
    with service(QUICK, *faults) as sim:
        ended = wanbatch("run", film(in_tmp, run, more), "--yes", "--base-url", sim.base_url, *FAST)
        assert ended.returncode == 3
        place = "6:24: the text of scene roof" if more else "5:25: the text of scene alley"
        assert f"film.yaml:{place}" in ended.stderr
        assert sim.stats()["requests"]["create"] == 2
    assert len(made(in_tmp)) == 1


def test_what_is_withheld_every_time_ends_as_failed(in_tmp):
    path = film(in_tmp, "retries: {moderation: 1}, concurrency: 1")
    with service(QUICK, *withheld(1, 3)) as sim:
        assert wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST).returncode == 3
        assert sim.stats()["accepted"] == 3
        status = wanbatch("status", path)
        assert "DataInspectionFailed" in status.stdout
        plan = wanbatch("plan", path, "--base-url", sim.base_url)
    assert "1 done, 1 failed" in plan.stdout


def test_a_cap_of_a_run_holds_over_its_further_seeds(in_tmp):
    path = film(in_tmp, "retries: {moderation: 2}, concurrency: 1")
    with service(Rules(render_s=3.0, pending_s=0.0), *withheld(1)) as sim:
        process = start("run", path, "--yes", "--base-url", sim.base_url, *FAST)
        journal = in_tmp / "out/film/journal.jsonl"
        wait_until(lambda: journal.exists() and "SubmitAccepted" in kinds(in_tmp / "out/film"))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        ended = wanbatch("run", path, "--max-cost", "3 CNY", "--base-url", sim.base_url, *FAST)
        assert ended.returncode == 7, ended.stderr
        assert sim.stats()["accepted"] == 2, (
            "the first, which was withheld, and the second, which is all that the cap allows"
        )
