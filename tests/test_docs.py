"""The documents say what the code does: generated parts are fresh, and the README's commands work as printed."""

import importlib.util
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wanbatch.cli.door import VERBS
from wanbatch.errors import Exit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = path
    return module.pages()


@pytest.mark.parametrize(("page", "text"), generated().items(), ids=lambda value: getattr(value, "name", ""))
def test_generated_pages_are_fresh(page, text):
    assert page.read_text("utf-8") == text, "stale: run `make docs`"


def test_the_readme_names_every_exit_code():
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for code in row.split(",")}
    assert codes == {int(code) for code in Exit}


def test_every_link_in_the_documents_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def commands(text: str) -> list[str]:
    """The indented lines that a reader would type."""
    return [line.strip() for line in re.findall(r"^    (wanbatch .+)$", text, re.MULTILINE)]


def test_the_readme_uses_known_verbs_only():
    assert {line.split()[1] for line in commands(README)} <= VERBS.keys()


def typed(command: str, folder: Path, answers: bytes) -> tuple[int, str]:
    """Run a command at a terminal of its own, answer it, and return its exit code and all it printed."""
    ours, theirs = pty.openpty()
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("DASHSCOPE_HTTP_BASE_URL")
    child = subprocess.Popen(["sh", "-c", command], cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answers)
    printed = b""
    while True:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        printed += chunk
    os.close(ours)
    return child.wait(), printed.decode()


def test_the_readmes_first_steps_work_as_printed(tmp_path):
    steps = [line for line in commands(README) if "import" not in line and line != "wanbatch run manifest.yaml"]
    assert [line.split()[1] for line in steps] == ["init", "validate", "plan", "run"]
    for step in steps:
        code, printed = typed(step, tmp_path, b"y\n")
        assert code == 0, f"{step}: {printed}"
    assert (tmp_path / "out" / "simulated" / "first-film" / "videos" / "lighthouse.mp4").is_file()


def test_the_readmes_import_works_as_printed(tmp_path):
    (step,) = [line for line in commands(README) if "import" in line]
    (tmp_path / "prompts.txt").write_text("a black dog wearing a costume\nspider making a web\n")
    code, printed = typed(step, tmp_path, b"")
    assert code == 0, printed
    code, printed = typed("wanbatch validate prompts.yaml", tmp_path, b"")
    assert "valid, 2 scenes" in printed


def test_the_readmes_manifest_is_valid(tmp_path):
    (text,) = re.findall(r"```yaml\n(.+?)```", README, re.DOTALL)
    (tmp_path / "film.yaml").write_text(text)
    code, printed = typed("wanbatch validate film.yaml", tmp_path, b"")
    assert code == 0, printed
