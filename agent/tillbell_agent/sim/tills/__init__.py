"""Simulated tills and terminals: what each dialect's two ends say on the wire, and what must be told of it.

Made by other code than what reads it: nothing here imports a dialect. A module has ``exchanges``, which ``TILLS`` names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from tillbell_agent.pos.dialect import Line
from tillbell_protocol.event import Transaction

# What can be asked for beside ordinary days: frames repeated after a lost ACK, frames refused with NAK, second copies.
TROUBLES = ("retransmission", "nak", "reprint")


@dataclass(frozen=True, slots=True)
class Spoken:
    """Octets that one end says, ``after_s`` seconds after what was said before; of the first, whoever speaks decides."""

    line: Line
    octets: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One conversation. ``words``: what it is, for people. ``expected``: what must be told of it, each once, in order.

    Two-line taps tell all of it. ``expected_one_line``: what a tap of the terminal's line alone can know.
    """

    words: str
    spoken: tuple[Spoken, ...]
    expected: tuple[Transaction, ...]
    expected_one_line: tuple[Transaction, ...]


# (seed, the terminal's clock at the first exchange, ISO 4217, which of TROUBLES) → conversations without end.
Exchanges = Callable[[int, datetime, str, frozenset[str]], Iterator[Exchange]]

# Dialect → module with ``exchanges``. A new one is one row.
TILLS: dict[str, str] = {
    "ecr17": "tillbell_agent.sim.tills.ecr17",
    "escpos": "tillbell_agent.sim.tills.escpos",
    "hypercom": "tillbell_agent.sim.tills.hypercom",
    "r200": "tillbell_agent.sim.tills.r200",
    "iso8583": "tillbell_agent.sim.tills.iso8583",
    "iso8583-cn": "tillbell_agent.sim.tills.iso8583_cn",
    "mis-bankall": "tillbell_agent.sim.tills.mis_bankall",
    "telium": "tillbell_agent.sim.tills.telium",
    "transbank": "tillbell_agent.sim.tills.transbank",
    "zvt": "tillbell_agent.sim.tills.zvt",
}


# What is paid with where a dialect is spoken; elsewhere the yuan.
_CURRENCIES = {
    "ecr17": "EUR",
    "hypercom": "SGD",
    "iso8583": "EUR",
    "r200": "MYR",
    "telium": "EUR",
    "transbank": "CLP",
    "zvt": "EUR",
}


def currency_of(dialect: str) -> str:
    """ISO 4217 of a country in which terminals of this dialect stand."""
    return _CURRENCIES.get(dialect, "CNY")


def exchanges_of(dialect: str) -> Exchanges:
    """KeyError for a dialect that nobody simulates."""
    found: Exchanges = import_module(TILLS[dialect]).exchanges
    return found
