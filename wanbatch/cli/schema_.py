"""`wanbatch schema`: the JSON Schemas, for editors and other tools; and how an editor comes to use one."""

import codecs
import json
import os
import re
import stat
from pathlib import Path

import click

from wanbatch import disk
from wanbatch.cli.common import typed
from wanbatch.cli.door import note, say
from wanbatch.errors import Exit, WanbatchError
from wanbatch.service import catalog

NAME = "manifest.schema.json"
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
HEADER = re.compile(r"(?:[^\S\r\n]*(?:#[^\r\n]*)?(?:\r\n?|\n))*(?:#[^\r\n]*)?")
"""The blank lines and remarks that a file begins with: a language server looks for its line there and nowhere else."""
MODELINE = re.compile(
    r"(?:\A|(?<=[\r\n]))#[^\S\r\n]+yaml-language-server[^\S\r\n]*:[^\r\n]*?\$schema[=:][^\S\r\n]*(\S+)"
)


@click.command("schema")
@click.argument("manifests", metavar="[MANIFEST]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--install", is_flag=True, help=f"Write {NAME} beside each MANIFEST, and the line that names it.")
@click.option("--request", metavar="MODEL", help="The schema of a request to MODEL instead of the manifest's.")
def command(manifests: tuple[Path, ...], install: bool, request: str | None) -> int:
    """Print the JSON Schema of manifests.

    With --install, an editor with yaml-language-server completes, explains and checks each MANIFEST from now on: the
    schema is written beside it, and its first line names the schema. Nothing else of the file changes. Without a
    MANIFEST only the schema is written, into the current folder.
    """
    if install and request is not None:
        raise click.UsageError("--request prints a schema; --install is for the manifest's")
    if manifests and not install:
        raise click.UsageError(f"to set up an editor for it: {typed('wanbatch', 'schema', '--install', manifests[0])}")
    if not install:
        click.echo(catalog.schema_text(NAME if request is None else schema_of(request)), nl=False)
        return Exit.DONE
    if manifests:
        return installed(manifests)
    write_schema(Path(NAME))
    note(f"next: {typed('wanbatch', 'schema', '--install', 'film.yaml')}, which writes a manifest's first line")
    return Exit.DONE


def schema_of(model: str) -> str:
    """Return the name of the file with a model's request schema. Raises BadParameter."""
    family = catalog.family(model)
    if family is None:
        known = ", ".join(catalog.models())
        raise click.BadParameter(f"{model!r} is not known; one of {known}", param_hint="--request")
    name: str = catalog.data()["families"][family]["schema"]
    return name


def installed(manifests: tuple[Path, ...]) -> int:
    """Set up each manifest, and say what was done; one that cannot be does not keep the others from it."""
    found = set()
    ready: list[Path] = []
    schemas: set[Path] = set()
    for manifest in manifests:
        try:
            schema = set_up(manifest, schemas)
        except WanbatchError as error:
            say(error.message, error.hint)
            found.add(error.exit_code)
        else:
            ready.append(manifest)
            schemas.add(schema)
    if ready:
        note(f"next: {typed('wanbatch', 'validate', *ready)}")
    return int(max(found, default=Exit.DONE))


def set_up(manifest: Path, written: set[Path]) -> Path:
    """Write the schema that a manifest names, unless it is among those `written`, and the line; return the schema.

    A line that is there stays when it names a schema of wanbatch's, wherever that is, and that one is made up to
    date. It is changed when what it names does not exist. Raises WanbatchError for any other, and for files that
    cannot be read or written; then the manifest is as it was.
    """
    if manifest.suffix == ".json":
        message = f"{manifest} is JSON, which has no place for a line that names a schema"
        hint = f"{typed('wanbatch', 'schema', '--install')} writes the schema; name it in the editor's settings"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)
    content = read(manifest)
    target = named(content)
    if target is not None and "://" not in target and ours(manifest.parent / target):
        path = target
    elif target is None or ("://" not in target and not os.path.lexists(manifest.parent / target)):
        path = NAME
    else:
        message = f"{manifest} names another schema, {target}, and was left as it is"
        hint = "to have wanbatch's instead, remove that line and run this once more"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)
    schema = manifest.parent / path
    if schema not in written:
        write_schema(schema)
    after = with_line(content, path)
    if after == content:
        click.echo(f"{manifest}: names {path} already")
    else:
        put(manifest, after)
        click.echo(f"wrote {manifest}: it names {path} now")
    return schema


def text_of(content: bytes) -> tuple[bytes, str, str, str]:
    """Return a file's byte order mark, its text, its encoding, and the way with errors that loses no byte.

    Raises UnicodeDecodeError for what is no text.
    """
    mark, encoding = next((one for one in MARKS if content.startswith(one[0])), (b"", "utf-8"))
    errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
    return mark, content[len(mark) :].decode(encoding, errors), encoding, errors


def line_in(text: str) -> re.Match[str] | None:
    """Return the language server's line, if the file has one where it is looked for."""
    header = HEADER.match(text)
    return MODELINE.search(text, 0, header.end() if header else 0)


def named(content: bytes) -> str | None:
    """Return the schema that a manifest names by its language server's line."""
    line = line_in(text_of(content)[1])
    return line[1] if line else None


def with_line(content: bytes, schema: str) -> bytes:
    """Return a manifest whose line names `schema`; without one it becomes the first, with the file's own line ending.

    A line `#!`, which only works as the first, stays the first.
    """
    mark, text, encoding, errors = text_of(content)
    line = line_in(text)
    if line:
        after = text[: line.start(1)] + schema + text[line.end(1) :]
    else:
        found = re.search(r"\r\n?|\n", text)
        end = found[0] if found else "\n"
        at = found.end() if found and text.startswith("#!") else 0
        after = f"{text[:at]}# yaml-language-server: $schema={schema}{end}{text[at:]}"
    return mark + after.encode(encoding, errors)


def read(manifest: Path) -> bytes:
    """Return a manifest's bytes. Raises WanbatchError."""
    if manifest.is_dir():
        message = f"{manifest} is a folder, not a manifest"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint="name the .yaml file in it")
    try:
        content = disk.read_plain(manifest)
        text_of(content)
    except UnicodeDecodeError:
        message = f"{manifest} is no text and was left as it is"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint="save the file as UTF-8") from None
    except OSError as error:
        hint = (
            f"{typed('wanbatch', 'init', manifest)} writes a first one" if isinstance(error, FileNotFoundError) else ""
        )
        message = f"cannot read {manifest}: {error.strerror}"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint) from None
    return content


def ours(path: Path) -> bool:
    """Return whether a file is a schema of manifests of wanbatch's."""
    try:
        found = json.loads(disk.read_plain(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("$id") == catalog.manifest_schema()["$id"]


def write_schema(path: Path) -> None:
    """Write the manifest's schema, over an older one of ours and over nothing else. Raises WanbatchError."""
    content = catalog.schema_text(NAME).encode()
    if os.path.lexists(path):
        if not ours(path):
            message = f"{path} is not a schema of wanbatch's and was left as it is"
            raise WanbatchError(message, exit_code=Exit.USAGE, hint="move it away, and run this once more")
        if disk.read_plain(path) == content:
            click.echo(f"{path}: up to date already")
            return
    put(path, content)
    click.echo(f"wrote {path}")


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions it has or a new one gets. Raises WanbatchError.

    A link stays one: what it leads to is written.
    """
    real = Path(os.path.realpath(path))
    try:
        with disk.Folder.open(real.parent) as folder:
            there = folder.status(real.name)
            mode = stat.S_IMODE(there.st_mode) if there else folder.usual_mode(f".{real.name}.mode")
            folder.write_whole(real.name, content)
            real.chmod(mode)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = f"the schema alone goes to stdout: {typed('wanbatch', 'schema')}"
        raise WanbatchError(f"cannot write {path}: {reason}", exit_code=Exit.STATE, hint=hint) from None
