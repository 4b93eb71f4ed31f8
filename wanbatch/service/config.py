"""The user's configuration file: which accounts there are and where their keys lie, own prices, a budget.

Reads files; reads no key and asks nobody. What a message shows of the file has stars over whatever may be a key:
people write the key itself where its variable's name belongs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wanbatch.errors import Exit, ManifestInvalid, Problem, WanbatchError
from wanbatch.manifest.fit import fits
from wanbatch.money.amount import amount
from wanbatch.service import catalog
from wanbatch.service.account import host_url, is_loopback, masked, usable

MAX_BYTES = 1024 * 1024
"""200 accounts are some 30 KB."""
NAMED_KEY = re.compile(r"(?i)(\b[\w-]*(?:key|token|secret|password)[\w-]*[\"']?\s*:\s*)(\"[^\"]*\"?|'[^']*'?|[^,}#]+)")
"""In a line of YAML: what stands behind a name that promises a secret."""
SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)
OUTSIDE = "the key itself stays out of this file: `key_env: NAME` names its variable, `key_file: PATH` its file"
NAME_HINT = "at most 64 letters a–z, digits, `.`, `_`, `-`, a letter or digit first; not `all`, which means every one"


@dataclass(frozen=True, slots=True)
class Configured:
    """An account as it is written down. Rates are per second; the limits are for each model id."""

    name: str
    region: str
    base_url: str
    workspace: str | None = None
    key_env: str | None = None
    key_file: Path | None = None
    tasks_at_once: int = 5
    submit_per_s: float = 5.0
    ask_per_s: float = 20.0

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this machine, as the simulator does."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


@dataclass(frozen=True, slots=True)
class Config:
    """What the user has configured; empty without a file. `budget_per_day` is as written: `100 CNY`.

    `prices` come before the catalogue's: the user's own, then the catalogue's in the user's currency.
    """

    accounts: Mapping[str, Configured] = field(default_factory=dict)
    prices: tuple[catalog.PriceRow, ...] = ()
    budget_per_day: str | None = None
    path: Path | None = None


class ConfigInvalid(ManifestInvalid):
    """The configuration has problems; nothing was sent. Shown like a manifest's."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(file, tuple(discreet(problem) for problem in problems))
        self.exit_code = Exit.USAGE


def discreet(problem: Problem) -> Problem:
    """Return a problem that shows no key; stars take as much room as what they hide."""
    source = NAMED_KEY.sub(lambda match: match[1] + "*" * len(match[2].rstrip()), masked(problem.where.source))
    where = replace(problem.where, source=source)
    return replace(problem, where=where, message=masked(problem.message), hint=masked(problem.hint))


def config_path(env: Mapping[str, str]) -> tuple[Path, bool] | None:
    """Return where the configuration is, and whether it was named and must be there; None without a home."""
    if named := env.get("WANBATCH_CONFIG"):
        return in_home(Path(named), env), True
    folder = env.get("XDG_CONFIG_HOME") or ""
    if folder.startswith("/"):  # a relative one is to be passed over (XDG base directory specification)
        return Path(folder, "wanbatch", "config.yaml"), False
    try:
        return in_home(Path("~/.config/wanbatch/config.yaml"), env), False
    except RuntimeError:
        return None


def in_home(path: Path, env: Mapping[str, str]) -> Path:
    """Return a path with `~` as the environment's home. Raises RuntimeError where nobody has one."""
    if path.parts[:1] != ("~",):
        return path
    return Path(env.get("HOME") or Path.home(), *path.parts[1:])


def read_config(env: Mapping[str, str]) -> Config:
    """Return what the user has configured. Raises ConfigInvalid, WanbatchError."""
    where = config_path(env)
    if where is None or (not where[1] and not where[0].exists()):
        return Config()
    from wanbatch.manifest.document import parse, read_text

    path, _named = where
    try:
        text = read_text(path, MAX_BYTES)
    except ManifestInvalid as error:
        raise ConfigInvalid(str(path), error.problems) from None
    except WanbatchError as error:
        hint = "WANBATCH_CONFIG names it" if env.get("WANBATCH_CONFIG") else "mend it, or move it away"
        raise WanbatchError(error.message, exit_code=Exit.USAGE, hint=hint) from None
    document = parse(str(path), text)
    reading = Reading(document, path, env)
    config = reading.config()
    if reading.problems:
        raise ConfigInvalid(str(path), tuple(sorted(set(reading.problems), key=lambda one: one.order)))
    return config


class Reading:
    """One reading of a configuration. `problems` fills up as it goes."""

    def __init__(self, document: Any, path: Path, env: Mapping[str, str]) -> None:
        self.document = document
        self.path = path
        self.env = env
        self.problems: list[Problem] = list(document.problems)

    def problem(
        self, code: str, path: tuple[str | int, ...], message: str, hint: str = "", *, key: bool = False
    ) -> None:
        """Note a problem at a path of the data."""
        owner = f"account {path[1]}: " if path[:1] == ("accounts",) and len(path) > 2 else ""
        self.problems.append(Problem(self.document.place(path, key=key), code, owner + message, hint))

    def config(self) -> Config:
        """Return the configuration; what is in it means nothing while there are problems."""
        data = self.document.data
        if self.problems or data is None:
            return Config(path=self.path)
        for fault in faults(data):
            said = (text.format(self.document.written(fault.path)[:50]) if fault.quote else text for text in fault[3:5])
            message, hint = said
            self.problem(fault.code, fault.path, message, hint, key=fault.key)
        if self.problems:
            return Config(path=self.path)
        accounts = {name: self.account(name, raw) for name, raw in data.get("accounts", {}).items()}
        ours = data.get("currency")
        listed = tuple(row for row in catalog.price_rows() if row.currency == ours)
        return Config(accounts, (*self.prices(data), *listed), self.budget(data), self.path)

    def account(self, name: str, raw: Mapping[str, Any]) -> Configured:
        """Return an account; note where its parts do not belong together."""
        at = ("accounts", name)
        region, workspace, url = raw.get("region"), raw.get("workspace"), raw.get("base_url")
        if url is not None:
            region = self.region_at(at, url, region)
        else:
            region = region or catalog.DEFAULT_REGION
            try:
                url = host_url(region, workspace, "write `workspace: ws-…`")
            except WanbatchError as error:
                self.problem("E602", (*at, "region"), error.message, error.hint)
                url = ""
        file = raw.get("key_file")
        limits, rates = raw.get("limits", {}), catalog.rates()
        found = Configured(
            name,
            region,
            url.rstrip("/"),
            workspace,
            raw.get("key_env"),
            self.beside(file) if file else None,
            limits.get("tasks_at_once", rates.tasks_at_once),
            float(limits.get("submit_per_s", rates.submit_per_s)),
            float(limits.get("ask_per_s", rates.ask_per_s)),
        )
        if found.key_env is None and found.key_file is None and not found.is_loopback:
            hint = "`key_env: NAME` names the variable that holds it, `key_file: PATH` the file"
            self.problem("E603", at, f"account {name} has no key", hint)
        return found

    def region_at(self, at: tuple[str, str], url: str, region: str | None) -> str:
        """Return the region of an account with a base URL of its own."""
        if not usable(url):
            hint = "it is https://HOST/api/v1; http only on this machine, since the key goes with every request"
            self.problem("E601", (*at, "base_url"), "this base URL cannot be used", hint)
            return catalog.DEFAULT_REGION
        own = catalog.region_of_host(urlsplit(url).hostname or "")
        if region and own not in (None, region):
            self.problem("E602", (*at, "region"), f"the region is {region}, but the host is in {own}", "leave one out")
        return region or own or catalog.DEFAULT_REGION

    def prices(self, data: Mapping[str, Any]) -> tuple[catalog.PriceRow, ...]:
        """Return the user's own prices. Raises WanbatchError: the catalogue's would be taken for theirs."""
        if "prices" not in data:
            return ()
        file = self.beside(data["prices"])
        try:
            return catalog.rows_in(file.read_text("utf-8"))
        except OSError as error:
            what = f"cannot read {file}: {error.strerror or error}"
        except ValueError as error:  # also what is no TOML, and no UTF-8
            what = f"{file}: {error}"
        raise WanbatchError(
            f"{what}; nothing was sent", exit_code=Exit.USAGE, hint=f"`prices:` in {self.path} names it"
        )

    def budget(self, data: Mapping[str, Any]) -> str | None:
        """Return the budget of a day as it is written; note one that is no amount of money."""
        written: str | None = data.get("budget", {}).get("per_day")
        try:
            if written is not None and not amount(written)[0]:
                raise ValueError(f"{written!r} would let nothing be made")
        except ValueError as error:
            self.problem("E604", ("budget", "per_day"), str(error), "write an amount and its currency: 100 CNY")
        return written

    def beside(self, written: str) -> Path:
        """Return a path that is written in the file: relative to it."""
        return self.path.parent / in_home(Path(written), self.env)


def faults(data: object) -> Iterator[Any]:
    """Yield every mismatch with the schema, in the words of the manifest's."""
    if fits("config", data):
        return
    from wanbatch.manifest.shape import BLOCK, Fault, shown, translate
    from wanbatch.manifest.strict import validator

    if not isinstance(data, dict):
        message = f"the configuration is {shown(data)}, but must be {BLOCK}"
        yield Fault((), False, "E101", message, "the first line is `wanbatch_config: 1`")
        return
    for error in validator("config").iter_errors(data):
        path = tuple(error.absolute_path)
        if "propertyNames" in error.absolute_schema_path:
            yield Fault((*path, error.instance), True, "E105", "this name is not allowed for an account", NAME_HINT)
        elif error.validator == "not":
            yield Fault((*path, "key_file"), True, "E603", "`key_env` and `key_file` exclude each other", "keep one")
        elif error.validator == "additionalProperties":
            yield from unknown(path, error.instance, list(error.schema["properties"]))
        elif error.validator == "required":
            yield Fault((), False, "E102", "no `wanbatch_config`", "the first line is `wanbatch_config: 1`")
        elif path and SECRET.search(str(path[-1])):
            yield Fault(path, False, "E105", f"{path[-1]} is no {NEEDED[path[-1]]}", OUTSIDE)
        else:
            yield from translate(error)


NEEDED = {"key_env": "name of an environment variable", "key_file": "path"}


def unknown(path: tuple[str | int, ...], instance: Mapping[str, Any], known: list[str]) -> Iterator[Any]:
    """Yield a fault for each key that the language does not have."""
    from wanbatch.manifest.shape import Fault, nearest

    for name in instance:
        meant = nearest(name, known)
        hint = f"did you mean `{meant}`?" if meant else f"known here: {', '.join(known)}"
        if SECRET.search(name):
            hint = OUTSIDE
        if name not in known:
            yield Fault((*path, name), True, "E103", f"unknown key `{name[:50]}`", hint)
