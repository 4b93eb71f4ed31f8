"""The lock file: read with places for every mistake, written whole or not at all."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from jobs.test_locked import ALLEY, ROOF, entry

from wanbatch.errors import Exit, ManifestInvalid, WanbatchError
from wanbatch.jobs import lockfile
from wanbatch.jobs.locked import Lock, text_of
from wanbatch.jobs.lockfile import parsed, path_of, read, write

TEXT = text_of(Lock("film", None, (entry(ALLEY), entry(ROOF))))


def said(text):
    """The problems of a lock file's text: place, and what is said."""
    with pytest.raises(ManifestInvalid) as caught:
        parsed(text, "film.lock.yaml")
    return [f"{one.where.line}:{one.where.column} {one.code} {one.message}" for one in caught.value.problems]


def edited(old, new):
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_a_lock_file_is_beside_its_manifest():
    assert path_of(Path("films/night.yaml")) == Path("films/night.lock.yaml")
    assert path_of(Path("films/night.yaml"), "draft") == Path("films/night@draft.lock.yaml")
    assert path_of(Path("night")) == Path("night.lock.yaml")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("wanbatch_lock: 1", "wanbatch_lock: 2", "3:16 E341 a lock file of version 2; this wanbatch reads 1"),
        ("wanbatch_lock: 1", "wanbatch_lock: true", "3:16 E341 a lock file of version True; this wanbatch reads 1"),
        ("wanbatch_lock: 1", "wanbatch: 1", "3:1 E341 no lock file: it has no `wanbatch_lock`"),
        ("manifest: film", "manifest: 5", "4:11 E341 no text: a lock names its manifest"),
        ("manifest: film", "manifest: film\nprofile: 5", "5:10 E341 no text: a lock names its manifest"),
        ("manifest: film", "manifest: film\nname: film", "5:1 E341 `name` is no key of a lock file"),
        ("    take: 1\n", "", "6:3 E341 alley has no take"),
        ("    take: 1\n", "    take: 0\n", "8:11 E341 take is not 1 or more"),
        ("    take: 1\n", "    take: 2\n", "6:3 E341 alley is called alley.t2 by its scene and take"),
        ("    take: 1\n", "    take: true\n", "8:11 E341 take is not a take's number"),
        ("    take: 1\n", "    take: 1\n    tekae: 1\n", "9:5 E341 `tekae` is no field of a lock file"),
        ("    take: 1\n", "    take: 1\n    price: 3\n", "9:12 E341 price is not an amount like 3.00 CNY"),
        ("    take: 1\n", "    take: 1\n    price: '3'\n", "9:12 E341 a cap needs a currency: '3 CNY'"),
        ('task_id: "theirs"', 'task_id: ""', "18:14 E341 task_id is not a task's id"),
        ('"videos/alley.mp4"', "videos/../../x.mp4", "19:11 E341 file is not a video in videos/ or superseded/"),
        ('"videos/alley.mp4"', "/etc/passwd", "19:11 E341 file is not a video in videos/ or superseded/"),
        ("  alley:\n", "  pier: yes\n  alley:\n", "6:9 E341 pier is no block of fields"),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_where_it_is(old, new, problem):
    assert said(edited(old, new)) == [problem]


def test_what_is_no_yaml_is_said_once():
    assert [one.split(" ")[1] for one in said("wanbatch_lock: [")] == ["E002"]
    assert said("") == ["1:1 E341 no lock file: it has no `wanbatch_lock`"]
    assert said("wanbatch_lock: 1\nmanifest: film\n") == ["1:1 E341 no jobs: `jobs` holds a block for each"]


def test_all_mistakes_are_said_at_once():
    assert len(said(TEXT.replace("take: 1", "take: 0"))) == 2


def test_a_conflict_of_git_is_called_one():
    text = edited("  roof:\n", "<<<<<<< HEAD\n  roof:\n")
    assert said(text) == ["22:1 E341 a conflict that git left"]


def test_a_lock_file_that_is_not_there_is_none(tmp_path):
    assert read(tmp_path / "film.lock.yaml") is None


def test_a_lock_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "film.lock.yaml").mkdir()
    with pytest.raises(WanbatchError, match=r"cannot read .*film\.lock\.yaml: ") as caught:
        read(tmp_path / "film.lock.yaml")
    assert caught.value.exit_code is Exit.STATE


def test_what_was_written_is_read_and_is_written_anew_only_when_it_changes(tmp_path):
    path = tmp_path / "film.lock.yaml"
    lock = Lock("film", None, (entry(ALLEY),))
    write(path, lock)
    assert read(path) == lock
    before = path.stat().st_ino
    write(path, lock)
    assert path.stat().st_ino == before
    write(path, replace(lock, manifest="movie"))
    assert path.stat().st_ino != before
    assert [one.name for one in tmp_path.iterdir()] == ["film.lock.yaml"]


def test_a_lock_file_is_as_open_as_the_users_other_files_and_stays_as_it_was(tmp_path):
    path, lock = tmp_path / "film.lock.yaml", Lock("film", None, (entry(ALLEY),))
    mask = os.umask(0o022)
    try:
        write(path, lock)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    write(path, Lock("film"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_lock_file_that_is_a_link_stays_one(tmp_path):
    path, target = tmp_path / "film.lock.yaml", tmp_path / "elsewhere.yaml"
    path.symlink_to(target)
    write(path, Lock("film", None, (entry(ALLEY),)))
    assert path.is_symlink()
    assert target.is_file()


def test_a_file_that_is_no_lock_is_not_written_over_when_it_cannot_be_read(tmp_path):
    path = tmp_path / "film.lock.yaml"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write(path, Lock("film", None, (entry(ALLEY),)))


def test_the_rules_name_every_field_that_is_written():
    full = replace(
        entry(ALLEY),
        outline={**ALLEY.request.outline(), "negative_prompt": "sha256:" + "0" * 64, "audio_url": "sha256:" + "0" * 64},
        picked=True,
        times=dict.fromkeys(lockfile.TIMES, "x"),
        cost=lockfile.Cost(*lockfile.amount("3 CNY"), "2026-08-15"),
    )
    names = [line.split(":")[0].strip() for line in text_of(Lock("f", None, (full,))).splitlines()[6:]]
    assert names == list(lockfile.RULES)
