"""`wanbatch render`: exactly what would be sent."""

from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.door import echo_json
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import PARAMETERS, Wanted
from wanbatch.views.text import printable


@click.command("render")
@common.manifest_argument
@common.reading_options
@common.select_option
@common.json_option
def command(manifest: Path, reading: Reading, selection: str | None, as_json: bool) -> None:
    """Show the request of each scene of MANIFEST, exactly as it would be sent. Nothing is sent.

    With --json, one array: job, digest and body of each request.
    """
    wanted = common.wanted_of(common.manifest_of(manifest, reading), selection)
    if as_json:
        echo_json([{"job": str(one.key), "digest": one.request.digest(), "body": one.request.body()} for one in wanted])
        return
    click.echo("\n\n".join(as_text(one) for one in wanted))


def as_text(wanted: Wanted) -> str:
    """Return one request for people."""
    request = wanted.request
    parameters = "  ".join(f"{name} {shown(getattr(request, name))}" for name in PARAMETERS)
    lines = [f"{wanted.key.stem}  {request.model}  {request.digest()[:12]}", f"  {parameters}"]
    lines += ["  prompt:", f"    {printable(request.prompt)}"]
    if request.negative_prompt is not None:
        lines += ["  negative prompt:", f"    {printable(request.negative_prompt)}"]
    if request.audio_url is not None:
        lines.append(f"  audio: {printable(request.audio_url)}")
    return "\n".join(lines)


def shown(value: object) -> str:
    """Return a parameter as the manifest would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
