"""spend: what all runs of this user have spent."""

import json
import time
from decimal import Decimal

import pytest
from money.books import DAY_S, opened, standing
from support import NOW

from wanbatch.cli.door import guarded
from wanbatch.money.ledger import State


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The folder of the ledger, in Shanghai."""
    monkeypatch.setenv("WANBATCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield tmp_path / "state"
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def filled(state):
    """Two days, two manifests, two currencies."""
    with opened(state) as ledger:
        ledger.put(standing("alley", state=State.BILLED, at=NOW - DAY_S), NOW)
        ledger.put(standing("alley", 2, state=State.DOUBT), NOW)
        ledger.put(standing("roof", state=State.OPEN, amount=Decimal("4.5")), NOW)
        ledger.put(standing("roof", state=State.BILLED, manifest="ad.yaml", journal="/out/ad", currency="USD"), NOW)
        ledger.put(standing("failed", state=State.FREE), NOW)
    return state


def said(capsys, *args):
    capsys.readouterr()
    assert guarded(["spend", *args]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_spend_shows_each_day_and_the_total_of_each_currency(filled, capsys):
    assert said(capsys) == [
        ["day", "billed", "reserved", "in", "doubt", "attempts"],
        ["2027-01-14", "3.00", "0.00", "0.00", "CNY", "1"],
        ["2027-01-15", "0.00", "4.50", "3.00", "CNY", "2"],
        ["2027-01-15", "3.00", "0.00", "0.00", "USD", "1"],
        ["total", "3.00", "4.50", "3.00", "CNY", "3"],
        ["total", "3.00", "0.00", "0.00", "USD", "1"],
    ]


def test_spend_by_manifest_and_by_scene(filled, capsys):
    assert said(capsys, "--by", "manifest")[1:3] == [
        ["film.yaml", "3.00", "4.50", "3.00", "CNY", "3"],
        ["ad.yaml", "3.00", "0.00", "0.00", "USD", "1"],
    ]
    assert [line[:2] for line in said(capsys, "--by", "scene")[1:-2]] == [
        ["film.yaml", "alley"], ["film.yaml", "roof"], ["ad.yaml", "roof"],
    ]  # fmt: skip


def test_the_days_asked_for_are_local_and_the_last_one_is_included(state, capsys):
    midnight = time.mktime((2027, 1, 15, 0, 0, 0, 0, 0, -1))
    with opened(state) as ledger:
        for job, at in (("before", midnight - 1), ("first", midnight), ("last", midnight + DAY_S - 1)):
            ledger.put(standing(job, state=State.BILLED, at=at), NOW)
        ledger.put(standing("after", state=State.BILLED, at=midnight + DAY_S), NOW)
    shown = said(capsys, "--since", "2027-01-15", "--until", "2027-01-15", "--by", "scene")
    assert [line[1] for line in shown[1:-1]] == ["first", "last"]


def test_a_price_that_is_not_known_is_not_shown_as_nothing(state, capsys):
    with opened(state) as ledger:
        ledger.put(standing(state=State.BILLED, amount=None, currency=None), NOW)
    assert said(capsys)[1] == ["2027-01-15", "unknown", "1"]
    assert guarded(["spend"]) == 0
    assert capsys.readouterr().err == "wanbatch: these sums lack what has no known price (1 attempt)\n"


def test_spend_as_json_is_a_contract(filled, capsys):
    capsys.readouterr()
    assert guarded(["spend", "--json", "--since", "2027-01-15"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "format": 1, "ledger": str(filled / "ledger.db"), "since": "2027-01-15", "until": None, "by": "day",
        "groups": [
            {"day": "2027-01-15", "currency": "CNY", "billed": "0.00", "reserved": "4.50", "doubt": "3.00",
             "attempts": 2, "unknown": 0},
            {"day": "2027-01-15", "currency": "USD", "billed": "3.00", "reserved": "0.00", "doubt": "0.00",
             "attempts": 1, "unknown": 0},
        ],
        "total": [
            {"currency": "CNY", "billed": "0.00", "reserved": "4.50", "doubt": "3.00", "attempts": 2, "unknown": 0},
            {"currency": "USD", "billed": "3.00", "reserved": "0.00", "doubt": "0.00", "attempts": 1, "unknown": 0},
        ],
    }  # fmt: skip


def test_where_nothing_was_spent_spend_says_so_and_makes_no_ledger(state, capsys):
    assert said(capsys, "--since", "2027-01-15") == [
        ["spend:", "nothing", "since", "2027-01-15", "in", str(state / "ledger.db")]
    ]
    assert not state.exists()


def test_days_in_the_wrong_order_are_a_mistake(state, capsys):
    assert guarded(["spend", "--since", "2027-01-15", "--until", "2027-01-14"]) == 2
    assert "--until 2027-01-14 is before --since 2027-01-15" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_read_is_exit_9_with_the_next_command(state, capsys):
    state.mkdir()
    (state / "ledger.db").write_text("dear diary\n" * 100, "utf-8")
    assert guarded(["spend"]) == 9
    complaint, hint = capsys.readouterr().err.splitlines()
    assert complaint.startswith(f"wanbatch: the ledger {state}/ledger.db cannot be read: ")
    assert f"mv {state}/ledger.db " in hint
