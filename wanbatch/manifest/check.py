"""A document → a manifest, or every problem that it has, each with its place.

The schema first, then what a schema cannot say, then each compiled request against its own schema: nothing
that the service would cut, refuse or bill by surprise gets past here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wanbatch.errors import ManifestInvalid, Problem
from wanbatch.manifest import expand
from wanbatch.manifest.document import DataPath, Document, parse, read_text
from wanbatch.manifest.model import Manifest, Scene, Wanted
from wanbatch.manifest.prompt import one_line
from wanbatch.manifest.shape import Fault, faults, shown
from wanbatch.service import catalog

DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending; a set of videos may be copied there."""

SENT_TEXTS = ("prompt", "intro", "negative_prompt")
FORMLESS = re.compile(r"[\t\r\x85\u2028\u2029]")
"""Characters that lay text out, which a prompt has no use for. A line break becomes a space."""

Data = Mapping[str, Any]


class Check:
    """One check of one document. `problems` fills up as it goes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)
        self.ids: dict[str, DataPath] = {}

    def problem(self, code: str, path: DataPath, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note a problem at a path of the data."""
        self.problems.append(Problem(self.document.place(path, key=key), code, message, hint))

    def manifest(self, default_name: str) -> Manifest | None:
        """Return the manifest; None when there are problems."""
        data = self.document.data
        if not isinstance(data, dict):
            if not self.problems:
                message = "a manifest is a mapping; this is " + ("empty" if data is None else "something else")
                self.problem("E101", (), message, "start with `wanbatch: 1`; wanbatch init writes a first manifest")
            return None
        broken = self.shape(data)
        default_scene = data.get("defaults") if isinstance(data.get("defaults"), dict) else {}
        listed = data.get("scenes") if isinstance(data.get("scenes"), list) else []
        wanted: list[Wanted] = []
        for index, raw in enumerate(listed or []):
            path: DataPath = ("scenes", index)
            if isinstance(raw, dict):
                self.identity(path, raw)
                self.texts(path, raw)
                if path not in broken and "defaults" not in broken:
                    wanted += self.scene(path, raw, default_scene or {})
        self.texts(("defaults",), default_scene or {})
        name = data.get("name", default_name)
        if "name" not in data and any(fault.path == ("name",) for fault in faults("manifest", {"name": name})):
            self.problem(
                "E206", (), f"the file's name, {shown(name)}, cannot name a folder", "add `name:` to the manifest"
            )
        if self.problems:
            return None
        scenes = tuple(dict.fromkeys(one.take.scene for one in wanted))
        return Manifest(name, expand.run_settings(data.get("run", {})), scenes, tuple(wanted))

    def shape(self, data: Data) -> set[object]:
        """Hold the data against the schema; return the scenes that it does not accept, and `defaults` if so."""
        broken: set[object] = set()
        for fault in faults("manifest", data):
            self.problem(fault.code, fault.path, self.subject(fault.path) + fault.message, fault.hint, key=fault.key)
            broken.add(fault.path[:2] if fault.path[:1] == ("scenes",) else fault.path[0] if fault.path else "")
        return broken

    def subject(self, path: DataPath) -> str:
        """Return `scene alley, shot 2: ` for what lies inside one."""
        if len(path) < 2 or path[0] != "scenes" or not isinstance(path[1], int):
            return ""
        scene = self.document.data["scenes"][path[1]]
        name = scene.get("id") if isinstance(scene, dict) else None
        said = f"scene {name}" if isinstance(name, str) and path[2:] != ("id",) else f"scene {path[1] + 1}"
        if len(path) > 3 and path[2] == "shots" and isinstance(path[3], int):
            said += f", shot {path[3] + 1}"
        return f"{said}: "

    def identity(self, path: DataPath, raw: Data) -> None:
        """Ids name files: unique without regard to case, and a name on every system."""
        scene_id = raw.get("id")
        if not isinstance(scene_id, str):
            return
        first = self.ids.setdefault(scene_id.casefold(), path)
        if first != path:
            line = self.document.place((*first, "id")).line
            same = "" if self.document.data["scenes"][first[1]]["id"] == scene_id else " but for upper and lower case"
            self.problem("E203", (*path, "id"), f"id {scene_id} is taken{same}; first in line {line}", "ids name files")
        if DEVICE.match(scene_id) or scene_id.endswith("."):
            self.problem("E207", (*path, "id"), f"id {scene_id} is no file name on Windows", "choose another")

    def texts(self, path: DataPath, raw: Data) -> None:
        """Look at every text that is sent: cut short by a comment, blank, or with a layout character."""
        fields: list[DataPath] = [(*path, name) for name in SENT_TEXTS if isinstance(raw.get(name), str)]
        shots = raw.get("shots") if isinstance(raw.get("shots"), list) else []
        for index, shot in enumerate(shots or []):
            if isinstance(shot, dict):
                names = [name for name in ("framing", "prompt") if isinstance(shot.get(name), str)]
                fields += [(*path, "shots", index, name) for name in names]
        for field in fields:
            value = self.value(field)
            spot = self.document.spot(field)
            said = self.subject(field)
            if spot and spot.start in self.document.cut:
                rest = self.document.place(field).source.strip()
                hint = f"put the text in quotes, or the comment on a line of its own: {rest[-40:]}"
                message = f"{said}{field[-1]} ends at ` #`: YAML takes the rest for a comment"
                self.problem("E201", field, message, hint)
            if value and not one_line(value):
                self.problem("E107", field, f"{said}{field[-1]} is blank", "write something, or remove the line")
            elif odd := FORMLESS.search(value):
                message = f"{said}{field[-1]} holds the character U+{ord(odd[0]):04X}"
                self.problem("E208", field, message, "write a space instead")

    def value(self, path: DataPath) -> str:
        """Return the text at a path that is known to hold one."""
        value: Any = self.document.data
        for step in path:
            value = value[step]
        assert isinstance(value, str)
        return value

    def scene(self, path: DataPath, raw: Data, defaults: Data) -> Iterator[Wanted]:
        """Yield the scene's jobs; nothing when it has problems."""
        before = len(self.problems)
        self.stated(path, raw, defaults)
        if len(self.problems) == before:
            scene = expand.scene(raw, defaults)
            for take in expand.takes(scene):
                wanted = expand.wanted(take)
                self.request(path, raw, scene, wanted)
                yield wanted

    def stated(self, path: DataPath, raw: Data, defaults: Data) -> None:
        """Say what a scene must say: its resolution, and a duration that its shots agree with."""
        said = self.subject((*path, "seconds"))
        if "resolution" not in raw and "resolution" not in defaults:
            hint = "write 720P or 1080P here or under `defaults`; it decides the price"
            self.problem("E204", (*path, "id"), f"{said}no resolution", hint)
        own = raw.get("duration")
        if "shots" not in raw:
            if own is None and "duration" not in defaults:
                self.problem("E205", (*path, "prompt"), f"{said}no duration", "write `duration: 5` (seconds)", key=True)
            return
        total = expand.shots_duration(raw["shots"])
        if not total.is_integer():
            message = f"{said}the shots add up to {total:g} s; the service makes whole seconds"
            self.problem("E202", (*path, "shots"), message, "add or take away half a second", key=True)
        elif own is not None and own != total:
            message = f"{said}duration is {own} s, but the shots add up to {total:g} s"
            self.problem("E202", (*path, "duration"), message, "leave the duration out, or mend the shots")

    def request(self, path: DataPath, raw: Data, scene: Scene, wanted: Wanted) -> None:
        """Hold the compiled request against its own schema."""
        family = catalog.family(scene.model)
        assert family, "the manifest's schema lets known models through only"
        for fault in faults(family, wanted.request.body()):
            name = str(fault.path[-1])
            where = self.origin(path, raw, name)
            message = (
                fault.message.replace("prompt has", "the whole prompt has", 1) if name == "prompt" else fault.message
            )
            if name == "duration" and scene.shots:
                message = f"the shots add up to {scene.duration} s: {fault.hint} is possible"
                fault = Fault(fault.path, fault.key, fault.code, message, "mend the shots' seconds")  # noqa: PLW2901
            said = self.subject((*path, name))
            self.problem(fault.code, where, said + message, fault.hint, key=where[-1] == "shots")

    def origin(self, path: DataPath, raw: Data, name: str) -> DataPath:
        """Return where a field of the request comes from."""
        if name in ("prompt", "duration") and "shots" in raw:
            return (*path, "shots")
        return (*path, name) if name in raw else ("defaults", name)


def check(document: Document) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """Return the manifest in a document, and every problem, sorted by place; the manifest is None if there is one."""
    checking = Check(document)
    stem = Path(document.file).stem
    manifest = checking.manifest(stem)
    problems = sorted(dict.fromkeys(checking.problems), key=lambda problem: problem.order)
    return (None if problems else manifest), tuple(problems)


def load(path: Path) -> Manifest:
    """Read and check a manifest file. Raises ManifestInvalid with all its problems, WanbatchError if unreadable."""
    manifest, problems = check(parse(str(path), read_text(path)))
    if manifest is None:
        raise ManifestInvalid(str(path), problems)
    return manifest
