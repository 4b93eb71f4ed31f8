"""A manifest's files → a manifest, or every problem that it has, each with its place.

The schema first, then what a schema cannot say, then each compiled request against its own schema: nothing
that the service would cut, refuse or bill by surprise gets past here.
"""

import gc
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from wanbatch.errors import Exit, ManifestInvalid, Place, Problem, WanbatchError
from wanbatch.manifest import expand, picks, texts
from wanbatch.manifest.assemble import At, Entry, Part, Reading, Whole, assemble, listed, whole_of
from wanbatch.manifest.document import text_of
from wanbatch.manifest.files import DISK, Disk, Files
from wanbatch.manifest.fit import fits
from wanbatch.manifest.matrix import RESERVED, VARIED
from wanbatch.manifest.model import Manifest, Picks, Scene, Wanted, stem_of
from wanbatch.manifest.notes import NAME, Notes
from wanbatch.manifest.places import Document
from wanbatch.manifest.shape import faults, shown
from wanbatch.manifest.variables import MARK
from wanbatch.manifest.variants import Block, Scope, Variant, Varying
from wanbatch.manifest.warn import Warnings
from wanbatch.service import catalog

DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending; a set of videos may be copied there."""
MOST_IN_A_NAME = 200
"""Bytes; file systems take 255, and takes, digests and endings come to them."""
LIKE_A_TAKE = re.compile(r"(.+)\.t[0-9]+\Z")

NO_PICKS = Picks()
NOTHING: Mapping[str, str] = MappingProxyType({})
AS_IT_IS = Reading()

UNSAID = {
    "resolution": ("E204", "write `resolution: 720P` or 1080P, here or under `defaults`; it decides the price"),
    "duration": ("E205", "write `duration: 5` (seconds), here or under `defaults`"),
}
"""What a scene or the defaults must say: the code and the hint when neither does."""


class Check:
    """One check of one manifest. `notes` fills up as it goes."""

    def __init__(self, whole: Whole, profile: str | None, chosen: Picks, environ: Mapping[str, str]) -> None:
        self.whole = whole
        self.notes = Notes(whole.problems)
        self.profile = profile
        self.picks = chosen
        self.variables = texts.Variables(self.notes, environ)
        self.warnings = Warnings(self.notes)
        self.ids: dict[str, At] = {}
        self.stems: dict[str, tuple[str, Variant]] = {}
        self.unsaid: dict[str, list[At]] = {}
        over = whole.parts[0].block("profiles").get(profile or "")
        at = At(whole.parts[0].document, ("profiles", profile or ""))
        self.varying = Varying(self.notes, self.variables, over if isinstance(over, dict) else {}, at)

    def manifest(self, default_name: str) -> Manifest | None:
        """Return the manifest; None when there are problems."""
        data = self.whole.parts[0].document.data
        if data is None and self.notes.problems:
            return None
        scopes: dict[int, Scope] = {}
        for part in self.whole.parts:
            scopes[id(part)] = self.scope(part, scopes.get(id(part.above)))
        if not isinstance(data, dict):
            return None
        scenes: list[Scene] = []
        wanted: list[Wanted] = []
        for entry in self.whole.entries:
            for variant, scene in self.scenes(entry, scopes[id(entry.part)]):
                scenes.append(scene)
                wanted += self.jobs(variant, scene)
        self.gaps()
        self.alike()
        name = data.get("name", default_name)
        if "name" not in data and not fits("manifest", name, "#/properties/name"):
            message = f"the file's name, {shown(name)}, cannot name a folder"
            self.notes.add("E206", At(self.whole.parts[0].document), message, "add `name:` to the manifest")
        if self.notes.errors:
            return None
        self.warnings.close(self.whole, self.variables.used)
        if self.picks.picks:
            path = Path(self.whole.sources[0])
            self.warnings.picks(scenes, self.picks, str(path), picks.path_of(path, self.profile))
        settings = expand.run_settings(data.get("run", {}))
        return Manifest(name, settings, tuple(scenes), tuple(wanted), self.profile, self.picks, self.notes.warnings)

    def shape(self, document: Document) -> set[object]:
        """Hold a file against the schema; return the scenes that it does not accept, and what else is broken."""
        broken: set[object] = set()
        for fault in faults("manifest", document.data):
            message, hint = fault.message, fault.hint
            if fault.quote:
                written = document.written(fault.path)[:50]
                message, hint = message.format(written), hint.format(written)
            at = At(document, fault.path)
            where = document.find(at.path, fault.mark, key=fault.key) if fault.mark else None
            self.notes.add_at(where or document.place(at.path, key=fault.key), fault.code, at, message, hint)
            if fault.code == "E103" and len(fault.path) == 1:
                broken.update(fault.meant)
            broken.add(fault.path[:2] if fault.path[:1] == ("scenes",) else fault.path[0] if fault.path else "")
        return broken

    def scope(self, part: Part, above: Scope | None) -> Scope:
        """Check one file as a whole, and return what holds for its scenes."""
        document = part.document
        broken = self.shape(document) if document.data is not None or not document.problems else {""}
        for name in ("defaults", "profiles"):
            self.one_model(part, name)
        self.one_case(part)
        defaults, at = part.block("defaults"), At(document, ("defaults",))
        texts.look(self.notes, at, defaults)
        texts.look_within(self.notes, At(document, ("vars",)), part.block("vars"))
        for name, block in part.block("profiles").items():
            if isinstance(block, dict):
                texts.look(self.notes, At(document, ("profiles", name)), block)
        outer = above.values if above else {}
        values, before = dict(outer), len(self.notes.problems)
        if "vars" not in broken:
            values |= self.variables.resolved(At(document, ("vars",)), part.block("vars"), outer)
            broken |= {"vars"} if len(self.notes.problems) > before else set()
        else:
            values |= dict.fromkeys(part.block("vars"), "")  # they stand there, whatever is wrong with them
        layers = ((defaults, at), *(above.layers if above else ()))
        marked = MARK in document.text or bool(document.moved) or bool(above and above.marked)
        if above:
            broken |= {one for one in above.broken if isinstance(one, str)} - {"scenes", ""}
        under = expand.overlaid(above.defaults, defaults) if above and "defaults" not in broken else defaults
        return Scope(layers, under, values, marked, broken)

    def one_model(self, part: Part, name: str) -> None:
        """Refuse both `model` and `models` in one block."""
        blocks: dict[tuple[str, ...], Block] = {(name,): part.block(name)}
        if name == "profiles":
            blocks = {(name, one): block for one, block in part.block(name).items() if isinstance(block, dict)}
        for path, block in blocks.items():
            if {"model", "models"} <= block.keys():
                at = At(part.document, (*path, "models"))
                self.notes.add("E109", at, "`model` and `models` exclude each other", "keep one of the two", key=True)

    def one_case(self, part: Part) -> None:
        """Profiles name folders and files: unique without regard to case."""
        known: dict[str, str] = {}
        for name in part.block("profiles"):
            first = known.setdefault(name.casefold(), name)
            if first != name:
                message = f"profile {name} differs only in upper and lower case from {first}"
                hint = "give one of the two another name: profiles name output folders"
                self.notes.add("E203", At(part.document, ("profiles", name)), message, hint, key=True)

    def scenes(self, entry: Entry, scope: Scope) -> Iterator[tuple[Variant, Scene]]:
        """Yield what an entry of `scenes` stands for: a scene, or one for each combination of its matrix."""
        at, raw = entry.at, listed(entry.part.document)[entry.index]
        if not isinstance(raw, dict):
            return
        self.identity(at, raw)
        texts.look(self.notes, at, raw)
        if isinstance(axes := raw.get("matrix"), dict):
            for axis in axes.keys() - {*VARIED, *RESERVED}:
                texts.look_within(self.notes, at.to("matrix", axis), axes[axis])
        if at.path in scope.broken or not scope.broken.isdisjoint(("defaults", "profiles")):
            self.doubtful(at, raw, scope)
            return
        for variant in self.varying.variants(at, raw, scope):
            if not self.stated(at, raw, variant):
                continue
            value_of = None
            if scope.marked or variant.axes:
                used = self.varying.known(variant)
                if used is None or "vars" in scope.broken:
                    continue
                value_of = partial(self.variables.value_of, known=variant.values)
                self.warnings.axes(at, variant, used)
            scene = expand.scene({**raw, "id": variant.id}, scope.defaults, variant.over, value_of)
            axes = tuple((axis, value.name) for axis, value in variant.axes.items())
            takes = max(scene.takes, self.picks.takes.get(scene.id, 0))
            yield variant, scene if not axes and takes == scene.takes else replace(scene, axes=axes, takes=takes)

    def doubtful(self, at: At, raw: Block, scope: Scope) -> None:
        """Check what can be said of a scene that cannot be put together: its variables."""
        known = {**scope.values, **dict.fromkeys(axes if isinstance(axes := raw.get("matrix"), dict) else (), "")}
        for path, text in texts.texts_in(raw):
            if MARK in text:
                self.variables.check(at.to(*path), text, known)

    def identity(self, at: At, raw: Block) -> None:
        """Ids name files: unique without regard to case, and a name on every system."""
        scene_id = raw.get("id")
        if not isinstance(scene_id, str) or not NAME.match(scene_id):
            return
        first = self.ids.setdefault(scene_id.casefold(), at)
        if first is not at:
            place = first.document.place((*first.path, "id"))
            where = f"line {place.line}" if place.file == at.document.file else f"{place.file}, line {place.line}"
            same = listed(first.document)[int(first.path[1])]["id"] == scene_id
            said = "is taken already," if same else "differs only in upper and lower case from the one"
            hint = "give one of the two another id: ids name files"
            self.notes.add("E203", at.to("id"), f"id {scene_id} {said} in {where}", hint)
        elif DEVICE.match(scene_id):
            message = f"id {scene_id} is no file name on Windows"
            self.notes.add("E207", at.to("id"), message, f"write scene-{scene_id}")
        elif scene_id.endswith("."):
            message = f"id {scene_id} ends with a dot, which is no file name on Windows"
            self.notes.add("E207", at.to("id"), message, "leave the last dot out")

    def stated(self, at: At, raw: Block, variant: Variant) -> bool:
        """Say whether a scene says what it must: its resolution, and a duration that its shots agree with."""
        before = len(self.notes.problems)
        needed = ["resolution"] if "shots" in raw else ["resolution", "duration"]
        missing = [name for name in needed if not variant.says(name)]
        for name in missing:
            self.unsaid.setdefault(name, []).append(at)
        if "shots" in raw:
            own, total = raw.get("duration"), expand.shots_duration(raw["shots"])
            if not total.is_integer():
                message = f"the shots add up to {total:g} s, but the service makes whole seconds"
                hint = "make a shot half a second longer or shorter"
                self.notes.add("E202", at.to("shots"), message, hint, key=True)
            elif own is not None and own != total:
                message = f"duration is {own} s, but the shots add up to {total:g} s"
                self.notes.add("E202", at.to("duration"), message, "leave the duration out, or mend the shots")
        return not missing and len(self.notes.problems) == before

    def gaps(self) -> None:
        """Say once what scenes leave unsaid: one line under `defaults` mends all of them."""
        for name, places in self.unsaid.items():
            code, hint = UNSAID[name]
            more = len(dict.fromkeys((id(at.document), at.path) for at in places)) - 1
            same = f"; the same in {more} more scene{'s' if more != 1 else ''}" if more else ""
            self.notes.add(code, places[0], f"no {name}{same}", hint)

    def jobs(self, variant: Variant, scene: Scene) -> Iterator[Wanted]:
        """Yield the scene's jobs. One request is held against its own schema: a scene's takes differ by their seeds."""
        family = catalog.family(scene.model)
        assert family, "the manifest's schema lets known models through only"
        self.named(variant, scene)
        wanted = [expand.wanted(take) for take in expand.takes(scene)]
        body = wanted[0].request.body()
        if not fits(family, body):
            self.unfit(family, body, variant, scene)
        self.warnings.scene(variant, scene, wanted[0].request)
        self.warnings.twins(variant, wanted)
        yield from wanted

    def named(self, variant: Variant, scene: Scene) -> None:
        """Note two scenes whose videos would have one name."""
        stem = stem_of(scene.id).casefold()
        if scene.axes and len(stem.encode()) > MOST_IN_A_NAME:
            hint = "give the matrix' values shorter names: `city: {nyc: New York}`"
            message = f"its video's name would have {len(stem.encode())} bytes; at most {MOST_IN_A_NAME} are possible"
            self.notes.add("E316", variant.origin("matrix"), message, hint, of=scene.id)
        first = self.stems.setdefault(stem, (scene.id, variant))
        if first[0] != scene.id and first[0].casefold() != scene.id.casefold():
            message = f"its video would have the name of that of {first[0]}, {stem}.mp4"
            self.notes.add("E315", variant.origin("id"), message, "name a value or a scene differently", of=scene.id)

    def alike(self) -> None:
        """Note scenes that are called like a further take of another one, now or when that gets more takes."""
        for stem, (scene_id, variant) in self.stems.items():
            found = LIKE_A_TAKE.match(stem)
            if found and found[1] in self.stems:
                message = f"its video is called like a further take of {self.stems[found[1]][0]}"
                self.notes.add("E315", variant.origin("id"), message, "give the scene another id", of=scene_id)

    def unfit(self, family: str, body: dict[str, object], variant: Variant, scene: Scene) -> None:
        """Note what is wrong with a compiled request, where it comes from."""
        for fault in faults(family, body):
            name = str(fault.path[-1])
            message, hint, at = fault.message, fault.hint, variant.origin(name)
            if name == "prompt":
                at = variant.origin("shots" if scene.shots else "prompt")
                message = message.replace("prompt has", made_of(at, scene) + "prompt has", 1)
            elif name == "duration" and scene.shots:
                at = variant.origin("shots")
                message = f"the shots add up to {scene.duration} s; possible is {fault.hint} s"
                hint = "mend the shots' seconds"
            self.notes.add(fault.code, at, message, hint, key=at.path[-1] == "shots", of=variant.of)


def made_of(at: At, scene: Scene) -> str:
    """Say what a prompt is made of, besides the text that is marked: `with all its shots and its style the `."""
    text = at.document.written_text(at.path)
    parts = (
        ("all its shots", scene.shots),
        ("its style", scene.prefix or scene.suffix),
        ("its variables", MARK in text),
    )
    words = [word for word, there in parts if there]
    *most, last = words or [""]
    return f"with {', '.join(most)}{' and ' if most else ''}{last} the " if last else ""


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold the cyclic collector off while a manifest is read: it would walk all that is built so far, again and
    again, and find nothing, because nothing here makes a cycle. A tenth of the time for 10,000 scenes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def check(document: Document) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """Return the manifest in a text that is no file, or None, and every problem, by place."""
    return judged(whole_of(document), Path(document.file).stem)


def judged(
    whole: Whole,
    stem: str,
    profile: str | None = None,
    chosen: Picks = NO_PICKS,
    environ: Mapping[str, str] = NOTHING,
) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """Return the manifest in some files, and every problem, by place; the manifest is None if there is one.

    `stem` is its name where it states none.
    """
    checking = Check(whole, profile, chosen, environ)
    manifest = checking.manifest(stem)
    if manifest is None:
        return None, checking.notes.errors
    decisive = (sorted(chosen.takes.items()), sorted(checking.variables.seen.items()))  # what was picked makes nothing
    whole.digest.update(repr(decisive).encode(errors="surrogatepass"))
    return replace(manifest, sources=tuple(whole.sources), fingerprint=whole.digest.hexdigest()), ()


def load(
    path: Path, reading: Reading = AS_IT_IS, *, environ: Mapping[str, str] = NOTHING, files: Files | None = None
) -> Manifest:
    """Read and check a manifest, with all that it includes.

    `environ` is what `${env:NAME}` is read from. Raises ManifestInvalid with all its problems; WanbatchError for a
    file that cannot be read and for a command line that does not fit it.
    """
    files = files or Disk(stream=path)
    with uncollected():
        whole = assemble(path, reading, files)
        chosen = picked(path, reading, files)
        manifest, problems = judged(whole, path.stem, reading.profile, chosen, environ)
    if manifest is None:
        raise ManifestInvalid(str(path), problems)
    return manifest


def picked(path: Path, reading: Reading, files: Files) -> Picks:
    """Return what people chose among a manifest's takes. Raises ManifestInvalid, WanbatchError."""
    where = picks.path_of(path, reading.profile)
    try:
        raw = files.read(where, picks.MAX_BYTES)
    except FileNotFoundError:
        return NO_PICKS
    except OSError as error:
        reason = error.strerror or str(error)
        raise WanbatchError(f"cannot read {where}: {reason}", exit_code=Exit.STATE) from None
    return picks.read(text_of(str(where), raw), str(where))


def text_places(path: Path, ids: Collection[str], reading: Reading = AS_IT_IS) -> dict[str, Place]:
    """Return where the prompt, or the shots, of some scenes stand in a manifest that was read before.

    Raises ManifestInvalid, WanbatchError for a file that cannot be read any more.
    """
    found: dict[str, Place] = {}
    bases = {one.partition("[")[0]: one for one in ids}
    for entry in assemble(path, reading, DISK).entries:
        scene = listed(entry.part.document)[entry.index]
        if isinstance(scene, dict) and scene.get("id") in bases:
            name = "shots" if "shots" in scene else "prompt"
            found[bases[scene["id"]]] = entry.part.document.place(entry.at.to(name).path)
    return found
