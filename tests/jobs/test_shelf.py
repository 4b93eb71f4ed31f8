"""Names and records of videos."""

import json

import pytest
from support import NOW, board_with, scene, wanted

from wanbatch import __version__
from wanbatch.jobs import shelf
from wanbatch.jobs import state as s
from wanbatch.manifest import expand

MADE = [s.SubmitIntended(), s.SubmitAccepted("t1", "r1"), s.TaskSucceeded(NOW + 9, {"duration": 5}, {"end_time": "x"})]


def has_the_name(board, job, *asked_for, keep=False):
    """Whether a job's video gets its name, where some jobs are asked for."""
    keys = {one.key for one in asked_for}
    return shelf.has_the_name(board, job, keys, shelf.names_of(keys), keep=keep)


def test_a_superseded_name_is_never_one_that_is_taken():
    taken: set[str] = set()
    for _ in range(5):
        path = shelf.superseded_path("alley", "abc", taken.__contains__)
        assert path not in taken
        taken.add(path)
    assert sorted(taken)[:2] == ["superseded/alley.abc.2.mp4", "superseded/alley.abc.3.mp4"]
    assert "superseded/alley.abc.mp4" in taken


def test_parts_of_an_edited_scene_are_kept_apart():
    old, new = wanted(), wanted(prompt="another")
    board = board_with((old, []), (new, []))
    parts = {shelf.part_path(board.jobs[one.key]) for one in (old, new)}
    assert parts == {f"videos/.alley.{one.key.digest}.part" for one in (old, new)}


def test_a_video_gets_its_scenes_name_unless_a_newer_request_is_wanted_by_now():
    old, new, other = wanted(), wanted(prompt="another"), wanted("other")
    board = board_with((old, MADE), (new, []), (other, []))
    job = board.jobs[old.key]
    assert has_the_name(board, job, old)
    assert has_the_name(board, job, new, keep=True)
    assert has_the_name(board, job, other), "its scene left the manifest"
    assert not has_the_name(board, job, new)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("id", ["alley.t2", "Alley.T2"])
def test_a_video_does_not_get_a_name_that_is_another_scenes_by_now(id, keep):
    """`alley.t2` was a scene, and is the second take of `alley`."""
    was = wanted(id)
    first, second = (expand.wanted(take) for take in expand.takes(scene("alley", takes=2)))
    board = board_with((was, MADE))
    assert not has_the_name(board, board.jobs[was.key], first, second, keep=keep)
    assert has_the_name(board, board.jobs[was.key], first, keep=keep), "nobody else has it"


def test_a_take_that_is_wanted_no_more_has_not_the_name_of_a_scene_that_is():
    second = expand.wanted(expand.takes(scene("alley", takes=2))[1])
    board = board_with((second, MADE))
    assert not has_the_name(board, board.jobs[second.key], wanted("alley"), wanted("alley.t2"))
    assert has_the_name(board, board.jobs[second.key], wanted("alley"), wanted("alley.t3"))


def test_a_sidecar_tells_how_a_video_came_to_be_and_whose_it_is():
    one = wanted()
    job = board_with((one, MADE)).jobs[one.key]
    content = shelf.sidecar(job, one.request, 9, "ab")
    record = json.loads(content)
    assert record["request"] == one.request.body()
    assert record["request_digest"] == one.request.digest()
    assert (record["task_id"], record["request_id"], record["usage"]) == ("t1", "r1", {"duration": 5})
    assert shelf.sidecar_sha256(content, job) == "ab"


def test_a_sidecar_holds_all_its_format_promises_and_is_for_people_too():
    """Billing questions are asked months later: every field, under its own name, in characters that can be read."""
    one = wanted(prompt="雨巷", negative_prompt="ü")
    job = board_with((one, MADE)).jobs[one.key]
    content = shelf.sidecar(job, one.request, 9, "ab")
    assert json.loads(content) == {
        "format": 1,
        "tool": f"wanbatch {__version__}",
        "job": str(one.key),
        "scene": "alley",
        "take": 1,
        "request": one.request.body(),
        "request_outline": one.request.outline(),
        "request_digest": one.request.digest(),
        "task_id": "t1",
        "request_id": "r1",
        "submitted_at": NOW + 1,
        "rendered_at": NOW + 3,
        "service_times": {"end_time": "x"},
        "usage": {"duration": 5},
        "size_bytes": 9,
        "sha256": "ab",
    }
    assert "雨巷".encode() in content
    assert content.startswith(b'{\n  "format": 1,\n')
    assert content.endswith(b"\n}\n")


def test_a_scene_that_left_the_manifest_still_has_a_record():
    one = wanted()
    job = board_with((one, MADE)).jobs[one.key]
    record = json.loads(shelf.sidecar(job, None, 9, "ab"))
    assert (record["request"], record["request_digest"]) == (None, one.key.digest)
    assert record["request_outline"] == one.request.outline()


def test_half_a_character_from_the_service_does_not_cost_the_record():
    one = wanted()
    job = board_with((one, [MADE[0], s.SubmitAccepted("t1", "\udcff"), MADE[2]])).jobs[one.key]
    assert json.loads(shelf.sidecar(job, one.request, 9, "ab"))["request_id"] == "\udcff"


def test_any_other_sidecar_is_not_this_jobs():
    one, other = wanted(), wanted("other")
    board = board_with((one, MADE), (other, []))
    job = board.jobs[one.key]
    good = json.loads(shelf.sidecar(job, None, 9, "ab"))
    for wrong in (
        b"", b"\xff", b"[]", json.dumps(good | {"task_id": "t2"}).encode(), json.dumps(good | {"sha256": 5}).encode(),
        shelf.sidecar(board.jobs[other.key], None, 9, "ab"),
    ):  # fmt: skip
        assert shelf.sidecar_sha256(wrong, job) is None
