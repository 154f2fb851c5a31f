"""Footers, shop names and labels that hold the word of a title are none; titles that say so are."""

from dataclasses import fields

import pytest

from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.labels import BUILT_IN
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


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("OPERACION DENEGADA", Kind.DECLINED),
        ("TRANSACAO NEGADA", Kind.DECLINED),
        ("CARTA RIFIUTATA", Kind.DECLINED),
        ("İŞLEM REDDEDİLDİ", Kind.DECLINED),
        ("TRANSACTIE GEWEIGERD", Kind.DECLINED),
        ("KÖP MEDGES EJ", Kind.DECLINED),
        ("ОПЕРАЦИЯ ОТКЛОНЕНА", Kind.DECLINED),
        ("TRANSACTION NOT COMPLETED", Kind.DECLINED),
        ("CANCELLED", Kind.DECLINED),
        ("OPERATION ABANDONNEE", Kind.DECLINED),
        ("Vorgang nicht möglich", Kind.DECLINED),
        ("COMPROBANTE DE ANULACION", Kind.VOID),
        ("ANULACIÓN DE VENTA", Kind.VOID),
        ("CANCELAMENTO DE VENDA", Kind.VOID),
        ("STORNO PAGAMENTO", Kind.VOID),
        ("SATIŞ İPTALİ", Kind.VOID),
        ("ОТМЕНА ОПЛАТЫ", Kind.VOID),
        ("PURCHASE CANCELLATION", Kind.VOID),
        ("VISA VOID", Kind.VOID),
        ("OFFLINE VOID", Kind.VOID),
        ("VOID   INV: 000122", Kind.VOID),
        ("إلغاء VOID", Kind.VOID),
        ("RESO MERCE", Kind.REFUND),
        ("ВОЗВРАТ ПРИХОДА", Kind.REFUND),
        ("SATIŞ İADE", Kind.REFUND),
        ("MASTERCARD REFUND", Kind.REFUND),
        ("REFUND - CHIP", Kind.REFUND),
        ("MERCHANDISE RETURN", Kind.REFUND),
        ("AUTH ONLY", Kind.PREAUTH),
        ("PREAUTORIZACION", Kind.PREAUTH),
        ("AUTH COMPLETE", Kind.PREAUTH_COMPLETION),
    ],
)
def test_heading_tells_its_kind_whatever_noun_stands_beside_it(title: str, kind: Kind) -> None:
    body = ["CAFE", "TERMINAL ID: T0000001", title, "11/22/2026 10:00:00", "VISA ************1111"]
    assert kind_of([*body, "AMOUNT $12.50"], US) is kind


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("消费撤消", Kind.VOID),
        ("分期付款撤消", Kind.VOID),
        ("扫码撤销", Kind.VOID),
        ("支付宝撤销", Kind.VOID),
        ("预授权完成请求撤销", Kind.VOID),
        ("扫码退货", Kind.REFUND),
        ("微信退款", Kind.REFUND),
        ("部分退货", Kind.REFUND),
        ("追加预授权", Kind.PREAUTH),
        ("扫码预授权", Kind.PREAUTH),
        ("预授权完成(请求)", Kind.PREAUTH_COMPLETION),
    ],
)
@pytest.mark.parametrize("label", ["", "交易类型:"])
def test_chinese_type_tells_its_kind_as_a_heading_too(label: str, title: str, kind: Kind) -> None:
    body = ["幸福超市", label + title, "2026-11-22 10:00:00", "卡号:622576******6691", "凭证号:000123"]
    assert kind_of([*body, "金额:RMB 12.50"], CN) is kind


def test_a_completion_that_calls_itself_a_settlement_is_one_all_the_same() -> None:
    body = [
        "交易类型:预授权完成(通知)(AUTH SETTLEMENT)",
        "卡号:622576******6691",
        "凭证号:000123",
        "金额:RMB 12.50",
    ]
    assert kind_of(body, CN) is Kind.PREAUTH_COMPLETION


@pytest.mark.parametrize("behind", ["11/22/2026 10:00:00", "MAIN ST", "Swiped", "CHIP READ", "1 of 2"])
@pytest.mark.parametrize("title", ["AUTH", "AUTHORIZATION", "PRE-AUTH"])
def test_what_stands_below_a_title_is_no_code(title: str, behind: str) -> None:
    body = ["CAFE", title, behind, "11/22/2026 10:00:00", "VISA ************1111", "AMOUNT $12.50"]
    assert kind_of(body, US) is Kind.PREAUTH


@pytest.mark.parametrize(
    "line",
    [
        "Cancelled items: 2",
        "CANCELLED: 2",
        "AUTH: APPROVED",
        "AUTH NO: 00",
        "AUTHORIZATION APPROVED",
        "ALLER : 10/06",
        "RETOUR : 13/06",
        "VOID: 0",
        "NO REFUND/CANCELLATION",
        "RC: 12",
        "TAX AMT: 1.30",
        "AUTH 0A1B2C",
        "AUTH: 123456",
        "AUTHORIZATION: 123456 APPROVED",
        "AUTH: ONLINE",
        "AUTH: CHIP",
        "VISA CREDIT",
    ],
)
def test_line_that_is_no_title_leaves_it_a_sale(line: str) -> None:
    body = ["CAFE", "11/22/2026 10:00:00", "VISA ************1111", line, "AMOUNT $12.50"]
    assert kind_of(body, US) is Kind.SALE


@pytest.mark.parametrize("line", ["AUTHORIZATION", "AUTHORISATION"])
def test_what_stands_above_a_signature_leaves_it_a_sale(line: str) -> None:
    body = ["CAFE", "11/22/2026 10:00:00", "VISA ************1111", "AMOUNT $12.50", line, "X____________"]
    assert kind_of(body, US) is Kind.SALE


@pytest.mark.parametrize("code", ["51", "05", "91"])
def test_a_slip_with_a_refusing_answer_is_declined(code: str) -> None:
    body = ["CAFE", "11/22/2026 10:00:00", "VISA ************1111", "AMOUNT $12.50", f"RESPONSE CODE: {code}"]
    assert kind_of(body, US) is Kind.DECLINED
    assert kind_of([*body[:-1], "RESPONSE CODE: 00"], US) is Kind.SALE


@pytest.mark.parametrize(
    ("title", "settings", "why"),
    [
        ("结帐单(预结)", CN, "not paid"),
        ("预打账单", CN, "not paid"),
        ("INTERIM BILL", US, "not paid"),
        ("PROFORMA BILL", US, "not paid"),
        ("结账单(重打)", CN, "reprint"),
        ("重新打印", CN, "reprint"),
        ("LAST RECEIPT REPRINT", US, "reprint"),
        ("REPRINTED ON 06/14/2026 09:00", US, "reprint"),
        ("***故障报告单,非凭证联***", CN, "test"),
        ("**测试/TESTING,凭证无效**", CN, "test"),
        ("TRAINING MODE", US, "test"),
        ("交易查询", CN, "no transaction"),
        ("PRE-AUTH RELEASE", US, "pre-authorisation cancelled"),
    ],
)
def test_paper_that_is_no_receipt_of_a_sale_rings_nothing(
    title: str, settings: DialectSettings, why: str
) -> None:
    total = "合计 12.50" if settings is CN else "TOTAL $12.50"
    event = read([title, "2026-11-22 10:00:00", total], settings)
    assert isinstance(event, Ignored), event
    assert event.why == why


@pytest.mark.parametrize(
    ("title", "settings"),
    [
        ("交班报表", CN),
        ("收银日结单", CN),
        ("交易汇总单", CN),
        ("营业统计", CN),
        ("X报表", CN),
        ("AUDIT REPORT", US),
        ("HOST TOTALS", US),
        ("BATCH SUMMARY", US),
        ("Z READING", US),
        ("Z READ 12", US),
        ("TRANSACTION REPORT", US),
    ],
)
def test_report_of_a_shift_or_day_is_no_sale(title: str, settings: DialectSettings) -> None:
    total = "合计:1234.00" if settings is CN else "TOTAL $1,234.00"
    assert isinstance(read([title, "2026-11-22 22:00:00", total], settings), SettlementHeard)


@pytest.mark.parametrize(
    "line",
    [
        "CANCELLATION",
        "CANCELLED",
        "REVERSO DEL TICKET",
        "DEVOLUCION DE LA COMPRA",
        "nicht möglich!",
        "Karte gesperrt? 116 116",
        "не выполнена",
        "GIFT RECEIPT",
        "SALES SUMMARY",
        "TRAINING MODE",
        "CONSULTA DE SALDO",
        "CREDIT VOUCHER)",
        "RESO MERCE",
        "REFUND - CHIP",
    ],
)
def test_what_is_a_title_at_the_head_is_prose_at_the_foot_of_a_sale(line: str) -> None:
    settings = DialectSettings(encoding="utf-8", currency="USD")
    till = ["CAFE", "11/22/2026 10:00:00", "Coffee 12.50", "TOTAL 12.50", "VISA 12.50", line]
    assert kind_of(till, settings) is Kind.SALE
    slip = ["CAFE", "11/22/2026 10:00:00", "VISA ************1111", "AMOUNT $12.50", "APPROVED", line]
    assert kind_of(slip, settings) is Kind.SALE


@pytest.mark.parametrize(
    "line",
    [
        "扫码补打小票",
        "订单查询",
        "会员余额查询",
        "退款请扫码",
        "撤销请当日",
        "卡激活",
        "消费汇总",
        "未结",
        "测试",
    ],
)
def test_what_is_a_title_at_the_head_is_prose_at_the_foot_of_a_chinese_sale(line: str) -> None:
    assert kind_of(["幸福超市", "2026-11-22 10:00:00", "合计 12.50", "微信支付 12.50", line], CN) is Kind.SALE


def test_verdict_with_its_subject_stands_below_the_amount_too() -> None:
    body = ["CAFE", "11/22/2026 10:00:00", "VISA ************1111", "AMOUNT $12.50"]
    for verdict in ("OPERACION DENEGADA", "OPERATION ABANDONNEE", "ОПЕРАЦИЯ ОТКЛОНЕНА"):
        assert kind_of([*body, verdict], US) is Kind.DECLINED


def test_each_weak_word_is_one_of_a_title_and_a_word_beside_is_nothing_else() -> None:
    others = [field.name for field in fields(BUILT_IN) if field.name.endswith("_words")]
    titles = [name for name in others if name not in ("weak_words", "beside_words", "filler_words")]
    words = {name: set(getattr(BUILT_IN, name)) for name in others}
    assert words["weak_words"] - set().union(*(words[name] for name in titles)) == set()
    assert (
        words["beside_words"] & set().union(*(words[name] for name in others if name != "beside_words"))
        == set()
    )
