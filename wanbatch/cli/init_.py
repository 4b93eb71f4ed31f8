"""`wanbatch init`: a first manifest."""

from importlib.resources import files
from pathlib import Path

import click

from wanbatch.cli.common import typed
from wanbatch.cli.door import note
from wanbatch.errors import Exit, WanbatchError


@click.command("init")
@click.argument("manifest", default="manifest.yaml", type=click.Path(path_type=Path))
def command(manifest: Path) -> None:
    """Write a first, commented manifest to MANIFEST, or to manifest.yaml. Overwrites nothing."""
    text = (files("wanbatch.manifest") / "starter.yaml").read_bytes()
    try:
        with manifest.open("xb") as stream:
            stream.write(text)
    except FileExistsError:
        raise WanbatchError(
            f"{manifest} exists already and was left as it is",
            exit_code=Exit.USAGE,
            hint="name another file: wanbatch init other.yaml",
        ) from None
    except OSError as error:
        raise WanbatchError(f"cannot write {manifest}: {error.strerror}", exit_code=Exit.STATE) from None
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
