"""`wanbatch init`: a first manifest."""

from importlib.resources import files
from pathlib import Path

import click

from wanbatch.errors import Exit, WanbatchError


@click.command("init")
@click.argument("manifest", default="manifest.yaml", type=click.Path(path_type=Path))
def command(manifest: Path) -> None:
    """Write a first, commented manifest to MANIFEST  [default: manifest.yaml]. Overwrites nothing."""
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
    click.echo(f"next: wanbatch plan {manifest}, then wanbatch run {manifest} --simulate (no key, no money)", err=True)
