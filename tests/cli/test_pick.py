"""pick: which take is the one; only what is made can be chosen, and it is kept in a file for git."""

import json
import os
import stat

import pytest
from cli.stage import QUICK, run, service, wanbatch
from cli.takes import MATRIX, made, picks, tell
from support import NOW, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.shelf import superseded_path
from wanbatch.manifest.check import load


@pytest.fixture
def film(in_tmp):
    """A manifest with takes and a matrix."""
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    return path


def test_a_take_that_is_made_is_chosen_and_another_one_instead(film, in_tmp, capsys):
    made(in_tmp, "alley", "alley.t2")
    assert guarded(["pick", "film.yaml", "alley", "2"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "alley: take 2 is picked: out/film/videos/alley.t2.mp4\n")
    assert picks(in_tmp) == "wanbatch_picks: 1\npicks:\n  alley: 2\n"
    assert guarded(["pick", "film.yaml", "alley", "1"]) == 0
    assert capsys.readouterr().err == "alley: take 1 is picked instead of take 2: out/film/videos/alley.mp4\n"
    assert load(film).picks.picks == {"alley": 1}


@pytest.mark.parametrize(
    "words",
    [
        ["alley", "2"],
        ["alley", "T2"],
        ["ALLEY", "2"],
        ["alley.t2"],
        ["film.yaml", "alley.t2"],
        ["./film.yaml", "alley", "2"],
    ],
)
def test_the_manifest_may_be_left_out_where_it_is_the_only_one_and_a_take_be_named_as_plan_shows_it(
    words, film, in_tmp
):
    made(in_tmp, "alley.t2")
    (in_tmp / "film.lock.yaml").write_text("wanbatch: 1\n", "utf-8")
    (in_tmp / "notes.yaml").write_text("# wanbatch: none\n", "utf-8")
    assert guarded(["pick", *words]) == 0
    assert load(film).picks.picks == {"alley": 2}


@pytest.mark.parametrize("name", ["film.yml", "film.json", "film.YAML", "film"])
def test_a_manifest_is_known_by_its_ending_or_by_what_it_says(name, film, in_tmp):
    made(in_tmp, "alley.t2")
    film.rename(in_tmp / name)
    assert guarded(["pick", name, "alley", "2"]) == 0
    assert guarded(["pick", "alley", "2"]) == (0 if "." in name else 2)


@pytest.mark.parametrize("name", ["flim.yaml", "films/film"])
def test_a_manifest_that_is_not_there_is_not_taken_for_a_scene(name, film, capsys):
    assert guarded(["pick", name, "alley", "2"]) == 2
    assert capsys.readouterr().err.startswith(f"wanbatch: cannot read {name}: ")


def test_of_several_manifests_one_has_to_be_named(film, in_tmp, capsys):
    write_manifest(in_tmp, name="other film.yaml")
    assert guarded(["pick", "alley", "2"]) == 2
    assert capsys.readouterr().err == (
        "wanbatch: 2 manifests are in this folder (film.yaml, other film.yaml)\n"
        "  name the one that is meant: wanbatch pick film.yaml alley 2\n"
    )


def test_without_any_manifest_the_way_to_name_one_is_shown(in_tmp, capsys):
    assert guarded(["pick", "alley", "2"]) == 2
    assert capsys.readouterr().err == (
        "wanbatch: no manifest is in this folder\n  name the one that is meant: wanbatch pick MANIFEST alley 2\n"
    )


@pytest.mark.parametrize(
    "scene", ["skyline[city=Paris,ratio=16:9]", "skyline.paris.16x9", "skyline[ratio=16:9,city=paris]"]
)
def test_a_combination_is_named_by_its_values_or_its_file(scene, film, in_tmp):
    made(in_tmp, "skyline.paris.16x9")
    assert guarded(["pick", "film.yaml", scene, "1"]) == 0
    assert picks(in_tmp) == 'wanbatch_picks: 1\npicks:\n  "skyline[city=Paris,ratio=16:9]": 1\n'


def refused(capsys, *words):
    """What is said of a choice that cannot be."""
    assert guarded(["pick", "film.yaml", *words]) == 2
    return capsys.readouterr().err


def test_a_matrix_is_several_scenes_and_one_has_to_be_named(film, capsys):
    assert refused(capsys, "skyline", "1") == (
        "wanbatch: skyline is 4 scenes\n  name one of them: 'skyline[city=Paris,ratio=16:9]', "
        "'skyline[city=Paris,ratio=9:16]', 'skyline[city=Tokyo,ratio=16:9]', 'skyline[city=Tokyo,ratio=9:16]'\n"
    )
    assert refused(capsys, "skyline[city=Paris]", "1").startswith("wanbatch: skyline[city=Paris] is 2 scenes\n")


def test_a_scene_that_is_not_there_is_an_error_with_what_was_probably_meant(film, capsys):
    assert refused(capsys, "ally", "2") == "wanbatch: nothing is called 'ally'\n  did you mean alley?\n"
    assert "did you mean skyline[city=Paris]?" in refused(capsys, "skyline[city=Pariss]", "2")


@pytest.mark.parametrize("words", [["alley", "4"], ["alley.t4"], ["alley", "0"]])
def test_a_take_that_is_not_asked_for_is_an_error_with_the_way_to_get_it(words, film, in_tmp, capsys):
    made(in_tmp, "alley")
    said = refused(capsys, *words)
    assert said.startswith("wanbatch: alley has 3 takes, and no take ")
    assert said.endswith("\n  ask for more: wanbatch reroll film.yaml alley\n")
    assert refused(capsys, "roof", "2").startswith("wanbatch: roof has 1 take, and no take 2\n")


def test_before_any_run_the_next_command_is_named(film, capsys):
    assert refused(capsys, "alley", "2") == (
        "wanbatch: nothing was run yet in out/film\n  start with: wanbatch plan film.yaml\n"
    )


WITH_THE_SERVICE = [s.SubmitIntended(), s.SubmitAccepted("task-2")]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "is not made yet\n  make it: wanbatch run film.yaml --select alley.t2\n"),
        (WITH_THE_SERVICE, "is with the service\n  collect it: wanbatch wait film.yaml\n"),
        ([*WITH_THE_SERVICE, s.TaskSucceeded(NOW + 9)],
         "is made, but not on the disk\n  bring it back: wanbatch run film.yaml --select alley.t2\n"),
        ([*WITH_THE_SERVICE, s.TaskFailed("InternalError", "")],
         "failed\n  try it again: wanbatch run film.yaml --select alley.t2 --retry-failed\n"),
        ([*WITH_THE_SERVICE, s.HeldForReview("two tasks")],
         "has no video: two tasks\n  see: wanbatch status film.yaml\n"),
    ],
)  # fmt: skip
def test_a_take_that_is_not_made_cannot_be_chosen(events, said, film, in_tmp, capsys):
    made(in_tmp, "alley")
    tell(in_tmp, "alley.t2", *events)
    assert refused(capsys, "alley", "2") == f"wanbatch: take 2 of alley {said}"
    assert not (in_tmp / "film.picks.yaml").exists()


def test_the_first_of_several_takes_is_selected_by_its_number(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    assert "make it: wanbatch run film.yaml --select alley.t1\n" in refused(capsys, "alley", "1")
    assert "make it: wanbatch run film.yaml --select roof\n" in refused(capsys, "roof", "1")


def test_a_video_that_was_deleted_cannot_be_chosen(film, in_tmp, capsys):
    made(in_tmp, "alley")
    (in_tmp / "out/film/videos/alley.mp4").unlink()
    assert refused(capsys, "alley", "1").startswith("wanbatch: take 1 of alley ")


def test_a_strangers_file_is_no_take(film, in_tmp, capsys):
    made(in_tmp, "alley")
    (in_tmp / "out/film/videos/alley.t2.mp4").write_bytes(b"12345")
    assert "the journal knows nothing of it" in refused(capsys, "alley", "2")


def test_a_file_that_has_the_name_of_a_video_that_was_moved_away_is_no_take(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    one = next(one for one in load(film).wanted if one.key.stem == "alley.t2")
    with Journal.open(in_tmp / "out/film/journal.jsonl", NOW) as journal:
        journal.record(one.key, s.VideoMoved("superseded/alley.t2.x.mp4"), NOW)
    assert "take 2 of alley " in refused(capsys, "alley", "2")


def test_a_video_that_an_edit_moved_away_comes_back_by_a_run(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    key = next(one.key for one in load(film).wanted if one.key.stem == "alley.t2")
    path = superseded_path(key.stem, key.digest)
    (in_tmp / "out/film/superseded").mkdir()
    (in_tmp / "out/film/videos/alley.t2.mp4").rename(in_tmp / "out/film" / path)
    with Journal.open(in_tmp / "out/film/journal.jsonl", NOW) as journal:
        journal.record(key, s.VideoMoved(path), NOW)
    assert refused(capsys, "alley", "2") == (
        "wanbatch: take 2 of alley is made, but not where it belongs\n"
        "  bring it back: wanbatch run film.yaml --select alley.t2\n"
    )


def test_a_changed_scene_whose_earlier_take_is_with_the_service_has_none_to_pick(film, in_tmp, capsys):
    tell(in_tmp, "alley.t2", *WITH_THE_SERVICE)
    film.write_text(MATRIX.replace("an alley", "a long alley"), "utf-8")
    assert refused(capsys, "alley", "2") == (
        "wanbatch: take 2 of alley is not made yet\n  make it: wanbatch run film.yaml --select alley.t2\n"
    )


def test_a_scene_may_be_called_like_a_take(in_tmp):
    write_manifest(in_tmp, "shot.t1")
    made(in_tmp, "shot.t1")
    assert guarded(["pick", "shot.t1", "1"]) == 0
    assert picks(in_tmp) == 'wanbatch_picks: 1\npicks:\n  "shot.t1": 1\n'


def test_what_is_kept_though_the_scene_has_changed_can_be_picked(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    film.write_text(MATRIX.replace("an alley", "a long alley") + "run: {on_change: keep}\n", "utf-8")
    assert guarded(["pick", "alley", "2"]) == 0
    assert "anew" not in capsys.readouterr().err


def test_a_take_of_before_an_edit_is_chosen_with_a_word_on_what_comes(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    film.write_text(MATRIX.replace("an alley", "a long alley"), "utf-8")
    assert guarded(["pick", "alley", "2"]) == 0
    assert capsys.readouterr().err.endswith(
        "alley.t2.mp4; it was made before the scene changed, and the next run makes it anew\n"
    )


def test_a_choice_is_forgotten_and_the_others_stay(film, in_tmp, capsys):
    made(in_tmp, "alley", "roof")
    (in_tmp / "film.picks.yaml").write_text(
        "wanbatch_picks: 1\npicks: {alley: 1, roof: 1, gone: 3}\ntakes: {alley: 4}\n", "utf-8"
    )
    assert guarded(["pick", "alley", "--clear"]) == 0
    assert capsys.readouterr().err == "alley: take 1 is no longer picked\n"
    assert picks(in_tmp) == "wanbatch_picks: 1\npicks:\n  gone: 3\n  roof: 1\ntakes:\n  alley: 4\n"
    before = (in_tmp / "film.picks.yaml").stat().st_ino
    assert guarded(["pick", "alley", "--clear"]) == 0
    assert capsys.readouterr().err == "alley: no take was picked\n"
    assert (in_tmp / "film.picks.yaml").stat().st_ino == before


def test_a_scene_that_has_left_can_be_forgotten_by_its_id(film, in_tmp, capsys):
    (in_tmp / "film.picks.yaml").write_text("wanbatch_picks: 1\npicks: {gone: 3, roof: 1}\n", "utf-8")
    assert guarded(["pick", "gone", "--clear"]) == 0
    assert capsys.readouterr().err == "gone: take 3 is no longer picked\n"
    assert picks(in_tmp) == "wanbatch_picks: 1\npicks:\n  roof: 1\n"
    assert guarded(["pick", "gone", "--clear"]) == 2


def test_the_same_choice_again_leaves_the_file_as_it_is(film, in_tmp):
    made(in_tmp, "alley")
    mine = "# mine\nwanbatch_picks: 1\npicks: {alley: 1}\n"
    (in_tmp / "film.picks.yaml").write_text(mine, "utf-8")
    assert guarded(["pick", "alley", "1"]) == 0
    assert (in_tmp / "film.picks.yaml").read_text("utf-8") == mine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["alley", "two"], "'two' is no take: write its number, like 2"),
        (["alley.t2", "3"], "alley.t2 names a take already: leave 3 out"),
        (["alley", "2", "roof"], "'roof' is one word too many"),
        (["--clear"], "--clear takes one SCENE"),
        (["alley", "2", "--clear"], "--clear takes one SCENE"),
        (["alley.t2", "--clear"], "--clear takes one SCENE: alley"),
    ],
)
def test_a_command_line_that_means_nothing_is_told_why(words, said, film, capsys):
    assert refused(capsys, *words).startswith(f"wanbatch: {said}\n")


def test_alone_it_shows_the_scenes_with_several_takes_and_what_is_chosen(film, in_tmp, capsys):
    made(in_tmp, "alley", "alley.t2")
    assert guarded(["pick", "alley", "2"]) == 0
    capsys.readouterr()
    assert guarded(["pick"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown[:4] == [
        ["scene", "take", "picked", "action", "video"],
        ["alley", "1", "done", "out/film/videos/alley.mp4"],
        ["alley", "2", "picked", "done", "out/film/videos/alley.t2.mp4"],
        ["alley", "3", "submit", "-"],
    ]
    assert len(shown) == 1 + 3 + 4 * 2 + 1
    assert shown[-1] == ["pick:", "1", "of", "5", "picked,", "in", "film.picks.yaml"]
    assert guarded(["pick", "film.yaml", "roof"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["roof", "1", "submit", "-"]
    (in_tmp / "film.picks.yaml").write_text("wanbatch_picks: 1\npicks: {roof: 1}\n", "utf-8")
    assert guarded(["pick"]) == 0
    assert ["roof", "1", "picked", "submit", "-"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_without_several_takes_the_way_to_get_them_is_shown(in_tmp, capsys):
    write_manifest(in_tmp, "alley")
    assert guarded(["pick"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "no scene has several takes; ask for more: wanbatch reroll film.yaml alley\n")


def test_as_json_it_is_a_contract_and_the_same_after_a_choice(film, in_tmp, capsys):
    made(in_tmp, "alley.t2")
    assert guarded(["pick", "alley", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["format", "file", "folder", "scenes"]
    assert (said["format"], said["file"], said["folder"]) == (1, "film.picks.yaml", "out/film")
    (alley,) = said["scenes"]
    assert list(alley) == ["scene", "picked", "takes"]
    assert (alley["scene"], alley["picked"]) == ("alley", 2)
    assert list(alley["takes"][1]) == ["take", "job", "action", "path", "picked"]
    assert [(one["take"], one["action"], one["path"], one["picked"]) for one in alley["takes"]] == [
        (1, "new", None, False), (2, "done", "videos/alley.t2.mp4", True), (3, "new", None, False),
    ]  # fmt: skip
    assert guarded(["pick", "alley", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == said
    assert guarded(["pick", "alley", "--clear", "--json"]) == 0
    (cleared,) = json.loads(capsys.readouterr().out)["scenes"]
    assert (cleared["scene"], cleared["picked"]) == ("alley", None)


def test_a_profile_and_another_folder_have_choices_and_videos_of_their_own(film, in_tmp, capsys):
    film.write_text(MATRIX + "profiles: {draft: {resolution: 720P}}\n", "utf-8")
    made(in_tmp, "alley", out="my out@draft")
    options = ["--profile", "draft", "--out", "my out"]
    assert guarded(["pick", "film.yaml", "alley", "1", *options]) == 0
    assert picks(in_tmp, "film@draft.picks.yaml") == "wanbatch_picks: 1\npicks:\n  alley: 1\n"
    assert load(film).picks.picks == {}
    capsys.readouterr()
    assert guarded(["pick", "film.yaml", "alley", "2", *options]) == 2
    assert capsys.readouterr().err.endswith("wanbatch run film.yaml --select alley.t2 --profile draft --out 'my out'\n")


def test_the_file_is_readable_for_whom_other_files_are_and_stays_a_link(film, in_tmp):
    made(in_tmp, "alley", "alley.t2")
    shared = in_tmp / "shared.yaml"
    (in_tmp / "film.picks.yaml").symlink_to(shared)
    before = os.umask(0o027)
    try:
        assert guarded(["pick", "film.yaml", "alley", "1"]) == 0
    finally:
        os.umask(before)
    assert (in_tmp / "film.picks.yaml").is_symlink()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o640
    shared.chmod(0o664)
    assert guarded(["pick", "film.yaml", "alley", "2"]) == 0
    assert stat.S_IMODE(shared.stat().st_mode) == 0o664
    assert sorted(one.name for one in in_tmp.iterdir()) == ["film.picks.yaml", "film.yaml", "out", "shared.yaml"]


def test_a_picks_file_with_a_mistake_is_shown_and_not_written_over(film, in_tmp, capsys):
    made(in_tmp, "alley")
    wrong = "wanbatch_picks: 1\npicks: {alley: first}\n"
    (in_tmp / "film.picks.yaml").write_text(wrong, "utf-8")
    assert guarded(["pick", "alley", "1"]) == 5
    assert 'film.picks.yaml:2:16: E334 "first" is no take\n' in capsys.readouterr().err
    assert (in_tmp / "film.picks.yaml").read_text("utf-8") == wrong


def test_a_disk_that_takes_no_file_is_an_error_in_words_and_the_earlier_choice_stays(film, in_tmp, capsys):
    made(in_tmp, "alley", "alley.t2")
    assert guarded(["pick", "alley", "1"]) == 0
    (in_tmp / ".film.picks.yaml.draft/in the way").mkdir(parents=True)
    capsys.readouterr()
    assert guarded(["pick", "alley", "2"]) == 9
    said = capsys.readouterr().err
    assert said.startswith("wanbatch: cannot write ")
    assert said.endswith("; nothing was changed\n")
    assert load(film).picks.picks == {"alley": 1}


def test_a_place_that_is_a_folder_is_an_error_in_words(film, in_tmp, capsys):
    made(in_tmp, "alley")
    (in_tmp / "film.picks.yaml").mkdir()
    assert guarded(["pick", "alley", "1"]) == 9
    assert "film.picks.yaml" in capsys.readouterr().err


def test_what_a_run_made_is_chosen_and_the_choice_makes_nothing_anew(film, in_tmp):
    with service(QUICK) as sim:
        assert run(sim, film, "--select", "alley") == 0
        assert wanbatch("pick", "alley", "3").returncode == 0
        assert run(sim, film, "--select", "alley") == 0
        assert sim.stats()["accepted"] == 3
