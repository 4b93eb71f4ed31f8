"""`wanbatch import`: what people have becomes a manifest."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from wanbatch.cli.common import typed
from wanbatch.cli.door import note
from wanbatch.cli.init_ import write_new
from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.manifest.document import MAX_BYTES, read_text, text_of, too_large
from wanbatch.manifest.importing import FORMATS, WITH_COLUMNS, Imported, NameRefused, format_of, imported
from wanbatch.manifest.importing_source import NAMES, Source, Value, normal
from wanbatch.service import catalog

PARAMETERS = catalog.request_schema("wan2.7-t2v")["properties"]["parameters"]["properties"]
"""What the request's schema allows: the flags take it from there."""
SECONDS = click.IntRange(PARAMETERS["duration"]["minimum"], PARAMETERS["duration"]["maximum"])
RESOLUTION = click.Choice(PARAMETERS["resolution"]["enum"])
RATIO = click.Choice(PARAMETERS["ratio"]["enum"])
OTHERWISE: Mapping[str, Value] = {"resolution": "720P", "ratio": "16:9", "duration": 5}
"""What holds for scenes that do not say, unless a flag says otherwise."""
MANIFEST = re.compile(r"(?:\s*(?:#[^\n]*|---[ \t]*)\n|\s)*\{?\s*([\"']?)wanbatch\1[ \t]*:[ \t]*[\"']?[0-9]")
"""How a manifest begins."""
STDIN = Path("-")
WANTED = {
    "text": ("prompts", "write one prompt a line"),
    "csv": ("rows", "the first row names the columns, each further one is a scene"),
    "tsv": ("rows", "the first row names the columns, each further one is a scene"),
    "jsonl": ("objects", 'write one object a line: {"prompt": "…"}'),
    "curl": ("curl commands that submit a video", "write the command with its body after -d"),
    "markdown": ("scenes", "a heading begins a scene; docs/importing.md shows the form"),
}
"""What a file of a format has, and what to write when there is none."""


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to stdout.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="What FILE is.  [default: by its ending and content]"
)
@click.option("--column", "columns", metavar="FIELD=NAME", multiple=True, help="This column, or key, is the field.")
@click.option("--duration", type=SECONDS, metavar="N", help="Seconds of videos that do not say.  [default: 5]")
@click.option("--resolution", type=RESOLUTION, help="Of videos that do not say; decides the price.  [default: 720P]")
@click.option("--ratio", type=RATIO, help="Width to height of videos that do not say.  [default: 16:9]")
@click.option("--name", metavar="NAME", help="The manifest's name.  [default: the file's that is written, else read]")
def command(
    file: Path,
    output: Path | None,
    form: str | None,
    columns: tuple[str, ...],
    duration: int | None,
    resolution: str | None,
    ratio: str | None,
    name: str | None,
) -> None:
    """Turn FILE into a manifest that validates as it stands; - reads stdin.

    FILE is a text with one prompt a line, a table (CSV, TSV) whose columns are named, JSON objects, curl
    commands as the API's documentation prints them, or a shot list in Markdown. What all scenes share is
    stated once, under `defaults`; what a manifest cannot hold is said.
    """
    flags = {"resolution": resolution, "ratio": ratio, "duration": duration}
    given = {key: value for key, value in flags.items() if value is not None}
    source = Source.of("stdin" if file == STDIN else str(file), text_in(file))
    if form is None and MANIFEST.match(source.text):
        hint = f"look at it: {typed('wanbatch', 'validate', file)}; scenes of another manifest are `- include: {file}`"
        raise WanbatchError(f"{source.file} is a manifest already", exit_code=Exit.USAGE, hint=hint)
    form = form or format_of(file.name, source.text)
    chosen = chosen_columns(columns, form)
    try:
        made = imported(source, form, chosen, name or named_after(output or file), {**OTHERWISE, **given})
    except NameRefused as error:
        message = f"{error.problem.message} ({error.problem.hint})"
        raise click.BadParameter(message, param_hint="--name") from None
    tell(source.file, made, given)
    if made.problems:
        raise refused(source.file, made)
    if not made.scenes:
        what, hint = WANTED[form]
        raise WanbatchError(f"{source.file} has no {what}", exit_code=Exit.USAGE, hint=hint)
    if output is None:
        click.echo(made.text.encode(), nl=False)
        return
    write_new(output, made.text.encode(), "name another file with -o")
    count = f"{made.scenes} scene{'s' if made.scenes != 1 else ''}"
    note(f"wrote {output}: {count}; next: {typed('wanbatch', 'plan', output)}")


def text_in(path: Path) -> str:
    """Return the text of a file, or of stdin. Raises WanbatchError, ManifestInvalid for bytes that are not text."""
    if path == STDIN:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise too_large("stdin", MAX_BYTES)
        return text_of("stdin", raw)
    try:
        return read_text(path)
    except ManifestInvalid:
        raise
    except WanbatchError as error:
        error.hint = "name a text file with one prompt a line, or a .csv, .tsv, .jsonl, .md or .sh file"
        raise


def named_after(path: Path) -> str:
    """Return a manifest's name for a file's."""
    return re.sub(r"[^\w.-]+", "-", path.stem).strip("-.") or "prompts"


def chosen_columns(columns: tuple[str, ...], form: str) -> dict[str, str]:
    """Return which column is which field. Raises BadParameter."""
    if columns and form not in WITH_COLUMNS:
        raise click.BadParameter(f"a {form} file has no columns", param_hint="--column")
    found: dict[str, str] = {}
    for column in columns:
        field, sign, name = column.partition("=")
        field = normal(field)
        if not sign or not name.strip() or field not in NAMES:
            known = ", ".join(NAMES)
            raise click.BadParameter(f"{column!r}: write FIELD=NAME; the fields are {known}", param_hint="--column")
        if field in found:
            raise click.BadParameter(f"{field} is given twice", param_hint="--column")
        found[field] = name
    return found


def tell(file: str, made: Imported, given: Mapping[str, Value]) -> None:
    """Say what of the file is not in the manifest, and which flags came to nothing."""
    for words in made.left_out:
        note(f"{file}: left out: {words}")
    for key in made.unused:
        if key in given:
            note(f"--{key} {given[key]} has no effect: every scene states its own")


def refused(file: str, made: Imported) -> ManifestInvalid:
    """Return the error for a file with problems."""
    error = ManifestInvalid(file, made.problems)
    count = len(made.problems)
    error.message = f"{file}: {count} problem{'s' if count != 1 else ''}; nothing was written"
    return error
