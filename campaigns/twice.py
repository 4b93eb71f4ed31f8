"""Two runs of one folder at the same moment: exactly one works, the other says who does and leaves at once."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import rig

PROMPTS = ("a red fox", "a grey owl")
LEAVES_WITHIN_S = 1.0
RENDER_S = 1.5
LOCKED = 11
NAMED = re.compile(r"process \d+ on \S+")


def one(seed: int, number: int) -> Callable[[Path], Awaitable[rig.Verdict]]:
    """Return one double start."""

    async def go(folder: Path) -> rig.Verdict:
        verdict = rig.Verdict()
        verdict.counts["double starts"] += 1
        manifest = rig.write_manifest(folder, PROMPTS)
        async with rig.fresh(number, rules=rig.slower(rig.RULES, RENDER_S)) as simulator:
            words = rig.run_words(manifest, simulator)
            ends = await asyncio.gather(rig.life(words), rig.life(words))
            stats = simulator.stats()
        verdict.faults += [found for ended in ends for found in rig.complaints(ended)]
        codes = sorted(ended.code for ended in ends)
        if codes == [0, LOCKED]:
            verdict.counts["exactly one winner"] += 1
            worker, late = sorted(ends, key=lambda ended: ended.code)
            leaver(late, worker, verdict)
        else:
            verdict.faults.append(f"exit codes {codes}: {[ended.said[-300:] for ended in ends]}")
        rig.judge(folder / "out", stats, verdict)
        verdict.faults = [f"double start {number} (seed {seed}): {fault}" for fault in verdict.faults]
        return verdict

    return go


def leaver(ended: rig.Ended, worker: rig.Ended, verdict: rig.Verdict) -> None:
    """The one that leaves does so at once, and says who is at work.

    On a machine that is busy with other things, starting alone takes longer than a second: then it must only be
    out long before the other.
    """
    verdict.counts["left within 1 s"] += ended.took_s <= LEAVES_WITHIN_S
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) / 2
    verdict.counts["started on a busy machine"] += busy
    if ended.took_s > (worker.took_s - RENDER_S / 2 if busy else LEAVES_WITHIN_S):
        verdict.faults.append(f"the second run took {ended.took_s:.2f} s to leave, the first {worker.took_s:.2f} s")
    named = NAMED.search(ended.said) is not None
    verdict.counts["named the holder"] += named
    if not named:
        verdict.faults.append(f"the holder is not named: {ended.said.strip()}")


def main() -> int:
    """Run the campaign; return its exit code."""
    asked = rig.arguments(__doc__ or "", runs=200, jobs=2)
    rig.heading("twice", asked.seed)
    total = asyncio.run(rig.in_parallel([one(asked.seed, number) for number in range(asked.runs)], asked.jobs))
    names = ("double starts", "exactly one winner", "left within 1 s", "started on a busy machine",
             "named the holder", "paid", "done", "paid twice",
             "lost", "hangs")  # fmt: skip
    rig.table("two runs at once", {name: total.counts[name] for name in names})
    return rig.finish(total)


if __name__ == "__main__":
    sys.exit(main())
