import os
import socket
from pathlib import Path

import pytest
from cli.stage import QUICK, service
from conftest import CANARY, NetworkForbidden, files_with
from support import write_manifest

from wanbatch.cli.door import discreet, guarded


def test_a_test_cannot_leave_this_machine():
    with pytest.raises(NetworkForbidden), socket.socket() as sock:
        sock.connect(("192.0.2.1", 443))
    with pytest.raises(NetworkForbidden):
        socket.create_connection(("dashscope.aliyuncs.com", 443), timeout=1)


def test_a_test_sees_no_home_and_no_real_key():
    assert not Path("~").expanduser().exists()
    assert os.environ["DASHSCOPE_API_KEY"] == CANARY


def test_a_key_on_disk_is_found(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "leak.bin").write_bytes(b"\0\xff" + b"sk-SOMETHING" + b"\0")
    assert files_with(b"sk-SOMETHING", tmp_path) == [str(tmp_path / "deep" / "leak.bin")]
    assert files_with(b"sk-ELSE", tmp_path) == []


OWN = "sk-OWN-5e7d9a1c3b"
"""The key of a configured account in a file, which the canary may not be in."""


def configure(folder, monkeypatch, base_url):
    """Two accounts: one with the canary in a variable of its own, one with another key in a file."""
    (folder / "keys").mkdir(mode=0o700)
    (folder / "keys" / "filed").write_text(OWN)
    account = f"base_url: {base_url}, region: cn-beijing"
    (folder / "config.yaml").write_text(
        "wanbatch_config: 1\naccounts:\n"
        f"  main: {{{account}, key_env: MAIN_CREDENTIAL}}\n  filed: {{{account}, key_file: keys/filed}}\n"
    )
    monkeypatch.setenv("WANBATCH_CONFIG", str(folder / "config.yaml"))
    monkeypatch.setenv("WANBATCH_STATE", str(folder / "state"))
    monkeypatch.setenv("MAIN_CREDENTIAL", CANARY)
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")


@pytest.mark.parametrize("account", ["main", "filed"])
def test_the_key_of_a_configured_account_is_used_and_never_shown_or_written(in_tmp, monkeypatch, capfd, account):
    path = write_manifest(in_tmp)
    with service(QUICK) as sim:
        configure(in_tmp, monkeypatch, sim.base_url)
        assert guarded(["doctor", "--account", account]) == 0
        assert guarded(["doctor", "--account", "all", "--json"]) == 0
        assert guarded(["plan", str(path), "--account", account]) == 0
        assert guarded(["run", str(path), "--account", account, "--yes", "--poll-interval", "0.05"]) == 0
        assert guarded(["run", str(path), "--account", account, "--json"]) == 0
        assert sim.stats()["accepted"] == 1
    said = capfd.readouterr()
    for secret in (CANARY, OWN):
        assert secret not in said.out + said.err
        assert files_with(secret.encode(), in_tmp) == ([str(in_tmp / "keys" / "filed")] if secret == OWN else [])


def test_a_report_of_a_bug_holds_no_key_of_any_account(monkeypatch):
    monkeypatch.setenv("MAIN_KEY", f" {CANARY}\n")
    monkeypatch.setenv("RELAY_KEY", "swordfish-and-chips")
    report = discreet(f"ValueError: {CANARY} 'swordfish-and-chips' {OWN} disk-full https://h/v?Signature=1")
    assert report == "ValueError: *** '***' *** disk-full https://h/v?…"
