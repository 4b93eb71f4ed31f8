"""The official SDK against the pretended service: it was not written by us, so it does not share our mistakes.

Nothing of the SDK is changed but where it sends its requests.
"""

import asyncio
import threading
import time

import dashscope
import pytest
import requests
from dashscope import VideoSynthesis
from dashscope.aigc.video_synthesis import AioVideoSynthesis
from dashscope.api_entities.aio_session import close_shared_aio_session
from dashscope.api_entities.http_request import close_shared_sync_session
from dashscope.v2.errors import DashScopeError

from wanbatch.simulator import clip
from wanbatch.simulator.app import Simulator
from wanbatch.simulator.faults import Faults
from wanbatch.simulator.rules import Rules

KEY = "sk-test-0001"
MODEL = "wan2.7-t2v"
PROMPT = "第1个镜头[0-3秒] 全景：雨夜"
ORDER = {"resolution": "720P", "ratio": "9:16", "duration": 10, "seed": 12345, "prompt_extend": True}
QUICK = Rules(pending_s=0.1, render_s=0.2)
PATIENT = Rules(pending_s=3600)


class Served:
    """A simulator on a thread with its own loop, since the SDK's calls block."""

    def __init__(self, rules, faults=()):
        self._rules, self._faults = rules, Faults.from_list(faults)
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self):
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        async with Simulator(self._rules, self._faults) as self.sim:
            self._up.set()
            await self._down.wait()

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(10)
        return self.sim

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def serve(monkeypatch):
    """Start a simulator and point the SDK's first generation at it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = []

    def start(rules, faults=()):
        served = Served(rules, faults)
        sim = served.__enter__()
        running.append(served)
        monkeypatch.setattr(dashscope, "base_http_api_url", sim.base_url)
        return sim

    yield start
    close_shared_sync_session()
    for served in running:
        served.__exit__()


def run_aio(story):
    """The SDK keeps a session for each loop and leaves closing it to the garbage collector."""

    async def main():
        try:
            return await story()
        finally:
            await close_shared_aio_session()

    return asyncio.run(main())


def client_of(sim, **rest):
    return dashscope.Client(api_key=KEY, base_url=sim.base_url, **rest)


def assert_done(output, usage, task_id):
    assert output["task_status"] == "SUCCEEDED"
    assert output["orig_prompt"] == PROMPT
    for name in ("submit_time", "scheduled_time", "end_time"):
        assert len(output[name]) == len("2025-09-29 14:18:52.331")
    assert (usage["duration"], usage["output_video_duration"], usage["video_count"]) == (10, 10, 1)
    assert (usage["ratio"], usage["SR"]) == ("9:16", 720)
    video = requests.get(output["video_url"], timeout=10)
    assert (video.status_code, video.content) == (200, clip.video(task_id))


def test_v1_creates_waits_fetches_and_lists(serve):
    sim = serve(QUICK)
    created = VideoSynthesis.async_call(
        model=MODEL, prompt=PROMPT, negative_prompt="flower", api_key=KEY, workspace="ws-1", watermark=False, **ORDER
    )
    assert created.status_code == 200, created
    assert created.output.task_status == "PENDING"
    waited = VideoSynthesis.wait(created, api_key=KEY, wait_timeout=20)
    fetched = VideoSynthesis.fetch(created.output.task_id, api_key=KEY)
    for answer in (waited, fetched):
        assert_done(answer.output, answer.usage, created.output.task_id)
    listed = VideoSynthesis.list(model_name=MODEL, status="SUCCEEDED", page_size=50, api_key=KEY)
    assert listed.output["total"] == 1
    assert listed.output["data"][0]["task_id"] == created.output.task_id
    assert listed.output["data"][0]["request_id"] == created.request_id
    assert sim.stats()["accepted_by_prompt"] == {PROMPT: [created.output.task_id]}


def test_v1_cancels_a_pending_task_once(serve):
    serve(PATIENT)
    created = VideoSynthesis.async_call(model=MODEL, prompt="p", api_key=KEY)
    assert VideoSynthesis.cancel(created, api_key=KEY).status_code == 200
    assert VideoSynthesis.wait(created, api_key=KEY, wait_timeout=20).output.task_status == "CANCELED"
    again = VideoSynthesis.cancel(created, api_key=KEY)
    assert (again.status_code, again.code) == (400, "UnsupportedOperation")


def test_v1_returns_refusals_and_failures_as_it_does_the_live_ones(serve):
    serve(Rules(pending_s=0, render_s=0))
    wrong_key = VideoSynthesis.async_call(model=MODEL, prompt="p", api_key="sk-invalid")
    assert (wrong_key.status_code, wrong_key.code) == (401, "InvalidApiKey")
    wrong_model = VideoSynthesis.async_call(model="wan9", prompt="p", api_key=KEY)
    assert (wrong_model.status_code, wrong_model.code) == (400, "InvalidParameter")
    assert wrong_model.message == "Model not exist."
    unknown = VideoSynthesis.fetch("0385dc79-5ff8-4d82-bcb6-000000000000", api_key=KEY)
    assert (unknown.status_code, unknown.output.task_status) == (200, "UNKNOWN")
    failed = VideoSynthesis.call(model=MODEL, api_key=KEY)
    assert (failed.status_code, failed.output.task_status) == (200, "FAILED")
    assert (failed.output.code, failed.output.message) == ("InvalidParameter", "Field required: input.prompt")


def test_v1_sends_a_create_again_after_a_reset_and_so_pays_twice(serve):
    sim = serve(PATIENT, [{"endpoint": "create", "kind": "reset_after_accept", "nth": 1}])
    created = VideoSynthesis.async_call(model=MODEL, prompt="p", api_key=KEY)
    assert created.status_code == 200
    assert len(sim.stats()["accepted_by_prompt"]["p"]) == 2


def test_v1_asyncio_creates_waits_fetches_and_lists(serve):
    serve(QUICK)

    async def story():
        created = await AioVideoSynthesis.async_call(
            model=MODEL, prompt=PROMPT, negative_prompt="flower", api_key=KEY, **ORDER
        )
        assert created.status_code == 200, created
        waited = await AioVideoSynthesis.wait(created, api_key=KEY, wait_timeout=20)
        fetched = await AioVideoSynthesis.fetch(created.output.task_id, api_key=KEY)
        listed = await AioVideoSynthesis.list(page_no=1, page_size=5, api_key=KEY)
        return created, waited, fetched, listed

    created, waited, fetched, listed = run_aio(story)
    for answer in (waited, fetched):
        assert_done(answer.output, answer.usage, created.output.task_id)
    assert [row["task_id"] for row in listed.output["data"]] == [created.output.task_id]
    assert (listed.output["total_page"], listed.output["page_size"]) == (1, 5)


def test_v1_asyncio_cancels_a_pending_task_once(serve):
    serve(PATIENT)

    async def story():
        created = await AioVideoSynthesis.async_call(model=MODEL, prompt="p", api_key=KEY)
        first = await AioVideoSynthesis.cancel(created, api_key=KEY)
        again = await AioVideoSynthesis.cancel(created, api_key=KEY)
        waited = await AioVideoSynthesis.wait(created, api_key=KEY, wait_timeout=20)
        return first, again, waited

    first, again, waited = run_aio(story)
    assert first.status_code == 200
    assert (again.status_code, again.code) == (400, "UnsupportedOperation")
    assert waited.output.task_status == "CANCELED"


def test_v2_creates_waits_fetches_and_lists(serve):
    sim = serve(QUICK)
    with client_of(sim) as client:
        jobs = client.videos.jobs
        parameters = dict(ORDER)
        created = jobs.create(model=MODEL, prompt=PROMPT, extra_input={"negative_prompt": "flower"}, **parameters)
        assert created.status == "PENDING"
        waited = jobs.wait(created, poll_interval=0.1, timeout=20)
        fetched = jobs.fetch(created.task_id)
        for job in (waited, fetched):
            assert job.succeeded
            assert job.video_url == job.output["video_url"]
            assert_done(job.output, job.usage.model_dump(), created.task_id)
        listed = jobs.list(model_name=MODEL)
        # This SDK reads the key `tasks`; the documented one is `data`, which is what the service sends.
        assert (listed.total, listed.page_no, listed.page_size, listed.tasks) == (1, 1, 10, [])


def test_v2_cancels_a_pending_task_once(serve):
    sim = serve(PATIENT)
    with client_of(sim) as client:
        jobs = client.videos.jobs
        created = jobs.create(model=MODEL, prompt="p")
        assert jobs.cancel(created.task_id).request_id
        with pytest.raises(DashScopeError, match="PENDING status"):
            jobs.cancel(created.task_id)
        assert jobs.fetch(created.task_id).status == "CANCELED"


def test_v2_waits_as_long_as_a_retry_after_says(serve):
    sim = serve(PATIENT, [{"endpoint": "create", "kind": "throttle", "nth": 1, "retry_after": "1"}])
    with client_of(sim) as client:
        began = time.monotonic()
        client.videos.jobs.create(model=MODEL, prompt="p")
        assert time.monotonic() - began >= 1
    assert sim.stats()["requests"] == {"create": 2}
    assert sim.stats()["accepted"] == 1


def test_v2_raises_what_a_failed_task_says(serve):
    sim = serve(Rules(pending_s=0, render_s=0))
    with client_of(sim) as client:
        created = client.videos.jobs.create(model=MODEL, prompt="a [moderated output] b")
        with pytest.raises(DashScopeError, match="inappropriate content"):
            client.videos.jobs.fetch(created.task_id)
