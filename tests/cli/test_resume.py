"""Killed at any moment and started again: every video comes, and nothing is submitted twice."""

import json
import os
import random
import subprocess
import time
import urllib.request

import pytest
from cli.stage import (
    FAST,
    PATIENCE_S,
    QUICK,
    Rules,
    events,
    kinds,
    requests,
    run,
    service,
    simulate,
    start,
    wait_until,
    wanbatch,
)
from support import manifest, write_manifest

SLOW_ENOUGH = Rules(pending_s=0, render_s=1.5, slots=12)


def stats(base_url):
    with urllib.request.urlopen(base_url.removesuffix("/api/v1") + "/_stats", timeout=10) as reply:
        return json.load(reply)


def prompt_now(path, scene, words):
    """Edit a scene's prompt."""
    text = path.read_text("utf-8")
    before = text[text.index(f"id: {scene}, prompt: ") :].partition("}")[0]
    path.write_text(text.replace(before, f"id: {scene}, prompt: {words}"), "utf-8")


@pytest.mark.parametrize(
    "seed", [int(os.environ.get("WANBATCH_SEED", random.randrange(10**6))) for _ in range(2)], ids=["once", "again"]
)
def test_killed_at_random_moments_every_video_comes_and_no_request_makes_two_tasks(seed, in_tmp):
    chance = random.Random(seed)
    print(f"WANBATCH_SEED={seed}")  # noqa: T201 - shown when it fails, and repeats it
    path = write_manifest(in_tmp, *(f"s{number:02}" for number in range(12)))
    folder = in_tmp / "out/film"
    with simulate("--render-s", "1", "--slots", "12") as base_url:
        command = ["run", path, "--yes", "--base-url", base_url, "--settle", "1", "--concurrency", "12", *FAST]
        for _ in range(6):
            before = len(events(folder))
            process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(
                lambda before=before, process=process: len(events(folder)) > before or process.poll() is not None
            )
            time.sleep(chance.uniform(0, 0.7))  # the moment itself is the chance
            process.kill()
            process.wait()
        ended = wanbatch(*command)
        while ended.returncode == 8:  # killed between the intent and the POST: proved absent, so it may go again
            held = next(
                one for one in json.loads(wanbatch("status", path, "--json").stdout)["jobs"] if one["state"] == "held"
            )
            assert f"a {held['scene']} in the rain" not in stats(base_url)["accepted_by_prompt"], f"seed {seed}"
            assert wanbatch("resolve", path, held["scene"], "--resubmit").returncode == 0
            ended = wanbatch(*command)
        assert ended.returncode == 0, (seed, ended.stderr)
        accepted = stats(base_url)["accepted_by_body"]
    wanted = manifest(path.read_text("utf-8")).wanted
    assert {digest: len(tasks) for digest, tasks in accepted.items()} == {one.request.digest(): 1 for one in wanted}, (
        f"seed {seed}"
    )
    for one in wanted:
        record = json.loads((folder / f"videos/{one.key.stem}.json").read_bytes())
        video = (folder / f"videos/{one.key.stem}.mp4").read_bytes()
        assert [record["task_id"]] == accepted[one.request.digest()], f"seed {seed}"
        assert len(video) == record["size_bytes"]
    assert not list(folder.rglob("*.part"))


def test_an_edited_scene_is_made_anew_and_the_old_video_kept_with_its_sidecar(in_tmp):
    path, folder = write_manifest(in_tmp, "alley", "roof"), in_tmp / "out/film"
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        old_video, old_record = ((folder / f"videos/alley.{end}").read_bytes() for end in ("mp4", "json"))
        prompt_now(path, "alley", "an alley in the sun")
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 3
    aside = next((folder / "superseded").glob("alley.*.mp4"))
    assert aside.read_bytes() == old_video
    assert aside.with_suffix(".json").read_bytes() == old_record
    now = json.loads((folder / "videos/alley.json").read_bytes())
    assert now["request"]["input"]["prompt"] == "an alley in the sun"


def test_a_reverted_edit_brings_the_old_video_back_without_a_request(in_tmp, capsys):
    path, folder = write_manifest(in_tmp, "alley"), in_tmp / "out/film"
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        original = (folder / "videos/alley.mp4").read_bytes()
        prompt_now(path, "alley", "an alley in the sun")
        assert run(sim, path) == 0
        asked = requests(sim)
        prompt_now(path, "alley", "a alley in the rain")
        capsys.readouterr()
        assert run(sim, path) == 0
        assert requests(sim) == asked
    assert "run: 0 saved, 1 restored, 1 of 1 videos are in out/film\n" in capsys.readouterr().err
    assert (folder / "videos/alley.mp4").read_bytes() == original


def test_a_deleted_video_is_fetched_again_without_a_submission(in_tmp):
    path, video = write_manifest(in_tmp, "alley"), in_tmp / "out/film/videos/alley.mp4"
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        content = video.read_bytes()
        video.unlink()
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 1
    assert video.read_bytes() == content


def test_a_scene_that_left_the_manifest_in_flight_is_still_collected(in_tmp):
    path, folder = write_manifest(in_tmp, "alley", "roof"), in_tmp / "out/film"
    with service(SLOW_ENOUGH) as sim:
        process = start("run", path, "--yes", "--base-url", sim.base_url)
        wait_until(lambda: kinds(folder).count("SubmitAccepted") == 2)
        process.kill()
        process.communicate()
        write_manifest(in_tmp, "roof")
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 2
    assert (folder / "videos/alley.mp4").exists()
    assert (folder / "videos/roof.mp4").exists()


def test_two_manifests_in_two_folders_run_at_once(in_tmp):
    for name in ("one", "two"):
        (in_tmp / name).mkdir()
        write_manifest(in_tmp / name, f"alley-{name}", f"roof-{name}")
    with service(SLOW_ENOUGH) as sim:
        command = ["run", "film.yaml", "--yes", "--base-url", sim.base_url, *FAST]
        both = [start(*command, cwd=in_tmp / name) for name in ("one", "two")]
        for process in both:
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, said
        assert [len(tasks) for tasks in sim.stats()["accepted_by_body"].values()] == [1, 1, 1, 1]
    assert len(list(in_tmp.glob("*/out/film/videos/*.mp4"))) == 4


def test_a_torn_last_line_is_said_and_the_run_goes_on(in_tmp, capsys):
    path, journal = write_manifest(in_tmp, "alley"), in_tmp / "out/film/journal.jsonl"
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        asked = requests(sim)["create"]
        whole = journal.read_bytes()
        journal.write_bytes(whole[:-25])
        capsys.readouterr()
        assert run(sim, path) == 0
        assert requests(sim)["create"] == asked
    lost = len(whole.splitlines()[-1]) + 1 - 25
    assert capsys.readouterr().err.startswith(
        f"wanbatch: out/film/journal.jsonl: the last line was cut short by a crash ({lost} bytes) and is left out\n"
    )
