"""init, import, validate, render, schema: what is read and written, and nothing sent."""

import json

import pytest
from cli.stage import wanbatch
from support import manifest, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.service import catalog


def test_init_writes_a_manifest_that_validates_and_names_the_next_commands(in_tmp, capsys):
    assert guarded(["init"]) == 0
    said = capsys.readouterr()
    assert said.out == "wrote manifest.yaml\n"
    assert "wanbatch plan manifest.yaml " in said.err
    assert "wanbatch run manifest.yaml --simulate " in said.err
    assert guarded(["validate", "manifest.yaml"]) == 0


def test_init_overwrites_nothing(in_tmp, capsys):
    (in_tmp / "mine.yaml").write_text("precious", "utf-8")
    assert guarded(["init", "mine.yaml"]) == 2
    assert (in_tmp / "mine.yaml").read_text("utf-8") == "precious"
    assert "mine.yaml exists already and was left as it is" in capsys.readouterr().err


def test_init_quotes_a_name_that_a_shell_would_split(in_tmp, capsys):
    assert guarded(["init", "my film.yaml"]) == 0
    assert "wanbatch plan 'my film.yaml' " in capsys.readouterr().err


def test_init_into_a_folder_that_is_not_there_says_so(in_tmp, capsys):
    assert guarded(["init", "no/such.yaml"]) == 9
    assert capsys.readouterr().err == "wanbatch: cannot write no/such.yaml: No such file or directory\n"


def prompts(folder, *lines):
    path = folder / "prompts.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_import_writes_to_stdout_what_validates_as_it_stands(in_tmp, capsys):
    prompts(in_tmp, "a cat", "", "a dog: it runs #1", "雨中的巷子")
    assert guarded(["import", "prompts.txt"]) == 0
    found = manifest(capsys.readouterr().out)
    assert [one.request.prompt for one in found.wanted] == ["a cat", "a dog: it runs #1", "雨中的巷子"]


def test_import_writes_a_file_with_what_was_asked_and_says_the_next_command(in_tmp, capsys):
    prompts(in_tmp, "a cat")
    flags = ["--duration", "7", "--resolution", "1080P", "--ratio", "9:16", "--name", "cats"]
    assert guarded(["import", "prompts.txt", "-o", "cats.yaml", *flags]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "wrote cats.yaml: 1 scene; next: wanbatch plan cats.yaml\n")
    found = manifest((in_tmp / "cats.yaml").read_text("utf-8"))
    request = found.wanted[0].request
    assert (found.name, request.duration, request.resolution, request.ratio) == ("cats", 7, "1080P", "9:16")


def test_import_overwrites_nothing(in_tmp, capsys):
    prompts(in_tmp, "a cat")
    (in_tmp / "m.yaml").write_text("precious", "utf-8")
    assert guarded(["import", "prompts.txt", "-o", "m.yaml"]) == 2
    assert (in_tmp / "m.yaml").read_text("utf-8") == "precious"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--duration", "99"], "'--duration': 99 is not in the range 2<=x<=15"),
        (["--duration", "long"], "'--duration': 'long' is not a valid integer"),
        (["--resolution", "480P"], "'--resolution': '480P' is not one of '720P', '1080P'"),
        (["--ratio", "2:1"], "'--ratio': '2:1' is not one of '16:9', '9:16', '1:1', '4:3', '3:4'"),
        (["--name", "a/b"], "--name: name 'a/b' is not allowed"),
    ],
)
def test_import_says_which_flag_has_a_bad_value(flags, said, in_tmp, capsys):
    prompts(in_tmp, "a cat")
    assert guarded(["import", "prompts.txt", *flags]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"wanbatch: invalid value for {said}")
    assert shown.out == ""


def test_import_names_the_line_of_a_prompt_that_is_too_long(in_tmp, capsys):
    prompts(in_tmp, "a cat", "", "x" * 5001, "a dog")
    assert guarded(["import", "prompts.txt"]) == 5
    assert capsys.readouterr().err.startswith("prompts.txt:3:1: E106 ")


def test_import_of_an_empty_file_says_what_to_write(in_tmp, capsys):
    prompts(in_tmp, "", "  ")
    assert guarded(["import", "prompts.txt"]) == 2
    assert capsys.readouterr().err == "wanbatch: prompts.txt has no prompts\n  write one prompt a line\n"


def test_import_of_a_missing_file_does_not_speak_of_manifests(in_tmp, capsys):
    assert guarded(["import", "none.txt"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "wanbatch: cannot read none.txt: No such file or directory\n"
        "  name a text file with one prompt a line, or a .csv, .tsv, .jsonl, .md or .sh file\n"
    )


def test_import_of_a_binary_file_names_the_byte(in_tmp, capsys):
    (in_tmp / "prompts.txt").write_bytes(b"a cat\n\x89PNG\r\n")
    assert guarded(["import", "prompts.txt"]) == 5
    assert capsys.readouterr().err.startswith("prompts.txt:2:1: E001 byte 0x89 is not UTF-8\n")


def test_validate_goes_through_all_files_and_shows_all_problems(in_tmp, capsys):
    good = write_manifest(in_tmp, "alley", "roof")
    (in_tmp / "bad.yaml").write_text(
        "wanbatch: 1\nscenes:\n  - {id: a, prompt: p, duration: 99}\n  - {id: a}\n", "utf-8"
    )
    assert guarded(["validate", "bad.yaml", "none.yaml", str(good)]) == 5
    said = capsys.readouterr()
    assert said.out == f"{good}: valid, 2 scenes, 10 s of video, 1 warning\n"
    assert len([line for line in said.err.splitlines() if line.startswith("bad.yaml:")]) >= 4
    assert "wanbatch: cannot read none.yaml: No such file or directory\n" in said.err


def test_validate_of_a_file_that_is_not_there_is_a_wrong_command_not_an_invalid_manifest(in_tmp):
    assert guarded(["validate", "none.yaml"]) == 2


def test_validate_of_a_folder_asks_for_the_file(in_tmp, capsys):
    assert guarded(["validate", "."]) == 2
    assert capsys.readouterr().err == "wanbatch: . is a folder, not a manifest\n  name the .yaml file in it\n"


def test_render_as_json_is_exactly_the_body_that_is_sent(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    assert guarded(["render", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    wanted = manifest(path.read_text("utf-8")).wanted
    assert [row["body"] for row in rows] == [one.request.body() for one in wanted]
    assert [row["digest"] for row in rows] == [one.request.digest() for one in wanted]
    assert [row["job"] for row in rows] == [str(one.key) for one in wanted]


def test_render_as_text_shows_every_prompt_and_only_those_selected(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof", negative_prompt="blur")
    assert guarded(["render", str(path), "--select", "-roof"]) == 0
    shown = capsys.readouterr().out
    assert "    a alley in the rain\n" in shown
    assert "  negative prompt:\n    blur\n" in shown
    assert "resolution 720P  ratio 16:9" in shown
    assert "roof" not in shown


def test_a_selection_of_nothing_says_what_there_is(in_tmp, capsys):
    assert guarded(["render", str(write_manifest(in_tmp, "alley", "roof")), "--select", "rof"]) == 2
    assert capsys.readouterr().err == "wanbatch: --select: nothing is called 'rof'\n  did you mean roof?\n"


def test_the_schema_is_the_shipped_one_to_the_byte():
    ended = wanbatch("schema")
    assert json.loads(ended.stdout)["$schema"].startswith("https://json-schema.org/")
    assert ended.stdout == catalog.schema_text("manifest.schema.json")


def test_the_schema_of_a_request_is_its_familys(capsys):
    assert guarded(["schema", "--request", "wan2.7-t2v"]) == 0
    assert json.loads(capsys.readouterr().out) == catalog.request_schema("wan2.7-t2v")


def test_the_schema_of_a_model_that_is_not_known_names_those_that_are(capsys):
    assert guarded(["schema", "--request", "wan9"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("wanbatch: invalid value for --request: 'wan9' is not known; one of wan2.7-t2v, ")
