"""run: the main job, its flags, and what it leaves behind."""

import json
import time

import pytest
from cli.stage import FAST, QUICK, Rules, Terminal, events, kinds, requests, run, service, start, wait_until, wanbatch
from support import manifest, write_manifest

from wanbatch.cli.door import guarded

LOST = {"endpoint": "create", "kind": "reset_before_accept"}


def test_a_simulated_run_needs_no_key_and_no_yes_and_leaves_video_sidecar_and_journal(in_tmp, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    path = write_manifest(in_tmp, "alley", "roof")
    ended = wanbatch("run", path)
    assert ended.returncode == 7
    ended = wanbatch("run", path, "--simulate")
    assert ended.returncode == 0, ended.stderr
    folder = in_tmp / "out/simulated/film"
    assert ended.stdout.splitlines() == [f"out/simulated/film/videos/{name}.mp4" for name in ("alley", "roof")]
    for name in ("alley", "roof"):
        assert (folder / f"videos/{name}.mp4").read_bytes()[4:8] == b"ftyp"
        record = json.loads((folder / f"videos/{name}.json").read_bytes())
        assert record["request"]["input"]["prompt"] == f"a {name} in the rain"
    assert kinds(folder).count("VideoSaved") == 2
    assert "(simulated: costs nothing)" in ended.stderr
    assert "run: 2 saved, 2 of 2 videos are in out/simulated/film\n" in ended.stderr


def test_a_second_run_asks_the_service_nothing(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        asked, written = requests(sim), (in_tmp / "out/film/journal.jsonl").read_bytes()
        assert asked["create"] == 2
        capsys.readouterr()
        assert run(sim, path) == 0
        assert requests(sim) == asked
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "nothing to do: 2 done; videos are in out/film\n")
    assert (in_tmp / "out/film/journal.jsonl").read_bytes() == written


def test_what_is_sent_is_exactly_what_render_shows(in_tmp):
    path = write_manifest(in_tmp, "alley", negative_prompt="blur")
    with service(QUICK) as sim:
        assert run(sim, path) == 0
        accepted = set(sim.stats()["accepted_by_body"])
    assert accepted == {one.request.digest() for one in manifest(path.read_text("utf-8")).wanted}


@pytest.mark.parametrize(("flags", "where"), [([], "out/film"), (["--out", "elsewhere"], "elsewhere")])
def test_videos_go_to_out_and_the_manifests_name_or_where_it_is_said(flags, where, in_tmp):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), *flags) == 0
    assert (in_tmp / where / "videos/alley.mp4").exists()


def test_only_the_selected_scenes_are_made(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof", "cellar")
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "roof") == 0
        assert list(sim.stats()["accepted_by_prompt"]) == ["a roof in the rain"]


def test_the_service_never_has_more_tasks_than_the_cap(in_tmp):
    path = write_manifest(in_tmp, *(f"s{number}" for number in range(7)))
    with service(Rules(pending_s=0, render_s=0.6, slots=7)) as sim:
        assert run(sim, path, "--concurrency", 2) == 0
        assert sim.stats()["max_open"]["all"] == 2
        assert sim.stats()["accepted"] == 7


def test_failed_scenes_are_left_alone_until_they_are_asked_for(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley")
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "'[moderated output]'"), "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path) == 3
        assert "wanbatch: failed scenes were not billed\n" in capsys.readouterr().err
        assert run(sim, path) == 3
        assert requests(sim)["create"] == 1
        assert run(sim, path, "--retry-failed") == 3
        assert requests(sim)["create"] == 2


def test_quiet_says_nothing_of_what_went_well(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--quiet") == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("out/film/videos/alley.mp4\n", "")


def test_json_is_a_contract_and_all_that_is_on_stdout(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["format", "exit_code", "folder", "saved", "counts", "scenes"]
    assert (said["format"], said["exit_code"]) == (1, 0)
    assert said["saved"] == ["out/film/videos/alley.mp4"]
    assert said["counts"]["done"] == 1
    assert said["scenes"][0]["action"] == "done"


def test_without_a_terminal_each_change_is_a_plain_line(in_tmp):
    with service(QUICK) as sim:
        ended = wanbatch("run", write_manifest(in_tmp), "--yes", "--base-url", sim.base_url, *FAST)
    words = [line.split(" ", 1)[1] for line in ended.stderr.splitlines() if line[2:3] == ":"]
    assert words[0].startswith("alley: submitted, task ")
    assert words[1:] == ["alley: made", "alley: saved videos/alley.mp4"]
    assert "\x1b" not in ended.stderr
    assert "\r" not in ended.stderr


def test_without_a_terminal_and_without_yes_nothing_is_sent_and_the_command_is_named(in_tmp):
    with service(QUICK) as sim:
        ended = wanbatch("run", write_manifest(in_tmp), "--base-url", sim.base_url, "--out", "my out")
        assert requests(sim) == {}
    assert ended.returncode == 7
    assert ended.stderr.splitlines()[1:] == [
        "wanbatch: nobody to ask whether to submit; nothing was sent",
        f"  say it with --yes: wanbatch run film.yaml --out 'my out' --base-url {sim.base_url} --yes".replace(
            "film.yaml", str(in_tmp / "film.yaml")
        ),
    ]


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("n\n", 7, "wanbatch: not submitted; nothing was sent"),
        ("\n", 7, "wanbatch: not submitted; nothing was sent"),
        ("what\n", 7, "wanbatch: not submitted; nothing was sent"),
        ("\x04", 7, "wanbatch: not submitted; nothing was sent"),
        ("\x03", 130, "wanbatch: interrupted; nothing was sent"),
    ],
)
def test_anything_but_a_yes_sends_nothing(typed, code, said, in_tmp):
    with (
        service(QUICK) as sim,
        Terminal("run", write_manifest(in_tmp), "--base-url", sim.base_url) as terminal,
    ):
        terminal.until("Submit? [y/N] ")
        terminal.type(typed)
        assert terminal.ended() == code
        assert said in terminal.shown
        assert "Traceback" not in terminal.shown
        assert requests(sim) == {}


def test_a_yes_on_a_terminal_submits_and_shows_a_bar(in_tmp):
    with (
        service(QUICK) as sim,
        Terminal("run", write_manifest(in_tmp, "alley", "roof"), "--base-url", sim.base_url, *FAST) as terminal,
    ):
        terminal.until("Submit? [y/N] ")
        assert requests(sim) == {}
        terminal.type("y\n")
        assert terminal.ended() == 0
        assert "0/2 videos |" in terminal.shown
        assert "2/2 videos |" in terminal.shown
        assert "out/film/videos/roof.mp4" in terminal.shown


def test_a_missing_key_is_said_before_the_question(in_tmp, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", "https://dashscope.aliyuncs.com/api/v1")
    with Terminal("run", write_manifest(in_tmp)) as terminal:
        assert terminal.ended() == 6
    assert "no API key; nothing was sent" in terminal.shown
    assert "Submit?" not in terminal.shown


def test_simulated_and_real_videos_never_share_a_folder(in_tmp, capsys):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert guarded(["run", str(path), "--simulate", "--out", "a", "-q"]) == 0
        assert run(sim, path, "--out", "a") == 2
        assert "a holds simulated videos; nothing was sent" in capsys.readouterr().err
        assert requests(sim) == {}
        assert run(sim, path, "--out", "b") == 0
    assert guarded(["run", str(path), "--simulate", "--out", "b"]) == 2
    assert "b holds real videos; nothing was simulated" in capsys.readouterr().err


def test_a_simulated_run_that_was_killed_goes_on_with_a_new_simulator(in_tmp):
    path, folder = write_manifest(in_tmp, "alley", "roof"), in_tmp / "out/simulated/film"
    process = start("run", path, "--simulate")
    wait_until(lambda: "SubmitAccepted" in kinds(folder))
    process.kill()
    process.communicate()
    assert wanbatch("run", path, "--simulate").returncode == 0
    (folder / "videos/roof.mp4").unlink()
    assert wanbatch("run", path, "--simulate").returncode == 0
    assert (folder / "videos/roof.mp4").exists()


def test_simulate_brings_its_own_service(in_tmp, capsys):
    assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", "--base-url", "http://127.0.0.1:1"]) == 2
    assert "--simulate brings its own service: leave --base-url out" in capsys.readouterr().err


def test_held_and_failed_scenes_are_listed_with_the_next_command(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    path.write_text(path.read_text("utf-8").replace("a roof in the rain", "'[moderated input]'"), "utf-8")
    with service(QUICK, LOST | {"prompt": "alley"}) as sim:
        assert run(sim, path, "--settle", 0) == 8
    said = capsys.readouterr().err
    assert "alley  held    no task of the account matches; it may still have been billed\n" in said
    assert "roof   failed  DataInspectionFailed: " in said
    assert f"wanbatch resolve {path} alley --help\n" in said
    assert "--retry-failed\n" in said


def test_a_given_up_scene_is_not_called_unbilled(in_tmp, capsys):
    path = write_manifest(in_tmp)
    with service(QUICK, LOST) as sim:
        assert run(sim, path, "--settle", 0) == 8
        assert guarded(["resolve", str(path), "alley", "--give-up"]) == 0
        capsys.readouterr()
        assert run(sim, path) == 3
    said = capsys.readouterr().err
    assert "alley  failed  canceled\n" in said
    assert "not billed" not in said


def test_a_run_notes_who_runs(in_tmp):
    with service(QUICK) as sim:
        before = time.time()
        assert run(sim, write_manifest(in_tmp)) == 0
    noted = next(line for line in events(in_tmp / "out/film") if line["event"] == "RunStarted")
    assert noted["at"] >= before - 1
    assert noted["pid"]
