"""docs/json.md names every field that programs can read, and none that is not there."""

import json
import re
from pathlib import Path

import pytest
from cli.written import made, record
from support import NOW, board_with, wanted, write_manifest

from wanbatch.cli import doctor_, spend_
from wanbatch.cli.door import guarded
from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs import plan
from wanbatch.jobs import state as s
from wanbatch.views import events, results

PAGE = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")


def tables(heading):
    """The first column of each table below a heading, as names."""
    section = next(part for part in PAGE.split("\n## ") if part.startswith(heading))
    found = re.split(r"\n\n(?=\|)", section)[1:]
    return [set(names(table)) for table in found]


def names(table):
    for row in table.split("\n\n")[0].splitlines()[2:]:
        yield from re.findall(r"`([^`]+)`", row.split("|")[1])


@pytest.fixture
def film(in_tmp):
    path = write_manifest(in_tmp, "alley", "roof")
    made(in_tmp, path, "alley")
    record(in_tmp, path, "roof", s.SubmitIntended())
    return path


def shown(capsys, *args):
    guarded([*args, "--json"])
    return json.loads(capsys.readouterr().out)


def test_results():
    one = wanted()
    board = board_with((one, []))
    after = plan.plan([one], board, {}, NOW, keep_changed=False, price=lambda _request: None)
    found = results.results(results.Ran("f", "o", NOW, NOW, 0), [one], after, board)
    top, row, outcomes = tables("`results.json`")
    assert top == set(found)
    assert row == set(found["scenes"][0])
    assert outcomes == {*results.OUTCOMES.values(), results.NOT_SELECTED, results.CANCELED}


def test_events():
    one = wanted()
    job = board_with((one, [])).jobs[one.key]
    always, sometimes = tables("Events")
    assert always == set(events.line(job, s.Planned("alley", {}), NOW))
    assert sometimes == {*events.TOLD, "cost"}
    section = PAGE.split("## Events")[1].split("\n## ")[0]
    assert all(f"`{word}`" in section for word in events.STATES.values())
    run = events.started(NOW, manifest="f", folder="o", counts={}) | events.ended(NOW, exit_code=0, counts={}, saved=0)
    assert all(f"`{name}`" in section for name in run)


def test_a_saved_plan(film, in_tmp):
    guarded(["plan", str(film), "--save", "plan.json"])
    assert tables("A saved plan") == [set(json.loads((in_tmp / "plan.json").read_text("utf-8")))]


def test_plan(film, capsys):
    found = shown(capsys, "plan", str(film))
    top, entry = tables("`wanbatch plan --json`")
    assert top - {"count", "seconds"} == set(found)
    assert entry == set(found["entries"][0])
    assert all(f"`{name}`" in PAGE for name in found["submit"])
    section = PAGE.split("## `wanbatch plan --json`")[1]
    assert all(f"`{kind.name.lower()}`" in section for kind in plan.Kind)


def test_status(film, capsys):
    found = shown(capsys, "status", str(film))
    top, job = tables("`wanbatch status --json`")
    assert top == set(found)
    assert job == set(found["jobs"][0])


def test_pick(film, capsys):
    found = shown(capsys, "pick", str(film), "alley", "1")
    top, scene, take = tables("`wanbatch pick --json`")
    assert top == set(found)
    assert scene == set(found["scenes"][0])
    assert take == set(found["scenes"][0]["takes"][0])


def test_reroll(film, capsys):
    found = shown(capsys, "reroll", str(film), "alley")
    assert tables("`wanbatch reroll --json`") == [set(found)]
    section = PAGE.split("## `wanbatch reroll --json`")[1]
    assert all(f"`{name}`" in section for name in found["scenes"][0])


def test_spend(in_tmp, monkeypatch, capsys):
    monkeypatch.setenv("WANBATCH_STATE", str(in_tmp))
    found = shown(capsys, "spend")
    top, sums = tables("`wanbatch spend --json`")
    assert top == set(found)
    assert sums == set(spend_.sums(spend_.line("", "CNY", [])))


def test_run(in_tmp, capsys):
    path = write_manifest(in_tmp, "alley")
    made(in_tmp, path, "alley")
    found = shown(capsys, "run", str(path))
    assert tables("`wanbatch run --json`") == [set(found)]


def test_doctor():
    finding = doctor_.failed("key", WanbatchError("no key", exit_code=Exit.ACCOUNT, hint="export it"))
    found = doctor_.as_data([finding], 6)
    top, row = tables("`wanbatch doctor --json`")
    assert top == set(found)
    assert row == set(found["findings"][0])
    section = PAGE.split("## `wanbatch doctor --json`")[1]
    assert all(f"`{word}`" in section for word in (doctor_.OK, doctor_.WARN, doctor_.FAIL))


def test_every_field_of_a_validation_is_told(in_tmp, capsys):
    (in_tmp / "film.yaml").write_text("wanbatch: 1\nscenes: [{id: a, prompt: x, duration: 5, resolution: 720p}]\n")
    guarded(["validate", "film.yaml", "--output-format", "json"])
    found = json.loads(capsys.readouterr().out)
    (manifest,) = found["manifests"]
    told = tables("`wanbatch validate --output-format json`")
    assert told == [set(found), set(manifest), set(manifest["problems"][0])]
