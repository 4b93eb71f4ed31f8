"""The lock: which video each take became. What is recorded stays until something of this journal replaces it."""

from dataclasses import replace
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import board_with, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.jobs.locked import HEAD, Lock, Locked, disagreements, merged, scalar, text_of
from wanbatch.jobs.lockfile import parsed
from wanbatch.manifest.model import Manifest, Picks, RunSettings
from wanbatch.money.amount import Cost

PRICE = Cost(Decimal("3.0"), "CNY", "2026-08-15")
SHA = "ab" * 32
TIMES = {"submit_time": "2026-08-15 10:00:00.000", "end_time": "2026-08-15 10:01:00.000"}


def film(*ones, **changes):
    return Manifest("film", RunSettings(), (), ones, **changes)


def done(task, path, sha256=SHA):
    sent = [s.SubmitIntended(), s.SubmitAccepted(task)]
    return [*sent, s.TaskSucceeded(9.0, times=TIMES), s.VideoSaved(path, 5, sha256)]


def lock_of(manifest, board, earlier=None, price=PRICE):
    return merged(manifest, board, lambda _job: price, earlier)


def entry(one, task="theirs", **changes):
    """The entry of a video that was made on another machine."""
    path = f"videos/{one.key.stem}.mp4"
    found = Locked(
        *(one.key.scene, one.key.take), one.request.digest(), one.request.outline(), task, path, 7, "cd" * 32
    )
    return replace(found, **changes)


ALLEY, ROOF = wanted("alley"), wanted("roof")


def test_a_finished_take_is_recorded_with_its_request_task_file_and_price():
    found = lock_of(film(ALLEY), board_with((ALLEY, done("mine", "videos/alley.mp4")))).lock
    (one,) = found.entries
    assert (one.scene, one.take, one.digest) == ("alley", 1, ALLEY.request.digest())
    assert one.outline == ALLEY.request.outline()
    assert (one.task_id, one.times, one.path, one.size_bytes, one.sha256) == ("mine", TIMES, "videos/alley.mp4", 5, SHA)
    assert (one.cost, one.picked) == (PRICE, False)


def test_what_is_not_on_disk_yet_is_not_recorded():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")[:-1]), (ROOF, []))
    assert lock_of(film(ALLEY, ROOF), board).lock.entries == ()


def test_a_video_that_was_missed_and_is_being_fetched_again_keeps_its_entry():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")))
    before = lock_of(film(ALLEY), board).lock
    board.apply(ALLEY.key, s.VideoMissing(), 1e9)
    assert lock_of(film(ALLEY), board, before).lock == before


def test_a_scene_that_left_the_manifest_leaves_the_lock():
    board = board_with((ALLEY, done("a", "videos/alley.mp4")), (ROOF, done("r", "videos/roof.mp4")))
    before = lock_of(film(ALLEY, ROOF), board).lock
    assert [one.scene for one in lock_of(film(ROOF), board, before).lock.entries] == ["roof"]


def test_entries_are_in_the_order_of_their_ids_wherever_the_scenes_stand():
    board = board_with((ROOF, done("r", "videos/roof.mp4")), (ALLEY, done("a", "videos/alley.mp4")))
    assert text_of(lock_of(film(ALLEY, ROOF), board).lock) == text_of(lock_of(film(ROOF, ALLEY), board).lock)


def test_what_another_machine_made_stays_while_this_journal_has_nothing():
    before = Lock("film", None, (entry(ALLEY),))
    found = lock_of(film(ALLEY, ROOF), board_with((ROOF, done("r", "videos/roof.mp4"))), before)
    assert [one.task_id for one in found.lock.entries] == ["theirs", "r"]
    assert found.foreign == ()


def test_what_another_machine_made_first_of_the_same_request_stays_and_is_said():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")))
    found = lock_of(film(ALLEY), board, Lock("film", None, (entry(ALLEY),)))
    assert [one.task_id for one in found.lock.entries] == ["theirs"]
    assert [one.stem for one in found.foreign] == ["alley"]


def test_a_video_that_was_made_again_here_replaces_this_journals_own_earlier_one():
    board = board_with((ALLEY, done("first", "videos/alley.mp4")))
    before = lock_of(film(ALLEY), board).lock
    again = [s.VideoMissing(), s.HeldForReview("gone"), s.ResubmitApproved("me"), *done("second", "videos/alley.mp4")]
    for event in again:
        board.apply(ALLEY.key, event, 1e9)
    found = lock_of(film(ALLEY), board, before)
    assert ([one.task_id for one in found.lock.entries], found.foreign) == (["second"], ())


def test_an_edited_scenes_earlier_video_stays_recorded_until_the_new_one_is_there():
    edited = wanted("alley", prompt="another alley")
    board = board_with((ALLEY, done("old", "videos/alley.mp4")), (edited, []))
    before = lock_of(film(ALLEY), board).lock
    assert lock_of(film(edited), board, before).lock == before
    for event in done("new", "videos/alley.mp4"):
        board.apply(edited.key, event, 1e9)
    assert [one.task_id for one in lock_of(film(edited), board, before).lock.entries] == ["new"]


def test_another_machines_video_of_an_earlier_request_gives_way():
    edited = wanted("alley", prompt="another alley")
    board = board_with((edited, done("mine", "videos/alley.mp4")))
    found = lock_of(film(edited), board, Lock("film", None, (entry(ALLEY),)))
    assert ([one.task_id for one in found.lock.entries], found.foreign) == (["mine"], ())


def test_a_price_stays_as_it_was_when_the_video_was_first_recorded():
    board = board_with((ALLEY, done("mine", "videos/alley.mp4")))
    before = lock_of(film(ALLEY), board).lock
    dearer = Cost(Decimal(9), "CNY", "2027-01-01")
    assert lock_of(film(ALLEY), board, before, dearer).lock == before
    unpriced = lock_of(film(ALLEY), board, price=None).lock
    assert unpriced.entries[0].cost is None
    assert lock_of(film(ALLEY), board, unpriced, dearer).lock.entries[0].cost == dearer


@pytest.mark.parametrize("board", [Board(), board_with((ALLEY, done("mine", "videos/alley.mp4")))])
def test_a_pick_is_as_the_manifest_says_now(board):
    before = Lock("film", None, (entry(ALLEY, picked=True),))
    assert [one.picked for one in lock_of(film(ALLEY), board, before).lock.entries] == [False]
    picked = film(ALLEY, picks=Picks({"alley": 1}))
    assert [one.picked for one in lock_of(picked, board, before).lock.entries] == [True]


def test_a_profiles_lock_names_it():
    text = text_of(lock_of(film(profile="draft"), Board()).lock)
    assert text == HEAD + "wanbatch_lock: 1\nmanifest: film\nprofile: draft\njobs: {}\n"


# disagreements


def told(ones, *entries):
    return [str(one) for one in disagreements(ones, Lock("film", None, entries))]


def test_manifest_and_lock_agree_on_equal_requests():
    assert told([ALLEY, ROOF], entry(ALLEY), entry(ROOF)) == []


def test_disagreements_name_the_fields_and_both_sides_lack():
    edited = wanted("alley", prompt="another", resolution="1080P")
    said = told([edited, wanted("cellar")], entry(ALLEY), entry(ROOF))
    assert said == ["alley (prompt, resolution 720P → 1080P)", "cellar (not in the lock)", "roof (only in the lock)"]


def test_white_space_that_no_hash_shows_is_a_disagreement_too():
    """A digest is of the bytes; the hash of a text is of what the service would echo."""
    one = replace(ALLEY, request=replace(ALLEY.request, prompt=ALLEY.request.prompt + " "))
    assert told([one], entry(ALLEY)) == ["alley (the form of a text)"]


def test_a_further_take_is_called_by_its_own_name():
    assert told([], entry(ALLEY, take=2)) == ["alley.t2 (only in the lock)"]


# text


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(
    names=st.tuples(WORDS, st.integers(1, 9999), WORDS, WORDS), name=WORDS.filter(lambda text: "/" not in text),
    picked=st.booleans(), times=st.dictionaries(st.sampled_from(["submit_time", "scheduled_time", "end_time"]), WORDS),
    cost=st.none() | st.builds(Cost, st.decimals(0, 10**6, places=2), st.sampled_from(["CNY", "USD"]),
                               st.just("2026-08-15")),
)  # fmt: skip
def test_whatever_is_written_is_read_back(names, name, picked, times, cost):
    scene, take, model, task = names
    one = entry(
        ALLEY, task, scene=scene, take=take, outline={**ALLEY.request.outline(), "model": model}, picked=picked,
        times=times, cost=cost, path=f"videos/x{name}.mp4",
    )  # fmt: skip
    lock = Lock(model, None, (one,))
    assert parsed(text_of(lock), "film.lock.yaml") == lock


@given(
    WORDS
    | st.sampled_from(
        [
            "yes",
            "No",
            "null",
            "~",
            "1e5",
            "0x1",
            "2026-08-15",
            "12:30",
            "a: b",
            "a #b",
            "-",
            "-a",
            "a\u2028b",
            "a\ufeffb",
            "\x85",
        ]
    )
)
def test_other_readers_of_yaml_take_every_text_for_a_text(text):
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}


def test_a_field_that_changed_is_one_line_of_a_diff():
    old = text_of(Lock("film", None, (entry(ALLEY),))).splitlines()
    new = text_of(Lock("film", None, (entry(ALLEY, task="t2"),))).splitlines()
    assert [line for line in new if line not in old] == ['    task_id: "t2"']
    assert len(old) == len(new)
