"""An editor, as far as a language server can tell: JSON-RPC over stdio, one message after another."""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

PATIENCE_S = 30.0
"""For a server that starts on a busy machine. Nothing waits this long unless it is going to fail."""

Message = dict[str, Any]


class Editor:
    """A client of one language server with one set of settings; a context manager."""

    def __init__(self, command: list[str], root: Path, settings: Message) -> None:
        self.settings = settings
        self._ids = 0
        self._unread = bytearray()
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server.stdout, selectors.EVENT_READ)
        can = {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True}},
                "hover": {"contentFormat": ["markdown", "plaintext"]},
                "publishDiagnostics": {},
            },
        }
        self.ask("initialize", {"processId": os.getpid(), "rootUri": root.as_uri(), "capabilities": can})
        self.tell("initialized", {})
        self._until(lambda message: message.get("method") == "workspace/configuration")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            self.ask("shutdown", None)
            self.tell("exit", None)
            self._server.wait(PATIENCE_S)
        finally:
            self._server.kill()
            self._server.communicate()
            self._selector.close()

    def open(self, path: Path, text: str) -> None:
        """Open a file with this text, whatever is on disk. Once for each path: a diagnostic names no text."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})

    def opened(self, path: Path, text: str) -> list[Message]:
        """Open a file, and return what the server says is wrong with it."""
        self.open(path, text)
        said = self._until(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == path.as_uri()
            )
        )
        found: list[Message] = said["params"]["diagnostics"]
        return found

    def completed(self, path: Path, line: int, column: int) -> list[Message]:
        """Return what the server offers at a place; lines and columns begin at 0."""
        found = self.ask("textDocument/completion", at(path, line, column))
        items: list[Message] = found["items"]
        return items

    def hover(self, path: Path, line: int, column: int) -> str:
        """Return what the server says of the word at a place."""
        found = self.ask("textDocument/hover", at(path, line, column))
        return found["contents"]["value"] if found else ""

    def ask(self, method: str, params: Message | None) -> Any:
        """Send a request and return its result."""
        self._ids += 1
        number = self._ids
        self._send({"id": number, "method": method, "params": params})
        answer = self._until(lambda message: message.get("id") == number and "method" not in message)
        assert "error" not in answer, answer
        return answer["result"]

    def tell(self, method: str, params: Message | None) -> None:
        """Send a notification, which has no answer."""
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def _until(self, wanted: Callable[[Message], bool]) -> Message:
        """Return the first message that is wanted; every question of the server's is answered on the way."""
        end = time.monotonic() + PATIENCE_S
        while True:
            message = self._read(end)
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": self._answer(message)})
            if wanted(message):
                return message

    def _answer(self, message: Message) -> Any:
        if message["method"] == "workspace/configuration":
            return [self.settings.get(item["section"]) for item in message["params"]["items"]]
        return None

    def _read(self, end: float) -> Message:
        while True:
            head, found, rest = bytes(self._unread).partition(b"\r\n\r\n")
            if found:
                length = int(head.split(b"Content-Length:")[1].split(b"\r\n")[0])
                if len(rest) >= length:
                    del self._unread[: len(head) + 4 + length]
                    return json.loads(rest[:length])
            if not self._selector.select(max(0.0, end - time.monotonic())):
                raise TimeoutError("the language server says nothing more")
            piece = os.read(self._server.stdout.fileno(), 65536)
            if not piece:
                raise EOFError(f"the language server is gone: {self._server.poll()}")
            self._unread += piece


def at(path: Path, line: int, column: int) -> Message:
    """Return a place in a document as the protocol writes it."""
    return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
