"""A simulator on a real loopback socket, and clients of it: one that knows HTTP, one that shows the bytes."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import yarl
from simulator.asking import HEADERS, body

from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

CREATE = "/services/aigc/video-generation/video-synthesis"
AT_ONCE = Rules(pending_s=0, render_s=0)


class Client:
    """Asks a simulator, with a connection for each request."""

    def __init__(self, sim, session):
        self.sim, self.session = sim, session

    async def ask(self, method, path, headers=HEADERS, **rest):
        """(status, body, headers)"""
        url = path if isinstance(path, yarl.URL) else self.sim.base_url + path
        async with self.session.request(method, url, headers=headers, **rest) as reply:
            return reply.status, await reply.read(), reply.headers

    async def submit(self, prompt="p"):
        status, raw, _ = await self.ask("POST", CREATE, data=body(prompt))
        assert status == 200, raw
        return json.loads(raw)["output"]["task_id"]

    async def output(self, task_id):
        return json.loads((await self.ask("GET", f"/tasks/{task_id}"))[1])["output"]

    async def video_url(self, prompt="p"):
        task_id = await self.submit(prompt)
        return task_id, yarl.URL((await self.output(task_id))["video_url"], encoded=True)

    def accepted(self):
        return self.sim.stats()["accepted_by_prompt"]


def over_loopback(story, rules=AT_ONCE, faults=(), **rest):
    """Run `await story(client)` against a fresh simulator."""

    @asynccontextmanager
    async def opened():
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            Simulator(rules, Faults.from_list(faults), **rest) as sim,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            yield Client(sim, session)

    async def main():
        async with opened() as client:
            return await story(client)

    return asyncio.run(main())


def fault(endpoint, kind, **rest):
    return [{"endpoint": endpoint, "kind": kind, **rest}]


async def raw(port, method, target, data=b"", headers=HEADERS):
    """(all bytes that came back, how the connection ended: "refused", "closed" or "reset")"""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return b"", "refused"
    pairs = {"Host": "x", **headers, "Content-Length": len(data), "Connection": "close"}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs.items()), "", ""]
    got = b""
    try:
        writer.write("\r\n".join(lines).encode() + data)
        while piece := await reader.read(65_536):
            got += piece
    except ConnectionResetError:
        return got, "reset"
    finally:
        writer.close()
    return got, "closed"
