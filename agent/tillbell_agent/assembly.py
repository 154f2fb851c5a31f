"""A configuration, an open store and a world of ports and clocks → the agent, ready to turn.

``tillbell run`` gives it the real world and a simulation its own; what stands between the two is the same.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tillbell_agent import bridge_rows
from tillbell_agent.bridge_book import BridgeBook, Marks, durable_logs
from tillbell_agent.bridge_epochs import BridgeEpochs
from tillbell_agent.bridge_line import BridgeLine
from tillbell_agent.bridge_source import DIALOGUE_S, BridgeSource
from tillbell_agent.config import (
    BridgeConfig,
    Config,
    ModemConfig,
    SourceConfig,
    bridge_port,
    dialect_settings,
)
from tillbell_agent.config_model import CHANNELS
from tillbell_agent.control_verbs import Verbs
from tillbell_agent.courier import Courier
from tillbell_agent.database import DamagedStoreError, StoreError, open_database
from tillbell_agent.listening import Listener
from tillbell_agent.modem.facts import ModemSettings
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.session import Session
from tillbell_agent.modem_line import ModemLine, Power
from tillbell_agent.pairings import Pairings
from tillbell_agent.pin_book import PinBook
from tillbell_agent.pos.dialect import Dialect
from tillbell_agent.pos.registry import DIALECTS, make_dialect
from tillbell_agent.register import Register
from tillbell_agent.rescue import Rescued, finish, rescue
from tillbell_agent.routes import Routes
from tillbell_agent.runner import Control, Runner, Waiter
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.log import Log
from tillbell_agent.telling import Telling
from tillbell_agent.world import Clock, DuplexPort, Port

Connect = Callable[[Path], sqlite3.Connection]


@dataclass(frozen=True, slots=True)
class Pin:
    """A SIM's PIN, and when its file was last written, in nanoseconds."""

    digits: str
    written_at: int


class World(Protocol):
    """Everything outside: ports, clock, chance, this board's identity, and who is told that the sources are open."""

    @property
    def clock(self) -> Clock: ...

    @property
    def waiter(self) -> Waiter: ...

    @property
    def host(self) -> dict[str, str]: ...

    @property
    def profiles(self) -> tuple[Profile, ...]: ...

    def open_source(self, source: SourceConfig, port: str) -> Port:
        """One of the source's ports."""

    def open_modem(self, modem: ModemConfig) -> DuplexPort: ...

    def open_bridge(self, bridge: BridgeConfig) -> DuplexPort: ...

    def link_key(self, bridge: BridgeConfig) -> bytes:
        """32 octets that the bridge was given when it was set up."""

    def pin(self, modem: ModemConfig) -> Pin | None: ...

    def power(self, modem: ModemConfig) -> Power | None: ...

    def control(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Control: ...

    def octets(self, count: int) -> bytes:
        """Random octets that nobody can foretell."""

    def jitter(self) -> float:
        """A number in [0, 1) for pauses."""

    def ready(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Agent:
    """What was put together."""

    runner: Runner
    register: Register
    control: Control
    listeners: list[Listener]
    bridges: list[BridgeLine]
    modems: list[ModemLine]


def open_store(
    state_dir: Path, log: Log, open_new: Connect = open_database
) -> tuple[sqlite3.Connection, Rescued | None]:
    """The store, and what was rescued of a damaged one. Raises StoreError."""
    try:
        finish(state_dir)
        try:
            return open_new(state_dir), None
        except DamagedStoreError as error:
            log.error("store_refused", why=error)
            rescued = rescue(state_dir)
            return open_new(state_dir), rescued
    except OSError as error:
        raise StoreError(
            f"the store in {state_dir} cannot be put in order: {error}. Check the disk (df)"
        ) from error


def assemble(
    config: Config,
    signing_seed: bytes,
    store: tuple[sqlite3.Connection, Rescued | None],
    world: World,
    log: Log,
    open_new: Connect = open_database,
) -> Agent:
    """Put the agent together, and the store in order. Raises StoreError; OSError where no control socket can be made."""
    (connection, rescued), guard = store, GuardFile(config.guard_path)
    register = Register(
        connection=connection,
        config=config,
        pairings=Pairings(connection, guard, run=world.octets(8).hex()),
        signing_seed=signing_seed,
        host=world.host,
        random=world.octets,
        open_store=open_new,
    )
    _put_in_order(register, guard, rescued, log)
    listeners = [
        _listener(source, config, register, world, log) for source in config.sources if source.bridge is None
    ]
    marks = bridge_rows.read(connection) if config.bridges else {}
    bridges = [_bridge(bridge, config, register, marks, world, log) for bridge in config.bridges]
    routes = Routes({modem.name: modem.prefixes for modem in config.modems})
    modems = [_modem(modem, register, world, log, routes) for modem in config.modems]
    verbs = Verbs(config, listeners, bridges, modems, register, guard, world.clock)
    control = world.control(verbs.answer)
    runner = Runner(
        listeners, bridges, modems, register, control, world.clock, world.waiter, log, world.ready
    )
    return Agent(runner, register, control, listeners, bridges, modems)


def _put_in_order(register: Register, guard: GuardFile, rescued: Rescued | None, log: Log) -> None:
    """Before anything is heard: what the last run could not finish, and what this store may not remember."""
    if rescued is not None:
        register.alarm = rescued.words()
        log.error("store_set_aside", why=register.alarm)
    skipped = register.catch_up(numbers_known=rescued is None or rescued.numbers_known)
    if skipped is not None:
        log.error("numbers_left_out", why=skipped)
    register.erase()
    for pairing in register.pairings.all():
        guard.expect(pairing.binding)
    if guard.alarm:
        log.error("second_place", why=guard.alarm)


def _dialect(source: SourceConfig, config: Config) -> Dialect:
    return make_dialect(source.dialect, dialect_settings(source, config.device))


def _listener(source: SourceConfig, config: Config, register: Register, world: World, log: Log) -> Listener:
    open_port = partial(world.open_source, source)
    return Listener(source, config.device.currency, _dialect(source, config), register, open_port, log)


def _bridge(
    bridge: BridgeConfig, config: Config, register: Register, marks: Marks, world: World, log: Log
) -> BridgeLine:
    from tillbell_agent.bridge.session import BridgeSession  # noqa: PLC0415 - it brings hashlib: 3.7 MiB

    heard = [source for source in config.sources if source.bridge == bridge.name]
    sources = [_bridge_source(source, config, register, log) for source in heard]
    session = BridgeSession(
        world.link_key(bridge),
        world.clock.monotonic(),
        durable=durable_logs(marks, [source.name for source in heard]),
        nonce=lambda: world.octets(16),
    )
    book = BridgeBook(bridge.name, sources, register, marks, log)
    epochs = BridgeEpochs(register, session)
    open_port = partial(world.open_bridge, bridge)
    return BridgeLine(bridge.name, bridge.port, open_port, session, book, epochs, log)


def _bridge_source(source: SourceConfig, config: Config, register: Register, log: Log) -> BridgeSource:
    taps = [(speaks, bridge_port(port)) for speaks, port in source.taps]
    return BridgeSource(
        source.where,
        channels={CHANNELS[named[1]]: speaks for speaks, named in taps if named is not None},
        octet_s=source.octet_s,
        remember_s=DIALOGUE_S if DIALECTS[source.dialect].two_lines else 0.0,
        dialect=_dialect(source, config),
        telling=Telling(source.name, source.currency or config.device.currency, register, log),
    )


def _modem(modem: ModemConfig, register: Register, world: World, log: Log, routes: Routes) -> ModemLine:
    pin, power = world.pin(modem), world.power(modem)
    book = PinBook(lambda: register.connection, modem.name, pin.written_at if pin else 0)
    settings = ModemSettings(
        pin=pin.digits if pin else None,
        pin_record=book.read(),
        baudrate=modem.baudrate,
        profiles=world.profiles,
        can_power=power is not None,
        credit_code=modem.credit_code,
        credit_pattern=modem.credit_pattern,
    )
    session = Session(world.clock.monotonic(), settings=settings)
    return ModemLine(
        modem.name,
        modem.port,
        lambda: world.open_modem(modem),
        Courier(modem.name, session, register, log, world.jitter, routes),
        log,
        book,
        power=power,
    )
