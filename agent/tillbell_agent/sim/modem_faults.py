"""What goes wrong with a simulated modem, on purpose: each fault is named, counted and used up."""

from dataclasses import dataclass

# name → what it does, for ``--help`` and for the refusal of an unknown one.
KINDS = {
    "lost_ok": "the network takes the message, the modem's answer is lost",
    "late_ok": "the network takes the message, the modem's answer comes `seconds` later",
    "lost_pdu": "the network never gets the message, and no answer comes",
    "refuse": "+CMS ERROR: `code` after the PDU",
    "refuse_prompt": "+CMS ERROR: `code` instead of the prompt",
    "no_prompt": "AT+CMGS stays without a prompt",
    "deaf": "a command line stays without an answer",
    "late": "an answer to any other command comes `seconds` later",
    "error": "ERROR to any other command",
}


@dataclass(slots=True)
class Fault:
    """``count`` uses are left."""

    kind: str
    count: int = 1
    code: int = 500
    seconds: float = 10.0


class Faults:
    """The faults that wait to be used, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """ValueError for a kind that does not exist."""
        if fault.kind not in KINDS:
            raise ValueError(f"no fault {fault.kind!r}; there are {', '.join(KINDS)}")
        self._waiting.append(fault)

    def take(self, *kinds: str) -> Fault | None:
        """Use up one of the first waiting fault among ``kinds``."""
        for fault in self._waiting:
            if fault.kind in kinds:
                fault.count -= 1
                if fault.count <= 0:
                    self._waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._waiting.clear()
