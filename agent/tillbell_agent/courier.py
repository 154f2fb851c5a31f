"""Carries messages from the outbox to one modem, and the modem's answers back into the outbox.

What must be durable before the modem gets a segment's last octet ("handed over, answer open") is; everything else is
committed after the next command is on its way, so that no fsync lies between one ``+CMGS`` and the next ``AT+CMGS``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tillbell_agent.database import StoreError, transaction
from tillbell_agent.modem.events import (
    LateAnswer,
    MessageReceived,
    ModemEvent,
    SegmentNotSent,
    SegmentPrompted,
    SegmentRefused,
    SegmentSent,
    SegmentUnknown,
    StatusReportReceived,
    StoredAt,
)
from tillbell_agent.modem.results import AnswerClass, classify
from tillbell_agent.modem.session import Session
from tillbell_agent.moment import Moment
from tillbell_agent.outbox import LONGEST_PAUSE_S, Message, State
from tillbell_agent.register import Register
from tillbell_agent.retry import Action, ActionKind, Outcome, next_action
from tillbell_agent.segments import age_s, split, submit
from tillbell_agent.shell.log import Log, short_number
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import Segment
from tillbell_protocol.sms.status import Outcome as ReportOutcome
from tillbell_protocol.sms.tpdu import SmsStatusReport, decode_tpdu

# Tags name a segment to the session: the message's id and the part, of which a message has at most 255.
_PARTS = 256
# Status reports that come before their segment's answer; one segment is open at a time.
_MOST_EARLY = 8
# The wall clock may jump: a pause that it ends is looked at this often all the same.
_LONGEST_LOOK_S = 60.0


@dataclass(slots=True)
class _Journey:
    """A claimed message on its way: its segments, those not taken yet, and whether the first of them is with the modem."""

    message: Message
    segments: list[Segment]
    parts_left: list[int]
    with_modem: bool = False
    handed_over: bool = False

    @property
    def tag(self) -> int:
        return self.message.id * _PARTS + self.parts_left[0]


class Courier:
    """``jitter`` gives a number in [0, 1) for pauses between tries. Call ``settle`` after writing what is to be sent."""

    def __init__(
        self, name: str, session: Session, register: Register, log: Log, jitter: Callable[[], float]
    ) -> None:
        self.name = name
        self.session = session
        self.sent = 0
        self._register = register
        self._outbox = register.outbox
        self._log = log
        self._jitter = jitter
        self._stopping = False
        self._journey: _Journey | None = None
        self._ahead: Message | None = None
        self._to_commit: list[Callable[[], None]] = []
        self._early: list[bytes] = []
        self._undecided = False  # a failure waits for its decision, which may hold back all others
        self._to_forget: list[StoredAt | None] = []
        # The queue is looked at when it has changed, or when something in it falls due; not at every turn.
        self._seen_revision = -1
        self._look_at: float | None = None
        self._repeat_look_at: float | None = 0.0
        self._held_until = 0.0
        self.trouble: str | None = None

    @property
    def busy(self) -> bool:
        """A segment is with the modem, or answers wait to be committed."""
        return (self._journey is not None and self._journey.with_modem) or bool(self._to_commit)

    def stop(self) -> None:
        """Begin nothing more; the segment that is with the modem may end."""
        self._stopping = True

    def next_deadline(self) -> float | None:
        """When the queue is to be looked at again though nothing was put into it."""
        if self._stopping:
            return None
        waits = self._ahead is not None if self._journey is None else not self._journey.with_modem
        look_at = self._held_until if waits or self._outbox.revision != self._seen_revision else self._look_at
        if look_at is None or not self.session.ready:
            return self._repeat_look_at
        look_at = max(look_at, self._held_until)
        return look_at if self._repeat_look_at is None else min(look_at, self._repeat_look_at)

    def recover(self, now: float, moment: Moment) -> None:
        """Settle what was under way when the agent last ended: what was never handed over is simply due again."""
        with transaction(self._register.connection):
            for message in self._outbox.claimed():
                self._settle_interrupted(message, now, moment)

    def pump(self, now: float, moment: Moment) -> None:
        """Give the session the next segment if it can take one."""
        if self._stopping or self._undecided:
            return
        if self._repeat_look_at is not None and now >= self._repeat_look_at:
            self._repeat_due(now, moment)
        if not self.session.ready or now < self._held_until:
            return
        if self._journey is not None:
            self._send(now, moment)
            return
        self.trouble = None
        while self._journey is None:
            message = self._ahead or self._claim(now, moment)
            self._ahead = None
            if message is None:
                return
            self._start(message, now, moment)

    def on_event(self, event: ModemEvent, now: float, moment: Moment) -> None:
        """One event of the session."""
        match event:
            case SegmentPrompted():
                self._hand_over(now, moment)
            case SegmentSent(tag, mr):
                self._sent(tag, mr, now, moment)
            case SegmentRefused(_, code_kind, code):
                answer = classify(code_kind, code)
                word = f"{code_kind} {code}" if code is not None else code_kind
                outcome = Outcome.UNKNOWN if answer is AnswerClass.OUTCOME_UNKNOWN else Outcome.REFUSED
                self._failed(outcome, answer, word, now, moment)
            case SegmentUnknown(_, why):
                self._failed(Outcome.UNKNOWN, None, why, now, moment)
            case SegmentNotSent(_, why):
                self._failed(Outcome.NOT_SENT, None, why, now, moment)
            case LateAnswer(tag, mr):
                self._late(tag, mr, moment)
            case StatusReportReceived(tpdu, stored):
                is_open = self._journey is not None and self._journey.handed_over
                early = self._early if is_open else None
                self._to_commit.append(lambda: self._report(tpdu, moment, early=early))
                self._to_forget.append(stored)
            case MessageReceived(tpdu, stored):
                self._to_commit.append(lambda: self._register.inbox.keep(self.name, tpdu, moment.unix))
                self._to_forget.append(stored)

    def settle(self, now: float) -> None:
        """Commit what happened; only then may the modem forget what it received, and is it read here."""
        if self._to_commit:
            self._commit(now)
        for received in self._register.inbox.take_in(now):
            self._log.info("message_received", sender=short_number(received.sender), **received.in_short())

    def _commit(self, now: float) -> None:
        with transaction(self._register.connection):
            for change in self._to_commit:
                change()
        self._to_commit.clear()
        self._undecided = False
        for stored in filter(None, self._to_forget):
            self.session.forget(stored, now)
        self._to_forget.clear()

    def _claim(self, now: float, moment: Moment) -> Message | None:
        is_due = self._look_at is not None and now >= self._look_at
        if self._outbox.revision == self._seen_revision and not is_due:
            return None
        revision = self._outbox.revision
        with transaction(self._register.connection):
            message = self._outbox.claim(self.name, moment.unix)
        if message is None:
            due_at = self._outbox.next_due_at()
            self._seen_revision = revision
            pause_s = None if due_at is None else min(max(due_at - moment.unix, 0.5), _LONGEST_LOOK_S)
            self._look_at = None if pause_s is None else now + pause_s
        return message

    def _repeat_due(self, now: float, moment: Moment) -> None:
        """Repeat, marked, what no report has settled in time."""
        look_at = None
        with transaction(self._register.connection):
            for message in self._outbox.to_repeat():
                wait_s = message.not_before - moment.unix
                if 0 < wait_s <= LONGEST_PAUSE_S:
                    look_at = now + min(wait_s, _LONGEST_LOOK_S)
                    break
                self._register.repeat_text(message, moment.unix, moment)
        self._repeat_look_at = look_at

    def _start(self, message: Message, now: float, moment: Moment) -> None:
        try:
            segments = split(message)
            Address.from_text(message.phone)
        except ProtocolError as error:
            self._log.error("message_refused", id=message.id, why=error)
            word = str(error)
            self._to_commit.append(lambda: self._outbox.mark(message.id, State.REFUSED, word, moment.unix))
            return
        done = self._outbox.parts_sent(message.id)
        left = [part for part in range(len(segments)) if part not in done]
        if not left:  # its last answer came late, after it was queued again
            self._to_commit.append(lambda: self._outbox.mark(message.id, State.SENT, "accepted", moment.unix))
            return
        self._journey = _Journey(message, segments, left)
        self._send(now, moment)

    def _send(self, now: float, moment: Moment) -> None:
        journey = self._journey
        if journey is None or journey.with_modem:
            return
        tpdu = submit(journey.message, journey.segments[journey.parts_left[0]], moment)
        more = len(journey.parts_left) > 1 or self._ahead is not None
        journey.with_modem, journey.handed_over = True, False
        self.session.send(journey.tag, tpdu, now, more=more)

    def _hand_over(self, now: float, moment: Moment) -> None:
        journey = self._journey
        if journey is None:
            self.session.withdraw(now)
            return
        ahead = self._ahead
        try:
            with transaction(self._register.connection):
                self._outbox.hand_over(journey.message.id, journey.parts_left[0], self.name, moment.unix)
                if ahead is None and len(journey.parts_left) == 1 and not self._stopping:
                    ahead = self._outbox.claim(self.name, moment.unix)  # shares this commit's fsync
        except StoreError:
            self.session.withdraw(now)  # what cannot be made durable is not sent
            raise
        self._ahead = ahead
        self._early.clear()  # what came before cannot be about this segment
        journey.handed_over = True
        self.session.hand_over(now)

    def _sent(self, tag: int, mr: int, now: float, moment: Moment) -> None:
        message_id, part = divmod(tag, _PARTS)
        self.sent += 1
        self._to_commit.append(lambda: self._outbox.segment_sent(message_id, part, mr, moment.unix))
        journey = self._journey
        if journey is None:
            return
        journey.parts_left.pop(0)
        journey.with_modem = False
        if journey.parts_left:
            self.pump(now, moment)
            return
        self._log.info("message_sent", id=message_id, to=short_number(journey.message.phone), modem=self.name)
        self._to_commit.append(lambda: self._outbox.mark(message_id, State.SENT, "accepted", moment.unix))
        self._to_commit.append(lambda: self._report_early(moment))
        self._journey = None
        self.pump(now, moment)

    def _failed(
        self, outcome: Outcome, answer: AnswerClass | None, word: str, now: float, moment: Moment
    ) -> None:
        journey, self._journey = self._journey, None
        if journey is None:
            return
        message = journey.message
        self._undecided = True
        self._log.warning(
            "segment_failed", id=message.id, modem=self.name, outcome=outcome.name.lower(), answer=word
        )
        self._to_commit.append(lambda: self._decide(message, outcome, answer, word, now, moment))
        if outcome is Outcome.UNKNOWN:
            self._to_commit.append(lambda: self._report_early(moment))

    def _decide(
        self,
        message: Message,
        outcome: Outcome,
        answer: AnswerClass | None,
        word: str,
        now: float,
        moment: Moment,
    ) -> None:
        """Do what ``retry`` says; nobody else decides to send again."""
        unknowns = message.unknowns + (outcome is Outcome.UNKNOWN)
        action = next_action(
            outcome=outcome,
            answer=answer,
            message_class=message.message_class,
            message_format=message.format,
            attempts=message.attempts,
            unknowns=unknowns,
            age_s=age_s(message, moment),
            lifetime_s=message.expires_at - message.created_at,
            jitter=self._jitter(),
        )
        if action.alarm:
            self._log.error(
                "message_alarm", id=message.id, modem=self.name, answer=word, action=action.kind.value
            )
        if unknowns != message.unknowns:
            self._outbox.count_unknown(message.id)
        self._act(action, message, word, now, moment)

    def _act(self, action: Action, message: Message, word: str, now: float, moment: Moment) -> None:
        due = moment.unix + math.ceil(action.delay_s)
        match action.kind:
            case ActionKind.SEND_AGAIN:
                self._outbox.requeue(message.id, due, word, moment.unix)
            case ActionKind.RECOVER_MODEM:
                self._outbox.requeue(message.id, due, word, moment.unix)
                self.session.recover(now)
            case ActionKind.CLEAN_STORAGE:
                self._outbox.requeue(message.id, due, word, moment.unix)
                self.session.sweep(now)
            case ActionKind.HOLD_SIM:
                self._outbox.requeue(message.id, due, word, moment.unix)
                self._held_until = now + action.delay_s
                self.trouble = f"held for {action.delay_s:.0f} s: {word}"
            case ActionKind.SEND_AGAIN_MARKED:
                self._outbox.mark_unknown(message.id, word, due, moment.unix)
                look_at = now + action.delay_s
                if self._repeat_look_at is None or look_at < self._repeat_look_at:
                    self._repeat_look_at = look_at
            case ActionKind.REFUSE:
                self._outbox.mark(message.id, State.REFUSED, word, moment.unix)
            case ActionKind.EXPIRE:
                self._outbox.mark(message.id, State.EXPIRED, word, moment.unix)
            case ActionKind.LEAVE_UNKNOWN:
                self._outbox.mark(message.id, State.UNKNOWN, word, moment.unix)

    def _settle_interrupted(self, message: Message, now: float, moment: Moment) -> None:
        if self._outbox.open_parts(message.id):
            word = "the agent ended before the modem answered"
            self._decide(message, Outcome.UNKNOWN, None, word, now, moment)
        elif self._all_sent(message):
            self._outbox.mark(message.id, State.SENT, "accepted", moment.unix)
        else:
            self._outbox.requeue(
                message.id, moment.unix, "interrupted before it was handed over", moment.unix
            )

    def _late(self, tag: int, mr: int, moment: Moment) -> None:
        """An answer after all: what was unknown was sent, so it need not be repeated."""
        message_id, part = divmod(tag, _PARTS)

        def note() -> None:
            self._outbox.segment_sent(message_id, part, mr, moment.unix)
            message = self._outbox.message(message_id)
            if message.state in {State.UNKNOWN, State.QUEUED} and self._all_sent(message):
                self._outbox.mark(message_id, State.SENT, "accepted, answered late", moment.unix)

        self._to_commit.append(note)

    def _report(self, tpdu: bytes, moment: Moment, *, early: list[bytes] | None = None) -> None:
        """A status report: match it, and see whether its message is now delivered.

        One that comes before the answer to its own segment has no match yet: it is put into ``early`` and looked at
        again when that answer has come, or has not.
        """
        try:
            report = decode_tpdu(tpdu, "from_sc")
        except ProtocolError as error:
            self._log.warning("status_report_unreadable", modem=self.name, why=error)
            return
        final = {ReportOutcome.DELIVERED, ReportOutcome.FAILED}
        if not isinstance(report, SmsStatusReport) or report.outcome() not in final:
            return  # the service centre still tries, or does not tell
        delivered = report.outcome() is ReportOutcome.DELIVERED
        message = self._outbox.report(
            self.name, report.mr, report.ra.text(), "delivered" if delivered else "failed"
        )
        if message is None and early is not None and len(early) < _MOST_EARLY:
            early.append(tpdu)
        elif message is None:
            self._log.info("status_report_unmatched", modem=self.name, mr=report.mr)
        elif not delivered:
            word = f"status report: {report.outcome().value} ({report.st.octet:#04x})"
            self._outbox.mark(message.id, State.REFUSED, word, moment.unix)
        elif message.state in {State.SENT, State.UNKNOWN} and self._all_delivered(message):
            self._outbox.mark(message.id, State.DELIVERED, "delivered", moment.unix)

    def _all_sent(self, message: Message) -> bool:
        return message.body is not None and len(self._outbox.parts_sent(message.id)) == len(split(message))

    def _report_early(self, moment: Moment) -> None:
        """The segment's answer is known or lost: reports that came before it find it now, or nobody."""
        for tpdu in self._early:
            self._report(tpdu, moment)

    def _all_delivered(self, message: Message) -> bool:
        parts = None if message.body is None else len(split(message))
        known, undelivered = self._outbox.parts(message.id)
        return not undelivered and (parts is None or known == parts)
