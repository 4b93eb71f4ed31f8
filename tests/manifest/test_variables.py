"""`${name}` in texts: filled in once, escaped, and never half understood."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wanbatch.manifest.variables import Use, escaped, filled, uses

TEXT = st.text(alphabet="${}abc_:9 \n", max_size=20) | st.text(max_size=20)


def value_of(name: str) -> str:
    return f"<{name}>"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("no variable", "no variable"),
        ("${hero}", "<hero>"),
        ("a ${hero}, ${hero}’s ${coat}", "a <hero>, <hero>’s <coat>"),
        ("${env:CITY}", "<env:CITY>"),
        ("costs $5 or $ {x}", "costs $5 or $ {x}"),
        ("$${hero}", "${hero}"),
        ("$$${hero}", "$${hero}"),
        ("$${", "${"),
        ("{hero} ${hero}}", "{hero} <hero>}"),
    ],
)
def test_a_text_is_filled_in(text, whole):
    assert filled(text, value_of) == whole


def test_a_value_is_not_looked_into_again():
    assert filled("${a}", lambda _name: "${b} $${c}") == "${b} $${c}"


@pytest.mark.parametrize(
    "text", ["${", "${}", "${ hero}", "${my hero}", "${hero", "${2b}", "${a.b}", "${env:}", "${a${b}}"]
)
def test_what_is_no_variable_is_found_as_such(text):
    assert None in [use.name for use in uses(text)]


def test_variables_are_found_where_they_are():
    assert list(uses("a ${b} $${c} ${env:D}")) == [Use(2, 6, "b"), Use(13, 21, "env:D")]


@given(TEXT)
@example("${a${b}")
def test_an_escaped_text_comes_back_as_it_was(text):
    assert not list(uses(escaped(text)))
    assert filled(escaped(text), value_of) == text


@given(TEXT)
def test_a_text_without_the_mark_is_never_changed(text):
    if "${" not in text:
        assert filled(text, value_of) == text
