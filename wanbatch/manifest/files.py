"""Where a manifest's files are read from: the disk, or whatever else has paths. Thin; decides nothing."""

import errno
import os
import stat
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Files by path, as they are to be read. A path may be relative to the working directory."""

    def read(self, path: Path, max_bytes: int) -> bytes:
        """Return a file's contents, at most `max_bytes` and one more. Raises OSError."""

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files below `folder` that a pattern with `*`, `?` and `**` names, sorted by name."""

    def identity(self, path: Path) -> str:
        """Return what two paths to the same file have in common."""


class Disk:
    """The files as they are on the disk now; `stream` is the one that may be a pipe, which is read as it is written."""

    def __init__(self, stream: Path | None = None) -> None:
        self.stream = stream

    def read(self, path: Path, max_bytes: int) -> bytes:
        """Return a file's contents, at most `max_bytes` and one more.

        Raises OSError, also for a pipe or a device, which could be waited for and read for ever.
        """
        if path == self.stream:
            with path.open("rb") as stream:
                return stream.read(max_bytes + 1)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            if not stat.S_ISREG(mode):
                raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))
            with os.fdopen(fd, "rb", closefd=False) as stream:
                return stream.read(max_bytes + 1)
        finally:
            os.close(fd)

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files below `folder` that a pattern with `*`, `?` and `**` names, sorted by name."""
        root = Path(pattern).anchor
        found = (Path(root) if root else folder).glob(pattern[len(root) :])
        return sorted(path for path in found if path.is_file())

    def identity(self, path: Path) -> str:
        """Return what two paths to the same file have in common."""
        return os.path.realpath(path)


class Nowhere:
    """No files: for a text that is no file."""

    def read(self, path: Path, max_bytes: int) -> bytes:
        """Raise FileNotFoundError."""
        raise FileNotFoundError(2, os.strerror(2), str(path))

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """Return no file."""
        return []

    def identity(self, path: Path) -> str:
        """Return the path as it is written."""
        return str(path)


DISK = Disk()
