"""One transaction becomes one readable text of one SMS segment, its check code last.

The complete wording if it fits, else the short one, else less (``wording``). Of the card only the last four digits
are known here, and the card number scrubber still reads the finished text before the code is computed. Nothing is
sent, looked up or remembered here.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tillbell_agent.notify.alphabet import clean, clip, to_gsm7
from tillbell_agent.notify.amounts import format_amount, format_money
from tillbell_agent.notify.templates import FIELDS
from tillbell_agent.notify.wording import WORDS, forms, method_key, word_of
from tillbell_protocol.errors import EncodeError
from tillbell_protocol.event import Transaction
from tillbell_protocol.iso4217 import decimal_places
from tillbell_protocol.pan import scrub
from tillbell_protocol.sms.segment import count_segments

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ANY_CODE = "000000"
_NO_NAME = "?"  # where a shop's name holds nothing that can be shown


@dataclass(frozen=True, slots=True)
class TextContext:
    """What a text says beside the transaction itself.

    ``seq`` counts the device's transactions; ``day_total_minor`` is the running net of the day in ``currency``, None
    if it is not known or not to be told; ``when`` is local, None if no clock was trusted; ``currency`` also stands for an amount without one.
    """

    merchant: str
    language: str
    seq: int
    currency: str
    when: datetime | None
    day_total_minor: int | None = None
    short_name: str | None = None


def render(
    transaction: Transaction,
    context: TextContext,
    code: Callable[[str], str],
    *,
    repeated: bool = False,
) -> str:
    """The text, always one segment. ``code`` maps the text without its six final digits to those digits.

    ``repeated``: the same text may have arrived already, and a mark in front says so. Raises EncodeError only if the
    context cannot be told at all: an unknown language, a code that is not six digits.
    """
    if context.language not in WORDS:
        raise EncodeError("language", f"no texts in {context.language!r}; there are: {', '.join(WORDS)}")
    values = _values(transaction, context)
    mark = WORDS[context.language].repeat if repeated else ""
    kind = word_of(transaction.kind, transaction.method)
    for text in _candidates(context.language, kind, values):
        finished = _finish(mark + text, context.language)
        if count_segments(finished + _ANY_CODE) == 1:
            return finished + _six_digits(code(finished))
    raise EncodeError("text", "not even the bare wording fits one segment")


def _candidates(language: str, kind: str, values: Mapping[str, str]) -> Iterator[str]:
    """Texts without their code, from the most to the least telling."""
    complete, terse, *shorter = forms(language, kind, "money" in values)
    yield complete.fill(values)
    yield terse.fill(values)
    for form in shorter:
        for above in (0, *form.ranks):
            yield form.fill(values, above=above)


def _finish(text: str, language: str) -> str:
    """What will be transmitted, but for the code: substitutions done, composed, no card number in it."""
    substituted = to_gsm7(text) if language == "en" else text
    return scrub(unicodedata.normalize("NFC", substituted))


def _six_digits(code: str) -> str:
    if len(code) != 6 or not (code.isascii() and code.isdigit()):
        raise EncodeError("check", "a check code is exactly six ASCII digits")
    return code


def _values(transaction: Transaction, context: TextContext) -> dict[str, str]:
    """Every field that is known, cleaned and bounded. ``check`` is empty: the code follows the finished text."""
    words = WORDS[context.language]
    currency = transaction.currency or context.currency
    known = {
        "merchant": context.merchant,
        "short_name": context.short_name or clip(clean(context.merchant, 40), FIELDS["short_name"]),
        "money": _money(transaction.amount_minor, currency, context.language),
        "currency": currency,
        "when": _when(context.when, context.language),
        "scheme": _word(transaction.scheme, words.schemes),
        "method": _word(method_key(transaction.method), words.methods),
        "last4": transaction.card.last4 if transaction.card else None,
        "seq": str(context.seq),
        "day_total": _money(context.day_total_minor, context.currency, context.language),
        "day_amount": _amount(context.day_total_minor, context.currency),
        "amount": _amount(transaction.amount_minor, currency),
        "reference": transaction.reference,
        "original": transaction.original_ref,
        "terminal": transaction.terminal_id,
        "result": transaction.result_code,
        "pending": None if transaction.final else words.pending,
    }
    cleaned = {name: clean(value, FIELDS[name]) for name, value in known.items() if value}
    nameless = {"merchant": _NO_NAME, "short_name": _NO_NAME, "check": ""}
    return nameless | {name: value for name, value in cleaned.items() if value}


def _money(minor: int | None, currency: str, language: str) -> str | None:
    return None if minor is None else format_money(minor, currency, language)


def _amount(minor: int | None, currency: str) -> str | None:
    exponent = decimal_places(currency)
    return None if minor is None or exponent is None else format_amount(minor, exponent)


def _word(value: str | None, words: Mapping[str, str]) -> str | None:
    """The language's word for a known scheme or method; another stands as the terminal printed it."""
    return None if value is None else words.get(value.lower(), value)


def _when(when: datetime | None, language: str) -> str | None:
    """``11-21 14:05`` in Chinese, ``21 Nov 14:05`` in English: no year, no zone, no locale."""
    if when is None:
        return None
    clock = f"{when.hour:02}:{when.minute:02}"
    if language == "zh":
        return f"{when.month:02}-{when.day:02} {clock}"
    return f"{when.day} {_MONTHS[when.month - 1]} {clock}"
