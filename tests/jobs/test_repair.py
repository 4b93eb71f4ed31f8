"""A repaired journal forgets nothing that somebody could pay for twice; the damaged one stays as it is."""

import contextlib
import errno
import json
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jobs.histories import OUTLINE
from support import NOW, key

from wanbatch.errors import Exit
from wanbatch.jobs import repair
from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import Journal, JournalError, JournalLocked, encode, read
from wanbatch.jobs.repair import examine, losses, stake, write_copy
from wanbatch.jobs.rescue import rescue

NAMES = ("alley", "bridge", "canal", "roof", "quay")
ALLEY, BRIDGE, CANAL, ROOF, QUAY = (key(name, f"{number:012x}") for number, name in enumerate(NAMES))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def planned(one):
    return (one, s.Planned(one.stem, OUTLINE))


HISTORY = [
    planned(ALLEY),
    planned(BRIDGE),
    (ALLEY, s.SubmitIntended()),
    (ALLEY, s.SubmitAccepted("task-a", "request-a")),
    planned(CANAL),
    (BRIDGE, s.SubmitIntended()),
    (BRIDGE, s.SubmitRefused("Throttling", "later", NOW)),
    (CANAL, s.SubmitIntended()),
    (CANAL, s.SubmitUnclear("no answer", "request-c")),
    planned(ROOF),
    (ALLEY, s.TaskFailed("InternalError", "sorry", NOW)),
    (ALLEY, s.SubmitIntended()),
    (ROOF, s.SubmitIntended()),
    (ROOF, s.SubmitAccepted("task-r")),
    (ROOF, s.TaskSucceeded(NOW + 86_400)),
    (ROOF, s.VideoSaved("videos/roof.mp4", 9, "ab")),
    planned(QUAY),
    (BRIDGE, s.SubmitIntended()),
]
"""Lines 2 to 19 of a journal: five scenes, interleaved, with a second attempt and a job that ends in doubt."""


def history(path: Path, events=HISTORY) -> bytes:
    with Journal.open(path, NOW) as journal:
        for step, (one, event) in enumerate(events):
            journal.record(one, event, NOW + step)
    return path.read_bytes()


def bent(whole: bytes, number: int) -> bytes:
    """The journal with one bit of its line `number` changed, in the time: the line still reads as one."""
    lines = whole.splitlines(keepends=True)
    line = bytearray(lines[number - 1])
    line[line.index(b'"at":') + 9] ^= 1
    return b"".join([*lines[: number - 1], bytes(line), *lines[number:]])


def repaired(path: Path, damaged: bytes, outlines=None) -> Board:
    """The board of the copy of a damaged journal."""
    path.write_bytes(damaged)
    copy = path.with_name("copy.jsonl")
    copy.unlink(missing_ok=True)
    write_copy(path, copy, NOW + 100, outlines or {})
    assert path.read_bytes() == damaged
    return read(copy)


def may_be_sent(board: Board) -> set:
    """The scenes that a run would submit, or submit again once their task is said to have failed."""
    asleep = (s.InDoubt, s.Held, s.Done, s.Failed, s.Canceled)
    return {one for one in map(key_of, NAMES) if not (one in board.jobs and isinstance(board.jobs[one].state, asleep))}


def key_of(name: str):
    return key(name, f"{NAMES.index(name):012x}")


def submitted(events) -> set:
    return {one for one, event in events if isinstance(event, s.SubmitIntended)}


# --- no double ---


def safe(path: Path, damaged: bytes, sent_in_lost) -> None:
    """No scene that was submitted in the lost part goes by itself; those with a task only as that task."""
    found = examine(damaged, path)
    assert found.bad
    lost = sent_in_lost(found.lines)
    board = repaired(path, damaged)
    assert not lost & may_be_sent(board), f"line {found.bad.number}"


def test_whichever_bit_of_whichever_line_is_bent_no_lost_submission_goes_again(path):
    whole = history(path)
    for at in range(len(whole) - 1):
        if at % 3 and whole[at] != 10:
            continue  # every third byte, and each line break
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 7)
        safe(path, bytes(damaged), lambda good: submitted(HISTORY[max(0, good - 1) :]))


def test_whichever_line_is_missing_doubled_or_swapped_no_lost_submission_goes_again(path):
    lines = history(path).splitlines(keepends=True)
    for at in range(len(lines) - 1):
        deleted = [*lines[:at], *lines[at + 1 :]]
        doubled = [*lines[: at + 1], *lines[at:]]
        swapped = [*lines[:at], *lines[at : at + 2][::-1], *lines[at + 2 :]]
        for damaged in (deleted, doubled, swapped):
            safe(path, b"".join(damaged), lambda good: submitted(HISTORY[max(0, good - 1) :]))


@pytest.mark.parametrize("size", [100, 512])
def test_whichever_block_is_zeroed_no_lost_submission_of_a_scene_that_is_still_named_goes_again(path, size):
    whole = history(path)
    for start in range(0, len(whole), 31):
        damaged = whole[:start] + bytes(len(whole[start : start + size])) + whole[start + size :]
        known = examine(damaged, path).board.jobs
        # A second attempt of which no byte is left is the orphan check's to find: the first is still collected.
        checked = {
            one
            for one in map(key_of, NAMES)
            if str(one).encode() in damaged and not (one in known and isinstance(known[one].state, s.Waiting))
        }
        safe(path, damaged, lambda good, checked=checked: submitted(HISTORY[max(0, good - 1) :]) & checked)


def test_a_scene_that_was_not_sent_stays_as_it_is_when_every_lost_line_can_be_read(path):
    board = repaired(path, bent(history(path), 19))
    assert isinstance(board.jobs[QUAY].state, s.Ready)
    assert isinstance(board.jobs[BRIDGE].state, s.Held)
    assert isinstance(board.jobs[ALLEY].state, s.InDoubt)
    assert board.jobs[ROOF].task_id == "task-r"


def test_a_line_that_hides_whose_it_is_holds_every_scene_that_was_not_sent_and_no_other(path):
    whole = history(path, [planned(ALLEY), planned(BRIDGE), planned(CANAL), (CANAL, s.SubmitIntended()),
                           (CANAL, s.SubmitAccepted("task-c")), (BRIDGE, s.SubmitIntended())])  # fmt: skip
    lines = whole.splitlines(keepends=True)
    board = repaired(path, b"".join([*lines[:-1], b"\0" * len(lines[-1])]))
    assert {one: type(job.state) for one, job in board.jobs.items()} == {
        ALLEY: s.Held, BRIDGE: s.Held, CANAL: s.Waiting
    }  # fmt: skip


def test_a_held_scene_says_which_lines_were_lost_and_which_task_they_name(path):
    board = repaired(path, bent(history(path), 13))
    said = "may have been submitted: the journal's lines from 13 on were lost; they name task task-r"
    assert board.jobs[ROOF].state.reason == said


def test_a_task_that_the_lost_lines_name_can_be_adopted_in_the_copy(path):
    repaired(path, bent(history(path), 14))
    copy = path.with_name("copy.jsonl")
    with Journal.open(copy, NOW + 200) as journal:
        journal.record(ROOF, s.TaskAdopted("task-r", "a person"), NOW + 200)
    assert read(copy).jobs[ROOF].task_id == "task-r"


@pytest.mark.parametrize(
    ("given", "model"), [({}, OUTLINE["model"]), ({ROOF: {"model": "mine", "prompt": "p"}}, "mine")]
)
def test_a_scene_that_only_the_lost_lines_know_has_the_request_of_the_manifest_or_of_those_lines(path, given, model):
    """Without its model and its prompt it could not be found in the task list, should it ever be in doubt."""
    board = repaired(path, bent(history(path), 10), given)
    assert isinstance(board.jobs[ROOF].state, s.Held)
    assert board.jobs[ROOF].model == model


def test_a_scene_of_which_even_the_request_is_lost_is_still_held(path):
    lines = history(path).splitlines(keepends=True)
    lines[10] = b"\0" * len(lines[10])  # roof is planned there
    board = repaired(path, b"".join(lines))
    assert isinstance(board.jobs[ROOF].state, s.Held)
    assert board.jobs[ROOF].outline == {"model": "?", "prompt": "?"}
    assert (board.jobs[ROOF].model, board.jobs[ROOF].prompt_hash) == ("?", "?")


def test_a_scene_that_was_planned_beside_a_line_that_hides_whose_it_is_may_be_the_one(path):
    lines = history(path, [planned(ALLEY), planned(BRIDGE), planned(CANAL)]).splitlines(keepends=True)
    board = repaired(path, b"".join([*lines[:2], b"?" * 70 + b"\n", *lines[3:]]))
    assert {one: type(job.state) for one, job in board.jobs.items()} == {ALLEY: s.Held, CANAL: s.Held}


def test_another_task_of_a_scene_that_waits_shows_a_second_attempt(path):
    lines = history(path, [*WAITING, *AGAIN]).splitlines(keepends=True)
    board = repaired(path, b"".join([*lines[:4], *[b"?" * 70 + b"\n"] * 2, lines[6]]))
    assert isinstance(board.jobs[ALLEY].state, s.Held)


def test_a_lost_line_with_a_damaged_line_break_still_reads(path):
    (raw,) = history(path, SENT[:1]).splitlines()[1:]
    assert repair.legible(raw + b"\x0b") == repair.legible(raw)
    assert repair.legible(raw) is not None


def test_what_can_still_be_collected_is_not_held_for_a_line_that_cannot_be_read(path):
    """A held scene waits for a person, and its video expires in a day."""
    whole = history(path, [*RENDERED, (ALLEY, s.VideoSaved("videos/alley.mp4", 1, "ab"))])
    for number, state in ((5, s.Waiting), (6, s.Rendered)):
        lines = whole.splitlines(keepends=True)
        lines[number - 1] = b"\0" * len(lines[number - 1])
        assert isinstance(repaired(path, b"".join(lines)).jobs[ALLEY].state, state)


def loss_of(path: Path, events, lost) -> repair.Loss:
    """What the lost `lost` mean for the alley; the first of them cannot be the next line."""
    with Journal.open(path, NOW) as journal:
        for one, event in events:
            journal.record(one, event, NOW)
        head = path.read_bytes()
        journal.record_all(lost, NOW)
    tail = path.read_bytes()[len(head) :]
    path.write_bytes(head + tail.replace(b'"crc":"', b'"crc":"0', 1))
    found, unread = losses(examine(path.read_bytes(), path))
    assert unread == 0
    (one,) = found
    return one


SENT = [planned(ALLEY), (ALLEY, s.SubmitIntended())]
WAITING = [*SENT, (ALLEY, s.SubmitAccepted("task-1"))]
RENDERED = [*WAITING, (ALLEY, s.TaskSucceeded(NOW))]
FAILED = [*WAITING, (ALLEY, s.TaskFailed("C", "m"))]
CANCELED = [*WAITING, (ALLEY, s.TaskCanceled())]
ENDING = [*WAITING, (ALLEY, s.CancelRequested("me"))]
ANEW = [(ALLEY, s.ResubmitApproved("me")), (ALLEY, s.SubmitIntended())]
AGAIN = [(ALLEY, s.TaskFailed("C", "m", NOW)), (ALLEY, s.SubmitIntended()), (ALLEY, s.SubmitAccepted("task-2"))]


@pytest.mark.parametrize(
    ("events", "lost", "held", "said"),
    [
        (SENT[:1], [(ALLEY, s.CancelRequested("me"))], False, "not sent, as far as the lost lines can be read"),
        (SENT[:1], SENT[1:], True, "sent anew it would be paid for again; held in the copy"),
        (SENT, [(ALLEY, s.SubmitAccepted("task-1"))], False, "in doubt as before (task task-1): the next run looks"),
        (SENT, [(ALLEY, s.SubmitRefused("C", "m", NOW)), (ALLEY, s.SubmitIntended())], True, "paid for again"),
        (WAITING, [(ALLEY, s.TaskSucceeded(NOW))], False, "task task-1 is asked about again"),
        (WAITING, AGAIN, True, "(task task-2)"),
        (RENDERED, [(ALLEY, s.VideoSaved("videos/alley.mp4", 1, "ab"))], False, "fetched, or found on disk"),
        ([*RENDERED, (ALLEY, s.VideoSaved("a.mp4", 1, "ab"))], [(ALLEY, s.VideoMoved("b.mp4"))], False, "moved"),
        ([*SENT, (ALLEY, s.HeldForReview("?"))], [(ALLEY, s.TaskAdopted("task-3", "me"))], False,
         "held as before (task task-3); what was decided since is forgotten"),
        (FAILED, [(ALLEY, s.ResubmitApproved("me"))], False, "not sent"),
        (CANCELED, [(ALLEY, s.ResubmitApproved("me")), (ALLEY, s.SubmitIntended())], True, "paid for again"),
        (ENDING, [(ALLEY, s.CancelRefused())], False, "task task-1 is asked about again"),
        (ENDING, [(ALLEY, s.TaskCanceled()), *ANEW], True, "paid for again"),
        (RENDERED, [(ALLEY, s.HeldForReview("?")), *ANEW], True, "paid for again"),
        (FAILED, [(ALLEY, s.ResubmitApproved("me")), (ALLEY, s.SubmitIntended())], True, "paid for again"),
    ],
)  # fmt: skip
def test_each_loss_is_told_by_what_it_means_for_the_money(path, events, lost, held, said):
    one = loss_of(path, events, lost)
    assert one.held is held
    assert said in stake(one)
    if held:
        copy = path.with_name("copy.jsonl")
        write_copy(path, copy, NOW, {})
        assert isinstance(read(copy).jobs[ALLEY].state, s.Held)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"1", b"{}", b'{"crc":1}', b'{"seq":"x","at":1,"event":"SubmitIntended","job":"a/1/0","crc":""}',
     b'{"seq":1,"at":1,"event":"SubmitIntended","job":7,"crc":""}', b'{"seq":1,"at":1,"event":"Odd","crc":""}',
     b'{"seq":1,"at":1,"event":"SubmitIntended","job":"no key","crc":""}', b"\xff", b"[" * 100_000],
)  # fmt: skip
def test_what_does_not_read_as_a_line_is_none(raw):
    assert repair.legible(raw) is None


# --- the copy ---


def test_a_whole_journal_gets_no_copy(path):
    whole = history(path)
    copy = path.with_name("copy.jsonl")
    assert write_copy(path, copy, NOW, {}).bad is None
    path.write_bytes(whole[:-5])
    assert write_copy(path, copy, NOW, {}).torn_bytes > 0
    assert not copy.exists()


def test_the_copy_overwrites_nothing_and_is_its_owners_alone(path, tmp_path):
    path.write_bytes(bent(history(path), 5))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"mine")
    with pytest.raises(JournalError, match="exists and is not overwritten"):
        write_copy(path, copy, NOW, {})
    assert copy.read_bytes() == b"mine"
    copy.unlink()
    copy.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError):
        write_copy(path, copy, NOW, {})
    assert not (tmp_path / "elsewhere").exists()
    copy.unlink()
    write_copy(path, copy, NOW, {})
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    for line in copy.read_bytes().splitlines():
        json.loads(line)


def test_a_copy_of_a_journal_whose_first_line_is_damaged_is_a_journal(path):
    board = repaired(path, bent(history(path), 1))
    assert {one for one in board.jobs if isinstance(board.jobs[one].state, s.Held)} == {ALLEY, BRIDGE, CANAL, ROOF}


def test_a_journal_that_a_run_holds_is_not_repaired(path):
    with Journal.open(path, NOW), pytest.raises(JournalLocked):
        write_copy(path, path.with_name("copy.jsonl"), NOW, {})


def test_a_later_format_is_no_damage(path):
    raw, _ = encode(repair.Line(0, NOW, "Opened", None, {"format": 99}), 0)
    with pytest.raises(JournalError, match="this one reads"):
        examine(raw, path)


def test_what_cannot_be_read_or_written_is_said_in_a_line(path, tmp_path):
    with pytest.raises(JournalError, match="cannot read"):
        write_copy(path, tmp_path / "copy.jsonl", NOW, {})
    with pytest.raises(JournalError, match="cannot read"):
        repair.content_of(path)
    path.write_bytes(bent(history(path), 5))
    with pytest.raises(JournalError, match="cannot write .*: No such file") as caught:  # noqa: RUF043
        write_copy(path, tmp_path / "missing" / "copy.jsonl", NOW, {})
    assert caught.value.exit_code is Exit.STATE


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("beyond", [-20, 20])
def test_a_copy_that_does_not_fit_is_taken_away_again(path, tmp_path, beyond):
    path.write_bytes(bent(history(path), 15))
    copy = tmp_path / "copy.jsonl"
    size = len(examine(path.read_bytes(), path).good) + beyond
    with files_up_to(size), pytest.raises(JournalError, match="cannot write .*: File too large"):  # noqa: RUF043
        write_copy(path, copy, NOW, {})
    assert not copy.exists()


def test_where_locks_are_not_to_be_had_no_copy_is_made(path, tmp_path, monkeypatch):
    def none_left(_fd: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path.write_bytes(bent(history(path), 15))
    with monkeypatch.context() as without:
        without.setattr(repair.fcntl, "flock", none_left)
        with pytest.raises(JournalError, match="No locks available"):
            write_copy(path, tmp_path / "copy.jsonl", NOW, {})
    assert not (tmp_path / "copy.jsonl").exists()


def test_the_lines_that_are_not_even_there_are_counted(path):
    """Each may have been a submission of whichever scene was not sent yet."""
    lines = history(path).splitlines(keepends=True)
    for first, gone in [(12, 1), (12, 3), (14, 2)]:
        found = examine(b"".join([*lines[:first], *lines[first + gone :]]), path)
        assert (found.lines, found.torn_bytes) == (first, 0)
        assert losses(found)[1] == gone


def test_a_name_that_was_never_planned_may_be_the_damaged_name_of_another(path):
    whole = history(path, [planned(ALLEY), planned(BRIDGE), (ALLEY, s.SubmitIntended())])
    *good, last = whole.splitlines(keepends=True)
    board = repaired(path, b"".join([*good, last.replace(b'"alley/', b'"allez/')]))
    assert {one.scene: type(job.state) for one, job in board.jobs.items()} == {
        "alley": s.Held, "bridge": s.Held, "allez": s.Held,
    }  # fmt: skip


def test_a_last_line_that_cannot_be_read_is_not_hidden_by_the_one_before(path):
    whole = history(path, [planned(ALLEY), planned(BRIDGE), (ALLEY, s.SubmitIntended()), (BRIDGE, s.SubmitIntended())])
    *good, last = bent(whole, 4).splitlines(keepends=True)
    board = repaired(path, b"".join([*good, b"?" * (len(last) - 1) + b"\n"]))
    assert isinstance(board.jobs[BRIDGE].state, s.Held)


def test_only_what_was_written_as_a_line_of_ours_reads_as_one():
    line = {"seq": 1, "at": 1, "event": "SubmitIntended", "job": str(ALLEY)}

    def read_as(**more: object) -> object:
        return repair.legible(json.dumps(line | more).encode())

    assert read_as(crc="", clock_offset_s=2.0) == repair.Line(
        1, 1, "SubmitIntended", str(ALLEY), {"clock_offset_s": 2.0}
    )
    assert read_as() is None, "it has no sum"
    assert read_as(crc="", event="Odd") is None
    assert read_as(crc="", event="Opened", job=None) is not None
    assert read_as(crc="", event="RunStarted", job=None) is not None
    assert read_as(crc="", event="SubmitIntended", job=None) is None


def test_a_line_that_is_there_twice_is_no_second_attempt(path):
    lines = history(path, WAITING).splitlines(keepends=True)
    assert isinstance(repaired(path, b"".join([*lines, lines[-1]])).jobs[ALLEY].state, s.Waiting)


def test_a_line_that_names_a_scene_and_cannot_be_read_may_have_submitted_it_again(path):
    board = repaired(path, history(path, WAITING) + b'?"job":"%s"?\n' % str(ALLEY).encode())
    assert isinstance(board.jobs[ALLEY].state, s.Held)


def test_a_lost_request_is_used_when_it_names_model_and_prompt():
    def line(**outline: object) -> repair.Line:
        return repair.Line(1, NOW, "Planned", str(ALLEY), {"stem": "alley", "outline": outline})

    whole = {"model": "m", "prompt": "p"}
    assert repair.outline_in([None, line(model="m"), line(prompt="p"), line(), line(**whole)]) == whole
    assert repair.outline_in([line(model="m")]) is None


def test_a_held_scene_of_which_no_task_is_named_is_told_without_one(path):
    board = repaired(path, bent(history(path), 19))
    said = "may have been submitted: the journal's lines from 19 on were lost"
    assert board.jobs[BRIDGE].state.reason == said
    assert stake(loss_of(path.with_name("other.jsonl"), SENT[:1], SENT[1:])) == (
        "was submitted, or may have been: sent anew it would be paid for again; held in the copy"
    )


def test_what_was_found_is_returned_and_the_journal_is_free_again(path):
    whole = history(path)
    path.write_bytes(bent(whole, 5))
    assert write_copy(path, path.with_name("copy.jsonl"), NOW, {}).bad.number == 5
    path.write_bytes(whole)
    Journal.open(path, NOW).close()


def test_a_copy_that_lacks_what_is_believed_is_an_error_also_where_nothing_is_held(path, tmp_path):
    path.write_bytes(bent(history(path, [*RENDERED, (ALLEY, s.VideoSaved("videos/alley.mp4", 1, "ab"))]), 6))
    copy = tmp_path / "copy.jsonl"
    size = len(examine(path.read_bytes(), path).good) - 20
    with files_up_to(size), pytest.raises(JournalError, match="cannot write .*: File too large"):  # noqa: RUF043
        write_copy(path, copy, NOW, {})
    assert not copy.exists()


def test_a_whole_or_torn_journal_has_lost_nothing(path):
    whole = history(path)
    found = examine(whole, path)
    assert (found.lines, found.torn_bytes, losses(found)) == (19, 0, ([], 0))
    found = examine(whole + b"{}", path)
    assert (found.lines, found.torn_bytes, losses(found)) == (19, 2, ([], 0))


def test_a_lost_line_about_a_run_holds_nobody(path):
    history(path, [planned(ALLEY), planned(BRIDGE)])
    with Journal.open(path, NOW) as journal:
        journal.note_run(NOW, "film.yaml")
    board = repaired(path, bent(path.read_bytes(), 4))
    assert [type(job.state) for job in board.jobs.values()] == [s.Ready, s.Ready]


# --- the last resort ---


def temporary(monkeypatch, folder: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_line_that_the_journal_could_not_take_is_rescued_as_it_would_have_been_written(path, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    temporary(monkeypatch, tmp_path / "tmp")
    history(path, SENT)
    with Journal.open(path, NOW) as journal:
        line = journal.line(ALLEY, s.SubmitAccepted("task-1", "request-1"), NOW)
        kept = rescue(line, path)
        assert kept and kept.parent == tmp_path / "tmp"
        assert kept.name.startswith("wanbatch-rescue-")
        assert kept.suffix == ".jsonl"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert rescue(line, path) != kept, "nothing is overwritten"
        before = path.read_bytes()
        journal.record(ALLEY, s.SubmitAccepted("task-1", "request-1"), NOW)
    assert path.read_bytes() == before + kept.read_bytes()


def test_where_there_is_no_room_for_a_rescue_nothing_is_left_and_nothing_raised(tmp_path, monkeypatch):
    temporary(monkeypatch, tmp_path)
    assert tempfile.gettempdir() == str(tmp_path)
    with files_up_to(10):
        assert rescue(b"x" * 100, tmp_path / "film" / "journal.jsonl") is None
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert rescue(b"x" * 100, tmp_path / "film" / "journal.jsonl") is None


def test_a_rescue_is_named_after_its_output_folder_however_long(tmp_path, monkeypatch):
    temporary(monkeypatch, tmp_path)
    kept = rescue(b"{}\n", tmp_path / ("雨" * 80) / "journal.jsonl")
    assert kept.name.startswith(f"wanbatch-rescue-{'雨' * 40}-")
    monkeypatch.chdir(tmp_path)
    assert rescue(b"{}\n", Path("journal.jsonl")).name.startswith(f"wanbatch-rescue-{tmp_path.name[:40]}-")
