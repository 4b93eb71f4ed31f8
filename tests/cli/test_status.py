"""status and resolve: how far it is, and what a person decides."""

import json

import pytest
from cli.stage import QUICK, Rules, kinds, requests, run, service, start, wait_until, wanbatch
from support import write_manifest

from wanbatch.cli.door import guarded

LOST = {"endpoint": "create", "kind": "reset_before_accept"}
TAKEN = {"endpoint": "create", "kind": "reset_after_accept"}


def rows(capsys, *args):
    capsys.readouterr()
    assert guarded(["status", *map(str, args)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def held(sim, folder, *ids):
    """A manifest whose scenes are all held."""
    path = write_manifest(folder, *ids)
    assert run(sim, path, "--settle", 0) == 8
    return path


def test_status_works_while_a_run_holds_the_lock(in_tmp):
    path = write_manifest(in_tmp, "alley")
    with service(Rules(render_s=600)) as sim:
        process = start("run", path, "--yes", "--base-url", sim.base_url)
        wait_until(lambda: "SubmitAccepted" in kinds(in_tmp / "out/film"))
        ended = wanbatch("status", path)
        process.terminate()
        process.communicate()
    assert ended.returncode == 4, ended.stderr
    assert ended.stdout.splitlines()[1].split()[:2] == ["alley", "waiting"]
    assert ended.stdout.splitlines()[1].endswith(
        (" is with the service; expires in 23 h 59 min", " is with the service; expires in 24 h 00 min")
    )
    assert ended.stdout.splitlines()[-1] == "status: 1 waiting"


def test_status_after_a_run_says_what_is_where(in_tmp, capsys):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley", "roof")
        assert run(sim, path) == 0
    head, alley, roof, last = rows(capsys, path)
    assert head == ["scene", "state", "changed", "what", "is", "known"]
    assert (alley[:2], alley[-1]) == (["alley", "done"], "videos/alley.mp4")
    assert (roof[:2], roof[-1]) == (["roof", "done"], "videos/roof.mp4")
    assert last == ["status:", "2", "done"]
    assert rows(capsys, "out/film")[1:] == [alley, roof, last] or rows(capsys, "out/film")[-1] == last


def test_status_of_an_edited_manifest_shows_what_was_made_before(in_tmp, capsys):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley")
        assert run(sim, path) == 0
        path.write_text(path.read_text("utf-8").replace("rain", "sun"), "utf-8")
        assert run(sim, path) == 0
    shown = rows(capsys, path)
    assert [line[:2] for line in shown[1:-1]] == [["alley", "superseded"], ["alley", "done"]]
    assert shown[-1] == ["status:", "1", "done,", "1", "superseded"]


def test_status_of_a_broken_manifest_shows_the_problem_and_another_way(in_tmp, capsys):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley")
        assert run(sim, path) == 0
    path.write_text("wanbatch: 1\nscenes: []\n", "utf-8")
    capsys.readouterr()
    assert guarded(["status", "film.yaml"]) == 5
    assert capsys.readouterr().err.endswith("  or name the output folder instead: wanbatch status out/film\n")
    assert rows(capsys, "out/film")[1][:2] == ["alley", "done"]
    assert rows(capsys, "film.yaml", "--out", "out/film")[1][:2] == ["alley", "done"]


def test_status_as_json_is_a_contract(in_tmp, capsys):
    with service(QUICK) as sim:
        path = write_manifest(in_tmp, "alley")
        assert run(sim, path) == 0
    capsys.readouterr()
    assert guarded(["status", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["format", "folder", "summary", "jobs"]
    assert list(said["jobs"][0]) == [
        "job", "scene", "take", "state", "since", "task_id", "request_id", "submitted_at", "expires_at",
        "path", "known", "picked",
    ]  # fmt: skip


def test_status_before_any_run_names_the_next_command(in_tmp, capsys):
    path = write_manifest(in_tmp, name="my film.yaml")
    assert guarded(["status", path.name]) == 2
    assert capsys.readouterr().err == (
        "wanbatch: nothing was run yet in out/my film\n  start with: wanbatch plan 'my film.yaml'\n"
    )
    assert list(in_tmp.iterdir()) == [path]


def test_status_after_a_refused_run_is_not_an_empty_table(in_tmp, capsys):
    path = write_manifest(in_tmp)
    assert wanbatch("run", path).returncode == 7
    assert guarded(["status", str(path)]) == 2
    assert "nothing was run yet" in capsys.readouterr().err


def test_status_after_a_simulated_run_says_where_that_is(in_tmp, capsys):
    path = write_manifest(in_tmp)
    assert guarded(["run", str(path), "--simulate", "-q"]) == 0
    capsys.readouterr()
    assert guarded(["status", str(path)]) == 2
    assert capsys.readouterr().err.endswith("wanbatch status out/simulated/film\n")


def test_status_points_to_resolve_when_something_is_held(in_tmp, capsys):
    with service(QUICK, LOST) as sim:
        held(sim, in_tmp, "alley")
    capsys.readouterr()
    assert guarded(["status", "film.yaml"]) == 8
    assert capsys.readouterr().err == "wanbatch: held scenes wait for you\n  wanbatch resolve film.yaml alley --help\n"
    assert guarded(["status", "film.yaml", "--json"]) == 8
    assert guarded(["plan", "film.yaml"]) == 8


def test_status_says_of_a_held_scene_what_is_known_what_is_at_stake_and_the_next_command(in_tmp, capsys, monkeypatch):
    with service(QUICK, LOST) as sim:
        held(sim, in_tmp, "alley")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", "https://dashscope.aliyuncs.com/api/v1")
    capsys.readouterr()
    assert guarded(["status", "film.yaml", "--out", "out/film"]) == 8
    question, command = capsys.readouterr().out.splitlines()[-2:]
    assert question.startswith("alley: no request id came, its task, if there is one, was made between ")
    assert question.endswith(" UTC; 3.00 CNY at stake")
    assert command == (
        "  next: wanbatch resolve film.yaml alley --out out/film --adopt TASK_ID | --resubmit | --give-up"
    )
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", "http://nonsense.example")
    assert guarded(["status", "film.yaml"]) == 8
    assert "at stake: price unknown" in capsys.readouterr().out


def test_what_can_still_be_saved_is_exit_4_with_its_time(in_tmp, capsys):
    path, folder = write_manifest(in_tmp, "alley"), in_tmp / "out/film"
    with service(QUICK, {"endpoint": "video", "kind": "error_500"}) as sim:
        process = start("run", path, "--yes", "--base-url", sim.base_url)
        wait_until(lambda: "TaskSucceeded" in kinds(folder))
        process.kill()
        process.communicate()
    for verb in ("status", "plan"):
        capsys.readouterr()
        assert guarded([verb, str(path)]) == 4
        assert "not on disk yet; expires in 2" in capsys.readouterr().out


def test_adopting_the_task_collects_it_without_a_submission(in_tmp, capsys):
    with service(
        Rules(pending_s=0, render_s=0), TAKEN | {"times": 1}, {"endpoint": "query", "kind": "unknown", "times": 3}
    ) as sim:
        path = held(sim, in_tmp, "alley")
        (task,) = sim.stats()["accepted_by_prompt"]["a alley in the rain"]
        capsys.readouterr()
        assert guarded(["resolve", str(path), "alley", "--adopt", task]) == 0
        assert capsys.readouterr().err == f"scene alley is task {task}; next: wanbatch run {path}\n"
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 1
    assert (in_tmp / "out/film/videos/alley.mp4").exists()


def test_resubmitting_submits_once_more(in_tmp):
    with service(QUICK, LOST | {"times": 1}) as sim:
        path = held(sim, in_tmp, "alley")
        assert guarded(["resolve", str(path), "alley", "--resubmit"]) == 0
        assert run(sim, path) == 0
        assert requests(sim)["create"] == 2
        assert sim.stats()["accepted"] == 1


def test_giving_up_sends_nothing_more_and_can_be_taken_back(in_tmp, capsys):
    with service(QUICK, LOST | {"times": 1}) as sim:
        path = held(sim, in_tmp, "alley")
        capsys.readouterr()
        assert guarded(["resolve", str(path), "alley", "--give-up"]) == 0
        assert f"should you change your mind: wanbatch resolve {path} alley --resubmit" in capsys.readouterr().err
        assert run(sim, path) == 3
        assert requests(sim)["create"] == 1
        assert guarded(["resolve", "out/film", "alley", "--resubmit"]) == 0
        assert run(sim, path) == 0


@pytest.mark.parametrize("flags", [[], ["--resubmit", "--give-up"], ["--adopt", "t-1", "--resubmit"]])
def test_a_decision_is_exactly_one(flags, in_tmp, capsys):
    assert guarded(["resolve", str(write_manifest(in_tmp)), "alley", *flags]) == 2
    assert "say one of --adopt TASK_ID, --resubmit, --give-up\n" in capsys.readouterr().err


def test_a_task_id_is_looked_at_before_it_is_believed(in_tmp, capsys):
    assert guarded(["resolve", str(write_manifest(in_tmp)), "alley", "--adopt", "../etc"]) == 2
    assert "a task id is letters, digits and hyphens" in capsys.readouterr().err


def test_a_task_of_another_scene_is_not_adopted(in_tmp, capsys):
    with service(QUICK, LOST | {"prompt": "roof"}) as sim:
        path = held(sim, in_tmp, "alley", "roof")
        (task,) = sim.stats()["accepted_by_prompt"]["a alley in the rain"]
    assert guarded(["resolve", str(path), "roof", "--adopt", task]) == 2
    assert f"task {task} belongs to scene alley already" in capsys.readouterr().err


def test_a_scene_that_is_not_held_is_named_as_what_it_is(in_tmp, capsys):
    with service(QUICK, LOST | {"prompt": "roof"}) as sim:
        path = held(sim, in_tmp, "alley", "roof")
    capsys.readouterr()
    assert guarded(["resolve", str(path), "alley", "--give-up"]) == 2
    assert guarded(["resolve", str(path), "cellar", "--give-up"]) == 2
    assert capsys.readouterr().err == (
        "wanbatch: scene alley is done, not held\n  held are: roof\n"
        "wanbatch: the journal has no scene cellar\n  held are: roof\n"
    )


def test_resolve_before_any_run_leaves_nothing_behind(in_tmp):
    path = write_manifest(in_tmp)
    assert guarded(["resolve", str(path), "alley", "--give-up"]) == 2
    assert list(in_tmp.iterdir()) == [path]
