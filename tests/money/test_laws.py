"""The law of the ledger: whatever runs do side by side and wherever they are killed, no cap is exceeded.

Beside the ledger stands what the service would bill: every POST that left and whose task did not fail.
"""

import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from money.books import opened, per_day, per_run, standing
from support import NOW

from wanbatch.money.ledger import Full, Ledger, OverCap, Reserved, Standing, State, day_of

RUNS = 3
AT_ONCE = 3
PER_DAY, PER_RUN = Decimal(10), Decimal(7)
CAPS = (per_day(10), per_run(7))
runs = st.integers(0, RUNS - 1)
jobs = st.sampled_from(["alley", "bridge", "canal", "dock"])
AMOUNTS = st.sampled_from(["0.5", "1", "2.5", "3"]).map(Decimal)


@dataclass
class Post:
    """A submission that left, and what the service makes of it."""

    claim: Standing
    run: str
    bill: Decimal
    known: bool = True
    """Whether a journal still knows it."""


class Books(RuleBasedStateMachine):
    """Some runs, each with its manifest's journal, and one ledger."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now = NOW
        self.journals: list[dict[tuple[str, int], Standing]] = [{} for _ in range(RUNS)]
        self.posts: list[Post] = []
        self.ledgers = [self.started(run) for run in range(RUNS)]

    def started(self, run: int) -> Ledger:
        """What every run begins with, its journal's lock held."""
        ledger = opened(self.folder, self.now)
        ledger.sync(f"/out/{run}", self.journals[run].values(), self.now)
        return ledger

    def kill(self, run: int) -> None:
        """End a run without a word, and start it again."""
        self.ledgers[run]._store.close()
        self.ledgers[run] = self.started(run)

    @rule(run=runs, job=jobs, amount=AMOUNTS, dies=st.sampled_from(["", "", "", "before its intent", "after its POST"]))
    def submit(self, run, job, amount, dies):
        journal = self.journals[run]
        attempt = 1 + max((n for one, n in journal if one == job), default=0)
        before = journal.get((job, attempt - 1))
        if before is not None and before.state in (State.OPEN, State.BILLED):
            return
        claim = standing(job, attempt, journal=f"/out/{run}", amount=amount, at=self.now)
        ledger = self.ledgers[run]
        counted = ledger.total("day", "CNY", self.now), ledger.total("run", "CNY", self.now)
        match ledger.reserve(claim, self.now, CAPS, AT_ONCE):
            case OverCap():
                assert counted[0] + amount > PER_DAY or counted[1] + amount > PER_RUN
                return
            case Full(taken, _):
                assert taken >= AT_ONCE
                return
            case Reserved():
                pass
        if dies != "before its intent":
            journal[job, attempt] = claim
            self.posts.append(Post(claim, ledger.run, amount))
        if dies:
            self.kill(run)
        else:
            ledger.put(claim, self.now)

    @rule(data=st.data(), state=st.sampled_from([State.BILLED, State.FREE, State.DOUBT]), told=st.booleans())
    @precondition(lambda self: any(post.known and self.state_of(post) is State.OPEN for post in self.posts))
    def ends(self, data, state, told):
        """A task ends, or is held for a person; the run is killed before the ledger hears of it, or not."""
        open_posts = [post for post in self.posts if post.known and self.state_of(post) is State.OPEN]
        post = data.draw(st.sampled_from(open_posts))
        run = int(post.claim.journal.rpartition("/")[2])
        if state is State.FREE:
            post.bill = Decimal(0)
        elif state is State.BILLED:
            post.bill = data.draw(st.sampled_from([post.claim.amount, post.claim.amount / 2]))
        fact = replace(post.claim, state=state, amount=post.bill or post.claim.amount)
        self.journals[run][fact.job, fact.attempt] = fact
        if told:
            self.ledgers[run].put(fact, self.now)
        else:
            self.kill(run)

    def state_of(self, post: Post) -> State:
        run = int(post.claim.journal.rpartition("/")[2])
        return self.journals[run][post.claim.job, post.claim.attempt].state

    @rule(run=runs)
    def is_killed(self, run):
        self.kill(run)

    @rule(run=runs)
    def loses_its_journal(self, run):
        """A run ends, somebody deletes its output folder, and it starts anew."""
        self.ledgers[run].close()
        self.journals[run] = {}
        for post in self.posts:
            post.known = post.known and post.claim.journal != f"/out/{run}"
        self.ledgers[run] = self.started(run)

    @rule(hours=st.sampled_from([0.01, 5, 11]))
    def time_passes(self, hours):
        self.now += hours * 3600

    @invariant()
    def no_cap_is_exceeded(self):
        billed: dict[str, Decimal] = defaultdict(Decimal)
        for post in self.posts:
            billed[day_of(post.claim.at)] += post.bill
            billed[post.run] += post.bill
        kept: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.ledgers[0].spent():
            if row.standing.state is not State.FREE:
                kept[row.day] += row.standing.amount
                kept[row.run] += row.standing.amount
        for scope, amount in kept.items():
            assert amount <= (PER_DAY if "-" in scope else PER_RUN) or not scope
        for scope, amount in billed.items():
            assert amount <= kept[scope], "what was paid is in the ledger"

    @invariant()
    def no_more_tasks_than_slots(self):
        assert sum(post.known and self.state_of(post) is State.OPEN for post in self.posts) <= AT_ONCE

    def teardown(self):
        for ledger in self.ledgers:
            ledger.close()
        shutil.rmtree(self.folder)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
