"""A modem session and a simulated modem on one simulated line and clock: hours in milliseconds, repeatable from a seed.

The links differ only in how octets travel: whole, one at a time, late, or with unsolicited codes put between the modem's
lines. The rig decides nothing but "hand over" at each prompt, and even that a test may take from it.
"""

import heapq
import random
import re
from collections.abc import Callable
from itertools import count

from tillbell_agent.modem.events import ModemEvent, PinWanted, SegmentPrompted
from tillbell_agent.modem.session import Session
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.network import Record

# Octets → pieces, each with its delay in seconds behind the one before it. ``to_modem`` says which way they go.
Link = Callable[[bytes, bool, random.Random], list[tuple[float, bytes]]]

_BETWEEN_LINES = re.compile(rb"(?<=\n)(?=\r\n)")
_CHATTER = (
    b"\r\nRING\r\n",
    b"\r\n+CIEV: 2,4\r\n",
    b"\r\n^RSSI: 18\r\n",
    b"\r\n+CREG: 1\r\n",
    b'\r\n+CUSD: 0,"x",15\r\n',
)


def perfect(data: bytes, _to_modem: bool, _chance: random.Random) -> list[tuple[float, bytes]]:
    """At once and whole."""
    return [(0.0, data)]


def byte_at_a_time(data: bytes, _to_modem: bool, _chance: random.Random) -> list[tuple[float, bytes]]:
    """Each octet by itself, as fast as 115,200 bit/s carries it."""
    return [(10 / 115_200, data[i : i + 1]) for i in range(len(data))]


def delayed(data: bytes, _to_modem: bool, chance: random.Random) -> list[tuple[float, bytes]]:
    """In pieces of any size, each up to 30 ms late, as a USB adapter under load gives them."""
    pieces = []
    while data:
        size = chance.randint(1, 40)
        pieces.append((chance.random() * 0.03, data[:size]))
        data = data[size:]
    return pieces


def chattering(data: bytes, to_modem: bool, chance: random.Random) -> list[tuple[float, bytes]]:
    """The modem says unasked things before, between and behind its lines, and at the prompt."""
    if to_modem:
        return [(0.0, data)]
    pieces = [(0.0, chance.choice(_CHATTER))] if data.startswith(b"\r\n") and chance.random() < 0.3 else []
    for piece in _BETWEEN_LINES.split(data):
        pieces.append((0.001, piece))
        if piece.endswith((b"\n", b"> ")) and chance.random() < 0.5:
            pieces.append((0.001, chance.choice(_CHATTER)))
    return pieces


LINKS: dict[str, Link] = {
    "perfect": perfect,
    "byte-at-a-time": byte_at_a_time,
    "delayed": delayed,
    "chattering": chattering,
}


class Rig:
    """``events`` and ``records`` collect what both sides reported, in order; ``now`` is the simulated time."""

    def __init__(
        self,
        session: Session,
        machine: ModemMachine,
        link: Link = perfect,
        *,
        seed: int = 0,
        now: float = 0.0,
    ) -> None:
        self.session = session
        self.machine = machine
        self.now = now
        self.events: list[ModemEvent] = []
        self.records: list[Record] = []
        self.hand_over = True
        self._link = link
        self._chance = random.Random(seed)
        self._travelling: list[tuple[float, int, bool, bytes]] = []
        self._order = count()
        self._arrival = {True: now, False: now}

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, at most ``seconds``; ends early, and is True, when ``until`` holds."""
        end = self.now + seconds
        while True:
            self._transfer()
            if until is not None and until():
                return True
            coming = self._next()
            if coming is None or coming > end:
                self.now = end
                return False
            self.now = max(self.now, coming)
            self._step()

    def run_until_ready(self, seconds: float = 60.0) -> bool:
        """True when the session became ready in time."""
        return self.run(seconds, lambda: self.session.ready)

    def seen(self, kind: type) -> list[ModemEvent]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def logged(self, ev: str) -> list[Record]:
        """Records of one kind."""
        return [record for record in self.records if record["ev"] == ev]

    def lines(self) -> list[str]:
        """Command lines that the modem took in."""
        return [record["line"] for record in self.logged("cmd")]

    def _next(self) -> float | None:
        times = [self.session.next_deadline(), self.machine.next_deadline()]
        if self._travelling:
            times.append(self._travelling[0][0])
        return min((time for time in times if time is not None), default=None)

    def _step(self) -> None:
        while self._travelling and self._travelling[0][0] <= self.now:
            _, _, to_modem, data = heapq.heappop(self._travelling)
            if to_modem:
                self.records += self.machine.receive_data(data, self.now)
            else:
                self._note(self.session.receive_data(data, self.now))
            self._transfer()
        self.records += self.machine.tick(self.now)
        self._note(self.session.tick(self.now))

    def _note(self, events: list[ModemEvent]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, SegmentPrompted) and self.hand_over:
                self.session.hand_over(self.now)
            if isinstance(event, PinWanted):
                self.session.pin_noted(self.now)

    def _transfer(self) -> None:
        self.records += self.machine.take_records()
        for to_modem, data in ((True, self.session.bytes_to_send()), (False, self.machine.bytes_to_send())):
            if data:
                for delay, piece in self._link(data, to_modem, self._chance):
                    # Octets never overtake each other.
                    self._arrival[to_modem] = max(self._arrival[to_modem], self.now) + delay
                    heapq.heappush(
                        self._travelling, (self._arrival[to_modem], next(self._order), to_modem, piece)
                    )
