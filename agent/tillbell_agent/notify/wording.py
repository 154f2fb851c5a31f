"""The built-in texts, Chinese and English, as data: four forms of each, from complete to bare.

The complete form is tried first, then a terse one that still has the shop's whole name, then the short one, which
gives up its optional parts one by one (card, day's total, time), then the bare one, which has no name in it. Every kind has a word of its own in front; only a sale and a completed pre-authorisation say
that money was received, and no text whose amount is unknown does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tillbell_agent.notify.templates import Template, load_template
from tillbell_protocol.event import Kind

# The card or the way of paying, then the code, as both languages' long and short forms say them.
_ZH_LONG = (
    "[1:,$when][1:,$scheme尾号$last4|,卡尾号$last4|,$scheme|,$method][1:,原凭证$original][0:,$pending]"
    ",第$seq笔[1:,今日累计$day_total],校验$check"
)
_ZH_SHORT = "[3:,$when][1:,$scheme*$last4|,*$last4|,$scheme|,$method][0:,$pending],第$seq笔[2:,累计$day_amount],校验$check"
_ZH_BARE = "[0:,$pending],第$seq笔,校验$check"
_EN_LONG = (
    "[1:, $when][1:. $scheme *$last4|. Card *$last4|. $scheme|. $method][1:. Original $original][0: ($pending)]"
    ". #$seq[1: today $day_total]. Check $check"
)
_EN_SHORT = (
    "[3:, $when][1:, $scheme *$last4|, *$last4|, $scheme|, $method][0: ($pending)]"
    ", #$seq[2:, day $day_amount], check $check"
)
_EN_BARE = "[0: ($pending)], #$seq, check $check"

# kind → (complete, short, amount unknown). "cash" is a sale whose money lies in the till already.
_ZH_HEADS = {
    "sale": ("收款到账$money", "收$money", "金额未知:消费一笔"),
    "cash": ("现金收款$money", "现金收$money", "金额未知:现金一笔"),
    "refund": ("退款$money", "退款$money", "金额未知:退款一笔"),
    "void": ("撤销$money", "撤销$money", "金额未知:撤销一笔"),
    "reversal": ("冲正$money", "冲正$money", "金额未知:冲正一笔"),
    "declined": ("交易失败$money", "失败$money", "金额未知:交易失败"),
    "preauth": ("预授权冻结$money", "预授权$money", "金额未知:预授权"),
    "preauth_completion": ("预授权完成,收款$money", "预授权完成$money", "金额未知:预授权完成"),
}
_EN_HEADS = {
    "sale": ("received $money", "received $money", "sale"),
    "cash": ("cash $money", "cash $money", "cash sale"),
    "refund": ("REFUND $money", "REFUND $money", "refund"),
    "void": ("VOIDED $money", "VOIDED $money", "void"),
    "reversal": ("REVERSED $money", "REVERSED $money", "reversal"),
    "declined": ("DECLINED $money", "DECLINED $money", "DECLINED"),
    "preauth": ("PRE-AUTH hold $money", "PRE-AUTH $money", "pre-auth"),
    "preauth_completion": ("PRE-AUTH completed $money", "COMPLETED $money", "pre-auth completed"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The short words of a language that stand in fields or in front of a text."""

    repeat: str
    pending: str
    schemes: Mapping[str, str]
    methods: Mapping[str, str]


_SCHEMES = {
    "unionpay": "UnionPay",
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "Amex",
    "jcb": "JCB",
    "diners": "Diners",
    "discover": "Discover",
    "maestro": "Maestro",
    "girocard": "girocard",
    "interac": "Interac",
    "rupay": "RuPay",
    "mir": "Mir",
    "elo": "Elo",
}
# Ways of paying as receipts print them → the keys of ``Words.methods``. What is not here stands as printed.
_PRINTED_METHODS = {
    "card": "银行卡|刷卡|银联卡|信用卡|借记卡|credit|credit card|debit|debit card|card payment|kartenzahlung|kreditkarte",
    "cash": "现金|现金支付|bargeld|bar|especes|espèces|현금",
    "wechat": "微信|微信支付|wechat|wechat pay",
    "alipay": "支付宝|支付宝支付",
    "unionpay-qr": "云闪付|unionpay qr",
    "qr": "扫码支付",
}
WORDS: Mapping[str, Words] = {
    "zh": Words(
        repeat="(重发)",
        pending="尚未最终确认",
        schemes={**_SCHEMES, "unionpay": "银联", "mastercard": "万事达", "amex": "运通"},
        methods={
            "card": "银行卡",
            "cash": "现金",
            "wechat": "微信支付",
            "alipay": "支付宝",
            "unionpay-qr": "云闪付",
            "qr": "扫码支付",
        },
    ),
    "en": Words(
        repeat="(repeat)",
        pending="not final",
        schemes=_SCHEMES,
        methods={
            "card": "Card",
            "cash": "Cash",
            "wechat": "WeChat Pay",
            "alipay": "Alipay",
            "unionpay-qr": "UnionPay QR",
            "qr": "QR code",
        },
    ),
}
_METHOD_KEYS = {
    printed: key for key, words in _PRINTED_METHODS.items() for printed in (key, *words.split("|"))
}
KINDS = tuple(_EN_HEADS)


@cache
def forms(language: str, kind: str, amount_known: bool) -> tuple[Template, ...]:
    """The four templates of one kind ("cash", or a ``Kind``'s word), complete to bare, loaded and checked once."""
    texts = _zh(kind, amount_known) if language == "zh" else _en(kind, amount_known)
    suffix = "" if amount_known else "-unknown"
    names = (f"{language}-{kind}{suffix}-{form}" for form in ("complete", "terse", "short", "bare"))
    return tuple(load_template(name, text) for name, text in zip(names, texts, strict=True))


def word_of(kind: Kind, method: str | None) -> str:
    """Which entry of the tables tells this: a sale in cash has its own."""
    return "cash" if kind is Kind.SALE and method_key(method) == "cash" else kind.word


def method_key(method: str | None) -> str | None:
    """The key in ``Words.methods`` of a way of paying as printed, else what was printed."""
    return None if method is None else _METHOD_KEYS.get(method.strip().casefold(), method)


def _zh(kind: str, amount_known: bool) -> tuple[str, ...]:
    complete, short, unknown = _ZH_HEADS[kind]
    if not amount_known:
        complete, short = unknown + ",请核对", unknown
    return (
        f"【$merchant】{complete}{_ZH_LONG}",
        f"【$merchant】{complete}{_ZH_SHORT}",
        f"【$short_name】{short}{_ZH_SHORT}",
        f"{short}{_ZH_BARE}",
    )


def _en(kind: str, amount_known: bool) -> tuple[str, ...]:
    complete, short, unknown = _EN_HEADS[kind]
    if not amount_known:
        complete = short = f"AMOUNT UNKNOWN, {unknown}"
    received = amount_known and kind in ("sale", "cash")
    return (
        f"$merchant: {complete}{_EN_LONG}" if received else f"{complete} at $merchant{_EN_LONG}",
        f"$merchant: {short}{_EN_SHORT}" if received else f"{short} at $merchant{_EN_SHORT}",
        f"$short_name: {short}{_EN_SHORT}" if received else f"{short}, $short_name{_EN_SHORT}",
        f"{short}{_EN_BARE}",
    )
