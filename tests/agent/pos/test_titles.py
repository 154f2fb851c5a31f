"""Footers, shop names and labels that hold the word of a title are none; titles that say so are."""

import pytest

from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind

US = DialectSettings(encoding="cp437", currency="USD")
FR = DialectSettings(encoding="cp1252", currency="EUR")
CN = DialectSettings()
KR = DialectSettings(encoding="euc-kr", currency="KRW")


def read(lines: list[str], settings: DialectSettings) -> DialectEvent | None:
    return ReceiptReader(settings).read(lines)


def kind_of(lines: list[str], settings: DialectSettings) -> Kind:
    event = read(lines, settings)
    assert isinstance(event, TransactionCompleted), event
    assert event.transaction.amount_minor == 1250
    return event.transaction.kind


@pytest.mark.parametrize(
    "footer",
    [
        "NO REFUND",
        "NO REFUNDS",
        "*** NO REFUND ***",
        "NO RECEIPT NO REFUND",
        "NO RETURN - NO REFUND",
        "RETURN",
        "REFUND",
        "NOT A REFUND",
        "NO REFUND WITHOUT RECEIPT",
        "ORIGINAL RECEIPT",
        "QUOTE OF THE DAY",
        "BATCH TOTAL",
        "BATCH CLOSE",
        "DUPLICATE NO",
        "REPRINT: NO",
        "REPRINT 0",
        "UNPAID: 0",
        "VOID: 0",
        "BAR ORDER: 12",
    ],
)
def test_footer_of_an_english_sale_leaves_it_a_sale(footer: str) -> None:
    body = ["CAFE", "2026-11-22 10:00:00", "Coffee 2.50", "TOTAL 12.50"]
    assert kind_of([*body, footer], US) is Kind.SALE
    assert kind_of([*body, "VISA ****1111", "AUTH CODE 123456", footer], US) is Kind.SALE


@pytest.mark.parametrize(
    "footer",
    [
        "请勿退货",
        "不退货",
        "概不退款",
        "退货请凭小票",
        "小票退货凭证",
        "退货",
        "交班: 1",
        "交接班:003",
        "未付款:0",
        "补打:0",
        "补打:0次",
    ],
)
def test_footer_of_a_chinese_sale_leaves_it_a_sale(footer: str) -> None:
    assert kind_of(["幸福超市", "苹果 12.50", "合计:12.50", footer], CN) is Kind.SALE


@pytest.mark.parametrize(
    "line", ["NO REFUND", "REPRINT: NO", "DUPLICATE NO", "UNPAID: 0", "未付款:0", "交班: 1"]
)
def test_denied_word_above_the_articles_leaves_it_a_sale(line: str) -> None:
    assert kind_of(["CAFE", line, "Coffee 2.50", "TOTAL 12.50"], US) is Kind.SALE


@pytest.mark.parametrize("name", ["THE KITCHEN", "KITCHEN", "Kitchen", "주방", "THE BAR"])
def test_shop_that_is_called_kitchen_sells(name: str) -> None:
    assert kind_of([name, "12 Main St", "TOTAL 12.50"], US) is Kind.SALE


@pytest.mark.parametrize("line", ["REMISE 10%", "REMISE", "Remise: -2,50", "REMISE FIDELITE"])
@pytest.mark.parametrize("place", [1, 2])
def test_french_discount_is_no_settlement(line: str, place: int) -> None:
    lines = ["CAFE", "Cafe 2,50", "TOTAL 12,50"]
    assert kind_of([*lines[:place], line, *lines[place:]], FR) is Kind.SALE


@pytest.mark.parametrize(
    ("lines", "settings", "kind"),
    [
        (["CAFE", "REFUND", "Coffee 12.50", "TOTAL 12.50"], US, Kind.REFUND),
        (["CAFE", "REFUND NO 12", "Coffee 12.50", "TOTAL 12.50"], US, Kind.REFUND),
        (["CAFE", "Coffee 12.50", "TOTAL 12.50", "*** REFUND ***"], US, Kind.REFUND),
        (["CAFE", "Coffee 12.50", "TOTAL 12.50", "REFUNDED"], US, Kind.REFUND),
        (["CAFE", "AMOUNT: USD 12.50", "REFUND", "APPROVED"], US, Kind.REFUND),
        (["CAFE", "Coffee 12.50", "TOTAL 12.50", "VOID"], US, Kind.VOID),
        (["CAFE", "Datum 06.10.2021", "STORNO", "Kaffee 12,50", "SUMME 12,50"], FR, Kind.VOID),
        (["幸福超市", "退货", "苹果 12.50", "合计:12.50"], CN, Kind.REFUND),
        (["幸福超市", "退货单", "苹果 12.50", "合计:12.50"], CN, Kind.REFUND),
        (["幸福超市", "苹果 12.50", "合计:12.50", "退货单"], CN, Kind.REFUND),
        (["幸福超市", "苹果 12.50", "合计:12.50", "**退货**"], CN, Kind.REFUND),
    ],
)
def test_stated_kind_is_told(lines: list[str], settings: DialectSettings, kind: Kind) -> None:
    assert kind_of(lines, settings) is kind


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("DUPLICATE NO. 2", "reprint"),
        ("DUPLICATE NO: 2", "reprint"),
        ("REPRINT 1", "reprint"),
        ("REPRINT: 10", "reprint"),
        ("补打:1次", "reprint"),
        ("UNPAID", "not paid"),
        ("THIS IS NOT A RECEIPT", "not paid"),
        ("KITCHEN ORDER", "order ticket"),
    ],
)
def test_title_with_a_number_is_still_one(line: str, why: str) -> None:
    assert read(["CAFE", line, "TOTAL 12.50"], US) == Ignored(why)


@pytest.mark.parametrize(
    "title",
    [
        "Z REPORT",
        "Z REPORT: 12",
        "Z-BON 42",
        "SETTLEMENT #003",
        "BATCH CLOSE NO 12",
        "交班单",
        "日结",
        "TELECOLLECTE",
        "정산",
    ],
)
def test_settlement_under_a_printed_date_is_no_sale(title: str) -> None:
    for settings in (US, CN):
        assert isinstance(
            read(["SHOP V2.10", "06.10.2021 22:39", title, "TOTAL 1234.50"], settings), SettlementHeard
        )


@pytest.mark.parametrize(
    "title", ["BATCH CLOSED", "SETTLEMENT SUCCESSFUL", "Z REPORT 12", "批结成功", "日报表"]
)
def test_settlement_that_says_so_below_its_figures_is_no_sale(title: str) -> None:
    for settings in (US, CN):
        assert isinstance(read(["SHOP", "VISA 3 45.00", "TOTAL 45.00", title], settings), SettlementHeard)


def test_declined_with_a_code_stays_declined() -> None:
    assert kind_of(["CAFE", "AMOUNT: 12.50", "DECLINED: 00", "TERMINAL ID: T1"], US) is Kind.DECLINED
