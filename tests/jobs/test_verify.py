"""verify: lock, manifest, journal and files are held against each other; each difference is said once."""

from hashlib import sha256

import pytest
from jobs.test_locked import ALLEY, ROOF, done, entry
from support import board_with, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.locked import Lock
from wanbatch.jobs.verify import Kind, Seen, differences, seen_at

MADE = entry(ALLEY, "mine", size_bytes=5, sha256="ab" * 32)
AS_LOCKED = {MADE.path: Seen(5, "ab" * 32)}


def told(board=None, wants=(ALLEY,), seen=AS_LOCKED, files=(), lock=(MADE,)):
    found = differences(Lock("film", None, lock), wants, board, seen, files)
    return [(one.kind, one.what, one.said) for one in found]


def test_what_agrees_is_not_mentioned():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")))
    assert told(board, files=["videos/alley.mp4"]) == []
    assert told(None, files=["videos/alley.mp4"]) == []


@pytest.mark.parametrize(
    ("seen", "kind", "said"),
    [
        (None, Kind.ABSENT, "videos/alley.mp4 is not there"),
        (Seen(6, None), Kind.CHANGED, "videos/alley.mp4 has 6 bytes; locked are 5"),
        (Seen(5, "cd" * 32), Kind.CHANGED, "videos/alley.mp4 has sha256 cdcdcdcdcdcd…; locked is abababababab…"),
        (Seen(5, trouble="Input/output error"), Kind.UNREAD, "videos/alley.mp4: Input/output error"),
    ],
)
def test_a_file_that_is_not_as_locked_is_said(seen, kind, said):
    assert told(seen={MADE.path: seen}) == [(kind, "alley", said)]


def test_a_size_alone_agrees_where_only_sizes_are_looked_at():
    assert told(seen={MADE.path: Seen(5)}) == []


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (done("other", "videos/alley.mp4"), "task other here; locked is task mine"),
        (done("mine", "videos/alley.mp4", "cd" * 32), "sha256 cdcdcdcdcdcd… was saved here; locked is abababababab…"),
        (done("mine", "superseded/alley.1.mp4"), "it is at superseded/alley.1.mp4 here"),
        (done("mine", "x")[:-1], "here: made and paid for, not on disk yet"),
        ([], "here: not sent yet"),
    ],
)
def test_a_journal_that_says_otherwise_is_said(events, said):
    assert told(board_with((ALLEY, events))) == [(Kind.JOURNAL, "alley", said)]


def test_a_journal_without_the_job_would_pay_again():
    (found,) = differences(Lock("film", None, (MADE,)), [ALLEY], board_with(), AS_LOCKED, ())
    assert (found.kind, found.task_id) == (Kind.UNKNOWN, "mine")
    assert found.said == "made elsewhere, as task mine; a run here would pay for it"


def test_the_manifests_wishes_are_held_against_the_lock():
    edited = wanted("alley", resolution="1080P")
    assert told(wants=[edited]) == [(Kind.STALE, "alley", "changed since it was made: resolution 720P → 1080P")]
    assert told(wants=[]) == [(Kind.EXTRA, "alley", "the manifest no longer asks for it")]
    assert told(wants=[ALLEY, ROOF]) == [(Kind.UNMADE, "roof", "not made yet")]
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")), (ROOF, done("r", "videos/roof.mp4")))
    assert told(board, [ALLEY, ROOF]) == [(Kind.UNMADE, "roof", "made, but not written down")]
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")), (ROOF, []))
    assert told(board, [ALLEY, ROOF]) == [(Kind.UNMADE, "roof", "not made yet")]


def test_a_video_that_nobody_knows_is_said():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")), (ROOF, done("r", "videos/roof.mp4")[:-1]))
    files = ["videos/stray.mp4", "videos/alley.mp4", "videos/roof.mp4", "superseded/old.mp4"]
    strange = (Kind.STRANGE, "videos/stray.mp4", "neither lock nor journal knows it")
    assert told(board, files=files) == [strange], "a crash may have come before the journal had roof's"
    assert told(None, files=["videos/stray.mp4", "videos/alley.mp4"]) == [strange]


# looking at a file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").write_bytes(b"x" * 3_000_000)
    return tmp_path


def test_a_file_is_read_whole_in_pieces_and_its_bytes_are_counted(folder):
    pieces = []
    found = seen_at(folder, "videos/a.mp4", quick=False, passed=pieces.append)
    assert found == Seen(3_000_000, sha256(b"x" * 3_000_000).hexdigest())
    assert (sum(pieces), len(pieces)) == (3_000_000, 3)


def test_quickly_only_the_size_is_looked_at(folder):
    pieces = []
    assert seen_at(folder, "videos/a.mp4", quick=True, passed=pieces.append) == Seen(3_000_000)
    assert pieces == []


@pytest.mark.parametrize("path", ["videos/b.mp4", "superseded/a.mp4"])
def test_a_file_that_is_not_there_is_none(path, folder):
    assert seen_at(folder, path, quick=False, passed=lambda _n: None) is None


def test_a_link_or_a_folder_is_no_video(folder):
    (folder / "videos/b.mp4").symlink_to("a.mp4")
    (folder / "videos/c.mp4").mkdir()
    assert seen_at(folder, "videos/b.mp4", quick=False, passed=lambda _n: None).trouble
    assert seen_at(folder, "videos/c.mp4", quick=False, passed=lambda _n: None).trouble == "is no plain file"


def test_an_error_while_reading_is_no_difference_but_a_trouble(folder):
    def fail(_count):
        raise OSError(5, "Input/output error")

    assert seen_at(folder, "videos/a.mp4", quick=False, passed=fail).trouble == "Input/output error"


def test_an_adopted_or_moved_job_is_known_by_its_files(folder):
    board = board_with((ALLEY, [*done("mine", "videos/alley.mp4"), s.VideoMoved("superseded/alley.1.mp4")]))
    moved = entry(ALLEY, "mine", size_bytes=5, sha256="ab" * 32, path="superseded/alley.1.mp4")
    assert told(board, lock=(moved,), seen={moved.path: Seen(5, "ab" * 32)}) == []
