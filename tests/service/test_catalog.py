"""The catalogue says what the documentation says, with date and source."""

from datetime import date
from decimal import Decimal

import pytest

from wanbatch.errors import WanbatchError
from wanbatch.service import catalog

FAMILY = "wan2.7-t2v"
MODELS = ("wan2.7-t2v", "wan2.7-t2v-2026-06-12", "wan2.7-t2v-2026-04-25")


def tables():
    data = catalog.data()
    yield "rates", data["rates"]
    for kind in ("families", "regions"):
        for name, table in data[kind].items():
            yield f"{kind}.{name}", table
    for number, row in enumerate(data["prices"]):
        yield f"prices.{number}", row


@pytest.mark.parametrize(("name", "table"), list(tables()))
def test_each_table_has_a_source_and_a_date(name, table):
    assert isinstance(table["source"], str)
    assert table["source"]
    assert date(2026, 1, 1) <= table["date"] <= date(2027, 12, 31)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("region", "resolution", "amount", "currency"),
    [
        ("cn-beijing", "720P", "0.6", "CNY"),
        ("cn-beijing", "1080P", "1.0", "CNY"),
        ("ap-southeast-1", "720P", "0.10", "USD"),
        ("ap-southeast-1", "1080P", "0.15", "USD"),
    ],
)
def test_prices_are_the_published_ones(model, region, resolution, amount, currency):
    price = catalog.price(model, resolution, region)
    assert (price.per_second, price.currency) == (Decimal(amount), currency)
    assert price.date.year == 2026


def test_there_are_no_other_prices():
    assert sum(len(row["per_second"]) for row in catalog.data()["prices"]) == 4


@pytest.mark.parametrize(
    ("model", "resolution", "region"),
    [
        ("wan3.0-video", "720P", "cn-beijing"),
        (FAMILY, "480P", "cn-beijing"),
        (FAMILY, "720p", "cn-beijing"),
        (FAMILY, "720P", "us-east-1"),
        (FAMILY, "720P", "eu-central-1"),
        (FAMILY, "720P", "moon-1"),
        (FAMILY, "720P", ""),
    ],
)
def test_a_price_that_is_not_known_is_none_and_never_zero(model, resolution, region):
    assert catalog.price(model, resolution, region) is None


def test_no_price_is_zero():
    assert all(Decimal(price) > 0 for row in catalog.data()["prices"] for price in row["per_second"].values())


def test_models_are_those_of_the_request_schema():
    schema = catalog.request_schema(FAMILY)["properties"]["model"]["enum"]
    assert catalog.models() == tuple(schema) == MODELS
    assert {catalog.family(model) for model in MODELS} == {FAMILY}
    assert catalog.family("wan2.7-i2v") is None


def test_every_resolution_of_the_schema_has_a_price_where_there_is_one():
    schema = catalog.request_schema(FAMILY)["properties"]["parameters"]["properties"]
    for row in catalog.data()["prices"]:
        assert list(row["per_second"]) == schema["resolution"]["enum"]


def test_the_schema_s_limits_are_the_documented_ones():
    body = catalog.request_schema(FAMILY)["properties"]
    texts, parameters = body["input"]["properties"], body["parameters"]["properties"]
    assert (texts["prompt"]["maxLength"], texts["negative_prompt"]["maxLength"]) == (5000, 500)
    assert (parameters["duration"]["minimum"], parameters["duration"]["maximum"]) == (2, 15)
    assert (parameters["seed"]["minimum"], parameters["seed"]["maximum"]) == (0, 2147483647)
    assert parameters["resolution"]["enum"] == ["720P", "1080P"]
    assert parameters["ratio"]["enum"] == ["16:9", "9:16", "1:1", "4:3", "3:4"]


def test_rates_are_the_documented_ones():
    assert catalog.rates() == catalog.Rates(submit_per_s=5, tasks_at_once=5, ask_per_s=20)


def test_only_beijing_and_singapore_have_the_models():
    have = {id for id in catalog.data()["regions"] if catalog.region(id).models}
    assert have == {"cn-beijing", "ap-southeast-1"}
    assert {catalog.region(id).models for id in have} == {frozenset(MODELS)}


def test_a_region_that_is_not_known_is_refused():
    with pytest.raises(WanbatchError, match="unknown region 'moon-1'"):
        catalog.region("moon-1")


def test_both_schemas_are_shipped():
    assert catalog.manifest_schema()["$schema"] == catalog.request_schema(FAMILY)["$schema"]
