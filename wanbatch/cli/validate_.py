"""`wanbatch validate`: the manifests are within the language and the API's limits, or every reason why not."""

from pathlib import Path

import click

from wanbatch.errors import Exit, ManifestInvalid
from wanbatch.manifest.check import load
from wanbatch.views.problems import show


@click.command("validate")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(manifests: tuple[Path, ...]) -> int:
    """Check MANIFESTS against the language and the API's limits.

    All problems are shown at once, each with its place and what to write instead. Nothing is sent.
    """
    invalid = 0
    for path in manifests:
        try:
            manifest = load(path)
        except ManifestInvalid as error:
            invalid += 1
            for problem in error.problems:
                click.echo(show(problem), err=True)
            count = len(error.problems)
            click.echo(f"{path}: {count} problem{'s' if count != 1 else ''}", err=True)
            continue
        scenes, seconds = len(manifest.scenes), sum(scene.duration for scene in manifest.scenes)
        click.echo(f"{path}: valid, {scenes} scene{'s' if scenes != 1 else ''}, {seconds} s of video")
    return int(Exit.INVALID) if invalid else 0
