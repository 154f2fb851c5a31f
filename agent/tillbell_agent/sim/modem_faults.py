"""What goes wrong with a simulated modem, on purpose: each fault is named, waits for its occasion, is counted and used up.

``KINDS`` is the whole table: the command line, the control socket and ``docs/simulated-modem.md`` follow it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultKind:
    """``occasion``: when it may strike. ``takes``: the arguments it heeds, with its own defaults."""

    occasion: str
    words: str
    takes: Mapping[str, Any] = field(default_factory=dict)


# At these moments faults may strike; each is asked for at most one.
OCCASIONS = {
    "line": "a command line is taken in",
    "command": "a command line other than a message's is answered",
    "answer": "any answer with a final result is written",
    "prompt": "AT+CMGS is taken in",
    "pdu": "a message is complete (Ctrl-Z)",
    "report": "a status report is due",
    "list": "AT+CMGL is taken in",
    "delete": "AT+CMGD is taken in",
    "incoming": "a message for this SIM arrives",
}

KINDS = {
    "deaf": FaultKind("line", "a command line stays without an answer", {"command": ""}),
    "late": FaultKind("command", "the answer comes `seconds` later; the modem is busy meanwhile", {"seconds": 10.0, "command": ""}),
    "error": FaultKind("command", "ERROR", {"command": ""}),
    "cme": FaultKind("command", "+CME ERROR: `code`", {"code": 14, "command": ""}),
    "cms": FaultKind("command", "+CMS ERROR: `code`", {"code": 500, "command": ""}),
    "cut": FaultKind("answer", "the answer ends in its middle, and nothing follows", {"command": ""}),
    "garbage": FaultKind("answer", "octets of noise come before the answer", {"command": ""}),
    "urc_before": FaultKind("answer", "the unsolicited `line` comes between echo and answer", {"line": "RING", "command": ""}),
    "urc_glued": FaultKind("answer", "the unsolicited `line` follows the final result without an empty line", {"line": "RING", "command": ""}),
    "urc_inside": FaultKind("answer", "the unsolicited `line` stands in the middle of the answer's first line", {"line": "RING", "command": ""}),
    "refuse_prompt": FaultKind("prompt", "+CMS ERROR: `code` instead of the prompt", {"code": 500}),
    "no_prompt": FaultKind("prompt", "AT+CMGS stays without a prompt"),
    "late_prompt": FaultKind("prompt", "the prompt comes `seconds` later", {"seconds": 10.0}),
    "urc_prompt": FaultKind("prompt", "the unsolicited `line` follows the prompt", {"line": "RING"}),
    "lost_ok": FaultKind("pdu", "the network takes the message, the modem's answer is lost", {"number": ""}),
    "late_ok": FaultKind("pdu", "the network takes the message, the modem's answer comes `seconds` later", {"seconds": 10.0, "number": ""}),
    "lost_pdu": FaultKind("pdu", "the network never gets the message, and no answer comes", {"number": ""}),
    "refuse": FaultKind("pdu", "+CMS ERROR: `code` after the PDU", {"code": 500, "number": ""}),
    "congestion": FaultKind("pdu", "the network is congested: +CMS ERROR: `code`", {"code": 42, "number": ""}),
    "bad_number": FaultKind("pdu", "the number does not exist: +CMS ERROR: `code`, until cleared", {"code": 1, "number": "", "count": 0}),
    "barred": FaultKind("pdu", "the SIM is barred: +CMS ERROR: `code`, until cleared", {"code": 8, "number": "", "count": 0}),
    "no_credit": FaultKind("pdu", "the credit is used up: +CMS ERROR: `code`, until cleared; operators differ in the code", {"code": 50, "number": "", "count": 0}),
    "hang": FaultKind("pdu", "the modem hangs, `seconds` long (0: until reset or power); `taken`: the network has the message", {"seconds": 0.0, "taken": False, "number": ""}),
    "reset": FaultKind("pdu", "the modem resets by itself; `taken` as with hang", {"taken": False, "number": ""}),
    "unplug": FaultKind("pdu", "the port goes away for `seconds` (0: until plugged); `taken` as with hang", {"seconds": 5.0, "taken": False, "number": ""}),
    "report_lost": FaultKind("report", "the status report never comes", {"number": ""}),
    "report_late": FaultKind("report", "the status report comes `seconds` later", {"seconds": 10.0, "number": ""}),
    "report_failed": FaultKind("report", "the status report's TP-ST is `code`: 70 expired, 65 incompatible destination, 32 congestion, still trying", {"code": 70, "number": ""}),
    "endless_list": FaultKind("list", "AT+CMGL lists and lists until the modem is reset"),
    "ghost": FaultKind("delete", "OK, and the message is still there"),
    "incoming_twice": FaultKind("incoming", "the network delivers the message twice", {"number": ""}),
    "incoming_silent": FaultKind("incoming", "the message is stored and never announced", {"number": ""}),
}  # fmt: skip

# What every kind takes beside its own.
COMMON = {
    "count": "how often (0: until cleared)",
    "after": "let so many occasions pass first",
    "chance": "how probably at each occasion, 0 to 1; --seed makes it repeatable",
}


@dataclass(slots=True, eq=False)  # two that say the same are two
class Fault:
    """``count`` uses are left, 0: for ever. Empty ``number`` and ``command``: whichever."""

    kind: str
    count: int = 1
    code: int = 500
    seconds: float = 10.0
    after: int = 0
    chance: float = 1.0
    taken: bool = False
    number: str = ""
    command: str = ""
    line: str = "RING"


class Faults:
    """The faults that wait to be used, in the order in which they were asked for."""

    def __init__(self, seed: int = 0) -> None:
        self._waiting: list[Fault] = []
        self._chance = random.Random(seed)

    @property
    def waiting(self) -> tuple[Fault, ...]:
        return tuple(self._waiting)

    def add(self, fault: Fault) -> None:
        """ValueError for a kind that does not exist."""
        _kind(fault.kind)
        self._waiting.append(fault)

    def take(self, occasion: str, *, number: str = "", command: str = "") -> Fault | None:
        """Use up one of the first waiting fault that strikes at this occasion."""
        for fault in self._waiting:
            if KINDS[fault.kind].occasion == occasion and self._strikes(fault, number, command):
                if fault.count == 1:
                    self._waiting.remove(fault)
                fault.count = max(0, fault.count - 1)
                return fault
        return None

    def clear(self, kind: str = "") -> None:
        """Take back those of one kind, or all."""
        self._waiting = [fault for fault in self._waiting if kind not in ("", fault.kind)]

    def _strikes(self, fault: Fault, number: str, command: str) -> bool:
        if fault.number not in ("", number) or fault.command.upper() not in ("", command):
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        return fault.chance >= 1 or self._chance.random() < fault.chance


def make_fault(kind: str, values: Mapping[str, Any]) -> Fault:
    """A fault with its kind's own defaults where ``values`` has none. ValueError for what the kind does not take."""
    own = _kind(kind).takes
    strange = sorted(set(values) - set(own) - set(COMMON))
    if strange:
        raise ValueError(f"{kind} takes {', '.join([*own, *COMMON])}; not {', '.join(strange)}")
    typed = {name: _typed(name, value) for name, value in {**own, **values}.items()}
    return Fault(kind, **typed)


def parse_fault(words: str) -> Fault:
    """``kind`` or ``kind:name=value,name=value`` as on the command line. ValueError says what is wrong."""
    kind, _, rest = words.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",")] if rest else []
    wrong = [name for name, sign, _ in pairs if not sign]
    if wrong:
        raise ValueError(f"{wrong[0]!r}: arguments are name=value, separated by commas")
    return make_fault(kind, {name.strip(): value.strip() for name, _, value in pairs})


def _kind(name: str) -> FaultKind:
    if name not in KINDS:
        raise ValueError(f"no fault {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]


_TYPES = {each.name: each.type for each in fields(Fault)}


def _typed(name: str, value: Any) -> Any:
    """A value from a command line or from JSON as the fault holds it."""
    wanted = _TYPES[name]
    if wanted is bool:
        if str(value).lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{name} is true or false, not {value!r}")
        return str(value).lower() in ("true", "1", "yes")
    if wanted in (int, float):
        number = int(value) if wanted is int else float(value)
        if not 0 <= number < 1e9:
            raise ValueError(f"{name} is a number from 0, not {value!r}")
        return number
    return str(value)
