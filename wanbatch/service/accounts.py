"""Which accounts a run uses: the environment's, or configured ones by name, each with its lane and its own key."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from wanbatch.errors import Exit, WanbatchError
from wanbatch.jobs.lanes import Lane
from wanbatch.service import catalog
from wanbatch.service.account import Account, Key, account, key_of, masked, read_key_file
from wanbatch.service.config import Config, Configured, read_config

__all__ = ["Config", "Configured", "Lanes", "chosen", "lanes", "read_config", "refuse_twins"]

ALL = "all"
"""The name that means every configured account."""
Lanes = tuple[tuple[Lane, Account], ...]


def lanes(
    env: Mapping[str, str],
    config: Config,
    names: Sequence[str],
    *,
    base_url: str | None = None,
    region: str | None = None,
) -> Lanes:
    """Return the accounts of a run with their lanes, in the order of `names`; without names the environment's.

    Raises WanbatchError: for a name that is not configured, for a key that is not there (it names the variable or the
    file, never the key), and for two names of one account: each would count the other's tasks as nobody's.
    """
    if not names:
        one = account(env, base_url, region)
        return ((environment_lane(one.base_url), one),)
    if base_url or region:
        flag = "--base-url" if base_url else "--region"
        raise WanbatchError(
            f"{flag} and a named account exclude each other: an account has its own; nothing was sent",
            exit_code=Exit.USAGE,
            hint=f"leave out {flag}, or --account and the manifest's `accounts`",
        )
    found = tuple((lane_of(one), Account(key_for(env, one), one.base_url, one.workspace, one.region))
                  for one in chosen(config, names))  # fmt: skip
    refuse_twins(found)
    return found


def reached(env: Mapping[str, str], config: Config, names: Iterable[str]) -> tuple[Lanes, dict[str, str]]:
    """Return the accounts of lanes on which a journal has tasks, and why others cannot be reached.

    What was paid for is collected by whichever account made it; one that is gone keeps nobody from the others.
    """
    found: list[tuple[Lane, Account]] = []
    gone: dict[str, str] = {}
    for name in names:
        try:
            found += lanes(env, config, (name,) if name else ())
        except WanbatchError as error:
            gone[name] = error.message.removesuffix("; nothing was sent")
    return tuple(found), gone


def environment_lane(url: str) -> Lane:
    """Return the lane of the environment's account: the documented limits."""
    rates = catalog.rates()
    return Lane("", rates.tasks_at_once, rates.submit_per_s, rates.ask_per_s, models_at(url))


def lane_of(one: Configured) -> Lane:
    """Return the lane of a configured account."""
    return Lane(one.name, one.tasks_at_once, one.submit_per_s, one.ask_per_s, models_at(one.base_url))


def models_at(url: str) -> frozenset[str] | None:
    """Return the models that a region's host has; None where that is not known, as for a relay."""
    region = catalog.region_of_host(urlsplit(url).hostname or "")
    return catalog.region(region).models if region else None


def chosen(config: Config, names: Sequence[str]) -> tuple[Configured, ...]:
    """Return the accounts that are named, each once; `all` is every one. Reads no key. Raises WanbatchError."""
    wanted = [one for name in names for one in (config.accounts if name == ALL else (name,))]
    strange = next((name for name in wanted if name not in config.accounts), None)
    if strange is None and wanted:
        return tuple(config.accounts[name] for name in dict.fromkeys(wanted))
    where = config.path or "~/.config/wanbatch/config.yaml"
    if not config.accounts:
        hint = f"write them below `accounts:` in {where}, or leave the account out"
        raise WanbatchError("no accounts are configured; nothing was sent", exit_code=Exit.USAGE, hint=hint)
    from difflib import get_close_matches

    close = get_close_matches(strange or "", config.accounts, n=1)
    hint = f"did you mean {close[0]}?" if close else f"{where} has {', '.join(config.accounts)}"
    message = masked(f"account {strange} is not configured; nothing was sent")
    raise WanbatchError(message, exit_code=Exit.USAGE, hint=hint)


def key_for(env: Mapping[str, str], one: Configured) -> Key:
    """Return an account's key from its variable or its file. Raises WanbatchError; it never shows it."""
    if one.key_file is not None:
        source, hint = str(one.key_file), f"check `key_file` of account {one.name}"
        text = read_key_file(one.key_file, hint)
    elif one.key_env is not None:
        source, hint = one.key_env, f"export {one.key_env}=sk-…"
        text = env.get(one.key_env, "")
    else:
        return Key(f"sk-simulated-{one.name}")  # what stays on this machine needs no key
    if text.strip():
        return key_of(text, source)
    message = masked(f"account {one.name}: no key in {source}; nothing was sent")
    raise WanbatchError(message, exit_code=Exit.ACCOUNT, hint=masked(hint))


def refuse_twins(found: Lanes) -> None:
    """Raise WanbatchError for two names of one account: its limits are one account's, however often it is named."""
    seen: dict[str, str] = {}
    for lane, one in found:
        first = seen.setdefault(one.key.header(), lane.name)
        if first != lane.name:
            raise WanbatchError(
                f"accounts {first} and {lane.name} have the same key; nothing was sent",
                exit_code=Exit.USAGE,
                hint="name one of the two: limits are counted for an account, not for a name",
            )
