"""Every campaign, one after another, with a fixed seed; one table at the end. `make campaign` runs this."""

import subprocess
import sys
import time
from pathlib import Path

import rig

CAMPAIGNS = ("order", "twice", "points", "plans", "fuzz", "kill", "budget")
BRIEF = {"order", "twice", "points", "plans", "kill"}
"""Those that know `--short`."""


def main() -> int:
    """Run them all; return 1 when one of them found a fault."""
    asked = rig.arguments(__doc__ or "", runs=0)
    rows, worst = {}, 0
    for name in CAMPAIGNS:
        began = time.monotonic()
        words = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), "--seed", str(asked.seed)]
        words += ["--jobs", str(1 if name == "twice" else asked.jobs)]
        words += ["--runs", str(asked.runs)] if asked.runs else []
        words += ["--short"] if asked.short and name in BRIEF else []
        code = subprocess.run(words, check=False).returncode
        rows[name] = f"{'ok' if code == 0 else 'FAULTS'}, {time.monotonic() - began:.0f} s"
        worst = max(worst, abs(code))
    rig.table("campaigns", rows)
    return min(worst, 1)


if __name__ == "__main__":
    sys.exit(main())
