"""Two sales never have one key, so that the second is not dropped as known; two copies of one sale do."""

import pytest

from tillbell_agent.pos.dialect import TransactionCompleted
from tillbell_agent.pos.receipt import ReceiptReader
from tillbell_agent.pos.settings import DialectSettings

US = DialectSettings(encoding="cp1252", currency="USD")
CN = DialectSettings()


def told(lines: list[str], settings: DialectSettings = US) -> TransactionCompleted:
    event = ReceiptReader(settings).read(lines)
    assert isinstance(event, TransactionCompleted), event
    return event


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["05 Jan 2026 10:33", "Ref: 12"], ["06 Jan 2026 10:33", "Ref: 12"]),
        (["Jan 5, 2026 10:33 AM", "Reference: 7"], ["Jan 6, 2026 10:33 AM", "Reference: 7"]),
        (["5-Jan-26 10:33:12", "Trace: 12"], ["6-Jan-26 10:33:12", "Trace: 12"]),
        (["5 mars 2026 10:33", "Ticket: 12"], ["5 mai 2026 10:33", "Ticket: 12"]),
        (["Ref: 12"], ["Ref: 12"]),
        (["Receipt No: 12", "Ref: 7"], ["Receipt No: 12", "Ref: 7"]),
        (["商户订单号:007"], ["商户订单号:007"]),
        (["Receipt: 4111111111111111"], ["Receipt: 4111111111111111"]),
        (
            ["单号:17", "交易单号:4200001234202406031234567890"],
            ["单号:17", "交易单号:4200001234202406031234567891"],
        ),
        (
            ["Offer ends 2026-12-31 23:59", "Receipt No: 12"],
            ["Offer ends 2026-12-31 23:59", "Receipt No: 12"],
        ),
        (["Offer ends 2026-12-31 23:59:59"], ["Offer ends 2026-12-31 23:59:59"]),
        (["优惠截止 2026-12-31 23:59:59"], ["优惠截止 2026-12-31 23:59:59"]),
        (["活动时间:2026-12-31 23:59:59"], ["活动时间:2026-12-31 23:59:59"]),
        (["Screening Friday 2026-12-31 20:00:00"], ["Screening Friday 2026-12-31 20:00:00"]),
        (["Movie 2026-12-31 20:00:00"], ["Movie 2026-12-31 20:00:00"]),
        (["Showtime: 2026-12-31 20:00:00"], ["Showtime: 2026-12-31 20:00:00"]),
        (["放映时间:2026-12-31 20:00:00"], ["放映时间:2026-12-31 20:00:00"]),
        (["Valid until 31 Dec 2026 23:59:59"], ["Valid until 31 Dec 2026 23:59:59"]),
    ],
)
def test_sales_of_the_same_amount_on_two_days_never_share_a_key(first: list[str], second: list[str]) -> None:
    one, other = told(["CAFE", *first, "TOTAL 4.50"]), told(["CAFE", *second, "TOTAL 4.50"])
    assert one.key is None or one.key != other.key


@pytest.mark.parametrize(
    "lines",
    [
        ["Ref: 519610000123"],
        ["05 Jan 2026 10:33", "Ref: 12"],
        ["商户订单号:007", "2026-01-05 10:33"],
        ["5-Jan-26 10:33:12"],
        ["Cashier: Ann  2026-01-05 10:33:12"],
        ["Till 3 Tran 0123 2026-01-05 10:33:12"],
        ["打印时间:2026-01-05 10:33:12"],
        ["下单:2026-01-05 10:33:12"],
        ["小票 2026-01-05 10:33:12 第1联"],
        ["SALE 05/25/2026 10:33:12"],
        ["01/05/2026 10:33:12 PM EST"],
        ["2026年1月5日 星期一 10:33:12"],
        ["Mon 5 Jan 2026 10:33:12"],
        ["Freitag, 5. Januar 2026 10:33:12 Uhr"],
        ["Date: 5 Jan 2026  Time: 10:33:12"],
        ["DATE 06/25/2026", "TIME 02:56:12 PM"],
        ["le 25/06/2026 à 14:22:33"],
    ],
)
def test_copy_of_a_sale_with_a_number_or_time_has_its_key(lines: list[str]) -> None:
    one = told(["CAFE", *lines, "TOTAL 4.50"])
    assert one.key is not None
    assert one.key == told(["CAFE", *lines, "TOTAL 4.50", "CUSTOMER COPY"]).key


def test_time_of_an_offer_is_not_told_as_the_sales() -> None:
    lines = ["CAFE", "Offer ends 2026-12-31 23:59:59", "TOTAL 4.50", "2026-01-05 10:33:12"]
    time = told(lines).transaction.terminal_time
    assert time is not None
    assert (time.month, time.day) == (1, 5)
