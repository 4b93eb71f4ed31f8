"""What --select names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import scene

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest.selection import select

SCENES = [
    scene("alley", tags=["night", "teaser"]),
    scene("Alley-2", tags=["night"]),
    scene("roof", tags=["[old]", "元宵"]),
    scene("tag", tags=["a-b"]),
]


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("alley", "alley"),
        ("ALLEY", "alley"),
        ("alley*", "alley Alley-2"),
        ("alley-?", "Alley-2"),
        ("*", "alley Alley-2 roof tag"),
        ("tag", "tag"),
        ("tag:night", "alley Alley-2"),
        ("TAG:Night", "alley Alley-2"),
        ("tag:t*", "alley"),
        ("tag:元宵", "roof"),
        ("tag:[old]", "roof"),
        ("tag:a-b", "tag"),
        (" alley , roof ,", "alley roof"),
        ("-alley", "Alley-2 roof tag"),
        ("-tag:night", "roof tag"),
        ("tag:night,-alley", "Alley-2"),
        ("-alley,tag:night", "Alley-2"),
        ("- alley", "Alley-2 roof tag"),
        ("-alley,-roof", "Alley-2 tag"),
    ],
)
def test_terms_name_scenes(expression, ids):
    assert select(expression, SCENES) == set(ids.split())


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("", "--select names nothing", "for example --select 'tag:teaser,alley'"),
        (" , ", "--select names nothing", "for example --select 'tag:teaser,alley'"),
        ("ally", "--select: nothing is called 'ally'", "did you mean alley, Alley-2?"),
        ("alley,-rof", "--select: nothing is called 'rof'", "did you mean roof?"),
        ("tag:nigt", "--select: nothing is called 'tag:nigt'", "did you mean tag:night?"),
        (
            "[ar]*",
            "--select: nothing is called '[ar]*'",
            "the manifest has alley, Alley-2, roof, tag, tag:night, tag:teaser …",
        ),
        ("-", "--select: nothing is called ''", "the manifest has alley, Alley-2, roof, tag, tag:night, tag:teaser …"),
        ("-*", "--select takes away all that it names", "leave out a term that starts with -"),
        ("roof,-r*", "--select takes away all that it names", "leave out a term that starts with -"),
    ],
)
def test_a_term_that_names_nothing_is_an_error_with_what_was_probably_meant(expression, message, hint):
    with pytest.raises(WanbatchError) as caught:
        select(expression, SCENES)
    assert (caught.value.message, caught.value.hint, caught.value.exit_code) == (message, hint, Exit.USAGE)


def test_a_short_manifest_is_listed_whole():
    with pytest.raises(WanbatchError) as caught:
        select("xyz", SCENES[:1])
    assert caught.value.hint == "the manifest has alley, tag:night, tag:teaser"


@given(st.lists(st.sampled_from(["alley", "roof", "tag:night", "-tag", "-alley-2", "-roof", "*"]), min_size=1))
def test_the_order_of_the_terms_does_not_count(terms):
    def outcome(expression):
        try:
            return select(expression, SCENES)
        except WanbatchError as error:
            return error.message

    assert outcome(",".join(terms)) == outcome(",".join(reversed(terms)))


@given(st.text())
def test_no_expression_raises_anything_else(expression):
    try:
        assert select(expression, SCENES)
    except WanbatchError as error:
        assert error.exit_code == Exit.USAGE
