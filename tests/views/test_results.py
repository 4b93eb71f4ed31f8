"""results.json: every scene has its row, with what became of it and why."""

import json
from decimal import Decimal

import pytest
from support import NOW, board_with, wanted

from wanbatch.jobs import plan
from wanbatch.jobs import state as s
from wanbatch.money.amount import Cost
from wanbatch.views import results as view
from wanbatch.views.results import Ran, content, results

PRICE = Cost(Decimal("3.00"), "CNY", "2026-08-15")
END = NOW + 80_000
SENT = [s.SubmitIntended(), s.SubmitAccepted("t-1", "r-1")]
MADE = [*SENT, s.TaskSucceeded(END)]
DONE = [*MADE, s.VideoSaved("videos/alley.mp4", 9, "ab")]
RAN = Ran("film.yaml", "out/film", NOW, NOW + 60, 0)
ROW = [
    "scene", "take", "job", "outcome", "reason", "code", "new", "path", "size_bytes", "sha256", "model", "account",
    "task_id", "request_id", "attempts", "seconds", "cost", "billed", "submitted_at", "changed_at", "expires_at",
]  # fmt: skip


def shown(ran=RAN, *histories, asked=None, selected=None, files=("videos/alley.mp4",), now=NOW + 100, keep=False):
    """The file's contents after a run that left the jobs like that."""
    asked = [one for one, _ in histories] if asked is None else asked
    board = board_with(*((one, events) for one, events in histories if events is not None))
    after = plan.plan(
        asked if selected is None else selected, board, dict.fromkeys(files, 9), now, keep_changed=keep,
        price=lambda _request: PRICE, asked_for={one.key for one in asked},
    )  # fmt: skip
    return results(ran, asked, after, board)


def row(events, ran=RAN, **more):
    """The row of one scene with that history; None for a scene that the journal does not know."""
    return shown(ran, (wanted(), events), **more)["scenes"][0]


def test_the_file_is_a_contract():
    found = shown(
        Ran("film.yaml", "out/film", NOW, NOW + 60, 0, saved=frozenset({"videos/alley.mp4"})), (wanted(), DONE)
    )
    assert list(found) == [
        "format", "manifest", "folder", "simulated", "started_at", "ended_at", "exit_code", "stopped_by", "summary",
        "counts", "scenes",
    ]  # fmt: skip
    assert (found["format"], found["stopped_by"], found["counts"]) == (1, None, {"done": 1})
    assert found["summary"] == "plan: 1 done"
    assert found["scenes"] == [
        {
            "scene": "alley", "take": 1, "job": str(wanted().key), "outcome": "done", "reason": "videos/alley.mp4",
            "code": None, "new": True, "path": "videos/alley.mp4", "size_bytes": 9, "sha256": "ab",
            "model": wanted().request.model, "account": "", "task_id": "t-1", "request_id": "r-1", "attempts": 1,
            "seconds": 5, "cost": {"amount": "3.00", "currency": "CNY", "as_of": "2026-08-15"}, "billed": True,
            "submitted_at": NOW + 1, "changed_at": NOW + 4, "expires_at": None,
        }
    ]  # fmt: skip
    assert list(found["scenes"][0]) == ROW


@pytest.mark.parametrize(
    ("events", "outcome", "billed"),
    [
        (None, "not_reached", False),
        ([], "not_reached", False),
        ([*SENT, s.TaskFailed("x", "y", NOW)], "not_reached", False),
        (SENT[:1], "in_flight", None),
        (SENT, "in_flight", None),
        (MADE, "not_downloaded", True),
        (DONE, "done", True),
        ([*SENT, s.TaskFailed("x", "y")], "failed", False),
        ([*SENT[:1], s.HeldForReview("odd")], "held", None),
        ([*MADE, s.HeldForReview("odd")], "held", True),
        ([s.CancelRequested("me")], "canceled", False),
        ([*SENT, s.TaskCanceled()], "canceled", None),
    ],
)
def test_each_outcome_has_its_word_and_says_whether_it_is_billed(events, outcome, billed):
    found = row(events, files=["videos/alley.mp4"] if events is DONE else [])
    assert (found["outcome"], found["billed"]) == (outcome, billed)
    assert list(found) == ROW


def test_every_kind_of_plan_entry_has_a_word():
    assert set(view.OUTCOMES) == set(plan.Kind)


def test_a_scene_that_was_not_reached_has_a_row_with_the_reason():
    ran = Ran("film.yaml", "out/film", NOW, NOW, 7, unreached="the cap of 13.00 CNY per run")
    found = shown(ran, (wanted("alley"), DONE), (wanted("roof"), None))
    assert [(one["scene"], one["outcome"]) for one in found["scenes"]] == [("alley", "done"), ("roof", "not_reached")]
    assert found["scenes"][1]["reason"] == "the cap of 13.00 CNY per run"
    assert found["stopped_by"] == "the cap of 13.00 CNY per run"
    assert row(None, files=[])["reason"] == "the run ended before it was its turn"


def test_what_is_known_of_a_scene_itself_comes_before_what_stopped_the_run():
    one = wanted()
    ran = Ran("f", "o", NOW, NOW, 3, unreached="the cap", reasons={one.key: "the disk is full"})
    assert row(MADE, ran, files=[])["reason"] == "the disk is full"
    assert row(None, ran, files=[])["reason"] == "the disk is full"


def test_a_scene_that_was_not_selected_has_its_row_too():
    alley, roof = wanted("alley"), wanted("roof")
    found = shown(RAN, (alley, DONE), asked=[alley, roof], selected=[alley])["scenes"]
    assert [(one["scene"], one["outcome"], one["reason"]) for one in found] == [
        ("alley", "done", "videos/alley.mp4"), ("roof", "not_selected", "not selected"),
    ]  # fmt: skip
    assert found[1]["model"] == roof.request.model
    assert list(found[1]) == ROW


def test_what_was_not_selected_and_is_with_the_service_says_so():
    alley, roof = wanted("alley"), wanted("roof")
    found = shown(RAN, (roof, SENT), asked=[alley, roof], selected=[alley], files=[])["scenes"]
    assert [(one["scene"], one["outcome"]) for one in found] == [("alley", "not_reached"), ("roof", "in_flight")]


def test_what_left_the_manifest_and_is_with_the_service_comes_last():
    found = shown(RAN, (wanted("gone"), SENT), asked=[wanted("alley")], files=[])["scenes"]
    assert [(one["scene"], one["outcome"]) for one in found] == [("alley", "not_reached"), ("gone", "in_flight")]
    assert found[1]["model"] == wanted().request.model


def test_a_video_that_was_kept_although_its_scene_changed_says_so():
    edited = wanted(prompt="another")
    found = shown(RAN, (wanted(), DONE), asked=[edited], keep=True)["scenes"][0]
    assert (found["outcome"], found["path"], found["billed"]) == ("kept", "videos/alley.mp4", True)
    assert found["reason"] == "changed since, kept as the manifest says"


def test_only_what_this_run_saved_is_new():
    assert row(DONE)["new"] is False


def test_a_failure_has_its_code_and_no_url():
    found = row([*SENT, s.TaskFailed("InvalidURL", "cannot read https://oss.example/a?Signature=b now")])
    assert (found["code"], found["reason"]) == ("InvalidURL", "InvalidURL: cannot read URL now")


def test_a_row_counts_attempts():
    again = [s.SubmitIntended(), s.SubmitRefused("x", "y", NOW)]
    assert row([*again, *again, *SENT])["attempts"] == 3


def test_the_files_bytes_are_json_also_for_names_that_are_no_text():
    found = shown(Ran("f\udcff.yaml", "o", NOW, NOW, 0), (wanted(), DONE))
    written = content(found)
    assert written.endswith(b"}\n")
    assert json.loads(written)["manifest"] == "f\udcff.yaml"


def test_each_row_is_a_line_that_can_be_searched_for():
    found = shown(RAN, (wanted("alley"), None), (wanted("roof"), None), files=[])
    written = content(found).decode()
    assert json.loads(written) == found
    assert [json.loads(line.rstrip(","))["scene"] for line in written.splitlines() if line.startswith("    {")] == [
        "alley", "roof",
    ]  # fmt: skip


def test_a_manifest_without_scenes_to_make_has_no_rows():
    assert json.loads(content(shown(RAN, asked=[], files=[])))["scenes"] == []
