"""diff: the manifests now against a revision: which scenes would be generated, with fields, price and places."""

import json
import subprocess

import pytest
from support import manifest_text, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.views.github import MOST


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def commit(folder):
    git(folder, "add", "--all")
    who = ["-c", "user.name=n", "-c", "user.email=n@example.invalid", "-c", "commit.gpgsign=false"]
    git(folder, *who, "commit", "-q", "--allow-empty", "-m", "one")


@pytest.fixture
def repo(in_tmp):
    """A repository with a manifest of three scenes, which is the working directory."""
    git(in_tmp, "init", "-q", "-b", "main")
    write_manifest(in_tmp, "alley", "roof", "cellar")
    commit(in_tmp)
    return in_tmp


def differs(capsys, *words):
    code = guarded(["diff", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_nothing_differs_from_what_was_committed(repo, capsys):
    assert differs(capsys, "HEAD") == (0, ["diff against HEAD: nothing to generate, 3 unchanged"], [])


def test_new_changed_and_removed_scenes_are_listed_with_fields_and_price(repo, capsys):
    text = manifest_text("alley", "roof", "pier").replace("{id: roof,", "{id: roof, resolution: 1080P,")
    (repo / "film.yaml").write_text(text.replace("a alley", "an alley"), "utf-8")
    code, rows, said = differs(capsys, "main", "film.yaml")
    assert (code, said) == (0, [])
    assert rows == [
        "film.yaml",
        "scene   change   length     price  fields",
        "alley   changed     5 s  3.00 CNY  prompt",
        "roof    changed     5 s  5.00 CNY  resolution 720P → 1080P",
        "pier    new         5 s  3.00 CNY",
        "cellar  removed       -         -  its video stays",
        "diff against main: 3 to generate (15 s, 11.00 CNY at prices of 2026-08, 2 of them changed), 1 removed",
    ]


def test_cosmetic_edits_differ_in_nothing(repo, capsys):
    lines = [line for line in manifest_text("cellar", "alley", "roof").splitlines() if "scenes" not in line]
    more = "scenes:\n  - include: more/*.yaml\n"
    head, scenes = [line for line in lines if "{id" not in line], [line for line in lines if "{id" in line]
    (repo / "film.yaml").write_text("# a comment\n" + "\n".join(head) + "\n" + more, "utf-8")
    (repo / "more").mkdir()
    moved = "\n".join(line.replace("}", ", title: T, tags: [x]}") for line in scenes)
    (repo / "more/a.yaml").write_text(f"wanbatch: 1\nscenes:\n{moved}\n", "utf-8")
    assert differs(capsys, "HEAD") == (0, ["diff against HEAD: nothing to generate, 3 unchanged"], [])


def test_what_is_kept_although_it_changed_costs_nothing(repo, capsys):
    write_manifest(repo, "alley", "roof", "cellar", duration=7)
    with (repo / "film.yaml").open("a", encoding="utf-8") as stream:
        stream.write("run: {on_change: keep}\n")
    code, rows, _ = differs(capsys, "HEAD")
    assert rows[2] == "alley   changed, kept     7 s      -  duration 5 → 7"
    assert (code, rows[-1]) == (0, "diff against HEAD: nothing to generate, 3 changed but kept")


def test_a_profile_is_compared_with_itself(repo, capsys):
    (repo / "film.yaml").write_text(manifest_text() + "profiles: {draft: {resolution: 1080P}}\n", "utf-8")
    commit(repo)
    (repo / "film.yaml").write_text(manifest_text() + "profiles: {draft: {ratio: 9:16}}\n", "utf-8")
    assert "1 unchanged" in differs(capsys, "HEAD")[1][-1]
    rows = differs(capsys, "HEAD", "--profile", "draft")[1]
    assert rows[2].endswith("resolution 1080P → 720P, ratio 16:9 → 9:16")


def test_without_a_name_every_manifest_below_is_compared_and_included_ones_with_theirs(repo, capsys, monkeypatch):
    (repo / "more").mkdir()
    included = "wanbatch: 1\nscenes:\n  - {id: pier, prompt: a pier}\n"
    (repo / "more/a.yaml").write_text(included, "utf-8")
    (repo / "other.yaml").write_text(manifest_text("gulls") + "  - include: more/*.yaml\n", "utf-8")
    (repo / "no.yaml").write_text("a: 1\nb: {wanbatch: 1}\n", "utf-8")
    (repo / "film.lock.yaml").write_text("wanbatch_lock: 1\nmanifest: film\njobs: {}\n", "utf-8")
    (repo / "more/film.json").write_text(json.dumps({"wanbatch": 1, "scenes": []}, indent=2), "utf-8")
    code, rows, said = differs(capsys, "HEAD")
    assert [row for row in rows if row.endswith((".yaml", ".json"))] == ["other.yaml"]
    assert rows[-1] == (
        "diff against HEAD: 2 to generate (10 s, 6.00 CNY at prices of 2026-08), 3 unchanged, 1 that cannot be compared"
    )
    assert code == 5
    assert "wanbatch: more/film.json: 1 problem; nothing was sent" in said
    (repo / "more/film.json").unlink()
    commit(repo)
    (repo / "more/a.yaml").write_text(included.replace("a pier", "the pier"), "utf-8")
    assert differs(capsys, "HEAD")[1][2].startswith("pier   changed")
    monkeypatch.chdir(repo / "more")
    assert differs(capsys, "HEAD", "../other.yaml")[1][2].startswith("pier   changed")


def test_a_manifest_that_is_gone_is_named_with_its_scenes(repo, capsys):
    (repo / "film.yaml").unlink()
    code, rows, said = differs(capsys, "HEAD")
    assert (code, said) == (0, ["film.yaml: it is no longer there"])
    assert rows[-1] == "diff against HEAD: nothing to generate, 3 removed"


def test_a_manifest_that_is_new_is_new_as_a_whole(repo, capsys):
    write_manifest(repo, "gulls", name="other.yaml")
    code, rows, said = differs(capsys, "HEAD", "other.yaml")
    assert (code, said) == (0, ["other.yaml: not there at HEAD: all of it is new"])
    assert rows[2].startswith("gulls  new")


def test_a_manifest_that_was_invalid_then_counts_as_new_and_it_is_said(repo, capsys):
    (repo / "film.yaml").write_text("wanbatch: 1\nscene: []\n", "utf-8")
    commit(repo)
    write_manifest(repo, "alley")
    code, rows, said = differs(capsys, "HEAD")
    assert (code, len(said)) == (0, 1)
    assert said[0].startswith("film.yaml: invalid at HEAD (film.yaml:2:1: ")
    assert said[0].endswith("): all of it counts as new")
    assert rows[-1].startswith("diff against HEAD: 1 to generate")


def test_a_profile_that_was_not_there_then_counts_as_new(repo, capsys):
    with (repo / "film.yaml").open("a", encoding="utf-8") as stream:
        stream.write("profiles: {draft: {ratio: 9:16}}\n")
    code, rows, said = differs(capsys, "HEAD", "--profile", "draft")
    assert code == 0
    assert "cannot be read so at HEAD (film.yaml has no profile draft)" in said[0]
    assert rows[-1].startswith("diff against HEAD: 3 to generate")


def test_a_manifest_that_is_invalid_now_is_shown_and_the_others_are_compared(repo, capsys):
    write_manifest(repo, "gulls", name="other.yaml")
    (repo / "film.yaml").write_text(manifest_text("alley").replace("720P", "480P"), "utf-8")
    code, rows, said = differs(capsys, "HEAD")
    assert code == 5
    assert said[0].startswith("film.yaml:3:15: E1")
    assert rows[2].startswith("gulls  new")
    assert rows[-1].endswith(", 1 that cannot be compared")


def test_a_manifest_that_is_nowhere_is_a_usage_error(repo, capsys):
    code, _, said = differs(capsys, "HEAD", "none.yaml")
    assert code == 2
    assert "wanbatch: cannot read none.yaml: No such file or directory" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "wanbatch: git knows no revision nope"),
        (["--", "--output=x"], "wanbatch: '--output=x' is no revision"),
        (["film.yaml"], "wanbatch: git knows no revision film.yaml"),
    ],
)
def test_what_is_no_revision_is_a_usage_error(words, said, repo, capsys):
    code, rows, shown = differs(capsys, *words)
    assert (code, rows, shown[0]) == (2, [], said)


def test_a_manifest_in_the_revisions_place_is_answered_with_the_right_order(repo, capsys):
    assert differs(capsys, "film.yaml")[2][1] == "  the revision comes first: wanbatch diff HEAD film.yaml"


def test_without_a_repository_or_a_manifest_it_is_said(in_tmp, capsys):
    write_manifest(in_tmp)
    assert differs(capsys, "HEAD")[0] == 2
    git(in_tmp, "init", "-q")
    (in_tmp / "film.yaml").unlink()
    (in_tmp / "x.txt").write_text("x", "utf-8")
    commit(in_tmp)
    assert differs(capsys, "HEAD") == (
        2, [], ["wanbatch: no manifest in this folder or below", "  name one: wanbatch diff HEAD MANIFEST"]
    )  # fmt: skip


def test_variables_of_the_environment_are_todays_on_both_sides(repo, capsys, monkeypatch):
    monkeypatch.setenv("CITY", "Paris")
    path = repo / "film.yaml"
    path.write_text(path.read_text("utf-8").replace("a roof in the rain", "'${env:CITY}'"), "utf-8")
    commit(repo)
    monkeypatch.setenv("CITY", "Oslo")
    assert differs(capsys, "HEAD")[1] == ["diff against HEAD: nothing to generate, 3 unchanged"]


def test_a_price_that_is_not_known_is_not_counted_as_nothing(repo, capsys):
    write_manifest(repo, "gulls")
    rows = differs(capsys, "HEAD", "--region", "ap-southeast-1", "film.yaml")[1]
    assert "price unknown" in rows[-1] or "USD" in rows[-1]


# for programs


def test_github_gets_a_notice_at_each_scene_and_a_summary(repo, capsys, monkeypatch):
    (repo / "more").mkdir()
    (repo / "more/other.yaml").write_text(manifest_text("gulls"), "utf-8")
    (repo / "film.yaml").write_text(manifest_text("alley", "roof", "cellar").replace("a roof", "the roof"), "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(repo / "summary.md"))
    code, rows, said = differs(capsys, "HEAD", "--output-format", "github")
    assert (code, said) == (0, [])
    counted = "2 to generate (10 s, 6.00 CNY at prices of 2026-08, 1 of them changed), 2 unchanged"
    assert rows == [
        "::notice file=film.yaml,line=7,title=roof%3A changed::prompt; 5 s, 3.00 CNY",
        "::notice file=more/other.yaml::more/other.yaml: not there at HEAD: all of it is new",
        "::notice file=more/other.yaml,line=6,title=gulls%3A new::new; 5 s, 3.00 CNY",
        f"::notice title=wanbatch::diff against HEAD: {counted}",
    ]
    text = (repo / "summary.md").read_text("utf-8")
    assert text.startswith("### diff against HEAD: 2 to generate (10 s, 6.00 CNY")
    assert "| roof | changed | 5 s | 3.00 CNY | prompt |\n" in text


def test_github_gets_paths_from_the_top_whatever_the_folder(repo, capsys, monkeypatch):
    (repo / "films").mkdir()
    (repo / "films/other.yaml").write_text(manifest_text("gulls"), "utf-8")
    commit(repo)
    (repo / "films/other.yaml").write_text(manifest_text("gulls", duration=4), "utf-8")
    monkeypatch.chdir(repo / "films")
    assert differs(capsys, "HEAD", "--output-format", "github")[1][0].startswith(
        "::notice file=films/other.yaml,line=6,"
    )


def test_github_gets_no_more_notices_than_it_shows_and_the_sum_is_among_them(repo, capsys):
    write_manifest(repo, *(f"s{number}" for number in range(30)))
    rows = differs(capsys, "HEAD", "--output-format", "github")[1]
    assert len(rows) == MOST
    assert "30 to generate" in rows[-1]


def test_github_gets_errors_for_a_manifest_that_is_invalid(repo, capsys, monkeypatch):
    (repo / "film.yaml").write_text(manifest_text("alley").replace("720P", "480P"), "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    code, rows, said = differs(capsys, "HEAD", "film.yaml", "none.yaml", "--output-format", "github")
    assert code == 5
    assert rows[0].startswith("::error file=film.yaml,line=3,col=15,title=E1")
    assert rows[1] == "::error file=none.yaml::cannot read none.yaml: No such file or directory"
    assert said == ["wanbatch: cannot write /dev/full: No space left on device; the notices say the same"]


def test_json_is_a_contract(repo, capsys):
    text = manifest_text("alley", "pier").replace("a alley", "an alley")
    (repo / "film.yaml").write_text(text, "utf-8")
    assert guarded(["diff", "HEAD", "--output-format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["format", "revision", "summary", "generate", "manifests"]
    assert (found["format"], found["revision"], found["generate"]["cost"]) == (1, "HEAD", {"CNY": "6.0"})
    (one,) = found["manifests"]
    assert list(one) == ["manifest", "remark", "error", "unchanged", "removed", "scenes"]
    assert one["removed"] == [{"scene": "roof", "take": 1}, {"scene": "cellar", "take": 1}]
    alley, pier = one["scenes"]
    assert list(alley) == ["scene", "take", "job", "change", "fields", "seconds", "cost", "file", "line"]
    assert (alley["change"], alley["fields"], pier["change"], pier["line"]) == ("changed", ["prompt"], "new", 7)


def test_takes_that_were_asked_for_since_are_new_and_matrix_scenes_have_their_place(repo, capsys):
    text = manifest_text("alley") + "  - {id: sky, prompt: '${city}', matrix: {city: [Oslo, Rome]}}\n"
    (repo / "film.yaml").write_text(text, "utf-8")
    commit(repo)
    assert guarded(["reroll", "film.yaml", "alley"]) == 0
    (repo / "film.yaml").write_text(text.replace("Rome", "Bergen"), "utf-8")
    capsys.readouterr()
    rows = differs(capsys, "HEAD")[1]
    assert [row.split()[:2] for row in rows[2:-1]] == [
        ["alley.t2", "new"],
        ["sky.bergen", "new"],
        ["sky.rome", "removed"],
    ]
    assert "::notice file=film.yaml,line=7,title=sky.bergen%3A new::" in "".join(
        differs(capsys, "HEAD", "--output-format", "github")[1]
    )
