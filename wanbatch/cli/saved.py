"""A saved plan: what `plan --save FILE` writes and `run FILE` takes as consent, as long as it still holds.

The format is a contract, versioned; docs/json.md says what each field means.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wanbatch import __version__, disk
from wanbatch.cli import common
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.journal import JournalError
from wanbatch.jobs.plan import Entry, Kind, Plan, money, sentence, total
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import Manifest
from wanbatch.views.results import rows_apart

FORMAT = 1
"""Version of the file."""
MARK = "wanbatch_plan"
FIRST_FIELD = re.compile(rb'\s*\{\s*"wanbatch_plan"\s*:')
NAMED = 5
"""How many scenes a refusal names."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a journal was: the number of its last line about a job, and that line's chained CRC."""

    line: int
    crc: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line of `plan` chose; a run of the saved plan does the same. Paths are as given."""

    manifest: Path
    out: Path
    """The output folder; with a profile, the one beside which the profile's is."""
    profile: str | None = None
    settings: tuple[str, ...] = ()
    selection: str | None = None
    accounts: tuple[str, ...] = ()
    region: str | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved plan, read back. `entries` are lines of the plan as in `plan --json`."""

    path: Path
    choice: Choice
    sha256: str
    journal: Position | None
    entries: tuple[Mapping[str, Any], ...]
    summary: str


def is_plan(path: Path) -> bool:
    """Say whether a file is a saved plan, rather than a manifest. False for one that cannot be read."""
    try:
        if not path.is_file():  # a pipe can be read only once
            return False
        with path.open("rb") as stream:
            head = stream.read(256)
            if FIRST_FIELD.match(head):
                return True
            if not head.lstrip().startswith(b"{"):
                return False
            read = json.loads(head + stream.read())  # its fields may have been sorted since
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(read, dict) and MARK in read


def load(path: Path) -> Saved:
    """Read a saved plan. Raises WanbatchError for one that is damaged or of a later version."""
    try:
        read = json.loads(path.read_bytes())
        version = read[MARK]
        if version == FORMAT:
            return saved_in(path, read)
    except OSError as error:
        raise WanbatchError(f"cannot read {disk.why(error)}; nothing was sent", exit_code=Exit.STATE) from None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise WanbatchError(
            f"{path}: the saved plan is damaged; nothing was sent",
            exit_code=Exit.REFUSED,
            hint="save it again: wanbatch plan MANIFEST --save FILE",
        ) from None
    raise WanbatchError(
        f"{path}: saved in format {version}; this wanbatch reads {FORMAT}; nothing was sent",
        exit_code=Exit.REFUSED,
        hint="save it again with this version, or install the newer one",
    )


def saved_in(path: Path, read: Mapping[str, Any]) -> Saved:
    """Return the plan in a file's data. Raises KeyError, TypeError, ValueError for data that is none."""
    choice = Choice(
        manifest=path_in(read["manifest"]["path"]),
        out=path_in(read["folder"]),
        profile=maybe_text(read.get("profile")),
        settings=tuple(text(one) for one in read.get("set", ())),
        selection=maybe_text(read["select"]),
        accounts=tuple(text(name) for name in read["accounts"]),
        region=maybe_text(read["region"]),
        base_url=maybe_text(read["base_url"]),
    )
    at = read["journal"]
    entries = tuple(read["entries"])
    for entry in entries:
        text(entry["scene"]), text(entry["job"]), text(entry["action"]), cost_of(entry)
    return Saved(
        path=path,
        choice=choice,
        sha256=text(read["manifest"]["sha256"]),
        journal=None if at is None else Position(int(at["line"]), text(at["crc"])),
        entries=entries,
        summary=text(read["summary"]),
    )


def text(value: object) -> str:
    """Return a text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def path_in(value: object) -> Path:
    """Return a path that a file may have. Raises TypeError, ValueError."""
    if b"\0" in os.fsencode(text(value)):
        raise ValueError("a path with a NUL")
    return Path(text(value))


def maybe_text(value: object) -> str | None:
    """Return a text or None. Raises TypeError for anything else."""
    return None if value is None else text(value)


def position(journal: Path) -> Position | None:
    """Return where a journal is; None for one that is not there or has no job yet. Raises JournalError.

    To be asked right after `Journal.open`, before anything is mended or written down. Lines about runs do not count:
    a run that did nothing changes nothing. The chained CRC stands for every line before.
    """
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"cannot read {disk.why(error)}") from None
    for number in range(len(lines), 0, -1):
        try:
            line = json.loads(lines[number - 1])
            if "job" in line:
                return Position(number, text(line["crc"]))
        except (ValueError, KeyError, TypeError):  # torn off by a crash; a damaged one is for `journal` to find
            continue
    return None


def save(path: Path, choice: Choice, manifest: Manifest, journal: Position | None, planned: Plan, at: float) -> None:
    """Write a plan to `path`, whole or not at all. Raises WanbatchError; never over a file that is no saved plan."""
    if path.exists() and not is_plan(path):
        raise WanbatchError(
            f"{path} exists and is no saved plan; nothing was written", exit_code=Exit.USAGE, hint="name another file"
        )
    fields = {
        MARK: FORMAT,
        "tool": __version__,
        "at": round(at, 3),
        "manifest": {"path": str(choice.manifest), "sha256": manifest.fingerprint},
        "profile": choice.profile,
        "set": list(choice.settings),
        "folder": str(choice.out),
        "select": choice.selection,
        "accounts": list(choice.accounts),
        "region": choice.region,
        "base_url": choice.base_url,
        "journal": {"line": journal.line, "crc": journal.crc} if journal else None,
        "summary": sentence(planned),
        "submit": sum_json(planned.submissions),
        "entries": [common.entry_json(entry, manifest.picks) for entry in planned.entries],
    }
    try:
        disk.write_whole(path, rows_apart(fields, "entries", ensure_ascii=True).encode())
    except OSError as error:
        raise WanbatchError(f"cannot save the plan: {disk.why(error)}", exit_code=Exit.STATE) from None


def sum_json(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return what entries cost together as JSON data."""
    entries = tuple(entries)
    sums, as_of, unknown = total(entries)
    return {
        "count": len(entries),
        "seconds": sum(entry.seconds for entry in entries),
        "cost": {currency: str(amount) for currency, amount in sums.items()},
        "prices_as_of": as_of,
        "unknown_prices": unknown,
    }


def still_holds(saved: Saved, manifest: Manifest, journal: Position | None, planned: Plan) -> None:
    """Raise WanbatchError (exit 7) unless all is as it was when the plan was saved, naming what changed.

    `manifest` and `planned` are what the same choice gives now.
    """
    found = change(saved, manifest, journal, planned)
    if found is None:
        return
    words = [saved.choice.manifest, "--out", saved.choice.out, *chosen_again(saved.choice)]
    hint = (
        f"look at the plan as it is now, and save it: {common.typed('wanbatch', 'plan', *words, '--save', saved.path)}"
    )
    if planned.of(Kind.IN_FLIGHT, Kind.FETCH):  # it expires, and a plan that is asked for again refuses again
        hint = f"collect what is being made: {common.typed('wanbatch', 'wait', *words)}; then {hint}"
    what, which = found
    message = f"{what} since {saved.path} was saved ({which}); nothing was sent"
    raise WanbatchError(message, exit_code=Exit.REFUSED, hint=hint)


def change(saved: Saved, manifest: Manifest, journal: Position | None, planned: Plan) -> tuple[str, str] | None:
    """Return what has changed since a plan was saved, and for which scenes; None for nothing. As `still_holds`."""
    if manifest.fingerprint != saved.sha256:
        others = named(set(jobs_of(saved)) ^ {str(entry.key) for entry in planned.entries})
        return f"{saved.choice.manifest} has changed", others or "no scene's request, but its settings"
    moves = moved(saved, planned)
    if journal != saved.journal:
        return f"the journal of {folder_of(saved.choice)} has changed", moves or "scenes that the plan leaves alone"
    then = submitted(saved)
    now = {str(entry.key): cost_of(common.entry_json(entry, manifest.picks)) for entry in planned.submissions}
    if then.keys() != now.keys():
        return f"what is in {folder_of(saved.choice)} has changed", moves
    if then != now:
        others = named(job for job in now if then[job] != now[job])
        return "prices have changed", f"now {money(planned.submissions)}; {others}"
    return None


def folder_of(choice: Choice) -> Path:
    """Return where the videos go."""
    return common.of_profile(choice.out, choice.profile)


def chosen_again(choice: Choice) -> list[str | Path | None]:
    """Return the words of a command line that choose the same, beside manifest and folder."""
    words: list[str | Path | None] = [*common.reading_words(Reading(choice.profile, choice.settings))]
    for name, value in (("--select", choice.selection), ("--region", choice.region), ("--base-url", choice.base_url)):
        words += [name, value] if value is not None else []
    for account in choice.accounts:
        words += ["--account", account]
    return words


def jobs_of(saved: Saved) -> dict[str, str]:
    """Return what the saved plan would do, by job."""
    return {entry["job"]: entry["action"] for entry in saved.entries}


def submitted(saved: Saved) -> dict[str, object]:
    """Return what each of the saved plan's submissions would cost, by job."""
    return {entry["job"]: cost_of(entry) for entry in saved.entries if entry["action"] in ("new", "stale")}


def cost_of(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the amount and the currency of a line of the plan. Raises KeyError, TypeError for data that is none."""
    cost = entry["cost"]
    return None if cost is None else (text(cost["amount"]), text(cost["currency"]))


def moved(saved: Saved, planned: Plan) -> str:
    """Name the scenes that a run would do something else with than the saved plan says."""
    then = jobs_of(saved)
    now = {str(entry.key): entry.kind.name.lower() for entry in planned.entries}
    return named(job for job in then.keys() | now.keys() if then.get(job) != now.get(job))


def named(jobs: Iterable[str]) -> str:
    """Return the scenes of some jobs, the first few by name."""
    scenes = sorted({job.rsplit("/", 2)[0] for job in jobs})
    more = f" and {len(scenes) - NAMED} more" if len(scenes) > NAMED else ""
    return ", ".join(scenes[:NAMED]) + more
