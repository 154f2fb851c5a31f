"""What the network has for a simulated modem's SIM → storage and +CMTI, or +CMT; status reports → +CDS or +CDSI.

As +CNMI says. What cannot be taken (storage full, no network, modem off) waits in the network and comes in its order.
"""

from collections import deque

from tillbell_agent.sim.modem_core import Core
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsDeliver, at_pdu

# Messages for this SIM that wait in the network; what comes on top is refused by it.
MAX_WAITING = 1000
# A +CMT that +CNMA does not acknowledge by then is taken as not received, and direct routing ends.
ACKNOWLEDGE_WITHIN_S = 15.0


class Receiving:
    """``reports_to``: the storage for +CDSI; empty: the one for messages."""

    def __init__(self, core: Core) -> None:
        self.reports_to = ""
        self._core = core
        self._waiting: deque[bytes] = deque()
        self._reports: deque[tuple[bytes, int]] = deque()

    def deliver_text(self, sender: str, text: str, now: float) -> int:
        """A text from somebody to this SIM. Returns its segments; EncodeError for what cannot be one."""
        segments = split_text(text, reference=next(self._core.numbers) & 0xFF)
        origin, scts = Address.from_text(sender), self._core.network.timestamp(now)
        for part in segments:
            self.deliver(SmsDeliver(origin, 0, part.dcs, scts, part.udh, part.ud).encode(), now)
        return len(segments)

    def deliver(self, tpdu: bytes, now: float) -> None:
        """A TPDU from the network."""
        fault = self._core.faults.take("incoming", number=_sender(tpdu))
        if fault is not None:
            self._core.record("fault", now, kind=fault.kind)
        silent = fault is not None and fault.kind == "incoming_silent"
        for _ in range(1 if fault is None or silent else 2):
            if self._waiting or not self._hand_over(tpdu, now, silent=silent):
                self._wait(tpdu, now)

    def report(self, tpdu: bytes, mr: int, now: float) -> None:
        """A status report from the network; it waits for a modem that is away, and is dropped where nobody wants it."""
        if not self._reachable():
            if len(self._reports) < MAX_WAITING:
                self._reports.append((tpdu, mr))
            return
        commands = self._core.commands
        pdu, octets = at_pdu(tpdu)
        store = commands.storages.stores[self.reports_to] if self.reports_to else commands.store
        index = store.put(tpdu) if commands.announce(3) == 2 else None
        if commands.announce(3) == 1:
            self._core.urc(f"+CDS: {octets}\r\n{pdu}", now)
            self._expect_acknowledgement(tpdu, now, keep=False)
        elif index is not None:
            self._core.urc(f'+CDSI: "{store.name}",{index}', now)
        else:
            self._core.record("report_dropped", now, mr=mr)

    def resume(self, now: float) -> None:
        """A place may be free, the network or the modem may be back: go on with what waits."""
        while self._waiting and self._hand_over(self._waiting[0], now):
            self._waiting.popleft()
        while self._reports and self._reachable():
            self.report(*self._reports.popleft(), now)

    def _reachable(self) -> bool:
        commands = self._core.commands
        return self._core.alive and commands.registered and commands.sim.cme() is None

    def _wait(self, tpdu: bytes, now: float) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(tpdu)
        why = "full" if self._reachable() else "away"
        self._core.record(why, now, waiting=len(self._waiting))

    def _hand_over(self, tpdu: bytes, now: float, *, silent: bool = False) -> bool:
        if not self._reachable():
            return False
        commands = self._core.commands
        if commands.announce(1) >= 2 and not silent:
            pdu, octets = at_pdu(tpdu)
            self._core.urc(f"+CMT: ,{octets}\r\n{pdu}", now)
            self._expect_acknowledgement(tpdu, now, keep=True)
            return True
        return self._store(tpdu, now, silent=silent)

    def _store(self, tpdu: bytes, now: float, *, silent: bool) -> bool:
        store = self._core.commands.store
        index = store.put(tpdu)
        if index is not None and self._core.commands.announce(1) >= 1 and not silent:
            self._core.urc(f'+CMTI: "{store.name}",{index}', now)
        return index is not None

    def _expect_acknowledgement(self, tpdu: bytes, now: float, *, keep: bool) -> None:
        commands = self._core.commands
        if commands.service == 0:
            return
        commands.unacknowledged += 1
        expected = commands.acknowledged + commands.unacknowledged

        def check(at: float) -> None:
            if commands.acknowledged >= expected or commands.unacknowledged == 0:
                return
            commands.unacknowledged = 0
            self._core.record("ack_missing", at)
            values = commands.kept["+CNMI"].split(",")
            commands.kept["+CNMI"] = ",".join([values[0], "0", values[2], "0", values[4]])
            if keep and not self._store(tpdu, at, silent=True):
                self._wait(tpdu, at)

        self._core.after(ACKNOWLEDGE_WITHIN_S, now, check)


def _sender(tpdu: bytes) -> str:
    try:
        return SmsDeliver.decode(tpdu).oa.text()
    except ProtocolError:
        return ""
