"""What `--select status:…` means: the jobs of a manifest as the journal and the disk say they are now."""

from dataclasses import replace
from pathlib import Path

from wanbatch.cli.asked import Asked
from wanbatch.cli.status_ import WORDS
from wanbatch.jobs.board import Board
from wanbatch.jobs.folder import videos_on_disk
from wanbatch.jobs.plan import Kind, plan
from wanbatch.manifest.model import JobKey, Manifest, Wanted
from wanbatch.manifest.selection import asks_for_status, selected

KINDS = {kind: kind.name.lower().replace("_", "-") for kind in Kind}


def wanted_now(manifest: Manifest, selection: str | None, board: Board, folder: Path, now: float) -> tuple[Wanted, ...]:
    """Return the jobs that a selection of a manifest asks for now; none only where a term asks for a status.

    `manifest` is that of `common.manifest_now`: its jobs are the current ones. Raises WanbatchError.
    """
    if selection is None:
        return manifest.wanted
    keys = selected(selection, manifest.wanted, lambda: words_of(manifest, board, folder, now))
    return tuple(one for one in manifest.wanted if one.key in keys)


def words_of(manifest: Manifest, board: Board, folder: Path, now: float) -> dict[JobKey, set[str]]:
    """Return what each job is called: what a run would do with it, and where that says less, its state."""
    keep = manifest.run.on_change == "keep"
    found = plan(manifest.wanted, board, videos_on_disk(folder), now, keep_changed=keep, price=lambda _request: None)
    words = {entry.key: {KINDS[entry.kind]} for entry in found.entries}
    for key in words.keys() & board.jobs.keys():
        state = WORDS[type(board.jobs[key].state).__name__].replace(" ", "-")
        if state not in KINDS.values():
            words[key].add(state)
    return words


def settled(asked: Asked, board: Board, now: float) -> Asked:
    """Return what a command line asks for, with the statuses as a run finds them: at its start, once and for all.

    Raises WanbatchError.
    """
    if not asks_for_status(asked.options.selection):
        return asked
    named = {one.key for one in wanted_now(asked.manifest, asked.options.selection, board, asked.folder, now)}
    return replace(asked, wanted=tuple(one for one in asked.wanted if one.key in named))
