"""Every dialect from a simulated terminal and till to a text: one agent, a terminal of each kind, both lines and one."""

import json
import sys
from collections import Counter
from datetime import datetime
from functools import cache
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from shop import OWNER, Shop, wait

from tillbell_agent.pos.registry import DIALECTS
from tillbell_agent.sim.demo_processes import Child
from tillbell_agent.sim.tills import TILLS, TROUBLES, currency_of, exchanges_of

ALONE = "-alone"
CONVERSATIONS = 5
# Conversations have the pauses that real ones have, a refused frame is repeated after seconds: the day of 60 whose
# beginning is the shortest is taken.
PATIENCE_S = 90.0
START = datetime(2026, 11, 21, 12)


class Market(Shop):
    """A shop in which terminals of every dialect stand: one tapped on both lines, one on its own alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ("owner",))
        self.dialects = [name for name in TILLS if DIALECTS[name].two_lines]
        self.terminals = [*self.dialects, *(f"{name}{ALONE}" for name in self.dialects)]
        before, _, after = self.config.read_text("utf-8").partition("[[source]]")
        rest = "[[modem]]" + after.partition("[[modem]]")[2]
        self.config.write_text(before + "".join(map(self._source, self.terminals)) + rest, "utf-8")

    def _source(self, terminal: str) -> str:
        name = terminal.removesuffix(ALONE)
        both = f'port_terminal = "{self.link(terminal)}"\nport_till = "{self.link(terminal, "till")}"'
        ports = f'port = "{self.link(terminal)}"' if terminal != name else both
        return f'[[source]]\nname = "{terminal}"\ndialect = "{name}"\n{ports}\ncurrency = "{currency_of(name)}"\n'

    def link(self, terminal: str, end: str = "terminal") -> Path:
        return self.folder / f"{terminal}-{end}"

    def start_terminals(self) -> list[Child]:
        return [self._start(terminal) for terminal in self.terminals]

    def _start(self, terminal: str) -> Child:
        name = terminal.removesuffix(ALONE)
        till = [] if terminal != name else ["--link-till", str(self.link(terminal, "till"))]
        troubles = [word for trouble in TROUBLES for word in ("--trouble", trouble)]
        words = ["sim", "pos", "--dialect", name, "--link", str(self.link(terminal)), *till, *troubles]
        words += ["--currency", currency_of(name), "--seed", _seed(name), "--count", str(CONVERSATIONS)]
        words += ["--start", START.isoformat(), "--rate", "60", "--json"]
        child = Child(terminal, ["tillbell_agent.cli", *words], self.folder)
        self._children._running.append(child)
        return child


def test_what_every_kind_of_terminal_says_becomes_texts(tmp_path: Path) -> None:
    with Market(tmp_path) as market:
        market.start_modem()
        terminals = market.start_terminals()
        wait("the terminals' lines", lambda: all(market.link(name).exists() for name in market.terminals))
        market.start_agent()
        wait("the terminals' ends", lambda: all(t.process.poll() is not None for t in terminals), PATIENCE_S)
        expected = {name: _said(market.folder / f"{name}.out") for name in market.terminals}
        owed = sum(map(len, expected.values()))
        try:
            market.wait("the ledger", lambda: len(_ledger(market)) >= owed)
        finally:
            found: dict[str, list[Any]] = {name: [] for name in market.terminals}
            for row in _ledger(market):
                found[row["source"]].append(_as_told(row))
            differ = {n: (_only(found[n], expected[n]), _only(expected[n], found[n])) for n in found}
            assert {name: each for name, each in differ.items() if any(each)} == {}
        numbered = [row["seq"] for row in _ledger(market) if row["seq"] is not None]
        market.wait("a text for each", lambda: len(set(market.texts(OWNER))) >= len(numbered), PATIENCE_S)
        assert "Traceback" not in market.agent_said()


@cache
def _seed(name: str) -> str:
    return str(min(range(60), key=lambda seed: _lasts(name, seed)))


def _lasts(name: str, seed: int) -> float:
    day = exchanges_of(name)(seed, START, currency_of(name), frozenset(TROUBLES))
    first = list(islice(day, CONVERSATIONS))
    told = sum(bool(exchange.expected) for exchange in first)
    lasts = sum(spoken.after_s for exchange in first for spoken in exchange.spoken[1:])
    return lasts if told >= 3 else inf


def _said(path: Path) -> list[Any]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == CONVERSATIONS, path.with_suffix(".err").read_text("utf-8")
    return [_as_told(each) for line in lines for each in line["expected"]]


def _ledger(market: Market) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = market.json("txn", "--limit", "1000")
    return rows


def _as_told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["kind"], row.get("amount_minor"), row.get("reference"), row.get("card_last4")


def _only(some: list[Any], others: list[Any]) -> list[Any]:
    return list((Counter(some) - Counter(others)).elements())
