"""A video on its way: the `.part` beside its final name, and the note of which version of the file it is of."""

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from wanbatch.disk import Folder
from wanbatch.jobs.folder import beside


class Found(NamedTuple):
    """A name in an open folder."""

    folder: Folder
    name: str

    @property
    def record(self) -> str:
        """The name of the sidecar beside a video."""
        return beside(self.name, ".json")

    @property
    def note(self) -> str:
        """The name of the note that says which version of a file a part is of."""
        return beside(self.name, ".etag")

    @property
    def path(self) -> Path:
        """Where it is, for messages."""
        return self.folder.path / self.name


def part_state(part: Found) -> tuple[int, str]:
    """Return how many bytes of which version (ETag) are there; none of a version that is not known."""
    try:
        etag = strong(part.folder.read(part.note).decode())
        found = part.folder.status(part.name)
    except (OSError, UnicodeDecodeError):
        return 0, ""
    # With a second name it is, or was, somebody's whole file: not to be written to.
    if not (etag and found and stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size):
        return 0, ""
    return found.st_size, etag


def note(part: Found, etag: str) -> None:
    """Note which version of the file the part is of."""
    part.folder.write_whole(part.note, strong(etag).encode())


def open_part(part: Found, start: int) -> int:
    """Open the part for writing at `start`; what lies behind is cut off."""
    found = part.folder.status(part.name)
    if found and found.st_nlink > 1:
        part.folder.remove(part.name)
    fd = part.folder.open_file(part.name, os.O_WRONLY | os.O_CREAT)
    try:
        os.ftruncate(fd, start)
        os.lseek(fd, start, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def forget(part: Found) -> None:
    """Remove a part and its note."""
    part.folder.remove(part.name)
    part.folder.remove(part.note)


def digest_of(file: Found) -> tuple[int, str]:
    """Return a file's size in bytes and its sha256, as hexadecimal digits."""
    with os.fdopen(file.folder.open_file(file.name, os.O_RDONLY), "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), sha256


def strong(etag: str) -> str:
    """Return an ETag that a download can be resumed by; empty for a weak or a garbled one."""
    return etag if etag.startswith('"') and etag.isascii() and etag.isprintable() else ""
