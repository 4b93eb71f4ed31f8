"""Files as they are at a revision of git, for whoever reads manifests. Asks the `git` program; writes nothing.

Paths are those of the working tree. A revision is looked up once: a branch may move meanwhile. No shell is asked.
"""

import errno
import os
import posixpath
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from wanbatch.errors import Exit, WanbatchError

PROGRAM = "git"
LINK = "120000"
MOST_LINKS = 8
MAGIC = re.compile(r"[*?\[]")
PIECE = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
MODES = ("100644", "100755", LINK)


@dataclass(frozen=True, slots=True)
class Blob:
    """A file at a revision."""

    mode: str
    name: str


def git(*words: str, folder: Path = Path()) -> bytes:
    """Return what git says. Raises WanbatchError, in git's words, when it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no word that git would take for an option
            [PROGRAM, *words], cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        hint = "install git; the manifests themselves need none: wanbatch plan"
        raise WanbatchError("git is not installed, or not in PATH", exit_code=Exit.USAGE, hint=hint) from None
    except OSError as error:
        raise WanbatchError(f"cannot start git: {error.strerror}", exit_code=Exit.USAGE) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise WanbatchError(f"git: {said or f'ended with {done.returncode}'}", exit_code=Exit.USAGE)
    return done.stdout


def environment() -> dict[str, str]:
    """Return git's environment: words in English, no questions, nothing fetched behind the user's back."""
    quiet = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
    return {**os.environ, **quiet}


def root_of(folder: Path) -> Path:
    """Return the top folder of the working tree. Raises WanbatchError outside of one."""
    try:
        return Path(os.fsdecode(git("rev-parse", "--show-toplevel", folder=folder).removesuffix(b"\n")))
    except WanbatchError as error:
        if "not a git repository" not in error.message:
            raise
        message = "no git repository here: there is no revision to compare with"
        hint = "go into the folder of one; or see what a run would make: wanbatch plan MANIFEST"
        raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint) from None


class GitFiles:
    """The files of the working tree's repository as they are at `revision`. Raises WanbatchError for one unknown."""

    def __init__(self, revision: str, folder: Path = Path()) -> None:
        self.revision = revision
        self.root = root_of(folder)
        self.here = Path(os.path.realpath(folder))
        self.tree = self.looked_up(revision)

    def looked_up(self, revision: str) -> str:
        """Return the name of a revision's tree. Raises WanbatchError."""
        hint = "name one commit, like HEAD, HEAD~3, main or a tag"
        if not revision or revision.startswith("-") or "\0" in revision:
            raise WanbatchError(f"{revision!r} is no revision", exit_code=Exit.USAGE, hint=hint)
        try:
            found = git("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}", folder=self.root)
        except WanbatchError as error:
            if "ended with" not in error.message:
                raise
            hint += f"; in a shallow clone fetch it first: git fetch --depth=1 origin {shlex.quote(revision)}"
            message = f"git knows no revision {revision}"
            raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint) from None
        return found.decode().strip()

    @cached_property
    def blobs(self) -> dict[str, Blob]:
        """Every file of the revision by its path from the top."""
        found = {}
        for line in git("ls-tree", "-r", "-z", "--full-tree", self.tree, folder=self.root).split(b"\0")[:-1]:
            about, _, path = line.partition(b"\t")
            mode, _, name = about.decode().split(" ")
            if mode in MODES:  # a submodule's commit is no file
                found[os.fsdecode(path)] = Blob(mode, name)
        return found

    def below(self, folder: Path) -> list[Path]:
        """Return all files of the revision below a folder, sorted; paths begin with the folder's as given."""
        top = self.identity(folder)
        prefix = "" if top == "." else f"{top}/"
        return [folder / path[len(prefix) :] for path in sorted(self.blobs) if path.startswith(prefix)]

    # --- manifest.files.Files ---

    def read(self, path: Path, max_bytes: int) -> bytes:
        """Return a file's contents, at most `max_bytes` and one more. Raises OSError, WanbatchError."""
        blob = self.blobs[self.followed(path)]
        command = [PROGRAM, "cat-file", "blob", blob.name]
        with subprocess.Popen(  # noqa: S603 - as above
            command, cwd=self.root, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as child:  # fmt: skip
            assert child.stdout is not None
            content = child.stdout.read(max_bytes + 1)
            if len(content) > max_bytes:
                child.kill()
            elif child.wait():
                raise OSError(errno.EIO, f"git cannot read it at {self.revision}", str(path))
        return content

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files below `folder` that a pattern with `*`, `?` and `**` names, sorted by name."""
        parts = PurePosixPath(pattern).parts
        fixed = next((place for place, part in enumerate(parts) if MAGIC.search(part)), len(parts) - 1)
        start = folder.joinpath(*parts[:fixed])
        wanted = re.compile(matching(parts[fixed:]), re.DOTALL)
        return [path for path in self.below(start) if wanted.match(str(PurePosixPath(path).relative_to(start)))]

    def identity(self, path: Path) -> str:
        """Return a path from the top of the repository, links followed; what is outside keeps its own."""
        try:
            return self.followed(path)
        except OSError:
            return self.inside(path) or str(path)

    def inside(self, path: Path) -> str | None:
        """Return a path from the top of the repository; None for what is outside."""
        return next(self.places(path), None)

    def places(self, path: Path) -> Iterator[str]:
        """Yield what a path is called from the top: as it is written, and without the working tree's links."""
        for whole in (os.path.normpath(self.here / path), os.path.realpath(self.here / path)):
            if Path(whole).is_relative_to(self.root):
                yield Path(whole).relative_to(self.root).as_posix()

    def followed(self, path: Path) -> str:
        """Return where a file's contents are, from the top of the repository. Raises OSError for no file."""
        place = next((place for place in self.places(path) if place in self.blobs), "")
        for _ in range(MOST_LINKS):
            blob = self.blobs.get(place)
            if blob is None:
                raise FileNotFoundError(errno.ENOENT, f"not there at {self.revision}", str(path))
            if blob.mode != LINK:
                return place
            target = os.fsdecode(git("cat-file", "blob", blob.name, folder=self.root))
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def matching(parts: tuple[str, ...]) -> str:
    """Return the regular expression of a pattern's parts; `**` is any number of folders."""
    *folders, last = parts
    said = "".join("(?:[^/]+/)*" if part == "**" else f"{one_name(part)}/" for part in folders)
    return rf"{said}{'(?:[^/]+/)*[^/]+' if last == '**' else one_name(last)}\Z"


def one_name(part: str) -> str:
    """Return the regular expression of a pattern for one name; nothing in it goes over a slash."""
    return "".join(map(one_piece, PIECE.findall(part)))


def one_piece(piece: str) -> str:
    """Return the regular expression of `*`, `?`, `[a-z]`, `[!a]` or a plain character."""
    if piece in ("*", "?"):
        return "[^/]*" if piece == "*" else "[^/]"
    if len(piece) == 1:
        return re.escape(piece)
    inner = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    return f"(?!/)[{'^' + inner[1:] if inner.startswith('!') else inner}]"


def tracked(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that git tracks, or would: not the ignored ones. Raises WanbatchError."""
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", ".")
    for raw in sorted(set(git(*words, folder=folder).split(b"\0")) - {b""}):
        path = folder / os.fsdecode(raw)
        if path.is_file():
            yield path
