"""The program with one of its syncs taken out: `python mutant.py SITE LOG run …`.

SITE is `file:function:line` of the place that asks for a sync, several with commas; `none` takes out nothing.
Every site that was reached is written to LOG, so that a first run shows which there are.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from wanbatch.cli.door import main

SYNCS = ("sync", "sync_folder")
"""Functions of `disk.py` that only sync: who calls them is the site."""


def site() -> str:
    """Return who asked for the sync: the first caller that does more than syncing."""
    frame = sys._getframe(2)  # noqa: SLF001 - who calls is the point
    while frame.f_back and Path(frame.f_code.co_filename).name == "disk.py" and frame.f_code.co_name in SYNCS:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}:{frame.f_lineno}"


def without(real: Callable[[int], None], chosen: str, log: Path) -> Callable[[int], None]:
    """Return `real`, which does nothing when it is called from `chosen`."""

    def sync(fd: int) -> None:
        here = site()
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{here}\n")
        if here not in chosen.split(","):
            real(fd)

    return sync


if __name__ == "__main__":
    taken_out, reached = sys.argv[1], Path(sys.argv[2])
    os.fsync = without(os.fsync, taken_out, reached)
    os.fdatasync = without(os.fdatasync, taken_out, reached)
    del sys.argv[1:3]
    main()
