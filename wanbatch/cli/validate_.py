"""`wanbatch validate`: the manifests are within the language and the API's limits, or every reason why not."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import click

from wanbatch.cli.common import JSON_FORMAT, manifest_of, reading_options
from wanbatch.cli.door import echo_json, note, say
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.manifest.assemble import KEPT, Reading
from wanbatch.manifest.model import Manifest
from wanbatch.views.problems import annotations, as_json, report


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one manifest. `error` is why it could not be read at all."""

    path: Path
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()
    error: WanbatchError | None = None
    strict: bool = False

    @property
    def valid(self) -> bool:
        """Whether it would be run; under `--strict`, also without a warning."""
        return self.manifest is not None and not (self.strict and self.problems)

    @property
    def code(self) -> Exit:
        """The exit code that this manifest asks for."""
        if self.error is not None:
            return self.error.exit_code
        return Exit.DONE if self.valid else Exit.INVALID

    @property
    def summary(self) -> str:
        """What is said of it in one line."""
        count = len(self.problems)
        if self.manifest is None:
            return f"{self.path}: {count} problem{'s' if count != 1 else ''}"
        warnings = f"{count} warning{'s' if count != 1 else ''}"
        if not self.valid:
            return f"{self.path}: {warnings}; --strict takes them for errors"
        scenes, videos = len(self.manifest.scenes), len(self.manifest.wanted)
        made = f", {videos} videos" if videos != scenes else ""
        said = (
            f"{self.path}: valid, {scenes} scene{'s' if scenes != 1 else ''}{made}, {seconds(self.manifest)} s of video"
        )
        return f"{said}, {warnings}" if count else said


@click.command("validate")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@reading_options
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("--ignore", "ignored", multiple=True, metavar="CODE", help="Leave this warning out. May be repeated.")
@click.option(
    "--output-format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for annotations in a GitHub workflow.",
)
def command(manifests: tuple[Path, ...], reading: Reading, strict: bool, ignored: tuple[str, ...], form: str) -> int:
    """Check MANIFESTS against the language and the API's limits.

    All problems are shown at once, each with its place and what to write instead; `wanbatch explain CODE` says more
    of one. Nothing is sent.
    """
    without = {warning(word) for word in ignored}
    ours = [path for path in manifests if path.name.endswith(KEPT) and len(manifests) > 1]  # `*.yaml` takes them in
    verdicts = [judged(path, reading, strict, without) for path in manifests if path not in ours]
    if form == "json":
        echo_json({"format": JSON_FORMAT, "manifests": [row(verdict) for verdict in verdicts]})
    for verdict in verdicts:
        if form != "json":
            tell(verdict, github=form == "github")
    found = {verdict.code for verdict in verdicts}
    return int(Exit.INVALID if Exit.INVALID in found else max(found, default=Exit.DONE))


def warning(word: str) -> str:
    """Return the code of a warning that is not to be shown; a usage error for what is none."""
    from wanbatch.manifest.diagnostics import named, near

    page = named(word)
    if page is None:
        meant = near(word)
        rest = f"did you mean {meant}?" if meant and meant.startswith("W") else "`wanbatch explain` lists them"
        raise click.BadParameter(f"no such warning: {word}; {rest}", param_hint="--ignore")
    if page.severity != "warning":
        raise click.BadParameter(f"{page.code} is an error, not a warning: it must be mended", param_hint="--ignore")
    return page.code


def judged(path: Path, reading: Reading, strict: bool, without: Collection[str]) -> Verdict:
    """Return what a manifest is; a file that cannot be read does not keep the others from being checked."""
    try:
        manifest = manifest_of(path, reading)
    except ManifestInvalid as error:
        return Verdict(path, problems=error.problems)
    except WanbatchError as error:
        return Verdict(path, error=error)
    warnings = tuple(problem for problem in manifest.warnings if problem.code not in without)
    return Verdict(path, manifest, warnings, strict=strict)


def tell(verdict: Verdict, *, github: bool) -> None:
    """Say what a manifest is: its problems, then one line, which is data only for a valid one."""
    if verdict.error is not None:
        say(verdict.error.message, verdict.error.hint)
        return
    if github:
        for line in annotations(verdict.problems):
            click.echo(line)
    else:
        for text in report(verdict.problems, columns(sys.stderr)):
            note(text)
    if verdict.valid and not github:
        click.echo(verdict.summary)
    else:
        note(verdict.summary)


def seconds(manifest: Manifest) -> int:
    """Return how many seconds of video a manifest asks for, in all its takes."""
    return sum(one.request.duration for one in manifest.wanted)


def row(verdict: Verdict) -> dict[str, object]:
    """Return a manifest as JSON data."""
    manifest = verdict.manifest
    return {
        "file": str(verdict.path),
        "valid": verdict.valid,
        "scenes": len(manifest.scenes) if manifest else None,
        "videos": len(manifest.wanted) if manifest else None,
        "seconds": seconds(manifest) if manifest else None,
        "problems": [as_json(problem) for problem in verdict.problems],
        "error": verdict.error.message if verdict.error else None,
    }
