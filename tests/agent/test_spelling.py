"""A mistyped name is met by the one that was meant."""

import pytest

from tillbell_agent.spelling import nearest
from tillbell_protocol.iso4217 import alpha_code

CURRENCIES = sorted(filter(None, map(alpha_code, range(1000))))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("RMB", "CNY"),  # by letters alone the rouble is nearer
        ("yuan", "CNY"),
        ("eurr", "EUR"),
        ("cny", "CNY"),
    ],
)
def test_a_currency_by_its_everyday_name_is_the_one_that_was_meant(typed, meant):
    assert nearest(typed, CURRENCIES) == meant


def test_an_everyday_name_is_not_offered_where_it_is_not_known():
    assert nearest("RMB", ["EUR", "USD"]) is None


def test_nothing_is_offered_for_what_resembles_nothing():
    assert nearest("zzzzzz", ["escpos", "zvt"]) is None
