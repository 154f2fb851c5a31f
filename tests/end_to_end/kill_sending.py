"""Kill ``tillbell run`` at random moments while it sends through a modem that loses answers: nothing is lost or doubled.

    python tests/end_to_end/kill_sending.py --kills 200 [--seed S]

A backlog of sales (a text and a sealed message each) and of notices of two segments always waits. The answers of every fourth
message or so are lost, every fourth prompt is late, and half of the status reports never come. Each kill falls at a
random moment behind the first AT+CMGS of its agent, or behind one of the next few. What must hold afterwards:

- headquarters opens each sealed message once and misses none; octets go again only if the copy before was open: its
  answer was lost, or its agent was killed before it had committed that answer;
- the phone shows each text once; once more, or only, with the mark of a repetition, and that only if the first copy was
  open, or was in the store as handed over when a kill fell between its AT+CMGS and its PDU. Nothing is repeated twice;
- whenever a kill meets a segment that the network has and that is unanswered, the store has it as handed over.

A text of which kills cut off both copies before their PDU is unknown for good: it is counted, and is no fault.
A text of unknown outcome is repeated after a minute. The short run of the tests does not wait for it: it ages what waits
in the store while no agent runs. The long one waits the last minute out.
"""

import contextlib
import io
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from killing import AtHeadquarters, main, open_sealed
from sending_backlog import Backlog
from sending_judged import Verdict, judge_sealed, judge_shown, judge_texts, named
from sending_log import PHASES, Account, Life, account
from shop import HQ, OWNER, Shop, wait

from tillbell_agent.cli import main as tillbell

_SALES, _NOTICES = 16, 4
_LEAST_DUE = 14
# Of segments; a message has one or two.
_LOST_OK = {"kind": "lost_ok", "count": 0, "chance": 0.15}
_FAULTS = (
    _LOST_OK,
    {"kind": "late_prompt", "count": 0, "chance": 0.25, "seconds": 0.02},
    {"kind": "report_lost", "count": 0, "chance": 0.5},
)
_LATENCIES_MS = (0, 5, 20)
_REPORTS_MS = (50, 1500)
# While a batch is printed the modem is slow, so that the batch is still there afterwards.
_FEEDING_MS = 500
_KILL_WITHIN_S = 0.03
_AFTER_MOST = 6
_HOUR_S = 3600
_REPORT_WAIT_S = 61
_WAITED_OUT_S = 90.0


@dataclass(slots=True)
class Told:
    """What a run came to."""

    account: Account
    verdict: Verdict
    headquarters: AtHeadquarters
    backlog: Backlog
    lost_oks: int

    @property
    def faults(self) -> list[str]:
        return [*self.account.faults, *self.verdict.faults, *self.headquarters.faults]

    def summary(self) -> str:
        """A table, a figure a line."""
        texts, phases = len(self.backlog.names), Counter(self.account.phases)
        rows = [
            (len(self.account.phases), "kills"),
            *((phases[phase], f"  {phase}") for phase in PHASES),
            (self.lost_oks, "answers lost by the modem"),
            (len(self.account.segments), "segments taken by the network"),
            (sum(segment.open for segment in self.account.segments), "  of them open: nobody could know"),
            (self.verdict.again, "  that went again as they were, behind an open one"),
            (len(self.backlog.amounts), "sealed messages owed"),
            (len(self.headquarters.events), "  opened, each once"),
            (self.headquarters.duplicates, "  copies dropped by the receiver"),
            (texts, f"texts owed, {len(self.backlog.notices)} of two segments"),
            (texts - self.verdict.untold, "  shown"),
            (self.verdict.repeated, "  repeated, marked"),
            (self.verdict.shown_twice, "  of these seen twice"),
            (self.verdict.untold, "  untold: both copies cut off before their PDU, unknown for good"),
            (len(self.faults), "faults"),
        ]
        return "\n".join(f"{figure:6} {words}" for figure, words in rows)


class Run:
    """One shop, killed again and again."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.lives: list[Life] = []
        self.backlog = Backlog(random.Random(seed))
        self._chance = random.Random(seed + 1)
        self._began = 0.0

    def kill_once(self) -> None:
        """An agent's life: it sends, and dies at a random moment of that."""
        self._start()
        if self._due() < _LEAST_DUE:
            self._feed()
        self.shop.ask_modem(
            do="latency", ms=self._chance.choice(_LATENCIES_MS), report_ms=self._chance.choice(_REPORTS_MS)
        )
        self._wait_for_command(self._chance.randint(1, _AFTER_MOST))
        time.sleep(self._chance.uniform(0.0, _KILL_WITHIN_S))
        assert self.shop.agent is not None
        self.shop.agent.process.kill()
        ended = time.monotonic()
        self.shop.kill_agent()
        self.lives.append(Life(self._began, ended, self._handed()))

    def stop(self) -> None:
        """End the agent in order."""
        assert self.shop.stop_agent() == 0, "the agent did not end well"
        self.lives.append(Life(self._began, None))

    def settle(self, *, wait_out: bool) -> None:
        """No more faults: until everything has left, been repeated, or is unknown for good."""
        self.shop.ask_modem(do="fault", kind="none")
        self.shop.ask_modem(do="latency", ms=0, report_ms=50)
        self._start()
        if wait_out:  # of a text that was tried often the next try may be further away: that one is aged
            soon = time.time() + _REPORT_WAIT_S
            ids = {row["id"] for row in self._waiting("unknown") if row["not_before"] <= soon}

            def left() -> list[dict[str, Any]]:
                return [row for row in self._waiting("unknown") if row["id"] in ids]

            wait("texts of unknown outcome are repeated", lambda: not left(), _WAITED_OUT_S)
        while True:
            wait("what is due leaves", lambda: self._due() == 0, 60)
            if not self._waiting("unknown", "queued", "claimed"):
                break
            self.stop()
            self.age(_HOUR_S)
            self._start()
        self.stop()

    def age(self, seconds: int) -> None:
        """Let what waits in the store wait so much less, while no agent runs."""
        with contextlib.closing(sqlite3.connect(self._store)) as connection, connection:
            connection.execute(
                "UPDATE message SET not_before = max(1, not_before - ?) WHERE not_before > 0", (seconds,)
            )

    @property
    def _store(self) -> Path:
        return self.shop.state_dir / "tillbell.db"

    def _start(self) -> None:
        self._began = time.monotonic()
        self.shop.start_agent()

    def _feed(self) -> None:
        """Print a batch and wait until it is in the ledger; the agent goes on sending, slowly."""
        self.shop.ask_modem(do="latency", ms=_FEEDING_MS)
        self.shop.ask_modem(do="fault", kind="none", only="lost_ok")
        for _ in range(_SALES):
            self.shop.line.write(self.backlog.sale())
        for _ in range(_NOTICES):
            with contextlib.redirect_stdout(io.StringIO()):
                arguments = ["--config", str(self.shop.config), "--to", "owner", self.backlog.notice()]
                assert tillbell(["send", *arguments]) == 0
        sales = len(self.backlog.amounts)
        wait("the batch is heard", lambda: self._newest() == sales)
        self.shop.ask_modem(do="fault", **_LOST_OK)

    def _wait_for_command(self, number: int) -> None:
        """Until the agent has given so many AT+CMGS, or waits for an answer that the modem has lost."""

        def reached() -> bool:
            records = [record for record in self.shop.records() if record["t"] > self._began + 0.2]
            commands = [record for record in records if record.get("line", "").startswith("AT+CMGS=")]
            lost = any(record.get("kind") == "lost_ok" for record in records)
            return len(commands) >= number or lost

        wait("the agent sends", reached)

    def _newest(self) -> int:
        rows = self.shop.json("txn", "--limit", "1")
        return int(rows[0]["seq"]) if rows else 0

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for state in ("queued", "claimed", "unknown"):
            rows += self.shop.json("queue", "--limit", "10000", "--state", state)
        return rows

    def _due(self) -> int:
        rows = self.shop.json("queue", "--limit", "10000", "--state", "queued")
        return sum(row["not_before"] <= time.time() for row in rows)

    def _waiting(self, *states: str) -> list[dict[str, Any]]:
        """What will still happen by itself."""
        return [
            row
            for row in self._rows()
            if row["state"] in states and (row["state"] != "unknown" or row["not_before"])
        ]

    def _handed(self) -> tuple[tuple[str, bytes], ...]:
        """(phone, body) of what the store of a dead agent has as handed over, without an answer."""
        query = (
            "SELECT phone, CAST(body AS BLOB) FROM message m JOIN segment s ON s.message_id = m.id"
            " WHERE m.state = 'claimed' AND s.state = 'handed' AND s.part >= 0"
        )
        with contextlib.closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)) as connection:
            return tuple((str(phone), bytes(body)) for phone, body in connection.execute(query))


def run(folder: Path, kills: int, seed: int, tell: Callable[[str], None], *, wait_out: bool) -> Told:
    """Everything. ``wait_out``: the minute before the last repetitions passes in earnest."""
    with Shop(folder) as shop:
        shop.start_modem("--seed", str(seed))
        shop.pair()
        one = Run(shop, seed)
        for fault in _FAULTS:
            shop.ask_modem(do="fault", **fault)
        for number in range(1, kills + 1):
            one.kill_once()
            tell(
                f"kill {number}/{kills}: {len(shop.shown(OWNER))} texts and {len(shop.shown(HQ))} sealed messages shown"
            )
            if not wait_out and number % (kills // 3) == 0:
                one.age(_HOUR_S)  # so that repetitions are killed as well
        one.settle(wait_out=wait_out)
        return _judged(shop, one)


def _judged(shop: Shop, one: Run) -> Told:
    found, verdict, backlog = account(shop.records(), one.lives), Verdict(), one.backlog
    cut_off: Counter[str] = Counter()
    for number in found.nameless:
        cut_off.update(
            each[0] for each in named(one.lives[number], OWNER, backlog.name_of) if each is not None
        )
    judge_texts(found, one.lives, OWNER, backlog.name_of, verdict)
    judge_shown(shop.texts(), backlog.names, backlog.name_of, cut_off, verdict)
    judge_sealed(found, HQ, verdict)
    headquarters = open_sealed(shop)
    if sorted(event.amount_minor for event in headquarters.events) != sorted(backlog.amounts):
        headquarters.faults.append(
            f"headquarters opened {len(headquarters.events)} events, not the {len(backlog.amounts)} that were printed"
        )
    ledger = {row["seq"]: row["amount_minor"] for row in shop.json("txn", "--limit", "10000")}
    if ledger != dict(enumerate(backlog.amounts, start=1)):
        verdict.faults.append("the ledger is not what was printed")
    strange = {row["state"] for row in shop.json("queue", "--limit", "10000")} - {
        "sent",
        "delivered",
        "unknown",
    }
    if strange:
        verdict.faults.append(f"at the end there are messages in the states {sorted(strange)}")
    if "Traceback" in shop.agent_said():
        verdict.faults.append("the agent printed a traceback")
    lost = sum(record.get("kind") == "lost_ok" for record in shop.records())
    return Told(found, verdict, headquarters, backlog, lost)


def figures(
    folder: Path, kills: int, seed: int, tell: Callable[[str], None] = lambda _: None, wait_out: bool = False
) -> tuple[str, list[str]]:
    """A run's table and its faults."""
    told = run(folder, kills, seed, tell, wait_out=wait_out)
    return told.summary(), told.faults


if __name__ == "__main__":
    words = "Kill the agent while it sends and answers are lost; nothing may be lost, or told twice without a mark."
    raise SystemExit(main("kill_sending.py", words, 200, figures))
