"""A simulated Chinese terminal and its acquirer's host: QCUP's messages in BCD, behind length, TPDU and header."""

from collections.abc import Iterator
from datetime import datetime
from random import Random

from tillbell_agent.sim.tills import Exchange
from tillbell_agent.sim.tills.iso8583_day import Country, Day, Fields

_BCD = {3, 4, 11, 12, 13, 14, 22, 25}
_BRANDS = {"visa": "VIS", "mastercard": "MCC", "unionpay": "CUP", "jcb": "JCB"}
# The terminal's own types of transaction, by message type and processing code.
_TYPES = {
    ("0100", "030000"): "10", ("0200", "000000"): "22", ("0200", "200000"): "23", ("0220", "200000"): "25",
    ("0200", "310000"): "01",
}  # fmt: skip


def exchanges(seed: int, start: datetime, currency: str, troubles: frozenset[str]) -> Iterator[Exchange]:
    chance = Random(f"iso8583-cn {seed}")
    header, bcd_length = chance.random() < 0.8, chance.random() < 0.3
    country = Country(
        encode=lambda mti, fields: frame(message(mti, fields), header=header, bcd_length=bcd_length),
        void_code="200000",
        refund_mti="0220",
        more=_more,
        original=lambda asked, batch: {61: f"{batch}{asked[11]}0101"},
        tells_brand=True,
        reversal_has_own_number=False,
    )
    return Day(chance, start, currency, troubles, country).exchanges()


def _more(mti: str, fields: Fields, batch: str, brand: str) -> Fields:
    kind = _TYPES.get((f"{mti[:2]}{int(mti[2]) & 6}0", fields.get(3, "")), "00")
    if 60 in fields:
        return {63: f"{_BRANDS[brand]}交易成功"} if brand else {}
    return {60: f"{kind}{batch}000"}


def frame(body: bytes, *, header: bool, bcd_length: bool) -> bytes:
    whole = bytes.fromhex("6000030000") + (bytes.fromhex("602200000000") if header else b"") + body
    return (bytes.fromhex(f"{len(whole):04}") if bcd_length else len(whole).to_bytes(2, "big")) + whole


def message(mti: str, fields: Fields) -> bytes:
    with_mac = {**fields, 64: "8877665544332211"}
    bitmap = sum(1 << 64 - number for number in with_mac)
    coded = (_field(number, with_mac[number]) for number in sorted(with_mac))
    return bytes.fromhex(mti) + bitmap.to_bytes(8, "big") + b"".join(coded)


def _field(number: int, value: str) -> bytes:
    if number in (2, 35):
        return bytes.fromhex(f"{len(value):02}") + _packed(value.replace("=", "D"))
    if number in (60, 61):
        return bytes.fromhex(f"{len(value):04}") + _packed(value)
    if number in (52, 64) or number in _BCD:
        return bytes.fromhex(value)
    octets = value.encode("gbk")
    return (bytes.fromhex(f"{len(octets):04}") if number in (54, 63) else b"") + octets


def _packed(digits: str) -> bytes:
    return bytes.fromhex(digits + "0" * (len(digits) % 2))
