"""`wanbatch wait`: the second half of a run: what is with the service is waited for and brought home."""

from typing import Any

import click

from wanbatch.cli import asked
from wanbatch.cli.asked import Options
from wanbatch.cli.run_ import go


@click.command("wait")
@asked.WHAT
@asked.WHERE
@asked.PACE
@asked.UNATTENDED
def command(**given: Any) -> int:
    """Wait for what is with the service for MANIFEST, and download it. Submits nothing, and so never spends.

    Exit code 4 after --deadline when something is still with the service, and whenever scenes are not submitted yet.
    """
    return go(Options(verb="wait", **given))
