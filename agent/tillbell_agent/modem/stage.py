"""Where one script at a time is played on a dialogue: its wants become octets, what happens goes back to it.

The stage knows no script's purpose. It says whether a PDU of the running one has been written, since that is what an
abandoned script leaves open.
"""

from collections.abc import Callable
from typing import Any

from tillbell_agent.modem.dialogue import Dialogue, Phase
from tillbell_agent.modem.events import ModemEvent
from tillbell_agent.modem.script import (
    Ask,
    AwaitDecision,
    GetInStep,
    Happened,
    Pause,
    Script,
    Tell,
    Want,
    WritePdu,
)


class Stage:
    """Sans-IO. ``tell`` gets the script's events; ``dialogue`` may be replaced while nothing runs."""

    def __init__(self, dialogue: Dialogue, tell: Callable[[ModemEvent], None]) -> None:
        self.dialogue = dialogue
        self.handed_over = False
        self.wake_at: float | None = None
        self._tell = tell
        self._script: Script[Any] | None = None
        self._want: Want | None = None

    @property
    def empty(self) -> bool:
        return self._script is None

    @property
    def doing(self) -> str | None:
        """The running script's words for what it waits for."""
        want = self._want
        return want.doing if isinstance(want, Ask | AwaitDecision | WritePdu | Pause) else None

    @property
    def awaits_decision(self) -> bool:
        """At the prompt, and the caller has not spoken."""
        return isinstance(self._want, AwaitDecision)

    def start(self, script: Script[Any], now: float) -> None:
        self._script, self.handed_over = script, False
        self.resume(None, now)

    def resume(self, happened: Happened, now: float) -> None:
        """Tell the script what happened, and do what it wants next."""
        self._want = self.wake_at = None
        while self._script is not None:
            try:
                want = self._script.send(happened)
            except StopIteration:
                self._script = None
                return
            happened = None
            match want:
                case Tell(event):
                    self._tell(event)
                case GetInStep():
                    # What was answered last may have been a late answer; then one more is to come.
                    self.dialogue.synchronise(now, doubted=True)
                case _:
                    self._want = want
                    self._begin(want, now)
                    return

    def in_step(self, now: float) -> None:
        """The line is free again: write the command that waited for it."""
        if isinstance(self._want, Ask):
            self._begin(self._want, now)

    def wake(self, now: float) -> None:
        """End a pause."""
        if isinstance(self._want, Pause):
            self.resume(None, now)

    def clear(self) -> None:
        """Abandon the running script where it stands."""
        if self._script is not None:
            self._script.close()
        self._script = self._want = self.wake_at = None

    def _begin(self, want: Want, now: float) -> None:
        match want:
            case Ask(command) if self.dialogue.phase is Phase.IDLE:
                self.dialogue.write(command, now)
            case WritePdu(pdu, answer_timeout_s):
                self.handed_over = True
                self.dialogue.write_pdu(pdu, now, answer_timeout_s)
            case Pause(seconds):
                self.wake_at = now + seconds
