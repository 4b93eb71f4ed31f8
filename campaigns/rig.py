"""What all campaigns share: the program in its own process, a pretended service, and the judge.

The program is only started, killed and looked at from outside. What it left is judged with code of the
campaigns' own: not its journal reader, not its video check.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wanbatch
from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

PROGRAM = str(Path(sys.executable).with_name("wanbatch"))
KEY = "sk-CANARY-campaign-0f5e7c"
"""The key of every run. It must not be found in anything that a run writes or prints."""
SETTLE_S = 1.0
LIFE_S = 150.0
"""No single process may take longer: longer than the longest wait for one answer (60 s), twice."""
RULES = Rules(slots=20, submit_rate=1000, query_rate=1000, pending_s=0.02, render_s=0.3)
STATE: ContextVar[Path] = ContextVar("state")
"""Where what several runs share is kept: each piece of work has its own, or one would wait for another's tasks."""
FAST = (
    "--yes", "--quiet", "--poll-interval", "0.1", "--settle", str(SETTLE_S),
    "--submit-rate", "1000", "--query-rate", "1000",
)  # fmt: skip


@dataclass
class Verdict:
    """What became of one run. `counts` are summed over runs; `faults` are what must not be."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: the signal), what it said, and how long it took in seconds."""

    code: int
    said: str
    took_s: float


def arguments(what: str, runs: int, jobs: int = 4) -> argparse.Namespace:
    """Read `--runs`, `--jobs` and `--seed`, the same for every campaign."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--runs", type=int, default=runs, help=f"how many  [default: {runs}]")
    parser.add_argument("--jobs", type=int, default=jobs, help=f"how many at once  [default: {jobs}]")
    parser.add_argument("--seed", type=int, default=20261122, help="repeats the choices of an earlier campaign")
    parser.add_argument("--short", action="store_true", help="leave out what only waits long")
    return parser.parse_args()


def environment() -> dict[str, str]:
    """Return the environment of every run: a key of the campaign's own, no proxy, nobody else's settings."""
    kept = {name: value for name, value in os.environ.items() if not foreign(name)}
    state = STATE.get()
    own = {"WANBATCH_STATE": str(state), "XDG_CONFIG_HOME": str(state)}
    return kept | own | {"DASHSCOPE_API_KEY": KEY, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}


def foreign(name: str) -> bool:
    """Say whether a variable could change what a run does."""
    return name.startswith(("DASHSCOPE_", "WANBATCH_", "XDG_")) or name.upper().endswith("_PROXY")


def write_manifest(folder: Path, prompts: Sequence[str], on_absent: str = "hold") -> Path:
    """Write a manifest of one scene for each prompt."""
    path = folder / "film.yaml"
    lines = ["wanbatch: 1", f"run: {{on_absent: {on_absent}}}", "defaults: {resolution: 720P, duration: 2}", "scenes:"]
    lines += [f"  - {{id: s{number}, prompt: {prompt}}}" for number, prompt in enumerate(prompts, 1)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def run_words(manifest: Path, simulator: Simulator) -> list[str]:
    """Return the command line of a run over `manifest`, into the folder `out` beside it."""
    out = str(manifest.parent / "out")
    return [PROGRAM, "run", str(manifest), "--out", out, "--base-url", simulator.base_url, *FAST]


async def life(
    words: Sequence[str],
    kill_after_s: float | None = None,
    deadline_s: float = LIFE_S,
    also: Mapping[str, str] | None = None,
) -> Ended:
    """Run a program to its end, or kill it after a while. TimeoutError, and it is dead, when it takes too long.

    `also` are variables of its environment beside those of every run.
    """
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment() | (also or {}),
    )
    assert process.stdout
    reading = asyncio.create_task(process.stdout.read())
    try:
        await asyncio.wait_for(process.wait(), deadline_s if kill_after_s is None else kill_after_s)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):  # it ended in this very moment
            process.kill()
        await process.wait()
        if kill_after_s is None or not isinstance(error, TimeoutError):
            raise
    said = (await reading).decode("utf-8", "replace")
    assert process.returncode is not None
    return Ended(process.returncode, said, time.monotonic() - began)


def complaints(ended: Ended) -> list[str]:
    """Return what no run may ever say."""
    if "Traceback" in ended.said or "a bug in wanbatch" in ended.said or ended.code == 1:
        return [f"traceback (exit {ended.code}): {ended.said[-600:]}"]
    if KEY in ended.said:
        return ["the key was printed"]
    return []


def lines_of(journal: Path) -> list[dict[str, Any]]:
    """Read a journal: the chained CRC of each line, then JSON. A torn last line is left out; ValueError for others."""
    content = journal.read_bytes() if journal.exists() else b""
    found, crc = [], 0
    for number, raw in enumerate(content.split(b"\n")[:-1], 1):
        body, tail = raw[:-18], raw[-18:]
        crc = zlib.crc32(body, crc)
        if tail != b',"crc":"%08x"}' % crc:
            raise ValueError(f"line {number} of {journal} is damaged")
        found.append(json.loads(raw))
    return found


@dataclass
class Traced:
    """What the journal says of one job, in the words of the campaign."""

    state: str = "ready"
    task: str | None = None
    path: str | None = None


def jobs_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Traced]:
    """Return what the journal says of each job."""
    jobs: dict[str, Traced] = {}
    for line in lines:
        if line.get("job") is None:
            continue
        job, event = jobs.setdefault(line["job"], Traced()), line["event"]
        if event in {"SubmitAccepted", "TaskAdopted"}:
            job.task, job.state = line["task_id"], "waiting"
        elif event in {"SubmitIntended", "SubmitUnclear"}:
            job.task, job.state = None, "in doubt"
        elif event in {"VideoSaved", "VideoMoved"}:
            job.path, job.state = line["path"], "done"
        elif event == "HeldForReview":
            job.state = "held"
        elif event in {"TaskSucceeded", "VideoMissing"}:
            job.state = "rendered"
        elif event in {"SubmitRefused", "SubmitDisproved", "TaskFailed", "ResubmitApproved"}:
            job.task, job.state = None, "ready" if "retry_at" in line or event == "ResubmitApproved" else "failed"
        elif event == "TaskCanceled":
            job.state = "canceled"
    return jobs


def judge(
    folder: Path, stats: Mapping[str, Any], verdict: Verdict, *, settled: bool = True, lied_to: bool = False
) -> None:
    """The oracle: no request accepted twice, and each accepted task a whole video on disk, or said to be in doubt.

    With `settled`, a run has come to its own end: what is only waiting then is lost. With `lied_to`, the service
    answered with other tasks' ids: whose video it is nobody can know then.
    """
    try:
        lines = lines_of(folder / "journal.jsonl")
    except (ValueError, OSError) as error:
        verdict.counts["unreadable journals"] += 1
        verdict.faults.append(f"unreadable journal: {error}")
        return
    jobs = jobs_of(lines)
    by_digest = {name.rsplit("/", 1)[1]: job for name, job in jobs.items()}
    for body, tasks in stats["accepted_by_body"].items():
        verdict.counts["paid"] += len(tasks)
        if len(tasks) > 1:
            verdict.counts["paid twice"] += 1
            verdict.faults.append(f"paid twice: {tasks}")
        job = by_digest.get(body[:12])
        if job is None:
            verdict.counts["lost"] += 1
            verdict.faults.append(f"the journal knows nothing of task {tasks}")
        elif lied_to and job.task not in tasks:
            verdict.counts["the service named another task"] += 1
        elif job.state == "done":
            check_video(folder, job, tasks, verdict)
        elif job.state == "canceled":
            verdict.counts["given up"] += 1
        elif job.state in {"held", "in doubt"} or not settled:
            verdict.counts["left held"] += 1
        else:
            verdict.counts["lost"] += 1
            verdict.faults.append(f"paid and lost: task {tasks}, the job is {job.state}")
    look_for_key(folder, verdict)


def check_video(folder: Path, job: Traced, tasks: Sequence[str], verdict: Verdict) -> None:
    """A done job's file must be, byte for byte, the video of its own paid task."""
    verdict.counts["done"] += 1
    video = folder / str(job.path)
    content = video.read_bytes() if video.is_file() else b""
    if job.task not in tasks:
        verdict.counts["lost"] += 1
        verdict.faults.append(f"{job.path} is of task {job.task}, which is not its own: {tasks}")
    elif content != clip.video(job.task or ""):
        verdict.counts["lost"] += 1
        verdict.faults.append(f"{job.path} holds {len(content)} bytes that are not the paid video {job.task}")
    elif json.loads(video.with_suffix(".json").read_bytes())["sha256"] != hashlib.sha256(content).hexdigest():
        verdict.faults.append(f"the sidecar of {job.path} is of another video")


def look_for_key(folder: Path, verdict: Verdict) -> None:
    """The key must be in no file of the run."""
    for path in folder.rglob("*"):
        if path.is_file() and KEY.encode() in path.read_bytes():
            verdict.faults.append(f"the key is in {path}")


def fresh(seed: int, faults: Sequence[Mapping[str, Any]] = (), rules: Rules = RULES) -> Simulator:
    """A service of its own, on a free port."""
    return Simulator(rules, Faults.from_list(faults), seed=seed)


def slower(rules: Rules, render_s: float) -> Rules:
    """The same rules with another time to render, in seconds."""
    return dataclasses.replace(rules, render_s=render_s)


async def in_parallel(work: Sequence[Callable[[Path], Awaitable[Verdict]]], jobs: int) -> Verdict:
    """Do all of it, `jobs` at a time, each in a folder of its own; return the sum. Faults are said as they come."""
    total, queue, done = Verdict(), list(reversed(work)), Counter[str]()

    async def worker(base: Path) -> None:
        while queue:
            one = queue.pop()
            done["begun"] += 1
            folder = base / str(done["begun"])
            folder.mkdir()
            verdict = await guarded(one, folder)
            total.counts.update(verdict.counts)
            for fault in verdict.faults:
                total.faults.append(fault)
                print(f"FAULT {fault}", flush=True)
            if not verdict.faults:
                wipe(folder)
            done["ended"] += 1
            if done["ended"] % 50 == 0:
                print(f"… {done['ended']} of {len(work)}", file=sys.stderr, flush=True)

    base = Path(tempfile.mkdtemp(prefix="wanbatch-campaign-"))
    await asyncio.gather(*(worker(base) for _ in range(max(1, jobs))))
    if not total.faults:
        wipe(base)
    else:
        print(f"what the runs with faults left: {base}")
    return total


async def guarded(one: Callable[[Path], Awaitable[Verdict]], folder: Path) -> Verdict:
    """Do one piece of work; one that takes too long is a fault, not the end."""
    STATE.set(folder / "state")
    try:
        return await one(folder)
    except TimeoutError:
        return Verdict(Counter({"hangs": 1}), [f"a process did not end in {LIFE_S:g} s ({folder})"])


def wipe(folder: Path) -> None:
    """Remove a folder and all in it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    folder.rmdir()


def can_trace() -> bool:
    """Say whether strace is here and allowed to work: some containers forbid it."""
    tracer = shutil.which("strace")
    if tracer is None:
        return False
    return subprocess.run([tracer, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


UNTRACED = "skipped: strace is not installed, or not allowed (Debian: apt-get install strace)"


def heading(name: str, seed: int) -> None:
    """Say what is being tried: the seed, the code, the machine."""
    where = Path(wanbatch.__file__).parent.parent
    commit = subprocess.run(
        ["git", "-C", str(where), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    known = commit.stdout.strip() or "not in git"
    now = dt.datetime.now(dt.UTC)
    print(f"campaign {name}: seed {seed}, commit {known}, {now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores", flush=True)


def table(name: str, rows: Mapping[str, object]) -> None:
    """Print the summary of a campaign, one figure a line."""
    width = max(map(len, rows))
    print(f"\n{name}")
    for label, value in rows.items():
        print(f"  {label:<{width}}  {value}")
    sys.stdout.flush()


def finish(verdict: Verdict) -> int:
    """Return the exit code of a campaign."""
    print(f"  {'all as it must be' if not verdict.faults else f'{len(verdict.faults)} FAULTS'}", flush=True)
    return 1 if verdict.faults else 0


def dice(seed: int, *about: object) -> random.Random:
    """Return a source of choices of its own for each run, so that one run can be repeated alone."""
    return random.Random("/".join(map(str, (seed, *about))))
