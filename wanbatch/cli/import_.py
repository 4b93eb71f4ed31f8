"""`wanbatch import`: a file of prompts becomes a manifest."""

import re
from dataclasses import replace
from pathlib import Path

import click

from wanbatch.cli.common import typed
from wanbatch.cli.door import note
from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse, read_text
from wanbatch.manifest.importing import manifest_text, prompts_of, scene_at
from wanbatch.service import catalog

PARAMETERS = catalog.request_schema("wan2.7-t2v")["properties"]["parameters"]["properties"]
"""What the request's schema allows: the flags take it from there."""
SECONDS = click.IntRange(PARAMETERS["duration"]["minimum"], PARAMETERS["duration"]["maximum"])
RESOLUTION = click.Choice(PARAMETERS["resolution"]["enum"])
RATIO = click.Choice(PARAMETERS["ratio"]["enum"])


@click.command("import")
@click.argument("prompts", type=click.Path(path_type=Path))
@click.option("-o", "output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to stdout.")
@click.option("--duration", type=SECONDS, metavar="N", default=5, show_default=True, help="Seconds of each video.")
@click.option("--resolution", type=RESOLUTION, default="720P", show_default=True, help="Decides the price.")
@click.option("--ratio", type=RATIO, default="16:9", show_default=True, help="Width to height.")
@click.option("--name", metavar="NAME", help="The manifest's name.  [default: the file's that is written, else read]")
def command(prompts: Path, output: Path | None, duration: int, resolution: str, ratio: str, name: str | None) -> None:
    """Turn PROMPTS, a text file with one prompt a line, into a manifest that validates as it stands.

    Ids are made of the prompts' words; resolution, ratio and duration are stated once, under `defaults`.
    """
    found = prompts_in(prompts)
    stem = name or re.sub(r"[^\w.-]+", "-", (output or prompts).stem).strip("-.") or "prompts"
    text = manifest_text(stem, list(found.values()), duration=duration, resolution=resolution, ratio=ratio)
    _, problems = check(parse(str(prompts), text))
    if problems:
        raise ManifestInvalid(str(prompts), tuple(in_prompts(problem, text, found) for problem in problems))
    if output is None:
        click.echo(text.encode(), nl=False)
        return
    write(output, text)
    count = f"{len(found)} scene{'s' if len(found) != 1 else ''}"
    note(f"wrote {output}: {count}; next: {typed('wanbatch', 'plan', output)}")


def prompts_in(path: Path) -> dict[int, str]:
    """Return the prompts of a file by line number. Raises WanbatchError when there are none."""
    try:
        found = prompts_of(read_text(path))
    except ManifestInvalid:
        raise
    except WanbatchError as error:
        error.hint = "name a text file with one prompt a line"
        raise
    if not found:
        raise WanbatchError(f"{path} has no prompts", exit_code=Exit.USAGE, hint="write one prompt a line")
    return found


def write(output: Path, text: str) -> None:
    """Write a file that is not there yet. Raises WanbatchError."""
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise WanbatchError(
            f"{output} exists already and was left as it is", exit_code=Exit.USAGE, hint="name another file with -o"
        ) from None
    except OSError as error:
        raise WanbatchError(f"cannot write {output}: {error.strerror}", exit_code=Exit.STATE) from None


def in_prompts(problem: Problem, manifest: str, prompts: dict[int, str]) -> Problem:
    """Return a problem of the manifest that would have been written, with its place in the file of prompts.

    Raises BadParameter for one that no prompt can have caused: then it is the name.
    """
    scene = scene_at(manifest, problem.where.line)
    if scene is None:
        raise click.BadParameter(f"{problem.message} ({problem.hint})", param_hint="--name")
    line, prompt = list(prompts.items())[scene]
    return replace(problem, where=replace(problem.where, line=line, column=1, width=len(prompt), source=prompt))
