import os
import socket
from pathlib import Path

import pytest
from conftest import CANARY, NetworkForbidden, files_with


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
