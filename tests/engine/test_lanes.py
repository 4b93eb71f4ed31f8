"""Several accounts side by side: caps, one POST in flight each, who may ask for what, and a till that says no."""

from itertools import pairwise

import pytest
from engine.test_engine import Stage, scenes
from support import WorldService, wanted

from wanbatch.errors import Exit
from wanbatch.jobs import seen as saw
from wanbatch.jobs.board import Job
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.policy import Halt, Limits
from wanbatch.jobs.seen import Kind
from wanbatch.jobs.state import Done, Failed, Ready, SubmitAccepted, SubmitIntended, Waiting
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World


class Accounts(Stage):
    """A stage with a world for each account: accounts do not see each other's tasks."""

    def __init__(self, folder, *lanes: Lane, rules: Rules | None = None) -> None:
        super().__init__(folder, rules)
        self.lanes = list(lanes)
        self.services = {
            lane.name: WorldService(World(rules or Rules(), seed=number), self.clock)
            for number, lane in enumerate(lanes)
        }

    def tasks_by_lane(self) -> dict[str, int]:
        return {name: service.world.stats()["accepted"] for name, service in self.services.items()}


class Ledger:
    """A till with so many coins."""

    def __init__(self, coins: int, later: int = 0) -> None:
        self.coins, self.later, self.noted = coins, later, []

    def ask(self, job: Job, lane: Lane, now: float) -> Halt | float | None:
        if self.later:
            self.later -= 1
            return now + 7.0
        if not self.coins:
            return Halt(Exit.REFUSED, "the cap is reached", "raise it", False)
        self.coins -= 1
        return None

    def ticket_s(self, lane: Lane, gap_s: float) -> float:
        return 0.0

    def note(self, job: Job) -> Halt | None:
        self.noted.append((job.key.scene, type(job.state).__name__))
        return None


def test_every_account_works_up_to_its_own_cap(tmp_path):
    stage = Accounts(tmp_path, Lane("a", at_once=2), Lane("b", at_once=5), rules=Rules(render_s=300))
    wants = scenes(40)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    peaks = {name: service.world.stats()["max_open"]["all"] for name, service in stage.services.items()}
    assert peaks == {"a": 2, "b": 5}
    assert sum(stage.tasks_by_lane().values()) == 40


def test_a_cap_of_the_run_holds_over_all_accounts(tmp_path):
    stage = Accounts(tmp_path, Lane("a"), Lane("b"), rules=Rules(render_s=300))
    most = 0

    def watched(_job: Job, _event: object) -> None:
        nonlocal most
        most = max(most, stage.engine.board.open_tasks)

    stage.run(scenes(20), Limits(concurrency=6), meanwhile=watched)
    assert most == 6


def test_a_task_is_only_ever_asked_for_where_it_was_made(tmp_path):
    stage = Accounts(tmp_path, Lane("a", at_once=1), Lane("b", at_once=1), rules=Rules(render_s=300))
    wants = scenes(4)

    def leave(_job: Job, event: object) -> None:
        if isinstance(event, SubmitAccepted) and sum(stage.tasks_by_lane().values()) == 2:
            stage.engine.drain()

    stage.run(wants, meanwhile=leave)
    lanes = {job.lane for job in stage.engine.board.jobs.values() if isinstance(job.state, Waiting)}
    assert lanes == {"a", "b"}
    first = stage.services.pop("a")
    asked = first.world.stats()["requests"]
    stage.lanes = [Lane("b", at_once=1)]
    stage.run(wants)
    left = [job.lane for job in stage.engine.board.jobs.values() if isinstance(job.state, Waiting)]
    assert left == ["a"]
    assert first.world.stats()["requests"] == asked
    assert sum(isinstance(stage.state(one), Done) for one in wants) == 3
    stage.services["a"] = first
    stage.lanes.append(Lane("a", at_once=1))
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)


def test_an_account_that_is_refused_leaves_its_scenes_to_the_others(tmp_path):
    stage = Accounts(tmp_path, Lane("poor"), Lane("rich"))

    async def arrears(_request):
        return saw.Refused(Kind.ACCOUNT, "Arrearage", "pay first")

    stage.services["poor"].submit = arrears
    wants = scenes(12)
    engine = stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert engine.halted is None
    assert engine.refused["poor"].exit_code is Exit.ACCOUNT
    assert stage.warned == [
        "account poor: the service refuses the account: Arrearage: pay first; the other accounts go on"
    ]
    intents = [job for job, event in stage.told if isinstance(event, SubmitIntended) and event.lane == "poor"]
    assert len(intents) == 1


def test_the_last_account_that_is_refused_ends_the_run(tmp_path):
    stage = Accounts(tmp_path, Lane("a"), Lane("b"))

    async def arrears(_request):
        return saw.Refused(Kind.ACCOUNT, "Arrearage", "pay first")

    for service in stage.services.values():
        service.submit = arrears
    engine = stage.run(scenes(12))
    assert engine.halted.exit_code is Exit.ACCOUNT
    assert sum(isinstance(event, SubmitIntended) for _, event in stage.told) == 2


def test_what_the_till_refuses_is_not_submitted_and_what_is_in_flight_comes_home(tmp_path):
    stage = Accounts(tmp_path, Lane(), rules=Rules(render_s=300))
    stage.till = Ledger(coins=3)
    wants = scenes(10)
    engine = stage.run(wants)
    assert [isinstance(stage.state(one), Done) for one in wants].count(True) == 3
    assert all(isinstance(stage.state(one), Done | Ready) for one in wants)
    assert engine.halted.exit_code is Exit.REFUSED
    assert stage.services[""].posts == 3


def test_a_till_that_refuses_the_first_submission_ends_the_run(tmp_path):
    stage = Accounts(tmp_path, Lane())
    stage.till = Ledger(coins=0)
    wants = scenes(2)
    assert stage.run(wants).halted.exit_code is Exit.REFUSED
    assert all(isinstance(stage.state(one), Ready) for one in wants)


def test_what_the_till_puts_off_goes_when_its_time_has_come(tmp_path):
    stage = Accounts(tmp_path, Lane())
    stage.till = Ledger(coins=9, later=2)
    began = stage.clock.now()
    at = []
    stage.run(scenes(1), meanwhile=lambda _job, e: at.append(stage.clock.now()) if isinstance(e, SubmitIntended) else 0)
    assert at[0] - began >= 14
    assert stage.till.noted[-1][1] == "Done"


def test_a_till_that_breaks_stops_submitting_and_nothing_else(tmp_path):
    class Broken(Ledger):
        def note(self, job: Job) -> Halt | None:
            return Halt(Exit.STATE, "the ledger cannot be written", "make room", False)

    stage = Accounts(tmp_path, Lane())
    stage.till = Broken(coins=9)
    wants = scenes(3)
    engine = stage.run(wants)
    assert engine.halted.exit_code is Exit.STATE
    assert [type(stage.state(one)) for one in wants].count(Done) == 1


def test_only_submitting_sees_slots_free_but_brings_nothing_home(tmp_path):
    stage = Accounts(tmp_path, Lane(at_once=2), rules=Rules(render_s=300))
    stage.collect = False
    wants = scenes(6)
    stage.run(wants)
    assert stage.services[""].posts == 6
    assert stage.shelf.saved == {}
    assert stage.services[""].world.stats()["max_open"]["all"] == 2
    stage.collect = True
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)


@pytest.mark.parametrize("kind", [Kind.MODERATION, Kind.SCENE])
def test_what_is_refused_for_good_fails_its_scene_after_one_request(tmp_path, kind):
    stage = Accounts(tmp_path, Lane())

    async def no(_request):
        return saw.Refused(kind, "DataInspectionFailed", "no")

    stage.services[""].submit = no
    wants = scenes(2)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Failed) for one in wants)
    assert sum(isinstance(event, SubmitIntended) for _, event in stage.told) == 2


def test_a_storm_of_refusals_slows_down_and_ends_soon_after_it(tmp_path):
    """The best that the limits allow is 20 scenes in four rounds of five; a storm of ten minutes comes before them."""
    stage = Accounts(tmp_path, Lane(), rules=Rules(render_s=60, spread=0.0))
    service = stage.services[""]
    submit, began, refused = service.submit, stage.clock.now(), []

    async def stormy(request):
        if stage.clock.now() - began < 600:
            refused.append(stage.clock.now())
            return saw.Refused(Kind.RATE, "Throttling.RateQuota", "slowly", None)
        return await submit(request)

    service.submit = stormy
    wants = scenes(20)
    stage.run(wants)
    assert all(isinstance(stage.state(one), Done) for one in wants)
    assert all(later - sooner >= 0.2 for sooner, later in pairwise(refused))
    assert len(refused) < 40
    calm = Accounts(tmp_path / "calm", Lane(), rules=Rules(render_s=60, spread=0.0))
    calm_began = calm.clock.now()
    calm.run(wants)
    best = 600 + calm.clock.now() - calm_began
    assert stage.clock.now() - began <= 1.1 * best


@pytest.mark.parametrize("limits", [Limits(concurrency=1), Limits()], ids=["a full cap", "a twin in doubt"])
def test_what_waits_for_an_account_that_is_gone_ends_the_run_and_not_its_user_s_patience(tmp_path, limits):
    stage = Accounts(tmp_path, Lane("gone"), Lane("here"), rules=Rules(render_s=300))
    wants = [wanted("a", prompt="same"), wanted("b", prompt="same")]
    lanes = stage.lanes
    stage.lanes = lanes[:1]
    if limits.concurrency is None:
        stage.services["gone"].fate = lambda _nth: "lost"
    last = SubmitAccepted if limits.concurrency else SubmitIntended
    stage.run(wants, limits, meanwhile=lambda _job, e: stage.engine.drain() if isinstance(e, last) else None)
    del stage.services["gone"]
    stage.lanes = lanes[1:]
    stage.run(wants, limits)
    assert stage.services["here"].posts == 0
    assert [type(stage.state(one)).__name__ for one in wants] in (["Waiting", "Ready"], ["InDoubt", "Ready"])


def test_after_a_refusal_by_the_till_nothing_that_was_chosen_with_it_is_asked_for(tmp_path):
    stage = Accounts(tmp_path, Lane("a"), Lane("b"), Lane("c"))
    stage.till = Ledger(coins=0)
    asked, ask = [], stage.till.ask
    stage.till.ask = lambda job, lane, now: asked.append(lane.name) or ask(job, lane, now)
    stage.run(scenes(6))
    assert asked == ["a"]
