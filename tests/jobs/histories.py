"""Random histories that could have happened, and the journals that hold them."""

from pathlib import Path

from hypothesis import strategies as st
from jobs import table
from support import NOW, key, wanted

from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import Journal
from wanbatch.manifest.model import JobKey

KEYS = tuple(key(name, f"{number:012x}") for number, name in enumerate(("alley", "bridge", "canal", "alley")))
"""Four jobs; two are of one scene."""

OUTLINE = wanted("alley").request.outline()

TEXTS = st.text(max_size=12) | st.sampled_from(["\ud800", "\udcff", '"}', ',"crc":"00000000"}', "雨\u2028\n"])
NUMBERS = st.floats(0, 4e9, allow_nan=False) | st.integers(0, 10**12)
PLAIN = st.dictionaries(TEXTS, TEXTS | NUMBERS | st.booleans(), max_size=3)


@st.composite
def event(draw, kind: type, nth: int) -> s.Event:
    """An event of a kind, with whatever its fields may hold; the `nth` task of the service."""
    maybe_text, maybe_number = st.none() | TEXTS, st.none() | NUMBERS
    fields = {
        "stem": TEXTS,
        "outline": st.just(OUTLINE) | PLAIN.map(lambda more: OUTLINE | more | {"model": "m", "prompt": "p"}),
        "task_id": st.just(f"task-{nth}"),
        "request_id": maybe_text,
        "retry_at": maybe_number,
        "expires_at": NUMBERS,
        "usage": PLAIN,
        "times": st.dictionaries(TEXTS, TEXTS, max_size=2),
        "size_bytes": st.integers(0, 10**12),
    }
    return kind(**{name: draw(fields.get(name, TEXTS)) for name in kind.__dataclass_fields__})


KINDS = tuple(dict.fromkeys(type(sample) for sample in table.EVENTS))


@st.composite
def histories(draw, most: int = 40) -> list[tuple[JobKey, s.Event, float]]:
    """Events of a few jobs, each allowed after those before it, with the time of each."""
    board, made, at = Board(), [], NOW
    for nth in range(draw(st.integers(0, most))):
        one = draw(st.sampled_from(KEYS))
        job = board.jobs.get(one)
        state = next(x for x in table.STATES if type(x) is type(job.state if job else None))
        happened = draw(event(draw(st.sampled_from(may_follow(state))), nth))
        at += draw(st.floats(0, 100, allow_nan=False))
        board.apply(one, happened, round(at, 3))
        made.append((one, happened, at))
    return made


def may_follow(state: s.State | None) -> list[type]:
    name = table.name(state)
    return [kind for kind in KINDS if (kind.__name__, name) in ALLOWED]


ALLOWED = {(happened, before) for happened, before, _ in table.transitions()}


def seen(board: Board) -> dict[str, object]:
    """Everything of a board that is true for ever."""
    return {
        "jobs": board.jobs,
        "order": list(board.jobs),
        "by_scene": board.by_scene,
        "claimed": board.claimed,
        "counts": {kind: count for kind, count in board.counts.items() if count},
        "doubtful": {prompt: count for prompt, count in board.doubtful_prompts.items() if count},
    }


def forty(path: Path) -> bytes:
    """A journal of forty events; returns its bytes."""
    with Journal.open(path, NOW) as journal:
        for number in range(8):
            one = key(f"scene{number}", f"{number:012x}")
            events: list[s.Event] = [
                s.Planned(f"scene{number}", OUTLINE),
                s.SubmitIntended(),
                s.SubmitAccepted(f"task-{number}", f"request-{number}"),
                s.TaskSucceeded(NOW + 86_400, {"duration": 5}, {"end_time": "2026-08-27 16:02:09.98"}),
                s.VideoSaved(f"videos/scene{number}.mp4", 12_345, "ab" * 32),
            ]
            for step, happened in enumerate(events):
                journal.record(one, happened, NOW + number * 10 + step)
    return path.read_bytes()
