"""`wanbatch pick`: which take of a scene is the one, kept in a small file for git."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from wanbatch.cli import common
from wanbatch.cli.choosing import Here, here, manifest_in, select_words, write
from wanbatch.cli.door import echo_json, note
from wanbatch.cli.terminal import columns
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.plan import Entry, Kind
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.model import Picks, Scene
from wanbatch.manifest.selection import TAKE, folded, listed, selected
from wanbatch.views.text import printable, table

NUMBER = re.compile(r"t?([0-9]{1,4})", re.IGNORECASE | re.ASCII)
NOT_MADE = {
    Kind.NEW: ("is not made yet", "make it", "run", ()),
    Kind.STALE: ("is not made yet", "make it", "run", ()),
    Kind.IN_FLIGHT: ("is with the service", "collect it", "wait", ()),
    Kind.FETCH: ("is made, but not on the disk", "bring it back", "run", ()),
    Kind.RESTORE: ("is made, but not where it belongs", "bring it back", "run", ()),
    Kind.FAILED: ("failed", "try it again", "run", ("--retry-failed",)),
}
"""Why a take cannot be picked: what to say of it, and what leads on: in words, as a verb with its flags."""


@click.command("pick")
@click.argument("words", nargs=-1, metavar="[MANIFEST] [SCENE [TAKE]]")
@click.option("--clear", is_flag=True, help="Forget what was picked for SCENE.")
@common.reading_options
@common.out_option
@common.json_option
def command(words: tuple[str, ...], clear: bool, reading: Reading, out: Path | None, as_json: bool) -> None:
    """Pick TAKE, a number like 2, of SCENE; or show the scenes with several takes, and what is picked.

    The choice is written to MANIFEST's picks file, film.picks.yaml, which is meant for git. A take can be picked once
    it is made. MANIFEST may be left out in a folder that has only one.
    """
    path, rest = manifest_in(words, lambda found: common.typed("wanbatch", "pick", found, *words))
    if len(rest) > 2 or (clear and len(rest) != 1):
        raise click.UsageError("--clear takes one SCENE" if clear else f"{rest[2]!r} is one word too many")
    found = here(path, reading, out)
    if not rest:
        picked = found.manifest.picks.picks
        show(found, [scene for scene in found.manifest.scenes if scene.takes > 1 or scene.id in picked], as_json)
        return
    found, scenes, changed = forget(found, rest[0]) if clear else decide(found, rest)
    if as_json or not changed:
        show(found, scenes, as_json)


def decide(found: Here, words: Sequence[str]) -> tuple[Here, list[Scene], bool]:
    """Do what a scene, and perhaps a take, ask for; return what is known now, and whether a take was named.

    Raises WanbatchError, click.UsageError.
    """
    name, take = taken_apart(found, words[0])
    scene = one_scene(found, name)
    take = take_of(words[1], take, words[0]) if len(words) == 2 else take
    return (found if take is None else choose(found, scene, take)), [scene], take is not None


def taken_apart(found: Here, word: str) -> tuple[str, int | None]:
    """Return the scene and the take that a word names, as `plan` shows it: `alley.t2`; no take in `alley`."""
    parts = TAKE.fullmatch(word)
    if parts is None or folded(word) in {folded(scene.id) for scene in found.manifest.scenes}:
        return word, None
    return parts[1], int(parts[2])


def take_of(word: str, named: int | None, scene: str) -> int:
    """Return the take that a word of its own names. Raises click.UsageError."""
    number = NUMBER.fullmatch(word)
    if number is None:
        raise click.UsageError(f"{word!r} is no take: write its number, like 2")
    if named is not None:
        raise click.UsageError(f"{scene} names a take already: leave {word} out")
    return int(number[1])


def one_scene(found: Here, name: str) -> Scene:
    """Return the scene that is named by its id, by one of its matrix' values or by its file. Raises WanbatchError."""
    keys = selected(name, found.manifest.wanted, said="")
    ids = {key.scene for key in keys}
    scenes = [scene for scene in found.manifest.scenes if scene.id in ids]
    if len(scenes) > 1:
        hint = f"name one of them: {listed(common.typed(scene.id) for scene in scenes)}"
        raise WanbatchError(f"{name} is {len(scenes)} scenes", exit_code=Exit.USAGE, hint=hint)
    return scenes[0]


def forget(found: Here, word: str) -> tuple[Here, list[Scene], bool]:
    """Write down that no take of a scene is picked; return as `decide` does. Raises WanbatchError, click.UsageError.

    A scene that has left the manifest can be named by its whole id.
    """
    chosen = found.manifest.picks
    scene, take = (word, None) if word in chosen.picks else taken_apart(found, word)
    if take is not None:
        raise click.UsageError(f"--clear takes one SCENE: {scene}")
    if scene not in chosen.picks:
        scene = one_scene(found, scene).id
    before = chosen.picks.get(scene)
    if before is not None:
        left = {other: number for other, number in chosen.picks.items() if other != scene}
        found = written(found, replace(chosen, picks=left))
    note(printable(f"{scene}: {'no take was picked' if before is None else f'take {before} is no longer picked'}"))
    return found, [one for one in found.manifest.scenes if one.id == scene], True


def choose(found: Here, scene: Scene, take: int) -> Here:
    """Write down which take is picked; return what is known now. Raises WanbatchError."""
    chosen = found.manifest.picks
    before = chosen.picks.get(scene.id)
    video, stale = made(found, scene, take)
    if before != take:
        found = written(found, replace(chosen, picks={**chosen.picks, scene.id: take}))
    instead = f" instead of take {before}" if before not in (None, take) else ""
    anew = "; it was made before the scene changed, and the next run makes it anew" if stale else ""
    note(printable(f"{scene.id}: take {take} is picked{instead}: {found.folder / video}{anew}"))
    return found


def written(found: Here, picks: Picks) -> Here:
    """Write the picks file; return what is known now. Raises WanbatchError."""
    write(found, picks)
    return replace(found, manifest=replace(found.manifest, picks=picks))


def made(found: Here, scene: Scene, take: int) -> tuple[str, bool]:
    """Return where a take's video is, and whether the scene has changed since. Raises WanbatchError if it has none."""
    if not 1 <= take <= scene.takes:
        has = "1 take" if scene.takes == 1 else f"{scene.takes} takes"
        hint = f"ask for more: {found.typed('reroll', scene.id)}"
        raise WanbatchError(f"{scene.id} has {has}, and no take {take}", exit_code=Exit.USAGE, hint=hint)
    if not found.board.jobs:
        raise common.nothing_run(found.folder, found.path)
    entry = next(one for one in found.entries((scene,)) if one.key.take == take)
    video = found.video(entry.key)
    if video is not None:
        return video, entry.kind is Kind.STALE
    why, leads, verb, flags = NOT_MADE.get(entry.kind, (f"has no video: {entry.reason}", "see", "status", ()))
    name = entry.key.stem if take > 1 or scene.takes == 1 else f"{entry.key.stem}.t1"  # `alley` alone is all its takes
    named = select_words([name]) if verb == "run" else []
    hint = f"{leads}: {found.typed(verb, *named, *flags)}"
    raise WanbatchError(f"take {take} of {scene.id} {why}", exit_code=Exit.USAGE, hint=hint)


def show(found: Here, scenes: Iterable[Scene], as_json: bool) -> None:
    """Write the takes of scenes, and which is picked."""
    scenes = list(scenes)
    entries = found.entries(scenes)
    picks = found.manifest.picks.picks
    if as_json:
        echo_json(as_data(found, scenes, entries))
        return
    if not scenes:
        note(f"no scene has several takes; ask for more: {found.typed('reroll', found.manifest.scenes[0].id)}")
        return
    rows = [["scene", "take", "picked", "action", "video"]]
    for entry in entries:
        is_picked = picks.get(entry.key.scene) == entry.key.take
        video = found.video(entry.key)
        where = str(found.folder / video) if video else "-"
        rows.append([entry.key.scene, str(entry.key.take), "picked" if is_picked else "", entry.kind.value, where])
    click.echo(table(rows, columns(sys.stdout), right=(1,)))
    count = sum(scene.id in picks for scene in scenes)
    click.echo(printable(f"pick: {count} of {len(scenes)} picked, in {found.picks_path}"))


def as_data(found: Here, scenes: Iterable[Scene], entries: Iterable[Entry]) -> dict[str, object]:
    """Return takes and choices as JSON data; a contract, versioned. Paths are relative to the output folder."""
    picks = found.manifest.picks.picks
    by_scene: dict[str, list[dict[str, object]]] = {scene.id: [] for scene in scenes}
    for entry in entries:
        by_scene[entry.key.scene].append(
            {
                "take": entry.key.take,
                "job": str(entry.key),
                "action": entry.kind.name.lower(),
                "path": found.video(entry.key),
                "picked": picks.get(entry.key.scene) == entry.key.take,
            }
        )
    return {
        "format": common.JSON_FORMAT,
        "file": str(found.picks_path),
        "folder": str(found.folder),
        "scenes": [{"scene": scene, "picked": picks.get(scene), "takes": takes} for scene, takes in by_scene.items()],
    }
