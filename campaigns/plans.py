"""Fault plans: every kind of misbehaviour that the simulator knows, at every endpoint, once and three times in a row.

The kinds are asked of the simulator, so a new one is tried from the day it is there.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import rig

from wanbatch.jobs.journal import Journal
from wanbatch.jobs.state import CancelRequested, Waiting
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import KINDS, Faults
from wanbatch.simulator.rules import Rules

PROMPTS = ("a red fox", "a red fox", "a grey owl")
LAG_S = 0.5
"""What is late is this late: less than the settling time."""
BYTE_S = {"video": 0.0001}
LONG = ("hang", "length_too_large", "slow_bytes", "slow")
"""Kinds after which a client waits for its time-out."""
ONE_SLOT = Rules(slots=1, submit_rate=1000, query_rate=1000, pending_s=0.02, render_s=1.5)
MOST_LIVES = 5
BEGUN_S = 1.2
"""Until then the program has submitted all scenes of a cancel plan."""


def rule(endpoint: str, kind: str, times: int) -> dict[str, Any] | None:
    """Return the shortest rule for a kind; None when it needs more than is known here."""
    seconds = BYTE_S.get(endpoint, 0.005) if kind == "slow_bytes" else LAG_S
    for more in ({}, {"seconds": seconds}):
        row = {"endpoint": endpoint, "kind": kind, "nth": 1, "times": times, **more}
        with contextlib.suppress(ValueError):
            Faults.from_list([row])
            return row
    return None


def all_plans(*, short: bool) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """Return every plan, and in words the kinds that could not be tried."""
    plans, untried = [], []
    for endpoint, kinds in KINDS.items():
        for kind in sorted(kinds):
            if short and kind in LONG:
                continue
            for times in (1, 3):
                row = rule(endpoint, kind, times)
                if row is None:
                    untried.append(f"{endpoint} {kind}")
                    break
                if kind != "hang" or times == 1:
                    plans.append([*lost_first(endpoint), row])
    return plans, untried


def lost_first(endpoint: str) -> list[dict[str, Any]]:
    """The task list is only asked for when a submission got lost."""
    return [{"endpoint": "create", "kind": "reset_after_accept", "nth": 1}] if endpoint == "list" else []


def one(seed: int, number: int, plan: list[dict[str, Any]]) -> Callable[[Path], Awaitable[rig.Verdict]]:
    """Return the run of one plan; every second one says `on_absent: resubmit`."""

    async def go(folder: Path) -> rig.Verdict:
        verdict = rig.Verdict(Counter({"plans": 1, f"plans at {plan[-1]['endpoint']}": 1}))
        on_absent = ("hold", "resubmit")[(number + seed) % 2]
        manifest = rig.write_manifest(folder, PROMPTS, on_absent)
        cancels = plan[-1]["endpoint"] == "cancel"
        try:
            async with rig.fresh(number, plan, ONE_SLOT if cancels else rig.RULES) as simulator:
                words = rig.run_words(manifest, simulator)
                if cancels:
                    await rig.life(words, BEGUN_S)
                    ask_to_cancel(folder / "out" / "journal.jsonl", verdict)
                code = await to_the_end(words, verdict)
                stats = simulator.stats()
                dropped(folder / "out", simulator, verdict)
            verdict.counts[f"ended with exit {code}"] += 1
            lied_to = (plan[-1]["endpoint"], plan[-1]["kind"]) == ("create", "other_task_id")
            rig.judge(folder / "out", stats, verdict, settled=code != 4, lied_to=lied_to)
        except TimeoutError:
            verdict.counts["hangs"] += 1
            verdict.faults.append(f"a process did not end in {rig.LIFE_S:g} s")
        verdict.faults = [f"plan {plan} ({on_absent}): {fault}" for fault in verdict.faults]
        return verdict

    return go


async def to_the_end(words: list[str], verdict: rig.Verdict) -> int:
    """Run until nothing is left that running again could cure; return the exit code."""
    for _ in range(MOST_LIVES):
        ended = await rig.life(words)
        found = rig.complaints(ended)
        verdict.counts["tracebacks"] += len(found)
        verdict.faults += found
        if ended.code != 4:
            break
    if ended.code not in {0, 3, 4, 8}:
        verdict.faults.append(f"exit {ended.code}: {ended.said[-300:]}")
    return ended.code


def ask_to_cancel(path: Path, verdict: rig.Verdict) -> None:
    """Write into the journal that the waiting jobs are to be canceled, as a person's word would be."""
    with Journal.open(path, time.time()) as journal:
        waiting = [job.key for job in journal.board.jobs.values() if isinstance(job.state, Waiting)]
        for key in waiting:
            journal.record(key, CancelRequested("the campaign"), time.time())
    verdict.counts["cancels asked for"] += len(waiting)


def dropped(out: Path, simulator: Simulator, verdict: rig.Verdict) -> None:
    """A job that counts as canceled must not have been paid for."""
    with contextlib.suppress(ValueError, OSError):
        for job in rig.jobs_of(rig.lines_of(out / "journal.jsonl")).values():
            if job.state != "canceled" or job.task is None:
                continue
            reply = simulator.world.query(time.time(), {"Authorization": f"Bearer {rig.KEY}"}, job.task)
            status = json.loads(reply.body)["output"]["task_status"]
            verdict.counts["canceled"] += 1
            if status not in {"CANCELED", "FAILED"}:
                verdict.faults.append(f"task {job.task} counts as canceled, and is {status}")


def main() -> int:
    """Run the campaign; return its exit code. `--runs` takes so many of the plans, chosen by the seed."""
    asked = rig.arguments(__doc__ or "", runs=100_000, jobs=6)
    rig.heading("plans", asked.seed)
    plans, untried = all_plans(short=asked.short)
    chosen = rig.dice(asked.seed).sample(plans, min(asked.runs, len(plans)))
    work = [one(asked.seed, number, plan) for number, plan in enumerate(chosen)]
    total = asyncio.run(rig.in_parallel(work, asked.jobs))
    count = total.counts
    names = [name for name in sorted(count) if name.startswith(("plans", "ended", "cancel"))]
    names += [
        "paid",
        "done",
        "left held",
        "the service named another task",
        "paid twice",
        "lost",
        "hangs",
        "tracebacks",
    ]
    rows: dict[str, object] = {name: count[name] for name in names}
    rig.table("fault plans", rows | ({"not tried": ", ".join(untried)} if untried else {}))
    return rig.finish(total)


if __name__ == "__main__":
    sys.exit(main())
