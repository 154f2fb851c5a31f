"""The ``zvt`` dialect: till and card terminal as they are spoken in Germany, Austria and Switzerland, over RS-232.

A till's command (06 01 sale, 06 31 refund …) opens an exchange, the terminal's status information 04 0F tells its
result, receipt lines follow, and 06 0F (stands) or 06 1E (does not) closes it: ECR interface ZVT, PA00P015 (commands and
fields) and PA00P016 (transport). What was told in 04 0F is kept until then, for ``COMPLETION_S`` of silence at most.

Limits. A command that no table knows is read by its answer alone. The released part of a reservation (06 23) stands in
the till's command, and what was booked is told only where the answer says another amount than that.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tillbell_agent.pos.dialect import (
    Desynced,
    DialectEvent,
    Ignored,
    Line,
    TransactionCompleted,
)
from tillbell_agent.pos.settings import DialectSettings, unknown_name
from tillbell_agent.pos.zvt_commands import (
    ABORT,
    ACCEPTED,
    COMPLETION,
    GOODS,
    INTERMEDIATE,
    PRINT_BLOCK,
    PRINT_LINE,
    STATUS,
    Other,
    Request,
    begins_exchange,
    data_of,
    read_request,
)
from tillbell_agent.pos.zvt_events import event_of, key_of, meaning_of, of_request
from tillbell_agent.pos.zvt_fields import Fields, read_fields
from tillbell_agent.pos.zvt_frames import FrameReader
from tillbell_agent.pos.zvt_receipt import printed_kind
from tillbell_protocol.event import Kind

FRAMING: Final = (
    "10 02, the APDU with each 10 doubled, 10 03, CRC-16/KERMIT over APDU and 03 with its low octet first. Between frames "
    "stand bare ACK (06) and NAK (15). An APDU is class, instruction, length (FF: two octets follow, low one first) and "
    "fields. What was not acknowledged within 5 s comes again."
)
FIELDS: Final[Mapping[str, str]] = {
    "04 amount": "amount, in minor units; where the status lacks it or has 0, the till's command has it. What the till says "
    "of the goods that it gave out (84 9D) goes before both",
    "49 currency": "currency, else the command's, else the configured one",
    "27 result code": "result code; other than 00 is declined",
    "0B trace number": "STAN, and part of what identifies the transaction",
    "87 receipt number, 88 turnover record": "receipt number (87), and part of what identifies the transaction",
    "0C time, 0D or AA date": "the terminal's time; 0D has no year",
    "22 PAN": "its last four digits",
    "29 terminal, 2A contract (VU) number": "terminal and merchant number",
    "3B authorisation": "authorisation code",
    "37 trace number of the original": "marks a reversal, and what it reverses",
    "8B name of the card type": "scheme",
    "60 totals": "marks a settlement; its transactions are counted",
    "0E expiry, 23 24 2D tracks, 3A CVV, 3D password, 2E A7 AF chip, D1 PIN data, 3C text, 06 container": "dropped unread",
    "06 D1, 06 D3 receipt text": "only its title is looked at, and nothing of it is kept",
}  # fmt: skip
UNKNOWN_ON_ONE_LINE: Final = (
    "The amount where the terminal leaves it out of its answer, and the kind where no receipt is printed through the till: "
    "a refund, a reservation and its booking then look like sales, and a reservation's release, if it has an amount, like a "
    "reversal. A receipt that is asked for again (06 20) is known by its numbers alone, and a payment that ends before the "
    "terminal tells a status is not heard of."
)
LAYOUTS: Final[Mapping[str, str]] = {"auto": "all terminals that speak ZVT over RS-232"}
LINE_DEFAULTS: Final = "9600 8N2"

# Silence after which a status without a completion is told, not final …
COMPLETION_S: Final = 60.0
# … and after which a command is forgotten, and what was told so can no longer be taken back by an abort.
ANSWER_S: Final = 300.0  # a customer may look for a card

_REVERSIBLE: Final = frozenset({Kind.SALE, Kind.PREAUTH_COMPLETION})


class Zvt:
    """One terminal. A ``Dialect``. Holds a frame per line, one command and one status, whatever is said."""

    def __init__(self, settings: DialectSettings) -> None:
        if settings.layout not in LAYOUTS:
            raise unknown_name("layout", settings.layout, LAYOUTS)
        self._currency = settings.currency
        self._both = (FrameReader(), FrameReader())  # the terminal's line, the till's
        self._last_heard = 0.0
        self._request: Request | None = None
        self._forget()

    def receive_data(self, data: bytes, now: float, line: Line = Line.TERMINAL) -> list[DialectEvent]:
        """Hear ``data`` at ``now``. A tap of both directions may give them as one line."""
        events = self.tick(now)
        reader = self._both[line is Line.TILL]
        for apdu in reader.feed(data, now):
            events += self._skipped(reader)
            self._last_heard = now
            events += self._on_apdu(apdu, line)
        return events

    def next_deadline(self) -> float | None:
        waits = [reader.deadline for reader in self._both]
        if self._pending:
            waits.append(self._last_heard + COMPLETION_S)
        return min((each for each in waits if each is not None), default=None)

    def tick(self, now: float) -> list[DialectEvent]:
        events: list[DialectEvent] = []
        for reader in self._both:
            deadline = reader.deadline
            if deadline is not None and now >= deadline:
                reader.abandon()
                events += self._skipped(reader)
        if now >= self._last_heard + COMPLETION_S:
            events += self._tell(final=False)
        if now >= self._last_heard + ANSWER_S:
            self._forget()
        return events

    def unpair(self) -> None:
        """See ``Dialect``: an amount that only the till said is unknown then."""
        self._request = None

    def close(self, now: float) -> list[DialectEvent]:  # noqa: ARG002
        events: list[DialectEvent] = []
        for reader in self._both:
            reader.abandon()
            events += self._skipped(reader)
        events += self._tell(final=False)
        self._forget()
        return events

    def _forget(self) -> None:
        """An exchange begins, or everything that was said is too old."""
        self._request = None
        self._pending: Fields | None = None
        self._issued: int | None = None
        self._printed: Kind | None = None
        self._told: TransactionCompleted | None = None

    @staticmethod
    def _skipped(reader: FrameReader) -> list[DialectEvent]:
        octets = reader.take_skipped()
        return [Desynced(octets, "octets outside of frames, or in damaged ones")] if octets else []

    # What is said, by its class and instruction.

    def _on_apdu(self, apdu: bytes, line: Line) -> list[DialectEvent]:
        code = int.from_bytes(apdu[:2], "big")
        if code in (ACCEPTED, INTERMEDIATE):
            return self._on_sign_of_a_command(code) if code == INTERMEDIATE or line is Line.TERMINAL else []
        data = data_of(apdu)
        if code in (PRINT_LINE, PRINT_BLOCK):
            self._printed = self._printed or printed_kind(code, data)
        elif code == STATUS:
            return self._on_status(read_fields(data))
        elif code == COMPLETION:
            return self._on_completion(read_fields(data))
        elif code == ABORT:
            return self._on_abort(data[:1].hex() or None)
        elif code == GOODS:
            self._issued = read_fields(data).amount
        elif begins_exchange(code):
            return self._on_request(read_request(code, data))
        return []

    def _on_request(self, request: Request) -> list[DialectEvent]:
        """A till commands only when the exchange before is over, so its end was not heard."""
        events = self._tell(final=False)
        self._forget()
        self._request = request
        return events

    def _on_sign_of_a_command(self, code: int) -> list[DialectEvent]:
        """Where no till is heard, that the terminal accepts a command ends the exchange before."""
        self._told = None
        if self._request is not None or code != ACCEPTED:
            return []
        events = self._tell(final=False)
        self._forget()
        return events

    def _on_status(self, status: Fields) -> list[DialectEvent]:
        """The result. The same one again is a repetition; another one in an exchange tells what became of the first."""
        why = meaning_of(status, self._request, None)
        if isinstance(why, Other | str):
            return [Ignored(why.value if isinstance(why, Other) else why)]
        if self._told is not None and self._told.key == key_of(status):
            return [Ignored("repeated status")]
        before, events = self._pending, []
        if before is not None and status.repeats(before):
            status = status.completed_by(before) if status.result == before.result else status
        elif before is not None and before.numbers and status.numbers:
            events = self._tell(final=False)
        self._pending, self._told = status, None
        return events

    def _on_completion(self, said: Fields) -> list[DialectEvent]:
        """What was told stands. Some terminals tell their number only here; it is no part of the key."""
        events = [_with_terminal(event, said.terminal_id) for event in self._tell(final=True)]
        self._forget()
        return events

    def _on_abort(self, result: str | None) -> list[DialectEvent]:
        """The exchange failed: what the status said does not stand, and what was told of it is taken back."""
        request, pending, told = self._request, self._pending, self._told
        self._forget()
        if pending is not None:
            return [self._aborted(pending, request, result)]
        if told is not None:
            return self._taken_back(told, result)
        return of_request(request, result, self._currency)

    # What is told.

    def _tell(self, *, final: bool) -> list[DialectEvent]:
        """The status that is kept, if there is one; from now on it is told."""
        status, self._pending = self._pending, None
        if status is None:
            return []
        kind = meaning_of(status, self._request, self._printed)
        issued = replace(status, issued=self._issued)
        event = event_of(issued, kind, self._request, self._currency, final=final)
        self._told = event if isinstance(event, TransactionCompleted) else None
        return [event]

    def _aborted(self, status: Fields, request: Request | None, result: str | None) -> DialectEvent:
        """Under the status's own key: asked for once more, it is no sale either."""
        failed = replace(status, result=result or "ff") if status.result == "00" else status
        event = event_of(failed, meaning_of(failed, request, None), request, self._currency, final=True)
        return replace(event, key=key_of(status)) if isinstance(event, TransactionCompleted) else event

    def _taken_back(self, told: TransactionCompleted, result: str | None) -> list[DialectEvent]:
        was = told.transaction
        if was.kind not in _REVERSIBLE:
            return [Ignored("aborted after it was told")]
        back = replace(
            was, kind=Kind.REVERSAL, result_code=result, original_ref=was.stan or was.receipt_no, final=True
        )
        return [replace(told, transaction=back, key=f"{told.key}|taken back" if told.key else None)]


def _with_terminal(event: DialectEvent, terminal_id: str | None) -> DialectEvent:
    if not isinstance(event, TransactionCompleted) or event.transaction.terminal_id is not None:
        return event
    return replace(event, transaction=replace(event.transaction, terminal_id=terminal_id))
