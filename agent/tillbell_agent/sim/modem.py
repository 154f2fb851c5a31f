"""A GSM modem that exists only here: octets of an AT line in, octets and log records out; time is an argument.

V.250's line discipline (echo, CR, the ``>`` prompt, Ctrl-Z and ESC), one command at a time as a real modem does them.
What each command answers is in ``modem_commands.py``; how a message is sent and received, how the modem hangs, resets
and goes away in ``modem_sending.py``, ``modem_receiving.py`` and ``modem_power.py``; what becomes of a message in
``network.py``; the speed of its line in ``modem_wire.py``.
"""

import re
from dataclasses import dataclass, field

from tillbell_agent.sim.modem_commands import Commands
from tillbell_agent.sim.modem_core import Core, Power
from tillbell_agent.sim.modem_faults import Faults
from tillbell_agent.sim.modem_power import Life
from tillbell_agent.sim.modem_receiving import Receiving
from tillbell_agent.sim.modem_sending import Sending
from tillbell_agent.sim.modem_state import Reply
from tillbell_agent.sim.network import Network, Record
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, at_pdu

CR, CTRL_Z, ESC = 0x0D, 0x1A, 0x1B
_PRINTABLE = re.compile(rb"[\x20-\xff]+")
# A command line or a message being entered: longer than any that is valid.
MAX_ENTRY_OCTETS = 4096
# Input that waits while the modem is busy; a UART's buffer and the modem's queue together.
MAX_INPUT_OCTETS = 16_384
# What a code brings besides its answer, an operator's words for one, comes this much later.
_ANSWERS_TO_CODES_AFTER_S = 0.5
# A USB modem says OK to a reset and goes away a little later.
_GOES_AWAY_AFTER_S = 0.1
_ENDLESS_ROW_EVERY_S = 0.05


@dataclass(slots=True)
class _Entry:
    """A message that is being entered after ``>``; ``argument`` is what AT+CMGS said."""

    argument: str
    octets: bytearray = field(default_factory=bytearray)


class ModemMachine:
    """Sans-IO. ``latency_s``: what the network takes for each message. ``command_s``: what the modem takes for each
    command line; it does one after the other. ``life``, ``sending``, ``receiving`` have the rest."""

    def __init__(
        self,
        network: Network,
        *,
        commands: Commands | None = None,
        latency_s: float = 0.0,
        report_after_s: float = 0.05,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.commands = commands or Commands()
        self.faults = Faults(seed)
        self._core = Core(network, self.commands, self.faults)
        self.receiving = Receiving(self._core)
        self.life = Life(self._core, self._forget, self.receiving.resume)
        self.sending = Sending(self._core, self.receiving, self.life.strike)
        self.latency_s, self.report_after_s = latency_s, report_after_s
        self.command_s = 0.0
        self._input = bytearray()
        self._line = bytearray()
        self._entry: _Entry | None = None

    # The line.

    def receive_data(self, data: bytes, now: float) -> list[Record]:
        """Octets from the computer → log records."""
        core = self._core
        if not core.alive:
            core.record("input_lost", now, octets=len(data), power=core.power.value)
        elif len(self._input) + len(data) > MAX_INPUT_OCTETS:
            core.record("input_lost", now, octets=len(data))
        else:
            self._input += data
        self._work(now)
        return core.take_records()

    def bytes_to_send(self) -> bytes:
        """Octets for the computer; each is given once."""
        out = bytes(self._core.out)
        self._core.out.clear()
        return out

    def next_deadline(self) -> float | None:
        return self._core.next_deadline()

    def tick(self, now: float) -> list[Record]:
        """Let happen what is due."""
        self._core.do_due(now)
        self._work(now)
        return self._core.take_records()

    @property
    def plugged(self) -> bool:
        """False: the port does not exist."""
        return self._core.power is not Power.UNPLUGGED

    @property
    def power(self) -> Power:
        return self._core.power

    @property
    def endings(self) -> int:
        """How often it has lost its power, hung or gone away so far."""
        return self._core.life

    # What a harness may do.

    @property
    def latency_s(self) -> float:
        return self.sending.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self.sending.latency_s = seconds

    @property
    def report_after_s(self) -> float:
        return self.sending.report_after_s

    @report_after_s.setter
    def report_after_s(self, seconds: float) -> None:
        self.sending.report_after_s = seconds

    def urc(self, text: str, now: float) -> None:
        """Say something unasked, at once, whatever is going on."""
        self._core.urc(text, now)

    def raw(self, octets: bytes, now: float) -> None:
        """Say exactly this; a modem that is off or hangs says nothing."""
        if self._core.alive:
            self._core.record("raw", now, hex=octets.hex())
            self._core.out += octets

    def deliver_text(self, sender: str, text: str, now: float) -> int:
        """A text from somebody to this SIM. Returns its segments; EncodeError for what cannot be one."""
        return self.receiving.deliver_text(sender, text, now)

    def deliver(self, tpdu: bytes, now: float) -> None:
        """A TPDU from the network, routed as +CNMI says; it waits in the network while the storage is full."""
        self.receiving.deliver(tpdu, now)

    def set_registration(self, stat: int, now: float) -> None:
        """Gain or lose the network; told where +CREG, +CGREG or +CEREG asked for it."""
        self.life.set_registration(stat, now)

    def restart(self, now: float, *, silent: bool = False, locked: bool = False) -> None:
        """Lose power for a moment: modes, entry and answers are gone; storage stays. ``locked``: the SIM wants its PIN."""
        self.life.restart(now, silent=silent, locked=locked)

    def take_records(self) -> list[Record]:
        """Records of what a harness did."""
        return self._core.take_records()

    # How it works.

    def _forget(self) -> None:
        """What was typed, and what was being entered."""
        self._entry = None
        self._input.clear()
        self._line.clear()

    def _work(self, now: float) -> None:
        """Take in what has come, up to the next thing that takes time."""
        core = self._core
        while self._input and core.alive and not core.busy:
            if self._entry is not None and not self.commands.text_mode:
                self._enter_run(self._entry)
                if not self._input:
                    return
            octet = self._input.pop(0)
            if self.commands.echo and octet != ESC:
                core.out.append(octet)
            if self._entry is not None:
                self._enter(self._entry, octet, now)
            elif octet == CR:
                line = self._line.decode("latin-1").strip()
                self._line.clear()
                self._execute(line, now)
            elif octet >= 0x20 and len(self._line) < MAX_ENTRY_OCTETS:
                self._line.append(octet)

    def _enter_run(self, entry: _Entry) -> None:
        """The octets of a PDU up to the next that means something else, at once: it is where the octets are."""
        run = _PRINTABLE.match(self._input)
        if run is None:
            return
        if self.commands.echo:
            self._core.out += run[0]
        entry.octets += run[0][: MAX_ENTRY_OCTETS - len(entry.octets)]
        del self._input[: run.end()]

    def _enter(self, entry: _Entry, octet: int, now: float) -> None:
        text_mode = self.commands.text_mode
        if octet == ESC:
            self._entry = None
            self._core.record("cancelled", now, octets=len(entry.octets))
            self._core.say(Reply())
        elif octet == CTRL_Z:
            self._entry = None
            self.sending.submit(entry.argument, entry.octets.decode("latin-1"), now)
        elif octet == CR and text_mode:
            entry.octets.append(0x0A)
            self._core.out += b"\r\n> "
        elif len(entry.octets) < MAX_ENTRY_OCTETS and (octet >= 0x20 or text_mode):
            entry.octets.append(octet)

    def _execute(self, line: str, now: float) -> None:
        start = line.upper().find("AT")
        if start < 0:
            return  # V.250: what does not begin with AT is no command line
        core, line = self._core, line[start:]
        core.command = command_name(line)
        core.record("cmd", now, line=line)
        if self.faults.take("line", command=core.command):
            return
        if self.command_s > 0:
            core.busy = True
            core.after(self.command_s, now, lambda at: self._do(line, at))
        else:
            self._do(line, now)

    def _do(self, line: str, now: float) -> None:
        """Answer a line that was taken in."""
        self._core.busy = False
        if self._struck(line, now):
            return
        reply = self.commands.run(line)
        if reply.prompt is not None:
            self._prompt(reply, now)
            return
        self._answer(reply, now)
        self._after_answer(reply, now)

    def _struck(self, line: str, now: float) -> bool:
        """Faults of listing and deleting; True: nothing else happens to this line."""
        command = self._core.command
        if command == "+CMGL" and not line.endswith("?") and self.faults.take("list"):
            self._core.busy = True
            self._list_on(1, now)
            return True
        if command == "+CMGD" and not line.endswith("?") and self.faults.take("delete"):
            self._core.say(Reply())
            return True
        return False

    def _answer(self, reply: Reply, now: float) -> None:
        fault = self.faults.take("command", command=self._core.command)
        if fault is None:
            self._core.say(reply)
            return
        match fault.kind:
            case "late":
                self._core.say_later(reply, fault.seconds, now)
            case "cme":
                self._core.say(self.commands.cme(fault.code))
            case "cms":
                self._core.say(self.commands.cms(fault.code))
            case _:
                self._core.say(Reply(final="ERROR"))

    def _after_answer(self, reply: Reply, now: float) -> None:
        later, self.commands.later = self.commands.later, []
        for urc in later:
            self._core.after(_ANSWERS_TO_CODES_AFTER_S, now, lambda at, urc=urc: self._core.urc(urc, at))  # type: ignore[misc]
        if reply.power_off:
            self._core.urc("NORMAL POWER DOWN", now)
            self.life.power_off(now)
        elif reply.reset and self.life.reenumerates:
            self._core.after(_GOES_AWAY_AFTER_S, now, self.restart)
        elif reply.reset:
            self.restart(now)
        self.receiving.resume(now)

    def _prompt(self, reply: Reply, now: float) -> None:
        fault = self.faults.take("prompt")
        kind = "" if fault is None else fault.kind
        if kind:
            self._core.record("fault", now, kind=kind)
        if fault is not None and kind == "refuse_prompt":
            self._core.say(Reply(reply.lines, f"+CMS ERROR: {fault.code}"))
        elif fault is not None and kind == "late_prompt":
            self._core.busy = True
            self._core.after(fault.seconds, now, lambda _at: self._open(reply.prompt or ""))
        elif kind != "no_prompt":
            self._open(reply.prompt or "")
            if fault is not None:
                self._core.urc(fault.line, now)

    def _open(self, argument: str) -> None:
        self._core.busy = False
        self._entry = _Entry(argument)
        self._core.out += b"\r\n> "

    def _list_on(self, index: int, now: float) -> None:
        """A row more, and the next one soon, until the modem is reset."""
        segment = split_text("again", 0)[0]
        scts = self.network.timestamp(now)
        deliver = SmsDeliver(Address.from_text("10086"), 0, segment.dcs, scts, segment.udh, segment.ud)
        pdu, octets = at_pdu(deliver.encode())
        self._core.out += f"\r\n+CMGL: {index},0,,{octets}\r\n{pdu}\r\n".encode("ascii")
        self._core.after(_ENDLESS_ROW_EVERY_S, now, lambda at: self._list_on(index + 1, at))


def command_name(line: str) -> str:
    """The name of a line's first command, in capitals: ``+CMGS``, ``D``; empty for ``AT`` alone."""
    body = line[2:].strip().upper()
    end = next((i for i, char in enumerate(body) if char in "=?;" or (i and not char.isalpha())), len(body))
    return body[:end]
