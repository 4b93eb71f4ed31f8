"""--ping: a health-check service is told, and whatever becomes of that, the run is not concerned."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from wanbatch.cli import ping
from wanbatch.errors import Exit, WanbatchError


class Listener:
    """A health-check service on this machine: remembers what it is asked, answers with `status`."""

    def __init__(self, status=200, where=None):
        self.asked = []
        listener = self

        class Asked(BaseHTTPRequestHandler):
            def do_GET(self):
                listener.asked.append((self.path, self.headers.get("Authorization")))
                code = status if isinstance(status, int) else status.pop(0)
                self.send_response(code)
                if where:
                    self.send_header("Location", where)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *_words):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Asked)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self):
        return f"http://{self.host}/check"

    @property
    def paths(self):
        return [path for path, _ in self.asked]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exc):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_start_a_success_and_a_failure_are_told_in_the_manner_of_health_checks(capsys):
    with Listener() as there:
        url = f"http://{there.host}/check/1234"
        ping.ping(url, "start")
        ping.ping(url, ping.outcome(0))
        ping.ping(url, ping.outcome(3), 3)
    assert [path for path, _ in there.asked] == ["/check/1234/start", "/check/1234", "/check/1234/fail?exit_code=3"]
    assert capsys.readouterr().err == ""


def test_only_exit_code_0_is_a_success():
    assert [ping.outcome(code) for code in (0, 3, 4, 130)] == ["success", "fail", "fail", "fail"]


def test_a_query_stays_behind_the_path():
    assert ping.target("https://h.example/a/?token=x", "start", 0) == "https://h.example/a/start?token=x"
    assert ping.target("https://h.example/a?token=x", "fail", 7) == "https://h.example/a/fail?token=x&exit_code=7"


def test_a_refusal_is_tried_once_more_and_then_said_in_one_line(capsys):
    with Listener(status=503) as there:
        ping.ping(f"http://me:secret-word@{there.host}/hidden-path?token=hidden-query", "start")
    assert len(there.asked) == 2
    assert capsys.readouterr().err == (
        "wanbatch: could not tell 127.0.0.1 (start): it answers 503; the run is not concerned\n"
    )


def test_a_second_try_may_succeed(capsys):
    with Listener(status=[500, 200]) as there:
        ping.ping(f"http://{there.host}/x", "success")
    assert len(there.asked) == 2
    assert capsys.readouterr().err == ""


def test_a_user_and_a_password_in_the_url_are_sent_as_such_and_nowhere_else():
    with Listener() as other, Listener(status=302, where=f"http://{other.host}/elsewhere") as there:
        ping.ping(f"http://me:s%40fe@{there.host}/x", "success")
    assert there.asked == [("/x", "Basic bWU6c0BmZQ==")]
    assert other.asked == [("/elsewhere", None)]


def test_nobody_there_is_said_and_raises_nothing(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ping.ping(f"http://127.0.0.1:{port}/token-in-path", "success")
    said = capsys.readouterr().err
    assert said == "wanbatch: could not tell 127.0.0.1 (success): Connection refused; the run is not concerned\n"


def test_a_name_that_nobody_has_is_said(capsys):
    ping.ping("https://health.invalid/token", "start")
    said = capsys.readouterr().err
    assert said.startswith("wanbatch: could not tell health.invalid (start): ")
    assert "token" not in said


def test_who_talks_no_http_is_said(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=talk, args=(listening, b"SSH-2.0-hello\r\n" * 2), daemon=True)
        serving.start()
        ping.ping(f"http://127.0.0.1:{listening.getsockname()[1]}/x", "start")
        serving.join(10)
    assert "the run is not concerned" in capsys.readouterr().err


def talk(listening, words):
    for _ in range(ping.TRIES):
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(words)


def test_who_never_answers_is_not_waited_for_longer_than_promised(monkeypatch, capsys):
    monkeypatch.setattr(ping, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        begun = time.monotonic()
        ping.ping(f"http://127.0.0.1:{listening.getsockname()[1]}/x", "fail", 3)
        assert time.monotonic() - begun < 5
    assert capsys.readouterr().err.startswith("wanbatch: could not tell 127.0.0.1 (fail): ")


def test_somebody_else_may_say_it(capsys):
    heard = []
    with Listener(status=404) as there:
        ping.ping(f"http://{there.host}/x", "start", told=heard.append)
    assert heard == ["could not tell 127.0.0.1 (start): it answers 404; the run is not concerned"]
    assert capsys.readouterr().err == ""


class Impatient:
    """A thread whose wait somebody interrupts."""

    def __init__(self, **_about):
        pass

    def start(self):
        pass

    def join(self, _seconds):
        raise KeyboardInterrupt


def test_ctrl_c_ends_a_run_that_has_not_begun_and_only_the_wait_after_it(monkeypatch):
    monkeypatch.setattr(ping.threading, "Thread", Impatient)
    with pytest.raises(KeyboardInterrupt):
        ping.ping("http://127.0.0.1:9/x", "start")
    ping.ping("http://127.0.0.1:9/x", "success")


@pytest.mark.parametrize("url", ["https://hc.example/uuid", "http://127.0.0.1:8000/x", "https://u:p@h.example/?q=1"])
def test_http_and_https_can_be_pinged(url):
    assert ping.usable(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "hc.example/uuid", "ftp://h.example/secret", "file:///secret", "https:///secret", "https://h:0/secret",
     "https://h:99999/secret", "https://h.example/se cret", "https://h.exämple/secret", "https://[h/secret",
     "https://h.example/\nsecret"],
)  # fmt: skip
def test_anything_else_is_refused_without_showing_it(url):
    with pytest.raises(WanbatchError) as refused:
        ping.usable(url)
    assert refused.value.exit_code == Exit.USAGE
    assert "secret" not in refused.value.message + refused.value.hint
