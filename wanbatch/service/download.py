"""A signed URL → a checked file under its final name. Knows no jobs and holds no credentials.

What arrives goes to a `.part` beside the final name and may be resumed, in this run or the next. It gets its
name only when it is whole: the declared length, a walk over its boxes, synced. A file that is not ours is
never touched.
"""

import asyncio
import contextlib
import hashlib
import os
import ssl
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from wanbatch import disk
from wanbatch.jobs.folder import move
from wanbatch.jobs.seen import Lost, NotSaved, Saved
from wanbatch.service import mp4
from wanbatch.service.account import is_loopback, literal
from wanbatch.service.client import proxy_for

CHUNK_BYTES = 256 * 1024
MAX_VIDEO_BYTES = 2 * 1024**3
"""Fifteen seconds of 1080P are some 30 MB."""
TIMEOUT = aiohttp.ClientTimeout(total=1800, connect=30, sock_read=60)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a video goes. `path` is relative to the output folder.

    `replaces` is the path of an earlier video of ours under the same name, and where that one moves to.
    `sidecar` makes the record beside the video from its size in bytes and its sha256; `ours` says whether a
    sidecar's contents belong to this very job.
    """

    path: str
    part: str
    sidecar: Callable[[int, str], bytes]
    ours: Callable[[bytes], str | None]
    replaces: tuple[str, str] | None = None


class Stopped(Exception):
    """This download ends here."""

    def __init__(self, why: Lost, reason: str) -> None:
        super().__init__(reason)
        self.seen = NotSaved(why, reason)


def session(timeout: aiohttp.ClientTimeout = TIMEOUT) -> aiohttp.ClientSession:
    """Return a session without credentials, cookies or decompression."""
    return aiohttp.ClientSession(
        headers={"Accept-Encoding": "identity"},
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def address(url: str, *, loopback: bool) -> URL:
    """Return the URL to ask, byte for byte as signed. Raises Stopped.

    `http://` is raised to https (the documentation shows such URLs; refusing would lose a paid video), but on
    this machine itself, where the simulator runs. Other addresses that are no public host's are refused.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    odd = not url.isascii() or not url.isprintable() or any(char in url for char in " #\\")
    if not host or odd or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise Stopped(Lost.RETRY, "the service gave an address that is not fetched from")
    local, numeric = is_loopback(host), literal(host)
    if (local and not loopback) or (numeric and not local and not numeric.is_global):
        raise Stopped(Lost.RETRY, "the service gave an address that is not a public host's")
    if parts.scheme == "http" and not local:
        url = "https" + url[len("http") :]
    return URL(url, encoded=True)


class Downloader:
    """Fetches into one output folder."""

    def __init__(
        self,
        folder: Path,
        client_session: aiohttp.ClientSession,
        *,
        loopback: bool,
        most_bytes: int = MAX_VIDEO_BYTES,
    ) -> None:
        self.folder = folder
        self._session = client_session
        self._loopback = loopback
        self._most_bytes = most_bytes

    def present(self, target: Target) -> Saved | NotSaved | None:
        """Say whether the name is taken already: by this job's own file, or by one that is not ours.

        The first is what a kill between rename and journal leaves behind.
        """
        final = self.folder / target.path
        if not os.path.lexists(final):
            return None
        sidecar = final.with_suffix(".json")
        try:
            wanted = target.ours(sidecar.read_bytes()) if sidecar.is_file() else None
            if wanted is not None and digest_of(final) == wanted:
                forget(self.folder / target.part)
                return Saved(target.path, final.stat().st_size, wanted)
            if target.replaces:
                return None
        except OSError as error:
            return NotSaved(Lost.DISK, f"{final}: {error.strerror}")
        return NotSaved(Lost.TAKEN, f"{final} exists and is not from this journal; move it away")

    async def fetch(self, url: str, target: Target) -> Saved | NotSaved:
        """Bring the video home. Returns what became of it; raises nothing that the world does."""
        part = self.folder / target.part
        try:
            part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            await self._receive(url, part)
            return await asyncio.to_thread(self._install, part, target)
        except Stopped as stopped:
            return stopped.seen
        except OSError as error:
            return NotSaved(Lost.DISK, f"{error.filename or target.path}: {error.strerror}")

    async def _receive(self, url: str, part: Path) -> None:
        """Fill `part`. Raises Stopped, and OSError for what is the disk's."""
        at = address(url, loopback=self._loopback)
        try:
            await self._fill(part, at)
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError, ValueError) as error:
            what = "no bytes in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise Stopped(Lost.RETRY, f"the connection broke: {what}") from None

    async def _fill(self, part: Path, at: URL) -> None:
        """Fill `part`, from where it ends if the server still has the same file."""
        have, etag = part_state(part)
        headers = {"Range": f"bytes={have}-", "If-Range": etag} if have else {}
        async with self._session.get(at, headers=headers, allow_redirects=False, proxy=proxy_for(str(at))) as response:
            if have and not continues(response, have, etag):
                forget(part)  # the next try asks for the whole
                raise Stopped(Lost.RETRY, f"HTTP {response.status} instead of the rest of the video")
            start, total = span(response, have)
            if response.status == 416:
                return
            with open_part(part, start) as stream:
                if not start:  # after the old bytes are cut off: they must never stand under the new version's name
                    note(part, response.headers.get("ETag", ""))
                await pour(response, stream, self._most_bytes)
                if total is not None and stream.tell() < total:
                    raise Stopped(Lost.RETRY, f"{stream.tell():,} of {total:,} bytes came")

    def _install(self, part: Path, target: Target) -> Saved:
        """Check the whole file and give it its name: the earlier video aside, the sidecar, then the video."""
        with part.open("rb") as stream:
            reason = mp4.broken(stream)
        if reason:
            forget(part)
            raise Stopped(Lost.RETRY, f"what arrived is no whole video: {reason}")
        size, sha256 = part.stat().st_size, digest_of(part)
        final = self.folder / target.path
        final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if target.replaces:
            move(self.folder, *target.replaces)
        if os.path.lexists(final):
            raise Stopped(Lost.TAKEN, f"{final} exists and is not from this journal; move it away")
        disk.write_whole(final.with_suffix(".json"), target.sidecar(size, sha256))
        give_name(part, final)
        disk.sync_folder(final.parent)
        forget(part)
        return Saved(target.path, size, sha256, target.replaces[1] if target.replaces else None)


def part_state(part: Path) -> tuple[int, str]:
    """Return how many bytes of which version (ETag) are there; none of a version that is not known."""
    try:
        etag = strong(note_of(part).read_text("utf-8"))
        found = part.lstat()
    except (OSError, UnicodeDecodeError):
        return 0, ""
    known = etag and stat.S_ISREG(found.st_mode) and found.st_size
    return (found.st_size, etag) if known else (0, "")


def note_of(part: Path) -> Path:
    """Return where the version of a part is noted."""
    return part.with_suffix(".etag")


def note(part: Path, etag: str) -> None:
    """Note which version of the file the part is of."""
    disk.write_whole(note_of(part), strong(etag).encode())


def strong(etag: str) -> str:
    """Return an ETag that a download can be resumed by; empty for a weak or a garbled one."""
    return etag if etag.startswith('"') and etag.isascii() and etag.isprintable() else ""


def continues(response: aiohttp.ClientResponse, have: int, etag: str) -> bool:
    """Say whether the answer to a range is of the same version and goes on where the part ends, or is the whole."""
    where = response.headers.get("Content-Range", "")
    if response.status == 206:
        return where.startswith(f"bytes {have}-") and response.headers.get("ETag", etag) == etag
    return response.status != 416 or where == f"bytes */{have}"


def span(response: aiohttp.ClientResponse, have: int) -> tuple[int, int | None]:
    """Return the offset of the answer's first byte, and the whole's size if it says so.

    Raises Stopped for an answer without a video.
    """
    first, _, total = response.headers.get("Content-Range", "").partition("/")
    size = int(total) if total.isdecimal() else None
    if response.status == 200:
        return 0, response.content_length
    if response.status == 206 and first.startswith(f"bytes {have}-"):
        return have, size
    if response.status == 416 and have and size == have:
        return have, size
    raise Stopped(Lost.RETRY, f"HTTP {response.status} instead of the video")


async def pour(response: aiohttp.ClientResponse, stream: BinaryIO, most_bytes: int) -> None:
    """Write what arrives, and sync it. Raises Stopped, and keeps nothing, for more than any video has."""
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        stream.write(chunk)
        if stream.tell() > most_bytes:
            stream.truncate(0)
            raise Stopped(Lost.RETRY, f"larger than {most_bytes:,} bytes")
    stream.flush()
    disk.sync(stream.fileno())


def open_part(part: Path, start: int) -> BinaryIO:
    """Open the part for writing at `start`; what lies behind is cut off."""
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    stream = os.fdopen(fd, "wb")
    stream.truncate(start)
    stream.seek(start)
    return stream


def give_name(part: Path, final: Path) -> None:
    """Give the part its final name, in one step and without ever replacing a file. Raises Stopped.

    A link fails where a rename would overwrite. Some file systems have none: there a rename must do.
    """
    try:
        os.link(part, final)
    except FileExistsError:
        raise Stopped(Lost.TAKEN, f"{final} exists and is not from this journal; move it away") from None
    except OSError:
        if not part.exists() or os.path.lexists(final):
            raise
        part.rename(final)


def forget(part: Path) -> None:
    """Remove a part and its note."""
    for path in (part, note_of(part)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def digest_of(path: Path) -> str:
    """Return a file's sha256, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
