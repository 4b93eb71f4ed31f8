"""Drop a manifest into tests/manifests/valid, or into invalid with a .txt of what must be said, and it is a test.

So it is in warned, where the .txt holds the warnings. A manifest of several files is a folder with a film.yaml.

`WANBATCH_ACCEPT=1 pytest tests/manifest/test_check.py` writes the .txt files anew; read what changed.
"""

import contextlib
import gc
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.errors import Exit, ManifestInvalid
from wanbatch.manifest.check import check, load, uncollected
from wanbatch.manifest.document import parse
from wanbatch.manifest.shape import translate
from wanbatch.manifest.strict import StrictValidator
from wanbatch.views.problems import show

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "manifests"
VALID = sorted([*(CORPUS / "valid").glob("*.yaml"), *(ROOT / "manifests").glob("*.yaml")])
INVALID = sorted([*(CORPUS / "invalid").glob("*.yaml"), *(CORPUS / "invalid").glob("*/film.yaml")])
WARNED = sorted([*(CORPUS / "warned").glob("*.yaml"), *(CORPUS / "warned").glob("*/film.yaml")])
HEAD = "wanbatch: 1\ndefaults: {resolution: 720P, duration: 5}\nscenes:\n"
SEVERAL = {"many-mistakes", "wide-space-in-front"}
"""Files with more than one mistake on purpose."""
JARGON = ("is not of type", "is not valid under", "was expected", "schema", "'str'", "None", "True", "False", "dict")


def named(path: Path) -> str:
    """Return what a case is called: a file's stem, or the folder of several."""
    return path.parent.name if path.name == "film.yaml" else path.stem


def problems_of(path: Path):
    try:
        with contextlib.chdir(path.parent):
            return load(Path(path.name)).warnings
    except ManifestInvalid as error:
        return error.problems


def said(path: Path) -> str:
    """Return all that is said of a file."""
    return "".join(show(problem) + "\n" for problem in problems_of(path))


@pytest.mark.parametrize("path", VALID, ids=named)
def test_a_valid_manifest_has_no_problem(path):
    assert load(path).wanted


@pytest.mark.parametrize("path", [*INVALID, *WARNED], ids=named)
def test_an_invalid_or_doubtful_manifest_is_told_everything_in_words(path):
    expected = path.with_suffix(".txt")
    if os.environ.get("WANBATCH_ACCEPT"):
        expected.write_text(said(path), "utf-8")
    assert said(path) == expected.read_text("utf-8")


@pytest.mark.parametrize("path", [*INVALID, *WARNED], ids=named)
def test_one_mistake_is_one_problem_and_says_what_to_write(path):
    problems = problems_of(path)
    assert len(problems) == 1 or named(path) in SEVERAL
    for problem in problems:
        assert not [word for word in JARGON if word in problem.message + problem.hint]
        assert not problem.message.endswith(".")
        assert re.fullmatch(r"[EW]\d{3}", problem.code)


def test_every_expected_text_belongs_to_a_manifest():
    for folder, cases in (("invalid", INVALID), ("warned", WARNED)):
        alone = {path.stem for path in cases if path.name != "film.yaml"}
        assert {path.stem for path in (CORPUS / folder).glob("*.txt")} == alone
        several = {path.parent.name for path in cases if path.name == "film.yaml"}
        assert {path.name for path in (CORPUS / folder).iterdir() if path.is_dir()} == several


def test_the_corpus_shows_every_code_that_the_product_has():
    files = [path for path in (ROOT / "wanbatch" / "manifest").glob("*.py") if not path.name.startswith("importing")]
    source = "".join(path.read_text("utf-8") for path in files)
    known = set(re.findall(r'"([EW]\d{3})"', source)) - {"E100"}
    texts = "".join(path.with_suffix(".txt").read_text("utf-8") for path in [*INVALID, *WARNED])
    assert known == set(re.findall(r": ([EW]\d{3}) ", texts))


def test_all_mistakes_are_reported_at_once_sorted_by_place():
    places = [
        (problem.where.line, problem.where.column) for problem in problems_of(CORPUS / "invalid/many-mistakes.yaml")
    ]
    assert len(places) > 10
    assert places == sorted(places)


def test_a_manifest_that_cannot_be_taken_ends_the_command_with_all_its_problems():
    path = CORPUS / "invalid" / "many-mistakes.yaml"
    with pytest.raises(ManifestInvalid, match="problems; nothing was sent") as caught:
        load(path)
    assert caught.value.exit_code == Exit.INVALID
    assert len(caught.value.problems) == len(problems_of(path))


def test_a_file_without_a_name_of_its_own_is_named_after_itself(tmp_path):
    path = tmp_path / "film.v2.yaml"
    path.write_text(HEAD + "  - {id: a, prompt: b}\n")
    assert load(path).name == "film.v2"


def test_a_problem_in_the_defaults_is_said_once_however_many_scenes_have_it():
    scenes = "".join(f"  - {{id: s{n}, prompt: a}}\n" for n in range(100))
    for field in ('negative_prompt: "a\\tb"', f"negative_prompt: {'x' * 501}", "audio_url: http://a b", "seed: -1"):
        problems = check(parse("film.yaml", HEAD.replace("duration: 5", f"duration: 5, {field}") + scenes))[1]
        assert len(problems) == 1
        assert "scene" not in problems[0].message


def test_a_text_that_merges_repeat_is_told_off_once():
    text = "x-a: &a {prompt: ' '}\n" + HEAD + "".join(f"  - {{<<: *a, id: s{n}}}\n" for n in range(3))
    assert [problem.code for problem in check(parse("film.yaml", text))[1]] == ["E107"]


def test_what_yaml_has_refused_is_not_refused_again_by_the_schema():
    text = HEAD + "  - {id: *no, prompt: *nor, duration: 1e999}\n"
    assert [problem.code for problem in check(parse("film.yaml", text))[1]] == ["E005", "E005", "E010"]


def test_the_collector_is_on_again_after_reading_also_when_it_fails():
    with pytest.raises(ManifestInvalid):
        load(CORPUS / "invalid" / "empty.yaml")
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


KEYS = st.sampled_from(
    ["wanbatch", "name", "run", "defaults", "scenes", "id", "prompt", "shots", "seconds", "framing", "intro", "tags",
     "size", "promt", "audio_url", "resolution", "x-a", "{}", "negative_prompt", "concurrency", "duration", "ratio",
     "vars", "profiles", "style", "prefix", "takes", "matrix", "city", "exclude", "include", "prompt_file", "input"]
)  # fmt: skip
SIMPLE = [None, True, 0, -1, 5, 2.5, 1e300, 10**299, "", " ", "a", "5", "16:9", "720P", "http://x", "\t", "灯" * 600]
VALUES = st.recursive(
    st.sampled_from(SIMPLE) | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(VALUES)
def test_no_shape_of_data_raises_and_each_mistake_is_said_once(data):
    manifest, problems = check(parse("film.yaml", json.dumps(data, ensure_ascii=False)))
    assert (manifest is None) == bool(problems)
    assert len({(str(problem.where), problem.code, problem.message) for problem in problems}) == len(problems)
    for problem in problems:
        assert show(problem)
        assert problem.code != "E100", "a rule of the schema shows through"
        assert not [word for word in (*JARGON, "anyOf", "propert") if word in problem.message.split(":")[-1]]


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_shape_of_scene_raises(scene):
    check(parse("film.yaml", HEAD + f"  - {json.dumps(scene, ensure_ascii=False)}\n"))


def test_a_rule_that_has_no_words_of_its_own_is_still_said():
    (error,) = StrictValidator({"not": {}}).iter_errors({})
    (fault,) = translate(error)
    assert (fault.code, fault.path) == ("E100", ())
    assert fault.message.startswith("the manifest: ")


def test_an_entry_without_a_value_is_told_apart_from_a_line_without_one():
    problems = check(parse("film.yaml", HEAD + "  - {id: a, prompt: b, tags: [~, ~]}\n"))[1]
    assert [(found.message, found.hint) for found in problems] == [
        ("scene a: tags holds nothing twice", "keep one"),
        ("scene a: a tag has no value", "write one, or remove the line"),
        ("scene a: a tag has no value", "write one, or remove the line"),
    ]
