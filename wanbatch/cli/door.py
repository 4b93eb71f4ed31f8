"""The door: the commands by name, and the one place where failure leaves the program.

Imports click and nothing heavier: start-up is felt at every keystroke. A command's own file is imported when
it is called.
"""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import click

from wanbatch import __version__

VERBS = {
    "init": "Write a first, commented manifest, or one of four templates.",
    "import": "Turn prompts, a table, JSON, curl commands or a shot list into a manifest.",
    "validate": "Check manifests against the language and the API's limits.",
    "explain": "Say what the code of a problem means, with a wrong example and a right one.",
    "render": "Show exactly what would be sent.",
    "plan": "Show what a run would do, why, and what it costs.",
    "diff": "Compare manifests with a revision of git: what would be generated, and its price.",
    "run": "Submit, collect and download what the manifest asks for.",
    "submit": "Submit what the manifest asks for, and leave it with the service.",
    "wait": "Collect what is with the service; submits nothing.",
    "status": "Show how far each scene is; works while a run is going on.",
    "pick": "Choose among the takes of a scene, or show what is picked.",
    "reroll": "Ask for more takes of a scene; the next run makes them.",
    "verify": "Compare the lock file with the manifest, the journal and the videos.",
    "spend": "Show what all runs of this user have spent, by day, manifest or scene.",
    "reconcile": "Look for what is in doubt in the account's task list; submits nothing.",
    "resolve": "Decide about a scene that is held.",
    "journal": "Check the journal, show a scene's history, save what a damaged one tells.",
    "adopt": "Give a task of the account to the scene that it was made for.",
    "doctor": "Check what a run needs: key, region, limits, disk, lock, ledger; costs nothing.",
    "simulate": "Serve the API on this machine: no key, no money.",
    "schema": "Print the JSON Schemas, or set up an editor with --install.",
}
"""The verbs in the order in which a newcomer needs them, with the help's words for each."""


FORM: ContextVar[Callable[[str, str], str] | None] = ContextVar("FORM", default=None)
"""How stderr says a message and its hint: None for people, else as one line for programs (`--log-format json`)."""


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
    stopped at any moment and started again: it submits no scene twice by itself.

    A first try, without a key and without money:

    \b
      wanbatch init
      wanbatch run manifest.yaml --simulate
    """


def main() -> None:
    """Run the program and leave with an exit code. Every failure goes out through here."""
    stand_in()
    heed()
    code = guarded(sys.argv[1:])
    silence()
    sys.exit(code)


class Ended(KeyboardInterrupt):
    """A signal other than Ctrl-C's ended the command. Raises out of whatever is being done, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def heed() -> None:
    """Let SIGTERM and SIGHUP end the command in words; as process 1 of a container they would do nothing at all.

    A signal that whoever started us has switched off (nohup) stays off.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


def end(number: int, _frame: object) -> None:
    """Raise what ends the command."""
    raise Ended(number)


def stand_in() -> None:
    """Give closed standard streams a descriptor, or the next file that is opened would get their number.

    Writing to a closed stdout stays an error; what goes to a closed stderr is lost, as was asked for.
    """
    for number, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        stream = getattr(sys, name)
        if stream is None:
            fd = os.open(os.devnull, flags)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            stream = os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
        if number and isinstance(getattr(stream, "buffer", None), io.RawIOBase):
            # Unbuffered (PYTHONUNBUFFERED): a raw stream loses what a short write leaves, without a word.
            stream = io.TextIOWrapper(io.BufferedWriter(stream.buffer), encoding=stream.encoding, write_through=True)
            setattr(sys, name, stream)
        if number:
            stream.reconfigure(errors="backslashreplace")  # a locale without Chinese must not end a run


def silence() -> None:
    """Make sure that what is left in the streams' buffers cannot fail after the exit code is known."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def guarded(args: list[str]) -> int:
    """Run a command; return its exit code. Raises nothing."""
    FORM.set(None)
    try:
        return invoked(args)
    except click.ClickException as error:
        return misused(error)
    except BrokenPipeError:
        return 141
    except (KeyboardInterrupt, click.exceptions.Abort) as stopped:
        say("interrupted; nothing is lost: the same command goes on")
        return 143 if isinstance(stopped, Ended) and stopped.number == signal.SIGTERM else 130
    except Exception as error:  # noqa: BLE001 - the one door for failure
        return failed(error)


def invoked(args: list[str]) -> int:
    """Run a command as click does, but let every exception through: click's own `main` swallows broken pipes."""
    if "_WANBATCH_COMPLETE" in os.environ:
        cli.main(args, prog_name="wanbatch", standalone_mode=False)
    try:
        with cli.make_context("wanbatch", list(args)) as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as done:
        result = done.exit_code
    sys.stdout.flush()
    return int(result) if isinstance(result, int) else 0


def misused(error: click.ClickException) -> int:
    """Say what is wrong with a command line, and which help to read."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "wanbatch"
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    message = error.format_message().strip().removesuffix(".").replace(". Did you mean", "; did you mean")
    say(message[:1].lower() + message[1:], f"{path} --help shows what there is")
    return 2


def failed(error: Exception) -> int:
    """Say what an exception means for the user; return its exit code."""
    from wanbatch.errors import ManifestInvalid, WanbatchError

    if isinstance(error, ManifestInvalid):
        from wanbatch.cli.terminal import columns
        from wanbatch.views.problems import report

        for text in report(error.problems, columns(sys.stderr)):
            note(text)
    if isinstance(error, WanbatchError):
        say(error.message, error.hint)
        return int(error.exit_code)
    if isinstance(error, OSError) and error.errno is not None:
        what = f"{error.filename}: {error.strerror}" if error.filename else f"cannot write the output: {error.strerror}"
        say(what)
        return 9
    return crashed(error)


def crashed(error: Exception) -> int:
    """Save a report of a bug; say where it is. It holds no variables: they may hold the key."""
    import tempfile
    import traceback

    lines = traceback.format_exception(type(error), error, error.__traceback__)
    body = discreet(f"wanbatch {__version__}, Python {sys.version}\n{''.join(lines)}")
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="wanbatch-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(body)
        where = f"please send the report {report.name}"
    except OSError:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = "no place for a report; it happened " + " ".join(f"in {at.filename}:{at.lineno}" for at in last)
    say(
        f"a bug in wanbatch: {type(error).__name__}; nothing is lost: what was done is in the journal",
        f"{where}; the same command goes on",
    )
    return 1


def discreet(text: str) -> str:
    """Return a report without any key and without what signs URLs."""
    import re

    secrets = (os.environ.get("DASHSCOPE_API_KEY") or "").split()
    with contextlib.suppress(OSError, ValueError), open(os.environ.get("DASHSCOPE_API_KEY_FILE_PATH") or "") as file:  # noqa: PTH123
        secrets += file.read(10_000).split()
    secrets += [value.strip() for name, value in os.environ.items() if "KEY" in name.upper() and len(value.strip()) > 8]
    for secret in secrets:
        text = text.replace(secret, "***")
    text = re.sub(r"\bsk-[A-Za-z0-9._~+-]+", "***", text)  # of a configured account's file
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text)


def say(message: str, hint: str = "") -> None:
    """Write to stderr: what happened, then the next command to type."""
    from wanbatch.views.text import printable

    form = FORM.get()
    if form is not None:
        echo(form(message, hint))
        return
    echo(f"wanbatch: {printable(message)}")
    if hint:
        echo(f"  {printable(hint)}")


def note(text: str) -> None:
    """Write a line to stderr, for people as it is."""
    form = FORM.get()
    echo(text if form is None else form(text, ""))


def echo(line: str) -> None:
    """Write a line to stderr. A terminal that is gone is no failure, and must not become the exit code."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(line, err=True)


def echo_json(value: Any) -> None:
    """Write a value as JSON to stdout; as plain ASCII where the locale knows no more.

    Characters that a terminal would obey are escapes: JSON means the same by them.
    """
    import json

    from wanbatch.views.text import shown

    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    lines = json.dumps(value, ensure_ascii=not unicode, indent=2).split("\n")
    safe = [
        line if line.isascii() else "".join(c if shown(c) == c else f"\\u{ord(c):04x}" for c in line) for line in lines
    ]
    click.echo("\n".join(safe))
