"""A problem is shown where it is: place, words, line, caret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.errors import ManifestInvalid, Place, Problem
from wanbatch.manifest.check import load
from wanbatch.views.problems import annotations, report, show
from wanbatch.views.text import printable, width


def shown(source, column, length=1, columns=110, hint=""):
    return show(Problem(Place("f.yaml", 7, column, length, source), "E105", "it is wrong", hint), columns).split("\n")


def under(line, carets):
    """What stands above the carets."""
    assert line.startswith("  | ")
    start, end = carets.index("^"), carets.rindex("^") + 1
    place, found = 0, ""
    for char in line:
        if start <= place < end:
            found += char
        place += width(char)
    return found


def test_place_code_message_line_caret_and_hint_in_the_manner_of_compilers():
    assert shown("ratio: 2:1", 8, 3, hint="one of 16:9, 9:16") == [
        "f.yaml:7:8: E105 it is wrong",
        "  | ratio: 2:1",
        "  |        ^^^",
        "  help: one of 16:9, 9:16",
    ]


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("prompt: a cat #1 walks", "#1"),
        ("title: 灯街 雨夜 x", "雨夜"),
        ("\t\tratio: 2:1", "2:1"),
        ("e\u0301te\u0301: yes", "yes"),
        ("title: 🎬🎬 film", "film"),
    ],
)
def test_the_caret_is_under_the_marked_characters(source, marked):
    _, line, carets = shown(source, source.index(marked) + 1, len(marked))
    assert under(line, carets) == marked


@pytest.mark.parametrize("columns", [60, 80, 110])
@pytest.mark.parametrize("filler", ["x", "灯"])
def test_of_a_long_line_the_part_around_the_mark_is_shown(filler, columns):
    source = filler * 300 + "HERE" + filler * 300
    _, line, carets = shown(source, 301, 4, columns)
    assert under(line, carets) == "HERE"
    assert width(line) <= columns
    assert line.startswith("  | …")
    assert line.endswith("…")


def test_a_mark_longer_than_the_line_ends_at_the_edge():
    _, line, carets = shown("prompt: " + "x" * 500, 9, 500, 80)
    assert width(line) <= 80
    assert len(carets) == width(line)


def test_an_empty_line_is_not_shown():
    assert shown("   ", 1) == ["f.yaml:7:1: E105 it is wrong"]


def test_what_a_terminal_would_obey_is_shown_as_escapes():
    lines = show(Problem(Place("f\x1b.yaml", 1, 1, 1, "a\x1b[31m"), "E1", "bad \u202e", "say \x07"), 80)
    assert not [char for char in lines if char in "\x1b\u202e\x07"]


@given(st.text(min_size=1, max_size=300), st.data())
def test_every_place_in_every_line_has_its_caret_within_the_width(source, data):
    column = data.draw(st.integers(1, len(source)))
    lines = shown(source.replace("\n", " "), column, data.draw(st.integers(1, 50)), 80)
    if len(lines) > 1:
        assert "^" in lines[2]
        assert max(map(width, lines[1:])) <= 80
        assert printable(lines[1]) == lines[1]


WIDE = """wanbatch: 1
vars:
  hero: 侦探
defaults: {resolution: 720P, duration: 5, model: wan2.7-t2v-2026-06-12}
scenes:
  - {id: a, title: 雨夜的街头, prompt: '雨夜，${hero}。', ratio: 16：10, tags: [夜, 雨, 夜]}
  - id: b
    prompt: >-
      雨夜的纽约街头，${hero} 快步走来，
      远处的 ${英雄} 回头，${heor} 停下。
  - id: c
    prompt: "雨夜，\\u96e8 的${hreo}。"
  - {id: d, prompt: 夜, seed: 七}
"""


def marked(text):
    """What stands over the carets of each problem that a manifest has."""
    problems = [problem for problem in text if problem.where.source]
    return [under(line, carets) for _, line, carets, *_ in (show(problem).split("\n") for problem in problems)]


def test_carets_are_under_the_very_characters_in_braces_block_scalars_and_quotes_of_wide_ones(tmp_path):
    (tmp_path / "film.yaml").write_text(WIDE, "utf-8")
    with pytest.raises(ManifestInvalid) as caught:
        load(tmp_path / "film.yaml")
    assert marked(caught.value.problems) == [
        "16：10", "夜", "${英雄}", "${heor}", "${hreo}", "七",
    ]  # fmt: skip


def test_carets_are_under_the_very_characters_in_an_included_file_and_a_file_of_a_prompt(tmp_path):
    head = "wanbatch: 1\ndefaults: {resolution: 720P, duration: 5}\nvars: {hero: 猫}\nscenes:\n"
    (tmp_path / "film.yaml").write_text(head + "  - include: 更多.yaml\n  - {id: a, prompt_file: 街.txt}\n", "utf-8")
    (tmp_path / "更多.yaml").write_text(
        "wanbatch: 1\nscenes:\n  - {id: b, title: 街, prompt: '${hero}', ratio: 竖}\n", "utf-8"
    )
    (tmp_path / "街.txt").write_text("雨夜。\n${hero} 走来，${hreo} 停下。\n", "utf-8")
    with pytest.raises(ManifestInvalid) as caught:
        load(tmp_path / "film.yaml")
    found = caught.value.problems
    assert [(problem.where.file.rpartition("/")[2], problem.where.line) for problem in found] == [
        ("更多.yaml", 3), ("街.txt", 2),
    ]  # fmt: skip
    assert marked(found) == ["竖", "${hreo}"]


def many(*messages, code="E103", hint="did you mean `prompt`?"):
    return [
        Problem(Place("f.yaml", line, 5, 3, "    promt"), code, text, hint) for line, text in enumerate(messages, 1)
    ]


def test_up_to_two_problems_of_the_same_words_are_shown_in_full():
    problems = many("scene a: unknown key `promt`", "scene b: unknown key `promt`")
    assert report(problems) == [show(problem) for problem in problems]


def test_of_more_the_first_is_shown_and_the_places_of_the_others():
    problems = many("scene a: wrong", "scene b[city=Paris,ratio=16:9]: wrong", "scene c, shot 2: wrong", "another")
    assert report(problems) == [f"{show(problems[0])}\n  the same in 2 more places: 2:5, 3:5", show(problems[3])]


def test_what_differs_in_more_than_its_scene_is_not_the_same():
    problems = many("scene a: id a is taken", "scene b: id b is taken", "scene c: id c is taken")
    assert len(report(problems)) == 3
    assert len(report([*many("w", "w"), *many("w", code="E104"), *many("w", hint="")])) == 4


def test_after_a_hundred_the_rest_is_counted_and_the_way_to_it_named():
    problems = many(*(f"scene a: {n} is wrong" for n in range(113)))
    *shown_in_full, last = report(problems)
    assert shown_in_full == [show(problem) for problem in problems[:100]]
    assert last == "… and 13 more; wanbatch validate --output-format json lists them all"
    assert report(problems[:100]) == shown_in_full


def test_problems_of_several_files_stay_in_their_order_and_say_their_file():
    problems = [
        Problem(Place(file, line, 1, 1, "x"), "E103", f"scene {line}: wrong") for file in "ab" for line in (1, 2)
    ]
    assert report(problems)[0].endswith("  the same in 3 more places: 2:1, b:1:1, b:2:1")


@given(st.text(), st.text(), st.text())
def test_an_annotation_is_one_line_whatever_the_texts_hold(file, message, hint):
    (line,) = annotations([Problem(Place(file, 1, 2, 3, ""), "E104", message, hint)])
    assert len(line.encode("utf-8", "replace").split(b"\n")) == 1
    assert "\r" not in line
    properties = line.removeprefix("::error ").partition("::")[0].split(",")
    assert [one.partition("=")[0] for one in properties] == ["file", "line", "endLine", "col", "endColumn", "title"]
