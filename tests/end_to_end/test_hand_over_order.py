"""Strace's word on the order: "handed over" is on the disk before the modem gets the first octet of a PDU."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from shop import Shop, slip, wait

STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.peer("strace"),
    pytest.mark.skipif(STRACE is None, reason="absent peer: strace"),
]
# 1234 pwrite64(5<\x2f\x73…>, "\x00\x01…", 1024, 32) = 1024: every octet as \x…; a terminal's numbers come behind its name.
CALL = re.compile(
    r'^\d+ +(\w+)\(\d+<((?:\\x[0-9a-f]{2})+)[^"]*?>(?:, "((?:\\x[0-9a-f]{2})*)".*)?\) += (-?\d+)'
)
CTRL_Z = b"\x1a"


@dataclass(frozen=True)
class Call:
    name: str
    path: str
    data: bytes
    result: int


@contextmanager
def traced_agent(shop: Shop, trace: Path) -> Iterator[None]:
    """``tillbell run`` under strace, from its first moment to its end in order."""
    command = [str(STRACE), "-f", "-y", "-xx", "-s", "4096", "-o", str(trace)]
    command += ["-e", "trace=read,write,writev,pwrite64,pwritev,fsync,fdatasync"]
    command += [sys.executable, "-m", "tillbell_agent.cli", "run", "--config", str(shop.config)]
    said = shop.folder / "traced.err"
    with said.open("wb") as err, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=err) as strace:
        try:
            wait("the agent is ready", lambda: b"ready" in said.read_bytes().split(), 60)
            yield
        finally:
            agent = Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()
            for pid in agent:
                os.kill(int(pid), signal.SIGTERM)
            strace.wait(30)


def calls_of(trace: Path) -> list[Call]:
    """The calls on open files in the order in which they ended; what strace had to split in two is an error here."""
    calls = []
    for line in trace.read_text().splitlines():
        assert "<unfinished" not in line, f"the agent has another thread at work: {line}"
        found = CALL.match(line)
        if found:
            name, path, data, result = found.groups()
            calls.append(Call(name, octets(path).decode(), octets(data or ""), int(result)))
    return calls


def octets(written: str) -> bytes:
    return bytes.fromhex(written.replace("\\x", ""))


def entries(calls: list[Call], tty: str) -> list[tuple[list[Call], bytes]]:
    """For each PDU: what was called between the modem's prompt and the PDU's first octet, and the whole PDU."""
    found: list[tuple[list[Call], bytes]] = []
    between: list[Call] | None = None
    writing, pdu = False, b""
    for call in calls:
        if call.path == tty and call.name == "read":
            if call.data.endswith(b"> "):
                between, writing, pdu = [], False, b""
        elif call.path == tty and between is not None:
            if not writing:
                found.append((between, b""))
            writing, pdu = True, pdu + call.data[: call.result]
            found[-1] = (found[-1][0], pdu)
            if pdu.endswith(CTRL_Z):
                between = None
        elif between is not None and not writing:
            between.append(call)
    return found


def test_handed_over_is_on_the_disk_before_the_first_octet_of_the_pdu(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Shop(tmp_path) as shop:
        shop.start_modem()
        shop.pair()
        tty = os.path.realpath(shop.modem_port)
        with traced_agent(shop, trace):
            shop.line.write(slip("88.00", "000001"))
            shop.wait("the sale is told", lambda: shop.texts() and shop.sealed(), 60)
        segments = [record for record in shop.records() if record["ev"] == "sms"]
        wal = str(shop.state_dir / "tillbell.db-wal")
    found = entries(calls_of(trace), tty)
    assert len(found) == len(segments) == 3  # a text of one segment, a sealed message of two
    for between, pdu in found:
        assert re.fullmatch(rb"[0-9A-F]{20,}\x1a", pdu)
        assert {call.path for call in between if call.name != "read"} == {wal}
        written = [place for place, call in enumerate(between) if call.name == "pwrite64"]
        synced = [
            place for place, call in enumerate(between) if call.name == "fdatasync" and call.result == 0
        ]
        assert any(b"handed" in between[place].data for place in written), "the row is not in the WAL"
        # A WAL that begins anew syncs its header by itself; the frames are synced once, behind the last of them.
        assert [place for place in synced if place > written[-1]] == synced[-1:]
        assert len(synced) <= 2
