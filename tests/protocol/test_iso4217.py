"""Currencies: letters, numbers, decimal places."""

import pytest

from tillbell_protocol.iso4217 import alpha_code, decimal_places, numeric_code


@pytest.mark.parametrize(
    ("letters", "number", "places"),
    [("CNY", 156, 2), ("EUR", 978, 2), ("USD", 840, 2), ("JPY", 392, 0), ("KWD", 414, 3), ("CLF", 990, 4),
     ("ALL", 8, 2), ("XCG", 532, 2), ("XAU", 959, None), ("VND", 704, 0), ("KES", 404, 2), ("NGN", 566, 2)],
)  # fmt: skip
def test_a_currency_has_its_number_and_places(letters, number, places):
    assert (numeric_code(letters), alpha_code(number), decimal_places(letters)) == (number, letters, places)


def test_what_the_standard_does_not_have_is_none():
    assert (numeric_code("ABC"), alpha_code(1), decimal_places("ABC"), numeric_code("cny")) == (None,) * 4
