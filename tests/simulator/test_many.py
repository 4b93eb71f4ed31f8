"""One simulator carries 200 accounts with five tasks each, over a real socket."""

import asyncio
import time

import aiohttp
from simulator.asking import MODEL, body, headers
from simulator.loopback import CREATE

from wanbatch.simulator.app import Simulator
from wanbatch.simulator.callers import key_id
from wanbatch.simulator.rules import PRICES, Rules

KEYS = [f"sk-lane-{number:03}" for number in range(200)]
SLOTS = 5
RULES = Rules(accounts="by_key", over_cap="reject", pending_s=0, render_s=3600, spread=0, prices=PRICES["CNY"])


async def submit(session, url, key, number):
    data = body(f"{key} {number}", duration=2, resolution="720P")
    async with session.post(url + CREATE, data=data, headers=headers(key)) as reply:
        return (await reply.json())["output"]["task_id"] if reply.status == 200 else (await reply.json())["code"]


async def state(session, url, key, task_id):
    async with session.get(f"{url}/tasks/{task_id}", headers=headers(key)) as reply:
        return (await reply.json())["output"]["task_status"]


def test_one_simulator_carries_200_keys_with_five_tasks_each():
    """All thousand tasks are open at once, every key is at its own cap, and no key is in another's way."""

    async def each(ask, rows):
        return await asyncio.gather(*(ask(*row) for row in rows))

    async def main():
        connector = aiohttp.TCPConnector(limit=100)
        async with Simulator(RULES) as sim, aiohttp.ClientSession(connector=connector) as session:
            url = sim.base_url
            wanted = [(session, url, key, number) for number in range(SLOTS) for key in KEYS]
            ids = await each(submit, wanted)
            held = [(*row[:3], task_id) for row, task_id in zip(wanted, ids, strict=True)]
            assert set(await each(state, held)) == {"RUNNING"}
            # By now every key may submit again, and none has room.
            await asyncio.sleep(1)
            refused = await each(submit, [(session, url, key, SLOTS) for key in KEYS])
            sim.world.advance(time.time() + 4000)
            assert set(await each(state, held)) == {"SUCCEEDED"}
            return refused, sim.stats()

    refused, stats = asyncio.run(asyncio.wait_for(main(), 120))
    ids = [key_id(key) for key in KEYS]
    assert len(set(ids)) == len(KEYS)
    assert refused == ["Throttling.Concurrency"] * len(KEYS)
    assert stats["max_open"] == {"all": len(KEYS) * SLOTS, MODEL: SLOTS}
    assert stats["max_open_by_key"] == {key: {MODEL: SLOTS} for key in ids}
    assert stats["refused"] == {"Throttling.Concurrency": len(KEYS)}
    assert stats["bill"] == {"CNY": "1200.00"}
    assert stats["bill_by_key"] == {key: {"CNY": "6.00"} for key in ids}
