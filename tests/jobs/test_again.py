"""A video that moderation withheld is made again with another seed, as often as the manifest says; nothing else is."""

import pytest
from support import board_with, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.again import current
from wanbatch.manifest import expand

SENT = [s.SubmitIntended(), s.SubmitAccepted("t1")]
OUTPUT = "Output data may contain inappropriate content."
WITHHELD = [*SENT, s.TaskFailed("DataInspectionFailed", OUTPUT)]


def test_what_was_withheld_is_wanted_with_the_next_seed_as_often_as_it_may():
    one = wanted()
    board = board_with((one, WITHHELD))
    assert current([one], board, 0) == (one,)
    (second,) = current([one], board, 2)
    assert (second.key.scene, second.key.take) == (one.key.scene, one.key.take)
    assert second.request.seed == expand.derived_seed("alley", 1, 1) != one.request.seed
    assert second.request.prompt == one.request.prompt
    both = board_with((one, WITHHELD), (second, [s.SubmitIntended(), s.SubmitAccepted("t2"), WITHHELD[-1]]))
    (third,) = current([one], both, 2)
    assert len({one.key, second.key, third.key}) == 3
    assert current([one], both, 1) == (second,)


def test_a_further_seed_that_was_made_is_what_the_scene_stands_for_from_then_on():
    one = wanted()
    (second,) = current([one], board_with((one, WITHHELD)), 1)
    made = [s.SubmitIntended(), s.SubmitAccepted("t2"), s.TaskSucceeded(1.0), s.VideoSaved("videos/alley.mp4", 1, "ab")]
    assert current([one], board_with((one, WITHHELD), (second, made)), 1) == (second,)


@pytest.mark.parametrize(
    "end",
    [
        s.TaskFailed("DataInspectionFailed", "Input data may contain inappropriate content."),
        s.TaskFailed("DataInspectionFailed", "Input or output data may contain inappropriate content."),
        s.TaskFailed("InternalError", OUTPUT),
        s.TaskFailed("DataInspectionFailed", "Data may contain inappropriate content."),
        s.TaskFailed("DataInspectionFailed", OUTPUT, 5.0),
        s.TaskSucceeded(1.0),
    ],
)
def test_nothing_else_changes_a_seed(end):
    one = wanted()
    assert current([one], board_with((one, [*SENT, end])), 3) == (one,)


def test_a_seed_that_is_written_down_stays():
    one = wanted(seed=7)
    assert current([one], board_with((one, WITHHELD)), 3) == (one,)


def test_a_job_that_nobody_has_sent_stays_as_it_is():
    one = wanted()
    assert current([one], board_with((one, [])), 3) == (one,)
    assert current([one], board_with(), 3) == (one,)


def test_a_code_is_known_in_any_spelling():
    one = wanted()
    board = board_with((one, [*SENT, s.TaskFailed("data_inspection_FAILED", OUTPUT)]))
    assert current([one], board, 1) != (one,)
