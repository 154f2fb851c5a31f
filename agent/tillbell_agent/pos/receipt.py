"""The printed lines of one job become a transaction, a settlement, or the reason why it is neither.

Only explicitly labelled fields leave; a card number leaves as its last four digits, and expiry dates, names and whole
numbers never. What a receipt does not say for certain is None: a card slip without a readable amount is a transaction
of unknown amount, a till receipt without a total is no transaction.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from tillbell_agent.pos.dialect import DialectEvent, Ignored, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.fields import MASKED_CARD, FieldFinder, Labelled, LineShape, normal_line
from tillbell_agent.pos.identity import identity, key_of
from tillbell_agent.pos.labels import BUILT_IN, ReceiptLabels
from tillbell_agent.pos.money import PrintedAmount, exponent, read_amount
from tillbell_agent.pos.printed_time import PrintedTime, find_time, tells_time
from tillbell_agent.pos.receipt_profile import read_profile
from tillbell_agent.pos.receipt_values import code_in, is_damaged, may_be_title, number_in, scheme_in
from tillbell_agent.pos.settings import DialectSettings
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.pan import TruncatedPan, scrub, scrub_merchant_id

# Which label's amount counts, first to last; two fields in one row have the same rank.
_RANKS = (("paid",), ("refund_total", "void_total"), ("due",), ("total",), ("refund", "void"), ("amount",))
_RANK = {field: rank for rank, row in enumerate(_RANKS) for field in row}
_KIND_OF_AMOUNT = {
    "refund_total": Kind.REFUND,
    "refund": Kind.REFUND,
    "void_total": Kind.VOID,
    "void": Kind.VOID,
}
# What a transaction type or a title means, the more particular before the more general.
_KINDS = (
    ("completion", Kind.PREAUTH_COMPLETION),
    ("void", Kind.VOID),
    ("refund", Kind.REFUND),
    ("reversal", Kind.REVERSAL),
    ("preauth", Kind.PREAUTH),
)
# ISO 8583's answers (field 39) that say no, on whatever network.
_REFUSALS = frozenset("03 04 05 12 13 14 15 30 41 43 51 54 55 57 58 61 62 65 75 91 96".split())
_DAMAGED_CARD = re.compile(r"[\d*#•·xXE .\-]*\ufffd")
# "20% $2.85 Total: $17.10": what a tip would make of it.
_SHARE = re.compile(r"(?i:\W{0,5}(?:tip\W{0,3})?)\d{1,2}(?:[.,]\d)?\s?%")
_SETTLED = re.compile(r"closed|success|report|bericht|abschluss|schnitt|成功|报表|日报|总计单|结算单", re.I)
_EMPHATIC = re.compile(r"^[*=#\-<>\s]*[*=#\-<>]{2}|refunded|refund receipt|credit note|退货单|退款单", re.I)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The amount that counts: None where its label stood there and the number cannot be read."""

    amount: PrintedAmount | None
    field: str
    row: int


class ReadRow(NamedTuple):
    """One line and what was recognised there. ``is_amount``: the amount that counts is its; ``time``: it tells one."""

    line: str
    labelled: tuple[Labelled, ...]
    titles: frozenset[str]
    is_amount: bool
    time: bool
    shape: LineShape


@lru_cache(maxsize=4)
def _finder(labels: ReceiptLabels) -> FieldFinder:
    """One finder for all sources with the same labels: its trees of words take nearly a megabyte and 30 ms."""
    return FieldFinder(labels)


class ReceiptReader:
    """Reads the jobs of one source. Build it once: it compiles the words of ``settings``."""

    def __init__(self, settings: DialectSettings) -> None:
        profile = read_profile(settings.spec) if settings.spec else {}
        self._finder = _finder(BUILT_IN.extended(profile).extended(settings.labels))
        self._settings = settings

    def read(self, printed: list[str]) -> DialectEvent | None:
        """What the job is; None where nothing was printed."""
        lines = [line for line in map(normal_line, printed) if line]
        if not lines:
            return None
        return self._told(Receipt(lines, self._finder, self._settings))

    def _told(self, receipt: "Receipt") -> DialectEvent:
        """A reader that explains itself looks at ``receipt`` here."""
        return receipt.settlement() or receipt.refused() or receipt.transaction()

    def copy_content(self, printed: list[str]) -> tuple[bool, int]:
        """Whether a copy is named on the job, and a value equal for jobs that differ only in those names.

        The value holds for this process only, and no text can be had from it.
        """
        lines = [line for line in map(normal_line, printed) if line]
        plain = [line for line in lines if "copy" not in self._finder.title(line, self._finder.shape(line))]
        return len(plain) < len(lines), hash(tuple(plain))


class Receipt:
    """One job while it is read."""

    def __init__(self, lines: list[str], finder: FieldFinder, settings: DialectSettings) -> None:
        self._lines, self._finder, self._settings = lines, finder, settings
        self._shapes = [finder.shape(line) for line in lines]
        self._fields: dict[str, list[Labelled]] = {}
        for item in finder.labelled(lines, self._shapes):
            self._fields.setdefault(item.field, []).append(item)
        self._first_price = next((at for at, shape in enumerate(self._shapes) if shape.priced), len(lines))
        titles = [finder.title(line, shape) for line, shape in zip(lines, self._shapes, strict=True)]
        head = self._first_amount()
        self._titles = [
            named if row < head or "weak" not in named else frozenset() for row, named in enumerate(titles)
        ]
        self._named = frozenset().union(*self._titles)

    def _first_amount(self) -> int:
        """The row of the first price, or of the first amount behind a label."""
        labelled = (item for field in _RANK for item in self._fields.get(field, []))
        read = ((item.row, self._amount(item)) for item in labelled)
        rows = (row for row, amount in read if amount is not None and (amount.clean or amount.marked))
        return min([self._first_price, *rows])

    def rows(self) -> list[ReadRow]:
        """What was recognised in each line."""
        chosen = self._chosen()
        items = [item for found in self._fields.values() for item in found]
        return [
            ReadRow(
                line,
                tuple(
                    sorted(
                        (item for item in items if item.row == row), key=lambda item: line.find(item.label)
                    )
                ),
                self._titles[row],
                chosen is not None and chosen.row == row,
                tells_time(line, self._labels_in(row), self._finder.unknown),
                self._shapes[row],
            )
            for row, line in enumerate(self._lines)
        ]

    def refused(self) -> Ignored | None:
        """Why this job can be no new transaction, by its titles alone."""
        for word, why in (
            ("reprint", "reprint"),
            ("not_paid", "not paid"),
            ("order", "order ticket"),
            ("test", "test"),
        ):
            if word in self._named:
                return Ignored(why)
        return None

    def settlement(self) -> SettlementHeard | None:
        """Its title stands above every price, or says that it is done: BATCH TOTAL below may name one sale's batch."""
        rows = [
            row
            for row, named in enumerate(self._titles)
            if "settlement" in named and "completion" not in named
        ]
        titled = any(row < self._first_price or _SETTLED.search(self._lines[row]) for row in rows)
        classes = self._type_classes()
        if not titled and ("settlement" not in classes or "completion" in classes):
            return None
        chosen, time = self._chosen(), self._time()
        amount = chosen.amount if chosen else None
        count = self._id("count")
        heard = Settlement(
            terminal_id=self._id("terminal_id"),
            merchant_id=self._id("merchant_id"),
            batch=self._id("batch"),
            count=int(count) if count and count.isascii() and count.isdigit() else None,
            amount_minor=amount.minor if amount else None,
            currency=amount.currency if amount else None,
            terminal_time=time.value if time else None,
        )
        unique = heard.batch or (time and time.seconds)
        parts = (
            heard.terminal_id,
            "settlement",
            heard.batch,
            heard.amount_minor,
            time.digits if time else None,
        )
        return SettlementHeard(heard, key_of(*parts) if unique else None)

    def transaction(self) -> DialectEvent:
        classes = self._type_classes()
        if "preauth_cancel" in classes | self._named:
            return Ignored("pre-authorisation cancelled")
        if "no_sale" in classes | self._named:
            return Ignored("no transaction")
        chosen, card, time = self._chosen(), self._card(), self._time()
        kind = self._kind(classes, chosen)
        if chosen is None and not self._is_card_slip(classes, card, kind):
            return Ignored("no amount")
        amount = chosen.amount if chosen else None
        method = self._method()
        transaction = Transaction(
            kind=kind,
            amount_minor=amount.minor if amount else None,
            currency=amount.currency if amount else self._settings.currency,
            card=card,
            terminal_time=time.value if time else None,
            receipt_no=self._id("receipt_no") or self._id("wallet_no"),
            rrn=self._id("rrn"),
            stan=self._id("stan"),
            auth_code=self._code("auth_code"),
            batch=self._id("batch"),
            terminal_id=self._id("terminal_id"),
            merchant_id=self._id("merchant_id"),
            scheme=self._scheme(method),
            method=method,
            result_code=self._code("result"),
            original_ref=self._id("original_ref"),
        )
        return TransactionCompleted(transaction, identity(transaction, time, self._id("wallet_no")))

    def _type_classes(self) -> set[str]:
        found: set[str] = set()
        for item in self._fields.get("kind", []):
            found |= self._finder.classes(item.value or item.below)
        return found

    def _kind(self, classes: set[str], chosen: _Chosen | None) -> Kind:
        """The type that the slip states, else its title, else the label of its amount, else the amount's sign."""
        if "declined" in self._named or self._is_refused():
            return Kind.DECLINED
        for word, kind in _KINDS:
            if word in classes:
                return kind
        if "sale" not in classes:
            for word, kind in _KINDS:
                rows = (row for row, named in enumerate(self._titles) if word in named)
                if any(self._is_heading(row, chosen, word) for row in rows):
                    return kind
            if chosen and chosen.field in _KIND_OF_AMOUNT:
                return _KIND_OF_AMOUNT[chosen.field]
        return Kind.REFUND if chosen and chosen.amount and chosen.amount.negative else Kind.SALE

    def _is_refused(self) -> bool:
        """By the answer's code; a shop's RC may be the number of a receipt."""
        said = [item for item in self._fields.get("result", []) if item.label.casefold() != "rc"]
        return any(code_in(item) in _REFUSALS for item in said)

    def _is_heading(self, row: int, chosen: _Chosen | None, word: str) -> bool:
        """Not where a code stands behind AUTH, nor between the first price and the total, where VOID and RETURN speak
        of one article, nor in the foot of a till's receipt, where RETURN heads the shop's rules."""
        if any(item.row == row and not may_be_title(item) for item in self._fields.get("auth_code", [])):
            return False
        if row < self._first_price or chosen is None:
            return True
        if word == "preauth" and any(item.row == row for item in self._fields.get("auth_code", [])):
            return False  # AUTHORIZATION above the line on which somebody signs
        rules = word == "refund" and chosen.field != "amount" and not _EMPHATIC.search(self._lines[row])
        return row > chosen.row and not rules

    def _is_card_slip(self, classes: set[str], card: TruncatedPan | None, kind: Kind) -> bool:
        stated = (
            bool(classes & {"sale", "completion", "void", "refund", "reversal", "preauth"})
            or kind is Kind.DECLINED
        )
        authorised = card is not None and bool(self._code("auth_code") or self._id("rrn"))
        return authorised or (stated and bool(card or self._id("terminal_id") or self._id("rrn")))

    def _chosen(self) -> _Chosen | None:
        """The amount of the highest rank that has one; a bare number counts only where no surer one stands."""
        ranks = (
            (*_RANKS[1:], _RANKS[0]) if self._change() else _RANKS
        )  # what was paid is more than the total then
        for sure in (True, False):
            for row in ranks:
                found = [item for field in row for item in self._fields.get(field, [])]
                found = [item for item in found if not _SHARE.match(self._lines[item.row])]
                best = self._best([(item, self._amount(item)) for item in found], sure)
                if best is not None:
                    return self._received(best)
        received = self._best([(item, self._amount(item)) for item in self._fields.get("received", [])], True)
        if received is not None and self._change():
            return _Chosen(None, "received", received.row)
        return received

    def _best(self, found: list[tuple[Labelled, PrintedAmount | None]], sure: bool) -> _Chosen | None:
        usable = [
            (amount.clean, amount.currency == self._settings.currency, item.row, item, amount)
            for item, amount in found
            if amount is not None and self._counts(item, amount, sure)
        ]
        if usable:
            *_, item, amount = max(usable, key=lambda one: one[:3])
            return _Chosen(amount, item.field, item.row)
        damaged = [item for item, amount in found if sure and amount is None and is_damaged(item)]
        return _Chosen(None, damaged[-1].field, damaged[-1].row) if damaged else None

    @staticmethod
    def _counts(item: Labelled, amount: PrintedAmount, sure: bool) -> bool:
        if item.field in _KIND_OF_AMOUNT and amount.minor == 0:
            return False
        if sure or amount.marked:
            return sure and amount.marked
        if exponent(amount.currency) == 0:
            return amount.clean and amount.minor >= 100
        return amount.clean and item.field not in ("total", "refund", "void")  # "TOTAL 3" may count articles

    def _amount(self, item: Labelled) -> PrintedAmount | None:
        read = read_amount(item.value, self._settings.currency, self._settings.decimal)
        if read is None and not item.value and item.below:
            read = read_amount(item.below, self._settings.currency, self._settings.decimal)
            return read if read is not None and read.clean else None
        return read

    def _received(self, chosen: _Chosen) -> _Chosen:
        """A total that was not wholly paid counts as what was received, where no change was given."""
        received = self._best([(item, self._amount(item)) for item in self._fields.get("received", [])], True)
        if chosen.amount is None or received is None or received.amount is None or self._change():
            return chosen
        less = not chosen.amount.negative and 0 < received.amount.minor < chosen.amount.minor
        return received if less and received.amount.currency == chosen.amount.currency else chosen

    def _change(self) -> bool:
        amounts = (self._amount(item) for item in self._fields.get("change", []))
        return any(amount is not None and amount.minor > 0 for amount in amounts)

    def _id(self, field: str) -> str | None:
        """The first value of ``field`` that holds a digit; a value that is a card number leaves truncated."""
        for item in self._fields.get(field, []):
            number = number_in(item)
            if number and any(character.isdigit() for character in number) and len(number) <= 40:
                return (scrub_merchant_id if field == "merchant_id" else scrub)(number)
        return None

    def _code(self, field: str) -> str | None:
        for item in self._fields.get(field, []):
            code = code_in(item)
            if code and (any(c.isdigit() for c in code) or (len(code) == 6 and code.isupper())):
                return code
        return None

    def _time(self) -> PrintedTime | None:
        """The labelled time, else the first one on lines that say nothing else; never that of an expiry or an offer."""
        expiries = {item.row for item in self._fields.get("expiry", [])}
        labelled = [item.value or item.below for item in self._fields.get("time", [])]
        lines = (
            line
            for row, line in enumerate(self._lines)
            if row not in expiries and tells_time(line, self._labels_in(row), self._finder.unknown)
        )
        currency, order = self._settings.currency, self._settings.date_order
        return find_time(labelled, currency, order) or find_time(lines, currency, order)

    def _labels_in(self, row: int) -> list[str]:
        return [item.label for items in self._fields.values() for item in items if item.row == row]

    def _card(self) -> TruncatedPan | None:
        for item in self._fields.get("card", []):
            text = item.value or item.below
            card = None if _DAMAGED_CARD.match(text) else TruncatedPan.from_printed(text)
            if card is not None:
                return card
        for line, shape in zip(self._lines, self._shapes, strict=True):
            match = MASKED_CARD.search(line) if shape.masked else None
            if match and (sum(c in "*#•·xX" for c in match.group()) >= 6 or scheme_in(line)):
                return TruncatedPan(match["tail"]) if match["tail"].isascii() else None
            if (tail := re.search(r"\*{4}(\d{4})", scrub(line))) and scheme_in(line):
                return TruncatedPan(tail[1])
        return None

    def _method(self) -> str | None:
        """How it was paid, as printed: a method with its amount, or behind a label of payment."""
        payments = {item.row for item in self._fields.get("payment", [])}
        for item in self._fields.get("method", []):
            amount = self._amount(item)
            if item.row in payments or (amount is not None and amount.marked and amount.minor):
                return item.label
        cards = [item for item in self._fields.get("method", []) if MASKED_CARD.match(item.value)]
        return cards[0].label if cards else None

    def _scheme(self, method: str | None) -> str | None:
        lines = [item.value or item.below for item in self._fields.get("scheme", [])]
        lines += [line for line, shape in zip(self._lines, self._shapes, strict=True) if shape.masked]
        for text in [*lines, method or ""]:
            if scheme := scheme_in(text):
                return scheme
        return None
