"""Which scenes a `--select` names. Pure text over scenes.

Terms are separated by commas: an id, an id with `*` and `?`, `tag:NAME`; with `-` in front a term takes away.
Only takings-away start from all scenes.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest.model import Scene


def matches(term: str, scene: Scene) -> bool:
    """Say whether one term, without its `-`, names the scene. Upper and lower case are the same."""
    kind, colon, rest = term.partition(":")
    if colon and kind == "tag":
        return any(fnmatchcase(tag.casefold(), rest.casefold()) for tag in scene.tags)
    return fnmatchcase(scene.id.casefold(), term.casefold())


def select(expression: str, scenes: Sequence[Scene]) -> frozenset[str]:
    """Return the ids of the scenes that `expression` names. Raises WanbatchError for a term that names none."""
    terms = [term.strip() for term in expression.split(",") if term.strip()]
    if not terms:
        raise WanbatchError(
            "--select names nothing", exit_code=Exit.USAGE, hint="for example --select 'tag:teaser,alley'"
        )
    chosen: set[str] = set() if any(not term.startswith("-") for term in terms) else {scene.id for scene in scenes}
    for term in terms:
        bare = term.removeprefix("-")
        named = {scene.id for scene in scenes if matches(bare, scene)}
        if not named:
            raise WanbatchError(f"--select: nothing is called {bare!r}", exit_code=Exit.USAGE, hint=near(bare, scenes))
        chosen = chosen - named if term.startswith("-") else chosen | named
    return frozenset(chosen)


def near(term: str, scenes: Sequence[Scene]) -> str:
    """Say what was probably meant."""
    from difflib import get_close_matches

    names = [scene.id for scene in scenes] + [f"tag:{tag}" for scene in scenes for tag in scene.tags]
    unique = list(dict.fromkeys(names))
    close = get_close_matches(term, unique, n=3, cutoff=0.5)
    if close:
        return f"did you mean {', '.join(close)}?"
    listed = ", ".join(unique[:6])
    return f"the manifest has {listed}{' …' if len(unique) > 6 else ''}"
