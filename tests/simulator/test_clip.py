"""The clip: a real video, and each task's copy of it."""

import json
import shutil
import struct
import subprocess

import pytest

from wanbatch.simulator import clip


def boxes(data):
    """(type, size) of each top-level box; fails when they do not end with the data."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        found.append((name, size))
        at += size
    return found


def test_boxes_walk_to_the_exact_end_and_the_index_comes_before_the_data():
    names = [name for name, _ in boxes(clip.video("a task"))]
    assert names[0] == b"ftyp"
    assert names.index(b"moov") < names.index(b"mdat")
    assert names[-1] == b"free"


def test_each_task_gets_other_bytes_after_the_same_video():
    one, two = clip.video("task 1"), clip.video("task 2")
    assert one != two
    assert one.startswith(clip.original())
    assert one.endswith(b"task 1")
    assert len(one) == len(clip.original()) + 8 + len("task 1")


def test_the_clip_is_small():
    assert len(clip.original()) < 150_000


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_a_task_s_video_decodes_without_a_complaint(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.video("0385dc79-5ff8-4d82-bcb6-000000000000"))
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    video, audio = json.loads(done.stdout)["streams"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 1280, 720)
    assert (video["r_frame_rate"], video["nb_read_frames"]) == ("30/1", "90")
    assert audio["codec_name"] == "aac"
