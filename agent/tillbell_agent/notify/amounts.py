"""Integers in minor units become printed amounts. No float, no locale, no character outside the GSM alphabet."""

from tillbell_protocol.iso4217 import decimal_places

MONEY_CHARACTERS = 21  # "CNY 90071992547409.91": the largest amount that a payload can carry


def format_amount(minor: int, exponent: int) -> str:
    """``(188005, 2)`` → ``1880.05``; ``(1200, 0)`` → ``1200``; negative amounts lead with a minus."""
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    sign = "-" if minor < 0 else ""
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else f"{sign}{digits}"


def format_money(minor: int, currency: str, language: str) -> str | None:
    """The amount with its currency as ``language`` writes it; None if the currency's minor unit is not known."""
    exponent = decimal_places(currency)
    if exponent is None:
        return None
    amount = format_amount(minor, exponent)
    return f"{amount}元" if language == "zh" and currency == "CNY" else f"{currency} {amount}"
