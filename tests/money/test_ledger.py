"""The ledger: caps, slots, facts, and files that are not as they should be."""

import os
import re
import shutil
import sqlite3
import stat
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import pytest
from money.books import DAY_S, ended, found, opened, per_day, per_run, program, standing
from support import NOW

from wanbatch.errors import Exit
from wanbatch.money.ledger import EXPIRED_S, STALE_S, Full, Ledger, LedgerError, OverCap, Reserved, State, state_folder
from wanbatch.money.store import NAP_S, PATIENCE_S

UNKNOWN = {"amount": None, "currency": None}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    in_zone(monkeypatch, "UTC")
    yield
    monkeypatch.undo()
    time.tzset()


def in_zone(monkeypatch, name):
    monkeypatch.setenv("TZ", name)
    time.tzset()


def reserve(ledger, job="alley", caps=(), at_once=None, **changes):
    claim = standing(job, **changes)
    return ledger.reserve(claim, claim.at, caps, at_once)


# --- caps


def test_a_cap_lets_through_what_fits_and_not_a_fen_more(tmp_path):
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", [per_day(6)]) == Reserved()
        assert reserve(ledger, "b", [per_day(6)]) == Reserved()
        refused = reserve(ledger, "c", [per_day(6)], amount=Decimal("0.000001"))
        assert refused == OverCap(per_day(6), Decimal(6), Decimal("0.000001"), refused.reason)
        assert refused.reason == "6.00 CNY spent or reserved, and it costs 0.000001 more"
        assert found(ledger) == {("a", 1): "open", ("b", 1): "open"}


def test_an_amount_that_cannot_be_kept_exactly_is_rounded_up_and_a_cap_down(tmp_path):
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", amount=Decimal("0.0000001")) == Reserved()
        assert ledger.total("day", "CNY", NOW) == Decimal("0.000001")
        assert isinstance(reserve(ledger, "b", [per_day("0.0000019")], amount=Decimal("0.000001")), OverCap)


def test_only_what_is_free_does_not_count(tmp_path):
    with opened(tmp_path) as ledger:
        for state in State:
            ledger.put(standing(state.value, state=state), NOW)
        assert ledger.total("day", "CNY", NOW) == Decimal(9)


def test_a_cap_per_run_counts_only_what_this_run_reserved(tmp_path):
    with opened(tmp_path) as earlier, opened(tmp_path) as ledger:
        assert reserve(earlier, "a", [per_run(3)]) == Reserved()
        assert reserve(ledger, "b", [per_run(3)]) == Reserved()
        ledger.put(standing("adopted", state=State.BILLED), NOW)
        assert ledger.total("run", "CNY", NOW) == Decimal(3)
        assert isinstance(reserve(ledger, "c", [per_day(100), per_run(3)]), OverCap)


def test_a_price_that_is_not_known_is_refused_by_any_cap_and_only_by_a_cap(tmp_path):
    with opened(tmp_path) as ledger:
        refused = reserve(ledger, "a", [per_day(100)], **UNKNOWN)
        assert (refused.wants, refused.reason) == (None, "its price is not known, so no cap can hold")
        assert reserve(ledger, "a", **UNKNOWN) == Reserved()


def test_a_cap_cannot_hold_over_what_was_submitted_at_an_unknown_price(tmp_path):
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", **UNKNOWN) == Reserved()
        assert reserve(ledger, "b", [per_day(100)]).reason == (
            "earlier submissions of this day (1) have no known price, so no cap can hold"
        )
        ledger.put(standing("a", state=State.FREE, **UNKNOWN), NOW)
        assert reserve(ledger, "b", [per_day(100)]) == Reserved()


def test_a_price_in_another_currency_is_refused(tmp_path):
    with opened(tmp_path) as ledger:
        refused = reserve(ledger, "a", [per_day(100)], currency="USD")
        assert refused.reason == "it is priced in USD, and the cap is in CNY"
        assert reserve(ledger, "a", [per_day(100, "USD")], currency="USD") == Reserved()
        assert reserve(ledger, "b", [per_day(3)]) == Reserved()  # dollars are no yuan


def test_a_day_ends_at_local_midnight(tmp_path, monkeypatch):
    in_zone(monkeypatch, "Asia/Shanghai")
    midnight = time.mktime((2027, 1, 15, 0, 0, 0, 0, 0, -1))
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", [per_day(3)], at=midnight - 0.5) == Reserved()
        assert isinstance(reserve(ledger, "b", [per_day(3)], at=midnight - 0.1), OverCap)
        assert reserve(ledger, "b", [per_day(3)], at=midnight) == Reserved()
        assert [row.day for row in ledger.spent()] == ["2027-01-14", "2027-01-15"]


def test_an_attempt_stays_on_the_day_of_its_reservation(tmp_path):
    midnight = NOW - NOW % DAY_S
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", [per_day(3)], at=midnight - 0.1) == Reserved()
        assert reserve(ledger, "b", [per_day(3)], at=midnight) == Reserved()
        ledger.sync("/out/film", [standing("a", at=midnight + 0.1), standing("b", at=midnight + 0.2)], midnight)
        assert ledger.total("day", "CNY", midnight) == Decimal(3)


# --- slots


def test_slots_are_of_one_account_and_model_and_all_runs_share_them(tmp_path):
    with opened(tmp_path) as one, opened(tmp_path) as other:
        assert reserve(one, "a", at_once=2) == Reserved()
        assert reserve(other, "b", at_once=2, journal="/out/b") == Reserved()
        assert reserve(one, "c", at_once=2) == Full(2, 1)
        assert reserve(one, "c", at_once=2, model="wan2.7-t2v-2026-06-12") == Reserved()
        assert reserve(one, "d", at_once=2, account="second") == Reserved()
        assert reserve(one, "e", at_once=None) == Reserved()


@pytest.mark.parametrize("state", [State.BILLED, State.FREE, State.DOUBT])
def test_what_the_service_no_longer_works_on_frees_its_slot(tmp_path, state):
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", at_once=1) == Reserved()
        assert reserve(ledger, "b", at_once=1) == Full(1, 0)
        ledger.put(standing("a", state=state), NOW)
        assert reserve(ledger, "b", at_once=1) == Reserved()


def left_by_a_dead_process(folder):
    ended(program("Ledger.open(path, NOW).reserve(standing('dead'), NOW, [], None)", folder / "ledger.db"))


def altered(folder, statement):
    db = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    assert db.execute(statement).rowcount == 1
    db.close()


def test_the_task_of_a_dead_process_holds_its_slot_as_long_as_a_task_may_take(tmp_path):
    left_by_a_dead_process(tmp_path)
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "b", at_once=1, at=NOW + STALE_S - 1) == Full(1, 1)
        assert reserve(ledger, "b", at_once=1, at=NOW + STALE_S) == Reserved()


def test_a_process_of_the_same_number_is_not_the_same_process(tmp_path):
    left_by_a_dead_process(tmp_path)
    altered(tmp_path, f"UPDATE run SET pid = {os.getpid()}")
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "b", at_once=1, at=NOW + STALE_S) == Reserved()


def test_a_task_of_another_machine_holds_its_slot_until_the_service_has_forgotten_it(tmp_path):
    left_by_a_dead_process(tmp_path)
    altered(tmp_path, "UPDATE run SET host = 'elsewhere'")
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "b", at_once=1, at=NOW + EXPIRED_S - 1) == Full(1, 1)
        assert reserve(ledger, "b", at_once=1, at=NOW + EXPIRED_S) == Reserved()


def test_a_live_process_holds_its_slots_however_long_it_takes(tmp_path):
    with opened(tmp_path) as one, opened(tmp_path) as other:
        assert reserve(one, "a", at_once=1) == Reserved()
        assert reserve(other, "b", at_once=1, at=NOW + 2 * EXPIRED_S) == Full(1, 1)


def test_the_run_that_takes_over_a_task_holds_its_slot(tmp_path):
    left_by_a_dead_process(tmp_path)
    with opened(tmp_path) as ledger:
        ledger.sync("/out/film", [standing("dead")], NOW)
        assert reserve(ledger, "b", at_once=1, at=NOW + 2 * EXPIRED_S) == Full(1, 0)


# --- facts


def test_saying_it_twice_changes_nothing(tmp_path):
    with opened(tmp_path) as ledger:
        for _ in range(2):
            assert reserve(ledger, "a", [per_day(3)], at_once=1) == Reserved()
        for _ in range(2):
            ledger.put(standing("a", state=State.BILLED), NOW)
        assert ledger.total("day", "CNY", NOW) == Decimal(3)


@pytest.mark.parametrize("put", ["put", "sync"])
def test_a_doubt_never_becomes_free(tmp_path, put):
    with opened(tmp_path) as ledger:
        ledger.put(standing("a", state=State.DOUBT), NOW)
        free = standing("a", state=State.FREE)
        ledger.put(free, NOW) if put == "put" else ledger.sync("/out/film", [free], NOW)
        assert found(ledger) == {("a", 1): "doubt"}
        ledger.sync("/out/film", [], NOW)
        assert found(ledger) == {("a", 1): "doubt"}


def test_what_was_reserved_and_never_sent_is_free_at_the_next_start(tmp_path):
    with opened(tmp_path) as killed:
        assert reserve(killed, "sent", [per_day(6)]) == Reserved()
        assert reserve(killed, "unsent", [per_day(6)]) == Reserved()
    with opened(tmp_path) as ledger:
        ledger.sync("/out/film", [standing("sent")], NOW)
        assert found(ledger) == {("sent", 1): "open", ("unsent", 1): "free"}
        assert reserve(ledger, "unsent", [per_day(6)]) == Reserved()


def test_a_job_that_is_known_and_not_told_of_stays_as_it_is(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.put(standing("elsewhere"), NOW)
        assert reserve(ledger, "unsent") == Reserved()
        ledger.sync("/out/film", [], NOW, beside=["elsewhere"])
        assert found(ledger) == {("elsewhere", 1): "open", ("unsent", 1): "free"}


def test_a_start_frees_nothing_of_another_journal(tmp_path):
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", journal="/out/other") == Reserved()
        ledger.sync("/out/film", [], NOW)
        assert found(ledger) == {("a", 1): "open"}


def test_a_journal_that_was_deleted_leaves_what_it_cost(tmp_path):
    with opened(tmp_path) as ledger:
        for job in ("made", "sent"):
            assert reserve(ledger, job) == Reserved()
        ledger.put(standing("made", state=State.BILLED), NOW)
        ledger.put(standing("sent"), NOW)
    with opened(tmp_path) as ledger:
        ledger.sync("/out/film", [], NOW)
        assert found(ledger) == {("made", 1): "billed", ("sent", 1): "doubt"}
        # Both are sent once more by the new journal, and count twice: they were paid twice.
        for job in ("made", "sent"):
            assert reserve(ledger, job, [per_day(12)]) == Reserved()
        assert ledger.total("day", "CNY", NOW) == Decimal(12)
        ledger.put(standing("made", state=State.FREE), NOW)
        assert ledger.total("day", "CNY", NOW) == Decimal(9)


def test_a_journal_that_is_put_back_settles_what_was_in_doubt(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.put(standing("a"), NOW)
        ledger.sync("/out/film", [], NOW)
        ledger.sync("/out/film", [standing("a", state=State.BILLED)], NOW)
        assert found(ledger) == {("a", 1): "billed"}


def test_an_earlier_attempt_that_is_not_told_of_cost_nothing(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.put(standing("a"), NOW)
        ledger.put(standing("b"), NOW)
        ledger.sync("/out/film", [standing("a", 2), standing("b")], NOW)
        assert found(ledger) == {("a", 1): "free", ("a", 2): "open", ("b", 1): "open"}


def test_a_ledger_that_was_deleted_is_made_again_from_the_journals(tmp_path):
    rows = [standing("a", state=State.BILLED, at=NOW - DAY_S), standing("b", state=State.DOUBT)]
    with opened(tmp_path) as ledger:
        ledger.sync("/out/film", rows, NOW)
        kept = ledger.spent()
    shutil.rmtree(tmp_path)
    with opened(tmp_path) as ledger:
        assert ledger.spent() == []
        ledger.sync("/out/film", rows, NOW)
        assert ledger.spent() == kept
        assert ledger.total("day", "CNY", NOW) == Decimal(3)
        assert ledger.total("run", "CNY", NOW) == 0


def test_what_was_spent_is_asked_for_by_time(tmp_path):
    with opened(tmp_path) as ledger:
        for job, at in (("c", NOW + 2), ("a", NOW), ("b", NOW + 1)):
            ledger.put(standing(job, state=State.BILLED, at=at), NOW)
        assert [row.standing.job for row in ledger.spent()] == ["a", "b", "c"]
        assert [row.standing.job for row in ledger.spent(since=NOW + 1, until=NOW + 2)] == ["b"]
        assert ledger.spent()[0].standing == standing("a", state=State.BILLED)


def test_names_that_are_no_utf_8_can_be_kept(tmp_path):
    journal = os.fsdecode(b"/out/\xff")
    with opened(tmp_path) as ledger:
        assert reserve(ledger, "a", journal=journal) == Reserved()
        ledger.sync(journal, [standing("a", journal=journal, manifest="电影.yaml")], NOW)
        assert found(ledger) == {("a", 1): "open"}
        assert ledger.spent()[0].standing.manifest == "电影.yaml"


# --- the file


def test_the_ledger_is_for_this_user_only(tmp_path):
    old = os.umask(0)
    try:
        opened(tmp_path / "state").close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"WANBATCH_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/wanbatch"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/c"}, "/c/.local/state/wanbatch"),
        ({"WANBATCH_STATE": "", "XDG_STATE_HOME": "", "HOME": "/c"}, "/c/.local/state/wanbatch"),
    ],
)
def test_the_folder_is_named_by_the_environment(env, folder):
    assert state_folder(env) == Path(folder)


def test_without_a_home_the_next_command_names_one():
    with pytest.raises(LedgerError, match="no home folder") as error:
        state_folder({})
    assert "WANBATCH_STATE" in error.value.hint


def refused(path):
    """The complaint about a ledger; it is never a bug's."""
    with pytest.raises(LedgerError) as error:
        Ledger.open(path, NOW)
    assert error.value.exit_code is Exit.STATE
    assert error.value.message.endswith("; nothing more is submitted")
    assert error.value.hint
    return error.value


def filled(folder, rows=200):
    with opened(folder) as ledger:
        ledger.sync("/out/film", [standing(f"job-{number}") for number in range(rows)], NOW)
    return folder / "ledger.db"


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("dear diary\n" * 200, "utf-8")
    complaint = refused(path)
    assert "cannot be read: file is not a database" in complaint.message
    assert complaint.hint.endswith(f"mv {path} {path}.damaged")
    assert path.read_text("utf-8") == "dear diary\n" * 200


def test_another_programs_database_is_refused(tmp_path):
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.execute("CREATE TABLE bookmarks (url)")
    db.close()
    assert "another program's file" in refused(tmp_path / "ledger.db").message


def test_a_newer_format_is_refused_in_words(tmp_path):
    path = filled(tmp_path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.close()
    complaint = refused(path)
    assert "is of format 2; this wanbatch knows format 1" in complaint.message
    assert "newer wanbatch" in complaint.hint


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_ledger_that_was_cut_off_is_said_and_never_summed(tmp_path, cut):
    path = filled(tmp_path)
    os.truncate(path, int(path.stat().st_size * cut))
    with pytest.raises(LedgerError, match="cannot be read"), Ledger.open(path, NOW) as ledger:
        ledger.total("day", "CNY", NOW)
        ledger.spent()


def test_a_state_that_nobody_wrote_is_said(tmp_path):
    path = filled(tmp_path, 1)
    path.write_bytes(path.read_bytes().replace(b"wan2.7-t2vopen", b"wan2.7-t2vopem"))
    with Ledger.open(path, NOW) as ledger, pytest.raises(LedgerError, match="'opem' is not a valid State"):
        ledger.spent()


@pytest.mark.parametrize("kind", ["folder", "pipe", "below a file", "no such disk"])
def test_what_can_be_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "ledger.db"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "below a file":
        path.write_text("", "utf-8")
        path /= "ledger.db"
    else:
        path = Path("/proc/wanbatch/ledger.db")
    complaint = refused(path)
    assert re.search("cannot be written: ", complaint.message)
    assert "WANBATCH_STATE" in complaint.hint


READ_ONLY = """
import sqlite3
if os.geteuid() == 0: os.setuid(65534)
try: Ledger.open(path, NOW).reserve(standing(), NOW, [], None)
except LedgerError as error: print(int(error.exit_code), error.message)
"""


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_read_only_is_refused(there):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if there:
            filled(folder).chmod(0o666)
            (folder / "ledger.db-journal").unlink()
        folder.chmod(0o555)
        said = ended(program(READ_ONLY, folder / "ledger.db"))
        folder.chmod(0o700)
    assert said.startswith(f"9 the ledger {folder}/ledger.db cannot be written: ")


def test_a_file_that_is_read_only_is_refused(tmp_path):
    path = filled(tmp_path)
    with Ledger.open(path, NOW) as ledger:
        ledger._store._db.execute("PRAGMA query_only = ON")  # what root is told of a disk that is mounted so
        with pytest.raises(LedgerError, match="attempt to write a readonly database") as error:
            reserve(ledger, "a")
    assert "WANBATCH_STATE" in error.value.hint


FULL_DISK = """
import resource
ledger = Ledger.open(path, NOW)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        ledger.reserve(standing(f"job-{done}"), NOW, [], None)
        done += 1
except LedgerError as error:
    print(int(error.exit_code), error.message, error.hint, sep="|")
print(done, ledger.total("day", "CNY", NOW) == 3 * done)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.reserve(standing("late"), NOW, [], None)
print(ledger.total("day", "CNY", NOW) == 3 * done + 3)
"""


def test_a_full_disk_reserves_nothing_and_loses_nothing(tmp_path):
    words, intact, again = ended(program(FULL_DISK, tmp_path / "ledger.db")).splitlines()
    code, message, hint = words.split("|")
    assert code == "9"
    assert message.startswith(f"the ledger {tmp_path}/ledger.db cannot be written: ")
    assert hint == f"make room on that disk (df -h {tmp_path}), then the same command goes on"
    assert (intact.split()[1], again) == ("True", "True")


def test_a_python_without_sqlite_is_said(tmp_path):
    body = "sys.modules['sqlite3'] = None\ntry: Ledger.open(path, 0.0)\nexcept LedgerError as error: print(error)"
    assert ended(program(body, tmp_path / "ledger.db")).startswith("this Python was built without SQLite")


@pytest.mark.parametrize("instead", ["nothing", "another"])
def test_a_ledger_that_is_taken_away_while_in_use_is_not_written_in_the_dark(tmp_path, instead):
    with opened(tmp_path) as ledger:
        (tmp_path / "ledger.db").rename(tmp_path / "away.db")
        if instead == "another":
            opened(tmp_path).close()
        with pytest.raises(LedgerError, match="was moved or deleted while it was in use"):
            reserve(ledger, "a")


def test_another_process_that_writes_is_waited_for(tmp_path):
    other = sqlite3.connect(filled(tmp_path), isolation_level=None)
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            other.execute("ROLLBACK")

    with Ledger.open(tmp_path / "ledger.db", NOW, sleep=sleep) as ledger:
        other.execute("BEGIN EXCLUSIVE")
        assert reserve(ledger, "a") == Reserved()
    other.close()
    assert naps == [NAP_S] * 3


def test_a_process_that_holds_the_ledger_for_ever_is_not_waited_for_for_ever(tmp_path):
    path = filled(tmp_path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    naps = []
    with pytest.raises(LedgerError, match="another process has held the ledger") as error:
        Ledger.open(path, NOW, sleep=naps.append)
    other.close()
    assert sum(naps) == pytest.approx(PATIENCE_S)
    assert error.value.hint.endswith(f"fuser -v {path}")
