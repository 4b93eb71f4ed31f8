"""reroll: more takes of a scene; those that are there keep their digests, seeds and files."""

import json

import pytest
from cli.stage import QUICK, kinds, requests, run, service
from cli.takes import MATRIX, made, picks, tell
from support import write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s
from wanbatch.manifest.check import load

BEIJING = "https://dashscope.aliyuncs.com/api/v1"


@pytest.fixture
def film(in_tmp, monkeypatch):
    """A manifest with takes and a matrix; no key, and nobody to ask."""
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", BEIJING)
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    return path


def by_take(path):
    """Key, seed and file name of each job."""
    return {(one.key.scene, one.key.take): (one.key, one.take.seed, one.key.stem) for one in load(path).wanted}


def test_a_take_is_added_and_its_price_and_the_next_command_are_said(film, in_tmp, capsys):
    before = by_take(film)
    assert guarded(["reroll", "film.yaml", "roof"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["roof.t2", "submit", "5", "s", "3.00", "CNY", "new"]
    assert said.out.splitlines()[2].startswith("plan: 1 to submit (5 s, 3.00 CNY at prices of ")
    assert said.err == ("roof: 1 → 2 takes, in film.picks.yaml; next: wanbatch run film.yaml --select roof.t2\n")
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  roof: 2\n"
    assert sorted(one.name for one in in_tmp.iterdir()) == ["film.picks.yaml", "film.yaml"]
    after = by_take(film)
    assert after.keys() - before.keys() == {("roof", 2)}
    assert {name: after[name] for name in before} == before


def test_each_time_so_many_more_are_added_to_what_manifest_and_earlier_calls_ask_for(film, in_tmp):
    assert guarded(["reroll", "alley", "--takes", "2"]) == 0
    assert guarded(["reroll", "alley"]) == 0
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  alley: 6\n"
    film.write_text(MATRIX.replace("takes: 3", "takes: 8"), "utf-8")
    assert guarded(["reroll", "alley"]) == 0
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  alley: 9\n"
    assert len([one for one in load(film).wanted if one.key.scene == "alley"]) == 9


def test_a_stated_seed_goes_on_counting_and_a_derived_one_is_that_of_id_and_take(in_tmp):
    path = write_manifest(in_tmp, "alley", seed=7)
    assert guarded(["reroll", "alley", "--takes", "2"]) == 0
    assert [one.take.seed for one in load(path).wanted] == [7, 8, 9]


def test_choices_stay(film, in_tmp):
    (in_tmp / "film.picks.yaml").write_text(
        "wanbatch_picks: 1\npicks: {alley: 2, gone: 1}\ntakes: {gone: 4}\n", "utf-8"
    )
    assert guarded(["reroll", "alley"]) == 0
    assert picks(in_tmp) == "wanbatch_picks: 1\npicks:\n  alley: 2\n  gone: 1\ntakes:\n  alley: 4\n  gone: 4\n"


def test_a_selection_adds_to_each_of_its_scenes_and_the_command_stays_short(film, in_tmp, capsys):
    assert guarded(["reroll", "film.yaml", "skyline[city=Paris]", "roof", "--takes", "3"]) == 0
    assert capsys.readouterr().err == (
        "3 scenes have 3 more takes each, in film.picks.yaml; next: wanbatch run film.yaml --select "
        "'roof,skyline[city=Paris,ratio=16:9],skyline[city=Paris,ratio=9:16]'\n"
    )
    assert picks(in_tmp) == (
        'wanbatch_picks: 1\ntakes:\n  roof: 4\n  "skyline[city=Paris,ratio=16:9]": 5\n'
        '  "skyline[city=Paris,ratio=9:16]": 5\n'
    )
    assert guarded(["reroll", "film.yaml", "skyline,roof", "--takes", "2"]) == 0
    assert capsys.readouterr().err.endswith("next: wanbatch run film.yaml --select roof,skyline\n")


def test_more_scenes_than_a_command_can_name_are_all_that_is_to_be_run(in_tmp, capsys):
    write_manifest(in_tmp, *(f"s{number}" for number in range(8)))
    assert guarded(["reroll", "*"]) == 0
    assert capsys.readouterr().err.endswith("next: wanbatch run film.yaml\n")


def test_scenes_with_a_status_are_found_in_the_journal(film, in_tmp, capsys):
    made(in_tmp, "alley")
    tell(in_tmp, "roof", s.SubmitIntended(), s.SubmitAccepted("task-9"), s.TaskFailed("InternalError", ""))
    assert guarded(["reroll", "status:failed"]) == 0
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  roof: 2\n"
    capsys.readouterr()
    assert guarded(["reroll", "status:held"]) == 0
    assert capsys.readouterr().err == "nothing is held; no takes were added\n"
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  roof: 2\n"


def test_what_was_made_before_costs_nothing_again(film, in_tmp, capsys):
    film.write_text(MATRIX.replace("takes: 3", "takes: 4"), "utf-8")
    made(in_tmp, "alley.t4")
    film.write_text(MATRIX, "utf-8")
    assert guarded(["reroll", "alley"]) == 0
    assert "plan: 1 done\n" in capsys.readouterr().out


def test_what_is_with_the_service_is_no_part_of_the_price(film, in_tmp, capsys):
    tell(in_tmp, "alley.t2", s.SubmitIntended(), s.SubmitAccepted("task-2"))
    assert guarded(["reroll", "alley"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("2026-08)")


def test_as_json_it_is_a_contract(film, capsys):
    assert guarded(["reroll", "roof", "--takes", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["format", "file", "folder", "scenes", "submit", "entries"]
    assert (said["format"], said["file"], said["folder"]) == (1, "film.picks.yaml", "out/film")
    assert said["scenes"] == [{"scene": "roof", "before": 1, "takes": 3}]
    assert (said["submit"]["count"], said["submit"]["cost"]) == (2, {"CNY": "6.0"})
    assert [(one["scene"], one["take"], one["action"]) for one in said["entries"]] == [
        ("roof", 2, "new"), ("roof", 3, "new"),
    ]  # fmt: skip


def test_the_next_command_names_the_same_profile_folder_and_region(film, in_tmp, capsys, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")
    film.write_text(MATRIX + "profiles: {draft: {resolution: 720P}}\n", "utf-8")
    options = ["--profile", "draft", "--out", "my out", "--region", "ap-southeast-1"]
    assert guarded(["reroll", "film.yaml", "roof", *options]) == 0
    said = capsys.readouterr()
    assert "0.50 USD" in said.out
    assert said.err == (
        "roof: 1 → 2 takes, in film@draft.picks.yaml; next: wanbatch run film.yaml --select roof.t2 "
        "--region ap-southeast-1 --profile draft --out 'my out'\n"
    )


@pytest.mark.parametrize(
    ("words", "price", "where"),
    [
        ([], "0.50 USD", ""),
        (["--account", "main"], "3.00 CNY", " --account main"),
        (["--base-url", BEIJING], "3.00 CNY", f" --base-url {BEIJING}"),
    ],
)
def test_the_price_is_that_of_the_accounts_that_a_run_would_use(words, price, where, film, capsys, monkeypatch):
    accounts = "main: {region: cn-beijing, KEY}\n  sea: {region: ap-southeast-1, KEY}"
    text = f"wanbatch_config: 1\naccounts:\n  {accounts}\n".replace("KEY", "workspace: ws-x, key_env: NO_KEY")
    config = film.with_name("config.yaml")
    config.write_text(text, "utf-8")
    monkeypatch.setenv("WANBATCH_CONFIG", str(config))
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")
    film.write_text(MATRIX + "run: {accounts: [sea]}\n", "utf-8")
    assert guarded(["reroll", "film.yaml", "roof", *words]) == 0
    said = capsys.readouterr()
    assert price in said.out
    assert said.err.endswith(f"next: wanbatch run film.yaml --select roof.t2{where}\n")


def test_of_several_manifests_one_has_to_be_named(film, in_tmp, capsys):
    write_manifest(in_tmp, name="other.yaml")
    assert guarded(["reroll", "alley"]) == 2
    assert capsys.readouterr().err.endswith("  name the one that is meant: wanbatch reroll film.yaml alley\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ally"], "nothing is called 'ally'\n  did you mean alley?"),
        (["status:faild"], "'faild' is no status\n  did you mean status:failed?"),
        (["alley", "--takes", "98"],
         "alley: at most 100 takes are possible, and there are 3; nothing was changed\n  another prompt"),
        (["*", "--takes", "99"], "alley, skyline[city=Paris,ratio=16:9], "),
        (["alley", "--takes", "0"], "invalid value for '--takes'"),
        ([], "missing SCENE"),
        (["alley", "--region", "mars"], ""),
    ],
)  # fmt: skip
def test_what_cannot_be_changes_nothing(words, said, film, in_tmp, capsys):
    assert guarded(["reroll", "film.yaml", *words]) == 2
    assert capsys.readouterr().err.startswith(f"wanbatch: {said}")
    assert not (in_tmp / "film.picks.yaml").exists()


def test_as_many_takes_as_are_possible_can_be_asked_for(film, in_tmp):
    assert guarded(["reroll", "film.yaml", "alley", "--takes", "97"]) == 0
    assert picks(in_tmp) == "wanbatch_picks: 1\ntakes:\n  alley: 100\n"


def test_a_run_makes_the_new_take_and_touches_no_other(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        video = in_tmp / "out/film/videos/alley.mp4"
        before = (video.stat().st_mtime_ns, video.read_bytes(), requests(sim)["create"])
        assert guarded(["reroll", "alley"]) == 0
        assert requests(sim)["create"] == before[2]
        assert run(sim, path) == 0
        assert sim.stats()["accepted"] == 3
    assert (video.stat().st_mtime_ns, video.read_bytes()) == before[:2]
    assert (in_tmp / "out/film/videos/alley.t2.mp4").exists()
    assert kinds(in_tmp / "out/film").count("VideoSaved") == 3
    assert "VideoMoved" not in kinds(in_tmp / "out/film")
