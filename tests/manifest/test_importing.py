"""A file of prompts becomes a manifest that validates, with every prompt as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import manifest

from wanbatch.manifest.check import DEVICE, check
from wanbatch.manifest.document import parse
from wanbatch.manifest.importing import id_of, manifest_text, prompts_of, quoted, scene_at, unique_ids

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def imported(*prompts: str, name: str = "film") -> str:
    return manifest_text(name, list(prompts), duration=5, resolution="720P", ratio="16:9")


def test_the_manifest_is_written_as_a_person_would():
    assert imported("A cat walks along the wall.", "雨夜: #1") == (
        "wanbatch: 1\n"
        "name: film\n"
        "\n"
        "defaults:\n"
        "  resolution: 720P # decides the price\n"
        "  ratio: 16:9\n"
        "  duration: 5\n"
        "\n"
        "scenes:\n"
        "  - id: cat-walks-along-wall\n"
        "    prompt: A cat walks along the wall.\n"
        "\n"
        '  - id: "1"\n'
        '    prompt: "雨夜: #1"\n'
    )


def test_prompts_are_the_lines_that_are_not_blank_by_their_number():
    assert prompts_of("one\n\n  two \r\n\t\rthree\n") == {1: "one", 3: "two", 5: "three"}
    assert prompts_of(" \n\n") == {}


HARD = [
    *("1e3", "true", "null", "Null", "~", "7", "no", "yes", "0x1F", "2026-06-12", "16:9", "<<", "=", "---", "..."),
    *("con", "CON.txt", "aux", "com1 lpt2", "prompt-003", "a", "the of", "雨夜的街头", "雨夜的街头"),
    *("# not a remark", "a # remark", "- a", "? a", ": a", "a: b", "a:", "'quoted'", '"quoted"', "a \\ b", "\\n"),
    *("*a", "&a", "!a", "|", ">", "%a", "@a", "`a`", "{a}", "[a]", ", a", "It’s (a) test, ok.", "x" * 100),
    *("ﬁne", "é", "😀 smile", "a  b", "a\u00a0b", "a\u200bb"),
]


@pytest.mark.parametrize("prompt", HARD)
def test_a_prompt_comes_through_as_it_is_whatever_it_looks_like(prompt):
    (job,) = manifest(imported(prompt)).wanted
    assert job.request.prompt == prompt


def test_all_of_them_together_get_ids_that_do_not_clash():
    made = manifest(imported(*HARD, *HARD))
    assert [job.request.prompt for job in made.wanted] == HARD * 2
    ids = [scene.id for scene in made.scenes]
    assert len({one.casefold() for one in ids}) == len(ids) == 2 * len(HARD)


@pytest.mark.parametrize(
    ("prompt", "id"),
    [
        ("A cat walks along the wall", "cat-walks-along-wall"),
        ("The of a", "prompt-003"),
        ("雨夜", "prompt-003"),
        ("con", "prompt-003"),
        ("x" * 50, "x" * 40),
        ("one two three four five six seven eight nine ten", "one-two-three-four-five-six-seven-eight"),
        ("Cat’s EYE", "cat-s-eye"),
        ("Straße", "strasse"),
    ],
)
def test_an_id_is_made_of_the_telling_words(prompt, id):
    assert id_of(prompt, 3) == id


def test_equal_prompts_are_numbered_past_what_is_taken():
    assert unique_ids(["cat", "cat", "cat 2", "cat", "cat-2"]) == ["cat", "cat-2", "cat-2-2", "cat-3", "cat-2-3"]
    assert unique_ids(["cat", "cat 2", "cat"]) == ["cat", "cat-2", "cat-3"]


def test_ten_thousand_equal_prompts_get_ten_thousand_ids():
    assert len(set(unique_ids(["cat"] * 10_000))) == 10_000


@given(st.lists(st.text() | st.sampled_from(HARD)))
def test_ids_are_valid_unique_and_no_device(prompts):
    ids = unique_ids(prompts)
    assert len({one.casefold() for one in ids}) == len(ids) == len(prompts)
    for one in ids:
        assert ID.match(one)
        assert not DEVICE.match(one)


LINES = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(list("\t\r\x85\u2028\ufeff\"'\\#:- ")))


@given(LINES)
def test_every_file_of_prompts_is_taken_unchanged_or_refused_with_the_line(text):
    prompts = prompts_of(text)
    if not prompts:
        return
    made = imported(*prompts.values())
    found, problems = check(parse("prompts.txt", made))
    if found is not None:
        assert [job.request.prompt for job in found.wanted] == list(prompts.values())
    for problem in problems:
        index = scene_at(made, problem.where.line)
        assert index is not None
        assert re.search(r"[\t\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", list(prompts.values())[index])


@pytest.mark.parametrize("odd", ["\t", "\x85", "\u2028", "\x07", "\x1b", "\ufeff", "\ufffe"], ids=ascii)
def test_a_character_that_no_prompt_may_hold_is_refused_in_its_line(odd):
    made = imported("fine", f"a{odd}b", "fine too")
    found, problems = check(parse("prompts.txt", made))
    assert found is None
    assert [scene_at(made, problem.where.line) for problem in problems] == [1]


def test_a_problem_above_the_scenes_belongs_to_no_prompt():
    made = imported("a")
    assert scene_at(made, 1) is None
    assert scene_at(made, made[: made.index("  - id")].count("\n")) is None
    assert scene_at(made, made[: made.index("  - id")].count("\n") + 1) == 0


@pytest.mark.parametrize("name", ["film", "元宵", "1e3", "true", 'a "b"', "a: b", "x y"])
def test_the_manifest_keeps_its_name(name):
    assert manifest(imported("a", name=name)).name == name


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")))
def test_a_quoted_text_is_read_back_as_it_was(text):
    assert parse("x", f"a: {quoted(text)}\n").data == {"a": text}
