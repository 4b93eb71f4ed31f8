"""A problem is shown where it is: place, words, line, caret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.errors import Place, Problem
from wanbatch.views.problems import show
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
