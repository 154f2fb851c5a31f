"""What the verbs that read a recorded line have in common: the file, and the settings it is read with."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tillbell_agent.capture.recording import Recording, RecordingError, read_recording, speaker
from tillbell_agent.cli.common import read_config
from tillbell_agent.cli.errors import USAGE, CliError
from tillbell_agent.config import Config, SourceConfig, dialect_settings
from tillbell_agent.pos.settings import DATE_ORDERS, DECIMALS, DialectSettings, SettingsError

_SETTINGS = ("encoding", "currency", "idle_s", "decimal", "date_order", "printer", "layout")


@dataclass(frozen=True, slots=True)
class Shop:
    """A configuration and its source that the recording is taken for."""

    config: Config
    source: SourceConfig


def add_file(parser: argparse.ArgumentParser, what_for: str) -> None:
    """The file, and the settings of what is printed. ``what_for``: the help of ``--config``."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--encoding", help="of printed text (default: gb18030)")
    parser.add_argument("--currency", help="ISO 4217, for amounts without one (default: CNY)")
    parser.add_argument(
        "--spec", type=Path, metavar="FILE", help="a receipt profile, or a specification of ISO 8583"
    )
    parser.add_argument(
        "--idle-s", type=float, metavar="SECONDS", help="silence that ends a print job (default: 3)"
    )
    parser.add_argument("--decimal", choices=DECIMALS, help="the decimal separator")
    parser.add_argument("--date-order", choices=DATE_ORDERS, help="of printed dates")
    parser.add_argument("--printer", help="a family of printers (default: epson)")
    parser.add_argument(
        "--line",
        choices=["terminal", "till"],
        default="terminal",
        help="who says plain octets (default: terminal)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=what_for)
    parser.add_argument("--source", metavar="NAME", help="which [[source]] of it (default: the only one)")


def recording_of(args: argparse.Namespace) -> Recording:
    try:
        return read_recording(args.file.read_bytes(), speaker(args.line))
    except OSError as error:
        raise CliError(
            f"cannot read {args.file}: {error.strerror}. Name a file that tillbell capture made", USAGE
        ) from error
    except RecordingError as error:
        raise CliError(f"{args.file}: {error}. Is it a file that tillbell capture made?", USAGE) from error


def shop_of(args: argparse.Namespace) -> Shop | None:
    if args.config is None:
        if args.source:
            raise CliError("--source names a source of a configuration. Give --config FILE, too", USAGE)
        return None
    config = read_config(args.config)
    names = [source.name for source in config.sources]
    wanted = args.source or (names[0] if len(names) == 1 else None)
    source = next((each for each in config.sources if each.name == wanted), None)
    if source is None:
        which = f"no source {wanted!r}" if wanted else "several sources, or none"
        raise CliError(
            f"{args.config}: {which}. Name one with --source: {', '.join(names) or 'there is none'}", USAGE
        )
    return Shop(config, source)


def settings_of(args: argparse.Namespace, shop: Shop | None) -> DialectSettings:
    """The source's, or the defaults, changed by what was given."""
    given: dict[str, Any] = {
        name: value for name in _SETTINGS if (value := getattr(args, name, None)) is not None
    }
    try:
        if args.spec is not None:
            given["spec"] = args.spec.read_text("utf-8-sig")
        base = dialect_settings(shop.source, shop.config.device) if shop else DialectSettings()
        return replace(base, **given)
    except OSError as error:
        raise CliError(f"--spec {args.spec}: {error.strerror}. Name a TOML file", USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"--spec {args.spec}: this is not UTF-8. Save the file as UTF-8", USAGE) from error
    except SettingsError as error:
        raise wrong_setting(error) from error


def wrong_setting(error: SettingsError) -> CliError:
    """A setting that a dialect cannot use, told by its option."""
    return CliError(f"--{error.field.replace('_', '-')}: {error.why}", USAGE)
