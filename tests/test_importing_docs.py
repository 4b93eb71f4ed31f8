"""docs/importing.md: every file of the page is imported as it is printed there, and becomes what is printed there."""

import re
import shlex
from pathlib import Path

import pytest

from wanbatch.cli.door import guarded
from wanbatch.manifest.importing_source import FIELDS, NAMES, normal

PAGE = (Path(__file__).parents[1] / "docs" / "importing.md").read_text("utf-8")
PART = re.compile(
    r"^`(\S+)`:\n\n```\w+\n(.+?)^```$|^    (wanbatch [^\n]+)$|^```(text|yaml)\n(.+?)^```$", re.DOTALL | re.MULTILINE
)


def examples() -> list[tuple[str, str, str, str, str]]:
    """Each file of the page: name, text, command, what is said, the manifest."""
    found: list[list[str]] = []
    for name, text, command, kind, shown in PART.findall(PAGE):
        if name:
            found.append([name, text, "", "", ""])
        elif command:
            found[-1][2] = command
        else:
            found[-1][3 if kind == "text" else 4] = shown
    return [tuple(one) for one in found]


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=[one[0] for one in EXAMPLES])
def test_an_example_becomes_what_the_page_shows(example, in_tmp, capsys):
    name, text, command, said, manifest = example
    (in_tmp / name).write_text(text, "utf-8")
    words = shlex.split(command)[1:]
    code = guarded(words)
    shown = capsys.readouterr()
    output = in_tmp / words[words.index("-o") + 1] if "-o" in words else None
    assert code == (0 if manifest else 5), shown.err
    assert (output.read_text("utf-8") if output else shown.out) == manifest
    if manifest:
        assert shown.err == said
    else:
        assert said in shown.err


def test_the_page_has_an_example_of_each_format_and_nothing_that_is_not_run():
    assert {Path(name).suffix for name, *_ in EXAMPLES} == {".txt", ".csv", ".jsonl", ".sh", ".md"}
    assert all(command.split()[2] == name for name, _, command, _, _ in EXAMPLES)
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == sum(
        1 + bool(said) + bool(yaml) for *_, said, yaml in EXAMPLES
    )


def test_the_page_names_every_field_and_no_name_that_is_none():
    rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", PAGE, re.MULTILINE)
    named = {field for first, _ in rows for field in re.split(r"`, `", first)}
    assert named == NAMES.keys() - {"intro", "language"}
    others = {}
    for first, said in rows:
        words = [word.strip() for word in said.partition(";")[0].split(",")]
        others |= {normal(word): first.split("`, `") for word in words if not word.startswith("`")}
    assert others.keys() == FIELDS.keys() - NAMES.keys()
    assert all(FIELDS[other] in fields for other, fields in others.items())
