"""Files as they are on the disk: what could be waited for for ever is refused, except for the manifest itself."""

import os
from pathlib import Path
from threading import Thread

import pytest
from support import manifest_text

from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.manifest.check import load
from wanbatch.manifest.files import DISK, Disk
from wanbatch.views.problems import show

NO_FILE = "it is a pipe or a device, and no file"


def test_a_file_is_read_up_to_one_byte_more_than_is_allowed(tmp_path):
    (tmp_path / "prompt.txt").write_bytes(b"12345")
    assert DISK.read(tmp_path / "prompt.txt", 5) == b"12345"
    assert DISK.read(tmp_path / "prompt.txt", 3) == b"1234"
    (tmp_path / "link.txt").symlink_to("prompt.txt")
    assert DISK.read(tmp_path / "link.txt", 9) == b"12345"


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    before = len([*Path("/dev/fd").iterdir()])
    for path in (tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(OSError, match=NO_FILE):
            DISK.read(path, 9)
        with pytest.raises(OSError, match=NO_FILE):
            Disk(stream=tmp_path / "film.yaml").read(path, 9)
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        DISK.read(tmp_path, 9)
    with pytest.raises(FileNotFoundError):
        DISK.read(tmp_path / "nowhere", 9)
    assert len([*Path("/dev/fd").iterdir()]) == before, "nothing is left open"


@pytest.mark.parametrize(
    ("entry", "said"),
    [("id: alley, prompt_file: pipe", f"4:30: E324 cannot read {{folder}}/pipe: {NO_FILE}"),
     ("include: pipe", f"4:15: E321 cannot read {{folder}}/pipe: {NO_FILE}"),
     ("include: pip*", "4:15: E321 no file is called pip*")],
)  # fmt: skip
def test_a_pipe_as_one_of_a_manifests_files_is_told_where_it_is_named(entry, said, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "film.yaml"
    path.write_text(f"wanbatch: 1\ndefaults: {{resolution: 720P, duration: 5}}\nscenes:\n  - {{{entry}}}\n", "utf-8")
    with pytest.raises(ManifestInvalid) as raised:
        load(path)
    first, *_ = show(raised.value.problems[0]).splitlines()
    assert first == f"{path}:{said.format(folder=tmp_path)}"


def test_a_pipe_as_a_picks_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "film.picks.yaml")
    path = tmp_path / "film.yaml"
    path.write_text(manifest_text("alley"), "utf-8")
    with pytest.raises(WanbatchError, match=rf"cannot read .*film\.picks\.yaml: {NO_FILE}") as raised:
        load(path)
    assert raised.value.exit_code is Exit.STATE


def test_the_manifest_itself_may_be_a_pipe(tmp_path):
    path = tmp_path / "film.yaml"
    os.mkfifo(path)
    writer = Thread(target=path.write_text, args=(manifest_text("alley"), "utf-8"), daemon=True)
    writer.start()
    assert [scene.id for scene in load(path).scenes] == ["alley"]
    writer.join()
