"""Money and accounts from outside: the installed program, a service that bills, and what the ledger says of it."""

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from cli.stage import service, start, wanbatch
from faults.test_campaigns import campaign

from wanbatch.simulator.app import Simulator
from wanbatch.simulator.rules import PRICES, Rules

QUICK = Rules(pending_s=0.02, render_s=0.2, prices=PRICES["CNY"])
FAST = ("--poll-interval", "0.1", "--settle", "1", "--quiet")
SCENE = Decimal("1.20")
"""Two seconds of 720P."""
AT_ONCE = 5
PER_S = 5.0
JITTER_S = 0.15
"""How late a request may come to the service on a busy machine."""
MODEL = "wan2.7-t2v"


def film(folder: Path, name: str, count: int, run: str = "", *, on_absent: str = "hold") -> Path:
    """A manifest of scenes that cost SCENE each."""
    path = folder / f"{name}.yaml"
    rows = [f"  - {{id: s{number}, prompt: {name} {number}}}" for number in range(count)]
    head = ["wanbatch: 1", f"run: {{on_absent: {on_absent}{run}}}", "defaults: {resolution: 720P, duration: 2}"]
    path.write_text("\n".join([*head, "scenes:", *rows]) + "\n", "utf-8")
    return path


def words(manifest: Path, simulator: Simulator, *more: str) -> list[str]:
    out = str(manifest.with_suffix(""))
    return ["run", str(manifest), "--out", out, "--base-url", simulator.base_url, *FAST, *more]


def run(manifest: Path, simulator: Simulator, *more: str) -> CompletedProcess[str]:
    return wanbatch(*words(manifest, simulator, *more))


def videos(manifest: Path) -> int:
    return len(list(manifest.with_suffix("").glob("videos/*.mp4")))


def rows(manifest: Path) -> list[dict[str, Any]]:
    """What `results.json` says of each scene."""
    return json.loads((manifest.with_suffix("") / "results.json").read_bytes())["scenes"]


def outcomes(manifest: Path) -> dict[str, int]:
    return Counter(row["outcome"] for row in rows(manifest))


def unreached(manifest: Path) -> list[str]:
    """The reasons for which scenes were not reached."""
    return [row["reason"] for row in rows(manifest) if row["outcome"] == "not_reached"]


def bill(simulator: Simulator, name: str = "bill") -> Decimal:
    return Decimal(simulator.stats()[name]["CNY"])


def spent() -> dict[str, Decimal]:
    """What `wanbatch spend` says of rehearsals."""
    (total,) = json.loads(wanbatch("spend", "--rehearsal", "--json").stdout)["total"]
    return {name: Decimal(total[name]) for name in ("billed", "reserved", "doubt")}


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    path = folder / "config.yaml"
    path.write_text(f"wanbatch_config: 1\n{text}\n", "utf-8")
    monkeypatch.setenv("WANBATCH_CONFIG", str(path))


def test_killed_and_lied_to_two_manifests_never_spend_more_than_the_caps_and_the_ledger_is_the_bill():
    code, said, figures = campaign("budget", "--runs", 5, "--jobs", 2)
    assert code == 0, said
    assert figures["runs"] == 5
    assert figures["kills landed"] >= 4
    assert figures["caps exceeded"] == figures["ledgers that lack something"] == figures["paid twice"] == 0
    assert figures["ledgers equal to the bill"] >= 4


@pytest.mark.parametrize(
    ("rules", "code"),
    [({"arrears_after": 6}, "Arrearage"), ({"free_seconds": 12.0}, "AllocationQuota.FreeTierOnly")],
    ids=["in arrears", "free tier over"],
)
def test_an_account_that_is_refused_stops_after_one_request_and_the_next_run_goes_on(tmp_path, rules, code):
    manifest = film(tmp_path, "film", 9)
    with service(replace(QUICK, **rules)) as simulator:
        ended = run(manifest, simulator, "--yes")
        stats = simulator.stats()
        assert ended.returncode == 6
        assert code in ended.stderr
        assert stats["refused"] == {code: 1}
        assert stats["accepted"] == videos(manifest) == 6, "what was in flight is brought home"
        assert outcomes(manifest) == {"done": 6, "not_reached": 3}
        assert all(code in reason for reason in unreached(manifest))
        simulator.world.obey(QUICK)
        assert run(manifest, simulator, "--yes").returncode == 0
        stats = simulator.stats()
        assert videos(manifest) == stats["accepted"] == 9
        assert all(len(tasks) == 1 for tasks in stats["accepted_by_body"].values())
        assert spent() == {"billed": bill(simulator), "reserved": 0, "doubt": 0}
        assert bill(simulator) == 9 * SCENE


def test_a_key_that_is_no_good_costs_one_request(tmp_path, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid")
    manifest = film(tmp_path, "film", 9)
    with service(QUICK) as simulator:
        ended = run(manifest, simulator, "--yes")
        stats = simulator.stats()
    assert ended.returncode == 6
    assert stats["accepted"] == 0
    assert stats["requests"]["create"] <= 1
    assert sum(stats["requests"].values()) <= 3, "its limits and its task list, which cost nothing, and one submission"
    assert outcomes(manifest) == {"not_reached": 9}


def test_a_key_that_is_revoked_while_a_run_works_loses_nothing_and_pays_nothing_twice(tmp_path):
    manifest = film(tmp_path, "film", 9)
    with service(replace(QUICK, render_s=0.5, revoked_after=12)) as simulator:
        ended = run(manifest, simulator, "--yes")
        stats = simulator.stats()
        assert ended.returncode == 6
        assert "InvalidApiKey" in ended.stderr
        assert 0 < stats["refused"]["InvalidApiKey"] <= 1 + AT_ONCE, "those that were on their way"
        assert 0 < stats["accepted"] < 9
        simulator.world.obey(QUICK)
        assert run(manifest, simulator, "--yes").returncode == 0
        stats = simulator.stats()
        assert videos(manifest) == stats["accepted"] == 9
        assert all(len(tasks) == 1 for tasks in stats["accepted_by_body"].values())
        assert spent() == {"billed": bill(simulator), "reserved": 0, "doubt": 0}


def side_by_side(films: list[Path], simulator: Simulator, *more: str) -> None:
    """Run manifests at the same time, each to its end."""
    both = [start(*words(one, simulator, "--yes", *more)) for one in films]
    ends = [(process.communicate(timeout=60), process.returncode) for process in both]
    assert [code for _, code in ends] == [0, 0], ends
    assert [videos(one) for one in films] == [6, 6]
    assert simulator.stats()["refused"] == {}


def test_two_manifests_at_once_share_the_accounts_tasks(tmp_path):
    films = [film(tmp_path, name, 6) for name in ("north", "south")]
    with service(replace(QUICK, render_s=1.2, spread=0.0, over_cap="reject", submit_rate=1000)) as simulator:
        side_by_side(films, simulator, "--submit-rate", "1000")
        (most,) = simulator.stats()["max_open_by_key"].values()
    assert most == {MODEL: AT_ONCE}, "used to the full, and no more"


def test_two_manifests_at_once_share_the_accounts_rate(tmp_path):
    films = [film(tmp_path, name, 6) for name in ("north", "south")]
    with service(replace(QUICK, slots=50, submit_rate=PER_S)) as simulator:
        side_by_side(films, simulator, "--concurrency", "50")
        sent = [at for _, _, at, _ in simulator.world.spans()]
    assert all((later - sooner) + JITTER_S >= n / PER_S for n, sooner, later in spans_of(sent))


def spans_of(times: list[float]) -> list[tuple[int, float, float]]:
    """All stretches of time between two submissions, with how many gaps there are."""
    return [(j - i, times[i], times[j]) for i, j in combinations(range(len(times)), 2)]


def test_a_cap_of_the_day_holds_over_runs_and_manifests(tmp_path, monkeypatch):
    configure(monkeypatch, tmp_path, "budget: {per_day: 6.10 CNY}")
    monkeypatch.setenv("TZ", "UTC")
    films = [film(tmp_path, name, 3) for name in ("north", "south")]
    with service(QUICK) as simulator:
        assert run(films[0], simulator, "--yes").returncode == 0
        for _ in range(2):
            ended = run(films[1], simulator, "--yes")
            assert ended.returncode == 7
            assert "6.10 CNY per day" in ended.stderr
            assert bill(simulator, "bill_at_most") == 5 * SCENE
        assert outcomes(films[1]) == {"done": 2, "not_reached": 1}
        assert "6.10 CNY per day" in unreached(films[1])[0]
        assert spent() == {"billed": bill(simulator), "reserved": 0, "doubt": 0}


@pytest.mark.parametrize("cap", [", budget: {per_run: 2.50 CNY}", ", budget: {per_day: 2.50 CNY}", "--max-cost"])
def test_at_a_cap_what_is_in_flight_comes_home_and_the_rest_is_left_undone(tmp_path, cap):
    manifest = film(tmp_path, "film", 4, "" if cap == "--max-cost" else cap)
    with service(QUICK) as simulator:
        ended = run(manifest, simulator, *([cap, "2.50 CNY"] if cap == "--max-cost" else []))
        assert ended.returncode == 7
        assert "2.50 CNY per" in ended.stderr
        assert "left undone: 2 scenes (2.40 CNY at prices of" in ended.stderr
        assert videos(manifest) == simulator.stats()["accepted"] == 2
        assert outcomes(manifest) == {"done": 2, "not_reached": 2}


def test_what_is_in_doubt_keeps_its_reservation(tmp_path):
    manifest = film(tmp_path, "film", 3, ", budget: {per_day: 2.50 CNY}")
    lost = {"endpoint": "create", "kind": "reset_before_accept", "nth": 1}
    with service(QUICK, lost) as simulator:
        for _ in range(2):
            ended = run(manifest, simulator)
            assert ended.returncode == 8, ended.stderr
            assert simulator.stats()["accepted"] == videos(manifest) == 1
            assert spent() == {"billed": SCENE, "reserved": 0, "doubt": SCENE}
        assert bill(simulator) == SCENE


def test_what_has_no_known_price_is_not_submitted_under_a_cap(tmp_path):
    manifest = film(tmp_path, "film", 2)
    with service(QUICK) as simulator:
        ended = run(manifest, simulator, "--region", "eu-central-1", "--max-cost", "1000 CNY")
        assert ended.returncode == 7, ended.stderr
        assert "price is not known" in ended.stderr
        assert simulator.stats()["requests"].get("create", 0) == 0
