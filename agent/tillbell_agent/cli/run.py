"""``tillbell run``: the agent in the real world, turning until it is told to stop."""

import argparse
import os
import random
import signal
import sqlite3
from collections.abc import Callable
from functools import cached_property
from typing import Any

from tillbell_agent.assembly import Agent, Pin, assemble, open_store
from tillbell_agent.cli.common import add_config, device_key, own_state, read_config
from tillbell_agent.cli.errors import OK, USAGE, CliError
from tillbell_agent.config import BridgeConfig, Config, ModemConfig, SourceConfig
from tillbell_agent.database import StoreError, store_error
from tillbell_agent.modem.profile import Profile
from tillbell_agent.shell.clock import Clock
from tillbell_agent.shell.control import ControlServer
from tillbell_agent.shell.files import SecretFileError
from tillbell_agent.shell.host import identify
from tillbell_agent.shell.key_file import read_link_key
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.pin_file import read_pin
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
    log, world = Log(), _RealWorld(config)
    agent = _started(config, world, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.runner.stop())
    world.waiter.wake_on_signals()
    try:
        agent.runner.run()
    finally:
        world.close()
        agent.register.connection.close()
    notify("STOPPING=1")
    log.info("stopped")
    return OK


def _started(config: Config, world: "_RealWorld", log: Log) -> Agent:
    try:
        lock_state(config.state_dir)
        store = open_store(config.state_dir, log)
        return assemble(config, device_key(config).ed25519_seed, store, world, log)
    except StoreError as error:
        raise CliError(str(error), USAGE) from error
    except sqlite3.Error as error:  # where something was only read
        raise CliError(str(store_error(error)), USAGE) from error
    except OSError as error:
        raise CliError(
            f"cannot make the control socket in {config.state_dir}: {error.strerror}. Check the disk (df)",
            USAGE,
        ) from error


class _RealWorld:
    """Ports, clock, chance and the service manager, as ``assembly.World`` has them."""

    def __init__(self, config: Config) -> None:
        self._state_dir = config.state_dir
        self._control: ControlServer | None = None
        self.clock = Clock(config.device.timezone)
        self.host = identify()
        self.octets = os.urandom
        self.jitter = random.random

    @cached_property
    def waiter(self) -> SelectorWatch:
        return SelectorWatch()

    @cached_property
    def profiles(self) -> tuple[Profile, ...]:
        return load_profiles()

    def open_source(self, source: SourceConfig, port: str) -> ListenPort:
        return ListenPort(
            LineSettings(port, source.baudrate, source.bytesize, source.parity, source.stopbits)
        )

    def open_modem(self, modem: ModemConfig) -> TalkPort:
        return TalkPort(LineSettings(modem.port, modem.baudrate))

    def pin(self, modem: ModemConfig) -> Pin | None:
        """From the SIM's own file. Raises CliError where that gives none."""
        if modem.pin_file is None:
            return None
        try:
            return Pin(read_pin(modem.pin_file), modem.pin_file.stat().st_mtime_ns)
        except SecretFileError as error:
            raise CliError(f"cannot use the PIN of modem {modem.name}: {error}", USAGE) from error

    def open_bridge(self, bridge: BridgeConfig) -> TalkPort:
        return TalkPort(LineSettings(bridge.port, bridge.baudrate))

    def link_key(self, bridge: BridgeConfig) -> bytes:
        """From the bridge's own file. Raises CliError where that gives none."""
        try:
            return read_link_key(bridge.key_file)
        except SecretFileError as error:
            raise CliError(f"cannot use the key of bridge {bridge.name}: {error}", USAGE) from error

    def power(self, modem: ModemConfig) -> PowerCommand | None:
        return PowerCommand(modem.name, modem.power_command) if modem.power_command else None

    def control(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> ControlServer:
        self._control = ControlServer(self._state_dir, answer)
        return self._control

    def ready(self) -> None:
        notify("READY=1")
        Log().bare("ready")

    def close(self) -> None:
        if self._control is not None:
            self._control.close()
        self.waiter.close()
