"""Printed receipts of several countries become transactions, and what is no sale rings for nobody."""

from datetime import datetime

import pytest

from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan

CN = DialectSettings()
US = DialectSettings(encoding="cp437", currency="USD")
DE = DialectSettings(encoding="cp858", currency="EUR")
KR = DialectSettings(encoding="euc-kr", currency="KRW")

SLIP = """POS签购单
{copy}
商户名称(MERCHANT NAME):
老王面馆
商户编号(MERCHANT NO):898310148160001
终端编号(TERMINAL NO):12345678   操作员号:01
发卡行(ISSUER):测试银行
收单行(ACQUIRER):银联商务
卡号(CARD NO):
621234******1232 /C
有效期(EXP DATE):2030/12
交易类型(TRANS TYPE):{kind}
批次号(BATCH NO):000003
凭证号(VOUCHER NO):000012
授权码(AUTH NO):123456
参考号(REFER NO):142233000012
日期/时间(DATE/TIME):2024/06/03 14:22:33
交易金额(AMOUNT):
{amount}
{last}
本人确认以上交易，同意将其记入本卡账户
I ACKNOWLEDGE SATISFACTORY RECEIPT OF RELATIVE GOODS/SERVICES"""

TILL = """幸福超市
单号:2024060300017 收银员:001
2024-06-03 14:22:33
农夫山泉550ml x2            4.00
苹果 1.25kg@8.00           10.00
数量:4                合计:20.80
优惠                        2.00
应收     ￥18.80
微信支付                   18.80
找零                        0.00
交易单号:4200001234202406031234567890
支持微信支付 支付宝
退货请保留小票 7日内凭票退款"""

WESTERN = """ExampleMart Ltd.
Receipt #: 10042
04/06/2015 02:56 PM
Example item #1            $4.00
Subtotal                  $12.95
Tax                        $1.30
TOTAL     $14.25
CREDIT CARD               $14.25
VISA ************1111
AUTH CODE: 0A1B2C   REF: 519610000123
TERMINAL ID: T0000001  MERCHANT ID: M00000000000001
No refund without receipt. Void where prohibited.
Thank you"""


def slip(
    kind: str = "消费(SALE)", amount: str = "RMB 18.80", copy: str = "商户存根 MERCHANT COPY", last: str = ""
) -> str:
    return SLIP.format(kind=kind, amount=amount, copy=copy, last=last)


def read(text: str, settings: DialectSettings = CN) -> DialectEvent | None:
    return ReceiptReader(settings).read(text.split("\n"))


def completed(text: str, settings: DialectSettings = CN) -> Transaction:
    event = read(text, settings)
    assert isinstance(event, TransactionCompleted), event
    return event.transaction


def test_unionpay_slip_gives_every_labelled_field() -> None:
    assert completed(slip()) == Transaction(
        kind=Kind.SALE,
        amount_minor=1880,
        currency="CNY",
        card=TruncatedPan("1232"),
        terminal_time=datetime(2024, 6, 3, 14, 22, 33),
        receipt_no="000012",
        rrn="142233000012",
        auth_code="123456",
        batch="000003",
        terminal_id="12345678",
        merchant_id="898310148160001",
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("消费(SALE)", Kind.SALE),
        ("消费撤销(VOID)", Kind.VOID),
        ("退货(REFUND)", Kind.REFUND),
        ("预授权(AUTH)", Kind.PREAUTH),
        ("预授权完成(AUTH COMPLETE)", Kind.PREAUTH_COMPLETION),
        ("预授权完成撤销", Kind.VOID),
        ("冲正(REVERSAL)", Kind.REVERSAL),
        ("扫码支付", Kind.SALE),
    ],
)
def test_type_of_a_slip_decides_its_kind(kind: str, expected: Kind) -> None:
    assert completed(slip(kind)).kind is expected
    assert completed(slip(kind, amount="RMB -18.80")).amount_minor == 1880
    assert completed(slip("\n" + kind)).kind is expected  # on the next line


def test_cancelled_preauthorisation_moved_no_money() -> None:
    assert read(slip("预授权撤销(CANCEL)")) == Ignored("pre-authorisation cancelled")


def test_balance_inquiry_is_no_transaction() -> None:
    assert read(slip("余额查询(BALANCE)")) == Ignored("no transaction")


def test_both_copies_of_a_slip_have_one_key() -> None:
    merchant, holder = read(slip()), read(slip(copy="持卡人存根 CARDHOLDER COPY"))
    assert isinstance(merchant, TransactionCompleted)
    assert merchant.key
    assert merchant == holder


def test_next_sale_of_the_same_amount_has_another_key() -> None:
    first, second = read(slip()), read(slip().replace("000012", "000013"))
    assert isinstance(first, TransactionCompleted)
    assert isinstance(second, TransactionCompleted)
    assert first.key != second.key


def test_void_of_a_sale_has_another_key_than_the_sale() -> None:
    first, second = read(slip()), read(slip("消费撤销(VOID)"))
    assert isinstance(first, TransactionCompleted)
    assert isinstance(second, TransactionCompleted)
    assert first.key != second.key


@pytest.mark.parametrize(
    "line",
    [
        "***重打印凭证/DUPLICATED***",
        "*** REPRINT ***",
        "--- DUPLICATE RECEIPT ---",
        "重 打 印",
        "补打",
        "재발행",
    ],
)
def test_reprint_is_ignored(line: str) -> None:
    assert read(slip(last=line)) == Ignored("reprint")
    assert read(line + "\n" + TILL) == Ignored("reprint")


@pytest.mark.parametrize(
    "line",
    ["交易失败", "交易失败:余额不足", "DECLINED 05", "*** TRANSACTION DECLINED ***", "RESPONSE: DECLINED"],
)
def test_declined_slip_is_declined(line: str) -> None:
    assert completed(slip(last=line)).kind is Kind.DECLINED


def test_declined_slip_without_amount_keeps_it_unknown() -> None:
    text = "CARD ************1111\nTERMINAL ID: T0000001\nDECLINED\nRESPONSE CODE: 51"
    transaction = completed(text, US)
    assert (transaction.kind, transaction.amount_minor, transaction.result_code) == (
        Kind.DECLINED,
        None,
        "51",
    )


@pytest.mark.parametrize("amount", ["", "RMB", "RMB 1\ufffd.80", "RMB 18.8\ufffd", "\ufffd8.80", "_____"])
def test_card_slip_with_an_unreadable_amount_is_unknown_and_never_zero(amount: str) -> None:
    transaction = completed(slip(amount=amount))
    assert (transaction.kind, transaction.amount_minor) == (Kind.SALE, None)
    assert transaction.receipt_no == "000012"


@pytest.mark.parametrize("amount", ["4²50.54", "42½0.54", "4250.5⁴"])
def test_a_raised_digit_is_a_damaged_one(amount: str) -> None:
    heard = read(f"TOTAL {amount}", US)
    assert not isinstance(heard, TransactionCompleted) or heard.transaction.amount_minor is None


def test_an_items_number_is_no_part_of_an_amount() -> None:
    assert completed("①拿铁 12.50\n合计①12.50").amount_minor == 1250
    assert completed("合计１２.５０").amount_minor == 1250, "fullwidth digits are digits"


def test_chinese_till_receipt_counts_what_is_due_after_the_discount() -> None:
    transaction = completed(TILL)
    assert (transaction.amount_minor, transaction.currency, transaction.method) == (1880, "CNY", "微信支付")
    assert transaction.receipt_no == "2024060300017"
    assert transaction.terminal_time == datetime(2024, 6, 3, 14, 22, 33)
    assert transaction.card is None
    assert transaction.kind is Kind.SALE


@pytest.mark.parametrize(
    ("lines", "minor"),
    [
        ("合计:18.80\n实收:20.00\n找零:1.20", 1880),
        ("应收:20.00\n优惠:2.00\n实收:18.00", 1800),
        ("应收:20.00\n实付:18.00\n找零:0.00", 1800),
        ("合 计:  ￥18.80", 1880),
        ("合计(元):18.80", 1880),
        ("应收\n￥18.80", 1880),
        ("应收 50", 5000),
        ("合计:12.5", 1250),
        ("合计: 1,234.50元", 123450),
        ("小计 99.00\n总计 18.80\n商品合计 99.00", 1880),
        ("应收 ￥18.80\n积分余额 999.00", 1880),
    ],
)
def test_total_of_a_chinese_till(lines: str, minor: int) -> None:
    assert completed("幸福超市\n" + lines + "\n谢谢惠顾").amount_minor == minor


@pytest.mark.parametrize(
    "lines",
    [
        "厨房单 桌号:A8\n宫保鸡丁 x1\n米饭 x2",
        "桌号:A8\n合计: 4",
        "合计: 4份",
        "合计件数 3\n优惠合计:2.00\n折扣 1.00",
        "欢迎光临",
        "本店合计三家分店 电话 12345678",
        "KITCHEN ORDER\nTable 5\nTOTAL 14.25",
    ],
)
def test_receipt_without_a_total_is_no_transaction(lines: str) -> None:
    assert isinstance(read(lines), Ignored)


@pytest.mark.parametrize("title", ["预结单", "GUEST CHECK", "*** PRO FORMA ***", "未付款"])
def test_bill_before_payment_is_not_a_sale(title: str) -> None:
    assert read(title + "\n" + TILL) == Ignored("not paid")


@pytest.mark.parametrize(
    ("title", "settings"),
    [
        ("POS 结算总计单", CN),
        ("SETTLEMENT REPORT", US),
        ("*** Z REPORT ***", US),
        ("Kassenschnitt", DE),
        ("交班单", CN),
    ],
)
def test_settlement_is_recorded_and_never_rings(title: str, settings: DialectSettings) -> None:
    text = f"{title}\n终端号:12345678\n批次号:000003\n笔数:12\n2024-06-03 22:00:00\n合计 TOTAL      1234.50"
    event = read(text, settings)
    assert isinstance(event, SettlementHeard)
    heard = event.settlement
    assert (heard.amount_minor, heard.count, heard.batch, heard.terminal_id) == (
        123450,
        12,
        "000003",
        "12345678",
    )
    assert event.key


def test_western_receipt_gives_its_fields() -> None:
    transaction = completed(WESTERN, US)
    assert (transaction.kind, transaction.amount_minor, transaction.currency) == (Kind.SALE, 1425, "USD")
    assert (transaction.scheme, transaction.card) == ("visa", TruncatedPan("1111"))
    assert (transaction.auth_code, transaction.rrn) == ("0A1B2C", "519610000123")
    assert (transaction.terminal_id, transaction.merchant_id) == ("T0000001", "M00000000000001")
    assert (transaction.receipt_no, transaction.method) == ("10042", "CREDIT CARD")
    assert transaction.terminal_time is None  # April or June: not said


@pytest.mark.parametrize(
    ("order", "expected"), [("mdy", datetime(2015, 4, 6, 14, 56)), ("dmy", datetime(2015, 6, 4, 14, 56))]
)
def test_configured_date_order_reads_an_ambiguous_date(order: str, expected: datetime) -> None:
    settings = DialectSettings(encoding="cp437", currency="USD", date_order=order)
    assert completed(WESTERN, settings).terminal_time == expected


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("TOTAL     $14.25", "VOID TOTAL $14.25", Kind.VOID),
        ("TOTAL     $14.25", "REFUND   $-14.25", Kind.REFUND),
        ("TOTAL     $14.25", "TOTAL    -$14.25", Kind.REFUND),
        ("TOTAL     $14.25", "TOTAL     14.25-", Kind.REFUND),
        ("Receipt #: 10042", "*** VOID ***\nReceipt #: 10042", Kind.VOID),
        ("Receipt #: 10042", "REFUND RECEIPT\nReceipt #: 10042", Kind.REFUND),
        ("Subtotal", "VOID\nSubtotal", Kind.SALE),  # one article was voided
        ("Subtotal", "REFUND           $0.00\nSubtotal", Kind.SALE),
        ("Thank you", "*** VOIDED ***", Kind.VOID),
    ],
)
def test_words_on_a_western_receipt_decide_its_kind(old: str, new: str, kind: Kind) -> None:
    transaction = completed(WESTERN.replace(old, new, 1), US)
    assert (transaction.kind, transaction.amount_minor) == (kind, 1425)


@pytest.mark.parametrize(
    ("lines", "minor"),
    [
        ("TOTAL TAX 1.30\nTOTAL ITEMS 3\nTOTAL 14.25\nTOTAL SAVINGS 5.00", 1425),
        ("SUB-TOTAL 12.95\nTOTAL (3 items)   14.25", 1425),
        ("Total Cereal 3.50\nTOTAL 14.25", 1425),
        ("AMOUNT: $12.00\nTIP: ______\nTOTAL: ______", 1200),
        ("AMOUNT: $12.00\nTIP: 2.25\nTOTAL: $14.25", 1425),
        ("T O T A L     14.25", 1425),
        ("TOTAL.......14.25", 1425),
        ("TOTAL:\n$14.25\nCASH 20.00\nCHANGE 5.75", 1425),
        ("GRAND TOTAL USD 14.25\nTOTAL 99.00", 1425),
    ],
)
def test_total_of_a_western_receipt(lines: str, minor: int) -> None:
    assert completed("Shop\n" + lines, US).amount_minor == minor


def test_german_receipt() -> None:
    text = """Bäckerei Müller
Brötchen 4x               2,40 €
Zwischensumme         1.234,56 €
SUMME               EUR 1.234,56
girocard                1.234,56
Beleg-Nr. 0470  TA-Nr. 000470
06.10.2021 22:39:53
Terminal-ID: 28004869
Karten-Nr. ############4771
gültig bis 12/28
Genehmigungs-Nr. 611804"""
    transaction = completed(text, DialectSettings(encoding="cp858", currency="CHF"))
    assert (transaction.amount_minor, transaction.currency) == (123456, "EUR")  # printed wins over configured
    assert (transaction.receipt_no, transaction.stan, transaction.auth_code) == ("0470", "000470", "611804")
    assert transaction.card == TruncatedPan("4771")
    assert transaction.terminal_time == datetime(2021, 10, 6, 22, 39, 53)
    assert completed("STORNO\n" + text, DE).kind is Kind.VOID
    assert completed(text.replace("SUMME  ", "Storno   -2,40 €\nSUMME  ", 1), DE).kind is Kind.SALE


def test_french_receipt() -> None:
    text = "CAFÉ DE LA GARE\nTOTAL HT    11,36\nTOTAL                    12,50 €\nCARTE BANCAIRE ************1234\nle 03/06/2024 à 14:22"
    transaction = completed(text, DE)
    assert (transaction.amount_minor, transaction.currency, transaction.card) == (
        1250,
        "EUR",
        TruncatedPan("1234"),
    )
    assert transaction.terminal_time == datetime(2024, 6, 3, 14, 22)


def test_korean_receipt_has_no_minor_unit() -> None:
    text = "현금결제승인\n결제금액     36,500원\n거래 일시 2026-06-19 16:01:01"
    transaction = completed(text, KR)
    assert (transaction.kind, transaction.amount_minor, transaction.currency) == (Kind.SALE, 36500, "KRW")
    assert completed(text.replace("결제승인", "결제취소"), KR).kind is Kind.VOID


def test_printed_yuan_sign_follows_the_configured_currency() -> None:
    assert completed("应收 ¥1,880", DialectSettings(currency="JPY")).amount_minor == 1880
    assert completed("应收 ¥18.80", DialectSettings(currency="USD")).currency == "CNY"


@pytest.mark.parametrize(
    "card",
    [
        "卡号:4111111111111111",
        "卡号(CARD NO):\n4111 1111 1111 1111",
        "VISA 4111111111111111",
        "CARD NO: 4111-1111-1111-1111 EXP 12/28",
    ],
)
def test_whole_card_number_and_expiry_never_leave(card: str) -> None:
    text = f"POS签购单\n{card}\n有效期:2028/12\n持卡人:张三\n参考号:519610000123\n授权码:123456\n应收 18.80\n2024-06-03 14:22:33"
    event = read(text)
    assert isinstance(event, TransactionCompleted)
    assert event.transaction.card == TruncatedPan("1111")
    for secret in ("411111", "4111 1111", "2028", "12/28", "张三"):
        assert secret not in repr(event)
        assert secret not in str(event.key)


def test_card_number_behind_a_wrong_label_leaves_truncated() -> None:
    assert completed("单号:4111111111111111\n应收 18.80").receipt_no == "****1111"


@pytest.mark.parametrize("number", ["4111111111111111", "371449635398431", "4111-1111-1111-1111"])
@pytest.mark.parametrize("line", ["MID: {}", "MERCHANT ID:\n{}", "商户号:{}", "TERMINAL ID: {}"])
def test_card_number_behind_a_merchants_label_leaves_truncated(number: str, line: str) -> None:
    event = read(f"SHOP\n{line.format(number)}\nTOTAL 18.80")
    assert isinstance(event, TransactionCompleted)
    assert number not in repr(event)
    assert number[-4:] in repr(event)


def test_merchant_number_that_would_pass_for_a_card_stays_whole() -> None:
    assert completed("SHOP\nMID: 411111111111116\nTOTAL 18.80").merchant_id == "411111111111116"


def test_ornament_with_a_year_is_no_card() -> None:
    assert completed("**** 2024 ****\n应收 18.80").card is None


def test_long_wallet_number_identifies_but_is_no_card() -> None:
    text = "应收 18.80\n交易单号:4200001234202406031234567890"
    event = read(text)
    assert isinstance(event, TransactionCompleted)
    assert event.key is not None
    assert event.transaction.card is None


@pytest.mark.parametrize(
    "text",
    [
        "应收 18.80",
        "单号:17\n应收 18.80",
        "应收 18.80\n2024-06-03 14:22",
    ],  # a number that returns daily; the same minute
)
def test_receipt_that_nothing_tells_apart_has_no_key(text: str) -> None:
    event = read(text)
    assert isinstance(event, TransactionCompleted)
    assert event.key is None


@pytest.mark.parametrize(
    "text",
    ["应收 18.80\n2024-06-03 14:22:33", "单号:17\n应收 18.80\n2024-06-03 14:22", "单号:20240603\n应收 18.80"],
)
def test_receipt_with_a_time_or_number_of_its_own_has_a_key(text: str) -> None:
    event = read(text)
    assert isinstance(event, TransactionCompleted)
    assert event.key is not None


def test_shops_own_labels_are_read_beside_the_built_in_ones() -> None:
    settings = DialectSettings(labels={"total": ["本次共收"], "receipt_no": ["台单"], "other": ["应收"]})
    transaction = completed("台单:A-17\n应收 99.00\n本次共收 18.80", settings)
    assert (transaction.amount_minor, transaction.receipt_no) == (1880, "A-17")


def test_shops_own_title_makes_a_settlement() -> None:
    assert isinstance(
        read("打烊单\n合计 18.80", DialectSettings(labels={"settlement_words": ["打烊单"]})), SettlementHeard
    )


def test_original_reference_is_not_the_receipts_own() -> None:
    transaction = completed(slip("消费撤销(VOID)", last="原凭证号(ORIG VOUCHER NO):000007"))
    assert (transaction.receipt_no, transaction.original_ref) == ("000012", "000007")


def test_expiry_with_a_whole_date_is_not_the_time() -> None:
    text = "有效期:2030/12/31 10:00:00\n2024-06-03 14:22:33\n应收 18.80"
    assert completed(text).terminal_time == datetime(2024, 6, 3, 14, 22, 33)


def test_fullwidth_letters_and_signs_are_read() -> None:
    text = "商户编号：８９８３１０１４８１６０００１\n应收金额：￥１８．８０"
    transaction = completed(text)
    assert (transaction.amount_minor, transaction.merchant_id) == (1880, "898310148160001")


def test_nothing_printed_is_nothing() -> None:
    assert read("\n \n") is None


@pytest.mark.parametrize("line", ["Auth# 123456", "AUTH: 123456", "AUTHORIZATION 123456", "AUTH\n123456"])
def test_authorisation_code_does_not_make_a_preauthorisation(line: str) -> None:
    transaction = completed(f"Shop\nTotal: 4.50\nVisa Card xxxxxxxxxxxx1111\n{line}", US)
    assert (transaction.kind, transaction.auth_code) == (Kind.SALE, "123456")


@pytest.mark.parametrize(
    "title", ["PRE-AUTH", "*** PREAUTHORIZATION ***", "AUTHORIZATION", "预授权", "Reservierung"]
)
def test_title_makes_a_preauthorisation(title: str) -> None:
    assert completed(f"{title}\nTotal: 4.50\nVisa Card xxxxxxxxxxxx1111", US).kind is Kind.PREAUTH


def test_return_ticket_is_sold_and_not_refunded() -> None:
    assert completed("CITY BUS\nRETURN TICKET\nTOTAL 4.50", US).kind is Kind.SALE


def test_terminal_slip_in_english() -> None:
    text = """MERCHANT COPY
MID: 000123456789012  TID: 12345678
BATCH: 000012 INV: 000034
VISA CREDIT
4111 **** **** 1111
SALE
AMOUNT:  USD 12.00
APPROVED
APPR CODE: 012345
RRN: 123456789012"""
    transaction = completed(text, US)
    assert (transaction.amount_minor, transaction.receipt_no, transaction.batch) == (1200, "000034", "000012")
    assert (transaction.terminal_id, transaction.merchant_id) == ("12345678", "000123456789012")
    assert (transaction.card, transaction.auth_code) == (TruncatedPan("1111"), "012345")
    assert completed(text.replace("SALE", "VOID"), US).kind is Kind.VOID


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("BATCH NO.000007", "batch", "000007"),
        ("TERMINAL NO.12345678", "terminal_id", "12345678"),
        ("AUTH NO.123456", "auth_code", "123456"),
        ("TRACE NO.000123", "stan", "000123"),
        ("Ta-Nr.00123", "stan", "00123"),
        ("VU-Nr.4556000034", "merchant_id", "4556000034"),
        ("批次号(BATCH NO.)000007", "batch", "000007"),
    ],
)
def test_dot_that_touches_a_number_is_no_part_of_it(line: str, field: str, value: str) -> None:
    text = "\n".join(["SHOP", "2026-06-13 14:56:10", line, "TOTAL 14.25"])
    assert getattr(completed(text, US), field) == value


@pytest.mark.parametrize(
    "guide",
    [
        "20%  $2.85  Total: $17.10",
        "20% = $2.85 Total $17.10",
        "TIP 20%: $2.85 TOTAL: $17.10",
        "[ ] 20% $2.85 (Total: $17.10)",
    ],
)
def test_what_a_tip_would_make_of_the_total_is_not_the_total(guide: str) -> None:
    text = "\n".join(["CAFE", "2026-06-13 14:56:10", "Total $14.25", "Tip ______", guide])
    assert completed(text, US).amount_minor == 1425


@pytest.mark.parametrize("mask", ["4111 11** **** 1111", "4111 11XX XXXX 1111"])
def test_mask_that_begins_within_a_group_shows_the_last_four(mask: str) -> None:
    text = "\n".join(["SHOP", "2026-06-13 14:56:10", mask, "TOTAL 14.25"])
    card = completed(text, US).card
    assert card is not None
    assert card.last4 == "1111"


@pytest.mark.parametrize("paid", ["实付", "客户实付"])
def test_what_was_handed_over_is_not_the_total_where_change_was_given(paid: str) -> None:
    lines = ["幸福超市", "2026-06-13 14:56:10", "合计 2.00", f"{paid} 5.00", "找零 3.00"]
    assert completed("\n".join(lines)).amount_minor == 200
    assert completed("\n".join([*lines[:2], "合计 6.00", "优惠 1.00", f"{paid} 5.00"])).amount_minor == 500
