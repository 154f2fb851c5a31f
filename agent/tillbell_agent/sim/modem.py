"""A GSM modem that exists only here: octets of an AT line in, octets and log records out; time is an argument.

V.250's line discipline (echo, CR, the ``>`` prompt, Ctrl-Z and ESC), one command at a time as a real modem does them,
the network's latency behind each message, unsolicited codes, status reports, and faults on request. What each command
answers is in ``modem_commands.py``; what becomes of a message in ``network.py``.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from tillbell_agent.sim.modem_commands import Commands, Reply
from tillbell_agent.sim.modem_faults import Fault, Faults
from tillbell_agent.sim.network import Network, Record
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, SmsSubmit, at_pdu, split_at_pdu

CR, CTRL_Z, ESC = 0x0D, 0x1A, 0x1B
# A command line or a message being entered: longer than any that is valid.
MAX_ENTRY_OCTETS = 4096
# Input that waits while the modem is busy; a UART's buffer and the modem's queue together.
MAX_INPUT_OCTETS = 16_384
# Messages for this SIM that wait in the network for a free place.
MAX_WAITING = 1000


@dataclass(slots=True)
class _Entry:
    """A message that is being entered after ``>``; ``argument`` is what AT+CMGS said."""

    argument: str
    octets: bytearray = field(default_factory=bytearray)


class ModemMachine:
    """Sans-IO. ``latency_s``: what the network takes for each message."""

    def __init__(
        self,
        network: Network,
        *,
        commands: Commands | None = None,
        latency_s: float = 0.0,
        report_after_s: float = 0.05,
    ) -> None:
        self.network = network
        self.commands = commands or Commands()
        self.faults = Faults()
        self.latency_s = latency_s
        self.report_after_s = report_after_s
        self._records: list[Record] = []
        self._out = bytearray()
        self._input = bytearray()
        self._line = bytearray()
        self._entry: _Entry | None = None
        self._busy = False
        self._mr = 0
        self._later: list[tuple[float, int, int, Callable[[float], None]]] = []
        self._numbers = count()
        self._life = 0  # restarts so far: what was to happen before one does not happen after it
        self._waiting: list[bytes] = []

    # The line.

    def receive_data(self, data: bytes, now: float) -> list[Record]:
        """Octets from the computer → log records."""
        if len(self._input) + len(data) > MAX_INPUT_OCTETS:
            self._record("input_lost", now, octets=len(data))
        else:
            self._input += data
        self._work(now)
        return self._take_records()

    def bytes_to_send(self) -> bytes:
        """Octets for the computer; each is given once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_deadline(self) -> float | None:
        return self._later[0][0] if self._later else None

    def tick(self, now: float) -> list[Record]:
        """Let happen what is due."""
        while self._later and self._later[0][0] <= now:
            at, _, life, action = heapq.heappop(self._later)
            if life == self._life:
                action(at)
        self._work(now)
        return self._take_records()

    # What a harness may do.

    def urc(self, text: str, now: float) -> None:
        """Say something unasked, at once, whatever is going on."""
        self._record("urc", now, line=text.splitlines()[0] if text else "")
        self._out += b"\r\n" + text.encode("latin-1", "replace") + b"\r\n"

    def deliver_text(self, sender: str, text: str, now: float) -> int:
        """A text from somebody to this SIM. Returns its segments; EncodeError for what cannot be one."""
        segments = split_text(text, reference=next(self._numbers) & 0xFF)
        origin, scts = Address.from_text(sender), self.network.timestamp(now)
        for part in segments:
            self.deliver(SmsDeliver(origin, 0, part.dcs, scts, part.udh, part.ud).encode(), now)
        return len(segments)

    def deliver(self, tpdu: bytes, now: float) -> None:
        """A TPDU from the network, routed as +CNMI says; it waits in the network while the storage is full."""
        if self.commands.announce(1) >= 2:
            pdu, octets = at_pdu(tpdu)
            self.urc(f"+CMT: ,{octets}\r\n{pdu}", now)
            return
        index = self.commands.store.put(tpdu)
        if index is None:
            self._record("full", now, waiting=len(self._waiting) + 1)
            self._waiting = [*self._waiting, tpdu][:MAX_WAITING]
        elif self.commands.announce(1) == 1:
            self.urc(f'+CMTI: "{self.commands.store.name}",{index}', now)

    def set_registration(self, stat: int, now: float) -> None:
        """Gain or lose the network; told where +CREG, +CGREG or +CEREG asked for it."""
        self.commands.stat = stat
        for name in ("+CREG", "+CGREG", "+CEREG"):
            if self.commands.kept[name] != "0":
                self.urc(f"{name}: {stat}", now)

    def restart(self, now: float, *, silent: bool = False, locked: bool = False) -> None:
        """Lose power for a moment: modes, entry and answers are gone; storage stays. ``locked``: the SIM wants its PIN."""
        self._life += 1
        self.commands.reset()
        if locked:
            self.commands.sim.state = "SIM PIN"
        self._entry, self._busy = None, False
        self._input.clear()
        self._line.clear()
        self._record("restart", now)
        if not silent:
            self.urc("RDY", now)

    def take_records(self) -> list[Record]:
        """Records of what a harness did."""
        return self._take_records()

    # How it works.

    def _take_records(self) -> list[Record]:
        records, self._records = self._records, []
        return records

    def _record(self, ev: str, now: float, **values: object) -> None:
        self._records.append({"ev": ev, "t": now, **values})

    def _after(self, seconds: float, now: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._later, (now + seconds, next(self._numbers), self._life, action))

    def _work(self, now: float) -> None:
        """Take in what has come, up to the next thing that takes time."""
        while self._input and not self._busy:
            octet = self._input.pop(0)
            if self.commands.echo and octet != ESC:
                self._out.append(octet)
            if self._entry is not None:
                self._enter(self._entry, octet, now)
            elif octet == CR:
                line = self._line.decode("latin-1").strip()
                self._line.clear()
                self._execute(line, now)
            elif octet >= 0x20 and len(self._line) < MAX_ENTRY_OCTETS:
                self._line.append(octet)

    def _enter(self, entry: _Entry, octet: int, now: float) -> None:
        if octet == ESC:
            self._entry = None
            self._record("cancelled", now, octets=len(entry.octets))
            self._say(Reply())
        elif octet == CTRL_Z:
            self._entry = None
            self._submit(entry, now)
        elif octet == CR and self.commands.kept["+CMGF"] == "1":
            entry.octets.append(0x0A)
            self._out += b"\r\n> "
        elif len(entry.octets) < MAX_ENTRY_OCTETS and (octet >= 0x20 or self.commands.kept["+CMGF"] == "1"):
            entry.octets.append(octet)

    def _execute(self, line: str, now: float) -> None:
        start = line.upper().find("AT")
        if start < 0:
            return  # V.250: what does not begin with AT is no command line
        line = line[start:]
        self._record("cmd", now, line=line)
        if self.faults.take("deaf"):
            return
        reply = self.commands.run(line)
        if reply.prompt is not None:
            self._prompt(reply, now)
            return
        fault = self.faults.take("error", "late")
        if fault is not None and fault.kind == "late":
            self._answer_later(reply, fault.seconds, now)
            return
        self._say(Reply(final="ERROR") if fault is not None else reply)
        if reply.reset:
            self.restart(now)
        elif self._waiting:
            self._fill_storage(now)

    def _prompt(self, reply: Reply, now: float) -> None:
        fault = self.faults.take("refuse_prompt", "no_prompt")
        if fault is None:
            self._entry = _Entry(reply.prompt or "")
            self._out += b"\r\n> "
        elif fault.kind == "refuse_prompt":
            self._say(Reply(reply.lines, f"+CMS ERROR: {fault.code}"))
        else:
            self._record("fault", now, kind=fault.kind)

    def _say(self, reply: Reply) -> None:
        for line in reply.lines:
            self._out += f"\r\n{line}\r\n".encode("latin-1", "replace")
        self._out += f"\r\n{reply.final}\r\n".encode("ascii")

    def _answer_later(self, reply: Reply | None, seconds: float, now: float) -> None:
        """Busy until then, as a modem is: nothing else is taken in meanwhile. None: no answer at all."""
        self._busy = True

        def answer(_at: float) -> None:
            self._busy = False
            if reply is not None:
                self._say(reply)

        self._after(seconds, now, answer)

    def _fill_storage(self, now: float) -> None:
        while self._waiting and self.commands.store.used < self.commands.store.places:
            self.deliver(self._waiting.pop(0), now)

    # Sending.

    def _submit(self, entry: _Entry, now: float) -> None:
        text_mode = self.commands.kept["+CMGF"] == "1"
        written = entry.octets.decode("latin-1")
        self._record(
            "text" if text_mode else "pdu", now, **({"text": written} if text_mode else {"hex": written})
        )
        try:
            submit = (
                self._from_text(entry.argument, written) if text_mode else _from_pdu(entry.argument, written)
            )
        except ProtocolError as error:
            self._record("bad_pdu", now, why=str(error))
            self._say(Reply(final="+CMS ERROR: 304"))
            return
        fault = self.faults.take("refuse", "lost_pdu", "lost_ok", "late_ok")
        if fault is not None:
            self._record("fault", now, kind=fault.kind)
        if self.commands.stat not in (1, 5, 6, 7):
            self._answer_later(Reply(final="+CMS ERROR: 331"), 0.0, now)
        elif fault is not None and fault.kind == "refuse":
            self._answer_later(Reply(final=f"+CMS ERROR: {fault.code}"), self.latency_s, now)
        elif fault is None or fault.kind != "lost_pdu":
            self._busy = True
            self._after(self.latency_s, now, lambda at: self._accepted(submit, fault, at))

    def _accepted(self, submit: SmsSubmit, fault: Fault | None, now: float) -> None:
        """The network has the message; what the computer learns of it is another matter."""
        self._mr = (self._mr + 1) & 0xFF
        mr = self._mr
        self._records += self.network.submit(submit, mr, self.commands.sim.number, now)
        if submit.srr:
            self._after(self.report_after_s, now, lambda at: self._report(submit, mr, now, at))
        if submit.da.text() == self.commands.sim.number:
            deliver = self.network.as_delivered(submit, now).encode()
            self._after(self.report_after_s, now, lambda at: self.deliver(deliver, at))
        reply = Reply((f"+CMGS: {mr}",))
        self._busy = False
        if fault is not None and fault.kind == "late_ok":
            self._answer_later(reply, fault.seconds, now)
        elif fault is None:
            self._say(reply)

    def _report(self, submit: SmsSubmit, mr: int, submitted_at: float, now: float) -> None:
        tpdu = self.network.report(submit, mr, submitted_at, now).encode()
        pdu, octets = at_pdu(tpdu)
        match self.commands.announce(3):
            case 1:
                self.urc(f"+CDS: {octets}\r\n{pdu}", now)
            case 2:
                index = self.commands.store.put(tpdu)
                if index is not None:
                    self.urc(f'+CDSI: "{self.commands.store.name}",{index}', now)
            case _:
                self._record("report_dropped", now, mr=mr)

    def _from_text(self, argument: str, written: str) -> SmsSubmit:
        number = self.commands.string(argument.split(",", maxsplit=1)[0].strip('"'))
        segment = split_text(self.commands.string(written), reference=0)[0]
        return SmsSubmit(0, Address.from_text(number), 0, segment.dcs, None, (), segment.ud)


def _from_pdu(argument: str, written: str) -> SmsSubmit:
    tpdu = split_at_pdu(written)[1]
    if len(tpdu) != int(argument):
        raise ProtocolError(f"AT+CMGS announced {argument} octets, {len(tpdu)} came")
    return SmsSubmit.decode(tpdu)
