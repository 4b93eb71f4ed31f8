"""Whether a file is a whole mp4: a walk over its boxes, without decoding anything. Bytes only.

A box is a 4-byte big-endian size, a 4-byte type and its contents (ISO/IEC 14496-12, 4.2). A cut file ends
inside a box, or lacks `moov` (the index) or `mdat` (the pictures).
"""

import os
from typing import BinaryIO

HEADER_BYTES = 8
LARGE_HEADER_BYTES = 16


def broken(stream: BinaryIO) -> str | None:
    """Return why the file is no whole mp4; None for one that is. `stream` is read from its start."""
    total = stream.seek(0, os.SEEK_END)
    seen: set[bytes] = set()
    at = 0
    while at < total:
        stream.seek(at)
        header = stream.read(LARGE_HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return f"it ends inside a box header, at byte {at:,}"
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        smallest = HEADER_BYTES
        if size == 1:
            size, smallest = int.from_bytes(header[8:16], "big"), LARGE_HEADER_BYTES
        elif size == 0:  # to the end of the file: only the length that the server declared can bound it
            size = total - at
        if not seen and kind != b"ftyp":
            return "it does not begin like an mp4"
        if size < smallest or at + size > total:
            return f"its {kind.decode('latin-1')!r} box at byte {at:,} ends outside the file"
        seen.add(kind)
        at += size
    missing = [kind.decode() for kind in (b"ftyp", b"moov", b"mdat") if kind not in seen]
    return f"it has no {missing[0]} box" if missing else None


def open_ended(stream: BinaryIO) -> bool:
    """Say whether the last box of a whole mp4 goes on to the end of the file, wherever that is."""
    total = stream.seek(0, os.SEEK_END)
    at = 0
    while at < total:
        stream.seek(at)
        header = stream.read(LARGE_HEADER_BYTES)
        size = int.from_bytes(header[8:16] if header[:4] == b"\0\0\0\1" else header[:4], "big")
        if size < HEADER_BYTES:
            return True
        at += size
    return False
