"""schema --install: an editor is set up, and a manifest changes by one line at most."""

import codecs
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.cli.door import guarded
from wanbatch.cli.schema_ import NAME, named, with_line
from wanbatch.manifest.document import parse, read_text
from wanbatch.service import catalog

LINE = "# yaml-language-server: $schema=manifest.schema.json\n"
FILM = "wanbatch: 1\nscenes: [{id: a, prompt: p, duration: 5, resolution: 720P}]\n"
SCHEMA = catalog.schema_text(NAME)
OLDER = SCHEMA.replace("A set of videos", "A set of films")


def film(folder: Path, text: str = FILM, name: str = "film.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_schema_is_written_beside_the_manifest_and_its_first_line_names_it(in_tmp, capsys):
    path = film(in_tmp)
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    said = capsys.readouterr()
    assert said.out == "wrote manifest.schema.json\nwrote film.yaml: it names manifest.schema.json now\n"
    assert said.err == "next: wanbatch validate film.yaml\n"
    assert path.read_text("utf-8") == LINE + FILM
    assert (in_tmp / NAME).read_text("utf-8") == SCHEMA
    assert guarded(["validate", "film.yaml"]) == 0


def test_a_second_time_nothing_is_written(in_tmp, capsys):
    path = film(in_tmp)
    guarded(["schema", "--install", "film.yaml"])
    before = [(one.read_bytes(), one.stat().st_ino) for one in (path, in_tmp / NAME)]
    capsys.readouterr()
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    assert [(one.read_bytes(), one.stat().st_ino) for one in (path, in_tmp / NAME)] == before
    said = capsys.readouterr().out
    assert said == "manifest.schema.json: up to date already\nfilm.yaml: names manifest.schema.json already\n"


def test_without_a_manifest_only_the_schema_is_written_into_the_current_folder(in_tmp, capsys):
    assert guarded(["schema", "--install"]) == 0
    assert names(in_tmp) == [NAME]
    said = capsys.readouterr()
    assert said.out == "wrote manifest.schema.json\n"
    assert "next: wanbatch schema --install film.yaml" in said.err


def test_manifests_of_one_folder_share_a_schema_and_each_folder_has_its_own(in_tmp, capsys):
    (in_tmp / "more").mkdir()
    film(in_tmp), film(in_tmp, name="b.yaml"), film(in_tmp / "more")
    assert guarded(["schema", "--install", "film.yaml", "b.yaml", "more/film.yaml"]) == 0
    assert [path.read_text("utf-8") for path in in_tmp.rglob("*.yaml")] == [LINE + FILM] * 3
    assert sorted(path.relative_to(in_tmp).as_posix() for path in in_tmp.rglob("*.json")) == [NAME, f"more/{NAME}"]
    said = "wrote manifest.schema.json\nwrote {}: it names manifest.schema.json now\n"
    first, second = said.format("film.yaml"), "wrote b.yaml: it names manifest.schema.json now\n"
    third = "wrote more/manifest.schema.json\nwrote more/film.yaml: it names manifest.schema.json now\n"
    assert capsys.readouterr().out == first + second + third


def test_an_older_schema_of_ours_is_made_up_to_date(in_tmp, capsys):
    film(in_tmp, LINE + FILM)
    (in_tmp / NAME).write_text(OLDER, "utf-8")
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    assert (in_tmp / NAME).read_text("utf-8") == SCHEMA
    assert "wrote manifest.schema.json\n" in capsys.readouterr().out


@pytest.mark.parametrize("content", ['{"$id": "urn:other"}', "{}", "[]", "not JSON", "", "[" * 100_000])
def test_a_schema_that_is_not_ours_is_never_written_over(content, in_tmp, capsys):
    path = film(in_tmp)
    (in_tmp / NAME).write_text(content, "utf-8")
    assert guarded(["schema", "--install", "film.yaml"]) == 2
    assert (in_tmp / NAME).read_text("utf-8") == content
    assert path.read_text("utf-8") == FILM
    said = capsys.readouterr().err
    assert said == (
        "wanbatch: manifest.schema.json is not a schema of wanbatch's and was left as it is\n"
        "  move it away, and run this once more\n"
    )


def test_a_line_that_names_our_schema_elsewhere_stays_and_that_schema_is_made_up_to_date(in_tmp):
    (in_tmp / "schemas").mkdir()
    (in_tmp / "films").mkdir()
    (in_tmp / "schemas" / NAME).write_text(OLDER, "utf-8")
    line = f"# yaml-language-server: $schema=../schemas/{NAME}\n"
    path = film(in_tmp / "films", line + FILM)
    assert guarded(["schema", "--install", "films/film.yaml"]) == 0
    assert path.read_text("utf-8") == line + FILM
    assert (in_tmp / "schemas" / NAME).read_text("utf-8") == SCHEMA
    assert names(in_tmp / "films") == ["film.yaml"]


def test_a_line_that_names_a_file_that_is_not_there_is_mended_in_its_place(in_tmp):
    path = film(in_tmp, f"# A film.\n# yaml-language-server: $schema=../gone.json\n{FILM}")
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    assert path.read_text("utf-8") == f"# A film.\n{LINE}{FILM}"
    assert (in_tmp / NAME).exists()


@pytest.mark.parametrize("target", ["other.json", "https://example.com/film.json", "file:///film.json"])
def test_a_line_that_names_somebody_elses_schema_is_left_and_the_user_decides(target, in_tmp, capsys):
    (in_tmp / "other.json").write_text('{"$id": "urn:other"}', "utf-8")
    text = f"# yaml-language-server: $schema={target}\n{FILM}"
    path = film(in_tmp, text)
    assert guarded(["schema", "--install", "film.yaml"]) == 2
    assert path.read_text("utf-8") == text
    assert not (in_tmp / NAME).exists()
    assert capsys.readouterr().err == (
        f"wanbatch: film.yaml names another schema, {target}, and was left as it is\n"
        "  to have wanbatch's instead, remove that line and run this once more\n"
    )


def test_one_manifest_that_cannot_be_set_up_does_not_keep_the_others_from_it(in_tmp, capsys):
    path = film(in_tmp)
    assert guarded(["schema", "--install", "none.yaml", ".", "film.yaml"]) == 2
    assert path.read_text("utf-8") == LINE + FILM
    said = capsys.readouterr().err
    assert (
        "wanbatch: cannot read none.yaml: No such file or directory\n  wanbatch init none.yaml writes a first" in said
    )
    assert "wanbatch: . is a folder, not a manifest\n" in said
    assert said.endswith("next: wanbatch validate film.yaml\n")


def test_json_has_no_place_for_the_line_and_stays_as_it_is(in_tmp, capsys):
    path = film(in_tmp, '{"wanbatch": 1}\n', name="film.json")
    assert guarded(["schema", "--install", "film.json"]) == 2
    assert path.read_text("utf-8") == '{"wanbatch": 1}\n'
    assert "film.json is JSON, which has no place for a line" in capsys.readouterr().err


def test_half_a_character_is_no_text_and_stays_as_it_is(in_tmp, capsys):
    (in_tmp / "film.yaml").write_bytes(codecs.BOM_UTF16_LE + b"w")
    assert guarded(["schema", "--install", "film.yaml"]) == 2
    assert "film.yaml is no text and was left as it is" in capsys.readouterr().err


def test_a_pipe_is_not_waited_for(in_tmp, capsys):
    os.mkfifo(in_tmp / "film.yaml")
    assert guarded(["schema", "--install", "film.yaml"]) == 2
    assert capsys.readouterr().err.startswith("wanbatch: cannot read film.yaml: it is no plain file")


def test_permissions_stay_and_new_ones_are_the_users_own(in_tmp):
    path = film(in_tmp)
    path.chmod(0o664)
    before = os.umask(0o027)
    try:
        assert guarded(["schema", "--install", "film.yaml"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    assert stat.S_IMODE((in_tmp / NAME).stat().st_mode) == 0o640


def test_a_link_stays_a_link(in_tmp):
    (in_tmp / "real").mkdir()
    path = film(in_tmp / "real")
    (in_tmp / "film.yaml").symlink_to("real/film.yaml")
    assert guarded(["schema", "--install", "film.yaml"]) == 0
    assert (in_tmp / "film.yaml").is_symlink()
    assert path.read_text("utf-8") == LINE + FILM


def test_a_disk_that_will_not_write_leaves_the_manifest_as_it_was(in_tmp, capsys):
    path = film(in_tmp)
    (in_tmp / f".{NAME}.draft").mkdir()  # where the new file would be written first
    assert guarded(["schema", "--install", "film.yaml"]) == 9
    assert path.read_text("utf-8") == FILM
    assert capsys.readouterr().err.startswith(f"wanbatch: cannot write {NAME}: ")


def test_install_is_for_the_manifests_schema_only(in_tmp, capsys):
    assert guarded(["schema", "--install", "--request", "wan2.7-t2v"]) == 2
    assert "--request prints a schema; --install is for the manifest's" in capsys.readouterr().err
    assert names(in_tmp) == []


def test_a_manifest_without_install_is_answered_with_the_command(in_tmp, capsys):
    film(in_tmp)
    assert guarded(["schema", "film.yaml"]) == 2
    assert "wanbatch schema --install film.yaml" in capsys.readouterr().err


def test_the_line_comes_after_the_mark_with_the_files_own_ending():
    assert (
        with_line(b"\xef\xbb\xbfa: 1\r\nb: 2\n", "s")
        == b"\xef\xbb\xbf# yaml-language-server: $schema=s\r\na: 1\r\nb: 2\n"
    )
    assert with_line(b"a: 1\rb: 2\r", "s") == b"# yaml-language-server: $schema=s\ra: 1\rb: 2\r"
    assert with_line(b"", "s") == b"# yaml-language-server: $schema=s\n"
    both = with_line(codecs.BOM_UTF16_BE + "名: 1\r\n".encode("utf-16-be"), "s")
    assert both == codecs.BOM_UTF16_BE + "# yaml-language-server: $schema=s\r\n名: 1\r\n".encode("utf-16-be")


def test_a_line_that_starts_a_program_stays_the_first():
    assert (
        with_line(b"#!/usr/bin/wanbatch\na: 1\n", "s")
        == b"#!/usr/bin/wanbatch\n# yaml-language-server: $schema=s\na: 1\n"
    )


def test_a_line_below_the_content_is_none_for_a_language_server_and_for_us():
    late = b"a: 1\n# yaml-language-server: $schema=x\n"
    assert named(late) is None
    assert with_line(late, "s") == b"# yaml-language-server: $schema=s\n" + late


ENDS = ["\n", "\r\n", "\r"]
REMARKS = st.lists(
    st.sampled_from(["# a film", "", "  # x", "#", "# yaml-language-server: $schema=old.json"]), max_size=4
)
BODIES = st.sampled_from([FILM, "--- {}\n", "%YAML 1.2\n---\na: |\n  # b\n", "a: '灯'", "", "- 1\n- \u2028\n"])
MARKS = [
    ("utf-8", b""),
    ("utf-8", codecs.BOM_UTF8),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
]


@given(REMARKS, BODIES, st.sampled_from(MARKS), st.sampled_from(ENDS), st.binary(max_size=5))
def test_exactly_one_line_is_new_or_names_another_schema_and_no_other_byte_changes(remarks, body, mark, end, junk):
    encoding, bom = mark
    text = end.join([*remarks, body.replace("\n", end)])
    before = bom + text.encode(encoding) + (junk if encoding == "utf-8" else b"")
    after = with_line(before, "new.json")
    assert named(after) == "new.json"
    assert with_line(after, "new.json") == after
    if named(before) is None:
        lines = [f"# yaml-language-server: $schema=new.json{end}".encode(encoding) for end in ENDS]
        assert after in [bom + line + before[len(bom) :] for line in lines]
    else:
        assert after == before.replace("old.json".encode(encoding), "new.json".encode(encoding), 1)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "manifests" / "valid").glob("*.yaml")), ids=str)
def test_a_manifest_means_the_same_with_the_line(path, tmp_path):
    changed = tmp_path / "film.yaml"
    changed.write_bytes(with_line(path.read_bytes(), NAME))
    assert parse("film.yaml", read_text(changed)).data == parse("film.yaml", read_text(path)).data
