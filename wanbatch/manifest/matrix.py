"""A scene's matrix → its combinations, and what each is called. Pure, and knows no places but paths into the matrix.

Axes count by their names: in which order they are written changes no id, and so no seed and no file.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any, NamedTuple

VARIED = ("model", "resolution", "ratio", "duration", "seed", "prompt_extend", "watermark", "language")
"""Fields of a scene that an axis can be. Any other axis is a variable of the scene's texts."""
FIELDS = ("id", "title", "tags", "intro", "shots", "prompt", "prompt_file", "style", "takes", "matrix",
          "negative_prompt", "audio_url")  # fmt: skip
"""Fields of a scene that no axis can be; a test holds them together with the schema."""
MOST = 10_000
"""Combinations of one scene."""
CALLED = re.compile(r"[^\W_](?:[\w .:+-]{0,38}[\w+])?\Z")
"""What a value may be called: it is part of an id, of a file's name and of what `--select` takes."""
RESERVED = ("include", "exclude")

Path = tuple[str | int, ...]


class Value(NamedTuple):
    """A value of an axis, and what it is called in ids."""

    name: str
    value: object


Combination = Mapping[str, Value]
"""A value for each axis, in the order of the axes' names."""


class Fault(NamedTuple):
    """What is wrong: where in the matrix, whether the key itself is meant, and what to say."""

    path: Path
    code: str
    message: str
    hint: str
    key: bool = False


def called(value: object) -> str:
    """Return what a value without a name of its own is called: as it is written."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return unicodedata.normalize("NFC", text)


def values(axis: str, written: Any) -> Iterator[tuple[Path, Value]]:
    """Yield the values of an axis and where each is: a list of values, or a mapping of names to values."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            yield (axis, name), Value(unicodedata.normalize("NFC", name), value)
    else:
        for index, value in enumerate(written):
            yield (axis, index), Value(called(value), value)


def axes_of(matrix: Mapping[str, Any]) -> dict[str, dict[str, Value]]:
    """Return the axes by name, and the values of each by what they are called."""
    names = sorted(name for name in matrix if name not in RESERVED)
    return {name: {value.name: value for _, value in values(name, matrix[name])} for name in names}


def combinations(matrix: Mapping[str, Any]) -> tuple[Combination, ...]:
    """Return what a matrix without faults stands for: every combination, less `exclude`, and then `include`."""
    axes = axes_of(matrix)
    excluded = [{axis: called(value) for axis, value in one.items()} for one in matrix.get("exclude", ())]
    found = [dict(zip(axes, row, strict=True)) for row in product(*(axis.values() for axis in axes.values()))]
    kept = [one for one in found if not any(has(one, wanted, axes) for wanted in excluded)]
    more = [{axis: value_in(axes[axis], one[axis]) for axis in axes} for one in matrix.get("include", ())]
    return (*kept, *more)


def value_in(axis: Mapping[str, Value], written: object) -> Value:
    """Return the value of an axis that is named by what is written, or a value that the axis does not have."""
    return axis.get(called(written)) or Value(called(written), written)


def has(one: Combination, wanted: Mapping[str, str], axes: Mapping[str, Any]) -> bool:
    """Say whether a combination has all the values that are wanted."""
    return all(one[axis].name == name for axis, name in wanted.items() if axis in axes)


def id_of(base: str, one: Combination) -> str:
    """Return the id of a combination: `skyline[city=Paris,ratio=16:9]`."""
    return f"{base}[{','.join(f'{axis}={value.name}' for axis, value in one.items())}]"


def faults(matrix: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with a matrix whose shape the schema has accepted."""
    axes = axes_of(matrix)
    if not axes:
        return [Fault((), "E314", "the matrix has no axis", "name one: `city: [Paris, Tokyo]`", key=True)]
    found = [fault for axis in axes for fault in unnameable(axis, matrix[axis])]
    size = prod(map(len, axes.values()))
    if size > MOST:
        message = f"the matrix makes {size:,} scenes; at most {MOST:,} are possible"
        return [*found, Fault((), "E314", message, "take values or axes away", key=True)]
    for kind in RESERVED:
        for index, entry in enumerate(matrix.get(kind, ())):
            found += misfits((kind, index), entry, axes)
    return found or (uneven(matrix, axes) if axes.keys().isdisjoint(FIELDS) else [])


def unnameable(axis: str, written: Any) -> Iterator[Fault]:
    """Yield a fault for each value that cannot be part of an id, and for each that is called like another."""
    taken: set[str] = set()
    for path, value in values(axis, written):
        if not CALLED.match(value.name):
            hint = f"give it a short name of letters and digits: `{axis}: {{{proposed(value.name)}: …}}`"
            shown = value.name if len(value.name) <= 40 else f"{value.name[:38]}…"
            yield Fault(path, "E311", f"{shown!r} is no part of a file's name", hint, key=isinstance(path[-1], str))
        elif value.name.casefold() in taken:
            yield Fault(path, "E311", f"{value.name!r} stands for two videos", "keep one, or name them differently")
        taken.add(value.name.casefold())


def proposed(text: str) -> str:
    """Return a name for a long text: its first word that can be one."""
    words = re.findall(r"[^\W_]+", text)
    telling = [word for word in words if len(word) > 3] or words
    return telling[0][:20].lower() if telling else "first"


def misfits(path: Path, entry: Mapping[str, Any], axes: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the keys of an entry of `include` or `exclude`."""
    for name in entry:
        if name not in axes:
            message = f"`{name}` is no axis of this matrix"
            yield Fault((*path, name), "E313", message, f"its axes are {', '.join(axes)}", key=True)
    missing = [axis for axis in axes if axis not in entry and axis not in FIELDS]
    if path[0] == "include" and missing:
        hint = f"add {' and '.join(f'`{axis}: …`' for axis in missing)}: a combination has a value for every axis"
        yield Fault(path, "E313", f"this combination has no {' and no '.join(missing)}", hint)
    for name, value in entry.items():
        if path[0] == "include" and name in axes and not CALLED.match(called(value)):
            hint = "use the short name of a value, or one of at most 40 letters and digits"
            yield Fault((*path, name), "E311", f"{called(value)[:40]!r} is no part of a file's name", hint)


def uneven(matrix: Mapping[str, Any], axes: Mapping[str, Mapping[str, Value]]) -> list[Fault]:
    """Return what is wrong with the combinations: an `exclude` that fits none, one too many, nothing left."""
    rows = [dict(zip(axes, row, strict=True)) for row in product(*(axis.values() for axis in axes.values()))]
    found, left = [], rows
    for index, entry in enumerate(matrix.get("exclude", ())):
        wanted = {axis: called(value) for axis, value in entry.items()}
        if not any(has(row, wanted, axes) for row in rows):
            found.append(unmet(index, entry, axes))
        left = [row for row in left if not has(row, wanted, axes)]
    there = {id_of("", row).casefold() for row in left}
    for index, entry in enumerate(matrix.get("include", ())):
        name = id_of("", {axis: value_in(axes[axis], entry[axis]) for axis in axes})
        if name.casefold() in there:
            found.append(Fault(("include", index), "E313", f"{name} is in the matrix already", "remove it here"))
        there.add(name.casefold())
    if not there:
        found.append(Fault((), "E314", "the matrix leaves no combination", "take an entry of `exclude` away", key=True))
    return found


def unmet(index: int, entry: Mapping[str, Any], axes: Mapping[str, Mapping[str, Value]]) -> Fault:
    """Return the fault of an `exclude` that fits no combination: the value that its axis does not have."""
    for axis, value in entry.items():
        if called(value) not in axes[axis]:
            names = list(axes[axis])
            listed = f"there {'are' if len(names) > 1 else 'is'} {', '.join(names[:12])}{', …' * (len(names) > 12)}"
            return Fault(("exclude", index, axis), "E313", f"`{axis}` has no value {called(value)[:40]!r}", listed)
    hint = "it would leave nothing out: look at its values, or remove it"
    return Fault(("exclude", index), "E313", "no combination has these values", hint)
