"""What the pretended service answers, asked without a socket and with a clock of our own."""

import hashlib
import json
import re
from collections import Counter

import pytest
from simulator.asking import HEADERS, MODEL, T0, body, headers, output, refusal, status, submit

from wanbatch.simulator.rules import MODELS, Rules
from wanbatch.simulator.world import World

CALM = Rules(submit_rate=1e6, query_rate=1e6, spread=0.0)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_create_answers_as_documented_and_repeats_its_request_id_in_the_header():
    reply = World(CALM).create(T0, HEADERS, body())
    assert reply.status == 200
    assert set(reply.json) == {"request_id", "output"}
    assert set(reply.json["output"]) == {"task_id", "task_status"}
    assert reply.json["output"]["task_status"] == "PENDING"
    assert UUID.fullmatch(reply.json["request_id"])
    assert UUID.fullmatch(reply.json["output"]["task_id"])
    assert reply.header("X-Request-Id") == reply.json["request_id"]


def test_a_task_goes_from_pending_over_running_to_succeeded_with_its_times_in_utc_plus_8():
    world = World(CALM)
    task_id = submit(world, T0, duration=7, resolution="720P", ratio="9:16")
    pending = output(world, T0 + 0.5, task_id)
    assert pending == {
        "task_id": task_id,
        "task_status": "PENDING",
        "submit_time": "2026-05-29 04:26:40.000",
    }
    running = output(world, T0 + 1, task_id)
    assert running["task_status"] == "RUNNING"
    assert running["scheduled_time"] == "2026-05-29 04:26:41.000"
    assert "end_time" not in running
    done = world.query(T0 + 61, HEADERS, task_id).json
    assert done["output"]["task_status"] == "SUCCEEDED"
    assert done["output"]["end_time"] == "2026-05-29 04:27:41.000"
    assert done["output"]["orig_prompt"] == "rain on a window"
    assert done["usage"] == {
        "duration": 7,
        "input_video_duration": 0,
        "output_video_duration": 7,
        "video_count": 1,
        "ratio": "9:16",
        "SR": 720,
    }


def test_what_is_not_said_is_5_seconds_of_1080p_at_16_to_9():
    world = World(CALM)
    raw = json.dumps({"model": MODEL, "input": {"prompt": "p", "negative_prompt": None, "audio_url": None}})
    task_id = world.create(T0, HEADERS, raw.encode()).json["output"]["task_id"]
    usage = world.query(T0 + 100, HEADERS, task_id).json["usage"]
    assert (usage["duration"], usage["SR"], usage["ratio"]) == (5, 1080, "16:9")


@pytest.mark.parametrize(
    ("sent", "raw", "expected"),
    [
        ({"X-DashScope-Async": "enable"}, body(), (401, "InvalidApiKey")),
        ({**HEADERS, "Authorization": "Bearer "}, body(), (401, "InvalidApiKey")),
        ({**HEADERS, "Authorization": "Basic sk-test"}, body(), (401, "InvalidApiKey")),
        (headers("sk-invalid"), body(), (401, "InvalidApiKey")),
        ({"Authorization": "Bearer k"}, body(), (403, "AccessDenied")),
        ({**HEADERS, "X-DashScope-Async": "yes"}, body(), (403, "AccessDenied")),
        (HEADERS, b"{", (400, "InvalidParameter")),
        (HEADERS, b"[]", (400, "InvalidParameter")),
        (HEADERS, b'{"model": "wan2.7-t2v", "input": {"prompt": "p", "more": NaN}}', (400, "InvalidParameter")),
        (HEADERS, b"[" * 100_000, (400, "InvalidParameter")),
        (HEADERS, b"\xff", (400, "InvalidParameter")),
        (HEADERS, body(model="wan9"), (400, "InvalidParameter")),
        (HEADERS, body(model=[MODEL]), (400, "InvalidParameter")),
        (HEADERS, b"{}", (400, "InvalidParameter")),
        (HEADERS, body("a [moderated input] b"), (400, "DataInspectionFailed")),
    ],
)
def test_a_refused_create_makes_no_task(sent, raw, expected):
    world = World(CALM)
    assert refusal(world.create(T0, sent, raw)) == expected
    assert world.stats()["accepted"] == 0
    assert world.stats()["requests"] == {"create": 1}


def test_header_names_may_come_in_any_case():
    sent = {"authorization": "bearer k", "x-dashscope-ASYNC": "enable"}
    assert World(CALM).create(T0, sent, body()).status == 200


@pytest.mark.parametrize(
    "parameters",
    [
        {"duration": 1},
        {"duration": 16},
        {"duration": 5.0},
        {"duration": "5"},
        {"duration": True},
        {"resolution": "720p"},
        {"resolution": 720},
        {"ratio": "2:1"},
        {"ratio": ["16:9"]},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": True},
        {"watermark": "no"},
        {"prompt_extend": 1},
        {"prompt": None},
        {"prompt": ""},
        {"prompt": ["a"]},
        {"prompt": {"a": 1}},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_accepted_and_the_task_fails_later(parameters):
    world = World(CALM)
    task_id = submit(world, T0, **parameters)
    assert status(world, T0 + 0.9, task_id) == "PENDING"
    failed = world.query(T0 + 1, HEADERS, task_id).json
    assert failed["output"]["task_status"] == "FAILED"
    assert failed["output"]["code"] == "InvalidParameter"
    assert "usage" not in failed
    assert "video_url" not in failed["output"]


@pytest.mark.parametrize(
    ("section", "good"),
    [
        ({"audio_url": "https://example.com/a.mp3"}, True),
        ({"audio_url": "file:///a.mp3"}, False),
        ({"audio_url": "oss://a/b.mp3"}, False),
        ({"audio_url": 7}, False),
        ({"negative_prompt": "flower"}, True),
        ({"negative_prompt": ["flower"]}, False),
        ({"extend_prompt": True, "function": "video-synthesis", "anything": {}}, True),
    ],
    ids=str,
)
def test_input_fields_are_checked_and_unknown_ones_tolerated(section, good):
    world = World(CALM)
    raw = json.dumps({"model": MODEL, "input": {"prompt": "p", **section}, "more": 1}).encode()
    task_id = world.create(T0, HEADERS, raw).json["output"]["task_id"]
    assert status(world, T0 + 100, task_id) == ("SUCCEEDED" if good else "FAILED")


def test_an_oss_url_is_good_when_the_header_says_that_it_may_be_resolved():
    world = World(CALM)
    raw = json.dumps({"model": MODEL, "input": {"prompt": "p", "audio_url": "oss://a/b.mp3"}}).encode()
    sent = {**HEADERS, "X-DashScope-OssResourceResolve": "enable"}
    assert status(world, T0 + 100, world.create(T0, sent, raw).json["output"]["task_id"]) == "SUCCEEDED"


def test_an_overlong_prompt_is_cut_to_5000_characters_without_a_word():
    world = World(CALM)
    task_id = submit(world, T0, "雨" * 5001)
    assert output(world, T0 + 100, task_id)["orig_prompt"] == "雨" * 5000


@pytest.mark.parametrize(
    ("mark", "code"),
    [("[moderated output]", "DataInspectionFailed"), ("[internal error]", "InternalError")],
)
def test_a_marked_prompt_renders_and_then_fails(mark, code):
    world = World(CALM)
    task_id = submit(world, T0, f"a {mark} b")
    assert status(world, T0 + 60, task_id) == "RUNNING"
    assert output(world, T0 + 61, task_id)["code"] == code


def test_only_a_pending_task_can_be_canceled_and_the_receipt_says_nothing_more():
    world = World(CALM)
    first, second = submit(world, T0), submit(world, T0)
    done = world.cancel(T0 + 0.5, HEADERS, first)
    assert done.status == 200
    assert set(done.json) == {"request_id"}
    assert status(world, T0 + 100, first) == "CANCELED"
    assert refusal(world.cancel(T0 + 1, HEADERS, second)) == (400, "UnsupportedOperation")
    assert refusal(world.cancel(T0 + 200, HEADERS, second)) == (400, "UnsupportedOperation")
    assert refusal(world.cancel(T0 + 1, HEADERS, "no-such-task")) == (400, "UnsupportedOperation")
    assert refusal(world.cancel(T0 + 1, HEADERS, first)) == (400, "UnsupportedOperation")


def test_queue_mode_lets_the_surplus_wait_as_pending_and_starts_it_when_a_slot_is_free():
    world = World(CALM)
    ids = [submit(world, T0) for _ in range(7)]
    assert [status(world, T0 + 60, one) for one in ids] == ["RUNNING"] * 5 + ["PENDING"] * 2
    assert world.cancel(T0 + 60, HEADERS, ids[5]).status == 200
    last = output(world, T0 + 61, ids[6])
    assert (last["task_status"], last["scheduled_time"]) == ("RUNNING", "2026-05-29 04:27:41.000")
    assert world.stats()["max_running"] == {MODEL: 5}
    assert world.stats()["max_open"] == {"all": 7, MODEL: 7}


def test_reject_mode_answers_429_when_five_of_a_model_are_open_and_each_model_has_its_own_five():
    world = World(Rules(submit_rate=1e6, spread=0.0, over_cap="reject"))
    for _ in range(5):
        submit(world, T0)
    assert refusal(world.create(T0, HEADERS, body())) == (429, "Throttling.Concurrency")
    submit(world, T0, model=MODELS[1])
    submit(world, T0, key="sk-other-account")
    submit(world, T0 + 61)
    assert world.stats()["throttled"] == 1
    assert world.stats()["accepted"] == 8


def test_a_task_without_a_result_three_hours_after_submission_fails_running_or_waiting():
    world = World(Rules(submit_rate=1e6, slots=1, render_s=20_000, spread=0.0))
    running, waiting = submit(world, T0), submit(world, T0)
    assert status(world, T0 + 10_799, running) == "RUNNING"
    assert status(world, T0 + 10_799, waiting) == "PENDING"
    for one in (running, waiting):
        assert output(world, T0 + 10_800, one)["code"] == "InternalError.Timeout"


def test_a_task_that_may_not_start_before_its_deadline_fails_at_the_deadline():
    world = World(Rules(pending_s=100, render_s=0, timeout_s=50))
    task_id = submit(world, T0)
    assert status(world, T0 + 49, task_id) == "PENDING"
    assert output(world, T0 + 50, task_id)["code"] == "InternalError.Timeout"


def test_five_submits_a_second_pass_for_ever_and_the_sixth_does_not():
    world = World(Rules(render_s=0))
    for n in range(100):
        submit(world, T0 + n / 5)
    assert world.stats()["throttled"] == 0
    fast = World(Rules(render_s=0))
    replies = [fast.create(T0, HEADERS, body()) for _ in range(6)]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert refusal(replies[-1]) == (429, "Throttling.RateQuota")
    assert fast.stats()["peak_submits_per_s"] == 6
    steady = World(Rules(render_s=0))
    statuses = Counter(steady.create(T0 + n / 6, HEADERS, body()).status for n in range(60))
    assert statuses[429] > 0


def test_query_list_and_cancel_share_one_rate():
    world = World(Rules(query_rate=3))
    task_id = submit(world, T0)
    assert world.query(T0, HEADERS, task_id).status == 200
    assert world.list_tasks(T0, HEADERS, {}).status == 200
    assert world.cancel(T0, HEADERS, task_id).status == 200
    assert refusal(world.query(T0, HEADERS, task_id)) == (429, "Throttling.RateQuota")
    assert world.query(T0 + 0.34, HEADERS, task_id).status == 200
    assert world.stats()["peak_queries_per_s"] == 5


def test_rates_are_judged_by_the_clients_clock_and_tasks_by_the_worlds():
    fast = World(Rules(spread=0.0))
    statuses = [fast.create(T0 + n * 60, HEADERS, body(), wall=T0 + n / 20).status for n in range(20)]
    assert statuses[:6] == [200] * 6
    assert statuses.count(429) == 20 - 5 - 4
    slow = World(Rules(spread=0.0))
    for n in range(20):
        assert slow.create(T0 + n / 1000, HEADERS, body(), wall=T0 + n).status == 200


def test_keys_of_one_account_see_the_same_tasks_and_another_account_sees_none():
    world = World(CALM)
    task_id = submit(world, T0, key="sk-one")
    assert status(world, T0, task_id, key="sk-two") == "PENDING"
    assert output(world, T0, task_id, key="sk-other-account") == {"task_id": task_id, "task_status": "UNKNOWN"}
    assert world.list_tasks(T0, headers("sk-other-account"), {}).json["total"] == 0
    assert world.list_tasks(T0, headers("sk-two"), {}).json["total"] == 1
    assert refusal(world.query(T0, {}, task_id)) == (401, "InvalidApiKey")


def test_a_task_is_unknown_24_hours_after_submission_and_its_video_24_hours_after_its_end():
    world = World(CALM)
    task_id = submit(world, T0)
    url = output(world, T0 + 86_399, task_id)["video_url"]
    path, query = url.removeprefix(world.origin).split("?")
    assert f"Expires={int(T0 + 61 + 86_400)}&" in query
    assert output(world, T0 + 86_400, task_id) == {"task_id": task_id, "task_status": "UNKNOWN"}
    assert world.list_tasks(T0 + 86_400, HEADERS, {}).json["total"] == 0
    assert world.video(T0 + 61 + 86_400, path, query, {}).status == 200
    expired = world.video(T0 + 61 + 86_401, path, query, {})
    assert expired.status == 403
    assert b"<Code>AccessDenied</Code>" in expired.body


def test_a_video_url_stays_the_same_however_often_it_is_asked_for():
    world = World(CALM)
    task_id = submit(world, T0)
    assert output(world, T0 + 70, task_id)["video_url"] == output(world, T0 + 700, task_id)["video_url"]


def test_the_oracle_counts_tasks_by_body_and_by_prompt():
    world = World(CALM)
    twice = [submit(world, T0, "雨", seed=1), submit(world, T0, "雨", seed=1)]
    other = submit(world, T0, "雨", seed=2)
    stats = world.stats()
    canonical = '{"input":{"prompt":"雨"},"model":"wan2.7-t2v","parameters":{"seed":1}}'
    assert stats["accepted_by_body"][hashlib.sha256(canonical.encode()).hexdigest()] == twice
    assert sorted(map(len, stats["accepted_by_body"].values())) == [1, 2]
    assert stats["accepted_by_prompt"] == {"雨": [*twice, other]}
    assert json.loads(json.dumps(stats)) == stats


def test_what_a_fault_answers_changes_nothing_but_the_counts():
    world = World(CALM)
    task_id = submit(world, T0)
    slowed = world.throttled(T0, "query", "7")
    assert refusal(slowed) == (429, "Throttling.RateQuota")
    assert slowed.header("Retry-After") == "7"
    assert world.failed(T0, "cancel").status == 500
    assert world.mislaid(T0, task_id).json["output"]["task_status"] == "UNKNOWN"
    assert status(world, T0, task_id) == "PENDING"
    assert world.stats()["requests"] == {"create": 1, "query": 3, "cancel": 1}
    assert world.stats()["throttled"] == 1


def test_the_same_calls_with_the_same_seed_give_the_same_bytes():
    def story(seed):
        world = World(Rules(submit_rate=1e6), seed)
        ids = [submit(world, T0 + n) for n in range(3)]
        return [world.query(T0 + 90, HEADERS, one).body for one in ids]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_renders_spread_around_their_mean():
    world = World(Rules(submit_rate=1e6, query_rate=1e6, slots=100, spread=0.5))
    ids = [submit(world, T0) for _ in range(50)]
    early = sum(status(world, T0 + 1 + 29.9, one) == "SUCCEEDED" for one in ids)
    middle = sum(status(world, T0 + 1 + 60, one) == "SUCCEEDED" for one in ids)
    late = sum(status(world, T0 + 1 + 90, one) == "SUCCEEDED" for one in ids)
    assert early == 0
    assert 10 < middle < 40
    assert late == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0},
        {"over_cap": "drop"},
        {"submit_rate": 0},
        {"ttl_s": float("nan")},
        {"pending_s": -1},
        {"spread": 1.0},
    ],
    ids=str,
)
def test_rules_that_make_no_sense_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rules(**wrong)


def test_a_late_list_hides_young_tasks_by_the_clients_clock_and_only_there():
    world = World(CALM)
    first = world.create(T0, HEADERS, body(), wall=T0).json["output"]["task_id"]
    second = world.create(T0 + 60, HEADERS, body(), wall=T0 + 1).json["output"]["task_id"]

    def listed(wall, late_s):
        found = world.list_tasks(T0 + 120, HEADERS, {}, wall=T0 + wall, late_s=late_s).json
        assert found["total"] == len(found["data"])
        return [row["task_id"] for row in found["data"]]

    assert listed(1.0, 0.0) == [second, first]
    assert listed(1.9, 2.0) == []
    assert listed(2.0, 2.0) == [first]
    assert listed(3.0, 2.0) == [second, first]
    assert status(world, T0 + 120, second) in {"PENDING", "RUNNING", "SUCCEEDED"}


def test_a_state_can_be_looked_up_without_being_counted():
    world = World(CALM)
    task_id = submit(world, T0)
    before = world.stats()
    seen = [world.status_of(T0 + after, task_id) for after in (0, 1, 61, 86_400)]
    assert seen == ["PENDING", "RUNNING", "SUCCEEDED", None]
    assert world.status_of(T0, "no such task") is None
    assert world.stats()["requests"] == before["requests"]


def test_the_other_task_is_the_newest_that_is_not_this_one():
    world = World(CALM)
    assert world.other_than("x") is None
    first, second = submit(world, T0), submit(world, T0)
    assert [world.other_than(one) for one in ("x", first, second)] == [second, second, first]
