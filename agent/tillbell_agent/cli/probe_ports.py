"""The ports of ``tillbell probe``: each is heard with the settings that its hunt asks for, all at once."""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tillbell_agent.probe.hunt import Hunt
from tillbell_agent.probe.pairs import find_pairs
from tillbell_agent.probe.setting import Errors, Setting
from tillbell_agent.probe.verdict import Finding, Verdict
from tillbell_agent.shell.ports import LineSettings, ListenPort, PortError, TalkPort

_LOOK_S = 0.25  # how often progress is shown
_LISTEN_FIRST_S = 3.0  # to a port that is said to be a modem's
_MODEM_SPEEDS = (115_200, 9600, 57_600, 38_400, 19_200)
_ANSWER_S = 1.0


class NoModemError(Exception):
    """Something speaks where a modem was said to be, so nothing was written to it."""


@dataclass
class Listened:
    """One port. ``trouble``: why it is not listened to, or no more."""

    path: str
    hunt: Hunt
    port: ListenPort | None = None
    trouble: str | None = None
    tuned: Setting | None = None
    counted: tuple[int, int] | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict(Finding.SILENT))

    def open(self, now: float) -> None:
        setting = self.hunt.setting
        try:
            self.port = ListenPort(LineSettings(self.path, setting.baudrate))
            self.tune(now)
        except PortError as error:
            self.lose(str(error))

    def hear(self, now: float) -> None:
        """What waits in the port, and the port's settings after it."""
        if self.port is None:
            return
        try:
            self.hunt.receive(self.port.read(), now, self._new_errors())
            self.tune(now)
        except PortError as error:
            self.lose(str(error))

    def tick(self, now: float) -> None:
        self.hunt.tick(now)
        try:
            self.tune(now)
        except PortError as error:
            self.lose(str(error))

    def tune(self, now: float) -> None:
        """Set the port to what the hunt wants; what it cannot do is refused."""
        while self.port is not None and self.tuned != self.hunt.setting:
            self.tuned = wanted = self.hunt.setting
            if not self.port.tune(wanted.baudrate, wanted.bytesize, wanted.parity, wanted.stopbits):
                self.hunt.refuse(now)
            self.counted = self.port.error_counts()

    def lose(self, why: str) -> None:
        self.trouble = why
        self.close()

    def close(self) -> None:
        if self.port is not None:
            self.port.close()
            self.port = None

    def _new_errors(self) -> Errors | None:
        assert self.port is not None
        counts, before = self.port.error_counts(), self.counted
        self.counted = counts
        if counts is None or before is None:
            return None
        return Errors(*counts) - Errors(*before)


def listen(paths: list[str], seconds: float, show: Callable[[list[Listened], float], None]) -> list[Listened]:
    """Listen to all until each is known, or ``seconds`` are over, or Ctrl-C: then with what is known so far."""
    began = time.monotonic()
    ports = [Listened(path, Hunt(began)) for path in paths]
    for each in ports:
        each.open(began)
    try:
        while time.monotonic() < began + seconds and not all_known(ports):
            _wait(ports, began + seconds)
            show(ports, time.monotonic() - began)
    except KeyboardInterrupt:
        pass  # asked to stop: what was heard until now is told
    finally:
        now = time.monotonic()
        for each in ports:
            each.verdict = each.hunt.verdict(now)
            each.close()
    return ports


def all_known(ports: list[Listened]) -> bool:
    """Whether further listening would show nothing: also which ports answer each other."""
    live = [each for each in ports if each.port is not None]
    if not all(each.hunt.done for each in live):
        return False
    verdicts = {each.path: each.hunt.verdict(time.monotonic()) for each in live}
    dialects = [verdict.dialects for verdict in verdicts.values()]
    return len(dialects) == len(set(dialects)) or all(pair.heard for pair in find_pairs(verdicts))


def _wait(ports: list[Listened], until: float) -> None:
    """Until octets come, or a hunt's time, or it is time to show something."""
    live = {each.port.fileno(): each for each in ports if each.port is not None}
    now = time.monotonic()
    due = [deadline for each in live.values() if (deadline := each.hunt.next_deadline()) is not None]
    timeout = max(0.0, min([now + _LOOK_S, until, *due]) - now)
    ready, _, _ = select.select(list(live), [], [], timeout)
    now = time.monotonic()
    for descriptor in ready:
        live[descriptor].hear(now)
    for each in live.values():
        each.tick(now)


def ask_modem(path: str) -> int | None:
    """Write ``AT`` to a port that is a modem's, at one speed after the other; the speed that it answered at.

    Raises PortError where the port cannot be opened, NoModemError where something speaks on it that is no modem.
    """
    port = TalkPort(LineSettings(path, _MODEM_SPEEDS[0]))
    try:
        _refuse_terminal(path, port)
        return next((speed for speed in _MODEM_SPEEDS if _answers(port, speed)), None)
    finally:
        port.close()


def _refuse_terminal(path: str, port: TalkPort) -> None:
    hunt = Hunt(time.monotonic())
    for octets in _read_for(port, _LISTEN_FIRST_S):
        hunt.receive(octets, time.monotonic())
    verdict = hunt.verdict(time.monotonic())
    if verdict.octets and verdict.finding is not Finding.MODEM:
        raise NoModemError(
            f"{path}: something speaks here that is no modem, so nothing was written. Is it a terminal's line?"
        )


def _answers(port: TalkPort, speed: int) -> bool:
    port.set_speed(speed)
    port.write(b"\rAT\r")
    heard = b""
    for octets in _read_for(port, _ANSWER_S):
        heard += octets
        if b"\nOK\r" in heard or heard.endswith(b"\r0\r"):
            return True
    return False


def _read_for(port: TalkPort, seconds: float) -> "list[bytes]":
    """What comes within the time, piece by piece."""
    until = time.monotonic() + seconds
    pieces = []
    while (left := until - time.monotonic()) > 0:
        if select.select([port.fileno()], [], [], left)[0]:
            pieces.append(port.read())
    return pieces
