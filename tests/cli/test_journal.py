"""`wanbatch journal`: whole or not, the history of a scene, and a copy that nobody pays twice with."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from cli.stage import PROGRAM
from support import NOW, manifest, manifest_text, planned, write_manifest

from wanbatch.cli.door import guarded
from wanbatch.jobs import state as s
from wanbatch.jobs.journal import EVENTS, Journal, read
from wanbatch.views import history

GOLDEN = Path(__file__).parents[1] / "golden" / "journal-1.jsonl"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""What a terminal would obey, but for the line break."""


def journal(folder: Path, *events, ids=("alley", "roof")) -> Path:
    """A manifest's journal, in which the alley has a history."""
    path = folder / "out/film/journal.jsonl"
    wanted = manifest(manifest_text(*ids)).wanted
    with Journal.open(path, NOW) as made:
        made.note_run(NOW, "film.yaml")
        made.record_all([(one.key, planned(one)) for one in wanted], NOW)
        for step, event in enumerate(events):
            made.record(wanted[0].key, event, NOW + step)
    write_manifest(folder, *ids)
    return path


SENT = (s.SubmitIntended(), s.SubmitAccepted("task-1", "request-1"))
MADE = (*SENT, s.TaskSucceeded(NOW + 86_400, {"duration": 5}, {}), s.VideoSaved("videos/alley.mp4", 9, "ab"))


def bend(path: Path, number: int) -> bytes:
    """Change one bit of a line; return the journal."""
    lines = path.read_bytes().splitlines(keepends=True)
    line = bytearray(lines[number - 1])
    line[line.index(b'"at":') + 9] ^= 1
    path.write_bytes(b"".join([*lines[: number - 1], bytes(line), *lines[number:]]))
    return path.read_bytes()


# --- verify ---


@pytest.mark.parametrize("where", ["film.yaml", "out/film"])
def test_verify_of_a_whole_journal_counts_it_while_a_run_holds_it(where, in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    with Journal.open(path, NOW):
        assert guarded(["journal", "verify", where]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "journal: out/film/journal.jsonl: 6 lines, 2 jobs"
    assert last.startswith("last: line 6, SubmitAccepted of alley/1/")
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d$", last)


def test_verify_names_the_first_bad_line_why_and_what_to_do(in_tmp, capsys):
    bend(journal(in_tmp, *SENT), 5)
    assert guarded(["journal", "verify", "film.yaml"]) == 9
    shown = capsys.readouterr()
    assert shown.out.startswith("journal: out/film/journal.jsonl: 4 lines, 2 jobs\n")
    assert shown.err == (
        "wanbatch: out/film/journal.jsonl: line 5 is damaged: its check sum does not match it and the line before\n"
        "  save what it still tells: wanbatch journal repair film.yaml\n"
    )


def test_verify_of_a_torn_last_line_is_no_failure(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    path.write_bytes(path.read_bytes()[:-4])
    assert guarded(["journal", "verify", "out/film"]) == 0
    assert "the last line is cut short" in capsys.readouterr().out


def test_verify_of_an_empty_journal_and_of_none(in_tmp, capsys):
    path = journal(in_tmp)
    path.write_bytes(b"")
    assert guarded(["journal", "verify", "film.yaml"]) == 0
    assert capsys.readouterr().out == "journal: out/film/journal.jsonl: 0 lines, 0 jobs\n"
    path.unlink()
    assert guarded(["journal", "verify", "film.yaml"]) == 2
    assert "nothing was run yet in out/film" in capsys.readouterr().err


def test_a_damaged_journal_leads_from_any_verb_to_repair(in_tmp, capsys):
    bend(journal(in_tmp, *SENT), 5)
    assert guarded(["status", "film.yaml"]) == 9
    assert "wanbatch journal repair out/film" in capsys.readouterr().err


# --- repair ---


def test_repair_tells_what_is_uncertain_and_its_commands_work_as_printed(in_tmp, capsys):
    path = journal(in_tmp, *MADE)
    damaged = bend(path, 5)
    assert guarded(["journal", "repair", "film.yaml"]) == 0
    shown = capsys.readouterr()
    assert path.read_bytes() == damaged
    assert shown.out == "out/film/journal.repaired.jsonl\n"
    assert "line 5 is damaged" in shown.err
    assert "; 4 lines before it are good" in shown.err
    assert "uncertain: 1 scene, 1 of them held in the copy" in shown.err
    assert (
        "  alley  was submitted, or may have been (task task-1): sent anew it would be paid for again; held in the copy"
        in shown.err
    )
    commands = [line.strip() for line in shown.err.splitlines() if line.startswith(("  cp", "  mv"))]
    for command in commands:
        subprocess.run(shlex.split(command), check=True)
    assert (in_tmp / "out/film/journal.damaged.jsonl").read_bytes() == damaged
    assert guarded(["journal", "verify", "film.yaml"]) == 0
    assert guarded(["resolve", "film.yaml", "alley", "--adopt", "task-1"]) == 0
    assert next(iter(read(path).jobs.values())).task_id == "task-1"


def test_a_repaired_journal_submits_nothing_that_was_lost(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    bend(path, 5)
    assert guarded(["journal", "repair", "film.yaml"]) == 0
    (path.parent / "journal.repaired.jsonl").replace(path)
    capsys.readouterr()
    guarded(["plan", "film.yaml", "--json"])
    entries = {entry["scene"]: entry["action"] for entry in json.loads(capsys.readouterr().out)["entries"]}
    assert entries["alley"] == "held"
    assert entries["roof"] == "new"


def test_repair_says_so_when_lines_cannot_be_read_and_lists_no_more_than_a_screen(in_tmp, capsys):
    path = journal(in_tmp, s.SubmitIntended(), ids=[f"s{number}" for number in range(40)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], b"\0" * 80]))
    assert guarded(["journal", "repair", "out/film"]) == 0
    said = capsys.readouterr().err
    assert "cannot be read: any scene not sent yet may have been submitted there" in said
    assert "uncertain: 40 scenes, 40 of them held in the copy" in said
    assert "  and 20 more" in said


def test_repair_when_only_lines_about_a_run_are_lost(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    with Journal.open(path, NOW) as again:
        again.note_run(NOW, "film.yaml")
    bend(path, 7)
    assert guarded(["journal", "repair", "film.yaml"]) == 0
    assert "no scene is uncertain" in capsys.readouterr().err


def test_repair_of_a_whole_journal_writes_nothing(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    assert guarded(["journal", "repair", "film.yaml"]) == 0
    assert "is whole: there is nothing to repair" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-4])
    assert guarded(["journal", "repair", "film.yaml"]) == 0
    assert "the next run mends it" in capsys.readouterr().out
    assert [one.name for one in path.parent.iterdir()] == ["journal.jsonl"]


def test_repair_overwrites_nothing_neither_a_copy_nor_the_journal_itself(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    damaged = bend(path, 5)
    (in_tmp / "mine.jsonl").write_text("mine")
    for name in ("mine.jsonl", str(path), "out/film/journal.jsonl"):
        assert guarded(["journal", "repair", "film.yaml", "-o", name]) == 9
        assert "exists and is not overwritten" in capsys.readouterr().err
    assert (in_tmp / "mine.jsonl").read_text() == "mine"
    assert path.read_bytes() == damaged
    with Journal.open(in_tmp / "held.jsonl", NOW):
        shutil.copy(path, in_tmp / "kept")
        (in_tmp / "held.jsonl").write_bytes(damaged)
        (in_tmp / "o").mkdir()
        (in_tmp / "held.jsonl").rename(in_tmp / "o/journal.jsonl")
        assert guarded(["journal", "repair", "o"]) == 11
    assert [one.name for one in (in_tmp / "o").iterdir()] == ["journal.jsonl"]


def test_the_printed_commands_quote_what_a_shell_would_split_and_show_what_a_terminal_would_obey(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    bend(path, 5)
    path.parent.rename(in_tmp / "my \x1b[31mout")
    assert guarded(["journal", "repair", "my \x1b[31mout"]) == 0
    shown = capsys.readouterr()
    assert "'my \\x1b[31mout/journal.jsonl'" in shown.err
    assert not RAW.search(shown.err + shown.out)


# --- show ---


def test_show_tells_the_history_of_one_scene_line_by_line(in_tmp, capsys):
    journal(in_tmp, *MADE)
    assert guarded(["journal", "show", "film.yaml", "alley"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("alley: done (alley/1/")
    assert [line.split()[0] for line in lines] == ["3", "5", "6", "7", "8"]
    assert all(re.match(r" *\d+  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  ", line) for line in lines)
    assert "about to be submitted" in lines[1]
    assert lines[2].endswith("accepted by the service: billed if it succeeds  task task-1, request request-1")
    assert "billed" in lines[3]
    assert "duration 5" in lines[3]
    assert "sha256:" not in lines[0]


def test_show_uses_the_local_time(in_tmp):
    journal(in_tmp, *SENT)
    shown = [
        subprocess.run([PROGRAM, "journal", "show", "out/film", "alley"], env=os.environ | {"TZ": zone}, check=True,
                       text=True, capture_output=True, stdin=subprocess.DEVNULL).stdout.splitlines()[1]
        for zone in ("UTC0", "CST-8")
    ]  # fmt: skip
    assert "2027-01-15 08:00:00+00:00" in shown[0]
    assert "2027-01-15 16:00:00+08:00" in shown[1]


def test_show_as_json_has_every_field_and_the_same_words(in_tmp, capsys):
    journal(in_tmp, *MADE)
    assert guarded(["journal", "show", "out/film", "alley", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["format"], data["folder"], data["scene"]) == (1, "out/film", "alley")
    (job,) = data["jobs"]
    assert (job["scene"], job["take"], job["state"]) == ("alley", 1, "done")
    assert [line["event"] for line in job["lines"]] == ["Planned", *(type(event).__name__ for event in MADE)]
    accepted = job["lines"][2]
    assert accepted["fields"] == {"task_id": "task-1", "request_id": "request-1"}
    assert (accepted["line"], accepted["at"]) == (6, NOW + 1)


def test_show_of_an_edited_scene_tells_both_requests_apart(in_tmp, capsys):
    path = journal(in_tmp, *SENT)
    later = manifest(manifest_text("alley", duration=7)).wanted[0]
    with Journal.open(path, NOW) as again:
        again.record(later.key, planned(later), NOW)
    assert guarded(["journal", "show", "out/film", "alley"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert "waiting, the scene as it was before an edit (" in first.splitlines()[0]
    assert second.startswith("alley: ready (")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_nothing_that_the_service_said_reaches_the_terminal_raw(flags, in_tmp, capsys):
    evil = "\x1b]0;pwned\x07\x9b31m\u202eabc\u2028\r\n\x7f\ud800雨"
    journal(in_tmp, s.SubmitIntended(), s.SubmitRefused(evil, evil))
    assert guarded(["journal", "show", "out/film", "alley", *flags]) == 0
    shown = capsys.readouterr().out
    assert not RAW.search(shown)
    assert "雨" in shown
    if flags:
        assert json.loads(shown)["jobs"][0]["lines"][-1]["fields"]["message"] == evil
    else:
        assert "\\x1b]0;pwned\\x07\\x9b31m\\u202eabc\\u2028\\r\\n\\x7f\\ud800雨" in shown
        assert len(shown.splitlines()) == 4


def test_show_tells_what_it_can_of_a_damaged_journal_and_fails(in_tmp, capsys):
    bend(journal(in_tmp, *MADE), 7)
    assert guarded(["journal", "show", "out/film", "alley"]) == 9
    shown = capsys.readouterr()
    assert "task task-1" in shown.out
    assert "line 7 is damaged" in shown.err
    assert guarded(["journal", "show", "out/film", "nobody"]) == 9


def test_show_of_a_scene_that_is_not_there(in_tmp, capsys):
    journal(in_tmp)
    assert guarded(["journal", "show", "film.yaml", "aley"]) == 2
    assert capsys.readouterr().err == ("wanbatch: the journal has no scene aley\n  see wanbatch status film.yaml\n")


def test_every_event_has_words_and_every_line_of_the_golden_journal_is_told(in_tmp, capsys):
    assert history.WORDS.keys() == EVENTS.keys()
    (in_tmp / "o").mkdir()
    shutil.copy(GOLDEN, in_tmp / "o/journal.jsonl")
    told = 0
    for job in read(GOLDEN).jobs.values():
        assert guarded(["journal", "show", "o", job.stem]) == 0
        shown = capsys.readouterr().out
        assert not RAW.search(shown)
        told += len(shown.splitlines()) - 1
    assert told == len(GOLDEN.read_bytes().splitlines()) - 2


@pytest.mark.parametrize("at", [float("inf"), 1e300, "soon", None])
def test_what_is_no_time_is_shown_as_it_stands(at):
    assert history.local_time(at) == str(at)


def test_an_event_of_a_later_version_is_shown_by_its_name():
    line = history.Line(1, NOW, "Danced", "a/1/0", {"with": "me", "none": None})
    assert history.happened(line) == "Danced"
    assert history.details(line) == "with me"
