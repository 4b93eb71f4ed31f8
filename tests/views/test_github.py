"""Commands of a workflow and Markdown: nothing that a manifest holds can end one, or begin another."""

import re

from hypothesis import given
from hypothesis import strategies as st

from wanbatch.views.github import command, markdown


def test_a_command_has_its_properties_and_its_message():
    assert command("notice", "a: b", file="film.yaml", line=3) == "::notice file=film.yaml,line=3::a: b"
    assert command("error", "no") == "::error::no"
    assert command("error", "100 %0A") == "::error::100 %250A"


@given(st.text(), st.text())
def test_a_command_is_one_line_with_one_message(message, title):
    line = command("notice", message, title=title)
    assert len(line.split("\n")) == len(line.split("\r")) == 1
    head, _, rest = line.removeprefix("::notice title=").partition("::")
    assert "," not in head
    for text, written in ((title, head), (message, rest)):
        read = re.sub("%(0A|0D|3A|2C|25)", lambda found: chr(int(found[1], 16)), written)
        assert text == read


def test_a_summary_is_a_sentence_and_a_table_for_each_manifest():
    assert markdown("1 to generate", [("a_b.yaml", [["scene", "fields"], ["x|y", "`z`"]])]) == (
        "### 1 to generate\n\n**a\\_b.yaml**\n\n| scene | fields |\n| --- | --- |\n| x\\|y | \\`z\\` |\n\n"
    )
