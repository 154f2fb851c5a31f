"""Kill ``tillbell run`` at random moments of a stream of sales, start it again, and see that nothing is lost or invented.

    python tests/end_to_end/kill.py --kills 50 [--seed S]

A sale is heard to its end, and must be told, if at the moment of each kill one of these held:

- its last octet had been read by the agent at least 100 ms before, 100 ms more for each other sale that stood in the
  same read (a commit takes some 10 ms; the line is never more than three sales ahead of the agent), or
- none of its octets had been read: they wait in the port, which stays plugged in, for the next start, or
- the ledger holds it.

A sale of which a kill took away the octets read so far is in flight: it may be told, with those of its own numbers that
its rest still says, or not at all, but never with another amount or another sale's number. Of a sale
printed in two copies the rest of the second may hold nothing but the amount: the agent cannot tell it from the next
customer's, so it is told as a sale of its own, without a reference, at most once. Headquarters must open each
counter once, drop what comes twice, and see no gap. The owner's phone must show each sale in the ledger once, and more
only with the mark; a text whose outcome a kill left unknown is repeated after a minute, for which the short run of the
tests does not wait.
"""

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from killing import main, open_sealed
from shop import Shop, slip, wait

from tillbell_agent.sim.demo_check import read_text

_HEARD_S = 0.1
_MOST_AHEAD = 3
# Octets of the longest sale of this stream, a slip in two copies, rounded up.
_SALE_OCTETS = 1024
_COPY, _OTHER_COPY = (
    "商户存根 MERCHANT COPY".encode("gb18030"),
    "持卡人存根 CARDHOLDER COPY".encode("gb18030"),
)
_CHUNK_OCTETS = 64
_CHUNK_S = 0.003
_GAP_S = 0.12
_LATENCY_MS = 25


@dataclass(slots=True)
class Sale:
    """One printed sale; ``first`` and ``end`` are its octets' places in the stream.

    ``read_at``: when the agent had read past ``end``; ``read_with``: how many sales ended in that read, this one too.
    """

    amount_minor: int
    reference: str
    rrn: str | None
    octets: bytes
    first: int = 0
    end: int = 0
    read_at: float | None = None
    read_with: int = 1
    in_flight: bool = False


@dataclass(slots=True)
class Told:
    """What a run came to; ``faults`` in words."""

    kills: int = 0
    sales: int = 0
    in_flight: int = 0
    in_flight_told: int = 0
    repeats: int = 0
    owed: int = 0
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)


class Terminal(threading.Thread):
    """Prints sale after sale until stopped, and knows how far the agent has read."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.sales: list[Sale] = []
        self.holding = threading.Lock()  # whoever has it stops the line
        self._line = shop.line
        self._chance = chance
        self._written = 0
        self._amounts = chance.sample(range(100, 1_000_000), 20_000)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            sale = self._next_sale()
            for start in range(0, len(sale.octets), _CHUNK_OCTETS):
                with self.holding:
                    chunk = sale.octets[start : start + _CHUNK_OCTETS]
                    self._line.write(chunk)
                    self._written += len(chunk)
                    self._note_reading()
                time.sleep(_CHUNK_S)
            self._pause(self._chance.expovariate(1 / _GAP_S))

    def stop(self) -> None:
        """End after the sale that is being printed."""
        self._stopped.set()
        self.join(30)
        assert not self.is_alive(), "the terminal's line is stuck"

    def killed(self, at: float) -> None:
        """The agent died at ``at``, and ``holding`` is held: decide what every sale's fate may be."""
        time.sleep(0.02)  # octets pass through a worker of the kernel before they can be counted
        read = self._written - self._line.unread()
        for sale in self.sales:
            if sale.first >= read:
                continue
            settled = sale.read_at is not None and at - sale.read_at >= _HEARD_S * sale.read_with
            sale.in_flight = sale.in_flight or not settled

    def _next_sale(self) -> Sale:
        amount = self._amounts.pop()
        number = f"{len(self.sales) + 1:06d}"
        text = f"{amount // 100}.{amount % 100:02d}"
        with self.holding:
            kind = self._chance.choice(("slip", "copies", "till"))
            if kind == "copies":
                merchant = slip(text, number)
                sale = Sale(
                    amount, number, f"103015{number}", merchant + merchant.replace(_COPY, _OTHER_COPY)
                )
            elif kind == "slip":
                sale = Sale(amount, number, f"103015{number}", slip(text, number))
            else:
                sale = Sale(amount, f"20261121{number}", None, till_slip(text, f"20261121{number}"))
            sale.first, sale.end = self._written, self._written + len(sale.octets)
            self.sales.append(sale)
        return sale

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped.is_set() and (
            time.monotonic() < until or self._line.unread() > (_MOST_AHEAD - 1) * _SALE_OCTETS
        ):
            with self.holding:
                self._note_reading()
            time.sleep(0.005)

    def _note_reading(self) -> None:
        read, now = self._written - self._line.unread(), time.monotonic()
        fresh: list[Sale] = []
        for sale in reversed(self.sales):
            if sale.read_at is not None:
                break
            if sale.end <= read:
                fresh.append(sale)
        for sale in fresh:
            sale.read_at, sale.read_with = now, len(fresh)


def till_slip(amount: str, number: str) -> bytes:
    """A till's slip with a picture in front that spells a total, as octets."""
    picture = (b"TOTAL 999.99\n" * 8).ljust(12 * 10, b"\0")
    text = (
        f"老王面馆\n单号:{number} 收银员:001\n2026-11-21 12:31:07\n牛肉面 x2   {amount}\n应收   ￥{amount}\n"
        f"微信支付   {amount}\n找零   0.00\n"
    )
    head = b"\x1b@\x1dv0\x00\x0c\x00\x0a\x00" + picture
    return head + text.encode("gb18030") + b"\n\n\x1dV\x42\x00"


def run(folder: Path, kills: int, seed: int, tell: Callable[[str], None], *, settle: bool) -> Told:
    """Everything. ``settle``: at the end wait until repetitions of unknown outcomes have come as well (a minute)."""
    chance, told = random.Random(seed), Told()
    with Shop(folder, latency_ms=_LATENCY_MS) as shop:
        shop.start_modem()
        shop.pair()
        terminal = Terminal(shop, chance)
        shop.start_agent()
        terminal.start()
        try:
            for _ in range(kills):
                _kill_once(shop, terminal, chance)
                told.kills += 1
                tell(f"kill {told.kills}/{kills}: {len(terminal.sales)} sales printed")
        finally:
            terminal.stop()
        _wait_until_told(shop, terminal, settle=settle)
        if shop.stop_agent() != 0:
            told.faults.append("the agent did not end well")
        _judge(shop, terminal.sales, told)
    return told


def _kill_once(shop: Shop, terminal: Terminal, chance: random.Random) -> None:
    """Let the agent live for a random while (sometimes it is still starting then), kill it, start the next."""
    time.sleep(chance.uniform(0.0, 0.9))
    with terminal.holding:
        shop.kill_agent()
        terminal.killed(time.monotonic())
    time.sleep(chance.choice((0.0, 0.0, 0.3)))
    shop.start_agent(wait=chance.random() < 0.75)


def _wait_until_told(shop: Shop, terminal: Terminal, *, settle: bool) -> None:
    """Until the line is read and nothing waits; a text whose outcome is unknown but which the phone shows may wait."""
    wait("the line is read to its end", lambda: terminal._line.unread() == 0, 60)

    def done() -> bool:
        rows = shop.json("queue", "--limit", "10000")
        waiting = [row for row in rows if row["state"] in ("queued", "claimed")]
        unknown = [row for row in rows if row["state"] == "unknown" and row["not_before"]]
        if waiting or (unknown and settle):
            return False
        ledger = shop.json("txn", "--limit", "10000")
        return {row["seq"] for row in ledger} - _still_owed(ledger) <= {
            read_text(text).seq for text in shop.texts()
        }

    time.sleep(1.0)  # the last job's commit, and its messages
    wait("everything that is owed has left", done, 150)


def _still_owed(ledger: list[dict[str, Any]]) -> set[int]:
    """Numbers whose text the store will repeat, because nobody can say whether it went out."""
    return {
        row["seq"]
        for row in ledger
        for message in row["messages"]
        if message["recipient"] == "owner" and message["state"] == "unknown" and message["not_before"]
    }


def _judge(shop: Shop, sales: list[Sale], told: Told) -> None:
    ledger = shop.json("txn", "--limit", "10000", code=0)
    told.sales = len(sales)
    told.in_flight = sum(sale.in_flight for sale in sales)
    _judge_ledger(ledger, sales, told)
    _judge_texts(shop.texts(), ledger, told)
    _judge_sealed(shop, ledger, told)
    if "Traceback" in shop.agent_said():
        told.faults.append("the agent printed a traceback")


def _judge_ledger(ledger: list[dict[str, Any]], sales: list[Sale], told: Told) -> None:
    by_amount = {sale.amount_minor: sale for sale in sales}
    seen: set[tuple[int, bool]] = set()
    for row in ledger:
        sale = by_amount.get(row["amount_minor"])
        if sale is None:
            told.faults.append(
                f"number {row['seq']} was never printed: {row['amount_minor']} {row['reference']}"
            )
            continue
        is_amount_alone = sale.in_flight and row["reference"] is None
        if (sale.amount_minor, is_amount_alone) in seen:
            told.faults.append(f"sale {sale.reference} is in the ledger twice")
        seen.add((sale.amount_minor, is_amount_alone))
        told.in_flight_told += sale.in_flight
        cut = sale.in_flight and row["reference"] in (None, sale.rrn)
        if row["reference"] != sale.reference and not cut:
            told.faults.append(f"sale {sale.reference} is told as {row['reference']}")
        if row["kind"] != "sale":
            told.faults.append(f"sale {sale.reference} is told as a {row['kind']}")
    for sale in sales:
        if not sale.in_flight and (sale.amount_minor, False) not in seen:
            told.faults.append(
                f"sale {sale.reference} of {sale.amount_minor} was heard to its end and is lost"
            )


def _judge_texts(texts: list[str], ledger: list[dict[str, Any]], told: Told) -> None:
    read = [read_text(text) for text in texts]
    owed = _still_owed(ledger)
    told.repeats = sum(text.repeated for text in read)
    for row in ledger:
        mine = [text for text in read if text.seq == row["seq"]]
        if not mine and row["seq"] in owed:
            told.owed += 1
        elif not mine:
            told.faults.append(f"the phone was never told of number {row['seq']}")
        if sum(not text.repeated for text in mine) > 1:
            told.faults.append(f"number {row['seq']} was told twice without a mark")
        expected = (row["amount_minor"], row["day_total_minor"])
        if any((text.amount_minor, text.day_total_minor) != expected for text in mine):
            told.faults.append(f"number {row['seq']} was told wrongly: {mine}")
    if {text.seq for text in read} - {row["seq"] for row in ledger}:
        told.faults.append("the phone shows a number that the ledger does not have")


def _judge_sealed(shop: Shop, ledger: list[dict[str, Any]], told: Told) -> None:
    found = open_sealed(shop)
    told.duplicates = found.duplicates
    told.faults += found.faults
    heard = sorted((row["amount_minor"], row["reference"] or "") for row in ledger)
    if sorted((event.amount_minor, event.reference or "") for event in found.events) != heard:
        told.faults.append(
            f"headquarters opened {len(found.events)} events, not the {len(heard)} of the ledger"
        )


def _for_command_line(
    folder: Path, kills: int, seed: int, tell: Callable[[str], None], wait_out: bool
) -> tuple[str, list[str]]:
    told = run(folder, kills, seed, tell, settle=wait_out)
    return summary(told), told.faults


def summary(told: Told) -> str:
    return (
        f"{told.kills} kills, {told.sales} sales, {told.in_flight} of them in flight at a kill ({told.in_flight_told} told all"
        f" the same), {told.repeats} texts repeated with their mark ({told.owed} yet to be), {told.duplicates} sealed"
        f" repetitions dropped by the receiver, {len(told.faults)} faults"
    )


if __name__ == "__main__":
    words = "Kill the agent at random moments; nothing may be lost or invented."
    raise SystemExit(main("kill.py", words, 50, _for_command_line))
