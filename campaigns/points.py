"""Killed before each state-changing system call, and each error that a disk can give at each of them.

strace injects: SIGKILL, or an errno, at the n-th call of a kind that touches the output folder (sockets: at the
n-th of all), for every n until there are no more. Then a clean run must end with every video on disk, paid once.
"""

import asyncio
import re
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import rig

from wanbatch.simulator.app import Simulator

PROMPTS = ("a red fox", "a grey owl")
ON_FILES = (
    "openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "ftruncate", "mkdir", "mkdirat", "flock", "close",
)  # fmt: skip
ON_SOCKETS = ("connect", "sendto", "recvfrom")
ERRORS = {
    "openat": ("EMFILE", "EACCES", "EROFS", "ENOSPC"),
    "write": ("ENOSPC", "EIO", "EDQUOT", "EROFS"),
    "fdatasync": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("ENOSPC", "EIO", "EACCES"),
    "link": ("ENOSPC", "EIO", "EPERM"),
    "unlink": ("EIO", "EACCES", "EROFS"),
    "ftruncate": ("EIO",),
    "mkdir": ("ENOSPC", "EACCES", "EROFS"),
    "flock": ("EIO", "ENOLCK"),
}
ERRORS |= {at: ERRORS[call] for call, at in (("rename", "renameat"), ("link", "linkat"), ("unlink", "unlinkat"),
                                             ("mkdir", "mkdirat"))}  # fmt: skip
RIGHT = {0, 3, 4, 8, 9}
"""A run that met an error may still end well: what it could not remove or sync was of no account."""
TASK = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Point:
    """What to do at which calls: `deed` is strace's word for it, such as `signal=KILL` or `error=EIO`."""

    call: str
    deed: str
    on_files: bool


def all_points(*, short: bool) -> list[Point]:
    """Return every kind of point; each stands for all its calls in a run. In short, one error for each call."""
    kills = [Point(call, "signal=KILL", True) for call in ON_FILES]
    kills += [Point(call, "signal=KILL", False) for call in ON_SOCKETS]
    return kills + [
        Point(call, f"error={error}", True)
        for call, errors in ERRORS.items()
        for error in errors[: 1 if short else None]
    ]


def traced(words: list[str], log: Path, point: Point, nth: int, paths: list[Path]) -> list[str]:
    """Return the command line that does the deed at the nth call."""
    only = [word for path in paths if point.on_files for word in ("-P", str(path))]
    what = ["-e", f"trace={point.call}", "-e", f"inject={point.call}:{point.deed}:when={nth}"]
    return ["strace", "-f", "-qq", "-o", str(log), *only, *what, "--", *words]


async def paths_of(folder: Path, call: str) -> list[Path]:
    """Return every path in the output folder that a run touches, by looking at one; none if it never makes `call`."""
    manifest, log = rig.write_manifest(folder, PROMPTS, "resubmit"), folder / "paths.txt"
    async with rig.fresh(0) as simulator:
        words = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "trace=%file,%desc", "--"]
        await rig.life([*words, *in_one_thread(manifest, simulator)])
    out = folder / "out"
    seen = log.read_text("utf-8", "replace")
    found = set(re.findall(re.escape(str(out)) + r"[^\">,)]*", seen))
    reset(folder)
    if not re.search(rf" {call}\(.*{re.escape(str(out))}", seen):
        return []
    return [out, *(Path(path) for path in sorted(found - {str(out)}))]


def in_one_thread(manifest: Path, simulator: Simulator) -> list[str]:
    """Return the command line of a run in which the n-th call is the n-th of the whole program."""
    return [sys.executable, str(Path(__file__).with_name("onethread.py")), *rig.run_words(manifest, simulator)[1:]]


def reset(folder: Path) -> None:
    """Make the folder as it was before the first run: the same paths again."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    for path in folder.glob("*.txt"):
        path.unlink()


def every_nth(point: Point, most: int) -> Callable[[Path], Awaitable[rig.Verdict]]:
    """Return the work of one kind of point: its first call, its second, and so on until a run has no more."""

    async def go(folder: Path) -> rig.Verdict:
        verdict = rig.Verdict()
        paths = await paths_of(folder, point.call) if point.on_files else []
        nth = 1 if paths or not point.on_files else most + 1
        while nth <= most and await hit(point, nth, folder, paths, verdict):
            nth += 1
        return verdict

    return go


async def hit(point: Point, nth: int, folder: Path, paths: list[Path], verdict: rig.Verdict) -> bool:
    """Do the deed at the nth call, run again without, and judge. False when there was no nth call any more."""
    manifest, log = rig.write_manifest(folder, PROMPTS, "resubmit"), folder / "log.txt"
    mine = rig.Verdict()
    async with rig.fresh(nth) as simulator:
        ended = await rig.life(traced(in_one_thread(manifest, simulator), log, point, nth, paths))
        done = ended.code == -9 if "KILL" in point.deed else "(INJECTED)" in log.read_text("utf-8", "replace")
        if not done:
            reset(folder)
            return False
        mine.faults += rig.complaints(ended)
        said_right(point, ended, folder / "out", simulator.stats()["accepted_by_body"], mine)
        again = await rig.life(rig.run_words(manifest, simulator))
        mine.faults += rig.complaints(again)
        stats = simulator.stats()
    if again.code != 0:
        mine.faults.append(f"the clean run after it ended with exit {again.code}: {again.said[-300:]}")
    rig.judge(folder / "out", stats, mine)
    if mine.counts["done"] != len(PROMPTS):
        mine.faults.append(f"{mine.counts['done']} of {len(PROMPTS)} videos are there after the clean run")
    verdict.counts["kill points" if "KILL" in point.deed else "error points"] += 1
    verdict.counts.update(mine.counts)
    verdict.faults += [f"{point.call} {point.deed} n={nth}: {fault}" for fault in mine.faults]
    reset(folder)
    return True


def said_right(point: Point, ended: rig.Ended, out: Path, accepted: dict[str, list[str]], verdict: rig.Verdict) -> None:
    """A run that met an error says so in a line, with the right exit code, and names every task it could not note."""
    if "KILL" in point.deed:
        return
    verdict.counts[f"exit {ended.code} at the error"] += 1
    if ended.code not in RIGHT:
        verdict.faults.append(f"exit {ended.code}: {ended.said[-300:]}")
    if ended.code == 9 and not re.search(r"^wanbatch: \S", ended.said, re.MULTILINE):
        verdict.faults.append(f"no line says what happened: {ended.said[-300:]!r}")
    noted = {job.task for job in rig.jobs_of(rig.lines_of(out / "journal.jsonl")).values()}
    for task in (task for tasks in accepted.values() for task in tasks):
        if task not in noted and task not in TASK.findall(ended.said):
            verdict.faults.append(f"task {task} is paid, not in the journal, and not said: {ended.said[-300:]!r}")


def main() -> int:
    """Run the campaign; return its exit code. `--runs` bounds the calls of each kind."""
    asked = rig.arguments(__doc__ or "", runs=500)
    rig.heading("points", asked.seed)
    if not rig.can_trace():
        print(rig.UNTRACED)
        return 0
    work = [every_nth(point, asked.runs) for point in all_points(short=asked.short)]
    total = asyncio.run(rig.in_parallel(work, asked.jobs))
    names = ("kill points", "error points", "paid", "done", "paid twice", "lost", "unreadable journals", "hangs")
    ends = {name: total.counts[name] for name in sorted(total.counts) if name.startswith("exit")}
    rig.table("killed or failing at every system call", {name: total.counts[name] for name in names} | ends)
    return rig.finish(total)


if __name__ == "__main__":
    sys.exit(main())
