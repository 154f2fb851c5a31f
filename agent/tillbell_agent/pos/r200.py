"""The ``r200`` dialect: Malaysian bank terminals (Public Bank, Maybank and others), asked with C200, answering R200.

There is no public standard; commands and fields are those that integrators of Verifone and Castles terminals have
published. A card's answer has no amount: that stands in the till's request. A terminal may say that a try failed and
then that the payment was approved, so a refusal waits ``DOUBT_S`` for its approval before it is told.

Limits. Answers of another layout than the published ones are ignored with their reason, and so are voids of wallets'
payments, of which no layout is public. The terminal tells no time of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tillbell_agent.pos import octet_fields as read
from tillbell_agent.pos.dialect import DialectEvent, Ignored, Line, SettlementHeard, TransactionCompleted
from tillbell_agent.pos.r200_fields import (
    HEARTBEATS,
    KINDS,
    MAX_PAYLOAD_OCTETS,
    NO_SALE,
    Answer,
    Asked,
    read_amount_alone,
    read_answer,
    read_request,
    read_settlement,
)
from tillbell_agent.pos.repeats import Repeats
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_agent.pos.stx_etx import ACK, BothEnds
from tillbell_protocol.event import Kind, Settlement, Transaction
from tillbell_protocol.iso4217 import CODES

FRAMING: Final = (
    "The end that has something to say asks with ENQ and waits for ACK; then STX, a command of a letter and three "
    "digits, fields of fixed width, ETX, and an LRC: the XOR of all octets from the command to ETX. The other end answers "
    "ACK or NAK, and EOT ends the turn. A frame whose ACK is lost is repeated up to three times."
)
LINE_DEFAULTS: Final = "9600 8N1"
LAYOUTS: Final[Mapping[str, str]] = {"auto": "what the command and the shape of its fields show"}
UNKNOWN_ON_ONE_LINE: Final = "The amount of card and wallet payments and of refunds; voids and QR payments (Q200) have theirs in the answer."
FIELDS: Final[Mapping[str, str]] = {
    "command": "kind: 100 preauthorisation, 200, 205 and 290 sale, 201 void, 203 and 292 refund, 230 completion",
    "card number (19)": "its last four digits, cut before anything else sees it",
    "status (2)": "result code; all but 00 are refusals",
    "approval (6)": "authorisation code",
    "reference (12)": "reference",
    "trace (6)": "trace number; in a void also the sale that it voids",
    "batch (6)": "batch",
    "terminal (8), merchant (15)": "terminal, merchant",
    "application (14)": "card scheme, by the registered first ten characters",
    "amount (12), currency (3)": "amount in minor units; the request's where the answer has none",
    "R500: host, batch, count, amount": "a settlement for each host",
    "all others": "passed over unread: expiry, holder's name, certificate, wallet's account and the rest",
}

REQUEST_S = 300.0  # a customer may take minutes; tills wait two
REPEAT_S = 15.0
DOUBT_S = 30.0  # a card that could not be read is put in again sooner

_APPROVED = "00"
_SCHEMES: Final = {
    "A000000003": "visa",
    "A000000004": "mastercard",
    "A000000025": "amex",
    "A000000065": "jcb",
    "A000000152": "discover",
    "A000000333": "unionpay",
    "A000000615": "MyDebit",
}  # registered application provider identifiers, ISO/IEC 7816-5


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal that may turn out to be a first try."""

    event: TransactionCompleted
    code: bytes
    until: float


class R200:
    """One terminal and its till. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._currency = settings.currency
        self._ends = BothEnds(MAX_PAYLOAD_OCTETS, settings.idle_s)
        self._repeats = Repeats(REPEAT_S)
        self._asked: tuple[Asked, float] | None = None
        self._refused: _Refused | None = None

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        """Hear ``data`` at ``now``. A tap of one line, or of both on one wire, is always the terminal's."""
        events = self.tick(now)
        for heard in self._ends.feed(data, now, line) if data else ():
            if len(heard) > 1:
                events += self._on_payload(heard, now, line)
            elif heard == ACK:
                self._repeats.acknowledged(line)
        return events

    def next_deadline(self) -> float | None:
        refused = self._refused.until if self._refused else None
        waiting = [at for at in (self._ends.next_deadline(), refused) if at is not None]
        return min(waiting, default=None)

    def tick(self, now: float) -> list[DialectEvent]:
        events = self._ends.tick(now)
        if self._refused is not None and now >= self._refused.until:
            events += self._tell_refused()
        return events

    def unpair(self) -> None:
        """See ``Dialect``: an amount that only the till said is unknown then."""
        self._asked = None

    def close(self, now: float) -> list[DialectEvent]:  # noqa: ARG002
        """The cable is pulled: who speaks next has another request in mind."""
        events = self._ends.abandon() + self._tell_refused()
        self._asked = None
        self._repeats.forget()
        return events

    def _on_payload(self, payload: bytes, now: float, line: Line) -> list[DialectEvent]:
        asked, amount = read_request(payload), read_amount_alone(payload)
        if asked is not None:
            self._asked = (asked, now)
            self._repeats.asked(line)
            return self._tell_refused()
        if amount is not None:
            if self._asked is not None:
                self._asked = (replace(self._asked[0], amount=amount), now)
            return []
        answer = read_answer(payload)
        if answer is None:
            return [Ignored("unknown command")]
        if self._repeats.is_repeated(hash(payload), now):
            return [Ignored("repeated frame")]
        return self._on_settlement(payload) if answer.code == b"500" else self._on_answer(answer, now)

    def _on_settlement(self, payload: bytes) -> list[DialectEvent]:
        rows = read_settlement(payload)
        if rows is None:
            return [Ignored("fields that do not fit their command")]
        return [self._settled(row) for row in rows]

    def _settled(self, row: dict[str, bytes]) -> DialectEvent:
        if row["status"] != b"00":
            return Ignored("settlement refused")
        batch, count, amount = row["batch"].decode("ascii"), int(row["count"]), int(row["amount"])
        settlement = Settlement(batch=batch, count=count, amount_minor=amount, currency=self._currency)
        return SettlementHeard(
            settlement, f"settlement|{row['host'].decode('ascii')}|{batch}|{count}|{amount}"
        )

    def _on_answer(self, answer: Answer, now: float) -> list[DialectEvent]:
        if answer.code in HEARTBEATS:
            return []
        kind = KINDS.get(answer.code)
        if kind is None:
            return [Ignored(NO_SALE.get(answer.code, "unknown command"))]
        if answer.fields is None:
            return [Ignored("fields that do not fit their command")]
        transaction = self._transaction(kind, answer, answer.fields, self._asked_for(kind, now))
        event = TransactionCompleted(transaction, _key(transaction, answer.fields["host"]))
        if transaction.kind is Kind.DECLINED:
            return self._doubt(event, answer.code, now)
        if not (transaction.stan or transaction.rrn or transaction.auth_code):
            return [Ignored("an answer that names no payment")]
        before = self._tell_refused(unless=event, code=answer.code)
        self._asked = None
        return [*before, event]

    def _doubt(self, event: TransactionCompleted, code: bytes, now: float) -> list[DialectEvent]:
        before = self._tell_refused(unless=event, code=code)
        self._refused = _Refused(event, code, now + DOUBT_S)
        return before

    def _tell_refused(
        self, unless: TransactionCompleted | None = None, code: bytes | None = None
    ) -> list[DialectEvent]:
        """The refusal that waits, if any; not where ``unless`` is what became of the same payment."""
        refused, self._refused = self._refused, None
        if refused is None:
            return []
        if unless is not None and refused.code == code and _may_be_one(refused.event, unless):
            return [Ignored("first try")]
        return [refused.event]

    def _asked_for(self, kind: Kind, now: float) -> Asked | None:
        """The request that waits, if it is for such a thing: who asked for a sale may be paid from a wallet."""
        if self._asked is None:
            return None
        asked, at = self._asked
        return asked if KINDS.get(asked.code) is kind and now - at <= REQUEST_S else None

    def _transaction(
        self, kind: Kind, answer: Answer, fields: dict[str, bytes], asked: Asked | None
    ) -> Transaction:
        get = fields.get
        amount = read.amount(get("amount")) or (read.amount(asked.amount) if asked else None)
        status = fields["status"].decode("ascii")
        trace = read.reference(get("trace"), 6)
        voided = (read.reference(asked.trace, 6) if asked else None) or trace
        by_code = answer.family != b"R" or answer.code in {b"290", b"292"}
        return Transaction(
            kind=kind if status == _APPROVED else Kind.DECLINED,
            amount_minor=amount,
            currency=None if amount is None else self._currency_of(get("currency")),
            card=read.card(get("pan")),
            rrn=read.reference(get("rrn"), 12),
            stan=trace,
            auth_code=read.reference(get("approval"), 6),
            batch=read.reference(get("batch"), 6),
            terminal_id=read.reference(get("tid"), 8),
            merchant_id=read.merchant_id(get("mid")),
            scheme=_SCHEMES.get(fields["aid"][:10].decode("ascii")) if "aid" in fields else None,
            method="qr" if by_code else None,
            result_code=status,
            original_ref=voided if kind is Kind.VOID else None,
        )

    def _currency_of(self, letters: bytes | None) -> str:
        said = (letters or b"").decode("ascii")
        return said if said in CODES else self._currency


def _may_be_one(refused: TransactionCompleted, other: TransactionCompleted) -> bool:
    """Whether no number of the refusal, where it has one, is another than that of what followed."""
    pairs = (
        (getattr(refused.transaction, name), getattr(other.transaction, name))
        for name in ("stan", "rrn", "batch", "terminal_id", "card")
    )
    return all(mine is None or mine == yours for mine, yours in pairs)


def _key(transaction: Transaction, host: bytes) -> str | None:
    """Never the amount: an answer that is heard again may stand there without the request that held it.

    A refusal takes no trace number, so without a reference two refusals could not be told apart.
    """
    one = transaction
    numbered = one.stan and one.batch and one.kind is not Kind.DECLINED
    if not (one.rrn or numbered):
        return None
    parts = (
        one.kind.word,
        one.terminal_id,
        host.decode("ascii"),
        one.batch,
        one.stan,
        one.rrn,
        one.auth_code,
    )
    return "|".join(part or "" for part in parts)
