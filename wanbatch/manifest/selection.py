"""Which jobs a `--select` names. Pure text over what is wanted; knows statuses only as words that it is given.

Terms are separated by commas: a scene's name with `*` and `?`, `skyline[city=Paris]`, `alley.t2`, `tag:NAME`,
`status:WORD`; with `-` in front a term takes away. Only takings-away start from all. The order of the terms and upper
and lower case do not count.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest.model import JobKey, Wanted, in_a_name, stem_of

Statuses = Callable[[], Mapping[JobKey, Collection[str]]]
"""Asked only where a term needs it: the words of `STATUSES` that are true of each job now."""

STATUSES: dict[str, tuple[str, ...]] = {
    "new": ("submit",),
    "stale": ("submit-anew",),
    "kept": ("keep",),
    "in-flight": ("collect",),
    "fetch": ("download",),
    "restore": (),
    "done": (),
    "failed": (),
    "held": (),
    "ready": (),
    "in-doubt": (),
    "waiting": (),
    "cancelling": ("canceling",),
    "rendered": (),
    "canceled": ("cancelled",),
}
"""What a job's status is called, and what else it may be called: what `plan` shows, then what only `status` does."""

CANONICAL = {other: word for word, others in STATUSES.items() for other in (word, *others)}
KIND = re.compile(r"([^\[\]:]*?)\s*:\s*(.*)", re.DOTALL)
A_TAG = re.compile(r"\s*-?\s*tag\s*:", re.IGNORECASE)
TAKE = re.compile(r"(.+)\.t([0-9]+)", re.IGNORECASE)
OF_TAKES = re.compile(r".+\.t[0-9?*]+", re.IGNORECASE)
"""A glob that says itself that it means takes: `*1` is no such one, though every scene's first take ends in `.t1`."""
LISTED = 6
"""How many names a hint lists."""
UNLIKE = 100_000
"""Among more names none is looked for that is like what was written: that would take longer than anybody waits."""


class Term(NamedTuple):
    """A term as it was written, without its `-`, and what it means: one of the last three is given."""

    written: str
    takes_away: bool
    name: "Name | None" = None
    tag: str | None = None
    status: str | None = None


class Name(NamedTuple):
    """A name: what stands before the bracket, the axes in it, what stands behind it. All are globs, as written."""

    before: str
    axes: tuple[tuple[str, str], ...] = ()
    behind: str = ""


@dataclass(frozen=True)
class Row:
    """A wanted job, as terms see it."""

    wanted: Wanted

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the scene is called: its id as written, and its file's name."""
        scene = self.wanted.take.scene
        return (folded(scene.base), folded(stem_of(scene.id))) if scene.axes else (folded(scene.id),)

    @property
    def take_name(self) -> str:
        """What this take alone is called: `alley.t2`; the first one too, whose file has no number."""
        return f"{self.names[-1]}.t{self.wanted.take.number}"

    @cached_property
    def axes(self) -> dict[str, tuple[str, str]]:
        """The value of each axis: as in ids, and as in files' names."""
        axes = self.wanted.take.scene.axes
        return {folded(axis): (folded(value), folded(in_a_name(value))) for axis, value in axes}


class Missed(Exception):
    """A term that means nothing, or names nothing: what to say, and what was probably meant."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def selected(
    expression: str, wanted: Sequence[Wanted], statuses: Statuses | None = None, *, said: str = "--select: "
) -> frozenset[JobKey]:
    """Return the jobs that `expression` names.

    `statuses` is None where nobody knows any. `said` stands before messages. Raises WanbatchError for a term that
    names nothing; only a status may be that of no job just now, and then nothing may be left.
    """
    try:
        return keys_of(parse(expression), wanted, statuses)
    except Missed as missed:
        raise WanbatchError(f"{said}{missed.message}", exit_code=Exit.USAGE, hint=missed.hint) from None


def asks_for_status(expression: str | None) -> bool:
    """Say whether the journal has to be asked. An expression that is none asks for nothing: `selected` says why."""
    try:
        return expression is not None and any(term.status for term in parse(expression))
    except Missed:
        return False


def of_nothing(expression: str) -> str:
    """Say that nothing is selected, where that is no mistake: `nothing is failed or held`."""
    words = [term.status for term in parse(expression) if term.status and not term.takes_away]
    return f"nothing is {' or '.join(dict.fromkeys(words))}" if words else "nothing is left to select"


def keys_of(terms: Sequence[Term], wanted: Sequence[Wanted], statuses: Statuses | None) -> frozenset[JobKey]:
    """Return the jobs that terms name together. Raises Missed."""
    status_of: Mapping[JobKey, Collection[str]] = {}
    by_status = any(term.status for term in terms)
    if by_status:
        if statuses is None:
            message = "which scenes have a status is in the journal, and nobody looks at it here"
            raise Missed(message, "leave out `status:`; plan, run, submit and wait know it")
        status_of = statuses()
    rows = [Row(one) for one in wanted]
    chosen: set[JobKey] = set()
    taken_away: set[JobKey] = set()
    for term in terms:
        found = named(term, rows, status_of)
        if not found and not term.status:
            raise missed(term, rows)
        (taken_away if term.takes_away else chosen).update(found)
    if all(term.takes_away for term in terms):
        chosen = {one.key for one in wanted}
    if chosen <= taken_away and not by_status:
        raise Missed("all that it names is taken away", "leave out a term that starts with -")
    return frozenset(chosen - taken_away)


# --- what is written ---


def parse(expression: str) -> tuple[Term, ...]:
    """Return the terms of an expression. Raises Missed for one that no manifest could make a meaning of."""
    terms = tuple(term_of(text) for text in split(expression) if text)
    if not terms:
        raise Missed("it names nothing", "for example --select 'tag:teaser,alley'")
    return terms


def split(expression: str) -> Iterator[str]:
    """Yield what stands between commas; a comma in brackets separates axes, except in a tag."""
    term, inside = "", False
    for char in expression:
        if char == "," and not inside:
            yield term.strip()
            term = ""
            continue
        if char == "[" and not A_TAG.match(term):
            inside = True
        elif char == "]":
            inside = False
        term += char
    yield term.strip()


def term_of(text: str) -> Term:
    """Return what one term means. Raises Missed."""
    away, bare = text.startswith("-"), text.removeprefix("-").strip()
    kind = KIND.fullmatch(bare)
    if kind is None:
        return Term(bare, away, name=name_of(bare))
    word, rest = folded(kind[1]), kind[2].strip()
    if word == "tag":
        return Term(bare, away, tag=rest)
    if word == "status":
        return Term(bare, away, status=status_named(rest))
    close = nearest(word, ["tag", "status"])
    hint = f"did you mean {close[0]}:{rest}?" if close else f"write {rest or 'the name'} alone, tag:NAME or status:WORD"
    raise Missed(f"{kind[1]}: is nothing to select by", hint)


def status_named(word: str) -> str:
    """Return a status by any of its names. Raises Missed."""
    found = CANONICAL.get(re.sub(r"[\s_-]+", "-", folded(word)))
    if found is None:
        close = nearest(folded(word), CANONICAL)
        meant = f"did you mean status:{close[0]}? " if close else ""
        raise Missed(f"{word!r} is no status", f"{meant}there are {', '.join(STATUSES)}")
    return found


def name_of(text: str) -> Name:
    """Return a name's parts. Raises Missed for brackets that are none."""
    before, bracket, inside = text.partition("[")
    if not bracket:
        return Name(text)
    axes, closing, behind = inside.rpartition("]")
    if not closing or not set(axes).isdisjoint("[]"):
        raise Missed(f"{text!r} has brackets that are no pair", "write skyline[city=Paris]")
    behind = behind.strip()
    if behind.strip("*") and not folded(behind).startswith((".t", "*.t")):
        raise Missed(f"{behind!r} behind the bracket is no take", "write skyline[city=Paris].t2 for the second take")
    pairs = [axis.partition("=") for axis in axes.split(",") if axis.strip()]
    for axis, equals, value in pairs:
        if not axis.strip() or not value.strip():
            hint = f"write {before.strip() or '*'}[AXIS={axis.strip() or value.strip()}]"
            written = f"{axis}{equals}{value}".strip()
            raise Missed(f"{written!r} in brackets is no AXIS=VALUE", hint)
    if not pairs:
        raise Missed(f"{text!r} has nothing in its brackets", "write skyline[city=Paris], or skyline alone for all")
    found = tuple((axis.strip(), value.strip()) for axis, _, value in pairs)
    return Name(before.strip() or "*", found, behind)


# --- what is named ---


def named(term: Term, rows: Sequence[Row], status_of: Mapping[JobKey, Collection[str]]) -> set[JobKey]:
    """Return the jobs that one term names."""
    if term.status is not None:
        return {row.wanted.key for row in rows if term.status in status_of.get(row.wanted.key, ())}
    if term.tag is not None:
        fits = like(term.tag)
        return {row.wanted.key for row in rows if any(fits(folded(tag)) for tag in row.wanted.take.scene.tags)}
    assert term.name is not None
    return {row.wanted.key for row in with_name(term.name, rows)}


def with_name(name: Name, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that a name means.

    A scene's name means all its combinations and takes. A take's own name means it alone, unless a scene has that id.
    """
    fits = like(name.before)
    if name.axes:
        behind = like(name.behind or "*")
        found = having((row for row in rows if any(map(fits, row.names))), name.axes)
        return [row for row in found if behind(f".t{row.wanted.take.number}")]
    rows = list(rows)
    scenes = [row for row in rows if any(map(fits, row.names))]
    if (scenes and not is_glob(name.before)) or not OF_TAKES.fullmatch(name.before):
        return scenes
    return [*scenes, *(row for row in rows if fits(row.take_name))]


def having(rows: Iterable[Row], axes: Iterable[tuple[str, str]]) -> list[Row]:
    """Return the rows whose combination has some values, each a glob."""
    wanted = [(folded(axis), like(glob)) for axis, glob in axes]
    return [row for row in rows if all(any(map(fits, row.axes.get(axis, ()))) for axis, fits in wanted)]


def folded(text: str) -> str:
    """Return a text for comparing: without regard to case, and to how a letter with an accent is stored."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def is_glob(text: str) -> bool:
    """Say whether a text stands for several."""
    return "*" in text or "?" in text


def like(glob: str) -> Callable[[str], bool]:
    """Return whether a folded text is what a glob, with `*` and `?`, stands for."""
    glob = folded(glob)
    if not is_glob(glob):
        return glob.__eq__
    pattern = re.compile(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
    return lambda text: pattern.fullmatch(text) is not None


# --- what was probably meant ---


def missed(term: Term, rows: Sequence[Row]) -> Missed:
    """Return what to say of a term that names nothing."""
    if term.name is not None and term.name.axes:
        scenes = with_name(Name(term.name.before), rows)
        return missed_axes(term.name, scenes) if scenes else nothing_called(term.name.before, rows)
    if term.name is not None and (take := TAKE.fullmatch(term.name.before)):
        takes = max((row.wanted.take.number for row in with_name(Name(take[1]), rows)), default=0)
        if takes:
            has = "1 take" if takes == 1 else f"{takes} takes"
            hint = f"wanbatch reroll MANIFEST {take[1]} asks for one more"
            return Missed(f"{take[1]} has {has}, and no take {take[2]}", hint)
    return nothing_called(term.written, rows)


def missed_axes(name: Name, scenes: Sequence[Row]) -> Missed:
    """Return what to say where scenes have the name, but not what stands in its brackets."""
    axes = list(dict.fromkeys(axis for row in scenes for axis, _ in row.wanted.take.scene.axes))
    owner = "no scene" if is_glob(name.before) else name.before
    a, an, such_a = ("has a", "has an", "has such a") if is_glob(name.before) else ("has no", "has no", "has no such")
    if not axes:
        return Missed(f"{owner} {a} matrix", f"write {name.before} without brackets")
    for axis, glob in name.axes:
        if folded(axis) not in map(folded, axes):
            close = nearest(axis, axes)
            hint = f"did you mean {close[0]}? " if close else ""
            return Missed(f"{owner} {an} axis {axis!r}", f"{hint}there are {listed(axes)}")
        if not having(scenes, [(axis, glob)]):
            given = [row.wanted.take.scene.axes for row in scenes]
            values = list(dict.fromkeys(value for one in given for at, value in one if folded(at) == folded(axis)))
            close = nearest(glob, values)
            hint = f"did you mean {name.before}[{axis}={close[0]}]? " if close else ""
            return Missed(f"{owner} {a} {axis} {glob!r}", f"{hint}there are {listed(values)}")
    ids = dict.fromkeys(row.wanted.key.scene for row in having(scenes, name.axes[:1]))
    if having(scenes, name.axes):
        return Missed(f"there is no take {name.behind.lstrip('.')!r}", "write .t2 for the second take")
    return Missed(f"{owner} {such_a} combination", f"there are {listed(ids)}")


def nothing_called(text: str, rows: Sequence[Row]) -> Missed:
    """Return what to say of a name or a tag that nothing has."""
    scenes = list({row.wanted.key.scene: row.wanted.take.scene for row in rows}.values())
    tags = list(dict.fromkeys(f"tag:{tag}" for scene in scenes for tag in scene.tags))
    ids = list(dict.fromkeys(scene.base for scene in scenes))
    message = f"nothing is called {text!r}"
    is_tag = folded(text).startswith("tag:")
    among = {tag.removeprefix("tag:"): tag for tag in tags}
    if not is_tag:
        among |= {stem_of(scene.id): stem_of(scene.id) for scene in scenes if scene.axes} | {one: one for one in ids}
    close = nearest(KIND.sub(r"\2", text) if is_tag else text, among)
    if close:
        return Missed(message, f"did you mean {', '.join(among[one] for one in close)}?")
    return Missed(message, f"the manifest has {listed([*ids, *tags])}")


def nearest(word: str, among: Collection[str]) -> list[str]:
    """Return what is written most like a word, at most three."""
    from difflib import get_close_matches

    by_fold = {folded(one): one for one in among}
    if len(by_fold) > UNLIKE:
        return []
    return [by_fold[one] for one in get_close_matches(folded(word), by_fold, n=3, cutoff=0.5)]


def listed(names: Iterable[str]) -> str:
    """Return the first of some names."""
    found = list(names)
    return ", ".join(found[:LISTED]) + (" …" if len(found) > LISTED else "")
