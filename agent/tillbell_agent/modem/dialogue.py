"""One command at a time over an AT line: octets → answers, URCs, strays; and back in step after a silence.

V.250 knows no number that ties an answer to its command, so a late answer would be taken for the next command's. After
every time-out the dialogue therefore synchronises: ESC (it ends an open prompt, and nothing else), quiet, ``AT`` until
``OK``, quiet again, and for as long as the modem still owes final results; whatever comes meanwhile is a stray. It never writes a command while another is open or at a
prompt, never Ctrl-Z but behind a whole PDU or, told to, behind ESC, and never repeats anything by itself but ``AT``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tillbell_agent.modem.commands import MAX_LISTED, Command
from tillbell_agent.modem.digest import (
    Echo,
    Expect,
    FinalResult,
    InfoLine,
    Prompt,
    Unmatched,
    Urc,
    UrcPdu,
    digest,
    printable,
)

ESC = b"\x1b"
CTRL_Z = b"\x1a"

# Without octets for so long, the modem has nothing left to say: ten times what 115,200 bit/s need for a whole PDU line.
QUIET_S = 0.2
# A modem that never falls silent (boot messages, a stuck line) is asked all the same after this.
LONGEST_NOISE_S = 2.0
# ``AT`` is answered within milliseconds, unless the modem is busy with the network.
ATTENTION_S = 1.0
# While a modem owes answers to earlier command lines it is waited ATTENTION_S for each, and so long where it has just
# left one without an answer in time: one that is slow needs up to that. What has not come by then it never took in.
OWED_S = 2.5
# Then the line counts as deaf; who asks decides when to try again. A waking autobaud modem needs two or three.
SYNC_TRIES = 5
# The most lines an answer has: a listing's two per message, and a few more.
MAX_ANSWER_LINES = 2 * MAX_LISTED + 16
# TPDUs that were announced and have not come. More than two at once has not been seen; the oldest is given up.
MAX_AWAITED_TPDUS = 4


@dataclass(frozen=True, slots=True)
class Answered:
    """The open command ended with a final result; ``lines`` are its information lines."""

    command: Command[Any]
    final: FinalResult
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prompted:
    """``>``: the dialogue waits for ``write_pdu`` or ``cancel``."""

    command: Command[Any]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final result in time; the dialogue is synchronising. ``handed_over``: its PDU had been written."""

    command: Command[Any]
    handed_over: bool


@dataclass(frozen=True, slots=True)
class UrcHeard:
    """A whole unsolicited result code; ``pdu`` is the line in hex that it announced."""

    text: str
    pdu: str | None = None


@dataclass(frozen=True, slots=True)
class Stray:
    """A line or result that belongs to nobody, already made printable."""

    text: str


@dataclass(frozen=True, slots=True)
class Synchronised:
    """The modem answered ``AT`` and has nothing else to say: a command may be written."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Synchronising failed ``tries`` times. The dialogue waits for ``synchronise``."""

    tries: int


Heard = Answered | Prompted | TimedOut | UrcHeard | Stray | Synchronised | NoAnswer


class Phase(Enum):
    """Where the dialogue stands."""

    LOST = "out of step"  # until ``synchronise``
    QUIET = "waiting for quiet"
    ASKING = "asking whether anybody is there"
    SETTLING = "waiting for late answers"
    IDLE = "idle"
    OPEN = "waiting for an answer"
    PROMPTED = "at the prompt"
    HANDED_OVER = "waiting for the network's answer"


class Dialogue:
    """Sans-IO; starts out of step: call ``synchronise`` first."""

    def __init__(self) -> None:
        self.phase = Phase.LOST
        self.echoes_heard = 0
        # After AT+CMGS, until the modem is in step again: it may take in a message, and ESC may be lost on it.
        self.entry_open = False
        self.out_of_step = 0  # how often synchronising was needed, for the record
        self._buffer = bytearray()
        self._out = bytearray()
        self._command: Command[Any] | None = None
        self._lines: list[str] = []
        self._echoes: tuple[str, ...] = ()
        self._awaited: list[Urc] = []
        self._deadline: float | None = None
        self._quiet_ends = 0.0
        self._tries = 0
        self._most_tries = SYNC_TRIES
        self._slow = False  # a command line had no answer in time
        self._owed = 0  # command lines that were written and have no final result yet

    def bytes_to_send(self) -> bytes:
        """What is to be written now, once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> float | None:
        return self._deadline

    def write(self, command: Command[Any], now: float) -> None:
        """Open ``command``. Only when idle: anything else would end an open command, or become part of a text."""
        if self.phase is not Phase.IDLE:
            raise RuntimeError(f"{command!r} while {self.phase.value}")
        line = command.line()
        self._command, self._lines, self._echoes = command, [], (line,)
        self._out += line.encode("ascii") + b"\r"
        self.entry_open |= command.prompts
        self.phase, self._deadline = Phase.OPEN, now + command.timeout_s

    def write_pdu(self, pdu: str, now: float, answer_timeout_s: float) -> None:
        """At the prompt: the PDU in hex and Ctrl-Z. From here on a silence leaves the outcome open."""
        if self.phase is not Phase.PROMPTED:
            raise RuntimeError(f"a PDU while {self.phase.value}")
        self._echoes = (*self._echoes, pdu)
        self._out += pdu.encode("ascii") + CTRL_Z
        self.phase, self._deadline = Phase.HANDED_OVER, now + answer_timeout_s

    def synchronise(self, now: float, tries: int = SYNC_TRIES, *, doubted: bool = False) -> None:
        """Give up whatever is open and find out what the modem still says. Ends an open prompt unsent.

        ``doubted``: the last answer may have been an earlier command's, so that one is still to come.
        """
        self._slow = self._command is not None or self._owed > 0
        self._owed += self._command is not None or doubted
        self._command, self._lines, self._echoes = None, [], ()
        self._most_tries = tries
        self.out_of_step += 1
        self._tries = 0
        self._wait_for_quiet(now)

    def has_restarted(self) -> None:
        """The modem started anew: it has forgotten what it was asked before. Then ``synchronise``."""
        self._command, self._owed = None, 0

    def flush(self) -> None:
        """Out of step: end a message entry that ESC did not end. What stands in it is no PDU: it has ``AT`` in it by now.

        RuntimeError unless ``synchronise`` has failed.
        """
        if self.phase is not Phase.LOST:
            raise RuntimeError(f"a flush while {self.phase.value}")
        self._out += ESC + CTRL_Z

    def write_unheard(self, line: str) -> None:
        """Give up whatever is open and write a command line of which no answer is expected; then ``synchronise``."""
        self._command, self._lines, self._echoes = None, [], (line,)
        self._out += line.encode("ascii") + b"\r"
        self.phase, self._deadline = Phase.LOST, None

    def receive_data(self, data: bytes, now: float) -> list[Heard]:
        """Any octets → what they mean. The buffer never holds more than one unfinished line."""
        self._buffer += data
        heard: list[Heard] = []
        while self._buffer:
            result, consumed = digest(bytes(self._buffer[:2048]), self._expect())
            if not consumed:
                break
            del self._buffer[:consumed]
            match result:
                case Urc():
                    heard += self._urc(result)
                case UrcPdu():
                    heard += self._urc_pdu(result)
                case FinalResult():
                    heard += self._final(result, now)
                case Prompt():
                    heard += self._prompt(now)
                case InfoLine() if len(self._lines) < MAX_ANSWER_LINES:
                    self._lines.append(result.text)
                case InfoLine(text) | Unmatched(text):
                    heard.append(Stray(printable(text)))
                    self._not_quiet_yet(now)
                case Echo():
                    self.echoes_heard += 1
                case None:
                    pass
        return heard

    def tick(self, now: float) -> list[Heard]:
        """Let time pass: an open command times out, a quiet line is asked, a settled one is in step."""
        if self._deadline is None or now < self._deadline:
            return []
        match self.phase:
            case Phase.OPEN | Phase.PROMPTED | Phase.HANDED_OVER:
                return self._time_out(now)
            case Phase.QUIET:
                self._out += b"AT\r"
                self._owed += 1
                self._echoes = ("AT",)
                self.phase, self._deadline = Phase.ASKING, now + ATTENTION_S
            case Phase.ASKING:
                return self._try_again(now)
            case Phase.SETTLING:
                self.phase, self._deadline, self._echoes = Phase.IDLE, None, ()
                self.entry_open, self._owed = False, 0
                return [Synchronised()]
        return []

    def _expect(self) -> Expect:
        awaited = tuple(urc.tpdu_octets for urc in self._awaited if urc.tpdu_octets is not None)
        # Before its PDU is written a command that prompts has no answer lines: one that comes is an earlier one's.
        if self._command is None or (self._command.prompts and self.phase is not Phase.HANDED_OVER):
            return Expect(self._echoes, tpdu_octets=awaited)
        return Expect(self._echoes, self._command.claims, awaited)

    def _urc(self, urc: Urc) -> list[Heard]:
        if urc.tpdu_octets is None:
            return [UrcHeard(printable(urc.text))]
        self._awaited.append(urc)
        if len(self._awaited) <= MAX_AWAITED_TPDUS:
            return []
        return [Stray(printable(self._awaited.pop(0).text))]

    def _urc_pdu(self, pdu: UrcPdu) -> list[Heard]:
        announced = next(urc for urc in self._awaited if urc.tpdu_octets == pdu.tpdu_octets)
        self._awaited.remove(announced)
        return [UrcHeard(printable(announced.text), pdu.text)]

    def _final(self, final: FinalResult, now: float) -> list[Heard]:
        if self._command is None:
            return self._final_of_earlier(final, now)
        if self.phase is not Phase.HANDED_OVER and self._command.prompts and final.kind == "OK":
            # It cannot end with OK before its PDU: a late answer of something else, which its own may follow.
            return [Stray(printable(final.text))]
        self.entry_open &= not self._command.prompts
        answered = Answered(self._command, final, tuple(self._lines))
        self._command, self._lines, self._echoes = None, [], ()
        self.phase, self._deadline = Phase.IDLE, None
        return [answered]

    def _final_of_earlier(self, final: FinalResult, now: float) -> list[Heard]:
        """With no command open: the answer to an ``AT``, or to something before it, in the order of writing."""
        owed, self._owed = self._owed, max(0, self._owed - 1)
        asked = self.phase is Phase.ASKING or (self.phase is Phase.QUIET and self._tries > 0)
        if asked and final.kind == "OK":
            self._settle(now)
            return []
        if self.phase is Phase.ASKING and owed <= 1:
            return self._try_again(now)
        stray = Stray(printable(final.text))
        if self.phase is Phase.SETTLING and owed == 0:  # more answers than there were questions
            return [stray, *self._try_again(now)]
        if self.phase is Phase.SETTLING:
            self._settle(now)
        self._not_quiet_yet(now)
        return [stray]

    def _settle(self, now: float) -> None:
        for_owed = OWED_S if self._slow or self._tries else ATTENTION_S
        self.phase, self._deadline = Phase.SETTLING, now + (for_owed if self._owed else QUIET_S)

    def _prompt(self, now: float) -> list[Heard]:
        if self.phase is Phase.OPEN and self._command is not None and self._command.prompts:
            self.phase = Phase.PROMPTED
            return [Prompted(self._command)]
        if self.phase in (Phase.PROMPTED, Phase.HANDED_OVER):
            return []  # some modems prompt again for each line of what they take
        # A prompt that nobody asked for, or that comes late: what was just written became a text. Leave it unsent.
        self._out += ESC
        if self.phase is Phase.OPEN:
            return [Stray(">"), *self._time_out(now)]
        self._not_quiet_yet(now)
        return [Stray(">")]

    def _not_quiet_yet(self, now: float) -> None:
        if self.phase is Phase.QUIET:
            self._deadline = min(now + QUIET_S, self._quiet_ends)

    def _wait_for_quiet(self, now: float) -> None:
        # Every second try goes without ESC: some modems take it as the first character of the next command line.
        if self._tries % 2 == 0:
            self._out += ESC
        self.phase, self._deadline = Phase.QUIET, now + QUIET_S
        self._quiet_ends = now + LONGEST_NOISE_S

    def _try_again(self, now: float) -> list[Heard]:
        self._tries += 1
        if self._tries < self._most_tries:
            self._wait_for_quiet(now)
            return []
        self.phase, self._deadline = Phase.LOST, None
        return [NoAnswer(self._tries)]

    def _time_out(self, now: float) -> list[Heard]:
        command, handed_over = self._command, self.phase is Phase.HANDED_OVER
        self.synchronise(now)
        return [TimedOut(command, handed_over)] if command is not None else []
