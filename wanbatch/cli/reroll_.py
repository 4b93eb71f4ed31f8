"""`wanbatch reroll`: more takes of a scene, without touching those that are there."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from wanbatch.cli import common, saved
from wanbatch.cli.choosing import Here, here, manifest_in, select_words, write
from wanbatch.cli.door import echo_json, note
from wanbatch.cli.plan_ import rows
from wanbatch.cli.pricing import prices
from wanbatch.cli.statuses import words_of
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.plan import Plan, sentence
from wanbatch.manifest import expand
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import Scene, Wanted
from wanbatch.manifest.picks import MAX_TAKES
from wanbatch.manifest.selection import listed, of_nothing, selected
from wanbatch.views.text import printable, table

NAMED = 6
"""So many new takes are named in the next command; of more, their scenes are."""


@click.command("reroll")
@click.argument("words", nargs=-1, metavar="[MANIFEST] SCENE...")
@click.option("--takes", "more", type=click.IntRange(1, MAX_TAKES), default=1, show_default=True, metavar="N",
              help="So many more takes of each scene.")  # fmt: skip
@common.reading_options
@common.out_option
@common.base_url_option
@common.region_option
@common.account_option
@common.json_option
def command(
    words: tuple[str, ...], more: int, reading: Reading, out: Path | None, base_url: str | None, region: str | None,
    accounts: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Ask for more takes of each SCENE, and say what they cost. Sends nothing; the next run makes them.

    SCENE may be whatever --select takes. The number is written to MANIFEST's picks file, film.picks.yaml; the takes
    that are there keep their seeds and files. MANIFEST may be left out in a folder that has only one.
    """
    path, rest = manifest_in(words, lambda found: common.typed("wanbatch", "reroll", found, *words))
    if not rest:
        raise click.UsageError("missing SCENE: which one shall have more takes")
    found = here(path, reading, out)
    expression = ",".join(rest)
    statuses = lambda: words_of(found.manifest, found.board, found.folder, found.now)  # noqa: E731
    ids = {key.scene for key in selected(expression, found.manifest.wanted, statuses, said="")}
    if not ids:
        note(f"{of_nothing(expression)}; no takes were added")
        return
    scenes = [scene for scene in found.manifest.scenes if scene.id in ids]
    new = added(found, scenes, more)
    cost = prices(base_url, region, accounts or (() if base_url else found.manifest.run.accounts))
    planned = common.plan_for(
        found.manifest, new, found.board, found.folder, lambda request: cost(request.outline()), found.now
    )
    planned = Plan(planned.entries[: len(new)])
    picks = found.manifest.picks
    write(found, replace(picks, takes={**picks.takes, **{scene.id: scene.takes + more for scene in scenes}}))
    if as_json:
        echo_json(as_data(found, scenes, more, planned))
        return
    click.echo(table(rows(planned.entries, found.now, found.manifest.picks), columns(sys.stdout), right=(2, 3)))
    click.echo(sentence(planned))
    where = ["--base-url", base_url] if base_url else []
    where += ["--region", region] if region else []
    where += [word for account in accounts for word in ("--account", account)]
    again = next_command(found, new, ids, where)
    note(printable(f"{said(scenes, more)}, in {found.picks_path}; next: {again}"))


def added(found: Here, scenes: Sequence[Scene], more: int) -> tuple[Wanted, ...]:
    """Return the jobs of the takes that come to scenes, as they stand now. Raises WanbatchError for too many."""
    full = [scene.id for scene in scenes if scene.takes + more > MAX_TAKES]
    if full:
        has = next(scene.takes for scene in scenes if scene.id == full[0])
        raise WanbatchError(
            f"{listed(full)}: at most {MAX_TAKES} takes are possible, and there are {has}; nothing was changed",
            exit_code=Exit.USAGE,
            hint="another prompt, or a scene of another id, has takes of its own",
        )
    takes = [take for scene in scenes for take in expand.takes(replace(scene, takes=scene.takes + more))[scene.takes :]]
    wanted = tuple(map(expand.wanted, takes))
    return common.manifest_now(replace(found.manifest, wanted=wanted), found.board).wanted


def said(scenes: Sequence[Scene], more: int) -> str:
    """Say how many takes there are now."""
    first, *others = scenes
    if others:
        return f"{len(scenes)} scenes have {more} more take{'s' if more != 1 else ''} each"
    return f"{first.id}: {first.takes} → {first.takes + more} takes"


def next_command(found: Here, new: Sequence[Wanted], ids: set[str], where: Sequence[str]) -> str:
    """Return the command that makes the new takes, and as little else as can be said.

    `where` are the words that name the same service and accounts.
    """
    names = [one.key.stem for one in new]
    if len(names) > NAMED:
        partly = {scene.base for scene in found.manifest.scenes if scene.id not in ids}
        bases = {one.take.scene.id: one.take.scene.base for one in new}
        names = list(dict.fromkeys(scene if base in partly else base for scene, base in bases.items()))
    return found.typed("run", *(select_words(names) if len(names) <= NAMED else ()), *where)


def as_data(found: Here, scenes: Sequence[Scene], more: int, planned: Plan) -> dict[str, object]:
    """Return what was added as JSON data; a contract, versioned."""
    return {
        "format": common.JSON_FORMAT,
        "file": str(found.picks_path),
        "folder": str(found.folder),
        "scenes": [{"scene": one.id, "before": one.takes, "takes": one.takes + more} for one in scenes],
        "submit": saved.sum_json(planned.submissions),
        "entries": [common.entry_json(entry, found.manifest.picks) for entry in planned.entries],
    }
