"""Several configured accounts: who is used first, who collects, and where a lost answer is looked for."""

import json
import os
import signal

import pytest
from cli.stage import FAST, events, service, start, wait_until, wanbatch
from support import write_manifest

from wanbatch.simulator.rules import Rules

QUICK = Rules(render_s=0.05, pending_s=0.0, accounts="by_key")
SLOW = Rules(render_s=2.0, pending_s=0.0, accounts="by_key")
LOST = {"endpoint": "create", "kind": "reset_after_accept", "nth": 1}


@pytest.fixture
def configured(in_tmp, monkeypatch):
    """Write a configuration of two accounts, in two regions, at one simulator."""

    def write(base_url: str, more: str = "") -> None:
        path = in_tmp / "config.yaml"
        path.write_text(
            "wanbatch_config: 1\n"
            f"{more}"
            "accounts:\n"
            f'  north: {{base_url: "{base_url}", region: ap-southeast-1, key_env: NORTH_KEY}}\n'
            f'  south: {{base_url: "{base_url}", region: cn-beijing, key_env: SOUTH_KEY}}\n',
            "utf-8",
        )
        monkeypatch.setenv("WANBATCH_CONFIG", str(path))
        monkeypatch.setenv("NORTH_KEY", "sk-north-0123456789")
        monkeypatch.setenv("SOUTH_KEY", "sk-south-0123456789")

    return write


def lanes(folder) -> list[str]:
    return [line.get("lane", "") for line in events(folder) if line["event"] == "SubmitIntended"]


def test_scenes_go_to_every_account_that_is_named(in_tmp, configured):
    path = write_manifest(in_tmp, *(f"s{n}" for n in range(12)))
    with service(SLOW) as sim:
        configured(sim.base_url)
        ended = wanbatch("run", path, "--yes", "--account", "all", *FAST)
        assert ended.returncode == 0, ended.stderr
        assert sim.stats()["accepted"] == 12
    assert set(lanes(in_tmp / "out/film")) == {"north", "south"}


def test_what_one_account_has_is_collected_by_a_run_over_another(in_tmp, configured):
    path = write_manifest(in_tmp, "alley", "roof")
    with service(SLOW) as sim:
        configured(sim.base_url)
        process = start("run", path, "--yes", "--account", "north", *FAST)
        journal = in_tmp / "out/film/journal.jsonl"
        wait_until(lambda: journal.exists() and "SubmitAccepted" in journal.read_text("utf-8"))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert wanbatch("run", path, "--yes", "--account", "south", *FAST).returncode == 0
        assert sim.stats()["accepted"] == 2
    assert "north" in lanes(in_tmp / "out/film")


def test_tasks_of_an_account_that_is_gone_are_named_and_wait(in_tmp, configured, monkeypatch):
    path = write_manifest(in_tmp, "alley")
    with service(SLOW) as sim:
        configured(sim.base_url)
        assert wanbatch("submit", path, "--yes", "--account", "north", *FAST).returncode == 4
        monkeypatch.delenv("NORTH_KEY")
        ended = wanbatch("wait", path, "--account", "south", *FAST)
        assert ended.returncode == 4, ended.stderr
        assert "tasks of account north cannot be asked for: account north: no key in NORTH_KEY" in ended.stderr
        monkeypatch.setenv("NORTH_KEY", "sk-north-0123456789")
        assert wanbatch("wait", path, "--account", "south", *FAST).returncode == 0


def test_the_cheapest_account_is_used_first_when_asked(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        configured(sim.base_url, "currency: USD\n")
        options = ("--account", "north", "--account", "south", *FAST)
        assert wanbatch("run", path, "--yes", *options).returncode == 0
        assert (
            wanbatch("run", path, "--yes", "--ignore-orphans", "--out", "o", "--cheapest-first", *options).returncode
            == 0
        )
    assert lanes(in_tmp / "out/film") == ["north"]
    assert lanes(in_tmp / "o") == ["south"], "0.086 USD a second and not 0.10"


def test_prices_that_cannot_be_compared_are_not_guessed_at(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        configured(sim.base_url)
        ended = wanbatch("run", path, "--yes", "--cheapest-first", "--account", "all", *FAST)
        assert ended.returncode == 2
        assert (
            "--cheapest-first cannot compare prices that are in different currencies; nothing was sent" in ended.stderr
        )
        assert sim.stats()["accepted"] == 0


def test_a_lost_answer_is_looked_for_where_it_was_lost(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK, LOST) as sim:
        configured(sim.base_url)
        process = start("run", path, "--yes", "--account", "south", "--settle", 60, *FAST)
        journal = in_tmp / "out/film/journal.jsonl"
        wait_until(lambda: journal.exists() and "SubmitUnclear" in journal.read_text("utf-8"))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        ended = wanbatch("reconcile", path, "--settle", 0)
        assert ended.returncode == 4, ended.stderr
        assert wanbatch("run", path, "--yes", "--account", "north", *FAST).returncode == 0
        assert sim.stats()["accepted"] == 1


def test_an_adopted_task_is_asked_for_at_the_account_that_is_named(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        configured(sim.base_url)
        assert wanbatch("run", path, "--yes", "--account", "south", *FAST).returncode == 0
        (task,) = [line["task_id"] for line in events(in_tmp / "out/film") if line["event"] == "SubmitAccepted"]
        assert wanbatch("adopt", path, task, "--as", "alley", "--out", "o", "--account", "sout").returncode == 2
        assert wanbatch("adopt", path, task, "--as", "alley", "--out", "o", "--account", "south").returncode == 0
        ended = wanbatch("run", path, "--yes", "--out", "o", "--account", "north", *FAST)
        assert ended.returncode == 0, ended.stderr
        assert sim.stats()["accepted"] == 1
    assert json.loads((in_tmp / "o/videos/alley.json").read_text())["task_id"] == task


def test_a_forgotten_task_is_named_with_the_account_that_has_it(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        configured(sim.base_url)
        options = ("--account", "north", "--account", "south", *FAST)
        assert wanbatch("run", path, "--yes", "--account", "south", *FAST).returncode == 0
        (in_tmp / "out/film/journal.jsonl").unlink()
        ended = wanbatch("run", path, "--yes", "--out", "o", *options)
        assert ended.returncode == 8
        hint = next(line for line in ended.stderr.splitlines() if "wanbatch adopt" in line)
        assert "--account south" in hint
        words = hint[hint.index("wanbatch adopt") :].split()[1:]
        assert wanbatch(*words).returncode == 0
        assert wanbatch("run", path, "--yes", "--out", "o", *options).returncode == 0
        assert sim.stats()["accepted"] == 1


def test_each_currency_has_its_own_cap_and_an_account_without_one_leaves_the_others_alone(in_tmp, configured):
    path = write_manifest(in_tmp, *(f"s{n}" for n in range(6)))
    with service(QUICK) as sim:
        configured(sim.base_url)
        options = ("--account", "all", *FAST)
        both = wanbatch("run", path, "--max-cost", "9 CNY", "--max-cost", "1 USD", *options)
        assert both.returncode == 7, both.stderr
        made = lanes(in_tmp / "out/film")
        assert (made.count("north"), made.count("south")) == (2, 3), "0.50 USD and 3.00 CNY each"
        one = wanbatch("run", path, "--out", "o", "--ignore-orphans", "--max-cost", "18 CNY", *options)
        assert one.returncode == 0, one.stderr
        assert "account north: the cap of 18.00 CNY per run allows no more: it is priced in USD" in one.stderr
        assert set(lanes(in_tmp / "o")) == {"south"}


def test_what_was_made_is_priced_by_the_account_that_made_it(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    with service(QUICK) as sim:
        configured(sim.base_url)
        assert wanbatch("run", path, "--yes", "--account", "north", *FAST).returncode == 0
    (row,) = json.loads((in_tmp / "out/film/results.json").read_text())["scenes"]
    assert (row["account"], row["cost"]["amount"], row["cost"]["currency"]) == ("north", "0.50", "USD")
    assert "already paid: 1 video (5 s, 0.50 USD" in wanbatch("plan", path).stdout


def test_who_only_waits_needs_no_other_key_than_the_one_that_made_the_tasks(in_tmp, configured, monkeypatch):
    path = write_manifest(in_tmp, "alley")
    with service(SLOW) as sim:
        configured(sim.base_url)
        assert wanbatch("submit", path, "--yes", "--account", "north", *FAST).returncode == 4
        monkeypatch.delenv("DASHSCOPE_API_KEY")
        monkeypatch.delenv("SOUTH_KEY")
        ended = wanbatch("wait", path, *FAST)
        assert ended.returncode == 0, ended.stderr


def test_waiting_collects_what_it_can_although_another_account_is_gone(in_tmp, configured, monkeypatch):
    path = write_manifest(in_tmp, *(f"s{n}" for n in range(6)))
    with service(SLOW) as sim:
        configured(sim.base_url)
        assert wanbatch("submit", path, "--yes", "--account", "all", *FAST).returncode == 4
        assert set(lanes(in_tmp / "out/film")) == {"north", "south"}
        monkeypatch.delenv("NORTH_KEY")
        ended = wanbatch("wait", path, *FAST)
        assert ended.returncode == 4, ended.stderr
        assert "tasks of account north cannot be asked for" in ended.stderr
    south = lanes(in_tmp / "out/film").count("south")
    assert len(list((in_tmp / "out/film/videos").glob("*.mp4"))) == south > 0


def test_an_account_that_is_refused_and_has_tasks_is_the_exit_code_although_others_went_on(in_tmp, configured):
    path = write_manifest(in_tmp, "alley")
    denied = {"endpoint": "query", "kind": "denied", "code": "InvalidApiKey", "key": "north", "times": 99}
    with service(SLOW, denied) as sim:
        configured(sim.base_url)
        assert wanbatch("submit", path, "--yes", "--account", "north", *FAST).returncode == 4
        ended = wanbatch("run", path, "--yes", "--account", "all", *FAST)
        assert ended.returncode == 6, ended.stderr
        assert "account north: the service refuses the account: InvalidApiKey" in ended.stderr
