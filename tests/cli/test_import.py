"""import: files of other forms, said what is left out and what is wrong; nothing half written, no key anywhere."""

import io
import json
import resource
import sys

import pytest
from cli.stage import wanbatch
from support import manifest

from wanbatch.cli.door import guarded

SECRET = "sk-0123456789abcdef0123"
FILES = {
    "a.csv": "id;Prompt;Seconds\nalley;\"a cat; a dog\";7\n",
    "a.tsv": "id\tPrompt\tSeconds\nalley\ta cat; a dog\t7\n",
    "a.jsonl": '{"id": "alley", "prompt": "a cat; a dog", "seconds": 7}\n',
    "a.sh": 'curl https://x \\\n -d \'{"id": "alley", "prompt": "a cat; a dog", "duration": 7}\'\n',
    "a.md": "# Alley\na cat; a dog\n- duration: 7\n",
}  # fmt: skip


def written(folder, name: str, text: str):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_form_becomes_the_same_scene(name, in_tmp, capsys):
    written(in_tmp, name, FILES[name])
    assert guarded(["import", name, "-o", "film.yaml"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "wrote film.yaml: 1 scene; next: wanbatch plan film.yaml\n")
    assert guarded(["validate", "film.yaml"]) == 0
    (job,) = manifest((in_tmp / "film.yaml").read_text("utf-8")).wanted
    assert (job.key.scene, job.request.prompt, job.request.duration) == ("alley", "a cat; a dog", 7)


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", FILES)
def test_stdin_is_read_and_its_form_is_known(name, bom, in_tmp, capsys, monkeypatch):
    given = io.TextIOWrapper(io.BytesIO(bom + FILES[name].encode()))
    monkeypatch.setattr(sys, "stdin", given)
    form = ["--format", "markdown"] if name == "a.md" else []
    assert guarded(["import", "-", *form]) == 0
    found = manifest(capsys.readouterr().out)
    assert found.name == "prompts"
    assert [one.prompt for one in found.scenes] == ["a cat; a dog"]


def test_stdin_that_is_no_text_names_the_byte(in_tmp, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff\n")))
    assert guarded(["import", "-"]) == 5
    assert capsys.readouterr().err.startswith("stdin:1:2: E001 byte 0xff is not UTF-8\n")


def test_utf_16_as_a_spreadsheet_writes_it_is_read(in_tmp, capsys):
    (in_tmp / "a.txt").write_bytes("Prompt\tSeed\n雨夜\t7\n".encode("utf-16"))
    assert guarded(["import", "a.txt"]) == 0
    assert [one.prompt for one in manifest(capsys.readouterr().out).scenes] == ["雨夜"]


def test_the_format_that_is_named_wins(in_tmp, capsys):
    written(in_tmp, "a.csv", "prompt,seed\n")
    assert guarded(["import", "a.csv", "--format", "text"]) == 0
    assert [one.prompt for one in manifest(capsys.readouterr().out).scenes] == ["prompt,seed"]


def test_what_is_left_out_is_said_also_beside_problems(in_tmp, capsys):
    written(in_tmp, "a.csv", "prompt,Notes,seed\na,b,-1\n")
    assert guarded(["import", "a.csv"]) == 5
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "a.csv: left out: the column 'Notes'"
    assert said[1].startswith("a.csv:2:5: E104 ")
    assert said[2:4] == ["  | a,b,-1", "  |     ^^"]
    assert said[-1] == "wanbatch: a.csv: 1 problem; nothing was written"


def test_nothing_is_written_when_there_is_a_problem(in_tmp):
    written(in_tmp, "a.csv", "prompt,seed\na,1\nb,-1\n")
    assert guarded(["import", "a.csv", "-o", "film.yaml"]) == 5
    assert not (in_tmp / "film.yaml").exists()


def test_a_folder_that_is_not_there_is_said(in_tmp, capsys):
    written(in_tmp, "a.txt", "a cat\n")
    assert guarded(["import", "a.txt", "-o", "no/film.yaml"]) == 9
    assert capsys.readouterr().err == "wanbatch: cannot write no/film.yaml: No such file or directory\n"


def test_a_disk_that_is_full_leaves_no_half_manifest(in_tmp):
    written(in_tmp, "a.txt", "a cat\n" * 100)
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)), "cwd": in_tmp}
    ended = wanbatch("import", "a.txt", "-o", "film.yaml", **small)
    assert (ended.returncode, ended.stderr) == (9, "wanbatch: cannot write film.yaml: File too large\n")
    assert [path.name for path in in_tmp.iterdir()] == ["a.txt"]


def test_a_manifest_may_be_read_by_whom_the_users_files_may_be(in_tmp):
    written(in_tmp, "a.txt", "a cat\n")
    assert guarded(["import", "a.txt", "-o", "film.yaml"]) == guarded(["init", "first.yaml"]) == 0
    usual = (in_tmp / "a.txt").stat().st_mode
    assert (in_tmp / "film.yaml").stat().st_mode == (in_tmp / "first.yaml").stat().st_mode == usual


def test_a_link_that_leads_nowhere_is_not_written_through(in_tmp):
    written(in_tmp, "a.txt", "a cat\n")
    (in_tmp / "film.yaml").symlink_to("elsewhere.yaml")
    assert guarded(["import", "a.txt", "-o", "film.yaml"]) == 2
    assert not (in_tmp / "elsewhere.yaml").exists()


def test_a_manifest_is_named_after_the_file_without_what_a_folder_cannot_have(in_tmp, capsys):
    written(in_tmp, "my (first) film!.txt", "a cat\n")
    assert guarded(["import", "my (first) film!.txt"]) == 0
    assert manifest(capsys.readouterr().out).name == "my-first-film"


def test_a_column_is_chosen_by_its_name(in_tmp, capsys):
    written(in_tmp, "a.csv", "Shot,What we see\n1,a cat\n")
    assert guarded(["import", "a.csv", "--column", "prompt=what we see", "--column", "id=Shot"]) == 0
    (scene,) = manifest(capsys.readouterr().out).scenes
    assert (scene.id, scene.prompt) == ("1", "a cat")


@pytest.mark.parametrize(
    ("file", "flags", "said"),
    [
        ("a.csv", ["--column", "prompt"], "--column: 'prompt': write FIELD=NAME; the fields are id, title,"),
        ("a.csv", ["--column", "promt=x"], "--column: 'promt=x': write FIELD=NAME; the fields are id, title,"),
        ("a.csv", ["--column", "prompt= "], "--column: 'prompt= ': write FIELD=NAME; the fields are id, title,"),
        ("a.csv", ["--column", "id=a", "--column", "id=b"], "--column: id is given twice"),
        ("a.txt", ["--column", "prompt=x"], "--column: a text file has no columns"),
        (
            "a.csv",
            ["--format", "xml"],
            "'--format': 'xml' is not one of 'text', 'csv', 'tsv', 'jsonl', 'curl', 'markdown'",
        ),
    ],
)
def test_a_wrong_flag_is_said(file, flags, said, in_tmp, capsys):
    written(in_tmp, file, "prompt\na\n")
    assert guarded(["import", file, *flags]) == 2
    assert capsys.readouterr().err.startswith(f"wanbatch: invalid value for {said}")


def test_a_flag_that_comes_to_nothing_is_said_and_one_for_some_scenes_is_not(in_tmp, capsys):
    written(in_tmp, "a.csv", "prompt,seconds,resolution\na,7,720p\nb,7,\n")
    assert guarded(["import", "a.csv", "--duration", "9", "--resolution", "1080P"]) == 0
    said = capsys.readouterr()
    assert said.err == "--duration 9 has no effect: every scene states its own\n"
    assert [one.resolution for one in manifest(said.out).scenes] == ["720P", "1080P"]


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("a.csv", "prompt,seed\n", "the first row names the columns, each further one is a scene"),
        ("a.tsv", "\n", "the first row names the columns, each further one is a scene"),
        ("a.jsonl", "[]", 'write one object a line: {"prompt": "…"}'),
        ("a.sh", "# nothing\n", "write the command with its body after -d"),
        ("a.md", "<!-- a -->\n", "a heading begins a scene; docs/importing.md shows the form"),
    ],
)
def test_a_file_with_nothing_in_it_says_what_to_write(name, text, hint, in_tmp, capsys):
    written(in_tmp, name, text)
    assert guarded(["import", name]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"wanbatch: {name} has no ")
    assert said.endswith(f"\n  {hint}\n")


@pytest.mark.parametrize("wrong", ["", '"', ', "seed": -1'])
@pytest.mark.parametrize("form", [[], ["--format", "text"], ["--format", "markdown"], ["--format", "csv"]])
def test_a_key_in_a_header_is_written_nowhere(form, wrong, in_tmp):
    body = json.dumps({"prompt": "a"})[:-1] + wrong + "}"
    written(in_tmp, "a.sh", f"curl https://x -H 'Authorization: Bearer {SECRET}' -d '{body}'\n")
    ended = wanbatch("import", "a.sh", "-o", "film.yaml", *form, cwd=in_tmp)
    assert ended.returncode in ({0, 5} if not form else {2, 5})
    assert (ended.returncode == 0) == (not form and not wrong)
    assert SECRET not in ended.stdout + ended.stderr
    assert SECRET not in "".join(path.read_text("utf-8") for path in in_tmp.glob("*.yaml"))


@pytest.mark.parametrize(
    "text", ["wanbatch: 1\nscenes: []\n", "# a film\n\n---\nwanbatch: 1\n", '{\n  "wanbatch": 1, "scenes": []}\n']
)
def test_a_manifest_is_not_taken_for_a_file_of_prompts(text, in_tmp, capsys):
    written(in_tmp, "film.yaml", text)
    assert guarded(["import", "film.yaml", "-o", "other.yaml"]) == 2
    said = capsys.readouterr().err
    assert "film.yaml is a manifest already" in said
    assert "wanbatch validate film.yaml" in said
    assert not (in_tmp / "other.yaml").exists()


def test_a_prompt_that_names_the_tool_is_a_prompt(in_tmp, capsys):
    written(in_tmp, "prompts.txt", "wanbatch: a robot counts films.\n")
    assert guarded(["import", "prompts.txt", "-o", "film.yaml"]) == 0
