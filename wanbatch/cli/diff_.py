"""`wanbatch diff`: the manifests now against a revision of git: what would be generated, and at what price."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from wanbatch.cli import common, saved
from wanbatch.cli.door import echo_json, note, say
from wanbatch.cli.pricing import Prices, prices
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, ManifestInvalid, Place, WanbatchError
from wanbatch.jobs.plan import Entry, Kind, money
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.changes import Changes, changes
from wanbatch.manifest.check import load, text_places
from wanbatch.manifest.model import Manifest, Wanted
from wanbatch.manifest.revision import GitFiles, tracked
from wanbatch.views import github
from wanbatch.views.problems import show
from wanbatch.views.text import printable, table

FORMAT = 1
"""Version of what `--output-format json` writes."""
HEAD_BYTES = 65_536
NAMES = (".yaml", ".yml", ".json")
KEY = re.compile(rb"""^(?:\{\s*)?["']?wanbatch["']?\s*:""", re.MULTILINE)
WORDS = {Kind.NEW: "new", Kind.STALE: "changed", Kind.KEPT: "changed, kept"}


@dataclass(slots=True)
class Compared:
    """One manifest, compared. `entries` are its new and changed takes, in its order."""

    path: Path
    changes: Changes = field(default_factory=Changes)
    entries: tuple[Entry, ...] = ()
    places: dict[str, Place] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()
    """The files that it includes, or did, by their identity."""
    remark: str = ""
    trouble: WanbatchError | None = None
    """Why there is nothing to compare: it cannot be read now, or is invalid."""

    @property
    def to_pay(self) -> tuple[Entry, ...]:
        """What would be generated."""
        return tuple(entry for entry in self.entries if entry.kind.submits)


@click.command("diff")
@click.argument("revision", metavar="REV")
@click.argument("manifests", nargs=-1, type=click.Path(path_type=Path))
@common.reading_options
@common.base_url_option
@common.region_option
@common.account_option
@click.option(
    "--output-format",
    "form",
    type=click.Choice(("text", "json", "github")),
    default="text",
    help="github: notices for a workflow, and a table in its summary.  [default: text]",
)
def command(
    revision: str, manifests: tuple[Path, ...], reading: Reading, base_url: str | None, region: str | None,
    accounts: tuple[str, ...], form: str,
) -> int:  # fmt: skip
    """Compare MANIFESTS as they are now with the git revision REV: which scenes would be generated, and the price.

    Without MANIFESTS: every manifest in this folder and below that no other one includes. Looks at no journal:
    what a run would really do says `wanbatch plan`. Ends with 0 whatever differs, with 5 when a manifest is invalid.
    """
    files = files_at(revision)

    def price_of(manifest: Manifest) -> Prices:
        return prices(base_url, region, accounts or (() if base_url else manifest.run.accounts))

    paths = manifests or discovered(files)
    found = [compared(path, files, reading, price_of) for path in dict.fromkeys(paths)]
    if not manifests:
        included = frozenset[str]().union(*(one.sources for one in found))
        found = [one for one in found if files.identity(one.path) not in included]
    if form == "json":
        echo_json(as_data(revision, found))
    elif form == "github":
        to_github(revision, found, files)
    else:
        to_people(revision, found)
    codes = [one.trouble.exit_code for one in found if one.trouble]
    return int(Exit.INVALID if Exit.INVALID in codes else max(codes, default=Exit.DONE))


def files_at(revision: str) -> GitFiles:
    """Return the files of a revision. Raises WanbatchError; a manifest in the revision's place is recognised."""
    try:
        return GitFiles(revision)
    except WanbatchError as error:
        if revision.endswith(NAMES) and Path(revision).exists():
            error.hint = f"the revision comes first: {common.typed('wanbatch', 'diff', 'HEAD', revision)}"
        raise


def discovered(files: GitFiles) -> list[Path]:
    """Return the manifests of this folder and below, also those that are gone. Raises WanbatchError without any."""
    now = [path for path in tracked(Path()) if is_named(path) and is_manifest(head(path))]
    old = [path for path in files.below(Path()) if is_named(path) and not path.exists()]
    found = now + [path for path in old if is_manifest(files.read(path, HEAD_BYTES))]
    if not found:
        hint = f"name one: {common.typed('wanbatch', 'diff', files.revision, 'MANIFEST')}"
        raise WanbatchError("no manifest in this folder or below", exit_code=Exit.USAGE, hint=hint)
    return sorted(found)


def is_named(path: Path) -> bool:
    """Say whether a file may be a manifest by its name."""
    return path.name.endswith(NAMES)


def is_manifest(content: bytes) -> bool:
    """Say whether a file, by its beginning, has the key `wanbatch` at its top level."""
    return bool(KEY.search(content.removeprefix(b"\xef\xbb\xbf")))


def head(path: Path) -> bytes:
    """Return a file's beginning; nothing of one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


# --- one manifest ---


def compared(path: Path, files: GitFiles, reading: Reading, price_of: Callable[[Manifest], Prices]) -> Compared:
    """Compare a manifest. Raises WanbatchError for prices that cannot be known."""
    old, remark = earlier(path, files, reading)
    before = old.wanted if old else ()
    if not path.exists() and old:
        found = changes(before, ())
        return Compared(path, found, sources=included(files, old), remark="it is no longer there")
    try:
        manifest = common.manifest_of(path, reading)
    except WanbatchError as error:
        return Compared(path, sources=included(files, old), remark=remark, trouble=error)
    found = changes(before, manifest.wanted)
    keep = manifest.run.on_change == "keep"
    cost = price_of(manifest)
    fields = {one.wanted.key: one.fields for one in found.changed}
    kinds = {one.key: Kind.NEW for one in found.new}
    kinds |= dict.fromkeys(fields, Kind.KEPT if keep else Kind.STALE)
    entries = tuple(
        entry(one, kinds[one.key], fields.get(one.key, ()), cost) for one in manifest.wanted if one.key in kinds
    )
    places = text_places(path, {one.key.scene.partition("[")[0] for one in entries}, reading)
    return Compared(path, found, entries, places, included(files, old, manifest), remark)


def included(files: GitFiles, *manifests: Manifest | None) -> frozenset[str]:
    """Return the files that some manifests include, by their identity."""
    names = [name for one in manifests if one is not None for name in one.sources[1:]]
    return frozenset(files.identity(Path(name)) for name in names)


def entry(one: Wanted, kind: Kind, fields: tuple[str, ...], cost: Prices) -> Entry:
    """Return what would be done with a take."""
    said = "new" if kind is Kind.NEW else "changed"
    outline = one.request.outline()
    return Entry(one.key, kind, said, one.request.duration, cost(outline), fields, model=one.request.model)


def earlier(path: Path, files: GitFiles, reading: Reading) -> tuple[Manifest | None, str]:
    """Return a manifest as it was at the revision, or why it is not known."""
    try:
        files.followed(path)
    except OSError:
        return None, f"not there at {files.revision}: all of it is new"
    try:
        return load(path, reading, environ=os.environ, files=files), ""
    except ManifestInvalid as error:
        first = error.problems[0]
        return None, f"invalid at {files.revision} ({first.where}: {first.message}): all of it counts as new"
    except WanbatchError as error:
        return None, f"cannot be read so at {files.revision} ({error.message}): all of it counts as new"


# --- what is said ---


def sentence(revision: str, found: Iterable[Compared]) -> str:
    """Say all of it in one sentence."""
    found = tuple(found)
    to_pay = [entry for one in found for entry in one.to_pay]
    changed = sum(entry.kind is Kind.STALE for entry in to_pay)
    parts = ["nothing to generate"]
    if to_pay:
        stale = f", {changed} of them changed" if changed else ""
        parts = [f"{len(to_pay)} to generate ({sum(e.seconds for e in to_pay)} s, {money(to_pay)}{stale})"]
    for count, words in (
        (sum(entry.kind is Kind.KEPT for one in found for entry in one.entries), "changed but kept"),
        (sum(len(one.changes.removed) for one in found), "removed"),
        (sum(one.changes.unchanged for one in found), "unchanged"),
        (sum(one.trouble is not None for one in found), "that cannot be compared"),
    ):
        parts += [f"{count} {words}"] if count else []
    return f"diff against {revision}: {', '.join(parts)}"


def rows(one: Compared) -> list[list[str]]:
    """Return the lines of a manifest's table as cells."""
    found = [[e.key.stem, WORDS[e.kind], f"{e.seconds} s", price(e), ", ".join(e.changes)] for e in one.entries]
    return found + [[key.stem, "removed", "-", "-", "its video stays"] for key in one.changes.removed]


def price(one: Entry) -> str:
    """Return what a take would cost, as a cell."""
    if not one.kind.submits:
        return "-"
    return f"{one.cost.amount:.2f} {one.cost.currency}" if one.cost else "?"


HEADINGS = ["scene", "change", "length", "price", "fields"]


def to_people(revision: str, found: list[Compared]) -> None:
    """Write what differs for people."""
    for one in found:
        if one.remark:
            note(printable(f"{one.path}: {one.remark}"))
        if isinstance(one.trouble, ManifestInvalid):
            for problem in one.trouble.problems:
                note(show(problem, columns(sys.stderr)))
        if one.trouble:
            say(one.trouble.message, one.trouble.hint)
        if cells := rows(one):
            click.echo(printable(str(one.path)))
            click.echo(table([HEADINGS, *cells], columns(sys.stdout), right=(2, 3)))
    click.echo(printable(sentence(revision, found)))


def to_github(revision: str, found: list[Compared], files: GitFiles) -> None:
    """Write what differs as a workflow's commands, and as a table in its summary if it has one."""
    for line in [line for one in found for line in errors(one, files)]:
        click.echo(line)
    for line in [line for one in found for line in notices(one, files)][: github.MOST - 1]:
        click.echo(line)
    said = sentence(revision, found)
    click.echo(github.command("notice", said, title="wanbatch"))
    tables = [(str(one.path), [HEADINGS, *cells]) for one in found if (cells := rows(one))]
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as stream:
                stream.write(github.markdown(said, tables))
        except OSError as error:
            say(f"cannot write {summary}: {error.strerror}; the notices say the same")


def top(path: Path | str, files: GitFiles) -> str:
    """Return a file's path as GitHub knows it, from the top of the repository."""
    return files.inside(Path(path)) or str(path)


def errors(one: Compared, files: GitFiles) -> Iterator[str]:
    """Yield why a manifest cannot be compared."""
    if isinstance(one.trouble, ManifestInvalid):
        for problem in one.trouble.problems:
            where, said = problem.where, f"{problem.message}; {problem.hint}" if problem.hint else problem.message
            place = {"file": top(where.file, files), "line": where.line, "col": where.column}
            yield github.command("error", said, **place, title=problem.code)
    elif one.trouble:
        yield github.command("error", one.trouble.message, file=top(one.path, files))


def notices(one: Compared, files: GitFiles) -> Iterator[str]:
    """Yield what became of a manifest's takes, each where its scene is written."""
    if one.remark:
        yield github.command("notice", f"{one.path}: {one.remark}", file=top(one.path, files))
    for entry in one.entries:
        place = one.places.get(entry.key.scene.partition("[")[0])
        where, line = (place.file, place.line) if place else (one.path, 1)
        said = f"{', '.join(entry.changes) or 'new'}; {entry.seconds} s, {price(entry)}"
        title = f"{entry.key.stem}: {WORDS[entry.kind]}"
        yield github.command("notice", said, file=top(where, files), line=line, title=title)


def as_data(revision: str, found: list[Compared]) -> dict[str, object]:
    """Return what differs as JSON data; a contract, versioned."""
    return {
        "format": FORMAT,
        "revision": revision,
        "summary": sentence(revision, found),
        "generate": saved.sum_json(entry for one in found for entry in one.to_pay),
        "manifests": [manifest_data(one) for one in found],
    }


def manifest_data(one: Compared) -> dict[str, object]:
    """Return one manifest's differences as JSON data."""
    return {
        "manifest": str(one.path),
        "remark": one.remark,
        "error": one.trouble.message if one.trouble else None,
        "unchanged": one.changes.unchanged,
        "removed": [{"scene": key.scene, "take": key.take} for key in one.changes.removed],
        "scenes": [scene_data(one, entry) for entry in one.entries],
    }


def scene_data(one: Compared, entry: Entry) -> dict[str, object]:
    """Return a new or changed take as JSON data."""
    place, cost = one.places.get(entry.key.scene.partition("[")[0]), entry.cost
    return {
        "scene": entry.key.scene,
        "take": entry.key.take,
        "job": str(entry.key),
        "change": "new" if entry.kind is Kind.NEW else "kept" if entry.kind is Kind.KEPT else "changed",
        "fields": list(entry.changes),
        "seconds": entry.seconds,
        "cost": {"amount": str(cost.amount), "currency": cost.currency, "as_of": cost.as_of} if cost else None,
        "file": place.file if place else str(one.path),
        "line": place.line if place else None,
    }
