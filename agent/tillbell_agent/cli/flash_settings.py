"""What ``tillbell flash`` sets a bridge up with: from its arguments, or from the configuration that the agent will use."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from tillbell_agent.cli.common import read_config
from tillbell_agent.cli.errors import NOT_WELL, USAGE, CliError
from tillbell_agent.config import BridgeConfig, Config, SourceConfig, bridge_port
from tillbell_agent.flash.provision import (
    KEY_OCTETS,
    ProvisionError,
    Tap,
    check_name,
    parse_key,
    parse_tap,
)
from tillbell_agent.shell.files import write_new

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Settings:
    """``taps``: of channel 1 and 2. ``terminals``: ports of the configuration that nothing may ever be written to."""

    name: str
    taps: tuple[Tap | None, Tap | None]
    key_file: Path
    port: str | None
    terminals: tuple[str, ...] = ()


def settings_of(args: argparse.Namespace) -> Settings:
    """Raises CliError where they do not say enough, or say it twice."""
    try:
        return _from_config(args) if args.config is not None else _from_arguments(args)
    except ProvisionError as error:
        raise CliError(f"flash: {error}", USAGE) from error


def port_of(args: argparse.Namespace) -> str | None:
    """Of --port, or of the configuration's bridge; None: neither says one. For what needs no settings. Raises CliError."""
    if args.config is None:
        _refuse_bridge_alone(args)
        return str(args.port) if args.port is not None else None
    config = read_config(args.config)
    if args.port is not None or (args.bridge is None and not config.bridges):
        return str(args.port) if args.port is not None else None
    return _bridge(config, args.bridge).port


def terminals_in(path: Path | None) -> tuple[str, ...]:
    """The ports that a configuration listens to itself."""
    return _terminals(read_config(path)) if path is not None else ()


def ready_key(path: Path) -> tuple[bytes, bool]:
    """The link key of this file, which is made (0600) where it does not exist: (key, whether it was made)."""
    key = existing_key(path)
    if key is not None:
        return key, False
    key = os.urandom(KEY_OCTETS)
    try:
        write_new(path, key.hex().encode() + b"\n")
    except OSError as error:
        raise CliError(
            f"cannot make {path}: {error.strerror}. Name a file with --key-file", NOT_WELL
        ) from error
    return key, True


def existing_key(path: Path) -> bytes | None:
    """None: there is no such file. Raises CliError where others may read it, or no key is in it."""
    try:
        mode = path.stat().st_mode
        if mode & _OTHERS:
            raise CliError(
                f"{path} may be read by others (mode {mode & 0o777:04o}). If only you did: chmod 600 {path}. "
                "If not, remove it, and the bridge gets a new key",
                USAGE,
            )
        return parse_key(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except (ProvisionError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, ProvisionError) else "it is no text"
        raise CliError(
            f"{path} is no link key: {why}. Name another with --key-file, or remove it", USAGE
        ) from error


def _from_arguments(args: argparse.Namespace) -> Settings:
    _refuse_bridge_alone(args)
    if args.name is None:
        raise CliError(
            "flash: what shall it be called, and how do the lines speak? Give --config FILE --bridge NAME, or --name NAME "
            "--tap1 9600/8N1. A bridge that is set up already: --update",
            USAGE,
        )
    taps = (parse_tap(args.tap1 or "off"), parse_tap(args.tap2 or "off"))
    key_file = args.key_file or Path(f"{check_name(args.name)}.key")
    return Settings(check_name(args.name), taps, key_file, args.port)


def _from_config(args: argparse.Namespace) -> Settings:
    if args.name is not None or args.tap1 is not None or args.tap2 is not None:
        raise CliError("flash: --config says name and lines: leave --name, --tap1 and --tap2 away", USAGE)
    config = read_config(args.config)
    bridge = _bridge(config, args.bridge)
    taps = {1: None, 2: None} | {
        channel: _tap(source) for source in config.sources for channel in _channels(source, bridge.name)
    }
    key_file = args.key_file or bridge.key_file
    return Settings(
        check_name(bridge.name), (taps[1], taps[2]), key_file, args.port or bridge.port, _terminals(config)
    )  # fmt: skip


def _refuse_bridge_alone(args: argparse.Namespace) -> None:
    if args.bridge is not None:
        raise CliError("flash: --bridge names a bridge of a configuration: give --config FILE too", USAGE)


def _bridge(config: Config, name: str | None) -> BridgeConfig:
    bridges = config.bridges
    found = [each for each in bridges if name in (None, each.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(each.name for each in bridges) or "none"
    what = f"there is no bridge {name!r}" if name is not None else "which bridge is it? Give --bridge NAME"
    raise CliError(f"flash: {what}. In the configuration there are: {known}", USAGE)


def _channels(source: SourceConfig, bridge: str) -> list[int]:
    """Of the bridge's taps, those that this source hears."""
    found = [bridge_port(port) for _, port in source.taps]
    return [int(each[1]) for each in found if each is not None and each[0] == bridge]


def _tap(source: SourceConfig) -> Tap:
    """A receiver looks at one stop bit, so that one and a half are one to it."""
    return Tap(source.baudrate, source.bytesize, source.parity, 2 if source.stopbits == 2 else 1)


def _terminals(config: Config) -> tuple[str, ...]:
    ports = [port for source in config.sources for _, port in source.taps]
    return tuple(port for port in ports if bridge_port(port) is None)
