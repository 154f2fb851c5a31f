"""Three programs that send texts through a modem, each set up, fed and ended in its own way, behind one face.

Tillbell, Debian's gammu-smsd (files backend) and Debian's smstools3, as child processes with all their files in one
folder. The two are tuned as far as their manuals go without a busy loop: every wait that is counted in seconds is at its
least, every periodic query that can be left out is, and retries of the port never end.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import proc
from peer_modem import PHONE
from shop import BenchError

from tillbell_agent.cli import main
from tillbell_agent.shell.control import ask

_END_S = 5.0
# As a service manager does with a program that has ended by itself.
_RESTART_S = 1.0
# What a verb prints is caught by the whole process: by one at a time.
_PRINTING = threading.Lock()


class Daemon(ABC):
    """``folder`` is its own; ``port`` the modem's; ``pin`` what its configuration holds."""

    name: str
    program: str

    def __init__(self, folder: Path, port: Path, pin: str | None = None) -> None:
        self.folder, self.port = folder, port
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_at: float | None = None
        self._configure(pin)

    @classmethod
    def is_here(cls) -> bool:
        return shutil.which(cls.program) is not None

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Name and version, for the table's note."""

    @abstractmethod
    def _configure(self, pin: str | None) -> None:
        """Write its configuration and make its folders."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def put(self, texts: Sequence[str]) -> None:
        """Queue texts by the program's own way in, whether it runs or not."""

    @abstractmethod
    def queued(self) -> int:
        """Texts that it still means to send."""

    @abstractmethod
    def told(self) -> int:
        """Texts that it reports as failed, or as of unknown outcome."""

    @abstractmethod
    def way_in(self, text: str) -> list[str] | None:
        """The command that queues a text; None: a file is put into a folder."""

    def hand_over(self, text: str) -> float:
        """Queue one text into the running daemon; the ``time.monotonic`` from which on it could know."""
        self.put([text])
        return time.monotonic()

    def start(self) -> None:
        self._ended_at = None
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    def mind(self, now: float) -> None:
        """Start it again, a moment later, if it has ended by itself."""
        if self._process is None or self._process.poll() is None:
            return
        if self._ended_at is None:
            self._ended_at = now
        elif now - self._ended_at >= _RESTART_S:
            self.restarts += 1
            self.start()

    def pids(self) -> list[int]:
        """Its processes: smstools3 has one for the spool and one for each modem."""
        if self._process is None:
            return []
        group = str(self._process.pid)
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if path.read_text().rpartition(")")[2].split()[2] == group:
                    found.append(int(path.parent.name))
        return found

    def cpu_s(self) -> float:
        """BenchError where it does not run."""
        return sum(proc.cpu_s(pid) for pid in self._running())

    def resident_mib(self) -> float:
        return sum(proc.status_kib(pid, "VmRSS") for pid in self._running()) / 1024

    def _running(self) -> list[int]:
        pids = self.pids()
        if not pids:
            raise BenchError(f"{self.name} has ended by itself")
        return pids

    def kill(self) -> None:
        """SIGKILL to all of its processes at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """SIGTERM as a service manager sends it; then, for whatever is left, SIGKILL."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
            self.kill()


class Tillbell(Daemon):
    name = "Tillbell"
    program = sys.executable

    @classmethod
    def version(cls) -> str:
        return "Tillbell, `tillbell send`"

    def _configure(self, pin: str | None) -> None:
        self._config, self._state = self.folder / "config.toml", self.folder / "state"
        secret = ""
        if pin is not None:
            pin_file = self.folder / "pin"
            pin_file.write_text(f"{pin}\n")
            pin_file.chmod(0o600)
            secret = f'pin_file = "{pin_file}"\n'
        self._config.write_text(
            f'schema = 1\nstate_dir = "{self._state}"\n'
            '[device]\nname = "till-1"\nmerchant = "Shop"\ntimezone = "Etc/UTC"\ncurrency = "EUR"\nlanguage = "en"\n'
            f'[[modem]]\nname = "sim1"\nport = "{self.port}"\n{secret}'
            f'[[recipient]]\nname = "owner"\nphone = "{PHONE}"\nformat = "text"\n',
            "utf-8",
        )

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tillbell_agent.cli", "run", "--config", str(self._config)]

    def put(self, texts: Sequence[str]) -> None:
        """``tillbell send``, its ``main`` called here: a hundred interpreters would take half a minute to start."""
        for text in texts:
            said = io.StringIO()
            with _PRINTING, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main(["send", "--config", str(self._config), "--to", "owner", text])
            if code != 0:
                raise BenchError(f"tillbell send ended with {code}: {said.getvalue()}")

    def hand_over(self, text: str) -> float:
        began = time.monotonic()
        answer = ask(self._state, {"do": "send", "to": "owner", "text": text})
        if "error" in answer:
            raise BenchError(f"the agent refuses a text: {answer['error']}")
        return began

    def way_in(self, text: str) -> list[str] | None:
        return [
            sys.executable, "-m", "tillbell_agent.cli", "send", "--config", str(self._config), "--to", "owner", text,
        ]  # fmt: skip

    def queued(self) -> int:
        return sum(_will_go_on(row) for row in self._rows())

    def told(self) -> int:
        told = {"unknown", "refused", "expired"}
        return sum(row["state"] in told and not _will_go_on(row) for row in self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        """From the agent, or from its store where none runs at the moment."""
        said = io.StringIO()
        with _PRINTING, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(["queue", "--config", str(self._config), "--json", "--limit", "100000"])
        if code != 0:
            raise BenchError(f"tillbell queue ended with {code}: {said.getvalue()}")
        rows: list[dict[str, Any]] = json.loads(said.getvalue())
        return rows


def _will_go_on(row: dict[str, Any]) -> bool:
    """It waits for its turn, or, of unknown outcome, for a report or its repetition."""
    return row["state"] in {"queued", "claimed"} or (row["state"] == "unknown" and row["not_before"] > 0)


class GammuSmsd(Daemon):
    name = "gammu-smsd"
    program = "gammu-smsd"

    @classmethod
    def version(cls) -> str:
        return f"gammu-smsd {_word_after(['gammu-smsd', '--version'], 'version')}, gammu-smsd-inject"

    def _configure(self, pin: str | None) -> None:
        self._rc = self.folder / "smsdrc"
        for box in ("inbox", "outbox", "sent", "error"):
            (self.folder / box).mkdir(exist_ok=True)
        code = f"PIN = {pin}\n" if pin is not None else ""
        self._rc.write_text(
            f"[gammu]\ndevice = {self.port}\nconnection = at115200\nsynchronizetime = no\nstartinfo = no\n"
            f"[smsd]\nService = files\nRunOnReceive =\n{code}"
            "CommTimeout = 1\nSendTimeout = 10\nLoopSleep = 1\nStatusFrequency = 0\nReceiveFrequency = 60\n"
            f"CheckBattery = 0\nCheckSignal = 0\nCheckNetwork = 0\nCheckSecurity = {int(pin is not None)}\n"
            "DeliveryReport = no\nMaxRetries = 3\nRetryTimeout = 1\n"
            f"InboxPath = {self.folder}/inbox/\nOutboxPath = {self.folder}/outbox/\n"
            f"SentSMSPath = {self.folder}/sent/\nErrorSMSPath = {self.folder}/error/\n"
        )

    def _command(self) -> list[str]:
        return ["gammu-smsd", "-c", str(self._rc), "--pid", str(self.folder / "pid")]

    def put(self, texts: Sequence[str]) -> None:
        for text in texts:
            command = self.way_in(text) or []
            done = subprocess.run(command, capture_output=True, timeout=30, check=False)
            if done.returncode != 0:
                raise BenchError(f"gammu-smsd-inject ended with {done.returncode}: {done.stderr.decode()}")

    def way_in(self, text: str) -> list[str] | None:
        return ["gammu-smsd-inject", "-c", str(self._rc), "TEXT", PHONE, "-text", text]

    def queued(self) -> int:
        return _files(self.folder / "outbox")

    def told(self) -> int:
        return _files(self.folder / "error")


class SmsTools(Daemon):
    name = "smstools3"
    program = "smsd"

    @classmethod
    def version(cls) -> str:
        return f"smstools3 {_word_after(['smsd', '-V'], 'Version')}, a file in outgoing"

    def _configure(self, pin: str | None) -> None:
        self._conf, self._number = self.folder / "smsd.conf", 0
        for box in ("outgoing", "checked", "incoming", "sent", "failed", "new"):
            (self.folder / box).mkdir(exist_ok=True)
        boxes = "".join(
            f"{box} = {self.folder / box}\n" for box in ("outgoing", "checked", "incoming", "sent", "failed")
        )
        self._conf.write_text(
            f"devices = sim1\n{boxes}logfile = {self.folder / 'smsd.log'}\nloglevel = 5\n"
            f"infofile = {self.folder / 'working'}\npidfile = {self.folder / 'pid'}\nstats = {self.folder}\n"
            "delaytime = 1\ndelaytime_mainprocess = 1\nerrorsleeptime = 1\nblocktime = 1\nblockafter = 100\n"
            "trust_outgoing = yes\nreceive_before_send = no\nautosplit = 3\nterminal = yes\nuser = root\ngroup = root\n"
            f"[sim1]\ndevice = {self.port}\nincoming = no\npin = {pin or 'ignore'}\nrtscts = no\nbaudrate = 115200\n"
            "init = AT+CMMS=2\ndevice_open_retries = -1\nkeep_open = yes\ncheck_network = 0\nstartsleeptime = 0\nread_timeout = 2\n"
            "poll_faster = 50\nsend_retries = 2\nreport = no\nmemory_start = 1\n"
        )

    def _command(self) -> list[str]:
        return ["smsd", f"-c{self._conf}", "-t"]

    def put(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._number += 1
            name = f"order-{self._number:04d}"
            new = self.folder / "new" / name
            new.write_text(f"To: {PHONE.lstrip('+')}\n\n{text}")
            new.rename(self.folder / "outgoing" / name)
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGCONT)

    def way_in(self, text: str) -> list[str] | None:
        return None

    def queued(self) -> int:
        return _files(self.folder / "outgoing") + _files(self.folder / "checked")

    def told(self) -> int:
        return _files(self.folder / "failed")


ALL: tuple[type[Daemon], ...] = (Tillbell, GammuSmsd, SmsTools)


def _files(folder: Path) -> int:
    return sum(not path.name.endswith(".LOCK") for path in folder.iterdir())


def _word_after(command: list[str], word: str) -> str:
    """The version that a program tells of itself; ``?`` where it tells none."""
    done = subprocess.run(command, capture_output=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
    words = (done.stdout + done.stderr).decode("utf-8", "replace").replace(",", " ").split()
    found = [words[at + 1] for at, said in enumerate(words[:-1]) if said.lower() == word.lower()]
    return found[0] if found else "?"
