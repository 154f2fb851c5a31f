"""One shop: a till that prints, a box with the real agent, a modem or two. What it must tell is noted as it prints."""

import io
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tillbell_agent.assembly import Agent, Pin, assemble, open_store
from tillbell_agent.config import BridgeConfig, Config, ModemConfig, SourceConfig, parse
from tillbell_agent.database import StoreError, transaction, truncate_wal
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem_line import Power
from tillbell_agent.pairings import Pairings
from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.runner import Control
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.shell.profiles import load_profiles
from tillbell_agent.shell.watching import Watched
from tillbell_agent.sim.installation.disk import Disk
from tillbell_agent.sim.installation.radio import Radio
from tillbell_agent.sim.installation.surroundings import (
    NothingToDoError,
    PowerCutError,
    SimClock,
    SimModemPort,
    SimPort,
    Sleep,
)
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.network import Record
from tillbell_protocol.keys import SecretKey
from tillbell_protocol.pairing import Card, Defaults, pair_as_device

# A service manager starts an agent that ended this much later.
_RESTART_S = 5.0
# Turns without a rest: a long backlog is some hundreds.
_MOST_TURNS = 100_000
_LOG_KEPT = 200_000
_TILL_PORT = "/dev/simulated-till"


@dataclass(slots=True)
class Plan:
    """Who a shop is. ``owner`` and ``hq`` are phone numbers. ``dialect``: what its terminal speaks.

    ``sims``: the number of each modem's SIM. ``prefixes``: the phones that the last modem is for; empty: any.
    """

    name: str
    merchant: str
    zone: str
    owner: str
    hq: str
    sims: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    dialect: str = "escpos"


class NoControl:
    """Nobody asks this agent anything."""

    def watched(self) -> Sequence[Watched]:
        return []


class PowerSwitch:
    """What a ``power_command`` is wired to: it takes the modem's power away and gives it back."""

    def __init__(self, machine: ModemMachine, clock: SimClock) -> None:
        self._machine, self._clock = machine, clock

    def start(self, _profile: Profile) -> str | None:
        self._machine.restart(self._clock.now)
        return None

    def trouble(self) -> str | None:
        return None


@dataclass(slots=True)
class Shop:
    """``folder`` holds its state; ``tell`` gets every record of its modems, with the shop's name.

    ``pins``: what the file of a modem's PIN holds, by the modem's name.
    """

    plan: Plan
    folder: Path
    radio: Radio
    chance: random.Random
    tell: Callable[[str, Record], None]
    right_ahead_s: float
    agent: Agent | None = None
    starts: int = 0
    crashes: list[str] = field(default_factory=list)  # what ended the agent that no incident is
    restart_at: float | None = 0.0
    pins: dict[str, Pin] = field(default_factory=dict)
    log: io.StringIO = field(default_factory=io.StringIO)
    on_start: Callable[[], None] = lambda: None
    host: dict[str, str] = field(init=False)
    config: Config = field(init=False)
    clock: SimClock = field(init=False)
    waiter: Sleep = field(init=False)
    disk: Disk = field(init=False)
    source: SimPort = field(init=False)
    till_source: SimPort = field(init=False)
    modems: list[SimModemPort] = field(init=False)
    profiles: tuple[Profile, ...] = field(init=False)
    device_key: SecretKey = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = parse(_configuration(self.plan, self.folder / "state"), "config.toml")
        self.clock = SimClock(ZoneInfo(self.plan.zone), self.right_ahead_s)
        self.waiter, self.disk = Sleep(self.clock), Disk()
        self.source, self.till_source = SimPort(), SimPort()
        self.modems = [self._modem(f"sim{place}", number) for place, number in enumerate(self.plan.sims, 1)]
        self.profiles = load_profiles()
        self.host = {"machine_id": self.chance.randbytes(16).hex()}
        self.device_key = SecretKey.from_random(self.chance.randbytes(64))

    # What the agent asks of the world.

    def open_source(self, _source: SourceConfig, port: str) -> SimPort:
        return (self.till_source if port == _TILL_PORT else self.source).open()

    def open_modem(self, modem: ModemConfig) -> SimModemPort:
        return self._port_of(modem).open()

    def open_bridge(self, bridge: BridgeConfig) -> SimModemPort:
        raise PortError(f"{bridge.port}: no such port: a simulated shop has no bridge", missing=True)

    def link_key(self, _bridge: BridgeConfig) -> bytes:
        return self.chance.randbytes(32)

    def pin(self, modem: ModemConfig) -> Pin | None:
        return self.pins.get(modem.name)

    def power(self, modem: ModemConfig) -> Power | None:
        return PowerSwitch(self._port_of(modem).machine, self.clock)

    def control(self, _answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Control:
        return NoControl()

    def octets(self, count: int) -> bytes:
        return self.chance.randbytes(count)

    def jitter(self) -> float:
        return self.chance.random()

    def ready(self) -> None:
        self.tell(self.plan.name, {"ev": "ready", "t": self.clock.now})

    # What the world does to it.

    def pair(self, card: Card) -> bytes:
        """While no agent runs: pair with headquarters; the bundle."""
        state_dir = self.config.state_dir
        state_dir.mkdir(exist_ok=True)
        offset = self.clock.moment().local.utcoffset()
        defaults = Defaults(
            device_name=self.plan.name,
            currency="CNY",
            utc_offset_min=0 if offset is None else int(offset.total_seconds() // 60),
            shops=(self.plan.merchant,),
        )
        made = pair_as_device(self.device_key, card, self.chance.randbytes(32), defaults)
        connection = Disk().open(state_dir)
        pairings = Pairings(connection, GuardFile(self.config.guard_path), run="pairing")
        with transaction(connection):
            pairings.add("hq", made, card, defaults, self.host, self.clock.moment().unix)
        truncate_wal(connection)
        connection.close()
        return made.bundle

    @property
    def wake_at(self) -> float | None:
        """When it wants to turn though nothing comes."""
        if self.agent is None:
            return self.restart_at
        return self.waiter.until

    @property
    def due(self) -> bool:
        wake_at = self.wake_at
        if wake_at is not None and wake_at <= self.clock.now:
            return True
        heard = self.source.ready or self.till_source.ready or any(modem.ready for modem in self.modems)
        return self.agent is not None and heard

    def live(self) -> None:
        """Turn until the agent would sleep; a power cut on the way ends it."""
        try:
            if self.agent is None:
                self._start()
            for _ in range(_MOST_TURNS):
                if self.agent is None:
                    return
                self.agent.runner.turn()
        except NothingToDoError:
            return
        except PowerCutError:
            self.lose_power()
        except Exception as error:  # noqa: BLE001 - whatever ends an agent is what a run looks for
            self.crashes.append(f"{type(error).__name__}: {error}")
            self.kill()

    def lose_power(self, off_s: float = 30.0) -> None:
        """Everything stops where it stands; the box and its modems come back after ``off_s``."""
        self.tell(self.plan.name, {"ev": "power_cut", "t": self.clock.now})
        self._end()
        for modem in self.modems:
            modem.machine.restart(self.clock.now)
        self.restart_at = self.clock.now + off_s

    def kill(self) -> None:
        """The agent alone ends, as by SIGKILL; its service manager starts it again."""
        self.tell(self.plan.name, {"ev": "kill", "t": self.clock.now})
        self._end()
        self.restart_at = self.clock.now + _RESTART_S

    def stay_off(self) -> None:
        """End, and stay so until somebody sets ``restart_at``."""
        self._end()
        self.restart_at = None

    def write_pin(self, modem: SimModemPort, digits: str) -> None:
        """Somebody writes the file of a modem's PIN; an agent reads it when it starts."""
        before = self.pins.get(modem.name)
        self.pins[modem.name] = Pin(digits, 1 if before is None else before.written_at + 1)

    def copy_state(self, to: Path) -> None:
        """The state directory as a backup or a cloned card has it; the second place is not in it."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.config.state_dir, to)

    def replace_state(self, by: Path) -> None:
        """While nothing runs."""
        shutil.rmtree(self.config.state_dir)
        shutil.copytree(by, self.config.state_dir)

    def uncut(self) -> None:
        """The power goes at no statement, and at no octet, any more."""
        self.disk.cut_after = None
        for modem in self.modems:
            modem.cut_after = None

    def _modem(self, name: str, number: str) -> SimModemPort:
        machine = ModemMachine(self.radio, latency_s=2.0, report_after_s=4.0)
        machine.commands.sim.number = number
        return SimModemPort(name, machine, self.clock, lambda record: self.tell(self.plan.name, record))

    def _port_of(self, modem: ModemConfig) -> SimModemPort:
        return next(port for port in self.modems if port.name == modem.name)

    def _start(self) -> None:
        self.restart_at, self.starts = None, self.starts + 1
        self.uncut()
        self.waiter.until = self.clock.now
        log = Log(self.log)
        try:
            store = open_store(self.config.state_dir, log, self.disk.open)
            self.agent = assemble(self.config, self.device_key.ed25519_seed, store, self, log, self.disk.open)
        except StoreError as error:
            log.error("start_refused", why=error)
            self.restart_at = self.clock.now + _RESTART_S
            return
        self.tell(self.plan.name, {"ev": "start", "t": self.clock.now, "number": self.starts})
        self.on_start()
        self.agent.runner.start()

    def _end(self) -> None:
        if self.agent is not None:
            self.disk.cut_after = None
            self.agent.register.connection.close()
        self.agent = None
        self.source.close()
        self.till_source.close()
        for modem in self.modems:
            modem.close()
        if self.log.tell() > _LOG_KEPT:
            self.log.seek(0)
            self.log.truncate()


def _configuration(plan: Plan, state_dir: Path) -> str:
    port = '"/dev/simulated-terminal"'
    two = DIALECTS[plan.dialect].two_lines
    ports = f'port_terminal = {port}\nport_till = "{_TILL_PORT}"' if two else f"port = {port}"
    return (
        f'schema = 1\nstate_dir = "{state_dir}"\n'
        f'[device]\nname = "{plan.name}"\nmerchant = "{plan.merchant}"\ntimezone = "{plan.zone}"\n'
        'currency = "CNY"\nlanguage = "zh"\n'
        f'[[source]]\nname = "terminal"\ndialect = "{plan.dialect}"\n{ports}\nencoding = "gb18030"\n'
        f"{_modems(plan)}"
        f'[[recipient]]\nname = "owner"\nphone = "{plan.owner}"\nformat = "text"\n'
        f'[[recipient]]\nname = "hq"\nphone = "{plan.hq}"\nformat = "sealed"\n'
    )


def _modems(plan: Plan) -> str:
    names = [f"sim{place}" for place in range(1, len(plan.sims) + 1)]
    tables = [f'[[modem]]\nname = "{name}"\nport = "/dev/simulated-{name}"\n' for name in names]
    if plan.prefixes:
        tables[-1] += f"prefixes = {list(plan.prefixes)!r}\n"
    return "".join(tables)
