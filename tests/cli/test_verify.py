"""verify: what a person sees when lock, manifest, journal and files differ, and what to do next."""

import json

import pytest
from cli.stage import QUICK, Terminal, run, service
from support import write_manifest

from wanbatch.cli.door import guarded


@pytest.fixture
def film(in_tmp, capsys):
    """A manifest of two scenes, both made."""
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
    capsys.readouterr()
    return path


def verified(capsys, *flags):
    code = guarded(["verify", "film.yaml", *flags])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_all_is_as_locked(film, capsys):
    assert verified(capsys) == (0, ["verify: 2 locked videos, all as locked"], [])
    assert verified(capsys, "--quick") == (0, ["verify: 2 locked videos, all as locked (sizes only)"], [])


def test_a_byte_that_changed_is_found_and_quickly_it_is_not(film, in_tmp, capsys):
    video = in_tmp / "out/film/videos/roof.mp4"
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    code, rows, hints = verified(capsys)
    assert code == 3
    assert rows[1].startswith("roof   file changed  videos/roof.mp4 has sha256 ")
    assert rows[-1] == "verify: 2 locked videos; 1 file changed"
    assert hints == ["  file changed: put the video back from a backup; an edited copy belongs elsewhere"]
    assert verified(capsys, "--quick")[0] == 0


def test_every_kind_of_difference_has_its_row_and_its_next_command(film, in_tmp, capsys):
    videos = in_tmp / "out/film/videos"
    (videos / "roof.mp4").unlink()
    (videos / "stray.mp4").write_bytes(b"x")
    write_manifest(in_tmp, "alley", "pier", resolution="1080P")
    code, rows, hints = verified(capsys)
    assert code == 3
    assert [row.split("  ")[0] for row in rows[:-1]] == ["scene", "alley", "roof", "roof", "pier", "videos/stray.mp4"]
    counted = "1 file missing, 1 scene changed, 1 not in the lock, 1 only in the lock, 1 unknown file"
    assert rows[-1] == f"verify: 2 locked videos; {counted}"
    assert [hint.split(":")[0].strip() for hint in hints] == [
        "file missing", "scene changed", "not in the lock", "only in the lock", "unknown file",
    ]  # fmt: skip
    assert hints[1].endswith("wanbatch plan film.yaml")


def test_without_the_journal_the_videos_are_compared_and_it_is_said(film, in_tmp, capsys):
    (in_tmp / "out/film/journal.jsonl").unlink()
    code, rows, notes = verified(capsys)
    assert (code, rows) == (0, ["verify: 2 locked videos, all as locked"])
    assert notes == ["verify: out/film/journal.jsonl is not there: the videos were compared with the lock alone"]


def test_a_journal_that_does_not_know_the_video_names_the_way_to_adopt_it(film, in_tmp, capsys):
    journal = in_tmp / "out/film/journal.jsonl"
    kept = [line for line in journal.read_text("utf-8").splitlines() if '"job"' not in line][:1]
    journal.write_text("\n".join(kept) + "\n", "utf-8")
    code, rows, hints = verified(capsys)
    assert code == 3
    assert "not in the journal" in rows[1]
    assert "wanbatch adopt film.yaml " in hints[0]
    assert hints[0].endswith(" --as alley")


def test_a_journal_of_another_task_leads_to_its_history(film, in_tmp, capsys):
    path = in_tmp / "film.lock.yaml"
    text = path.read_text("utf-8")
    task = text.split('task_id: "')[1].split('"')[0]
    path.write_text(text.replace(task, "another-task"), "utf-8")
    code, rows, hints = verified(capsys)
    assert code == 3
    assert f"task {task} here; locked is task another-task" in rows[1]
    assert hints[0].startswith("  journal differs: what happened here: wanbatch journal show film.yaml alley; ")


def test_what_cannot_be_read_is_state(film, in_tmp, capsys):
    video = in_tmp / "out/film/videos/roof.mp4"
    video.rename(in_tmp / "elsewhere.mp4")
    video.symlink_to(in_tmp / "elsewhere.mp4")
    code, rows, _ = verified(capsys)
    assert code == 9
    assert "file unreadable" in rows[1]


def test_a_folder_of_videos_that_is_a_link_is_not_followed(film, in_tmp, capsys):
    videos = in_tmp / "out/film/videos"
    videos.rename(in_tmp / "elsewhere")
    videos.symlink_to(in_tmp / "elsewhere")
    code, rows, _ = verified(capsys)
    assert (code, len(rows)) == (9, 4)


def test_without_a_lock_file_there_is_nothing_to_compare_with(film, in_tmp, capsys):
    (in_tmp / "film.lock.yaml").unlink()
    code, rows, said = verified(capsys)
    assert (code, rows) == (2, [])
    assert said == [
        "wanbatch: film.lock.yaml is not there: nothing to compare with",
        "  a run writes it: wanbatch run film.yaml",
    ]


def test_verify_changes_nothing(film, in_tmp, capsys):
    def everything():
        return {path: path.stat() for path in in_tmp.rglob("*")}

    before = everything()
    verified(capsys)
    assert everything().keys() == before.keys()
    assert {path: stat.st_mtime for path, stat in everything().items()} == {p: s.st_mtime for p, s in before.items()}


def test_json_is_a_contract(film, in_tmp, capsys):
    (in_tmp / "out/film/videos/roof.mp4").unlink()
    assert guarded(["verify", "film.yaml", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [
        "format", "manifest", "lock", "folder", "quick", "journal", "locked", "exit_code", "summary", "differences",
    ]  # fmt: skip
    assert (found["format"], found["exit_code"], found["locked"], found["journal"]) == (1, 3, 2, True)
    (one,) = found["differences"]
    assert (one["kind"], one["what"], one["reason"]) == ("absent", "roof", "videos/roof.mp4 is not there")
    assert one["next"].endswith("wanbatch plan film.yaml")


def test_of_many_videos_a_terminal_sees_how_far_it_is(in_tmp):
    path = write_manifest(in_tmp, *(f"s{number}" for number in range(25)))
    with service(QUICK) as sim:
        assert run(sim, path, "-q") == 0
    with Terminal("verify", path) as terminal:
        assert terminal.ended() == 0
    assert "verify: " in terminal.shown
    assert "B/s" in terminal.shown
