"""Receipts that the python-escpos library writes: its commands, images and symbols are those of real tills."""

from typing import Any

import pytest

from tillbell_agent.pos.dialect import DialectEvent, TransactionCompleted
from tillbell_agent.pos.escpos_tokens import EscPosTokenizer, TokenKind
from tillbell_agent.pos.registry import DialectSettings, make_dialect

pytestmark = pytest.mark.peer("python-escpos")


@pytest.fixture
def printer() -> Any:
    module = pytest.importorskip("escpos.printer", reason="absent peer: python-escpos")
    return module.Dummy(profile="TM-T88V")


def _evil_image() -> Any:
    image = pytest.importorskip("PIL.Image", reason="absent peer: pillow")
    text = b"TOTAL 999.99\n\x1dVB\x00\x1b@"
    row = text + bytes(48 - len(text))
    return image.frombytes("1", (384, 40), bytes(octet ^ 0xFF for octet in row * 40))


def _print(printer: Any) -> bytes:
    printer.hw("INIT")
    printer.image(_evil_image(), impl="bitImageRaster")
    printer.image(_evil_image(), impl="graphics")
    printer.image(_evil_image(), impl="bitImageColumn")
    printer.set(align="center", bold=True, double_height=True, double_width=True)
    for line in (
        "幸福超市",
        "单号:2024060300017 收银员:001",
        "2024-06-03 14:22:33",
        "应收     ￥18.80",
        "微信支付   18.80",
    ):
        printer._raw((line + "\n").encode("gb18030"))
    printer.set_with_default()
    printer.qr("TOTAL 999.99", native=True, size=4)
    printer.barcode("4006381333931", "EAN13", function_type="B")
    printer.barcode("{B10042", "CODE128", function_type="B")
    printer.barcode("4006381333931", "EAN13", function_type="A")
    printer.cut()
    printer.cashdraw(2)
    return bytes(printer.output)


@pytest.mark.parametrize("size", [1, 13, 1 << 20])
def test_receipt_with_images_symbols_and_cut_is_one_sale(printer: Any, size: int) -> None:
    data, dialect = _print(printer), make_dialect("escpos", DialectSettings())
    assert b"TOTAL 999.99" in data
    events: list[DialectEvent] = []
    for at in range(0, len(data), size):
        events += dialect.receive_data(data[at : at + size], 0.0)
    completed = [event for event in events if isinstance(event, TransactionCompleted)]
    assert [(event.transaction.amount_minor, event.transaction.receipt_no) for event in completed] == [
        (1880, "2024060300017")
    ]
    assert "999" not in repr(events)


def test_no_command_of_the_library_is_unknown(printer: Any) -> None:
    tokenizer = EscPosTokenizer()
    tokens = tokenizer.feed(_print(printer))
    assert [token for token in tokens if token.kind is TokenKind.UNKNOWN] == []
    assert not tokenizer.in_command


def test_western_text_in_the_librarys_own_code_pages(printer: Any) -> None:
    printer.hw("INIT")
    printer.text("Bäckerei Müller\nSUMME   1.234,56 €\nBeleg-Nr. 0470\n06.10.2021 22:39:53\n")
    printer.cut()
    dialect = make_dialect("escpos", DialectSettings(encoding="cp437", currency="CHF"))
    events = dialect.receive_data(bytes(printer.output), 0.0)
    completed = [event for event in events if isinstance(event, TransactionCompleted)]
    assert [(event.transaction.amount_minor, event.transaction.currency) for event in completed] == [
        (123456, "EUR")
    ]
