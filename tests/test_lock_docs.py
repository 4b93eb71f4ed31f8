"""docs/lock.md: its commands run as printed, its example has the fields that are written, its workflow's steps work."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli.stage import FAST, QUICK, service, wanbatch
from support import write_manifest

from wanbatch.jobs import lockfile
from wanbatch.jobs.verify import Kind

PAGE = (Path(__file__).parents[1] / "docs" / "lock.md").read_text("utf-8")
EXAMPLE, WORKFLOW = re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TYPED = re.findall(r"^    (wanbatch .+)$", PAGE, re.MULTILINE)
BIN = Path(sys.executable).parent


def git(folder, *words):
    who = ["-c", "user.name=n", "-c", "user.email=n@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@pytest.fixture
def film(in_tmp):
    """A manifest that is committed and made."""
    path = write_manifest(in_tmp, "pier", duration=2)
    (in_tmp / ".gitignore").write_text("/out/\n", "utf-8")
    git(in_tmp, "init", "-q", "-b", "main")
    git(in_tmp, "add", ".")
    git(in_tmp, "commit", "-q", "-m", "one")
    with service(QUICK) as sim:
        ended = wanbatch("run", "film.yaml", "--yes", "--base-url", sim.base_url, *FAST)
    assert ended.returncode == 0, ended.stderr
    return path


def test_the_commands_work_as_printed(film):
    assert [line.split()[1] for line in TYPED] == ["verify", "run", "diff"]
    for line in TYPED:
        ended = wanbatch(*shlex.split(line)[1:])
        assert ended.returncode == 0, ended.stderr


def test_the_example_has_the_fields_that_a_run_writes_in_their_order(film, in_tmp):
    written = yaml.safe_load((in_tmp / "film.lock.yaml").read_text("utf-8"))
    shown = yaml.safe_load(EXAMPLE)
    assert list(shown) == list(written)
    assert {name: type(value) for name, value in shown["jobs"]["pier"].items()} == {
        name: type(value) for name, value in written["jobs"]["pier"].items()
    }
    assert list(shown["jobs"]["pier"]) == list(written["jobs"]["pier"])


def test_the_page_names_every_field_and_every_kind_of_difference(film, capsys):
    assert [name for name in lockfile.RULES if not re.search(rf"\b{name}\b", PAGE)] == []
    assert [kind.name for kind in Kind if f"`{kind.name.lower()}`" not in PAGE] == []
    verified = json.loads(wanbatch("verify", "film.yaml", "--json").stdout)
    compared = json.loads(wanbatch("diff", "HEAD", "--output-format", "json").stdout)
    for name in {*verified, *compared, *compared["manifests"][0]}:
        assert f"`{name}`" in PAGE, name


def test_the_workflows_steps_show_a_pull_requests_price(film, in_tmp):
    git(in_tmp, "switch", "-q", "-c", "edit")
    film.write_text(film.read_text("utf-8").replace("a pier", "a long pier"), "utf-8")
    git(in_tmp, "commit", "-q", "-a", "-m", "two")
    git(in_tmp, "switch", "-q", "main")
    git(in_tmp, "merge", "-q", "--no-ff", "-m", "merge", "edit")
    steps = [step for step in yaml.safe_load(WORKFLOW)["jobs"]["diff"]["steps"] if "run" in step]
    assert steps.pop(0)["name"] == "install"
    summary = in_tmp / "summary.md"
    env = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(in_tmp), "GITHUB_STEP_SUMMARY": str(summary)}
    for step in steps:
        assert "env" not in step, "a fork's pull request must not see the key"
        done = subprocess.run(["bash", "-ec", step["run"]], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "::notice file=film.yaml,line=6,title=pier%3A changed::prompt; 2 s, 1.20 CNY\n" in done.stdout
    assert "| pier | changed | 2 s | 1.20 CNY | prompt |" in summary.read_text("utf-8")
