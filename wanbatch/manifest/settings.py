"""What `--set KEY=VALUE` puts into a manifest: as if it stood there, with places that point at the command line."""

from dataclasses import dataclass, replace
from typing import Any

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest.document import parse
from wanbatch.manifest.places import DataPath, Document, Spot

ROOTS = ("defaults", "vars", "run", "profiles", "name", "scenes")
EXAMPLE = "for example --set defaults.resolution=1080P, --set vars.hero='a cat', --set scenes.alley.seed=8"
FILE = "--set"
"""What stands in place of a file's name."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One `--set`, as typed."""

    text: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "Setting":
        """Return the setting in a text. Raises WanbatchError for one that is none."""
        key, equals, _ = text.partition("=")
        root = key.partition(".")[0]
        if not equals or not all(key.split(".")):
            raise WanbatchError(f"--set {text}: not KEY=VALUE", exit_code=Exit.USAGE, hint=EXAMPLE)
        if root not in ROOTS or (key == "scenes"):
            from wanbatch.manifest.shape import nearest

            near = nearest(root, list(ROOTS))
            hint = f"did you mean {near}{key[len(root) :]}? {EXAMPLE}" if near and near != root else EXAMPLE
            raise WanbatchError(f"--set {text}: {root} cannot be set", exit_code=Exit.USAGE, hint=hint)
        return cls(text, key)

    @property
    def rest(self) -> str:
        """What follows `scenes.`: a scene's id, which may hold dots, and a key; empty for another key."""
        return self.key.removeprefix("scenes.") if self.key.startswith("scenes.") else ""

    @property
    def path(self) -> DataPath:
        """Where in the manifest it belongs, if not in a scene."""
        return tuple(self.key.split("."))

    def value(self) -> Document:
        """Return the value as a document, whose data is a mapping of the key's last part to it."""
        at, last = len(self.key) + 1, self.key.rpartition(".")[2]
        read = parse(FILE, " " * at + self.text[at:])
        spot = read.root or Spot(at, len(self.text), at)
        spot = Spot(spot.start, spot.end, at - 1 - len(last), spot.inside)
        return replace(read, text=self.text, data={last: read.data}, root=Spot(0, len(self.text), 0, {last: spot}))

    def applied(self, document: Document, path: DataPath) -> Document:
        """Return a file's document with the value at `path`. Raises WanbatchError where no value can stand."""
        read = self.value()
        last = self.key.rpartition(".")[2]
        data = self.put(document.data, path, read.data[last])
        moved = {**document.moved, path: (read, (last,))}
        return replace(document, data=data, moved=moved, problems=(*document.problems, *read.problems))

    def put(self, data: Any, path: DataPath, value: object) -> Any:
        """Return a copy of some data with `value` at `path`; blocks that are missing are made."""
        if not path:
            return value
        step, rest = path[0], path[1:]
        if isinstance(data, list) and str(step).isdecimal() and int(step) < len(data):
            return [self.put(one, rest, value) if index == int(step) else one for index, one in enumerate(data)]
        if data is None or isinstance(data, dict):
            under = data or {}
            return {**under, step: self.put(under.get(step), rest, value)}
        raise WanbatchError(f"--set {self.text}: there is no place for {step}", exit_code=Exit.USAGE, hint=EXAMPLE)
