"""``tillbell init``: asks for what a configuration needs, and writes it with comments. Never over an existing file."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tillbell_agent.cli.common import DEFAULT_CONFIG
from tillbell_agent.cli.errors import OK, CliError
from tillbell_agent.config import ConfigError, parse
from tillbell_agent.shell.files import write_whole

HELP = "write a commented configuration by asking"

_PORT_FOLDERS = ("/dev/serial/by-id/*", "/dev/serial/by-path/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyS0")


@dataclass(frozen=True, slots=True)
class Question:
    """One value: its flag, the question, and a default if there is an honest one. ``optional``: may stay empty."""

    flag: str
    words: str
    default: Callable[[dict[str, str]], str | None] = lambda _answers: None
    optional: bool = False
    port: bool = False

    @property
    def key(self) -> str:
        return self.flag.replace("-", "_")


def _fixed(value: str) -> Callable[[dict[str, str]], str | None]:
    return lambda _answers: value


def _local_zone() -> str | None:
    """The system's zone by its IANA name, where the system tells it."""
    zone = os.environ.get("TZ", "").lstrip(":")
    if zone and not zone.startswith("/"):
        return zone
    target = os.path.realpath("/etc/localtime")
    _, found, name = target.partition("/zoneinfo/")
    return name if found and name else None


def _language(answers: dict[str, str]) -> str | None:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return (
        "zh"
        if spoken.startswith("zh") or any("一" <= letter <= "鿿" for letter in answers["merchant"])
        else "en"
    )


QUESTIONS = (
    Question("name", "Name of this device, as headquarters will see it", _fixed("till-1")),
    Question("merchant", "Name of the shop, as its texts say it"),
    Question("short-name", "Short name for full texts, at most 10 characters", optional=True),
    Question("timezone", "Time zone", lambda _answers: _local_zone()),
    Question("language", "Language of the texts, en or zh", _language),
    Question(
        "currency",
        "Currency, ISO 4217, as EUR",
        lambda answers: "CNY" if answers["language"] == "zh" else None,
    ),
    Question("bridge", "Port of a firmware bridge, where one hears the terminal", optional=True, port=True),
    Question(
        "port",
        "Port of the terminal or its printer line",
        lambda answers: "bridge:tap/1" if answers["bridge"] else None,
        port=True,
    ),
    Question("baudrate", "Speed of that line", _fixed("9600")),
    Question(
        "encoding",
        "Encoding of its text",
        lambda answers: "gb18030" if answers["language"] == "zh" else "cp437",
    ),
    Question("modem", "Port of the GSM modem", port=True),
    Question("phone", "Phone number that gets the readable texts, as +8613800138000"),
    Question("hq-phone", "Phone number of headquarters, for sealed messages", optional=True),
    Question("state-dir", "Folder for the ledger and the keys", _fixed("/var/lib/tillbell")),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument("--yes", action="store_true", help="ask nothing: flags and defaults only")
    for question in QUESTIONS:
        parser.add_argument(f"--{question.flag}", metavar="VALUE", help=question.words)
    parser.epilog = """example:
  tillbell init --output /etc/tillbell/config.toml
  tillbell init --yes --output shop.toml --merchant 老王面馆 --language zh --timezone Asia/Shanghai \\
    --port /dev/ttyUSB0 --modem /dev/ttyUSB2 --phone +8613800138000

Asks only for what no flag gives. Where the input is no terminal it asks nothing."""


def run(args: argparse.Namespace) -> int:
    if args.output.exists() and not args.force:
        raise CliError(f"{args.output} exists. Choose another --output, or replace it with --force")
    answers = collect(args, asking=sys.stdin.isatty() and not args.yes)
    text = configuration(answers)
    try:
        parse(text, str(args.output))
    except ConfigError as error:
        wrong = "; ".join(dict.fromkeys(problem.message for problem in error.problems))
        raise CliError(f"init: these values make no configuration: {wrong}") from error
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.output, text.encode("utf-8"), mode=0o644)
    except OSError as error:
        raise CliError(
            f"{args.output} cannot be written: {error.strerror}. Choose another --output"
        ) from error
    flash = f"tillbell flash --config {args.output} --bridge tap, then " if answers["bridge"] else ""
    print(f"wrote {args.output}. Next: {flash}tillbell check --config {args.output}")
    return OK


def collect(args: argparse.Namespace, *, asking: bool) -> dict[str, str]:
    """A value for every question; an optional one may be empty. Raises CliError that names the missing flags."""
    answers: dict[str, str] = {}
    missing = []
    for question in QUESTIONS:
        given = getattr(args, question.key)
        value = given if given is not None else question.default(answers)
        if asking and given is None:
            value = _ask(question, value, answers)
        if value is None and not question.optional:
            missing.append(f"--{question.flag}")
        answers[question.key] = value or ""
    if missing:
        raise CliError(
            f"init: no value for {', '.join(missing)}. Give these flags, or run it in a terminal to be asked"
        )
    return answers


def configuration(answers: dict[str, str]) -> str:
    """The file's text. Values are quoted as JSON, whose strings are TOML's too."""
    values = {**answers, "guard_file": f"{answers['state_dir'].rstrip('/')}-guard/counters"}
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    short = _SHORT_NAME if answers["short_name"] else _NO_SHORT_NAME
    headquarters = _HEADQUARTERS if answers["hq_phone"] else _NO_HEADQUARTERS
    baudrate = (
        answers["baudrate"]
        if answers["baudrate"].isascii() and answers["baudrate"].isdigit()
        else quoted["baudrate"]
    )
    bridge = _BRIDGE if answers["bridge"] else ""
    return (_HEAD + short + _LINES + bridge + _REST + headquarters).format_map(
        {**quoted, "baudrate": baudrate}
    )


def ports() -> list[str]:
    """Serial ports that exist, those with stable names first; a port stands once."""
    found: dict[str, str] = {}
    for pattern in _PORT_FOLDERS:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            found.setdefault(str(path.resolve()), str(path))
    return list(found.values())


def _ask(question: Question, default: str | None, answers: dict[str, str]) -> str | None:
    """Ask until the answer would pass as a configuration's value."""
    choices = ports() if question.port else []
    for number, port in enumerate(choices, 1):
        print(f"  {number}  {port}")
    hint = "number or path" if choices else ""
    shown = default or ("may stay empty" if question.optional else hint)
    while True:
        try:
            answer = input(f"{question.words}{f' [{shown}]' if shown else ''}: ").strip() or (default or "")
        except EOFError as error:
            raise CliError("init: the input ended before the last question. Nothing was written") from error
        if answer.isdigit() and 0 < int(answer) <= len(choices):
            answer = choices[int(answer) - 1]
        why = _objection(question, answer, answers)
        if why is None:
            return answer
        print(f"  {why}")


def _objection(question: Question, answer: str, answers: dict[str, str]) -> str | None:
    """Why ``answer`` would be refused; all other values are stand-ins or known to be good."""
    if not answer:
        return None if question.optional else "A value is needed."
    text = configuration({**_STAND_INS, **answers, question.key: answer})
    try:
        parse(text, "answer")
    except ConfigError as error:
        return error.message
    return None


_STAND_INS = {
    "name": "till-1",
    "merchant": "shop",
    "short_name": "",
    "timezone": "UTC",
    "language": "en",
    "currency": "EUR",
    "bridge": "",
    "port": "/dev/tillbell-terminal",
    "baudrate": "9600",
    "encoding": "utf-8",
    "modem": "/dev/tillbell-modem",
    "phone": "+8613800138000",
    "hq_phone": "",
    "state_dir": "/var/lib/tillbell",
}

_HEAD = """\
# Tillbell. After a change: tillbell check --config THIS-FILE
schema = 1

# The ledger, the outgoing messages and the device's keys. Whoever copies it can read and forge.
state_dir = {state_dir}
# A second place, which no copy of state_dir brings along: by it the agent knows a restored copy, and uses no counter
# twice. Default: state_dir with .guard behind its name; the user that runs tillbell must be able to write its folder,
# which below /var/lib only root can. So make a folder for that user, and name a file in it:
# guard_file = {guard_file}

[device]
# As headquarters sees it.
name = {name}
# As texts say it. A name of more than about 10 Chinese characters makes texts use the short name.
merchant = {merchant}
"""
_SHORT_NAME = "short_name = {short_name}\n"
_NO_SHORT_NAME = '# short_name = "at most 10"\n'
_LINES = """\
timezone = {timezone}
# ISO 4217; for amounts that a receipt prints without a currency.
currency = {currency}
# en or zh; a recipient may have another.
language = {language}

# One [[source]] for each line to listen to. Only listening: nothing is ever written to it.
[[source]]
name = "printer"
dialect = "escpos"
# A name below /dev/serial/by-id stays the same when cables are moved; ttyUSB0 does not.
port = {port}
baudrate = {baudrate}
encoding = {encoding}
# Words of this shop's receipts that the program does not know yet:
# [source.labels]
# total = ["应付"]
"""
_BRIDGE = """
# The board that hears the terminal's line; its two channels are the ports bridge:tap/1 and bridge:tap/2.
[[bridge]]
name = "tap"
port = {bridge}
# Made by tillbell flash, which gives it to the board too. Whoever has it can speak as the bridge.
key_file = "tap.key"
"""
_REST = """
[[modem]]
name = "sim1"
port = {modem}
# The SIM's PIN, alone in a file of mode 0600:
# pin_file = "/etc/tillbell/sim1.pin"
# With several modems: the numbers that this one is for, by how they begin. Others take these only while it cannot send:
# prefixes = ["+86"]
# A command that takes its power away and gives it back, for when nothing else helps:
# power_command = ["/usr/local/sbin/modem-power"]
# What is dialled once a day to learn the SIM's credit, and where the amount stands in the answer:
# credit_code = "*100#"
# credit_pattern = "([0-9]+[.,][0-9]+)"

# format = "text": readable, for people. "sealed": one encrypted and signed SMS, for a program that holds the key.
# "armored": the same as letters, for a phone that shows only text.
[[recipient]]
name = "owner"
phone = {phone}
format = "text"
"""
_HEADQUARTERS = """
# Nothing is sent to a sealed recipient before: tillbell pair --recipient hq --card TBC1.…
[[recipient]]
name = "hq"
phone = {hq_phone}
format = "sealed"
"""
_NO_HEADQUARTERS = """
# [[recipient]]
# name = "hq"
# phone = "+8613900139000"
# format = "sealed"
"""
