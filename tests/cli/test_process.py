"""The process among others: as PID 1, signaled twice, read by somebody who goes away, started twice."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli.stage import FAST, PATIENCE_S, PROGRAM, SlowService, events, kinds, service, start, wait_until, wanbatch
from support import NOW, manifest, manifest_text, planned, write_manifest

from wanbatch.jobs.journal import Journal
from wanbatch.simulator.rules import Rules

SIGNALS = [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 143)]
NAMES = [number.name for number, _ in SIGNALS]
APART = ["unshare", "-Urpf", "--mount-proc"]


class PidOne:
    """`wanbatch` as the first process of a container. Only there a signal without a handler is not even deadly."""

    def __init__(self, *args: object) -> None:
        self.outer = subprocess.Popen(
            [*APART, PROGRAM, *map(str, args)], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.pid = 0

    def find(self) -> None:
        """Learn the program's process number out here; skip where there are no namespaces."""
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        wait_until(lambda: self.outer.poll() is not None or children.read_text().split(), "the program")
        if self.outer.poll() is not None:
            pytest.skip(f"no namespaces here: {self.outer.stderr.read().strip()}")
        self.pid = int(children.read_text().split()[0])

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return exit code and what was said."""
        try:
            _, said = self.outer.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self.outer.communicate()
            raise
        return self.outer.returncode, said


def pid_one(*args: object) -> PidOne:
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    started = PidOne(*args)
    started.find()
    return started


def asked(slow: SlowService, process: PidOne | subprocess.Popen[str]) -> None:
    """Wait until the POST is there."""
    if not slow.asked.wait(PATIENCE_S):
        outer = process.outer if isinstance(process, PidOne) else process
        outer.kill()
        raise AssertionError(outer.stderr.read())


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=NAMES)
def test_as_pid_1_a_signal_lets_the_answer_in_and_ends_the_run(number, code, in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with SlowService() as slow:
        process = pid_one("run", path, "--yes", "--base-url", slow.base_url, *FAST)
        asked(slow, process)
        assert f"NSpid:\t{process.pid}\t1\n" in Path(f"/proc/{process.pid}/status").read_text()
        os.kill(process.pid, number)
        slow.answer.set()
        ended, said = process.ended()
    assert ended == code, said
    assert "Traceback" not in said
    accepted = [line["task_id"] for line in events(in_tmp / "out/film") if line["event"] == "SubmitAccepted"]
    assert accepted == ["task-of-the-slow"]
    assert kinds(in_tmp / "out/film").count("SubmitIntended") == 1


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=NAMES)
@pytest.mark.parametrize("where", ["as pid 1", "as any"])
def test_a_second_signal_ends_the_run_at_once_and_leaves_the_job_in_doubt(number, code, where, in_tmp):
    args = ("run", write_manifest(in_tmp), "--yes", "--out", "o", *FAST)
    with SlowService() as slow:
        if where == "as pid 1":
            process = pid_one(*args, "--base-url", slow.base_url)
            outer, pid = process.outer, process.pid
        else:
            outer = process = start(*args, "--base-url", slow.base_url)
            pid = outer.pid
        asked(slow, process)
        os.kill(pid, number)
        with pytest.raises(subprocess.TimeoutExpired):
            outer.wait(0.3)  # it waits for the answer, which does not come
        os.kill(pid, number)
        _, said = outer.communicate(timeout=PATIENCE_S)
    assert outer.returncode == code, said
    assert "Traceback" not in said
    assert said.count("wanbatch: interrupted") == 1
    assert kinds(in_tmp / "o")[-1] == "SubmitIntended"


def test_a_second_signal_of_another_kind_ends_it_too_and_the_first_is_the_exit_code(in_tmp):
    with SlowService() as slow:
        process = start("run", write_manifest(in_tmp), "--yes", "--base-url", slow.base_url, *FAST)
        asked(slow, process)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said


def test_nohup_keeps_a_run_alive(in_tmp):
    with SlowService() as slow:
        words = ["run", write_manifest(in_tmp), "--yes", "--base-url", slow.base_url, *FAST]
        process = subprocess.Popen(
            ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', PROGRAM, *map(str, words)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        asked(slow, process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)  # two would end it at once
        slow.answer.set()
        wait_until(lambda: "SubmitAccepted" in kinds(in_tmp / "out/film"), "the answer")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said


def test_a_run_that_waits_for_the_lock_leaves_at_sigterm_in_words(in_tmp):
    path = write_manifest(in_tmp)
    with Journal.open(in_tmp / "out/film/journal.jsonl", NOW):
        process = start("run", path, "--yes", "--lock-timeout", 60, "--base-url", "http://127.0.0.1:9/api/v1", *FAST)
        assert "waiting up to 60 s" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said
    assert "wanbatch: interrupted; nothing is lost" in said


def many(folder: Path) -> None:
    """A journal whose `status` is more than a pipe holds."""
    ids = [f"scene-{number:05}" for number in range(3000)]
    with Journal.open(folder / "out/film/journal.jsonl", NOW) as journal:
        journal.record_all([(one.key, planned(one)) for one in manifest(manifest_text(*ids)).wanted], NOW)


@pytest.mark.parametrize("verb", ["status", "status --json", "journal verify"])
def test_a_reader_that_takes_one_line_and_goes_is_no_failure(verb, in_tmp):
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    many(in_tmp)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    ended = subprocess.run(
        ["bash", "-c", f'"$0" {verb} out/film | head -1; exit "${{PIPESTATUS[0]}}"', PROGRAM],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=env,
    )  # fmt: skip
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""
    assert ended.returncode in ((0, 141) if verb == "journal verify" else (141,))


def test_of_many_runs_started_at_once_one_works_and_the_others_name_it(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(Rules(pending_s=0, render_s=3)) as sim:
        runs = [start("run", path, "--yes", "--base-url", sim.base_url, *FAST) for _ in range(8)]
        said = [run.communicate(timeout=PATIENCE_S)[1] for run in runs]
        codes = [run.returncode for run in runs]
        accepted = [line for line in kinds(in_tmp / "out/film") if line == "SubmitAccepted"]
        assert sim.stats()["accepted"] == 2
    assert sorted(codes) == [0, *[11] * 7], said
    assert len(accepted) == 2
    for code, words in zip(codes, said, strict=True):
        assert (code == 11) == ("another run holds out/film/journal.jsonl: " in words)
        assert "Traceback" not in words


def test_a_second_run_ends_within_a_second_and_names_the_holder(in_tmp):
    path = write_manifest(in_tmp)
    with Journal.open(in_tmp / "out/film/journal.jsonl", 0.0) as journal:
        journal.note_run(0.0, str(path))
        took = []
        while len(took) < 10 and min(took, default=9.0) >= 1:  # the machine may be busy: the promise is the program's
            started = time.monotonic()
            ended = wanbatch("run", path, "--yes")
            took.append(time.monotonic() - started)
            assert ended.returncode == 11
            assert f": process {os.getpid()} on " in ended.stderr
    assert min(took) < 3  # a second on a machine with time for it; a lock that was waited for would take far longer


def test_a_killed_holder_leaves_no_lock(in_tmp):
    path = write_manifest(in_tmp)
    with SlowService() as slow:
        process = start("run", path, "--yes", "--base-url", slow.base_url, *FAST)
        asked(slow, process)
        process.kill()
        process.communicate()
        with Journal.open(in_tmp / "out/film/journal.jsonl", NOW) as journal:
            assert len(journal.board.inherited) == 1
