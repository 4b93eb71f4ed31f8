"""`wanbatch init`: a first manifest."""

from importlib.resources import files
from pathlib import Path

import click

from wanbatch import disk
from wanbatch.cli.common import typed
from wanbatch.cli.door import note
from wanbatch.errors import Exit, WanbatchError

TEMPLATES = ("shots", "prompts", "matrix", "daily")
"""Further first manifests, each in a file of its own beside the starter."""


@click.command("init")
@click.argument("manifest", required=False, type=click.Path(path_type=Path))
@click.option(
    "--template", type=click.Choice(TEMPLATES), help="What it shows.  [default: a scene of shots, and a plain one]"
)
def command(manifest: Path | None, template: str | None) -> None:
    """Write a first, commented manifest to MANIFEST. Overwrites nothing.

    Without MANIFEST: to manifest.yaml, a template to a file of its own name.

    \b
    shots    a story in timed shots, with a style
    prompts  plain prompts, one video each
    matrix   variables, a matrix, several takes of a scene
    daily    for a scheduler: a budget, a profile for drafts, tags
    """
    manifest = manifest or Path(f"{template or 'manifest'}.yaml")
    other = typed("wanbatch", "init", "other.yaml", *(["--template", template] if template else []))
    write_new(manifest, text_of(template), f"name another file: {other}")
    click.echo(f"wrote {manifest}")
    lines = (
        ("plan", manifest, None, "what a run would do, and its price"),
        ("run", manifest, "--simulate", "a first try: no key, no money"),
        ("run", manifest, None, "the videos; needs a key, and asks before it spends"),
    )
    commands = [typed("wanbatch", verb, path, flag) for verb, path, flag, _ in lines]
    longest = max(map(len, commands))
    note("next:")
    for line, (_, _, _, words) in zip(commands, lines, strict=True):
        note(f"  {line:{longest}}  {words}")


def text_of(template: str | None) -> bytes:
    """Return the bytes of a template; of the starter for None."""
    folder = files("wanbatch.manifest")
    return (folder / "starter.yaml" if template is None else folder / "templates" / f"{template}.yaml").read_bytes()


def write_new(path: Path, content: bytes, hint: str) -> None:
    """Write a file that is not there yet: whole or not at all, and never over another.

    Raises WanbatchError; for a name that is taken, with `hint`. Half a manifest may be a valid one of fewer scenes.
    """
    try:
        with disk.Folder.open(path.parent) as folder:
            mode = folder.usual_mode(f".{path.name}.mode")
            folder.write_whole(path.name, content, replace=False)
            path.chmod(mode)
    except FileExistsError:
        raise WanbatchError(f"{path} exists already and was left as it is", exit_code=Exit.USAGE, hint=hint) from None
    except OSError as error:
        raise WanbatchError(f"cannot write {path}: {error.strerror}", exit_code=Exit.STATE) from None
