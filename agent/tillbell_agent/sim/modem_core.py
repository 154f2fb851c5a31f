"""What the parts of a simulated modem have in common: its power, its timers, its output and its log. Time is an argument."""

import heapq
from collections.abc import Callable
from enum import Enum
from itertools import count

from tillbell_agent.sim.modem_commands import Commands
from tillbell_agent.sim.modem_faults import Fault, Faults
from tillbell_agent.sim.modem_state import Reply
from tillbell_agent.sim.network import Network, Record

# Noise as a line at the wrong speed gives it.
_NOISE = bytes((0xFE, 0x00, 0x80, 0xF8, 0x3F, 0xFF, 0x0F))


class Power(Enum):
    """``HUNG``: it has power and does nothing. ``UNPLUGGED``: its port does not exist."""

    ON = "on"
    HUNG = "hung"
    BOOTING = "booting"
    OFF = "off"
    UNPLUGGED = "unplugged"


class Core:
    """``command``: the name of the command that is open, for faults that strike only some."""

    def __init__(self, network: Network, commands: Commands, faults: Faults) -> None:
        self.network, self.commands, self.faults = network, commands, faults
        self.power = Power.ON
        self.busy = False
        self.command = ""
        self.numbers = count()
        self.out = bytearray()
        self._records: list[Record] = []
        self._later: list[tuple[float, int, int | None, Callable[[float], None]]] = []
        self.life = 0  # restarts so far: what the modem was to do before one it does not do after it

    @property
    def alive(self) -> bool:
        """It has power, has started, and does not hang."""
        return self.power is Power.ON

    def take_records(self) -> list[Record]:
        records, self._records = self._records, []
        return records

    def add_records(self, records: list[Record]) -> None:
        self._records += records

    def record(self, ev: str, now: float, **values: object) -> None:
        self._records.append({"ev": ev, "t": now, **values})

    def after(self, seconds: float, now: float, action: Callable[[float], None]) -> None:
        """What the modem is going to do; it is forgotten when the modem restarts."""
        heapq.heappush(self._later, (now + seconds, next(self.numbers), self.life, action))

    def outside_after(self, seconds: float, now: float, action: Callable[[float], None]) -> None:
        """What happens whatever becomes of the modem meanwhile."""
        heapq.heappush(self._later, (now + seconds, next(self.numbers), None, action))

    def next_deadline(self) -> float | None:
        return self._later[0][0] if self._later else None

    def do_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            at, _, life, action = heapq.heappop(self._later)
            if life in (None, self.life):
                action(at)

    def end_life(self) -> None:
        """Nothing that was begun goes on."""
        self.life += 1
        self.busy = False

    def urc(self, text: str, now: float) -> None:
        """Say something unasked, at once, whatever is going on; a modem that is off or hangs says nothing."""
        if self.alive:
            self.record("urc", now, line=text.splitlines()[0] if text else "")
            self.out += _line(text)

    def say(self, reply: Reply) -> None:
        """The answer to the open command, or what a fault makes of it."""
        said = b"".join(_line(line) for line in (*reply.lines, reply.final))
        fault = self.faults.take("answer", command=self.command)
        self.out += said if fault is None else _spoilt(said, reply, fault)

    def say_later(self, reply: Reply, seconds: float, now: float) -> None:
        """Busy until then, as a modem is: nothing else is taken in meanwhile."""
        self.busy = True

        def answer(_at: float) -> None:
            self.busy = False
            self.say(reply)

        self.after(seconds, now, answer)


def _line(text: str) -> bytes:
    return b"\r\n" + text.encode("latin-1", "replace") + b"\r\n"


def _spoilt(said: bytes, reply: Reply, fault: Fault) -> bytes:
    """An answer as a fault of the occasion "answer" lets it come."""
    line = fault.line.encode("latin-1", "replace")
    match fault.kind:
        case "cut":
            return said[: len(said) // 2]
        case "garbage":
            return _NOISE + said
        case "urc_before":
            return b"\r\n" + line + b"\r\n" + said
        case "urc_glued":
            return said + line + b"\r\n"
        case _:
            first = len((*reply.lines, reply.final)[0]) // 2 + 2
            return said[:first] + b"\r\n" + line + b"\r\n" + said[first:]
