"""The door: the commands by name, and the one place where failure leaves the program.

Imports click and nothing heavier: start-up is felt at every keystroke. A command's own file is imported when
it is called.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

from wanbatch import __version__

VERBS = {
    "init": "Write a first, commented manifest.",
    "import": "Turn a file of prompts, one a line, into a manifest.",
    "validate": "Check manifests against the language and the API's limits.",
    "render": "Show exactly what would be sent.",
    "plan": "Show what a run would do, why, and what it costs.",
    "run": "Submit, collect and download what the manifest asks for.",
    "status": "Show how far each scene is; works while a run is going on.",
    "resolve": "Decide about a scene that is held.",
    "simulate": "Serve the API on this machine: no key, no money.",
    "schema": "Print the JSON Schema of manifests or of requests.",
}
"""The verbs in the order in which a newcomer needs them, with the help's words for each."""


class Verbs(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's file."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"wanbatch.cli.{cmd_name}_").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which verb was probably meant."""
        name = args[0] if args else ""
        if name not in VERBS and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, VERBS, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            ctx.fail(f"no such command: {name}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="wanbatch")
def cli() -> None:
    """Video prompts in git, videos on disk.

    wanbatch reads a YAML manifest of scenes, says what a run will do and cost, submits to Wan 2.7
    text-to-video, and leaves verified mp4 files with a record of how each came to be. It can be
    stopped at any moment and started again: nothing is paid for twice.

    A first try, without a key and without money:  wanbatch init && wanbatch run manifest.yaml --simulate
    """


def main() -> None:
    """Run the program and leave with an exit code. Every failure goes out through here."""
    sys.exit(guarded(sys.argv[1:]))


def guarded(args: list[str]) -> int:
    """Run a command; return its exit code. Raises nothing."""
    try:
        result = cli.main(args, prog_name="wanbatch", standalone_mode=False)
        sys.stdout.flush()
        return int(result) if isinstance(result, int) else 0
    except click.exceptions.Abort:
        say("interrupted")
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it flushes
        return 141
    except KeyboardInterrupt:
        say("interrupted; nothing is lost: run the same command again")
        return 130
    except Exception as error:  # noqa: BLE001 - the one door for failure
        return failed(error)


def failed(error: Exception) -> int:
    """Say what an exception means for the user; return its exit code."""
    from wanbatch.errors import ManifestInvalid, WanbatchError

    if isinstance(error, ManifestInvalid):
        from wanbatch.views.problems import show

        for problem in error.problems:
            click.echo(show(problem), err=True)
    if isinstance(error, WanbatchError):
        say(error.message, error.hint)
        return int(error.exit_code)
    if isinstance(error, OSError) and error.errno is not None:
        say(f"{error.filename or 'the system'}: {error.strerror}")
        return 9
    return crashed(error)


def crashed(error: Exception) -> int:
    """Save a report of a bug; say where it is. It holds no variables: they may hold the key."""
    import tempfile
    import traceback

    lines = traceback.format_exception(type(error), error, error.__traceback__)
    body = f"wanbatch {__version__}, Python {sys.version}\n{''.join(lines)}"
    for secret in (os.environ.get("DASHSCOPE_API_KEY") or "").split():
        body = body.replace(secret, "***")
    with tempfile.NamedTemporaryFile("w", prefix="wanbatch-bug-", suffix=".txt", delete=False) as report:
        report.write(body)
    say(f"a bug in wanbatch: {type(error).__name__}", f"the report is {report.name}; what was done is in the journal")
    return 1


def say(message: str, hint: str = "") -> None:
    """Write to stderr: what happened, then the next command to type."""
    from wanbatch.views.text import printable

    click.echo(f"wanbatch: {printable(message)}", err=True)
    if hint:
        click.echo(f"  {printable(hint)}", err=True)


def echo_json(value: Any) -> None:
    """Write a value as JSON to stdout."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
