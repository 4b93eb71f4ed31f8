"""Random SIGKILL: six scenes, a network that misbehaves, about two kills a run, then runs to the end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import rig

PROMPTS = ("a red fox", "a red fox", "a grey owl", "a night train", "a paper boat", "two old chairs")
KINDS = {
    "create": (
        "reset_before_accept", "reset_after_accept", "error_500", "error_500_after_accept", "html_200", "cut_json",
        "throttle",
    ),
    "query": ("reset", "error_500", "html_200", "throttle", "unknown"),
    "list": ("reset", "error_500", "html_200"),
    "video": ("reset", "error_500", "html_200", "cut", "no_length", "no_length_cut"),
}  # fmt: skip
START_S = 0.2
"""Before this nothing can have happened: the program is still starting."""
LENGTH_S = 1.3
"""About how long a run of six scenes with its faults takes."""
MOST_LIVES = 12


def plan(choice: Any) -> list[dict[str, Any]]:
    """Choose the faults of one run."""
    rows = []
    for _ in range(choice.randint(1, 4)):
        endpoint = choice.choice(["create", "create", "query", "list", "video"])
        rows.append({
            "endpoint": endpoint,
            "kind": choice.choice(KINDS[endpoint]),
            "nth": choice.randint(1, 6 if endpoint == "create" else 3),
            "times": choice.randint(1, 2),
        })  # fmt: skip
    return rows


def one(seed: int, number: int) -> Callable[[Path], Awaitable[rig.Verdict]]:
    """Return one run; every second one says `on_absent: resubmit`."""

    async def go(folder: Path) -> rig.Verdict:
        choice, verdict = rig.dice(seed, number), rig.Verdict()
        on_absent = ("hold", "resubmit")[number % 2]
        faults, kills = plan(choice), choice.choice((2, 3))
        verdict.counts["runs"] += 1
        manifest = rig.write_manifest(folder, PROMPTS, on_absent)
        async with rig.fresh(number, faults) as simulator:
            words = rig.run_words(manifest, simulator)
            for attempt in range(MOST_LIVES):
                after_s = choice.uniform(START_S, LENGTH_S) if attempt < kills else None
                ended = await rig.life(words, after_s)
                verdict.counts["processes"] += 1
                verdict.counts["kills landed"] += ended.code == -9
                note(ended, folder / "out" / "journal.jsonl", verdict)
                if after_s is None and ended.code in {0, 3, 8, 9}:
                    break
            stats = simulator.stats()
        verdict.counts[f"ended with exit {ended.code}"] += 1
        if ended.code not in {0, 8}:
            verdict.faults.append(f"exit {ended.code}: {ended.said[-300:]}")
        rig.judge(folder / "out", stats, verdict)
        where = f"run {number} ({on_absent}, seed {seed}, {faults})"
        verdict.faults = [f"{where}: {fault}" for fault in verdict.faults]
        return verdict

    return go


def note(ended: rig.Ended, journal: Path, verdict: rig.Verdict) -> None:
    """Judge what one process left: its words, and a journal that can be read."""
    found = rig.complaints(ended)
    verdict.counts["tracebacks"] += len(found)
    verdict.faults += found
    try:
        rig.lines_of(journal)
    except ValueError as error:
        verdict.counts["unreadable journals"] += 1
        verdict.faults.append(str(error))


def main() -> int:
    """Run the campaign; return its exit code."""
    asked = rig.arguments(__doc__ or "", runs=1000)
    rig.heading("kill", asked.seed)
    total = asyncio.run(rig.in_parallel([one(asked.seed, number) for number in range(asked.runs)], asked.jobs))
    count = total.counts
    names = ("runs", "processes", "kills landed", "paid", "done", "paid twice", "lost", "unreadable journals",
             "left held", "tracebacks", "hangs")  # fmt: skip
    ends = {name: count[name] for name in sorted(count) if name.startswith("ended")}
    rig.table("random SIGKILL, 6 scenes, network faults on", {name: count[name] for name in names} | ends)
    return rig.finish(total)


if __name__ == "__main__":
    sys.exit(main())
