"""A bridge's own session and ring, a link that delays and breaks, and the agent as it is put together, on a simulated clock."""

import io
import random
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from till import HOST, NOON, ZONE

from tillbell_agent.assembly import Agent, assemble, open_store
from tillbell_agent.config import Config, parse
from tillbell_agent.moment import Moment
from tillbell_agent.pos.dialect import Line
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.shell.watching import Watched
from tillbell_agent.sim.installation.disk import Disk

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware_bridge"))
from tillbell_bridge.ring import Ring
from tillbell_bridge.session import DeviceSession, Who
from tillbell_bridge.store import Epochs, Store

KEY = bytes(range(32))
PRINTER = {"printer": ("escpos", 'port = "bridge:tap/1"')}
CHANNELS = {Line.TERMINAL: 0, Line.TILL: 1}


def configuration(folder: Path, sources: Mapping[str, tuple[str, str]]) -> str:
    tables = [
        f'schema = 1\nstate_dir = "{folder}"',
        '[device]\nname = "till-1"\nmerchant = "老王面馆"\ntimezone = "Asia/Shanghai"\ncurrency = "CNY"\nlanguage = "zh"',
        '[[bridge]]\nname = "tap"\nport = "/dev/nowhere-bridge"\nkey_file = "tap.key"',
        *(
            f'[[source]]\nname = "{name}"\ndialect = "{dialect}"\n{ports}'
            for name, (dialect, ports) in sources.items()
        ),
        '[[recipient]]\nname = "owner"\nphone = "+8613800138000"\nformat = "text"',
    ]
    return "\n".join(tables) + "\n"


class Board:
    """A bridge that is switched on at ``now`` and forgets everything when it is switched off."""

    numbers = count(1)

    def __init__(
        self, now: float, boot: int, log: int, *, room: int = 1 << 17, unique_id: str = "e661"
    ) -> None:
        self.on_at, self.boot = now, boot
        self.ring = Ring(bytearray(room))
        self.store = Store(self.ring, log, boot, Epochs(None))
        who = Who("pico", unique_id, "0.1.0", 1, boot)
        chance = random.Random(log * 1000 + boot)
        counters = lambda: {"held": self.store.held, "lost": self.store.chunks_lost}  # noqa: E731
        self.session = DeviceSession(KEY, who, self.store, lambda: chance.randbytes(16), counters)

    def ticks(self, now: float) -> int:
        return round((now - self.on_at) * 1e6)

    def hear(self, octets: bytes, channel: Line, now: float, flags: int = 0) -> bool:
        return self.store.add(CHANNELS[channel], flags, self.ticks(now), octets)


class LinkPort:
    """The agent's end of the link's port."""

    numbers = count(5000)

    def __init__(self) -> None:
        self.number = next(self.numbers)
        self.inbox, self.outbox = bytearray(), bytearray()
        self.gone = False

    def fileno(self) -> int:
        return self.number

    def read(self) -> bytes:
        if self.gone:
            raise PortError("/dev/nowhere-bridge: the other end is gone: is it unplugged?")
        data = bytes(self.inbox[:4096])
        del self.inbox[:4096]
        return data

    def write(self, data: bytes) -> int:
        if self.gone:
            raise PortError("/dev/nowhere-bridge: is it unplugged?")
        self.outbox += data
        return len(data)

    def set_speed(self, baudrate: int) -> None: ...

    def close(self) -> None:
        self.gone = True


class NoControl:
    def watched(self) -> Sequence[Watched]:
        return []


class Bridged:
    """``run(seconds)`` lets time pass. What the bridge hears is planned with ``says``, whatever the link does meanwhile."""

    def __init__(
        self,
        folder: Path,
        sources: Mapping[str, tuple[str, str]] = PRINTER,
        *,
        way_s: float = 0.0,
        step_s: float = 0.02,
    ) -> None:
        self.config: Config = parse(configuration(folder, sources), str(folder.parent / "config.toml"))
        self.folder, self.way_s, self.step_s = folder, way_s, step_s
        folder.mkdir(parents=True, exist_ok=True)
        self.now = 100.0
        self.wall_ahead_s: float = NOON - self.now
        self.said = io.StringIO()
        self.chance = random.Random(1)
        self.boots = 0
        self.plans: list[tuple[float, Line, bytes, int]] = []
        self.plugged = True
        self.port: LinkPort | None = None
        self.travelling: list[tuple[float, bool, bytes]] = []
        self.disk = Disk()
        self.switch_on()
        self.start_agent()

    # The world that the agent is put together with.

    host = HOST
    profiles = ()
    waiter: Any = None

    @property
    def clock(self) -> "Bridged":
        return self

    def monotonic(self) -> float:
        return self.now

    def moment(self) -> Moment:
        return Moment.at(self.now + self.wall_ahead_s, ZONE)

    def open_bridge(self, _bridge: object) -> LinkPort:
        if not self.plugged:
            raise PortError("/dev/nowhere-bridge: no such port: is the adapter plugged in?", missing=True)
        self.port = LinkPort()
        return self.port

    def open_source(self, *_: object) -> Any:
        raise AssertionError("a bridge's source has no port of its own")

    open_modem = pin = power = open_source

    def link_key(self, _bridge: object) -> bytes:
        return KEY

    def control(self, _answer: object) -> NoControl:
        return NoControl()

    def octets(self, number: int) -> bytes:
        return self.chance.randbytes(number)

    def jitter(self) -> float:
        return 0.5

    def ready(self) -> None: ...

    # What happens.

    def switch_on(self, **how: Any) -> None:
        """The bridge starts anew, with nothing in its memory."""
        self.boots += 1
        self.board = Board(self.now, self.boots, 0x1000 + self.boots, **how)

    def start_agent(self, *, opened: bool = True) -> None:
        """As ``tillbell run`` does."""
        log = Log(self.said)
        store = open_store(self.folder, log, self.open_new)
        self.agent: Agent = assemble(self.config, bytes(32), store, self, log, self.open_new)
        (self.bridge,) = self.agent.bridges
        if opened:
            self.bridge.open(self.now)

    def open_new(self, state_dir: Path) -> sqlite3.Connection:
        """Without fsync: here processes end, not disks."""
        connection = self.disk.open(state_dir)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    def kill_agent(self) -> None:
        """As SIGKILL does: what it had in memory is gone, and the next one begins."""
        self.agent.register.connection.close()
        self.forget_line()

    def stop_agent(self) -> None:
        """As SIGTERM does."""
        self.agent.runner.close()
        self.agent.register.connection.close()
        self.forget_line()

    def forget_line(self) -> None:
        self.travelling.clear()
        if self.port is not None:
            self.port.gone = True

    def pull(self) -> None:
        self.plugged = False
        self.forget_line()

    def plug(self) -> None:
        self.plugged = True

    def says(
        self, octets: bytes, after_s: float = 0.0, channel: Line = Line.TERMINAL, flags: int = 0
    ) -> None:
        """What the terminal's line carries then, in one piece."""
        self.plans.append((self.now + after_s, channel, octets, flags))
        self.plans.sort(key=lambda plan: plan[0])

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = self.now + seconds
        while self.now < end - self.step_s / 2 and not until():
            self.now += self.step_s
            self.step()

    def board_alone(self) -> None:
        """No agent runs; the bridge hears on."""
        while self.plans and self.plans[0][0] <= self.now:
            at, channel, octets, flags = self.plans.pop(0)
            self.board.hear(octets, channel, max(at, self.board.on_at), flags)
        self.board.session.tick(self.board.ticks(self.now))

    def step(self) -> None:
        self.board_alone()
        said = self.board.session.bytes_to_send()
        bridge, line = self.bridge, self.bridge.line
        if line.port is not None:
            self.carry(said, to_agent=True)
            if self.port is not None and (self.port.inbox or self.port.gone):
                bridge.readable(line, self.now, self.moment())
        due = bridge.next_deadline()
        if due is not None and due <= self.now:
            bridge.tick(self.now, self.moment())
        bridge.flush()
        self.hand_over()

    def hand_over(self) -> None:
        """What the agent has written goes on its way."""
        if self.port is not None and not self.port.gone:
            out, self.port.outbox = bytes(self.port.outbox), bytearray()
            self.carry(out, to_agent=False)

    def carry(self, octets: bytes, *, to_agent: bool) -> None:
        if octets:
            self.travelling.append((self.now + self.way_s, to_agent, octets))
        here = [each for each in self.travelling if each[1] is to_agent and each[0] <= self.now]
        self.travelling = [each for each in self.travelling if each not in here]
        for _, _, arrived in here:
            if to_agent and self.port is not None:
                self.port.inbox += arrived
            elif not to_agent:
                self.board.session.receive(arrived, self.board.ticks(self.now))

    # What became of it.

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.agent.register.connection.execute(query))

    def amounts(self) -> list[int | None]:
        """Of what was told, in order."""
        return [
            row[0] for row in self.rows("SELECT amount_minor FROM ledger WHERE seq IS NOT NULL ORDER BY seq")
        ]

    def facts(self) -> dict[str, Any]:
        return self.bridge.facts(self.now)


def receipt(amount: str) -> bytes:
    """A till's receipt that nothing tells from the next one of the same amount."""
    return b"\x1b@" + f"MARKET\nTOTAL {amount}\nThank you\n".encode() + b"\x1dV\x00"
