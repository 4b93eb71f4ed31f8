"""Whole videos pass the walk over their boxes, cut ones do not."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.service.mp4 import broken, open_ended
from wanbatch.simulator import clip


def box(kind, content=b"", *, size=None):
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def large(kind, content):
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")
MOOV = box(b"moov", box(b"mvhd", b"\1" * 20))
MDAT = box(b"mdat", b"\2" * 40)
LAYOUTS = {
    "index first": FTYP + MOOV + MDAT,
    "pictures first": FTYP + MDAT + MOOV,
    "64-bit size": FTYP + MOOV + large(b"mdat", b"\2" * 40),
    "free boxes": FTYP + box(b"free") + MOOV + box(b"free", b"\0" * 9) + MDAT,
    "uuid": FTYP + box(b"uuid", b"\7" * 16) + MDAT + MOOV,
    "fragments": FTYP + MOOV + box(b"moof", b"\3" * 9) + MDAT,
    "64-bit index last": FTYP + MDAT + large(b"moov", box(b"mvhd", b"\1" * 20)),
}
TO_THE_END = FTYP + MOOV + box(b"mdat", b"\2" * 40, size=0)


def why(content):
    return broken(io.BytesIO(content))


def test_the_simulator_s_clip_is_whole():
    assert why(clip.video("a-1")) is None


@pytest.mark.parametrize("name", [*LAYOUTS, "to the end"])
def test_a_whole_video_is_whole_in_every_layout(name):
    assert why(LAYOUTS.get(name, TO_THE_END)) is None


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_video_says_itself_where_it_ends_unless_its_last_box_is_open(name):
    assert not open_ended(io.BytesIO(LAYOUTS[name]))
    assert open_ended(io.BytesIO(TO_THE_END))
    assert open_ended(io.BytesIO(LAYOUTS[name] + box(b"free", size=0)))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_cut_is_seen(name):
    whole = LAYOUTS[name]
    assert [end for end in range(len(whole)) if why(whole[:end]) is None] == []


def test_of_a_box_to_the_end_only_cuts_inside_its_contents_are_not_seen():
    """The declared length covers these: a download that is shorter is never looked at."""
    unseen = [end for end in range(len(TO_THE_END)) if why(TO_THE_END[:end]) is None]
    assert unseen == list(range(len(FTYP + MOOV) + 8, len(TO_THE_END)))


def test_of_boxes_after_all_that_matters_only_a_cut_between_them_is_not_seen():
    whole = FTYP + MOOV + MDAT + box(b"free", b"\0" * 20)
    assert [end for end in range(len(whole)) if why(whole[:end]) is None] == [len(FTYP + MOOV + MDAT)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\0" * 7,
        b"\0" * 8,
        b"\0" * 1000,
        b"<!DOCTYPE html><html></html>",
        b'{"code":"AccessDenied"}',
        b"<?xml version='1.0'?><Error/>",
        MOOV + MDAT,
        MOOV + FTYP + MDAT,
        FTYP + MDAT,
        FTYP + MOOV,
        FTYP + MOOV + MDAT + b"\0\0\0",
        FTYP + MOOV + box(b"mdat", size=7),
        FTYP + MOOV + box(b"mdat", size=2),
        FTYP + MOOV + box(b"mdat", size=0xFFFFFFFF),
        FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 15),
        FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 0),
        FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1),
        FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 2**32 + 16),
        FTYP + MOOV + struct.pack(">I4sI", 1, b"mdat", 12),
        FTYP + box(b"moov", b"", size=0) + MDAT,
    ],
)
def test_what_is_no_whole_video_is_refused_with_a_reason(content):
    assert why(content)


@given(st.binary(max_size=400), st.booleans())
def test_the_walk_ends_and_says_something_whatever_the_bytes(content, begins_well):
    reason = why((FTYP + MOOV if begins_well else b"") + content)
    assert reason is None or reason.isprintable()
