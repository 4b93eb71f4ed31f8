"""The lock file in a run: what `--locked` refuses before anything is sent, and what is written at the end."""

from pathlib import Path

from wanbatch.cli import common
from wanbatch.cli.asked import Asked
from wanbatch.cli.door import say
from wanbatch.cli.pricing import Prices
from wanbatch.disk import why
from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.jobs import lockfile
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.locked import Disagreement, PriceOf, disagreements, merged, text_of
from wanbatch.jobs.plan import Cost
from wanbatch.manifest.model import Manifest

NAMED = 5
"""How many scenes a message names."""


def lock_path(asked: Asked) -> Path:
    """Return where the lock file of what is asked for is."""
    return lockfile.path_of(asked.path, asked.manifest.profile)


def keep_to(asked: Asked) -> None:
    """Raise WanbatchError unless the whole manifest, selected or not, is as its lock file says (`--locked`)."""
    path = lock_path(asked)
    lock = lockfile.read(path)
    again = common.named_again(asked.path, asked.options.reading, asked.options.out)
    if lock is None:
        message = f"{path} is not there, and --locked submits only what is in it; nothing was sent"
        hint = f"a run without --locked writes it: {common.typed('wanbatch', 'run', *again)}"
        raise WanbatchError(message, exit_code=Exit.REFUSED, hint=hint)
    apart = disagreements(asked.manifest.wanted, lock)
    if apart:
        raise WanbatchError(
            f"{asked.path} and {path} disagree; nothing was sent: {named(apart)}",
            exit_code=Exit.REFUSED,
            hint=f"what a run without --locked would do: {common.typed('wanbatch', 'plan', *again)}",
        )


def named(apart: tuple[Disagreement, ...]) -> str:
    """Return the first few of some disagreements, and how many more there are."""
    more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    return ", ".join(map(str, apart[:NAMED])) + more


def write_down(asked: Asked, board: Board, prices: Prices) -> None:
    """Bring the lock file up to date with a journal, whatever was selected. Whatever goes wrong is only said.

    The videos are what was paid for, and the journal has them: without a lock file the next run writes it.
    """
    if asked.simulate or not asked.path.is_file():
        return
    path = lock_path(asked)
    try:
        bring_up(path, asked.manifest, board, price_of(board, prices))
    except ManifestInvalid as error:
        first = error.problems[0]
        say(f"the lock file was left as it is: {first.where}: {first.message}; the videos are safe", first.hint)
    except OSError as error:
        say(f"the lock file was not written: {why(error)}; the videos are safe", "the next run writes it")
    except WanbatchError as error:
        say(f"the lock file was not written: {error.message}; the videos are safe", "the next run writes it")


def price_of(board: Board, prices: Prices) -> PriceOf:
    """Return what a job's video costs: with the account that it was sent by, else as the run's prices say."""
    at_its_lane = common.lane_prices(board.jobs.values())

    def price(job: Job) -> Cost | None:
        return at_its_lane(job) if job.lane else prices(job.outline)

    return price


def bring_up(path: Path, manifest: Manifest, board: Board, price: PriceOf) -> None:
    """Write the lock file anew if it is not as it should be. Raises OSError, WanbatchError."""
    there = lockfile.content_of(path)
    found = merged(manifest, board, price, None)
    if there == text_of(found.lock).encode() or (there is None and not found.lock.entries):
        return  # as it is almost always, and read in a hundredth of the time
    earlier = lockfile.read(path)
    if earlier is not None and (earlier.manifest, earlier.profile) != (manifest.name, manifest.profile):
        whose = earlier.manifest + (f"@{earlier.profile}" if earlier.profile else "")
        message = f"{path} is the lock file of {whose}; it was left as it is"
        raise WanbatchError(message, exit_code=Exit.STATE, hint="give one of the two manifests another file name")
    found = merged(manifest, board, price, earlier)
    lockfile.write(path, found.lock)
    if found.foreign:
        stems = [one.stem for one in found.foreign]
        more = f" and {len(stems) - NAMED} more" if len(stems) > NAMED else ""
        say(
            f"{path} keeps what was made elsewhere of {', '.join(stems[:NAMED])}{more}; this folder has other videos",
            f"to record these: remove {path} and run again; the other ones stay in git's history",
        )
