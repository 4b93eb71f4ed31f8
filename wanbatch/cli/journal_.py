"""`wanbatch journal`: look at the only durable state: is it whole, what does it say of a scene, what if it is not."""

import time
from pathlib import Path
from typing import Any

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json, note, say
from wanbatch.cli.status_ import word
from wanbatch.cli.terminal import UNCUT
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import repair
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.journal import Line, lines_of
from wanbatch.jobs.repair import Findings
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import JobKey
from wanbatch.views import history
from wanbatch.views.text import printable, table

HELD_SHOWN = 20
"""So many uncertain scenes are listed one by one; the copy's `status` lists all."""


@click.group("journal")
def command() -> None:
    """Check the journal, show a scene's history, or save what a damaged journal still tells."""


def where_argument(verb: Any) -> Any:
    """Add the argument that names the manifest or its output folder."""
    return click.argument("where", metavar="MANIFEST", type=click.Path(path_type=Path))(verb)


@command.command("verify", short_help="Say whether the journal is whole.")
@where_argument
@common.reading_options
@common.out_option
def verify(where: Path, reading: Reading, out: Path | None) -> None:
    """Say whether the journal of MANIFEST is whole: every line, and each after the one before.

    Reads only, and needs no lock. MANIFEST may also be an output folder. Ends with 0, or with 9 and the number of
    the first bad line.
    """
    path = common.journal_in(common.folder_named(where, out, "journal verify", reading), where)
    found = repair.examine(repair.content_of(path), path)
    last = found.last
    click.echo(printable(f"journal: {path}: {count(found.lines, 'line')}, {count(len(found.board.jobs), 'job')}"))
    if last:
        about = f" of {last.job}" if last.job else ""
        click.echo(printable(f"last: line {last.seq + 1}, {last.event}{about}, {history.local_time(last.at)}"))
    if found.bad:
        again = common.typed("wanbatch", "journal", "repair", *common.named_again(where, reading, out))
        found.bad.hint = f"save what it still tells: {again}"
        raise found.bad
    if found.torn_bytes:
        click.echo(torn(found))


def torn(found: Findings) -> str:
    """Return what a torn last line means."""
    size = count(found.torn_bytes, "byte")
    return f"the last line is cut short ({size}): a crash, or a run that is writing; the next run mends it"


def count(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@command.command("repair", short_help="Write a copy of a damaged journal, as far as it is good.")
@where_argument
@common.reading_options
@common.out_option
@click.option("-o", "copy", type=click.Path(path_type=Path), help="The copy's name.  [default: journal.repaired.jsonl]")
def mend(where: Path, reading: Reading, out: Path | None, copy: Path | None) -> None:
    """Write a copy of a damaged journal that ends before its first bad line; the journal itself stays as it is.

    A scene whose submission is in the lost part, or may be, is held in the copy: nothing is submitted again without
    a word from you. Overwrites nothing. MANIFEST may also be an output folder.
    """
    folder = common.folder_named(where, out, "journal repair", reading)
    path = common.journal_in(folder, where)
    copy = copy or path.with_name("journal.repaired.jsonl")
    outlines: repair.Outlines = {}
    if not where.is_dir():
        outlines = {one.key: one.request.outline() for one in common.manifest_of(where, reading).wanted}
    found = repair.write_copy(path, copy, time.time(), outlines)
    if found.bad is None:
        click.echo(torn(found) if found.torn_bytes else printable(f"{path} is whole: there is nothing to repair"))
        return
    say(f"{found.bad.message}; {count(found.lines, 'line')} before it are good")
    tell_losses(found)
    note("put the copy in its place, and keep the damaged one:")
    kept = path.with_name("journal.damaged.jsonl")
    for words in (
        ("cp", "-p", path, kept),
        ("mv", copy, path),
        ("wanbatch", "status", *common.named_again(where, reading, out)),
    ):
        note(f"  {printable(common.typed(*words))}")
    click.echo(printable(str(copy)))


def tell_losses(found: Findings) -> None:
    """Say of which scenes lines were lost, and what that means for the money."""
    lost, unread = repair.losses(found)
    if unread:
        say(
            f"{count(unread, 'lost line')} cannot be read: any scene not sent yet may have been submitted there",
            "before you submit anything again, compare the service's console with wanbatch status",
        )
    if not lost:
        note("no scene is uncertain")
        return
    held = sum(one.held for one in lost)
    note(f"uncertain: {count(len(lost), 'scene')}, {held} of them held in the copy")
    ranked = sorted(lost, key=lambda one: not one.held)
    note(table([(f"  {one.key.stem}", repair.stake(one)) for one in ranked[:HELD_SHOWN]], UNCUT))
    if len(ranked) > HELD_SHOWN:
        note(f"  and {len(ranked) - HELD_SHOWN} more: wanbatch status shows them when the copy is in place")


@command.command("show", short_help="Show a scene's history, line by line.")
@where_argument
@click.argument("scene")
@common.reading_options
@common.out_option
@common.json_option
def show(where: Path, scene: str, reading: Reading, out: Path | None, as_json: bool) -> None:
    """Show what the journal of MANIFEST says of SCENE, line by line: when it was submitted, as which task, and more.

    For a question about a bill: the request and task ids are those of the service's own records. Times are local.
    Reads only. MANIFEST may also be an output folder; SCENE is a scene's id, or one take like alley.t2.
    """
    folder = common.folder_named(where, out, "journal show", reading)
    path = common.journal_in(folder, where)
    content = repair.content_of(path)
    found = repair.examine(content, path)
    jobs = [job for job in found.board.jobs.values() if scene in (job.key.scene, job.stem)]
    if not jobs:
        found_nothing(found, scene, where)
    wanted = {str(job.key) for job in jobs}
    told: dict[str, list[Line]] = {name: [] for name in wanted}
    for line, _, _ in lines_of(found.good, path):
        if line.job in wanted:
            told[line.job].append(line)
    if as_json:
        data = [job_data(job, told[str(job.key)]) for job in jobs]
        echo_json({"format": common.JSON_FORMAT, "folder": str(folder), "scene": scene, "jobs": data})
    else:
        click.echo("\n\n".join(as_text(job, told[str(job.key)], found.board) for job in jobs))
    if found.bad:
        raise found.bad


def found_nothing(found: Findings, scene: str, where: Path) -> None:
    """Say that the journal has no such scene. Raises WanbatchError."""
    if found.bad:
        raise found.bad
    hint = f"see {common.typed('wanbatch', 'status', where)}"
    raise WanbatchError(f"the journal has no scene {scene}", exit_code=Exit.USAGE, hint=hint)


def as_text(job: Job, lines: list[Line], board: Board) -> str:
    """Return a job's history: a heading, then a line for each line of the journal."""
    latest = board.by_scene[job.key.scene, job.key.take][-1]
    edited = "" if job.key == latest else ", the scene as it was before an edit"
    rows = [
        (str(line.seq + 1), history.local_time(line.at), history.happened(line), history.details(line))
        for line in lines
    ]
    return f"{printable(job.stem)}: {word(job)}{edited} ({printable(str(job.key))})\n" + table(rows, UNCUT, right=(0,))


def job_data(job: Job, lines: list[Line]) -> dict[str, Any]:
    """Return a job's history as JSON data; `line` counts from 1, `at` is epoch seconds."""
    key: JobKey = job.key
    return {
        "job": str(key),
        "scene": key.scene,
        "take": key.take,
        "state": word(job),
        "lines": [
            {
                "line": line.seq + 1, "at": line.at, "time": history.local_time(line.at), "event": line.event,
                "words": history.happened(line), "fields": line.fields,
            }
            for line in lines
        ],
    }  # fmt: skip
