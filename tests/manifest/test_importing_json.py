"""JSON: one object a line or as people lay it out, the same names, bodies of the API, places to the character."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest.brought import made_of, marked, prompts_of, scenes_of, told

from wanbatch.manifest.importing_json import members
from wanbatch.manifest.prompt import one_line

BODY = {
    "model": "wan2.7-t2v",
    "input": {"prompt": "A kitten", "negative_prompt": "flower", "audio_url": "https://a/b.mp3"},
    "parameters": {
        "resolution": "1080P", "ratio": "9:16", "duration": 7, "seed": 3, "prompt_extend": True, "watermark": True,
    },
}  # fmt: skip


def test_a_line_is_a_scene():
    made = made_of('{"id": "a", "text": "A cat", "seconds": 7}\n\n{"Prompt": "雨夜", "tags": ["x", "y, z"]}\n', "jsonl")
    first, second = scenes_of(made)
    assert (first.id, first.prompt, first.duration) == ("a", "A cat", 7)
    assert (second.prompt, second.duration, second.tags) == ("雨夜", 5, ("x", "y, z"))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("whole", [BODY, [BODY]])
def test_a_body_of_the_api_is_the_request_that_it_was(whole, indent):
    made = made_of(json.dumps(whole, indent=indent), "jsonl")
    (scene,) = scenes_of(made)
    stated = BODY["input"] | BODY["parameters"] | {"model": "wan2.7-t2v"}
    assert {name: getattr(scene, name) for name in stated} == stated
    assert made.left_out == ()


def test_a_body_of_wan26_is_what_it_means_here_and_what_it_cannot_be_is_said():
    body = {"model": "wan2.6-t2v", "input": {"prompt": "a"}, "parameters": {"size": "1088*1920", "shot_type": "multi"}}
    body["parameters"]["size"] = "1080*1920"
    made = made_of(json.dumps(body), "jsonl")
    (scene,) = scenes_of(made)
    assert (scene.model, scene.resolution, scene.ratio) == ("wan2.7-t2v", "1080P", "9:16")
    assert made.left_out == (
        "the model wan2.6-t2v (the scenes get wan2.7-t2v)",
        "the key 'shot_type' (wan2.7 has none: describe the shots in the prompt)",
    )


def test_a_model_that_makes_videos_of_something_else_is_refused():
    made = made_of('{"model": "wan2.6-i2v", "input": {"prompt": "a", "img_url": "https://x"}}', "jsonl")
    assert [one.split(" ")[1] for one in told(made)] == ["E105"]
    assert marked(made) == ['"wan2.6-i2v"']


def test_shots_are_taken_as_the_manifest_writes_them():
    shots = [{"framing": "wide shot", "seconds": 2.5, "prompt": "p"}, {"duration": 2.5, "text": "q"}]
    (scene,) = scenes_of(made_of(json.dumps({"intro": "Story.", "shots": shots}), "jsonl"))
    assert [(one.framing, one.seconds, one.prompt) for one in scene.shots] == [
        ("wide shot", 2.5, "p"),
        (None, 2.5, "q"),
    ]
    assert (scene.intro, scene.duration) == ("Story.", 5)


@pytest.mark.parametrize("framing", ["framing", "camera"])
@pytest.mark.parametrize("seconds", ["seconds", "Duration", "length"])
@pytest.mark.parametrize("prompt", ["prompt", "text", "description"])
def test_the_parts_of_a_shot_go_by_what_people_call_them(framing, seconds, prompt):
    (scene,) = scenes_of(made_of(json.dumps({"shots": [{framing: "wide", seconds: "3 s", prompt: "a cat"}]}), "jsonl"))
    assert [(one.framing, one.seconds, one.prompt) for one in scene.shots] == [("wide", 3, "a cat")]


def test_what_looks_like_a_variable_stays_in_every_text_that_could_have_one():
    shot = {"framing": "${a}", "seconds": 2, "prompt": "b ${b}"}
    texts = {"title": "${c}", "negative_prompt": "d ${d}", "audio_url": "https://a/${e}.mp3"}
    (scene,) = scenes_of(made_of(json.dumps({"intro": "f ${f}", "shots": [shot], **texts}), "jsonl"))
    assert {name: getattr(scene, name) for name in texts} == texts
    assert scene.intro == "f ${f}"
    assert [(one.framing, one.prompt) for one in scene.shots] == [("${a}", "b ${b}")]


def test_texts_alone_are_prompts():
    assert prompts_of(made_of('["a cat","a dog" , "an ox"]\n"a fox"\n', "jsonl")) == [
        "a cat",
        "a dog",
        "an ox",
        "a fox",
    ]


def test_null_and_empty_texts_state_nothing():
    (scene,) = scenes_of(
        made_of('{"prompt": "a", "seed": null, "title": "", "input": {"negative_prompt": null}}', "jsonl")
    )
    assert (scene.seed, scene.title, scene.negative_prompt) == (None, None, None)


@pytest.mark.parametrize("shots", [7, [], {}, None])
def test_shots_that_are_no_list_are_left_out(shots):
    made = made_of(json.dumps({"prompt": "a", "shots": shots}), "jsonl")
    assert prompts_of(made) == ["a"]
    assert made.left_out == ("the key 'shots'",)


def test_a_key_can_be_chosen_and_what_is_nothing_here_is_said_once():
    made = made_of('{"en": "a", "de": "b"}\n{"en": "c", "de": "d"}\n', "jsonl", prompt="en")
    assert prompts_of(made) == ["a", "c"]
    assert made.left_out == ("the key 'de'",)


@pytest.mark.parametrize(
    ("text", "said", "mark"),
    [
        ('{"prompt": "a",}', "1:16 E501 not JSON here: expecting property name enclosed in double quotes", "}"),
        ("{'prompt': 'a'}", "1:2 E501 not JSON here: expecting property name enclosed in double quotes", "'"),
        ('{"prompt": "a"', "1:14 E501 not JSON here: expecting ',' delimiter", '"'),
        ("[" * 100_000, "1:1 E501 not JSON here: too many brackets inside each other", "["),
        ("7", "1:1 E501 neither an object nor a text", "7"),
        ('{"prompt": ["a"]}', "1:12 E101 prompt is a list, but must be one value", '["a"]'),
        ('{"prompt": {"a": 1}}', "1:12 E101 prompt is an object, but must be one value", '{"a": 1}'),
        ('{"prompt": "a", "text": "b"}', "1:17 E502 'text' says the prompt for the second time", '"text"'),
        ('{"pormpt": "a"}', "1:1 E107 no prompt in this object", "{"),
        ('{"prompt": "a", "duration": 99}', "1:29 E104 ", "99"),
        ('{"shots": [{"seconds": 2, "x": 1}]}', "1:27 E103 'x' is nothing that a shot has", '"x"'),
        ('{"shots": [{"seconds": [2]}]}', "1:13 E103 'seconds' is nothing that a shot has", '"seconds"'),
        ('{"shots": [{"seconds": 2, "prompt": "p"}, 7]}', "1:43 E501 not a shot", "7"),
        ('{"shots": [{"seconds": 0.3, "prompt": "p"}]}', "1:24 E104 ", "0.3"),
        ('{"prompt": "a\\tb"}', "1:12 E208 ", '"a\\tb"'),
    ],
)  # fmt: skip
def test_a_problem_is_said_at_its_character(text, said, mark):
    made = made_of(text, "jsonl")
    assert told(made)[0].startswith(said)
    assert marked(made)[0] == mark
    assert made.problems[0].hint


def test_reading_goes_on_after_a_line_that_is_not_json():
    made = made_of('{"prompt": }\n{"prompt": "b"}\n{"prompt": "c", "seed": -1}\n', "jsonl")
    assert [one[:9] for one in told(made)] == ["1:12 E501", "3:25 E104"]


NAMES = st.text(max_size=6)
PLAIN = st.none() | st.booleans() | st.integers() | NAMES
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(NAMES, JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_the_walk_over_an_object_finds_what_is_in_it_and_where(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = list(members(text, 0))
    assert {one.name: one.value for one in found} == value
    for one in found:
        assert json.loads(text[slice(*one.key)]) == one.name
        assert json.loads(text[slice(*one.spot)]) == one.value


TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"), min_size=1
).filter(lambda text: text.strip() != "" and "${" not in text)


@given(st.lists(TEXTS, min_size=1), st.booleans())
def test_every_prompt_comes_back_as_it_was(texts, ascii_only):
    text = "\n".join(json.dumps({"prompt": one}, ensure_ascii=ascii_only) for one in texts)
    assert prompts_of(made_of(text, "jsonl")) == [one_line(one) for one in texts]
