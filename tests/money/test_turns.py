"""Turns of all processes on this machine: never closer than the gap, and never a reason not to go on."""

import fcntl
import struct
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from wanbatch.money import turns
from wanbatch.money.turns import Turns

GAP_S = 0.5


@pytest.fixture
def clock(monkeypatch):
    """The machine's clock, which a test moves."""
    at = [1000.0]
    monkeypatch.setattr(turns, "shared_now", lambda: at[0])
    return at


def test_a_turn_is_free_once_in_a_gap(tmp_path, clock):
    one, other = Turns(tmp_path), Turns(tmp_path)
    assert one.wait_s("posts", GAP_S) == 0.0
    assert other.wait_s("posts", GAP_S) == pytest.approx(GAP_S)
    assert other.wait_s("asks", GAP_S) == 0.0, "another rate has its own turns"
    clock[0] += GAP_S
    assert other.wait_s("posts", GAP_S) == 0.0
    assert one.wait_s("posts", GAP_S) == pytest.approx(GAP_S)


def test_tickets_stand_in_line(tmp_path, clock):
    one, other = Turns(tmp_path), Turns(tmp_path)
    assert [taker.ticket_s("asks", GAP_S) for taker in (one, other, one)] == pytest.approx([0.0, GAP_S, 2 * GAP_S])
    clock[0] += 10
    assert one.ticket_s("asks", GAP_S) == 0.0


def test_a_machine_that_was_started_anew_waits_for_nobody(tmp_path, clock):
    taker = Turns(tmp_path)
    taker.wait_s("posts", GAP_S)
    clock[0] = 3.0
    assert taker.wait_s("posts", GAP_S) == 0.0


@pytest.mark.parametrize("content", [b"", b"abc", struct.pack("<d", float("nan")), struct.pack("<d", float("inf"))])
def test_a_file_that_holds_nonsense_counts_for_nothing(content, tmp_path, clock):
    taker = Turns(tmp_path)
    taker.wait_s("posts", GAP_S)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert taker.wait_s("posts", GAP_S) == 0.0
    assert taker.wait_s("posts", GAP_S) == pytest.approx(GAP_S)


def test_a_folder_that_cannot_be_written_spaces_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert Turns(tmp_path / "file" / "turns").wait_s("posts", GAP_S) == 0.0
    assert Turns(None).ticket_s("posts", GAP_S) == 0.0


def test_a_turn_that_a_suspended_process_holds_is_not_waited_for(tmp_path):
    taker = Turns(tmp_path)
    taker.wait_s("posts", GAP_S)
    (path,) = tmp_path.iterdir()
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        began = time.monotonic()
        assert taker.wait_s("posts", GAP_S) == 0.0
        assert time.monotonic() - began < 5


CHILD = """
import sys, time
from pathlib import Path
from wanbatch.money.turns import Turns, shared_now
taker, taken = Turns(Path(sys.argv[1])), []
while len(taken) < 10:
    wait = taker.wait_s("posts", 0.02)
    taken.append(shared_now()) if wait == 0 else time.sleep(wait)
print(*taken)
"""


def test_four_processes_together_keep_to_one_rate(tmp_path):
    words = [sys.executable, "-c", CHILD, str(tmp_path)]
    children = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    taken = sorted(float(at) for child in children for at in child.communicate()[0].split())
    assert len(taken) == 40
    assert taken[-1] - taken[0] >= 39 * 0.02 - 0.02
    assert sum(later - sooner < 0.01 for sooner, later in pairwise(taken)) <= 2, "only the moment of looking may vary"
