"""reconcile: what is in doubt is looked for now, and nothing is submitted."""

import signal

from cli.stage import PATIENCE_S, QUICK, kinds, requests, service, start, wait_until
from support import write_manifest

from wanbatch.cli.door import guarded

TAKEN = {"endpoint": "create", "kind": "reset_after_accept"}
LOST = {"endpoint": "create", "kind": "reset_before_accept"}


def doubtful(sim, folder):
    """A manifest of two scenes: a run was killed while the first was in doubt, before the second was sent."""
    path = write_manifest(folder, "alley", "roof")
    process = start("run", path, "--yes", "--base-url", sim.base_url, "--concurrency", 1)
    wait_until(lambda: "SubmitUnclear" in kinds(folder / "out/film"))
    process.kill()
    process.communicate()
    return path


def test_a_lost_answer_is_found_and_the_next_command_collects_it(in_tmp, capsys):
    with service(QUICK, TAKEN) as sim:
        path = doubtful(sim, in_tmp)
        (task,) = sim.stats()["accepted_by_prompt"]["a alley in the rain"]
        assert guarded(["reconcile", str(path), "--base-url", sim.base_url, "--settle", "0"]) == 4
        asked = requests(sim)
    assert asked["create"] == 1
    assert "video" not in asked
    said = capsys.readouterr().err
    assert f"alley: found again as task {task}, by " in said
    assert said.endswith(f"wanbatch: nothing is lost\n  collect what was found: wanbatch run {path}\n")


def test_what_is_absent_is_held_and_what_is_known_is_a_command_away(in_tmp, capsys):
    with service(QUICK, LOST) as sim:
        path = doubtful(sim, in_tmp)
        assert guarded(["reconcile", "out/film", "--base-url", sim.base_url, "--settle", "0"]) == 8
        asked = requests(sim)
        assert guarded(["reconcile", str(path), "--base-url", sim.base_url]) == 8
        assert requests(sim) == asked, "nothing is in doubt any more"
    said = capsys.readouterr().err
    assert "alley: held: no task of the account matches" in said
    assert "what is known: wanbatch status out/film\n" in said
    assert "reconcile: nothing is in doubt\n" in said


def test_a_refused_key_is_exit_6_and_the_doubt_stays(in_tmp, capsys, monkeypatch):
    with service(QUICK, LOST) as sim:
        path = doubtful(sim, in_tmp)
        monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid")
        assert guarded(["reconcile", str(path), "--base-url", sim.base_url, "--settle", "0"]) == 6
    assert "alley: sent, but the answer never came" in capsys.readouterr().err
    assert "HeldForReview" not in kinds(in_tmp / "out/film")


def test_it_may_be_stopped_while_it_waits_to_be_sure(in_tmp):
    with service(QUICK, LOST) as sim:
        path = doubtful(sim, in_tmp)
        process = start("reconcile", path, "--base-url", sim.base_url)
        wait_until(lambda: kinds(in_tmp / "out/film").count("RunStarted") == 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said
    # In the engine's words, or in those of the door, which has the signals until the engine is there.
    assert "wanbatch: interrupted; nothing is lost" in said
    assert "Traceback" not in said
