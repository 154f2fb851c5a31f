"""Lines that nobody would design: long rows of one sign, letters of every script, every encoding. None stops a reader.

Whether reading is linear cannot be asserted without a clock. So it runs in a process of its own with a limit that is a
thousand times what it needs: before, one such line took from minutes to years.
"""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_agent.pos.escpos import EscPos
from tillbell_agent.pos.escpos_commands import EPSON_PAGES
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings

HANG_GUARD_S = 60
SIGNS = " *#x·•.,-=([1aX:/_合$¥"
PAIRS = (
    "* ",
    " *",
    "**",
    "x ",
    "# ",
    "1 ",
    "1.",
    "1,",
    "(-",
    "- ",
    "(a",
    ". ",
    ": ",
    "1 *",
    "12 ",
    "VOID ",
    "合计",
)
READ_ALL = """
import sys
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.pan import TruncatedPan, scrub
reader = ReceiptReader(DialectSettings())
for unit in sys.argv[1:]:
    for before in ("", "TOTAL ", "TOTAL a", "TOTAL 1", "CARD ", "合计("):
        for after in ("", "x", "!", " 12.50"):
            line = before + (unit * 512)[: 512 - len(before) - len(after)] + after
            reader.read(["SHOP", line, "TOTAL 12.00"])
            scrub(line)
            TruncatedPan.from_printed(line)
print("read")
"""


@pytest.mark.parametrize("units", [tuple(SIGNS), PAIRS], ids=["one sign", "pairs"])
def test_line_of_512_repeated_characters_never_holds_the_reader(units: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *units],
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )
    assert done.stdout == "read\n", done.stderr


@pytest.mark.parametrize("row", ["*" * 48, "#" * 42, "x" * 40, "·" * 40, "* " * 21, " " * 400])
def test_sale_between_rows_of_ornaments_is_read(row: str) -> None:
    event = ReceiptReader(DialectSettings(currency="USD")).read(
        ["SHOP", row, "TOTAL 12.00", row, f"TOTAL a{row}b"]
    )
    assert isinstance(event, TransactionCompleted)
    assert event.transaction.amount_minor == 1200


def test_masked_number_in_groups_is_still_read() -> None:
    reader = ReceiptReader(DialectSettings(currency="USD"))
    for number in ("4111 **** **** 1111", "************1111", "xxxx-xxxx-xxxx-1111", "411111******1111"):
        event = reader.read(["VISA", f"VISA {number}", "TOTAL 12.00"])
        assert isinstance(event, TransactionCompleted)
        assert event.transaction.card is not None, number
        assert event.transaction.card.last4 == "1111"


@pytest.mark.parametrize("scheme", ["VİSA", "vısa", "VISA"])
def test_turkish_letter_i_in_a_card_scheme_is_read(scheme: str) -> None:
    lines = ["BAKKAL", f"CARD TYPE: {scheme}", "CARD: **** **** **** 1234", "TOTAL 12,50"]
    event = ReceiptReader(DialectSettings(encoding="cp1254", currency="TRY")).read(lines)
    assert isinstance(event, TransactionCompleted)
    assert (event.transaction.scheme, event.transaction.amount_minor) == ("visa", 1250)


@pytest.mark.parametrize("line", ["TOTAL İSK 5,00", "TOTAL 5,00 İDR", "TOTAL 3 lıs"])
def test_turkish_word_is_no_currency(line: str) -> None:
    event = ReceiptReader(DialectSettings(encoding="cp1254", currency="TRY")).read(
        ["VISA", line, "TOTAL 7,50"]
    )
    assert isinstance(event, TransactionCompleted)
    assert (event.transaction.amount_minor, event.transaction.currency) == (750, "TRY")


_WORDS = st.sampled_from(
    "TOTAL|VISA|VİSA|CARD|合计|应收|¥|元|REFUND|VOID|12.50|5,00|İSK|ſs|KČ|AUTH|DATE|5 Jan 2026|2024-06-03 14:22|****|1111|".split(
        "|"
    )
)
_LINE = st.lists(st.one_of(_WORDS, st.text(max_size=8)), max_size=8).map(" ".join)


@settings(max_examples=300)
@given(st.lists(_LINE, max_size=8), st.sampled_from(["CNY", "TRY", "EUR", "JPY", "INR"]))
def test_any_lines_give_an_event_or_none(lines: list[str], currency: str) -> None:
    ReceiptReader(DialectSettings(currency=currency)).read(lines)


@settings(max_examples=200)
@given(
    st.lists(_LINE, max_size=5),
    st.sampled_from(sorted({*EPSON_PAGES.values(), "gb18030", "big5", "euc-kr", "shift_jis", "utf-8"})),
    st.binary(max_size=40),
)
def test_any_octets_in_any_encoding_give_events(lines: list[str], encoding: str, noise: bytes) -> None:
    dialect = EscPos(DialectSettings(encoding=encoding, currency="TRY"))
    dialect.receive_data(
        "\n".join(["SHOP", *lines, ""]).encode(encoding, "replace") + noise + b"\n\x1dV\x00", 0.0
    )
    dialect.tick(100.0)
