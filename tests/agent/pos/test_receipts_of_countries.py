"""Receipts as other countries print them: their words for total, number, refund, copy; their signs and separators."""

import pytest

from tillbell_agent.pos.dialect import DialectEvent, Ignored, TransactionCompleted
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind

# currency, sale with its amount in minor units, words of a refund, a void, a reprint
COUNTRIES = {
    "Chile": ("CLP", "MONTO: $ 12.500", 12500, "DEVOLUCIÓN", "ANULACIÓN", "DUPLICADO"),
    "Spain": ("EUR", "TOTAL IMPORTE   1.234,56 €", 123456, "DEVOLUCION", "ANULACION", "DUPLICADO"),
    "Italy": ("EUR", "TOTALE COMPLESSIVO   12,50", 1250, "RIMBORSO", "ANNULLAMENTO", "RISTAMPA"),
    "Brazil": ("BRL", "VALOR DA VENDA: R$ 1.234,56", 123456, "DEVOLUÇÃO", "ESTORNO", "REIMPRESSÃO"),
    "Netherlands": ("EUR", "TE BETALEN   € 7,95", 795, "REFUND", "VOID", "REPRINT"),
    "Sweden": ("SEK", "ATT BETALA   125,00", 12500, "RETUR", "MAKULERAD", "KOPIA KVITTO"),
    "Poland": ("PLN", "SUMA PLN   45,90", 4590, "ZWROT", "ANULOWANO", "DUPLIKAT"),
    "Russia": ("RUB", "ИТОГ   1234,56", 123456, "ВОЗВРАТ", "ОТМЕНА", "ДУБЛИКАТ"),
    "Turkey": ("TRY", "GENEL TOPLAM   *1.234,56", 123456, "İADE", "İPTAL", "İKİNCİ NÜSHA"),
    "Indonesia": ("IDR", "TOTAL BAYAR  Rp 125.000", 12500000, "REFUND", "PEMBATALAN", "CETAK ULANG"),
    "Japan": ("JPY", "合計   ¥1,250", 1250, "返品", "取消", "再発行"),
    "Vietnam": ("VND", "TỔNG CỘNG   125.000 ₫", 125000, "HOÀN TIỀN", "HỦY GIAO DỊCH", "REPRINT"),
    "Kuwait": ("KWD", "TOTAL   KD 12.500", 12500, "REFUND", "VOID", "DUPLICATE"),
}


def read(currency: str, *lines: str) -> DialectEvent | None:
    return ReceiptReader(DialectSettings(currency=currency)).read([*lines, "2026-11-21 10:22:33"])


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_sale_is_told_with_its_amount(country: str) -> None:
    currency, line, minor, *_ = COUNTRIES[country]
    event = read(currency, "Shop", line)
    assert isinstance(event, TransactionCompleted)
    assert (event.transaction.kind, event.transaction.amount_minor) == (Kind.SALE, minor)
    assert event.transaction.currency == currency


@pytest.mark.parametrize("country", COUNTRIES)
def test_what_is_given_back_is_no_sale(country: str) -> None:
    currency, line, minor, refund, void, _ = COUNTRIES[country]
    for word, kind in ((refund, Kind.REFUND), (void, Kind.VOID)):
        event = read(currency, "Shop", word, line)
        assert isinstance(event, TransactionCompleted), word
        assert (event.transaction.kind, event.transaction.amount_minor) == (kind, minor), word


@pytest.mark.parametrize("country", COUNTRIES)
def test_what_is_printed_again_does_not_ring(country: str) -> None:
    currency, line, _, _, _, reprint = COUNTRIES[country]
    assert read(currency, "Shop", f"*** {reprint} ***", line) == Ignored("reprint")


def test_a_chilean_slip_gives_its_numbers() -> None:
    event = read(
        "CLP",
        "VENTA",
        "TERMINAL: 12345678",
        "TARJETA **** **** **** 6677",
        "CODIGO AUTORIZACION: 123456",
        "NUMERO OPERACION: 000123",
        "MONTO: $ 12.500",
    )
    assert isinstance(event, TransactionCompleted)
    told = event.transaction
    assert (told.terminal_id, told.auth_code, told.receipt_no) == ("12345678", "123456", "000123")
    assert told.card is not None
    assert told.card.last4 == "6677"


def test_a_japanese_receipt_counts_what_was_due_and_not_what_was_handed_over() -> None:
    event = read(
        "JPY", "お買上", "小計  ¥1,137", "消費税  ¥113", "合計  ¥1,250", "お預り  ¥2,000", "お釣り  ¥750"
    )
    assert isinstance(event, TransactionCompleted)
    assert event.transaction.amount_minor == 1250
