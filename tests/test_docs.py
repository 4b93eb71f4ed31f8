"""The documents say what the code does: generated parts are fresh, and the README's commands work as printed."""

import importlib
import importlib.util
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wanbatch.cli.door import VERBS
from wanbatch.errors import Exit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
END = b"\x04"
"""What Ctrl-D sends: the end of all answers."""
NOBODY = "http://127.0.0.1:9/api/v1"
DESIGN = (ROOT / "DESIGN.md").read_text("utf-8")
TRACK = (ROOT / "docs" / "TRACK_RECORD.md").read_text("utf-8")


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


def test_the_design_names_every_room_and_none_that_is_not_there():
    house = DESIGN.split("## 2. The house")[1].split("## 3.")[0]
    rooms = {path.name for path in (ROOT / "wanbatch").rglob("*.py") if path.name != "__init__.py"}
    verbs = {f"{verb}_.py" for verb in VERBS}
    garden = {path.name for path in (ROOT / "wanbatch" / "simulator").glob("*.py")}
    views = {path.name for path in (ROOT / "wanbatch" / "views").glob("*.py")}
    named = set(re.findall(r"([a-z_0-9]+\.py)", house)) - {"test_house.py"}
    assert named <= rooms
    assert rooms - verbs - garden - views - {"common.py", "terminal.py", "wire.py"} <= named


def commands(text: str) -> list[str]:
    """The indented lines that a reader would type."""
    return [line.strip() for line in re.findall(r"^    (wanbatch .+)$", text, re.MULTILINE)]


def test_the_readme_uses_known_verbs_only():
    assert {line.split()[1] for line in commands(README)} <= VERBS.keys()


def typed(command: str, folder: Path, answers: bytes, url: str = NOBODY) -> tuple[int, str]:
    """Run a command at a terminal of its own, answer it, and return its exit code and all it printed."""
    ours, theirs = pty.openpty()
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    env["DASHSCOPE_HTTP_BASE_URL"] = url
    child = subprocess.Popen(["sh", "-c", command], cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answers + END)  # a question that the test did not expect ends the run, not the patience
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


def section(title: str) -> str:
    """The README's part below a heading."""
    (found,) = re.findall(rf"^## {title}\n(.+?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def url() -> Iterator[str]:
    """The service that the README's commands find: a simulator in a hurry."""
    command = [Path(sys.executable).parent / "wanbatch", "simulate", "--speed", "600"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield child.stdout.readline().strip()
    child.terminate()
    child.wait()
    child.stdout.close()


def hasty(folder: Path) -> None:
    """Make the manifest that the README begins with."""
    typed("wanbatch init", folder, b"")
    hasten(folder)


def hasten(folder: Path) -> None:
    """Let a manifest's runs ask often: nobody waits for a simulator."""
    with (folder / "manifest.yaml").open("a") as manifest:
        manifest.write("run: {poll_interval_s: 0.1}\n")


def test_the_readmes_first_steps_work_as_printed(tmp_path, url):
    steps = [line for line in commands(section("Use it")) if "import" not in line]
    assert [line.split()[1] for line in steps] == ["init", "validate", "plan", "run", "run"]
    for step in steps:
        code, printed = typed(step, tmp_path, b"y\n", url)
        assert code == 0, f"{step}: {printed}"
        if "init" in step:
            hasten(tmp_path)
    for out in ("out/simulated/first-film", "out/first-film"):
        assert (tmp_path / out / "videos" / "lighthouse.mp4").is_file()


def test_the_readmes_words_about_money_are_what_is_printed_and_done(tmp_path, url):
    hasty(tmp_path)
    save, planned, capped, spend = commands(section("The money"))
    code, printed = typed(save, tmp_path, b"", url)
    (sentence,) = re.findall(r"^    (plan: .+)$", section("The money"), re.MULTILINE)
    assert (code, sentence in printed.splitlines()) == (0, True), printed
    code, printed = typed(capped.replace("13 CNY", "4 CNY"), tmp_path, b"", url)
    assert code == 7, "a cap that is too small is reached"
    code, printed = typed(planned, tmp_path, b"", url)
    assert code == 7, "the plan no longer holds"
    for command in (capped, save, planned, spend):
        code, printed = typed(command, tmp_path, b"", url)
        assert code == 0, f"{command}: {printed}"
    assert "Submit?" not in printed


def test_the_readmes_saved_plan_runs_without_a_question(tmp_path, url):
    hasty(tmp_path)
    save, planned, *_ = commands(section("The money"))
    for command in (save, planned):
        code, printed = typed(command, tmp_path, b"", url)
        assert code == 0, f"{command}: {printed}"
    assert (tmp_path / "out/first-film/videos/lighthouse.mp4").is_file()


def test_the_readmes_unattended_run_and_doctor_work_as_printed(tmp_path, url):
    hasty(tmp_path)
    for command in commands(section("Unattended")):
        code, printed = typed(command, tmp_path, b"", url)
        assert code == 0, f"{command}: {printed}"
    assert (tmp_path / "out/first-film/videos/lighthouse.mp4").is_file()


def test_every_command_of_the_readme_is_in_a_part_that_is_run():
    parts = ("Use it", "The language", "The money", "Unattended")
    run = [line for title in parts for line in commands(section(title))]
    assert sorted(run) == sorted(commands(README))


def test_in_none_of_the_campaigns_a_scene_was_paid_twice_as_the_readme_says():
    rows = re.findall(r"^\|.+\|$", TRACK.split("\n| campaign |")[1].split("\n\n")[0], re.MULTILINE)[1:]
    twice = {row.split("|")[5].strip() for row in rows}
    assert twice <= {"**0**", "–"}, twice


def test_the_pages_name_only_flags_that_a_verb_has():
    known = {flag for verb in VERBS for flag in flags(verb)}
    for name in ("README.md", "docs/money.md", "docs/recipes.md", "docs/configuration.md"):
        text = (ROOT / name).read_text("utf-8")
        used = {
            flag
            for span in re.findall(r"`(wanbatch [^`]+|--[^`]+)`", text)
            for flag in re.findall(r"--[a-z][a-z-]+", span)
        }
        assert used <= known | OTHERS, f"{name}: {used - known - OTHERS}"


OTHERS = {"--user", "--wheel"}
"""Flags of other programs."""


def flags(verb: str) -> set[str]:
    """All options of a verb."""
    command = importlib.import_module(f"wanbatch.cli.{verb}_").command
    commands = [command, *getattr(command, "commands", {}).values()]
    return {opt for one in commands for param in one.params for opt in param.opts}


def test_the_readmes_import_works_as_printed(tmp_path):
    (step,) = [line for line in commands(README) if "import" in line]
    (tmp_path / "prompts.txt").write_text("a black dog wearing a costume\nspider making a web\n")
    code, printed = typed(step, tmp_path, b"")
    assert code == 0, printed
    code, printed = typed("wanbatch validate prompts.yaml", tmp_path, b"")
    assert "valid, 2 scenes" in printed


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.+?)```", README, re.DOTALL))
def test_the_readmes_manifests_are_valid(tmp_path, text):
    (tmp_path / "film.yaml").write_text(text)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.yaml").write_text("wanbatch: 1\nscenes: [{id: one, prompt: 'A map. ${look}'}]\n")
    code, printed = typed("wanbatch validate film.yaml", tmp_path, b"")
    assert code == 0, printed


def test_the_readmes_words_about_the_language_are_what_is_printed(tmp_path):
    for command in commands(section("The language")):
        code, printed = typed(command, ROOT, b"")
        assert code == 0, f"{command}: {printed}"
    shown = "\n".join(
        line[4:] for line in re.findall(r"^    film\.yaml:.+(?:\n      .+)+", README, re.MULTILINE)[0].splitlines()
    )
    first = re.findall(r"```yaml\n(.+?)```", README, re.DOTALL)[0]
    lines = first.replace("  - id: alley\n", "  - id: alley\n    ratio: 16:10\n")
    (tmp_path / "film.yaml").write_text(lines)
    code, printed = typed("wanbatch validate film.yaml", tmp_path, b"")
    assert code == 5
    assert shown in printed.replace("\r\n", "\n")
