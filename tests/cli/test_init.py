"""init --template: first manifests that are true, valid without a warning, and whose commands run as printed."""

import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from wanbatch.cli.door import guarded
from wanbatch.cli.init_ import TEMPLATES, text_of
from wanbatch.manifest.check import load

FOLDER = files("wanbatch.manifest") / "templates"
LANGUAGE = {
    "shots": {"shots", "intro", "style", "language"},
    "prompts": {"prompt", "negative_prompt", "seed"},
    "matrix": {"vars", "matrix", "include", "exclude", "takes"},
    "daily": {"run", "budget", "profiles", "tags"},
}
"""What each is there to show."""


VERBS = ("plan", "run", "run")
"""What is proposed next."""


def made(template: str) -> Path:
    assert guarded(["init", "--template", template]) == 0
    return Path(f"{template}.yaml")


def keys(value: object) -> set[str]:
    """Every key of some YAML, wherever it stands."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


def test_every_file_of_the_folder_is_a_template():
    assert {Path(one.name).stem for one in FOLDER.iterdir()} == set(TEMPLATES) == LANGUAGE.keys()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_written_to_the_byte_and_says_the_next_commands(template, in_tmp, capsys):
    path = made(template)
    assert path.read_bytes() == text_of(template)
    said = capsys.readouterr()
    assert said.out == f"wrote {template}.yaml\n"
    first, *commands = said.err.splitlines()
    assert first == "next:"
    assert [line.partition(".yaml")[0] for line in commands] == [f"  wanbatch {verb} {template}" for verb in VERBS]
    assert [" --simulate " in line for line in commands] == [False, True, False]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_valid_and_nothing_in_it_is_warned_of_but_the_models_name(template, in_tmp):
    found = load(made(template))
    assert found.warnings == ()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_shows_what_it_is_there_for_in_few_lines_of_which_some_explain(template):
    text = text_of(template).decode()
    assert LANGUAGE[template] <= keys(yaml.load(text, yaml.BaseLoader))
    lines = text.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 120
    assert sum("#" in line for line in lines) >= 8


@pytest.mark.parametrize("template", [None, *TEMPLATES])
def test_the_first_line_is_what_editors_look_for(template):
    first = text_of(template).decode().splitlines()[0]
    assert first == "# yaml-language-server: $schema=manifest.schema.json"


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_commands_in_a_template_run_as_they_are_printed(template, in_tmp, capsys):
    made(template)
    (in_tmp / "prompts.csv").write_text("prompt\na cat\n", "utf-8")
    env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(in_tmp)}
    commands = re.findall(r"(wanbatch (?:plan|render|schema|import) [^\n]*)$", text_of(template).decode(), re.MULTILINE)
    assert commands
    for command in commands:
        if template == "prompts" and " import " in command:
            command = command.replace("-o prompts.yaml", "-o other.yaml")  # noqa: PLW2901 - the template is that file
        done = subprocess.run(["sh", "-c", command], cwd=in_tmp, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert Path(f"{template}.yaml").read_bytes() == text_of(template), "the line for editors is the one that it wants"
    assert (in_tmp / "manifest.schema.json").exists()


def test_the_line_for_cron_runs_with_what_cron_gives(in_tmp):
    (line,) = re.findall(r"^#   \*/30 \* \* \* \* (.+)$", text_of("daily").decode(), re.MULTILINE)
    (in_tmp / ".local/bin").mkdir(parents=True)
    (in_tmp / ".local/bin/wanbatch").symlink_to(Path(sys.executable).parent / "wanbatch")
    (in_tmp / "films").mkdir()
    made("daily")
    shutil.move("daily.yaml", in_tmp / "films")
    given = {"HOME": str(in_tmp), "SHELL": "/bin/sh", "LOGNAME": "films", "PATH": "/usr/bin:/bin"}
    command = line.replace("run daily.yaml", "run daily.yaml --simulate")
    done = subprocess.run(["sh", "-c", command], cwd=in_tmp, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), (in_tmp / "films/log.txt").read_text()
    assert len((in_tmp / "films/out.txt").read_text().splitlines()) == 2


def test_a_template_goes_where_it_is_told_and_overwrites_nothing(in_tmp, capsys):
    assert guarded(["init", "mine.yaml", "--template", "matrix"]) == 0
    assert guarded(["init", "mine.yaml", "--template", "shots"]) == 2
    assert "name another file: wanbatch init other.yaml --template shots\n" in capsys.readouterr().err
    assert (in_tmp / "mine.yaml").read_bytes() == text_of("matrix")


def test_a_template_that_is_not_there_names_those_that_are(in_tmp, capsys):
    assert guarded(["init", "--template", "film"]) == 2
    assert "'film' is not one of 'shots', 'prompts', 'matrix', 'daily'" in capsys.readouterr().err
