"""The till: reserved before it is spent, settled by what came of it, and a limit that all runs of an account share."""

import sqlite3
from decimal import Decimal

import pytest
from support import NOW, board_with, planned, wanted

from wanbatch.errors import Exit
from wanbatch.jobs import state as s
from wanbatch.jobs.board import Board
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.policy import Halt
from wanbatch.money.amount import Cap, Cost
from wanbatch.money.ledger import Ledger, LedgerError, state_folder
from wanbatch.money.standing import Payer, claim
from wanbatch.money.till import FULL_S, LedgerTill
from wanbatch.money.turns import Turns

LANE = Lane("main", at_once=2, submit_rate=1000.0)


def price(outline):
    return Cost(Decimal("0.6") * outline["duration"], "CNY", "2026-08-15")


class Shop:
    """A ledger, and the tills of several runs over it."""

    def __init__(self, folder) -> None:
        self.folder, self.ledgers = folder, []

    def till(self, *caps: Cap, journal: str = "/out/film", prices=price) -> LedgerTill:
        ledger = Ledger.open(self.folder / "ledger.db", NOW)
        self.ledgers.append(ledger)
        payer = Payer(journal, "film", "main@host", prices)
        return LedgerTill(ledger, {"main": payer}, caps, Turns(None), lambda: NOW)

    def spent(self, currency="CNY") -> Decimal:
        return self.ledgers[0].total("day", currency, NOW)


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    for ledger in shop.ledgers:
        ledger.close()


def board_of(*ids: str) -> Board:
    return board_with(*((wanted(name), []) for name in ids))


def job(board: Board, name: str):
    return board.jobs[wanted(name).key]


def go(board: Board, till: LedgerTill, name: str, *events: s.Event):
    for event in events:
        board.apply(wanted(name).key, event, NOW)
        assert till.note(job(board, name)) is None


def test_a_submission_is_reserved_before_it_leaves_and_settled_when_it_is_billed(shop):
    till, board = shop.till(Cap("run", Decimal("6.00"), "CNY")), board_of("a", "b", "c")
    assert till.ask(job(board, "a"), LANE, NOW) is None
    assert shop.spent() == 3
    go(board, till, "a", s.SubmitIntended(lane="main"), s.SubmitAccepted("t1"))
    assert till.ask(job(board, "b"), LANE, NOW) is None
    go(
        board,
        till,
        "b",
        s.SubmitIntended(lane="main"),
        s.SubmitAccepted("t2"),
        s.TaskSucceeded(NOW + 9, {"duration": 4}),
    )
    assert shop.spent() == Decimal("5.4")
    refused = till.ask(job(board, "c"), LANE, NOW)
    assert isinstance(refused, Halt)
    assert (refused.exit_code, refused.at_once) == (Exit.REFUSED, False)
    assert "6.00 CNY per run" in refused.message


def test_what_failed_is_given_back_and_what_is_in_doubt_is_not(shop):
    till, board = shop.till(Cap("day", Decimal("3.00"), "CNY")), board_of("a", "b")
    assert till.ask(job(board, "a"), LANE, NOW) is None
    go(board, till, "a", s.SubmitIntended(lane="main"), s.SubmitRefused("Bad", "no"))
    assert shop.spent() == 0
    assert till.ask(job(board, "b"), LANE, NOW) is None
    go(board, till, "b", s.SubmitIntended(lane="main"), s.HeldForReview("no task matches"))
    assert shop.spent() == 3
    go(board, till, "b", s.ResubmitApproved("me"))
    assert isinstance(till.ask(job(board, "b"), LANE, NOW), Halt), "the doubt may have been billed"


def test_two_runs_of_one_account_share_its_slots(shop):
    one, other, board = shop.till(), shop.till(journal="/out/other"), board_of("a", "b", "c")
    assert one.ask(job(board, "a"), LANE, NOW) is None
    assert other.ask(job(board, "b"), LANE, NOW) is None
    assert other.ask(job(board, "c"), LANE, NOW) == NOW + FULL_S
    go(board, one, "a", s.SubmitIntended(lane="main"), s.SubmitAccepted("t1"), s.TaskFailed("x", "no"))
    assert other.ask(job(board, "c"), LANE, NOW) is None


def test_two_runs_of_one_account_share_its_rate(shop, tmp_path):
    till, board = shop.till(), board_of("a", "b")
    till._turns = Turns(tmp_path / "turns")
    lane = Lane("main", submit_rate=2.0)
    assert till.ask(job(board, "a"), lane, NOW) is None
    assert till.ask(job(board, "b"), lane, NOW) == pytest.approx(NOW + 0.5, abs=0.1)
    assert till.ticket_s(lane, 0.05) == 0.0
    assert till.ticket_s(lane, 0.05) > 0.0


def test_a_start_brings_the_ledger_to_what_the_journal_says(shop):
    """Killed between reservation and intent: nothing was sent. Killed after the answer: it is billed all the same."""
    till, board = shop.till(), board_of("a", "b")
    assert till.ask(job(board, "b"), LANE, NOW) is None
    for event in (s.SubmitIntended(lane="main"), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 9)):
        board.apply(wanted("b").key, event, NOW)
    assert till.ask(job(board, "a"), LANE, NOW) is None
    assert shop.spent() == 6
    shop.till().begin(board.jobs)
    assert shop.spent() == 3


def test_a_ledger_that_was_deleted_is_made_again_from_the_journal(shop):
    sent = [s.SubmitIntended(lane="main"), s.SubmitAccepted("t1"), s.TaskSucceeded(NOW + 9)]
    board = board_with((wanted("a"), sent), (wanted("b"), [sent[0], s.HeldForReview("lost")]))
    shop.till().begin(board.jobs)
    assert shop.spent() == 6


def test_a_cap_is_not_kept_by_guessing_at_a_price(shop):
    till, board = shop.till(Cap("run", Decimal(100), "CNY"), prices=lambda _outline: None), board_of("a")
    refused = till.ask(job(board, "a"), LANE, NOW)
    assert isinstance(refused, Halt)
    assert refused.exit_code is Exit.REFUSED
    assert shop.till(prices=lambda _outline: None).ask(job(board, "a"), LANE, NOW) is None


def test_a_ledger_that_cannot_be_written_stops_what_costs_and_says_so_once(shop, tmp_path):
    till, board = shop.till(), board_of("a", "b")
    assert till.ask(job(board, "a"), LANE, NOW) is None
    (tmp_path / "ledger.db").unlink()
    board.apply(wanted("a").key, s.SubmitIntended(lane="main"), NOW)
    board.apply(wanted("a").key, s.SubmitAccepted("t1"), NOW)
    told = till.note(job(board, "a"))
    assert isinstance(told, Halt)
    assert (told.exit_code, told.at_once) == (Exit.STATE, False)
    assert till.note(job(board, "a")) is None
    refused = till.ask(job(board, "b"), LANE, NOW)
    assert isinstance(refused, Halt)
    assert refused.exit_code is Exit.STATE


def test_what_another_account_has_is_left_alone(shop):
    board = Board()
    one = wanted("a")
    board.apply(one.key, planned(one), NOW)
    board.apply(one.key, s.SubmitIntended(lane="elsewhere"), NOW)
    till = shop.till()
    till.begin(board.jobs)
    assert till.note(board.jobs[one.key]) is None
    assert shop.spent() == 0


def test_a_doubt_that_another_account_left_is_never_set_free(shop):
    """It was held and sent again without the ledger, and its account is gone: it may be billed all the same."""
    one = wanted("a")
    board = board_with((one, []))
    lost = [s.HeldForReview("no task matches"), s.ResubmitApproved("me")]

    def till(name: str) -> LedgerTill:
        ledger = Ledger.open(shop.folder / "ledger.db", NOW)
        shop.ledgers.append(ledger)
        payer = Payer("/out/film", "film", f"{name}@host", price)
        return LedgerTill(ledger, {name: payer}, (), Turns(None), lambda: NOW)

    first = till("north")
    assert first.ask(board.jobs[one.key], Lane("north"), NOW) is None
    board.apply(one.key, s.SubmitIntended(lane="north"), NOW)
    first.note(board.jobs[one.key])
    for event in lost:
        board.apply(one.key, event, NOW)
    second = till("south")
    second.begin(board.jobs)
    assert second.ask(board.jobs[one.key], Lane("south"), NOW) is None
    board.apply(one.key, s.SubmitIntended(lane="south"), NOW)
    second.note(board.jobs[one.key])
    till("south").begin(board.jobs)
    assert shop.spent() == 6


def test_a_ledger_that_another_process_holds_is_waited_for_once(tmp_path):
    naps: list[float] = []
    with Ledger.open(tmp_path / "ledger.db", NOW, sleep=naps.append) as ledger:
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        asked = claim(board_of("a").jobs[wanted("a").key], Payer("/out/film", "film", "main@host", price), NOW)
        slept = []
        for _ in range(2):
            with pytest.raises(LedgerError, match="another process has held"):
                ledger.put(asked, NOW)
            slept.append(len(naps))
        assert slept[0] > 10
        assert slept[1] <= slept[0] + 1
        holder.close()


def test_a_state_folder_of_nobody_is_said_in_words():
    with pytest.raises(LedgerError, match="a user that is none"):
        state_folder({"WANBATCH_STATE": "~nobodyhere/x"})
