"""Many accounts in one process: each stays at its cap while there is work, and none goes above it."""

from collections.abc import Iterator

import pytest
from engine.test_engine import scenes
from engine.test_lanes import Accounts

from wanbatch.jobs.board import Job
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.state import Done, SubmitIntended
from wanbatch.simulator.rules import Rules
from wanbatch.simulator.world import World

LANES, AT_ONCE, ROUNDS = 40, 5, 5
RENDER_S = 60.0


class Watched(Accounts):
    """Accounts, and when each scene was submitted."""

    def __init__(self, folder) -> None:
        lanes = (Lane(f"lane-{number:02}", AT_ONCE) for number in range(LANES))
        super().__init__(folder, *lanes, rules=Rules(render_s=RENDER_S, spread=0.2))
        self.wants = scenes(LANES * AT_ONCE * ROUNDS)
        self.intents: list[float] = []
        self.most: dict[str, int] = {}

    def watch(self, job: Job, event: object) -> None:
        if isinstance(event, SubmitIntended):
            self.intents.append(self.clock.now())
            self.most[job.lane] = max(self.engine.board.open_at[job.lane, job.model], self.most.get(job.lane, 0))


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Watched]:
    stage = Watched(tmp_path_factory.mktemp("lanes"))
    stage.run(stage.wants, meanwhile=stage.watch)
    return stage


def open_s(world: World, since: float, until: float) -> float:
    """How long a world's tasks were with it between two moments, added up, by its own count."""
    ends = ((began, until if ended is None else ended) for _, _, began, ended in world.spans())
    return sum(max(0.0, min(ended, until) - max(began, since)) for began, ended in ends)


def test_every_scene_is_made_once_and_no_account_is_ever_above_its_cap(stage):
    assert {type(job.state) for job in stage.engine.board.jobs.values()} == {Done}
    assert stage.most == {lane.name: AT_ONCE for lane in stage.lanes}
    for service in stage.services.values():
        assert service.world.stats()["max_open"]["all"] == AT_ONCE
    assert sum(stage.tasks_by_lane().values()) == len(stage.wants)


@pytest.mark.parametrize("rounds", [0, 1], ids=["from the first submission on", "once a task's time is known"])
def test_every_account_stays_at_its_cap_while_there_is_work(stage, rounds):
    since, until = stage.intents[rounds * LANES * AT_ONCE], stage.intents[-1]
    assert until - since > 3 * RENDER_S
    slots_s = AT_ONCE * (until - since)
    shares = sorted(open_s(service.world, since, until) / slots_s for service in stage.services.values())
    assert shares[0] >= (0.97 if rounds else 0.96)
    assert shares[len(shares) // 2] >= (0.98 if rounds else 0.97)


def test_a_slot_is_free_for_no_more_than_a_few_questions_of_the_service(stage):
    asked = sum(service.world.stats()["requests"]["query"] for service in stage.services.values())
    assert asked <= 16 * len(stage.wants)
