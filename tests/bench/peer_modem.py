"""The simulated modem that all programs send through: ``tillbell sim modem`` as a process, its log, its control socket.

Every figure of the comparison is read from this modem's log: what it heard, when, and what the phones show.
"""

import json
import os
import re
import select
import socket
import termios
import time
import tty
from pathlib import Path
from typing import Any

from shop import BenchError

from tillbell_agent.notify.wording import WORDS
from tillbell_agent.sim.demo_processes import Child
from tillbell_agent.sim.tail import Tail
from tillbell_protocol.sms.address import Address
from tillbell_protocol.sms.segment import split_text
from tillbell_protocol.sms.tpdu import SmsSubmit, at_pdu

PHONE = "+8613800138000"
_NUMBERED = re.compile(r"Order (\d{3}) is ready")
_ANSWER_S = 10.0


def numbered(number: int) -> str:
    """The text that carries a number by which it is known again."""
    return f"Order {number:03d} is ready"


class SimModem:
    """Use as a context manager. ``more``: options of ``tillbell sim modem``."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.port = folder / "port"
        self._control = folder / "modem.sock"
        log = folder / "modem.jsonl"
        arguments = ["--link", str(self.port), "--log", str(log), "--control", str(self._control), *more]
        self._child = Child("modem", ["tillbell_agent.cli", "sim", "modem", *arguments], folder)
        self._tail = Tail(log)
        self._records: list[dict[str, Any]] = []

    def __enter__(self) -> "SimModem":
        try:
            self._child.wait_ready()
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request to the control socket. BenchError where the modem does not do it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_S)
            client.connect(str(self._control))
            client.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        if not answer.get("ok"):
            raise BenchError(f"the simulated modem refuses {request}: {answer.get('error')}")
        return answer

    def records(self) -> list[dict[str, Any]]:
        """The log so far."""
        self._records += self._tail.objects()
        return self._records

    def commands(self, start: str) -> list[float]:
        """When each command line that starts so was complete (``time.monotonic``, seconds)."""
        return [
            record["t"]
            for record in self.records()
            if record["ev"] == "cmd" and record["line"].upper().startswith(start)
        ]

    def accepted(self) -> list[float]:
        """When the network took each segment."""
        return [record["t"] for record in self.records() if record["ev"] == "sms"]

    def shown(self, *, marked: bool | None = None) -> list[int]:
        """The numbers of the texts on the phone, in order of arrival; ``marked``: only repetitions that say so, or others."""
        texts = [record["text"] or "" for record in self.records() if record["ev"] == "msg"]
        chosen = [text for text in texts if marked is None or text.startswith(WORDS["en"].repeat) == marked]
        return [int(found[1]) for text in chosen if (found := _NUMBERED.search(text))]


def as_the_modem_allows(modem: SimModem, count: int, until: float) -> int:
    """Texts written by the barest loop there is: command, prompt, PDU, answer; nothing is stored or looked at.

    What it reaches is what the simulated modem and its network leave to any program. ``until``: ``time.monotonic``.
    Returns how many were accepted.
    """
    port = os.open(modem.port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(port, termios.TCSANOW)
        for command in ("ATE0", "AT+CMGF=0", "AT+CMMS=2"):
            _exchange(port, f"{command}\r".encode(), b"OK\r\n")
        for number in range(count):
            if time.monotonic() > until:
                return number
            (part,) = split_text(numbered(number), reference=0)
            submit = SmsSubmit(0, Address.from_text(PHONE), 0, part.dcs, None, (), part.ud)
            pdu, octets = at_pdu(submit.encode())
            _exchange(port, f"AT+CMGS={octets}\r".encode(), b"> ")
            _exchange(port, pdu.encode() + b"\x1a", b"OK\r\n")
        return count
    finally:
        os.close(port)


def _exchange(port: int, octets: bytes, end: bytes) -> None:
    os.write(port, octets)
    heard = b""
    while not heard.endswith(end):
        if not select.select([port], [], [], _ANSWER_S)[0]:
            raise BenchError(f"the simulated modem does not answer {octets!r}; heard: {heard!r}")
        heard += os.read(port, 4096)
