"""A journal that is lost while its tasks run: the ledger remembers that there were some, and nothing is paid twice."""

import os
import shutil
import signal

from cli.stage import FAST, kinds, service, start, wait_until, wanbatch
from support import write_manifest

from wanbatch.simulator.rules import Rules

SLOW = Rules(render_s=600.0, pending_s=0.0)


def lost(in_tmp, sim):
    """Submit two scenes, kill the run while they are made, and lose its folder. Return the manifest."""
    path = write_manifest(in_tmp, "alley", "roof")
    process = start("run", path, "--yes", "--base-url", sim.base_url, *FAST)
    wait_until(
        lambda: (in_tmp / "out/film/journal.jsonl").exists() and kinds(in_tmp / "out/film").count("SubmitAccepted") == 2
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    shutil.rmtree(in_tmp / "out")
    return path


def test_what_a_lost_journal_had_in_flight_is_not_submitted_again(in_tmp):
    with service(SLOW) as sim:
        path = lost(in_tmp, sim)
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST)
        assert ended.returncode == 8, ended.stderr
        assert sim.stats()["accepted"] == 2
        assert "the journal may not know all" in ended.stderr
        again = wanbatch("run", path, "--yes", "--base-url", sim.base_url, *FAST)
        assert (again.returncode, sim.stats()["accepted"]) == (8, 2)


def test_without_the_ledger_it_is_only_warned_of(in_tmp, monkeypatch):
    with service(SLOW) as sim:
        path = lost(in_tmp, sim)
        monkeypatch.setenv("WANBATCH_STATE", str(in_tmp / "another"))
        ended = wanbatch("run", path, "--yes", "--base-url", sim.base_url, "--deadline", "3s", *FAST)
        assert ended.returncode == 4, ended.stderr
        assert "of the account that no scene here has" in ended.stderr
        assert sim.stats()["accepted"] == 4
