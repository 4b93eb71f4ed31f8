"""`wanbatch submit`: the first half of a run, for schedulers that collect later."""

from typing import Any

import click

from wanbatch.cli import asked
from wanbatch.cli.asked import Options, Verb
from wanbatch.cli.run_ import go


@click.command("submit", cls=Verb)
@asked.WHAT
@asked.WHERE
@asked.SPENDING
@asked.PACE
@asked.UNATTENDED
def command(**given: Any) -> int:
    """Submit what MANIFEST asks for and leave it with the service. MANIFEST may also be a saved plan (plan --save).

    Ends when everything is submitted; where the account's limit of tasks at once holds scenes back, it waits for its
    turn. Exit code 4 says that tasks are with the service: `wanbatch wait` collects them, and so does a run. They can
    be collected for 24 hours.
    """
    return go(Options(verb="submit", **given))
