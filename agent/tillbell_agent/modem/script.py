"""How a sequence of commands is written down: a generator that yields what it wants and gets back what happened.

A script holds no port, clock or state of the line; the session runs it, one want at a time, and may abandon it at any
``yield``. That keeps "first this, then that, unless" readable from top to bottom.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from tillbell_agent.modem.commands import Command
from tillbell_agent.modem.dialogue import Answered, Prompted, TimedOut
from tillbell_agent.modem.events import ModemEvent
from tillbell_protocol.errors import DecodeError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Write a command as soon as the line is free; resumed with ``Answered``, ``Prompted`` or ``TimedOut``."""

    command: Command[Any]
    doing: str


@dataclass(frozen=True, slots=True)
class WritePdu:
    """At the prompt, after ``HandOver``: write it; resumed with ``Answered`` or ``TimedOut``."""

    pdu: str
    answer_timeout_s: float
    doing: str


@dataclass(frozen=True, slots=True)
class AwaitDecision:
    """At the prompt: resumed with ``Decision``, or with what ended the prompt before it."""

    doing: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The caller's word at the prompt."""

    hand_over: bool


@dataclass(frozen=True, slots=True)
class GetInStep:
    """Leave an open prompt unsent, let late answers pass; resumed at once, the next ``Ask`` waits for it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Resumed with None after so long, or sooner when a URC changes the registration or tells that the SIM is ready."""

    seconds: float
    doing: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Report an event; resumed at once."""

    event: ModemEvent


Want = Ask | WritePdu | AwaitDecision | GetInStep | Pause | Tell
Happened = Answered | Prompted | TimedOut | Decision | None
Script = Generator[Want, Happened, T]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command gave no value. ``kind``: CMS, CME, ERROR, SILENCE (no answer in time) or GARBLED (no sense)."""

    kind: str
    code: int | None = None
    text: str = ""

    def __str__(self) -> str:
        return {"SILENCE": "no answer", "GARBLED": f"unreadable answer: {self.text}"}.get(
            self.kind, self.text
        )


def ask(command: Command[T], doing: str) -> Script[T | Failure]:
    """One command → its answer, or why there is none."""
    happened = yield Ask(command, doing)
    if not isinstance(happened, Answered):
        return Failure("SILENCE")
    if happened.final.kind != "OK":
        return Failure(happened.final.kind, happened.final.code, happened.final.text)
    try:
        return command.parse(happened.lines)
    except DecodeError as error:
        if not any(line.startswith("+") for line in happened.lines):
            # Nothing in it bears this command's name: it may be an earlier one's, and this one's is still to come.
            yield GetInStep()
        return Failure("GARBLED", text=str(error))
