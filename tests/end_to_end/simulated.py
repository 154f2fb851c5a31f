"""A running ``tillbell sim modem`` for tests that drive it with programs from elsewhere, and what they shall send through it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PHONE = "+8613800138000"
# Every one of them costs an escape in the GSM alphabet, or has another place there than in ASCII.
_SPECIAL = "€[]{}^~|\\@£$¥èéùìòÇØøÅå_ÆæßÉ"
SHORT_GSM = tuple(f"Sale {number:02}: 128.50 {_SPECIAL}" for number in range(24))
LONG_GSM = tuple(f"Long {number}: " + f"[{_SPECIAL}] 128.50 " * (5 + number) for number in range(4))
SHORT_CHINESE = tuple(f"【老王面馆】收款到账{number}.50元，微信支付" for number in range(14))
LONG_CHINESE = tuple(
    f"第{number}笔：" + "【老王面馆】收款到账128.50元，" * (4 + number) for number in range(4)
)
TEXTS = SHORT_GSM + LONG_GSM + SHORT_CHINESE + LONG_CHINESE
# With four of 8 bit these are fifty.
assert len(TEXTS) == 46

INCOMING = {
    f"+86139000000{number:02}": text
    for number, text in enumerate(
        (*SHORT_GSM[:3], LONG_GSM[0], *SHORT_CHINESE[:4], LONG_CHINESE[0], "STATUS"), start=1
    )
}


@dataclass(frozen=True, slots=True)
class Simulated:
    """One simulator; ``folder`` holds its ``port``, ``log`` and ``control``."""

    folder: Path

    @property
    def port(self) -> Path:
        return self.folder / "port"

    def request(self, **values: object) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.folder / "control"))
            connection.sendall(json.dumps(values).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
        assert answer["ok"], answer
        return dict(answer)

    def records(self, ev: str) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return [record for record in map(json.loads, lines) if record["ev"] == ev]

    def shown(self) -> list[dict[str, Any]]:
        """What the phone of PHONE shows."""
        return list(self.request(do="phone", number=PHONE)["messages"])

    def used(self) -> int:
        """Messages in the modem's storages."""
        return sum(self.request(do="state")["used"].values())


@contextmanager
def simulated(folder: Path, *arguments: str) -> Iterator[Simulated]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tillbell_agent.cli", "sim", "modem", "--link", str(folder / "port")]
    command += ["--log", str(folder / "log"), "--control", str(folder / "control"), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "ready\n"
            yield Simulated(folder)
        finally:
            process.terminate()


@contextmanager
def daemon(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A foreign daemon in the foreground; what it says is in ``folder/said``."""
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait(what: str, seconds: float, reached: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
