"""Servers on loopback that answer byte by byte as a test says, and remember what came."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """One request as it was on the wire."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Server:
    """What came to a server. `answers` go out in turn, the last one again and again."""

    answers: tuple[bytes | Talk, ...]
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v.mp4?Expires=9999999999&Signature=a%2Fb%2Bc%3D"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: a request, its answer, the next one."""
        answer = self.answers[min(self.connections, len(self.answers) - 1)]
        self.connections += 1
        try:
            if callable(answer):
                await answer(reader, writer)
                return
            self.asked.append(await read_request(reader))
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rows = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in rows)}
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def serving(*answers: bytes | Talk) -> AsyncIterator[Server]:
    """A server that gives its n-th connection the n-th answer."""
    server = Server(answers)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            await server.talk(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def http(status: int = 200, body: bytes = b"", *more: str, length: int | None = -1) -> bytes:
    """An answer; `length` None leaves Content-Length out, -1 is the true one."""
    lines = [f"HTTP/1.1 {status} Whatever", *more]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "surrogateescape") + body


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
