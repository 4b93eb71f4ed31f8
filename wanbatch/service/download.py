"""A signed URL → a checked file under its final name. Knows no jobs and holds no credentials.

What arrives goes to a `.part` beside the final name and may be resumed, in this run or the next. It gets its
name only when it is whole: the declared length, a walk over its boxes, synced. A file that is not ours is
never touched.
"""

import asyncio
import contextlib
import hashlib
import os
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
from wanbatch.service.account import is_loopback
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


def session() -> aiohttp.ClientSession:
    """Return a session without credentials, cookies or decompression."""
    return aiohttp.ClientSession(
        headers={"Accept-Encoding": "identity"},
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def address(url: str, *, loopback: bool) -> URL:
    """Return the URL to ask, byte for byte as signed. Raises Stopped.

    `http://` is raised to https (the documentation shows such URLs; refusing would lose a paid video), but on
    this machine itself, where the simulator runs.
    """
    try:
        parts = urlsplit(url)
        local = is_loopback(parts.hostname or "")
    except ValueError:
        parts, local = urlsplit(""), False
    if not parts.hostname or parts.scheme not in ("http", "https") or (local and not loopback):
        raise Stopped(Lost.RETRY, "the service gave an address that is not fetched from")
    if parts.scheme == "http" and not local:
        url = "https" + url[len("http") :]
    return URL(url, encoded=True)


class Downloader:
    """Fetches into one output folder."""

    def __init__(self, folder: Path, client_session: aiohttp.ClientSession, *, loopback: bool) -> None:
        self.folder = folder
        self._session = client_session
        self._loopback = loopback

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
        except (aiohttp.ClientError, TimeoutError) as error:
            what = "no bytes in time" if isinstance(error, TimeoutError) else type(error).__name__
            return NotSaved(Lost.RETRY, f"the connection broke: {what}")
        except OSError as error:
            return NotSaved(Lost.DISK, f"{error.filename or target.path}: {error.strerror}")

    async def _receive(self, url: str, part: Path) -> None:
        """Fill `part`, from where it ends if the server still has the same file."""
        note = part.with_suffix(".etag")
        have, etag = part_state(part, note)
        headers = {"Range": f"bytes={have}-", "If-Range": etag} if have and etag else {}
        at = address(url, loopback=self._loopback)
        async with self._session.get(at, headers=headers, allow_redirects=False, proxy=proxy_for(url)) as response:
            start = first_byte(response, have)
            if response.status == 416:
                return
            if not start:
                note.write_text(response.headers.get("ETag", ""), "utf-8")
            with open_part(part, start) as stream:
                await pour(response, stream)

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
        part.replace(final)
        disk.sync_folder(final.parent)
        forget(part)
        return Saved(target.path, size, sha256, target.replaces[1] if target.replaces else None)


def part_state(part: Path, note: Path) -> tuple[int, str]:
    """Return how many bytes of which version (ETag) are there. A weak ETag cannot be resumed by."""
    try:
        etag = note.read_text("utf-8").strip()
        have = part.stat().st_size
    except (OSError, UnicodeDecodeError):
        return 0, ""
    return (have, etag) if etag.startswith('"') and etag.isprintable() else (0, "")


def first_byte(response: aiohttp.ClientResponse, have: int) -> int:
    """Return the offset that the answer's first byte belongs at. Raises Stopped for an answer without a video."""
    if response.status == 200:
        return 0
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return have
    if response.status == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
        return have
    raise Stopped(Lost.RETRY, f"HTTP {response.status} instead of the video")


async def pour(response: aiohttp.ClientResponse, stream: BinaryIO) -> None:
    """Write what arrives, and sync it. Raises Stopped for more than any video has."""
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        stream.write(chunk)
        if stream.tell() > MAX_VIDEO_BYTES:
            raise Stopped(Lost.RETRY, f"larger than {MAX_VIDEO_BYTES:,} bytes")
    stream.flush()
    disk.sync(stream.fileno())


def open_part(part: Path, start: int) -> BinaryIO:
    """Open the part for writing at `start`; what lies behind is cut off."""
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    stream = os.fdopen(fd, "wb")
    stream.truncate(start)
    stream.seek(start)
    return stream


def forget(part: Path) -> None:
    """Remove a part and its note."""
    for path in (part, part.with_suffix(".etag")):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def digest_of(path: Path) -> str:
    """Return a file's sha256, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
