"""``tillbell check``: reads a configuration as ``run`` would, and looks at what it points to. Changes nothing."""

import argparse
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tillbell_agent.cli.common import add_config, add_json, print_json
from tillbell_agent.cli.errors import OK, USAGE
from tillbell_agent.config import BridgeConfig, Config, ConfigError, load
from tillbell_agent.notify.text import TextContext, render
from tillbell_agent.shell.files import SecretFileError
from tillbell_agent.shell.key_file import read_link_key
from tillbell_agent.shell.pin_file import read_pin
from tillbell_agent.shell.service import become_owner
from tillbell_protocol.event import Kind, Transaction
from tillbell_protocol.pan import TruncatedPan
from tillbell_protocol.sms.segment import is_gsm7, septet_length

HELP = "check a configuration and what it points to: ports, state directory, texts"

# A day of a busy shop: 300 sales with two recipients write some 35 MB, most of it over the same pages.
_ENOUGH_OCTETS = 64 * 2**20
_PROBE_OCTETS = 256 * 1024  # twice what one sale may write


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. ``fail``: the agent cannot work so; ``warn``: it can, but something is not there."""

    level: str
    about: str
    message: str
    file: str | None = None
    line: int | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.epilog = """example:
  tillbell check --config /etc/tillbell/config.toml

Exit code 0: it can run (warnings name what is not there yet). 2: it cannot; each problem has its file and line."""


def run(args: argparse.Namespace) -> int:
    findings = list(examine(args.config))
    failed = any(finding.level == "fail" for finding in findings)
    if args.json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(_shown(finding), file=sys.stderr if finding.level == "fail" else sys.stdout)
    return USAGE if failed else OK


def examine(path: Path) -> Iterator[Finding]:
    """Everything that can be said about the configuration at ``path``."""
    try:
        config = load(path)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("fail", "configuration", problem.message, problem.file, problem.line)
        return
    counts = (
        (len(config.sources), "source"),
        (len(config.modems), "modem"),
        (len(config.recipients), "recipient"),
    )
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    yield Finding("ok", "configuration", f"{path}: {told}")
    for count, word in counts:
        if not count:
            yield Finding("warn", "configuration", f"there is no [[{word}]]: {_WITHOUT[word]}. Add one")
    yield from (
        port_finding("source", source.name, port)
        for source in config.sources
        if source.bridge is None
        for _, port in source.taps
    )
    for bridge in config.bridges:
        yield port_finding("bridge", bridge.name, bridge.port)
        yield key_finding(bridge)
        if not any(source.bridge == bridge.name for source in config.sources):
            why = f'no [[source]] listens to it. Name it as port = "bridge:{bridge.name}/1"'
            yield Finding("warn", f'bridge "{bridge.name}"', why)
    yield from (port_finding("modem", modem.name, modem.port) for modem in config.modems)
    yield from (pin_finding(modem.pin_file) for modem in config.modems if modem.pin_file)
    yield from text_findings(config)
    become_owner(config.state_dir)  # what root may write says nothing of what the service may
    yield state_finding(config.state_dir)
    yield guard_finding(config)


_WITHOUT = {"source": "nothing is heard", "modem": "nothing can be sent", "recipient": "nobody is told"}


def port_finding(kind: str, name: str, port: str) -> Finding:
    """A port that is absent now is a warning: the agent waits for it."""
    about = f'{kind} "{name}"'
    if "://" in port:
        return Finding("ok", about, f"port {port}")
    try:
        mode = os.stat(port).st_mode
    except OSError as error:
        wait = "Plug it in, or see ls /dev/serial/by-id; the agent waits for it"
        return Finding("warn", about, f"port {port} is not there: {error.strerror}. {wait}")
    if not stat.S_ISCHR(mode):
        return Finding("fail", about, f"{port} is no serial port. Name a device below /dev")
    if not os.access(port, os.R_OK | os.W_OK):
        group = "Add the agent's user to the group that owns it: usermod -aG dialout USER"
        return Finding("warn", about, f"port {port} may not be opened by this user. {group}")
    return Finding("ok", about, f"port {port}")


def pin_finding(path: Path) -> Finding:
    """A PIN's file must exist, be its owner's alone, and hold a PIN; the PIN itself is never shown."""
    try:
        read_pin(path)
    except SecretFileError as error:
        return Finding("fail", "pin_file", str(error))
    return Finding("ok", "pin_file", str(path))


def key_finding(bridge: BridgeConfig) -> Finding:
    """The file of a link's key must exist, be its owner's alone, and hold a key; the key itself is never shown."""
    try:
        read_link_key(bridge.key_file)
    except SecretFileError as error:
        return Finding("fail", "key_file", str(error))
    return Finding("ok", "key_file", str(bridge.key_file))


def state_finding(state_dir: Path) -> Finding:
    """Writes into the directory, or if it does not exist yet into the nearest that does, and removes it again."""
    place = state_dir
    try:
        place = _nearest_existing(state_dir)
        _probe(place)
    except OSError as error:
        full = "Free some space" if error.errno in _FULL else "Run as the service's user"
        return Finding(
            "fail", "state_dir", f"{place} cannot be written: {error.strerror}. {full}, or change state_dir"
        )
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    if free < _ENOUGH_OCTETS:
        return Finding("warn", "state_dir", f"{place} has only {free // 2**20} MiB free. Free some space")
    made = "" if place == state_dir else "; it will be made"
    return Finding("ok", "state_dir", f"{state_dir}: can be written, {free // 2**20} MiB free{made}")


def guard_finding(config: Config) -> Finding:
    """The second place of the counters: its folder must be there and writable, or be made with the state directory."""
    guard = config.guard_path
    folder = guard.parent
    try:
        if config.guard_file is None:
            folder = _nearest_existing(folder)
        elif not folder.is_dir():
            why = f"{folder} is not there. Make it, and give it to the user that runs tillbell"
            return Finding("warn", "guard_file", why)
        if os.access(folder, os.W_OK):
            return Finding("ok", "guard_file", str(guard))
    except PermissionError:
        pass  # a folder above it may not even be entered
    step = "Make a folder that this user may write, and set guard_file to a file in it"
    return Finding("warn", "guard_file", f"{folder} cannot be written by this user. {step}")


def text_findings(config: Config) -> Iterator[Finding]:
    """For each language in use, what a large sale of this shop reads like, and how much of the segment it takes."""
    languages = {r.language or config.device.language for r in config.recipients if r.format == "text"}
    for language in sorted(languages):
        text = _large_sale(config, language)
        taken = f"{septet_length(text)} of 160 septets" if is_gsm7(text) else f"{len(text)} of 70 characters"
        yield Finding("ok", f"text {language}", f"a large sale takes {taken}: {text}")
        device = config.device
        if device.merchant not in text and device.short_name is None:
            why = "the shop's name is too long for one SMS and will be cut. Set short_name in [device]"
            yield Finding("warn", f"text {language}", why)


def _large_sale(config: Config, language: str) -> str:
    device = config.device
    sale = Transaction(
        Kind.SALE, 9_999_999, device.currency, TruncatedPan("1234"), scheme="unionpay", method="card"
    )
    context = TextContext(
        merchant=device.merchant,
        short_name=device.short_name,
        language=language,
        seq=9999,
        currency=device.currency,
        when=datetime(2026, 12, 31, 23, 59),
        day_total_minor=99_999_999,
    )
    return render(sale, context, lambda _text: "123456")


_FULL = (28, 122)  # ENOSPC, EDQUOT


def _probe(folder: Path) -> None:
    """Really write: a read-only mount, a quota and a full disk show only so."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".tillbell-check-") as file:
        file.write(bytes(_PROBE_OCTETS))
        file.flush()
        os.fsync(file.fileno())


def _nearest_existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _shown(finding: Finding) -> str:
    where = f"{finding.file}:{finding.line}: " if finding.file else ""
    return f"{finding.level:4}  {finding.about}: {where}{finding.message}"
