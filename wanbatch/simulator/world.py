"""The service as a state machine: every call is given the time and answers with a whole reply.

Knows accounts, limits, tasks and videos. Does not know sockets, files, asyncio or the real clock.
"""

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wanbatch.simulator import callers, checks, clip, listing, store
from wanbatch.simulator.bill import bill
from wanbatch.simulator.callers import NOBODY, Caller, Headers, header
from wanbatch.simulator.gate import Gate
from wanbatch.simulator.lane import Lane, Task
from wanbatch.simulator.limits import limits
from wanbatch.simulator.replies import Refusal, Reply, json_reply, refuse
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.tally import Tally

__all__ = ["Reply", "Rules", "World"]

REGION = "cn-beijing"
_UTC_OFFSET = 8 * 3600.0

_SYNCHRONOUS = Refusal(403, "AccessDenied", "current user api does not support synchronous calls.")
_NO_MODEL = Refusal(400, "InvalidParameter", "Model not exist.")
TOO_FAST = Refusal(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later.")
BROKEN = Refusal(500, "InternalError", "An internal error has occurred.")
_TOO_MANY = Refusal(429, "Throttling.Concurrency", "Too many concurrent requests.")
_NOT_PENDING = Refusal(
    400,
    "UnsupportedOperation",
    "Failed to cancel the task, please confirm if the task is in PENDING status.",
)


class World:
    """One pretended service with all its accounts.

    `now` is the world's clock and `wall` the clients', both in epoch seconds; rates are judged by `wall`, all else
    by `now`. They are the same unless somebody compresses time, and neither goes backwards: an earlier time counts
    as the latest one seen. `origin` begins the video URLs; `video_of` gives the bytes for a task id. The same calls
    with the same seed give the same replies.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        seed: int = 0,
        *,
        origin: str = "https://dashscope-a717.oss-accelerate.aliyuncs.com",
        video_of: Callable[[str], bytes] = clip.video,
    ) -> None:
        self.rules = rules or Rules()
        self.origin = origin
        self._video_of = video_of
        self._tally = Tally()
        self._tasks: dict[str, Task] = {}
        self._shelf: dict[str, Task] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._gate = Gate(self.rules)
        self._given: dict[str, int] = {}
        """Tasks given to each account."""
        self._now = self._wall = float("-inf")
        # One stream each, so that how often somebody polls does not change how long a render takes.
        self._task_ids, self._request_ids, self._renders = (
            random.Random(f"{seed}/{stream}")  # noqa: S311 - ids of a pretended service keep nothing secret
            for stream in ("tasks", "requests", "renders")
        )

    def obey(self, rules: Rules) -> None:
        """Let other rules hold from now on: a limit that changes, arrears that are paid. What runs goes on."""
        self.rules = rules
        for lane in self._lanes.values():
            lane.resize(rules.slots)
        self._gate.obey(rules)

    def create(
        self,
        now: float,
        headers: Headers,
        body: bytes,
        *,
        wall: float | None = None,
        fate: checks.Failure | None = None,
    ) -> Reply:
        """POST …/video-synthesis (Q-CREATE). `fate` is for a fault: the task is to fail so."""
        parsed = checks.read_body(body)
        request_id = self._arrive("create", now, wall, headers, checks.model_of(parsed))
        caller = self._gate.caller(headers)
        denied = caller if isinstance(caller, Refusal) else self._denied(caller.account, headers, parsed)
        if denied:
            return self._refuse(denied, request_id, headers)
        assert isinstance(caller, Caller)
        assert isinstance(parsed, dict)
        oss_allowed = header(headers, "x-dashscope-ossresourceresolve") == "enable"
        order = checks.order(parsed, oss_allowed=oss_allowed)
        task = self._task(caller, request_id, replace(order, failure=fate) if fate else order)
        self._tasks[task.task_id] = task
        self._given[caller.account] = self._given.get(caller.account, 0) + 1
        self._lane(caller.account, task.order.model).add(task)
        open_now = sum(lane.open() for lane in self._lanes.values())
        self._tally.accept(task.task_id, parsed, checks.prompt_of(parsed), open_now)
        output = {"task_id": task.task_id, "task_status": "PENDING"}
        return json_reply(200, {"request_id": request_id, "output": output})

    def query(self, now: float, headers: Headers, task_id: str, *, wall: float | None = None) -> Reply:
        """GET …/tasks/{task_id} (Q-QUERY): HTTP 200 for any id, UNKNOWN for one that is not ours or too old."""
        request_id = self._arrive("query", now, wall, headers)
        account = self._reader(headers)
        if isinstance(account, Refusal):
            return self._refuse(account, request_id, headers)
        task = self._visible(account, task_id)
        if task is None:
            return unknown(task_id, request_id)
        body: dict[str, Any] = {"request_id": request_id, "output": self._output(task)}
        if task.status(self._now) == "SUCCEEDED":
            body["usage"] = task.order.usage()
        return json_reply(200, body)

    def list_tasks(
        self,
        now: float,
        headers: Headers,
        params: Mapping[str, str],
        *,
        wall: float | None = None,
        late_s: float = 0.0,
    ) -> Reply:
        """GET …/tasks (Q-TASKS): flat, newest first, statuses only. The one call that looks at every task.

        `late_s` is for a fault: tasks accepted less than so many seconds of the clients' clock ago are not shown.
        """
        request_id = self._arrive("list", now, wall, headers)
        account = self._reader(headers)
        if isinstance(account, Refusal):
            return self._refuse(account, request_id, headers)
        wanted = listing.asked(params, self._now)
        if isinstance(wanted, Refusal):
            return self._refuse(wanted, request_id, headers)
        newest_first = (self._tasks[task_id] for task_id in reversed(self._tasks))
        rows = (task for task in newest_first if task.account == account and self._listed(task, late_s))
        return json_reply(200, {**listing.page(rows, wanted, self._now, REGION), "request_id": request_id})

    def cancel(self, now: float, headers: Headers, task_id: str, *, wall: float | None = None) -> Reply:
        """POST …/tasks/{task_id}/cancel (Q-TASKS): only a PENDING task; the reply is a bare receipt."""
        request_id = self._arrive("cancel", now, wall, headers)
        account = self._reader(headers)
        if isinstance(account, Refusal):
            return self._refuse(account, request_id, headers)
        task = self._visible(account, task_id)
        if task is None or not self._lane(account, task.order.model).cancel(task, self._now):
            return self._refuse(_NOT_PENDING, request_id, headers)
        return json_reply(200, {"request_id": request_id})

    def limits(self, now: float, headers: Headers, params: Mapping[str, str], *, wall: float | None = None) -> Reply:
        """GET …/models/limits or …/quotas ("List model quotas"): what the account may do; it has no documented rate."""
        request_id = self._arrive("limits", now, wall, headers)
        caller = self._gate.caller(headers)
        told = caller if isinstance(caller, Refusal) else limits(self.rules, params, f"ws-{caller.account}")
        if isinstance(told, Refusal):
            return self._refuse(told, request_id, headers)
        return json_reply(200, {**told, "request_id": request_id})

    def video(self, now: float, path: str, raw_query: str, headers: Headers, *, wall: float | None = None) -> Reply:
        """GET of a video_url; `raw_query` is what stood after the question mark, untouched."""
        request_id = self._arrive("video", now, wall, {})
        task = self._shelf.get(path)
        stored = task.stored if task else None
        signed_twice = header(headers, "authorization") is not None
        denied = store.refusal(stored, self._now, raw_query, signed_twice, request_id)
        if denied:
            return denied
        assert task is not None
        assert stored is not None
        lower = {name.lower(): value for name, value in headers.items()}
        return store.serve(self._video_of(task.task_id), stored.made, lower, request_id)

    def throttled(
        self, now: float, endpoint: str, retry_after: str | None = None, *, wall: float | None = None
    ) -> Reply:
        """429 Throttling.RateQuota whatever the rate is: for a fault; the request is counted and changes nothing."""
        return self.deny(now, endpoint, replace(TOO_FAST, retry_after=retry_after), wall=wall)

    def failed(self, now: float, endpoint: str, *, wall: float | None = None) -> Reply:
        """500 InternalError: for a fault; the request is counted and changes nothing."""
        return self.deny(now, endpoint, BROKEN, wall=wall)

    def deny(
        self,
        now: float,
        endpoint: str,
        refusal: Refusal,
        *,
        wall: float | None = None,
        headers: Headers = NOBODY,
        model: str = "",
    ) -> Reply:
        """Any refusal: for a fault; the request is counted, for its key and model too, and changes nothing."""
        request_id = self._arrive(endpoint, now, wall, headers, model)
        return self._refuse(refusal, request_id, headers)

    def mislaid(self, now: float, task_id: str, *, wall: float | None = None, headers: Headers = NOBODY) -> Reply:
        """UNKNOWN for a task whatever it is: for a fault; the query is counted and changes nothing."""
        return unknown(task_id, self._arrive("query", now, wall, headers))

    def prompt_of(self, task_id_or_path: str) -> str | None:
        """The prompt of a task, or of the video at a URL path; None when there is none such."""
        task = self._tasks.get(task_id_or_path) or self._shelf.get(task_id_or_path)
        return task.order.prompt if task else None

    def status_of(self, now: float, task_id: str) -> str | None:
        """The state of a task at this time, None for none such: for a fault that waits for one; nothing is counted."""
        self._advance(now)
        task = self._tasks.get(task_id)
        return task.status(self._now) if task and self._alive(task) else None

    def other_than(self, task_id: str) -> str | None:
        """The newest of all tasks but this one, None when there is none."""
        return next((other for other in reversed(self._tasks) if other != task_id), None)

    def stats(self) -> dict[str, Any]:
        """The oracle: what was accepted and how hard the service was pressed, as plain JSON data.

        `accepted_by_body` is keyed by the SHA-256 of the parsed body as canonical JSON (sorted keys, no blanks,
        unescaped UTF-8), `accepted_by_prompt` by the prompt as sent; both hold task ids. `max_open` counts tasks
        accepted and not ended, "all" over everything; for models it is the most of any one account.

        Tables `…_by_key` have a row for each key that was used, under `callers.key_id` of it. `max_open_by_key` is
        the most that the key's account had open at once, by model: keys of one account show the same. `refused`
        counts refusals by code, `over_rate` those for being too fast alone. The bill is `bill.bill`'s.
        """
        tally = self._tally
        models = sorted({model for _, model in self._lanes})
        lanes = {model: [lane for key, lane in self._lanes.items() if key[1] == model] for model in models}
        peaks = {model: max(lane.peak_open for lane in found) for model, found in lanes.items()}
        return {
            "accepted": tally.accepted,
            "accepted_by_body": {key: list(ids) for key, ids in tally.by_body.items()},
            "accepted_by_prompt": {key: list(ids) for key, ids in tally.by_prompt.items()},
            "max_open": {"all": tally.peak_open, **peaks},
            "max_running": {model: max(lane.peak_running for lane in found) for model, found in lanes.items()},
            "requests": dict(tally.requests),
            "throttled": tally.throttled,
            "peak_submits_per_s": tally.submits.most,
            "peak_queries_per_s": tally.queries.most,
            "max_open_by_key": {
                key: {model: lane.peak_open for (owner, model), lane in self._lanes.items() if owner == account}
                for key, account in self._gate.accounts.items()
            },
            "over_rate": self._gate.over_rate,
            **tally.tables(),
            **bill(self._lanes.values(), self.rules.prices),
        }

    def advance(self, now: float) -> None:
        """Let everything happen that happens up to this time, though nobody asked: the bill goes on by itself."""
        self._advance(now)

    def spans(self) -> list[tuple[str, str, float, float | None]]:
        """For each task in the order of acceptance: key id, model, when submitted, when ended (None: not known yet)."""
        return [
            (task.api_key_id, task.order.model, task.submitted, task.ended if task.canceled is None else task.canceled)
            for task in self._tasks.values()
        ]

    def _arrive(self, endpoint: str, now: float, wall: float | None, headers: Headers, model: str = "") -> str:
        """Bring everything up to the time of this request, count it, and name it."""
        self._advance(now)
        self._wall = max(self._wall, now if wall is None else wall)
        key = callers.key_of(headers)
        self._tally.arrived(endpoint, self._wall, callers.key_id(key) if key else None, model)
        return _uuid(self._request_ids)

    def _advance(self, now: float) -> None:
        self._now = max(self._now, now)
        for lane in self._lanes.values():
            if lane.due <= self._now:
                lane.advance(self._now)

    def _denied(self, account: str, headers: Headers, parsed: dict[str, Any] | Refusal) -> Refusal | None:
        """What is refused before a task exists, in the order of a gateway: form, model, money, rate, cap, input."""
        if header(headers, "x-dashscope-async") != "enable":
            return _SYNCHRONOUS
        if isinstance(parsed, Refusal):
            return parsed
        model = parsed.get("model")
        if model not in self.rules.models:
            return _NO_MODEL
        broke = self._broke(account, str(model))
        if broke:
            return broke
        if not self._gate.submits(account, str(model), self._wall):
            return TOO_FAST
        lane = self._lanes.get((account, str(model)))
        if lane and lane.open() >= self.rules.most_open:
            return _TOO_MANY
        return checks.BAD_INPUT if checks.moderated(parsed) else None

    def _broke(self, account: str, model: str) -> Refusal | None:
        """What the account's money says to one more task."""
        rules = self.rules
        if rules.arrears_after is not None and self._given.get(account, 0) >= rules.arrears_after:
            return callers.IN_ARREARS
        if rules.free_seconds is None:
            return None
        lane = self._lanes.get((account, model))
        used = lane.made.total() + sum(task.order.duration for task in lane.under_way()) if lane else 0
        return callers.NOT_FREE if used >= rules.free_seconds else None

    def _reader(self, headers: Headers) -> str | Refusal:
        """The account that asks about its tasks, if its key and its rate allow."""
        caller = self._gate.caller(headers)
        if isinstance(caller, Refusal):
            return caller
        return caller.account if self._gate.asks(caller.account, self._wall) else TOO_FAST

    def _refuse(self, refusal: Refusal, request_id: str, headers: Headers) -> Reply:
        key = callers.key_of(headers)
        self._tally.turned_away(refusal.code, refusal.status, callers.key_id(key) if key else None)
        return refuse(refusal, request_id)

    def _lane(self, account: str, model: str) -> Lane:
        return self._lanes.setdefault((account, model), Lane(self.rules.slots))

    def _task(self, caller: Caller, request_id: str, order: checks.Order) -> Task:
        spread = self._renders.uniform(1 - self.rules.spread, 1 + self.rules.spread)
        at_once = order.failure is not None and order.failure.at_once
        return Task(
            task_id=_uuid(self._task_ids),
            request_id=request_id,
            account=caller.account,
            api_key_id=caller.key_id,
            order=order,
            submitted=self._now,
            ready=self._now + self.rules.pending_s,
            render=0.0 if at_once else self.rules.render_s * spread,
            deadline=self._now + self.rules.timeout_s,
            failure=order.failure,
            accepted=self._wall,
        )

    def _alive(self, task: Task) -> bool:
        return self._now < task.submitted + self.rules.ttl_s

    def _listed(self, task: Task, late_s: float) -> bool:
        return self._alive(task) and self._wall - task.accepted >= late_s

    def _visible(self, account: str, task_id: str) -> Task | None:
        task = self._tasks.get(task_id)
        return task if task and task.account == account and self._alive(task) else None

    def _output(self, task: Task) -> dict[str, Any]:
        status = task.status(self._now)
        output = {"task_id": task.task_id, "task_status": status}
        output["submit_time"] = listing.local_time(task.submitted)
        if task.started is not None:
            output["scheduled_time"] = listing.local_time(task.started)
        if status in {"SUCCEEDED", "FAILED"} and task.ended is not None:
            output["end_time"] = listing.local_time(task.ended)
        if status == "SUCCEEDED":
            output["orig_prompt"] = task.order.prompt
            output["video_url"] = self.origin + self._shelved(task).target
        if status == "FAILED" and task.failure:
            output["code"], output["message"] = task.failure.code, task.failure.message
        return output

    def _shelved(self, task: Task) -> store.Stored:
        """Where a finished task's video lies; nobody can know the place before it was told."""
        if task.stored is None:
            assert task.ended is not None
            task.stored = store.shelve(task.task_id, task.ended, self.rules.ttl_s, _UTC_OFFSET)
            self._shelf[task.stored.path] = task
        return task.stored


def unknown(task_id: str, request_id: str) -> Reply:
    """HTTP 200 and UNKNOWN: expired, never existed, or another account's; the service does not say which."""
    output = {"task_id": task_id, "task_status": "UNKNOWN"}
    return json_reply(200, {"request_id": request_id, "output": output})


def _uuid(stream: random.Random) -> str:
    return str(uuid.UUID(int=stream.getrandbits(128), version=4))
