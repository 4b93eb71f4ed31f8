"""What one entry of `scenes` stands for: a scene, or one for each combination of its matrix; where fields come from."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from wanbatch.manifest import expand, matrix, texts
from wanbatch.manifest.assemble import At
from wanbatch.manifest.notes import Notes
from wanbatch.manifest.variables import MARK, filled, uses
from wanbatch.service import catalog

Block = Mapping[str, Any]
Layers = tuple[tuple[Block, At], ...]
"""Blocks of a scene's fields and where each is written, the one that wins first."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds for the scenes of one file: its defaults, over those of the files that include it; its variables."""

    layers: Layers
    defaults: Block
    values: Mapping[str, str]
    marked: bool
    """Whether any text that its scenes may see has a variable; most manifests have none."""
    broken: AbstractSet[object]
    """Scenes, by path, and blocks that the schema does not accept."""


class Variant(NamedTuple):
    """One scene as written, or one combination of its matrix. `over` is what wins over the scene's own fields."""

    id: str
    axes: matrix.Combination
    over: Block
    layers: Layers
    values: Mapping[str, str]

    @property
    def of(self) -> str:
        """How messages call it where its place does not: the id of a combination."""
        return self.id if self.axes else ""

    def says(self, name: str) -> bool:
        """Say whether a field is written anywhere."""
        return any(name in block for block, _ in self.layers)

    def origin(self, name: str) -> At:
        """Return where a field comes from; where it would stand, for one that nobody has written."""
        for block, at in self.layers:
            if name in block:
                return at.to(name)
        return self.layers[-1][1]

    def texts(self) -> Iterator[tuple[At, str]]:
        """Yield the texts that the scene has or takes over, and where each is written."""
        seen: set[object] = set()
        for block, at in self.layers:
            found = list(texts.texts_in(block))
            yield from ((at.to(*path), text) for path, text in found if path not in seen)
            seen |= {path for path, _ in found}


class Varying:
    """Makes the variants of scenes under one profile, whose block is `over`."""

    def __init__(self, notes: Notes, variables: texts.Variables, over: Block, at: At) -> None:
        self.notes = notes
        self.variables = variables
        self.over = over
        self.above: Layers = ((over, at),) if over else ()

    def variants(self, at: At, raw: Block, scope: Scope) -> Iterator[Variant]:
        """Yield a scene once, or once for each combination of its matrix; nothing for a matrix that cannot be."""
        below = ((raw, at), *scope.layers)
        if "matrix" not in raw:
            yield Variant(raw["id"], {}, self.over, (*self.above, *below), scope.values)
            return
        at = at.to("matrix")
        if not self.possible(at, raw):
            return
        for one in matrix.combinations(raw["matrix"]):
            fields = {axis: value.value for axis, value in one.items() if axis in matrix.VARIED}
            said = {axis: str(value.value) for axis, value in one.items() if axis not in matrix.VARIED}
            values = {axis: self.text(at.to(axis), text, scope.values) for axis, text in said.items()}
            layers = ((fields, at), *self.above, *below)
            over = expand.overlaid(self.over, fields)
            yield Variant(matrix.id_of(raw["id"], one), one, over, layers, {**scope.values, **values})

    def text(self, at: At, text: str, values: Mapping[str, str]) -> str:
        """Return the text of an axis with the variables in it filled in."""
        if MARK not in text:
            return text
        self.variables.check(at, text, values)
        return filled(text, lambda name: self.variables.value_of(name, values)) if self.fits(at, text, values) else ""

    def fits(self, at: At, text: str, values: Mapping[str, str]) -> bool:
        """Say whether a text has no mistake in its variables, and stays bearable with them."""
        return self.variables.fits(at, text, values) and all(use.name for use in uses(text))

    def possible(self, at: At, raw: Block) -> bool:
        """Say whether a scene's matrix can be, and note what is wrong with it."""
        found = matrix.faults(raw["matrix"])
        found += [fault for axis in matrix.axes_of(raw["matrix"]) for fault in no_axis(axis, raw)]
        for fault in found:
            self.notes.add(fault.code, at.to(*fault.path), fault.message, fault.hint, key=fault.key)
        return not found

    def known(self, variant: Variant) -> set[str] | None:
        """Return the variables that a scene's texts use, each of which has a value; None, noted, if one has none."""
        before = len(self.notes.problems)
        used: set[str] = set()
        fits = True
        for at, text in variant.texts():
            if MARK in text:
                used |= self.variables.check(at, text, variant.values, variant.of)
                fits = self.variables.fits(at, text, variant.values, variant.of) and fits
        return used if fits and len(self.notes.problems) == before else None


def no_axis(axis: str, raw: Block) -> Iterator[matrix.Fault]:
    """Yield why a name cannot be an axis of a scene."""
    fields = catalog.manifest_schema()["properties"]["scenes"]["items"]["properties"]
    if axis in raw:
        message, hint = f"`{axis}` stands in the scene and in its matrix", "keep one of the two"
    elif axis in fields and axis not in matrix.VARIED:
        message = f"`{axis}` cannot be an axis"
        hint = f"call the axis otherwise and use it in a text: `{axis}_text: [first, second]` and `${{{axis}_text}}`"
    elif axis == "duration" and "shots" in raw:
        message = "`duration` cannot be an axis: the shots' seconds are the duration"
        hint = "take the axis away, or write a `prompt`"
    else:
        return
    yield matrix.Fault((axis,), "E312", message, hint, key=True)
