"""``tillbell probe`` on pseudo-terminals whose lines have a speed: it finds it, and the dialect, and writes nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.simulated import simulated

from tillbell_agent.config import parse
from tillbell_agent.pos.dialect import Line
from tillbell_agent.sim.garbling import GarblingPort
from tillbell_agent.sim.probing import conversation

_DEVICE = """
schema = 1
state_dir = "state"
[device]
name = "till-1"
merchant = "shop"
timezone = "UTC"
currency = "EUR"
language = "en"
[[modem]]
name = "sim1"
port = "/dev/modem"
[[recipient]]
name = "owner"
phone = "+8613800138000"
format = "text"
"""


class Shop:
    """Talks on its ports until it is stopped; ``paths`` by who speaks."""

    def __init__(self, folder: Path, dialect: str, speed: int, lines: tuple[Line, ...]) -> None:
        self.paths = {line: folder / f"{dialect}-{line.value}" for line in lines}
        self.ports = {line: GarblingPort(path, speed) for line, path in self.paths.items()}
        self._dialect = dialect
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _talk(self) -> None:
        for said in conversation(self._dialect, 3):
            if self._stopped.wait(min(said.after_s, 0.4)):
                return
            if said.line in self.ports:
                self.ports[said.line].say(said.octets)


@contextmanager
def shop(folder: Path, dialect: str, speed: int, *lines: Line) -> Iterator[Shop]:
    folder.mkdir(exist_ok=True)
    talking = Shop(folder, dialect, speed, lines)
    talking.start()
    try:
        yield talking
    finally:
        talking.stop()
        written = [port.written() for port in talking.ports.values()]
        for port in talking.ports.values():
            port.__exit__()
        assert written == [b""] * len(lines), "a terminal's line was written to"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tillbell_agent.cli", "probe", *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def probe(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = subprocess.run(
        command(*arguments, "--json"),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=90,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("speed", [1200, 9600, 38_400, 115_200])
def test_a_printers_line_is_found_at_any_speed(tmp_path: Path, speed: int) -> None:
    with shop(tmp_path, "escpos", speed, Line.TERMINAL) as found:
        told = probe("--port", str(found.paths[Line.TERMINAL]))
    (port,) = told["ports"]
    assert (port["finding"], port["dialects"], port["baudrate"]) == ("terminal", ["escpos"], speed)
    assert port["evidence"]["printer commands"] > 3
    assert not port["parity_known"], "a pseudo-terminal shows no parity"


def test_both_lines_of_a_terminal_are_one_source_that_a_configuration_takes(tmp_path: Path) -> None:
    with shop(tmp_path, "hypercom", 19_200, *Line) as found:
        paths = {line: str(path) for line, path in found.paths.items()}
        told = probe("--port", paths[Line.TILL], "--port", paths[Line.TERMINAL])
    assert {port["port"]: port["speaker"] for port in told["ports"]} == {
        paths[line]: line.value for line in Line
    }
    (block,) = told["sources"]
    (source,) = parse(_DEVICE + block, "pasted.toml").sources
    assert (source.dialect, source.baudrate) == ("hypercom", 19_200)
    assert (source.port_terminal, source.port_till) == (paths[Line.TERMINAL], paths[Line.TILL])


def test_ctrl_c_tells_what_is_known_so_far(tmp_path: Path) -> None:
    silent = GarblingPort(tmp_path / "silent", 9600)
    with silent, shop(tmp_path, "escpos", 9600, Line.TERMINAL) as found:
        paths = [str(found.paths[Line.TERMINAL]), str(tmp_path / "silent")]
        arguments = command("--port", paths[0], "--port", paths[1], "--seconds", "60")
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as running:
            time.sleep(10)
            running.send_signal(signal.SIGINT)
            out, _ = running.communicate(timeout=10)
    assert running.returncode == 0
    assert f"{paths[0]}: escpos at 9600 8N1" in out
    assert f"{paths[1]}: nothing heard" in out


def test_a_modem_is_asked_only_where_it_is_named(tmp_path: Path) -> None:
    with simulated(tmp_path / "modem") as modem:
        told = probe("--ask-modem", str(modem.port))
    assert told["modems"] == [{"port": str(modem.port), "baudrate": 115_200}]
    assert told["ports"] == []


def test_a_terminal_that_is_named_as_a_modem_is_not_written_to(tmp_path: Path) -> None:
    with shop(tmp_path, "escpos", 9600, Line.TERMINAL) as found:
        path = str(found.paths[Line.TERMINAL])
        done = subprocess.run(
            command("--ask-modem", path),
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
    assert done.returncode == 4
    assert "nothing was written" in done.stderr
