"""A matrix of 3 × 4 with takes and picks over two runs, edited between them: what is there stays as it is.

Judged from outside: by what the service was asked for, by the journal's bytes and by the files.
"""

import json

from cli.stage import Rules, events, service
from cli.stage import run as run_at_pace
from cli.takes import picks

from wanbatch.cli.door import guarded
from wanbatch.manifest.check import load

FIRST = """\
wanbatch: 1
defaults: {resolution: 720P, duration: 5}
scenes:
  - {id: alley, prompt: an alley in the rain, takes: 2}
  - id: skyline
    prompt: slow pass over ${city}
    takes: 2
    matrix:
      city: [Paris, Tokyo, Rome]
      ratio: [16:9, 9:16, 1:1, 4:3]
      exclude: [{city: Tokyo, ratio: 9:16}, {ratio: 4:3, city: Rome}]
      include: [{city: Oslo, ratio: 3:4}]
  - {id: roof, prompt: a roof in the rain}
"""
SECOND = """\
wanbatch: 1
defaults: {duration: 5, resolution: 720P}
scenes:
  - {id: roof, prompt: a roof in the rain, tags: [moved]}
  - {id: alley, prompt: an alley in the rain, takes: 2}
  - {id: cellar, prompt: a cellar in the rain}   # inserted between
  - id: skyline
    takes: 2
    matrix:
      ratio: [1:1, 16:9, 9:16, 4:3]
      include: [{ratio: 3:4, city: Oslo}]
      exclude: [{city: Tokyo, ratio: 9:16}, {ratio: 4:3, city: Rome}]
      city: [Lima, Paris, Tokyo, Rome]           # Lima is new
    prompt: slow pass over ${city}
"""
COMBINATIONS = 3 * 4 - 2 + 1
BRISK = Rules(pending_s=0, render_s=0, submit_rate=100, query_rate=400)


def run(simulator, *args):
    """A run that does not wait for the documented rates."""
    return run_at_pace(simulator, *args, "--submit-rate", 100, "--query-rate", 400)


def jobs(path):
    """Digest, seed and file name of each take, by scene and number."""
    return {
        (one.key.scene, one.key.take): (str(one.key), one.request.digest(), one.take.seed, one.key.stem)
        for one in load(path).wanted
    }


def videos(folder):
    """The videos: when each was written, and as what."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (folder / "videos").glob("*.mp4")}


def test_an_inserted_scene_a_grown_matrix_and_new_takes_change_nothing_that_is_there(in_tmp):
    path, folder = in_tmp / "film.yaml", in_tmp / "out/film"
    path.write_text(FIRST, "utf-8")
    with service(BRISK) as sim:
        assert run(sim, path) == 0
        first, made = jobs(path), videos(folder)
        assert len(first) == 2 + COMBINATIONS * 2 + 1 == sim.stats()["accepted"]
        assert len(made) == len(first)
        assert guarded(["pick", "alley", "2"]) == 0
        assert guarded(["pick", "skyline[city=Paris,ratio=16:9]", "2"]) == 0
        chosen = picks(in_tmp)
        journal = (folder / "journal.jsonl").read_bytes()

        path.write_text(SECOND, "utf-8")
        assert guarded(["reroll", "alley", "skyline[city=Oslo]"]) == 0
        second = jobs(path)
        assert {name: second[name] for name in first} == first
        new = {scene for scene, _ in second.keys() - first.keys()}
        lima = {f"skyline[city=Lima,ratio={ratio}]" for ratio in ("1:1", "16:9", "9:16", "4:3")}
        assert new == {"cellar", "alley", "skyline[city=Oslo,ratio=3:4]", *lima}
        assert (folder / "journal.jsonl").read_bytes() == journal

        assert run(sim, path) == 0
        assert sim.stats()["accepted"] == len(second) == len(first) + 1 + 2 + 4 * 2
        assert {len(tasks) for tasks in sim.stats()["accepted_by_body"].values()} == {1}

    assert sim.stats()["accepted_by_body"].keys() == {digest for _, digest, _, _ in second.values()}
    after = videos(folder)
    assert {name: after[name] for name in made} == made
    assert len(after) == len(second)
    lines = events(folder)[journal.count(b"\n") :]
    assert {line["job"] for line in lines if "job" in line}.isdisjoint(job for job, _, _, _ in first.values())
    assert not (folder / "superseded").exists() or not list((folder / "superseded").iterdir())
    assert picks(in_tmp).startswith(chosen)
    assert guarded(["pick", "film.yaml", "skyline.paris.16x9", "2"]) == 0
    assert picks(in_tmp).startswith(chosen)


def test_the_video_of_a_scene_that_left_is_named_where_a_take_has_its_name_and_nothing_is_paid_before_it_is_moved(
    in_tmp, capsys
):
    path, videos = in_tmp / "film.yaml", in_tmp / "out/film/videos"
    head = "wanbatch: 1\ndefaults: {resolution: 720P, duration: 5}\nscenes:\n"
    path.write_text(f"{head}  - {{id: alley.t2, prompt: another alley}}\n", "utf-8")
    with service(BRISK) as sim:
        assert run(sim, path) == 0
        path.write_text(f"{head}  - {{id: alley, prompt: an alley, takes: 2}}\n", "utf-8")
        assert run(sim, path) == 8
        assert "videos/alley.t2.mp4 is the video of scene alley.t2, " in capsys.readouterr().err
        assert guarded(["plan", str(path), "--json"]) == 8
        assert json.loads(capsys.readouterr().out)["entries"][1]["reason"] == (
            "videos/alley.t2.mp4 is the video of scene alley.t2, which left the manifest: move it and its .json away"
        )
        (videos / "alley.t2.mp4").rename(in_tmp / "kept.mp4")
        assert run(sim, path) == 8
        assert sim.stats()["accepted"] == 2, "the alley and what left"
        (videos / "alley.t2.json").rename(in_tmp / "kept.json")
        assert run(sim, path) == 0
        assert sim.stats()["accepted"] == 3
    assert (videos / "alley.t2.mp4").exists()


def test_what_leaves_the_matrix_keeps_its_files_and_comes_back_for_nothing(in_tmp):
    path, folder = in_tmp / "film.yaml", in_tmp / "out/film"
    path.write_text(FIRST, "utf-8")
    with service(BRISK) as sim:
        assert run(sim, path, "--select", "skyline") == 0
        made = videos(folder)
        path.write_text(FIRST.replace("Tokyo, Rome", "Tokyo").replace(", {ratio: 4:3, city: Rome}", ""), "utf-8")
        assert run(sim, path, "--select", "skyline") == 0
        assert videos(folder) == made
        path.write_text(FIRST, "utf-8")
        assert run(sim, path, "--select", "skyline") == 0
        assert videos(folder) == made
        assert sim.stats()["accepted"] == COMBINATIONS * 2
