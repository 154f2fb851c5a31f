"""What is asked of a ready modem once in a while, for people who look after it: signal, operator, supply,
temperature, credit, SIM.

Each question is a conversation of its own, so that a sale waits for one at most. A question that a modem leaves without
an answer is not asked again: one that falls silent over ``+COPS?`` would else be set up anew each time.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tillbell_agent.modem.commands import Command, ReadStorages, Set, StoragesInUse
from tillbell_agent.modem.events import Sampled
from tillbell_agent.modem.facts import Facts, ModemSettings
from tillbell_agent.modem.initialise import read_imsi
from tillbell_agent.modem.questions import (
    ReadOperator,
    ReadSignal,
    ReadTemperature,
    ReadVoltage,
    RequestCredit,
)
from tillbell_agent.modem.script import Failure, Script, Tell, ask

CREDIT_S = 86_400.0
_NOUGHT = re.compile(r"-|0+(?:[.,]0+)?$")
_CUSD = re.compile(r'\+CUSD: ?(\d)(?:,"([^"]*)"(?:,(\d+))?)?')


def samples(facts: Facts) -> Iterator[Callable[[], Script[None]]]:
    """One round of questions."""
    yield lambda: check_sim(facts)
    yield lambda: _read(facts, ReadSignal(), "signal_dbm")
    yield lambda: _read(facts, ReadOperator(), "operator")
    yield lambda: _read(facts, ReadVoltage(), "voltage_mv")
    warmth = ReadTemperature(facts.profile.temperature, facts.profile.temperature_pattern)
    if warmth.text:
        yield lambda: _read(facts, warmth, "temperature_c")
    yield lambda: read_fill(facts)


def check_sim(facts: Facts) -> Script[None]:
    """Is it the same SIM still, and is it there at all? Not every modem tells by itself."""
    answer = yield from read_imsi(facts)
    if answer is not None:
        facts.sim_refused(answer.kind, answer.code)


def read_fill(facts: Facts) -> Script[None]:
    """Is there room for new messages?"""
    fill = yield from _ask(facts, ReadStorages(), "asking how full its storage is")
    if isinstance(fill, StoragesInUse) and fill.used is not None and fill.places is not None:
        facts.storage_full = 0 < fill.places <= fill.used


def request_credit(facts: Facts, settings: ModemSettings) -> Script[None]:
    """Ask the operator; the answer comes by itself, if it comes."""
    facts.awaits_credit = True
    asked = yield from ask(RequestCredit(settings.credit_code), "asking for the credit")
    if isinstance(asked, Failure):
        facts.awaits_credit = False
        yield Tell(Sampled("credit", None))


def end_ussd() -> Script[None]:
    """+CUSD=2: the operator waits for a reply that nobody here gives; until then it takes no other code."""
    yield from ask(Set("+CUSD", "2"), "ending what the operator asks")


def credit_of(text: str, pattern: str) -> str | None:
    """``+CUSD: 0,"Balance 12.50 EUR",15`` and a pattern with one group → "12.50"; None where it is not in it."""
    match = _CUSD.match(text)
    if match is None or match[2] is None or not pattern:
        return None
    found = re.search(pattern, _words(match[2], match[3]))
    return found[1] if found else None


def is_nought(amount: str) -> bool:
    """Nothing left, or less."""
    return _NOUGHT.match(amount) is not None


def _words(text: str, dcs: str | None) -> str:
    """Some modems write UCS2 (data coding 72) as hex, and some everything."""
    if dcs in ("72", "17") or re.fullmatch(r"(?:[0-9A-F]{4})+", text):
        try:
            return bytes.fromhex(text).decode("utf-16-be", "replace")
        except ValueError:
            return text
    return text


def _read(facts: Facts, command: Command[Any], name: str) -> Script[None]:
    value = yield from _ask(facts, command, f"reading {name}")
    if not isinstance(value, Failure):
        yield Tell(Sampled(name, value))


def _ask(facts: Facts, command: Command[Any], doing: str) -> Script[Any]:
    if command.line() in facts.silent:
        return Failure("SILENCE")
    answer = yield from ask(command, doing)
    facts.note(command.line(), answer)
    return answer
