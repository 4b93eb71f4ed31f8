"""The picks file: what it says, what is wrong with it and where, and that it says the same when it is written again."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from wanbatch.errors import ManifestInvalid
from wanbatch.manifest.model import Picks
from wanbatch.manifest.picks import HEAD, MAX_TAKES, is_scene, path_of, read, text_of
from wanbatch.service import catalog
from wanbatch.views.problems import show

PARIS = "skyline[city=Paris,ratio=16:9]"


def test_a_file_says_which_take_is_chosen_and_how_many_are_asked_for():
    text = f'wanbatch_picks: 1\npicks: {{alley: 2, "{PARIS}": 1}}\ntakes:\n  alley: 3 # one more\n'
    assert read(text, "film.picks.yaml") == Picks({"alley": 2, PARIS: 1}, {"alley": 3})


@pytest.mark.parametrize("text", ["wanbatch_picks: 1\n", "wanbatch_picks: 1\npicks:\ntakes: {}\n"])
def test_a_file_may_say_nothing(text):
    assert read(text, "film.picks.yaml") == Picks()


def test_its_text_is_sorted_a_line_a_scene_and_quoted_where_another_reader_would_see_no_text():
    picks = Picks({"roof": 1, "alley": 2, PARIS: 3, "1e3": 1, "no": 2, "a.b": 1}, {"roof": 3})
    assert text_of(picks) == HEAD + (
        "wanbatch_picks: 1\n"
        "picks:\n"
        '  "1e3": 1\n'
        '  "a.b": 1\n'
        "  alley: 2\n"
        '  "no": 2\n'
        "  roof: 1\n"
        '  "skyline[city=Paris,ratio=16:9]": 3\n'
        "takes:\n"
        "  roof: 3\n"
    )


def test_an_empty_one_is_its_head_alone():
    assert text_of(Picks()) == HEAD + "wanbatch_picks: 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alley: 2\n", ["film.picks.yaml:1:1: E334 this is no picks file: its version is missing",
                        "film.picks.yaml:1:1: E334 a picks file has no `alley`"]),
        ("- alley\n", ["film.picks.yaml:1:1: E334 this is no picks file"]),
        ("", ["film.picks.yaml:1:1: E334 this picks file is empty"]),
        ("\n \n", ["film.picks.yaml:1:1: E334 this picks file is empty"]),
        ("\ufeff", ["film.picks.yaml:1:1: E334 this picks file is empty"]),
        ("\ufeff# later\n", ["film.picks.yaml:1:1: E334 this is no picks file"]),
        ("{}\n", ["film.picks.yaml:1:1: E334 this is no picks file: its version is missing"]),
        ("# later\n", ["film.picks.yaml:1:1: E334 this is no picks file"]),
        ("wanbatch_picks: 2\n", ["film.picks.yaml:1:17: E334 version 2 of picks files"]),
        ("wanbatch_picks: true\n", ["film.picks.yaml:1:17: E334 version true of picks files"]),
        ("wanbatch_picks: 1\npicked: {alley: 1}\n",
         ["film.picks.yaml:2:1: E334 a picks file has no `picked`"]),
        ("wanbatch_picks: 1\npicks: {alley: 二}\n", ['film.picks.yaml:2:16: E334 "二" is no take']),
        ("wanbatch_picks: 1\npicks: alley\n", ["film.picks.yaml:2:8: E334 `picks` has a line for each scene"]),
        ("wanbatch_picks: 1\npicks: {alley: two, roof: 0, c: 101, d: true, e: 1.5, f: 2}\n",
         ["film.picks.yaml:2:16: E334 \"two\" is no take", "film.picks.yaml:2:27: E334 0 is no take",
          "film.picks.yaml:2:33: E334 101 is no take", "film.picks.yaml:2:41: E334 true is no take",
          "film.picks.yaml:2:50: E334 1.5 is no take"]),
        ("wanbatch_picks: 1\ntakes:\n  alley:\n",
         ["film.picks.yaml:3:9: E334 null is no number of takes"]),
        ("wanbatch_picks: 1\npicks:\n  the alley: 1\n  skyline[Paris]: 2\n",
         ["film.picks.yaml:3:3: E334 'the alley' is no scene's id",
          "film.picks.yaml:4:3: E334 'skyline[Paris]' is no scene's id"]),
        ("wanbatch_picks: 1\npicks:\n<<<<<<< HEAD\n  alley: 1\n=======\n  alley: 2\n>>>>>>> theirs\n",
         ["film.picks.yaml:3:1: E334 a merge has left its marks here"]),
        ("wanbatch_picks: 1\npicks: {alley: 1, alley: 2}\n",
         ["film.picks.yaml:2:19: E003 `alley` for the second time; first in line 2"]),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_place_and_what_to_write(text, said):
    with pytest.raises(ManifestInvalid) as caught:
        read(text, "film.picks.yaml")
    assert [show(one).splitlines()[0] for one in caught.value.problems] == said
    assert all(one.hint for one in caught.value.problems)


@pytest.mark.parametrize("text", ["", "\ufeff", "# later\n"])
def test_a_file_that_was_emptied_is_not_taken_for_one_that_chooses_nothing(text):
    """Half of a write, or a merge gone wrong: what `reroll` asked for would be left out in silence."""
    with pytest.raises(ManifestInvalid) as caught:
        read(text, "film.picks.yaml")
    (problem,) = caught.value.problems
    assert problem.code == "E334"
    assert "`wanbatch_picks: 1`" in problem.hint
    assert ("put it back" in problem.hint) is (text != "# later\n")


def test_a_key_that_is_nearly_one_is_told_which_was_meant():
    with pytest.raises(ManifestInvalid) as caught:
        read("wanbatch_picks: 1\npicked: {alley: 1}\nxyzzy: 1\n", "film.picks.yaml")
    assert [one.hint for one in caught.value.problems] == [
        "did you mean `picks`?", "there are `picks` and `takes`; comments start with #",
    ]  # fmt: skip


def test_a_profile_has_picks_of_its_own():
    assert path_of(Path("a/film.yaml"), None) == Path("a/film.picks.yaml")
    assert path_of(Path("a/film.yaml"), "draft") == Path("a/film@draft.picks.yaml")
    assert path_of(Path("film.v2.yml"), None) == Path("film.v2.picks.yaml")


def test_as_many_takes_are_possible_as_in_a_manifest():
    scene = catalog.manifest_schema()["properties"]["scenes"]["items"]["properties"]
    assert scene["takes"]["maximum"] == MAX_TAKES


@pytest.mark.parametrize("text", ["alley", "s.04_b", "1", PARIS, "a[look=元宵]"])
def test_an_id_is_known(text):
    assert is_scene(text)


@pytest.mark.parametrize(
    "text",
    ["", "-a", "a b", "a[", "a[]", "a[b]", "a[b=]", "a[b=c", "a[b=c]d", "a[b=c,]", "a[b=-1]", "a[1b=c]", "é", "a/b"],
)
def test_what_is_no_id_is_none(text):
    assert not is_scene(text)


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}(\[[a-z_]{1,3}=[\w]([ :.+-]?[\w]){0,3}\])?", fullmatch=True).filter(
    is_scene
)
NUMBERS = st.integers(1, MAX_TAKES)


@given(st.dictionaries(IDS, NUMBERS), st.dictionaries(IDS, NUMBERS))
def test_what_is_written_is_read_back_here_and_by_other_readers(picks, takes):
    chosen = Picks(picks, takes)
    text = text_of(chosen)
    assert read(text, "film.picks.yaml") == chosen
    assert text_of(read(text, "film.picks.yaml")) == text
    other = yaml.safe_load(text)
    assert other == {"wanbatch_picks": 1} | ({"picks": picks} if picks else {}) | ({"takes": takes} if takes else {})


@example("?")
@given(st.text() | st.text("wanbatch_picks: 1\n{}[]alley,takes<=>"))
def test_whatever_a_file_holds_is_read_or_told(text):
    try:
        read(f"wanbatch_picks: 1\n{text}", "film.picks.yaml")
    except ManifestInvalid as error:
        assert error.problems
