"""`wanbatch import`: a file of prompts becomes a manifest."""

import re
from dataclasses import replace
from pathlib import Path

import click

from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.manifest.check import check
from wanbatch.manifest.document import parse, read_text
from wanbatch.manifest.importing import manifest_text, prompts_of, scene_at
from wanbatch.service import catalog


def allowed(parameter: str) -> list[str]:
    """Return the values that the request's schema allows for a parameter."""
    properties = catalog.request_schema("wan2.7-t2v")["properties"]["parameters"]["properties"]
    values: list[str] = properties[parameter]["enum"]
    return values


@click.command("import")
@click.argument("prompts", type=click.Path(path_type=Path))
@click.option("-o", "output", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to stdout.")
@click.option("--duration", type=int, default=5, show_default=True, help="Seconds of each video.")
@click.option("--resolution", default="720P", show_default=True, help="720P or 1080P; decides the price.")
@click.option("--ratio", default="16:9", show_default=True, help="16:9, 9:16, 1:1, 4:3 or 3:4.")
@click.option("--name", help="The manifest's name.  [default: the file's stem]")
def command(prompts: Path, output: Path | None, duration: int, resolution: str, ratio: str, name: str | None) -> None:
    """Turn PROMPTS, a text file with one prompt a line, into a manifest that validates as it stands.

    Ids are made of the prompts' words; resolution, ratio and duration are stated once, under `defaults`.
    """
    found = prompts_of(read_text(prompts))
    if not found:
        raise WanbatchError(f"{prompts} has no prompts", exit_code=Exit.USAGE, hint="write one prompt a line")
    stem = name or re.sub(r"[^\w.-]+", "-", prompts.stem).strip("-.") or "prompts"
    text = manifest_text(stem, list(found.values()), duration=duration, resolution=resolution, ratio=ratio)
    _, problems = check(parse(str(prompts), text))
    if problems:
        raise ManifestInvalid(str(prompts), tuple(in_prompts(problem, text, found) for problem in problems))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise WanbatchError(
            f"{output} exists already and was left as it is", exit_code=Exit.USAGE, hint="name another file with -o"
        ) from None
    click.echo(f"wrote {output}: {len(found)} scenes", err=True)


def in_prompts(problem: Problem, manifest: str, prompts: dict[int, str]) -> Problem:
    """Return a problem of the manifest that would have been written, with its place in the file of prompts."""
    scene = scene_at(manifest, problem.where.line)
    if scene is None:
        return replace(problem, where=replace(problem.where, line=1, column=1, source=""))
    line, prompt = list(prompts.items())[scene]
    return replace(problem, where=replace(problem.where, line=line, column=1, width=len(prompt), source=prompt))
