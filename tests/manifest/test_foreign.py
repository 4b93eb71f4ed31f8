"""What people bring from elsewhere is recognised, and what is said of it is true of the language as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.manifest import foreign
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse
from wanbatch.manifest.shape import faults
from wanbatch.service import catalog

SCHEMA = catalog.manifest_schema()
TOP = set(SCHEMA["properties"])
SCENE = set(SCHEMA["properties"]["scenes"]["items"]["properties"])
DEFAULTS = set(SCHEMA["properties"]["defaults"]["properties"])
SHOT = set(SCHEMA["properties"]["scenes"]["items"]["properties"]["shots"]["items"]["properties"])
RUN = set(SCHEMA["properties"]["run"]["properties"])
RATIOS = SCHEMA["properties"]["scenes"]["items"]["properties"]["ratio"]["enum"]
RESOLUTIONS = SCHEMA["properties"]["scenes"]["items"]["properties"]["resolution"]["enum"]


def test_every_key_of_the_language_is_known_and_none_that_it_has_not():
    assert TOP | SCENE | DEFAULTS | SHOT | RUN | {"per_run", "per_day"} == foreign.KEYS
    assert set(foreign.IN_BOTH) == DEFAULTS - {"models"}
    assert set(foreign.IN_RUN) == RUN


@pytest.mark.parametrize(("table", "known"), [(foreign.TOP, TOP), (foreign.SCENE, SCENE), (foreign.SHOT, SHOT)])
def test_a_foreign_word_stands_for_a_key_that_is_there_and_is_none_itself(table, known):
    assert {meant for meant, _ in table.values()} <= known | {""}
    assert not table.keys() & known
    assert all(word == word.casefold() for word in table)


@pytest.mark.parametrize("table", [foreign.TOP, foreign.SCENE, foreign.SHOT])
def test_what_is_said_of_a_foreign_word_names_only_keys_that_are_there(table):
    for _, hint in table.values():
        named = {word for part in re.findall(r"`([^`]+)`", hint) for word in re.findall(r"([a-z_]+):", part)}
        assert named - {"https", "-"} <= foreign.KEYS | {"prefix", "suffix"}


def test_the_ratios_are_those_of_the_schema():
    assert list(foreign.RATIOS) == RATIOS
    assert {meant for meant, _ in foreign.SPELLED["ratio"].values()} <= set(RATIOS)
    assert {meant for meant, _ in foreign.SPELLED["resolution"].values()} <= set(RESOLUTIONS)


@pytest.mark.parametrize(
    ("size", "said"),
    [("1280*720", "720P` and `ratio: 16:9"), ("720*1280", "720P` and `ratio: 9:16"),
     ("1920x1080", "1080P` and `ratio: 16:9"), ("960×960", "720P` and `ratio: 1:1"),
     ("1104*832", "720P` and `ratio: 4:3"), ("1088 * 832", "720P` and `ratio: 4:3"),
     ("1248*1648", "1080P` and `ratio: 3:4"), ("1440*1440", "1080P` and `ratio: 1:1")],
)  # fmt: skip
def test_every_size_of_the_service_is_a_resolution_and_a_ratio(size, said):
    assert foreign.sized(size) == f"write `resolution: {said}`"


def test_a_size_that_the_service_has_not_is_only_near_one():
    assert foreign.sized("832*480") == "the nearest is `resolution: 720P` and `ratio: 16:9`"
    assert foreign.sized("16:9") == ""


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [("ratio", "16/9", "write 16:9"), ("ratio", "9x16", "write 9:16"), ("ratio", "4：3 ", ""),
     ("ratio", 1.7777, "write 16:9"), ("ratio", 1.33, "write 4:3"), ("ratio", "0:9", ""),
     ("ratio", "竖屏", "write 9:16"),
     ("ratio", "16:10", "did you mean 16:9? one of 16:9, 9:16, 1:1, 4:3, 3:4"), ("ratio", 5, ""), ("ratio", True, ""),
     ("duration", "00:05", "write 5: a length is in seconds"), ("seconds", "0-3", "write one number: how long"),
     ("resolution", "4k", "write 1080P, the largest there is"), ("resolution", "480P", "write 720P, the smallest"),
     ("resolution", "full HD", "write 1080P"), ("language", "Chinese", "write zh"), ("seed", -1, "leave the line out"),
     ("seed", "random", "leave the line out"), ("seed", -2, ""), ("title", "16/9", "")],
)  # fmt: skip
def test_a_value_of_another_tool_is_answered_with_what_to_write(name, value, hint):
    said = foreign.value_hint(name, value)
    assert said.startswith(hint)
    assert bool(said) == bool(hint)


@given(st.sampled_from(sorted(foreign.KEYS)), st.none() | st.booleans() | st.floats() | st.text() | st.integers())
def test_no_value_of_any_key_is_too_much(name, value):
    said = foreign.value_hint(name, value)
    meant = re.match(r"write ([0-9]+:[0-9]+)$", said)
    assert meant is None or meant[1] in RATIOS


@given(st.text(), st.none() | st.text() | st.dictionaries(st.text(), st.text()))
def test_no_key_is_too_much(key, value):
    for known in (TOP, SCENE, SHOT, DEFAULTS, RUN, {"prefix", "suffix"}):
        meant, hint = foreign.meaning(key, value, known)
        assert not meant or meant in known or meant in foreign.KEYS
        assert hint or not meant


BODY = {
    "model": "wan2.7-t2v",
    "input": {"prompt": "A cat.", "negative_prompt": "blurry"},
    "parameters": {"size": "1280*720", "duration": 5, "prompt_extend": True, "shot_type": "multi"},
}


@pytest.mark.parametrize("data", [BODY, [BODY], [BODY, BODY], {"wanbatch": 1, **BODY}], ids=["one", "1", "2", "marked"])
def test_a_request_body_in_place_of_a_manifest_is_one_problem_that_says_what_to_write(data):
    (fault,) = faults("manifest", data)
    assert fault.code == "E110"
    assert fault.path[-1] == "input"
    assert fault.hint == (
        "write `wanbatch: 1`, then `scenes:` and below it `- id: a-name`, `prompt: …`, `negative_prompt: …`, "
        "`model: wan2.7-t2v`, `resolution: 720P` and `ratio: 16:9`, `duration: 5`, `prompt_extend: true`"
    )


def test_a_request_body_in_place_of_a_scene_is_one_problem_of_that_scene():
    good = {"id": "a", "prompt": "A cat.", "duration": 5}
    found = faults("manifest", {"wanbatch": 1, "scenes": [good, BODY, {"id": "b"}]})
    assert [(fault.code, fault.path) for fault in found] == [("E110", ("scenes", 1, "input")), ("E109", ("scenes", 2))]


HEAD = "wanbatch: 1\ndefaults: {resolution: 720P, duration: 5}\nscenes:\n"


def said(text):
    """The one problem of a manifest: what it marks to the end of the line, and its message."""
    (problem,) = check(parse("film.yaml", text))[1]
    return problem.where.source[problem.where.column - 1 :], problem.message


@pytest.mark.parametrize(
    ("line", "at", "message"),
    [("  - id：a\n    prompt: b", "：a", "a full-width colon after `id`"),
     ("  - id: a\n    prompt：b\n    seed: 7", "：b", "a full-width colon after `prompt`"),
     ("  - {id: a， prompt: b}", "， prompt: b}", "， is no comma"),
     ("  - ｛id: a, prompt: b｝", "｛id", "｛ is no bracket"),
     ("  - id: a\n    prompt: “b: c”", "“b", "“ is no quote"),
     ("  - id: a\n    prompt: 「b: c」", "「b", "「 is no quote"),
     ("  - {id: a, prompt: ${b} c}", "${b", "`${` in an unquoted text between brackets")],
)  # fmt: skip
def test_what_only_looks_like_yaml_is_told_apart_at_its_very_character(line, at, message):
    marked, words = said(HEAD + line + "\n")
    assert marked.startswith(at)
    assert words.startswith(f"not YAML here: {message}")


@pytest.mark.parametrize("text", ["“雨夜”，她说：走。", "【一】雨夜", "title：雨夜", "a “b” c"])
def test_the_same_characters_in_a_text_are_a_text(text):
    manifest, problems = check(parse("film.yaml", f"{HEAD}  - id: a\n    prompt: {text}\n"))
    assert not problems
    assert manifest.wanted[0].request.prompt == text


def test_a_full_width_colon_in_a_text_above_is_not_what_is_wrong_further_down():
    filler = "".join(f"  - {{id: s{n}, prompt: A cat walks along a wall at night.}}\n" for n in range(20))
    marked, words = said(f"{HEAD}  - id: a\n    prompt: |\n      title：雨夜\n{filler}  - id: b\n    prompt: c: d\n")
    assert (marked, words) == (": d", "not YAML here: a `:` inside an unquoted text")


@given(st.text(alphabet="id：: ，,“”｛{}【[]\n -prompt雨　$", max_size=60))
def test_no_text_is_too_much_and_every_complaint_has_its_place(text):
    for problem in check(parse("film.yaml", HEAD + text))[1]:
        assert problem.where.line >= 1
        assert problem.where.column >= 1


@pytest.mark.parametrize("written", ["0/9", "9:0", "9" * 400 + ":9", "9:" + "9" * 400, "000*720", "0000*0000"])
def test_a_picture_that_cannot_be_is_no_reason_to_fail(written):
    assert foreign.value_hint("ratio", written) == foreign.value_hint("resolution", written) == ""
