"""Tasks that the journal does not know: held back, adopted, or submitted in spite of them."""

import os
import shutil

import pytest
from cli.stage import QUICK, Rules, kinds, requests, run, service, start, wait_until
from support import NOW, manifest_text, planned, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s
from wanbatch.jobs.again import current
from wanbatch.jobs.journal import Journal, read
from wanbatch.manifest.check import load
from wanbatch.run import COPIED_MARK, was_copied

FOLDER, JOURNAL = "out/film", "out/film/journal.jsonl"


def forgotten(sim, folder, *ids):
    """A manifest that was run, of which neither journal nor videos are left; its path and the tasks by prompt."""
    path = write_manifest(folder, *ids)
    assert run(sim, path) == 0
    shutil.rmtree(folder / FOLDER)
    return path, sim.stats()["accepted_by_prompt"]


def test_a_deleted_journal_pays_nothing_again_and_names_the_task_to_adopt(in_tmp, capsys):
    with service(QUICK) as sim:
        path, tasks = forgotten(sim, in_tmp, "alley")
        (task,) = tasks["a alley in the rain"]
        write_manifest(in_tmp, "alley", "roof")
        capsys.readouterr()
        assert run(sim, path) == 8
        said = capsys.readouterr().err
        assert f"alley  held  task {task} of the account shows its pr" in said
        assert (
            "wanbatch: 1 scene was not submitted: it may be made and paid for already (3.00 CNY at prices of 2026-08"
            in said
        )
        assert f"  if none is: wanbatch run {path} --base-url {sim.base_url} --yes --ignore-orphans\n" in said
        adopt = f"wanbatch adopt {path} {task} --as alley"
        assert f"  if it is its video: {adopt}\n" in said
        assert guarded(adopt.split()[1:]) == 0
        assert capsys.readouterr().err == f"scene alley is task {task}; next: wanbatch run {path}\n"
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 2
    assert (in_tmp / FOLDER / "videos/alley.mp4").exists()


def test_a_restored_journal_pays_nothing_again(in_tmp):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley", "roof")
        assert run(sim, path, "--select", "alley") == 0
        copy = (in_tmp / JOURNAL).read_bytes()
        assert run(sim, path) == 0
        (in_tmp / JOURNAL).write_bytes(copy)
        shutil.rmtree(in_tmp / FOLDER / "videos")
        (in_tmp / FOLDER / "videos").mkdir()
        assert run(sim, path) == 8
        assert requests(sim)["create"] == 2


def test_who_knows_better_submits_in_spite_of_it(in_tmp):
    with service(QUICK) as sim:
        path, _ = forgotten(sim, in_tmp, "alley")
        asked = requests(sim)["list"]
        assert run(sim, path, "--ignore-orphans") == 0
        assert requests(sim)["create"] == 2
        assert requests(sim)["list"] == asked


def test_strangers_that_still_run_are_said_and_stop_nothing(in_tmp, capsys):
    with service(Rules(pending_s=0, render_s=600, slots=9)) as sim:
        other = write_manifest(in_tmp, "alley", name="other.yaml")  # not beside: nobody here can know whose it is
        process = start("run", other, "--yes", "--base-url", sim.base_url, "--out", "elsewhere/other")
        wait_until(lambda: "SubmitAccepted" in kinds(in_tmp / "elsewhere/other"))
        process.kill()
        process.communicate()
        process = start("run", write_manifest(in_tmp, "roof"), "--yes", "--base-url", sim.base_url)
        wait_until(lambda: "SubmitAccepted" in kinds(in_tmp / FOLDER))
        process.kill()
        said = process.communicate()[1]
    (task,) = sim.stats()["accepted_by_prompt"]["a alley in the rain"]
    assert f"wanbatch: 1 task of the account that no scene here has: {task}; " in said


def test_a_scene_that_has_its_video_adopts_nothing_and_a_task_has_one_scene(in_tmp, capsys):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley", "roof")
        assert run(sim, path, "--select", "alley") == 0
        (task,) = sim.stats()["accepted_by_prompt"]["a alley in the rain"]
    before = (in_tmp / JOURNAL).read_bytes()
    capsys.readouterr()
    assert guarded(["adopt", str(path), "another", "--as", "alley"]) == 2
    assert guarded(["adopt", str(path), task, "--as", "roof"]) == 2
    assert guarded(["adopt", str(path), "another", "--as", "cellar"]) == 2
    assert guarded(["adopt", str(path), "../etc", "--as", "roof"]) == 2
    said = capsys.readouterr().err
    assert f"wanbatch: scene alley is done as task {task}; nothing was changed\n" in said
    assert f"wanbatch: task {task} belongs to scene alley already; nothing was changed\n" in said
    assert "wanbatch: the manifest has no scene cellar\n  it has: alley, roof\n" in said
    assert "a task id is letters, digits and hyphens" in said
    assert (in_tmp / JOURNAL).read_bytes() == before


def test_a_task_is_given_to_the_seed_that_is_wanted_after_a_video_was_withheld(in_tmp):
    path = in_tmp / "film.yaml"
    text = manifest_text("alley").replace("wanbatch: 1", "wanbatch: 1\nrun: {retries: {moderation: 1}}")
    path.write_text(text, "utf-8")
    one = load(path).wanted[0]
    withheld = [
        s.SubmitIntended(),
        s.SubmitAccepted("t-1"),
        s.TaskFailed("DataInspectionFailed", "Output data may contain it"),
    ]
    (in_tmp / FOLDER).mkdir(parents=True)
    with Journal.open(in_tmp / JOURNAL, NOW) as journal:
        for event in (planned(one), *withheld):
            journal.record(one.key, event, NOW)
        (now,) = current((one,), journal.board, 1)
    assert now.key != one.key
    assert guarded(["adopt", str(path), "t-2", "--as", "alley"]) == 0
    jobs = read(in_tmp / JOURNAL).jobs
    assert isinstance(jobs[one.key].state, s.Failed)
    assert jobs[now.key].task_id == "t-2"


@pytest.fixture
def written(in_tmp):
    """A journal whose last line was written long ago, as its file's time says."""
    path = in_tmp / "journal.jsonl"
    Journal.open(path, 1_000_000.0).close()
    return path


def test_a_file_that_was_changed_after_its_last_line_was_copied_and_that_is_remembered_for_a_day(written):
    assert was_copied(written)
    with Journal.open(written, written.stat().st_ctime) as journal:
        journal.note_run(written.stat().st_ctime, "film.yaml")
    assert was_copied(written), "the line that covers the sign does not take it away"
    os.utime(written.with_name(COPIED_MARK), (0, 0))
    assert not was_copied(written)


def test_a_journal_that_is_not_there_or_not_whole_was_not_copied(in_tmp):
    path = in_tmp / "journal.jsonl"
    assert not was_copied(path)
    path.write_bytes(b'{"seq":0,"at":1')
    assert not was_copied(path)
    assert not (in_tmp / COPIED_MARK).exists()


def test_a_run_waits_for_the_lock_as_long_as_it_is_told(in_tmp, capsys):
    with service(QUICK) as sim, Journal.open(in_tmp / JOURNAL, 0.0):
        assert run(sim, write_manifest(in_tmp), "--lock-timeout", "0.3") == 11
        assert requests(sim) == {}


def test_a_host_that_was_allowed_is_named_again_in_the_hint(in_tmp, capsys):
    path = write_manifest(in_tmp)
    assert guarded(["run", str(path), "--allow-download-host", "cdn.example"]) != 0
    assert f"wanbatch run {path} --allow-download-host cdn.example" in capsys.readouterr().err
