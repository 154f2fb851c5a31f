"""A simulated terminal and host that speak ISO 8583:1987 in ASCII, bitmaps in figures, behind two octets of length."""

from collections.abc import Iterator
from datetime import datetime
from random import Random

from tillbell_agent.sim.tills import Exchange
from tillbell_agent.sim.tills.iso8583_day import Country, Day, Fields

_TWO_FIGURES, _THREE_FIGURES = (2, 35), (54,)


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    country = Country(
        encode=lambda mti, fields: frame(message(mti, fields)),
        void_code="020000",
        refund_mti="0200",
        more=lambda _mti, _fields, _batch, _brand: {},
        original=lambda asked, _batch: {90: f"0200{asked[11]}".ljust(42, "0")},
        tells_brand=False,
        reversal_has_own_number=True,
    )
    return Day(Random(f"iso8583 {seed}"), start, currency, troubles, country).exchanges()


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def message(mti: str, fields: Fields) -> bytes:
    """Field 22 has three figures here, and a PIN block sixteen."""
    numbers = sorted(fields)
    bits = sum(1 << 128 - number for number in numbers)
    second = numbers[-1] > 64
    bitmap = f"{bits | 1 << 127:032X}" if second else f"{bits >> 64:016X}"
    return (mti + bitmap + "".join(_field(number, fields[number]) for number in numbers)).encode("ascii")


def _field(number: int, value: str) -> str:
    if number == 22:
        return value[:3]
    if number in _TWO_FIGURES:
        return f"{len(value):02}{value}"
    return f"{len(value):03}{value}" if number in _THREE_FIGURES else value
