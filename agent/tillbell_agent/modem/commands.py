"""AT commands as values: each writes itself, knows its own answer lines, and parses them.

TS 27.005 (SMS), TS 27.007 (everything else), V.250 (the frame). Each carries how long an answer may take. None of them
sends, waits or decides; whether one may be written twice is its script's to know, and none is repeated by itself.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Generic, TypeVar

from tillbell_agent.modem.digest import holds_tpdu, tpdu_of
from tillbell_protocol.errors import DecodeError

T = TypeVar("T")

_HEX_LINE = re.compile(r"[0-9A-Fa-f]{4,}$")
_FIELD = re.compile(r'\s*("[^"]*"|\([^)]*\)|[^,]*)\s*(?:,|$)')
# More rows than any SIM or module stores; what a broken modem lists beyond is not read.
MAX_LISTED = 512


def fields(text: str) -> list[str]:
    """``+CPMS: "SM",2,30`` → ["SM", "2", "30"]: what stands after the colon, split at commas outside quotes."""
    rest = text.partition(":")[2].strip()
    found = [match[1].strip().strip('"') for match in _FIELD.finditer(rest)]
    return found[:-1] if len(found) > 1 and not rest.endswith(",") else found


def number(values: list[str], position: int, field: str) -> int:
    """The decimal number at ``position``; DecodeError where there is none."""
    text = values[position] if position < len(values) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise DecodeError(field, position, f"no number: {text[:20]!r}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """What every command has. The defaults suit one that only asks or sets a mode inside the modem."""

    timeout_s: ClassVar[float] = 5.0
    prompts: ClassVar[bool] = False  # answers ``>`` and wants a PDU

    def line(self) -> str:
        """The command line without its CR."""
        raise NotImplementedError

    def claims(self, _text: str) -> bool:
        """Is this information line part of this command's answer? Asked only while it is open."""
        return False

    def parse(self, lines: tuple[str, ...]) -> T:
        """The claimed lines, after ``OK`` → the answer; DecodeError where they do not hold one."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Plain(Command[None]):
    """A command whose whole answer is ``OK``."""

    def parse(self, _lines: tuple[str, ...]) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Attention(Plain):
    """AT: is anybody there?"""

    timeout_s: ClassVar[float] = 3.0

    def line(self) -> str:
        return "AT"


@dataclass(frozen=True, slots=True)
class SetEcho(Plain):
    """ATE (V.250)."""

    on: bool

    def line(self) -> str:
        return f"ATE{int(self.on)}"


@dataclass(frozen=True, slots=True)
class Set(Plain):
    """``AT<name>=<values>``: every mode that is set and answers nothing, such as +CMEE, +CNMI, +CREG."""

    name: str
    values: str

    def line(self) -> str:
        return f"AT{self.name}={self.values}"

    def claims(self, text: str) -> bool:
        # +CSMS, for one, answers what it was set to.
        return text.startswith(self.name + ":")


@dataclass(frozen=True, slots=True)
class Identify(Command[str]):
    """+CGMI, +CGMM, +CGMR, +CGSN: one line, with or without the command's name in front."""

    name: str

    def line(self) -> str:
        return f"AT{self.name}"

    def claims(self, text: str) -> bool:
        return not text.startswith(("+", "*", "%")) or text.startswith(self.name + ":")

    def parse(self, lines: tuple[str, ...]) -> str:
        if not lines:
            raise DecodeError(self.name, 0, "the answer has no line")
        return lines[0].removeprefix(self.name).lstrip(": ").strip().strip('"')[:80]


@dataclass(frozen=True, slots=True)
class OneLine(Command[T]):
    """A command whose answer is one line that begins with ``prefix``."""

    prefix: ClassVar[str]

    def claims(self, text: str) -> bool:
        return text.startswith(self.prefix)

    def only(self, lines: tuple[str, ...]) -> list[str]:
        if len(lines) != 1:
            raise DecodeError(self.prefix, 0, f"{len(lines)} lines instead of one")
        return fields(lines[0])


@dataclass(frozen=True, slots=True)
class ReadPinState(OneLine[str]):
    """+CPIN?: ``READY``, ``SIM PIN``, ``SIM PUK`` … Slow while the SIM starts."""

    prefix: ClassVar[str] = "+CPIN:"
    timeout_s: ClassVar[float] = 10.0

    def line(self) -> str:
        return "AT+CPIN?"

    def parse(self, lines: tuple[str, ...]) -> str:
        return self.only(lines)[0]


@dataclass(frozen=True, slots=True)
class ReadPinTriesLeft(OneLine[int]):
    """+CPINR="SIM PIN": how often a wrong PIN may still be entered."""

    prefix: ClassVar[str] = "+CPINR:"

    def line(self) -> str:
        return 'AT+CPINR="SIM PIN"'

    def parse(self, lines: tuple[str, ...]) -> int:
        return number(self.only(lines), 1, "+CPINR")


@dataclass(frozen=True, slots=True)
class EnterPin(Plain):
    """+CPIN=<pin>. A wrong one costs one of three tries, so it is never written twice."""

    pin: str
    timeout_s: ClassVar[float] = 20.0

    def line(self) -> str:
        return f'AT+CPIN="{self.pin}"'

    def __repr__(self) -> str:
        return "EnterPin(pin=…)"


@dataclass(frozen=True, slots=True)
class ReadRegistration(Command[int]):
    """+CREG?, +CGREG?, +CEREG?: the <stat> of circuit, packet and LTE registration."""

    name: str

    def line(self) -> str:
        return f"AT{self.name}?"

    def claims(self, text: str) -> bool:
        return text.startswith(self.name + ":")

    def parse(self, lines: tuple[str, ...]) -> int:
        if not lines:
            raise DecodeError(self.name, 0, "the answer has no line")
        return number(fields(lines[0]), 1, self.name)  # some modules give a second line, for a second SIM


@dataclass(frozen=True, slots=True)
class TestKeepLink(OneLine[bool]):
    """+CMMS=?: can the modem keep the link up between messages? True where mode 2 is offered."""

    prefix: ClassVar[str] = "+CMMS:"
    __test__: ClassVar[bool] = False  # its name is V.250's, "test command"; no test runner means it

    def line(self) -> str:
        return "AT+CMMS=?"

    def parse(self, lines: tuple[str, ...]) -> bool:
        listed = ",".join(self.only(lines)).strip("()")
        return "2" in re.split(r"[,\-]", listed)


@dataclass(frozen=True, slots=True)
class StoragesInUse:
    """``reads``: read and deleted from (mem1); ``receives``: received into (mem3).

    ``used`` and ``places`` are of the latter; None where the modem does not tell them.
    """

    reads: str
    receives: str
    used: int | None
    places: int | None


@dataclass(frozen=True, slots=True)
class ReadStorages(OneLine[StoragesInUse]):
    """+CPMS?: which storages are in use, and how full."""

    prefix: ClassVar[str] = "+CPMS:"

    def line(self) -> str:
        return "AT+CPMS?"

    def parse(self, lines: tuple[str, ...]) -> StoragesInUse:
        values = self.only(lines)
        if len(values) < 3:
            raise DecodeError("+CPMS", 0, "no storage named")
        receives, *fill = values[6:9] if len(values) > 6 else values[:3]
        used, places = (
            int(text) if text.isdecimal() and len(text) <= 9 else None for text in (*fill, "", "")[:2]
        )
        return StoragesInUse(values[0], receives, used, places)


@dataclass(frozen=True, slots=True)
class SelectStorage(OneLine[None]):
    """+CPMS=<mem1>: read and delete there from now on; where messages are received into stays."""

    storage: str
    prefix: ClassVar[str] = "+CPMS:"

    def line(self) -> str:
        return f'AT+CPMS="{self.storage}"'

    def parse(self, _lines: tuple[str, ...]) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Acknowledge(Plain):
    """+CNMA: the routed message is safe here; until then the network keeps it and sends it again."""

    def line(self) -> str:
        return "AT+CNMA"


@dataclass(frozen=True, slots=True)
class StoredTpdu:
    """A TPDU in the modem's storage, under the index that the modem gave it."""

    index: int
    tpdu: bytes


def _stored(index: int, declared: int, line: str) -> StoredTpdu:
    if not holds_tpdu(line, declared):
        raise DecodeError("pdu", 0, f"{len(line)} hex digits do not hold a TPDU of {declared} octets")
    return StoredTpdu(index, tpdu_of(line))


@dataclass(frozen=True, slots=True)
class ReadMessage(Command[StoredTpdu | None]):
    """+CMGR=<index>, PDU mode. None: that place is empty.

    An ``OK`` alone is no answer: some modules give it for an empty place, and it may be an earlier command's.
    """

    index: int
    timeout_s: ClassVar[float] = 10.0

    def line(self) -> str:
        return f"AT+CMGR={self.index}"

    def claims(self, text: str) -> bool:
        return text.startswith("+CMGR:") or _HEX_LINE.match(text) is not None

    def parse(self, lines: tuple[str, ...]) -> StoredTpdu | None:
        if len(lines) == 1 and fields(lines[0])[-1] == "0":
            return None
        if len(lines) != 2:
            raise DecodeError("+CMGR", 0, f"{len(lines)} lines instead of two")
        values = fields(lines[0])
        return _stored(self.index, number(values, len(values) - 1, "+CMGR.length"), lines[1])


@dataclass(frozen=True, slots=True)
class ListMessages(Command[tuple[StoredTpdu, ...]]):
    """+CMGL=4: everything stored, in PDU mode. A row that is damaged is left out; it stays where it is."""

    timeout_s: ClassVar[float] = 20.0

    def line(self) -> str:
        return "AT+CMGL=4"

    def claims(self, text: str) -> bool:
        return text.startswith("+CMGL:") or _HEX_LINE.match(text) is not None

    def parse(self, lines: tuple[str, ...]) -> tuple[StoredTpdu, ...]:
        rows = []
        for head, pdu in pairwise(lines):
            values = fields(head)
            if not head.startswith("+CMGL:") or not values or not values[-1].isdigit():
                continue
            if values[0].isdigit() and holds_tpdu(pdu, int(values[-1])):
                rows.append(_stored(int(values[0]), int(values[-1]), pdu))
        return tuple(rows[:MAX_LISTED])


@dataclass(frozen=True, slots=True)
class DeleteMessage(Plain):
    """+CMGD=<index>."""

    index: int
    timeout_s: ClassVar[float] = 10.0

    def line(self) -> str:
        return f"AT+CMGD={self.index}"


@dataclass(frozen=True, slots=True)
class SendPdu(Command[int]):
    """+CMGS=<length>, then at ``>`` the PDU and Ctrl-Z. The answer is TP-MR, the message reference.

    ``timeout_s`` runs until the prompt; how long the network may take after the PDU is the profile's.
    """

    tpdu_octets: int
    timeout_s: ClassVar[float] = 5.0
    prompts: ClassVar[bool] = True

    def line(self) -> str:
        return f"AT+CMGS={self.tpdu_octets}"

    def claims(self, text: str) -> bool:
        return text.startswith("+CMGS:")

    def parse(self, lines: tuple[str, ...]) -> int:
        if len(lines) != 1:
            raise DecodeError("+CMGS", 0, f"{len(lines)} lines instead of one")
        reference = number(fields(lines[0]), 0, "+CMGS.mr")
        if reference > 0xFF:
            raise DecodeError("+CMGS.mr", 0, f"{reference} has more than eight bits")
        return reference
