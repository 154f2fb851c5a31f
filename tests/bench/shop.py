"""A shop to measure: the real ``tillbell run`` on pseudo-terminals, its terminals and its modem in this process.

Everything that reads a clock is here and in one thread: the octets that go into a terminal's line, the commands that
come out on the modem's, the agent's log. So every figure is a difference of two readings of one clock.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillbell_agent.sim.demo_processes import command
from tillbell_agent.sim.modem import ModemMachine
from tillbell_agent.sim.network import Network, Record
from tillbell_agent.sim.pty import PseudoTerminal
from tillbell_agent.sim.receipts import Receipt, receipts
from tillbell_protocol.keys import SecretKey
from tillbell_protocol.pairing import bundle_from_text
from tillbell_protocol.receiver import Receiver

OWNER, HEADQUARTERS = "+8613800138000", "+8613900139000"
# Anything that takes longer on a working machine has gone wrong.
_PATIENCE_S = 60.0
_MOST_LOG_TAIL = 20


class BenchError(Exception):
    """Something did not happen; the message says what was waited for."""


class Shop:
    """State, configuration, keys and lines in ``folder``; at most one agent at a time. Use as a context manager."""

    def __init__(self, folder: Path, *, seed: int = 1) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.printer, self.second = PseudoTerminal(folder / "printer"), PseudoTerminal(folder / "second")
        self.modem_line = PseudoTerminal(folder / "modem")
        self.config.write_text(_configuration(folder), "utf-8")
        card = command("making keys", "keys", "new", "--out", str(folder / "hq.key")).strip()
        self._bundle = command(
            "pairing", "pair", "--config", str(self.config), "--recipient", "hq", "--card", card
        )
        self.jobs = receipts(seed, start=datetime(2026, 3, 2, 9, 0))
        self.agent: Agent | None = None

    def __enter__(self) -> "Shop":
        return self

    def __exit__(self, *_: object) -> None:
        if self.agent is not None:
            self.agent.end()
        for line in (self.printer, self.second, self.modem_line):
            line.close()

    def start(self) -> "Agent":
        """Start an agent and wait until it is ready."""
        self.agent = Agent(self)
        return self.agent

    def stop(self) -> None:
        """End the agent as a service manager does."""
        if self.agent is not None:
            code = self.agent.end()
            self.agent = None
            if code != 0:
                raise BenchError(f"the agent ended with exit code {code} after SIGTERM")

    def sales(self, wanted: Callable[[Receipt], bool] = lambda _: True) -> Iterator[Receipt]:
        """Receipts that are transactions, without end."""
        return (job for job in self.jobs if job.expected is not None and wanted(job))

    def headquarters(self) -> Receiver:
        """The sealed recipient, who knows the pairing."""
        receiver = Receiver(SecretKey.from_text((self.folder / "hq.key").read_text()))
        receiver.import_bundle(bundle_from_text(self._bundle.strip()))
        return receiver


class Agent:
    """One run of ``tillbell run`` with a modem that answers at once. Times are ``time.monotonic``, in seconds.

    ``commands``: when each ``AT+CMGS`` came. ``segments``, ``messages``: accepted so far. ``told``: when the log said
    that a transaction is durable.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.commands: list[float] = []
        self.told: list[float] = []
        self.segments: list[float] = []
        self.messages: list[float] = []
        self.sealed: list[bytes] = []
        self.is_modem_ready = False
        self._log_tail: list[str] = []
        self._unfinished_line = b""
        began = datetime.now(UTC) - timedelta(seconds=time.monotonic())
        self._modem = ModemMachine(Network(began))
        self._heard_at = time.monotonic()
        self.process, self.start_s = _start(shop)
        self._selector = selectors.DefaultSelector()
        self._selector.register(shop.modem_line, selectors.EVENT_READ, self._answer)
        if self.process.stderr is None:
            raise BenchError("the agent has no log")
        os.set_blocking(self.process.stderr.fileno(), False)
        self._selector.register(self.process.stderr, selectors.EVENT_READ, self._read_log)
        self._is_writing = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def turn(self, timeout_s: float) -> None:
        """Let the modem answer, the log be read and the terminal's octets flow, once."""
        self._watch_writing()
        deadline = self._modem.next_deadline()
        if deadline is not None:
            timeout_s = min(timeout_s, max(0.0, deadline - time.monotonic()))
        for key, _ in self._selector.select(timeout_s):
            key.data()
        self._note(self._modem.tick(time.monotonic()))
        self._write_modem()
        if self.process.poll() is not None:
            raise BenchError(f"the agent has ended with {self.process.returncode}: {self._log_tail}")

    def wait(self, what: str, until: Callable[[], bool], patience_s: float = _PATIENCE_S) -> None:
        """Turn until ``until`` holds. Raises BenchError naming ``what``."""
        end = time.monotonic() + patience_s
        while not until():
            if time.monotonic() > end:
                raise BenchError(
                    f"{what}: not within {patience_s:.0f} s; the agent's last words: {self._log_tail}"
                )
            self.turn(0.05)

    def wait_ready(self) -> None:
        self.wait("the modem is ready", lambda: self.is_modem_ready)

    def rest(self, seconds: float) -> None:
        """Turn until nothing has come from the agent, and the network has had nothing to say, for so long."""
        self._heard_at = time.monotonic()

        def is_at_rest() -> bool:
            return time.monotonic() - self._heard_at >= seconds and self._modem.next_deadline() is None

        end = time.monotonic() + _PATIENCE_S
        while not is_at_rest() and time.monotonic() < end:
            self.turn(seconds / 4)

    def idle(self, seconds: float) -> None:
        """Turn for so long, whatever happens."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.turn(left)

    def print(self, octets: bytes) -> None:
        """Put octets on the terminal's line, all of them."""
        rest = memoryview(octets)
        while rest:
            piece, rest = rest[:4096], rest[4096:]
            self._shop.printer.write(bytes(piece))
            self.wait("the agent reads the terminal's line", lambda: not self._shop.printer.unwritten)

    def end(self) -> int:
        """SIGTERM, and what it exits with; killed if it does not."""
        self._selector.close()
        self.process.terminate()
        try:
            _, _ = self.process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode

    def _watch_writing(self) -> None:
        if self._shop.printer.unwritten != self._is_writing:
            self._is_writing = not self._is_writing
            if self._is_writing:
                self._selector.register(self._shop.printer, selectors.EVENT_WRITE, self._shop.printer.flush)
            else:
                self._selector.unregister(self._shop.printer)

    def _answer(self) -> None:
        data = self._shop.modem_line.read()
        self._heard_at = now = time.monotonic()
        self._note(self._modem.receive_data(data, now))
        # What the network takes no time for is answered before anything else is looked at.
        self._note(self._modem.tick(now))
        self._write_modem()

    def _write_modem(self) -> None:
        data = self._modem.bytes_to_send()
        if data:
            self._shop.modem_line.write(data)
            self._heard_at = time.monotonic()
        elif self._shop.modem_line.unwritten:
            self._shop.modem_line.flush()

    def _note(self, records: list[Record]) -> None:
        for record in records:
            match record["ev"]:
                case "cmd" if record["line"].upper().startswith("AT+CMGS="):
                    self.commands.append(record["t"])
                case "sms":
                    self.segments.append(record["t"])
                case "msg":
                    self.messages.append(record["t"])
                    if "data" in record:
                        self.sealed.append(bytes.fromhex(record["data"]))

    def _read_log(self) -> None:
        if self.process.stderr is None:
            return
        data = self.process.stderr.read() or b""
        now = time.monotonic()
        *whole, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
        for line in whole:
            text = line.decode("utf-8", "replace")
            self._log_tail = [*self._log_tail, text][-_MOST_LOG_TAIL:]
            if "info transaction " in text:
                self.told.append(now)
            self.is_modem_ready |= "info modem_ready" in text


def _start(shop: Shop) -> tuple[subprocess.Popen[bytes], float]:
    """The agent and the seconds from starting it to its READY=1."""
    address = shop.folder / "notify"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(_PATIENCE_S)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tillbell_agent.cli", "run", "--config", str(shop.config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(shop.folder, address),
            process_group=0,
        )
        try:
            while manager.recv(256) != b"READY=1":
                pass
        except TimeoutError as error:
            process.kill()
            _, said = process.communicate()
            raise BenchError(
                f"no READY=1 from the agent within {_PATIENCE_S:.0f} s: {said.decode()}"
            ) from error
        return process, time.monotonic() - began


def _environment(folder: Path, notify: Path) -> dict[str, str]:
    """As an installed agent has it: compiled modules are kept, here in ``folder``, so from the second start they exist."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder.parent / "compiled"), "NOTIFY_SOCKET": str(notify)}


def _configuration(folder: Path) -> str:
    """One shop: two terminals, one modem, the merchant's text and headquarters' sealed message for every sale."""
    sources = "".join(
        f'\n[[source]]\nname = "{name}"\ndialect = "escpos"\nport = {json.dumps(str(folder / name))}\n'
        'baudrate = 9600\nencoding = "gb18030"\n'
        for name in ("printer", "second")
    )
    return f"""schema = 1
state_dir = {json.dumps(str(folder / "state"))}

[device]
name = "till-1"
merchant = "老王面馆"
timezone = "Asia/Shanghai"
currency = "CNY"
language = "zh"
{sources}
[[modem]]
name = "sim1"
port = {json.dumps(str(folder / "modem"))}

[[recipient]]
name = "owner"
phone = "{OWNER}"
format = "text"

[[recipient]]
name = "hq"
phone = "{HEADQUARTERS}"
format = "sealed"
"""
