"""What --select names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import scene

from wanbatch.cli.status_ import WORDS
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.plan import Kind
from wanbatch.manifest import expand
from wanbatch.manifest.matrix import combinations, id_of
from wanbatch.manifest.model import Wanted
from wanbatch.manifest.selection import CANONICAL, STATUSES, asks_for_status, of_nothing, selected


def jobs(*scenes) -> tuple[Wanted, ...]:
    """The jobs of some scenes."""
    return tuple(expand.wanted(take) for one in scenes for take in expand.takes(one))


def matrix(base, axes, **changes):
    """The scenes of a matrix."""
    rows = [{axis: value.name for axis, value in one.items()} for one in combinations(axes)]
    ids = [id_of(base, one) for one in combinations(axes)]
    return [
        scene(id, **changes, axes=tuple(row.items()), **{axis: row[axis] for axis in row if axis == "ratio"})
        for id, row in zip(ids, rows, strict=True)
    ]


PLAIN = jobs(
    scene("alley", tags=["night", "teaser"], takes=3),
    scene("Alley-2", tags=["night"]),
    scene("roof", tags=["[old]", "元宵", "a,b"]),
    scene("tag", tags=["a-b"]),
)
GRID = {
    "city": ["Paris", "Tokyo", "New York"],
    "ratio": ["16:9", "9:16"],
    "exclude": [{"city": "Tokyo", "ratio": "9:16"}],
    "include": [{"city": "Orléans", "ratio": "1:1"}],
}
SKYLINES = jobs(scene("alley", takes=2), scene("s10"), *matrix("skyline", GRID, takes=2, tags=["city"]))


def stems(expression, wanted, statuses=None):
    """The names of the files that are selected, in the manifest's order."""
    keys = selected(expression, wanted, statuses)
    return [one.key.stem for one in wanted if one.key in keys]


ALLEYS = "alley alley.t2 alley.t3"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("alley", ALLEYS),
        ("ALLEY", ALLEYS),
        ("alley*", f"{ALLEYS} Alley-2"),
        ("alley-?", "Alley-2"),
        ("*", f"{ALLEYS} Alley-2 roof tag"),
        ("tag", "tag"),
        ("tag:night", f"{ALLEYS} Alley-2"),
        ("TAG:Night", f"{ALLEYS} Alley-2"),
        ("tag : night", f"{ALLEYS} Alley-2"),
        ("tag:t*", ALLEYS),
        ("tag:元宵", "roof"),
        ("tag:[old]", "roof"),
        ("tag:[old],tag", "roof tag"),
        ("tag:[o*,tag", "roof tag"),
        ("*,-tag:[o*,-tag:night", "tag"),
        ("*,- tag : [o*,-tag", f"{ALLEYS} Alley-2"),
        ("tag:a-b", "tag"),
        (" alley , roof ,", f"{ALLEYS} roof"),
        ("-alley", "Alley-2 roof tag"),
        ("-tag:night", "roof tag"),
        ("tag:night,-alley", "Alley-2"),
        ("-alley,tag:night", "Alley-2"),
        ("- alley", "Alley-2 roof tag"),
        ("-alley,-roof", "Alley-2 tag"),
        ("alley.t2", "alley.t2"),
        ("alley.t1", "alley"),
        ("Alley.T2,alley.t3", "alley.t2 alley.t3"),
        ("*.t1", "alley Alley-2 roof tag"),
        ("*.t?,-*.t1", "alley.t2 alley.t3"),
        ("*2", "Alley-2"),
        ("*t*", "tag"),
        ("alley*.t?,-*2", "alley alley.t2 alley.t3"),
        ("*,-*ey", "Alley-2 roof tag"),
        ("alley,-alley.t1", "alley.t2 alley.t3"),
    ],
)
def test_terms_name_scenes_and_takes(expression, names):
    assert stems(expression, PLAIN) == names.split()


PARIS = ["skyline.paris.16x9", "skyline.paris.16x9.t2", "skyline.paris.9x16", "skyline.paris.9x16.t2"]
ALL = [one.key.stem for one in SKYLINES if one.take.scene.base == "skyline"]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("skyline", ALL),
        ("sky*", ALL),
        ("tag:city", ALL),
        ("s1*", ["s10"]),
        ("skyline[city=Paris]", PARIS),
        ("skyline[city=Paris]*", PARIS),
        ("SKYLINE[City=paris]", PARIS),
        (" skyline [ city = Paris ] ", PARIS),
        ("skyline[city=P*,ratio=16:9]", PARIS[:2]),
        ("skyline[ratio=16:9, city=Paris]", PARIS[:2]),
        ("skyline[city=Paris,ratio=16:9]", PARIS[:2]),
        ("skyline[city=Paris,ratio=16:9].t2", PARIS[1:2]),
        ("skyline[city=Paris].t2", PARIS[1::2]),
        ("skyline[city=Paris].t1", PARIS[::2]),
        ("skyline[city=Paris].t*", PARIS),
        ("skyline[city=Paris]*.T2", PARIS[1::2]),
        ("skyline[city=Paris]**", PARIS),
        ("skyline[ratio=16x9,city=new-york]", ["skyline.new-york.16x9", "skyline.new-york.16x9.t2"]),
        ("skyline[city=New York,ratio=9:16].t1", ["skyline.new-york.9x16"]),
        ("skyline[city=Orle\u0301ans]", ["skyline.orléans.1x1", "skyline.orléans.1x1.t2"]),
        ("skyline.paris.16x9", PARIS[:2]),
        ("skyline.paris.16x9.t2", PARIS[1:2]),
        ("skyline.paris.*", PARIS),
        ("s*.paris.16x9", PARIS[:2]),
        ("*[ratio=1:1]", ["skyline.orléans.1x1", "skyline.orléans.1x1.t2"]),
        ("[ratio=1:1]", ["skyline.orléans.1x1", "skyline.orléans.1x1.t2"]),
        ("skyline,-skyline[city=*o*],-*.t2", PARIS[::2]),
        ("alley,skyline[city=Paris,ratio=16:9],s10", ["alley", "alley.t2", "s10", *PARIS[:2]]),
    ],
)
def test_a_matrix_is_named_by_any_of_its_axes(expression, names):
    assert stems(expression, SKYLINES) == names


def test_every_name_that_the_plan_shows_selects_what_it_stands_for():
    for one in SKYLINES:
        found = selected(one.key.stem, SKYLINES)
        assert one.key in found
        assert {key.scene for key in found} == {one.key.scene}
        assert found == selected(one.key.scene, SKYLINES) or found == {one.key}


def test_a_scene_that_is_called_like_a_take_is_meant_before_it():
    wanted = jobs(scene("alley"), scene("alley.t1"))
    assert stems("alley.t1", wanted) == ["alley.t1"]


WHAT_IT_HAS = "the manifest has alley, Alley-2, roof, tag, tag:night, tag:teaser …"


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("", "it names nothing", "for example --select 'tag:teaser,alley'"),
        (" , ", "it names nothing", "for example --select 'tag:teaser,alley'"),
        ("ally", "nothing is called 'ally'", "did you mean alley, Alley-2?"),
        ("alley,-rof", "nothing is called 'rof'", "did you mean roof?"),
        ("tag:nigt", "nothing is called 'tag:nigt'", "did you mean tag:night?"),
        ("nigt", "nothing is called 'nigt'", "did you mean tag:night?"),
        ("xyzzy*", "nothing is called 'xyzzy*'", WHAT_IT_HAS),
        ("-", "nothing is called ''", WHAT_IT_HAS),
        ("-*", "all that it names is taken away", "leave out a term that starts with -"),
        ("roof,-r*", "all that it names is taken away", "leave out a term that starts with -"),
        ("alley.t4", "alley has 3 takes, and no take 4", "wanbatch reroll MANIFEST alley asks for one more"),
        ("roof.t2", "roof has 1 take, and no take 2", "wanbatch reroll MANIFEST roof asks for one more"),
        ("xyzzy.t2", "nothing is called 'xyzzy.t2'", WHAT_IT_HAS),
        ("tags:night", "tags: is nothing to select by", "did you mean tag:night?"),
        ("stats:failed", "stats: is nothing to select by", "did you mean status:failed?"),
        ("id:roof", "id: is nothing to select by", "write roof alone, tag:NAME or status:WORD"),
        ("alley[city=Paris]", "alley has no matrix", "write alley without brackets"),
        ("ally[city=Paris]", "nothing is called 'ally'", "did you mean alley, Alley-2?"),
    ],
)
def test_a_term_that_names_nothing_is_an_error_with_what_was_probably_meant(expression, message, hint):
    with pytest.raises(WanbatchError) as caught:
        selected(expression, PLAIN)
    assert (caught.value.message, caught.value.hint) == (f"--select: {message}", hint)
    assert caught.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("skyline[city=Pariss]", "skyline has no city 'Pariss'",
         "did you mean skyline[city=Paris]? there are Paris, Tokyo, New York, Orléans"),
        ("skyline[city=Rome]", "skyline has no city 'Rome'", "there are Paris, Tokyo, New York, Orléans"),
        ("skyline[cty=Paris]", "skyline has no axis 'cty'", "did you mean city? there are city, ratio"),
        ("*[weather=rain]", "no scene has an axis 'weather'", "there are city, ratio"),
        ("*[ratio=4:3]", "no scene has a ratio '4:3'", "there are 16:9, 9:16, 1:1"),
        ("skyline[city=Tokyo,ratio=9:16]", "skyline has no such combination",
         "there are skyline[city=Tokyo,ratio=16:9]"),
        ("skyline[Paris]", "'Paris' in brackets is no AXIS=VALUE", "write skyline[AXIS=Paris]"),
        ("skyline[city=]", "'city=' in brackets is no AXIS=VALUE", "write skyline[AXIS=city]"),
        ("skyline[=Paris]", "'=Paris' in brackets is no AXIS=VALUE", "write skyline[AXIS=Paris]"),
        ("[ Paris ]", "'Paris' in brackets is no AXIS=VALUE", "write *[AXIS=Paris]"),
        ("s10,[city=Paris]]", "'[city=Paris]]' has brackets that are no pair", "write skyline[city=Paris]"),
        ("skyline[city=[Paris]", "'skyline[city=[Paris]' has brackets that are no pair", "write skyline[city=Paris]"),
        ("skyline[]", "'skyline[]' has nothing in its brackets",
         "write skyline[city=Paris], or skyline alone for all"),
        ("skyline[city=Paris", "'skyline[city=Paris' has brackets that are no pair", "write skyline[city=Paris]"),
        ("sky*[city=Paris,s10", "'sky*[city=Paris,s10' has brackets that are no pair", "write skyline[city=Paris]"),
        ("skyline[city=Paris]x", "'x' behind the bracket is no take",
         "write skyline[city=Paris].t2 for the second take"),
        ("skyline[city=Tokyo,ratio=9:16].t2", "skyline has no such combination",
         "there are skyline[city=Tokyo,ratio=16:9]"),
        ("skyline[city=Paris].t3", "there is no take 't3'", "write .t2 for the second take"),
        ("skyline.pari.16x9", "nothing is called 'skyline.pari.16x9'",
         "did you mean skyline.paris.16x9, skyline.paris.9x16, skyline.tokyo.16x9?"),
        ("skylin", "nothing is called 'skylin'", "did you mean skyline, skyline.tokyo.16x9, skyline.paris.9x16?"),
        ("skyline.t3", "skyline has 2 takes, and no take 3", "wanbatch reroll MANIFEST skyline asks for one more"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_brackets_is_said_of_the_axis_or_the_value(expression, message, hint):
    with pytest.raises(WanbatchError) as caught:
        selected(expression, SKYLINES)
    assert (caught.value.message, caught.value.hint) == (f"--select: {message}", hint)


def test_a_short_manifest_is_listed_whole():
    with pytest.raises(WanbatchError) as caught:
        selected("xyzzy", PLAIN[:3])
    assert caught.value.hint == "the manifest has alley, tag:night, tag:teaser"
    with pytest.raises(WanbatchError) as caught:
        selected("xyzzy", jobs(*(scene(f"s{number}") for number in range(6))))
    assert caught.value.hint == "the manifest has s0, s1, s2, s3, s4, s5"


# --- status ---


def known(**words):
    """Statuses of scenes' takes by the file's name, `_` for a dot."""
    by_stem = {stem.replace("_", "."): set(said.split()) for stem, said in words.items()}
    return lambda: {one.key: by_stem.get(one.key.stem, set()) for one in PLAIN}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("status:failed", "roof"),
        ("STATUS: Failed", "roof"),
        ("status:in-flight", "alley.t2 Alley-2"),
        ("status:in_flight", "alley.t2 Alley-2"),
        ("status:collect", "alley.t2 Alley-2"),
        ("status:in doubt", "Alley-2"),
        ("status:cancelled,status:Canceling", "tag"),
        ("status:submit anew", "alley.t3"),
        ("status:stale,roof", "alley.t3 roof"),
        ("alley,-status:done", "alley.t2 alley.t3"),
        ("-status:done", "alley.t2 alley.t3 Alley-2 roof tag"),
        ("-status:held", "alley alley.t2 alley.t3 Alley-2 roof tag"),
        ("status:held,roof", "roof"),
        ("status:held", ""),
        ("roof,-status:failed", ""),
    ],
)
def test_a_status_is_that_of_each_take_and_may_be_that_of_none(expression, names):
    now = known(
        alley="done", alley_t2="in-flight waiting", alley_t3="stale", **{"Alley-2": "in-flight in-doubt"},
        roof="failed", tag="cancelling",
    )  # fmt: skip
    assert stems(expression, PLAIN, now) == names.split()
    assert asks_for_status(expression)


def test_nobody_is_asked_for_a_status_that_no_term_names():
    def never():
        raise AssertionError("asked")

    assert stems("roof", PLAIN, never) == ["roof"]
    assert not asks_for_status("roof,tag:status*")
    assert not asks_for_status("nothing:here")
    assert not asks_for_status(None)


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("status:faild", "'faild' is no status", "did you mean status:failed? there are "),
        ("-status:xyzzy", "'xyzzy' is no status", "there are "),
        ("status:", "'' is no status", "there are "),
    ],
)
def test_a_word_that_is_no_status_is_an_error_even_where_nothing_has_any(expression, message, hint):
    with pytest.raises(WanbatchError) as caught:
        selected(expression, PLAIN, known())
    assert caught.value.message == f"--select: {message}"
    assert caught.value.hint == hint + ", ".join(STATUSES)


def test_without_a_journal_a_status_is_an_error_and_no_empty_selection():
    with pytest.raises(WanbatchError) as caught:
        selected("roof,status:new", PLAIN)
    assert caught.value.message.startswith("--select: which scenes have a status is in the journal")


def test_a_name_that_nothing_has_stays_an_error_beside_a_status():
    with pytest.raises(WanbatchError) as caught:
        selected("status:failed,rof", PLAIN, known())
    assert caught.value.hint == "did you mean roof?"


def test_every_word_that_plan_and_status_show_is_one():
    assert {kind.value.replace(" ", "-") for kind in Kind} <= CANONICAL.keys()
    assert {kind.name.lower().replace("_", "-") for kind in Kind} <= STATUSES.keys()
    assert {word.replace(" ", "-") for word in WORDS.values()} <= STATUSES.keys()


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("status:failed", "nothing is failed"),
        ("status:failed,status:held,status:failed", "nothing is failed or held"),
        ("status:collect", "nothing is in-flight"),
        ("roof,-status:done", "nothing is left to select"),
    ],
)
def test_an_empty_selection_is_said_by_its_statuses(expression, said):
    assert of_nothing(expression) == said


# --- laws ---

TERMS = ["alley", "roof", "tag:night", "-tag", "-alley-2", "-roof", "*", "alley.t2", "-*.t1", "status:done"]


@given(st.lists(st.sampled_from(TERMS), min_size=1))
def test_the_order_of_the_terms_does_not_count(terms):
    def outcome(expression):
        try:
            return selected(expression, PLAIN, known(roof="done"))
        except WanbatchError as error:
            return error.message

    assert outcome(",".join(terms)) == outcome(",".join(reversed(terms)))


@given(st.text() | st.text("aAlley[]=,.-*?:tsg 2"))
def test_no_expression_raises_anything_else(expression):
    try:
        assert selected(expression, SKYLINES)
    except WanbatchError as error:
        assert error.exit_code == Exit.USAGE


@given(st.sampled_from([one.key for one in SKYLINES]), st.booleans())
def test_an_id_in_any_case_names_its_scene_and_no_other(key, loud):
    text = key.scene.upper() if loud else key.scene
    assert {one.scene for one in selected(text, SKYLINES)} == {key.scene}


def test_the_page_names_every_status():
    page = (Path(__file__).parents[2] / "docs" / "takes.md").read_text("utf-8").split("## Naming takes")[1]
    assert all(f"`{word}`" in page for word in STATUSES)
