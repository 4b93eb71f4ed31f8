"""The last resort for a line that the journal could not take: a file of its own, where there is room.

It is for a task id that came back after the POST: the task is being paid for, and nothing else knows of it.
"""

import contextlib
import os
from pathlib import Path

from wanbatch import disk

NAMED = 40
"""So many characters of the output folder's name go into the file's."""


def rescue(line: bytes, journal: Path) -> Path | None:
    """Write `line` to a new `wanbatch-rescue-*.jsonl` in $TMPDIR, synced, for its owner alone; return its path.

    None when that cannot be written either: then what is said on stderr is all there is. Raises nothing.
    """
    import tempfile  # seldom needed, and felt at start-up

    path: Path | None = None
    try:
        prefix = f"wanbatch-rescue-{journal.absolute().parent.name[:NAMED]}-"
        fd, name = tempfile.mkstemp(prefix=prefix, suffix=".jsonl")
        path = Path(name)
        with os.fdopen(fd, "wb") as stream:
            stream.write(line)
            stream.flush()
            disk.sync(stream.fileno())
    except OSError:
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()
        return None
    return path
