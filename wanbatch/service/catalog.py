"""What the service offers: model families, regions, prices, rates and schemas, read from data.

Knows the data's shape; every number and its source are in `catalog.toml` and in `schemas/`.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from wanbatch.errors import Exit, WanbatchError

DEFAULT_REGION = "cn-beijing"
"""The official SDK's default host is Beijing's."""
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Rates:
    """The account's limits. Rates are per second."""

    submit_per_s: float
    tasks_at_once: int
    ask_per_s: float


@dataclass(frozen=True, slots=True)
class Region:
    """One region: its hosts, and the models that it has."""

    id: str
    name: str
    host: str | None
    workspace_host: str
    models: frozenset[str]


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one second of video, as of `date`."""

    per_second: Decimal
    currency: str
    date: date


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What a second of video costs with some models in one region, by resolution, as of `date`."""

    models: frozenset[str]
    region: str
    currency: str
    date: date
    per_second: Mapping[str, Decimal]


@cache
def data() -> dict[str, Any]:
    """Return the catalogue as it is written."""
    return tomllib.loads((files("wanbatch.service") / "catalog.toml").read_text("utf-8"))


def rates() -> Rates:
    """Return the account's limits."""
    table = data()["rates"]
    return Rates(float(table["submit_per_s"]), int(table["tasks_at_once"]), float(table["ask_per_s"]))


def families() -> Mapping[str, Mapping[str, Any]]:
    """Return the model families by name."""
    table: Mapping[str, Mapping[str, Any]] = data()["families"]
    return table


@cache
def family(model: str) -> str | None:
    """Return the family of a model id; None for a model that the catalogue does not know."""
    return next((name for name, table in families().items() if model in table["models"]), None)


def models() -> tuple[str, ...]:
    """Return every model id that the catalogue knows."""
    return tuple(model for table in families().values() for model in table["models"])


@cache
def region(id: str) -> Region:  # noqa: A002 - the field's name
    """Return a region. Raises WanbatchError for an unknown one."""
    table = data()["regions"].get(id)
    if table is None:
        known = ", ".join(data()["regions"])
        raise WanbatchError(f"unknown region {id!r}", exit_code=Exit.USAGE, hint=f"the catalogue knows {known}")
    return Region(id, table["name"], table.get("host"), table["workspace_host"], frozenset(table["models"]))


def region_of_host(host: str) -> str | None:
    """Return the id of the region that a host belongs to; None for a host that is no region's."""
    for id in data()["regions"]:  # noqa: A001 - the field's name
        known = region(id)
        suffix = known.workspace_host.partition("}")[2]
        if host == known.host or host.endswith(suffix):
            return str(id)
    return None


@cache
def price_rows() -> tuple[PriceRow, ...]:
    """Return the catalogue's prices."""
    return tuple(row_of(row) for row in data()["prices"])


def row_of(table: object) -> PriceRow:
    """Return a row of `[[prices]]`. Raises ValueError, in words, for one that is not as it must be.

    What is mistyped must not be passed over: the catalogue's price would stand for it.
    """
    if not isinstance(table, dict):
        raise ValueError("it is no table")  # noqa: TRY004 - what is written is wrong, not what was called
    unknown = set(table) - {"family", "model", "region", "currency", "per_second", "source", "date"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)!r}")
    region_name, currency, day = str(table.get("region")), table.get("currency"), table.get("date")
    if region_name not in data()["regions"]:
        raise ValueError(f"region {region_name!r} is not known; known are {', '.join(data()['regions'])}")
    if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise ValueError(f"currency {currency!r} is not three capital letters")
    if type(day) is not date:
        raise ValueError("no date: write when you read the price, date = 2026-11-01")
    return PriceRow(models_of(table), region_name, currency, day, seconds_of(table.get("per_second")))


def models_of(table: Mapping[str, object]) -> frozenset[str]:
    """Return the models that a row is about: those of a family, or one. Raises ValueError."""
    if ("family" in table) == ("model" in table):
        raise ValueError("it names a family or a model, one of the two")
    named = str(table.get("family") or table.get("model"))
    known = {one: (one,) for one in models()} if "model" in table else {n: f["models"] for n, f in families().items()}
    if named not in known:
        raise ValueError(f"{named!r} is not known; known are {', '.join(known)}")
    return frozenset(known[named])


def seconds_of(table: object) -> Mapping[str, Decimal]:
    """Return the prices of a second by resolution. Raises ValueError: what is not known is left out, never 0."""
    known = request_schema(next(iter(families())))["properties"]["parameters"]["properties"]["resolution"]
    if not isinstance(table, dict) or not table:
        raise ValueError('no per_second: write per_second = { 720P = "0.6", 1080P = "1.0" }')
    for resolution, value in table.items():
        if resolution not in known["enum"]:
            raise ValueError(f"resolution {resolution!r} is not known; known are {', '.join(known['enum'])}")
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", str(value)) or not Decimal(value):
            raise ValueError(f'price {value} of {resolution} is no amount above 0, for example "0.6"')
    return {resolution: Decimal(value) for resolution, value in table.items()}


def rows_in(text: str) -> tuple[PriceRow, ...]:
    """Return the prices of a user's file, written like the catalogue's. Raises ValueError, in words.

    Two prices for one thing are refused: which of them is meant would be a guess about money.
    """
    tables = tomllib.loads(text, parse_float=Decimal)
    listed = tables.pop("prices", [])
    if tables or not isinstance(listed, list):
        raise ValueError(f"only [[prices]] tables may stand here, not {', '.join(tables) or '[prices]'}")
    rows: list[PriceRow] = []
    seen: set[tuple[str, str, str]] = set()
    for number, table in enumerate(listed, 1):
        try:
            rows.append(row_of(table))
        except ValueError as error:
            raise ValueError(f"[[prices]] number {number}: {error}") from None
        own = {(model, rows[-1].region, one) for model in rows[-1].models for one in rows[-1].per_second}
        if own & seen:
            model, region, resolution = min(own & seen)
            raise ValueError(f"[[prices]] number {number}: a second price for {model} {resolution} in {region}")
        seen |= own
    return tuple(rows)


def price(model: str, resolution: str, region_id: str, extra: Sequence[PriceRow] = ()) -> Price | None:
    """Return the price of a second; None, never 0, where it is not known.

    The rows of `extra` come first. A region with prices in two currencies has that of its first row.
    """
    rows: Iterable[PriceRow] = (*extra, *price_rows())
    for row in rows:
        if model in row.models and row.region == region_id and resolution in row.per_second:
            return Price(row.per_second[resolution], row.currency, row.date)
    return None


def schema_text(name: str) -> str:
    """Return the text of a shipped schema: beside the package in a wheel, beside its folder in a checkout."""
    inside = files("wanbatch") / "schemas" / name
    if inside.is_file():
        return inside.read_text("utf-8")
    return (Path(__file__).parents[2] / "schemas" / name).read_text("utf-8")


@cache
def manifest_schema() -> dict[str, Any]:
    """Return the manifest's JSON Schema."""
    schema: dict[str, Any] = json.loads(schema_text("manifest.schema.json"))
    return schema


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the user's configuration."""
    schema: dict[str, Any] = json.loads(schema_text("config.schema.json"))
    return schema


@cache
def request_schema(family_name: str) -> dict[str, Any]:
    """Return the JSON Schema of a family's request body."""
    schema: dict[str, Any] = json.loads(schema_text(data()["families"][family_name]["schema"]))
    return schema
