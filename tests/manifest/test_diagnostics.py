"""Every code has a page, and what the pages show is what happens."""

import contextlib
import re
from pathlib import Path

import pytest

from wanbatch.cli.door import guarded
from wanbatch.errors import ManifestInvalid
from wanbatch.manifest import diagnostics
from wanbatch.manifest.check import load

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"\"([EW]\d{3})\"")
CONFIGURATION = {"E601", "E602", "E603", "E604"}
UNSHOWN = {"E001", "E100", "E341", "E504"} | CONFIGURATION
"""Bytes that are no text, a rule without words, a file that only wanbatch writes, what looks like a key, and the file
of the user's own."""
PAGES = diagnostics.pages()


def used() -> set[str]:
    """Every code that the source gives."""
    return {code for path in (ROOT / "wanbatch").rglob("*.py") for code in CODE.findall(path.read_text("utf-8"))}


def test_every_code_has_a_page_and_every_page_a_code():
    assert used() == PAGES.keys()


def test_every_page_shows_a_wrong_manifest_and_a_right_one():
    assert {code for code, page in PAGES.items() if not page.wrong or not page.right} == UNSHOWN


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_says_what_is_wrong_and_why_it_matters_in_sentences(page):
    assert page.title[0].islower() or page.title[0] == "`" or page.title.startswith("YAML")
    assert not page.title.endswith(".")
    assert len(page.title) < 80
    assert len(page.why) > 60
    assert page.why.endswith(".")
    assert not page.notes or page.notes.endswith((".", "`"))


def written(examples, folder):
    """The files of an example on disk; the name of the first."""
    for example in examples:
        path = folder / example.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example.text, "utf-8")
    return examples[0].file


def codes(examples, folder, capsys, command=""):
    """The codes that are given for an example's files, in `folder`."""
    file = written(examples, folder)
    with contextlib.chdir(folder):
        if command:
            guarded([*command.split()[1:-1], file])
            return re.findall(r": ([EW]\d{3}) ", capsys.readouterr().err)
        try:
            return [problem.code for problem in load(Path(file)).warnings]
        except ManifestInvalid as error:
            return [problem.code for problem in error.problems]


SHOWN = [page for page in PAGES.values() if page.code not in UNSHOWN]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.code)
def test_the_wrong_example_gives_this_code_and_no_other(page, tmp_path, capsys):
    assert codes(page.wrong, tmp_path, capsys, page.command) == [page.code]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.code)
def test_the_right_example_is_valid_and_is_not_warned_of_the_same(page, tmp_path, capsys):
    found = codes(page.right, tmp_path, capsys, page.command)
    assert not [code for code in found if code.startswith("E")]
    assert page.code not in found
    assert page.severity == "error" or not found


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.code)
def test_the_two_examples_differ(page):
    assert page.wrong != page.right
    for example in (*page.wrong, *page.right):
        assert max(map(len, example.text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("word", "code"), [("E104", "E104"), ("e104", "E104"), (" 104 ", "E104"), ("403", "W403"), ("[W401]:", "W401")]
)
def test_a_page_is_found_by_what_people_type(word, code):
    assert diagnostics.named(word).code == code


@pytest.mark.parametrize(
    ("word", "code"), [("E1004", "E104"), ("E405", "W405"), ("F104", "E104"), ("alley", None), ("", None)]
)
def test_an_unknown_code_has_no_page_but_a_near_one(word, code):
    assert diagnostics.named(word) is None
    assert diagnostics.near(word) == code


def test_the_document_is_as_the_pages_have_it():
    document = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    assert document == diagnostics.markdown(), "run: make docs"


def test_the_document_has_every_page_once_and_every_example():
    document = diagnostics.markdown()
    for page in PAGES.values():
        assert document.count(f'<a id="{page.code.lower()}">') == 1
        assert document.count(f"(#{page.code.lower()})") == 1
        assert all(example.text.rstrip("\n") in document for example in (*page.wrong, *page.right))
