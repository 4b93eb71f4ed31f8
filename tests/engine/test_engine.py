"""The loop over the pure world: no sockets, no waiting, every decision as in a real run."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import NOW, FakeClock, Shelf, WorldService, planned, wanted

from wanbatch.cli.adopt_ import adoption
from wanbatch.engine import Engine
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Job
from wanbatch.jobs.journal import Journal, JournalError, read
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.plan import plan
from wanbatch.jobs.policy import Limits
from wanbatch.jobs.state import (
    Canceled,
    CancelRequested,
    Done,
    Event,
    Failed,
    Held,
    InDoubt,
    Ready,
    Rendered,
    SubmitAccepted,
    SubmitIntended,
    SubmitUnclear,
    TaskSucceeded,
    VideoSaved,
    Waiting,
)
from wanbatch.manifest.model import Wanted
from wanbatch.perform import Performer, Work
from wanbatch.run import work_of
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World


class Stage:
    """A journal on disk, a world, a shelf and a clock: everything that outlives a run."""

    def __init__(
        self, folder: Path, rules: Rules | None = None, fate: Callable[[int], str | None] | None = None
    ) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.world = World(rules or Rules())
        self.service = WorldService(self.world, self.clock, fate or (lambda _nth: None))
        self.shelf = Shelf()
        self.told: list[tuple[str, Event]] = []
        self.engine: Engine | None = None
        self.elsewhere = frozenset
        self.copied = False
        self.warned: list[str] = []
        self.lanes = [Lane()]
        self.services: dict[str, WorldService] = {}
        self.till = None
        self.collect = True

    @property
    def path(self) -> Path:
        return self.folder / "journal.jsonl"

    def run(
        self, wants: list[Wanted], limits: Limits | None = None, meanwhile: Callable[[Job, Event], None] | None = None
    ) -> Engine:
        """One run to its end."""
        with Journal.open(self.path, self.clock.now()) as journal:
            new = [one for one in wants if one.key not in journal.board.jobs]
            journal.record_all([(one.key, planned(one)) for one in new], self.clock.now())
            files = dict.fromkeys(self.shelf.saved, 1)
            todo = plan(wants, journal.board, files, self.clock.now(), keep_changed=False, price=lambda _request: None)
            work = replace(
                work_of(journal.board, {one.key: one for one in wants}, todo, self.folder, keep=False),
                copied=self.copied,
                collect=self.collect,
                elsewhere=self.elsewhere,
            )

            def told(job: Job, event: Event) -> None:
                self.told.append((job.key.scene, event))
                if meanwhile:
                    meanwhile(job, event)

            world = Performer(self.services or {"": self.service}, self.shelf, self.clock, limits or Limits())
            self.engine = Engine(journal, world, told, lanes=self.lanes, till=self.till, warned=self.warned.append)
            asyncio.run(self.engine.run(work))
            return self.engine

    def adopt(self, one: Wanted, task_id: str) -> None:
        """What a person does by `wanbatch adopt`."""
        with Journal.open(self.path, self.clock.now()) as journal:
            for event in adoption(journal.board, one, task_id):
                journal.record(one.key, event, self.clock.now())

    def forget(self, journal: bytes | None) -> None:
        """Put an older journal back, or delete it; the videos are gone with it."""
        self.shelf.saved.clear()
        if journal is None:
            self.path.unlink()
            self.clock.at += 900  # whatever runs has ended
        else:
            self.path.write_bytes(journal)
            self.copied = True

    def state(self, one: Wanted) -> object:
        return read(self.path).jobs[one.key].state

    @property
    def accepted(self) -> dict[str, list[str]]:
        return self.world.stats()["accepted_by_body"]


def scenes(count: int, **changes: object) -> list[Wanted]:
    return [wanted(f"s{number:04}", **changes) for number in range(count)]


def test_every_scene_ends_as_a_video_submitted_once(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(12)
    stage.run(wants)
    assert sorted(stage.shelf.saved) == [f"videos/s{n:04}.mp4" for n in range(12)]
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert sorted(len(ids) for ids in stage.accepted.values()) == [1] * 12


def test_the_cap_holds_and_is_used_to_the_full(tmp_path):
    stage = Stage(tmp_path)
    stage.run(scenes(40), Limits(concurrency=5))
    assert stage.world.stats()["max_open"]["all"] == 5


def test_submissions_and_questions_keep_to_the_rates(tmp_path):
    stage = Stage(tmp_path, Rules(slots=100))
    stage.lanes = [Lane(at_once=60)]
    stage.run(scenes(60), Limits(asks_at_once=1))
    stats = stage.world.stats()
    assert stats["throttled"] == 0
    assert stats["peak_submits_per_s"] <= 5


def test_a_service_that_refuses_beyond_its_cap_only_slows_the_run_down(tmp_path):
    stage = Stage(tmp_path, Rules(slots=2, over_cap="reject"))
    wants = scenes(10)
    stage.run(wants, Limits(concurrency=5))
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert stage.world.stats()["throttled"] > 0
    assert sorted(len(ids) for ids in stage.accepted.values()) == [1] * 10


def test_a_service_that_queues_beyond_its_cap_is_waited_for(tmp_path):
    stage = Stage(tmp_path, Rules(slots=1, render_s=600))
    stage.lanes = [Lane(at_once=10)]
    wants = scenes(10)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_a_finished_manifest_asks_the_service_nothing(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(3)
    stage.run(wants)
    before = stage.world.stats()["requests"]
    size = stage.path.stat().st_size
    stage.run(wants)
    assert stage.world.stats()["requests"] == before
    assert stage.path.stat().st_size == size


def test_the_intent_is_on_disk_before_the_post(tmp_path):
    stage = Stage(tmp_path)
    seen = []
    submit = stage.service.submit

    async def watched(request):
        last = stage.path.read_bytes().splitlines()[-1]
        seen.append(b'"SubmitIntended"' in last)
        return await submit(request)

    stage.service.submit = watched
    stage.run(scenes(5))
    assert seen == [True] * 5


def test_a_lost_answer_is_found_again_in_the_task_list(tmp_path):
    stage = Stage(tmp_path, fate=lambda nth: "lost" if nth == 1 else None)
    wants = scenes(4)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert sorted(len(ids) for ids in stage.accepted.values()) == [1] * 4
    assert "TaskAdopted" in [type(event).__name__ for _, event in stage.told]


def test_what_is_absent_is_held_and_never_submitted_again(tmp_path):
    stage = Stage(tmp_path, fate=lambda nth: "never" if nth == 0 else None)
    wants = scenes(2)
    stage.run(wants)
    held = stage.state(wants[0])
    assert isinstance(held, Held)
    assert "no task of the account matches" in held.reason
    stage.run(wants)
    assert stage.service.posts == 2
    assert isinstance(stage.state(wants[1]), Done)


def test_who_accepts_the_risk_has_the_absent_one_submitted_again(tmp_path):
    stage = Stage(tmp_path, fate=lambda nth: "never" if nth == 0 else None)
    wants = scenes(1)
    stage.run(wants, Limits(on_absent="resubmit"))
    assert isinstance(stage.state(wants[0]), Done)
    assert stage.service.posts == 2


def test_absence_is_not_believed_before_the_settling_time(tmp_path):
    stage = Stage(tmp_path, fate=lambda _nth: "never")
    started = stage.clock.now()
    stage.run(scenes(1), Limits(settle_s=180))
    assert stage.clock.now() - started >= 180


def test_what_was_never_sent_goes_again(tmp_path):
    sends = iter(["unsent", "unsent"])
    stage = Stage(tmp_path, fate=lambda _nth: next(sends, None))
    wants = scenes(2)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert stage.service.posts == 2


def test_a_service_that_cannot_be_reached_ends_the_run_after_five_minutes(tmp_path):
    stage = Stage(tmp_path, fate=lambda _nth: "unsent")
    engine = stage.run(scenes(3))
    assert engine.halted
    assert engine.halted.exit_code is Exit.RUNNING
    assert 300 <= stage.clock.now() - NOW < 500
    assert stage.accepted == {}


def test_twins_are_told_apart_when_an_answer_is_lost(tmp_path):
    """Two scenes of one prompt: while one is in doubt the other waits, or each could adopt the other's task."""
    stage = Stage(tmp_path, fate=lambda nth: "lost" if nth == 0 else None)
    wants = [wanted("first", prompt="the same"), wanted("second", prompt="the same")]
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    tasks = [stage.state(one).task_id for one in wants]
    bodies = {one.request.digest(): one for one in wants}
    for digest, ids in stage.accepted.items():
        assert ids == [stage.state(bodies[digest]).task_id]
    assert len(set(tasks)) == 2


def test_a_refused_account_stops_after_one_request(tmp_path):
    stage = Stage(tmp_path)

    async def refused(request):
        stage.service.posts += 1
        return saw.Refused(saw.Kind.ACCOUNT, "Arrearage", "not in good standing")

    stage.service.submit = refused
    wants = scenes(5)
    engine = stage.run(wants)
    assert stage.service.posts == 1
    assert engine.halted
    assert engine.halted.exit_code is Exit.ACCOUNT
    assert all(isinstance(stage.state(one), Ready) for one in wants)


def test_moderation_fails_its_scene_and_no_other(tmp_path):
    stage = Stage(tmp_path)
    wants = [wanted("good"), wanted("bad", prompt="[moderated input]"), wanted("ugly", prompt="[moderated output]")]
    stage.run(wants)
    assert isinstance(stage.state(wants[0]), Done)
    for one in wants[1:]:
        state = stage.state(one)
        assert isinstance(state, Failed)
        assert state.code == "DataInspectionFailed"
        assert state.attempts == 1


def test_the_services_own_failure_is_tried_again_a_few_times(tmp_path):
    stage = Stage(tmp_path)
    one = wanted("odd", prompt="[internal error]")
    stage.run([one], Limits(attempts=3))
    state = stage.state(one)
    assert isinstance(state, Failed)
    assert state.attempts == 3


def test_a_download_that_breaks_is_tried_again_and_then_left_to_the_next_run(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(1)
    stage.shelf.answers = [saw.NotSaved(saw.Lost.RETRY, "cut")] * 20
    engine = stage.run(wants, Limits(fetches=5))
    assert isinstance(stage.state(wants[0]), Rendered)
    assert len(stage.shelf.answers) == 15
    assert engine.troubles[wants[0].key].reason == "cut"
    stage.shelf.answers = []
    stage.run(wants)
    assert isinstance(stage.state(wants[0]), Done)


def test_a_full_disk_parks_its_video_and_lets_the_others_through(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(3)
    stage.shelf.answers = [saw.NotSaved(saw.Lost.DISK, "no space")]
    stage.run(wants)
    assert sorted(type(stage.state(one)).__name__ for one in wants) == ["Done", "Done", "Rendered"]


def test_a_task_that_the_service_forgot_is_held_as_perhaps_billed(tmp_path):
    stage = Stage(tmp_path, Rules(render_s=60, ttl_s=30))
    wants = scenes(1)
    stage.run(wants)
    state = stage.state(wants[0])
    assert isinstance(state, Held)
    assert "billed" in state.reason
    assert state.task_id


def test_a_cancel_reaches_a_task_that_is_still_pending(tmp_path):
    stage = Stage(tmp_path, Rules(slots=1, render_s=600))
    wants = scenes(2)

    def cancel_second(job: Job, event: Event) -> None:
        if isinstance(event, SubmitAccepted) and job.key == wants[1].key:
            engine = stage.engine
            engine.journal.record(job.key, CancelRequested("a test"), stage.clock.now())

    stage.run(wants, meanwhile=cancel_second)
    assert isinstance(stage.state(wants[1]), Canceled)
    assert isinstance(stage.state(wants[0]), Done)


def test_an_edited_scene_is_a_new_job_and_the_old_video_moves_aside(tmp_path):
    stage = Stage(tmp_path)
    first, second = wanted("alley"), wanted("alley", prompt="another")
    stage.run([first])
    stage.run([second])
    assert sorted(stage.shelf.saved) == [f"superseded/alley.{first.key.digest}.mp4", "videos/alley.mp4"]
    assert stage.state(first).path == f"superseded/alley.{first.key.digest}.mp4"
    assert stage.state(second).path == "videos/alley.mp4"


def test_a_video_that_comes_after_its_scene_was_edited_goes_aside(tmp_path):
    stage = Stage(tmp_path)
    first, second = wanted("alley"), wanted("alley", prompt="another")
    stage.run([first], meanwhile=lambda job, event: stage.engine.drain() if isinstance(event, SubmitAccepted) else None)
    assert isinstance(stage.state(first), Waiting)
    stage.run([second])
    assert stage.state(first).path == f"superseded/alley.{first.key.digest}.mp4"
    assert stage.state(second).path == "videos/alley.mp4"


def test_a_scene_that_left_the_manifest_is_still_collected(tmp_path):
    stage = Stage(tmp_path)
    gone = wanted("gone")
    stage.run([gone], meanwhile=lambda job, event: stage.engine.drain() if isinstance(event, SubmitAccepted) else None)
    stage.run([wanted("other")])
    assert stage.state(gone).path == "videos/gone.mp4"


def test_draining_waits_for_the_answer_of_the_post_in_flight(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(5)
    stage.run(wants, meanwhile=lambda _job, event: stage.engine.drain() if isinstance(event, SubmitIntended) else None)
    assert isinstance(stage.state(wants[0]), Waiting)
    assert stage.service.posts == 1


def test_draining_does_not_wait_for_ever(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(1)

    async def silent(request):
        await asyncio.Event().wait()

    stage.service.submit = silent
    stage.run(wants, meanwhile=lambda _job, event: stage.engine.drain() if isinstance(event, SubmitIntended) else None)
    assert isinstance(stage.state(wants[0]), InDoubt)
    assert stage.clock.now() - NOW == pytest.approx(30, abs=1)


def test_a_journal_that_cannot_be_written_stops_the_run_and_names_the_paid_task(tmp_path):
    stage = Stage(tmp_path)

    def full(self, raw):
        if b"SubmitAccepted" in raw:
            raise JournalError("cannot write: no space")
        real(self, raw)

    real = Journal._write
    try:
        Journal._write = full
        with pytest.raises(JournalError) as caught:
            stage.run(scenes(3))
    finally:
        Journal._write = real
    (ids,) = stage.accepted.values()
    assert ids[0] in caught.value.hint
    assert stage.service.posts == 1


def test_when_the_journal_fails_the_answers_still_on_their_way_are_kept_too(tmp_path):
    stage = Stage(tmp_path)
    wants = [wanted("a"), wanted("b", model="wan2.7-t2v-2026-06-12")]
    real_submit = stage.service.submit

    async def slow(request):
        answer = await real_submit(request)
        answered.append(request.model)
        while len(answered) < 2 or (request.model == wants[1].request.model and not failed):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return answer

    def full(self, raw):
        if b"SubmitAccepted" in raw:
            failed.append(raw)
            raise JournalError("cannot write: no space")
        real(self, raw)

    answered, failed = [], []
    stage.service.submit = slow
    real = Journal._write
    try:
        Journal._write = full
        with pytest.raises(JournalError) as caught:
            stage.run(wants)
    finally:
        Journal._write = real
    paid = [task for tasks in stage.accepted.values() for task in tasks]
    assert len(paid) == 2
    assert all(task in caught.value.hint for task in paid)


def test_a_bug_in_a_performer_ends_the_run_loudly(tmp_path):
    stage = Stage(tmp_path)

    async def broken(task_id):
        raise ZeroDivisionError

    stage.service.task = broken
    with pytest.raises(ZeroDivisionError):
        stage.run(scenes(1))


class Killed(BaseException):
    """The process dies here."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), on_absent=st.sampled_from(["hold", "resubmit"]))
def test_whatever_happens_nothing_is_paid_twice_and_nothing_is_lost(tmp_path_factory, seed, on_absent):
    """Lost answers, refused connections and kills at any change of state, over several runs.

    I2, I3, I4 and I7 of the design. Absence is only ever true here when the POST made no task, so even those who
    accept the risk are not billed twice.
    """
    chance = random.Random(seed)
    fates = [None, None, None, "lost", "never", "unsent"]
    stage = Stage(tmp_path_factory.mktemp("run"), fate=lambda _nth: chance.choice(fates))
    wants = [wanted(f"s{n}", prompt=f"prompt {n % 4}") for n in range(8)]  # twins among them
    limits = Limits(concurrency=3, on_absent=on_absent)

    def fatal(_job: Job, _event: Event) -> None:
        if chance.random() < 0.05:
            raise Killed

    for _ in range(30):
        try:
            stage.run(wants, limits, meanwhile=fatal)
        except Killed:
            continue
        break
    stage.service.fate = lambda _nth: None
    stage.run(wants, limits)
    states = {one.key: stage.state(one) for one in wants}
    for one in wants:
        ids = stage.accepted.get(one.request.digest(), [])
        assert len(ids) <= 1, "paid twice"
        state = states[one.key]
        assert isinstance(state, Done | Held)
        if ids:
            assert isinstance(state, Done), f"paid and not brought home: {state}"
            assert state.task_id == ids[0], "another scene's task was adopted"
    assert stage.world.stats()["max_open"]["all"] <= 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), on_absent=st.sampled_from(["hold", "resubmit"]), deleted=st.booleans())
def test_a_journal_that_was_rolled_back_or_deleted_pays_nothing_twice(tmp_path_factory, seed, on_absent, deleted):
    """A copy of the journal is put back after more was run, or the journal is deleted; then all is run again.

    With kills and lost answers before. What is withheld is adopted as the program says; in the end every scene has
    its video or waits for a person, and no prompt has made more tasks than scenes ask for it. Twins may swap their
    tasks: a job that the older journal has in doubt may be given the task of a twin which that journal forgot.
    """
    chance = random.Random(seed)
    stage = Stage(tmp_path_factory.mktemp("run"), fate=lambda _nth: chance.choice([None, None, None, "lost", "unsent"]))
    wants = [wanted(f"s{n}", prompt=f"prompt {n % 5}") for n in range(8)]  # twins among them
    limits = Limits(concurrency=3, on_absent=on_absent)

    def fatal(_job: Job, _event: Event) -> None:
        if chance.random() < 0.06:
            raise Killed

    def rounds(most: int) -> None:
        for _ in range(most):
            with suppress(Killed):
                stage.run(wants, limits, meanwhile=fatal)

    rounds(chance.randrange(1, 3))
    copy = stage.path.read_bytes()
    rounds(chance.randrange(1, 4))
    stage.forget(None if deleted else copy)
    stage.service.fate = lambda _nth: None
    rounds(2)
    for _ in range(len(wants) + 1):
        withheld = stage.run(wants, limits).withheld
        shown = {back.task_id for back in withheld.values()}
        stage.clock.at += 900
        for one in wants:  # a person, who knows which take is which
            for task_id in shown & set(stage.accepted.get(one.request.digest(), ())):
                with suppress(WanbatchError):
                    stage.adopt(one, task_id)
    prompts = Counter(one.request.prompt for one in wants)
    paid = stage.world.stats()["accepted_by_prompt"]
    assert all(len(ids) <= prompts[prompt] for prompt, ids in paid.items()), "paid twice"
    assert all(isinstance(stage.state(one), Done | Held) or one.key in withheld for one in wants)


def test_a_scene_whose_prompt_a_task_of_nobody_shows_is_withheld_until_it_is_adopted(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(3)
    stage.run(wants[:1])
    stage.forget(None)
    engine = stage.run(wants)
    (task,) = stage.accepted[wants[0].request.digest()]
    assert {key: back.task_id for key, back in engine.withheld.items()} == {wants[0].key: task}
    assert [type(stage.state(one)) for one in wants] == [Ready, Done, Done]
    stage.adopt(wants[0], task)
    assert stage.run(wants).withheld == {}
    assert isinstance(stage.state(wants[0]), Done)
    assert stage.service.posts == 3


def test_a_twin_is_let_go_when_the_task_that_held_it_back_finds_its_job(tmp_path):
    """The task of the first is found for the first, and is then no reason to hold back the second."""
    stage = Stage(tmp_path, fate=lambda nth: "lost" if nth == 0 else None)
    wants = [wanted("first", prompt="the same"), wanted("second", prompt="the same")]

    def leave(_job: Job, event: Event) -> None:
        if isinstance(event, SubmitUnclear):
            stage.engine.drain()

    stage.run(wants, meanwhile=leave)
    assert isinstance(stage.state(wants[0]), InDoubt)
    stage.clock.at += 900
    assert stage.run(wants).withheld == {}
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_a_task_list_that_fails_neither_stops_nor_delays_a_run(tmp_path):
    stage = Stage(tmp_path)
    asked = []

    async def broken(model):
        asked.append(model)
        return saw.ReadFailed(saw.Kind.SERVICE, "HTTP 500", "")

    stage.service.tasks = broken
    wants = scenes(2)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert len(asked) == 3
    assert "cannot be read (HTTP 500)" in stage.warned[0]


def test_a_task_list_that_is_silent_is_not_tried_again_and_again(tmp_path):
    stage = Stage(tmp_path)
    asked = []

    async def silent(model):
        asked.append(model)
        stage.clock.at += 30
        return saw.ReadFailed(saw.Kind.SERVICE, "NoAnswer", "")

    stage.service.tasks = silent
    stage.run(scenes(1))
    assert len(asked) == 1


def test_a_journal_that_was_put_back_submits_nothing_unseen(tmp_path):
    stage = Stage(tmp_path)
    stage.copied = True

    async def broken(model):
        return saw.ReadFailed(saw.Kind.ACCOUNT, "AccessDenied", "")

    works, stage.service.tasks = stage.service.tasks, broken
    wants = scenes(2)
    assert len(stage.run(wants).withheld) == 2
    assert stage.service.posts == 0
    stage.service.tasks = works
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_a_bug_in_the_look_for_orphans_ends_the_run_loudly(tmp_path):
    stage = Stage(tmp_path)

    async def broken(model):
        raise ZeroDivisionError

    stage.service.tasks = broken
    with pytest.raises(ZeroDivisionError):
        stage.run(scenes(1))
    assert stage.service.posts == 0


def test_the_intent_records_how_the_services_clock_stands_to_ours(tmp_path):
    stage = Stage(tmp_path)
    stage.service.clock_offset_s = 12.34
    stage.run(scenes(1))
    assert SubmitIntended(12.3) in [event for _, event in stage.told]


def test_a_clock_that_is_right_is_not_one_that_nobody_compared(tmp_path):
    """Ten in a hundred comparisons round to nothing: without the figure, a clock that is set later moves the window."""
    stage = Stage(tmp_path)
    stage.service.clock_offset_s = -0.04
    stage.run(scenes(1))
    assert SubmitIntended(0.0) in [event for _, event in stage.told]
    stage.service.clock_offset_s = None
    stage.run([wanted("another")])
    assert SubmitIntended() in [event for _, event in stage.told]


def test_only_what_is_in_doubt_is_looked_at_when_nothing_else_is_asked_for(tmp_path):
    stage = Stage(tmp_path, fate=lambda nth: "lost" if nth == 0 else None)
    wants = scenes(3)

    def leave(job: Job, event: Event) -> None:
        if isinstance(event, SubmitAccepted):
            stage.engine.drain()

    stage.run(wants, meanwhile=leave)
    with Journal.open(stage.path, stage.clock.now()) as journal:
        world = Performer({"": stage.service}, stage.shelf, stage.clock, Limits())
        engine = Engine(journal, world, lambda _job, _event: None)
        asyncio.run(engine.run(Work({}, Engine._no_target, doubts_only=True)))
    assert [type(stage.state(one)) for one in wants] == [Waiting, Waiting, Ready]
    assert stage.shelf.saved == {}


def test_ten_thousand_scenes_and_a_thousand_tasks_in_flight(tmp_path):
    stage = Stage(tmp_path, Rules(slots=1000, submit_rate=10_000, query_rate=100_000))
    stage.lanes = [Lane(at_once=1000, submit_rate=1000.0)]
    wants = scenes(1500)
    stage.run(wants, Limits(asks_at_once=200, downloads=100))
    assert len(stage.shelf.saved) == 1500
    assert stage.world.stats()["max_open"]["all"] > 900


def test_a_video_that_is_known_to_be_done_is_not_fetched(tmp_path):
    stage = Stage(tmp_path)
    one = wanted()
    with Journal.open(stage.path, NOW) as journal:
        history = [
            planned(one),
            SubmitIntended(),
            SubmitAccepted("t-1"),
            TaskSucceeded(NOW + 9),
            VideoSaved("videos/alley.mp4", 1, "ab"),
        ]
        for event in history:
            journal.record(one.key, event, NOW)
    stage.shelf.saved["videos/alley.mp4"] = b""
    stage.run([one])
    assert stage.world.stats()["requests"] == {}


def test_trouble_with_questions_never_fails_a_task(tmp_path):
    """429, 5xx and nonsense on polls and lists say nothing about the task."""
    stage = Stage(tmp_path)
    odd = [
        saw.ReadFailed(saw.Kind.RATE, "Throttling.RateQuota", "slower", 3.0),
        saw.ReadFailed(saw.Kind.SERVICE, "HTTP 500", ""),
        saw.ReadFailed(saw.Kind.SCENE, "OddReply", "html"),
        saw.TaskView("x", "SUSPENDED"),
    ] * 25
    task = stage.service.task

    async def sometimes(task_id):
        return odd.pop() if odd else await task(task_id)

    stage.service.task = sometimes
    wants = scenes(3)
    stage.run(wants)
    assert not odd
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_a_key_that_is_refused_while_polling_stops_the_run_and_leaves_the_tasks(tmp_path):
    stage = Stage(tmp_path)
    wants = scenes(2)

    async def refused(task_id):
        return saw.ReadFailed(saw.Kind.ACCOUNT, "InvalidApiKey", "Invalid API-key provided.")

    task, stage.service.task = stage.service.task, refused
    engine = stage.run(wants)
    assert engine.halted
    assert engine.halted.exit_code is Exit.ACCOUNT
    assert all(isinstance(stage.state(one), Waiting) for one in wants)
    stage.service.task = task
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_two_models_are_two_lanes_with_one_post_in_flight_each(tmp_path):
    stage = Stage(tmp_path)
    wants = [*scenes(4), *(wanted(f"old{n}", model="wan2.7-t2v-2026-04-25") for n in range(4))]
    in_flight: list[str] = []
    most = 0
    submit = stage.service.submit

    async def watched(request):
        nonlocal most
        assert request.model not in in_flight
        in_flight.append(request.model)
        most = max(most, len(in_flight))
        for _ in range(20):
            await asyncio.sleep(0)
        in_flight.remove(request.model)
        return await submit(request)

    stage.service.submit = watched
    stage.lanes = [Lane(submit_rate=1e6)]
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert most == 2


def test_a_task_that_another_manifests_journal_has_is_no_orphan_and_never_adopted(tmp_path):
    other = Stage(tmp_path / "other")
    other.run([wanted("theirs", prompt="the same")])
    stage = Stage(tmp_path / "mine")
    stage.world = other.world
    stage.clock.at = other.clock.at
    stage.service = WorldService(other.world, stage.clock, lambda nth: "never" if nth == 0 else None)
    one = wanted("mine", prompt="the same")
    stage.run([one])
    assert stage.engine.withheld, "as far as this journal knows, the task may be its own"
    claimed = frozenset(read(other.path).claimed)
    stage.elsewhere = lambda: claimed
    stage.run([one])
    assert not stage.engine.withheld
    assert isinstance(stage.state(one), Held), "its POST made no task, and the other's is not taken for it"


def test_a_clock_that_was_set_back_does_not_make_a_run_wait_as_long(tmp_path):
    stage = Stage(tmp_path)
    real, refused = stage.service.submit, []

    async def throttled(request):
        refused.append(request)
        stage.engine.drain()
        return saw.Refused(saw.Kind.RATE, "Throttling", "slowly", None)

    stage.service.submit = throttled
    wants = scenes(1)
    stage.run(wants)
    assert refused
    stage.service.submit = real
    stage.service.world = World(Rules())  # the service's own clock was not set
    stage.clock.at -= 30 * 3600
    began = stage.clock.now()
    stage.run(wants)
    assert isinstance(stage.state(wants[0]), Done)
    assert stage.clock.now() - began < 600


@pytest.mark.parametrize("failures", [1, 2])
def test_a_forgotten_task_whose_prompt_is_not_told_at_once_is_asked_again(tmp_path, failures):
    stage = Stage(tmp_path)
    one = wanted()
    stage.run([one])
    stage.forget(None)
    ask, failed = stage.service.task, []

    async def stumbling(task_id):
        if len(failed) < failures:
            failed.append(task_id)
            return saw.ReadFailed(saw.Kind.SERVICE, "InternalError", "")
        return await ask(task_id)

    stage.service.task = stumbling
    stage.run([one])
    assert stage.engine.withheld
    assert [len(ids) for ids in stage.accepted.values()] == [1]
