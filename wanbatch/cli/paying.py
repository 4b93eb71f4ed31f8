"""Who pays for a run, and how much at most: accounts, prices, caps."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from wanbatch.cli import common, pricing
from wanbatch.cli.asked import Asked
from wanbatch.cli.door import say
from wanbatch.cli.pricing import Prices
from wanbatch.clock import Clock
from wanbatch.jobs.board import Board
from wanbatch.jobs.journal import Journal
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.state import Cancelling, InDoubt, Rendered, Waiting
from wanbatch.money.amount import Cap, amount
from wanbatch.money.ledger import LEDGER, REHEARSAL, Ledger, LedgerError, state_folder
from wanbatch.money.standing import Payer
from wanbatch.money.till import LedgerTill, NoTill, Till
from wanbatch.money.turns import Turns
from wanbatch.service.account import Account, region_id
from wanbatch.service.accounts import Lanes, lanes, reached, read_config
from wanbatch.service.config import Config

COLLECTED = InDoubt | Waiting | Cancelling | Rendered
"""States in which the service has something, or may have."""


def names_of(asked: Asked) -> tuple[str, ...]:
    """Return the names of the accounts that the run uses; none for the environment's, or that of a base URL."""
    options = asked.options
    return options.accounts or (() if options.base_url or options.simulate else asked.manifest.run.accounts)


def caps_of(asked: Asked) -> tuple[Cap, ...]:
    """Return the caps that the command line and the manifest set. All of them hold: the least decides."""
    return (*asked.options.max_cost, *asked.manifest.run.budget)


def prices_of(asked: Asked) -> Prices:
    """Return what videos cost where they would be made. Raises WanbatchError for an account that is none."""
    options = asked.options
    if options.simulate:
        return common.outline_prices(None, options.region, ())
    return pricing.prices(options.base_url, options.region, names_of(asked))


def lanes_of(asked: Asked, board: Board) -> Lanes:
    """Return the accounts of the run with what each lets through. Raises WanbatchError for one without a key.

    Who only collects needs those that have something.
    """
    options, names = asked.options, names_of(asked)
    config = read_config(os.environ)
    if not options.submits and not names and not options.base_url:
        having = dict.fromkeys(job.lane for job in board.jobs.values() if isinstance(job.state, COLLECTED))
        found, _ = reached(os.environ, config, having)  # `beside` says which cannot be
        if found:
            return tuple((as_asked(asked, lane), account) for lane, account in found)
        names = tuple(filter(None, having))
    found = lanes(os.environ, config, names, base_url=options.base_url, region=options.region)
    if options.cheapest_first:
        outlines = [one.request.outline() for one in asked.wanted]
        found = pricing.cheapest_first(found, outlines, config.prices)
    return tuple((as_asked(asked, lane), account) for lane, account in found)


def beside(asked: Asked, accounts: Lanes, journal: Journal) -> Lanes:
    """Return the accounts by which earlier runs have tasks that this run does not submit by: collected too."""
    here = {lane.name for lane, _ in accounts}
    jobs = journal.board.jobs.values()
    others = sorted({job.lane for job in jobs if isinstance(job.state, COLLECTED) and job.lane not in here})
    if asked.simulate or not others:
        return ()
    found, gone = reached(os.environ, read_config(os.environ), others)
    for name, why in gone.items():
        say(f"tasks of account {name or 'of the environment'} cannot be asked for: {why}")
    return found


def as_asked(asked: Asked, lane: Lane) -> Lane:
    """Return a lane with what the command line says of it: of more tasks at once than documented the user knows."""
    options = asked.options
    at_once = options.concurrency or asked.manifest.run.concurrency or 0
    return replace(
        lane,
        at_once=lane.at_once if lane.name else max(lane.at_once, at_once),
        submit_rate=options.submit_rate or lane.submit_rate,
        ask_rate=options.query_rate or lane.ask_rate,
    )


@contextmanager
def paying(asked: Asked, accounts: Lanes, journal: Journal, clock: Clock, *, copied: bool, run: str) -> Iterator[Till]:
    """Give what is asked before each submission. Raises LedgerError when the ledger cannot be read or written.

    `copied` says that the journal was put back: it may lack what was sent. Without a ledger nothing may be submitted;
    but what is paid for already is brought home.
    """
    if asked.simulate:
        yield NoTill()
        return
    config = read_config(os.environ)
    caps = [*caps_of(asked), *day_cap(config)]
    try:
        folder = state_folder(os.environ)
        ledger = Ledger.open(folder / ledger_name(accounts), clock.now(), run=run)
    except LedgerError as error:
        if asked.options.submits and (caps or has_home()):
            raise
        say(f"{error.message}; what this run spends is in no ledger", error.hint)
        yield NoTill()
        return
    with ledger:
        payers = {lane.name: payer_of(asked, lane.name, account, config) for lane, account in accounts}
        till = LedgerTill(ledger, payers, caps, Turns(folder / "turns"), clock.now)
        till.begin(journal.board.jobs, copied=copied)
        yield till


def ledger_name(accounts: Lanes) -> str:
    """Return the ledger's name: what is pretended on this machine is no money, and has one of its own."""
    return REHEARSAL if all(account.is_loopback for _, account in accounts) else LEDGER


def has_home() -> bool:
    """Say whether there is a place for a ledger. Without one a run that has no cap to keep goes on as it is."""
    try:
        state_folder(os.environ)
    except LedgerError:
        return False
    return True


def payer_of(asked: Asked, lane: str, account: Account, config: Config) -> Payer:
    """Return who pays for what a lane makes. An account is its name and its host: the environment's may be several."""
    region = account.region or region_id(os.environ, account.base_url, asked.options.region)
    return Payer(
        journal=str(asked.folder.resolve()),
        manifest=asked.manifest.name,
        account=f"{lane}@{urlsplit(account.base_url).netloc}",
        prices=lambda outline: common.cost_in(region, outline, config.prices),
    )


def day_cap(config: Config) -> tuple[Cap, ...]:
    """Return the cap over all runs of a day that the user has configured, if there is one."""
    return (Cap("day", *amount(config.budget_per_day)),) if config.budget_per_day else ()
