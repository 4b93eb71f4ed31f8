"""Does any test notice? Each module of `wanbatch/jobs/` with one small thing changed, against the tests.

A mutant is the module with one change: a comparison moved by one or turned round, `and` for `or`, a `not` taken out,
a condition turned round, a number or a truth value or a name changed, an arithmetic sign, `min` for `max`, `any` for
`all`, `return None`, a statement left out, `break` for `continue`. Left alone are docstrings, types, decorators,
assertions (they narrow types) and sentences: what has a space in it is for people.

Each mutant lives in a copy of the tree, in a process of its own that is forked from this one, where all libraries are
loaded already. The tests that run its line come first, the quickest first, then the others of the module's own test
files, since those may start programs. The first that fails, or takes too long, has caught it. Tests beyond `--budget`
seconds are left out for a mutant: then it counts as not caught.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp.test_utils
import aiohttp.web
import click.testing
import coverage
import hypothesis
import hypothesis.stateful
import jsonschema
import pytest
import rig
import yaml
from equivalents import EQUIVALENT
from mutants import Mutant, mutants

LOADED = (aiohttp, click, hypothesis.stateful, jsonschema, yaml)
"""Libraries that each mutant's process has from the start."""

ROOT = Path(__file__).parents[1]
NEEDED = ("wanbatch", "tests", "schemas", "manifests", "pyproject.toml", "README.md", "DESIGN.md", "docs", "campaigns")
TESTS = ("tests/jobs", "tests/engine/test_engine.py", "tests/engine/test_lanes.py")
OWN = {
    "choose": ("test_policy",),
    "journal": ("test_journal", "test_golden"),
    "lock": ("test_journal",),
    "rescue": ("test_rescue", "test_repair"),
    "seen": (),
}
"""Test files below `tests/jobs/` that are a module's own, where that is not `test_` and its name."""
MEMORY_BYTES = 4 << 30
FILE_BYTES = 1 << 30


class Chosen:
    """A plugin of pytest: runs the chosen tests in the order given, and not one of them for ever."""

    def __init__(self, order: Sequence[str], seconds: Mapping[str, float]) -> None:
        self.order, self.seconds = {name: at for at, name in enumerate(order)}, seconds
        self.caught_by = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is chosen."""
        items[:] = sorted((item for item in items if item.nodeid in self.order), key=lambda one: self.order[one.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Set the alarm: it ends the process."""
        signal.setitimer(signal.ITIMER_REAL, 6 + 5 * self.seconds.get(nodeid, 1.0))


class Timed:
    """A plugin of pytest: how long each test takes, in seconds."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a part of a test."""
        self.seconds[report.nodeid] += report.duration  # type: ignore[assignment]


def enter(tree: Path) -> None:
    """Make this forked process one that works in `tree` and prints nothing."""
    os.setsid()
    os.chdir(tree)
    said = os.open(f"{tree}.said", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    for fd in (0, 1, 2):
        os.dup2(said, fd)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"wanbatch", "rig"}]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry) not in {ROOT, ROOT / "campaigns"})]
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    unlimited = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, unlimited))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, unlimited))
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, database=None, deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )  # fmt: skip
    hypothesis.settings.load_profile("mutation")


def options(tree: Path) -> list[str]:
    """Return the words that pytest is always called with."""
    return [
        "-q",
        "-x",
        "--tb=short",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tree}.tmp",
        f"--rootdir={tree}",
    ]


def start(tree: Path, module: str, text: str, order: Sequence[str], seconds: Mapping[str, float]) -> int:
    """Fork a process that runs tests over a mutant in `tree`; its exit code is pytest's. Returns its id."""
    target = tree / "wanbatch" / "jobs" / f"{module}.py"
    original = target.read_bytes()
    target.with_name(f"{module}.kept").write_bytes(original)
    target.write_text(text, "utf-8")
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        sys.dont_write_bytecode = True
        enter(tree)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 20)
        files = sorted({name.partition("::")[0] for name in order})
        code = int(pytest.main([*options(tree), *files], plugins=[Chosen(order, seconds)]))
    except BaseException:  # noqa: BLE001 - nothing of this process may go on in the other's name
        traceback.print_exc()
    finally:
        os._exit(code)


def settle(tree: Path, module: str, pid: int) -> None:
    """Take away what a mutant's process left, and put the module back."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # programs that its tests started
    kept = tree / "wanbatch" / "jobs" / f"{module}.kept"
    kept.replace(kept.with_suffix(".py"))
    shutil.rmtree(f"{tree}.tmp", ignore_errors=True)


@dataclass(frozen=True)
class Known:
    """What the tests do while nothing is changed: seconds a test, and the tests that run each line of each module."""

    seconds: dict[str, float]
    ran: dict[str, dict[int, list[str]]]


def survey(tree: Path) -> Known:
    """Run all tests once over the unchanged tree. Raises SystemExit when one fails: then nothing can be measured."""
    digest = hashlib.sha256()
    for path in sorted([*(tree / "wanbatch").rglob("*.py"), *(tree / "tests").rglob("*.py")]):
        digest.update(str(path.relative_to(tree)).encode() + path.read_bytes())
    kept = Path(tempfile.gettempdir()) / f"wanbatch-mutation-{os.getuid()}-{digest.hexdigest()[:16]}.json"
    if not kept.exists():
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = surveyed(tree, kept)
            except BaseException:  # noqa: BLE001 - nothing of this process may go on in the other's name
                traceback.print_exc()
            finally:
                os._exit(code)
        if os.waitpid(pid, 0)[1]:
            print(Path(f"{tree}.said").read_text("utf-8", "replace")[-3000:])
            raise SystemExit("the tests fail, or cannot be run, although nothing is changed: make them pass first")
    data = json.loads(kept.read_text("utf-8"))
    ran = {name: {int(line): tests for line, tests in lines.items()} for name, lines in data["ran"].items()}
    return Known(data["seconds"], ran)


def surveyed(tree: Path, kept: Path) -> int:
    """Do what `survey` says, in a process of its own; return 0 when all tests passed."""
    enter(tree)
    signal.alarm(400)
    timed, data = Timed(), f"{tree}.coverage"
    os.environ["COVERAGE_FILE"] = data
    words = ["--cov=wanbatch.jobs", "--cov-context=test", "--cov-report="]
    code = int(pytest.main([*options(tree), *words, *TESTS], plugins=[timed]))
    if code:
        return code
    lines = coverage.CoverageData(data)
    lines.read()
    ran = {}
    for path in lines.measured_files():
        found = lines.contexts_by_lineno(path)
        ran[Path(path).stem] = {line: sorted({one.partition("|")[0] for one in found[line]} - {""}) for line in found}
    kept.write_text(json.dumps({"seconds": timed.seconds, "ran": ran}), "utf-8")
    return 0


def order_for(module: str, lines: Collection[int], known: Known, budget_s: float) -> list[str]:
    """Return the tests for a change in some lines: those that run them, then the others of the module's own."""
    ran = known.ran.get(module, {})
    first = {test for line in lines for test in ran.get(line, ())}
    if not first:  # a line of the module itself: all that use the module at all, or all that there are
        first = {test for tests in ran.values() for test in tests} or set(known.seconds)
    files = tuple(f"tests/jobs/{name}.py" for name in OWN.get(module, (f"test_{module}",)))
    then = {test for test in known.seconds if test.partition("::")[0] in files} - first
    order = sorted(first | then, key=known.seconds.__getitem__)
    until = itertools.accumulate(known.seconds[test] for test in order)
    return [test for test, total in zip(order, until, strict=True) if total <= budget_s]


def judged(
    work: Sequence[Mutant], trees: Sequence[Path], known: Known, budget_s: float
) -> dict[str, list[tuple[Mutant, str]]]:
    """Run the tests over each mutant, one in each tree at a time. Returns what became of them, by module."""
    queue, free = list(reversed(work)), list(trees)
    running: dict[int, tuple[Mutant, Path]] = {}
    became: dict[str, list[tuple[Mutant, str]]] = {}
    done = 0
    while queue or running:
        while queue and free:
            one, tree = queue.pop(), free.pop()
            order = order_for(one.module, one.lines, known, budget_s)
            running[start(tree, one.module, one.text, order, known.seconds)] = (one, tree)
        pid, status = os.wait()
        one, tree = running.pop(pid)
        settle(tree, one.module, pid)
        free.append(tree)
        end = became_of(status)
        became.setdefault(one.module, []).append((one, end))
        done += 1
        if end == "survived" and one.name not in EQUIVALENT and one.lines:
            print(f"SURVIVED line {one.lines.start}: {one.name}", flush=True)
        if done % 100 == 0:
            print(f"… {done} of {len(work)}", file=sys.stderr, flush=True)
    return became


def became_of(status: int) -> str:
    """Say what a process's end means. One that could not even find the tests has caught nothing."""
    if os.WIFSIGNALED(status):
        return "timeout"
    code = os.waitstatus_to_exitcode(status)
    if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return "survived"
    if code in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR}:
        return "caught"
    raise SystemExit(f"the tests could not be run: exit {code}")


def prepare(base: Path, count: int) -> tuple[list[Path], Known]:
    """Copy the tree once for each process, and look at the tests."""
    first = base / "0"
    first.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, first / name, symlinks=True)
        elif source.exists():
            shutil.copy2(source, first / name)
    known = survey(first)
    others = [base / str(number) for number in range(1, count)]
    for other in others:
        shutil.copytree(first, other, symlinks=True)
    return [first, *others], known


def asked() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", type=Path, help="some modules of wanbatch/jobs/  [default: all]")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants a module, by chance  [default: all]")
    parser.add_argument("--jobs", type=int, default=3, help="how many at once  [default: 3]")
    parser.add_argument("--seed", type=int, default=20261122, help="repeats an earlier sample")
    parser.add_argument("--floor", type=float, default=95.0, help="the least score, in percent  [default: 95]")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests a mutant  [default: 20]")
    parser.add_argument("--match", default="", help="only mutants with this in their name")
    return parser.parse_args()


def main() -> int:
    """Try all mutants; return 1 when the score is below the floor."""
    words = asked()
    rig.heading("mutation", words.seed)
    every = sorted((ROOT / "wanbatch" / "jobs").glob("[a-z]*.py"))
    modules = [path for path in every if not words.only or path.name in {one.name for one in words.only}]
    work, plain, names = [], [], set()
    for path in modules:
        text, found = mutants(path)
        names |= {one.name for one in found}
        plain.append(Mutant(path.stem, range(0), "unchanged", text))
        found = [one for one in found if words.match in one.name]
        dice = random.Random(f"{words.seed}/{path.stem}")
        work += dice.sample(found, words.sample) if 0 < words.sample < len(found) else found
    for name in sorted(EQUIVALENT.keys() - names if not words.only else ()):
        print(f"no longer there, take it out of EQUIVALENT: {name}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wanbatch-mutation-") as base:
        Path(base).chmod(0o755)  # some tests give up being root
        trees, known = prepare(Path(base), max(1, words.jobs))
        surveyed_s = time.monotonic() - began
        unchanged = judged(plain, trees, known, words.budget)
        broken = [name for name, ends in unchanged.items() if ends[0][1] != "survived"]
        if broken:
            raise SystemExit(f"the tests fail although nothing is changed in {', '.join(broken)}")
        became = judged(work, trees, known, words.budget)
    took = (
        f"{time.monotonic() - began:.0f} s, {surveyed_s:.0f} s of them for the tests as they are; {words.jobs} at once"
    )
    return report(became, took, words.floor)


def report(became: Mapping[str, Sequence[tuple[Mutant, str]]], took: str, floor: float) -> int:
    """Print a table of the scores, after the list of what survived; return the exit code."""
    rows: dict[str, object] = {}
    total: Counter[str] = Counter()
    for module, ends in sorted(became.items()):
        counts: Counter[str] = Counter()
        for one, end in ends:
            excused = end == "survived" and one.name in EQUIVALENT
            counts["equivalent" if excused else end] += 1
            if end == "survived":
                print(f"{'equivalent' if excused else 'SURVIVED'}  {module}.py:{one.lines.start}  {one.name}")
        rows[module] = row(counts)
        total += counts
    rig.table("mutation: how many are caught", rows | {"all": row(total), "took": took})
    return 0 if score(total) >= floor else 1


def score(counts: Counter[str]) -> float:
    """Return the share of what is caught, in percent, of all that are not equivalent."""
    counted = counts.total() - counts["equivalent"]
    return 100 * (counts["caught"] + counts["timeout"]) / max(1, counted)


def row(counts: Counter[str]) -> str:
    """Return a row of the table."""
    caught = counts["caught"] + counts["timeout"]
    return (
        f"{score(counts):5.1f} %  {caught:4} of {counts.total():4} ({counts['timeout']} by time), "
        f"{counts['survived']} survived, {counts['equivalent']} equivalent"
    )


if __name__ == "__main__":
    sys.exit(main())
