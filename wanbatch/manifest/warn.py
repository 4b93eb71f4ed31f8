"""Warnings: what is allowed, and costs money or reproducibility that may not be meant. Each once, where it stands."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from wanbatch.errors import Place, Problem
from wanbatch.manifest import matrix
from wanbatch.manifest.assemble import At, Whole, listed
from wanbatch.manifest.model import JobKey, Picks, Request, Scene, Wanted
from wanbatch.manifest.notes import Notes
from wanbatch.manifest.texts import texts_in
from wanbatch.manifest.variables import MARK
from wanbatch.manifest.variants import Variant
from wanbatch.service import catalog

NEAR = 0.9
"""A text as long as this part of its limit is cut, silently and billed, after a few more words."""
SHORTEST_S = 1.0
FEWEST_S = 1.5
"""Seconds a shot, on average. The documentation's own examples have 3 (Wan 2.7 create task, 2026-08-15)."""
LIMITS = {"prompt": 5000, "negative_prompt": 500}
"""Characters, as in the request's schema; a test holds them together."""

WIDE_COMMA = re.compile("[，、]")
BARE = re.compile(
    r"(?<!\$)\$(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})"
    r"|(?:\$(?=[｛{]\{|｛))?(?:\{\{|｛)\s*(?P<braced>[A-Za-z_][A-Za-z0-9_]{0,63})\s*(?:\}\}|｝)"
)
"""Variables as shells and templates have them, or with the braces of a Chinese keyboard."""


def suspicious(text: str) -> bool:
    """Say whether a file may hold what looks like a variable and is none."""
    return text.count("$") > text.count(MARK) or "{{" in text or "｛" in text


class Warnings:
    """The warnings of one manifest."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.alike: dict[tuple[object, ...], list[tuple[Scene, Variant]]] = {}
        self.sent: dict[str, JobKey] = {}
        self.judged: set[str] = set()
        """Models that were looked at: one word for each is enough."""
        self.unused: list[tuple[At, str]] = []
        """Axes that no text uses, by the scene and the name."""

    def axes(self, at: At, variant: Variant, used: Collection[str]) -> None:
        """Keep the axes that no text of a scene uses: their videos differ by chance only."""
        for axis in variant.axes:
            if axis not in matrix.VARIED and axis not in used and (at, axis) not in self.unused[-len(variant.axes) :]:
                self.unused.append((at, axis))

    def scene(self, variant: Variant, scene: Scene, request: Request) -> None:
        """Warn of what one scene says."""
        if scene.prompt_extend:
            hint = "the rewritten prompt never comes back, so the video cannot be made again: write `false`"
            self.notes.add("W401", variant.origin("prompt_extend"), "the service rewrites the prompt", hint)
        if scene.model not in self.judged:
            self.judged.add(scene.model)
            self.moving(variant, scene.model)
        for name, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt or "")):
            if len(text) >= NEAR * LIMITS[name]:
                at = variant.origin("shots" if name == "prompt" and scene.shots else name)
                message = f"{name} has {len(text):,} of {LIMITS[name]:,} characters"
                hint = "what is longer is refused here, since the service would cut it silently and bill it"
                self.notes.add("W403", at, message, hint, key=at.path[-1] == "shots", of=variant.of)
        if scene.tags:
            self.tags(variant.origin("tags"), scene.tags)
        if scene.shots:
            self.shots(variant.origin("shots"), scene)
        same = (request.prompt, request.negative_prompt, request.audio_url, request.model, request.resolution,
                request.ratio, request.duration)  # fmt: skip
        self.alike.setdefault(same, []).append((scene, variant))

    def twins(self, variant: Variant, wanted: Sequence[Wanted]) -> None:
        """Warn of a take that sends just what another one sends, seed and all."""
        for one in wanted:
            first = self.sent.setdefault(one.key.digest, one.key)
            if first != one.key and first.scene.partition("[")[0] == one.take.scene.base:  # else it is W406's
                hint = "the same video is made and billed twice: another `seed`, or fewer `takes`"
                message = f"{one.key.stem} sends just what {first.stem} sends"
                self.notes.add(
                    "W411", variant.origin("seed"), message, hint, key=not variant.says("seed"), of=variant.of
                )

    def moving(self, variant: Variant, model: str) -> None:
        """Warn of a model id without a date. What a snapshot costs in turn: retirement, in "model depreciation"."""
        if catalog.family(model) != model:
            return
        name = next((name for name in ("model", "models") if variant.says(name)), "")
        dated = [one for one in catalog.models() if catalog.family(one) == model and one != model]
        hint = f"`model: {dated[0]}` stays as it is, and is retired with 30 days' notice; the name without a date "
        hint += "gives three months' notice"
        said = f"{model} moves on with the service: later the same request may give another video"
        self.notes.add("W402", variant.origin(name or "model"), said, hint if dated else "", key=not name)

    def shots(self, at: At, scene: Scene) -> None:
        """Warn of shots that are too short to be seen."""
        for index, shot in enumerate(scene.shots):
            if shot.seconds < SHORTEST_S:
                hint = "a shot of a second or more is seen; join it with the next"
                self.notes.add("W404", at.to(index, "seconds"), f"the shot lasts {shot.seconds:g} s", hint)
        if len(scene.shots) > 1 and scene.duration / len(scene.shots) < FEWEST_S:
            message = f"{len(scene.shots)} shots in {scene.duration} s"
            hint = "fewer and longer shots are followed better: 3 s each in the service's own examples"
            self.notes.add("W405", at, message, hint, key=True)

    def tags(self, at: At, tags: Sequence[str]) -> None:
        """Warn of a tag that holds a comma of a Chinese keyboard, which to YAML is a letter like any other."""
        for index, tag in enumerate(tags):
            if comma := WIDE_COMMA.search(tag):
                parts = ", ".join(part.strip() for part in WIDE_COMMA.split(tag) if part.strip())
                hint = f"write {parts}: a half-width comma and a space after it"
                self.notes.add("W410", at.to(index), f"one tag, {tag[:40]}: {comma[0]} is no comma to YAML", hint)

    def bare(self, whole: Whole) -> set[str]:
        """Warn of known variables that are written otherwise than `${name}`; return their names."""
        found: set[str] = set()
        for part in whole.parts:
            text, data = part.document.text, part.document.data
            if not isinstance(data, dict) or not (part.document.moved or suspicious(text)):
                continue
            names = {name for one in part.lineage() for name in one.block("vars")}
            scenes = [(At(part.document, ("scenes", index)), one) for index, one in enumerate(listed(part.document))]
            axes = {axis for _, one in scenes for axis in one.get("matrix", ())}
            if not names and not axes:
                continue
            blocks = [(At(part.document, ("defaults",)), part.block("defaults"), axes)]
            blocks += [(At(part.document, ("profiles", key)), one, axes) for key, one in part.block("profiles").items()]
            blocks += [(at, one, one.get("matrix", ())) for at, one in scenes]
            for at, block, own in blocks:
                for path, value in texts_in(block):
                    found |= self.misspelt(at.to(*path), value, {*names, *own})
            for name, value in part.block("vars").items():
                found |= self.misspelt(At(part.document, ("vars", name)), str(value), names)
        return found

    def misspelt(self, at: At, text: str, known: Collection[str]) -> set[str]:
        """Warn of what in a text is a variable to other tools only; return the names of the variables."""
        found = set()
        for use in BARE.finditer(text):
            name = use["name"] or use["braced"]
            if name not in known or name in found:
                continue
            found.add(name)
            hint = f"write `${{{name}}}` for the variable"
            self.notes.add_at(at.document.find(at.path, use[0]), "W409", at, f"`{use[0]}` is sent as it stands", hint)
        return found

    def close(self, whole: Whole, used: Collection[str]) -> None:
        """Warn of what only the whole manifest shows. `used` are the variables that texts use."""
        for found in self.alike.values():
            bases = {scene.base: variant for scene, variant in reversed(found)} if len(found) > 1 else {}
            first = found[0][0].base
            for base, variant in bases.items():
                if base != first:
                    hint = f"for several videos of one prompt write `takes: {len(bases)}`"
                    at = variant.origin("shots" if variant.says("shots") else "prompt")
                    self.notes.add("W406", at, f"the same prompt as in scene {first}", hint)
        misspelt = self.bare(whole)
        for at, axis in self.unused:
            if axis not in misspelt:
                hint = f"write `${{{axis}}}` in a text, or take the axis away: each of its values is billed"
                self.notes.add("W407", at.to("matrix", axis), f"no text uses the axis `{axis}`", hint, key=True)
        for part in whole.parts:
            for name in part.block("vars"):
                if name not in used and name not in misspelt:
                    at = At(part.document, ("vars", name))
                    hint = f"write `${{{name}}}` in a text, or take the variable away"
                    self.notes.add("W407", at, f"no text uses the variable `{name}`", hint, key=True)

    def picks(self, scenes: Sequence[Scene], chosen: Picks, manifest: str, file: Path) -> None:
        """Warn of chosen takes that the manifest does not have any more; `file` is where the choice stands."""
        takes = {scene.id: scene.takes for scene in scenes}
        for scene, take in chosen.picks.items():
            if take > takes.get(scene, 0):
                missing = f"scene {scene}" if scene not in takes else f"take {take} of {scene}"
                hint = f"pick another, or none: wanbatch pick {manifest} '{scene}' --clear"
                self.notes.problems.append(
                    Problem(Place(str(file), 1, 1), "W408", f"the manifest has no {missing}", hint)
                )
