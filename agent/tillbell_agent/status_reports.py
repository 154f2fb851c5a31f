"""One modem's status reports find the segments they are about, and say what became of their messages (TS 23.040).

A report names a segment only by an 8-bit reference and the number it went to. One that comes before the answer to its own
segment has no match yet: it waits for that answer, at most until the next segment is handed over.
"""

from tillbell_agent.moment import Moment
from tillbell_agent.outbox import Message, State
from tillbell_agent.register import Register
from tillbell_agent.segments import message_and_part, part_count
from tillbell_agent.shell.log import Log
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.status import Outcome
from tillbell_protocol.sms.timestamp import Timestamp
from tillbell_protocol.sms.tpdu import SmsStatusReport, decode_tpdu

# Reports that came before their segment's answer; one segment is open at a time.
_MOST_EARLY = 8
_FINAL = frozenset({Outcome.DELIVERED, Outcome.FAILED})


class StatusReports:
    """Call inside a transaction of the caller's, except ``handed_over``."""

    def __init__(self, modem: str, register: Register, log: Log) -> None:
        self._modem = modem
        self._register = register
        self._log = log
        self._early: list[bytes] = []

    def handed_over(self) -> None:
        """A segment is about to leave: what came before cannot be about it."""
        self._early.clear()

    def answered(self, moment: Moment) -> None:
        """The open segment's answer is known or lost: reports that came before it find it now, or nobody."""
        early, self._early = self._early, []
        for tpdu in early:
            self.take(tpdu, moment)

    def take(self, tpdu: bytes, moment: Moment, *, answer_open: bool = False) -> None:
        """Match a report, and see whether its message is now delivered. ``answer_open``: it may be of the open segment."""
        try:
            report = decode_tpdu(tpdu, "from_sc")
        except ProtocolError as error:
            self._log.warning("status_report_unreadable", modem=self._modem, why=error)
            return
        if not isinstance(report, SmsStatusReport) or report.outcome() not in _FINAL:
            return  # the service centre still tries, or does not tell
        is_early = answer_open and len(self._early) < _MOST_EARLY
        word = "delivered" if report.outcome() is Outcome.DELIVERED else "failed"
        reported = self._register.outbox.report(
            self._modem,
            report.mr,
            report.ra.text(),
            word,
            taken_at=_unix(report.scts),
            now=moment.unix,
            discharged_at=_unix(report.dt),
            answer_open=is_early,
        )
        if reported is None and is_early:
            self._early.append(tpdu)
        elif reported is None:
            self._log.info("status_report_unmatched", modem=self._modem, mr=report.mr)
        elif not reported.of_this_try:
            self._log.info("status_report_of_an_earlier_try", id=reported.message.id, modem=self._modem)
        else:
            self._settle(reported.message, report, moment)

    def _settle(self, message: Message, report: SmsStatusReport, moment: Moment) -> None:
        outbox = self._register.outbox
        if report.outcome() is not Outcome.DELIVERED:
            word = f"status report: {report.outcome().value} ({report.st.octet:#04x})"
            self._log.warning("message_not_delivered", id=message.id, modem=self._modem, why=word)
            outbox.mark(message.id, State.REFUSED, word, moment.unix)
        elif message.state in {State.SENT, State.UNKNOWN} and self._all_delivered(message):
            outbox.mark(message.id, State.DELIVERED, "delivered", moment.unix)

    def all_accepted(self, message_id: int, moment: Moment) -> None:
        """The network has taken the last part; what it said of an earlier one meanwhile holds."""
        outbox = self._register.outbox
        if outbox.segments.has_failed(message_id):
            outbox.mark(message_id, State.REFUSED, "status report: a part was not delivered", moment.unix)
        else:
            outbox.mark(message_id, State.SENT, "accepted", moment.unix)

    def late_answer(self, tag: int, mr: int, moment: Moment) -> None:
        """An answer after all: what was unknown was sent, so it need not be repeated."""
        outbox = self._register.outbox
        message_id, part = message_and_part(tag)
        outbox.segments.sent(message_id, part, self._modem, mr, moment.unix)
        message = outbox.find(message_id)
        open_states = {State.UNKNOWN, State.QUEUED}
        if message is not None and message.state in open_states and self.all_sent(message):
            outbox.mark(message_id, State.SENT, "accepted, answered late", moment.unix)

    def all_sent(self, message: Message) -> bool:
        """Whether the network has taken every part of it, from the modem that began it."""
        if message.body is None or message.modem is None:
            return False
        return len(self._register.outbox.segments.taken(message.id, message.modem)) == part_count(message)

    def is_incomplete(self, message: Message) -> bool:
        """Whether a part of this copy has never left: no phone can have it whole, and the missing part may follow."""
        handed_over = self._register.outbox.segments.handed_over(message.id, message.modem or self._modem)
        return len(handed_over) < (part_count(message) or 0)

    def _all_delivered(self, message: Message) -> bool:
        parts = None if message.body is None else part_count(message)
        known, undelivered = self._register.outbox.segments.known(message.id)
        return not undelivered and (parts is None or known == parts)


def _unix(stamp: Timestamp) -> int | None:
    moment = stamp.moment()
    return None if moment is None else int(moment.timestamp())
