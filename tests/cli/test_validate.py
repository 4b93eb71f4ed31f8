"""`wanbatch validate`: for people, for programs, for a GitHub workflow; warnings, `--strict`, `--ignore`."""

import json
import re

import pytest
from support import write_manifest

from wanbatch.cli.door import guarded

ALIAS = "wanbatch: 1\ndefaults: {model: wan2.7-t2v, resolution: 720P, duration: 5}\nscenes:\n"
DATED = ALIAS.replace("wan2.7-t2v", "wan2.7-t2v-2026-06-12")
CAT = "  - {id: alley, prompt: A cat.}\n"


def film(folder, text, name="film.yaml"):
    (folder / name).write_text(text, "utf-8")
    return name


def validate(capsys, *words):
    code = guarded(["validate", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_valid_manifest_is_one_line_of_what_it_makes(in_tmp, capsys):
    film(in_tmp, DATED + CAT)
    assert validate(capsys, "film.yaml") == (0, "film.yaml: valid, 1 scene, 5 s of video\n", "")
    film(in_tmp, DATED + "  - {id: alley, prompt: A cat., takes: 3}\n")
    assert validate(capsys, "film.yaml")[1] == "film.yaml: valid, 1 scene, 3 videos, 15 s of video\n"


def test_warnings_are_shown_like_errors_and_counted_and_the_manifest_is_valid(in_tmp, capsys):
    film(in_tmp, ALIAS + "  - {id: alley, prompt: A cat., prompt_extend: true}\n")
    code, out, err = validate(capsys, "film.yaml")
    assert code == 0
    assert out == "film.yaml: valid, 1 scene, 5 s of video, 2 warnings\n"
    assert re.findall(r"^film.yaml:(\d+:\d+): (W\d+)", err, re.MULTILINE) == [("2:19", "W402"), ("4:48", "W401")]
    assert "  |                   ^^^^^^^^^^\n" in err


def test_strict_takes_warnings_for_errors(in_tmp, capsys):
    film(in_tmp, ALIAS + CAT)
    code, out, err = validate(capsys, "film.yaml", "--strict")
    assert (code, out) == (5, "")
    assert err.endswith("film.yaml: 1 warning; --strict takes them for errors\n")
    film(in_tmp, DATED + CAT)
    assert validate(capsys, "film.yaml", "--strict")[0] == 0


def test_a_warning_that_is_ignored_is_not_there_for_strict_either(in_tmp, capsys):
    film(in_tmp, ALIAS + "  - {id: alley, prompt: A cat., prompt_extend: true}\n")
    assert validate(capsys, "film.yaml", "--strict", "--ignore", "W402", "--ignore", "w401") == (
        0,
        "film.yaml: valid, 1 scene, 5 s of video\n",
        "",
    )
    assert "W401" in validate(capsys, "film.yaml", "--ignore", "402")[2]


@pytest.mark.parametrize(
    ("word", "said"),
    [("E104", "E104 is an error, not a warning: it must be mended"),
     ("W499", "no such warning: W499; did you mean W40"),
     ("alley", "no such warning: alley; `wanbatch explain` lists them")],
)  # fmt: skip
def test_what_is_no_warning_cannot_be_ignored(in_tmp, capsys, word, said):
    film(in_tmp, DATED + CAT)
    code, out, err = validate(capsys, "film.yaml", "--ignore", word)
    assert (code, out) == (2, "")
    assert said in err


def test_as_json_there_is_a_row_for_each_manifest_with_every_problem(in_tmp, capsys):
    good, bad = film(in_tmp, ALIAS + CAT, "good.yaml"), film(in_tmp, DATED + "  - {id: 灯, prompt: A.}\n", "bad.yaml")
    code, out, err = validate(capsys, good, bad, "none.yaml", "--output-format", "json")
    data = json.loads(out)
    assert (code, err, data["format"]) == (5, "", 1)
    first, second, third = data["manifests"]
    assert {name: first[name] for name in ("file", "valid", "scenes", "videos", "seconds", "error")} == {
        "file": "good.yaml", "valid": True, "scenes": 1, "videos": 1, "seconds": 5, "error": None,
    }  # fmt: skip
    assert first["problems"][0]["severity"] == "warning"
    (problem,) = second["problems"]
    assert problem.pop("help").startswith("at most 64 letters")
    assert problem == {
        "file": "bad.yaml", "line": 4, "column": 10, "end_column": 11, "code": "E105", "severity": "error",
        "message": "scene 1: id '灯' is not allowed",
    }  # fmt: skip
    assert (second["valid"], second["scenes"]) == (False, None)
    assert (third["valid"], third["problems"]) == (False, [])
    assert third["error"].startswith("cannot read none.yaml")


def test_json_says_what_the_exit_code_says(in_tmp, capsys):
    film(in_tmp, ALIAS + CAT)
    for words, valid in ((["--strict"], False), (["--strict", "--ignore", "W402"], True), ([], True)):
        code, out, _ = validate(capsys, "film.yaml", "--output-format", "json", *words)
        assert json.loads(out)["manifests"][0]["valid"] is valid
        assert (code == 0) is valid


def test_in_a_github_workflow_each_problem_is_an_annotation_of_its_characters(in_tmp, capsys):
    film(in_tmp, DATED + "  - {id: alley, prompt: A cat., ratio: 16:10}\n", "a,b%.yaml")
    code, out, err = validate(capsys, "a,b%.yaml", "--output-format", "github")
    assert code == 5
    assert out == (
        "::error file=a%2Cb%25.yaml,line=4,endLine=4,col=40,endColumn=45,title=E105::"
        "scene alley: ratio '16:10' is not known%0Ahelp: did you mean 16:9? one of 16:9, 9:16, 1:1, 4:3, 3:4\n"
    )
    assert err == "a,b%.yaml: 1 problem\n"


def test_in_a_github_workflow_a_warning_is_a_warning_and_nothing_ends_the_command_early(in_tmp, capsys):
    film(in_tmp, ALIAS + CAT)
    code, out, err = validate(capsys, "film.yaml", "--output-format", "github")
    assert (code, len(out.splitlines())) == (0, 1)
    assert out.startswith("::warning file=film.yaml,line=2,")
    assert err == "film.yaml: valid, 1 scene, 5 s of video, 1 warning\n"


def test_the_same_problem_in_many_scenes_is_shown_once_and_the_other_places_named(in_tmp, capsys):
    film(in_tmp, DATED + "".join(f"  - {{id: s{n}, promt: A cat.}}\n" for n in range(30)))
    _, _, err = validate(capsys, "film.yaml")
    assert err.count("unknown key `promt`") == 1
    assert "  the same in 29 more places: 5:14, 6:14, 7:14, 8:14, 9:14, 10:14, 11:14, 12:14, …\n" in err
    assert err.endswith("film.yaml: 30 problems\n")


def test_a_profile_and_settings_are_checked_as_a_run_would_read_them(in_tmp, capsys):
    film(in_tmp, DATED + CAT)
    code, _, err = validate(capsys, "film.yaml", "--set", "defaults.ratio=16:10")
    assert code == 5
    assert "--set" in err
    assert "E105" in err


def test_files_of_ours_beside_manifests_are_left_out_of_a_pattern(in_tmp, capsys):
    write_manifest(in_tmp, "alley")
    (in_tmp / "film.lock.yaml").write_text("wanbatch_lock: 1\n")
    (in_tmp / "film.picks.yaml").write_text("wanbatch_picks: 1\n")
    assert guarded(["validate", *sorted(path.name for path in in_tmp.glob("*.yaml"))]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["film.yaml"]
