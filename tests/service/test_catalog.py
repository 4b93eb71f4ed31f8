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
    assert sum(len(row["per_second"]) for row in catalog.data()["prices"]) == 6


@pytest.mark.parametrize(("resolution", "amount"), [("720P", "0.086012"), ("1080P", "0.143353")])
def test_beijing_has_a_second_list_in_dollars_for_those_who_ask_for_it(resolution, amount):
    dollars = tuple(row for row in catalog.price_rows() if row.currency == "USD")
    for model in MODELS:
        assert catalog.price(model, resolution, "cn-beijing").currency == "CNY"
        assert catalog.price(model, resolution, "cn-beijing", dollars).per_second == Decimal(amount)


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


def test_all_schemas_are_shipped():
    request = catalog.request_schema(FAMILY)
    assert catalog.manifest_schema()["$schema"] == request["$schema"] == catalog.config_schema()["$schema"]


OWN = """
[[prices]]
{who}
region = "cn-beijing"
currency = "USD"
per_second = {{ 720P = {price} }}
date = 2026-07-01
"""


def own(who, price='"0.086012"'):
    return catalog.rows_in(OWN.format(who=who, price=price))


def test_a_users_price_wins_for_what_it_names_and_for_nothing_else():
    rows = own('model = "wan2.7-t2v-2026-06-12"')
    price = catalog.price("wan2.7-t2v-2026-06-12", "720P", "cn-beijing", rows)
    assert (price.per_second, price.currency, price.date) == (Decimal("0.086012"), "USD", date(2026, 7, 1))
    for model, resolution, region in [
        ("wan2.7-t2v", "720P", "cn-beijing"),
        ("wan2.7-t2v-2026-06-12", "1080P", "cn-beijing"),
        ("wan2.7-t2v-2026-06-12", "720P", "ap-southeast-1"),
    ]:
        assert catalog.price(model, resolution, region, rows) == catalog.price(model, resolution, region)


def test_a_users_price_may_be_for_a_whole_family():
    rows = own(f'family = "{FAMILY}"')
    assert {catalog.price(model, "720P", "cn-beijing", rows).per_second for model in MODELS} == {Decimal("0.086012")}


@pytest.mark.parametrize("written", ['"0.6"', "0.6", '"0.60"'])
def test_a_users_price_is_exactly_what_is_written(written):
    (row,) = own(f'family = "{FAMILY}"', written)
    assert row.per_second["720P"] == Decimal("0.6")


def test_a_file_without_prices_changes_nothing():
    assert catalog.rows_in("") == catalog.rows_in("# nothing\n") == ()
