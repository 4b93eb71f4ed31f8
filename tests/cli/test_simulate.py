"""simulate: the API on this machine, for the command line and for others."""

import json
import signal
import socket
import urllib.request

import pytest
from cli.stage import FAST, PATIENCE_S, simulate, start, wanbatch
from support import write_manifest


def test_the_first_line_is_the_base_url_and_a_run_against_it_works(in_tmp):
    with simulate("--render-s", "0") as base_url:
        assert base_url.startswith("http://127.0.0.1:")
        ended = wanbatch("run", write_manifest(in_tmp), "--yes", "--base-url", base_url, "--out", "o", *FAST)
        assert ended.returncode == 0, ended.stderr
        with urllib.request.urlopen(base_url.removesuffix("/api/v1") + "/_stats", timeout=10) as reply:
            assert json.load(reply)["accepted"] == 1


def test_a_simulator_started_anew_is_another_service_to_the_same_journal(in_tmp):
    path = write_manifest(in_tmp, "alley")
    for ids in (["alley"], ["alley", "roof"]):
        write_manifest(in_tmp, *ids)
        with simulate("--render-s", "0") as base_url:
            assert wanbatch("run", path, "--yes", "--base-url", base_url, "--out", "o", *FAST).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["int", "term", "hup"])
def test_a_signal_ends_it_without_a_word_and_without_a_fault(number):
    process = start("simulate")
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = wanbatch("simulate", "--port", port)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"wanbatch: cannot listen on port {port}: ")
    assert ended.stderr.endswith("\n  name another with --port, or none for a free one\n")
