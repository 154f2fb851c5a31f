"""What an agent touches, simulated: its clock, its lines, and the wait that ends its turn instead of sleeping."""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from itertools import count

from tillbell_agent.moment import Moment
from tillbell_agent.shell.ports import PortError
from tillbell_agent.shell.watching import Watched
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.network import Record

# A read of a real port gives no more at once.
_READ_OCTETS = 4096
# What a UART and its driver hold for a program that does not read.
MAX_WAITING = 65_536
# Turns without octets in which no time passes: a few follow each other, more are a busy loop.
_MOST_IDLE_TURNS = 200


class NothingToDoError(Exception):
    """The agent would sleep now: its turn ends here, before it has done anything."""


class AgentSpinsError(Exception):
    """The agent turns and turns, and neither octets nor time move."""


class PowerCutError(BaseException):
    """The box has no power any more: nothing in the agent may handle this."""


class SimClock:
    """``now``: simulated seconds. ``ahead_s``: what the wall clock is ahead of them."""

    def __init__(self, zone: tzinfo, ahead_s: float) -> None:
        self.now = 0.0
        self.zone, self.ahead_s = zone, ahead_s
        self._told: tuple[float, Moment] | None = None

    def monotonic(self) -> float:
        return self.now

    def moment(self) -> Moment:
        wall = self.now + self.ahead_s
        if self._told is None or self._told[0] != wall:
            self._told = (wall, Moment.at(wall, self.zone))
        return self._told[1]


class SimPort:
    """A line's near end. ``there``: its adapter is plugged in."""

    _numbers = count(1000)

    def __init__(self) -> None:
        self._number = next(self._numbers)
        self._waiting = bytearray()
        self.there = True
        self.is_open = False
        self.broken = False  # it went while it was open
        self.opened = 0  # how often

    def open(self) -> "SimPort":
        if not self.there:
            raise PortError("/dev/simulated: no such port: is the adapter plugged in?", missing=True)
        self.is_open, self.broken = True, False
        self.opened += 1
        self._waiting.clear()  # a driver keeps nothing for a port that nobody had open
        return self

    def fileno(self) -> int:
        return self._number

    @property
    def ready(self) -> bool:
        return self.is_open and (self.broken or bool(self._waiting))

    def put(self, octets: bytes) -> bool:
        """Octets from the other end; False: nobody is there to get them, or not all of them."""
        if not self.is_open or self.broken:
            return False
        room = MAX_WAITING - len(self._waiting)
        self._waiting += octets[:room]
        return room >= len(octets)

    def read(self) -> bytes:
        if self.broken:
            raise PortError("/dev/simulated: the other end is gone: is it unplugged?")
        data = bytes(self._waiting[:_READ_OCTETS])
        del self._waiting[:_READ_OCTETS]
        return data

    def close(self) -> None:
        self.is_open = self.broken = False
        self._waiting.clear()

    def unplug(self) -> None:
        self.there = False
        self.broken = self.is_open
        self._waiting.clear()

    def plug(self) -> None:
        self.there = True


class SimModemPort(SimPort):
    """A modem behind the line, of that ``name`` in the configuration; octets travel at once.

    ``cut_after``: octets until the power goes while they are written.
    """

    def __init__(
        self, name: str, machine: ModemMachine, clock: SimClock, tell: Callable[[Record], None]
    ) -> None:
        super().__init__()
        self.name, self.machine, self._clock, self._tell = name, machine, clock, tell
        self.cut_after: int | None = None

    def open(self) -> "SimModemPort":
        self.there = self.machine.plugged
        super().open()
        return self

    def write(self, data: bytes) -> int:
        if self.broken:
            raise PortError("/dev/simulated: is it unplugged?")
        if self.cut_after is not None and self.cut_after < len(data):
            self._hand(data[: self.cut_after])
            raise PowerCutError
        if self.cut_after is not None:
            self.cut_after -= len(data)
        self._hand(data)
        return len(data)

    def set_speed(self, baudrate: int) -> None:
        """Every speed is the modem's: speeds are the wire's matter, which has its own simulation."""

    def let_pass(self) -> None:
        """The modem does what is due."""
        for record in self.machine.tick(self._clock.now) + self.machine.take_records():
            self._tell({"modem": self.name, **record})
        self._take()

    def _hand(self, data: bytes) -> None:
        for record in self.machine.receive_data(data, self._clock.now):
            self._tell({"modem": self.name, **record})
        self._take()

    def _take(self) -> None:
        octets = self.machine.bytes_to_send()
        if not self.machine.plugged and self.there:
            self.unplug()
        elif self.machine.plugged and not self.there:
            self.plug()
        if octets:
            self.put(octets)


class Sleep:
    """The waiter of one agent: hands out what is ready; else notes until when it would sleep, and ends the turn."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self.until: float | None = 0.0
        self._idle_turns = 0

    def wait(self, wanted: Sequence[Watched], timeout_s: float | None) -> list[Watched]:
        ready = [each for each in wanted if isinstance(each.owner, SimPort) and each.owner.ready]
        if ready:
            self._idle_turns = 0
            return ready
        now = self._clock.now
        self.until = None if timeout_s is None else now + timeout_s
        if self.until is None or self.until > now:
            self._idle_turns = 0
            raise NothingToDoError
        self._idle_turns += 1
        if self._idle_turns > _MOST_IDLE_TURNS:
            raise AgentSpinsError(f"at {now:.3f} s")
        return []
