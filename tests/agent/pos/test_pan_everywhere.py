"""Card numbers of every length, planted wherever a printer's line can carry one: none comes out, and no other is lost."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from tillbell_agent.pos.dialect import DialectEvent, TransactionCompleted
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.labels import BUILT_IN, VALUE_FIELDS
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.pan import luhn_holds, scrub

CUT = b"\x1dVB\x00"
PREFIXES = ("4", "51", "55", "2221", "2720", "2201", "34", "37", "3528", "36", "5018", "6011", "6225", "6304")
SLIP = (
    "POS签购单\n终端号:87654321\n交易类型:消费\n批次号:000007\n凭证号:000090\n参考号:909090909090\n"
    "%s日期/时间:2026/07/07 07:07:07\n金额:RMB 8.80\n"
)
TILL = "Harbour Coffee\nReceipt #: 90909\n2026-07-07 07:07:07\n%sTOTAL 8.80\nCASH 8.80\n"
MASK_RUN = 4


def card_number(chance: random.Random, length: int) -> str:
    """A made number that passes for a card's."""
    body = chance.choice(PREFIXES)
    body += "".join(chance.choice("123456789") for _ in range(length - 1 - len(body)))
    return next(body + digit for digit in "0123456789" if luhn_holds(body + digit))


def _joined(between: bytes, *sizes: int) -> Callable[[random.Random, str], bytes]:
    def ways(_: random.Random, number: str) -> bytes:
        parts, at = [], 0
        for size in sizes:
            parts.append(number[at : at + size])
            at += size
        while at < len(number):
            parts.append(number[at : at + sizes[-1]])
            at += sizes[-1]
        return between.join(part.encode() for part in parts if part)

    return ways


def _controls(chance: random.Random, number: str) -> bytes:
    """Any control that prints nothing, somewhere inside, often in several places."""
    idle = bytes(set(range(32)) - set(b"\n\f\r\t\x10\x1b\x1c\x1d"))
    octets = bytearray(number.encode())
    for _ in range(chance.randint(1, 5)):
        octets.insert(chance.randint(1, len(octets) - 1), chance.choice(idle))
    return bytes(octets)


def _commands(chance: random.Random, number: str) -> bytes:
    """Commands of every kind inside, whole ones and one that is unknown."""
    kinds = (
        b"\x1bE\x01",
        b"\x1d!\x11",
        b"\x1b-\x01",
        b"\x1c.",
        b"\x1c&",
        b"\x10\x04\x01",
        b"\x1bt\x00",
        b"\x1bR\x00",
    )
    at = sorted(chance.sample(range(1, len(number)), chance.randint(1, 3)))
    edges = [0, *at, len(number)]
    parts = [number[first:last].encode() for first, last in itertools.pairwise(edges)]
    return chance.choice((*kinds, b"\x1bX")).join(parts)


WAYS: dict[str, Callable[[random.Random, str], bytes]] = {
    "plain": lambda _, number: number.encode(),
    "groups of four": _joined(b" ", 4),
    "wide groups of four": _joined(b"  ", 4),
    "dashes": _joined(b"-", 4),
    "as American Express": _joined(b" ", 4, 6, 5),
    "six and the rest": _joined(b" ", 6, 13),
    "columns": _joined(b"\x1b$\x40\x00", 4),
    "two halves": _joined(b" ", 8, 11),
    "tabs": _joined(b"\t", 8, 11),
    "controls": _controls,
    "commands": _commands,
    "fullwidth": lambda _, number: "".join(chr(0xFF10 + int(digit)) for digit in number).encode("gb18030"),
    "fullwidth, spaced": lambda _, number: "\u3000".join(
        "".join(chr(0xFF10 + int(digit)) for digit in number[at : at + 4]) for at in range(0, len(number), 4)
    ).encode("gb18030"),
}


def heard(octets: bytes) -> list[DialectEvent]:
    dialect = EscPos(DialectSettings())
    return dialect.receive_data(b"\x1b@" + octets + CUT, 1.0) + dialect.tick(60.0)


def said(octets: bytes) -> str:
    return "\n".join(map(repr, heard(octets)))


def _lines_with(number: bytes, length: int) -> Iterator[bytes]:
    """The number behind each label, below it, alone, in prose, and behind a label of two columns."""
    yield number + b"\n"
    yield b"VISA " + number + b"\n"
    yield "请保留 ".encode("gb18030") + number + " 谢谢\n".encode("gb18030")
    yield b"AUTH CODE: 404040   " + number + b"\n"
    for field in VALUE_FIELDS:
        if field == "merchant_id" and length == 15:
            continue  # merchants' numbers have 15 digits, of which every tenth passes for a card's
        word = getattr(BUILT_IN, field)[0].encode("gb18030")
        yield word + b": " + number + b"\n"
        yield word + b" " + number + b"/C 12/28\n"
        yield word + b"\n" + number + b"\n"


def _leaks(number: str, text: str, without: str) -> list[str]:
    runs = (number[at : at + MASK_RUN + 1] for at in range(len(number) - MASK_RUN))
    return [run for run in runs if run in text and run not in without]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", range(13, 20))
def test_a_card_number_behind_any_label_does_not_come_out(length: int, way: str) -> None:
    chance = random.Random(f"{length}/{way}")
    slips = [slip.encode("gb18030").split(b"%s") for slip in (SLIP, TILL)]
    without = "\n".join(said(b"".join(slip)) for slip in slips)
    number = card_number(chance, length)
    for line in _lines_with(WAYS[way](chance, number), length):
        text = said(line.join(chance.choice(slips)))
        assert not _leaks(number, text, without), (number, line, text)


@pytest.mark.parametrize("way", WAYS)
def test_a_sale_with_a_card_number_on_it_is_still_told(way: str) -> None:
    chance = random.Random(way)
    number = WAYS[way](chance, card_number(chance, 16))
    before, after = (part.encode("gb18030") for part in SLIP.split("%s"))
    (event,) = heard(before + b"MEMBER " + number + b"\n" + after)
    assert isinstance(event, TransactionCompleted)
    assert event.transaction.amount_minor == 880


@pytest.mark.parametrize("length", range(13, 20))
def test_a_card_number_in_symbols_images_and_downloads_does_not_come_out(length: int) -> None:
    chance = random.Random(length)
    before, after = (part.encode("gb18030") for part in SLIP.split("%s"))
    without = said(before + after)
    number = card_number(chance, length)
    data = number.encode()
    size = bytes((len(data), 0))
    for command in (
        b"\x1dk\x04" + data + b"\x00",
        b"\x1dkI" + size[:1] + data,
        b"\x1d(k" + bytes((len(data) + 3, 0)) + b"1P0" + data,
        b"\x1dv0\x00" + size + b"\x01\x00" + data,
        b"\x1b*\x00" + size + data,
        b"\x1d(L" + size + data,
        b"\x1d8L" + size + b"\x00\x00" + data,
        b"\x1cg1\x00\x00\x00\x00\x00" + size + data,
        b"\x1b&\x01AA" + size[:1] + data,
        b"\x1b=\x02CARD " + data + b"\x1b=\x01",
    ):
        for place in (before + command + after, command + before + after, before + after + command):
            text = said(place)
            assert not _leaks(number, text, without), (number, command)
            assert "880" in text


def test_a_line_that_ends_in_the_middle_of_a_card_number_says_none_of_it() -> None:
    chance = random.Random(3)
    number = card_number(chance, 16)
    before = SLIP.partition("%s")[0].encode("gb18030")
    for label in ("凭证号:", "卡号:", "VOUCHER NO ", "授权码:"):
        data = before + label.encode("gb18030") + number.encode()
        for cut in range(5, 16):
            text = said(data[: len(data) - 16 + cut] + b"\x1b*\x21\xff\x03")
            assert not _leaks(number, text, said(before)), (cut, text)


# Harmless numbers.


def _rrn(chance: random.Random, day: datetime) -> str:
    return f"{day:%y%j}"[1:] + f"{day:%H}{chance.randrange(10**6):06d}"


def _ean(chance: random.Random, _: datetime) -> str:
    body = f"{chance.choice((690, 693, 695, 697, 400, 429, 450, 490, 300, 500, 880, 978, 40, 70))}"
    body += "".join(chance.choice("0123456789") for _ in range(12 - len(body)))
    total = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(body))
    return body + str(-total % 10)


def _order(chance: random.Random, day: datetime) -> str:
    till = chance.randrange(1, 99)
    return chance.choice(
        (
            f"{day:%Y%m%d}{till:02d}{chance.randrange(10**5):05d}",
            f"{day:%Y%m%d%H%M%S}{chance.randrange(10**4):04d}",
            f"42000{chance.randrange(10**5):05d}{day:%Y%m%d}{chance.randrange(10**10):010d}",
            f"{day:%Y%m%d}220014{chance.randrange(10**14):014d}",
            f"1000{chance.randrange(10**9):09d}",
            f"B{day:%y%m%d}-{chance.randrange(10**6):06d}",
        )
    )


def _phone(chance: random.Random, _: datetime) -> str:
    last = f"{chance.randrange(10**8):08d}"
    return chance.choice(
        (f"1{chance.choice('3589')}{chance.randrange(10)}{last}", f"+86 138 {last[:4]} {last[4:]}", f"400-{last[:3]}-{last[3:7]}",
         f"+49 30 {last}", f"(02) {last[:4]}-{last[4:]}", f"+1 212-555-{last[:4]}", f"0086-10-{last}")
    )  # fmt: skip


def _date(_: random.Random, day: datetime) -> str:
    return f"{day:%Y-%m-%d %H:%M:%S}" if day.second % 2 else f"{day:%Y/%m/%d %H%M%S}"


HARMLESS = {"RRN": _rrn, "EAN-13": _ean, "order number": _order, "phone number": _phone, "date": _date}
WORDS = ("{}", "REF: {}", "单号:{} 收银员:001", "Thank you {} EUR 12.50", "{}\nTEA 0.80 3.50")


def _passes_for_a_card(text: str) -> bool:
    """Nothing tells it from one: 13 to 19 digits in one piece, as issuers begin them, whose check digit holds."""
    return 13 <= len(text) <= 19 and text.isdigit() and text[0] in "3456" and luhn_holds(text)


def test_ten_thousand_harmless_long_numbers_survive(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(13)
    kept: Counter[str] = Counter()
    doubtful = 0
    for at in range(10_000):
        name, make = list(HARMLESS.items())[at % len(HARMLESS)]
        day = datetime(2026, 1, 1) + timedelta(seconds=chance.randrange(86400 * 365))
        number = make(chance, day)
        while _passes_for_a_card(number):
            doubtful += 1
            number = make(chance, day)
        text = WORDS[at % 7 % len(WORDS)].format(number)
        assert scrub(text) == text, name
        kept[name] += 1
    with capsys.disabled():
        words = ", ".join(f"{count} {name}s" for name, count in kept.items())
        print(
            f" [{sum(kept.values())} survive: {words}; {doubtful} made ones pass for cards and would be masked] ",
            end="",
        )
    assert sum(kept.values()) == 10_000
