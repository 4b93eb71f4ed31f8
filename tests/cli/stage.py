"""Where commands are tried: the program in this process or in its own, a pretended service, a terminal."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from wanbatch.cli.door import guarded
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

PROGRAM = str(Path(sys.executable).with_name("wanbatch"))
QUICK = Rules(pending_s=0, render_s=0)
PATIENCE_S = 30.0
FAST = ("--poll-interval", "0.05")


def wait_until(seen: Callable[[], Any], what: str = "what was waited for") -> Any:
    """Wait for a condition, with a deadline; return its value."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = seen()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen in {PATIENCE_S} s")


def wanbatch(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in its own process, without a terminal."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": PATIENCE_S} | options
    return subprocess.run([PROGRAM, *map(str, args)], text=True, check=False, encoding="utf-8", **options)


def start(*args: object, **options: Any) -> subprocess.Popen[str]:
    """Start the program in its own process, without a terminal."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([PROGRAM, *map(str, args)], text=True, encoding="utf-8", **options)


@contextlib.contextmanager
def service(rules: Rules = QUICK, *faults: dict[str, Any], port: int = 0) -> Iterator[Simulator]:
    """The simulator, in a thread. Its `stats()` may be asked from here."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def within(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_S)

    simulator = Simulator(rules, Faults.from_list(faults), port=port)
    try:
        within(simulator.__aenter__())
        yield simulator
    finally:
        within(simulator.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(simulator: Simulator, *args: object) -> int:
    """`wanbatch run` in this process against a pretended service, without waiting for anybody."""
    return guarded(["run", *map(str, args), "--base-url", simulator.base_url, "--yes", *FAST])


def requests(simulator: Simulator) -> dict[str, int]:
    """How often which endpoint was asked."""
    return dict(simulator.stats()["requests"])


def events(folder: Path) -> list[dict[str, Any]]:
    """The journal's whole lines."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def kinds(folder: Path) -> list[str]:
    """The journal's events by name."""
    return [line["event"] for line in events(folder)]


class SlowService:
    """A service without tasks that keeps the answer to a POST back until `answer` is set."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/api/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
            if not head.startswith(b"GET"):
                break
            self._reply(connection, b'{"total":0,"data":[],"total_page":0}')
            connection.close()
        with connection:
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(65_536)
            self.asked.set()
            self.answer.wait(PATIENCE_S)
            reply = b'{"request_id":"r-1","output":{"task_id":"task-of-the-slow","task_status":"PENDING"}}'
            self._reply(connection, reply)

    @staticmethod
    def _reply(connection: socket.socket, body: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.answer.set()
        if not self.asked.is_set():
            socket.create_connection(self._listening.getsockname(), 5).close()
        self._thread.join(PATIENCE_S)
        self._listening.close()


ON_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """The program on a terminal of its own. Everything it shows is in `shown`."""

    def __init__(self, *args: object, columns: int = 80, program: str = PROGRAM, **environment: str) -> None:
        self.shown = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | environment
        command = [sys.executable, "-c", ON_A_TERMINAL, program, *map(str, args)]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env)
        os.close(slave)

    def read(self) -> str:
        """Take what was shown until now."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                got = os.read(self._master, 65_536)
            except OSError:  # nobody has the other end any more
                break
            if not got:
                break
            self.shown += got.decode("utf-8", "replace")
        return self.shown

    def until(self, text: str) -> None:
        """Wait until something is shown."""
        wait_until(lambda: text in self.read(), f"{text!r} on the terminal")

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1], "the end")
        self.read()
        return int(self.process.returncode)

    def hang_up(self) -> None:
        """Take the terminal away, as a lost connection does."""
        os.close(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@contextlib.contextmanager
def simulate(*args: object) -> Iterator[str]:
    """`wanbatch simulate` in its own process; its base URL."""
    process = start("simulate", *args)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
