"""Guards: no network but loopback, nobody's home, no real key. A canary key is looked for in every byte written."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # how fast an example is depends on who else is at work here
settings.load_profile("patient")

CANARY = "sk-CANARY-6f1d2c4b9a8e7f35"
"""The key of every test. It must never be found in anything that a test writes or prints."""

FOR_TESTS = ("WANBATCH_ACCEPT", "WANBATCH_STORIES", "WANBATCH_STORIES_SEED")
"""Variables that speak to tests and not to the program."""

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

real_connect = socket.socket.connect
real_connect_ex = socket.socket.connect_ex
real_getaddrinfo = socket.getaddrinfo


class NetworkForbidden(AssertionError):
    """A test tried to leave this machine."""


def check_address(address: object) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if isinstance(host, str) and host and not host.startswith(LOOPBACK):
        raise NetworkForbidden(f"tests may not connect to {host}")


def guarded_connect(self: socket.socket, address: object) -> None:
    check_address(address)
    return real_connect(self, address)


def guarded_connect_ex(self: socket.socket, address: object) -> int:
    check_address(address)
    return real_connect_ex(self, address)


def guarded_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
    if isinstance(host, str) and host and not host.startswith(LOOPBACK) and not host.endswith(".invalid"):
        raise NetworkForbidden(f"tests may not look up {host}")
    return real_getaddrinfo(host, *args, **kwargs)


socket.socket.connect = guarded_connect
socket.socket.connect_ex = guarded_connect_ex
socket.getaddrinfo = guarded_getaddrinfo


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No home, no proxy, no key but the canary."""
    own = ("DASHSCOPE_", "WANBATCH_", "XDG_")
    for name in [name for name in os.environ if name.upper().endswith("_PROXY") or name.startswith(own)]:
        if name not in FOR_TESTS:
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "no-home"
    monkeypatch.setenv("HOME", str(home))
    # Tests run side by side, and a port is soon another service's: the ledger of one is not the next one's.
    monkeypatch.setenv("WANBATCH_STATE", str(tmp_path_factory.mktemp("state", numbered=True)))
    monkeypatch.setenv("DASHSCOPE_API_KEY", CANARY)
    monkeypatch.setenv("COLUMNS", "100")
    # A program that a test starts, and that is not told where the service is, finds nobody.
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", "http://127.0.0.1:9/api/v1")


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Fail a test whose output shows the key."""
    outcome = yield
    report = outcome.get_result()
    printed = f"{report.capstdout}{report.capstderr}{report.caplog}"
    if CANARY in printed and report.outcome == "passed":
        report.outcome = "failed"
        report.longrepr = "the API key was printed"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look for the key in every file that the tests left."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or getattr(factory, "_basetemp", None) is None:
        return
    leaks = files_with(CANARY.encode(), Path(factory.getbasetemp()))
    if leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        raise pytest.UsageError(f"the API key was written to {leaks}")


def files_with(secret: bytes, folder: Path) -> list[str]:
    """Return the files below `folder` that hold `secret`."""
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and secret in path.read_bytes()
    ]
