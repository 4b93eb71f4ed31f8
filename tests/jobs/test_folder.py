"""The output folder: what a crash between two renames leaves is found again, and nothing is overwritten."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import NOW, board_with, planned, wanted

from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import shelf
from wanbatch.jobs import state as s
from wanbatch.jobs.folder import JOURNAL, claimed_beside, is_earlier, mend, move, videos_on_disk
from wanbatch.jobs.journal import Journal, read

OLD, NEW = wanted(), wanted(prompt="another")
FINAL = "videos/alley.mp4"
ASIDE = shelf.superseded_path("alley", OLD.key.digest)


def events(task: str) -> list[s.Event]:
    return [s.SubmitIntended(), s.SubmitAccepted(task), s.TaskSucceeded(NOW + 99)]


@pytest.fixture
def folder(tmp_path):
    """An old video under its scene's name, and a new one of the edited scene that is made but not saved."""
    with Journal.open(tmp_path / JOURNAL, NOW) as journal:
        for one, more in ((OLD, [*events("t1"), s.VideoSaved(FINAL, 3, "old")]), (NEW, events("t2"))):
            for event in (planned(one), *more):
                journal.record(one.key, event, NOW)
        put(tmp_path, FINAL, journal.board.jobs[OLD.key], b"old")
    return tmp_path


def put(folder, path: str, job, content: bytes, *, marked: bool = True) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_bytes(content)
    if marked:
        (folder / path).with_suffix(".json").write_bytes(shelf.sidecar(job, None, len(content), content.decode()))


def mended(folder) -> str:
    """Where the old video is by the journal after mending; a second time finds nothing more."""
    with Journal.open(folder / JOURNAL, NOW) as journal:
        mend(journal, folder, NOW, copied=False)
        found = journal.board.jobs[OLD.key].state.path
        size = journal.path.stat().st_size
        mend(journal, folder, NOW, copied=False)
        assert journal.path.stat().st_size == size
    return found


def new_job(folder):
    return read(folder / JOURNAL).jobs[NEW.key]


def test_videos_are_found_with_their_sizes_and_other_files_are_not(folder):
    put(folder, ASIDE, None, b"12345", marked=False)
    (folder / "videos" / ".alley.x.part").write_bytes(b"")
    assert videos_on_disk(folder) == {FINAL: 3, ASIDE: 5}
    assert videos_on_disk(folder / "nowhere") == {}
    (folder / "plain").mkdir()
    (folder / "plain" / "videos").write_bytes(b"")
    assert videos_on_disk(folder / "plain") == {}


def test_a_record_without_its_video_counts_for_it_takes_the_name(folder):
    put(folder, ASIDE, None, b"12345", marked=False)
    (folder / FINAL).rename(folder / "elsewhere.mp4")
    (folder / ASIDE).rename(folder / ASIDE.replace(".mp4", ".json"))
    record = FINAL.replace(".mp4", ".json")
    assert videos_on_disk(folder) == {record: (folder / record).stat().st_size}


def test_a_name_that_leads_nowhere_hides_no_other_video(folder):
    for name in ("a", "zz"):
        (folder / f"videos/{name}.mp4").symlink_to(folder / "nowhere")
    (folder / "videos/round.mp4").symlink_to("round.mp4")
    (folder / "archive.mp4").write_bytes(b"1234")
    (folder / "videos/kept-elsewhere.mp4").symlink_to(folder / "archive.mp4")
    assert videos_on_disk(folder) == {FINAL: 3, "videos/kept-elsewhere.mp4": 4}


@pytest.mark.parametrize("at", ["scandir", "stat"])
def test_videos_that_cannot_be_looked_at_are_not_missing(folder, monkeypatch, at):
    def refused(*_args):
        raise PermissionError(13, "Permission denied")

    class Entry:
        name = "alley.mp4"

        def stat(self):
            refused()

    scanned = refused if at == "scandir" else lambda _path: contextlib.nullcontext([Entry()])
    monkeypatch.setattr(os, "scandir", scanned)
    with pytest.raises(WanbatchError, match=r"cannot read .*videos: Permission denied") as error:
        videos_on_disk(folder)
    assert error.value.exit_code is Exit.STATE


def test_nothing_is_mended_where_nothing_moved(folder):
    assert mended(folder) == FINAL


def test_an_old_video_that_was_moved_and_not_noted_is_found(folder):
    move(folder, FINAL, ASIDE)
    assert mended(folder) == ASIDE


def test_a_new_sidecar_without_its_video_confuses_nobody(folder):
    move(folder, FINAL, ASIDE)
    (folder / FINAL).with_suffix(".json").write_bytes(shelf.sidecar(new_job(folder), None, 3, "new"))
    assert mended(folder) == ASIDE


def test_an_install_of_which_nothing_was_noted_is_found(folder):
    move(folder, FINAL, ASIDE)
    put(folder, FINAL, new_job(folder), b"new")
    assert mended(folder) == ASIDE
    assert (folder / ASIDE).read_bytes() == b"old"


def test_a_numbered_place_is_found_when_the_first_was_taken(folder):
    put(folder, ASIDE, None, b"a person's copy", marked=False)
    aside = shelf.superseded_path("alley", OLD.key.digest, lambda path: (folder / path).exists())
    move(folder, FINAL, aside)
    put(folder, FINAL, new_job(folder), b"new")
    assert mended(folder) == aside == ASIDE.replace(".mp4", ".2.mp4")


def test_a_moved_video_without_its_sidecar_is_known_by_its_name(folder):
    (folder / FINAL).with_suffix(".json").unlink()
    move(folder, FINAL, ASIDE)
    put(folder, FINAL, new_job(folder), b"new")
    assert mended(folder) == ASIDE


def test_a_move_that_was_cut_between_record_and_video_is_gone_on_with(folder):
    """The record goes first: the video still has its old name, without one."""
    (folder / ASIDE).parent.mkdir()
    (folder / FINAL).with_suffix(".json").replace((folder / ASIDE).with_suffix(".json"))
    assert mended(folder) == FINAL
    move(folder, FINAL, ASIDE)
    assert mended(folder) == ASIDE
    assert (folder / ASIDE).with_suffix(".json").exists()


def test_a_restored_video_that_was_not_noted_is_found(folder):
    with Journal.open(folder / JOURNAL, NOW) as journal:
        move(folder, FINAL, ASIDE)
        journal.record(OLD.key, s.VideoMoved(ASIDE), NOW)
    move(folder, ASIDE, FINAL)
    assert mended(folder) == FINAL


def test_a_video_that_is_nowhere_is_left_to_the_plan(folder):
    (folder / FINAL).unlink()
    assert mended(folder) == FINAL
    put(folder, FINAL, new_job(folder), b"new")
    assert mended(folder) == FINAL


def test_a_sidecar_that_cannot_be_read_proves_nothing(folder):
    (folder / FINAL).with_suffix(".json").unlink()
    (folder / FINAL).with_suffix(".json").mkdir()
    assert mended(folder) == FINAL


def test_the_only_job_of_a_scene_is_not_looked_for(tmp_path):
    with Journal.open(tmp_path / JOURNAL, NOW) as journal:
        for event in (planned(OLD), *events("t1"), s.VideoSaved(FINAL, 3, "old")):
            journal.record(OLD.key, event, NOW)
        put(tmp_path, ASIDE, journal.board.jobs[OLD.key], b"old")
        mend(journal, tmp_path, NOW, copied=False)
        assert journal.board.jobs[OLD.key].state.path == FINAL


def test_a_journal_that_was_put_back_finds_its_video_where_a_later_one_has_moved_it(tmp_path):
    with Journal.open(tmp_path / JOURNAL, NOW) as journal:
        for event in (planned(OLD), *events("t1"), s.VideoSaved(FINAL, 3, "old")):
            journal.record(OLD.key, event, NOW)
        put(tmp_path, ASIDE, journal.board.jobs[OLD.key], b"old")
        put(tmp_path, FINAL, board_with((NEW, events("t2"))).jobs[NEW.key], b"new")
        mend(journal, tmp_path, NOW, copied=True)
        assert journal.board.jobs[OLD.key].state.path == ASIDE


def test_a_move_never_overwrites_a_video(folder):
    put(folder, ASIDE, None, b"somebody's", marked=False)
    with pytest.raises(FileExistsError):
        move(folder, FINAL, ASIDE)
    assert (folder / ASIDE).read_bytes() == b"somebody's"
    assert (folder / FINAL).read_bytes() == b"old"
    assert (folder / FINAL).with_suffix(".json").exists()


def test_a_move_that_was_done_already_is_done(folder):
    move(folder, FINAL, ASIDE)
    move(folder, FINAL, ASIDE)
    assert (folder / ASIDE).read_bytes() == b"old"


def test_a_move_never_overwrites_a_record(folder):
    (folder / "superseded").mkdir()
    (folder / ASIDE).with_suffix(".json").write_bytes(b"somebody's")
    with pytest.raises(FileExistsError) as error:
        move(folder, FINAL, ASIDE)
    assert error.value.filename == str((folder / ASIDE).with_suffix(".json"))
    assert (folder / ASIDE).with_suffix(".json").read_bytes() == b"somebody's"
    assert (folder / FINAL).read_bytes() == b"old"


@pytest.mark.parametrize("name", ["videos", "superseded"])
def test_a_move_follows_no_link_out_of_the_folder(folder, name):
    elsewhere = folder / "elsewhere"
    if name == "videos":
        (folder / "videos").rename(elsewhere)
    else:
        elsewhere.mkdir()
    (folder / name).symlink_to(elsewhere)
    before = sorted(elsewhere.iterdir())
    with pytest.raises(OSError, match=f"symbolic links.*{name}"):
        move(folder, FINAL, ASIDE)
    assert sorted(elsewhere.iterdir()) == before


@pytest.mark.parametrize("path", ["../x.mp4", "videos/../../x.mp4"])
def test_a_path_that_leaves_the_folder_is_our_bug(folder, path):
    with pytest.raises(ValueError, match="no name of a folder"):
        move(folder, FINAL, path)
    assert (folder / FINAL).read_bytes() == b"old"


def test_the_journals_of_the_folders_beside_claim_their_tasks(tmp_path):
    one = wanted()
    manifests = {
        "mine": "film.yaml",
        "mine.old": "sets/film.yaml",
        "theirs": "other.yaml",
        "old": "x.yaml",
        "broken": "y",
    }
    for name, manifest in manifests.items():
        with Journal.open(tmp_path / name / "journal.jsonl", NOW) as journal:
            journal.note_run(NOW, manifest)
            for event in (planned(one), s.SubmitIntended(), s.SubmitAccepted(f"t-{name}")):
                journal.record(one.key, event, NOW)
    now = (tmp_path / "mine" / "journal.jsonl").stat().st_mtime
    os.utime(tmp_path / "old" / "journal.jsonl", (now - 26 * 3600, now - 26 * 3600))
    (tmp_path / "broken" / "journal.jsonl").write_bytes(b"no journal\n")
    assert claimed_beside(tmp_path / "mine", now) == {"t-theirs"}
    assert claimed_beside(tmp_path / "nowhere" / "mine", now) == frozenset()


def test_older_videos_are_seen_also_where_there_are_no_current_ones(tmp_path):
    put(tmp_path, ASIDE, None, b"12345", marked=False)
    assert videos_on_disk(tmp_path) == {ASIDE: 5}


def test_a_video_in_its_place_is_believed_although_a_copy_of_it_is_kept_aside(folder):
    put(folder, ASIDE, read(folder / JOURNAL).jobs[OLD.key], b"old")
    (folder / FINAL).with_suffix(".json").unlink()
    assert mended(folder) == FINAL


def test_where_a_record_cannot_be_read_one_that_can_decides(folder):
    put(folder, ASIDE, read(folder / JOURNAL).jobs[OLD.key], b"old")
    (folder / FINAL).with_suffix(".json").unlink()
    (folder / FINAL).with_suffix(".json").mkdir()
    assert mended(folder) == ASIDE


def test_a_record_counts_more_than_a_name(folder):
    """The names are in their order here, and the first of them is a person's copy."""
    copied = ASIDE.replace(".mp4", ".2.mp4")
    move(folder, FINAL, ASIDE)
    put(folder, copied, None, b"a person's copy", marked=False)
    assert mended(folder) == ASIDE


@pytest.mark.parametrize("whose", ["the newer job's", "nobody's"])
def test_a_moved_video_that_is_gone_is_not_taken_for_the_one_that_replaced_it(folder, whose):
    """Else the newer video would be moved aside in the older one's name, and the older never be fetched again."""
    with Journal.open(folder / JOURNAL, NOW) as journal:
        move(folder, FINAL, ASIDE)
        journal.record(OLD.key, s.VideoMoved(ASIDE), NOW)
    (folder / ASIDE).unlink()
    put(folder, FINAL, new_job(folder), b"new", marked=whose != "nobody's")
    assert mended(folder) == ASIDE


def test_a_scene_that_was_never_edited_keeps_no_other_from_being_mended(tmp_path):
    single = wanted("alone")
    with Journal.open(tmp_path / JOURNAL, NOW) as journal:
        for one, more in (
            (single, []), (OLD, [*events("t1"), s.VideoSaved(FINAL, 3, "old")]), (NEW, events("t2")),
        ):  # fmt: skip
            for event in (planned(one), *more):
                journal.record(one.key, event, NOW)
        put(tmp_path, FINAL, journal.board.jobs[OLD.key], b"old")
    move(tmp_path, FINAL, ASIDE)
    assert mended(tmp_path) == ASIDE


def test_a_moved_videos_names_are_synced_in_both_folders(folder):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    code = f"from pathlib import Path; from wanbatch.jobs.folder import move; move(Path('.'), {FINAL!r}, {ASIDE!r})"
    asked = ["strace", "-y", "-e", "trace=/rename,fsync,fdatasync", sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(asked, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    calls = [line for line in done.stderr.splitlines() if "rename" in line or "sync(" in line]
    last = max(at for at, line in enumerate(calls) if "rename" in line)
    synced = {line.partition("<")[2].partition(">")[0] for line in calls[last + 1 :]}
    assert {str(folder / "videos"), str(folder / "superseded")} <= synced


def in_folder(path, *jobs: tuple[str, str | None]) -> None:
    """A journal whose one scene has the task, run over the manifest, if it was run at all."""
    for task, over in jobs:
        one = wanted(task)
        with Journal.open(path / JOURNAL, NOW) as journal:
            if over:
                journal.note_run(NOW, over)
            for event in (planned(one), s.SubmitIntended(), s.SubmitAccepted(task)):
                journal.record(one.key, event, NOW)


def test_a_journal_beside_claims_as_long_as_the_task_list_may_show_its_tasks(tmp_path):
    """The list shows 24 h, and an hour more is for clocks that differ."""
    in_folder(tmp_path / "young", ("t-young", "a.yaml"))
    in_folder(tmp_path / "old", ("t-old", "b.yaml"))
    os.utime(tmp_path / "young" / JOURNAL, (NOW, NOW - 25 * 3600 + 1))
    os.utime(tmp_path / "old" / JOURNAL, (NOW, NOW - 25 * 3600))
    assert claimed_beside(tmp_path / "mine", NOW) == {"t-young"}, "also for a folder that is not there yet"


def test_a_journal_is_not_beside_itself(tmp_path):
    in_folder(tmp_path / "mine", ("t-mine", None))
    in_folder(tmp_path / "theirs", ("t-theirs", "b.yaml"))
    for name in ("mine", "theirs"):
        os.utime(tmp_path / name / JOURNAL, (NOW, NOW))
    assert claimed_beside(tmp_path / "mine", NOW) == {"t-theirs"}


def test_only_a_record_of_ours_of_the_same_scene_and_take_is_an_earlier_one():
    """What it answers yes to may be overwritten."""
    record = {"tool": "wanbatch 0.1.0", "scene": "alley", "take": 1, "task_id": "t1"}
    new = json.dumps(record | {"task_id": "t2", "tool": "wanbatch 9.0"}).encode()
    assert is_earlier(json.dumps(record).encode(), new)
    for other in (
        record | {"scene": "roof"}, record | {"take": 2}, record | {"tool": "wanbatchful 1"}, record | {"tool": None},
        {"scene": "alley", "take": 1}, record | {"scene": 7}, {"tool": "wanbatch 0.1.0", "take": 1}, [], "alley",
    ):  # fmt: skip
        assert is_earlier(json.dumps(other).encode(), new) is False
    for noise in (b"", b"{", b"\xff\xfe"):
        assert is_earlier(noise, new) is False
    nameless = {"tool": "wanbatch 0.1.0"}
    assert is_earlier(json.dumps(nameless).encode(), json.dumps(nameless).encode()) is False
    odd = {"tool": "wanbatch 0.1.0", "scene": ["alley"], "take": 1}
    assert is_earlier(json.dumps(odd).encode(), json.dumps(odd).encode()) is False
