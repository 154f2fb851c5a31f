"""A message that was entered at a simulated modem → the network, an answer, a status report; and the faults on that way.

The first message takes the cold latency; one that follows while +CMMS keeps the link up takes the warm one.
"""

from collections.abc import Callable

from tillbell_agent.sim.modem_core import Core
from tillbell_agent.sim.modem_faults import Fault
from tillbell_agent.sim.modem_receiving import Receiving
from tillbell_agent.sim.modem_state import Reply
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsSubmit, split_at_pdu

# TS 27.005 leaves the time for which +CMMS keeps the link up behind a message to the modem, between 1 and 5 s.
LINK_STAYS_UP_S = 3.0
_REFUSALS = frozenset({"refuse", "congestion", "bad_number", "barred", "no_credit"})


class Sending:
    """``latency_s``: what the network takes for a message; ``warm_latency_s`` with the link up, None: the same.

    ``strike``: how hang, reset and unplug are done, which is not this module's matter.
    """

    def __init__(self, core: Core, receiving: Receiving, strike: Callable[[Fault, float], None]) -> None:
        self.latency_s = 0.0
        self.warm_latency_s: float | None = None
        self.report_after_s = 0.05
        self._core, self._receiving, self._strike = core, receiving, strike
        self._mr = 0
        self._link_up_until = float("-inf")

    def submit(self, argument: str, written: str, now: float) -> None:
        """``argument`` is what AT+CMGS said, ``written`` what was entered before Ctrl-Z."""
        core = self._core
        text_mode = core.commands.text_mode
        core.record("text" if text_mode else "pdu", now, **{"text" if text_mode else "hex": written})
        try:
            submit = self._from_text(argument, written) if text_mode else _from_pdu(argument, written)
        except ProtocolError as error:
            core.record("bad_pdu", now, why=str(error))
            core.say(Reply(final="+CMS ERROR: 304"))
            return
        fault = core.faults.take("pdu", number=submit.da.text())
        if fault is not None:
            core.record("fault", now, kind=fault.kind)
        self._go(submit, written, fault, now)

    def _go(self, submit: SmsSubmit, written: str, fault: Fault | None, now: float) -> None:
        core, latency_s = self._core, self._latency(now)
        if not core.commands.registered:
            core.say_later(Reply(final="+CMS ERROR: 331"), 0.0, now)
        elif not self._has_service_centre(written):
            core.say_later(Reply(final="+CMS ERROR: 330"), 0.0, now)
        elif fault is not None and fault.kind in _REFUSALS:
            core.say_later(Reply(final=f"+CMS ERROR: {fault.code}"), latency_s, now)
        elif fault is not None and fault.kind in ("hang", "reset", "unplug") and not fault.taken:
            self._strike(fault, now)
        elif fault is None or fault.kind != "lost_pdu":
            core.busy = True
            core.after(latency_s, now, lambda at: self._accepted(submit, fault, at))

    def _accepted(self, submit: SmsSubmit, fault: Fault | None, now: float) -> None:
        """The network has the message; what the computer learns of it is another matter."""
        core = self._core
        self._mr = (self._mr + 1) & 0xFF
        mr, sim = self._mr, core.commands.sim
        core.add_records(core.network.submit(submit, mr, sim.number, now))
        self._keep_link(now)
        if submit.srr:
            self._report_later(submit, mr, now)
        if submit.da.text() == sim.number:
            deliver = core.network.as_delivered(submit, now).encode()
            core.outside_after(self.report_after_s, now, lambda at: self._receiving.deliver(deliver, at))
        reply = Reply((f"+CMGS: {mr}",))
        core.busy = False
        if fault is None:
            core.say(reply)
        elif fault.kind == "late_ok":
            core.say_later(reply, fault.seconds, now)
        elif fault.kind != "lost_ok":
            self._strike(fault, now)

    def _report_later(self, submit: SmsSubmit, mr: int, now: float) -> None:
        core = self._core
        fault = core.faults.take("report", number=submit.da.text())
        kind = None if fault is None else fault.kind
        if kind is not None:
            core.record("fault", now, kind=kind)
        if kind == "report_lost":
            return
        status = {"status": fault.code} if fault is not None and kind == "report_failed" else {}
        late = fault.seconds if fault is not None and kind == "report_late" else 0.0

        def report(at: float) -> None:
            tpdu = core.network.report(submit, mr, now, at, **status).encode()
            self._receiving.report(tpdu, mr, at)

        core.outside_after(self.report_after_s + late, now, report)

    def _latency(self, now: float) -> float:
        warm = self.warm_latency_s
        return self.latency_s if warm is None or now > self._link_up_until else warm

    def _keep_link(self, now: float) -> None:
        kept = self._core.commands.kept["+CMMS"] != "0"
        self._link_up_until = now + LINK_STAYS_UP_S if kept else float("-inf")

    def _has_service_centre(self, written: str) -> bool:
        """In the PDU's own front octets, or in the card."""
        in_pdu = not self._core.commands.text_mode and written[:2] != "00"
        return in_pdu or self._core.commands.sim.service_centre != ""

    def _from_text(self, argument: str, written: str) -> SmsSubmit:
        commands = self._core.commands
        number = commands.string(argument.split(",", maxsplit=1)[0].strip('"'))
        segment = split_text(commands.string(written), reference=0)[0]
        return SmsSubmit(0, Address.from_text(number), 0, segment.dcs, None, (), segment.ud)


def _from_pdu(argument: str, written: str) -> SmsSubmit:
    tpdu = split_at_pdu(written)[1]
    if len(tpdu) != int(argument):
        raise ProtocolError(f"AT+CMGS announced {argument} octets, {len(tpdu)} came")
    return SmsSubmit.decode(tpdu)
