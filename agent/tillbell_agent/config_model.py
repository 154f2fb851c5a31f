"""What a configuration says, as values: one class a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tillbell_agent.pos.dialect import Line
from tillbell_agent.pos.registry import DIALECTS

BRIDGE_PORT = "bridge:"  # a source's port: bridge:NAME/CHANNEL
CHANNELS = {"1": Line.TERMINAL, "2": Line.TILL}


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """The shop's device. ``timezone`` is an IANA name, ``currency`` ISO 4217, ``language`` en or zh."""

    name: str
    merchant: str
    timezone: str
    currency: str
    language: str
    short_name: str | None = None


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One terminal to listen to: on one line, ``port``, or tapped on both, ``port_terminal`` and ``port_till``.

    ``currency`` None: the device's. ``labels``: additions to the dialect's own. ``layout``: a variant of the dialect.
    ``spec``: the file of a field specification, and ``spec_text`` what stood in it when it was checked.
    """

    name: str
    dialect: str
    port: str = ""
    port_terminal: str = ""
    port_till: str = ""
    baudrate: int = 9600
    encoding: str = "gb18030"
    currency: str | None = None
    idle_s: float = 3.0
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decimal: str = "auto"
    date_order: str = "auto"
    printer: str = "epson"
    layout: str = "auto"
    spec: Path | None = None
    spec_text: str = ""
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1

    @property
    def taps(self) -> tuple[tuple[Line, str], ...]:
        """Who speaks on which port; whoever asks first."""
        if self.port:
            return ((Line.TERMINAL, self.port),)
        both = ((Line.TERMINAL, self.port_terminal), (Line.TILL, self.port_till))
        row = DIALECTS.get(self.dialect)
        return both if row is None or row.asks is Line.TERMINAL else both[::-1]

    @property
    def octet_s(self) -> float:
        """How long an octet takes on its line, in seconds."""
        return (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate

    @property
    def bridge(self) -> str | None:
        """The name of the bridge that hears it; None: its ports are its own."""
        named = bridge_port(self.taps[0][1])
        return named[0] if named else None

    @property
    def where(self) -> str:
        """Its ports, for people."""
        return " and ".join(port for _, port in self.taps)


@dataclass(frozen=True, slots=True)
class ModemConfig:
    """One GSM modem. ``pin_file``: a file of mode 0600 that holds the SIM's PIN. ``prefixes``: the numbers it is for.

    ``power_command``: the words of a command that takes its power away and gives it back. ``credit_code``: dialled once
    a day to learn the SIM's credit, which ``credit_pattern`` finds in the answer.
    """

    name: str
    port: str
    baudrate: int = 115200
    pin_file: Path | None = None
    prefixes: tuple[str, ...] = ()
    power_command: tuple[str, ...] = ()
    credit_code: str = ""
    credit_pattern: str = ""


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """One firmware bridge. ``key_file``: a file of mode 0600 that holds the link's key, made by ``tillbell flash``.

    ``baudrate``: where the link is a UART; a bridge on USB has none.
    """

    name: str
    port: str
    key_file: Path
    baudrate: int = 115200


@dataclass(frozen=True, slots=True)
class RecipientConfig:
    """Who is told, and how: ``text`` for people, ``sealed`` or ``armored`` for who holds the key."""

    name: str
    phone: str
    format: str = "text"
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration that passed every check which needs no port and no disk."""

    schema: int
    state_dir: Path
    device: DeviceConfig
    sources: tuple[SourceConfig, ...]
    modems: tuple[ModemConfig, ...]
    recipients: tuple[RecipientConfig, ...]
    guard_file: Path | None = None
    ledger_days: int = 35
    bridges: tuple[BridgeConfig, ...] = ()

    @property
    def guard_path(self) -> Path:
        """The second place of the counters: as configured, else beside the state directory."""
        return self.guard_file or self.state_dir.with_name(self.state_dir.name + ".guard")


def bridge_port(port: str) -> tuple[str, str] | None:
    """``bridge:tap/1`` → (``tap``, ``1``); None: it is no bridge's. What stands there need not exist."""
    if not port.startswith(BRIDGE_PORT):
        return None
    name, _, channel = port.removeprefix(BRIDGE_PORT).partition("/")
    return name, channel
