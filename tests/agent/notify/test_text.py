import random
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbell_agent.notify.text import TextContext, render
from tillbell_agent.notify.wording import WORDS
from tillbell_protocol.check import check_code, verify_text
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan
from tillbell_protocol.sms.segment import count_segments, is_gsm7

KEY = bytes(range(32))
WHEN = datetime(2026, 11, 21, 14, 5, 59)
SALE = Transaction(
    Kind.SALE, 1880, "CNY", TruncatedPan("6691"), receipt_no="000012", scheme="unionpay", method="card"
)
ZH = TextContext("老王面馆", "zh", 12, "CNY", WHEN, 101880, "老王")
EN = TextContext("Harbour Coffee", "en", 12, "USD", WHEN, 101880, "Harbour")
TRANSACTION_KINDS = [kind for kind in Kind if kind < Kind.SETTLEMENT]


def code(text: str) -> str:
    return check_code(KEY, text)


def told(transaction: Transaction, context: TextContext, *, repeated: bool = False) -> str:
    """The rendered text without its code, after the checks that hold for every text."""
    text = render(transaction, context, code, repeated=repeated)
    assert count_segments(text) == 1
    assert verify_text(KEY, text)
    assert unicodedata.is_normalized("NFC", text)
    assert "\u202f" not in text
    return text[:-6]


def test_a_chinese_sale_reads_as_designed() -> None:
    expected = "【老王面馆】收款到账18.80元,11-21 14:05,银联尾号6691,第12笔,今日累计1018.80元,校验"
    assert told(SALE, ZH) == expected


def test_an_english_sale_reads_as_designed() -> None:
    sale = replace(SALE, currency="USD", scheme="visa")
    expected = "Harbour Coffee: received USD 18.80, 21 Nov 14:05. Visa *6691. #12 today USD 1018.80. Check "
    assert told(sale, EN) == expected


@pytest.mark.parametrize(
    ("kind", "zh", "en"),
    [
        (Kind.REFUND, "【老王面馆】退款18.80元,", "REFUND CNY 18.80 at Harbour Coffee,"),
        (Kind.VOID, "【老王面馆】撤销18.80元,", "VOIDED CNY 18.80 at Harbour Coffee,"),
        (Kind.REVERSAL, "【老王面馆】冲正18.80元,", "REVERSED CNY 18.80 at Harbour Coffee,"),
        (Kind.DECLINED, "【老王面馆】交易失败18.80元,", "DECLINED CNY 18.80 at Harbour Coffee,"),
        (Kind.PREAUTH, "【老王面馆】预授权冻结18.80元,", "PRE-AUTH hold CNY 18.80 at Harbour Coffee,"),
        (Kind.PREAUTH_COMPLETION, "【老王面馆】预授权完成,收款18.80元,", "PRE-AUTH completed CNY 18.80 at"),
    ],
)
def test_each_kind_has_words_of_its_own_in_front(kind: Kind, zh: str, en: str) -> None:
    transaction = replace(SALE, kind=kind)
    assert told(transaction, ZH).startswith(zh)
    assert told(transaction, EN).startswith(en)
    if kind is not Kind.PREAUTH_COMPLETION:
        assert not any(word in told(transaction, ZH) for word in ("收款", "到账"))
    assert "received" not in told(transaction, EN)


@pytest.mark.parametrize("kind", TRANSACTION_KINDS)
@pytest.mark.parametrize("name", ["短", "很长很长很长很长很长的一个商户名字总店分店旗舰店体验店", "M" * 40])
def test_an_unknown_amount_never_reads_as_paid(kind: Kind, name: str) -> None:
    for context in (replace(ZH, merchant=name, short_name=None), replace(EN, merchant=name, short_name=None)):
        text = told(replace(SALE, kind=kind, amount_minor=None), context).lower()
        assert ("金额未知" if context.language == "zh" else "amount unknown") in text
        assert not any(word in text for word in ("收款", "到账", "received", "paid", "cny 0", "0.00"))


@pytest.mark.parametrize("kind", TRANSACTION_KINDS)
def test_amount_and_direction_stand_in_the_first_twenty_characters_of_a_short_name(kind: Kind) -> None:
    text = told(replace(SALE, kind=kind), replace(ZH, merchant="老王面馆"))
    assert text.index("18.80") < 20
    if kind is not Kind.SALE:
        english = told(replace(SALE, kind=kind), EN)
        assert english.index("18.80") <= 24


@pytest.mark.parametrize("printed", ["cash", "CASH", "现金", "Bargeld"])
def test_a_cash_sale_says_cash_and_not_that_it_reached_an_account(printed: str) -> None:
    cash = Transaction(Kind.SALE, 500, "CNY", method=printed)
    assert told(cash, ZH).startswith("【老王面馆】现金收款5.00元,")
    assert "到账" not in told(cash, ZH)
    assert told(replace(cash, currency="USD"), EN).startswith("Harbour Coffee: cash USD 5.00")


@pytest.mark.parametrize(
    ("transaction", "zh", "en"),
    [
        (replace(SALE, scheme=None), ",卡尾号6691,", ". Card *6691."),
        (replace(SALE, card=None), ",银联,", ". UnionPay."),
        (replace(SALE, card=TruncatedPan("")), ",银联,", ". UnionPay."),
        (replace(SALE, card=None, scheme=None), ",银行卡,", ". Card."),
        (replace(SALE, card=None, scheme=None, method="wechat"), ",微信支付,", ". WeChat Pay."),
        (replace(SALE, card=None, scheme=None, method="支付宝"), ",支付宝,", ". Alipay."),
        (replace(SALE, card=None, scheme="UNIONPAY", method="UNIONPAY"), ",银联,", ". UnionPay."),
        (replace(SALE, card=None, scheme=None, method="MegaPay"), ",MegaPay,", ". MegaPay."),
        (replace(SALE, card=None, scheme=None, method=None), "14:05,第12笔", "14:05. #12 today"),
    ],
)
def test_a_field_that_is_absent_takes_its_label_with_it(transaction: Transaction, zh: str, en: str) -> None:
    assert zh in told(transaction, ZH)
    assert en in told(transaction, EN)


def test_an_unknown_day_total_takes_its_label_with_it() -> None:
    assert told(SALE, replace(ZH, day_total_minor=None)).endswith(",第12笔,校验")
    assert told(SALE, replace(EN, day_total_minor=None)).endswith(". #12. Check ")


def test_what_the_terminal_has_not_made_final_says_so() -> None:
    assert ",尚未最终确认," in told(replace(SALE, final=False), ZH)
    assert " (not final). #12" in told(replace(SALE, final=False), EN)


def test_a_repetition_carries_a_mark_in_front_and_a_code_of_its_own() -> None:
    assert told(SALE, ZH, repeated=True) == "(重发)" + told(SALE, ZH)
    assert told(SALE, EN, repeated=True) == "(repeat)" + told(SALE, EN)
    assert render(SALE, ZH, code, repeated=True)[-6:] != render(SALE, ZH, code)[-6:]


@pytest.mark.parametrize(
    ("minor", "currency", "zh", "en"),
    [
        (5, "CNY", "0.05元", "CNY 0.05"),
        (0, "CNY", "0.00元", "CNY 0.00"),
        (123456789, "CNY", "1234567.89元", "CNY 1234567.89"),
        (36500, "KRW", "KRW 36500", "KRW 36500"),
        (1234, "KWD", "KWD 1.234", "KWD 1.234"),
        (2**53 - 1, "USD", "USD 90071992547409.91", "USD 90071992547409.91"),
    ],
)
def test_amounts_are_written_from_integers_by_the_currencys_exponent(
    minor: int, currency: str, zh: str, en: str
) -> None:
    transaction = replace(SALE, amount_minor=minor, currency=currency)
    assert zh in told(transaction, ZH)
    assert en in told(transaction, EN)


def test_an_amount_without_a_currency_takes_the_configured_one() -> None:
    assert "收款到账18.80元" in told(replace(SALE, currency=None), ZH)


def test_an_amount_whose_minor_unit_is_not_known_is_told_as_unknown() -> None:
    assert "金额未知" in told(replace(SALE, currency="XQX"), ZH)


def test_a_negative_day_total_keeps_its_sign() -> None:
    assert "今日累计-5.00元" in told(SALE, replace(ZH, day_total_minor=-500))


def test_an_english_text_with_typographic_marks_stays_in_the_gsm_alphabet() -> None:
    context = replace(EN, merchant="Zoë’s “Café” – Fenêtre １号")
    text = told(SALE, context)
    assert text.startswith('Zoe\'s "Café" - Fenetre 1') or is_gsm7(text)
    assert is_gsm7(text.replace("号", ""))


def test_an_english_text_with_a_chinese_name_is_one_ucs2_segment_with_the_numbers_that_matter() -> None:
    text = told(SALE, replace(EN, merchant="老王面馆", short_name=None, currency="CNY"))
    assert text.startswith("老王面馆: received CNY 18.80")
    assert "#12" in text


def test_line_breaks_and_marks_that_turn_the_direction_never_reach_a_text() -> None:
    nasty = "Vi\nsa\u202e\x1b\u0000\u2066"
    text = told(replace(SALE, scheme=nasty), ZH)
    assert "Vi sa尾号6691" in text
    assert text.isprintable()


def test_a_whole_card_number_in_any_field_is_cut_down_before_the_code_is_made() -> None:
    pan = "4111111111111111"
    for language in (ZH, EN):
        for name in (
            f"Shop {pan}",
            f"Shop {pan[:4]} {pan[4:8]} {pan[8:12]} {pan[12:]}",
            "Shop ４111111111111111",
        ):
            text = told(SALE, replace(language, merchant=name))
            assert "****1111" in text
            assert pan not in text.replace(" ", "")
            short = told(SALE, replace(language, merchant=name + " 有限公司" * 5, short_name=None))
            assert "4111" not in short


def test_a_field_cannot_bring_other_fields_with_it() -> None:
    text = told(replace(SALE, scheme="$merchant"), ZH)
    assert "$merchant*6691" in text


def test_a_language_without_texts_and_a_code_that_is_none_are_errors() -> None:
    with pytest.raises(EncodeError, match="language"):
        render(SALE, replace(ZH, language="fr"), code)
    for wrong in ("12345", "1234567", "12345a", "１２３４５６"):
        with pytest.raises(EncodeError, match="check"):
            render(SALE, ZH, lambda _text, wrong=wrong: wrong)


_names = st.text(max_size=60)
_numbers = st.one_of(st.none(), st.integers(-(2**53) + 1, 2**53 - 1))
_words = st.one_of(st.none(), st.sampled_from(["visa", "cash", "wechat"]), st.text(max_size=30))
_transactions = st.builds(
    Transaction,
    kind=st.sampled_from(TRANSACTION_KINDS),
    amount_minor=st.one_of(st.none(), st.integers(0, 2**53 - 1)),
    currency=st.sampled_from([None, "CNY", "JPY", "KWD", "XQX"]),
    card=st.sampled_from([None, TruncatedPan("0042"), TruncatedPan("")]),
    scheme=_words,
    method=_words,
    original_ref=_words,
    final=st.booleans(),
)
_contexts = st.builds(
    TextContext,
    merchant=_names,
    short_name=st.one_of(st.none(), _names),
    language=st.sampled_from(list(WORDS)),
    seq=st.integers(0, 99_999_999),
    currency=st.sampled_from(["CNY", "USD"]),
    when=st.datetimes(),
    day_total_minor=_numbers,
)


@given(_transactions, _contexts, st.booleans())
def test_any_transaction_in_any_context_is_one_segment_whose_code_holds(
    transaction: Transaction, context: TextContext, repeated: bool
) -> None:
    text = told(transaction, context, repeated=repeated)
    assert str(context.seq) in text


_ZH_TOWNS = [
    "北京",
    "上海",
    "广州",
    "深圳",
    "成都",
    "杭州",
    "武汉",
    "西安",
    "重庆",
    "南京",
    "乌鲁木齐",
    "呼和浩特",
    "石家庄",
    "哈尔滨",
]
_ZH_WHO = [
    "老王",
    "幸福",
    "好又多",
    "张记",
    "李姐",
    "金凤凰",
    "家和",
    "百味轩",
    "同福",
    "万家",
    "鑫源",
    "阿强",
]
_ZH_WHAT = [
    "面馆",
    "超市",
    "便利店",
    "火锅店",
    "水果店",
    "药房",
    "理发店",
    "五金建材",
    "咖啡",
    "生鲜超市",
    "母婴用品",
    "手机专卖店",
]
_ZH_BRANCH = [*[""] * 10, "(人民路店)", "(火车站分店)", "一分店", "旗舰店", "有限公司"]
_EN_WHO = [
    "Harbour",
    "Corner",
    "Zoë's",
    "Lucky",
    "O’Neill's",
    "Golden",
    "Green",
    "Blue",
    "Old",
    "Café",
    "St.",
    "Müller",
]
_EN_WHAT = [
    "Coffee",
    "Bakery",
    "Grocery",
    "Hardware",
    "Pharmacy",
    "Barber",
    "Noodles",
    "Books",
    "Flowers",
    "Garage",
]
_EN_BRANCH = ["", "", " Ltd.", " & Sons", " – Main Street", " (Airport Terminal 2)"]


def made_up_name(chance: random.Random, language: str) -> str:
    if language == "en":
        return f"{chance.choice(_EN_WHO)} {chance.choice(_EN_WHAT)}{chance.choice(_EN_BRANCH)}"[:40]
    town = chance.choice(_ZH_TOWNS) if chance.random() < 0.2 else ""
    return f"{town}{chance.choice(_ZH_WHO)}{chance.choice(_ZH_WHAT)}{chance.choice(_ZH_BRANCH)}"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_ten_thousand_made_up_names_always_fit_one_segment(
    language: str, figure: Callable[[str], None]
) -> None:
    chance = random.Random(2)
    used: Counter[str] = Counter()
    schemes = ["unionpay", "visa", "mastercard", None]
    for seq in range(1, 10_001):
        amount = int(10 ** chance.uniform(2, 6.5))
        sale = replace(SALE, amount_minor=amount, scheme=chance.choice(schemes), currency=None)
        total = amount + chance.randrange(2_000_000)
        name = made_up_name(chance, language)
        currency = "CNY" if language == "zh" else "USD"
        text = render(
            sale, TextContext(name, language, seq % 1000, currency, WHEN, total), lambda _text: "123456"
        )
        assert count_segments(text) == 1
        complete = "今日累计" in text if language == "zh" else "today" in text
        whole = complete or (name in text and "6691" in text)
        short = "累计" in text if language == "zh" else ", day" in text
        form = "complete" if complete else "terse" if whole else "short" if short else "parts left out"
        used[form] += 1
    shares = ", ".join(f"{form} {count / 100:.1f} %" for form, count in used.most_common())
    figure(f"texts of 10,000 made-up names ({language}): {shares}; all one segment")
    assert used["parts left out"] == 0
    assert used["complete"] > 5_000
    assert used["complete"] + used["terse"] > 8_000
