"""The durable point: one transaction holds a sale's ledger row, counter, sealed octets and every message it owes.

Before the commit nothing has happened; after it nothing can be lost. Who may forget (a bridge, a modem's storage)
is told only then.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillbell_agent import bridge_rows, retention
from tillbell_agent.bridge_rows import Mark
from tillbell_agent.config import Config, RecipientConfig
from tillbell_agent.database import (
    DamagedStoreError,
    StoreError,
    keep,
    open_database,
    recall,
    transaction,
    truncate_wal,
)
from tillbell_agent.inbox import Inbox
from tillbell_agent.ledger import Entry, Ledger
from tillbell_agent.moment import EARLIEST_TRUSTED, Moment
from tillbell_agent.notify.sealed import in_table_words
from tillbell_agent.notify.text import TextContext, render
from tillbell_agent.notify.wording import WORDS
from tillbell_agent.outbox import LONGEST_PAUSE_S, Draft, Message, Outbox, State
from tillbell_agent.pairings import Pairings, Place, Sealed
from tillbell_agent.pos.dialect import SettlementHeard, TransactionCompleted, says_no_other
from tillbell_agent.rescue import Rescued, rescue
from tillbell_agent.shell.host import differs
from tillbell_protocol.check import CODE_DIGITS, check_code
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.event import MONEY_SIGN, Transaction
from tillbell_protocol.pan import scrub
from tillbell_protocol.payload import fit_payload
from tillbell_protocol.ratchet import CountersExhaustedError
from tillbell_protocol.seal import MAX_ONE_ARMORED_PAYLOAD, MAX_PAYLOAD

_DAY_S = 86_400
# A text about a sale is worth little after three days; sealed messages carry the books and wait out a long outage.
_LIFETIME_S = {"text": 3 * _DAY_S, "sealed": 35 * _DAY_S, "armored": 35 * _DAY_S}
_WIPE_TEXT_AFTER_S = 2 * _DAY_S
# A second copy is printed within a minute or two of the first, or it is no copy.
_COPY_WITHIN_S = 120
# Held messages are sealed in steps, each a transaction of its own, so that a long queue never stalls the line.
RELEASE_STEP = 20
# A shop that was closed for longer has its old rows a day longer.
_LEAP_S = 30 * _DAY_S
_HOUSE_AT = "house_at"
# Sequence numbers are reserved in the second place so many at a time: a copy of the store that is restored after more
# sales than these gives none of them again.
SEQ_BLOCK = 16


@dataclass(slots=True)
class Register:
    """Writes what was heard and what is owed. ``random`` gives octets for keys of unpaired recipients.

    ``open_store`` opens the one that takes a damaged store's place.
    """

    connection: sqlite3.Connection
    config: Config
    pairings: Pairings
    signing_seed: bytes
    host: dict[str, str]
    random: Callable[[int], bytes]
    open_store: Callable[[Path], sqlite3.Connection] = open_database
    ledger: Ledger = field(init=False)
    outbox: Outbox = field(init=False)
    inbox: Inbox = field(init=False)
    wal_to_truncate: bool = False
    more_held: bool = True
    damaged: bool = False  # until ``repair``
    alarm: str | None = None  # what happened to the store, in words

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.connection)
        self.outbox = Outbox(self.connection)
        self.inbox = Inbox(self.connection)

    def use(self, connection: sqlite3.Connection) -> None:
        """Go on with another store: the one before was damaged. What is reserved stays reserved."""
        self.connection = connection
        self.pairings = self.pairings.on(connection)
        self.ledger = Ledger(connection)
        self.outbox = Outbox(connection, self.outbox)
        self.inbox = Inbox(connection, self.inbox.on_message)
        self.more_held = True

    def repair(self) -> Rescued:
        """The store is damaged: another takes its place, with what could be saved. Raises StoreError."""
        self.connection.close()
        state_dir = self.config.state_dir
        try:
            rescued = rescue(state_dir)
            self.use(self.open_store(state_dir))
            self.catch_up(numbers_known=rescued.numbers_known)
        except OSError as error:
            raise StoreError(f"the damaged store cannot be replaced: {error}. Check the disk (df)") from error
        self.damaged, self.alarm = False, rescued.words()
        return rescued

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Of what comes from a terminal's line: a listener waits with it, and only ``damaged`` says for what."""
        try:
            with transaction(self.connection):
                yield
        except DamagedStoreError:
            self.damaged = True
            raise

    def catch_up(self, *, numbers_known: bool = True) -> str | None:
        """Leave out the sequence numbers that an older or damaged copy of this store may have given; why, in words."""
        reserved, last = self.pairings.second_place.seq(), self.ledger.last_seq()
        if reserved <= last or (numbers_known and last and reserved - last <= SEQ_BLOCK):
            return None
        with transaction(self.connection):
            self.ledger.skip_to(reserved)
        return (
            f"the store remembered number {last}, but numbers up to {reserved} may have been told: it was restored "
            f"from a copy, or damaged. The next sale is number {reserved + 1}"
        )

    def hear(
        self, source: str, heard: TransactionCompleted, currency: str, now: Moment, mark: Mark | None = None
    ) -> Entry | None:
        """Make a transaction durable with all its messages, and where it stands in a bridge's log; None: told before."""
        with self._transaction():
            bridge_rows.put(self.connection, mark)
            if heard.fragment and self._is_rest_of_newest(source, heard.transaction, now):
                return None
            entry = self.ledger.record(source, heard.key, heard.transaction, currency, now)
            if entry is None:
                return None
            self._reserve_seq(entry.seq or 0)
            sealed = [self._owe(recipient, entry, now) for recipient in self._owed(heard.transaction)]
        if any(sealed):
            self.more_held = True  # what can be sealed now may have waited before
            self.erase()
        return entry

    def hear_settlement(
        self, source: str, heard: SettlementHeard, currency: str, now: Moment, mark: Mark | None = None
    ) -> bool:
        """Keep a settlement, and where it stands in a bridge's log; nobody is told. False: heard before."""
        with self._transaction():
            bridge_rows.put(self.connection, mark)
            return self.ledger.record_settlement(source, heard.key, heard.settlement, currency, now)

    def write_to(self, recipient: RecipientConfig, text: str, message_class: str, now: Moment) -> int:
        """Queue a readable text that is no sale's (``send``, ``send-test``), scrubbed; returns the message's id."""
        draft = self._draft(recipient, None, message_class, scrub(text).encode(), fmt="text")
        with transaction(self.connection):
            return self.outbox.put(draft, now.unix)

    def release_held(self, now: Moment) -> int:
        """Seal what waited for a pairing, oldest first, at most ``RELEASE_STEP`` a recipient; returns how many.

        ``more_held`` then says whether another call is worth while.
        """
        released = 0
        for recipient in self.config.recipients:
            if recipient.format == "text" or self.why_held(recipient.name) is not None:
                continue
            with transaction(self.connection):
                held = self.outbox.held(recipient.name, RELEASE_STEP)
                filled = [self._fill(recipient, message, now) for message in held]
            released += sum(filled)
        if released:
            self.erase()
        self.more_held = released > 0
        return released

    def repeat_due(self, now: Moment) -> int | None:
        """Repeat, marked, what no report has settled in time; seconds until the next one's time comes, if there is one."""
        with transaction(self.connection):
            for message in self.outbox.to_repeat():
                wait_s = message.not_before - now.unix
                if 0 < wait_s <= LONGEST_PAUSE_S:
                    return wait_s
                self.repeat_text(message, now.unix, now)
        return None

    def repeat_text(self, message: Message, not_before: int, now: Moment) -> None:
        """Queue a text once more, marked as a repetition; inside the caller's transaction."""
        self.outbox.repeat(message.id, self._repeated(message, now), not_before, now.unix)

    def _repeated(self, message: Message, now: Moment) -> bytes:
        """The body of a repetition: a sale's text told anew with its mark, other words as they were behind it."""
        recipient = next((each for each in self.config.recipients if each.name == message.recipient), None)
        if message.format != "text" or message.body is None:
            return message.body or b""
        if recipient is not None and message.ledger_id is not None:
            try:
                return self._text(
                    recipient, self.ledger.entry(message.ledger_id), now, repeated=True
                ).encode()
            except KeyError:
                pass  # its sale was lost with a damaged store: the same words again are better than none
        mark = WORDS[(recipient and recipient.language) or self.config.device.language].repeat
        text = message.body.decode("utf-8", "replace")
        if text.startswith(mark):
            return message.body
        if message.ledger_id is None:
            return (mark + text).encode()
        before = mark + text[:-CODE_DIGITS]  # a sale's text ends with its code, which covers the mark as well
        return (before + check_code(self._check_key(message.recipient), before)).encode()

    def why_held(self, recipient: str) -> str | None:
        """Why nothing can be sealed for a recipient, in words; None: it can."""
        pairing = self.pairings.of(recipient)
        if pairing is not None and self.pairings.is_exhausted(pairing):
            return f"all counters of this pairing are used: pair {recipient} again"
        if pairing is None:
            return f"not paired: run tillbell pair --recipient {recipient} --card TBC1.…"
        changed = differs(pairing.host, self.host)
        if changed is not None:
            return f"this board is not the one that was paired ({changed} differs): pair {recipient} again"
        return None

    def erase(self) -> None:
        """Cut the WAL, which holds the chain values just replaced; tried again at every turn until it is done."""
        self.wal_to_truncate = not truncate_wal(self.connection)

    def clock_set(self, by: int, now: Moment) -> None:
        """The wall clock was set by ``by`` seconds, to ``now``, while the agent ran: what waits, waits as long as before."""
        was_trusted = now.unix - by >= EARLIEST_TRUSTED
        with transaction(self.connection):
            retention.clock_set(self.connection, by, was_trusted=was_trusted)
            self.inbox.clock_set(by, was_trusted=was_trusted)
            self.outbox.segments.clock_set(by, was_trusted=was_trusted)
        self.outbox.segments.compare_anew(now.unix)
        self.outbox.revision += 1

    def keep_house(self, now: Moment, steady_s: float = math.inf) -> None:
        """Expire, wipe and forget what is due; cheap, called rarely.

        ``steady_s``: how long the wall clock has run without being set. One that has leapt by weeks since the last time
        erases nothing before it has run for a day: somebody may find it wrong.
        """
        if not now.trusted:
            return
        last = recall(self.connection, _HOUSE_AT)
        if last is not None and abs(now.unix - last) > _LEAP_S and steady_s < _DAY_S:
            return
        oldest = now.day - timedelta(days=self.config.ledger_days)
        with transaction(self.connection):
            retention.expire(self.connection, now.unix)
            retention.forget(self.connection, now.unix - self.config.ledger_days * _DAY_S, now.unix)
            retention.wipe(self.connection, now.unix - _WIPE_TEXT_AFTER_S, now.unix)
            self.ledger.forget_before(oldest.isoformat())
            keep(self.connection, _HOUSE_AT, now.unix)
            self.inbox.keep_house(now.unix, self.config.ledger_days * _DAY_S)
        self.erase()

    def _reserve_seq(self, seq: int) -> None:
        """The second place knows of a number before anybody is told it; asked once in ``SEQ_BLOCK`` sales."""
        if seq > self.pairings.second_place.seq():
            self.pairings.second_place.reserve_seq(seq + SEQ_BLOCK - 1)

    def _is_rest_of_newest(self, source: str, fragment: Transaction, now: Moment) -> bool:
        """Whether this is the end of another copy of what was heard last, cut off by a start of the agent or its line."""
        if not (fragment.reference or fragment.auth_code or fragment.terminal_time):
            return False  # an amount alone may be the next customer's: told twice is better than not told
        newest = self.ledger.newest_of(source)
        if newest is None or not says_no_other(fragment, newest.transaction):
            return False
        return newest.heard_at is None or abs(now.unix - newest.heard_at) <= _COPY_WITHIN_S

    def _owed(self, heard: Transaction) -> Iterable[RecipientConfig]:
        """Texts ring for what moves money; sealed recipients get every transaction."""
        for recipient in self.config.recipients:
            if recipient.format != "text" or heard.kind in MONEY_SIGN:
                yield recipient

    def _owe(self, recipient: RecipientConfig, entry: Entry, now: Moment) -> bool:
        """Put one recipient's message; True if a ratchet advanced. What cannot be told is refused, with the reason."""
        body, sealed, trouble = None, None, None
        try:
            if recipient.format == "text":
                body = self._text(recipient, entry, now).encode()
            else:
                sealed = self._seal(recipient, entry)
        except ProtocolError as error:
            trouble = str(error)
        draft = self._draft(recipient, entry, "txn", body, sealed=sealed)
        self.outbox.put(replace(draft, trouble=trouble), now.unix)
        return sealed is not None

    def _fill(self, recipient: RecipientConfig, message: Message, now: Moment) -> bool:
        try:
            entry = self.ledger.entry(message.ledger_id or 0)
            sealed = self._seal(recipient, entry)
        except (ProtocolError, KeyError) as error:
            why = "its sale was lost with a damaged store" if isinstance(error, KeyError) else str(error)
            self.outbox.mark(message.id, State.REFUSED, why, now.unix)
            return False
        if sealed is None:
            return False
        self.outbox.fill(
            message.id, self._draft(recipient, entry, message.message_class, sealed=sealed), now.unix
        )
        return True

    def _seal(self, recipient: RecipientConfig, entry: Entry) -> Sealed | None:
        """The sealed event, or None where it has to be held."""
        if self.why_held(recipient.name) is not None:
            return None
        pairing = self.pairings.of(recipient.name)
        if pairing is None:
            return None

        def encode(place: Place) -> tuple[bytes, tuple[str, ...]]:
            return _encode(entry, place, armored=recipient.format == "armored")

        try:
            return self.pairings.seal_next(pairing, self.signing_seed, entry.transaction, encode)
        except CountersExhaustedError:
            return None

    def _text(self, recipient: RecipientConfig, entry: Entry, now: Moment, *, repeated: bool = False) -> str:
        device = self.config.device
        context = TextContext(
            merchant=device.merchant,
            short_name=device.short_name,
            language=recipient.language or device.language,
            seq=entry.seq or 0,
            day_total_minor=entry.day_total_minor,
            currency=entry.currency,
            when=_when(entry, now),
        )
        key = self._check_key(recipient.name)
        codes: list[str] = []

        def code(before: str) -> str:
            codes.append(check_code(key, before))
            return codes[-1]

        text = render(entry.transaction, context, code, repeated=repeated)
        self.outbox.keep_code(recipient.name, entry.seq or 0, codes[-1])
        return text

    def _check_key(self, recipient: str) -> bytes:
        pairing = self.pairings.of(recipient)
        if pairing is not None:
            return pairing.check_key
        return self.pairings.text_key(recipient, self.random)

    def _draft(
        self, recipient: RecipientConfig, entry: Entry | None, message_class: str, body: bytes | None = None,
        *, sealed: Sealed | None = None, fmt: str | None = None,
    ) -> Draft:  # fmt: skip
        chosen = fmt or recipient.format
        return Draft(
            recipient=recipient.name,
            phone=recipient.phone,
            format=chosen,
            message_class=message_class,
            lifetime_s=_LIFETIME_S[chosen],
            ledger_id=entry.id if entry else None,
            body=sealed.octets if sealed else body,
            counter=sealed.counter if sealed else None,
            left_out=sealed.left_out if sealed else (),
        )


def _encode(entry: Entry, place: Place, *, armored: bool) -> tuple[bytes, tuple[str, ...]]:
    """The payload: complete in binary, cut to one SMS where possible when armored."""
    told = replace(in_table_words(entry.transaction), currency=entry.currency)
    dropped: tuple[str, ...] = ()
    terminal = (told.terminal_id, told.merchant_id)
    if terminal != (None, None) and terminal not in place.defaults.terminals:  # the pairing's list is full
        dropped = tuple(name for name in ("terminal_id", "merchant_id") if getattr(told, name) is not None)
        told = replace(told, terminal_id=None, merchant_id=None)
    payload, left_out = fit_payload(
        told,
        limit=MAX_ONE_ARMORED_PAYLOAD if armored else MAX_PAYLOAD,
        time=entry.heard_at,
        defaults=place.defaults,
        predecessor=place.predecessor,
        naming=place.naming,
    )
    return payload, dropped + left_out


def _when(entry: Entry, now: Moment) -> datetime | None:
    """The local time that a text tells: ours, else the terminal's own, else none."""
    if entry.heard_at is None:
        return entry.transaction.terminal_time
    return datetime.fromtimestamp(entry.heard_at, UTC).astimezone(now.local.tzinfo)
