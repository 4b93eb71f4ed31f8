"""`wanbatch doctor`: each promise of a run is tried, nothing is spent, and the exit code says who has to act."""

import json
import re
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from cli.stage import QUICK, requests, service
from conftest import CANARY

from wanbatch.cli import doctor_
from wanbatch.cli.door import guarded
from wanbatch.errors import Exit
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.seen import Kind, ReadFailed
from wanbatch.money.ledger import Ledger
from wanbatch.money.rows import Standing, State
from wanbatch.service.account import Account, Key
from wanbatch.service.accounts import Config
from wanbatch.service.catalog import PriceRow
from wanbatch.service.wire import Limits

GB = 1024**3
LANE = Lane("main")
ACCOUNT = Account(Key(CANARY), "https://dashscope.aliyuncs.com/api/v1", region="cn-beijing")


@pytest.fixture(autouse=True)
def place(in_tmp, monkeypatch):
    monkeypatch.setenv("WANBATCH_STATE", str(in_tmp / "state"))
    return in_tmp


def doctor(*args):
    return guarded(["doctor", *map(str, args)])


def findings(capsys, *args):
    """The exit code, and the findings by check."""
    capsys.readouterr()
    code = doctor("--json", *args)
    said = json.loads(capsys.readouterr().out)
    assert (said["format"], said["exit_code"]) == (1, code)
    return code, {(one["account"], one["check"]): one for one in said["findings"]}


def configure(folder, monkeypatch, text):
    (folder / "config.yaml").write_text(f"wanbatch_config: 1\n{text}\n")
    monkeypatch.setenv("WANBATCH_CONFIG", str(folder / "config.yaml"))


def test_a_healthy_place_is_exit_0_line_by_line(place, capsys):
    with service(QUICK) as sim:
        assert doctor("--base-url", sim.base_url) == 0
        host = sim.base_url.split("/")[2]
    shown = capsys.readouterr().out.splitlines()
    checks = ["config", "key", "region", "price", "clock", "limits", "disk", "lock", "ledger", "versions"]
    assert [line.split()[:2] for line in shown[:-1] if not line.startswith(" ")] == [["ok", one] for one in checks]
    assert f"ok    key        accepted by {host}" in shown
    assert shown[-1] == f"doctor: {len(checks)} ok, 0 to look at, 0 failed"
    assert not (place / "out").exists()
    assert [path for path in place.rglob("*") if "doctor" in path.name] == []


def test_nothing_is_submitted_and_two_questions_are_enough(place):
    with service(QUICK) as sim:
        assert doctor("--base-url", sim.base_url) == 0
        assert sim.stats()["accepted"] == 0
        assert sum(requests(sim).values()) <= 2
        assert "create" not in requests(sim)


def test_a_refused_key_is_exit_6_and_the_rest_is_checked(place, capsys, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid")
    with service(QUICK) as sim:
        code, found = findings(capsys, "--base-url", sim.base_url)
    assert code == Exit.ACCOUNT
    assert found["", "key"]["verdict"] == "fail"
    assert "InvalidApiKey" in found["", "key"]["said"]
    assert ("", "limits") not in found
    assert found["", "lock"]["verdict"] == found["", "ledger"]["verdict"] == "ok"


@pytest.mark.parametrize("key", [None, "", "two words"])
def test_without_a_key_the_rest_is_checked(place, capsys, monkeypatch, key):
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", "https://dashscope.aliyuncs.com/api/v1")
    monkeypatch.setenv("DASHSCOPE_API_KEY", key or "")
    if key is None:
        monkeypatch.delenv("DASHSCOPE_API_KEY")
    code, found = findings(capsys)
    assert code == Exit.ACCOUNT
    assert found["", "key"]["verdict"] == "fail"
    assert {check for _, check in found} == {"config", "key", "disk", "lock", "ledger", "versions"}


def test_a_service_that_cannot_be_reached_is_exit_4_and_says_nothing_of_the_clock(place, capsys):
    code, found = findings(capsys, "--base-url", "http://127.0.0.1:9/api/v1")
    assert code == Exit.RUNNING
    assert found["", "key"]["said"].startswith("127.0.0.1:9 gives no answer: ")
    assert ("", "clock") not in found


def test_a_folder_that_cannot_be_written_is_exit_9(place, capsys):
    (place / "file").write_text("")
    with service(QUICK) as sim:
        code, found = findings(capsys, "--base-url", sim.base_url, "--out", "file/out")
    assert code == Exit.STATE
    assert "cannot write in" in found["", "disk"]["said"]


def test_a_ledger_that_cannot_be_written_is_exit_9_also_when_the_key_is_refused(place, capsys, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("WANBATCH_STATE", str(place / "file"))
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid")
    with service(QUICK) as sim:
        code, found = findings(capsys, "--base-url", sim.base_url)
    assert code == Exit.STATE
    assert found["", "ledger"]["verdict"] == found["", "key"]["verdict"] == "fail"


def test_without_a_home_the_ledger_is_to_look_at(place, monkeypatch):
    for name in ("WANBATCH_STATE", "HOME"):
        monkeypatch.delenv(name)
    found = doctor_.ledger(Config())
    assert (found.verdict, "WANBATCH_STATE" in found.hint) == ("warn", True)


def test_each_configured_account_is_asked_with_its_own_key(place, capsys, monkeypatch):
    monkeypatch.setenv("MAIN_KEY", CANARY)
    monkeypatch.setenv("BAD_KEY", "sk-invalid")
    with service(QUICK) as sim:
        account = f"base_url: {sim.base_url}, region: ap-southeast-1"
        configure(
            place, monkeypatch,
            f"accounts:\n  main: {{{account}, key_env: MAIN_KEY, limits: {{tasks_at_once: 50}}}}\n"
            f"  bad: {{{account}, key_env: BAD_KEY}}\n  none: {{{account}, key_env: NO_KEY}}",
        )  # fmt: skip
        code, found = findings(capsys, "--account", "all")
        assert findings(capsys, "--account", "main")[0] == 0
    assert code == Exit.ACCOUNT
    verdicts = {name: found[name, "key"]["verdict"] for name in ("main", "bad", "none")}
    assert verdicts == {"main": "ok", "bad": "fail", "none": "fail"}
    assert found["none", "key"]["hint"] == "export NO_KEY=sk-…"
    assert found["main", "limits"]["verdict"] == "warn"
    assert "0.10 USD" in found["main", "price"]["said"]


def test_two_names_of_one_account_are_said(place, capsys, monkeypatch):
    monkeypatch.setenv("ONE", CANARY)
    with service(QUICK) as sim:
        account = f"{{base_url: {sim.base_url}, key_env: ONE}}"
        configure(place, monkeypatch, f"accounts: {{a: {account}, b: {account}}}")
        code, found = findings(capsys, "--account", "all")
    assert code == Exit.USAGE
    assert "accounts a and b have the same key" in found["", "accounts"]["said"]


def test_a_name_that_is_not_configured_is_a_wrong_command_line(place, capsys, monkeypatch):
    configure(place, monkeypatch, "accounts: {main: {key_env: A}}")
    assert doctor("--account", "mian") == 2
    assert "did you mean main?" in capsys.readouterr().err


def test_a_configuration_with_problems_is_shown_with_its_place(place, capsys, monkeypatch):
    configure(place, monkeypatch, f"accounts: {{main: {{key: {'sk-' + 'WRITTEN'}}}}}")
    assert doctor() == 2
    said = capsys.readouterr().err
    assert "config.yaml:2:19: E103 account main: unknown key `key`" in said
    assert "WRITTEN" not in said


def test_a_key_file_that_others_may_read_is_said(place, capsys, monkeypatch):
    (place / "key").write_text("sk-filed\n")
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(place / "key"))
    with service(QUICK) as sim:
        for mode, verdicts in ((0o644, ["warn", "ok"]), (0o600, ["ok"])):
            (place / "key").chmod(mode)
            doctor("--base-url", sim.base_url)
            shown = capsys.readouterr().out
            assert re.findall(r"^(\w+) +key ", shown, re.MULTILINE) == verdicts
            assert ("chmod 600" in shown) == (mode == 0o644)


def test_the_days_budget_is_held_against_the_ledger(place, capsys, monkeypatch):
    configure(place, monkeypatch, "budget: {per_day: 10 CNY}")
    config = Config(budget_per_day="10 CNY", path=place)
    assert doctor_.ledger(config).said.endswith("ledger.db: today 0.00 of 10.00 CNY")
    now = time.time()
    spent = Standing("/o", "a", 1, "a", "m", "", "wan2.7-t2v", State.BILLED, Decimal(10), "CNY", now)
    with Ledger.open(place / "state" / "ledger.db", now) as ledger:
        ledger.put(spent, now)
    found = doctor_.ledger(config)
    assert (found.verdict, found.said.endswith("today 10.00 of 10.00 CNY")) == ("warn", True)


@pytest.mark.parametrize(
    ("kind", "code", "verdict", "exit_code"),
    [
        (Kind.ACCOUNT, "Arrearage", "fail", Exit.ACCOUNT),
        (Kind.SERVICE, "NoAnswer", "fail", Exit.RUNNING),
        (Kind.SERVICE, "InternalError", "fail", Exit.RUNNING),
        (Kind.RATE, "Throttling", "warn", Exit.DONE),
        (Kind.ALLOCATION, "Throttling.AllocationQuota", "warn", Exit.DONE),
        (Kind.SCENE, "HTTP 404", "fail", Exit.USAGE),
    ],
)
def test_what_the_key_s_question_is_answered_with_says_who_must_act(kind, code, verdict, exit_code):
    found = doctor_.key(ACCOUNT, LANE, ReadFailed(kind, code, ""))
    assert (found.verdict, found.code, found.account) == (verdict, exit_code, "main")
    assert "dashscope.aliyuncs.com" in found.said
    assert found.hint


def test_a_proxy_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:swordfish@proxy.example:3128")
    said = doctor_.key(ACCOUNT, LANE, None).said
    assert said == "accepted by dashscope.aliyuncs.com through the proxy proxy.example"


MODELS = frozenset({"wan2.7-t2v"})


@pytest.mark.parametrize(
    ("url", "models", "verdict"),
    [
        ("https://dashscope.aliyuncs.com/api/v1", MODELS, "ok"),
        ("https://dashscope-us.aliyuncs.com/api/v1", frozenset(), "fail"),
        ("https://relay.example/api/v1", None, "warn"),
        ("http://127.0.0.1:8/api/v1", None, "ok"),
    ],
)
def test_a_region_is_right_when_the_host_says_so_and_has_the_model(url, models, verdict):
    found = doctor_.where(Account(Key(CANARY), url, region="us-east-1"), Lane("", models=models))
    assert found.verdict == verdict
    assert "us-east-1" in found.said


def test_a_price_that_is_not_known_is_to_look_at():
    (found,) = doctor_.priced(Account(Key(CANARY), "https://h", region="us-east-1"), Lane(), Config())
    assert (found.verdict, found.said) == ("warn", "a second: none is known; a cap refuses what has no price")
    rows = (PriceRow(MODELS, "us-east-1", "USD", date(2026, 11, 1), {"720P": Decimal("0.2")}),)
    (found,) = doctor_.priced(Account(Key(CANARY), "https://h", region="us-east-1"), Lane(), Config({}, rows))
    assert (found.verdict, found.said) == ("warn", "a second: 720P 0.2 USD; a cap refuses what has no price")


@pytest.mark.parametrize(
    ("offset", "verdict", "said"),
    [(0.5, "ok", "agrees"), (-4.9, "ok", "agrees"), (37.2, "warn", "37 s behind"), (-90, "warn", "90 s ahead of")],
)
def test_a_clock_that_is_off_is_to_look_at(offset, verdict, said):
    found = doctor_.clock(offset, LANE)
    assert (found.verdict, found.said.startswith(said)) == (verdict, True)


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        (Limits(5.0, 5, 500), "ok"),
        (Limits(5.0, None, None), "ok"),
        (Limits(4.0, 5, None), "warn"),
        (Limits(None, 4, None), "warn"),
        (ReadFailed(Kind.SERVICE, "NotFound", ""), "ok"),
    ],
)
def test_a_lane_that_asks_for_more_than_the_service_allows_is_to_look_at(limits, verdict):
    assert doctor_.allowed(limits, LANE).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(GB // 100, "fail"), (GB, "warn"), (3 * GB, "ok")])
def test_a_full_disk_is_said_before_a_video_is_paid_for(free, verdict):
    found = doctor_.room(Path("/v"), free)
    assert found.verdict == verdict
    assert (found.code is Exit.STATE) == (verdict == "fail")


def test_a_lock_that_another_process_does_not_see_is_a_failure(place):
    found = doctor_.locks(place / "lock", place, "pass")
    assert (found.verdict, found.code) == ("fail", Exit.STATE)
    assert doctor_.locks(place / "lock2", place).verdict == "ok"


def test_a_lock_that_was_taken_elsewhere_is_a_failure(place):
    fd = doctor_.try_lock(place / "lock")
    assert fd is not None
    assert doctor_.locks(place / "lock", place).verdict == "fail"


def test_a_lock_on_a_network_is_to_look_at(place):
    mounts = place / "mounts"
    real = str(place.resolve())
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/v {real} nfs4 rw 0 0\nother /elsewhere cifs rw 0 0\n")
    found = doctor_.locks(place / "lock", place, mounts=mounts)
    assert (found.verdict, "on nfs4" in found.said) == ("warn", True)


def test_the_file_system_is_that_of_the_nearest_mount(place):
    inner = place / "a b"
    inner.mkdir()
    mounts = place / "mounts"
    real = str(place.resolve())
    mounts.write_text(f"a {real}/a\\040b tmpfs rw\nb {real} xfs rw\nc / ext4 rw\nodd\n")
    assert doctor_.file_system(inner, mounts) == "tmpfs"
    assert doctor_.file_system(place, mounts) == "xfs"
    assert doctor_.file_system(place.parent, mounts) == "ext4"
    assert doctor_.file_system(place, place / "none") == ""


def test_what_fails_beside_others_is_the_gravest():
    def one(code):
        return doctor_.Finding("x", "fail", "", code=code)

    assert doctor_.exit_code([one(Exit.USAGE)]) == 2
    assert doctor_.exit_code([one(Exit.USAGE), one(Exit.RUNNING)]) == 4
    assert doctor_.exit_code([one(Exit.ACCOUNT), one(Exit.STATE)]) == 9
    assert doctor_.exit_code([doctor_.Finding("x", "warn", "", code=Exit.STATE)]) == 0
