"""`wanbatch verify`: does what is on the disk agree with what the lock file says?"""

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, note
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import journal, lockfile
from wanbatch.jobs.folder import videos_on_disk
from wanbatch.jobs.locked import Lock
from wanbatch.jobs.verify import Difference, Kind, Seen, differences, seen_at
from wanbatch.manifest.assemble import Reading
from wanbatch.views.text import printable, table

MANY = 20
"""From so many videos on there is a bar."""
FORMAT = 1
"""Version of what `--json` writes."""


@click.command("verify")
@common.manifest_argument
@common.reading_options
@common.out_option
@click.option("--quick", is_flag=True, help="Compare the files' sizes only, not their sha256.")
@common.json_option
def command(manifest: Path, reading: Reading, out: Path | None, quick: bool, as_json: bool) -> int:
    """Compare MANIFEST's lock file with the manifest, the journal and the videos. Changes nothing.

    Every locked video is read and its sha256 taken. Ends with 0 when all agree, with 3 when something differs, with 9
    when a video, the journal or the lock file cannot be read, with 2 when there is no lock file, and with 5 when the
    manifest or the lock file is invalid.
    """
    checked = common.manifest_of(manifest, reading)
    path = lockfile.path_of(manifest, checked.profile)
    again = common.named_again(manifest, reading, out)
    lock = lockfile.read(path)
    if lock is None:
        hint = f"a run writes it: {common.typed('wanbatch', 'run', *again)}"
        raise WanbatchError(f"{path} is not there: nothing to compare with", exit_code=Exit.USAGE, hint=hint)
    folder = common.folder_of(checked, out)
    kept = common.journal_path(folder)
    board = journal.read(kept) if kept.exists() else None
    if board is not None:
        checked = common.manifest_now(checked, board)
    seen = look(folder, lock, quick=quick)
    videos = [path for path in videos_on_disk(folder) if path.endswith(".mp4")]
    found = differences(lock, checked.wanted, board, seen, videos)
    code = code_of(found)
    hints = next_steps(found, again, path)
    if as_json:
        echo_json(as_data(manifest, path, folder, lock, found, hints, code, quick=quick, journal=board is not None))
        return int(code)
    if found:
        rows = [[one.what, one.kind.value, one.said] for one in found]
        click.echo(table([["scene", "what", "why"], *rows], columns(sys.stdout)))
    if board is None:
        note(f"verify: {printable(str(kept))} is not there: the videos were compared with the lock alone")
    click.echo(sentence(lock, found, quick=quick))
    for kind, hint in hints.items():
        note(printable(f"  {kind.value}: {hint}"))
    return int(code)


def look(folder: Path, lock: Lock, *, quick: bool) -> dict[str, Seen | None]:
    """Look at every locked video."""
    sizes = sum(one.size_bytes for one in lock.entries)
    with bar(sizes, shown=not quick and len(lock.entries) >= MANY and sys.stderr.isatty()) as passed:
        return {one.path: seen_at(folder, one.path, quick=quick, passed=passed) for one in lock.entries}


@contextmanager
def bar(total_bytes: int, *, shown: bool) -> Iterator[Any]:
    """Give what hears how many bytes were read, and shows it if `shown`."""
    if not shown:
        yield lambda _count: None
        return
    from tqdm import tqdm

    tqdm.monitor_interval = 0
    with tqdm(total=total_bytes, unit="B", unit_scale=True, desc="verify", leave=False, file=sys.stderr) as shows:
        yield shows.update


def code_of(found: Iterable[Difference]) -> Exit:
    """Return the exit code."""
    kinds = {one.kind for one in found}
    if Kind.UNREAD in kinds:
        return Exit.STATE
    return Exit.FAILED if kinds else Exit.DONE


def sentence(lock: Lock, found: tuple[Difference, ...], *, quick: bool) -> str:
    """Say it in one sentence."""
    count = len(lock.entries)
    videos = f"{count} locked video{'s' if count != 1 else ''}"
    if not found:
        return f"verify: {videos}, all as locked" + (" (sizes only)" if quick else "")
    kinds = Counter(one.kind for one in found)
    said = ", ".join(f"{kinds[kind]} {kind.value}" for kind in Kind if kinds[kind])
    return f"verify: {videos}; {said}"


def next_steps(found: Iterable[Difference], again: list[str | Path | None], path: Path) -> dict[Kind, str]:
    """Return what to do about each kind of difference that there is."""
    first: dict[Kind, Difference] = {}
    for one in found:
        first.setdefault(one.kind, one)
    plan, run = (common.typed("wanbatch", verb, *again) for verb in ("plan", "run"))
    scene = first[Kind.JOURNAL].what if Kind.JOURNAL in first else "SCENE"
    manifest, *others = again
    steps = {
        Kind.ABSENT: f"put it back from a backup; whether the service still has it says: {plan}",
        Kind.CHANGED: "put the video back from a backup; an edited copy belongs elsewhere",
        Kind.UNREAD: "make it readable, then verify again",
        Kind.JOURNAL: f"what happened here: {common.typed('wanbatch', 'journal', 'show', *again, scene)}; "
        f"to record what is here: remove {shlex.quote(str(path))}, then {run}",
        Kind.UNKNOWN: "bring the output folder, with its journal, from where it was made; or within 24 hours: "
        + common.typed("wanbatch", "adopt", manifest, task_of(first), "--as", stem_of(first), *others),
        Kind.STALE: f"what a run would make anew, and its price: {plan}",
        Kind.UNMADE: f"a run makes it, and writes it down: {run}",
        Kind.EXTRA: f"a run takes it out of the lock; its video stays: {run}",
        Kind.STRANGE: "move it out of videos/: a scene of that name would be held",
    }
    return {kind: steps[kind] for kind in Kind if kind in first}


def task_of(first: dict[Kind, Difference]) -> str:
    """Return the task of the first video that the journal does not have."""
    return (first[Kind.UNKNOWN].task_id if Kind.UNKNOWN in first else None) or "TASK_ID"


def stem_of(first: dict[Kind, Difference]) -> str:
    """Return the name of the first video that the journal does not have."""
    return first[Kind.UNKNOWN].what if Kind.UNKNOWN in first else "SCENE"


def as_data(
    manifest: Path, path: Path, folder: Path, lock: Lock, found: tuple[Difference, ...], hints: dict[Kind, str],
    code: Exit, *, quick: bool, journal: bool,
) -> dict[str, object]:  # fmt: skip
    """Return what was found as JSON data; a contract, versioned."""
    return {
        "format": FORMAT,
        "manifest": str(manifest),
        "lock": str(path),
        "folder": str(folder),
        "quick": quick,
        "journal": journal,
        "locked": len(lock.entries),
        "exit_code": int(code),
        "summary": sentence(lock, found, quick=quick),
        "differences": [
            {"kind": one.kind.name.lower(), "what": one.what, "reason": one.said, "next": hints[one.kind]}
            for one in found
        ],
    }
