"""Which scenes a `--select` names. Pure text over scenes.

Terms are separated by commas: an id, an id with `*` and `?`, `tag:NAME`; with `-` in front a term takes away.
Only takings-away start from all scenes. The order of the terms does not count.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest.model import Scene


def matches(term: str, scene: Scene) -> bool:
    """Say whether one term, without its `-`, names the scene. Upper and lower case are the same."""
    folded = term.casefold().replace("[", "[[]")
    if folded.startswith("tag:"):
        return any(fnmatchcase(tag.casefold(), folded.removeprefix("tag:")) for tag in scene.tags)
    return fnmatchcase(scene.id.casefold(), folded)


def select(expression: str, scenes: Sequence[Scene]) -> frozenset[str]:
    """Return the ids of the scenes that `expression` names. Raises WanbatchError for a term that names none."""
    terms = [term.strip() for term in expression.split(",") if term.strip()]
    if not terms:
        raise WanbatchError(
            "--select names nothing", exit_code=Exit.USAGE, hint="for example --select 'tag:teaser,alley'"
        )
    chosen: set[str] = set() if any(not term.startswith("-") for term in terms) else {scene.id for scene in scenes}
    taken_away: set[str] = set()
    for term in terms:
        bare = term.removeprefix("-").strip()
        named = {scene.id for scene in scenes if matches(bare, scene)}
        if not named:
            raise WanbatchError(f"--select: nothing is called {bare!r}", exit_code=Exit.USAGE, hint=near(bare, scenes))
        (taken_away if term.startswith("-") else chosen).update(named)
    if chosen <= taken_away:
        raise WanbatchError(
            "--select takes away all that it names", exit_code=Exit.USAGE, hint="leave out a term that starts with -"
        )
    return frozenset(chosen - taken_away)


def near(term: str, scenes: Sequence[Scene]) -> str:
    """Say what was probably meant."""
    from difflib import get_close_matches

    tags = [f"tag:{tag}" for scene in scenes for tag in scene.tags]
    unique = list(dict.fromkeys([*(scene.id for scene in scenes), *tags]))
    wants_tag = term.casefold().startswith("tag:")
    bare = {name.removeprefix("tag:"): name for name in (tags if wants_tag else reversed(unique))}
    close = get_close_matches(term[4:] if wants_tag else term, bare, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(bare[name] for name in close)}?"
    listed = ", ".join(unique[:6])
    return f"the manifest has {listed}{' …' if len(unique) > 6 else ''}"
