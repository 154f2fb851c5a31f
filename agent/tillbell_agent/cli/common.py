"""What several verbs share: their ``--config``, the store, a running agent, and how rows are printed."""

import argparse
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tillbell_agent.cli.errors import NOT_WELL, UNREACHABLE, USAGE, CliError
from tillbell_agent.config import Config, ConfigError, RecipientConfig, load
from tillbell_agent.database import StoreError, open_for_reading
from tillbell_agent.notify.amounts import format_amount
from tillbell_agent.shell.control import ControlError, NoAgentError, ask
from tillbell_agent.shell.files import write_new
from tillbell_agent.shell.service import become_owner, prepare_state
from tillbell_protocol.errors import ProtocolError
from tillbell_protocol.iso4217 import decimal_places
from tillbell_protocol.pairing import SecretKey

DEFAULT_CONFIG = Path("/etc/tillbell/config.toml")
_DEVICE_KEY = "device.key"
Answer = TypeVar("Answer")


def add_config(parser: argparse.ArgumentParser) -> None:
    """The option that nearly every verb has."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def read_config(path: Path) -> Config:
    """The configuration, or an error that names every problem."""
    try:
        return load(path)
    except ConfigError as error:
        raise CliError(str(error), USAGE) from error


def own_state(config: Config) -> None:
    """Be the owner of a state directory that exists. Raises CliError."""
    try:
        become_owner(config.state_dir)
        prepare_state(config.state_dir)
    except StoreError as error:
        raise CliError(str(error), USAGE) from error


def recipient_named(config: Config, name: str) -> RecipientConfig:
    found = next((each for each in config.recipients if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in config.recipients) or "none"
        raise CliError(f"no recipient {name!r} in the configuration; there are: {names}", USAGE)
    return found


def device_key(config: Config) -> SecretKey:
    """The device's own key, made on first use (0600). Raises CliError where it cannot be read or made."""
    path = config.state_dir / _DEVICE_KEY
    try:
        if path.exists() and not path.stat().st_size:
            path.unlink()  # the power went while it was made: it was never used
        if not path.exists():
            key = SecretKey.from_random(os.urandom(32))
            lines = f"# tillbell: the key of device {config.device.name}. Never copy it.\n{key.text()}\n"
            write_new(path, lines.encode())
        return SecretKey.from_text(path.read_text())
    except (OSError, ProtocolError, UnicodeDecodeError) as error:
        why = f"{error.strerror}" if isinstance(error, OSError) else str(error)
        step = "Restore it, or remove it and pair every recipient again"
        raise CliError(f"cannot use the device's key {path}: {why}. {step}", USAGE) from error


def from_agent_or_store(
    config: Config, request: dict[str, Any], fallback: Callable[[sqlite3.Connection], dict[str, Any]]
) -> dict[str, Any]:
    """Ask the running agent; where none answers, read the store. Raises CliError where that cannot be read either."""
    try:
        answer = ask(config.state_dir, request)
    except NoAgentError:
        return from_store(config, fallback)
    except ControlError as error:
        raise CliError(str(error), UNREACHABLE) from error
    if "error" in answer:
        raise CliError(str(answer["error"]), NOT_WELL)
    return answer


def from_store(config: Config, read: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """What ``read`` finds in the store, whether an agent runs or not: a long listing holds up no agent. Raises CliError."""
    try:
        connection = open_for_reading(config.state_dir)
    except StoreError as error:
        raise CliError(str(error), UNREACHABLE) from error
    except OSError as error:
        raise CliError(
            f"{config.state_dir} cannot be read: {error.strerror}. Run this as its owner, or as root",
            UNREACHABLE,
        ) from error
    try:
        return read(connection)
    except sqlite3.Error as error:
        raise CliError(f"cannot read the state in {config.state_dir}: {error}", UNREACHABLE) from error
    finally:
        connection.close()


def positive(text: str) -> int:
    """An argument that counts something. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def money(minor: int | None, currency: str | None) -> str:
    """``583.67 CNY``; an amount that was not heard is unknown, and one of a currency without a known unit stays minor."""
    if minor is None:
        return "amount unknown"
    places = decimal_places(currency) if currency else None
    if places is None:
        return f"{minor} minor units of {currency or 'an unknown currency'}"
    return f"{format_amount(minor, places)} {currency}"


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need, no colour."""
    table = [
        [str(head) for head in heads],
        *[["" if cell is None else str(cell) for cell in row] for row in rows],
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
