"""Start-up is felt at every keystroke, and the help is the first thing that is read."""

import re
import subprocess
import sys
from importlib import import_module

import click
import pytest
from cli.stage import wanbatch
from support import write_manifest

from wanbatch import __version__
from wanbatch.cli.door import VERBS, guarded

COMMANDS = {verb: import_module(f"wanbatch.cli.{verb}_").command for verb in VERBS}


def imported(*args: object, cwd: object = None) -> set[str]:
    """What a command imports, by its top-level name."""
    program = "import sys; from wanbatch.cli.door import main; main()"
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, *map(str, args)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=cwd,
    )  # fmt: skip
    names = re.findall(r"^import time:.*\|\s+([\w.]+)$", ended.stderr, re.MULTILINE)
    assert "click" in names, ended.stderr
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("verb", ["validate", "render", "plan", "status"])
def test_commands_that_only_look_do_not_load_the_network(verb, in_tmp):
    assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", "-q", "--out", "out/film"]) == 0
    assert not imported(verb, "film.yaml") & {"aiohttp", "tqdm"}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_first_words_load_next_to_nothing(flag):
    assert not imported(flag) & {"aiohttp", "yaml", "jsonschema", "asyncio", "tqdm"}


def test_the_version_is_the_packages(capsys):
    assert guarded(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_the_help_names_every_verb(capsys):
    assert guarded(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [verb for verb in VERBS if not re.search(rf"^  {verb} ", shown, re.MULTILINE)] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_in_its_own_words(verb, capsys):
    assert guarded([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: wanbatch {verb}")
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for(verb):
    options = [one for one in COMMANDS[verb].params if isinstance(one, click.Option)]
    assert [one.name for one in options if not (one.help or "").strip().split("  [")[0].endswith(".")] == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_flag_takes_the_key(verb):
    flags = [flag for one in COMMANDS[verb].params for flag in one.opts]
    assert [flag for flag in flags if re.search("key|token|secret|auth", flag)] == []


@pytest.mark.parametrize(("typed", "meant"), [("plna", "plan"), ("stauts", "status"), ("simulat", "simulate")])
def test_an_unknown_verb_is_answered_with_the_one_that_was_meant(typed, meant, capsys):
    assert guarded([typed]) == 2
    assert capsys.readouterr().err == (
        f"wanbatch: no such command: {typed}; did you mean {meant}?\n  wanbatch --help shows what there is\n"
    )


def test_an_unknown_verb_that_resembles_none_is_only_refused(capsys):
    assert guarded(["frobnicate"]) == 2
    assert capsys.readouterr().err.startswith("wanbatch: no such command: frobnicate\n")


def test_a_mistyped_option_is_answered_in_the_same_voice(capsys):
    assert guarded(["status", "--jsn", "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("wanbatch: no such option")
    assert "--json" in said
    assert said.endswith("\n  wanbatch status --help shows what there is\n")


def test_a_missing_argument_is_named(capsys):
    assert guarded(["run"]) == 2
    assert capsys.readouterr().err.startswith("wanbatch: missing argument 'MANIFEST'\n")


def test_without_a_verb_the_help_is_shown():
    ended = wanbatch()
    assert ended.returncode == 2
    assert "Commands:" in ended.stdout + ended.stderr
