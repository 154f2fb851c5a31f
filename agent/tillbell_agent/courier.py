"""Carries messages from the outbox to one modem, and the modem's answers back into the outbox.

What must be durable before the modem gets a segment's last octet ("handed over, answer open") is; everything else is
committed after the next command is on its way, so that no fsync lies between one ``+CMGS`` and the next ``AT+CMGS``.
An accepted answer joins the next hand-over where that is near: one fsync instead of two, and less flash worn.
"""

import math
from collections.abc import Callable

from tillbell_agent.answers import Answers
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
)
from tillbell_agent.modem.results import AnswerClass, classify
from tillbell_agent.modem.session import Session
from tillbell_agent.moment import Moment, earliest
from tillbell_agent.outbox import Message, Outbox, State
from tillbell_agent.register import Register
from tillbell_agent.retry import AGAINST_MESSAGE, Action, ActionKind, Outcome, next_action, outcome_of
from tillbell_agent.routes import Routes
from tillbell_agent.segments import Journey, age_s, is_late, make_ready, message_and_part, submit
from tillbell_agent.shell.log import Log, short_number
from tillbell_agent.status_reports import StatusReports

# How long a modem that cannot send keeps a message that it has begun, before another begins it anew.
LEASE_S = 60.0
# The wall clock may jump: a pause that it ends is looked at this often all the same.
_LONGEST_LOOK_S = 60.0
# What can no longer be sent is ended so much at a time: the terminals' lines are read between two turns.
_MOST_ENDED_AT_ONCE = 100
# A prompt comes within milliseconds. What dies with the agent meanwhile has an open answer, as it had until then.
_JOIN_S = 0.1


class Courier:
    """``jitter`` gives a number in [0, 1) for pauses between tries. Call ``settle`` after writing what is to be sent."""

    def __init__(
        self, name: str, session: Session, register: Register, log: Log, jitter: Callable[[], float],
        routes: Routes | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.session = session
        self.sent = 0
        self._register = register
        self._routes = routes or Routes()
        self._reports = StatusReports(name, register, log)
        self._log = log
        self._jitter = jitter
        self._stopping = False
        self._journey: Journey | None = None
        self._ahead: Journey | None = None
        self._ahead_as_of = 0  # the outbox's revision
        self._answers = Answers(register, session)
        self._undecided = False  # a failure waits for its decision, which may hold back all others
        # The queue is looked at when it has changed, or when something in it falls due; not at every turn.
        self._seen: tuple[int, frozenset[str]] | None = None
        self._not_ready_since: float | None = None
        self._look_at: float | None = None
        self._repeat_look_at: float | None = 0.0
        self._held_until = 0.0
        self.trouble: str | None = None

    @property
    def _outbox(self) -> Outbox:
        return self._register.outbox

    @property
    def busy(self) -> bool:
        """A segment is with the modem, or answers wait to be committed."""
        return (self._journey is not None and self._journey.with_modem) or bool(self._answers)

    def stop(self) -> None:
        """Begin nothing more; the segment that is with the modem may end."""
        self._stopping = True

    def next_deadline(self) -> float | None:
        """When the queue is to be looked at again though nothing was put into it."""
        if self._stopping:
            return None
        if not self.session.ready:
            return earliest(self._repeat_look_at, self._lease_ends, self._answers.may_wait_until)
        waits = self._ahead is not None if self._journey is None else not self._journey.with_modem
        changed = self._seen is None or self._outbox.revision != self._seen[0]
        look_at = self._held_until if waits or changed else self._look_at
        look_at = None if look_at is None else max(look_at, self._held_until)
        return earliest(look_at, self._repeat_look_at, self._answers.may_wait_until)

    @property
    def _lease_ends(self) -> float | None:
        """When what this modem has begun and cannot go on with comes back into the queue."""
        waits = self._journey is not None and not self._journey.with_modem
        return None if self._not_ready_since is None or not waits else self._not_ready_since + LEASE_S

    def recover(self, now: float, moment: Moment) -> None:
        """Settle what was under way when the agent last ended."""
        with transaction(self._register.connection):
            for message in self._outbox.claimed():
                self._settle_interrupted(message, now, moment)

    def pump(self, now: float, moment: Moment) -> None:
        """Give the session the next segment if it can take one."""
        if self._stopping or self._undecided:
            return
        if self._repeat_look_at is not None and now >= self._repeat_look_at:
            wait_s = self._register.repeat_due(moment)
            self._repeat_look_at = None if wait_s is None else now + min(wait_s, _LONGEST_LOOK_S)
        is_held = now < self._held_until
        with_modem = bool(self._journey and self._journey.with_modem)
        self._routes.told(self.name, now, ready=self.session.ready or with_modem, held=is_held)
        if with_modem:
            alone = not self._routes.others(
                self.name, now
            )  # else whoever is free first takes what comes next
            if alone and self._journey is not None and self._journey.handed_over:
                self._look_ahead(now, moment)  # while the network takes its time
            return
        if not self.session.ready or is_held:
            self._give_back(now, moment)
            return
        self._not_ready_since = None
        if self._journey is None:
            self.trouble = None
            self._look_ahead(now, moment)
            self._journey, self._ahead = self._ahead, None
        self._send(now, moment)

    def _give_back(self, now: float, moment: Moment) -> None:
        """The modem cannot send: what nobody began is another's at once, what it began when the lease ends."""
        if self._not_ready_since is None:
            self._not_ready_since = now
        self._release_ahead()
        journey, ends = self._journey, self._lease_ends
        if journey is None or ends is None or now < ends:
            return
        self._journey = None
        message_id, word = journey.message.id, f"modem {self.name} cannot go on with it"
        self._answers.add(
            lambda: self._outbox.requeue(message_id, moment.unix, word, moment.unix), release=message_id
        )

    def _release_ahead(self) -> None:
        if self._ahead is not None:
            self._outbox.release(self._ahead.message.id)
            self._ahead = None

    def on_event(self, event: ModemEvent, now: float, moment: Moment) -> None:
        """One event of the session."""
        self._answers.may_wait_until = None
        match event:
            case SegmentPrompted():
                self._hand_over(now, moment)
            case SegmentSent(tag, mr):
                self._sent(tag, mr, now, moment)
            case SegmentRefused(_, code_kind, code):
                answer = classify(code_kind, code)
                word = f"{code_kind} {code}" if code is not None else code_kind
                is_out = self._journey is not None and self._journey.handed_over
                self._failed(outcome_of(answer, handed_over=is_out), answer, word, now, moment)
            case SegmentUnknown(_, why):
                self._failed(Outcome.UNKNOWN, None, why, now, moment)
            case SegmentNotSent(_, why):
                self._failed(Outcome.NOT_SENT, None, why, now, moment)
            case LateAnswer(tag, mr):
                self._answers.add(lambda: self._reports.late_answer(tag, mr, moment))
            case StatusReportReceived(tpdu, stored):
                is_open = self._journey is not None and self._journey.handed_over
                self._answers.add(
                    lambda: self._reports.take(tpdu, moment, answer_open=is_open), forget=stored
                )
            case MessageReceived(tpdu, stored):
                self._answers.add(
                    lambda: self._register.inbox.keep(self.name, tpdu, moment.unix), forget=stored
                )

    def settle(self, now: float) -> None:
        """Commit what happened; only then may the modem forget what it received, and is it read here."""
        if self._answers and not self._joins_hand_over(now):
            self._answers.commit(now)
            self._undecided = False
        for received in self._register.inbox.take_in(now):
            self._log.info("message_received", sender=short_number(received.sender), **received.in_short())

    def _joins_hand_over(self, now: float) -> bool:
        """Whether a prompt is near, with whose hand-over the answers can be committed."""
        journey, until = self._journey, self._answers.may_wait_until
        waits_for_prompt = journey is not None and journey.with_modem and not journey.handed_over
        return waits_for_prompt and not self._stopping and until is not None and now < until

    def _reserve(self, now: float, moment: Moment) -> Message | None:
        seen = (self._outbox.revision, self._routes.able(now))
        if seen == self._seen and (self._look_at is None or now < self._look_at):
            return None
        message = self._outbox.reserve(moment.unix, self._routes.of(self.name, now))
        if message is None:
            self._seen = seen
            due_at = self._outbox.next_due_at(moment.unix)
            due = None if due_at is None else now + min(max(due_at - moment.unix, 0.5), _LONGEST_LOOK_S)
            self._look_at = earliest(due, self._routes.next_change(now))
        return message

    def _look_ahead(self, now: float, moment: Moment) -> None:
        """Reserve the next message and make it ready to go, unless a message with parts left comes first."""
        if self._stopping or (self._journey is not None and len(self._journey.parts_left) > 1):
            return
        if self._ahead is not None and self._is_stale(self._ahead, moment):
            message = self._ahead.message
            self._ahead = self._made_ready(self._outbox.find(message.id) or message, moment)
        for _ in range(_MOST_ENDED_AT_ONCE):
            if self._ahead is not None or (reserved := self._reserve(now, moment)) is None:
                return
            try:
                self._ahead = self._made_ready(reserved, moment)
            except Exception:  # the store cannot be read: to be reserved again
                self._outbox.release(reserved.id)
                raise

    def _is_stale(self, journey: Journey, moment: Moment) -> bool:
        """Whether the clock may have been set since it was made ready, or its time is over."""
        return self._ahead_as_of != self._outbox.revision or is_late(journey.message, moment)

    def _made_ready(self, message: Message, moment: Moment) -> Journey | None:
        """A reserved message, ready to go; None: it is not sent, and ended as what it is."""
        revision = self._outbox.revision
        if message.state is not State.QUEUED:  # a late answer or a report has settled it
            self._outbox.release(message.id)
            return None
        found = make_ready(message, self._outbox.segments.taken(message.id, self.name), moment)
        if isinstance(found, Journey):
            self._ahead_as_of = revision
            return found
        if found.state is State.REFUSED:
            self._log.error("message_refused", id=message.id, why=found.why)
        state, why = found.state, found.why
        self._answers.add(lambda: self._outbox.mark(message.id, state, why, moment.unix), release=message.id)
        return None

    def _send(self, now: float, moment: Moment) -> None:
        journey = self._journey
        if journey is None or journey.with_modem:
            return
        tpdu = submit(journey.message, journey.segments[journey.parts_left[0]], moment)
        if self.session.asks_for_more:
            self._look_ahead(now, moment)
        more = len(journey.parts_left) > 1 or self._ahead is not None
        journey.with_modem, journey.handed_over = True, False
        self.session.send(journey.tag, tpdu, now, more=more)

    def _hand_over(self, now: float, moment: Moment) -> None:
        journey = self._journey
        if journey is None:
            self.session.withdraw(now)
            return
        message_id = journey.message.id
        try:
            with transaction(self._register.connection):
                self._answers.change()
                if not journey.claimed:
                    self._outbox.claim(message_id, self.name, moment.unix)
                self._outbox.segments.hand_over(message_id, journey.parts_left[0], self.name, moment.unix)
        except StoreError:
            self.session.withdraw(now)  # what cannot be made durable is not sent
            raise
        self._answers.committed(now)
        journey.claimed = True
        self._reports.handed_over()
        journey.handed_over = True
        self.session.hand_over(now)

    def _sent(self, tag: int, mr: int, now: float, moment: Moment) -> None:
        message_id, part = message_and_part(tag)
        self.sent += 1
        self._answers.add(lambda: self._outbox.segments.sent(message_id, part, self.name, mr, moment.unix))
        journey = self._journey
        if journey is None:
            return
        journey.parts_left.pop(0)
        journey.with_modem = False
        if not journey.parts_left:
            self._answers.add(lambda: self._reports.all_accepted(message_id, moment), release=message_id)
        self._answers.add(lambda: self._reports.answered(moment))
        self._answers.may_wait_until = now + _JOIN_S
        if not journey.parts_left:
            self._log.info(
                "message_sent", id=message_id, to=short_number(journey.message.phone), modem=self.name
            )
            self._journey = None
        self.pump(now, moment)

    def _failed(
        self, outcome: Outcome, answer: AnswerClass | None, word: str, now: float, moment: Moment
    ) -> None:
        journey, self._journey = self._journey, None
        if journey is None:
            return
        message = journey.message
        if journey.handed_over and outcome is not Outcome.UNKNOWN:
            part = journey.parts_left[0]
            self._answers.add(lambda: self._outbox.segments.not_sent(message.id, part))
        self._undecided = True
        self._log.warning(
            "segment_failed", id=message.id, modem=self.name, outcome=outcome.name.lower(), answer=word
        )
        if not journey.claimed:
            self._answers.add(lambda: self._outbox.count_try(message.id, self.name))
        attempts = message.attempts + 1
        self._answers.add(
            lambda: self._decide(message, attempts, outcome, answer, word, now, moment), release=message.id
        )
        self._answers.add(lambda: self._reports.answered(moment))

    def _decide(
        self,
        message: Message,
        attempts: int,
        outcome: Outcome,
        answer: AnswerClass | None,
        word: str,
        now: float,
        moment: Moment,
    ) -> None:
        """Do what ``retry`` says; nobody else decides to send again."""
        message = self._outbox.find(message.id) or message  # the clock may have been set meanwhile
        if outcome is Outcome.UNKNOWN and self._reports.is_incomplete(message):
            outcome = Outcome.NOT_SENT  # whatever became of this part, nobody can have read the message
        unknowns = message.unknowns + (outcome is Outcome.UNKNOWN)
        refusals = message.refusals + (outcome is Outcome.REFUSED and answer in AGAINST_MESSAGE)
        action = next_action(
            outcome=outcome,
            answer=answer,
            message_class=message.message_class,
            message_format=message.format,
            attempts=attempts,
            unknowns=unknowns,
            refusals=refusals,
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
        if refusals != message.refusals:
            self._outbox.count_refusal(message.id)
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
                # Due no later than the hold ends, or what stands behind it would go first.
                due = moment.unix + (0 if self._routes.others(self.name, now) else int(action.delay_s))
                self._outbox.requeue(message.id, due, word, moment.unix)
                self._held_until = now + action.delay_s
                self._release_ahead()  # what was held stands before it again
                self._routes.told(self.name, now, ready=self.session.ready, held=True)
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
        if self._outbox.segments.open(message.id):
            word = "the agent ended before the modem answered"
            self._decide(message, message.attempts, Outcome.UNKNOWN, None, word, now, moment)
        elif self._reports.all_sent(message):
            self._outbox.mark(message.id, State.SENT, "accepted", moment.unix)
        else:
            self._outbox.requeue(
                message.id, moment.unix, "interrupted before it was handed over", moment.unix
            )
