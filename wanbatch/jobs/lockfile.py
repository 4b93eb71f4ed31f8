"""The lock file beside a manifest, read and written. What is in it is `locked.py`'s to say."""

import os
import re
from pathlib import Path
from typing import Any

from wanbatch import disk
from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.jobs.locked import FORMAT, HASHED, MARK, TIMES, Lock, Locked, text_of
from wanbatch.manifest.document import parse
from wanbatch.manifest.document import text_of as decoded
from wanbatch.manifest.model import PARAMETERS
from wanbatch.manifest.places import DataPath, Document
from wanbatch.money.amount import Cost, amount

CODE = "E341"
HEX = re.compile(r"[0-9a-f]{64}\Z")
HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
FILE = re.compile(r"(videos|superseded)/(?!\.)[^/\x00]+\.mp4\Z")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
RULES: dict[str, tuple[type, re.Pattern[str] | None, str]] = {
    "scene": (str, None, "a scene's id"),
    "take": (int, None, "a take's number"),
    "picked": (bool, None, "true"),
    "digest": (str, HEX, "64 hexadecimal digits"),
    "model": (str, None, "a model's id"),
    **dict.fromkeys(HASHED, (str, HASH, "sha256: and 64 hexadecimal digits")),
    "resolution": (str, None, "a resolution"),
    "ratio": (str, None, "a ratio"),
    "prompt_extend": (bool, None, "true or false"),
    "watermark": (bool, None, "true or false"),
    "duration": (int, None, "a number of seconds"),
    "seed": (int, None, "a number"),
    "task_id": (str, None, "a task's id"),
    **dict.fromkeys(TIMES, (str, None, "a time")),
    "file": (str, FILE, "a video in videos/ or superseded/"),
    "size_bytes": (int, None, "a number of bytes"),
    "sha256": (str, HEX, "64 hexadecimal digits"),
    "price": (str, None, "an amount like 3.00 CNY"),
    "prices_as_of": (str, DATE, "a date"),
}
"""The fields of an entry: type, form, and what to call it."""
OPTIONAL = frozenset({"picked", "negative_prompt", "audio_url", *TIMES, "price", "prices_as_of"})
AGAIN = "restore the file from git; or remove it, and a run writes it anew of what its own journal knows"


def path_of(manifest: Path, profile: str | None = None) -> Path:
    """Return where a manifest's lock file is: `film.lock.yaml`, with a profile `film@draft.lock.yaml`."""
    return manifest.with_name(f"{manifest.stem}{f'@{profile}' if profile else ''}.lock.yaml")


def read(path: Path) -> Lock | None:
    """Return the lock in a file; None where there is no file.

    Raises ManifestInvalid, with places, for a file that is not as wanbatch writes it; WanbatchError for one that
    cannot be read.
    """
    raw = content_of(path)
    return None if raw is None else parsed(decoded(str(path), raw), str(path))


def content_of(path: Path) -> bytes | None:
    """Return a lock file's bytes; None where there is no file. Raises WanbatchError."""
    try:
        return disk.read_plain(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WanbatchError(f"cannot read {path}: {error.strerror}", exit_code=Exit.STATE) from None


def write(path: Path, lock: Lock) -> None:
    """Write a lock file, whole or not at all, unless it is there as it should be. Raises OSError."""
    content = text_of(lock).encode()
    path = Path(os.path.realpath(path))
    mode = None
    if path.exists():
        if disk.read_plain(path) == content:
            return
        mode = path.stat().st_mode & 0o777
    disk.write_whole(path, content)
    with disk.Folder.open(path.parent) as folder:
        path.chmod(folder.usual_mode(f".{path.name}.mode") if mode is None else mode)


def parsed(text: str, file: str) -> Lock:
    """Return the lock in a text. Raises ManifestInvalid with all that is wrong with it."""
    document = parse(file, text)
    conflict = CONFLICT.search(text)
    if conflict:
        hint = "take both sides' entries, each job once; or remove the file, and a run writes it anew"
        where = document.at(conflict.start(), conflict.start() + 7)
        raise ManifestInvalid(file, (Problem(where, CODE, "a conflict that git left", hint),))
    reader = Reader(document)
    lock = reader.lock()
    if lock is None or reader.problems:
        raise ManifestInvalid(file, tuple(sorted(reader.problems, key=lambda one: one.order)))
    return lock


class Reader:
    """One reading of a lock file; `problems` fills up."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)

    def problem(self, path: DataPath, message: str, hint: str = AGAIN, *, key: bool = False) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.document.place(path, key=key), CODE, message, hint))

    def lock(self) -> Lock | None:
        """Return the lock; None for what is none."""
        data = self.document.data
        if not isinstance(data, dict) or MARK not in data:
            if not self.problems:
                self.problem((), f"no lock file: it has no `{MARK}`")
            return None
        if data[MARK] != FORMAT or isinstance(data[MARK], bool):
            hint = "install the newer wanbatch that wrote it"
            self.problem((MARK,), f"a lock file of version {data[MARK]}; this wanbatch reads {FORMAT}", hint)
            return None
        for name in data:
            if name not in (MARK, "manifest", "profile", "jobs"):
                self.problem((name,), f"`{name}` is no key of a lock file", key=True)
        manifest, profile, jobs = data.get("manifest"), data.get("profile"), data.get("jobs")
        if not isinstance(manifest, str) or not isinstance(profile, str | None):
            self.problem(
                ("profile" if isinstance(manifest, str) else "manifest",), "no text: a lock names its manifest"
            )
        if not isinstance(jobs, dict):
            self.problem(("jobs",), "no jobs: `jobs` holds a block for each")
            return None
        entries = [self.entry(name, fields) for name, fields in jobs.items()]
        found = sorted((one for one in entries if one), key=lambda one: one.name)
        return Lock(str(manifest), profile, tuple(found))

    def entry(self, name: str, fields: Any) -> Locked | None:
        """Return one entry; None, and problems, for one that is not as wanbatch writes it."""
        path = ("jobs", name)
        before = len(self.problems)
        if not isinstance(fields, dict):
            self.problem(path, f"{name} is no block of fields")
            return None
        for missing in RULES.keys() - OPTIONAL - fields.keys():
            self.problem(path, f"{name} has no {missing}", key=True)
        for key, value in fields.items():
            self.field((*path, key), key, value)
        if len(self.problems) > before:
            return None
        found = locked(fields)
        if found.stem != name:
            self.problem(path, f"{name} is called {found.stem} by its scene and take", key=True)
        return found

    def field(self, path: DataPath, key: str, value: object) -> None:
        """Look at one field."""
        if key not in RULES:
            self.problem(path, f"`{key}` is no field of a lock file", key=True)
            return
        kind, form, words = RULES[key]
        if type(value) is not kind or (form and not form.match(str(value))) or value == "":
            self.problem(path, f"{key} is not {words}")
        elif key == "take" and not 1 <= int(str(value)) < 10_000:
            self.problem(path, "take is not 1 or more")
        elif key == "price":
            try:
                amount(str(value))
            except ValueError as error:
                self.problem(path, str(error))


def locked(fields: dict[str, Any]) -> Locked:
    """Return the entry in fields that are all as they should be."""
    cost = None
    if "price" in fields:
        cost = Cost(*amount(fields["price"]), fields.get("prices_as_of", ""))
    outline = {name: fields[name] for name in ("model", *HASHED) if name in fields}
    outline |= {name: fields[name] for name in PARAMETERS}
    return Locked(
        scene=fields["scene"],
        take=fields["take"],
        digest=fields["digest"],
        outline=outline,
        task_id=fields["task_id"],
        path=fields["file"],
        size_bytes=fields["size_bytes"],
        sha256=fields["sha256"],
        times={name: fields[name] for name in TIMES if name in fields},
        cost=cost,
        picked=fields.get("picked", False),
    )
