"""Widths are counted in columns, and nothing raw reaches a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.views.text import cut, duration, printable, table, width

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
COLUMNS = st.integers(1, 60)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("灯笼", 4),
        ("é", 1),
        ("e\u0301", 1),
        ("🎬", 2),
        ("가", 2),
        ("Ａ", 2),
        ("a\u200bb", 2),
        ("กี", 1),
    ],
)
def test_wide_characters_take_two_columns_and_combining_ones_none(text, columns):
    assert width(text) == columns


@given(TEXTS, COLUMNS)
def test_what_is_cut_never_exceeds_its_room(text, columns):
    assert width(cut(text, columns)) <= columns


@given(TEXTS, COLUMNS)
def test_what_fits_is_not_cut_and_what_does_not_is_marked(text, columns):
    short = cut(text, columns)
    assert short == text if width(text) <= columns else short.endswith("…")
    assert text.startswith(short.removesuffix("…"))


@pytest.mark.parametrize("columns", [0, -3])
def test_no_room_is_no_text(columns):
    assert cut("abc", columns) == ""


@given(TEXTS)
def test_nothing_that_a_terminal_would_obey_is_shown_raw(text):
    shown = printable(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [
        char
        for char in shown
        if unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\tb\nc", r"a\tb\nc"),
        ("\u202etxt", r"\u202etxt"),
        ("\ud800", r"\ud800"),
        ("灯🎬", "灯🎬"),
    ],
)
def test_control_characters_are_shown_as_their_escapes(text, shown):
    assert printable(text) == shown


CELLS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6)


@given(CELLS, st.integers(70, 200))
def test_a_tables_columns_line_up_whatever_is_in_the_cells(rows, columns):
    marked = [(f"{a}|", f"{b}|", f"{c}|") for a, b, c in rows]
    lines = table(marked, 10_000).split("\n")
    assert len(lines) == len(rows)
    shown = [[width(printable(cell)) for cell in row] for row in marked]
    second = max(row[0] for row in shown) + 2
    for line, row in zip(lines, marked, strict=True):
        assert width(line[: line.index(printable(row[0])) + len(printable(row[0]))]) <= second - 2
        assert width(line) <= second + max(r[1] for r in shown) + 2 + max(r[2] for r in shown)


@given(CELLS, st.integers(60, 200))
def test_a_table_stays_within_its_width(rows, columns):
    numbers = [(first, "5 s", last) for first, _, last in rows]
    assert all(width(line) <= columns for line in table(numbers, columns).split("\n"))


def test_wide_titles_and_numbers_line_up():
    assert table([["scene", "price", "why"], ["灯街", "3.00", "新"], ["a", "13.00", "new"]], 80, right=(1,)) == (
        "scene  price  why\n"
        "灯街    3.00  新\n"
        "a      13.00  new"
    )  # fmt: skip


def test_in_a_narrow_terminal_the_last_cell_gives_way_before_the_first():
    rows = [["a-scene-with-a-long-name", "submit", "changed since it was made: prompt, negative_prompt"]]
    assert table(rows, 60) == "a-scene-with-a-long-name  submit  changed since it was made…"
    assert table(rows, 48) == "a-scene-with-a-lo…  submit  changed since it wa…"


def test_no_rows_are_no_table():
    assert table([], 80) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (400_000, "4 d 15 h"),
    ],
)
def test_spans_are_said_for_people(seconds, said):
    assert duration(seconds) == said
