"""A matrix → combinations with readable ids that stay when it grows or is written in another order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.manifest import matrix
from wanbatch.manifest.model import JobKey, stem_of
from wanbatch.service import catalog

CITIES = {
    "city": ["Paris", "Tokyo"],
    "ratio": ["16:9", "9:16"],
    "exclude": [{"city": "Tokyo", "ratio": "9:16"}],
    "include": [{"city": "Oslo", "ratio": "1:1"}],
}


def ids(written):
    assert matrix.faults(written) == []
    return [matrix.id_of("skyline", one) for one in matrix.combinations(written)]


def test_every_combination_has_an_id_that_says_what_it_is():
    assert ids(CITIES) == [
        "skyline[city=Paris,ratio=16:9]",
        "skyline[city=Paris,ratio=9:16]",
        "skyline[city=Tokyo,ratio=16:9]",
        "skyline[city=Oslo,ratio=1:1]",
    ]


def test_a_long_text_goes_by_its_name():
    (one,) = matrix.combinations({"look": {"ink": "ink on wet paper, black and white"}})
    assert matrix.id_of("a", one) == "a[look=ink]"
    assert one["look"].value == "ink on wet paper, black and white"


def test_an_include_may_name_a_value_of_an_axis_by_its_name():
    written = {"look": {"ink": "ink on paper"}, "n": [1], "include": [{"look": "ink", "n": 2}]}
    assert [one["look"].value for one in matrix.combinations(written)] == ["ink on paper", "ink on paper"]


@given(st.permutations(list(CITIES)), st.permutations(CITIES["city"]))
def test_the_order_of_axes_and_values_changes_no_id(axes, cities):
    other = {axis: cities if axis == "city" else CITIES[axis] for axis in axes}
    assert sorted(ids(other)) == sorted(ids(CITIES))


def test_a_matrix_that_grows_keeps_its_ids():
    grown = {**CITIES, "city": ["Rome", *CITIES["city"]]}
    assert set(ids(CITIES)) < set(ids(grown))


@pytest.mark.parametrize(
    ("scene", "stem"),
    [
        ("alley", "alley"),
        ("skyline[city=Paris,ratio=16:9]", "skyline.paris.16x9"),
        ("a[n=1.5,on=true]", "a.1.5.true"),
        ("a[city=New York]", "a.new-york"),
        ("a[city=巴黎]", "a.巴黎"),
        ("a[time=a:b]", "a.a-b"),
    ],
)
def test_a_file_is_called_after_the_values(scene, stem):
    assert stem_of(scene) == stem
    assert JobKey(scene, 1, "0" * 12).stem == stem
    assert JobKey(scene, 2, "0" * 12).stem == f"{stem}.t2"


def test_a_key_of_a_combination_can_be_read_back():
    key = JobKey("skyline[city=Paris,ratio=16:9]", 2, "0123456789ab")
    assert JobKey.parse(str(key)) == key


def test_a_field_that_cannot_be_an_axis_is_not_asked_for_in_an_include():
    scene = catalog.manifest_schema()["properties"]["scenes"]["items"]["properties"]
    assert {*matrix.FIELDS, *matrix.VARIED, "include"} == scene.keys()
    assert matrix.faults({"a": ["x"], "tags": ["y"], "include": [{"a": "z"}]}) == []


@pytest.mark.parametrize(
    ("written", "path", "code"),
    [
        ({"include": [{"a": "b"}]}, (), "E314"),
        ({"a": list(range(101)), "b": list(range(100))}, (), "E314"),
        ({"a": ["x"], "exclude": [{"a": "x"}]}, (), "E314"),
        ({"a": ["x", "a text, with a comma"]}, ("a", 1), "E311"),
        ({"a": ["x" * 41]}, ("a", 0), "E311"),
        ({"a": ["?"]}, ("a", 0), "E311"),
        ({"a": [5, "5"]}, ("a", 1), "E311"),
        ({"a": ["Ink", "ink"]}, ("a", 1), "E311"),
        ({"a": {"a/b": "x"}}, ("a", "a/b"), "E311"),
        ({"a": ["x"], "include": [{"a": "y[z]"}]}, ("include", 0, "a"), "E311"),
        ({"a": ["x"], "exclude": [{"b": "x"}]}, ("exclude", 0, "b"), "E313"),
        ({"a": ["x"], "exclude": [{"a": "y"}]}, ("exclude", 0, "a"), "E313"),
        ({"a": ["x"], "exclude": [{"a": "x", "b": "z"}], "b": ["y"]}, ("exclude", 0, "b"), "E313"),
        ({"a": ["x"], "include": [{"a": "x"}]}, ("include", 0), "E313"),
        ({"a": ["x"], "include": [{"a": "y"}, {"a": "Y"}]}, ("include", 1), "E313"),
        ({"a": ["x"], "b": ["y"], "include": [{"a": "z"}]}, ("include", 0), "E313"),
    ],
)
def test_what_makes_no_sense_is_found_where_it_is(written, path, code):
    (fault,) = matrix.faults(written)
    assert (fault.path, fault.code) == (path, code)
    assert fault.hint


VALUES = st.lists(st.text(alphabet="abAB 5:.é巴,[]=*", min_size=1, max_size=6), min_size=1, max_size=4)


@given(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1, max_size=3))
def test_ids_of_a_matrix_without_faults_are_all_different_and_so_are_their_parts(written):
    if matrix.faults(written):
        return
    found = [matrix.id_of("s", one).casefold() for one in matrix.combinations(written)]
    assert len(set(found)) == len(found)
    for one in found:
        inside = one.removeprefix("s[").removesuffix("]")
        assert len(inside.split(",")) == len(written)
        assert not set(inside) & set("[]*/")
