"""What a run without anybody before it needs: deadlines, parts, halves of a run, consent, and news for programs."""

import json
import signal
import time
from decimal import Decimal

import pytest
from cli.stage import (
    FAST,
    PATIENCE_S,
    QUICK,
    Rules,
    Terminal,
    kinds,
    requests,
    run,
    service,
    start,
    wait_until,
    wanbatch,
)
from cli.test_ping import Listener
from conftest import CANARY
from hypothesis import given
from hypothesis import strategies as st
from support import write_manifest

from wanbatch.cli.asked import CLASSES, Options, Shard
from wanbatch.cli.door import guarded
from wanbatch.jobs.journal import Journal
from wanbatch.money.amount import Cap

SLOW = Rules(pending_s=0, render_s=2.5, spread=0)
NEVER = Rules(pending_s=0, render_s=3600)
THREE = ("alley", "roof", "cellar")


def results(folder):
    """The results of a folder's last run."""
    return json.loads((folder / "results.json").read_bytes())


def rows(folder):
    """What became of each scene: id → outcome and reason."""
    return {row["scene"]: (row["outcome"], row["reason"]) for row in results(folder)["scenes"]}


def objects(text):
    """A text that is one JSON object a line."""
    return [json.loads(line) for line in text.splitlines()]


# a deadline


def test_at_the_deadline_a_run_detaches_and_the_next_one_collects_first(in_tmp):
    path = write_manifest(in_tmp)
    with service(SLOW) as sim:
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, "--deadline", "1s", *FAST)
        assert ended.returncode == 4, ended.stderr
        assert kinds(in_tmp / "out/film")[-1] == "SubmitAccepted"
        assert run(sim, path, "--deadline", "1m") == 0
        assert requests(sim)["create"] == 1
    assert ended.stderr.endswith(
        "wanbatch: the deadline of 1 s was reached; 1 task stays with the service; nothing is lost\n"
        f"  go on with: wanbatch run {path} --base-url {sim.base_url} --yes\n"
    )


def test_after_the_deadline_nothing_is_submitted_and_each_scene_has_its_reason(in_tmp):
    with service(NEVER) as sim:
        assert run(sim, write_manifest(in_tmp, *THREE), "--concurrency", 1, "--deadline", "1") == 4
        assert requests(sim)["create"] == 1
    folder = in_tmp / "out/film"
    late = ("not_reached", "the deadline of 1 s was reached")
    assert [rows(folder)[name] for name in THREE[1:]] == [late, late]
    assert rows(folder)["alley"][0] == "in_flight"
    assert results(folder)["exit_code"] == 4


def test_a_run_that_is_done_before_its_deadline_is_done(in_tmp):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--deadline", "1h") == 0
    assert results(in_tmp / "out/film")["stopped_by"] is None


def test_waiting_for_the_lock_ends_at_the_deadline_too(in_tmp):
    path, before = write_manifest(in_tmp), time.monotonic()
    with service(QUICK) as sim, Journal.open(in_tmp / "out/film/journal.jsonl", 0.0):
        assert run(sim, path, "--lock-timeout", "1h", "--deadline", "1s") == 11
        assert requests(sim) == {}
    assert 1 <= time.monotonic() - before < PATIENCE_S
    assert not (in_tmp / "out/film/results.json").exists()  # they are the other run's


@pytest.mark.parametrize(("said", "seconds"), [("90s", 90), ("50m", 3000), ("1h30m", 5400), ("2d", 172_800), ("7", 7)])
def test_a_duration_is_written_as_people_say_it(said, seconds):
    from wanbatch.cli.common import Duration

    assert Duration().convert(said, None, None) == seconds


@pytest.mark.parametrize("said", ["", "m", "5x", "1h30", "1m1h", "-5s", "31d", "nan", "1e3", "0s"])
def test_what_is_no_duration_is_refused(said, in_tmp, capsys):
    assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", "--deadline", said]) == 2
    assert "wanbatch: invalid value for '--deadline': " in capsys.readouterr().err


# parts of a manifest


@given(st.sets(st.text(min_size=1)), st.text(min_size=1), st.integers(1, 40))
def test_every_scene_is_in_exactly_one_of_n_parts_whatever_the_other_scenes_are(ids, another, count):
    parts = [{one for one in ids if Shard(number, count).has(one)} for number in range(1, count + 1)]
    assert sorted(one for part in parts for one in part) == sorted(ids)
    more = [{one for one in {*ids, another} if Shard(number, count).has(one)} for number in range(1, count + 1)]
    assert [part - {another} for part in more] == [part - {another} for part in parts]


def test_the_parts_are_the_same_on_every_machine_and_of_about_one_size():
    assert [Shard(number, 3).has("alley") for number in (1, 2, 3)] == [False, True, False]
    sizes = [sum(Shard(number, 5).has(f"scene-{one}") for one in range(1000)) for number in range(1, 6)]
    assert min(sizes) > 150
    assert sum(sizes) == 1000


def test_two_parts_make_the_whole_and_nothing_twice(in_tmp):
    path = write_manifest(in_tmp, *(f"s{number}" for number in range(8)))
    with service(QUICK) as sim:
        assert run(sim, path, "--shard", "1/2") == 0
        first = requests(sim)["create"]
        assert 0 < first < 8
        outcomes = [outcome for outcome, _ in rows(in_tmp / "out/film").values()]
        assert (outcomes.count("done"), outcomes.count("not_selected")) == (first, 8 - first)
        assert run(sim, path, "--shard", "2/2") == 0
        assert requests(sim)["create"] == 8
    assert len(list((in_tmp / "out/film/videos").glob("*.mp4"))) == 8


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_part_is_refused(part, in_tmp, capsys):
    assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", f"--shard={part}"]) == 2
    assert "write 1/3, 2/3 and 3/3 for three parts" in capsys.readouterr().err


# halves of a run


def half(verb, sim, *args):
    """`wanbatch submit` or `wait` against a pretended service."""
    yes = ["--yes"] if verb == "submit" else []
    return guarded([verb, *map(str, args), "--base-url", sim.base_url, *yes, *FAST])


def test_submit_leaves_the_tasks_with_the_service_and_wait_brings_them_home(in_tmp, capsys):
    path, folder = write_manifest(in_tmp, *THREE), in_tmp / "out/film"
    with service(SLOW) as sim:
        assert half("submit", sim, path) == 4
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.endswith(
            "submit: 3 submitted, 0 of 3 videos are in out/film\n"
            "wanbatch: 3 tasks stay with the service\n"
            f"  collect with: wanbatch wait {path} --base-url {sim.base_url}\n"
        )
        assert not list(folder.glob("videos/*"))
        assert half("wait", sim, path) == 0
        assert requests(sim)["create"] == 3
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert [outcome for outcome, _ in rows(folder).values()] == ["done"] * 3


def test_submit_waits_for_its_turn_where_the_accounts_limit_holds_scenes_back(in_tmp):
    with service(Rules(pending_s=0, render_s=0.3)) as sim:
        assert half("submit", sim, write_manifest(in_tmp, *THREE), "--concurrency", 1) == 4
        assert requests(sim)["create"] == 3
        assert sim.stats()["max_open"]["all"] == 1


def test_wait_submits_nothing_and_says_what_is_not_submitted(in_tmp, capsys):
    path = write_manifest(in_tmp, *THREE)
    with service(QUICK) as sim:
        assert half("submit", sim, path, "--select", "alley") == 4
        capsys.readouterr()
        assert half("wait", sim, path) == 4
        assert requests(sim)["create"] == 1
    assert capsys.readouterr().err.endswith(
        f"wanbatch: 2 scenes not submitted yet\n  submit with: wanbatch submit {path} --base-url {sim.base_url}\n"
    )
    assert rows(in_tmp / "out/film")["roof"] == ("not_reached", "wanbatch wait submits nothing")
    assert "Planned" not in kinds(in_tmp / "out/film")[kinds(in_tmp / "out/film").index("SubmitAccepted") :]


def test_wait_asks_nobody_where_there_is_nothing_to_wait_for(in_tmp, capsys):
    with service(QUICK) as sim:
        assert half("wait", sim, write_manifest(in_tmp)) == 4
        assert requests(sim) == {}
    assert capsys.readouterr().err.startswith("nothing to wait for: 1 to submit ")


def test_submit_asks_before_it_spends_and_wait_needs_no_yes(in_tmp, capsys):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        ended = wanbatch("submit", path, "--base-url", sim.base_url)
        assert (ended.returncode, requests(sim)) == (7, {})
        assert f"say it with --yes: wanbatch submit {path} --base-url {sim.base_url} --yes\n" in ended.stderr
        assert half("submit", sim, path) == 4
        assert wanbatch("wait", path, "--base-url", sim.base_url, *FAST).returncode == 0


# consent


def test_a_cap_on_the_command_line_is_a_yes(in_tmp):
    with service(QUICK) as sim:
        ended = wanbatch("run", write_manifest(in_tmp), "--base-url", sim.base_url, "--max-cost", "13 CNY", *FAST)
        assert (ended.returncode, requests(sim)["create"]) == (0, 1), ended.stderr


@pytest.mark.parametrize("how", ["flag", "manifest", "configuration"])
def test_at_the_cap_nothing_more_is_submitted_what_is_in_flight_comes_home_and_the_rest_says_why(
    how, in_tmp, monkeypatch, capsys
):
    path, flags = write_manifest(in_tmp, *THREE), []
    if how == "flag":
        flags = ["--max-cost", "7 CNY"]
    elif how == "manifest":
        path.write_text(path.read_text("utf-8") + "run: {budget: {per_run: 7 CNY}}\n", "utf-8")
    else:
        (in_tmp / "config.yaml").write_text("wanbatch_config: 1\nbudget: {per_day: 7 CNY}\n", "utf-8")
        monkeypatch.setenv("WANBATCH_CONFIG", str(in_tmp / "config.yaml"))
    with service(QUICK) as sim:
        assert run(sim, path, *flags) == 7
        assert requests(sim)["create"] == 2
    period = "day" if how == "configuration" else "run"
    assert (
        f"wanbatch: the cap of 7.00 CNY per {period} allows no more: 6.00 CNY spent or reserved"
        in capsys.readouterr().err
    )
    found = rows(in_tmp / "out/film")
    assert [outcome for outcome, _ in found.values()] == ["done", "done", "not_reached"]
    assert found["cellar"][1].startswith(f"the cap of 7.00 CNY per {period} allows no more: ")


def test_a_cap_where_the_price_is_not_known_submits_nothing(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--max-cost", "7 USD") == 7
        assert requests(sim).get("create", 0) == 0
    assert "the cap of 7.00 USD per run allows no more: it is priced in CNY" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_written_lets_nothing_be_submitted_and_paid_videos_come_home(in_tmp, monkeypatch):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        assert half("submit", sim, path, "--select", "alley") == 4
        (in_tmp / "state").write_text("no folder", "utf-8")
        monkeypatch.setenv("WANBATCH_STATE", str(in_tmp / "state"))
        assert run(sim, path) == 9
        assert requests(sim)["create"] == 1
        assert half("wait", sim, path, "--select", "alley") == 0


def test_without_a_home_a_run_without_a_cap_goes_on_and_one_with_a_cap_does_not(in_tmp, monkeypatch):
    path = write_manifest(in_tmp, "alley", "roof")
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("WANBATCH_STATE")
    with service(QUICK) as sim:
        assert run(sim, path, "--select", "alley") == 0
        assert run(sim, path, "--max-cost", "10 CNY") == 9
        assert requests(sim)["create"] == 1


@pytest.mark.parametrize(("flags", "asks"), [(["--max-cost", "13 CNY"], False), ([], True)])
def test_on_a_terminal_a_cap_that_was_typed_is_a_yes_and_the_manifests_is_not(flags, asks, in_tmp):
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8") + "run: {budget: {per_run: 30 CNY}}\n", "utf-8")
    with service(QUICK) as sim, Terminal("run", path, "--base-url", sim.base_url, *flags, *FAST) as terminal:
        if asks:
            terminal.until("Submit? [y/N] ")
            terminal.type("n\n")
        assert terminal.ended() == (7 if asks else 0)
        assert ("Submit?" in terminal.shown) == asks


def test_the_manifests_budget_is_a_yes_where_there_is_nobody_to_ask(in_tmp):
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8") + "run: {budget: {per_run: 30 CNY}}\n", "utf-8")
    with service(QUICK) as sim:
        ended = wanbatch("run", path, "--base-url", sim.base_url, *FAST)
        assert (ended.returncode, requests(sim)["create"]) == (0, 1), ended.stderr


@pytest.mark.parametrize("amount", ["13", "-1 CNY", "much", "NaN CNY", "1 CNY 2 USD", ""])
def test_what_is_no_cap_is_refused_before_anything_is_sent(amount, in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), f"--max-cost={amount}") == 2
        assert requests(sim) == {}
    assert "wanbatch: invalid value for '--max-cost': " in capsys.readouterr().err


def test_a_saved_plan_is_a_yes_to_itself_and_holds_once(in_tmp):
    path = write_manifest(in_tmp, *THREE)
    with service(QUICK) as sim:
        where = ("--base-url", sim.base_url)
        assert guarded(["plan", str(path), "--select", "alley", *where, "--save", "plan.json"]) == 0
        ended = wanbatch("run", "plan.json", *FAST)
        assert (ended.returncode, requests(sim)["create"]) == (0, 1), ended.stderr
        again = wanbatch("run", "plan.json", *FAST)
        assert (again.returncode, requests(sim)["create"]) == (7, 1)
    assert ended.stdout == "out/film/videos/alley.mp4\n"
    assert "the journal of out/film has changed since plan.json was saved" in again.stderr


def test_a_saved_plan_of_a_manifest_that_was_edited_sends_nothing(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert guarded(["plan", str(path), "--base-url", sim.base_url, "--save", "plan.json"]) == 0
        write_manifest(in_tmp, "alley", "roof")
        ended = wanbatch("run", "plan.json", "--yes", *FAST)
        assert (ended.returncode, requests(sim)) == (7, {})
    assert f"wanbatch: {path} has changed since plan.json was saved (roof); nothing was sent\n" in ended.stderr


@pytest.mark.parametrize(
    "more", [["--out", "o"], ["--select", "alley"], ["--shard", "1/2"], ["--simulate"], ["--retry-failed"]]
)
def test_a_saved_plan_has_decided_already(more, in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp)), "--save", "plan.json"]) == 0
    assert guarded(["run", "plan.json", *more]) == 2
    assert f"a saved plan cannot be combined with {more[0]}" in capsys.readouterr().err


# another attempt


def test_only_the_failed_scenes_of_a_class_go_again(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "'[moderated output]'"), "utf-8")
    with service(
        QUICK, {"endpoint": "create", "kind": "fails", "code": "InvalidURL", "prompt": "roof", "times": 1}
    ) as sim:
        assert run(sim, path, "--retry-failed=service") == 3
        assert requests(sim)["create"] == 2
        assert run(sim, path, "--retry-failed", "service") == 3
        assert requests(sim)["create"] == 2
        assert run(sim, path, "--retry-failed", "parameters") == 3
        assert requests(sim)["create"] == 3
        assert len(sim.stats()["accepted_by_prompt"]["a roof in the rain"]) == 2
        assert guarded(["run", "--retry-failed", str(path), "--base-url", sim.base_url, "--yes", *FAST]) == 3
        assert requests(sim)["create"] == 4


@pytest.mark.parametrize("which", CLASSES)
def test_a_class_may_stand_apart_or_behind_an_equals_sign(which, in_tmp):
    path = str(write_manifest(in_tmp))
    assert guarded(["run", "--retry-failed", which, path, "--simulate", "-q"]) == 0
    assert guarded(["run", f"--retry-failed={which}", path, "--simulate", "-q"]) == 0
    assert guarded(["run", "--simulate", "-q", "--retry-failed", "--", path]) == 0


# what programs read


def test_with_log_format_json_each_line_of_stderr_is_an_object_and_none_shows_a_prompt_or_a_key(in_tmp):
    with service(QUICK) as sim:
        ended = wanbatch(
            "run", write_manifest(in_tmp), "--yes", "--base-url", sim.base_url, "--log-format", "json", *FAST
        )
    assert ended.returncode == 0
    said = objects(ended.stderr)
    assert {one["format"] for one in said} == {1}
    changes = [one["event"] for one in said if one["event"] != "Said"]
    saved = ["SubmitIntended", "SubmitAccepted", "TaskSucceeded", "VideoSaved"]
    assert changes == ["RunStarted", "Planned", *saved, "RunEnded"]
    assert said[-1]["exit_code"] == 0
    assert "in the rain" not in ended.stderr
    assert CANARY not in ended.stderr
    assert ended.stdout == "out/film/videos/alley.mp4\n"


@pytest.mark.parametrize("args", [["run", "film.yaml"], ["run", "no-such.yaml", "--yes"]])
def test_with_log_format_json_a_refusal_is_an_object_too(args, in_tmp):
    write_manifest(in_tmp)
    ended = wanbatch(*args, "--log-format", "json")
    assert ended.returncode in (2, 5, 7)
    said = objects(ended.stderr)
    assert any("nothing was sent" in one.get("message", "") or "no-such" in one.get("message", "") for one in said)


def test_with_log_format_json_failed_scenes_are_told_and_no_table_is_drawn(in_tmp):
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "'[moderated output]'"), "utf-8")
    with service(QUICK) as sim:
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, "--log-format", "json", *FAST)
    assert ended.returncode == 3
    failed = next(one for one in objects(ended.stderr) if one["event"] == "TaskFailed")
    assert (failed["scene"], failed["state"]) == ("alley", "failed")


def test_events_are_appended_run_after_run(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(QUICK) as sim:
        for name in ("alley", "roof"):
            assert run(sim, path, "--select", name, "--events", "events.jsonl") == 0
        assert run(sim, path, "--events", "events.jsonl") == 0
    told = objects((in_tmp / "events.jsonl").read_text("utf-8"))
    assert [one["event"] for one in told].count("RunStarted") == 3
    assert [one["scene"] for one in told if one["event"] == "VideoSaved"] == ["alley", "roof"]
    assert [one["exit_code"] for one in told if one["event"] == "RunEnded"] == [0, 0, 0]


@pytest.mark.parametrize("where", ["/dev/full", "no-such-folder/events.jsonl", "pipe"])
def test_events_that_cannot_be_written_are_said_once_and_fail_no_run(where, in_tmp, capsys):
    import os

    os.mkfifo("pipe")  # nobody reads it
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--events", where) == 0
    said = capsys.readouterr().err
    assert said.count(f"no more events are written to {where}: ") == 1


def test_another_attempt_that_was_approved_is_told(in_tmp):
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "'[moderated output]'"), "utf-8")
    with service(QUICK) as sim:
        assert run(sim, path) == 3
        assert run(sim, path, "--retry-failed", "--events", "events.jsonl") == 3
    told = [one["event"] for one in objects((in_tmp / "events.jsonl").read_text("utf-8"))]
    assert told[:1] == ["ResubmitApproved"] or told[1:2] == ["ResubmitApproved"]


def test_a_health_check_is_told_of_start_and_success(in_tmp):
    with service(QUICK) as sim, Listener() as check:
        assert run(sim, write_manifest(in_tmp), "--ping", check.url) == 0
    assert check.paths == ["/check/start", "/check"]


def test_a_health_check_of_the_environment_is_told_of_failure_with_the_exit_code(in_tmp, monkeypatch):
    path = in_tmp / "film.yaml"
    with service(QUICK) as sim, Listener() as check:
        monkeypatch.setenv("WANBATCH_PING_URL", check.url)
        path.write_text("wanbatch: 1\nscenes: []\n", "utf-8")
        assert run(sim, path) == 5
    assert check.paths == ["/check/start", "/check/fail?exit_code=5"]


def test_a_simulated_run_does_not_tell_the_health_check_of_the_environment(in_tmp, monkeypatch):
    with Listener() as check:
        monkeypatch.setenv("WANBATCH_PING_URL", check.url)
        assert guarded(["run", str(write_manifest(in_tmp)), "--simulate", "-q"]) == 0
    assert check.paths == []


def test_a_health_check_that_nobody_answers_fails_no_run(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp), "--ping", "http://127.0.0.1:9/secret-uuid") == 0
    said = capsys.readouterr().err
    assert "could not tell 127.0.0.1 (start)" in said
    assert "secret-uuid" not in said


# results.json


@pytest.mark.parametrize(
    ("key", "yes", "code", "reason"),
    [
        ("sk-invalid", ["--yes"], 6, "the service refuses the account: InvalidApiKey: "),
        (CANARY, [], 7, "nobody to ask whether to submit; nothing was sent"),
        ("not a key", ["--yes"], 6, "DASHSCOPE_API_KEY holds 9 characters that are no API key; nothing was sent"),
    ],
)
def test_every_scene_that_was_not_reached_has_its_row_and_the_reason(key, yes, code, reason, in_tmp, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", key)
    with service(QUICK) as sim:
        assert wanbatch("run", write_manifest(in_tmp, *THREE), *yes, "--base-url", sim.base_url).returncode == code
    found = results(in_tmp / "out/film")
    assert found["exit_code"] == code
    assert [row["scene"] for row in found["scenes"]] == list(THREE)
    for row in found["scenes"]:
        assert row["outcome"] == "not_reached"
        assert row["reason"].startswith(reason)


def test_an_interrupted_run_leaves_its_results_too(in_tmp):
    folder = in_tmp / "out/film"
    with service(NEVER) as sim:
        process = start(
            "run", write_manifest(in_tmp, *THREE), "--yes", "--base-url", sim.base_url, "--concurrency", "1", *FAST
        )
        wait_until(lambda: "SubmitAccepted" in kinds(folder))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said
    assert [outcome for outcome, _ in rows(folder).values()] == ["in_flight", "not_reached", "not_reached"]
    assert results(folder)["exit_code"] == 143


def test_results_that_cannot_be_written_are_an_error_since_they_would_be_an_earlier_runs(in_tmp, capsys):
    path = write_manifest(in_tmp)
    (in_tmp / "out/film/results.json/x").mkdir(parents=True)
    with service(QUICK) as sim:
        assert run(sim, path) == 9
    said = capsys.readouterr()
    assert "cannot write out/film/results.json: " in said.err
    assert said.out == "out/film/videos/alley.mp4\n"


def test_a_refused_simulation_does_not_touch_the_results_of_real_videos(in_tmp):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        assert run(sim, path) == 0
    before = (in_tmp / "out/film/results.json").read_bytes()
    assert guarded(["run", str(path), "--simulate", "--out", "out/film"]) == 2
    assert (in_tmp / "out/film/results.json").read_bytes() == before


# accounts, regions, and what a first try does without


def test_the_named_accounts_share_the_work_and_each_uses_its_own_key(in_tmp, monkeypatch):
    path = write_manifest(in_tmp, *(f"s{number}" for number in range(8)))
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("KEY_ONE", "sk-one")
    monkeypatch.setenv("KEY_TWO", "sk-two")
    with service(Rules(pending_s=0, render_s=1, accounts="by_key")) as sim:
        config = in_tmp / "config.yaml"
        named = [f"  {name}: {{base_url: '{sim.base_url}', region: cn-beijing, key_env: KEY_{name.upper()}}}"
                 for name in ("one", "two")]  # fmt: skip
        config.write_text("\n".join(["wanbatch_config: 1", "accounts:", *named, ""]), "utf-8")
        monkeypatch.setenv("WANBATCH_CONFIG", str(config))
        assert guarded(["run", str(path), "--account", "one", "--account", "two", "--yes", "-q", *FAST]) == 0
    assert {row["account"] for row in results(in_tmp / "out/film")["scenes"]} == {"one", "two"}


def test_the_region_decides_price_and_currency(in_tmp):
    ended = wanbatch("run", write_manifest(in_tmp), "--region", "ap-southeast-1")
    assert ended.returncode == 7
    assert "0.50 USD" in ended.stderr


def test_a_simulated_run_reads_no_configuration_and_needs_no_ledger(in_tmp, monkeypatch):
    (in_tmp / "config.yaml").write_text("accounts: [", "utf-8")
    (in_tmp / "state").write_text("no folder", "utf-8")
    monkeypatch.setenv("WANBATCH_CONFIG", str(in_tmp / "config.yaml"))
    monkeypatch.setenv("WANBATCH_STATE", str(in_tmp / "state"))
    ended = wanbatch("run", write_manifest(in_tmp), "--simulate", "--max-cost", "1 CNY")
    assert ended.returncode == 0, ended.stderr
    assert (in_tmp / "state").read_text("utf-8") == "no folder"


# the command that goes on


def test_a_hint_repeats_all_that_decides_what_is_paid_and_where(in_tmp):
    options = Options(
        verb="run",
        manifest=in_tmp / "my film.yaml",
        out=in_tmp / "o",
        selection="tag:a b",
        shard=Shard(2, 3),
        region="ap-southeast-1",
        accounts=("one", "two"),
        max_cost=(Cap("run", Decimal(13), "CNY"),),
        settle=90.0,
        yes=True,
        deadline=60.0,
        quiet=True,
    )
    assert options.typed("run") == (
        f"wanbatch run '{in_tmp}/my film.yaml' --out {in_tmp}/o --select 'tag:a b' --shard 2/3 --region ap-southeast-1 "
        "--settle 90 --account one --account two --max-cost '13.00 CNY' --yes"
    )
    assert options.typed("wait").endswith("--account one --account two")


def test_a_no_to_another_attempt_is_no_approval(in_tmp):
    path = write_manifest(in_tmp, "alley")
    denied = {"endpoint": "create", "kind": "denied", "code": "DataInspectionFailed", "nth": 1}
    with service(QUICK, denied) as sim:
        assert wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST).returncode == 3
        asked = wanbatch("run", path, "--retry-failed", "--base-url", sim.base_url, *FAST)
        assert asked.returncode == 7
        assert "1 to submit" in asked.stderr
        assert asked.stderr.rstrip().endswith("--yes --retry-failed=all")
        assert wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST).returncode == 3
        assert sim.stats()["requests"]["create"] == 1
        assert wanbatch("run", path, "--yes", "--retry-failed", "--base-url", sim.base_url, *FAST).returncode == 0


@pytest.mark.parametrize("flag", ["--submit-rate", "--query-rate"])
def test_a_rate_that_is_no_number_is_refused(flag, in_tmp):
    ended = wanbatch("run", write_manifest(in_tmp), "--yes", flag, "nan")
    assert ended.returncode == 2
    assert "'nan' is no rate" in ended.stderr


def test_one_folder_by_two_names_is_counted_once(in_tmp):
    with service(QUICK) as sim:
        options = ("--yes", "--base-url", sim.base_url, *FAST)
        assert wanbatch("run", write_manifest(in_tmp, "alley"), "--out", "out/f", *options).returncode == 0
        (in_tmp / "link").symlink_to(in_tmp / "out")
        more = wanbatch("run", write_manifest(in_tmp, "alley", "roof"), "--out", "link/f", *options)
        assert more.returncode == 0, more.stderr
    rows = json.loads(wanbatch("spend", "--rehearsal", "--json").stdout)
    assert rows["total"][0]["attempts"] == 2, rows


def test_a_cap_that_is_smaller_than_the_plan_is_said_before_anything_is_sent(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof", "cellar")
    with service(QUICK) as sim:
        ended = wanbatch("run", path, "--max-cost", "7 CNY", "--base-url", sim.base_url, *FAST)
        assert ended.returncode == 7
        first, second = ended.stderr.splitlines()[:2]
        assert first.startswith("plan: 3 to submit")
        assert second == "the cap of 7.00 CNY per run covers 2 of 3 scenes; what it does not cover is left undone"
        whole = wanbatch("run", path, "--max-cost", "7 CNY", "--base-url", sim.base_url, *FAST)
        assert (whole.returncode, "covers" in whole.stderr) == (0, False)
