"""What the service offers: model families, regions, prices, rates and schemas, read from data.

Knows the data's shape; every number and its source are in `catalog.toml` and in `schemas/`.
"""

import json
import tomllib
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


@cache
def data() -> dict[str, Any]:
    """Return the catalogue as it is written."""
    return tomllib.loads((files("wanbatch.service") / "catalog.toml").read_text("utf-8"))


def rates() -> Rates:
    """Return the account's limits."""
    table = data()["rates"]
    return Rates(float(table["submit_per_s"]), int(table["tasks_at_once"]), float(table["ask_per_s"]))


def family(model: str) -> str | None:
    """Return the family of a model id; None for a model that the catalogue does not know."""
    return next((name for name, table in data()["families"].items() if model in table["models"]), None)


def models() -> tuple[str, ...]:
    """Return every model id that the catalogue knows."""
    return tuple(model for table in data()["families"].values() for model in table["models"])


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


def price(model: str, resolution: str, region_id: str) -> Price | None:
    """Return the price of a second; None, never 0, where it is not known."""
    for row in data()["prices"]:
        if row["family"] == family(model) and row["region"] == region_id and resolution in row["per_second"]:
            return Price(Decimal(row["per_second"][resolution]), row["currency"], row["date"])
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
def request_schema(family_name: str) -> dict[str, Any]:
    """Return the JSON Schema of a family's request body."""
    schema: dict[str, Any] = json.loads(schema_text(data()["families"][family_name]["schema"]))
    return schema
