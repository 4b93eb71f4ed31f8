"""plan: what a run would do, why, at what price; asks nobody and needs no key."""

import json
from decimal import Decimal

import pytest
from cli.stage import QUICK, run, service
from cli.written import made
from support import write_manifest

from wanbatch.cli.door import guarded
from wanbatch.cli.pricing import dearest, tasks_at_once
from wanbatch.money.amount import Cost

BEIJING = "https://dashscope.aliyuncs.com/api/v1"


@pytest.fixture
def nobody_to_ask(monkeypatch):
    """No key; whoever goes to the network fails."""
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", BEIJING)


def test_a_plan_needs_no_key_and_no_network_and_leaves_nothing_behind(nobody_to_ask, in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof")
    assert guarded(["plan", str(path)]) == 0
    assert sorted(one.name for one in in_tmp.iterdir()) == ["film.yaml"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["scene", "action", "length", "price", "why"]
    assert shown[1].split() == ["alley", "submit", "5", "s", "3.00", "CNY", "new"]
    assert shown[-1].startswith("plan: 2 to submit (10 s, 6.00 CNY at prices of ")


def test_a_plan_as_json_is_a_contract(nobody_to_ask, in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp, "alley")), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["format", "folder", "summary", "counts", "submit", "paid", "takes_s", "entries"]
    assert said["format"] == 1
    assert list(said["counts"]) == [
        "new", "stale", "kept", "in_flight", "fetch", "restore", "done", "failed", "held",
    ]  # fmt: skip
    assert list(said["submit"]) == ["count", "seconds", "cost", "prices_as_of", "unknown_prices"]
    assert said["submit"]["cost"] == {"CNY": "3.0"}
    assert said["paid"] == {"count": 0, "seconds": 0, "cost": {}, "prices_as_of": None, "unknown_prices": 0}
    assert said["takes_s"] is None
    assert list(said["entries"][0]) == [
        "scene", "take", "job", "action", "reason", "changes", "seconds", "cost", "task_id", "path",
        "expires_at", "picked",
    ]  # fmt: skip
    assert list(said["entries"][0]["cost"]) == ["amount", "currency", "as_of"]


def test_a_plan_says_what_changed_in_an_edited_scene(in_tmp, capsys):
    with service(QUICK) as sim:
        assert run(sim, write_manifest(in_tmp, "alley", "roof")) == 0
    path = write_manifest(in_tmp, "alley", "roof", "cellar")
    path.write_text(path.read_text("utf-8").replace("a roof in the rain", "a roof in the sun"), "utf-8")
    capsys.readouterr()
    assert guarded(["plan", str(path)]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.splitlines()[1:4]] == [
        ["alley", "done"], ["roof", "submit"], ["cellar", "submit"],
    ]  # fmt: skip
    assert "changed since it was made: prompt" in shown
    assert "2 to submit (10 s, 6.00 CNY at prices of 2026-08, 1 of them stale), 1 done" in shown


def test_a_selection_plans_only_that(in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp, "alley", "roof")), "--select", "r*", "--json"]) == 0
    assert [entry["scene"] for entry in json.loads(capsys.readouterr().out)["entries"]] == ["roof"]


def test_a_base_url_that_would_show_the_key_is_refused(in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp)), "--base-url", "http://example.com/api/v1"]) == 2
    assert "http only on this machine" in capsys.readouterr().err


def test_a_plan_says_what_is_paid_and_how_long_it_takes_before_the_sentence_ends(nobody_to_ask, in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof", "cellar")
    made(in_tmp, path, "alley", seconds=600)
    assert guarded(["plan", str(path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2] == "already paid: 1 video (5 s, 3.00 CNY at prices of 2026-08)"
    assert shown[-1] == "plan: 2 to submit (10 s, 6.00 CNY at prices of 2026-08), 1 done; about 10 min"
    assert guarded(["plan", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["takes_s"], said["paid"]["count"], said["paid"]["cost"]) == (600.0, 1, {"CNY": "3.0"})
    assert said["summary"] == shown[-1]


def test_the_manifests_own_cap_of_tasks_at_once_counts(nobody_to_ask, in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", "roof", "cellar")
    path.write_text(path.read_text("utf-8").replace("scenes:", "run: {concurrency: 1}\nscenes:"), "utf-8")
    made(in_tmp, path, "alley", seconds=600)
    assert guarded(["plan", str(path)]) == 0
    assert capsys.readouterr().out.endswith("; about 20 min\n")


def test_the_region_decides_price_and_currency(in_tmp, monkeypatch, capsys):
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")
    path = write_manifest(in_tmp)
    assert guarded(["plan", str(path), "--region", "ap-southeast-1"]) == 0
    assert "(5 s, 0.50 USD at prices of " in capsys.readouterr().out


def configured(folder, monkeypatch, *accounts):
    file = folder / "config.yaml"
    lines = [f"  {name}: {{region: {region}, workspace: ws-x, key_env: NO_KEY}}" for name, region in accounts]
    file.write_text("\n".join(["wanbatch_config: 1", "accounts:", *lines]) + "\n", "utf-8")
    monkeypatch.setenv("WANBATCH_CONFIG", str(file))
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")


def test_a_plan_with_accounts_needs_none_of_their_keys(in_tmp, monkeypatch, capsys):
    configured(in_tmp, monkeypatch, ("main", "cn-beijing"), ("sea", "ap-southeast-1"))
    path = write_manifest(in_tmp)
    assert guarded(["plan", str(path), "--account", "sea"]) == 0
    assert "(5 s, 0.50 USD at prices of " in capsys.readouterr().out
    assert guarded(["plan", str(path), "--account", "main"]) == 0
    assert "(5 s, 3.00 CNY at prices of " in capsys.readouterr().out
    assert guarded(["plan", str(path), "--account", "mian"]) == 2
    assert "did you mean main?" in capsys.readouterr().err


def test_the_manifests_own_accounts_count_where_the_command_line_names_none(in_tmp, monkeypatch, capsys):
    configured(in_tmp, monkeypatch, ("main", "cn-beijing"), ("sea", "ap-southeast-1"))
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8").replace("scenes:", "run: {accounts: [sea]}\nscenes:"), "utf-8")
    assert guarded(["plan", str(path)]) == 0
    assert "0.50 USD" in capsys.readouterr().out
    assert guarded(["plan", str(path), "--account", "main"]) == 0
    assert "3.00 CNY" in capsys.readouterr().out
    assert guarded(["plan", str(path), "--base-url", BEIJING]) == 0
    assert "3.00 CNY" in capsys.readouterr().out


def test_an_account_has_a_region_of_its_own(in_tmp, monkeypatch, capsys):
    configured(in_tmp, monkeypatch, ("main", "cn-beijing"))
    path = write_manifest(in_tmp)
    for flag, value in (("--region", "ap-southeast-1"), ("--base-url", BEIJING)):
        assert guarded(["plan", str(path), "--account", "main", flag, value]) == 2
        assert f"{flag} and a named account exclude each other" in capsys.readouterr().err


def test_accounts_of_two_currencies_have_no_sum_that_can_be_promised(in_tmp, monkeypatch, capsys):
    configured(in_tmp, monkeypatch, ("main", "cn-beijing"), ("sea", "ap-southeast-1"))
    assert guarded(["plan", str(write_manifest(in_tmp)), "--account", "all"]) == 0
    assert "1 to submit (5 s, price unknown)" in capsys.readouterr().out


def test_several_accounts_have_more_tasks_at_once_within_the_cap_of_the_run(in_tmp, monkeypatch):
    configured(in_tmp, monkeypatch, ("one", "cn-beijing"), ("two", "cn-beijing"))
    assert tasks_at_once((), None) == 5
    assert tasks_at_once((), 2) == 2
    assert tasks_at_once((), 20) == 20, "the environment's account may have more than is documented"
    assert tasks_at_once(("one",), None) == 5
    assert tasks_at_once(("all",), None) == 10
    assert tasks_at_once(("all",), 7) == 7
    assert tasks_at_once(("one",), 7) == 5


def test_of_several_prices_the_dearest_counts_and_one_that_is_not_known_makes_the_sum_unknown():
    cheap, dear, foreign = (
        Cost(Decimal(3), "CNY", "2026-08-15"), Cost(Decimal(5), "CNY", "2026-08-15"),
        Cost(Decimal(1), "USD", "2026-08-15"),
    )  # fmt: skip
    assert dearest([cheap, dear]) == dear
    assert dearest([cheap, None]) is None
    assert dearest([cheap, foreign]) is None


def test_a_plan_says_that_there_are_warnings_and_where_they_are_told(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley", prompt_extend="true")
    assert guarded(["plan", str(path), "--set", "defaults.ratio=9:16"]) == 0
    assert "2 warnings (W401, W402): wanbatch validate " in capsys.readouterr().err
    assert (
        guarded(["plan", str(path), "--set", "defaults.prompt_extend=false", "--set", f"defaults.model={DATED}"]) == 0
    )
    assert "warning" not in capsys.readouterr().err


DATED = "wan2.7-t2v-2026-06-12"
"""A model that moves no more, so that nothing is to be warned of."""
