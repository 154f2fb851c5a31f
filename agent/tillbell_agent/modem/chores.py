"""What a ready modem does between two messages: read what was announced, delete what is durable, sweep, stay awake,
tell how it is.

Chores are short, one at a time, and wait while a segment is being sent. They hold no message, only where one lies.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from tillbell_agent.modem.commands import fields
from tillbell_agent.modem.events import StoredAt
from tillbell_agent.modem.facts import Facts, ModemSettings
from tillbell_agent.modem.sampling import CREDIT_S, end_ussd, read_fill, request_credit, samples
from tillbell_agent.modem.script import Script
from tillbell_agent.modem.traffic import forget_message, heartbeat, read_message, sweep

# After coming up, sales go first; the storage is swept when the line has been free for a moment.
SWEEP_AFTER_S = 2.0
# A modem forgets to announce one message among several: behind an announced one it is looked for so soon, though no
# oftener than that. Its parts then meet within the time that a reassembly waits behind a whole message.
SWEEP_BEHIND_S, SWEEP_BEHIND_AGAIN_S = 60.0, 300.0
# Announced messages that wait to be read, and read ones that wait to be deleted: more than a SIM holds. What does not
# fit stays in the modem and is found by the next sweep.
MAX_WAITING = 256
# A modem that has hung over a listing is asked for another so late: what it announces is read one by one meanwhile.
AFTER_ENDLESS_S = 21_600.0
# Between two questions of a round: a sale that waits goes first.
BETWEEN_S = 0.2
# A full storage is looked at again while it is being emptied.
FULL_AGAIN_S = 30.0


class Chores:
    """Sans-IO; one per modem."""

    def __init__(self, facts: Facts, settings: ModemSettings, now: float) -> None:
        self._facts = facts
        self._settings = settings
        self._heartbeat_at = now + settings.heartbeat_s
        self._sweep_at: float | None = None
        self._swept_at = now
        self._sample_at = now
        self._credit_at = now if settings.credit_code else None
        self._question_at = now
        self._full_at: float | None = None
        self._ussd_open = False
        self._samples: deque[Callable[[], Script[None]]] = deque()
        self._to_read: deque[StoredAt] = deque()
        self._to_forget: deque[StoredAt] = deque()

    def came_up(self, now: float) -> None:
        """The modem was initialised: what it stored meanwhile was announced to nobody."""
        self.sweep_at(now + (AFTER_ENDLESS_S if self._facts.endless_listings else SWEEP_AFTER_S))
        self._sample_at = max(self._sample_at, now + SWEEP_AFTER_S)

    def storage_is_full(self, now: float) -> None:
        """Said by the modem: empty it, and look whether that helped."""
        self._facts.storage_full = True
        self._sweep_at = now

    def sweep_at(self, when: float) -> None:
        """Look through the whole storage then."""
        self._sweep_at = when

    def line_was_used(self, now: float) -> None:
        """A heartbeat is only for a silent line."""
        self._heartbeat_at = now + self._settings.heartbeat_s

    def announced(self, text: str, now: float) -> bool:
        """``+CMTI: "SM",3`` or ``+CDSI: …``: to be read. False: the line does not say where."""
        values = fields(text)
        if len(values) < 2 or not values[1].isdigit() or len(values[1]) > 5 or not values[0].isalnum():
            return False
        if len(self._to_read) < MAX_WAITING:
            self._to_read.append(StoredAt(values[0], int(values[1])))
        else:
            self.sweep_at(now + SWEEP_AFTER_S)
        if text.startswith("+CMTI") and self._sweep_at is not None and not self._facts.endless_listings:
            behind = max(now + SWEEP_BEHIND_S, self._swept_at + SWEEP_BEHIND_AGAIN_S)
            self.sweep_at(min(self._sweep_at, behind))
        return True

    def forget(self, stored: StoredAt) -> None:
        """To be deleted, if it was reported; anything else may be a message that nobody has seen.

        From here on it counts as not reported: the place may hold another before this is asked a second time. If it
        cannot be deleted, or too many wait, the next sweep reports it again.
        """
        if self._facts.seen.pop(stored, None) is not None and len(self._to_forget) < MAX_WAITING:
            self._to_forget.append(stored)

    def ussd_is_open(self) -> None:
        """The operator waits for a reply: to be told that none comes."""
        self._ussd_open = True

    def sim_is_gone(self) -> None:
        """Another one may have taken its place: nothing is read or deleted there by what was known of the last.

        What is still stored is found and reported by a sweep.
        """
        if not self._facts.endless_listings:
            self._sweep_at = 0.0  # as soon as the line is free
        self._to_read.clear()
        self._to_forget.clear()
        self._facts.seen.clear()

    def next_deadline(self) -> float:
        """When the next timed chore is due."""
        times = [self._heartbeat_at, self._sample_at, self._sweep_at, self._credit_at, self._full_at]
        if self._samples:
            times.append(self._question_at)
        return min(time for time in times if time is not None)

    def next_script(self, now: float) -> Script[Any] | None:
        """The chore to do now; None: nothing is due."""
        if self._to_forget:
            return forget_message(self._facts, self._to_forget.popleft())
        if self._to_read:
            return read_message(self._facts, self._to_read.popleft())
        if self._ussd_open:
            self._ussd_open = False
            return end_ussd()
        if self._sweep_at is not None and now >= self._sweep_at:
            self._swept_at, self._sweep_at = now, now + self._facts.profile.sweep_s
            return sweep(self._facts)
        if now >= self._heartbeat_at:
            return heartbeat(self._facts)
        return self._next_sample(now)

    def _next_sample(self, now: float) -> Script[Any] | None:
        if self._full_at is not None and now >= self._full_at:
            self._full_at = None
            return read_fill(self._facts)
        if self._facts.storage_full and self._full_at is None:
            self._full_at = now + FULL_AGAIN_S
        if now >= self._sample_at:
            self._sample_at = now + self._settings.sample_s
            self._samples.extend(samples(self._facts))
        if self._samples and now >= self._question_at:
            self._question_at = now + BETWEEN_S
            return self._samples.popleft()()
        if self._credit_at is not None and now >= self._credit_at:
            self._credit_at = now + CREDIT_S
            return request_credit(self._facts, self._settings)
        return None
