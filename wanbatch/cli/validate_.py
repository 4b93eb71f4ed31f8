"""`wanbatch validate`: the manifests are within the language and the API's limits, or every reason why not."""

import sys
from pathlib import Path

import click

from wanbatch.cli.common import manifest_of
from wanbatch.cli.door import note, say
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.views.problems import show


@click.command("validate")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(manifests: tuple[Path, ...]) -> int:
    """Check MANIFESTS against the language and the API's limits.

    All problems are shown at once, each with its place and what to write instead. Nothing is sent.
    """
    found = {judged(path) for path in manifests}
    return int(Exit.INVALID if Exit.INVALID in found else max(found))


def judged(path: Path) -> Exit:
    """Say what a manifest is; a file that cannot be read does not keep the others from being checked."""
    try:
        manifest = manifest_of(path)
    except ManifestInvalid as error:
        for problem in error.problems:
            note(show(problem, columns(sys.stderr)))
        count = len(error.problems)
        note(f"{path}: {count} problem{'s' if count != 1 else ''}")
        return Exit.INVALID
    except WanbatchError as error:
        say(error.message, error.hint)
        return error.exit_code
    scenes, seconds = len(manifest.scenes), sum(scene.duration for scene in manifest.scenes)
    click.echo(f"{path}: valid, {scenes} scene{'s' if scenes != 1 else ''}, {seconds} s of video")
    return Exit.DONE
