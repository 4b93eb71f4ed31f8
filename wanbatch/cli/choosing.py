"""What `pick` and `reroll` share: which manifest is meant, what is known of its takes, writing what was chosen."""

import fcntl
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wanbatch import disk
from wanbatch.cli import common
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import journal
from wanbatch.jobs.board import Board
from wanbatch.jobs.folder import videos_on_disk
from wanbatch.jobs.plan import Entry, plan
from wanbatch.jobs.shelf import final_path
from wanbatch.jobs.state import Done
from wanbatch.manifest import picks as file
from wanbatch.manifest.assemble import KEPT, Reading
from wanbatch.manifest.check import picked
from wanbatch.manifest.files import DISK
from wanbatch.manifest.model import JobKey, Manifest, Picks, Scene

ENDINGS = (".yaml", ".yml", ".json")
VERSION = re.compile(rb"^[\s{\"']*wanbatch[\"']?\s*:", re.MULTILINE)
"""What every manifest has, and nothing else beside it."""
HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Here:
    """A manifest with what is known of its jobs. `again` are the words that name it in a hint."""

    path: Path
    manifest: Manifest
    board: Board
    folder: Path
    files: Mapping[str, int]
    again: tuple[str | Path | None, ...]
    now: float

    @property
    def picks_path(self) -> Path:
        """Where its picks are."""
        return file.path_of(self.path, self.manifest.profile)

    def typed(self, verb: str, *words: str) -> str:
        """Return a command about this manifest as it has to be typed."""
        return common.typed("wanbatch", verb, self.again[0], *words, *self.again[1:])

    def entries(self, scenes: Iterable[Scene]) -> tuple[Entry, ...]:
        """Return the plan of the takes of some scenes, without prices."""
        ids = {scene.id for scene in scenes}
        wanted = [one for one in self.manifest.wanted if one.key.scene in ids]
        keep = self.manifest.run.on_change == "keep"
        found = plan(wanted, self.board, self.files, self.now, keep_changed=keep, price=lambda _request: None)
        return found.entries[: len(wanted)]

    def video(self, key: JobKey) -> str | None:
        """Return where a take's video is, of this request or of an earlier one; None where there is none of ours."""
        path = final_path(key.stem)
        jobs = (self.board.jobs[other] for other in self.board.by_scene.get((key.scene, key.take), ()))
        made = any(isinstance(job.state, Done) and job.state.path == path for job in jobs)
        return path if made and path in self.files else None


def select_words(names: Iterable[str]) -> list[str]:
    """Return the words of a command line that select some names."""
    return ["--select", ",".join(names)]


def here(path: Path, reading: Reading, out: Path | None) -> Here:
    """Return what is known of a manifest. Raises ManifestInvalid, WanbatchError."""
    checked = common.manifest_of(path, reading)
    folder = common.folder_of(checked, out)
    board = journal.read(common.journal_path(folder))
    checked = common.manifest_now(checked, board)
    again = tuple(common.named_again(path, reading, out))
    return Here(path, checked, board, folder, videos_on_disk(folder), again, time.time())


def manifest_in(words: Sequence[str], command: Callable[[Path], str]) -> tuple[Path, tuple[str, ...]]:
    """Return the manifest that a command line names, or the only one in this folder, and the other words.

    `command` says how the command would name a manifest. Raises WanbatchError where it is not clear which is meant.
    """
    if words and names_a_manifest(words[0]):
        return Path(words[0]), tuple(words[1:])
    found = manifests_in(Path())
    if len(found) == 1:
        return found[0], tuple(words)
    names = ", ".join(str(path) for path in found[:5])
    message = f"{len(found)} manifests are in this folder ({names})" if found else "no manifest is in this folder"
    hint = f"name the one that is meant: {command(found[0] if found else Path('MANIFEST'))}"
    raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)


def names_a_manifest(word: str) -> bool:
    """Say whether a word names a file and not a scene: a scene's id has no slash, and hardly such an ending."""
    path = Path(word)
    return path.suffix.lower() in ENDINGS or "/" in word or is_manifest(path)


def manifests_in(folder: Path) -> list[Path]:
    """Return the manifests in a folder, by name. Raises WanbatchError for one that cannot be read."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    except OSError as error:
        raise WanbatchError(f"cannot read {disk.why(error)}", exit_code=Exit.STATE) from None
    return [path for path in found if not path.name.endswith(KEPT) and is_manifest(path)]


def is_manifest(path: Path) -> bool:
    """Say whether a file says of itself that it is a manifest. False for one that cannot be read."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as stream:
                return VERSION.search(stream.read(HEAD_BYTES)) is not None
    return False


def write(here: Here, picks: Picks) -> None:
    """Write the picks file, unless somebody else has changed it since it was read. Raises WanbatchError."""
    try:
        with disk.Folder.open(here.picks_path.parent) as folder:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(folder.fd, fcntl.LOCK_EX)
            if picked(here.path, Reading(here.manifest.profile), DISK) != here.manifest.picks:
                message = f"{here.picks_path} was changed by another command meanwhile; nothing was changed"
                raise WanbatchError(message, exit_code=Exit.STATE, hint="the same command again does it")
            file.write(here.picks_path, picks)
    except OSError as error:
        raise WanbatchError(f"cannot write {disk.why(error)}; nothing was changed", exit_code=Exit.STATE) from None
