"""--select on the command line: a status is what the journal says, and what was picked is marked."""

import json

import pytest
from cli.stage import FAST, QUICK, run, service
from cli.takes import MATRIX, made, tell

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s


@pytest.fixture
def film(in_tmp):
    """A manifest with takes: two made, one failed, one with the service, the rest new."""
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    made(in_tmp, "alley", "skyline.paris.16x9")
    tell(in_tmp, "alley.t2", s.SubmitIntended(), s.SubmitAccepted("task-2"), s.TaskFailed("InternalError", "boo"))
    tell(in_tmp, "alley.t3", s.SubmitIntended(), s.SubmitAccepted("task-3"))
    return path


def planned(capsys, *words):
    """The file names in a plan, with what is said beside."""
    assert guarded(["plan", "film.yaml", "--json", *words]) in (0, 4)
    said = capsys.readouterr()
    return [f"{one['scene']}/{one['take']}" for one in json.loads(said.out)["entries"]], said.err


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ("status:failed", ["alley/2", "alley/3"]),
        ("status:done", ["alley/1", "skyline[city=Paris,ratio=16:9]/1", "alley/3"]),
        ("status:waiting", ["alley/3"]),
        ("status:collect,roof", ["alley/3", "roof/1"]),
        ("alley,-status:done", ["alley/2", "alley/3"]),
        ("status:submit,-skyline", ["roof/1", "alley/3"]),
        ("skyline[city=Paris].t1", ["skyline[city=Paris,ratio=16:9]/1", "skyline[city=Paris,ratio=9:16]/1", "alley/3"]),
    ],
)
def test_a_plan_of_a_status_is_of_what_has_it_now_and_of_what_is_with_the_service(selection, found, film, capsys):
    assert planned(capsys, "--select", selection) == (found, "")


def test_a_status_that_nothing_has_is_no_error_and_is_said(film, capsys):
    assert guarded(["plan", "film.yaml", "--select", "status:held"]) == 4
    said = capsys.readouterr()
    assert said.err == "nothing is held\n"
    assert "plan: 1 in flight" in said.out


@pytest.mark.parametrize("selection", ["status:faild", "status:failed,rof", "skyline[city=Pariss]", "alley.t4"])
def test_what_can_name_nothing_is_an_error(selection, film, capsys):
    assert guarded(["plan", "film.yaml", "--select", selection]) == 2
    assert capsys.readouterr().err.startswith("wanbatch: --select: ")


def test_a_run_makes_what_has_the_status_as_it_starts_and_nothing_that_gets_it_later(in_tmp, capsys):
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    tell(in_tmp, "alley.t2", s.SubmitIntended(), s.SubmitAccepted("task-2"), s.TaskFailed("InternalError", "boo"))
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "status:failed", "--retry-failed") == 0
        assert sim.stats()["accepted"] == 1
        assert (in_tmp / "out/film/videos/alley.t2.mp4").exists()
        capsys.readouterr()
        assert run(sim, path, "--select", "status:failed", "--retry-failed") == 0
        assert capsys.readouterr().err == "nothing to do: nothing is failed; videos are in out/film\n"
        assert run(sim, path, "--select", "status:new,-skyline", "--shard", "1/1") == 0
        assert sim.stats()["accepted"] == 4
        save = ["--save", "plan.json", "--base-url", sim.base_url]
        assert guarded(["plan", "film.yaml", "--select", "status:new", *save]) == 0
        assert guarded(["run", "plan.json", *FAST]) == 0
        assert sim.stats()["accepted"] == 12


def test_a_run_of_a_name_that_is_not_there_leaves_nothing_behind(in_tmp, capsys):
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    for selection in ("status:faild", "status:failed,rof"):
        assert guarded(["run", "film.yaml", "--select", selection, "--yes"]) == 2
    assert list(in_tmp.iterdir()) == [path]


def test_render_looks_at_no_journal_and_says_so(film, capsys):
    assert guarded(["render", "film.yaml", "--select", "status:new"]) == 2
    assert "which scenes have a status is in the journal" in capsys.readouterr().err
    assert guarded(["render", "film.yaml", "--select", "alley.t2", "--json"]) == 0
    assert [one["job"].rsplit("/", 1)[0] for one in json.loads(capsys.readouterr().out)] == ["alley/2"]


def test_every_entry_says_whether_it_was_picked(film, in_tmp, capsys):
    assert guarded(["pick", "alley", "1"]) == 0
    capsys.readouterr()
    assert guarded(["plan", "film.yaml", "--save", "plan.json"]) == 4
    entries = json.loads((in_tmp / "plan.json").read_text("utf-8"))["entries"]
    assert [(one["scene"], one["take"]) for one in entries if one["picked"]] == [("alley", 1)]
    capsys.readouterr()
    assert guarded(["reroll", "alley", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"][0]["picked"] is False


def test_a_saved_plan_holds_after_a_pick_and_not_after_a_reroll(in_tmp):
    (in_tmp / "film.yaml").write_text(MATRIX, "utf-8")
    made(in_tmp, "alley")
    with service(QUICK) as sim:
        save = ["--save", "plan.json", "--base-url", sim.base_url]
        assert guarded(["plan", "film.yaml", "--select", "roof", *save]) == 0
        assert guarded(["pick", "alley", "1"]) == 0
        assert guarded(["run", "plan.json", *FAST]) == 0
        assert guarded(["plan", "film.yaml", "--select", "alley", *save]) == 0
        assert guarded(["reroll", "alley"]) == 0
        assert guarded(["run", "plan.json", *FAST]) == 7
        assert sim.stats()["accepted"] == 1


def test_an_edited_scene_is_stale(film, capsys):
    film.write_text(MATRIX.replace("an alley", "a long alley"), "utf-8")
    assert planned(capsys, "--select", "status:stale")[0] == ["alley/1", "alley/3", "alley/3"]


def test_what_is_kept_though_it_has_changed_and_what_is_in_doubt_have_words_of_their_own(film, in_tmp, capsys):
    tell(in_tmp, "roof", s.SubmitIntended())
    assert planned(capsys, "--select", "status:in-doubt")[0] == ["roof/1", "alley/3"]
    film.write_text(MATRIX.replace("an alley", "a long alley") + "run: {on_change: keep}\n", "utf-8")
    assert planned(capsys, "--select", "status:kept")[0][:1] == ["alley/1"]


def test_what_was_withheld_has_the_status_of_the_seed_that_comes_next(film, in_tmp, capsys):
    film.write_text(MATRIX + "run: {retries: {moderation: 1}}\n", "utf-8")
    refused = s.TaskFailed("DataInspectionFailed", "Output data may contain inappropriate content.")
    tell(in_tmp, "roof", s.SubmitIntended(), s.SubmitAccepted("task-9"), refused)
    assert planned(capsys, "--select", "status:failed")[0] == ["alley/2", "alley/3"]
    assert "roof/1" in planned(capsys, "--select", "status:new")[0]


def test_plan_and_status_mark_what_was_picked(film, in_tmp, capsys):
    assert guarded(["pick", "alley", "1"]) == 0
    assert guarded(["plan", "film.yaml", "--select", "alley"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-2:] == ["videos/alley.mp4;", "picked"]
    assert sum("picked" in line for line in lines) == 1
    assert guarded(["plan", "film.yaml", "--json"]) == 4
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [(one["scene"], one["take"]) for one in entries if one["picked"]] == [("alley", 1)]
    assert guarded(["status", "film.yaml"]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "; picked" in line] == ["alley"]
    assert guarded(["status", "film.yaml", "--json"]) == 4
    jobs = json.loads(capsys.readouterr().out)["jobs"]
    assert [(one["scene"], one["take"], one["picked"]) for one in jobs][:2] == [
        ("alley", 1, True), ("skyline[city=Paris,ratio=16:9]", 1, False),
    ]  # fmt: skip
    assert guarded(["status", "out/film", "--json"]) == 4
    assert {one["picked"] for one in json.loads(capsys.readouterr().out)["jobs"]} == {None}


def test_a_superseded_video_is_not_the_one_that_was_picked(in_tmp, capsys):
    path = in_tmp / "film.yaml"
    path.write_text(MATRIX, "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "roof") == 0
        assert guarded(["pick", "roof", "1"]) == 0
        path.write_text(MATRIX.replace("a roof", "a flat roof"), "utf-8")
        assert run(sim, path, "--select", "roof") == 0
    capsys.readouterr()
    assert guarded(["status", "film.yaml"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()[1:3]]
    assert [(line[1], line[-1]) for line in shown] == [
        ("superseded", shown[0][-1]), ("done", "picked"),
    ]  # fmt: skip
    assert "picked" not in shown[0]


def test_a_mistake_in_the_picks_hides_no_status(film, in_tmp, capsys):
    (in_tmp / "film.picks.yaml").write_text("picks\n", "utf-8")
    assert guarded(["status", "film.yaml", "--out", "out/film"]) == 4
    assert "alley.t3" in capsys.readouterr().out
