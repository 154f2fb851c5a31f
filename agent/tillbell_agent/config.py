"""The configuration's text (TOML, schema 1) becomes one value, checked whole: all problems at once, or none.

A parser, not an editor: it never writes, and only ``load`` reads files. Unknown keys are problems, with the nearest
name that exists. Relative paths are counted from the folder of the first file. Secrets never stand here: they are in
files of their own that a key names.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tillbell_agent.config_checks import (
    between,
    credit_code,
    credit_pattern,
    currency,
    encoding,
    name,
    one_line,
    one_of,
    phone,
    prefix,
    timezone,
)
from tillbell_agent.config_fields import ConfigError, Places, Problem, Table
from tillbell_agent.config_merge import merge, no_file, read
from tillbell_agent.config_model import (
    BRIDGE_PORT,
    BridgeConfig,
    Config,
    DeviceConfig,
    ModemConfig,
    RecipientConfig,
    SourceConfig,
    bridge_port,
)
from tillbell_agent.config_tables import Resolve, check_tables
from tillbell_agent.pos.registry import DIALECTS, DialectSettings, SettingsError, make_dialect
from tillbell_agent.pos.settings import DATE_ORDERS, DECIMALS, SpecError

__all__ = [
    "BridgeConfig",
    "Config",
    "ConfigError",
    "DeviceConfig",
    "ModemConfig",
    "Problem",
    "RecipientConfig",
    "SourceConfig",
    "bridge_port",
    "dialect_settings",
    "load",
    "parse",
]

SCHEMA = 1
LANGUAGES = ("en", "zh")
FORMATS = ("text", "sealed", "armored")
MERCHANT_CHARACTERS = 40  # over half of a text in Chinese; the short form of a text takes over long before
SHORT_NAME_CHARACTERS = 10  # with this the short form of every text fits one segment


ReadSpec = Callable[[Path], str]


def dialect_settings(source: SourceConfig, device: DeviceConfig) -> DialectSettings:
    """What the source's dialect is made with. Raises SettingsError, never for a source of a ``Config``."""
    return DialectSettings(
        encoding=source.encoding,
        currency=source.currency or device.currency,
        idle_s=source.idle_s,
        labels=source.labels,
        decimal=source.decimal,
        date_order=source.date_order,
        printer=source.printer,
        layout=source.layout,
        spec=source.spec_text,
    )


def parse(
    text: str, filename: str, *, resolve: Resolve = str, dialects: Collection[str] = DIALECTS
) -> Config:
    """One file's text → Config. Raises ConfigError with every problem.

    ``resolve`` maps a port's path to the real one behind its links, so that two names of one port are seen;
    ``dialects`` are the names allowed, by default those that are built in.
    """
    return parse_all([(filename, text)], resolve=resolve, dialects=dialects)


def load(path: Path) -> Config:
    """Read ``path`` and the ``*.toml`` of ``conf.d`` beside it, in order of name. Raises ConfigError, also for I/O."""
    files = [path, *sorted(path.parent.joinpath("conf.d").glob("*.toml"))]
    return parse_all(
        [(str(file), read(file)) for file in files],
        resolve=lambda port: str(Path(port).resolve()),
        read_spec=lambda spec: read(spec, "Name the file that the specification is in"),
    )


def parse_all(
    files: Sequence[tuple[str, str]], *, resolve: Resolve = str, dialects: Collection[str] = DIALECTS,
    read_spec: ReadSpec = no_file,
) -> Config:  # fmt: skip
    """Several (name, text), merged: tables join, arrays of tables follow each other, a key twice is a problem.

    ``read_spec`` gives the text of a source's ``spec``, or raises ConfigError.
    """
    places = Places({}, files[0][0])
    data: dict[str, Any] = {}
    for filename, text in files:
        merge(data, places, filename, text)
    top = Table(places, (), data)
    if data.get("schema", SCHEMA) != SCHEMA:
        top.complain(
            "schema", why=f"schema {data['schema']!r} is not known: this program reads schema {SCHEMA}"
        )
        raise ConfigError(places.problems)
    config = _with_specs(_config(top, Path(files[0][0]).parent, dialects), top, read_spec)
    if not places.problems:
        _makes_dialects(top, places, config)
    check_tables(top, config, resolve)
    if places.problems:
        order = {name: place for place, (name, _) in enumerate(files)}
        raise ConfigError(sorted(places.problems, key=lambda p: (order.get(p.file, len(order)), p.line)))
    return config


def _config(top: Table, base: Path, dialects: Collection[str]) -> Config:
    top.integer("schema")
    state_dir = base / top.text("state_dir")
    guard = top.optional_text("guard_file")
    if guard and (base / guard).is_relative_to(state_dir):
        why = "guard_file lies inside state_dir, so a restored copy would bring it along. Move it"
        top.complain("guard_file", why=why)
    config = Config(
        schema=SCHEMA,
        state_dir=state_dir,
        device=_device(top.table("device")),
        sources=tuple(_source(table, base, dialects) for table in top.tables("source")),
        bridges=tuple(_bridge(table, base) for table in top.tables("bridge")),
        modems=tuple(_modem(table, base) for table in top.tables("modem")),
        recipients=tuple(_recipient(table) for table in top.tables("recipient")),
        guard_file=base / guard if guard else None,
        ledger_days=top.integer("ledger_days", 35, check=between(1, 3650)),
    )
    top.finish()
    return config


def _device(table: Table) -> DeviceConfig:
    device = DeviceConfig(
        name=table.text("name", check=name),
        merchant=table.text("merchant", check=one_line(MERCHANT_CHARACTERS)),
        timezone=table.text("timezone", check=timezone),
        currency=table.text("currency", check=currency),
        language=table.text("language", check=one_of(*LANGUAGES)),
        short_name=table.optional_text("short_name", check=one_line(SHORT_NAME_CHARACTERS)),
    )
    table.finish()
    return device


def _source(table: Table, base: Path, dialects: Collection[str]) -> SourceConfig:
    source = SourceConfig(
        name=table.text("name", check=name),
        dialect=table.text("dialect", check=one_of(*dialects)),
        port=_optional_port(table, "port", base),
        port_terminal=_optional_port(table, "port_terminal", base),
        port_till=_optional_port(table, "port_till", base),
        baudrate=table.integer("baudrate", 9600, check=between(50, 4_000_000)),
        encoding=table.text("encoding", "gb18030", check=encoding),
        currency=table.optional_text("currency", check=currency),
        idle_s=table.number("idle_s", 3.0, check=between(0.1, 60)),
        labels=table.lists_of_text("labels"),
        decimal=table.text("decimal", "auto", check=one_of(*DECIMALS)),
        date_order=table.text("date_order", "auto", check=one_of(*DATE_ORDERS)),
        printer=table.text("printer", "epson"),
        layout=table.text("layout", "auto"),
        spec=base / spec if (spec := table.optional_text("spec")) else None,
        bytesize=table.integer("bytesize", 8, check=one_of(7, 8)),
        parity=table.text("parity", "N", check=one_of("N", "E", "O")),
        stopbits=table.number("stopbits", 1, check=one_of(1, 1.5, 2)),
    )
    _check_taps(table, source)
    table.finish()
    return source


def _check_taps(table: Table, source: SourceConfig) -> None:
    """One line, or both; a dialect that has only one cannot have two."""
    both = bool(source.port_terminal), bool(source.port_till)
    if source.port and any(both):
        table.complain(
            "port", why="port is a tap of one line, port_terminal and port_till of both. Remove one of them"
        )
    elif not source.port and not any(both):
        table.complain("port", why=f"{table.title} has no port. Name the serial port that it listens to")
    elif any(both) and not all(both):
        table.complain(
            "port_terminal" if both[0] else "port_till",
            why="port_terminal and port_till go together. A tap of one line alone is port",
        )
    elif all(both) and source.dialect in DIALECTS and not DIALECTS[source.dialect].two_lines:
        table.complain("port_till", why=f"{source.dialect} is spoken on one line only. Name it as port")


def _bridge(table: Table, base: Path) -> BridgeConfig:
    bridge = BridgeConfig(
        name=table.text("name", check=name),
        port=_port(table, base),
        key_file=base / table.text("key_file"),
        baudrate=table.integer("baudrate", 115200, check=between(9600, 4_000_000)),
    )
    table.finish()
    return bridge


def _modem(table: Table, base: Path) -> ModemConfig:
    pin_file = table.optional_text("pin_file")
    modem = ModemConfig(
        name=table.text("name", check=name),
        port=_port(table, base),
        baudrate=table.integer("baudrate", 115200, check=between(300, 4_000_000)),
        pin_file=base / pin_file if pin_file else None,
        prefixes=table.list_of_text("prefixes", check=prefix),
        power_command=table.list_of_text("power_command", check=one_line(200)),
        credit_code=table.optional_text("credit_code", check=credit_code) or "",
        credit_pattern=table.optional_text("credit_pattern", check=credit_pattern) or "",
    )
    table.finish()
    return modem


def _recipient(table: Table) -> RecipientConfig:
    recipient = RecipientConfig(
        name=table.text("name", check=name),
        phone=table.text("phone", check=phone),
        format=table.text("format", check=one_of(*FORMATS)),
        language=table.optional_text("language", check=one_of(*LANGUAGES)),
    )
    table.finish()
    return recipient


def _port(table: Table, base: Path) -> str:
    return _below(table.text("port"), base)


def _optional_port(table: Table, key: str, base: Path) -> str:
    return _below(table.optional_text(key) or "", base)


def _below(port: str, base: Path) -> str:
    is_file = port and "://" not in port and not port.startswith(BRIDGE_PORT)
    return str(base / port) if is_file else port


def _with_specs(config: Config, top: Table, read_spec: ReadSpec) -> Config:
    """Each source with the text of its specification."""
    sources = list(config.sources)
    for place, source in enumerate(sources):
        if source.spec is not None:
            try:
                text = read_spec(source.spec) or "\n"  # an empty one is no default
                sources[place] = replace(source, spec_text=text)
            except ConfigError as error:
                top.complain("source", place, "spec", why=f"{source.spec} {error.message}")
    return replace(config, sources=tuple(sources))


def _makes_dialects(top: Table, places: Places, config: Config) -> None:
    """Make each source's dialect once: it knows best which labels and printers exist."""
    for place, source in enumerate(config.sources):
        if source.dialect in DIALECTS:
            try:
                make_dialect(source.dialect, dialect_settings(source, config.device))
            except SpecError as error:
                places.problems += [Problem(str(source.spec), line, why) for line, why in error.problems]
            except SettingsError as error:
                top.complain(
                    "source", place, *error.field.split("."), why=f'[[source]] "{source.name}": {error}'
                )
