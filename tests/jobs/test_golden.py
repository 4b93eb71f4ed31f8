"""The journal of every released format stays readable, and means what it meant."""

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from wanbatch.jobs import journal as journals
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import EVENTS, Journal, read
from wanbatch.jobs.state import State

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = sorted(GOLDEN.glob("journal-*.jsonl"))


def pinned(board: Board) -> dict[str, Any]:
    """What is true of each job. Fields at their default are left out: a later version may add some."""
    return {
        str(job.key): {"stem": job.stem, "request_id": job.request_id, "state": told(job.state)}
        for job in board.jobs.values()
    }


def told(state: State) -> dict[str, Any]:
    needed = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if getattr(state, field.name) != field.default
    }
    return {"is": type(state).__name__, **needed}


@pytest.mark.parametrize("golden", FILES, ids=lambda path: path.name)
def test_a_golden_journal_replays_to_the_pinned_states(golden):
    expected = json.loads(golden.with_suffix(".states.json").read_text("utf-8"))
    assert pinned(read(golden)) == expected


@pytest.mark.parametrize("golden", FILES, ids=lambda path: path.name)
def test_a_golden_journal_can_be_gone_on_with(golden, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(golden.read_bytes())
    with Journal.open(path, 1_795_400_000.0) as journal:
        assert journal.torn_bytes == 0
        journal.note_run(1_795_400_000.0, "film.yaml")
    assert path.read_bytes().startswith(golden.read_bytes())
    assert len(path.read_bytes().splitlines()) == len(golden.read_bytes().splitlines()) + 1
    assert read(path).jobs == read(golden).jobs


def test_every_format_and_every_kind_of_event_and_state_is_in_a_golden_journal():
    lines = [json.loads(line) for path in FILES for line in path.read_bytes().splitlines()]
    formats = {line["format"] for line in lines if line["event"] == "Opened"}
    assert formats == set(range(1, journals.FORMAT + 1))
    missing = EVENTS.keys() - {line["event"] for line in lines}
    assert not missing, "a new kind of event needs a new golden file: see tests/golden/make.py"
    states = {entry["state"]["is"] for path in FILES for entry in pinned(read(path)).values()}
    assert states == {kind.__name__ for kind in State.__args__}


def test_this_version_still_writes_the_lines_of_format_1_to_the_byte():
    spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.journal() == (GOLDEN / "journal-1.jsonl").read_bytes()
