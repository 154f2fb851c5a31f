"""A whole agent on simulated ports and a simulated clock: the runner as it ships, with nothing real around it."""

import heapq
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count

from till import NOON, ZONE, Till

from tillbell_agent.courier import Courier
from tillbell_agent.listening import Listener
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.session import Session
from tillbell_agent.modem_line import ModemLine
from tillbell_agent.moment import Moment
from tillbell_agent.pin_book import PinBook
from tillbell_agent.pos.registry import DialectSettings, make_dialect
from tillbell_agent.runner import Runner
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.shell.watching import Watched
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.network import Network

# A turn in which nothing is ready and no time passes does nothing; a few follow each other, hundreds are a spin.
_MOST_IDLE_TURNS = 50


class SimClock:
    """``wall_s`` is what the wall clock is ahead of the simulated time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wall_s: float = NOON - self.now

    def monotonic(self) -> float:
        return self.now

    def moment(self) -> Moment:
        return Moment.at(self.now + self.wall_s, ZONE)


class SimPort:
    """One line's near end. ``gone``: the adapter is unplugged."""

    numbers = count(1000)

    def __init__(self) -> None:
        self.number = next(self.numbers)
        self.waiting = bytearray()
        self.gone = False

    def fileno(self) -> int:
        return self.number

    @property
    def ready(self) -> bool:
        return self.gone or bool(self.waiting)

    def read(self) -> bytes:
        if self.gone:
            raise PortError("/dev/nowhere: the other end is gone: is it unplugged?")
        data = bytes(self.waiting[:4096])
        del self.waiting[:4096]
        return data

    def close(self) -> None:
        self.gone = False


class SimModemPort(SimPort):
    """A modem behind the line; octets travel at once."""

    def __init__(self, machine: ModemMachine, clock: SimClock) -> None:
        super().__init__()
        self.machine, self._clock = machine, clock
        self.records: list[dict[str, object]] = []

    def write(self, data: bytes) -> int:
        if self.gone:
            raise PortError("/dev/nowhere: is it unplugged?")
        self.records += self.machine.receive_data(data, self._clock.now)
        self.waiting += self.machine.bytes_to_send()
        return len(data)

    def set_speed(self, baudrate: int) -> None:
        self.speed = baudrate

    def let_pass(self) -> None:
        self.records += self.machine.tick(self._clock.now) + self.machine.take_records()
        self.waiting += self.machine.bytes_to_send()


class NoControl:
    def watched(self) -> Sequence[Watched]:
        return []


class Town:
    """``at(seconds, action)`` plans what the world does; ``live(seconds)`` lets the agent run."""

    def __init__(self, till: Till, *, source_there: bool = True, idle_s: float = 1.0) -> None:
        self.till = till
        self.clock = SimClock()
        self.printer = SimPort()
        self.source_there = self.modem_there = True
        self.source_there = source_there
        self.machine = ModemMachine(Network(datetime(2026, 11, 21, tzinfo=UTC)), latency_s=0.5)
        self.modem_port = SimModemPort(self.machine, self.clock)
        self.said = io.StringIO()
        self.ready_at: float | None = None
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._idle_turns = 0
        self._idle_s = idle_s
        self.start()

    def start(self) -> None:
        """As ``tillbell run`` puts it together."""
        log, register = Log(self.said), self.till.register
        dialect = make_dialect("escpos", DialectSettings(currency="CNY", idle_s=self._idle_s))
        self.listener = Listener(
            self.till.config.sources[0], "CNY", dialect, register, self._open_source, log
        )
        session = Session(self.clock.now, settings=ModemSettings())
        self.courier = Courier("sim1", session, register, log, jitter=lambda: 0.5)
        book = PinBook(lambda: register.connection, "sim1", 0)
        self.modem = ModemLine("sim1", "/dev/nowhere-modem", self._open_modem, self.courier, log, book)
        self.runner = Runner(
            [self.listener], [], [self.modem], register, NoControl(), self.clock, self, log, self._on_ready
        )
        self.runner.start()

    def at(self, after_s: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._plans, (self.clock.now + after_s, next(self._order), action))

    def prints(self, octets: bytes, after_s: float = 0.0) -> None:
        self.at(after_s, lambda: self.printer.waiting.extend(octets))

    def live(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Turn for so long, or until something holds; whether it does."""
        end = self.clock.now + seconds
        while self.clock.now < end and not until():
            self.at(end - self.clock.now, lambda: None)
            self.runner.turn()
        return until()

    def wait(self, wanted: Sequence[Watched], timeout_s: float | None) -> list[Watched]:
        """The waiter that the runner is given: it makes time pass."""
        ready = self._ready(wanted)
        if not ready:
            before = self.clock.now
            times = [plan[0] for plan in self._plans[:1]]
            times += [at for at in (self.machine.next_deadline(),) if at is not None]
            times += [before + timeout_s] if timeout_s is not None else []
            self.clock.now = max(before, min(times))
            while self._plans and self._plans[0][0] <= self.clock.now:
                heapq.heappop(self._plans)[2]()
            self.modem_port.let_pass()
            ready = self._ready(wanted)
            spins = not ready and self.clock.now <= before
            self._idle_turns = self._idle_turns + 1 if spins else 0
            assert self._idle_turns < _MOST_IDLE_TURNS, f"the agent spins: {self.said.getvalue()[-2000:]}"
        return ready

    def texts(self, phone: str) -> list[str]:
        return [str(shown.text) for shown in self.machine.network.shown(phone)]

    def log_lines(self, word: str) -> list[str]:
        return [line for line in self.said.getvalue().splitlines() if word in line]

    def _ready(self, wanted: Sequence[Watched]) -> list[Watched]:
        return [each for each in wanted if isinstance(each.owner, SimPort) and each.owner.ready]

    def _on_ready(self) -> None:
        self.ready_at = self.clock.now

    def _open_source(self, _path: str) -> SimPort:
        if not self.source_there:
            raise PortError("/dev/nowhere-printer: no such port: is the adapter plugged in?", missing=True)
        return self.printer

    def _open_modem(self) -> SimModemPort:
        if not self.modem_there:
            raise PortError("/dev/nowhere-modem: no such port: is the adapter plugged in?", missing=True)
        return self.modem_port
