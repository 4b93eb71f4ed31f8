"""Events as JSON objects: a contract for programs, without prompts, URLs and keys."""

import json
from decimal import Decimal

import pytest
from support import NOW, board_with, planned, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.money.amount import Cost
from wanbatch.views import events

HEAD = ["format", "at", "event", "scene", "take", "job", "state", "account", "model"]
SECRET = "https://oss.example/video.mp4?Expires=1&Signature=abc"


def lines(*history, **about):
    """The objects of a job's events."""
    one, board = wanted(), Board()
    told = [(board.apply(one.key, planned(one), NOW), planned(one))]
    told += [(board.apply(one.key, event, NOW + nth), event) for nth, event in enumerate(history, 1)]
    return [events.line(job, event, job.ended_at or NOW, **about) for job, event in told]


def test_a_change_of_state_is_an_object_of_a_known_form():
    saved = s.VideoSaved("videos/alley.mp4", 9, "ab")
    found = lines(s.SubmitIntended(), s.SubmitAccepted("t-1", "r-1"), s.TaskSucceeded(NOW + 80_000), saved)
    assert [one["event"] for one in found] == [
        "Planned", "SubmitIntended", "SubmitAccepted", "TaskSucceeded", "VideoSaved",
    ]  # fmt: skip
    assert [one["state"] for one in found] == ["ready", "in_doubt", "waiting", "rendered", "done"]
    assert all(list(one)[: len(HEAD)] == HEAD and one["format"] == 1 for one in found)
    assert found[2] | {} == {
        "format": 1, "at": NOW + 2, "event": "SubmitAccepted", "scene": "alley", "take": 1, "job": str(wanted().key),
        "state": "waiting", "account": "", "model": wanted().request.model, "task_id": "t-1", "request_id": "r-1",
    }  # fmt: skip
    assert {name: found[4][name] for name in ("task_id", "path", "size_bytes", "sha256")} == {
        "task_id": "t-1", "path": "videos/alley.mp4", "size_bytes": 9, "sha256": "ab",
    }  # fmt: skip


def test_every_state_has_its_word():
    assert set(events.STATES) == {state.__name__ for state in s.State.__args__}


def test_the_account_and_the_price_are_told():
    price = Cost(Decimal("3.00"), "CNY", "2026-08-15")
    found = lines(s.SubmitIntended(lane="main"), cost=price)[-1]
    assert found["account"] == "main"
    assert found["cost"] == {"amount": "3.00", "currency": "CNY", "as_of": "2026-08-15"}


def test_why_a_scene_failed_or_goes_again_is_told():
    found = lines(s.SubmitIntended(), s.SubmitRefused("Throttling", "slow down", NOW + 60))[-1]
    assert (found["code"], found["message"], found["retry_at"], found["state"]) == (
        "Throttling", "slow down", NOW + 60, "ready",
    )  # fmt: skip
    assert lines(s.SubmitIntended(), s.HeldForReview("odd"))[-1]["reason"] == "odd"


def test_no_prompt_and_no_url_is_in_an_object():
    odd = s.TaskSucceeded(NOW, usage={"video_url": SECRET}, times={"end_time": SECRET})
    found = lines(s.SubmitIntended(), s.SubmitUnclear(f"got {SECRET}, strangely"), s.TaskAdopted("t", "prompt"), odd)
    found += lines(s.SubmitIntended(), s.SubmitAccepted("t"), s.TaskFailed("InvalidURL", f"cannot read {SECRET}"))
    found.append(events.ended(NOW, exit_code=6, counts={}, saved=0, reason=f"nobody is at {SECRET}"))
    said = "".join(map(events.text, found))
    assert "Signature" not in said
    assert "oss.example" not in said
    assert "in the rain" not in said
    assert "outline" not in said
    assert found[2]["reason"] == "got URL strangely"


def test_a_line_is_plain_ascii_whatever_it_says():
    line = events.text(lines(s.SubmitIntended(), s.HeldForReview("é\u202e\n\ud800"))[-1])
    assert line.isascii()
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert json.loads(line)["reason"] == "é\u202e\n\ud800"


def test_a_run_begins_and_ends_with_an_object():
    assert events.started(NOW, manifest="film.yaml", folder="out/film", counts={"new": 2}, tool="1.0") == {
        "format": 1, "at": NOW, "event": "RunStarted", "tool": "1.0", "manifest": "film.yaml", "folder": "out/film",
        "counts": {"new": 2},
    }  # fmt: skip
    assert events.ended(NOW, exit_code=0, counts={"done": 2}, saved=2) == {
        "format": 1, "at": NOW, "event": "RunEnded", "exit_code": 0, "saved": 2, "reason": None, "counts": {"done": 2},
    }  # fmt: skip


@pytest.mark.parametrize("event", s.Event.__args__, ids=lambda event: event.__name__)
def test_every_field_of_an_event_is_told_or_left_out_on_purpose(event):
    left_out = {"stem", "outline", "usage", "times", "clock_offset_s", "lane"}
    assert set(event.__dataclass_fields__) <= {*events.TOLD, *left_out}


def test_an_event_of_a_finished_job_names_its_task():
    one = wanted()
    sent = [s.SubmitIntended(), s.SubmitAccepted("t-1"), s.CancelRequested("me")]
    job = board_with((one, sent)).jobs[one.key]
    assert events.line(job, sent[-1], NOW)["task_id"] == "t-1"
