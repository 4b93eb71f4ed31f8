"""Builders of requests to the pretended service, with defaults for everything a test does not vary."""

import json
from typing import Any

from wanbatch.simulator.replies import Reply
from wanbatch.simulator.world import World

T0 = 1_780_000_000.0
MODEL = "wan2.7-t2v"
HEADERS = {"Authorization": "Bearer sk-test", "X-DashScope-Async": "enable", "Content-Type": "application/json"}


def headers(key: str) -> dict[str, str]:
    return {**HEADERS, "Authorization": f"Bearer {key}"}


def body(prompt: Any = "rain on a window", model: Any = MODEL, **parameters: Any) -> bytes:
    return json.dumps({"model": model, "input": {"prompt": prompt}, "parameters": parameters}).encode()


def submit(world: World, now: float, prompt: Any = "rain on a window", key: str = "sk-test", **rest: Any) -> str:
    """Create a task that must be accepted; its id."""
    reply = world.create(now, headers(key), body(prompt, **rest))
    assert reply.status == 200, reply.body
    return str(reply.json["output"]["task_id"])


def output(world: World, now: float, task_id: str, key: str = "sk-test") -> dict[str, Any]:
    reply = world.query(now, headers(key), task_id)
    assert reply.status == 200, reply.body
    return dict(reply.json["output"])


def status(world: World, now: float, task_id: str, key: str = "sk-test") -> str:
    return str(output(world, now, task_id, key)["task_status"])


def refusal(reply: Reply) -> tuple[int, str]:
    assert set(reply.json) == {"code", "message", "request_id"}
    return reply.status, reply.json["code"]
