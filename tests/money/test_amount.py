"""Amounts as people write them."""

from decimal import Decimal

import pytest

from wanbatch.money.amount import Cap, amount, plain


@pytest.mark.parametrize(
    ("text", "number", "currency"),
    [
        ("13 CNY", "13", "CNY"), ("13.50CNY", "13.50", "CNY"), ("CNY 13", "13", "CNY"), ("¥13", "13", "CNY"),
        ("\uffe513", "13", "CNY"), ("$5", "5", "USD"), ("5 $", "5", "USD"), ("13 RMB", "13", "CNY"),
        ("13 cny", "13", "CNY"), (" 0.000001 USD ", "0.000001", "USD"), ("0 CNY", "0", "CNY"), ("7 EUR", "7", "EUR"),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it(text, number, currency):
    assert amount(text) == (Decimal(number), currency)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("13", "a cap needs a currency: '13 CNY'"),
        ("", "is no amount of money"),
        ("CNY", "is no amount of money"),
        ("-5 CNY", "is no amount of money"),
        ("NaN CNY", "is no amount of money"),
        ("inf USD", "is no amount of money"),
        ("1e3 CNY", "is no amount of money"),
        ("1,000 CNY", "is no amount of money"),
        ("٣ CNY", "is no amount of money"),
        ("1.0000001 CNY", "is no amount of money"),
        ("9999999999 CNY", "is no amount of money"),
        ("13 eur", "names no currency"),
        ("$5 USD", "names two currencies"),
    ],
)
def test_what_is_no_amount_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        amount(text)


@pytest.mark.parametrize(
    ("value", "shown"), [("3", "3.00"), ("3.1", "3.10"), ("0.125", "0.125"), ("1E+2", "100.00"), ("0", "0.00")]
)
def test_an_amount_is_shown_in_full(value, shown):
    assert plain(Decimal(value)) == shown


def test_a_cap_says_what_it_is_over():
    assert str(Cap("day", Decimal(100), "CNY")) == "100.00 CNY per day"
