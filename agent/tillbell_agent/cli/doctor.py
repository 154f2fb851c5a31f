"""``tillbell doctor``: named checks of an installation, each with its evidence and what to do next. It changes nothing."""

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tillbell_agent import doctor, store_health
from tillbell_agent.cli.check import key_finding, pin_finding
from tillbell_agent.cli.common import add_config, add_json, print_json
from tillbell_agent.config import Config, ConfigError, load
from tillbell_agent.finding import FAIL, OK, WARN, Check
from tillbell_agent.shell.clock import Clock
from tillbell_agent.shell.control import ControlError, NoAgentError, ask
from tillbell_agent.shell.guard import GuardFile
from tillbell_agent.shell.holders import look_at_port, who_holds

HELP = """Look for what is wrong, and say what to do next: configuration, agent, clock, disk, store, outbox, terminals' lines,
modem, SIM, registration. Works with a running agent, whose ports it leaves alone, and without one."""

_DAY_S = 86_400
_LOCK = "lock"  # in the state directory, open for as long as an agent runs on it
_PROBE_OCTETS = 256 * 1024  # twice what one sale may write


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.epilog = """example:
  tillbell doctor --config /etc/tillbell/config.toml

Exit code 0: all is well. 1: warnings, nothing worse. 2: at least one check failed."""


def run(args: argparse.Namespace) -> int:
    checks = doctor.examine(gather(args.config))
    code = doctor.exit_code(checks)
    if args.json:
        print_json({"ok": code == 0, "exit_code": code, "checks": [asdict(check) for check in checks]})
        return code
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{check.level:4}  {check.name:{width}}  {check.evidence}")
        if check.next_action is not None:
            print(f"{'':4}  {'':{width}}  → {check.next_action}")
    print(_summary(checks))
    return code


def _summary(checks: list[Check]) -> str:
    worse = [check.level for check in checks if check.level != OK]
    if not worse:
        return f"{len(checks)} checks, all well"
    return f"{len(checks)} checks: {worse.count(FAIL)} failed, {worse.count(WARN)} to look at"


def gather(path: Path) -> doctor.Evidence:
    """Everything that can be seen without opening a port."""
    try:
        config = load(path)
    except ConfigError as error:
        return doctor.Evidence(str(path), Clock("UTC").moment(), problems=_problems(error))
    now = Clock(config.device.timezone).moment()
    status, trouble, absent = _ask(config.state_dir)
    lock = str(config.state_dir / _LOCK)
    ports = [port for source in config.sources if source.bridge is None for _, port in source.taps]
    ports += [bridge.port for bridge in config.bridges]
    ports += [modem.port for modem in config.modems]
    paths = [port for port in ports if "://" not in port]
    holders = who_holds([*paths, lock])
    store = store_health.examine(config.state_dir, now.unix, now.unix - _DAY_S)
    readable = not config.guard_path.exists() or os.access(config.guard_path, os.R_OK)
    return doctor.Evidence(
        config_path=str(path),
        now=now,
        config=config,
        status=status,
        agent_trouble=trouble,
        agent_absent=absent,
        agent=next(iter(holders.of(lock)), None),
        disk=_disk(config.state_dir),
        store=store,
        ports={port: look_at_port(port, holders) for port in paths},
        all_processes_seen=holders.all_seen,
        guard_alarm=_guard_alarm(config.guard_path, store) if readable else None,
        guard_readable=readable,
        pin_troubles=_pin_troubles(config),
        key_troubles=_key_troubles(config),
    )


def _problems(error: ConfigError) -> tuple[str, ...]:
    return tuple(f"{each.file}:{each.line}: {each.message}" for each in error.problems)


def _ask(state_dir: Path) -> tuple[dict[str, Any] | None, str | None, bool]:
    """(what the agent says, why it says nothing, whether that is because none runs)."""
    try:
        answer = ask(state_dir, {"do": "status"})
    except NoAgentError:
        return None, f"no agent runs on {state_dir}", True
    except ControlError as error:
        return None, str(error), False
    return (None, str(answer["error"]), False) if "error" in answer else (answer, None, False)


def _disk(state_dir: Path) -> doctor.DiskFacts:
    """Really writes a file and removes it: a read-only mount, a quota and a full disk show only so."""
    place = state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    trouble = None
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".tillbell-doctor-") as file:
            file.write(bytes(_PROBE_OCTETS))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        trouble = error.strerror or str(error)
    room = os.statvfs(place)
    return doctor.DiskFacts(str(place), place == state_dir, room.f_bavail * room.f_frsize, trouble)


def _guard_alarm(path: Path, store: store_health.StoreHealth) -> str | None:
    guard = GuardFile(path)
    for binding in store.bindings.values():
        guard.expect(binding)
    return guard.alarm


def _pin_troubles(config: Config) -> dict[str, str]:
    found = {each.name: pin_finding(each.pin_file) for each in config.modems if each.pin_file is not None}
    return {name: finding.message for name, finding in found.items() if finding.level != "ok"}


def _key_troubles(config: Config) -> dict[str, str]:
    found = {each.name: key_finding(each) for each in config.bridges}
    return {name: finding.message for name, finding in found.items() if finding.level != "ok"}
