"""One modem's session: octets and time in, ``ModemEvent``s out (TS 27.005, TS 27.007 over V.250).

It brings the modem up, keeps it up, sends one segment at a time and reports what arrives. Which message comes next, and
whether one is sent again, is the caller's; the session repeats nothing that could reach a phone. After each silence it
gets in step with the modem and initialises it again, since what fell silent may have restarted with other modes.
"""

from typing import Any

from tillbell_agent.modem.chores import Chores
from tillbell_agent.modem.commands import fields
from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition, condition_of_refusal
from tillbell_agent.modem.dialogue import (
    Answered,
    Dialogue,
    Heard,
    NoAnswer,
    Phase,
    Prompted,
    Stray,
    Synchronised,
    TimedOut,
    UrcHeard,
)
from tillbell_agent.modem.digest import tpdu_of
from tillbell_agent.modem.events import (
    LateAnswer,
    ModemEvent,
    NotReady,
    Ready,
    SegmentNotSent,
    SegmentRefused,
    SegmentSent,
    SegmentUnknown,
    SimChanged,
    StoredAt,
    UnknownLine,
    UrcReceived,
)
from tillbell_agent.modem.facts import Facts, ModemSettings
from tillbell_agent.modem.initialise import REGISTRATIONS, initialise, register
from tillbell_agent.modem.notices import Notices
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.recovery import Recovery
from tillbell_agent.modem.script import Decision, Script, Tell
from tillbell_agent.modem.stage import Stage
from tillbell_agent.modem.standing import condition_of, words_of
from tillbell_agent.modem.traffic import routed, send_segment

# A TP-UD of 140 octets behind the longest header of an SMS-SUBMIT; a longer TPDU is no SMS.
MAX_TPDU_OCTETS = 175
_STARTS = ("RDY", "APP RDY", "^SYSSTART")
# Not "^BOOT": sticks that run say it again and again.
_RESTARTED = (*_STARTS, "NORMAL POWER DOWN", "POWERED DOWN")
_ONLY_A_PERSON = (Condition.PIN_NEEDED, Condition.PUK_NEEDED)
_SIM_GONE = ("+CPIN: NOT INSERTED", "+CPIN: NOT READY", "+CPIN: SIM REMOVED")


class Session:
    """Sans-IO; one per modem. Call ``tick`` at ``next_deadline``, write ``bytes_to_send`` after every call."""

    def __init__(self, now: float, *, settings: ModemSettings | None = None) -> None:
        self._settings = settings or ModemSettings()
        self._facts = Facts(pin_record=self._settings.pin_record)
        self._chores = Chores(self._facts, self._settings, now)
        self._dialogue = Dialogue()
        self._stage = Stage(self._dialogue, self._tell)
        self._events: list[ModemEvent] = []
        self._recovery = Recovery(self._stage, self._facts, self._settings, self._tell)
        self._notices = Notices(self._facts, self._settings, self._chores)
        self._initialised_at: int | None = None
        self._told_ready = False
        self._lost = False
        self._sending: int | None = None
        self._unknown_tag: int | None = None
        self._now = self.since = now
        self._words = ""
        self.condition = Condition.STARTING
        self.condition_since = now
        self._dialogue.synchronise(now)
        self._settle(now)

    # What the caller may ask.

    @property
    def ready(self) -> bool:
        """Initialised, registered, nothing open: ``send`` may be called."""
        return self._at_rest and self._is_up and self._facts.registered

    @property
    def doing(self) -> str:
        """What it does or waits for, in words; since ``since`` (the caller's monotonic seconds)."""
        return self._words

    @property
    def waits_for(self) -> str:
        """What has to happen for it to be ready; while it waits for a network, each domain's own word."""
        if self.condition in (Condition.SEARCHING, Condition.DENIED):
            return f"{WAITS_FOR[self.condition]} ({self._facts.registration_words})"
        return WAITS_FOR[self.condition]

    @property
    def next_step(self) -> str:
        """What a person does about it."""
        return NEXT_STEP[self.condition]

    @property
    def asks_for_more(self) -> bool:
        """Whether it makes a difference to ``send`` that another follows: the link can be kept up, and is not yet."""
        return self._facts.can_keep_link and not self._facts.link_kept

    @property
    def profile(self) -> Profile:
        """What is known of this family of modems."""
        return self._facts.profile

    @property
    def speed(self) -> int | None:
        """The speed that the port should have, bit/s; None: whatever it was opened with."""
        return self._facts.speed

    def ladder(self, now: float) -> list[dict[str, Any]]:
        """The steps of recovery taken lately: step, at_s_ago, outcome."""
        return self._recovery.history(now)

    def bytes_to_send(self) -> bytes:
        """Octets to write now; each is given once."""
        return self._dialogue.bytes_to_send()

    def next_deadline(self) -> float | None:
        """When ``tick`` is needed next; at once where events wait."""
        if self._events:
            return self._now
        if self._lost:
            return self._recovery.gone_until
        times = [self._dialogue.next_deadline(), self._stage.wake_at, self._recovery.again_at]
        if self._at_rest:
            times.append(self._chores.next_deadline())
        return min((time for time in times if time is not None), default=None)

    # What the caller may do.

    def send(self, tag: int, tpdu: bytes, now: float, *, more: bool = False) -> None:
        """Send one SMS-SUBMIT TPDU (no SMSC address), known to the caller as ``tag``; only when ``ready``.

        ``more``: another follows, so the link is kept up. RuntimeError when not ready, ValueError for no TPDU.
        """
        if not self.ready:
            raise RuntimeError(f"send while {self.doing}")
        if not 0 < len(tpdu) <= MAX_TPDU_OCTETS:
            raise ValueError(f"{len(tpdu)} octets are no TPDU")
        self._sending = tag
        self._stage.start(send_segment(self._facts, tag, tpdu, more), now)
        self._settle(now)

    def hand_over(self, now: float) -> None:
        """After ``SegmentPrompted``: write the PDU and Ctrl-Z. Does nothing where the prompt has ended meanwhile."""
        self._decide(Decision(hand_over=True), now)

    def withdraw(self, now: float) -> None:
        """Instead of ``hand_over``: ESC; ``SegmentNotSent`` follows."""
        self._decide(Decision(hand_over=False), now)

    def pin_noted(self, now: float) -> None:
        """After ``PinWanted``: the try is durable, and the PIN may be entered."""
        self._facts.pin_noted = True
        self._settle(now)

    def forget(self, stored: StoredAt, now: float) -> None:
        """Delete a reported message, which the caller has made durable. An unreported one is left alone."""
        self._chores.forget(stored)
        self._settle(now)

    def recover(self, now: float) -> None:
        """The modem gives errors of its own: get in step and initialise it again. Nothing while a segment is open."""
        if self._sending is None and not self._lost:
            self._abandon("recovering")
            self._recovery.trouble()
            if not self._recovery.waits:
                self._recovery.ask_again(now)
        self._settle(now)

    def sweep(self, now: float) -> None:
        """Report what is stored and was not reported, as soon as the line is free: the storage is said to be full."""
        self._chores.sweep_at(now)
        self._settle(now)

    def lost(self, now: float, why: str) -> list[ModemEvent]:
        """The port is gone. An open segment is told as unknown or not sent; then call ``reopened``."""
        self._abandon(why)
        self._not_ready(why)
        self._dialogue = self._stage.dialogue = Dialogue()
        self._lost = True
        self._recovery.lost(why, now)
        self._chores.sim_is_gone()  # whatever SIM is there when it comes back, nothing lies where it lay
        self._facts.looks_for_network = False
        self._facts.sim_trouble = None
        self._settle(now)
        return self._take_events()

    def reopened(self, now: float) -> None:
        """A port is there again: find out what is behind it."""
        self._lost = False
        self._recovery.reopened(now)
        self._settle(now)

    def receive_data(self, data: bytes, now: float) -> list[ModemEvent]:
        """Octets from the modem → events. Any octets, in any pieces."""
        if not self._lost:
            echoes = self._dialogue.echoes_heard
            heard = self._dialogue.receive_data(data, now)
            self._facts.echo_heard |= self._dialogue.echoes_heard > echoes
            self._hear(heard, now)
        self._settle(now)
        return self._take_events()

    def tick(self, now: float) -> list[ModemEvent]:
        """Let time pass; also while the port is lost, for which help is called when it stays away."""
        if self._lost:
            self._recovery.tick_while_lost(now)
        else:
            self._hear(self._dialogue.tick(now), now)
            if self._stage.wake_at is not None and now >= self._stage.wake_at:
                self._stage.wake(now)
            self._recovery.tick(now)
        self._settle(now)
        return self._take_events()

    # How it works.

    @property
    def _at_rest(self) -> bool:
        return self._stage.empty and not self._recovery.waits and self._dialogue.phase is Phase.IDLE

    @property
    def _is_up(self) -> bool:
        """Initialised, in step since, and not restarted: a restart brings the echo back, and text mode with it.

        And with the SIM that it had then.
        """
        in_step = self._initialised_at == self._dialogue.out_of_step
        restarted = self._facts.echo_heard and not self._facts.echo_stays
        return in_step and not restarted and not self._facts.sim_gone

    def _settle(self, now: float) -> None:
        """Begin what is to be done next, and note what and since when."""
        while self._at_rest:
            script = self._next_script(now)
            if script is None:
                break
            self._now = now
            self._stage.start(script, now)
        if self.ready and not self._told_ready:
            self._told_ready = True
            self._events.append(Ready())
        condition = condition_of(self._facts, self._recovery, lost=self._lost, is_up=self._is_up)
        if condition is not self.condition:
            self.condition, self.condition_since = condition, now
        words = words_of(
            condition, self._recovery, self._dialogue.phase,
            lost=self._lost, ready=self.ready, doing=self._stage.doing,
        )  # fmt: skip
        if words != self._words:
            self._words, self.since = words, now
        self._now = now

    def _take_events(self) -> list[ModemEvent]:
        events, self._events = self._events, []
        return events

    def _next_script(self, now: float) -> Script[Any] | None:
        if not self._is_up:
            if self._recovery.should_reset:
                self._recovery.reset(now)
                return None
            return self._bring_up()
        if not self._facts.registered:
            return self._wait_for_network()
        return self._chores.next_script(now)

    def _bring_up(self) -> Script[None]:
        why = yield from initialise(self._facts, self._settings)
        if why is None:
            self._initialised_at = self._dialogue.out_of_step
            self._recovery.came_up()
            self._chores.came_up(self._now)
            return
        yield Tell(NotReady(why))
        self._recovery.not_up(why, self._now, person=self._facts.sim_trouble in _ONLY_A_PERSON)

    def _wait_for_network(self) -> Script[None]:
        why = yield from register(self._facts, lambda: self._is_up)
        if why is not None:
            self._not_ready(why)

    def _tell(self, event: ModemEvent) -> None:
        if isinstance(event, SegmentUnknown):
            self._unknown_tag = event.tag
        if isinstance(event, SegmentSent | SegmentRefused | SegmentUnknown | SegmentNotSent):
            self._sending = None
        if isinstance(event, NotReady):
            self._told_ready = False
        if isinstance(event, SimChanged):
            self._chores.sim_is_gone()
        if isinstance(event, SegmentRefused):
            self._facts.refusal = condition_of_refusal(event.code_kind, event.code)
            self._facts.sim_refused(event.code_kind, event.code)
        elif isinstance(event, SegmentSent):
            self._facts.refusal = None
            self._recovery.works()
        self._events.append(event)

    def _decide(self, decision: Decision, now: float) -> None:
        """The events that follow are kept for the next ``tick``, which is due at once."""
        if self._stage.awaits_decision:
            if decision.hand_over:
                self._unknown_tag = None  # from here on an answer is this segment's
            self._stage.resume(decision, now)
            self._settle(now)

    def _hear(self, heard: list[Heard], now: float) -> None:
        for item in heard:
            match item:
                case Answered() | Prompted() | TimedOut():
                    self._now = now
                    self._chores.line_was_used(now)
                    if isinstance(item, TimedOut):
                        self._recovery.trouble()
                    self._stage.resume(item, now)
                case Synchronised():
                    self._recovery.in_step()
                    self._stage.in_step(now)
                case NoAnswer(tries):
                    self._abandon("no answer to AT")
                    self._told_ready = False
                    self._recovery.no_answer(tries, now)
                case UrcHeard():
                    self._urc(item, now)
                case Stray(text):
                    self._stray(text)

    def _abandon(self, why: str) -> None:
        """End the running script; what it was sending is told as what it is."""
        if self._sending is not None:
            ended = SegmentUnknown if self._stage.handed_over else SegmentNotSent
            self._tell(ended(self._sending, why))
        self._stage.clear()

    def _not_ready(self, why: str) -> None:
        self._initialised_at = None
        self._tell(NotReady(why))

    def _stray(self, text: str) -> None:
        reference = text.removeprefix("+CMGS:").strip()
        late = text.startswith("+CMGS:") and reference.isdigit() and int(reference) <= 0xFF
        if late and self._unknown_tag is not None:
            self._events.append(LateAnswer(self._unknown_tag, int(reference)))
            self._unknown_tag = None
        else:
            self._events.append(UnknownLine(text))

    def _urc(self, urc: UrcHeard, now: float) -> None:
        name = urc.text.partition(":")[0]
        if urc.pdu is not None:
            self._events.append(routed(self._facts, tpdu_of(urc.pdu)))
        elif name in ("+CMTI", "+CDSI"):
            if not self._chores.announced(urc.text, now):
                self._events.append(UnknownLine(urc.text))
        elif name in REGISTRATIONS:
            self._registration(name, urc.text, now)
        elif urc.text.startswith(_RESTARTED + _SIM_GONE):
            if urc.text.startswith(_STARTS):
                self._dialogue.has_restarted()
            if urc.text.startswith(_SIM_GONE):
                self._chores.sim_is_gone()
            self._abandon(f"the modem said {urc.text}")
            self._not_ready(f"the modem said {urc.text}")
            self._recovery.ask_again(now)
        else:
            self._notice(urc.text, now)
            self._events.append(UrcReceived(urc.text))

    def _notice(self, text: str, now: float) -> None:
        """Unsolicited codes that say how the modem is."""
        if text.startswith(("+CPIN: READY", *self._facts.profile.ready)):
            if self._recovery.waits:
                self._recovery.ask_again(now)
            self._stage.wake(now)
        self._events += self._notices.take(text, now)

    def _registration(self, name: str, text: str, now: float) -> None:
        was = self._facts.registered
        stat = int(fields(text)[0])
        changes = self._facts.registration.get(name) != stat
        self._facts.registration[name] = stat
        if was and not self._facts.registered and self._told_ready:
            self._tell(NotReady(self._facts.registration_words))
        if changes:  # one that is repeated must not use up the patience of who waits for the SIM
            self._stage.wake(now)
