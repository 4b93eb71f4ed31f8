"""Measures what docs/performance.md states, each as a ratio to something in the same run: `make bench`.

Prints a table; asserts nothing. Every figure is the best of a few runs in a process of its own.
"""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

WORDS = "rain night street tiger walks slowly through the neon city while a train passes over a bridge".split()
REPEAT = 5

TIMED = """
import sys, time
{setup}
start = time.perf_counter()
{work}
took = time.perf_counter() - start
kilobytes = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(took, int(kilobytes) / 1024)
"""
"""`ru_maxrss` would not do: a process starts with that of the one that forked it."""


def measured(setup: str, work: str, *args: str, repeat: int = REPEAT) -> tuple[float, float]:
    """Return the seconds that `work` takes, and the process's largest size in MB; the best of some runs."""
    code = TIMED.format(setup=setup, work=work)
    runs = []
    for _ in range(repeat):
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
        took, size = done.stdout.split()[-2:]
        runs.append((float(took), float(size)))
    return min(runs)


def started(*command: str) -> float:
    """Return the seconds that a command takes from start to exit; the best of many runs."""
    work = "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)"
    return measured("import subprocess", work, *command, repeat=15)[0]


def manifest(scenes: int) -> str:
    """Return a manifest of scenes with an intro and two shots each: some 335 bytes a scene."""
    lines = ["wanbatch: 1", "name: big", "defaults: {resolution: 720P, ratio: 16:9}", "scenes:"]
    for number in range(scenes):
        text = " ".join(WORDS[(number + step) % len(WORDS)] for step in range(14))
        lines += [
            f"  - id: scene-{number:06}",
            f"    title: Scene {number}",
            "    tags: [a, b]",
            f"    intro: {text[:40]}.",
            "    shots:",
            f'      - {{framing: wide shot, seconds: 3, prompt: "{text}"}}',
            f'      - {{framing: close-up, seconds: 2, prompt: "{text[:50]} {number}"}}',
        ]
    return "\n".join(lines) + "\n"


def start_up(_folder: Path) -> list[str]:
    base = started(sys.executable, "-c", "import click")
    wanbatch = str(Path(sys.executable).with_name("wanbatch"))
    rows = []
    for name, command in (("--help", (wanbatch, "--help")), ("--version", (wanbatch, "--version"))):
        took = started(*command)
        rows.append(f"`wanbatch {name}` | {took * 1000:.0f} ms | {took / base:.2f} × `python -c 'import click'`")
    return rows


LOADED = "import yaml; text = open(sys.argv[1], encoding='utf-8').read()"
LOAD = "yaml.load(text, Loader=yaml.CSafeLoader)"
PLANNED = """
from pathlib import Path
from wanbatch.cli.pricing import prices
from wanbatch.jobs.board import Board
from wanbatch.jobs.plan import plan
from wanbatch.manifest.check import load
cost = prices(None, "cn-beijing")
"""
PLAN = """
wanted = load(Path(sys.argv[1])).wanted
planned = plan(wanted, Board(), {}, 0.0, keep_changed=False, price=lambda request: cost(request.outline()))
"""


def plain(scenes: int) -> str:
    """Return a manifest of scenes with nothing but an id and a prompt: what the C loader is fastest with."""
    lines = ["wanbatch: 1", "name: plain", "defaults: {resolution: 720P, duration: 5}", "scenes:"]
    for number in range(scenes):
        text = " ".join(WORDS[(number + step) % len(WORDS)] for step in range(52))
        lines += [f"  - id: scene-{number:06}", f"    prompt: {text} {number}"]
    return "\n".join(lines) + "\n"


def planning(folder: Path) -> list[str]:
    """From the file to the plan: parsing, expanding, checking and planning, against reading the YAML alone."""
    rows, sizes = [], {}
    for scenes, text, what in (
        (10_000, manifest(10_000), "with two shots each"),
        (10_000, plain(10_000), "with a prompt each"),
        (50_000, manifest(50_000), ""),
        (100_000, manifest(100_000), "with two shots each"),
    ):
        path = folder / "big.yaml"
        path.write_text(text, "utf-8")
        repeat = REPEAT if scenes <= 10_000 else 1
        took, mb = measured(PLANNED, PLAN, str(path), repeat=repeat)
        sizes[scenes] = sizes.get(scenes, mb)
        if what:
            base, base_mb = measured(LOADED, LOAD, str(path), repeat=repeat)
            ratio = f"{took / base:.2f} × `yaml.load` with the C loader ({base:.2f} s, {base_mb:.0f} MB)"
            rows.append(
                f"plan {scenes:,} scenes {what} ({len(text) / 1e6:.1f} MB) | {took:.2f} s, {mb:.0f} MB | {ratio}"
            )
    (few, small), (more, middle), (most, large) = sizes.items()
    first, second = (middle - small) / (more - few) * 1000, (large - middle) / (most - more) * 1000
    said = f"{first:.1f} kB a scene up to {more:,}, {second:.1f} kB a scene from there on"
    counts = f"{few:,}, {more:,} and {most:,} scenes"
    rows.append(f"size of the process with {counts} | {small:.0f}, {middle:.0f} and {large:.0f} MB | {said}")
    return rows


JOURNAL = """
from pathlib import Path
from wanbatch.jobs.journal import Journal, read
from wanbatch.jobs import state
from wanbatch.manifest.model import JobKey
path = Path(sys.argv[1])
outline = {"model": "wan2.7-t2v", "prompt": "sha256:" + "0" * 64, "resolution": "720P", "duration": 5}
if not path.exists():
    with Journal.open(path, 0.0) as journal:
        events = []
        for number in range(20_000):
            key = JobKey(f"scene-{number:06}", 1, f"{number:012x}")
            events += [(key, state.Planned(key.stem, outline)), (key, state.SubmitIntended())]
            events += [(key, state.SubmitAccepted(f"task-{number}", f"request-{number}"))]
            events += [(key, state.TaskSucceeded(1e9)), (key, state.VideoSaved("videos/x.mp4", 1, "0" * 64))]
        board = journal.board
        journal.board.after = lambda key, event, at: None
        journal.board.apply = lambda key, event, at: None
        journal.record_all(events, 1.0)
"""


def journal(folder: Path) -> list[str]:
    path = str(folder / "journal.jsonl")
    measured(JOURNAL, "pass", path, repeat=1)
    base, _ = measured("import json", "[json.loads(line) for line in open(sys.argv[1], 'rb')]", path)
    took, mb = measured(JOURNAL, "read(path)", path)
    return [
        f"replay a journal of 100,000 lines | {took:.2f} s, {mb:.0f} MB | {took / base:.2f} × `json.loads` of its lines"
    ]


ENGINE = """
sys.path.insert(0, "tests")
import asyncio, tempfile
from pathlib import Path
from support import FakeClock, Shelf, WorldService, planned, wanted
from wanbatch.engine import Engine
from wanbatch.jobs.lanes import Lane
from wanbatch.perform import Performer, Work
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.plan import Plan
from wanbatch.jobs.policy import Limits
from wanbatch.run import work_of
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World
count = int(sys.argv[1])
clock, shelf = FakeClock(), Shelf()
service = WorldService(World(Rules(slots=1000, submit_rate=1e6, query_rate=1e6)), clock)
wants = {one.key: one for one in (wanted(f"s{n:06}") for n in range(count))}
journal = Journal.open(Path(tempfile.mkdtemp()) / "journal.jsonl", clock.now())
journal.record_all([(key, planned(one)) for key, one in wants.items()], clock.now())
target = work_of(journal.board, wants, Plan(()), Path("."), keep=False).target
work = Work({key: one.request for key, one in wants.items()}, target)
limits = Limits(asks_at_once=200, downloads=100)
world = Performer({"": service}, shelf, clock, limits)
engine = Engine(journal, world, lambda job, event: None, lanes=[Lane(at_once=1000, submit_rate=1e4)])
"""


def engine(_folder: Path) -> list[str]:
    small, _ = measured(ENGINE, "asyncio.run(engine.run(work))", "1000", repeat=3)
    took, mb = measured(ENGINE, "asyncio.run(engine.run(work))", "10000", repeat=3)
    per = f"{took / 10_000 * 1e6:.0f} µs a scene, {took / 10_000 / (small / 1000):.2f} × that of 1,000 scenes"
    return [f"drive 10,000 scenes, 1,000 tasks in flight, no network | {took:.1f} s, {mb:.0f} MB | {per}"]


def main() -> None:
    measures: list[Callable[[Path], list[str]]] = [start_up, planning, journal, engine]
    versions = json.loads(subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    ).stdout)  # fmt: skip
    kept = [f"{v['name']} {v['version']}" for v in versions if v["name"].lower() in ("pyyaml", "jsonschema", "click")]
    print(f"Python {platform.python_version()}, {', '.join(kept)}; {platform.machine()}, {platform.system()}")
    print("\n| what | time, size of the process | ratio |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for measure in measures:
            for row in measure(Path(folder)):
                print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
