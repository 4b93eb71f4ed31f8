"""What a request costs: by the region of the flag, the host or the environment, and by the user's own prices."""

import os
from decimal import Decimal

import pytest
from support import request

from wanbatch.cli.common import cost_in, outline_prices, price_list
from wanbatch.errors import Exit, WanbatchError
from wanbatch.service import catalog

OWN = """
[[prices]]
family = "wan2.7-t2v"
region = "cn-beijing"
currency = "USD"
per_second = { 720P = "0.086012" }
date = 2026-07-01
"""
SINGAPORE = "https://dashscope-intl.aliyuncs.com/api/v1"


@pytest.fixture
def own_prices(tmp_path, monkeypatch):
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "config.yaml").write_text("wanbatch_config: 1\nprices: own.toml\n")
    monkeypatch.setenv("WANBATCH_CONFIG", str(tmp_path / "config.yaml"))


def cost(**flags):
    found = price_list(flags.pop("base_url", None), **flags)(request())
    return (found.amount, found.currency) if found else None


def test_the_region_of_the_flag_the_host_or_the_environment_decides_else_beijing(monkeypatch):
    beijing, singapore = (Decimal("3.0"), "CNY"), (Decimal("0.50"), "USD")
    assert cost() == beijing
    assert cost(region="ap-southeast-1") == singapore
    assert cost(base_url=SINGAPORE) == singapore
    monkeypatch.setenv("DASHSCOPE_API_REGION", "ap-southeast-1")
    assert cost() == singapore
    assert cost(region="cn-beijing") == beijing
    monkeypatch.delenv("DASHSCOPE_HTTP_BASE_URL")
    assert cost() == singapore


def test_a_region_without_a_price_has_none_and_not_beijings():
    assert cost(region="us-east-1") is None


def test_a_mistyped_region_is_refused_and_has_no_price():
    with pytest.raises(WanbatchError, match="unknown region 'cn-beijng'") as raised:
        price_list(None, "cn-beijng")
    assert raised.value.exit_code is Exit.USAGE


def test_the_users_own_prices_win_where_nobody_has_read_them_yet(own_prices):
    assert cost() == (Decimal("0.430060"), "USD")
    assert cost(rows=()) == (Decimal("3.0"), "CNY")
    assert cost(region="ap-southeast-1") == (Decimal("0.50"), "USD")


def test_the_date_of_a_price_is_the_users(own_prices):
    outline = request().outline()
    assert outline_prices(None)(outline).as_of == "2026-07-01"
    assert cost_in("cn-beijing", outline, catalog.rows_in(OWN)).as_of == "2026-07-01"
    assert cost_in("cn-beijing", outline).as_of == "2026-08-15"


@pytest.mark.parametrize("outline", [{}, {"model": "wan2.7-t2v", "resolution": "720P", "duration": "5"}])
def test_an_outline_that_says_too_little_has_no_price(outline):
    assert cost_in("cn-beijing", outline) is None


def test_a_configuration_with_problems_is_no_price_list(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("wanbatch_config: 1\nprice: own.toml\n")
    monkeypatch.setitem(os.environ, "WANBATCH_CONFIG", str(tmp_path / "config.yaml"))
    with pytest.raises(WanbatchError, match=r"config\.yaml: 1 problem; nothing was sent"):
        price_list(None)
