"""A whole shop for a test: real processes over pseudo-terminals in one folder, always ended and reaped by their ids.

The terminal's line is a pseudo-terminal whose far end is held open here too, raw, so that what a dead agent has not read
waits for the next one, as it does in a serial adapter that stays plugged in.
"""

import contextlib
import fcntl
import io
import json
import os
import pty
import select
import socket
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tillbell_agent.cli import main
from tillbell_agent.sim.demo_processes import Child, Children

OWNER, HQ, BOOKS = "+8613800138000", "+8613900139000", "+8613600136000"
PHONES = {"owner": (OWNER, "text"), "hq": (HQ, "sealed"), "books": (BOOKS, "armored")}
# A loaded machine of two cores starts three interpreters in a few seconds.
PATIENCE_S = 20.0
_POLL_S = 0.01
Found = TypeVar("Found")


def zone_far_from_midnight() -> str:
    """A zone in which it is noon, more or less, so that no day's total turns over during a test."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def slip(amount: str, voucher: str, kind: str = "消费(SALE)", *, tail: str = "6691", more: str = "") -> bytes:
    """A UnionPay slip, one copy."""
    text = (
        "POS 签购单\n商户存根 MERCHANT COPY\n商户名称(MERCHANT NAME):\n老王面馆\n商户编号(MERCHANT NO):898310148160001\n"
        f"终端编号(TERMINAL NO):12345678\n卡号(CARD NO):\n622576******{tail} /C\n交易类型(TRANS TYPE):{kind}\n"
        f"批次号(BATCH NO):000003\n凭证号(VOUCHER NO):{voucher}\n授权码(AUTH NO):051833\n参考号(REFER NO):103015{voucher}\n"
        f"日期/时间(DATE/TIME):2026/11/21 12:30:15\n交易金额(AMOUNT):\nRMB {amount}\n{more}"
    )
    return b"\x1b@" + text.encode("gb18030") + b"\n\n\n\x1dV\x42\x00"


class SerialLine:
    """A terminal's cable; ``path`` is what the agent opens."""

    def __init__(self) -> None:
        self._near, self._far = pty.openpty()
        tty.setraw(self._far)
        self.path = os.ttyname(self._far)

    def write(self, octets: bytes) -> None:
        """All of it, however long the agent takes to read."""
        rest = memoryview(octets)
        while rest:
            _, writable, _ = select.select([], [self._near], [], PATIENCE_S)
            assert writable, "the agent does not read the terminal's line"
            # A pseudo-terminal takes at most what its reader has room for, so small pieces never block.
            rest = rest[os.write(self._near, rest[:256]) :]

    def unread(self) -> int:
        """Octets that stand in the port and nobody has read."""
        return int.from_bytes(fcntl.ioctl(self._far, termios.FIONREAD, bytes(4)), sys.byteorder)

    def close(self) -> None:
        os.close(self._near)
        os.close(self._far)


class Shop:
    """``recipients``: names of ``PHONES``. ``extra``: more configuration, put in front of the first table."""

    def __init__(
        self,
        folder: Path,
        recipients: Sequence[str] = ("owner", "hq"),
        *,
        latency_ms: int = 0,
        language: str = "zh",
        extra: str = "",
        idle_s: float = 0.5,
    ) -> None:
        self.folder = folder
        self.recipients = recipients
        self.state_dir = folder / "state"
        self.config = folder / "config.toml"
        self.log = folder / "network.jsonl"
        self.control = folder / "m.sock"
        self.line = SerialLine()
        self.modem_port = folder / "modem"
        self._children = Children(folder)
        self._latency_ms = latency_ms
        self._records: list[dict[str, Any]] = []
        self._log_read = 0
        self.agent: Child | None = None
        self.config.write_text(self._configuration(language, idle_s, extra), "utf-8")

    def __enter__(self) -> "Shop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.stop_all()
        self.line.close()
        if error is not None:
            for name, lines in self._children.last_words().items():
                print(f"--- last words of {name}:", *lines, sep="\n", file=sys.stderr)

    def _configuration(self, language: str, idle_s: float, extra: str) -> str:
        tables = [
            f'schema = 1\nstate_dir = "{self.state_dir}"\n{extra}',
            f'[device]\nname = "till-1"\nmerchant = "老王面馆"\ntimezone = "{zone_far_from_midnight()}"\n'
            f'currency = "CNY"\nlanguage = "{language}"',
            f'[[source]]\nname = "printer"\ndialect = "escpos"\nport = "{self.line.path}"\nbaudrate = 9600\n'
            f'encoding = "gb18030"\nidle_s = {idle_s}',
            f'[[modem]]\nname = "sim1"\nport = "{self.modem_port}"',
        ]
        for name in self.recipients:
            phone, fmt = PHONES[name]
            tables.append(f'[[recipient]]\nname = "{name}"\nphone = "{phone}"\nformat = "{fmt}"')
        return "\n".join(tables) + "\n"

    # Programs

    def start_modem(self, *more: str) -> Child:
        return self._children.start(
            "modem", "tillbell_agent.cli", "sim", "modem", "--link", str(self.modem_port), "--log", str(self.log),
            "--control", str(self.control), "--latency-ms", str(self._latency_ms), *more,
        )  # fmt: skip

    def start_agent(self, *, wait: bool = True) -> Child:
        """``tillbell run``; with ``wait`` it has said ``ready``."""
        if wait:
            self.agent = self._children.start(
                "agent", "tillbell_agent.cli", "run", "--config", str(self.config)
            )
        else:
            self.agent = Child(
                "agent", ["tillbell_agent.cli", "run", "--config", str(self.config)], self.folder
            )
            self._children._running.append(self.agent)
        return self.agent

    def kill_agent(self) -> None:
        """SIGKILL."""
        assert self.agent is not None
        self._children.forget(self.agent)
        self.agent.kill()

    def stop_agent(self) -> int:
        """SIGTERM; its exit code."""
        assert self.agent is not None
        self._children.forget(self.agent)
        return self.agent.stop()

    def agent_said(self) -> str:
        """All that every start of the agent wrote to standard error."""
        return (self.folder / "agent.err").read_text("utf-8")

    def tillbell(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end; ``code`` is the exit code that it must have (None: any)."""
        return tillbell(*arguments, code=code)

    def ask_modem(self, **request: Any) -> dict[str, Any]:
        """One request to the simulated modem's harness socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE_S)
            client.connect(str(self.control))
            client.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        assert answer["ok"], answer
        return answer

    def json(self, verb: str, *arguments: str, code: int | None = 0) -> Any:
        """``tillbell VERB --config … --json``, decoded; in this process, since it is asked often."""
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            exit_code = main([*verb.split(), "--config", str(self.config), "--json", *arguments])
        assert code is None or exit_code == code, (
            f"{verb} → {exit_code}: {said.getvalue()}{complained.getvalue()}"
        )
        return json.loads(said.getvalue())

    # Pairing

    def pair(self, recipient: str = "hq") -> None:
        """Keys for a recipient, and the pairing; files ``<recipient>.key`` and ``<recipient>.bundle``."""
        if not self.key(recipient).exists():
            card = self.tillbell("keys", "new", "--out", str(self.key(recipient))).stdout.strip()
            (self.folder / f"{recipient}.card").write_text(card)
        card = (self.folder / f"{recipient}.card").read_text()
        bundle = self.tillbell(
            "pair", "--config", str(self.config), "--recipient", recipient, "--card", card, "--yes"
        ).stdout
        self.bundle(recipient).write_text(bundle)

    def key(self, recipient: str = "hq") -> Path:
        return self.folder / f"{recipient}.key"

    def bundle(self, recipient: str = "hq") -> Path:
        return self.folder / f"{recipient}.bundle"

    def open(self, *messages: str, recipient: str = "hq") -> list[dict[str, Any]]:
        """What ``tillbell open`` says of messages, in hex or armored."""
        keys = ("--key", str(self.key(recipient)), "--bundle", str(self.bundle(recipient)))
        done = self.tillbell("open", *keys, "--json", *messages, code=None)
        assert done.returncode in (0, 4), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    # The network

    def records(self) -> list[dict[str, Any]]:
        """The simulated modem's log so far."""
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(self._log_read)
                data = file.read()
            complete = data[: data.rfind(b"\n") + 1]
            self._log_read += len(complete)
            self._records += [json.loads(line) for line in complete.splitlines()]
        return self._records

    def shown(self, phone: str) -> list[dict[str, Any]]:
        """Whole messages that a phone has got."""
        return [record for record in self.records() if record["ev"] == "msg" and record["to"] == phone]

    def texts(self, phone: str = OWNER) -> list[str]:
        return [str(record["text"]) for record in self.shown(phone)]

    def sealed(self, phone: str = HQ) -> list[str]:
        """Sealed messages, in hex."""
        return [str(record["data"]) for record in self.shown(phone)]

    def wait(self, what: str, found: Callable[[], Found], patience_s: float = PATIENCE_S) -> Found:
        """``found()`` as soon as it is true."""
        return wait(what, found, patience_s)


def wait(what: str, found: Callable[[], Found], patience_s: float = PATIENCE_S) -> Found:
    """``found()`` as soon as it is true; AssertionError naming ``what`` where patience ends."""
    deadline = time.monotonic() + patience_s
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain: {what}"
        time.sleep(_POLL_S)
    return result


def tillbell(
    *arguments: str, code: int | None = 0, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one verb to its end. ``code``: the exit code it must have; ``user``: a uid to run it under (needs root)."""
    command = [sys.executable, "-m", "tillbell_agent.cli", *arguments]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    if code is not None:
        assert done.returncode == code, f"{arguments} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done
