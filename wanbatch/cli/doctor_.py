"""`wanbatch doctor`: what a run needs, tried without money: what the service says first, then this machine."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import click

from wanbatch import __version__, disk
from wanbatch.cli import common
from wanbatch.cli.door import echo_json
from wanbatch.errors import Exit, WanbatchError, gravest
from wanbatch.jobs.lanes import Lane
from wanbatch.jobs.lock import try_lock
from wanbatch.jobs.seen import Kind, ReadFailed
from wanbatch.money.amount import amount, plain
from wanbatch.money.ledger import LEDGER, Ledger, state_folder
from wanbatch.service import catalog
from wanbatch.service.account import Account
from wanbatch.service.accounts import Config, Lanes, chosen, lanes, read_config, refuse_twins
from wanbatch.service.client import Client, Spacing, proxy_for
from wanbatch.service.wire import Limits
from wanbatch.views.text import printable

OK, WARN, FAIL = "ok", "warn", "fail"
TIMEOUT_S = 15.0
CLOCK_S = 5.0
"""The service's `Date` is whole seconds, and an answer takes its time."""
LEAST_BYTES, FEW_BYTES = 100 * 1024**2, 2 * 1024**3
"""A video is some 5 to 30 MB."""
NETWORKED = ("nfs", "cifs", "smb", "9p", "fuse", "ceph", "afs")
"""How the types of file systems begin whose locks another machine may not see."""
MOUNTS = Path("/proc/self/mounts")
REFUSED = 3
LOCKING = f"""
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit({REFUSED})
"""
"""Another process: on some file systems two descriptors of one process never meet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `code` is the exit code of a failed one; `account` is empty for what concerns no account."""

    check: str
    verdict: str
    said: str
    hint: str = ""
    code: Exit = Exit.DONE
    account: str = ""


@click.command("doctor")
@common.account_option
@common.base_url_option
@common.region_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    help="Where videos will go.  [default: out]",
)
@common.json_option
def command(accounts: tuple[str, ...], base_url: str | None, region: str | None, out: Path, as_json: bool) -> int:
    """Check what a run needs: key, region, clock, limits, disk, lock, ledger. Submits nothing and costs nothing.

    Without a key it checks the rest. Exit code 0 when a run can start, also with warnings; 6 when an account is
    refused, 9 when something cannot be written or locked, 4 when the service cannot be reached.
    """
    config = read_config(os.environ)
    findings = [configuration(config), *asked(config, accounts, base_url, region), *machine(out, config)]
    code = exit_code(findings)
    if as_json:
        echo_json(as_data(findings, code))
    else:
        for finding in findings:
            click.echo(line(finding))
        counts = {verdict: sum(one.verdict == verdict for one in findings) for verdict in (OK, WARN, FAIL)}
        click.echo(f"doctor: {counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed")
    return code


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the gravest of what failed; a wrong setting only where nothing worse did."""
    codes = {one.code for one in findings if one.verdict == FAIL}
    return int(gravest(codes) or (Exit.USAGE if codes else Exit.DONE))


def line(finding: Finding) -> str:
    """Return a finding as text; what is to be done stands below it."""
    who = f"{finding.account}: " if finding.account else ""
    text = f"{finding.verdict:<4}  {finding.check:<9}  {printable(who + finding.said)}"
    return text + (f"\n{'':<17}{printable(finding.hint)}" if finding.hint else "")


def as_data(findings: Sequence[Finding], code: int) -> dict[str, object]:
    """Return the findings as JSON data; a contract, versioned."""
    names = ("check", "account", "verdict", "said", "hint")
    rows = [{name: getattr(one, name) for name in names} for one in findings]
    return {"format": common.JSON_FORMAT, "exit_code": code, "findings": rows}


def failed(check: str, error: WanbatchError, account: str = "") -> Finding:
    """Return the finding of what raised."""
    return Finding(check, FAIL, error.message, error.hint, error.exit_code, account)


def configuration(config: Config) -> Finding:
    """Say what is configured."""
    if config.path is None:
        return Finding("config", OK, "no configuration file: the account is the environment's")
    said = f"{config.path}: accounts {len(config.accounts)}"
    return Finding("config", OK, f"{said}, budget per day {config.budget_per_day or 'none'}")


# What the service says


def asked(config: Config, names: Sequence[str], base_url: str | None, region: str | None) -> Iterator[Finding]:
    """Yield what is to be said of each account. Raises WanbatchError for a name that is not configured."""
    found: list[tuple[Lane, Account]] = []
    for name in [one.name for one in chosen(config, names)] if names else [""]:
        try:
            found += lanes(os.environ, config, [name] if name else (), base_url=base_url, region=region)
        except WanbatchError as error:
            yield failed("key", error, name)
    try:
        refuse_twins(tuple(found))
    except WanbatchError as error:
        yield failed("accounts", error)
    yield from key_files(config, [lane.name for lane, _ in found])
    for findings in asyncio.run(examined(tuple(found), config)):
        yield from findings


def key_files(config: Config, names: Sequence[str]) -> Iterator[Finding]:
    """Yield a warning for each key file that others may read."""
    files = {name: config.accounts[name].key_file for name in names if name}
    if "" in names and not os.environ.get("DASHSCOPE_API_KEY", "").strip():
        given = os.environ.get("DASHSCOPE_API_KEY_FILE_PATH")
        files[""] = Path(given) if given else None
    for name, path in files.items():
        if path is not None and path.stat().st_mode & 0o077:
            yield Finding("key", WARN, f"others may read {path}", common.typed("chmod", "600", path), account=name)


async def examined(found: Lanes, config: Config) -> list[list[Finding]]:
    """Return what each account says, all asked at once."""
    return await asyncio.gather(*(examine(lane, account, config) for lane, account in found))


async def examine(lane: Lane, account: Account, config: Config) -> list[Finding]:
    """Return what one account says: a free call for the key, and one for its limits."""
    model = catalog.models()[0]
    asks = Spacing(lane.ask_rate, time.monotonic)
    async with Client(account, asks=asks, read_timeout_s=TIMEOUT_S) as client:
        refused = await client.accepted(model)
        offset = client.clock_offset_s
        limits = await client.limits(model) if refused is None else None
    findings = [key(account, lane, refused), where(account, lane), *priced(account, lane, config)]
    if offset is not None:
        findings.append(clock(offset, lane))
    return findings + ([allowed(limits, lane)] if limits else [])


def host_of(account: Account) -> str:
    """Return the host that requests go to, and the proxy that they go through, without what is secret in it."""
    proxy = proxy_for(account.base_url)
    through = f" through the proxy {urlsplit(proxy).hostname}" if proxy else ""
    return f"{urlsplit(account.base_url).netloc}{through}"


def key(account: Account, lane: Lane, refused: ReadFailed | None) -> Finding:
    """Say whether the key is accepted."""
    host = host_of(account)
    if refused is None:
        return Finding("key", OK, f"accepted by {host}", account=lane.name)
    why = f"{refused.code}: {refused.message}".removesuffix(": ")
    if refused.code == "NoAnswer":
        hint = "check the network and the base URL, then ask again"
        return Finding("key", FAIL, f"{host} gives no answer: {refused.message}", hint, Exit.RUNNING, lane.name)
    if refused.kind is Kind.ACCOUNT:
        hint = f"key, region and host belong together: this host is asked for {account.region}"
        return Finding("key", FAIL, f"refused by {host}: {why}", hint, Exit.ACCOUNT, lane.name)
    if refused.kind is Kind.SERVICE:
        return Finding("key", FAIL, f"{host} fails: {why}", "ask again later", Exit.RUNNING, lane.name)
    if refused.kind in (Kind.RATE, Kind.ALLOCATION):
        return Finding("key", WARN, f"{host} is busy: {why}", "ask again in a minute", account=lane.name)
    hint = "a base URL ends in /api/v1"
    return Finding("key", FAIL, f"{host} does not know the task list: {why}", hint, Exit.USAGE, lane.name)


def where(account: Account, lane: Lane) -> Finding:
    """Say which region it is, how that is known, and whether it has the models."""
    region = account.region or ""
    if account.is_loopback:
        return Finding("region", OK, f"this machine: a rehearsal, at prices of {region}", account=lane.name)
    if lane.models is None:
        hint = "name it with --region, or with `region:` in the configuration, if prices are another region's"
        return Finding("region", WARN, f"{region}, which the host does not tell", hint, account=lane.name)
    if not lane.models:
        hint = "the models are in cn-beijing and ap-southeast-1"
        said = f"{region} has no {catalog.models()[0]}"
        return Finding("region", FAIL, said, hint, Exit.USAGE, lane.name)
    return Finding("region", OK, f"{region}, as the host says", account=lane.name)


def priced(account: Account, lane: Lane, config: Config) -> Iterator[Finding]:
    """Say what a second costs."""
    model = catalog.models()[0]
    found = {one: catalog.price(model, one, account.region or "", config.prices) for one in ("720P", "1080P")}
    said = [f"{one} {price.per_second} {price.currency}" for one, price in found.items() if price]
    dates = [price.date.isoformat() for price in found.values() if price]
    if len(said) == len(found):
        yield Finding("price", OK, f"a second: {', '.join(said)} at prices of {min(dates)}", account=lane.name)
    elif lane.models != frozenset():
        hint = "write the price into a file of your own: docs/configuration.md"
        known = ", ".join(said) or "none is known"
        yield Finding("price", WARN, f"a second: {known}; a cap refuses what has no price", hint, account=lane.name)


def clock(offset_s: float, lane: Lane) -> Finding:
    """Say how far our clock is from the service's."""
    if abs(offset_s) <= CLOCK_S:
        return Finding("clock", OK, "agrees with the service's", account=lane.name)
    said = f"{abs(offset_s):.0f} s {'behind' if offset_s > 0 else 'ahead of'} the service's"
    return Finding("clock", WARN, said, "a run allows for it; let the system set its clock", account=lane.name)


def allowed(limits: Limits | ReadFailed, lane: Lane) -> Finding:
    """Say what the service allows, and whether the lane keeps to it."""
    own = f"{lane.submit_rate:g} submissions a second, {lane.at_once} tasks at once"
    if isinstance(limits, ReadFailed):
        return Finding("limits", OK, f"not told by the service ({limits.code}); kept to: {own}", account=lane.name)
    rate, tasks = limits.submit_per_s or lane.submit_rate, limits.tasks_at_once or lane.at_once
    said = f"the service allows {rate:g} submissions a second, {tasks} tasks at once"
    if lane.submit_rate <= rate and lane.at_once <= tasks:
        return Finding("limits", OK, f"{said}; kept to: {own}", account=lane.name)
    hint = "a run would be refused now and then: lower `limits:` of the account"
    return Finding("limits", WARN, f"{said}; kept to: {own}", hint, account=lane.name)


# What this machine says


def machine(out: Path, config: Config) -> Iterator[Finding]:
    """Yield what is to be said of the disk, the lock, the ledger and the versions."""
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".wanbatch-doctor-", dir=place) as name:
            disk.write_whole(Path(name) / "written", b"doctor\n")
            found = os.statvfs(place)
            yield room(place, found.f_bavail * found.f_frsize)
            yield locks(Path(name) / "lock", place)
    except OSError as error:
        hint = "make it writable, or name another folder with --out"
        yield Finding("disk", FAIL, f"cannot write in {place}: {disk.why(error)}", hint, Exit.STATE)
    yield ledger(config)
    yield versions()


def room(place: Path, free_bytes: int) -> Finding:
    """Say how much fits on the disk."""
    said = f"{place}: writable, {free_bytes / 1024**3:.1f} GB free"
    if free_bytes < LEAST_BYTES:
        return Finding("disk", FAIL, said, "make room: videos that are paid for would not fit", Exit.STATE)
    if free_bytes < FEW_BYTES:
        return Finding("disk", WARN, said, "a video takes 5 to 30 MB")
    return Finding("disk", OK, said)


def locks(path: Path, place: Path, program: str = LOCKING, mounts: Path = MOUNTS) -> Finding:
    """Say whether a lock of one process keeps another, which runs `program`, out. Raises OSError."""
    fd = try_lock(path)
    if fd is None:
        return Finding("lock", FAIL, "a new file is locked already", "use another folder", Exit.STATE)
    try:
        words = [sys.executable, "-I", "-c", program, str(path)]
        code = subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode  # noqa: S603
    finally:
        os.close(fd)
    kind = file_system(place, mounts)
    if code != REFUSED:
        hint = "two runs at once would pay twice: use a folder on a local disk"
        return Finding("lock", FAIL, f"does not keep another process out on {kind or 'this disk'}", hint, Exit.STATE)
    if kind.startswith(NETWORKED):
        hint = "start runs of this folder on one machine only"
        return Finding("lock", WARN, f"holds on this machine; on {kind} another may not see it", hint)
    return Finding("lock", OK, "keeps a second run out" + (f" on {kind}" if kind else ""))


def file_system(place: Path, mounts: Path) -> str:
    """Return the type of the file system that a folder is on; empty where the system does not tell."""
    try:
        rows = [row.split() for row in mounts.read_text("utf-8", "surrogateescape").splitlines()]
    except OSError:
        return ""
    real = place.resolve()
    around = [row for row in rows if len(row) > 2 and real.is_relative_to(unescaped(row[1]))]
    return max(around, key=lambda row: len(unescaped(row[1])))[2] if around else ""


def unescaped(name: str) -> str:
    """Return a path as the table of mounts means it: blanks are octal escapes there."""
    return name.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def ledger(config: Config) -> Finding:
    """Say whether the ledger can be written, and what the day's budget has left."""
    try:
        path = state_folder(os.environ) / LEDGER
    except WanbatchError as error:
        return Finding("ledger", WARN, "no home folder for it: a run with a cap is refused", error.hint)
    try:
        now = time.time()
        with Ledger.open(path, now) as opened:
            if config.budget_per_day is None:
                return Finding("ledger", OK, f"{path}: can be written")
            allowed_today, currency = amount(config.budget_per_day)
            spent = opened.total("day", currency, now)
    except WanbatchError as error:
        return failed("ledger", error)
    said = f"{path}: today {plain(spent)} of {plain(allowed_today)} {currency}"
    if spent < allowed_today:
        return Finding("ledger", OK, said)
    return Finding("ledger", WARN, said, "nothing more is submitted today: raise `budget:` in the configuration")


def versions() -> Finding:
    """Say what is installed."""
    import sqlite3

    import yaml

    fast = getattr(yaml, "CSafeLoader", None) is not None
    said = (
        f"wanbatch {__version__}, Python {sys.version.split()[0]}, aiohttp {version('aiohttp')}, "
        f"PyYAML {version('PyYAML')} with{'' if fast else 'out'} libyaml, SQLite {sqlite3.sqlite_version}"
    )
    if fast:
        return Finding("versions", OK, said)
    return Finding("versions", WARN, said, "long manifests are read slowly: install PyYAML with libyaml")
