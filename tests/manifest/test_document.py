"""YAML text → data with places: scalars are what they look like, every refusal says where, nothing raises."""

import json
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.errors import ManifestInvalid, WanbatchError
from wanbatch.manifest.document import MAX_DEPTH, Document, parse, read_text


def refusals(text: str) -> list[tuple[str, int, int]]:
    """Return the code, line and column of every problem of a text."""
    return [(found.code, found.where.line, found.where.column) for found in parse("film.yaml", text).problems]


def only(text: str) -> tuple[str, str, str]:
    """Return the one problem of a text: its place, its code and message, its hint."""
    (found,) = parse("film.yaml", text).problems
    return f"{found.where.line}:{found.where.column}", f"{found.code} {found.message}", found.hint


SAME = object()
SCALARS = [
    *((text, SAME) for text in ("16:9", "9:16", "010", "no", "yes", "on", "off", "y", "2026-06-12", "1_000", "1:30")),
    *((text, SAME) for text in ("0x1F", "0o7", ".5", "5.", "+5", ".inf", "-.inf", ".nan", "NaN", "Infinity", "1e")),
    *((text, SAME) for text in ("2024-13-45", "TrUe", "nULL", "720P", "=", "a", "灯", "1.2.3", "--1", "-a", "<<")),
    ("1e3", 1000.0), ("1E+3", 1000.0), ("1.50", 1.5), ("-2.5e-1", -0.25), ("-0", 0), ("0", 0), ("7", 7), ("-12", -12),
    ("9" * 300, int("9" * 300)), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("", None),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[text[:20] or "nothing" for text, _ in SCALARS])
def test_an_unquoted_scalar_is_what_it_looks_like(text, value):
    document = parse("film.yaml", f"key: {text}\n")
    wanted = text if value is SAME else value
    assert document.problems == ()
    assert document.data == {"key": wanted}
    assert type(document.data["key"]) is type(wanted)


@pytest.mark.parametrize("text", ["16:9", "no", "7", "true", "null", "~", "1e3", ""])
def test_quotes_make_anything_text(text):
    assert parse("film.yaml", f"a: '{text}'\nb: \"{text}\"\n").data == {"a": text, "b": text}


def test_keys_are_text_whatever_they_look_like():
    assert parse("film.yaml", "1: a\nnull: b\ntrue: c\n~: d\n'': e\n").data == {
        "1": "a", "null": "b", "true": "c", "~": "d", "": "e",
    }  # fmt: skip


PLACES = """\
# 灯会
name: 元宵
"quoted": 7
list:
  - one
  - {a: 灯灯, b: [x, "yy"]}
block: >-
  灯
  two
base: &base
  ratio: 9:16
use:
  <<: *base
  seed: 12
again: *base
nothing:
"""


def test_every_path_has_its_place():
    document = parse("film.yaml", PLACES)

    def where(*path, key=False):
        place = document.place(path, key=key)
        return place.line, place.column, place.width

    assert where("name") == (2, 7, 2)
    assert where("name", key=True) == (2, 1, 4)
    assert where("quoted", key=True) == (3, 1, 8)
    assert where("list", 0) == (5, 5, 3)
    assert where("list", 1) == (6, 5, 21)
    assert where("list", 1, "a") == (6, 9, 2)
    assert where("list", 1, "b", key=True) == (6, 13, 1)
    assert where("list", 1, "b", 1) == (6, 20, 4)
    assert where("block") == (7, 8, 2)
    assert where("base") == (10, 7, 5)
    assert where("use", "ratio") == (11, 10, 4)
    assert where("use", "ratio", key=True) == (11, 3, 5)
    assert where("use", "seed") == (14, 9, 2)
    assert where("again") == (15, 8, 5)
    assert where("again", "ratio") == (11, 10, 4)
    assert where("nothing", key=True) == (16, 1, 7)
    assert where("nothing") == (16, 9, 1)
    assert where() == (2, 1, 8)
    assert document.place(("name",)).source == "name: 元宵"


def test_a_path_that_is_not_there_has_the_place_of_what_is_around_it():
    document = parse("film.yaml", "a: {b: 1}\n")
    assert document.place(("a", "c", 3)) == document.place(("a",))
    assert str(parse("film.yaml", "").place(("a",))) == "film.yaml:1:1"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["no bom", "bom"])
def test_line_breaks_and_a_byte_order_mark_move_no_place(line_break, start):
    document = parse("film.yaml", start + PLACES.replace("\n", line_break))
    plain = parse("film.yaml", PLACES)
    assert document.data == plain.data
    for path in [("name",), ("list", 1, "b", 1), ("block",), ("use", "seed"), ("nothing",), ()]:
        assert document.place(path) == plain.place(path)


def test_merge_keys_and_aliases_work():
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\nd: {<<: *a}\ne: [*a]\n&k f: *k\n"
    document = parse("film.yaml", text)
    assert document.problems == ()
    assert document.data["c"] == {"x": 9, "y": 2, "z": 4}
    assert document.data["d"] == document.data["e"][0] == {"x": 1, "y": 2}
    assert document.data["f"] == "f"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "E003", "3:1"),
        ("s:\n  - {id: x, id: y}\n", "E003", "2:13"),
        ("a: !!python/object/apply:os.system [id]\n", "E004", "1:4"),
        ("a: !!binary aGk=\n", "E004", "1:4"),
        ("a: !!set {x}\n", "E004", "1:4"),
        ("a: !!int x\n", "E004", "1:4"),
        ("a: !foo x\n", "E004", "1:4"),
        ("!k a: x\n", "E004", "1:1"),
        ("!<tag:yaml.org,2002:str> a\n", "E004", "1:1"),
        ("a: [! [x]]\n", "E004", "1:5"),
        ("a: &a [*a]\n", "E005", "1:8"),
        ("a: *b\n", "E005", "1:4"),
        ("a: {<<: 7}\n", "E005", "1:9"),
        ("a: {<<: [7]}\n", "E005", "1:10"),
        ("a: 1\n---\nb: 2\n", "E009", "2:1"),
        ("a: 1\n...\n---\nb: 2\n", "E009", "3:1"),
        ("a: " + "7" * 5000, "E010", "1:4"),
        ("a: 1e999\n", "E010", "1:4"),
        ("a: -1e999\n", "E010", "1:4"),
        ("a: " + "7" * 310 + ".0", "E010", "1:4"),
        ("? [a]\n: b\n", "E011", "1:3"),
        ("a: \x00\n", "E008", "1:4"),
        ("a: x\x1b[0m\n", "E008", "1:5"),
        ("灯: 灯\x7f\n", "E008", "1:5"),
        ("a: \ud800\n", "E008", "1:4"),
        ("a: \ufffe\n", "E008", "1:4"),
        ('a: "\\x1b"\n', "E008", "1:4"),
        ('"x-\\x07": 1\n', "E008", "1:1"),
        ('a: "\\ud800"\n', "E002", "1:7"),
        ("a:\n\tb: 1\n", "E002", "2:1"),
        ("a: b: c\n", "E002", "1:5"),
    ],
    ids=lambda part: part[:24] if isinstance(part, str) else None,
)
def test_what_is_not_plain_data_is_refused_where_it_stands(text, code, place):
    line, column = map(int, place.split(":"))
    assert refusals(text) == [(code, line, column)]


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    assert only("a: 1\nb: 2\na: 3\n") == (
        "3:1",
        "E003 `a` for the second time; first in line 1",
        "keep one of the two; YAML itself would silently take the last",
    )


def test_every_duplicate_is_said_and_the_first_value_is_kept():
    document = parse("film.yaml", "a: 1\na: 2\na: 3\n")
    assert document.data == {"a": 1}
    assert [found.where.line for found in document.problems] == [2, 3]


def test_a_file_without_encoding_mark_that_holds_nul_is_told_to_be_saved_as_utf_8():
    assert only("a\0:\0") == ("1:2", "E008 a control character, U+0000", "save the file as UTF-8")


def laughs(levels: int, width: int) -> str:
    lines = ["a0: &a0 lol"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("text", [laughs(20, 10), merge_bomb(40)], ids=["billion laughs", "merge bomb"])
def test_aliases_that_multiply_are_refused_before_they_do(text):
    assert [found.code for found in parse("film.yaml", text).problems] == ["E007"]


def test_a_long_manifest_may_share_a_mapping_in_each_scene(monkeypatch):
    monkeypatch.setattr("wanbatch.manifest.document.MAX_EXPANDED", 100)
    lines = ["x-a: &a {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: 10}", "scenes:"]
    lines += [f"  - {{<<: *a, id: s{n}}}" for n in range(50)]
    assert parse("film.yaml", "\n".join(lines)).problems == ()


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "[{" * 50_000])
def test_nesting_ends_after_32_levels_long_before_it_could_end_the_process(text):
    assert [found.code for found in parse("film.yaml", text).problems] == ["E006"]


def test_32_levels_are_allowed_and_33_are_not():
    assert parse("film.yaml", "[" * MAX_DEPTH + "]" * MAX_DEPTH).problems == ()
    assert refusals("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == [("E006", 1, MAX_DEPTH + 1)]


def test_aliases_cannot_nest_deeper_than_brackets_can():
    deep = "a: &a " + "[" * 20 + "]" * 20 + "\n"
    assert parse("film.yaml", deep + "b: " + "[" * 11 + "*a" + "]" * 11).problems == ()
    assert refusals(deep + "b: " + "[" * 12 + "*a" + "]" * 12) == [("E006", 2, 16)]
    inner = deep + "b: {p: [[[]]], q: &b [*a]}\nc: " + "[" * 10 + "*b" + "]" * 10
    assert parse("film.yaml", inner).problems == ()
    assert [code for code, *_ in refusals(inner + "\nd: " + "[" * 11 + "*b" + "]" * 11)] == ["E006"]
    flat_after_deep = "a: &a {p: " + "[" * 20 + "]" * 20 + ", q: &b []}\nb: " + "[" * 11 + "*a" + "]" * 11
    assert [code for code, *_ in refusals(flat_after_deep)] == ["E006"]


CUTS = [
    ("a: cat #1 walks\n", "1:8"),
    ("a: cat\n  walks  # on\n", "2:10"),
    ("x: &x cat #1\na: *x\n", "1:11"),
    ("x: &x {a: cat #1}\n<<: *x\n", None),
    ("a: cat#1\n", None),
    ("a: 'cat #1'\n", None),
    ("a: cat\n# a remark\n", None),
    ("a: >-\n  cat #1\n", None),
]


@pytest.mark.parametrize(("text", "place"), CUTS)
def test_a_text_that_a_comment_cuts_short_is_known_with_the_place_of_the_comment(text, place):
    remark = parse("film.yaml", text).remark(("a",))
    assert (remark and f"{remark.line}:{remark.column}") == place


@pytest.mark.parametrize(
    ("path", "written"),
    [(("a",), "7.10"), (("b",), "1e3"), (("c",), "True"), (("d",), "*n"), (("f",), ""), (("e",), "3")],
)
def test_a_number_or_constant_is_known_as_it_is_written(path, written):
    assert parse("film.yaml", "a: 7.10\nb: 1e3\nc: True\nd: *n\ne: &m 3\nf:\n").written(path) == written


# Files


def test_a_file_is_read_as_utf_8_or_utf_16_with_or_without_a_mark(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = tmp_path / encoding
        path.write_bytes("name: 元宵\n".encode(encoding))
        assert read_text(path) == "name: 元宵\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no bom", "bom"])
def test_a_byte_that_is_no_utf_8_is_refused_with_its_place_and_its_line(tmp_path, mark):
    path = tmp_path / "latin.yaml"
    path.write_bytes(mark + "a: 灯\r\nb: café\n".encode().replace("é".encode(), b"\xe9"))
    with pytest.raises(ManifestInvalid) as caught:
        read_text(path)
    (found,) = caught.value.problems
    assert (found.code, found.message, found.hint) == ("E001", "byte 0xe9 is not UTF-8", "save the file as UTF-8")
    assert (found.where.line, found.where.column, found.where.source) == (2, 7, "b: caf\ufffd")


def test_a_cut_utf_16_file_is_refused_by_its_own_name(tmp_path):
    path = tmp_path / "cut.yaml"
    path.write_bytes("a: b\n".encode("utf-16") + b"x")
    with pytest.raises(ManifestInvalid) as caught:
        read_text(path)
    assert caught.value.problems[0].message == "byte 0x78 is not UTF-16"
    assert caught.value.problems[0].where.line == 2


def test_a_file_over_the_limit_is_refused_even_when_it_never_ends(tmp_path):
    for name in ("/dev/zero", str(tmp_path / "long")):
        (tmp_path / "long").write_text("a" * 101)
        with pytest.raises(ManifestInvalid) as caught:
            read_text(type(tmp_path)(name), max_bytes=100)
        assert caught.value.problems[0].message == "larger than 100 bytes"
    assert read_text(tmp_path / "long", max_bytes=101) == "a" * 101


def test_a_file_that_cannot_be_read_ends_the_command_with_what_to_do(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(WanbatchError, match="cannot read") as caught:
            read_text(path)
        assert caught.value.hint == ("" if path.exists() else "wanbatch init writes a first manifest")


# Laws

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"))
ESCAPABLE = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
)


def json_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Any data that JSON can hold, with texts of one kind. A key of more than 1,024 characters is no YAML."""
    keys = texts.filter(lambda key: key != "<<" and len(json.dumps(key)) < 1000)
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=20,
    )


@given(json_of(TEXTS))
def test_json_is_read_as_json(data):
    document = parse("film.yaml", json.dumps(data, ensure_ascii=False))
    assert document.problems == ()
    assert document.data == data


@given(json_of(ESCAPABLE))
def test_json_with_escapes_is_read_as_json(data):
    document = parse("film.yaml", json.dumps(data))
    assert document.problems == ()
    assert document.data == data


def test_a_character_that_json_writes_as_two_escapes_is_refused_and_not_halved():
    assert only('a: "\\ud83d\\ude00"') == (
        "1:7",
        "E002 not YAML here: half a character (a lone surrogate) as an escape",
        "write the character itself",
    )


def spots_of(spot):
    yield spot
    inside = spot.inside or []
    for one in inside.values() if isinstance(inside, dict) else inside:
        yield from spots_of(one)


def check_places(document: Document) -> None:
    lines = document.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for found in document.problems:
        where = found.where
        assert 1 <= where.line <= len(lines)
        assert where.source == lines[where.line - 1]
        assert 1 <= where.column <= len(where.source) + 1
        assert where.column - 1 + where.width <= max(len(where.source), where.column)
    for spot in spots_of(document.root) if document.root else ():
        assert 0 <= spot.start <= spot.end <= len(document.text)
        assert 0 <= spot.key <= spot.start


FRAGMENTS = st.sampled_from(
    ["a", "b: ", "- ", "? ", ": ", "\n", "\n  ", "\r\n", "\r", "{", "}", "[", "]", ", ", "'", '"', "&a ", "*a", "<<: ",
     "!t ", " #", "---\n", "...\n", "|\n", ">-\n", "\t", "%", "@", "\\", "\\u", "灯", "7", "1e999", "\x85", "\u2028",
     "\ufeff", "😀"]
)  # fmt: skip


@given(st.text() | st.lists(FRAGMENTS, max_size=30).map("".join))
def test_parse_raises_for_no_text_and_every_place_lies_inside_it(text):
    check_places(parse("film.yaml", text))


@given(st.binary())
def test_any_bytes_are_read_or_refused_as_a_manifest(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(raw)
    try:
        text = read_text(path)
    except ManifestInvalid as error:
        assert error.problems[0].code == "E001"
    else:
        check_places(parse("film.yaml", text))


# Without libyaml


@pytest.fixture
def pure(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader")


def test_the_pure_loader_gives_the_same_data_and_the_same_places(monkeypatch):
    texts = [PLACES, PLACES.replace("\n", "\r\n"), *(text for text, _ in CUTS), laughs(20, 10), merge_bomb(40)]
    fast = [parse("film.yaml", text) for text in texts]
    monkeypatch.delattr(yaml, "CSafeLoader")
    for document in fast:
        slow = parse("film.yaml", document.text)
        assert (slow.data, slow.problems, slow.cut) == (document.data, document.problems, document.cut)
        places = [[one.at(spot.start, spot.end) for spot in spots_of(one.root)] for one in (slow, document) if one.root]
        assert len(places) in (0, 2)
        assert not places or places[0] == places[1]


@given(json_of(ESCAPABLE))
@pytest.mark.usefixtures("pure")
def test_the_pure_loader_reads_json_as_json(data):
    assert parse("film.yaml", json.dumps(data)).data == data


@given(st.text() | st.lists(FRAGMENTS, max_size=30).map("".join))
@pytest.mark.usefixtures("pure")
def test_the_pure_loader_raises_for_no_text(text):
    check_places(parse("film.yaml", text))


@pytest.mark.usefixtures("pure")
def test_the_pure_loader_survives_deep_nesting():
    assert refusals("[" * 100_000) == [("E006", 1, MAX_DEPTH + 1)]
    assert sys.getrecursionlimit() >= 1000
