"""A document → a manifest, or every problem that it has, each with its place.

The schema first, then what a schema cannot say, then each compiled request against its own schema: nothing
that the service would cut, refuse or bill by surprise gets past here.
"""

import gc
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wanbatch.errors import ManifestInvalid, Place, Problem
from wanbatch.manifest import expand
from wanbatch.manifest.document import DataPath, Document, parse, read_text
from wanbatch.manifest.model import Manifest, Scene, Wanted
from wanbatch.manifest.shape import faults, shown
from wanbatch.service import catalog

DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending; a set of videos may be copied there."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
"""Ids that a message may call a scene by."""

SENT_TEXTS = ("prompt", "intro", "negative_prompt")
FORMLESS = re.compile(r"[\t\r\x85\u2028\u2029\ufeff]")
"""Characters that lay text out, which a prompt has no use for. A line break becomes a space."""
CALLED = {"\t": "a tab", "\r": "a carriage return", "\ufeff": "a byte order mark"}
ADDRESS = re.compile(r"https?://[^\s/][^\s]*\Z")

UNSAID = {
    "resolution": ("E204", "write `resolution: 720P` or 1080P, here or under `defaults`; it decides the price"),
    "duration": ("E205", "write `duration: 5` (seconds), here or under `defaults`"),
}
"""What a scene or the defaults must say: the code and the hint when neither does."""

Data = Mapping[str, Any]


class Check:
    """One check of one document. `problems` fills up as it goes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)
        self.refused = {(problem.where.line, problem.where.column) for problem in document.problems}
        """Places where the value is not what was written, so that nothing more can be said of it."""
        self.noted: set[tuple[Place, str, str]] = set()
        self.ids: dict[str, DataPath] = {}
        self.unsaid: dict[str, list[DataPath]] = {}

    def problem(self, code: str, path: DataPath, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note a problem at a path of the data."""
        self.problem_at(self.document.place(path, key=key), code, path, message, hint)

    def problem_at(self, where: Place, code: str, path: DataPath, message: str, hint: str = "") -> None:
        """Note a problem at a place; once, though an alias or the defaults bring it into many scenes."""
        known = (where, code, message)
        if known not in self.noted and (where.line, where.column) not in self.refused:
            self.noted.add(known)
            self.problems.append(Problem(where, code, self.subject(path) + message, hint))

    def manifest(self, default_name: str) -> Manifest | None:
        """Return the manifest; None when there are problems."""
        data = self.document.data
        if data is None and self.problems:
            return None
        broken = self.shape(data)
        if not isinstance(data, dict):
            return None
        defaults = data.get("defaults") if isinstance(data.get("defaults"), dict) else {}
        listed = data.get("scenes") if isinstance(data.get("scenes"), list) else []
        scenes: list[Scene] = []
        wanted: list[Wanted] = []
        for index, raw in enumerate(listed or []):
            path: DataPath = ("scenes", index)
            if isinstance(raw, dict):
                self.identity(path, raw)
                self.texts(path, raw)
                if path not in broken and "defaults" not in broken and self.stated(path, raw, defaults or {}):
                    scenes.append(expand.scene(raw, defaults or {}))
                    wanted += self.jobs(path, raw, scenes[-1])
        self.texts(("defaults",), defaults or {})
        if {"model", "models"} <= (defaults or {}).keys():
            path = ("defaults", "models")
            self.problem("E109", path, "`model` and `models` exclude each other", "keep one of the two", key=True)
        self.gaps()
        name = data.get("name", default_name)
        if "name" not in data and any(fault.path == ("name",) for fault in faults("manifest", {"name": name})):
            self.problem(
                "E206", (), f"the file's name, {shown(name)}, cannot name a folder", "add `name:` to the manifest"
            )
        if self.problems:
            return None
        return Manifest(name, expand.run_settings(data.get("run", {})), tuple(scenes), tuple(wanted))

    def shape(self, data: object) -> set[object]:
        """Hold the data against the schema; return the scenes that it does not accept, and `defaults` if so."""
        broken: set[object] = set()
        for fault in faults("manifest", data):
            message, hint = fault.message, fault.hint
            if fault.quote:
                written = self.document.written(fault.path)[:50]
                message, hint = message.format(written), hint.format(written)
            self.problem(fault.code, fault.path, message, hint, key=fault.key)
            if fault.code == "E103" and len(fault.path) == 1:
                broken.update(fault.meant)
            broken.add(fault.path[:2] if fault.path[:1] == ("scenes",) else fault.path[0] if fault.path else "")
        return broken

    def subject(self, path: DataPath) -> str:
        """Return `scene alley, shot 2: ` for what lies inside one."""
        if len(path) < 2 or path[0] != "scenes" or not isinstance(path[1], int):
            return ""
        scene = self.document.data["scenes"][path[1]]
        name = scene.get("id") if isinstance(scene, dict) else None
        known = isinstance(name, str) and NAME.match(name) and path[2:] != ("id",)
        said = f"scene {name if known else path[1] + 1}"
        if len(path) > 3 and path[2] == "shots" and isinstance(path[3], int):
            said += f", shot {path[3] + 1}"
        return f"{said}: "

    def identity(self, path: DataPath, raw: Data) -> None:
        """Ids name files: unique without regard to case, and a name on every system."""
        scene_id = raw.get("id")
        if not isinstance(scene_id, str) or not NAME.match(scene_id):
            return
        first = self.ids.setdefault(scene_id.casefold(), path)
        if first != path:
            line = self.document.place((*first, "id")).line
            same = self.document.data["scenes"][first[1]]["id"] == scene_id
            said = "is taken already," if same else "differs only in upper and lower case from the one"
            hint = "give one of the two another id: ids name files"
            self.problem("E203", (*path, "id"), f"id {scene_id} {said} in line {line}", hint)
        elif DEVICE.match(scene_id):
            self.problem("E207", (*path, "id"), f"id {scene_id} is no file name on Windows", f"write scene-{scene_id}")
        elif scene_id.endswith("."):
            message = f"id {scene_id} ends with a dot, which is no file name on Windows"
            self.problem("E207", (*path, "id"), message, "leave the last dot out")

    def texts(self, path: DataPath, raw: Data) -> None:
        """Look at every text that is sent, and at the address of the sound."""
        for name in SENT_TEXTS:
            if isinstance(value := raw.get(name), str):
                self.text((*path, name), value)
        shots = raw.get("shots")
        for index, shot in enumerate(shots if isinstance(shots, list) else ()):
            for name in ("framing", "prompt"):
                if isinstance(shot, dict) and isinstance(value := shot.get(name), str):
                    self.text((*path, "shots", index, name), value)
        url = raw.get("audio_url")
        if isinstance(url, str) and url.startswith(("http://", "https://")) and not ADDRESS.match(url):
            hint = "an address has no spaces and no line breaks: write %20 for a space"
            self.problem("E105", (*path, "audio_url"), f"audio_url {shown(url)} is not allowed", hint)

    def text(self, path: DataPath, value: str) -> None:
        """Look at a text: cut short by a comment, empty, or with a layout character."""
        if self.document.cut and (remark := self.document.remark(path)):
            message = f"{path[-1]} ends before ` #`: YAML takes the rest of the line for a comment"
            hint = "put the whole text in quotes; or, if this is a comment, on a line of its own"
            self.problem_at(remark, "E201", path, message, hint)
        if value and not value.strip():
            self.problem("E107", path, f"{path[-1]} is empty", "write something, or remove the line")
        elif odd := FORMLESS.search(value):
            message = f"{path[-1]} holds {CALLED.get(odd[0], 'a line separator')}, U+{ord(odd[0]):04X}"
            self.problem_at(self.document.find(path, odd[0]), "E208", path, message, "write a space instead")

    def stated(self, path: DataPath, raw: Data, defaults: Data) -> bool:
        """Say what a scene must say: its resolution, and a duration that its shots agree with."""
        before = len(self.problems)
        needed = ["resolution"] if "shots" in raw else ["resolution", "duration"]
        missing = [name for name in needed if name not in raw and name not in defaults]
        for name in missing:
            self.unsaid.setdefault(name, []).append(path)
        if "shots" in raw:
            own, total = raw.get("duration"), expand.shots_duration(raw["shots"])
            if not total.is_integer():
                message = f"the shots add up to {total:g} s, but the service makes whole seconds"
                self.problem("E202", (*path, "shots"), message, "make a shot half a second longer or shorter", key=True)
            elif own is not None and own != total:
                message = f"duration is {own} s, but the shots add up to {total:g} s"
                self.problem("E202", (*path, "duration"), message, "leave the duration out, or mend the shots")
        return not missing and len(self.problems) == before

    def gaps(self) -> None:
        """Say once what scenes leave unsaid: one line under `defaults` mends all of them."""
        for name, paths in self.unsaid.items():
            code, hint = UNSAID[name]
            more = len(paths) - 1
            same = f"; the same in {more} more scene{'s' if more != 1 else ''}" if more else ""
            self.problem(code, paths[0], f"no {name}{same}", hint)

    def jobs(self, path: DataPath, raw: Data, scene: Scene) -> Iterator[Wanted]:
        """Yield the scene's jobs, each request held against its own schema."""
        family = catalog.family(scene.model)
        assert family, "the manifest's schema lets known models through only"
        for take in expand.takes(scene):
            wanted = expand.wanted(take)
            for fault in faults(family, wanted.request.body()):
                name = str(fault.path[-1])
                message, hint, where = fault.message, fault.hint, self.origin(path, raw, name)
                if name == "prompt" and scene.shots:
                    message = message.replace("prompt has", "with all its shots the prompt has", 1)
                elif name == "duration" and scene.shots:
                    message = f"the shots add up to {scene.duration} s; possible is {fault.hint} s"
                    hint = "mend the shots' seconds"
                self.problem(fault.code, where, message, hint, key=where[-1] == "shots")
            yield wanted

    def origin(self, path: DataPath, raw: Data, name: str) -> DataPath:
        """Return where a field of the request comes from."""
        if name in ("prompt", "duration") and "shots" in raw:
            return (*path, "shots")
        return (*path, name) if name in raw else ("defaults", name)


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
    """Return the manifest in a document, and every problem, sorted by place; the manifest is None if there is one."""
    checking = Check(document)
    stem = Path(document.file).stem
    manifest = checking.manifest(stem)
    problems = sorted(dict.fromkeys(checking.problems), key=lambda problem: problem.order)
    return (None if problems else manifest), tuple(problems)


def load(path: Path) -> Manifest:
    """Read and check a manifest file. Raises ManifestInvalid with all its problems, WanbatchError if unreadable."""
    with uncollected():
        manifest, problems = check(parse(str(path), read_text(path)))
    if manifest is None:
        raise ManifestInvalid(str(path), problems)
    return manifest


def text_places(path: Path, ids: Collection[str]) -> dict[str, Place]:
    """Return where the prompt, or the shots, of some scenes stand in a manifest file that was read before.

    Raises ManifestInvalid, WanbatchError for a file that cannot be read any more.
    """
    document = parse(str(path), read_text(path))
    scenes = document.data.get("scenes") if isinstance(document.data, dict) else None
    found: dict[str, Place] = {}
    for index, scene in enumerate(scenes if isinstance(scenes, list) else ()):
        if isinstance(scene, dict) and scene.get("id") in ids:
            name = "shots" if "shots" in scene else "prompt"
            found[scene["id"]] = document.place(("scenes", index, name))
    return found
