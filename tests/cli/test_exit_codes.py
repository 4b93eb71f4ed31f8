"""Every exit code means one thing; each is shown by what causes it."""

import os
import signal
import subprocess
import tempfile

import pytest
from cli.stage import (
    FAST,
    PATIENCE_S,
    PROGRAM,
    QUICK,
    SlowService,
    Terminal,
    events,
    kinds,
    requests,
    run,
    service,
    start,
    wait_until,
    wanbatch,
)
from conftest import CANARY
from support import write_manifest

from wanbatch.cli import common
from wanbatch.cli.door import guarded
from wanbatch.jobs.journal import Journal

UNKNOWN = {"endpoint": "create", "kind": "reset_before_accept"}


def test_0_everything_wanted_is_on_disk(in_tmp):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp)) == 0


def test_2_the_command_line_is_wrong(in_tmp):
    assert guarded(["run", str(write_manifest(in_tmp)), "--concurrency", "0"]) == 2
    assert guarded(["run", "no-such.yaml"]) == 2


def test_3_some_scenes_failed_and_the_others_are_there(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    path.write_text(path.read_text("utf-8").replace("a roof in the rain", "'[moderated input]'"), "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path) == 3
    assert (in_tmp / "out/film/videos/alley.mp4").exists()


def test_4_a_video_is_still_with_the_service_because_a_foreign_file_has_its_name(in_tmp, capsys):
    foreign = in_tmp / "out/film/videos/alley.mp4"
    with service(QUICK, {"endpoint": "query", "kind": "error_500", "times": 1}) as sim:
        process = start("run", write_manifest(in_tmp), "--yes", "--base-url", sim.base_url, "--poll-interval", "1")
        wait_until(lambda: "SubmitAccepted" in kinds(in_tmp / "out/film"))
        foreign.parent.mkdir()
        foreign.write_bytes(b"mine")
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4, said
    assert foreign.read_bytes() == b"mine"
    assert "some videos are still to come; nothing is lost\n  go on with: wanbatch run " in said


def test_5_the_manifest_is_invalid_and_nothing_was_sent(in_tmp, capsys):
    (in_tmp / "film.yaml").write_text("wanbatch: 1\nscenes:\n  - {id: a, prompt: p}\n", "utf-8")
    with service(QUICK) as sim:
        assert run(sim, "film.yaml") == 5
        assert requests(sim) == {}
    assert capsys.readouterr().err.endswith("; nothing was sent\n")


def test_6_the_account_is_refused_and_one_request_is_enough_to_know(in_tmp, monkeypatch, capsys):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid")
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp, "alley", "roof", "cellar")) == 6
        assert requests(sim) == {"limits": 1, "list": 1, "create": 1}
    said = capsys.readouterr().err
    assert "wanbatch: the service refuses the account: InvalidApiKey: " in said
    assert "sk-invalid" not in said


def test_7_nobody_said_yes_and_nothing_was_sent(in_tmp):
    with service(QUICK) as sim:
        assert wanbatch("run", write_manifest(in_tmp), "--base-url", sim.base_url).returncode == 7
        assert requests(sim) == {}


def test_8_an_uncertain_scene_waits_for_a_person(in_tmp):
    with service(QUICK, UNKNOWN) as sim:
        assert run(sim, write_manifest(in_tmp), "--settle", 0) == 8
        assert requests(sim)["create"] == 1


def test_9_a_damaged_journal_is_named_by_its_line_and_nothing_is_sent(in_tmp, capsys):
    path, journal = write_manifest(in_tmp, "alley", "roof"), in_tmp / "out/film/journal.jsonl"
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "alley") == 0
        asked = requests(sim)
        lines = journal.read_bytes().split(b"\n")
        lines[2] = lines[2].replace(b"alley", b"alloy")
        journal.write_bytes(b"\n".join(lines))
        capsys.readouterr()
        assert run(sim, path) == 9
        assert requests(sim) == asked
    assert "out/film/journal.jsonl: line 3 is damaged: " in capsys.readouterr().err


def test_9_a_folder_that_cannot_be_made_is_named(in_tmp, capsys):
    (in_tmp / "file").write_text("")
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--out", "file/film") == 9
        assert requests(sim) == {}
    assert "cannot open file/film/journal.jsonl: Not a directory\n" in capsys.readouterr().err


def test_9_a_journal_that_cannot_grow_stops_before_anything_is_sent(in_tmp):
    with service(QUICK) as sim:
        command = f"ulimit -f 0; exec {PROGRAM} run {write_manifest(in_tmp)} --yes --base-url {sim.base_url}"
        ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        assert requests(sim) == {}
    assert ended.returncode == 9, ended.stderr
    assert "wanbatch: cannot write out/film/journal.jsonl: File too large\n" in ended.stderr


def test_11_another_run_holds_the_lock(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim, Journal.open(in_tmp / "out/film/journal.jsonl", 0.0) as journal:
        journal.note_run(0.0, str(path))
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url)
        assert requests(sim) == {}
    assert ended.returncode == 11
    assert f"wanbatch: another run holds out/film/journal.jsonl: process {os.getpid()} on " in ended.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 143)], ids=["int", "hup", "term"]
)
def test_130_and_143_a_signal_lets_the_answer_in_and_says_how_to_go_on(number, code, in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with SlowService() as slow:
        process = start("run", path, "--yes", "--base-url", slow.base_url, "--out", "o", *FAST)
        assert slow.asked.wait(PATIENCE_S)
        process.send_signal(number)
        slow.answer.set()
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, said
    accepted = [line for line in events(in_tmp / "o") if line["event"] == "SubmitAccepted"]
    assert [line["task_id"] for line in accepted] == ["task-of-the-slow"]
    assert kinds(in_tmp / "o").count("SubmitIntended") == 1
    assert said.endswith(
        "wanbatch: interrupted; 1 task stays with the service; 1 scene not submitted yet; nothing is lost\n"
        f"  go on with: wanbatch run {path} --out o --base-url {slow.base_url} --yes\n"
    )


def test_130_ctrl_c_on_a_terminal_is_answered_once_and_says_how_to_go_on(in_tmp):
    with (
        SlowService() as slow,
        Terminal("run", write_manifest(in_tmp), "--yes", "--base-url", slow.base_url, *FAST) as terminal,
    ):
        assert slow.asked.wait(PATIENCE_S)
        terminal.until("1 with the service")
        terminal.type("\x03")
        slow.answer.set()
        assert terminal.ended() == 130
    assert terminal.shown.count("interrupted; 1 task stays with the service; nothing is lost") == 1
    assert "Traceback" not in terminal.shown


def test_a_terminal_that_vanishes_still_lets_the_answer_in(in_tmp):
    with SlowService() as slow:
        terminal = Terminal("run", write_manifest(in_tmp), "--yes", "--base-url", slow.base_url, *FAST)
        assert slow.asked.wait(PATIENCE_S)
        terminal.hang_up()
        slow.answer.set()
        assert terminal.process.wait(PATIENCE_S) == 130
    assert kinds(in_tmp / "out/film")[-1] == "SubmitAccepted"


def test_130_a_second_signal_leaves_at_once_and_the_job_stays_in_doubt(in_tmp):
    with SlowService() as slow:
        process = start("run", write_manifest(in_tmp), "--yes", "--base-url", slow.base_url, *FAST)
        assert slow.asked.wait(PATIENCE_S)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)  # it waits for the answer, which does not come
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=5)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert kinds(in_tmp / "out/film")[-1] == "SubmitIntended"


@pytest.mark.parametrize("args", [("schema",), ("plan", "film.yaml"), ("render", "film.yaml", "--json"), ("--help",)])
def test_141_a_reader_that_goes_away_is_no_failure_of_ours(args, in_tmp):
    write_manifest(in_tmp)
    read, write = os.pipe()
    os.close(read)
    process = start(*args, stdout=write)
    os.close(write)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, said) == (141, "")


def broken(*_args, **_rest):
    raise RuntimeError(f"key {CANARY} at https://bucket.example/video.mp4?Expires=1&Signature=abc")


def test_1_a_bug_is_reported_in_a_file_without_the_key_and_without_a_traceback(in_tmp, monkeypatch, capsys):
    monkeypatch.setattr(common, "plan", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(in_tmp))
    assert guarded(["plan", str(write_manifest(in_tmp))]) == 1
    said = capsys.readouterr().err
    report = next(in_tmp.glob("wanbatch-bug-*.txt"))
    assert said == (
        "wanbatch: a bug in wanbatch: RuntimeError; nothing is lost: what was done is in the journal\n"
        f"  please send the report {report}; the same command goes on\n"
    )
    text = report.read_text("utf-8")
    assert "Traceback" in text
    assert "RuntimeError: key *** at https://bucket.example/video.mp4?…" in text
    assert "Signature" not in text


def test_1_a_bug_report_leaves_out_a_key_that_came_from_a_file(in_tmp, monkeypatch):
    (in_tmp / "key").write_text("sk-from-a-file\n")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(in_tmp / "key"))
    monkeypatch.setattr(common, "plan", lambda *_args, **_rest: [][int("sk-from-a-file")])
    monkeypatch.setattr(tempfile, "tempdir", str(in_tmp))
    assert guarded(["plan", str(write_manifest(in_tmp))]) == 1
    assert "invalid literal for int() with base 10: '***'" in next(in_tmp.glob("wanbatch-bug-*.txt")).read_text()


def test_1_a_bug_where_no_report_can_be_written_still_says_where_it_is(in_tmp, monkeypatch, capsys):
    monkeypatch.setattr(common, "plan", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(in_tmp / "no-such-folder"))
    assert guarded(["plan", str(write_manifest(in_tmp))]) == 1
    assert "no place for a report; it happened in " in capsys.readouterr().err
