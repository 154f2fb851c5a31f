"""What a ready modem does between two messages: read what was announced, delete what is durable, sweep, stay awake.

Chores are short, one at a time, and wait while a segment is being sent. They hold no message, only where one lies.
"""

from collections import deque
from typing import Any

from tillbell_agent.modem.commands import fields
from tillbell_agent.modem.events import StoredAt
from tillbell_agent.modem.initialise import Facts
from tillbell_agent.modem.script import Script
from tillbell_agent.modem.traffic import forget_message, heartbeat, read_message, sweep

# After coming up, sales go first; the storage is swept when the line has been free for a moment.
SWEEP_AFTER_S = 2.0
# Announced messages that wait to be read, and read ones that wait to be deleted: more than a SIM holds. What does not
# fit stays in the modem and is found by the next sweep.
MAX_WAITING = 256


class Chores:
    """Sans-IO; one per modem."""

    def __init__(self, facts: Facts, heartbeat_s: float, now: float) -> None:
        self._facts = facts
        self._heartbeat_s = heartbeat_s
        self._heartbeat_at = now + heartbeat_s
        self._sweep_at: float | None = None
        self._to_read: deque[StoredAt] = deque()
        self._to_forget: deque[StoredAt] = deque()

    def came_up(self, now: float) -> None:
        """The modem was initialised: what it stored meanwhile was announced to nobody."""
        self.sweep_at(now + SWEEP_AFTER_S)

    def sweep_at(self, when: float) -> None:
        """Look through the whole storage then."""
        self._sweep_at = when

    def line_was_used(self, now: float) -> None:
        """A heartbeat is only for a silent line."""
        self._heartbeat_at = now + self._heartbeat_s

    def announced(self, text: str, now: float) -> bool:
        """``+CMTI: "SM",3`` or ``+CDSI: …``: to be read. False: the line does not say where."""
        values = fields(text)
        if len(values) < 2 or not values[1].isdigit() or len(values[1]) > 5 or not values[0].isalnum():
            return False
        if len(self._to_read) < MAX_WAITING:
            self._to_read.append(StoredAt(values[0], int(values[1])))
        else:
            self.sweep_at(now + SWEEP_AFTER_S)
        return True

    def forget(self, stored: StoredAt) -> None:
        """To be deleted, if it was reported; anything else may be a message that nobody has seen.

        From here on it counts as not reported: the place may hold another before this is asked a second time. If it
        cannot be deleted, or too many wait, the next sweep reports it again.
        """
        if self._facts.seen.pop(stored, None) is not None and len(self._to_forget) < MAX_WAITING:
            self._to_forget.append(stored)

    def next_deadline(self) -> float:
        """When the next timed chore is due."""
        return min(self._heartbeat_at, self._heartbeat_at if self._sweep_at is None else self._sweep_at)

    def next_script(self, now: float) -> Script[Any] | None:
        """The chore to do now; None: nothing is due."""
        if self._to_forget:
            return forget_message(self._facts, self._to_forget.popleft())
        if self._to_read:
            return read_message(self._facts, self._to_read.popleft())
        if self._sweep_at is not None and now >= self._sweep_at:
            self._sweep_at = None
            return sweep(self._facts)
        if now >= self._heartbeat_at:
            return heartbeat(self._facts)
        return None
