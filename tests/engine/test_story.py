"""Stories: runs, kills, faults, edits, restored journals, clock jumps and strangers, in any order.

A state machine tells them. Everything is as in a real run (journal, plan, engine, files on disk) but for the network
and for time: the service is the simulator's world, and time passes only when everybody waits.

Two clocks: the world's, which the service has and which never jumps, and the machine's, which is `skew` away from it.
A run reads the machine's clock once, at its start, as `wanbatch.clock` does; one that is set meanwhile shows in the
next.

What the stories leave out, since nobody could do right there (docs/TRACK_RECORD.md, “What this does not prove”):

- A journal that is put back or deleted while the tasks that it forgets still run, and whose file does not show it.
  So after a deletion, and after a restore that the file's times do not show, the story waits until those have ended.
- Tasks that such a journal forgot and that are older than the 24 h of the task list: no evidence of them is left.
- A POST that lands, and is listed, later than the settling time allows.
- An answer with the id of a task that no job here has.
- After such a deletion or restore, a task list, or a forgotten task's prompt, that cannot be read at the start of a
  run: that run only warns, and what it warned of is not held against it (`GAPS` counts these).

`WANBATCH_STORIES=2000` tells more of them, from a seed that it prints; `WANBATCH_STORIES_SEED` tells them again.
"""

import asyncio
import json
import os
import random
import selectors
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from jobs.histories import seen
from support import HEADERS, NOW, headers_of, wanted

from wanbatch.cli.adopt_ import adoption
from wanbatch.engine import Engine
from wanbatch.errors import WanbatchError
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Board, Job
from wanbatch.jobs.folder import mend, videos_on_disk
from wanbatch.jobs.journal import Journal, read
from wanbatch.jobs.orphans import Withheld
from wanbatch.jobs.plan import Kind, Plan, plan
from wanbatch.jobs.policy import TASK_LIFE_S, Limits
from wanbatch.jobs.reconcile import EARLY_S
from wanbatch.jobs.state import (
    Canceled,
    CancelRequested,
    Done,
    Event,
    Failed,
    Held,
    InDoubt,
    Ready,
    ResubmitApproved,
    SubmitAccepted,
    SubmitIntended,
    TaskAdopted,
)
from wanbatch.manifest.model import JobKey, Request, Wanted, text_hash
from wanbatch.perform import Performer, Work
from wanbatch.run import COPIED_S, prepare, with_withheld, work_of
from wanbatch.service import wire
from wanbatch.service.download import Downloader, Stopped, Target
from wanbatch.service.part import Found
from wanbatch.simulator.replies import Reply, json_reply
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World

HOUR = 3600.0
ORIGIN = "https://v.aliyuncs.com"
POST_S = Limits().post_timeout_s
WINDOW_S = POST_S + Limits().settle_s
LIST_LATE_S = 60.0
"""How late the list may be, and a POST that nobody waits for: together less than the settling time."""
MOST_RUN_S = 8 * HOUR
"""No run of these few short scenes takes longer, whatever the faults are: pauses are at most an hour."""
SCENES = ("s0", "s1", "s2", "s3")
PROMPTS = ("rain", "snow", "[internal error] fog")
CREATE = (
    "lost", "reset", "late", "late reset", "never", "never in time", "500", "500 made", "500 made, no id", "html made",
    "cut made", "429", "401", "400", "unsent", "another's id",
)  # fmt: skip
QUERY = ("500", "429", "html", "silent", "unknown", "no url", "running")
LIST = ("500", "429", "html", "silent", "late")
VIDEO = ("cut", "silent", "disk", "gone")
FAULTS = [(where, kind) for where, kinds in
          (("create", CREATE), ("query", QUERY), ("list", LIST), ("video", VIDEO)) for kind in kinds]  # fmt: skip


Trouble = tuple[str, str]
"""An endpoint, and what goes wrong there once."""
Stranger = tuple[float, str, str]
"""Somebody else's task on the same account: made so many seconds into a run; prompt and model."""
ON_ABSENT = st.sampled_from(["hold", "resubmit"])
TROUBLE = st.lists(st.sampled_from((*CREATE, *["fine"] * 8)).map(lambda kind: ("create", kind)), max_size=4).flatmap(
    lambda first: st.lists(st.sampled_from(FAULTS), max_size=4).map(lambda more: first + more)
)
SECONDS = st.sampled_from([0.1, 0.3, 1.0, 5.0, 30.0, 70.0, 100.0, 180.0, 240.0, 280.0, 400.0])
STRANGERS = st.lists(
    st.tuples(SECONDS, st.sampled_from(PROMPTS), st.sampled_from(["wan2.7-t2v", "wan2.7-t2v-2026-04-25"])), max_size=2
)


@dataclass
class Time:
    """The world's time, counted from the story's beginning: timers need a finer grain than epoch seconds have."""

    passed: float = 0.0

    @property
    def at(self) -> float:
        return NOW + self.passed


class Waiting(selectors.SelectSelector):
    """A selector that does not wait: when nobody can go on, time passes at once."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "the loop waits for ever"
            self.time.passed += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop on the world's time."""

    def __init__(self, time: Time) -> None:
        super().__init__(Waiting(time))
        self.world_time = time

    def time(self) -> float:
        return self.world_time.passed


class Clock:
    """A run's clock: what the machine's said at the start, and what has passed since."""

    def __init__(self, time: Time, skew: float) -> None:
        self.time = time
        self.skew = skew

    def now(self) -> float:
        return self.time.at + self.skew

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait_for(self, what, seconds):
        return await asyncio.wait_for(what, seconds)


@dataclass
class Letter:
    """A POST on its way. It arrives at `at` (the world's time) whether or not somebody still waits; None: never."""

    at: float | None
    request: Request
    sent: float
    reply: Reply | None = None
    task_id: str | None = None


class Network:
    """The service and the way to it: what outlives every run."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.world = World(Rules(slots=3, render_s=90, submit_rate=1e4, query_rate=1e5), origin=ORIGIN, video_of=video)
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.letters: list[Letter] = []
        self.ours: dict[str, Letter] = {}
        """Every task that a request of ours made."""
        self.foreign: set[str] = set()

    def fault(self, where: str) -> str | None:
        return self.faults[where].pop(0) if self.faults[where] else None

    def deliver(self) -> None:
        """Let arrive what has arrived by now."""
        due = [letter for letter in self.letters if letter.at is not None and letter.at <= self.time.at]
        for letter in sorted(due, key=lambda one: one.at or 0.0):
            self.letters.remove(letter)
            letter.reply = self.world.create(letter.at, HEADERS, letter.request.canonical())
            letter.task_id = letter.reply.json.get("output", {}).get("task_id")
            if letter.task_id:
                self.ours[letter.task_id] = letter

    def hang_up(self) -> None:
        """The process is gone: what it sent, and is still on its way, is not for long."""
        for letter in self.letters:
            letter.at = letter.at and min(letter.at, self.time.at + 45)

    def billed(self, task_id: str) -> bool:
        """Whether a task is paid for, or will be."""
        return self.world._tasks[task_id].order.failure is None

    def age(self, task_id: str) -> float:
        return self.time.at - self.world._tasks[task_id].submitted

    def stranger(self, request: Request) -> None:
        """Somebody else on the same account."""
        self.deliver()
        self.foreign.add(self.world.create(self.time.at, HEADERS, request.canonical()).json["output"]["task_id"])


ODD = {
    "500": Reply(500, b'{"code": "InternalError", "message": "x", "request_id": "r"}'),
    "html": Reply(200, b"<html>"),
    "429": Reply(429, b'{"code": "Throttling.RateQuota", "message": "x"}', (("Retry-After", "7"),)),
    "401": Reply(401, b'{"code": "InvalidApiKey", "message": "x"}'),
    "400": Reply(400, b'{"code": "InvalidParameter", "message": "x"}'),
}
TRAVEL_S = {"late": 150.0, "late reset": 45.0}
"""When a POST arrives, in seconds after it was sent: as a rule at once."""
LOST = frozenset({"never", "never in time", "500", "429", "401", "400"})
"""Makes no task."""
SILENT = {"lost": POST_S, "late": POST_S, "never in time": POST_S, "reset": 1.0, "late reset": 1.0, "never": 1.0}
"""After how many seconds it is clear that no answer comes."""


class Client:
    """One run's connection to the service: the engine's protocol, with a `Date` in every answer."""

    def __init__(self, network: Network, clock: Clock, board: Callable[[], Board], posting: Callable[[Letter], None]):
        self.network = network
        self.clock = clock
        self.board = board
        self.posting = posting
        self.clock_offset_s: float | None = None

    async def submit(self, request: Request) -> saw.SubmitOutcome:
        network, fault = self.network, self.network.fault("create") or ""
        if fault == "unsent":
            return saw.NotSent("refused")
        sent = network.time.at
        letter = Letter(None if fault in LOST else sent + TRAVEL_S.get(fault, 0.2), request, sent)
        self.posting(letter)
        network.letters.append(letter)
        if fault in SILENT:
            await self.clock.sleep(SILENT[fault])
            return saw.Unknown("no answer")
        await self.clock.sleep(0.5)
        network.deliver()
        self.dated()
        reply = self.spoilt(fault, letter)
        return wire.submit_outcome(reply.status, headers_of(reply), reply.body)

    def spoilt(self, fault: str, letter: Letter) -> Reply:
        """The answer to a POST that gets one."""
        if fault in ODD:
            return ODD[fault]
        reply = letter.reply
        assert reply is not None
        if fault == "another's id" and (others := sorted(self.board().claimed)):
            output = {"task_id": others[-1], "task_status": "PENDING"}
            return json_reply(200, {"request_id": reply.header("x-request-id"), "output": output})
        if fault in ("500 made", "500 made, no id"):
            return Reply(
                500, ODD["500"].body.replace(b', "request_id": "r"', b""), reply.headers * (fault == "500 made")
            )
        if fault in ("html made", "cut made"):
            return replace(reply, body=b"<html>" if fault == "html made" else reply.body[:-20])
        return reply

    def dated(self) -> None:
        """What a `Date` header tells, to half a second."""
        self.clock_offset_s = int(self.network.time.at) + 0.5 - self.clock.now()

    async def asked(self, fault: str | None) -> Reply | saw.ReadFailed | None:
        """What comes instead of an answer to a question; None when the answer comes."""
        if fault == "silent":
            await self.clock.sleep(30)
            return saw.ReadFailed(saw.Kind.SERVICE, "NoAnswer", "")
        await self.clock.sleep(0.1)
        self.network.deliver()
        self.dated()
        return ODD.get(fault or "")

    async def task(self, task_id: str) -> saw.TaskView | saw.ReadFailed:
        fault = self.network.fault("query")
        reply = await self.asked(fault)
        if isinstance(reply, saw.ReadFailed):
            return reply
        now = self.network.time.at
        if fault == "unknown":
            reply = self.network.world.mislaid(now, task_id)
        reply = reply or self.network.world.query(now, HEADERS, task_id)
        view = wire.task_view(task_id, reply.status, headers_of(reply), reply.body)
        if isinstance(view, saw.TaskView) and view.status == "SUCCEEDED":
            if fault == "running":
                return saw.TaskView(task_id, "RUNNING")
            return replace(view, video_url=None) if fault == "no url" else view
        return view

    async def tasks(self, model: str) -> saw.Listing | saw.ReadFailed:
        fault = self.network.fault("list")
        reply = await self.asked(fault)
        if isinstance(reply, saw.ReadFailed):
            return reply
        late_s = LIST_LATE_S if fault == "late" else 0.0
        params = {"model_name": model, "page_size": "1000"}
        reply = reply or self.network.world.list_tasks(self.network.time.at, HEADERS, params, late_s=late_s)
        page = wire.list_page(reply.status, headers_of(reply), reply.body)
        return page if isinstance(page, saw.ReadFailed) else saw.Listing(page.rows)

    async def cancel(self, task_id: str) -> bool | saw.ReadFailed:
        raise AssertionError("no story cancels")


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def video(task_id: str) -> bytes:
    """The smallest video; no two tasks have the same."""
    return box(b"ftyp", b"isom") + box(b"moov") + box(b"mdat", task_id.encode())


class Carrier(Downloader):
    """The real output folder behind the engine's protocol; only the bytes come from the story."""

    def __init__(self, folder: Path, network: Network, clock: Clock) -> None:
        super().__init__(folder, None, loopback=False)
        self.network = network
        self.clock = clock

    async def fetch(self, url: str, target: Target) -> saw.Saved | saw.NotSaved:
        fault = self.network.fault("video")
        await self.clock.sleep(30 if fault == "silent" else 0.5)
        if fault in ("silent", "disk", "gone"):
            why = {"silent": saw.Lost.RETRY, "disk": saw.Lost.DISK, "gone": saw.Lost.GONE}[fault]
            return saw.NotSaved(why, fault)
        self.network.deliver()
        path, _, query = url.removeprefix(ORIGIN).partition("?")
        reply = self.network.world.video(self.network.time.at, path, query, {})
        if reply.status != 200:
            return saw.NotSaved(saw.Lost.RETRY, f"HTTP {reply.status}")
        try:
            with self._open(target.part, make=True) as folder:
                part = Found(folder, PurePosixPath(target.part).name)
                part.path.write_bytes(reply.body[:-5] if fault == "cut" else reply.body)
            return self._install(target, bounded=True)
        except Stopped as stopped:
            return stopped.seen


class Killed(BaseException):
    """The process dies here."""


@dataclass(frozen=True)
class End:
    """How a run ends: at its end, killed or asked to stop after some seconds, or so at its nth change of state."""

    after_s: float | None = None
    at_change: int = 0
    gently: bool = False
    nap_at_s: float | None = None
    """When the machine is suspended, for `nap_s` seconds."""
    nap_s: float = 0.0


@dataclass
class Intent:
    """An intent in the journal, when it was written by the world's time, and the POST that came of it."""

    at: float
    letter: Letter | None = None


class Books:
    """What a story remembers to judge by: what was posted, what a person said in words, what a journal forgot."""

    def __init__(self) -> None:
        self.intents: dict[JobKey, list[Intent]] = defaultdict(list)
        self.requests: dict[str, set[JobKey]] = defaultdict(set)
        """Every job that was ever wanted, by prompt."""
        self.approved: Counter[JobKey] = Counter()
        self.written_off: set[str] = set()
        """Tasks that a person said, in words, may be paid for in vain."""
        self.given_up: set[JobKey] = set()
        self.rolled_back = False
        self.forgotten: set[str] = set()
        self.warned_of: set[str] = set()
        """Forgotten tasks of which a run could only warn: no sign on the journal's file that it was put back."""


TOLD: Counter[str] = Counter()
"""What happened in all stories; printed with the long form."""
GAPS: Counter[str] = Counter()
"""How often a story came into what a run can only warn of; printed with the long form."""


def key_of(board: Board, request: Request) -> JobKey:
    return next(key for key in board.jobs if request.digest().startswith(key.digest))


class Story(RuleBasedStateMachine):
    """One film, its folder, the machine that it is on, and the account."""

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory(prefix="story-")
        self.folder = Path(self.home.name)
        self.path = self.folder / "journal.jsonl"
        self.time = Time()
        self.network = Network(self.time)
        self.books = Books()
        self.skew = 0.0
        self.film: dict[str, str] = {}
        self.copies: list[bytes] = []
        self.put_back_at = float("-inf")
        """What the machine's clock said when the journal was put back last: the time of the file's last change."""
        self.copied_mark = float("-inf")
        self.withheld: dict[JobKey, Withheld] = {}
        self.ended_well = False
        """By how much the machine's clock was set back, in all: a pause that was written before may be waited for."""

    # ---- the story's means

    @property
    def wall(self) -> float:
        return self.time.at + self.skew

    def wants(self) -> dict[JobKey, Wanted]:
        every = [wanted(id, prompt=prompt) for id, prompt in self.film.items()]
        for one in every:
            self.books.requests[one.request.prompt].add(one.key)
        return {one.key: one for one in every}

    def was_copied(self) -> bool:
        """What `wanbatch.run.was_copied` says, with the story's time for the file's."""
        with suppress(OSError, ValueError, IndexError):
            if self.put_back_at > json.loads(self.path.read_bytes().splitlines()[-1])["at"] + COPIED_S:
                self.put_back_at, self.copied_mark = float("-inf"), self.wall
        return self.wall - self.copied_mark < TASK_LIFE_S

    def process(self, end: End, faults: Sequence[Trouble] = (), strangers: Sequence[Stranger] = ()) -> None:
        """One run, as `wanbatch run --yes` does it."""
        TOLD["runs"] += 1
        clock, wants, copied = Clock(self.time, self.skew), self.wants(), self.was_copied()
        self.signed = copied
        self.copies += [self.path.read_bytes()] if self.path.exists() else []
        for where, kind in faults:
            self.network.faults[where].append(kind)

        def look() -> Plan:
            files = videos_on_disk(self.folder)
            return plan(wants.values(), journal.board, files, clock.now(), keep_changed=False, price=lambda _one: None)

        with Journal.open(self.path, clock.now()) as journal:
            mend(journal, self.folder, clock.now(), copied=copied)
            planned = look()
            engine = None
            if planned.of(Kind.NEW, Kind.STALE, Kind.IN_FLIGHT, Kind.FETCH, Kind.RESTORE):
                prepare(journal, planned, wants, self.folder, clock.now())
                work = replace(work_of(journal.board, wants, planned, self.folder, keep=False), copied=copied)
                engine = self.engine(journal, clock, end)
                with asyncio.Runner(loop_factory=lambda: Loop(self.time)) as runner:
                    self.ended_well = runner.run(self.drive(engine, work, end, strangers))
            elif planned.of(Kind.HELD):
                prepare(journal, planned, wants, self.folder, clock.now())
            self.after = with_withheld(look(), engine)
            assert seen(read(self.path)) == seen(journal.board), "the journal and the live board differ"
            if engine and self.ended_well:
                self.withheld = dict(engine.withheld)
                TOLD["withheld"] += len(self.withheld)

    def engine(self, journal: Journal, clock: Clock, end: End) -> Engine:
        """An engine that is watched."""
        changes = 0

        def told(job: Job, event: Event) -> None:
            nonlocal changes
            changes += 1
            self.heard(job, event)
            if changes == end.at_change:
                if not end.gently:
                    raise Killed
                engine.drain()

        def posting(letter: Letter) -> None:
            self.posting(letter, journal.board)

        client = Client(self.network, clock, lambda: journal.board, posting)
        carrier = Carrier(self.folder, self.network, clock)
        limits = Limits(concurrency=3, on_absent=self.on_absent)
        engine = Engine(journal, Performer({"": client}, carrier, clock, limits), told, warned=self.warned)
        return engine

    def warned(self, message: str) -> None:
        """A run goes on although it cannot see all; with a sign that its journal was put back it may not."""
        forgotten = self.books.forgotten - self.books.warned_of - read(self.path).claimed.keys()
        unread = "cannot be read" in message
        named = {task_id for task_id in forgotten if unread or task_id in message or " more;" in message}
        if named and not self.signed:
            GAPS["the list could not be read" if unread else "a task's prompt could not be read"] += 1
            self.books.warned_of |= named

    async def drive(self, engine: Engine, work: Work, end: End, strangers: Sequence[Stranger]) -> bool:
        """Let the engine run to the end that the story has for it; say whether it got to its own."""
        loop = asyncio.get_running_loop()

        def nap() -> None:
            self.time.passed += end.nap_s

        if end.nap_at_s is not None:
            loop.call_later(end.nap_at_s, nap)
        for at_s, prompt, model in strangers:
            request = wanted("stranger", prompt=prompt, model=model).request
            loop.call_later(at_s, self.network.stranger, request)
        running = asyncio.create_task(engine.run(work))
        most_s = MOST_RUN_S
        await asyncio.wait({running}, timeout=most_s if end.after_s is None else end.after_s)
        if not running.done() and end.gently:
            engine.drain()
            await asyncio.wait({running}, timeout=60)
        if running.done():
            with suppress(Killed):
                running.result()
                self.network.hang_up()
                return True
            self.network.hang_up()
            TOLD["kills"] += 1
            return False
        assert end.after_s is not None, "a run does not come to its end"
        assert not end.gently, "a run that was asked to stop goes on"
        before = self.path.read_bytes()
        running.cancel()
        await asyncio.wait({running})
        self.network.hang_up()
        TOLD["kills"] += 1
        assert self.path.read_bytes() == before, "nothing is written after a kill"
        return False

    def posting(self, letter: Letter, board: Board) -> None:
        """A POST leaves: its intent is the journal's last line, and nobody else's task could be taken for its own."""
        key = key_of(board, letter.request)
        last = json.loads(self.path.read_bytes().splitlines()[-1])
        assert (last["event"], last["job"]) == ("SubmitIntended", str(key)), "a POST without its intent on disk"
        mine = board.jobs[key]
        twins = [job for job in board.jobs.values() if isinstance(job.state, InDoubt) and job.model == mine.model]
        assert [job.key for job in twins if job.prompt_hash == mine.prompt_hash] == [key], "a twin's outcome is open"
        self.books.intents[key][-1].letter = letter

    def heard(self, job: Job, event: Event) -> None:
        """Something changed."""
        if isinstance(event, SubmitIntended):
            self.books.intents[job.key].append(Intent(self.time.at))
        TOLD[type(event).__name__] += 1
        if not isinstance(event, SubmitAccepted | TaskAdopted):
            return
        note(f"{job.key} has {event}")
        if event.task_id in self.network.foreign:
            TOLD["a stranger's task taken"] += 1
            self.check_stranger(job, event)
        elif not self.books.rolled_back:
            letter = self.network.ours[event.task_id]
            assert letter.request.digest().startswith(job.key.digest), "another scene's task was taken"

    def check_stranger(self, job: Job, event: Event) -> None:
        """A stranger's task is taken in one case only: nobody could tell it from ours, and ours does not exist."""
        task = self.network.world._tasks[event.task_id]
        assert isinstance(event, TaskAdopted), "a stranger's task was the answer to a POST"
        assert (task.order.model, text_hash(task.order.prompt)) == (job.model, job.prompt_hash)
        intents = self.books.intents[job.key]
        near = [intent for intent in intents if -EARLY_S <= task.submitted - intent.at <= WINDOW_S + 1]
        made = [one.letter.task_id for one in near if one.letter and one.letter.task_id]
        assert near, "a stranger's task of another time was taken"
        assert not [task_id for task_id in made if self.network.billed(task_id)], "a stranger's task was taken for ours"

    # ---- what must be true at every moment

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        self.network.deliver()
        paid = defaultdict(list)
        board = read(self.path)
        for task_id, letter in self.network.ours.items():
            if self.network.billed(task_id) and not self.is_past_knowing(task_id, board):
                paid[letter.request.prompt].append((key_of_letter(letter, self.books), task_id))
        for prompt, bills in paid.items():
            by_key = Counter(key for key, _ in bills)
            if not self.books.rolled_back:
                assert all(n <= 1 + self.books.approved[key] for key, n in by_key.items()), f"paid twice: {bills}"
            # A job that an older journal has in doubt may be given the task of a twin which that journal forgot.
            most = sum(1 + self.books.approved[key] for key in self.books.requests[prompt])
            assert len(bills) <= most, f"paid twice: {bills}"

    def is_past_knowing(self, task_id: str, board: Board) -> bool:
        """Whether a journal that was put back forgot the task, and the task list does not go back so far."""
        forgotten = task_id in self.books.forgotten and task_id not in board.claimed
        if forgotten and self.network.age(task_id) >= TASK_LIFE_S:
            self.books.warned_of.add(task_id)
        return task_id in self.books.warned_of

    @invariant()
    def nothing_is_lost(self) -> None:
        board = read(self.path)
        for task_id, letter in self.network.ours.items():
            if not self.network.billed(task_id) or task_id in self.books.written_off | self.books.forgotten:
                continue
            owner = board.claimed.get(task_id)
            key = key_of_letter(letter, self.books)
            if owner is not None:
                assert board.jobs[owner].task_id == task_id, f"{owner} lost {task_id}: {board.jobs[owner].state}"
            elif self.books.rolled_back:
                twins = [job for job in board.jobs.values() if job.key in self.books.requests[letter.request.prompt]]
                # One that is still to be submitted is first shown the task: nobody's, with its prompt.
                assert any(isinstance(job.state, InDoubt | Held | Ready) for job in twins), f"{task_id} is lost"
            else:
                assert isinstance(board.jobs[key].state, InDoubt | Held) or key in self.books.given_up, (
                    f"{key} does not know of {task_id}: {board.jobs[key].state}"
                )

    @invariant()
    def what_is_done_is_there(self) -> None:
        """Not asked once a journal was put back: it may name a file that has been a later video's since."""
        if self.books.rolled_back:
            return
        for job in read(self.path).jobs.values():
            if isinstance(job.state, Done) and (self.folder / job.state.path).exists():
                assert (self.folder / job.state.path).read_bytes() == video(job.state.task_id), f"{job.key}"

    # ---- what may happen

    @initialize(prompts=st.lists(st.sampled_from(PROMPTS[:2]), min_size=3, max_size=4), on_absent=ON_ABSENT)
    def begin(self, prompts, on_absent):
        self.on_absent = on_absent
        self.film = dict(zip(SCENES, prompts, strict=False))

    @rule(faults=TROUBLE, strangers=STRANGERS)
    def runs(self, faults, strangers):
        self.process(End(), faults, strangers)

    @rule(faults=TROUBLE, strangers=STRANGERS, after_s=SECONDS, gently=st.booleans())
    def runs_and_is_stopped_after(self, faults, strangers, after_s, gently):
        self.process(End(after_s, gently=gently), faults, strangers)

    @rule(faults=TROUBLE, strangers=STRANGERS, at_change=st.integers(1, 12))
    def runs_and_is_killed_at(self, faults, strangers, at_change):
        self.process(End(at_change=at_change), faults, strangers)

    @rule(faults=TROUBLE, strangers=STRANGERS, at_s=SECONDS, nap_s=st.sampled_from([60.0, HOUR, 4 * HOUR]))
    def runs_and_is_suspended(self, faults, strangers, at_s, nap_s):
        self.process(End(nap_at_s=at_s, nap_s=nap_s), faults, strangers)

    @rule(id=st.sampled_from(SCENES), prompt=st.sampled_from(PROMPTS))
    def is_edited(self, id, prompt):
        self.film[id] = prompt

    @precondition(lambda self: len(self.film) > 1)
    @rule(data=st.data())
    def loses_a_scene(self, data):
        del self.film[data.draw(st.sampled_from(sorted(self.film)))]

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), videos_too=st.booleans())
    def is_put_back(self, data, videos_too):
        """The journal as it was before some run comes back; None: it is deleted."""
        content = data.draw(st.sampled_from([None, *self.copies]))
        self.forgets(content, videos_too=videos_too)

    def forgets(self, content: bytes | None, *, videos_too: bool) -> None:
        if videos_too:
            for path in self.folder.glob("*/*"):
                path.unlink()
        shows = False
        if content is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_bytes(content)
            self.put_back_at = self.wall
            shows = self.wall > json.loads(content.splitlines()[-1])["at"] + COPIED_S
        if not shows:
            self.time.passed += 2 * HOUR  # the gap that the module's docstring names
        self.network.deliver()
        known = read(self.path).claimed
        self.books.forgotten |= {task_id for task_id in self.network.ours if task_id not in known}
        self.books.rolled_back = True
        TOLD["journals put back or deleted"] += 1
        self.withheld = {}

    @rule(hours=st.sampled_from([-30.0, -3.0, -0.2, 0.2, 3.0, 30.0]))
    def has_its_clock_set(self, hours):
        self.skew += hours * HOUR

    @rule(seconds=st.sampled_from([5.0, 60.0, 600.0, HOUR, 6 * HOUR, 25 * HOUR]))
    def lies_still(self, seconds):
        self.time.passed += seconds

    @rule(data=st.data())
    def loses_a_file(self, data):
        files = sorted(self.folder.glob("*/*.mp4"))
        if files:
            data.draw(st.sampled_from(files)).unlink()

    @rule(data=st.data(), what=st.sampled_from(["adopt", "resubmit", "give up"]))
    def is_decided_about(self, data, what):
        """A person decides about what is held or failed, as `wanbatch resolve` lets them, knowing the account."""
        board = read(self.path)
        states = (Held,) if what != "resubmit" else (Held, Failed, Canceled)
        held = sorted(key for key, job in board.jobs.items() if isinstance(job.state, states))
        if not held:
            return
        key = data.draw(st.sampled_from(held))
        mine = [id for id, letter in self.network.ours.items() if key_of_letter(letter, self.books) == key]
        event: Event
        if what == "adopt":
            free = [id for id in mine if board.claimed.get(id, key) == key and self.network.billed(id)]
            if not free:
                return
            event = TaskAdopted(free[0], "wanbatch resolve")
        else:
            event = ResubmitApproved("x") if what == "resubmit" else CancelRequested("x")
            if not isinstance(board.jobs[key].state, Failed):
                self.books.approved[key] += what == "resubmit"
                self.books.written_off |= set(mine) | {board.jobs[key].task_id}
                self.books.given_up.add(key)
        with Journal.open(self.path, self.wall) as journal:
            journal.record(key, event, self.wall)

    @rule()
    def is_given_what_was_withheld(self):
        """A person adopts what the last run said may be a scene's own, and is."""
        wants = self.wants()
        for key, back in self.withheld.items():
            letter = self.network.ours.get(back.task_id or "")
            if key not in wants or letter is None or key_of_letter(letter, self.books) != key:
                continue
            with suppress(WanbatchError), Journal.open(self.path, self.wall) as journal:
                journal.record_all(
                    [(key, event) for event in adoption(journal.board, wants[key], back.task_id)], self.wall
                )

    # ---- the end

    def teardown(self) -> None:
        try:
            if self.film:
                self.comes_to_its_end()
        finally:
            self.home.cleanup()

    def comes_to_its_end(self) -> None:
        """With nothing wrong any more, a few runs leave nothing open."""
        self.network.faults.clear()
        for _ in range(6):
            self.is_given_what_was_withheld()
            self.time.passed += 600
            self.process(End())
            self.check()
        kinds = {entry.key: entry.kind for entry in self.after.entries}
        for key, job in read(self.path).jobs.items():
            if key in self.wants():
                assert kinds[key] in (Kind.DONE, Kind.FAILED, Kind.HELD), f"{key} is open: {job.state}"
            else:  # nothing is sent any more for what nobody wants
                assert isinstance(job.state, Ready | Done | Failed | Held | Canceled), f"{key} is open: {job.state}"

    def check(self) -> None:
        self.nothing_is_paid_twice()
        self.nothing_is_lost()
        self.what_is_done_is_there()


def key_of_letter(letter: Letter, books: Books) -> JobKey:
    keys = books.requests[letter.request.prompt]
    return next(key for key in keys if letter.request.digest().startswith(key.digest))


def test_whatever_the_story_nothing_is_paid_twice_and_nothing_is_lost():
    stories = int(os.environ.get("WANBATCH_STORIES", "0"))
    number = int(os.environ.get("WANBATCH_STORIES_SEED", random.randrange(2**32)))
    told = settings(
        max_examples=stories or 60,
        stateful_step_count=12,
        deadline=None,
        database=None,
        derandomize=not stories,
        suppress_health_check=list(HealthCheck),
    )
    if stories:
        print(f"WANBATCH_STORIES={stories} WANBATCH_STORIES_SEED={number}")  # noqa: T201
        seed(number)(Story)
    run_state_machine_as_test(Story, settings=told)
    if stories:
        print(f"told: {dict(TOLD)}; only warned: {dict(GAPS)}")  # noqa: T201
