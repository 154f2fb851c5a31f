"""Commands beside the messages: which SIM, what signal, which operator, what supply, how warm, what credit.

TS 27.007 and TS 27.005, as in ``commands.py``; none of them is needed for sending, and a modem may refuse each.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from tillbell_agent.modem.commands import Command, OneLine, Plain, number
from tillbell_protocol.errors import DecodeError


@dataclass(frozen=True, slots=True)
class ReadImsi(Command[str]):
    """+CIMI: the SIM's own number, which never leaves the session whole."""

    def line(self) -> str:
        return "AT+CIMI"

    def claims(self, text: str) -> bool:
        return text.isdigit() or text.startswith("+CIMI:")

    def parse(self, lines: tuple[str, ...]) -> str:
        imsi = lines[0].removeprefix("+CIMI:").strip().strip('"') if lines else ""
        if not (imsi.isascii() and imsi.isdigit() and 6 <= len(imsi) <= 15):
            raise DecodeError("+CIMI", 0, "no IMSI of 6 to 15 digits")
        return imsi


@dataclass(frozen=True, slots=True)
class ReadSignal(OneLine[int | None]):
    """+CSQ: received signal strength in dBm; None where the modem does not know it (99)."""

    prefix: ClassVar[str] = "+CSQ:"

    def line(self) -> str:
        return "AT+CSQ"

    def parse(self, lines: tuple[str, ...]) -> int | None:
        rssi = number(self.only(lines), 0, "+CSQ.rssi")
        return -113 + 2 * rssi if rssi <= 31 else None


@dataclass(frozen=True, slots=True)
class ReadOperator(OneLine[str | None]):
    """+COPS?: the network's name or number; None where none is chosen."""

    prefix: ClassVar[str] = "+COPS:"
    timeout_s: ClassVar[float] = 10.0

    def line(self) -> str:
        return "AT+COPS?"

    def parse(self, lines: tuple[str, ...]) -> str | None:
        values = self.only(lines)
        return (values[2][:32] or None) if len(values) > 2 else None


@dataclass(frozen=True, slots=True)
class ReadVoltage(OneLine[int | None]):
    """+CBC: supply voltage in mV; None where the modem tells only a charge.

    TS 27.007 ends at the charge; modules add the voltage as a third value in mV, or tell only ``4.015V``.
    """

    prefix: ClassVar[str] = "+CBC:"

    def line(self) -> str:
        return "AT+CBC"

    def parse(self, lines: tuple[str, ...]) -> int | None:
        values = self.only(lines)
        volts = re.fullmatch(r"(\d)\.(\d{1,3})V", values[-1])
        if volts:
            return int(volts[1] + volts[2].ljust(3, "0"))
        return number(values, 2, "+CBC.voltage") if len(values) > 2 else None


@dataclass(frozen=True, slots=True)
class ReadTemperature(Command[int]):
    """The module's own temperature in whole degrees Celsius, by the command and the pattern of its profile."""

    text: str
    pattern: str

    def line(self) -> str:
        return self.text

    def claims(self, text: str) -> bool:
        return text.startswith(_name_in(self.text) + ":")

    def parse(self, lines: tuple[str, ...]) -> int:
        found = re.search(self.pattern, "\n".join(lines))
        if found is None or not re.fullmatch(r"-?[0-9]{1,3}", found[1] or ""):
            raise DecodeError("temperature", 0, "no number where the profile looks for it")
        return int(found[1])


@dataclass(frozen=True, slots=True)
class RequestCredit(Plain):
    """+CUSD=1,<code>,15: ask the operator for the credit. ``OK`` comes at once, the answer as +CUSD by itself."""

    code: str
    timeout_s: ClassVar[float] = 20.0

    def line(self) -> str:
        return f'AT+CUSD=1,"{self.code}",15'


@dataclass(frozen=True, slots=True)
class FromProfile(Plain):
    """A command of a module's own, as its profile writes it."""

    text: str

    def line(self) -> str:
        return self.text

    def claims(self, text: str) -> bool:
        return text.startswith(_name_in(self.text) + ":")


def _name_in(line: str) -> str:
    """``AT+CGSMS=3`` → ``+CGSMS``, with which each line of the answer begins."""
    return re.split(r"[=?]", line[2:])[0]
