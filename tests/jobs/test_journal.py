"""The journal keeps what it was given, or says so: no line is lost, changed or doubled in silence."""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs.histories import KEYS, OUTLINE, forty, histories, seen
from support import NOW, key

from wanbatch import __version__, disk
from wanbatch.errors import Exit
from wanbatch.jobs import journal as journals
from wanbatch.jobs import lock as locks
from wanbatch.jobs.folder import manifests_of
from wanbatch.jobs.journal import Journal, JournalError, JournalLocked, Line, encode, read
from wanbatch.jobs.repair import content_of
from wanbatch.jobs.state import (
    HeldForReview,
    IllegalTransition,
    InDoubt,
    Planned,
    Ready,
    SubmitAccepted,
    SubmitDisproved,
    SubmitIntended,
    TaskAdopted,
    TaskSucceeded,
    VideoMissing,
    VideoSaved,
)

PLANNED = Planned("alley", OUTLINE)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def some(path: Path, *events) -> bytes:
    """A journal of one job."""
    with Journal.open(path, NOW) as journal:
        for event in (PLANNED, *events):
            journal.record(KEYS[0], event, NOW)
    return path.read_bytes()


def writable(path: Path) -> bool:
    """Whether the journal opens and takes another job."""
    with Journal.open(path, NOW) as journal:
        journal.record(key("later"), Planned("later", OUTLINE), NOW)
    return key("later") in read(path).jobs


# --- what comes in comes out ---


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(histories())
def test_a_replay_is_the_live_board(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    with Journal.open(path, NOW) as journal:
        for one, event, at in history:
            journal.record(one, event, at)
        assert seen(read(path)) == seen(journal.board)
    with Journal.open(path, NOW) as again:
        assert seen(again.board) == seen(journal.board)
    for line in path.read_bytes().splitlines():
        json.loads(line)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=30)
@given(histories(20), st.integers(0, 20))
def test_many_at_once_are_the_same_as_one_by_one(tmp_path_factory, history, first):
    folder = tmp_path_factory.mktemp("j")
    with Journal.open(folder / "one.jsonl", NOW) as one, Journal.open(folder / "all.jsonl", NOW) as all_:
        for job, event, _ in history:
            one.record(job, event, NOW)
        for part in (history[:first], history[first:]):
            all_.record_all([(job, event) for job, event, _ in part], NOW)
        assert seen(one.board) == seen(all_.board)
    assert (folder / "one.jsonl").read_bytes() == (folder / "all.jsonl").read_bytes()


def test_each_event_is_on_disk_when_record_returns(path):
    with Journal.open(path, NOW) as journal:
        journal.record(KEYS[0], PLANNED, NOW)
        journal.record(KEYS[0], SubmitIntended(), NOW + 1)
        assert read(path).jobs[KEYS[0]].state == InDoubt(1, NOW + 1)


def test_the_first_line_says_format_tool_and_host_and_a_run_says_its_process(path):
    with Journal.open(path, NOW) as journal:
        journal.note_run(NOW, "film\udcff.yaml")
        journal.note_run(NOW, "film.yaml")
    first, run = (json.loads(line) for line in path.read_bytes().splitlines())
    assert (first["event"], first["format"], first["host"]) == ("Opened", 1, socket.gethostname())
    assert (run["event"], run["pid"], run["manifest"]) == ("RunStarted", os.getpid(), "film\udcff.yaml")


# --- damage ---


def test_every_truncation_loses_the_torn_tail_only_and_keeps_its_bytes(tmp_path):
    whole = forty(tmp_path / "whole.jsonl")
    ends = [0, *(at + 1 for at, byte in enumerate(whole) if byte == 10)]
    assert len(ends) == 42
    boards = {end: seen(journals.replay((line for line, _, _ in journals.lines_of(whole[:end], Path())), Path()))
              for end in ends}  # fmt: skip
    path = tmp_path / "cut.jsonl"
    for size in range(len(whole) + 1):
        cut = whole[:size]
        kept = max(end for end in ends if end <= size or end == size + 1)
        lines = list(journals.lines_of(cut, path))
        assert len(lines) == ends.index(kept)
        torn = size - kept
        if size % 37 and 0 < torn < len(whole[kept:].split(b"\n")[0]) - 1:
            continue  # the disk's part is the same for the others
        path.write_bytes(cut)
        with Journal.open(path, NOW) as journal:
            assert seen(journal.board) == boards[kept]
            assert journal.torn_bytes == max(torn, 0)
        aside = path.with_name(f"cut.torn-{ends.index(kept)}")
        if torn > 0:
            assert aside.read_bytes() == whole[kept:size]
            assert stat.S_IMODE(aside.stat().st_mode) == 0o600
            aside.unlink()
        else:
            assert not list(tmp_path.glob("cut.torn*"))
        if kept:
            assert path.read_bytes() == whole[:kept]


def test_every_flipped_bit_is_found_and_its_line_named(path):
    whole = some(path, SubmitIntended(), SubmitAccepted("task-1"))
    numbers = []
    number = 1
    for byte in whole:
        numbers.append(number)
        number += byte == 10
    for at in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            with pytest.raises(JournalError, match=rf"line {numbers[at]} is damaged"):
                list(journals.lines_of(bytes(damaged), path))


def test_a_damaged_journal_is_refused_and_left_as_it_is(path):
    whole = bytearray(some(path, SubmitIntended()))
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    for opened in (lambda: Journal.open(path, NOW), lambda: read(path)):
        with pytest.raises(JournalError, match="damaged") as caught:
            opened()
        assert caught.value.exit_code is Exit.STATE
        assert "paid for again" in caught.value.hint
    assert path.read_bytes() == bytes(whole)


@pytest.mark.parametrize("size", [64, 512])
def test_every_zeroed_block_is_found(tmp_path, size):
    whole = forty(tmp_path / "whole.jsonl")
    for start in range(0, len(whole), size // 2):
        block = whole[start : start + size]
        damaged = whole[:start] + bytes(len(block)) + whole[start + size :]
        with pytest.raises(JournalError, match="damaged"):
            list(journals.lines_of(damaged, tmp_path))


def test_every_deleted_doubled_or_swapped_line_is_found(tmp_path):
    lines = forty(tmp_path / "whole.jsonl").splitlines(keepends=True)
    for at in range(len(lines)):
        doubled = [*lines[: at + 1], *lines[at:]]
        deleted = [*lines[:at], *lines[at + 1 :]]
        swapped = [*lines[:at], *lines[at : at + 2][::-1], *lines[at + 2 :]]
        for damaged in [doubled, *([deleted, swapped] if at < len(lines) - 1 else [])]:
            with pytest.raises(JournalError, match="damaged"):
                list(journals.lines_of(b"".join(damaged), tmp_path))


def test_a_line_out_of_number_is_found_though_its_sum_is_right(path):
    first, crc = encode(Line(0, NOW, "Opened", None, {"format": 1}), 0)
    second, _ = encode(Line(7, NOW, "RunStarted", None, {}), crc)
    with pytest.raises(JournalError, match="line 2 is damaged: its number is 7"):
        list(journals.lines_of(first + second, path))


def test_a_last_line_that_lacks_only_its_line_break_was_written(path):
    whole = some(path, SubmitIntended())
    path.write_bytes(whole[:-1])
    assert isinstance(read(path).jobs[KEYS[0]].state, InDoubt)
    with Journal.open(path, NOW) as journal:
        assert journal.torn_bytes == 0
        assert path.read_bytes() == whole
        journal.record(KEYS[0], SubmitAccepted("task-1"), NOW)
    assert read(path).jobs[KEYS[0]].task_id == "task-1"


def test_foreign_line_breaks_are_damage(path):
    whole = some(path)
    path.write_bytes(whole.replace(b"\n", b"\r\n"))
    with pytest.raises(JournalError, match="line 1 is damaged"):
        Journal.open(path, NOW)


def test_an_empty_file_and_a_torn_first_line_are_a_new_journal(path):
    path.write_bytes(b"")
    assert writable(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    with Journal.open(path, NOW) as journal:
        assert (journal.torn_bytes, journal.board.jobs) == (20, {})
    assert json.loads(path.read_bytes())["event"] == "Opened"


def test_a_torn_tail_that_cannot_be_kept_is_still_cut_off(path):
    whole = some(path)
    path.write_bytes(whole + b'{"seq":2')
    path.with_name("journal.torn-2").mkdir()
    with Journal.open(path, NOW) as journal:
        assert journal.torn_bytes == 8
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("Unheard", {}),
        ("SubmitIntended", {"surprise": 1}),
        ("VideoSaved", {"path": "a"}),
        ("VideoMissing", {}),
        ("SubmitIntended", {"job": "no key"}),
    ],
)
def test_a_whole_line_that_cannot_have_happened_is_refused_with_its_number(path, event, fields):
    with Journal.open(path, NOW) as journal:
        journal.record(KEYS[0], PLANNED, NOW)
        journal._append(Line(2, NOW, event, fields.pop("job", str(KEYS[0])), fields))
    with pytest.raises(JournalError, match="line 3 cannot have happened"):
        read(path)


def test_a_later_format_is_refused_in_words(path):
    raw, _ = encode(Line(0, NOW, "Opened", None, {"format": 2, "tool": "9.9.0", "host": "h"}), 0)
    path.write_bytes(raw)
    with pytest.raises(JournalError, match=r"written by wanbatch 9\.9\.0 in format 2; this one reads 1") as caught:
        Journal.open(path, NOW)
    assert "newer wanbatch" in caught.value.hint
    assert path.read_bytes() == raw


# --- what may be written ---


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([(KEYS[0], VideoMissing())], IllegalTransition),
        ([(KEYS[1], SubmitIntended())], IllegalTransition),
        ([(KEYS[1], PLANNED), (KEYS[1], PLANNED)], IllegalTransition),
        ([(KEYS[0], SubmitIntended()), (KEYS[0], SubmitIntended())], IllegalTransition),
        ([(KEYS[0], SubmitIntended()), (KEYS[0], SubmitAccepted("taken"))], ValueError),
        ([(KEYS[0], SubmitIntended()), (KEYS[0], SubmitAccepted("t")), (KEYS[1], PLANNED),
          (KEYS[1], SubmitIntended()), (KEYS[1], TaskAdopted("t", "?"))], ValueError),
        ([(KEYS[0], SubmitIntended()), (KEYS[0], SubmitAccepted("t")), (KEYS[0], TaskSucceeded(float("nan")))],
         ValueError),
    ],
)  # fmt: skip
def test_an_event_that_cannot_happen_leaves_disk_and_board_as_they_are(path, events, error):
    with Journal.open(path, NOW) as journal:
        journal.record(KEYS[0], PLANNED, NOW)
        journal.record(KEYS[2], PLANNED, NOW)
        journal.record(KEYS[2], SubmitIntended(), NOW)
        journal.record(KEYS[2], SubmitAccepted("taken"), NOW)
        before, board = path.read_bytes(), repr(seen(journal.board))
        with pytest.raises(error):
            journal.record_all(events, NOW)
        if len(events) == 1:
            with pytest.raises(error):
                journal.record(*events[0], NOW)
        assert path.read_bytes() == before
        assert repr(seen(journal.board)) == board
        journal.record(KEYS[0], SubmitIntended(), NOW)
    assert read(path).jobs[KEYS[0]].state == InDoubt(1, NOW)


def test_two_events_of_one_job_may_be_written_at_once(path):
    """A finished video that is gone, and that the service no longer has, is missing and held in one breath."""
    with Journal.open(path, NOW) as journal:
        some_events = [SubmitIntended(), SubmitAccepted("t"), TaskSucceeded(NOW), VideoSaved("videos/a.mp4", 1, "ab")]
        journal.record_all([(KEYS[0], event) for event in (PLANNED, *some_events)], NOW)
        journal.record_all([(KEYS[0], VideoMissing()), (KEYS[0], HeldForReview("gone"))], NOW)
        assert seen(read(path)) == seen(journal.board)


def test_many_events_are_one_write_and_none_are_no_write(path):
    class Counting(Journal):
        writes = 0

        def _write(self, raw: bytes) -> None:
            type(self).writes += 1
            super()._write(raw)

    with Counting.open(path, NOW) as journal:
        Counting.writes = 0
        journal.record_all([(key(f"s{n}"), Planned(f"s{n}", OUTLINE)) for n in range(50)], NOW)
        assert Counting.writes == 1
        journal.record_all([], NOW)
        assert Counting.writes == 1
    assert len(read(path).jobs) == 50


# --- the file and its folder ---


def test_the_journal_is_its_owners_alone(tmp_path):
    path = tmp_path / "out" / "film" / "journal.jsonl"
    Journal.open(path, NOW).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folders_mode_that_a_person_chose_is_kept(tmp_path):
    tmp_path.chmod(0o755)
    Journal.open(tmp_path / "journal.jsonl", NOW).close()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_the_names_of_a_new_journal_and_of_its_new_folders_are_synced(tmp_path):
    """A journal that a power cut takes with its folder cannot keep anybody from paying twice."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    code = f"from pathlib import Path; from wanbatch.jobs.journal import Journal; Journal.open(Path('a/b/j'), {NOW})"
    log = tmp_path / "log"
    asked = ["strace", "-f", "-y", "-o", log, "-e", "trace=fsync,fdatasync", sys.executable, "-c", code]
    done = subprocess.run(
        asked, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    if not log.exists() or b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    synced = [line.partition("<")[2].partition(">")[0] for line in log.read_text().splitlines() if "sync(" in line]
    assert synced[0] == str(tmp_path / "a/b/j")
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a/b")} <= set(synced)


def test_a_symbolic_link_is_refused_in_words(tmp_path, path):
    some(tmp_path / "elsewhere.jsonl")
    path.symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(JournalError, match="it is a symbolic link"):
        Journal.open(path, NOW)


def test_what_is_no_file_is_refused_in_words(tmp_path, path):
    path.mkdir()
    with pytest.raises(JournalError, match="it is no plain file"):
        Journal.open(path, NOW)
    with pytest.raises(JournalError, match="cannot read"):
        read(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match="it is no plain file"):
        Journal.open(tmp_path / "pipe", NOW)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot open") as caught:
        Journal.open(tmp_path / "file" / "journal.jsonl", NOW)
    assert "--out" in caught.value.hint


def test_a_missing_journal_reads_as_an_empty_board(path):
    assert read(path).jobs == {}


def script(code: str, cwd: Path, *start: str) -> subprocess.Popen[str]:
    """A Python program beside the tests."""
    head = (
        "import os, sys, time, resource\n"
        "from pathlib import Path\n"
        "from wanbatch.jobs.journal import Journal, JournalError, read\n"
        "from wanbatch.jobs.state import Planned, SubmitIntended\n"
        "from wanbatch.manifest.model import JobKey\n"
        "P = Path('journal.jsonl')\n"
    )
    return subprocess.Popen(
        [*start, sys.executable, "-c", head + code],
        cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def outcome(program: subprocess.Popen[str]) -> str:
    said, wrong = program.communicate(timeout=30)
    assert program.returncode == 0, wrong
    return said.strip()


def test_a_read_only_folder_refuses_a_run_but_not_a_look(tmp_path, path):
    """Root ignores modes, so the program gives up being root."""
    some(path)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    code = (
        "P = Path(sys.argv[1]) if len(sys.argv) > 1 else P\n"
        "try:\n    Journal.open(P, 0.0)\nexcept JournalError as error:\n    print(int(error.exit_code), error)\n"
        "print(len(read(P).jobs))"
    )
    tmp_path.parent.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == path.owner() and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    path.chmod(0o444)
    with contextlib.ExitStack() as stack:
        stack.callback(tmp_path.chmod, 0o755)
        start = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
        if start and not shutil.which("setpriv"):
            pytest.skip("nobody to be instead of root")
        said = outcome(script(code, tmp_path, *start))
    assert "9 cannot open journal.jsonl: Permission denied" in said
    assert said.endswith("1")


# --- the lock ---

HOLD = "j = Journal.open(P, 0.0); j.note_run(0.0, 'm'); print(os.getpid(), flush=True); sys.stdin.read()"


def test_a_second_run_is_told_within_a_second_who_holds_the_journal(tmp_path, path):
    with script(HOLD, tmp_path) as holder:
        pid = int(holder.stdout.readline())
        started = time.monotonic()
        with pytest.raises(JournalLocked, match=f"process {pid} on {socket.gethostname()}") as caught:
            Journal.open(path, NOW)
        assert time.monotonic() - started < 1
        assert caught.value.exit_code is Exit.LOCKED
        holder.kill()
    assert writable(path)


def test_a_holder_that_did_not_say_who_it_is_is_not_taken_for_an_earlier_one(tmp_path, path):
    with script(HOLD, tmp_path) as first:
        first.stdout.readline()
        first.stdin.close()
        first.wait(10)
    with Journal.open(path, NOW), pytest.raises(JournalLocked, match="its process is not known"):
        Journal.open(path, NOW)
    fresh = tmp_path / "fresh.jsonl"
    with Journal.open(fresh, NOW), pytest.raises(JournalLocked, match="its process is not known"):
        Journal.open(fresh, NOW)


def test_a_holder_of_another_user_or_machine_is_believed(path):
    assert locks.is_alive(os.getpid())
    raw, _ = encode(Line(1, NOW, "RunStarted", None, {"host": "far-away", "pid": 2**22 + 1}), 0)
    path.write_bytes(b"{}\n" + raw)
    assert locks.holder(path) == f"process {2**22 + 1} on far-away"


def test_a_process_that_may_not_be_asked_is_alive(tmp_path):
    start = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    if start and not shutil.which("setpriv"):
        pytest.skip("nobody to be instead of root")
    code = "from wanbatch.jobs.lock import is_alive; print(is_alive(1))"
    assert outcome(script(code, Path("/"), *start)) == "True"


def test_a_journal_that_is_replaced_between_open_and_lock_is_opened_anew(tmp_path, path, monkeypatch):
    """The lock of a file that no longer has the name locks nobody out."""
    some(path)
    looks = []

    def replaced_at_the_first_look(fd: int, where: Path) -> bool:
        looks.append(os.fstat(fd).st_ino)
        if len(looks) == 1:
            some(tmp_path / "other.jsonl", SubmitIntended())
            (tmp_path / "other.jsonl").replace(where)
        return real(fd, where)

    real = locks.same_file
    monkeypatch.setattr(locks, "same_file", replaced_at_the_first_look)
    free = lowest_free_descriptor()
    with Journal.open(path, NOW) as journal:
        assert isinstance(journal.board.jobs[KEYS[0]].state, InDoubt)
    assert len(set(looks)) == 2
    assert lowest_free_descriptor() == free, "the replaced file is let go of"


def test_a_deleted_journal_is_not_the_same_file(path):
    some(path)
    with path.open("rb") as stream:
        assert locks.same_file(stream.fileno(), path)
        path.unlink()
        assert not locks.same_file(stream.fileno(), path)


# --- errors while writing ---

FILL = (
    "j = Journal.open(P, 0.0)\n"
    "def job(n): return JobKey(f's{n}', 1, '0' * 12)\n"
    "def plan(n): j.record(job(n), Planned(f's{n}', {'model': 'm', 'prompt': 'p' * 300}), 1.0)\n"
    "n = 0\n"
    "try:\n"
    "    while True:\n        plan(n); n += 1\n"
    "except JournalError as error:\n    print(int(error.exit_code), error)\n"
    "print(n, len(j.board.jobs), len(read(P).jobs), P.read_bytes().endswith(b'}\\n'))\n"
)


@pytest.mark.parametrize("limit", [1000, 4096, 5001])
def test_a_short_write_is_taken_back_and_nothing_more_is_written(tmp_path, path, limit):
    code = (
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n" + FILL +
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "size = P.stat().st_size\n"
        "try:\n    plan(n)\nexcept JournalError as error:\n    print(error)\n"
        "print(size == P.stat().st_size)\n"
    )  # fmt: skip
    first, counts, second, same = outcome(script(code, tmp_path)).splitlines()
    assert first.startswith("9 cannot write journal.jsonl: File too large")
    count, board, onto_disk, whole = counts.split()
    assert count == board == onto_disk
    assert whole == "True"
    assert second == "journal.jsonl could not be written before; nothing more is"
    assert same == "True"
    assert writable(path)


def test_after_an_error_the_journal_is_as_before_and_takes_nothing_more(path):
    """The same in this process: a file may not grow beyond the limit, as on a full disk."""
    before = some(path)
    with Journal.open(path, NOW) as journal:
        no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, no_limit[1]))
        try:
            with pytest.raises(JournalError, match="cannot write .*: File too large") as caught:  # noqa: RUF043
                journal.record(KEYS[0], SubmitIntended(), NOW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)
        assert caught.value.exit_code is Exit.STATE
        assert path.read_bytes() == before
        assert isinstance(journal.board.jobs[KEYS[0]].state, Ready)
        for again in (
            lambda: journal.record(KEYS[0], SubmitIntended(), NOW),
            lambda: journal.record_all([(KEYS[1], PLANNED)], NOW),
            lambda: journal.note_run(NOW, "film.yaml"),
        ):
            with pytest.raises(JournalError, match="nothing more is"):
                again()
        assert path.read_bytes() == before
    assert writable(path)


def test_a_lock_that_cannot_be_checked_is_let_go(path, monkeypatch):
    def forbidden(_fd: int, _path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as broken:
        broken.setattr(locks, "same_file", forbidden)
        with pytest.raises(JournalError, match="Permission denied"):
            Journal.open(path, NOW)
    assert writable(path)


def test_a_full_disk_is_said_and_what_was_written_stays_readable(tmp_path):
    code = FILL + "os.remove('ballast')\nj.close()\nj = Journal.open(P, 0.0)\nplan(n)\nprint(len(read(P).jobs) - n)"
    # The file system is full when the journal has grown by what the ballast left free.
    inner = f"os.chdir('m'); open('ballast', 'wb').write(bytes(40_000))\n{code}"
    (tmp_path / "m").mkdir()
    mount = 'mount -t tmpfs -o size=64k tmpfs m && exec "$@"'
    program = script(inner, tmp_path, "unshare", "-Urm", "sh", "-c", mount, "sh")
    said, wrong = program.communicate(timeout=30)
    if program.returncode and "Journal" not in wrong:
        pytest.skip(f"no small disk here: {wrong.strip()}")
    first, counts, again = said.splitlines()
    assert first == "9 cannot write journal.jsonl: No space left on device"
    count, board, onto_disk, whole = counts.split()
    assert count == board == onto_disk
    assert (whole, again) == ("True", "1")


def test_a_journal_that_cannot_be_mended_is_an_error_in_words(path, monkeypatch):
    """The folder's name cannot be synced: what was created may be gone after a power cut."""

    def broken(_folder: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(disk, "sync_folder", broken)
        with pytest.raises(JournalError, match=r"cannot mend .*: Input/output error"):
            Journal.open(path, NOW)
    assert writable(path), "the lock was let go"


# --- a look while a run goes on ---


def test_a_reader_sees_whole_lines_only_while_a_writer_appends(tmp_path, path):
    code = FILL.replace("while True", "while n < 1500").replace("except JournalError", "except KeyboardInterrupt")
    seen_counts = []
    with script(code, tmp_path) as writer:
        while writer.poll() is None:
            seen_counts.append(len(read(path).jobs))
        assert writer.returncode == 0, writer.stderr.read()
    assert seen_counts == sorted(seen_counts)
    assert len(set(seen_counts)) > 2
    assert len(read(path).jobs) == 1500


def test_a_reader_ignores_a_line_that_is_being_written(path):
    whole = some(path, SubmitIntended())
    path.write_bytes(whole + b'{"seq":3,"at":18')
    assert isinstance(read(path).jobs[KEYS[0]].state, InDoubt)
    assert path.read_bytes().endswith(b"18"), "a reader mends nothing"


def test_what_an_earlier_process_left_in_doubt_is_known_until_it_is_sent_again(path):
    some(path, SubmitIntended())
    with Journal.open(path, NOW + 5) as journal:
        assert journal.board.inherited == {KEYS[0]: NOW + 5}
        journal.record(KEYS[0], SubmitDisproved("absent", NOW), NOW + 6)
        journal.record(KEYS[0], SubmitIntended(), NOW + 7)
        assert journal.board.inherited == {}


# --- waiting for the lock ---


def test_waiting_ends_when_the_holder_does_and_tells_once_who_that_is(path):
    """What the other run left in doubt counts from the moment of the lock: it submitted while we waited."""
    holding = Journal.open(path, NOW)
    naps, heard = [], []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            holding.record(KEYS[0], PLANNED, NOW + 40)
            holding.record(KEYS[0], SubmitIntended(), NOW + 41)
            holding.close()

    holding.note_run(NOW, "film.yaml")
    with Journal.open(path, NOW, 60.0, lambda: NOW + 45, sleep, heard.append) as journal:
        assert journal.board.inherited == {KEYS[0]: NOW + 45}
    assert len(naps) == 3
    assert max(naps) <= 0.2
    who = f"process {os.getpid()} on {socket.gethostname()}"
    assert heard == [f"another run holds {path}: {who}; waiting up to 60 s for it to end"]


def test_without_waiting_the_given_time_counts_and_nobody_sleeps(path):
    some(path, SubmitIntended())
    with Journal.open(path, NOW + 5, clock=lambda: NOW + 900) as journal:
        assert journal.board.inherited == {KEYS[0]: NOW + 5}
        journal.note_run(NOW, "film.yaml")

        def sleep(_seconds: float) -> None:
            raise AssertionError

        with pytest.raises(JournalLocked):
            Journal.open(path, NOW, sleep=sleep, told=sleep)


@pytest.mark.parametrize("wait_s", [0.05, 1.0, 2.34])
def test_waiting_has_an_end_and_the_lock_is_not_taken_away(path, wait_s):
    naps = []
    with Journal.open(path, NOW) as holding:
        holding.note_run(NOW, "film.yaml")
        with pytest.raises(JournalLocked):
            Journal.open(path, NOW, wait_s, lambda: NOW, naps.append)
        holding.record(KEYS[0], PLANNED, NOW)
    assert sum(naps) == pytest.approx(wait_s)
    assert KEYS[0] in read(path).jobs


def test_a_holder_that_has_only_just_begun_gets_a_moment_to_say_who_it_is(path):
    with Journal.open(path, NOW) as holding:
        naps = []

        def sleep(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 2:
                holding.note_run(NOW, "film.yaml")

        with pytest.raises(JournalLocked, match=f"process {os.getpid()} "):
            Journal.open(path, NOW, sleep=sleep)
    assert len(naps) == 2


def test_a_stopped_holder_keeps_its_lock(tmp_path, path):
    with script(HOLD, tmp_path) as holder:
        pid = int(holder.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(JournalLocked, match=f"process {pid} "):
                Journal.open(path, NOW, 0.3, lambda: NOW)
        finally:
            os.kill(pid, signal.SIGCONT)
            holder.kill()


# --- every error of the system is one line and exit 9 ---

WORK = (
    "from wanbatch.jobs.state import SubmitAccepted\n"
    "try:\n"
    "    with Journal.open(P, 5.0) as j:\n"
    "        j.record(JobKey('a', 1, '0' * 12), Planned('a', {'model': 'm', 'prompt': 'p'}), 6.0)\n"
    "        j.record(JobKey('a', 1, '0' * 12), SubmitIntended(), 7.0)\n"
    "        print('POST', flush=True)\n"
    "except JournalError as error:\n    print(int(error.exit_code), error)\n"
)
"""Opens a journal with a torn last line, and writes two lines."""

ERRORS = [
    (call, name)
    for call, names in {
        "openat": ("EMFILE", "EACCES", "EROFS", "ENOSPC", "EDQUOT", "EIO"),
        "flock": ("ENOLCK", "EIO"),
        "read": ("EIO",),
        "ftruncate": ("EIO", "EROFS"),
        "write": ("ENOSPC", "EDQUOT", "EIO", "EROFS"),
        "fdatasync": ("EIO", "ENOSPC", "EDQUOT"),
        "fsync": ("EIO",),
        "mkdir": ("ENOSPC", "EROFS"),
    }.items()
    for name in names
]


@pytest.mark.parametrize(("call", "name"), ERRORS)
def test_whatever_the_system_refuses_nothing_is_sent_that_is_not_on_disk(tmp_path, call, name):
    """Each of the calls that touch the journal fails once, the first, the second, and so on."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    folder = tmp_path / "out"
    path = folder / "journal.jsonl"
    for nth in range(1, 9):
        shutil.rmtree(folder, ignore_errors=True)
        if call != "mkdir":
            some_torn(path)
        log = tmp_path / "log"
        where = ["-P", folder, "-P", path] if call != "mkdir" else []
        start = ["strace", "-f", "-qq", "-o", log, *where, "-e", f"trace={call}",
                 "-e", f"inject={call}:error={name}:when={nth}"]  # fmt: skip
        program = script(WORK.replace("P,", "Path('out/journal.jsonl'),"), tmp_path, *map(str, start))
        said, wrong = program.communicate(timeout=30)
        if "ptrace" in wrong or not log.exists():
            pytest.skip("strace may not trace here")
        if "(INJECTED)" not in log.read_text("utf-8", "replace"):
            break
        assert program.returncode == 0, wrong
        assert wrong == ""
        assert len(said.splitlines()) == 1
        if said == "POST\n":  # a lesser thing failed: the torn bytes could not be kept aside
            assert kinds_in(path)[-1] == "SubmitIntended"
            continue
        assert said.startswith("9 cannot ")
        assert os.strerror(getattr(errno, name)) in said
        assert writable(path)
    assert nth > 1, f"{call} is never called"


def some_torn(path: Path) -> None:
    some(path)
    with path.open("ab") as stream:
        stream.write(b'{"seq":2,"at":1')


def kinds_in(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_bytes().splitlines()]


def test_too_many_open_files_is_one_line_and_exit_9(tmp_path, path):
    some(path)
    code = (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n"
        "held = []\n"
        "try:\n    while True:\n        held.append(os.open('.', os.O_RDONLY))\n"
        "except OSError:\n    pass\n" + WORK + "try:\n    read(P)\nexcept JournalError as error:\n    print(error)\n"
    )
    said = outcome(script(code, tmp_path)).splitlines()
    assert said == [
        "9 cannot open journal.jsonl: Too many open files",
        "cannot read journal.jsonl: Too many open files",
    ]
    assert writable(path)


def test_a_read_only_file_system_is_one_line_and_exit_9(tmp_path):
    (tmp_path / "m").mkdir()
    mount = 'mount -t tmpfs tmpfs m && echo kept > m/kept && mount -o remount,ro m && cd m && exec "$@"'
    program = script(WORK, tmp_path, "unshare", "-Urm", "sh", "-c", mount, "sh")
    said, wrong = program.communicate(timeout=30)
    if program.returncode and "Journal" not in wrong:
        pytest.skip(f"no read-only disk here: {wrong.strip()}")
    assert said == "9 cannot open journal.jsonl: Read-only file system\n"


def test_a_write_that_fails_between_intent_and_answer_still_gives_the_line_for_a_rescue(path):
    some(path, SubmitIntended())
    with Journal.open(path, NOW) as journal:
        no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, no_limit[1]))
        try:
            with pytest.raises(JournalError):
                journal.record(KEYS[0], SubmitAccepted("task-1", "request-1"), NOW)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)
        line = journal.line(KEYS[0], SubmitAccepted("task-1", "request-1"), NOW)
    assert json.loads(line)["task_id"] == "task-1"
    path.write_bytes(path.read_bytes() + line)
    assert read(path).jobs[KEYS[0]].task_id == "task-1", "it is the next line, as it would have been written"


# --- what a change of one thing in the code showed to be untested ---


def test_times_are_written_to_the_millisecond(path):
    with Journal.open(path, 1.23456) as journal:
        journal.note_run(2.34567, "film.yaml")
    assert [json.loads(line)["at"] for line in path.read_bytes().splitlines()] == [1.235, 2.346]


def test_a_line_break_before_the_first_line_is_damage_and_not_a_torn_line(path):
    """Taken for torn, it would cut off the whole journal, and everything would be paid for again."""
    some(path)
    content = path.read_bytes()
    path.write_bytes(b"\n" + content)
    with pytest.raises(JournalError, match="line 1 is damaged"):
        read(path)
    with pytest.raises(JournalError, match="line 1 is damaged"):
        Journal.open(path, NOW)
    assert path.read_bytes() == b"\n" + content


def test_a_damaged_journal_is_let_go_of(path):
    """Else the person who restores it from a backup would be told that a run holds it."""
    some(path)
    path.write_bytes(path.read_bytes().replace(b"Planned", b"planned"))
    for _ in range(2):
        with pytest.raises(JournalError, match="is damaged"):
            Journal.open(path, NOW)


def test_a_torn_line_is_kept_beside_the_journal_under_its_number(path):
    whole = some(path)
    path.write_bytes(whole + b'{"seq":2,"at":18')
    with Journal.open(path, NOW) as journal:
        assert journal.torn_bytes == 16
    assert path.with_name("journal.torn-2").read_bytes() == b'{"seq":2,"at":18'
    assert path.read_bytes() == whole


def test_the_first_line_says_what_wrote_the_journal_and_where(path):
    Journal.open(path, 5.0).close()
    line = json.loads(path.read_bytes())
    del line["crc"]
    assert line == {
        "seq": 0,
        "at": 5.0,
        "event": "Opened",
        "format": 1,
        "tool": __version__,
        "host": socket.gethostname(),
    }


def test_the_live_board_has_the_times_that_are_written(path):
    with Journal.open(path, NOW) as journal:
        journal.record_all([(KEYS[0], PLANNED)], 1.23456)
        journal.record(KEYS[0], SubmitIntended(), 2.34567)
        job = journal.board.jobs[KEYS[0]]
        assert (job.planned_at, job.submitted_at) == (1.235, 2.346)
        assert read(path).jobs == journal.board.jobs


def test_who_runs_is_noted_once_in_full(path):
    with Journal.open(path, NOW) as journal:
        for at in (7.0, 8.0):
            journal.note_run(at, "film.yaml")
    (line,) = [json.loads(raw) for raw in path.read_bytes().splitlines()[1:]]
    del line["crc"]
    host, pid = socket.gethostname(), os.getpid()
    about = {"tool": __version__, "host": host, "pid": pid, "manifest": "film.yaml"}
    assert line == {"seq": 1, "at": 7.0, "event": "RunStarted"} | about


def lowest_free_descriptor() -> int:
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    return fd


def test_waiting_for_hours_opens_no_file_twice(path):
    """A descriptor for each look would end a long wait with too many open files."""
    with Journal.open(path, NOW):
        free = lowest_free_descriptor()
        with pytest.raises(JournalLocked):
            Journal.open(path, NOW, 2.0, lambda: NOW, lambda _seconds: None)
        assert lowest_free_descriptor() == free


def test_a_holder_without_a_name_is_given_half_a_second_to_say_it(path):
    naps = []
    with Journal.open(path, NOW), pytest.raises(JournalLocked, match="its process is not known"):
        Journal.open(path, NOW, sleep=naps.append)
    assert naps == [0.1] * 5


def test_an_error_that_says_nothing_of_itself_is_still_said():
    assert locks.why(OSError("odd")) == "odd"
    assert locks.why(OSError(errno.ENOSPC, "No space left on device", "f")) == "No space left on device"


def test_what_is_at_its_default_takes_no_room_in_a_line():
    assert journals.event_fields(TaskSucceeded(5.0)) == {"expires_at": 5.0}
    assert journals.event_fields(SubmitAccepted("t1")) == {"task_id": "t1"}
    assert journals.event_fields(TaskSucceeded(5.0, {"duration": 5})) == {"expires_at": 5.0, "usage": {"duration": 5}}


def test_damage_says_which_line_and_what_is_wrong_with_it(path):
    whole = some(path)
    path.write_bytes(whole.replace(b"Planned", b"planned"))
    with pytest.raises(journals.JournalDamaged) as caught:
        read(path)
    assert (caught.value.number, caught.value.exit_code) == (2, Exit.STATE)
    assert caught.value.reason == "is damaged: its check sum does not match it and the line before"
    assert JournalError("odd").hint == "", "no hint is better than one that helps nobody"


def test_a_process_of_this_machine_that_is_gone_is_not_named(path):
    """No process has a number this high."""
    for host, said in ((socket.gethostname(), locks.NAMELESS), ("far-away", f"process {2**22 + 1} on far-away")):
        raw, _ = encode(Line(1, NOW, "RunStarted", None, {"host": host, "pid": 2**22 + 1}), 0)
        path.write_bytes(b"{}\n" + raw)
        assert locks.holder(path) == said


@pytest.mark.parametrize("look", [read, content_of, manifests_of])
def test_a_pipe_in_the_journals_place_is_an_error_and_no_wait(look, tmp_path):
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises((JournalError, OSError), match="no plain file"):
        look(tmp_path / "journal.jsonl")
