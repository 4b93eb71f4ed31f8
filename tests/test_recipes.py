"""Every block of docs/recipes.md runs as it is printed there, as far as a machine without the scheduler allows.

Each gets a home of its own and, beside what its scheduler gives a program, the address of a simulator: nothing else.
"""

import configparser
import importlib.util
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text("utf-8")
BIN = Path(sys.executable).parent
TOLD = "dashscope-key-of-a-test"
SCENES = """
  poll_interval_s: 0.1
defaults: {resolution: 720P, duration: 2}
scenes:
  - {id: pier, prompt: A pier in the fog.}
  - {id: gulls, prompt: Gulls over a harbour.}
"""
VIDEOS = ["gulls.mp4", "pier.mp4"]
CRON = {"SHELL": "/bin/sh", "LOGNAME": "films", "PATH": "/usr/bin:/bin"}
"""All that cron gives a program, beside HOME (crontab(5))."""


def blocks(language: str) -> list[str]:
    """The page's blocks of a language, as printed."""
    return re.findall(rf"^```{language}\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def block(language: str, sign: str) -> str:
    """The one block of a language that holds a sign."""
    (found,) = [text for text in blocks(language) if sign in text]
    return found


def simulated(*options: str) -> tuple[subprocess.Popen, str]:
    """Start the simulator; return it with its base URL, once it serves."""
    command = [BIN / "wanbatch", "simulate", "--speed", "600", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return child, child.stdout.readline().strip()


@pytest.fixture
def url() -> Iterator[str]:
    """A service of one's own."""
    child, address = simulated()
    yield address
    child.terminate()
    child.wait()
    child.stdout.close()


@dataclass
class Home:
    """A home folder as the page wants it, and the environment that its programs get."""

    path: Path
    url: str
    films: Path = field(init=False)

    def __post_init__(self) -> None:
        self.films = self.path / "films"
        self.films.mkdir(parents=True)
        (shared,) = blocks("yaml")[:1]
        (self.films / "film.yaml").write_text(f"wanbatch: 1\n{shared.rstrip()}{SCENES}")
        (self.path / ".local/bin").mkdir(parents=True)
        (self.path / ".local/bin/wanbatch").symlink_to(BIN / "wanbatch")

    def has_key(self) -> None:
        """Make the key's file with the page's own commands, and put a key into it."""
        for command in [line for line in typed() if line.startswith("install ")]:
            done = self.run(["sh", "-c", command], CRON, self.path)
            assert done.returncode == 0, done.stderr
        key = self.path / "keys/dashscope"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        key.write_text(f"{TOLD}\n")

    def starts_slowly(self, times: int = 1) -> None:
        """Let the first starts of wanbatch have a second instead of the page's minutes, so that they end with 4."""
        program = self.path / ".local/bin/wanbatch"
        program.unlink()
        program.write_text(
            '#!/bin/sh\necho start >>"$HOME/starts"\n'
            f'if [ "$(wc -l <"$HOME/starts")" -gt {times} ]; then exec {BIN}/wanbatch "$@"; fi\n'
            f'exec {BIN}/wanbatch "$@" --poll-interval 60 --deadline 1s\n'
        )
        program.chmod(0o755)

    def run(self, command: list, given: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess:
        """Run a program that gets `given`, its home and where the service is, and nothing else."""
        env = {**given, "HOME": str(self.path), "DASHSCOPE_HTTP_BASE_URL": self.url}
        return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    @property
    def videos(self) -> list[str]:
        """Names of the videos that are there."""
        return sorted(path.name for path in (self.films / "out/film/videos").glob("*.mp4"))


@pytest.fixture
def home(tmp_path: Path, url: str) -> Home:
    """A home where everything is as the page says."""
    made = Home(tmp_path / "home", url)
    made.has_key()
    return made


def typed() -> list[str]:
    """The page's indented lines that a reader would type."""
    prose = re.sub(r"^```\w+\n.+?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for line in re.findall(r"^    (\S.*)$", prose, re.MULTILINE)]


def tabbed(home: Home) -> subprocess.CompletedProcess:
    """Do what cron would do with the page's crontab."""
    script = home.films / "nightly"
    script.write_text(block("sh", "cron mails"))
    script.chmod(0o755)
    *settings, line = block("crontab", "MAILTO").strip().splitlines()
    named = dict(setting.split("=", 1) for setting in settings)
    *when, command = line.split(None, 5)
    assert len(when) == 5
    assert "%" not in command, "cron makes a line break of it"
    return home.run(["/bin/sh", "-c", command], CRON | named, home.path)


def last(home: Home, event: str) -> dict:
    """The log's last object of a kind."""
    told = [json.loads(line) for line in (home.films / "film.log").read_text().splitlines()]
    return [one for one in told if one["event"] == event][-1]


def test_cron_makes_the_film_and_mails_nothing(home):
    done = tabbed(home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert home.videos == VIDEOS
    assert last(home, "RunEnded")["exit_code"] == 0


def test_cron_mails_nothing_while_the_service_is_at_it_and_the_next_start_collects(home):
    home.starts_slowly()
    done = tabbed(home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert home.videos == []
    assert last(home, "RunEnded")["exit_code"] == 4
    assert tabbed(home).returncode == 0
    assert home.videos == VIDEOS


def test_cron_mails_what_a_person_must_see_and_never_the_key(home):
    (home.path / "keys/dashscope").write_text("sk-invalid-0123456789")
    done = tabbed(home)
    assert done.returncode == 6
    assert "wanbatch ended with 6" in done.stdout
    assert "sk-invalid" not in done.stdout + done.stderr


def unit(text: str) -> configparser.ConfigParser:
    """Read a unit file: like an INI file, with case that counts and no interpolation of its own."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read_string(text)
    return parser


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_finds_nothing_to_complain_of_in_the_units(home, tmp_path):
    folder, runtime = tmp_path / "units", tmp_path / "runtime"
    folder.mkdir()
    runtime.mkdir(mode=0o700)
    (folder / "film.service").write_text(block("systemd", "[Service]"))
    (folder / "film.timer").write_text(block("systemd", "[Timer]"))
    command = ["systemd-analyze", "--user", "verify", folder / "film.service", folder / "film.timer"]
    done = home.run(command, {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(runtime)}, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemds_command_makes_the_film_and_ends_as_the_unit_expects(home):
    service = unit(block("systemd", "[Service]"))["Service"]
    said = {name: value.replace("%h", str(home.path)) for name, value in service.items()}
    name, _, value = said["Environment"].partition("=")
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(home.path), name: value}
    home.starts_slowly()
    codes = []
    for _ in range(2):
        done = home.run(shlex.split(said["ExecStart"]), given, Path(said["WorkingDirectory"]))
        codes.append(done.returncode)
    assert codes == [4, 0]
    assert home.videos == VIDEOS
    assert "4" in said["SuccessExitStatus"].split()
    written = [home.films, home.path / ".local/state"]
    assert said["ReadWritePaths"] == " ".join(map(str, written)), "the sandbox allows what the run writes"
    assert (home.path / ".local/state/wanbatch").is_dir()


@dataclass
class Checkout:
    """A workflow's scratch checkout, and what its runner tells a step."""

    home: Home
    summary: Path

    def step(self, step: Mapping[str, object], env: Mapping[str, str]) -> subprocess.CompletedProcess:
        """Run one step as GitHub's runner does: `bash -e` on a file of its own."""
        script = self.summary.with_suffix(".sh")
        script.write_text(str(step["run"]))
        path = {"PATH": f"{BIN}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(self.summary), "CI": "true"}
        mine = {name: str(value) for name, value in step.get("env", {}).items()}
        mine = {name: re.sub(r"\$\{\{ secrets\.\w+ \}\}", TOLD, value) for name, value in mine.items()}
        return self.home.run(["bash", "-e", script], path | env | mine, self.home.films)


def workflow() -> dict:
    """The workflow. In YAML 1.1, which PyYAML reads, its key `on` is true."""
    read = yaml.safe_load(block("yaml", "pull_request"))
    assert {"name", True, "permissions", "env", "jobs"} == read.keys()
    return read


def steps(job: str) -> list[dict]:
    """The steps of a job that run a command, without the one that needs the network."""
    found = [step for step in workflow()["jobs"][job]["steps"] if "run" in step]
    assert found.pop(0)["name"] == "install"
    return found


def test_the_workflow_shows_the_plan_without_a_key_and_then_makes_the_film(home, tmp_path):
    checkout = Checkout(home, tmp_path / "summary")
    for step in steps("plan"):
        assert "env" not in step, "a fork's pull request must not see the key"
        done = checkout.step(step, workflow()["env"])
        assert done.returncode == 0, done.stderr
    assert "2 to submit (4 s, 2.40 CNY" in checkout.summary.read_text()
    for step in steps("run"):
        done = checkout.step(step, workflow()["env"])
        assert done.returncode == 0, done.stderr
    assert home.videos == VIDEOS
    cached = {
        step["with"]["path"] for job in workflow()["jobs"].values() for step in job["steps"] if "cache" in str(step)
    }
    assert cached == {"out"}
    assert (home.films / "out/state").is_dir(), "the ledger is in what is cached"


def test_the_workflow_goes_on_after_exit_code_4_and_fails_after_others(home, tmp_path):
    checkout = Checkout(home, tmp_path / "summary")
    home.starts_slowly()
    first = {"PATH": f"{home.path}/.local/bin:{BIN}:/usr/bin:/bin"}
    (run,) = steps("run")
    done = checkout.step(run, workflow()["env"] | first)
    assert (done.returncode, home.videos) == (0, [])
    assert "::notice::" in done.stdout
    done = checkout.step(run | {"env": {"DASHSCOPE_API_KEY": "sk-invalid-0123456789"}}, workflow()["env"])
    assert done.returncode == 6, done.stderr
    done = checkout.step(run, workflow()["env"])
    assert (done.returncode, home.videos) == (0, VIDEOS)


def named(text: str) -> str:
    """The file name that a block of Python names itself by."""
    return re.match(r'"""(\w+\.py): ', text)[1]


@pytest.fixture
def python(home: Home) -> Path:
    """A folder with the page's Python files."""
    folder = home.path / "dags"
    folder.mkdir()
    for text in blocks("python"):
        (folder / named(text)).write_text(text)
    return folder


ASK = """
import sys
from pathlib import Path
import films
try:
    print(films.run_once(Path.home() / "films" / "film.yaml"))
except films.Stopped as stopped:
    print(stopped)
"""


def asked(home: Home, folder: Path) -> str:
    """What `run_once` makes of one run."""
    done = home.run([sys.executable, "-c", ASK], CRON | {"PYTHONPATH": str(folder)}, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_one_run_says_again_after_4_and_done_after_0(home, python):
    home.starts_slowly()
    assert asked(home, python) == "False"
    assert asked(home, python) == "True"
    assert home.videos == VIDEOS


def test_one_run_asks_for_a_person_when_the_key_is_refused(home, python):
    (home.path / "keys/dashscope").write_text("sk-invalid-0123456789")
    assert asked(home, python).endswith("film.yaml: wanbatch ended with 6")


@pytest.mark.parametrize("code", [3, 5, 7, 8, 9])
def test_one_run_asks_for_a_person_for_every_other_code(code, home, python):
    program = home.path / ".local/bin/wanbatch"
    program.unlink()
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    assert asked(home, python).endswith(f"wanbatch ended with {code}")


@pytest.mark.parametrize("end", ["exit 11", "exit 143", "kill -9 $$"])
def test_one_run_says_again_when_it_was_interrupted_or_another_run_is_at_it(end, home, python):
    program = home.path / ".local/bin/wanbatch"
    program.unlink()
    program.write_text(f"#!/bin/sh\n{end}\n")
    program.chmod(0o755)
    assert asked(home, python) == "False"


def framework(name: str) -> str | None:
    """The Python that can import a framework: this one, or the one that WANBATCH_WITH_<NAME> names."""
    elsewhere = os.environ.get(f"WANBATCH_WITH_{name.upper()}")
    return elsewhere or (sys.executable if importlib.util.find_spec(name) else None)


AIRFLOW, PREFECT = framework("airflow"), framework("prefect")


@pytest.mark.slow
@pytest.mark.skipif(AIRFLOW is None, reason="Airflow is not installed: the DAG was not run, its function was")
def test_airflow_reschedules_after_4_and_ends_in_success(home, python):
    home.starts_slowly()
    given = {"PATH": f"{Path(AIRFLOW).parent}:/usr/bin:/bin", "AIRFLOW_HOME": str(home.path / "airflow")}
    given |= {"AIRFLOW__CORE__DAGS_FOLDER": str(python), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    given |= {"AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False", "SCARF_ANALYTICS": "false"}
    for command in ("db migrate", "dags test film"):
        done = home.run([AIRFLOW, "-m", "airflow", *command.split()], given, python)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Rescheduling task" in done.stdout + done.stderr
    assert home.videos == VIDEOS


@pytest.mark.slow
@pytest.mark.skipif(PREFECT is None, reason="Prefect is not installed: the flow was not run, its function was")
def test_prefect_retries_after_4_and_ends_in_success(home, python):
    home.starts_slowly()
    given = {"PATH": "/usr/bin:/bin", "PREFECT_HOME": str(home.path / "prefect"), "DO_NOT_TRACK": "1"}
    given |= {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    done = home.run([PREFECT, "film_flow.py"], given, python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert home.videos == VIDEOS
    assert (home.path / "starts").read_text().count("start") == 2


def test_submit_and_wait_are_two_halves_of_a_run(home):
    halves = [line for line in typed() if re.match(r"wanbatch (submit|wait) ", line)]
    given = {"PATH": f"{BIN}:/usr/bin:/bin", "DASHSCOPE_API_KEY_FILE_PATH": str(home.path / "keys/dashscope")}
    codes = [home.run(shlex.split(half), given, home.films).returncode for half in halves]
    assert codes == [4, 0]
    assert home.videos == VIDEOS


def test_every_block_of_the_page_is_run_by_a_test():
    count = {"yaml": 2, "sh": 1, "crontab": 1, "systemd": 2, "python": 3}
    assert {language: len(blocks(language)) for language in count} == count
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == sum(count.values())
