"""plan: what a run would do, why, at what price; asks nobody and needs no key."""

import json

import pytest
from cli.stage import QUICK, run, service
from support import write_manifest

from wanbatch.cli.door import guarded

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
    assert list(said) == ["format", "folder", "summary", "counts", "submit", "entries"]
    assert said["format"] == 1
    assert list(said["counts"]) == [
        "new", "stale", "kept", "in_flight", "fetch", "restore", "done", "failed", "held",
    ]  # fmt: skip
    assert list(said["submit"]) == ["count", "seconds", "cost", "prices_as_of", "unknown_prices"]
    assert said["submit"]["cost"] == {"CNY": "3.00"} or said["submit"]["cost"]["CNY"].startswith("3.0")
    assert list(said["entries"][0]) == [
        "scene", "take", "job", "action", "reason", "changes", "seconds", "cost", "task_id", "path",
        "expires_at",
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
    assert "2 to submit, 1 of them stale (10 s, price unknown), 1 done" in shown


def test_a_selection_plans_only_that(in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp, "alley", "roof")), "--select", "r*", "--json"]) == 0
    assert [entry["scene"] for entry in json.loads(capsys.readouterr().out)["entries"]] == ["roof"]


def test_a_base_url_that_would_show_the_key_is_refused(in_tmp, capsys):
    assert guarded(["plan", str(write_manifest(in_tmp)), "--base-url", "http://example.com/api/v1"]) == 2
    assert "http only on this machine" in capsys.readouterr().err
