"""The lock file in runs: written after each, whatever was selected; kept to with --locked; never in the way."""

import json
import os
import subprocess
from decimal import Decimal

import pytest
from cli.stage import QUICK, Rules, kinds, requests, run, service, wanbatch
from jobs.test_locked import entry
from support import manifest, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs import lockfile
from wanbatch.jobs.locked import Lock
from wanbatch.money.amount import Cost


def lock(folder, name="film"):
    """The lock file as it is."""
    return lockfile.read(folder / f"{name}.lock.yaml")


def stems(folder, name="film"):
    return [one.stem for one in lock(folder, name).entries]


def wants(path, scene):
    """A job that a manifest on disk asks for."""
    return next(one for one in manifest(path.read_text("utf-8")).wanted if one.key.scene == scene)


def test_a_run_records_each_video_as_it_is(in_tmp):
    path = write_manifest(in_tmp, "roof", "alley")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
    found = lock(in_tmp)
    rows = {row["scene"]: row for row in json.loads((in_tmp / "out/film/results.json").read_bytes())["scenes"]}
    assert [one.stem for one in found.entries] == ["alley", "roof"]
    for one in found.entries:
        row = rows[one.scene]
        assert (one.path, one.size_bytes, one.sha256) == (row["path"], row["size_bytes"], row["sha256"])
        assert one.task_id == row["task_id"]
        assert one.digest == wants(path, one.scene).request.digest()
        assert one.cost == Cost(Decimal("3.0"), "CNY", "2026-08-15")
        assert set(one.times) == {"submit_time", "scheduled_time", "end_time"}


def test_a_run_that_changes_nothing_leaves_the_file_alone(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        before = (in_tmp / "film.lock.yaml").stat()
        assert run(sim, path) == 0
    after = (in_tmp / "film.lock.yaml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_quiet_is_no_reason_not_to_write_it(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--quiet") == 0
    assert stems(in_tmp) == ["alley"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("flags", [["--select", "roof"], ["--shard", "1/2"]])
def test_a_run_of_a_part_drops_nothing_of_the_others(flags, in_tmp):
    path = write_manifest(in_tmp, "alley", "roof", "pier", "gulls")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        before = (in_tmp / "film.lock.yaml").read_bytes()
        (in_tmp / "film.lock.yaml").unlink()
        assert run(sim, path, *flags) == 0
    assert (in_tmp / "film.lock.yaml").read_bytes() == before


def test_what_is_simulated_is_not_recorded(in_tmp):
    assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", "-q"]) == 0
    assert not (in_tmp / "film.lock.yaml").exists()


def test_a_run_without_a_video_makes_no_file(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert guarded(["submit", str(path), "--yes", "--base-url", sim.base_url]) == 4
        assert not (in_tmp / "film.lock.yaml").exists()
        assert guarded(["wait", str(path), "--base-url", sim.base_url, "--poll-interval", "0.05"]) == 0
    assert stems(in_tmp) == ["alley"]


def test_a_run_of_a_saved_plan_writes_it_too(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert guarded(["plan", str(path), "--base-url", sim.base_url, "--save", "plan.json"]) == 0
        assert guarded(["run", "plan.json", "--poll-interval", "0.05"]) == 0
    assert stems(in_tmp) == ["alley"]


def test_a_profile_has_a_lock_file_of_its_own(in_tmp):
    path = write_manifest(in_tmp)
    with path.open("a", encoding="utf-8") as stream:
        stream.write("profiles: {draft: {resolution: 1080P}}\n")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        assert run(sim, path, "--profile", "draft") == 0
    assert lock(in_tmp, "film@draft").profile == "draft"
    assert [one.outline["resolution"] for one in lock(in_tmp, "film@draft").entries] == ["1080P"]
    assert [one.outline["resolution"] for one in lock(in_tmp).entries] == ["720P"]


def test_a_scene_that_left_the_manifest_leaves_the_lock_and_its_video_stays(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        write_manifest(in_tmp, "roof")
        assert run(sim, path) == 0
    assert stems(in_tmp) == ["roof"]
    assert (in_tmp / "out/film/videos/alley.mp4").exists()


# nothing of it is in the way of the videos


UNWRITTEN = "wanbatch: the lock file was not written: "


def test_a_folder_that_takes_no_file_is_said_and_changes_no_exit_code(in_tmp):
    path = write_manifest(in_tmp)
    (in_tmp / "out").mkdir()
    with service(QUICK) as sim:
        if os.geteuid() == 0:  # no folder is closed to root: a name in the way stands for it
            (in_tmp / ".film.lock.yaml.draft").mkdir()
        else:
            in_tmp.chmod(0o555)
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, "--poll-interval", "0.05", "-q")
        in_tmp.chmod(0o755)
    assert ended.returncode == 0, ended.stderr
    assert UNWRITTEN in ended.stderr
    assert "; the videos are safe\n  the next run writes it\n" in ended.stderr
    assert not (in_tmp / "film.lock.yaml").exists()


def test_a_lock_file_that_is_damaged_is_left_as_it_is_and_said(in_tmp, capsys):
    path = write_manifest(in_tmp)
    theirs = "<<<<<<< HEAD\nwanbatch_lock: 1\n"
    (in_tmp / "film.lock.yaml").write_text(theirs, "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
    assert (in_tmp / "film.lock.yaml").read_text("utf-8") == theirs
    assert "the lock file was left as it is: " in (said := capsys.readouterr().err)
    assert "film.lock.yaml:1:1: a conflict that git left; the videos are safe\n" in said


def test_a_name_that_is_no_file_is_said(in_tmp, capsys):
    path = write_manifest(in_tmp)
    (in_tmp / "film.lock.yaml").mkdir()
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
    assert f"{UNWRITTEN}cannot read" in capsys.readouterr().err


def test_the_lock_file_of_another_manifest_is_left_as_it_is_and_said(in_tmp, capsys):
    """`film.yaml` and `film.yml` would share one."""
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        before = (in_tmp / "film.lock.yaml").read_bytes()
        text = path.read_text("utf-8").replace("wanbatch: 1", "wanbatch: 1\nname: other")
        other = in_tmp / "film.yml"
        other.write_text(text.replace("a alley", "another alley"), "utf-8")
        capsys.readouterr()
        assert run(sim, other) == 0
        said = f"{in_tmp}/film.lock.yaml is the lock file of film; it was left as it is; the videos are safe\n"
        assert f"wanbatch: the lock file was not written: {said}" in capsys.readouterr().err
        assert (in_tmp / "film.lock.yaml").read_bytes() == before
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 2


def test_the_lock_file_of_another_profile_is_left_as_it_is_and_said(in_tmp, capsys):
    """A manifest that is called like another one's profile."""
    path = write_manifest(in_tmp, "alley")
    path.write_text(path.read_text("utf-8") + "profiles: {draft: {ratio: 1:1}}\n", "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path, "--profile", "draft") == 0
        before = (in_tmp / "film@draft.lock.yaml").read_bytes()
        other = in_tmp / "film@draft.yaml"
        other.write_text(f"name: film\n{path.read_text('utf-8')}", "utf-8")
        capsys.readouterr()
        assert run(sim, other) == 0
    assert "film@draft.lock.yaml is the lock file of film@draft; it was left as it is; " in capsys.readouterr().err
    assert (in_tmp / "film@draft.lock.yaml").read_bytes() == before


def test_a_manifest_that_is_no_file_has_no_lock(in_tmp):
    text = write_manifest(in_tmp).rename(in_tmp / "text")
    os.mkfifo(in_tmp / "film.yaml")
    with service(QUICK) as sim, subprocess.Popen(["sh", "-c", "cat text > film.yaml"]):
        assert run(sim, "film.yaml") == 0
    assert text.exists()
    assert (in_tmp / "out/film/videos/alley.mp4").exists()
    assert not (in_tmp / "film.lock.yaml").exists()


def test_a_failed_scene_keeps_no_others_from_being_recorded(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "'[moderated output]'"), "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path) == 3
    assert stems(in_tmp) == ["roof"]


def test_a_run_that_a_cap_ended_records_what_it_made(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path, "--max-cost", "4 CNY") == 7
    assert stems(in_tmp) == ["alley"]


def test_a_run_that_was_killed_before_it_wrote_the_lock_costs_the_next_one_nothing(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        (in_tmp / "film.lock.yaml").unlink()
        (in_tmp / ".film.lock.yaml.draft").write_text("wanbatch_lo", "utf-8")
        asked = requests(sim)
        assert run(sim, path) == 0
        assert requests(sim) == asked
    assert stems(in_tmp) == ["alley", "roof"]
    assert not (in_tmp / ".film.lock.yaml.draft").exists()


# several machines


def test_what_another_machine_made_stays_in_the_lock(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    theirs = entry(wants(path, "alley"))
    lockfile.write(in_tmp / "film.lock.yaml", Lock("film", None, (theirs,)))
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "roof") == 0
    assert stems(in_tmp) == ["alley", "roof"]
    assert lock(in_tmp).entries[0] == theirs


def test_of_two_machines_the_first_ones_record_stays_and_it_is_said(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley")
    theirs = entry(wants(path, "alley"))
    lockfile.write(in_tmp / "film.lock.yaml", Lock("film", None, (theirs,)))
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
    assert lock(in_tmp).entries == (theirs,)
    said = capsys.readouterr().err
    assert "film.lock.yaml keeps what was made elsewhere of alley; this folder has other videos\n" in said
    assert "film.lock.yaml and run again" in said
    with service(QUICK) as sim:
        (in_tmp / "film.lock.yaml").unlink()
        assert run(sim, path, "-q") == 0
    assert lock(in_tmp).entries[0].task_id != theirs.task_id


# --locked


def refused(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("wanbatch: ")]


def test_locked_a_run_goes_as_any_other_where_manifest_and_lock_agree(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        assert run(sim, path, "--locked") == 0
        (in_tmp / "out").rename(in_tmp / "before")
        assert run(sim, path, "--locked", "--ignore-orphans") == 0
    assert (in_tmp / "out/film/videos/roof.mp4").exists()


@pytest.mark.parametrize("verb", ["run", "submit"])
def test_locked_nothing_is_sent_where_they_disagree_and_the_fields_are_named(verb, in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        written, asked = kinds(in_tmp / "out/film"), requests(sim)
        write_manifest(in_tmp, "alley", "pier", resolution="1080P")
        capsys.readouterr()
        assert guarded([verb, str(path), "--yes", "--locked", "--base-url", sim.base_url]) == 7
        assert (kinds(in_tmp / "out/film"), requests(sim)) == (written, asked)
    (said,) = refused(capsys)
    assert said.startswith(f"wanbatch: {path} and {in_tmp}/film.lock.yaml disagree; nothing was sent: ")
    assert said.endswith("alley (resolution 720P → 1080P), pier (not in the lock), roof (only in the lock)")


def test_locked_a_selection_does_not_hide_what_disagrees_elsewhere(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        write_manifest(in_tmp, "alley", "roof", "pier")
        capsys.readouterr()
        assert run(sim, path, "--locked", "--select", "alley") == 7
    (said,) = refused(capsys)
    assert said.endswith("nothing was sent: pier (not in the lock)")


def test_locked_only_the_first_few_are_named(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        write_manifest(in_tmp, "alley", *(f"s{number}" for number in range(7)))
        assert run(sim, path, "--locked") == 7
    (said,) = refused(capsys)
    assert said.endswith("s3 (not in the lock), s4 (not in the lock) and 2 more")


def test_locked_without_a_lock_file_nothing_is_sent(in_tmp, capsys):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert run(sim, path, "--locked") == 7
        assert requests(sim) == {}
    (said,) = refused(capsys)
    assert said.endswith("film.lock.yaml is not there, and --locked submits only what is in it; nothing was sent")


def test_locked_a_damaged_lock_file_is_shown_with_its_place(in_tmp, capsys):
    path = write_manifest(in_tmp)
    (in_tmp / "film.lock.yaml").write_text("wanbatch_lock: 1\nmanifest: film\njobs: {alley: 1}\n", "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path, "--locked") == 5
        assert requests(sim) == {}
    assert "film.lock.yaml:3:15: E341 alley is no block of fields\n" in capsys.readouterr().err


def test_locked_a_withheld_video_is_not_made_with_another_seed(in_tmp):
    path = write_manifest(in_tmp, "alley")
    text = path.read_text("utf-8").replace("a alley in the rain", "'[moderated output] alley'")
    path.write_text(text + "run: {retries: {moderation: 3}}\n", "utf-8")
    lockfile.write(in_tmp / "film.lock.yaml", Lock("film", None, (entry(wants(path, "alley")),)))
    with service(Rules(pending_s=0, render_s=0)) as sim:
        assert run(sim, path, "--locked") == 3
        assert requests(sim)["create"] == 1
        assert run(sim, path, "--locked") == 7, "the take stands for another seed now"


MATRIX = """\
wanbatch: 1
defaults: {resolution: 720P, duration: 2}
scenes:
  - id: skyline
    prompt: "${city} at dawn"
    takes: 2
    matrix: {city: [Paris, São Paulo], ratio: [16:9, 1:1]}
"""


def test_a_matrix_with_takes_and_a_pick_is_recorded_by_its_names(in_tmp, capsys):
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
        assert guarded(["pick", str(path), "skyline[city=Paris,ratio=1:1]", "2"]) == 0
        assert run(sim, path, "-q", "--locked") == 0
    found = lock(in_tmp).entries
    assert len(found) == 8
    assert [one.stem for one in found if one.picked] == ["skyline.paris.1x1.t2"]
    assert "skyline.são-paulo.16x9" in [one.stem for one in found]
    capsys.readouterr()
    assert guarded(["verify", str(path)]) == 0
    assert capsys.readouterr().out == "verify: 8 locked videos, all as locked\n"
