"""Real processes at one ledger: at once, and killed at any moment."""

import contextlib
import random
import sqlite3
import time
from collections import Counter
from decimal import Decimal

from cli.stage import wait_until
from money.books import ended, program, standing
from support import NOW

from wanbatch.money.ledger import Ledger, State

PROCESSES = 4
CAP, AT_ONCE = 30, 5

SPENDER = f"""
import random
me, go = args
while not Path(go).exists(): time.sleep(0.001)
dice, said, mine = random.Random(me), [], []
with Ledger.open(path, NOW) as ledger:
    for number in range(40):
        claim = standing(f"{{me}}-{{number}}", journal="/out/" + me, amount=Decimal(1))
        verdict = ledger.reserve(claim, NOW, [per_day({CAP})], {AT_ONCE})
        said.append(type(verdict).__name__)
        if isinstance(verdict, Reserved): mine.append(claim)
        while mine and dice.random() < 0.6:
            state = State.FREE if dice.random() < 0.2 else State.BILLED
            ledger.put(standing(mine.pop().job, journal="/out/" + me, amount=Decimal(1), state=state), NOW)
        time.sleep(dice.random() / 500)
    for claim in mine:
        ledger.put(standing(claim.job, journal="/out/" + me, amount=Decimal(1), state=State.BILLED), NOW)
print(" ".join(said))
"""


def test_processes_side_by_side_never_exceed_the_cap_nor_the_slots(tmp_path):
    path, go = tmp_path / "ledger.db", tmp_path / "go"
    working = [program(SPENDER, path, name, go) for name in "abcd"[:PROCESSES]]
    go.touch()
    looks = 0
    wait_until(path.exists)
    while any(process.poll() is None for process in working):
        with Ledger.open(path, NOW) as ledger:
            rows = [row.standing for row in ledger.spent()]
        counted = Counter(row.state for row in rows)
        assert counted[State.OPEN] <= AT_ONCE
        assert len(rows) - counted[State.FREE] <= CAP
        looks += 1
    verdicts = Counter(" ".join(map(ended, working)).split())
    assert looks > 3
    with Ledger.open(path, NOW) as ledger:
        assert ledger.total("day", "CNY", NOW) == CAP, "the cap is used up, not only held"
        assert len(ledger.spent()) == verdicts["Reserved"]


GREEDY = f"""
me, go = args
while not Path(go).exists(): time.sleep(0.001)
ledger = Ledger.open(path, NOW)
print(sum(isinstance(ledger.reserve(standing(f"{{me}}-{{n}}"), NOW, [], {AT_ONCE}), Reserved) for n in range(10)))
"""


def test_processes_that_open_a_new_ledger_at_once_share_its_slots(tmp_path):
    go = tmp_path / "go"
    working = [program(GREEDY, tmp_path / "ledger.db", name, go) for name in "abcd"[:PROCESSES]]
    go.touch()
    assert sum(int(ended(process)) for process in working) == AT_ONCE


LOOP = """
journal = os.open(args[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
ledger, life = Ledger.open(path, NOW), args[1]
for number in range(10_000):
    job = f"{life}-{number}"
    ledger.reserve(standing(job), NOW, [], None)
    os.write(journal, f"{job} open\\n".encode())
    print(job, flush=True)
    ledger.put(standing(job), NOW)
    state = ["billed", "free", "doubt", "open"][number % 4]
    os.write(journal, f"{job} {state}\\n".encode())
    ledger.put(standing(job, state=State(state)), NOW)
"""


def test_a_process_that_is_killed_at_any_moment_leaves_a_ledger_that_its_journal_completes(tmp_path):
    path, journal, dice = tmp_path / "ledger.db", tmp_path / "journal", random.Random(4)
    for life in range(12):
        process = program(LOOP, path, journal, life)
        assert process.stdout is not None
        for _ in range(dice.randrange(1, 6)):
            process.stdout.readline()
        time.sleep(dice.random() / 20)  # any moment will do
        process.kill()
        process.communicate()
        known = dict(line.split() for line in journal.read_text("utf-8").splitlines())
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with Ledger.open(path, NOW) as ledger:
            unsent = {row.standing.job for row in ledger.spent()} - known.keys()
            assert len(unsent) <= life + 1, "at most one of each life"
            ledger.sync("/out/film", [standing(job, state=State(state)) for job, state in known.items()], NOW)
            rows = {row.standing.job: row.standing.state.value for row in ledger.spent()}
            assert rows == known | dict.fromkeys(unsent, "free")
            counted = sum(state != "free" for state in known.values())
            assert ledger.total("day", "CNY", NOW) == Decimal(3) * counted
