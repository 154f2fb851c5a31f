"""``tillbell run``: puts the machines, the store and the real ports together, and turns until it is told to stop."""

import argparse
import os
import random
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from tillbell_agent.cli.common import add_config, device_key, own_state, read_config
from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.config import Config, ModemConfig, SourceConfig, dialect_settings
from tillbell_agent.control_verbs import Verbs
from tillbell_agent.courier import Courier
from tillbell_agent.database import (
    DamagedStoreError,
    StoreError,
    open_database,
    recall,
    remember,
    store_error,
)
from tillbell_agent.listening import Listener
from tillbell_agent.modem.session import ModemSettings, Session
from tillbell_agent.modem_line import ModemLine
from tillbell_agent.pairings import Pairings
from tillbell_agent.pos.registry import make_dialect
from tillbell_agent.register import Register
from tillbell_agent.rescue import Rescued, finish, rescue
from tillbell_agent.routes import Routes
from tillbell_agent.runner import Runner
from tillbell_agent.shell.clock import Clock
from tillbell_agent.shell.control import ControlServer
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.host import identify
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.pin_file import PinFileError, read_pin
from tillbell_agent.shell.ports import LineSettings, ListenPort, TalkPort
from tillbell_agent.shell.power import PowerCommand
from tillbell_agent.shell.profiles import load_profiles
from tillbell_agent.shell.service import lock_state, notify
from tillbell_agent.shell.watching import SelectorWatch

HELP = "Listen to the terminals, record every sale, and send what is owed. Ends on SIGTERM or Ctrl-C."


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.epilog = "example:\n  tillbell run --config /etc/tillbell/config.toml"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    own_state(config)
    log = Log()
    try:
        lock_state(config.state_dir)
        connection, rescued = _open_store(config.state_dir, log)
    except StoreError as error:
        raise CliError(str(error), USAGE) from error
    try:
        agent = _assemble(config, connection, rescued, log)
    except StoreError as error:
        raise CliError(str(error), USAGE) from error
    except sqlite3.Error as error:  # where something was only read
        raise CliError(str(store_error(error)), USAGE) from error
    except OSError as error:
        raise CliError(
            f"cannot make the control socket in {config.state_dir}: {error.strerror}. Check the disk (df)",
            USAGE,
        ) from error
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.runner.stop())
    agent.watch.wake_on_signals()
    try:
        agent.runner.run()
    finally:
        agent.control.close()
        agent.watch.close()
        agent.register.connection.close()
    notify("STOPPING=1")
    agent.log.info("stopped")
    return OK


@dataclass(frozen=True, slots=True)
class _Agent:
    runner: Runner
    control: ControlServer
    watch: SelectorWatch
    log: Log
    register: Register


def _open_store(state_dir: Path, log: Log) -> tuple[sqlite3.Connection, Rescued | None]:
    """The store, and what was rescued of a damaged one. Raises StoreError."""
    try:
        finish(state_dir)
        try:
            return open_database(state_dir), None
        except DamagedStoreError as error:
            log.error("store_refused", why=error)
            rescued = rescue(state_dir)
            return open_database(state_dir), rescued
    except OSError as error:
        raise StoreError(
            f"the store in {state_dir} cannot be put in order: {error}. Check the disk (df)"
        ) from error


def _assemble(config: Config, connection: sqlite3.Connection, rescued: Rescued | None, log: Log) -> _Agent:
    clock, guard = Clock(config.device.timezone), GuardFile(config.guard_path)
    register = Register(
        connection=connection,
        config=config,
        pairings=Pairings(connection, guard, run=os.urandom(8).hex()),
        signing_seed=device_key(config).ed25519_seed,
        host=identify(),
        random=os.urandom,
    )
    if rescued is not None:
        register.alarm = rescued.words()
        log.error("store_set_aside", why=register.alarm)
    skipped = register.catch_up(numbers_known=rescued is None or rescued.numbers_known)
    if skipped is not None:
        log.error("numbers_left_out", why=skipped)
    register.erase()  # before anything else: the last run may have died before it could
    for pairing in register.pairings.all():
        guard.expect(pairing.binding)
    if guard.alarm:
        log.error("second_place", why=guard.alarm)
    listeners = [_listener(source, config, register, log) for source in config.sources]
    now = clock.monotonic()
    routes = Routes({modem.name: modem.prefixes for modem in config.modems})
    modems = [_modem(modem, register, now, log, routes) for modem in config.modems]
    verbs = Verbs(config, listeners, modems, register, guard, clock)
    control = ControlServer(config.state_dir, verbs.answer)
    watch = SelectorWatch()

    def ready() -> None:
        notify("READY=1")
        log.bare("ready")

    runner = Runner(listeners, modems, register, control, clock, watch, log, ready)
    return _Agent(runner, control, watch, log, register)


def _listener(source: SourceConfig, config: Config, register: Register, log: Log) -> Listener:
    currency = source.currency or config.device.currency
    dialect = make_dialect(source.dialect, dialect_settings(source, config.device))
    line = LineSettings(source.port, source.baudrate, source.bytesize, source.parity, source.stopbits)
    return Listener(source, currency, dialect, register, lambda: ListenPort(line), log)


def _modem(modem: ModemConfig, register: Register, now: float, log: Log, routes: Routes) -> ModemLine:
    pin = _pin(modem)
    name, written_at = f"pin refused {modem.name}", _pin_written_at(modem)
    settings = ModemSettings(
        pin=pin,
        # A refused PIN is never tried again, not by the next start either, until its file is written anew.
        pin_refused_before=written_at is not None and recall(register.connection, name) == written_at,
        baudrate=modem.baudrate,
        profiles=load_profiles(),
        can_power=bool(modem.power_command),
        credit_code=modem.credit_code,
        credit_pattern=modem.credit_pattern,
    )
    courier = Courier(modem.name, Session(now, settings=settings), register, log, random.random, routes)
    line = LineSettings(modem.port, modem.baudrate)
    return ModemLine(
        modem.name,
        modem.port,
        lambda: TalkPort(line),
        courier,
        log,
        on_pin_refused=lambda: remember(register.connection, name, written_at or 0),
        power=PowerCommand(modem.name, modem.power_command) if modem.power_command else None,
    )


def _pin_written_at(modem: ModemConfig) -> int | None:
    """When the PIN's file was last written, in nanoseconds."""
    return None if modem.pin_file is None else modem.pin_file.stat().st_mtime_ns


def _pin(modem: ModemConfig) -> str | None:
    """The SIM's PIN from its own file. Raises CliError where that gives none."""
    if modem.pin_file is None:
        return None
    try:
        return read_pin(modem.pin_file)
    except PinFileError as error:
        raise CliError(f"cannot use the PIN of modem {modem.name}: {error}", USAGE) from error
