"""Making files durable, and keeping to one folder: contents, names, both at once. Knows paths and descriptors only."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
PLAIN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""No link is followed, and a pipe that somebody put there blocks nobody."""
MOST_RECORD_BYTES = 4 * 1024**2
"""No record of ours is longer; a file that is longer is not ours."""
WORDS = {
    errno.ENAMETOOLONG: "the file system takes no name this long; a shorter folder or scene id helps",
    errno.ELOOP: "is a link, and links are not followed",
}


def sync(fd: int) -> None:
    """Put a file's contents on the disk itself. On macOS `fsync` stops at the drive's cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(fd, full)
    else:
        os.fdatasync(fd)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file's name durable."""
    with Folder.open(folder) as opened:
        opened.sync()


def read_plain(path: Path) -> bytes:
    """Return a plain file's content. Raises OSError, also for a pipe or a device, which could be read for ever."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return file.read()


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that its name never stands for half of it. Raises OSError; then nothing is left."""
    with Folder.open(path.parent) as folder:
        folder.write_whole(path.name, content)


def write_all(fd: int, content: bytes) -> None:
    """Write every byte; a short write goes on. Raises OSError."""
    view = memoryview(content)
    while view:
        written = os.write(fd, view)
        if not written:
            raise OSError(errno.EIO, "not one byte was written")
        view = view[written:]


def why(error: OSError) -> str:
    """Say in words what the disk would not do."""
    reason = WORDS.get(error.errno or 0) or error.strerror or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


class Folder:
    """An open folder. Names are looked up in it and nowhere else, so that no link leads out of it.

    Use as a context manager. `path` is for messages only; every method raises OSError that names the file.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path

    @classmethod
    def open(cls, root: Path, *names: str, make: bool = False) -> Self:
        """Open `root`, which may itself be a link, and the folders below it, which may not.

        With `make`, those that are not there are made, for the owner only, and their names are durable.
        """
        if make:
            with contextlib.suppress(FileExistsError):  # a file there is no folder: the next line says so
                root.mkdir(parents=True, mode=0o700)
        folder = cls(os.open(root, FOLDER), root)
        for name in names:
            with folder:
                folder = folder._inner(name, make=make)
        return folder

    def _inner(self, name: str, *, make: bool) -> Self:
        if name in ("", ".", "..") or "/" in name:
            raise ValueError(f"{name!r} is no name of a folder")
        with self.naming(name):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=self.fd)
                    os.fsync(self.fd)
            try:
                fd = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=self.fd)
            except NotADirectoryError:  # Linux says so of a link too
                if stat.S_ISLNK(os.lstat(name, dir_fd=self.fd).st_mode):
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                raise
        return type(self)(fd, self.path / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self.fd)

    @contextlib.contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """Let an OSError say which file it is about: what is opened in a folder knows its bare name only."""
        try:
            yield
        except OSError as error:
            error.filename = str(self.path / name)
            raise

    def status(self, name: str) -> os.stat_result | None:
        """Return what is known of a name, a link's own; None if nothing has it."""
        with self.naming(name):
            try:
                return os.lstat(name, dir_fd=self.fd)
            except FileNotFoundError:
                return None

    def open_file(self, name: str, flags: int) -> int:
        """Open a plain file; one that is created is the owner's only."""
        with self.naming(name):
            fd = os.open(name, flags | PLAIN, 0o600, dir_fd=self.fd)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
            raise OSError(errno.EINVAL, "is no plain file")

    def read(self, name: str) -> bytes:
        """Return the contents of a small file."""
        with os.fdopen(self.open_file(name, os.O_RDONLY), "rb") as stream, self.naming(name):
            content = stream.read(MOST_RECORD_BYTES + 1)
            if len(content) > MOST_RECORD_BYTES:
                raise OSError(errno.EFBIG, "is longer than any record")
        return content

    def write_whole(self, name: str, content: bytes, *, replace: bool = True) -> None:
        """Write a small file so that its name never stands for half of it; then nothing is left of an error.

        Without `replace`, FileExistsError is raised where the name is taken.
        """
        draft = f".{name}.draft"
        self.remove(draft)  # not written over: a killed process may have left it as a second name of the file itself
        fd = self.open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with self.naming(draft), os.fdopen(fd, "wb", buffering=0):
                write_all(fd, content)
                sync(fd)
            if replace:
                self.rename(draft, self, name)
            else:
                self.name_once(draft, self, name)
        finally:
            with contextlib.suppress(OSError):
                self.remove(draft)
        self.sync()

    def name_once(self, old: str, other: "Folder", new: str) -> None:
        """Give a file another name, in `other`, in one step and without ever replacing a file.

        Raises FileExistsError. A link fails where a rename would overwrite; where there are no links, a rename
        must do. The old name may stay.
        """
        with other.naming(new):
            try:
                os.link(old, new, src_dir_fd=self.fd, dst_dir_fd=other.fd, follow_symlinks=False)
            except FileExistsError:
                raise
            except OSError:
                if other.status(new) is not None or self.status(old) is None:
                    raise
                self.rename(old, other, new)

    def rename(self, old: str, other: "Folder", new: str) -> None:
        """Move a file to a name in `other`, over what has it."""
        with other.naming(new):
            os.rename(old, new, src_dir_fd=self.fd, dst_dir_fd=other.fd)

    def remove(self, name: str) -> None:
        """Take a name away, if it is there."""
        with self.naming(name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def usual_mode(self, name: str) -> int:
        """Return the permissions that a new file of the user's gets here. `name` is made and taken away again.

        To read the umask itself is to change it, for all threads.
        """
        with self.naming(name):
            self.remove(name)
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | PLAIN, 0o666, dir_fd=self.fd)
            try:
                return stat.S_IMODE(os.fstat(fd).st_mode) & 0o666
            finally:
                os.close(fd)
                self.remove(name)

    def sync(self) -> None:
        """Make the names in this folder durable."""
        with self.naming(""):
            os.fsync(self.fd)
