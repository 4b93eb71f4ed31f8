"""What the list of tasks shows, and which tasks it shows when it is asked for some."""

import pytest
from simulator.asking import HEADERS, MODEL, T0, body, refusal, submit

from wanbatch.simulator.rules import MODELS, Rules
from wanbatch.simulator.world import World

CALM = Rules(submit_rate=1e6, query_rate=1e6, spread=0.0)


def test_a_list_row_has_the_documented_fields_and_the_request_id_of_the_submit():
    world = World(CALM)
    created = world.create(T0, HEADERS, body()).json
    listed = world.list_tasks(T0 + 100, HEADERS, {}).json
    assert {key: listed[key] for key in ("total", "total_page", "page_no", "page_size")} == {
        "total": 1,
        "total_page": 1,
        "page_no": 1,
        "page_size": 10,
    }
    assert "output" not in listed
    assert listed["request_id"] != created["request_id"]
    row = listed["data"][0]
    assert row["request_id"] == created["request_id"]
    assert row["task_id"] == created["output"]["task_id"]
    assert (row["gmt_create"], row["start_time"], row["end_time"]) == (
        T0 * 1000,
        T0 * 1000 + 1000,
        T0 * 1000 + 61_000,
    )
    assert (row["status"], row["model_name"], row["region"]) == ("SUCCEEDED", MODEL, "cn-beijing")
    assert row["user_api_unique_key"].startswith("apikey:v1:aigc:")
    assert not {"prompt", "video_url", "code"} & set(row)


def test_list_filters_by_task_model_status_key_and_window():
    world = World(CALM)
    old = submit(world, T0)
    new = submit(world, T0 + 3600, model=MODELS[1], key="sk-two")

    def found(**params):
        reply = world.list_tasks(T0 + 3600, HEADERS, params)
        return [row["task_id"] for row in reply.json["data"]]

    assert found() == [new, old]
    assert found(task_id=old) == [old]
    assert found(model_name=MODELS[1]) == [new]
    assert found(status="PENDING") == [new]
    assert found(status="SUCCEEDED") == [old]
    assert found(start_time="20260529045000") == [new]
    assert found(end_time="20260529045000") == [old]
    assert found(start_time="20260529042640", end_time="20260529042640") == [old]
    key_id = world.list_tasks(T0 + 3600, HEADERS, {"task_id": new}).json["data"][0]["api_key_id"]
    assert found(api_key_id=key_id) == [new]
    assert found(region="ap-southeast-1") == []


@pytest.mark.parametrize(
    "params",
    [
        {"page_no": "0"},
        {"page_size": "x"},
        {"start_time": "2026-05-29"},
        {"start_time": "2026052904264"},
        {"status": "CANCELLED"},
        {"start_time": "20260529000000", "end_time": "20260530000001"},
        {"start_time": "20260529000001", "end_time": "20260529000000"},
    ],
    ids=str,
)
def test_a_list_that_makes_no_sense_is_refused(params):
    assert refusal(World(CALM).list_tasks(T0, HEADERS, params)) == (400, "InvalidParameter")
