"""What was seen of an installation → named checks: each with its level, the evidence, and what to do next.

Evidence in, findings out: nothing here opens, asks or reads a clock. Every check says what it looked at, also where all
is well; every check that is not well says what a person does next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tillbell_agent.config import Config, RecipientConfig, SourceConfig, bridge_port
from tillbell_agent.database import LOOKED_THROUGH_WHOLE
from tillbell_agent.doctor_bridge import check_bridge
from tillbell_agent.doctor_modem import PortFinding, check_modem
from tillbell_agent.finding import FAIL, OK, WARN, Check, Level, span
from tillbell_agent.moment import Moment
from tillbell_agent.shell.holders import PortFacts, Process
from tillbell_agent.store_health import OutboxHealth, StoreHealth

__all__ = ["Check", "DiskFacts", "Evidence", "examine", "exit_code"]

_MIB = 2**20
# A busy day writes some 35 MB, most of it over the same pages; below the second figure the next sale may not fit.
_ENOUGH_FREE = 64 * _MIB
_LEAST_FREE = 4 * _MIB
# SQLite checkpoints at about 1 MB, and each sealed message cuts the WAL: more means that something keeps it from that.
_LARGE_WAL = 8 * _MIB
# A message that is due leaves within seconds; after an hour a merchant has stopped waiting for it.
_LATE_S, _VERY_LATE_S = 120, 3600
# One octet in twenty not understood is no longer noise on the line.
_FEW_SKIPPED = 20

_CONFIGURATION_LATER = "what else there is to check stands in the configuration"


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """``place``: the state directory, or the nearest folder that exists. ``trouble``: why it takes no file."""

    place: str
    exists: bool
    free_octets: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was gathered. ``config`` is None where it has ``problems``; then only the clock is known besides.

    ``status``: the running agent's own words; where it is None ``agent_trouble`` says why, and ``agent_absent`` whether
    that is because none runs. ``agent``: the process that holds the state directory, as far as it could be seen.
    ``guard_alarm``: what is wrong with the second place; ``guard_readable``: whether this user may look.
    """

    config_path: str
    now: Moment
    config: Config | None = None
    problems: tuple[str, ...] = ()
    status: Mapping[str, Any] | None = None
    agent_trouble: str | None = None
    agent_absent: bool = False
    agent: Process | None = None
    disk: DiskFacts | None = None
    store: StoreHealth = field(default_factory=StoreHealth)
    ports: Mapping[str, PortFacts] = field(default_factory=dict)
    all_processes_seen: bool = True
    guard_alarm: str | None = None
    guard_readable: bool = True
    pin_troubles: Mapping[str, str] = field(default_factory=dict)  # modem → what is wrong with its pin_file
    key_troubles: Mapping[str, str] = field(default_factory=dict)  # bridge → what is wrong with its key_file


def examine(evidence: Evidence) -> list[Check]:
    """Every check, in the order in which a person should look at them."""
    checks = [_configuration(evidence)]
    if evidence.config is None:
        return [*checks, _clock(evidence)]
    checks += [_agent(evidence), _clock(evidence), _state_directory(evidence), _store(evidence)]
    checks += [_outbox(evidence), _second_place(evidence)]
    checks += [_recipient(evidence, each) for each in evidence.config.recipients if each.format != "text"]
    checks += [_source(evidence, source) for source in evidence.config.sources]
    told = {bridge["name"]: bridge for bridge in (evidence.status or {}).get("bridges", ())}
    for bridge in evidence.config.bridges:
        port = _port(evidence, bridge.port, evidence.ports.get(bridge.port, PortFacts()))
        trouble = evidence.key_troubles.get(bridge.name)
        checks.append(check_bridge(bridge, told.get(bridge.name), port, trouble))
    told = {modem["name"]: modem for modem in (evidence.status or {}).get("modems", ())}
    for modem in evidence.config.modems:
        facts = evidence.ports.get(modem.port, PortFacts())
        pin_trouble = evidence.pin_troubles.get(modem.name)
        checks += check_modem(modem, told.get(modem.name), _port(evidence, modem.port, facts), pin_trouble)
    return checks


def exit_code(checks: list[Check]) -> int:
    """0: all is well; 1: warnings, nothing worse; 2: something has failed."""
    return max(({OK: 0, WARN: 1, FAIL: 2}[check.level] for check in checks), default=0)


def _configuration(evidence: Evidence) -> Check:
    config = evidence.config
    if config is None:
        shown = "; ".join(evidence.problems)
        return Check("configuration", FAIL, f"{shown} ({_CONFIGURATION_LATER})", "Mend it; tillbell check")
    counts = (
        (len(config.sources), "source", "nothing is heard"),
        (len(config.modems), "modem", "nothing can be sent"),
        (len(config.recipients), "recipient", "nobody is told"),
    )
    shown = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word, _ in counts)
    missing = [f"no [[{word}]]: {without}" for count, word, without in counts if not count]
    if missing:
        return Check("configuration", WARN, f"{evidence.config_path}: {'; '.join(missing)}", "Add one")
    return Check("configuration", OK, f"{evidence.config_path}: {shown}")


def _agent(evidence: Evidence) -> Check:
    process = f" (process {evidence.agent.pid})" if evidence.agent else ""
    if evidence.status is not None:
        up, version = span(evidence.status["uptime_s"]), evidence.status["version"]
        return Check("agent", OK, f"running for {up}, tillbell {version}{process}")
    why = evidence.agent_trouble or "it was not asked"
    if evidence.agent is None and evidence.agent_absent:
        return Check(
            "agent", FAIL, f"{why}. No sale is heard, SIM and network cannot be looked at",
            f"Start it: tillbell run --config {evidence.config_path}",
        )  # fmt: skip
    return Check(
        "agent", FAIL, f"it cannot be asked{process}: {why}",
        "Run this as the agent's user or as root; if that changes nothing, end the agent and start tillbell run",
    )  # fmt: skip


def _clock(evidence: Evidence) -> Check:
    now = evidence.now
    shown = now.local.strftime("%Y-%m-%d %H:%M %Z")
    ahead = max(evidence.store.last_heard_at.values(), default=now.unix) - now.unix
    if not now.trusted:
        return Check(
            "clock", WARN, f"{shown}: it was never set, so sales are told without our time",
            "Set it: date -s, or fit a clock battery",
        )  # fmt: skip
    if ahead > 0:
        return Check(
            "clock", WARN, f"{shown} is {span(ahead)} before a sale that was already heard: it was set back",
            "Compare it with a watch and set it: date -s",
        )  # fmt: skip
    return Check("clock", OK, shown)


def _state_directory(evidence: Evidence) -> Check:
    disk = evidence.disk
    if disk is None:
        return Check("state directory", WARN, "it was not looked at", "Run this as root")
    free = f"{disk.free_octets // _MIB} MiB free"
    if disk.trouble is not None:
        return Check(
            "state directory", FAIL, f"{disk.place} takes no file: {disk.trouble} ({free})",
            "Look at df and mount, free some space, or run this as the agent's user",
        )  # fmt: skip
    if disk.free_octets < _ENOUGH_FREE:
        level: Level = FAIL if disk.free_octets < _LEAST_FREE else WARN
        return Check("state directory", level, f"{disk.place}: only {free}", "Free some space")
    if not disk.exists:
        made = f"{free} in {disk.place}; the directory is made by the first tillbell run"
        return Check("state directory", OK, made)
    return Check("state directory", OK, f"{disk.place} can be written, {free}")


def _store(evidence: Evidence) -> Check:
    store = evidence.store
    if store.trouble is not None:
        return Check("store", WARN if store.absent else FAIL, store.trouble, store.step)
    if store.problems:
        damage = f"it is damaged: {'; '.join(store.problems)}"
        step = "Stop the agent, copy the state directory away, and start it again"
        if store.octets > LOOKED_THROUGH_WHOLE:  # its start does not read everything
            step += ": it sets the store aside when it meets the damage"
        return Check("store", FAIL, damage, step)
    size = f"schema {store.schema}, whole, {store.octets // 1024} KiB"
    alarm = (evidence.status or {}).get("store_alarm")
    if alarm or store.set_aside:
        shown = f"{size}; " + (alarm or f"damaged before, set aside as {', '.join(store.set_aside)}")
        step = "Replace the storage medium, pair held recipients again, and then move the file set aside elsewhere"
        return Check("store", WARN, shown, step)
    if store.schema < store.newest_schema and evidence.status is not None:
        return Check(
            "store", WARN, f"{size}, this program knows {store.newest_schema}", "Restart tillbell run"
        )
    if store.wal_octets > _LARGE_WAL:
        return Check(
            "store", WARN, f"{size}, WAL {store.wal_octets / _MIB:.1f} MiB: something keeps it from being cut",
            "End programs that hold the database open, then restart tillbell run",
        )  # fmt: skip
    return Check("store", OK, f"{size}, WAL {store.wal_octets // 1024} KiB")


def _outbox(evidence: Evidence) -> Check:
    outbox = evidence.store.outbox
    if evidence.store.problems or (evidence.store.trouble is not None and not evidence.store.absent):
        return Check("outbox", WARN, "it cannot be read", "See store")
    age_s = 0 if outbox.oldest_due_at is None else max(0, evidence.now.unix - outbox.oldest_due_at)
    shown = _outbox_words(outbox, age_s)
    if age_s > _LATE_S:
        level: Level = FAIL if age_s > _VERY_LATE_S else WARN
        last = f"; last answer: {outbox.last_answer}" if outbox.last_answer else ""
        return Check(
            "outbox", level, shown + last, "See the checks of the modem; tillbell queue --state queued"
        )
    if outbox.ended:
        words = f"{shown}; in the last day {_counts(outbox.ended)}"
        return Check("outbox", WARN, words, f"See why: tillbell queue --state {next(iter(outbox.ended))}")
    return Check("outbox", OK, shown)


def _outbox_words(outbox: OutboxHealth, age_s: int) -> str:
    if not outbox.waiting:
        return "nothing waits"
    age = f", the oldest that is due for {span(age_s)}" if outbox.oldest_due_at is not None else ""
    return _counts(outbox.waiting) + age


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items())


def _second_place(evidence: Evidence) -> Check:
    told = ((evidence.status or {}).get("second_place_alarm"), evidence.guard_alarm)
    alarms = list(dict.fromkeys(alarm for alarm in told if alarm))
    path = evidence.config.guard_path if evidence.config else ""
    if alarms:
        return Check(
            "second place", FAIL, "; ".join(alarms),
            "See that its folder can be written; pair again if this board or its disk is a copy",
        )  # fmt: skip
    if not evidence.guard_readable:
        return Check("second place", WARN, f"{path} may not be read by this user", "Run this as root")
    known = len(evidence.store.bindings)
    return Check(
        "second place", OK, f"{path}: {known} pairing{'' if known == 1 else 's'} known in both places"
    )


def _recipient(evidence: Evidence, recipient: RecipientConfig) -> Check:
    name = f"recipient {recipient.name}"
    waiting = evidence.store.outbox.held.get(recipient.name, 0)
    held = f"{waiting} message{'' if waiting == 1 else 's'} held" if waiting else "nothing held"
    told = {each["name"]: each for each in (evidence.status or {}).get("recipients", ())}
    why = told.get(recipient.name, {}).get("held_because")
    if evidence.status is None and evidence.store.trouble is not None and not evidence.store.absent:
        return Check(name, WARN, "not known: the store cannot be read", "See store")
    if why is None and evidence.status is None and recipient.name not in evidence.store.bindings:
        why = "not paired"
    if why is not None:
        step = f"Pair it: tillbell pair --config {evidence.config_path} --recipient {recipient.name} --card TBC1.…"
        return Check(name, FAIL if waiting else WARN, f"{why.partition(': run')[0]}; {held}", step)
    return Check(name, OK, f"paired, {held}")


def _source(evidence: Evidence, source: SourceConfig) -> Check:
    name = f"source {source.name}"
    ports = [_source_port(evidence, path) for _, path in source.taps]
    port = next((each for each in ports if each[0] != OK), ports[0])
    heard = _last_sale(evidence, source.name)
    told = {each["name"]: each for each in (evidence.status or {}).get("sources", ())}.get(source.name)
    if told is None:
        level, words, step = port
        return Check(name, level, f"{words}; {heard}", step)
    if not told["open"]:
        level, words, step = port
        shown = f"not open: {told['trouble']}" + (f"; {words}" if level != OK else "")
        look = "Look at the adapter and its cable" if source.bridge is None else f"See bridge {source.bridge}"
        return Check(name, FAIL, shown, step or look)
    return _heard(
        name, told, f"{told['octets']} octets and {told['told']} sales since the start, {heard}", port
    )


def _heard(name: str, told: Mapping[str, Any], shown: str, port: PortFinding) -> Check:
    """A source that is open: is what comes over its line understood, and does the disk take it?"""
    if told["lost"] or told["waiting_for_disk"]:
        words = f"{told['waiting_for_disk']} events wait for the disk, {told['lost']} are lost; {shown}"
        return Check(name, FAIL, words, "See state directory")
    if told["suspicion"]:
        step = "Compare baudrate, encoding and labels in the configuration with the terminal's settings"
        return Check(name, WARN, f"{told['suspicion']} {shown}", step)
    if told["skipped_octets"] * _FEW_SKIPPED > told["octets"]:
        words = f"{told['skipped_octets']} octets not understood; {shown}"
        return Check(name, WARN, words, "Look at baudrate and encoding, and at the wiring's ground")
    if port[0] != OK:
        return Check(name, *port)
    return Check(name, OK, f"open, {shown}")


def _last_sale(evidence: Evidence, source: str) -> str:
    heard_at = evidence.store.last_heard_at.get(source)
    if heard_at is None and evidence.store.trouble is not None and not evidence.store.absent:
        return "last sale not known"
    if heard_at is None:
        return "no sale heard yet"
    return f"last sale {span(max(0, evidence.now.unix - heard_at))} ago"


def _source_port(evidence: Evidence, path: str) -> PortFinding:
    """A bridge has a check of its own."""
    if bridge_port(path) is not None:
        return OK, f"port {path}", None
    return _port(evidence, path, evidence.ports.get(path, PortFacts()))


def _port(evidence: Evidence, path: str, facts: PortFacts) -> PortFinding:
    """Is the device there, and does nobody but the agent hold it?"""
    if "://" in path:
        return OK, f"port {path}", None
    if facts.trouble is not None:
        wait = "Plug it in, or take the name from ls -l /dev/serial/by-id; the agent waits for it"
        return FAIL, f"port {path} is not there: {facts.trouble}", wait
    if not facts.is_serial:
        return FAIL, f"{path} is no serial port", "Name a device below /dev in the configuration"
    rivals = [process for process in facts.holders if process != evidence.agent]
    if rivals:
        return _held(path, rivals)
    if not facts.allowed:
        return (
            WARN,
            f"port {path} may not be opened by this user",
            "Run this as the agent's user; usermod -aG dialout",
        )
    unseen = "" if evidence.all_processes_seen else " (of other users' programs only root can tell)"
    nobody = "nobody else holds it" if evidence.status is not None else "nobody holds it"
    return OK, f"port {path} is there, {nobody}{unseen}", None


def _held(path: str, rivals: list[Process]) -> PortFinding:
    names = [process.program for process in rivals]
    shown = ", ".join(f"{process.program} (process {process.pid})" for process in rivals)
    words = f"port {path} is held by {shown}: what comes in is read away from the agent"
    if "ModemManager" in names:
        step = 'Stop it: systemctl disable --now ModemManager, or give the port ID_MM_DEVICE_IGNORE="1" by a udev rule'
        return FAIL, words, step
    return FAIL, words, f"End {names[0]}, or give each program a port of its own"
