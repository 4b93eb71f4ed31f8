"""The judge of the campaigns sees what it must: a second bill, a lost video, a damaged journal, a printed key."""

import importlib.util
import json
import sys
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from wanbatch.simulator import clip

TASK = "5e4e167e-3148-4a34-b7a6-fb43763cf598"
BODY = "3a8c9525e235" + "0" * 52
SAVED = (
    {"event": "SubmitIntended"},
    {"event": "SubmitAccepted", "task_id": TASK},
    {"event": "TaskSucceeded"},
    {"event": "VideoSaved", "path": "videos/s1.mp4"},
)


@pytest.fixture(scope="module")
def rig() -> Iterator[ModuleType]:
    path = Path(__file__).parents[2] / "campaigns" / "rig.py"
    spec = importlib.util.spec_from_file_location("campaign_rig", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["campaign_rig"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["campaign_rig"]


def write_journal(folder: Path, *events: dict[str, str]) -> bytes:
    crc, content = 0, b""
    for number, event in enumerate(events):
        body = json.dumps({"seq": number, "job": "s1/1/3a8c9525e235", **event}, separators=(",", ":")).encode()[:-1]
        crc = zlib.crc32(body, crc)
        content += body + b',"crc":"%08x"}\n' % crc
    (folder / "journal.jsonl").write_bytes(content)
    return content


def write_video(folder: Path, content: bytes) -> None:
    (folder / "videos").mkdir()
    (folder / "videos" / "s1.mp4").write_bytes(content)
    (folder / "videos" / "s1.json").write_text(json.dumps({"sha256": sha256(content).hexdigest()}))


def judged(rig: ModuleType, folder: Path, *tasks: str):
    verdict = rig.Verdict()
    rig.judge(folder, {"accepted_by_body": {BODY: list(tasks)}}, verdict)
    return verdict


def test_a_paid_video_on_disk_is_well(rig, tmp_path):
    write_journal(tmp_path, *SAVED)
    write_video(tmp_path, clip.video(TASK))
    verdict = judged(rig, tmp_path, TASK)
    assert not verdict.faults
    assert verdict.counts["done"] == 1


def test_a_second_task_of_one_request_is_seen(rig, tmp_path):
    write_journal(tmp_path, *SAVED)
    write_video(tmp_path, clip.video(TASK))
    assert judged(rig, tmp_path, TASK, "another").counts["paid twice"] == 1


@pytest.mark.parametrize("content", [b"", clip.video(TASK)[:-1], clip.video("another")])
def test_a_file_that_is_not_the_paid_video_is_lost(rig, tmp_path, content):
    write_journal(tmp_path, *SAVED)
    write_video(tmp_path, content)
    assert judged(rig, tmp_path, TASK).counts["lost"] == 1


def test_another_tasks_video_is_lost(rig, tmp_path):
    write_journal(tmp_path, *SAVED)
    write_video(tmp_path, clip.video(TASK))
    assert judged(rig, tmp_path, "the one that was paid").counts["lost"] == 1


@pytest.mark.parametrize("known", [0, 2, 3])
def test_a_paid_task_that_a_run_left_behind_is_lost(rig, tmp_path, known):
    write_journal(tmp_path, *SAVED[:known])
    assert judged(rig, tmp_path, TASK).counts["lost"] == 1


def test_a_task_in_doubt_is_not_lost(rig, tmp_path):
    write_journal(tmp_path, *SAVED[:1])
    verdict = judged(rig, tmp_path, TASK)
    assert not verdict.faults
    assert verdict.counts["left held"] == 1


def test_a_damaged_line_is_seen_and_a_torn_one_is_none(rig, tmp_path):
    content = write_journal(tmp_path, *SAVED)
    (tmp_path / "journal.jsonl").write_bytes(content[:-5])
    assert len(rig.lines_of(tmp_path / "journal.jsonl")) == 3
    (tmp_path / "journal.jsonl").write_bytes(content.replace(b"SubmitAccepted", b"SubmitAcceptee"))
    assert judged(rig, tmp_path, TASK).counts["unreadable journals"] == 1


def test_the_key_is_found_in_files_and_words(rig, tmp_path):
    write_journal(tmp_path)
    (tmp_path / "note.txt").write_text(f"Bearer {rig.KEY}")
    assert judged(rig, tmp_path).faults
    assert rig.complaints(rig.Ended(0, rig.KEY, 0.1))
