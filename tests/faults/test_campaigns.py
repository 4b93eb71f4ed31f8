"""The campaigns in short: black-box, against a service that counts what was paid for. `make campaign` is long."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
SEED = 7


def can_trace() -> bool:
    """Whether strace is here and allowed to work."""
    words = ["strace", "-qq", "-o", "/dev/null", "true"]
    return (
        shutil.which("strace") is not None and subprocess.run(words, check=False, capture_output=True).returncode == 0
    )


needs_strace = pytest.mark.skipif(
    not can_trace(), reason="strace is not installed, or not allowed (Debian: apt-get install strace)"
)


def campaign(name: str, *options: object) -> tuple[int, str, dict[str, int]]:
    """Run a campaign; return its exit code, what it said, and the figures of its table."""
    words = [sys.executable, str(CAMPAIGNS / f"{name}.py"), "--seed", str(SEED), "--short", *map(str, options)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    said = ended.stdout + ended.stderr
    figures = re.findall(r"^  (\S.*?)  +(\d+)$", ended.stdout, re.MULTILINE)
    return ended.returncode, said, {label: int(number) for label, number in figures}


def test_killed_at_random_no_request_is_paid_twice_and_no_paid_video_is_lost():
    code, said, figures = campaign("kill", "--runs", 8)
    assert code == 0, said
    assert figures["runs"] == 8
    assert figures["kills landed"] >= 4
    assert figures["paid twice"] == figures["lost"] == figures["unreadable journals"] == 0


def test_every_kind_of_misbehaviour_ends_without_a_second_bill_a_hang_or_a_traceback():
    code, said, figures = campaign("plans", "--runs", 20)
    assert code == 0, said
    assert figures["plans"] == 20
    assert figures["paid twice"] == figures["lost"] == figures["hangs"] == figures["tracebacks"] == 0


def test_of_two_runs_at_once_exactly_one_works():
    _, said, figures = campaign("twice", "--runs", 4, "--jobs", 2)
    assert figures["double starts"] == figures["exactly one winner"] == 4, said
    assert figures["paid twice"] == figures["lost"] == figures["hangs"] == 0, said


@needs_strace
def test_killed_or_failing_at_the_first_system_call_of_each_kind_a_clean_run_ends_well():
    code, said, figures = campaign("points", "--runs", 1)
    assert code == 0, said
    assert figures["kill points"] >= 10
    assert figures["error points"] >= 8
    assert figures["paid twice"] == figures["lost"] == 0


@needs_strace
def test_what_must_be_on_the_disk_is_there_before_money_is_spent_and_each_missing_sync_shows():
    code, said, figures = campaign("order")
    assert code == 0, said
    assert figures["syncs"] == figures["noticed when taken out"] >= 8
