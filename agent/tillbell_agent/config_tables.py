"""What holds between the tables of a configuration: names and ports that are used once, bridges that exist."""

from collections.abc import Callable, Iterable

from tillbell_agent.config_checks import hint
from tillbell_agent.config_fields import Table
from tillbell_agent.config_model import (
    CHANNELS,
    BridgeConfig,
    Config,
    ModemConfig,
    RecipientConfig,
    SourceConfig,
    bridge_port,
)

Resolve = Callable[[str], str]
PORT_KEYS = ("port", "port_terminal", "port_till")


def check_tables(top: Table, config: Config, resolve: Resolve) -> None:
    """Complain of every contradiction. ``resolve``: see ``config.parse``."""
    _unique_names(top, config)
    _unique_ports(top, config, resolve)
    for place, source in enumerate(config.sources):
        _check_bridge_ports(top, place, source, config)


def _unique_names(top: Table, config: Config) -> None:
    groups: list[tuple[str, Iterable[SourceConfig | BridgeConfig | ModemConfig | RecipientConfig]]] = [
        ("source", config.sources),
        ("bridge", config.bridges),
        ("modem", config.modems),
        ("recipient", config.recipients),
    ]
    for kind, members in groups:
        seen: set[str] = set()
        for place, member in enumerate(members):
            if member.name and member.name in seen:
                top.complain(
                    kind, place, "name", why=f'a second [[{kind}]] is named "{member.name}". Rename one'
                )
            seen.add(member.name)


def _unique_ports(top: Table, config: Config, resolve: Resolve) -> None:
    """A serial line has one listener: a second one would take octets away from the first."""
    seen: dict[str, str] = {}
    users = [
        ("source", place, source.name, key, getattr(source, key))
        for place, source in enumerate(config.sources)
        for key in PORT_KEYS
    ]
    users += [
        ("bridge", place, bridge.name, "port", bridge.port) for place, bridge in enumerate(config.bridges)
    ]
    users += [("modem", place, modem.name, "port", modem.port) for place, modem in enumerate(config.modems)]
    for kind, place, named, key, port in users:
        if not port:
            continue
        if kind != "source" and bridge_port(port):
            why = f"port {port} is a bridge's, which hears terminals and nothing else. Name a serial port"
            top.complain(kind, place, key, why=why)
        who = f'{kind} "{named}"'
        real = port if bridge_port(port) else resolve(port)
        first = seen.setdefault(real, f"{who} {key}")
        if first != f"{who} {key}":
            user = first.rpartition(" ")[0]
            message = f"{who} is on port {port}, which {user} uses already. Give each a port of its own"
            top.complain(kind, place, key, why=message)


def _check_bridge_ports(top: Table, place: int, source: SourceConfig, config: Config) -> None:
    """Each names a bridge and a channel that there are; both lines of one terminal come through one bridge, in order."""
    named = {key: found for key in PORT_KEYS if (found := bridge_port(getattr(source, key)))}
    names = [bridge.name for bridge in config.bridges]
    for key, (name, channel) in named.items():
        if name not in names:
            known = hint(name, names) if names else "There is no [[bridge]]. Add one"
            top.complain("source", place, key, why=f'no bridge is named "{name}". {known}')
        elif channel not in CHANNELS:
            why = f'a bridge has the channels 1 and 2, not "{channel}". Write bridge:{name}/1'
            top.complain("source", place, key, why=why)
    both = {source.port_terminal, source.port_till} - {""}
    if named and len(both) > 1 and len({(bridge_port(port) or (None,))[0] for port in both}) > 1:
        why = "port_terminal and port_till are not of one bridge: which came first, request or answer, is not known then"
        top.complain("source", place, "port_till", why=f"{why}. Tap both with one bridge, or with none")
