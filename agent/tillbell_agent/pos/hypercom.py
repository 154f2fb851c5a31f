"""The ``hypercom`` dialect: a till asks a card terminal for a payment, and the terminal's answer becomes a transaction.

Spoken under many names (LinkPOS in Thailand, BDO in the Philippines, CIMB in Malaysia, UOB and NETS in Singapore, banks
in Bolivia) by terminals whose message format goes back to Hypercom. There is no public standard; frames and fields are
those of the LinkPOS message specification 2.4 and of what integrators have published. Who speaks is told by the
message itself, so one tapped line, two, or both ends on one wire are read alike.

Limits. Most answers have no amount: it stands in the till's request, and where that was not heard the amount is
unknown. 36 is told as a pre-authorisation, though at some banks it is a sale with cash handed out. Points that are
redeemed (43) and tips that change a sale told before (28) are not told, nor are transaction codes without a known
meaning; each is ignored with its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tillbell_agent.pos import octet_fields as read
from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    SettlementHeard,
    TransactionCompleted,
)
from tillbell_agent.pos.hypercom_frames import Framer, Message, read_message
from tillbell_agent.pos.repeats import Repeats
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_protocol.event import Kind, Settlement, Transaction

FRAMING: Final = (
    "STX, the length of the data as four BCD digits, the data, ETX, and an LRC: the XOR of all octets from the length "
    "to ETX. The data are a header of twelve characters (60, two addresses of four digits, 1, and 0 for a request or 1 "
    "for an answer; NETS has a till's reference there), a transaction code, a response code and a digit, then FS and "
    "the fields: two characters of type, the length in BCD, the value, FS. Each end acknowledges the other's frame with "
    "ACK or NAK, and repeats its own up to three times where that does not come within about two seconds."
)
LINE_DEFAULTS: Final = "9600 8N1"
LAYOUTS: Final[Mapping[str, str]] = {
    "auto": "what the header shows: a Hypercom one, else NETS",
    "ecr": "only Hypercom headers: LinkPOS, BDO, CIMB, UOB, Bolivia",
    "nets": "only NETS headers: twelve characters of the till's own in front of the function code",
}
UNKNOWN_ON_ONE_LINE: Final = "The amount of a sale, unless this bank's terminals repeat it in field 40 of their answers; all else is known."
FIELDS: Final[Mapping[str, str]] = {
    "01": "approval code → authorisation code",
    "03 and 04": "date and time → the terminal's time",
    "16": "terminal's number → terminal",
    "30": "card number → its last four digits, cut before anything else sees it",
    "40": "amount in minor units, twelve digits or fewer → amount; the request's where the answer has none",
    "50": "batch → batch",
    "65": "invoice or trace number → receipt number; in a void also the sale that it voids",
    "97": "trace number (NETS) → trace number",
    "D1": "merchant's number → merchant",
    "GA": "of a request for instalments (22): amount, where it has no 40",
    "D2, L7": "issuer's or card's name → card scheme",
    "D3": "retrieval reference number → reference",
    "T2": "kind of NETS purchase: 03 is cash handed out, no sale; 04 is a code shown on a phone",
    "all others": "passed over unread: 31 expiry, D5 cardholder's name, D0 address, 02 text, EH cryptogram and the rest",
}

REQUEST_S = 300.0  # a customer may take minutes; a till that heard no answer by then has given up
REPEAT_S = 15.0  # three tries, two seconds each, and slow terminals
_SKIPPED_ENOUGH = 1000  # octets; a line that is never silent, at a wrong speed perhaps, must be told of too

_APPROVED = "00"
_ECR_KINDS: Final = {
    "20": Kind.SALE,
    "21": Kind.SALE,  # in instalments, OCBC
    "22": Kind.SALE,  # in instalments, BDO
    "23": Kind.VOID,  # of such a one
    "26": Kind.VOID,
    "27": Kind.REFUND,
    "31": Kind.SALE,  # 31 to 36: with UnionPay
    "32": Kind.VOID,
    "33": Kind.REFUND,
    "34": Kind.VOID,  # of a refund
    "35": Kind.SALE,  # offline
    "36": Kind.PREAUTH,  # at some banks a sale with cash handed out, which nothing tells from it
    "38": Kind.PREAUTH_COMPLETION,
    "41": Kind.SALE,  # in instalments, LinkPOS
    "50": Kind.SETTLEMENT,
    "70": Kind.SALE,
}
_NETS_KINDS: Final = {"30": Kind.SALE, "I0": Kind.SALE, "I5": Kind.SETTLEMENT}
_HEARTBEATS: Final = frozenset("D0 D1 55 80".split())  # asked all day long: not worth a word in the log
_NO_SALE: Final = {
    "28": "tip",
    "37": "card check",
    "43": "points redeemed",
    "71": "reprint",
    "72": "reprint",
    "73": "reprint",
}
_NAMING: Final = tuple(b"D3 65 01 30 40 03 97".split())
_VOIDED_REFUND = "34"  # gives money to the shop, which a void's amount would say the other way round
_BDO_INSTALMENTS = "22"
_CASH_OUT, _NETS_QR = b"03", b"04"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is kept of a till's request until its answer, the next request or ``REQUEST_S``."""

    kind: Kind | None
    amount_minor: int | None
    invoice: str | None
    purchase: bytes | None
    at: float


class Hypercom:
    """One terminal and its till. A ``Dialect``."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._layout = settings.layout
        self._currency = settings.currency
        self._framers = {line: Framer() for line in Line}
        self._asked: Asked | None = None
        self._repeats = Repeats(REPEAT_S)

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        """Hear ``data`` at ``now``. A tap of one line, or of both on one wire, is always the terminal's."""
        events = self.tick(now)
        if not data:
            return events
        framer = self._framers[line]
        frames = framer.feed(data, now)
        if frames or framer.skipped >= _SKIPPED_ENOUGH:
            events += self._skipped(framer)
        return events + self._on_frames(frames, line, now)

    def next_deadline(self) -> float | None:
        waiting = [at for framer in self._framers.values() if (at := framer.deadline) is not None]
        return min(waiting, default=None)

    def tick(self, now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for line, framer in self._framers.items():
            if (at := framer.deadline) is not None and now >= at:
                events += self._give_up(line, now)
        return events

    def unpair(self) -> None:
        """See ``Dialect``: an amount that only the till said is unknown then."""
        self._asked = None

    def close(self, now: float) -> list[DialectEvent]:
        """The cable is pulled: who speaks next has another request in mind."""
        events = [event for line in Line for event in self._give_up(line, now)]
        self._asked = None
        self._repeats.forget()
        return events

    def _give_up(self, line: Line, now: float) -> list[DialectEvent]:
        framer = self._framers[line]
        frames = framer.give_up()
        return self._skipped(framer) + self._on_frames(frames, line, now)

    def _on_frames(self, frames: list[bytes], line: Line, now: float) -> list[DialectEvent]:
        return [event for frame in frames for event in self._on_frame(frame, line, now)]

    def _skipped(self, framer: Framer) -> list[DialectEvent]:
        skipped = framer.count_skipped()
        return [Desynced(skipped, "no whole frame, or its LRC is wrong")] if skipped else []

    def _on_frame(self, data: bytes, line: Line, now: float) -> list[DialectEvent]:
        message = read_message(data, self._layout)
        if message is None:
            return [Ignored("a header of another layout")]
        if message.answer:
            return self._on_answer(message, hash(data), now)
        get = message.fields.get
        invoice = read.reference(get(b"65"), 12)
        self._asked = Asked(_kind(message), _asked_amount(message), invoice, get(b"T2"), now)
        self._repeats.asked(line)
        return []

    def _on_answer(self, message: Message, digest: int, now: float) -> list[DialectEvent]:
        if self._repeats.is_repeated(digest, now):
            return [Ignored("repeated frame")]
        if message.code in _HEARTBEATS:
            return []
        match _kind(message):
            case None:
                return [Ignored(_NO_SALE.get(message.code, "unknown transaction code"))]
            case Kind.SETTLEMENT:
                return self._on_settlement(message)
            case kind:
                return self._on_payment(message, kind, now)

    def _on_settlement(self, message: Message) -> list[DialectEvent]:
        if message.result != _APPROVED:
            return [Ignored("settlement refused")]
        get = message.fields.get
        settlement = Settlement(
            terminal_id=read.reference(get(b"16"), 8),
            merchant_id=read.merchant_id(get(b"D1")),
            batch=read.reference(get(b"50"), 12),
            terminal_time=read.moment(get(b"03"), get(b"04")),
        )
        known = (settlement.terminal_id, settlement.batch, settlement.terminal_time)
        return [SettlementHeard(settlement, _joined("settlement", *known) if any(known[1:]) else None)]

    def _on_payment(self, message: Message, kind: Kind, now: float) -> list[DialectEvent]:
        asked = self._asked_for(kind, now)
        purchase = message.fields.get(b"T2") or (asked.purchase if asked else None)
        if message.nets and purchase == _CASH_OUT:
            return [Ignored("cash handed out")]
        transaction = self._transaction(message, kind, asked, purchase)
        if message.result == _APPROVED and not _names_anything(message):
            return [Ignored("an answer without fields")]  # some terminals say so that they have begun
        self._asked = None
        return [TransactionCompleted(transaction, _key(transaction))]

    def _asked_for(self, kind: Kind, now: float) -> Asked | None:
        """The request that waits, if it is for such a thing: who asked for a sale may be paid with a code (70)."""
        asked = self._asked
        return asked if asked is not None and asked.kind is kind and now - asked.at <= REQUEST_S else None

    def _transaction(
        self, message: Message, kind: Kind, asked: Asked | None, purchase: bytes | None
    ) -> Transaction:
        get = message.fields.get
        amount = _amount(message, asked)
        receipt_no = read.reference(get(b"65"), 12)
        voided = (asked.invoice if asked else None) or receipt_no
        qr = message.code == "70" or (message.nets and purchase == _NETS_QR)
        return Transaction(
            kind=kind if message.result == _APPROVED else Kind.DECLINED,
            amount_minor=amount,
            currency=None if amount is None else self._currency,
            card=read.card(get(b"30")),
            terminal_time=read.moment(get(b"03"), get(b"04")),
            receipt_no=receipt_no,
            rrn=read.reference(get(b"D3"), 12),
            stan=read.reference(get(b"97"), 12),
            auth_code=read.reference(get(b"01"), 12),
            batch=read.reference(get(b"50"), 12),
            terminal_id=read.reference(get(b"16"), 8),
            merchant_id=read.merchant_id(get(b"D1")),
            scheme=read.name(get(b"D2") or get(b"L7"), 20),
            method="qr" if qr else None,
            result_code=message.result.strip() or None,
            original_ref=voided if kind is Kind.VOID else None,
        )


def _kind(message: Message) -> Kind | None:
    return (_NETS_KINDS if message.nets else _ECR_KINDS).get(message.code)


def _asked_amount(message: Message) -> int | None:
    """Tills that count in numbers leave the zeros in front of them off; in instalments GA holds the whole."""
    octets = message.fields.get(b"40")
    if octets is None and message.code == _BDO_INSTALMENTS:
        octets = message.fields.get(b"GA")
    return read.amount(octets.rjust(12, b"0")) if octets else None


def _amount(message: Message, asked: Asked | None) -> int | None:
    if message.code == _VOIDED_REFUND:
        return None
    octets = message.fields.get(b"40", b"")
    # Zeros are only in front of a number that they fill to twelve digits.
    said = read.amount(octets if octets.startswith(b"0") else octets.rjust(12, b"0"))
    return asked.amount_minor if said is None and asked is not None else said


def _names_anything(message: Message) -> bool:
    """Whether the answer itself says which payment it means."""
    return any(message.fields.get(kind, b"").strip(b" 0\0") for kind in _NAMING)


def _key(transaction: Transaction) -> str | None:
    """Never the amount: an answer that is heard again may stand there without the request that held it.

    A refusal may show the number of the next sale, so that number alone tells it from no other refusal.
    """
    one = transaction
    number = None if one.kind is Kind.DECLINED else one.receipt_no or one.stan
    numbered = number is not None and (one.batch or one.auth_code)
    if not (one.rrn or numbered or one.terminal_time):
        return None
    numbers = (one.terminal_id, one.batch, one.receipt_no, one.stan, one.rrn, one.auth_code)
    return _joined(one.kind.word, *numbers, one.terminal_time)


def _joined(*parts: str | datetime | None) -> str:
    texts = (part.isoformat() if isinstance(part, datetime) else part or "" for part in parts)
    return "|".join(texts)
