"""``tillbell status``: what the agent, its lines, its modems and its recipients are doing."""

import argparse
import sqlite3
from typing import Any

from tillbell_agent import reports
from tillbell_agent.cli.common import (
    add_config,
    add_json,
    from_agent_or_store,
    money,
    print_json,
    read_config,
)
from tillbell_agent.cli.errors import NOT_WELL, OK
from tillbell_agent.config import Config
from tillbell_agent.finding import span
from tillbell_agent.shell.clock import Clock

HELP = """Show what the agent is doing, since when, and what waits.

Exit code 1 if something is not well, and where no agent runs: then the store is shown; 3 where there is no store."""


# Of the recovery ladder's history, the newest; --json has all that is kept.
_MOST_STEPS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.epilog = "example:\n  tillbell status --config config.toml"


def run(args: argparse.Namespace) -> int:
    config = read_config(args.config)
    status = from_agent_or_store(
        config, {"do": "status"}, lambda connection: _without_agent(config, connection)
    )
    if args.json:
        print_json(status)
    else:
        print("\n".join(_lines(status)))
    return OK if _is_well(status) else NOT_WELL


def _without_agent(config: Config, connection: sqlite3.Connection) -> dict[str, Any]:
    moment = Clock(config.device.timezone).moment()
    return {"running": False, "device": config.device.name, **reports.store(connection, moment)}


def _is_well(status: dict[str, Any]) -> bool:
    return (
        status["running"]
        and all(
            source["open"] and not source["lost"] and not source["suspicion"] for source in status["sources"]
        )
        and all(_bridge_is_well(bridge) for bridge in status.get("bridges", ()))
        and all(_modem_is_well(modem) for modem in status["modems"])
        and not status["alarms"]
        and not any(recipient.get("held_because") for recipient in status["recipients"])
    )


def _bridge_is_well(bridge: dict[str, Any]) -> bool:
    return bridge["connected"] and not any(bridge[name] for name in ("lost", "overruns", "store_trouble"))


def _modem_is_well(modem: dict[str, Any]) -> bool:
    return modem["condition"] == "ready" and not modem.get("alarm") and not modem.get("held")


def _lines(status: dict[str, Any]) -> list[str]:
    if not status["running"]:
        lines = [f"{status['device']}: not running (start it with tillbell run); from its store:"]
    else:
        lines = [f"{status['device']}: running for {span(status['uptime_s'])}, tillbell {status['version']}"]
        lines += [f"ALARM {alarm}" for alarm in status["alarms"]]
        lines += [_source(source) for source in status["sources"]]
        lines += [_bridge(bridge) for bridge in status.get("bridges", ())]
        lines += [_modem(modem) for modem in status["modems"]]
        lines += [_recipient(recipient) for recipient in status["recipients"]]
    lines += [_today(status["day"], total) for total in status["today"]]
    for name, states in status["messages"].items():
        lines.append(
            f"messages to {name}: " + ", ".join(f"{count} {state}" for state, count in states.items())
        )
    return lines


def _today(day: str, total: dict[str, Any]) -> str:
    count, unknown = total["count"], total["unknown_count"]
    line = f"today {day}: {count} transaction{'' if count == 1 else 's'}, net {money(total['net_minor'], total['currency'])}"
    return f"{line} and {unknown} of unknown amount" if unknown else line


# A source's further counts, each shown where it is not nought: a wrong baudrate or encoding shows here first.
_COUNTS = (
    ("known", "heard again"),
    ("settlements", "settlements"),
    ("ignored", "ignored (the log says why)"),
    ("skipped_octets", "octets not understood: check baudrate and encoding"),
    ("waiting_for_disk", "WAITING FOR THE DISK"),
    ("lost", "LOST: the disk refuses"),
)


def _source(source: dict[str, Any]) -> str:
    state = "open" if source["open"] else f"NOT OPEN: {source['trouble']}"
    counts = [f"{source['told']} told", f"{source['octets']} octets heard"]
    counts += [f"{source[name]} {words}" for name, words in _COUNTS if source[name]]
    suspicion = f"\n  SUSPICIOUS: {source['suspicion']}" if source["suspicion"] else ""
    return f"source {source['name']} ({source['port']}): {state}; {', '.join(counts)}{suspicion}"


# A bridge's further counts, each shown where it is not nought.
_OF_BRIDGE = (
    ("lost", "CHUNKS LOST"),
    ("overruns", "OVERRUNS"),
    ("framing_errors", "with wrong stop bit or parity"),
    ("unheard", "of a channel that no source names"),
    ("bad_frames", "frames not taken: spoilt, or of an earlier session; they come again"),
)


def _bridge(bridge: dict[str, Any]) -> str:
    line = f"bridge {bridge['name']} ({bridge['port']}): "
    if bridge["connected"]:
        line += f"connected for {span(bridge['since_s'])}"
    else:
        line += f"AWAY for {span(bridge['since_s'])}: {bridge['trouble']}"
    if bridge["unique_id"] is None:
        return line
    held = bridge["counters"].get("held", 0)
    line += (
        f"; {bridge['board'] or 'board'} {bridge['unique_id']}, firmware {bridge['firmware']}, start {bridge['boot']}"
        f" ({bridge['reset_cause']})\n  {bridge['chunks']} chunks heard, {bridge['durable']} of {bridge['taken']} durable,"
        f" {held} held there"
    )
    line += "".join(f", {bridge[name]} {words}" for name, words in _OF_BRIDGE if bridge[name])
    return f"{line}\n  DISK: {bridge['store_trouble']}" if bridge["store_trouble"] else line


def _modem(modem: dict[str, Any]) -> str:
    """What it does, since when; and unless it is well what it waits for and what a person does next."""
    line = f"modem {modem['name']} ({modem['port']}): "
    known = [str(modem[name]) for name in ("model", "operator") if modem.get(name)]
    known += [f"{modem['signal_dbm']} dBm"] if modem.get("signal_dbm") is not None else []
    about = f"; {', '.join(known)}" if known else ""
    words = reports.modem_words(modem)
    if modem["condition"] == "ready":
        line += f"NOT READY, {words}" if modem.get("held") else words + about
    else:
        line += f"NOT READY, {words}{about}\n  next: {modem['next_step']}"
    if modem.get("alarm"):
        line += f"\n  ALARM {modem['alarm']}"
    return line + "".join(
        f"\n  recovery: {_step(step)}" for step in (modem.get("ladder") or [])[-_MOST_STEPS:]
    )


def _step(step: dict[str, Any]) -> str:
    return f"{step['step']}, {span(step['at_s_ago'])} ago: {step['outcome']}"


def _recipient(recipient: dict[str, Any]) -> str:
    line = f"recipient {recipient['name']} {recipient['phone']} ({recipient['format']})"
    if recipient.get("held_because"):
        return f"{line}: HELD, {recipient['held_because']}"
    return f"{line}, fingerprint {recipient['fingerprint']}" if recipient.get("fingerprint") else line
