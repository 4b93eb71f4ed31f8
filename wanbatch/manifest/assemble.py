"""The files of a manifest → one whole: what it includes, its prompt files, and what the command line sets.

Reads files; knows paths and places, and nothing of what a scene means.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.manifest.document import CONTROL, MAX_BYTES, character, parse, text_of, too_large
from wanbatch.manifest.files import Files, Nowhere
from wanbatch.manifest.places import DataPath, Document, Spot, starts_of_lines
from wanbatch.manifest.settings import Setting
from wanbatch.manifest.variables import A_KEY

QUOTES = "\"'/"
PATTERN = frozenset("*?[")
MAX_NESTED = 16
"""Files that include files that include files …"""
KEPT = (".picks.yaml", ".lock.yaml")
"""Files of ours beside a manifest, which no pattern means."""
ALONE = {
    "run": "how to run is the including manifest's to say: move it there, or remove it",
    "name": "the including manifest's name counts: remove it",
    "profiles": "profiles are the including manifest's to say: move them there",
}
"""Keys that would have no effect in an included file."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a manifest is to be read, as the command line says. `settings` are as typed: `defaults.ratio=9:16`."""

    profile: str | None = None
    settings: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES


class At(NamedTuple):
    """A place in one of the manifest's files."""

    document: Document
    path: DataPath = ()

    def to(self, *path: str | int) -> "At":
        """Return a place inside this one."""
        return At(self.document, (*self.path, *path))


@dataclass(slots=True)
class Part:
    """One file of a manifest. `above` is the one that includes it."""

    document: Document
    above: "Part | None" = None

    def block(self, name: str) -> Mapping[str, Any]:
        """Return one of the file's blocks; an empty one where it has none, or something else."""
        data = self.document.data
        found = data.get(name) if isinstance(data, dict) else None
        return found if isinstance(found, dict) else {}

    def lineage(self) -> list["Part"]:
        """Return the files that lead here, the manifest's own first."""
        return [*(self.above.lineage() if self.above else ()), self]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a `scenes` list."""

    part: Part
    index: int

    @property
    def at(self) -> At:
        """Where it is written."""
        return At(self.part.document, ("scenes", self.index))


@dataclass(slots=True)
class Whole:
    """A manifest with all that belongs to it. `entries` are its scenes in order, with the included ones in place."""

    parts: list[Part] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)


def whole_of(document: Document) -> Whole:
    """Return a text that is no file as a manifest of its own; what it includes is not found."""
    assembly = Assembly(Reading(), Nowhere())
    assembly.take_in(Path(document.file), document, None)
    return assembly.whole


def assemble(path: Path, reading: Reading, files: Files) -> Whole:
    """Read a manifest and all that belongs to it.

    Raises WanbatchError for a manifest that cannot be read and for a setting that fits nothing, ManifestInvalid for
    bytes that are not text.
    """
    return Assembly(reading, files).of(path)


def listed(document: Document) -> list[Any]:
    """Return a file's `scenes`, whatever they are."""
    scenes = document.data.get("scenes") if isinstance(document.data, dict) else None
    return scenes if isinstance(scenes, list) else []


class Assembly:
    """One reading of a manifest's files."""

    def __init__(self, reading: Reading, files: Files) -> None:
        self.reading = reading
        self.files = files
        self.whole = Whole()
        self.left = reading.max_bytes
        self.settings = [Setting.parse(one) for one in reading.settings]
        self.set: set[Setting] = set()
        """Those that have found their place."""
        self.included: dict[str, Path] = {}

    def of(self, path: Path) -> Whole:
        """Return the whole. Raises as `assemble`."""
        try:
            document = parse(str(path), self.text(path))
        except OSError as error:
            hint = "wanbatch init writes a first manifest" if isinstance(error, FileNotFoundError) else ""
            reason = error.strerror or str(error)
            raise WanbatchError(f"cannot read {path}: {reason}", exit_code=Exit.USAGE, hint=hint) from None
        self.take_in(path, document, None)
        chosen = repr((self.reading.profile, self.reading.settings))
        self.whole.digest.update(chosen.encode(errors="surrogatepass"))
        for setting in self.settings:
            if setting not in self.set:
                raise self.nowhere(setting, path)
        if self.reading.profile is not None:
            self.heed(self.reading.profile, path)
        return self.whole

    def heed(self, profile: str, path: Path) -> None:
        """Raise WanbatchError for a profile that is not there, or that would undo what the command line sets."""
        profiles = self.whole.parts[0].block("profiles")
        if profile not in profiles:
            from wanbatch.manifest.shape import nearest

            near = nearest(profile, list(profiles))
            known = (
                f"it has {', '.join(profiles)}" if profiles else "write `profiles: {draft: {resolution: 720P}}` in it"
            )
            hint = f"did you mean {near}? {known}" if near else known
            raise WanbatchError(f"{path} has no profile {profile}", exit_code=Exit.USAGE, hint=hint)
        keys = profiles[profile] if isinstance(profiles[profile], dict) else {}
        for setting in self.settings:
            key = next((one for one in setting.path[1:] if one in keys), "")
            if setting.path[-1] in ("model", "models"):
                key = next((one for one in ("model", "models") if one in keys), key)
            if key and setting.path[0] in ("defaults", "scenes"):
                message = f"--set {setting.text}: profile {profile} sets {key} too, and would win"
                hint = f"write --set profiles.{profile}.{key}=…, or leave --profile out"
                raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)

    def nowhere(self, setting: Setting, path: Path) -> WanbatchError:
        """Return the error for a setting of a scene that is not there."""
        from wanbatch.manifest.shape import nearest

        ids = [str(raw["id"]) for part in self.whole.parts for raw in listed(part.document) if has_id(raw)]
        scene = setting.rest.rpartition(".")[0] or setting.rest
        near = nearest(scene, ids)
        hint = f"did you mean scenes.{near}?" if near else "name a scene: scenes.ID.KEY=VALUE"
        message = f"--set {setting.text}: {path} has no scene {scene}"
        return WanbatchError(message, exit_code=Exit.USAGE, hint=hint)

    def text(self, path: Path) -> str:
        """Return a file's text, and count it. Raises OSError, ManifestInvalid."""
        raw = self.files.read(path, self.left)
        self.left -= len(raw)
        self.whole.sources.append(str(path))
        self.whole.digest.update(f"{len(raw)}\0".encode() + raw)
        if self.left < 0:
            raise too_large(str(path), self.reading.max_bytes)
        return text_of(str(path), raw)

    def take_in(self, path: Path, document: Document, above: Part | None) -> None:
        """Add a file and, in their places, the files that it includes."""
        place = self.files.identity(path)
        self.included[place] = path
        document = self.with_settings(document)
        self.whole.problems += document.problems
        part = Part(self.with_texts(path, document), above)
        self.whole.parts.append(part)
        if above is not None:
            self.unheard(part.document)
        for index, raw in enumerate(listed(part.document)):
            pattern = raw.get("include") if isinstance(raw, dict) else None
            if not isinstance(pattern, str) or not pattern or len(raw) > 1:
                self.whole.entries.append(Entry(part, index))
                continue
            for found in self.found(path, At(part.document, ("scenes", index, "include")), pattern):
                self.include(found, part, At(part.document, ("scenes", index, "include")))

    def problem(self, at: At, code: str, message: str, hint: str, *, key: bool = False) -> None:
        """Note a problem, unless its place has one already."""
        place = at.document.place(at.path, key=key)
        if not any(str(one.where) == str(place) for one in self.whole.problems):
            self.whole.problems.append(Problem(place, code, message, hint))

    def unheard(self, document: Document) -> None:
        """Refuse what has no effect in an included file."""
        for name, hint in ALONE.items():
            if isinstance(document.data, dict) and name in document.data:
                message = f"`{name}` has no effect in an included file"
                self.problem(At(document, (name,)), "E323", message, hint, key=True)

    def found(self, path: Path, at: At, pattern: str) -> list[Path]:
        """Return the files that an `include` means."""
        if elsewhere := outside(pattern):
            self.problem(at, "E321", *elsewhere)
            return []
        if not PATTERN & set(pattern):
            return [path.parent / pattern]
        try:
            named = self.files.glob(path.parent, pattern)
        except (ValueError, NotImplementedError, OSError):
            named = []
        found = [one for one in named if not one.name.endswith(KEPT)]
        if not found:
            folder, _, rest = pattern.partition("/")
            near = self.near_folder(path.parent, folder) if rest and not PATTERN & set(folder) else None
            said = f"did you mean {near}/{rest}?" if near else "write it like more/*.yaml"
            hint = f"the pattern is read from {path.parent}/; {said}"
            self.problem(at, "E321", f"no file is called {pattern}", hint)
        return found

    def include(self, path: Path, above: Part, at: At) -> None:
        """Take in an included file, unless it was, or cannot be."""
        place = self.files.identity(path)
        if place in self.included:
            circle = any(Path(one.document.file) == self.included[place] for one in above.lineage())
            said = "includes itself" if circle else "is included twice"
            hint = "keep the included files in a folder of their own" if circle else "include each file once"
            self.problem(at, "E322", f"{path} {said}", hint)
            return
        if len(above.lineage()) > MAX_NESTED:
            hint = "include all files from the manifest itself"
            self.problem(at, "E322", f"files that include files, more than {MAX_NESTED} deep", hint)
            return
        try:
            document = parse(str(path), self.text(path))
        except ManifestInvalid as error:
            self.whole.problems += error.problems
            return
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = f"the path is read from {Path(above.document.file).parent}/{self.near(path)}"
            if isinstance(error, IsADirectoryError):
                hint = f"for all its files write {at.document.written_text(at.path).strip(QUOTES)}/*.yaml"
            self.problem(at, "E321", f"cannot read {path}: {reason}", hint)
            return
        self.take_in(path, document, above)

    def near(self, path: Path) -> str:
        """Say which file of the folder was probably meant."""
        from wanbatch.manifest.shape import nearest

        meant = nearest(path.name, [one.name for one in self.files.glob(path.parent, "*")])
        return f"; did you mean {meant}?" if meant else ""

    def near_folder(self, parent: Path, name: str) -> str | None:
        """Return the folder that was probably meant by a name that fits none."""
        from wanbatch.manifest.shape import nearest

        known = {one.parent.name for one in self.files.glob(parent, "*/*")}
        return nearest(name, sorted(known)) if name not in known else None

    def with_texts(self, path: Path, document: Document) -> Document:
        """Return a file's document with the contents of its prompt files as prompts."""
        scenes, moved = dict(enumerate(listed(document))), dict(document.moved)
        for index, raw in list(scenes.items()):
            name = raw.get("prompt_file") if isinstance(raw, dict) else None
            if not isinstance(name, str) or not name or {"prompt", "shots", "intro", "include"} & raw.keys():
                continue
            at = At(document, ("scenes", index, "prompt_file"))
            elsewhere = outside(name)
            if elsewhere:
                self.problem(at, "E324", *elsewhere)
            text = None if elsewhere else self.prompt(path.parent / name, at)
            prompt = text.data if text else "?"  # what cannot be read is said, and then counts as a prompt
            scenes[index] = {**raw, "prompt": prompt}
            moved["scenes", index, "prompt"] = (text, ()) if text else (document, at.path)
            del scenes[index]["prompt_file"]
        if moved == document.moved:
            return document
        return replace(document, data={**document.data, "scenes": list(scenes.values())}, moved=moved)

    def prompt(self, path: Path, at: At) -> Document | None:
        """Return a prompt file as a document that is one text; None, and a problem, for one that cannot be read."""
        try:
            text = self.text(path)
        except ManifestInvalid as error:
            self.whole.problems += error.problems
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            hint = f"the path is read from {Path(at.document.file).parent}/{self.near(path)}"
            self.problem(at, "E324", f"cannot read {path}: {reason}", hint)
            return None
        if A_KEY.search(text):
            self.problem(at, "E305", f"{path} holds what looks like an API key", "a prompt is sent, echoed and kept")
            return None
        if not text.strip():
            self.problem(at, "E324", f"{path} is empty", "write the prompt into it")
            return None
        found = Document(str(path), text, text, Spot(0, len(text), 0), line_starts=starts_of_lines(text))
        if bad := CONTROL.search(text):
            message = f"{character(bad[0])}, U+{ord(bad[0]):04X}, in a prompt"
            self.whole.problems.append(Problem(found.at(*bad.span()), "E008", message, "remove it"))
            return None
        return found

    def with_settings(self, document: Document) -> Document:
        """Return a file's document with what the command line sets in it: all in the manifest, scenes in any file."""
        for setting in self.settings:
            path = self.target(document, setting)
            if path is not None:
                self.set.add(setting)
                document = setting.applied(document, path)
        return document

    def target(self, document: Document, setting: Setting) -> DataPath | None:
        """Return where in a file a setting belongs; None for another file's."""
        if not setting.rest:
            return setting.path if not self.whole.parts else None
        ids = {raw["id"]: index for index, raw in enumerate(listed(document)) if has_id(raw)}
        known = max((one for one in ids if f"{setting.rest}.".startswith(f"{one}.")), key=len, default=None)
        if known is None or len(setting.rest) <= len(known) + 1:
            return None
        return ("scenes", ids[known], *setting.rest[len(known) + 1 :].split("."))


def has_id(raw: object) -> bool:
    """Say whether an entry is a scene that can be named."""
    return isinstance(raw, dict) and isinstance(raw.get("id"), str)


def outside(path: str) -> tuple[str, str] | None:
    """Return what is to be said of a path that is no path to wanbatch: an address, a home folder."""
    if re.match(r"[a-z]{2,10}://", path, re.IGNORECASE):
        return "an address: files are read from this machine only", "download it, and write the file's path"
    if re.match(r"~[\w.-]*/", path):
        return f"`~` is not expanded: {path[:60]}", "write the path from the manifest's folder, or the whole path"
    return None
