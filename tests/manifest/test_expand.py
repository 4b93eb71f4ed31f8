"""From manifest data to requests: defaults, seeds that never change, the body of the documented example."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import manifest, request, scene, wanted

from wanbatch.manifest import expand
from wanbatch.manifest.model import RunSettings
from wanbatch.money.amount import Cap

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "manifest.schema.json").read_text("utf-8"))
FIELDS = SCHEMA["properties"]["scenes"]["items"]["properties"]


def test_the_built_in_values_are_the_defaults_that_the_schema_states():
    assert {name: field["default"] for name, field in FIELDS.items() if "default" in field} == expand.BUILT_IN


def test_the_run_settings_are_the_defaults_that_the_schema_states():
    fields = SCHEMA["properties"]["run"]["properties"]
    stated = {name: field["default"] for name, field in fields.items() if "default" in field}
    retries = {f"{name}_retries": field["default"] for name, field in fields["retries"]["properties"].items()}
    assert expand.run_settings({}) == RunSettings(**stated, **retries)


def test_the_run_settings_are_read_into_values():
    budget = {"per_day": "100 CNY", "per_run": "4.50 USD"}
    data = {"concurrency": 2, "budget": budget, "accounts": ["main"], "retries": {"moderation": 1, "service": 0}}
    read = expand.run_settings(data)
    assert read.concurrency == 2
    assert set(read.budget) == {Cap("day", Decimal(100), "CNY"), Cap("run", Decimal("4.5"), "USD")}
    assert (read.accounts, read.moderation_retries, read.service_retries) == (("main",), 1, 0)


def test_a_scene_value_wins_over_the_defaults_and_these_over_the_built_in_one():
    data = {"id": "a", "prompt": "p", "duration": 5, "resolution": "720P", "watermark": True}
    made = expand.scene(data, {"resolution": "1080P", "ratio": "9:16", "negative_prompt": "n", "watermark": False})
    assert (made.resolution, made.ratio, made.negative_prompt, made.watermark) == ("720P", "9:16", "n", True)
    assert (made.model, made.prompt_extend, made.language) == ("wan2.7-t2v", False, "en")


def test_shots_bring_their_own_duration_whatever_the_defaults_say():
    shots = [{"prompt": "x", "seconds": 2.5}, {"prompt": "y", "seconds": 4.5, "framing": "close-up"}]
    made = expand.scene({"id": "a", "resolution": "720P", "shots": shots}, {"duration": 5})
    assert made.duration == 7
    assert type(made.duration) is int
    assert [shot.framing for shot in made.shots] == [None, "close-up"]


# These decide which video is made. A change here makes every unseeded scene of every user anew, and bills it.
SEEDS = {
    ("alley", 1): 825114416,
    ("alley", 2): 333942152,
    ("night-train", 1): 916587135,
    ("a", 1): 95012201,
}


@pytest.mark.parametrize(("scene_id", "take"), SEEDS)
def test_derived_seeds_never_change(scene_id, take):
    assert expand.derived_seed(scene_id, take) == SEEDS[scene_id, take]


@given(st.text(), st.integers(1, 1000))
def test_derived_seeds_are_within_the_documented_range(scene_id, take):
    assert 0 <= expand.derived_seed(scene_id, take) <= 2147483647


def test_a_stated_seed_is_kept_also_zero():
    assert request("alley", seed=0).seed == 0
    assert request("alley").seed == SEEDS["alley", 1]


def test_a_seed_depends_on_nothing_but_the_id():
    assert request("alley", prompt="other", ratio="1:1").seed == request("alley").seed != request("roof").seed


def test_the_body_has_the_fields_of_the_documented_example_and_the_seed():
    # Wan 2.7 create task, curl example: model, input{prompt}, parameters in this order. The seed is our own.
    body = request("alley", prompt="A kitten running in the moonlight", seed=7).body()
    assert list(body) == ["model", "input", "parameters"]
    assert body == {
        "model": "wan2.7-t2v",
        "input": {"prompt": "A kitten running in the moonlight"},
        "parameters": {
            "resolution": "720P",
            "ratio": "16:9",
            "prompt_extend": False,
            "watermark": False,
            "duration": 5,
            "seed": 7,
        },
    }
    assert list(body["parameters"]) == ["resolution", "ratio", "prompt_extend", "watermark", "duration", "seed"]


def test_optional_texts_are_sent_only_when_stated():
    body = request(negative_prompt="blurry,\n  captions\n", audio_url="https://example.com/a.mp3").body()
    assert list(body["input"]) == ["prompt", "negative_prompt", "audio_url"]
    assert body["input"]["negative_prompt"] == "blurry, captions"


def test_the_digest_of_a_request_never_changes():
    made = request("alley", prompt="A cat’s eye, 猫", negative_prompt="blurry", seed=7)
    assert made.canonical().decode() == (
        '{"input":{"negative_prompt":"blurry","prompt":"A cat’s eye, 猫"},"model":"wan2.7-t2v","parameters":'
        '{"duration":5,"prompt_extend":false,"ratio":"16:9","resolution":"720P","seed":7,"watermark":false}}'
    )
    assert made.digest() == "b51be39c493a161b9516709121b992064a8fb7105d1fd8fafe65d1bff7e29973"


SAME = {
    "plain": "wanbatch: 1\nscenes:\n  - {id: a, prompt: p, duration: 5, resolution: 720P}\n",
    "order and remarks": """\
# why
wanbatch: 1
name: other
run: {concurrency: 1}
scenes:
- resolution: 720P # price
  duration: 5
  prompt: 'p'
  id: a
""",
    "defaults and title": """\
defaults: {duration: 5, resolution: 720P, ratio: 16:9}
scenes: [{id: a, prompt: p, title: T, tags: [x]}]
wanbatch: 1
""",
    "json": '{"wanbatch": 1, "scenes": [{"prompt": "\\u0070", "id": "a", "duration": 5, "resolution": "720P"}]}',
}


@pytest.mark.parametrize("case", SAME)
def test_only_what_is_sent_decides_which_job_it_is(case):
    assert manifest(SAME[case], "other.yaml").wanted[0].key == manifest(SAME["plain"]).wanted[0].key


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "q"},
        {"duration": 6},
        {"resolution": "1080P"},
        {"ratio": "1:1"},
        {"seed": 7},
        {"watermark": True},
        {"prompt_extend": True},
        {"negative_prompt": "n"},
        {"audio_url": "https://a/b"},
        {"model": "wan2.7-t2v-2026-06-12"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_sent_makes_another_job(change):
    assert wanted("a", **change).key != wanted("a").key


def test_a_scene_becomes_one_take_whose_key_holds_the_digest():
    (take,) = expand.takes(scene("alley"))
    made = expand.wanted(take)
    assert (made.key.scene, made.key.take) == ("alley", 1)
    assert made.key.digest == made.request.digest()[:12]
    assert made.take is take


MODELS = ["wan2.7-t2v", "wan2.7-t2v-2026-06-12", "wan2.7-t2v-2026-04-25"]


def test_scenes_are_spread_over_several_models_by_their_ids_alone():
    data = {"prompt": "p", "duration": 5, "resolution": "720P"}
    ids = [f"s{number}" for number in range(300)]
    spread = {name: expand.scene({"id": name, **data}, {"models": MODELS}).model for name in ids}
    assert all(70 <= list(spread.values()).count(model) <= 130 for model in MODELS)
    assert spread == {name: expand.scene({"id": name, **data}, {"models": MODELS[::-1]}).model for name in ids}
    two = {name: expand.scene({"id": name, **data}, {"models": MODELS[:2]}).model for name in ids}
    assert all(two[name] == spread[name] for name in ids if spread[name] != MODELS[2]), "only the third's share moves"
    own = expand.scene({"id": "a", "model": MODELS[1], **data}, {"models": MODELS[:1]})
    assert own.model == MODELS[1]


# --- takes, style ---


def test_takes_have_the_stated_seed_and_the_numbers_after_it():
    assert [take.seed for take in expand.takes(scene(seed=7, takes=3))] == [7, 8, 9]
    assert [take.seed for take in expand.takes(scene(seed=2**31 - 1, takes=2))] == [2**31 - 1, 0]


def test_takes_without_a_stated_seed_have_one_each_that_more_takes_do_not_change():
    one, three = expand.takes(scene()), expand.takes(scene(takes=3))
    assert three[:1] == tuple(replace(take, scene=three[0].scene) for take in one)
    assert len({take.seed for take in three}) == 3
    assert [expand.wanted(take).key.stem for take in three] == ["alley", "alley.t2", "alley.t3"]


def test_a_style_goes_around_the_prompt_and_each_part_is_replaced_by_itself():
    defaults = {"style": {"prefix": "Ink. ", "suffix": "\nOn film."}}
    data = {"id": "a", "prompt": "A cat.", "duration": 5, "resolution": "720P"}
    plain = expand.scene(data, defaults)
    assert expand.request(expand.takes(plain)[0]).prompt == "Ink. A cat. On film."
    own = expand.scene({**data, "style": {"suffix": ""}}, defaults)
    assert expand.request(expand.takes(own)[0]).prompt == "Ink. A cat."
    shots = {"id": "a", "resolution": "720P", "intro": "Dark.", "shots": [{"seconds": 2, "prompt": "A cat."}]}
    assert expand.request(expand.takes(expand.scene(shots, defaults))[0]).prompt == (
        "Ink. Dark. Shot 1 [0–2 seconds]: A cat. On film."
    )
