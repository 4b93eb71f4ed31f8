"""Measures one `wanbatch run` over many accounts, against the simulator in a process of its own.

    python benchmarks/lanes.py --lanes 200 --scenes 6000

Prints the figures of docs/performance.md; asserts nothing. Slots are counted by the service: one is idle from the end
of a task until the next one is accepted, whenever we get to know of it. The runner has cores 0 and 1, the simulator the
others.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

AT_ONCE = 5
TICK_S = 0.5
CORES = (0, 1)


def serve(render_s: float, into: str) -> None:
    """Be the service until stdin ends; then write down what happened."""
    from wanbatch.simulator.app import Simulator
    from wanbatch.simulator.rules import Rules

    async def main() -> dict[str, Any]:
        rules = Rules(accounts="by_key", render_s=render_s, spread=0.2, over_cap="reject")
        async with Simulator(rules) as simulator:
            print(simulator.base_url, flush=True)
            await asyncio.to_thread(sys.stdin.read)
            return {"stats": simulator.stats(), "spans": simulator.world.spans()}

    Path(into).write_text(json.dumps(asyncio.run(main())), "utf-8")


def write_work(folder: Path, url: str, lanes: int, scenes: int, downloads: int) -> dict[str, str]:
    """Write a manifest and a configuration; return the runner's environment."""
    lines = ["wanbatch_config: 1", "accounts:"]
    keys = {f"BENCH_KEY_{n:03}": f"sk-bench-{n:03}" for n in range(lanes)}
    lines += [f"  lane-{n:03}: {{base_url: {url}, key_env: {name}}}" for n, name in enumerate(keys)]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    lines = ["wanbatch: 1", "name: lanes", "defaults: {resolution: 720P, duration: 2}"]
    lines += [f"run: {{downloads: {downloads}}}", "scenes:"]
    lines += [f"  - {{id: s{n:06}, prompt: a tiger walks through street {n}}}" for n in range(scenes)]
    (folder / "lanes.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LANG") if name in os.environ}
    own = {"WANBATCH_CONFIG": str(folder / "config.yaml"), "WANBATCH_STATE": str(folder / "state")}
    return kept | keys | own


@dataclass(frozen=True)
class Course:
    """How the runner fared: seconds of its CPU by the clock, and the process's end."""

    ticks: list[tuple[float, float]]
    exit_code: int
    user_s: float
    system_s: float
    peak_mb: float
    wall_s: float

    def cpu_between(self, since: float, until: float) -> float:
        """Return the CPU seconds that were used within a time, to a tick."""
        within = [cpu for at, cpu in self.ticks if since <= at <= until]
        return within[-1] - within[0] if within else 0.0


def drive(folder: Path, env: dict[str, str], profile: str | None) -> Course:
    """Run wanbatch to its end and watch its CPU."""
    command = [sys.executable, *(("-m", "cProfile", "-o", profile) if profile else ())]
    command += [str(Path(sys.executable).with_name("wanbatch"))]
    command += ["run", "lanes.yaml", "--account", "all", "--yes", "--quiet"]
    per_s, ticks, began = os.sysconf("SC_CLK_TCK"), [], time.time()
    with (folder / "runner.txt").open("wb") as told:
        runner = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
    pid = runner.pid
    os.sched_setaffinity(pid, CORES)
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        ticks.append((time.time(), (int(fields[11]) + int(fields[12])) / per_s))
        time.sleep(TICK_S)
    runner.returncode = os.waitstatus_to_exitcode(status)
    return Course(ticks, runner.returncode, usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024, time.time() - began)


Span = tuple[float, float]


def by_lane(spans: list[list[Any]]) -> dict[str, list[Span]]:
    """Return when each account's tasks were with the service, in the order of their acceptance."""
    found: dict[str, list[Span]] = defaultdict(list)
    for key, _, began, ended in spans:
        found[key].append((began, ended))
    return found


def shares(lanes: dict[str, list[Span]], since: float, until: float) -> list[float]:
    """Return which part of its slot time each account used, least first."""

    def used(tasks: list[Span]) -> float:
        return sum(max(0.0, min(end, until) - max(start, since)) for start, end in tasks)

    return sorted(used(tasks) / (AT_ONCE * (until - since)) for tasks in lanes.values())


def unseen_s(journal: Path, lanes: dict[str, list[Span]], since: float, until: float) -> list[float]:
    """Return for each task that ended within a time how long it took until we saw it.

    A lane's tasks are accepted one after another, so its nth acceptance in the journal is its nth at the service.
    """
    from wanbatch.simulator.callers import key_id

    nth: dict[str, int] = defaultdict(int)
    lane_of: dict[str, str] = {}
    ended: dict[str, float] = {}
    late = []
    for raw in journal.read_bytes().splitlines():
        line = json.loads(raw)
        job = line.get("job", "")
        if line["event"] == "SubmitIntended":
            lane_of[job] = line["lane"]
        elif line["event"] == "SubmitAccepted":
            lane = lane_of[job]
            tasks = lanes[key_id(lane.replace("lane-", "sk-bench-"))]
            ended[job] = tasks[nth[lane]][1]
            nth[lane] += 1
        elif line["event"] == "TaskSucceeded" and since <= ended[job] <= until:
            late.append(line["at"] - ended[job])
    return late


def report(folder: Path, course: Course, told: dict[str, Any], lanes_given: int) -> None:
    """Print what was seen."""
    stats, lanes = told["stats"], by_lane(told["spans"])
    starts = sorted(start for tasks in lanes.values() for start, _ in tasks)
    ends = sorted(end for tasks in lanes.values() for _, end in tasks)
    first, last, round_end = starts[0], starts[-1], ends[min(len(ends), lanes_given * AT_ONCE) - 1]
    print(f"exit code {course.exit_code}; {len(lanes)} accounts; accepted {stats['accepted']}, most for one request "
          f"{max(len(ids) for ids in stats['accepted_by_body'].values())}; throttled {stats['throttled']}")  # fmt: skip
    print(f"most open at once {stats['max_open']}; requests {stats['requests']}")
    for name, since in (("from the first submission", first), ("after the first round", round_end)):
        if last <= since:
            continue
        window, used = last - since, shares(lanes, since, last)
        cpu = course.cpu_between(since, last)
        late = unseen_s(folder / "out/lanes/journal.jsonl", lanes, since, last)
        idle = sum(1 - share for share in used) * AT_ONCE * window
        print(f"{name}: {window:.0f} s; slot time min {used[0]:.2%}, median {median(used):.2%}; "
              f"CPU {cpu:.1f} s = {cpu / window:.0%} of a core")  # fmt: skip
        if late and idle:
            print(f"  seen after {sum(late) / len(late):.2f} s on average, {max(late):.2f} s at most; "
                  f"{min(1.0, sum(late) / idle):.0%} of the idle time")  # fmt: skip
    busiest = max(stats["peak_queries_per_s_by_key"].values())
    asked = sum(stats["requests"].values())
    print(f"requests {asked / (ends[-1] - first):.0f}/s; busiest second of an account {busiest} queries")
    print(f"whole run {course.wall_s:.0f} s, CPU {course.user_s:.1f} s user + {course.system_s:.1f} s system, "
          f"peak RSS {course.peak_mb:.0f} MB; load average {os.getloadavg()[0]:.1f}")  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--lanes", type=int, default=200)
    options.add_argument("--scenes", type=int, default=6000)
    options.add_argument("--render-s", type=float, default=60.0)
    options.add_argument("--downloads", type=int, default=4)
    options.add_argument("--profile", help="where to put the runner's cProfile")
    given = options.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; before: load average "
          f"{os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = folder / "told.json"
        command = [sys.executable, __file__, "serve", str(given.render_s), str(told)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
            assert service.stdin
            assert service.stdout
            others = set(range(os.cpu_count() or 1)) - set(CORES)
            os.sched_setaffinity(service.pid, others or CORES)
            url = service.stdout.readline().strip()
            env = write_work(folder, url, given.lanes, given.scenes, given.downloads)
            course = drive(folder, env, given.profile and str(Path(given.profile).absolute()))
            service.stdin.close()
        print((folder / "runner.txt").read_text("utf-8")[-600:] if course.exit_code else "", end="")
        report(folder, course, json.loads(told.read_text("utf-8")), given.lanes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]), sys.argv[3])
    else:
        main()
