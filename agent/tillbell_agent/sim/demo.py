"""The main job, shown: a shop's terminal, agent, modem, phones and headquarters as separate processes over pseudo-terminals.

The demonstration sets up a shop as an installer would (keys, configuration, pairing), lets the terminal print a
morning's receipts, kills the agent once in the middle of sending, and then compares what was printed with what the
phone showed and what headquarters opened. It takes no part in the way of a sale.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tillbell_agent.sim.demo_check import REPEAT_MARK, ledger_faults, sealed_faults, text_faults
from tillbell_agent.sim.demo_processes import POLL_S, Child, Children, DemoError, command
from tillbell_agent.sim.demo_receipts import Expected
from tillbell_agent.sim.demo_screen import Event, Show
from tillbell_agent.sim.demo_shop import RECIPIENTS, WHAT, configuration, zone_far_from_midnight
from tillbell_agent.sim.tail import Tail
from tillbell_protocol.event import Kind
from tillbell_protocol.sms.at import split_at_pdu
from tillbell_protocol.sms.tpdu import SmsSubmit

# What a stuck step waits before it is called failed; the whole ends within a minute.
TOLD_S = 15.0
# Long enough for a notice of a receipt that nobody may be told of to come, if there were one: a sale's takes less.
QUIET_S = 0.6
# Each segment takes the modem this long: the moment in which the agent is killed. Real ones take about 3 s.
LATENCY_MS = 300

# States in which nothing more is done soon. A text whose answer was lost waits a minute for the network's report before
# it goes again, marked: longer than this showing.
_AT_REST = {"sent", "delivered", "unknown"}


class Demo:
    """One showing, in ``folder``; every event goes to ``show``."""

    def __init__(self, folder: Path, ports: Path, seed: int, show: Show) -> None:
        self._folder, self._ports, self._seed = folder, ports, seed
        self._show_event = show
        self._children = Children(folder)
        self._started = time.monotonic()
        self._config = str(folder / "config.toml")
        self._network = Tail(folder / "network.jsonl")
        self._seen: dict[str, list[Event]] = {name: [] for name in RECIPIENTS}
        self._receivers: dict[str, Child] = {}
        self._expected: list[Expected] = []
        self._heard = 0
        self._kills = 0

    def play(self) -> int:
        """The whole showing: the number of faults found. Raises DemoError if a step fails; children are ended then too."""
        try:
            self._set_up()
            self._run_agent()
            receipts = self._print_all()
            self._finish()
            return self._judge(receipts)
        except DemoError as error:
            self._children.stop_all()
            self._show("failed", step=str(error), last_words=self._children.last_words())
            return 1
        finally:
            self._children.stop_all()

    def _show(self, ev: str, **fields: Any) -> None:
        self._show_event({"ev": ev, "t": round(time.monotonic() - self._started, 3), **fields})

    # Setting up, as an installer does

    def _set_up(self) -> None:
        modem, printer = self._ports / "modem", self._ports / "printer"
        zone = zone_far_from_midnight(datetime.now().astimezone())
        self._write("config.toml", configuration(self._folder / "state", zone, printer, modem))
        log = str(self._folder / "network.jsonl")
        self._start_sim(
            "network", "a GSM modem and its network", "tillbell_agent.cli", "sim", "modem",
            "--link", str(modem), "--log", log, "--latency-ms", str(LATENCY_MS),
        )  # fmt: skip
        now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0)
        self._terminal = self._start_sim(
            "terminal", "a POS terminal with a receipt printer", "tillbell_agent.sim.demo_terminal",
            "--link", str(printer), "--seed", str(self._seed), "--now", now.isoformat(),
        )  # fmt: skip
        for name in RECIPIENTS:
            self._start_recipient(name, log)

    def _start_sim(self, name: str, what: str, *arguments: str) -> Child:
        child = self._children.start(name, *arguments)
        self._show("started", name=name, what=what, pid=child.process.pid)
        return child

    def _start_recipient(self, name: str, log: str) -> None:
        phone, fmt = RECIPIENTS[name]
        program = "phone" if fmt == "text" else "headquarters"
        keys = [] if fmt == "text" else self._pair(name)
        self._receivers[name] = self._start_sim(
            name, WHAT[fmt], f"tillbell_agent.sim.{program}", "--log", log, "--number", phone, *keys
        )

    def _pair(self, name: str) -> list[str]:
        """A key for the recipient, its card to the device, the device's bundle back: where both were put."""
        key, bundle = str(self._folder / f"{name}.key"), str(self._folder / f"{name}.bundle")
        card = command(f"making {name}'s key", "keys", "new", "--out", key, "--name", name).strip()
        arguments = ("--config", self._config, "--recipient", name, "--card", card, "--yes")
        self._write(f"{name}.bundle", command(f"pairing with {name}", "pair", *arguments))
        self._show("paired", recipient=name)
        return ["--key", key, "--bundle", bundle]

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, "utf-8")

    def _run_agent(self) -> None:
        self._agent = self._children.start("agent", "tillbell_agent.cli", "run", "--config", self._config)
        self._show("started", name="agent", what="tillbell run", pid=self._agent.process.pid)

    # The morning

    def _print_all(self) -> int:
        count = 0
        while (printed := self._print_one()) is not None:
            count += 1
            if printed["expected"] is None:
                self._look_for(QUIET_S)
                continue
            expected = dict(printed["expected"])
            self._expected.append(Expected(Kind[expected.pop("kind").upper()], **expected))
            if printed["kill"]:
                self._kill_while_sending()
            self._wait_until_told(printed["n"])
            if printed["kill"]:
                self._show_settled()
        return count

    def _print_one(self) -> Event | None:
        """One receipt on the terminal's line; None after the last."""
        self._network.lines()  # what comes from here on is about this receipt
        self._terminal.say("print")
        printed: Event = self._wait(
            f"the terminal prints receipt {len(self._expected) + 1}", self._terminal_said
        )
        if printed["ev"] == "done":
            return None
        self._show(**printed)
        return printed

    def _terminal_said(self) -> Event | None:
        said = self._terminal.objects()
        return said[0] if said else None

    def _kill_while_sending(self) -> None:
        """SIGKILL between the modem's taking the owner's text and its answer."""
        self._wait("the text to the owner is on its way", self._text_handed_over)
        self._agent.kill()
        self._children.forget(self._agent)
        self._kills += 1
        self._show("killed", **{"while": "the modem has its text to the owner, the answer still open"})
        self._run_agent()

    def _text_handed_over(self) -> bool:
        pdus = [record["hex"] for record in self._network.objects() if record["ev"] == "pdu"]
        return any(_addressee(pdu) == RECIPIENTS["owner"][0] for pdu in pdus)

    def _show_settled(self) -> None:
        """What the agent made of the text whose answer its dead predecessor never heard."""
        rows = next(row for row in self._transactions() if row["seq"] == len(self._expected))["messages"]
        text = next(row for row in rows if row["recipient"] == "owner")
        self._show(
            "settled", **{name: text[name] for name in ("state", "attempts", "repeated", "last_answer")}
        )

    def _wait_until_told(self, n: int) -> None:
        count = len(self._expected)
        self._wait(
            f"everybody is told of receipt {n}", lambda: all(self._told(name) >= count for name in RECIPIENTS)
        )

    def _told(self, name: str) -> int:
        """How many different things a recipient has been told: numbers in texts, or counters."""
        self._look()
        events = self._seen[name]
        if name == "owner":
            return len(
                {event["text"].removeprefix(REPEAT_MARK)[:-6] for event in events if event["ev"] == "text"}
            )
        return len({event["counter"] for event in events if event["ev"] == "opened"})

    def _look(self) -> None:
        """Show what the receivers have said since the last look."""
        self._show_heard()
        for name, child in self._receivers.items():
            for event in child.objects():
                self._seen[name].append(event)
                self._show(**{**event, "who": name})

    def _show_heard(self) -> None:
        if self._heard < len(self._expected):
            rows = self._transactions()
            for row in rows[self._heard :]:
                self._show("heard", **row)
            self._heard = len(rows)

    def _transactions(self) -> list[Event]:
        rows: list[Event] = json.loads(
            command("reading the ledger", "txn", "--config", self._config, "--json")
        )
        return sorted(rows, key=lambda row: int(row["seq"]))

    def _look_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(POLL_S)

    def _wait(self, step: str, done: Callable[[], Any]) -> Any:
        """Until ``done`` gives something true. Raises DemoError naming ``step``."""
        deadline = time.monotonic() + TOLD_S
        while not (result := done()):
            if time.monotonic() > deadline:
                raise DemoError(f"{step}: not within {TOLD_S:.0f} s")
            if self._agent.process.poll() is not None:
                raise DemoError(
                    f"{step}: the agent has ended with exit code {self._agent.process.returncode}"
                )
            time.sleep(POLL_S)
        return result

    # The end

    def _finish(self) -> None:
        """When nothing is left to send: stop the agent as a service manager does, and let the recipients say their last."""
        self._wait("the queue is empty", self._queue_is_empty)
        self._look_for(QUIET_S)
        code = self._agent.stop()
        self._children.forget(self._agent)
        if code != 0:
            raise DemoError(f"the agent ended with exit code {code} after SIGTERM")
        for name, child in self._receivers.items():
            if child.finish() != 0:
                raise DemoError(f"{name} ended with exit code {child.process.returncode}")
        self._look()

    def _queue_is_empty(self) -> bool:
        self._look()
        rows = json.loads(command("reading the queue", "queue", "--config", self._config, "--json"))
        return all(row["state"] in _AT_REST for row in rows)

    def _judge(self, receipts: int) -> int:
        texts = [event["text"] for event in self._seen["owner"] if event["ev"] == "text"]
        rows = self._transactions()
        codes = {int(row["seq"]): row["check_codes"].get("owner", ()) for row in rows}
        faults = ledger_faults(self._expected, rows) + text_faults(self._expected, texts, codes)
        for name in ("hq", "accountant"):
            faults += sealed_faults(name, self._expected, self._seen[name])
        if self._kills != 1:
            faults.append(f"the agent was to be killed once, and was killed {self._kills} times")
        self._show(
            "result",
            faults=faults,
            receipts=receipts,
            transactions=len(self._expected),
            texts=len(texts),
            repeated=sum(text.startswith(REPEAT_MARK) for text in texts),
            duplicates=sum(e["ev"] == "duplicate" for events in self._seen.values() for e in events),
            kills=self._kills,
            seconds=time.monotonic() - self._started,
        )
        return len(faults)


def _addressee(pdu: str) -> str:
    """Whom an SMS-SUBMIT, as written after ``AT+CMGS``, is for."""
    _, tpdu = split_at_pdu(pdu)
    return SmsSubmit.decode(tpdu).da.text()
