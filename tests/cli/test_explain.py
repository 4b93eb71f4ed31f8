"""`wanbatch explain`: what a code means, on stdout."""

import pytest

from wanbatch.cli.door import guarded
from wanbatch.manifest.diagnostics import pages


@pytest.mark.parametrize("word", ["E104", "e104", "104"])
def test_a_code_is_explained_with_a_wrong_and_a_right_manifest(word, capsys):
    assert guarded(["explain", word]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith("E104: a number outside its limits\n\n")
    wrong, right = said.out.index("\nWrong:\n"), said.out.index("\nRight:\n")
    assert wrong < said.out.index("\n        duration: 20\n") < right < said.out.index("\n        duration: 15\n")
    assert max(map(len, said.out.splitlines())) <= 100


@pytest.mark.parametrize("code", pages())
def test_every_page_can_be_read_and_its_examples_are_whole(code, capsys):
    assert guarded(["explain", code]) == 0
    out = capsys.readouterr().out
    page = pages()[code]
    assert page.why in " ".join(out.split())
    assert page.notes in " ".join(out.split())
    for example in (*page.wrong, *page.right):
        assert all(f"    {line}".rstrip() + "\n" in out for line in example.text.splitlines())
    for several in (files for files in (page.wrong, page.right) if len(files) > 1):
        assert all(f"\n  {example.file}\n" in out for example in several)


def test_an_unknown_code_names_a_near_one(capsys):
    assert guarded(["explain", "E1004"]) == 2
    assert capsys.readouterr().err.startswith("wanbatch: no such code: E1004; did you mean E104?\n")
    assert guarded(["explain", "alley"]) == 2
    assert "`wanbatch explain` lists them all" in capsys.readouterr().err


def test_without_a_code_all_are_listed_with_their_titles(capsys):
    assert guarded(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 1)[0] for line in lines] == list(pages())
    assert "W402  a model that moves on" in lines
