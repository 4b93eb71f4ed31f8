"""A signed URL → a checked file under its final name. Knows no jobs and holds no credentials.

What arrives goes to a `.part` beside the final name and may be resumed, in this run or the next. It gets its
name only when it is whole: the declared length, a walk over its boxes, synced. A file that is not ours is
never touched, and no link leads out of the output folder.
"""

import asyncio
import contextlib
import errno
import os
import ssl
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import aiohttp
from aiohttp.abc import AbstractResolver

from wanbatch import disk
from wanbatch.disk import Folder
from wanbatch.jobs.folder import is_earlier, move
from wanbatch.jobs.seen import Lost, NotSaved, Saved
from wanbatch.service import address, mp4
from wanbatch.service.client import proxy_for
from wanbatch.service.part import Found, digest_of, forget, note, open_part, part_state

CHUNK_BYTES = 256 * 1024
MAX_VIDEO_BYTES = 2 * 1024**3
"""Fifteen seconds of 1080P are some 30 MB."""
MAX_HOPS = 3
TIMEOUT = aiohttp.ClientTimeout(total=1800, connect=30, sock_read=60)
"""The total is of a whole download, redirects and all; `sock_read` ends one that stands still."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class Pace:
    """What is too slow: fewer than `bytes_per_s` over `over_s` seconds. What came is kept and gone on from."""

    bytes_per_s: int = 1024
    over_s: float = 60.0


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


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a download may take."""

    most_bytes: int = MAX_VIDEO_BYTES
    pace: Pace = Pace()

    @property
    def too_large(self) -> Stopped:
        """What is said of a file that no video is."""
        return Stopped(Lost.RETRY, f"larger than {self.most_bytes:,} bytes")


def taken(path: Path) -> Stopped:
    """Return what is said where a file that is not ours has the name."""
    return Stopped(Lost.TAKEN, f"{path} exists and is not from this journal; move it away, then run again")


def session(
    timeout: aiohttp.ClientTimeout = TIMEOUT,
    *,
    allowed_hosts: frozenset[str] = frozenset(),
    lookup: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """Return a session without credentials, cookies or decompression, that connects to checked addresses only."""
    resolver = address.Checked(allowed_hosts, lookup)
    return aiohttp.ClientSession(
        headers={"Accept-Encoding": "identity"},
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
    )


class Downloader:
    """Fetches into one output folder. Hosts that are not the service's are in `allowed_hosts`, or refused."""

    def __init__(
        self,
        folder: Path,
        client_session: aiohttp.ClientSession,
        *,
        loopback: bool,
        allowed_hosts: frozenset[str] = frozenset(),
        most_bytes: int = MAX_VIDEO_BYTES,
        pace: Pace = Pace(),
    ) -> None:
        self.folder = folder
        self._session = client_session
        self._loopback = loopback
        self._allowed = allowed_hosts
        self._bounds = Bounds(most_bytes, pace)

    def present(self, target: Target) -> Saved | NotSaved | None:
        """Say whether the name is taken already: by this job's own file, or by one that is not ours.

        The first is what a kill between rename and journal leaves behind. A record without its video takes the
        name too, unless it is this job's.
        """
        try:
            with self._open(target.path) as folder:
                return self._look(Found(folder, PurePosixPath(target.path).name), target)
        except FileNotFoundError:
            return None
        except Stopped as stopped:
            return stopped.seen
        except OSError as error:
            return NotSaved(Lost.DISK, disk.why(error))

    def _look(self, final: Found, target: Target) -> Saved | None:
        """Do the looking of `present`. Raises Stopped, and OSError."""
        there = final.folder.status(final.name)
        if there is None and final.folder.status(final.record) is None:
            return None
        wanted = record_sha256(final, target)
        if there and wanted is not None and stat.S_ISREG(there.st_mode):
            size, sha256 = digest_of(final)
            if sha256 == wanted:
                final.folder.sync()
                with contextlib.suppress(OSError), self._open(target.part) as parts:
                    forget(Found(parts, PurePosixPath(target.part).name))
                return Saved(target.path, size, wanted)
        if target.replaces or (there is None and may_be_written(final, target, target.sidecar(0, ""))):
            return None
        raise taken(final.path) if there else taken(final.folder.path / final.record)

    async def fetch(self, url: str, target: Target) -> Saved | NotSaved:
        """Bring the video home. Returns what became of it; raises nothing that the world does."""
        try:
            with self._open(target.part, make=True) as folder:
                bounded = await self._receive(url, Found(folder, PurePosixPath(target.part).name))
            # A thread cannot be cancelled with its task: it opens, and closes, folders of its own.
            return await asyncio.to_thread(self._install, target, bounded=bounded)
        except Stopped as stopped:
            return stopped.seen
        except FileExistsError as error:
            return taken(Path(error.filename)).seen
        except OSError as error:
            return NotSaved(Lost.DISK, disk.why(error))

    def _open(self, path: str, *, make: bool = False) -> Folder:
        """Open the folder of a path that is relative to the output folder."""
        return Folder.open(self.folder, *PurePosixPath(path).parts[:-1], make=make)

    async def _receive(self, url: str, part: Found) -> bool:
        """Fill `part`; say whether its end is known to be the file's. Raises Stopped, and OSError for the disk's."""
        try:
            async with asyncio.timeout(self._session.timeout.total):
                return await self._fill(url, part)
        except address.Refused as refused:
            raise Stopped(Lost.RETRY, str(refused)) from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
                raise Stopped(Lost.DISK, "too many files are open for one more connection") from None
            what = "no bytes in time" if isinstance(error, TimeoutError) else type(error).__name__
            raise Stopped(Lost.RETRY, f"the connection broke: {what}") from None

    async def _fill(self, url: str, part: Found) -> bool:
        """Fill `part`, from where it ends if the server still has the same file. Each hop is checked as the first."""
        have, etag = part_state(part)
        headers = {"Range": f"bytes={have}-", "If-Range": etag} if have else {}
        at = address.check(url, loopback=self._loopback, allowed=self._allowed)
        for _ in range(MAX_HOPS + 1):
            proxy = proxy_for(str(at))
            async with self._session.get(at, headers=headers, allow_redirects=False, proxy=proxy) as response:
                onward = response.headers.get("Location", "") if response.status in REDIRECTS else ""
                if not onward:
                    return await self._take(response, part, have, etag)
            at = address.follow(at, onward, loopback=self._loopback, allowed=self._allowed)
        raise Stopped(Lost.RETRY, f"more than {MAX_HOPS} redirects instead of the video")

    async def _take(self, response: aiohttp.ClientResponse, part: Found, have: int, etag: str) -> bool:
        """Take the video from an answer; say whether its end is known to be the file's."""
        if have and not continues(response, have, etag):
            forget(part)  # the next try asks for the whole
            raise Stopped(Lost.RETRY, f"HTTP {response.status} instead of the rest of the video")
        start, total = span(response, have)
        if response.status == 416:
            return True
        if total is not None and total > self._bounds.most_bytes:
            raise self._bounds.too_large
        with os.fdopen(open_part(part, start), "wb", buffering=0) as stream:
            if not start:  # after the old bytes are cut off: they must never stand under the new version's name
                note(part, response.headers.get("ETag", ""))
            size = await pour(response, stream.fileno(), start, self._bounds)
        if total is not None and size < total:
            raise Stopped(Lost.RETRY, f"{size:,} of {total:,} bytes came")
        return total is not None or "chunked" in response.headers.get("Transfer-Encoding", "").lower()

    def _install(self, target: Target, *, bounded: bool) -> Saved:
        """Check the whole file and give it its name: the earlier video aside, the sidecar, then the video."""
        with self._open(target.part) as parts, self._open(target.path, make=True) as folder:
            part = Found(parts, PurePosixPath(target.part).name)
            examine(part, bounded=bounded)
            size, sha256 = digest_of(part)
            final = Found(folder, PurePosixPath(target.path).name)
            if target.replaces and not is_begun(final, target):
                move(self.folder, *target.replaces)
            if folder.status(final.name):
                raise taken(final.path)
            put_record(final, target, target.sidecar(size, sha256))
            settle(part, final)
            parts.name_once(part.name, folder, final.name)
            folder.sync()
            with contextlib.suppress(OSError):  # the video is there; the next run takes the part away
                forget(part)
        return Saved(target.path, size, sha256, target.replaces[1] if target.replaces else None)


def examine(part: Found, *, bounded: bool) -> None:
    """Say nothing of a whole video. Raises Stopped."""
    with os.fdopen(part.folder.open_file(part.name, os.O_RDONLY), "rb") as stream:
        reason = mp4.broken(stream)
        endless = not reason and not bounded and mp4.open_ended(stream)
    if reason:
        forget(part)
        raise Stopped(Lost.RETRY, f"what arrived is no whole video: {reason}")
    if endless:
        kept = part.path
        raise Stopped(Lost.RETRY, f"neither the server nor the file says where the video ends; look at {kept}")


def settle(part: Found, final: Found) -> None:
    """Make the part's contents durable, and give it the permissions that the user's new files get."""
    fd = part.folder.open_file(part.name, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems have none; it stays the owner's then
            os.fchmod(fd, final.folder.usual_mode(f".{final.name}.mode"))
        disk.sync(fd)
    finally:
        os.close(fd)


def record_of(final: Found) -> bytes | None:
    """Return the sidecar beside a video; None for none, and for what no sidecar of ours can be."""
    try:
        return final.folder.read(final.record)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.EISDIR):
            return None
        raise


def record_sha256(final: Found, target: Target) -> str | None:
    """Return the sha256 that the job's own sidecar states; None without one, or beside another's."""
    record = record_of(final)
    return None if record is None else target.ours(record)


def may_be_written(final: Found, target: Target, content: bytes) -> bool:
    """Say whether the sidecar that is there, without its video, is this job's or an earlier one's of its scene."""
    record = record_of(final)
    return record is not None and (target.ours(record) is not None or is_earlier(record, content))


def is_begun(final: Found, target: Target) -> bool:
    """Say whether an install was cut off after the earlier video moved: this job's record stands alone."""
    return final.folder.status(final.name) is None and record_sha256(final, target) is not None


def put_record(final: Found, target: Target, content: bytes) -> None:
    """Write the sidecar, over the job's own and over no other. Raises Stopped."""
    known = final.folder.status(final.record) is not None
    if known and not may_be_written(final, target, content):
        raise taken(final.folder.path / final.record)
    final.folder.write_whole(final.record, content, replace=known)


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


async def pour(response: aiohttp.ClientResponse, fd: int, size: int, bounds: Bounds) -> int:
    """Write what arrives behind `size` bytes; return the size then. It is synced when it gets its name.

    Raises Stopped: for more than any video has, of which nothing is kept; for less than the pace, all is.
    """
    now = asyncio.get_running_loop().time
    since, before = now(), size
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        disk.write_all(fd, chunk)
        size += len(chunk)
        if size > bounds.most_bytes:
            os.ftruncate(fd, 0)
            raise bounds.too_large
        passed = now() - since
        if passed >= bounds.pace.over_s:
            if size - before < bounds.pace.bytes_per_s * passed:
                raise Stopped(Lost.RETRY, f"slower than {bounds.pace.bytes_per_s:,} bytes a second; gone on with later")
            since, before = now(), size
    return size
