"""The recovery ladder: a modem that does not answer, or does not work → the next step to try, limited and recorded.

It decides which step and how long to pause; the session does it. A modem in the field is reset because a program
guessed, and resetting one in a loop is worse than waiting: each step that restarts something has a limit per hour, and
after the last one comes a long rest, in which the modem is only asked whether it is there.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """In the order in which they are tried; the words are shown to people."""

    ATTENTION = "AT again"
    FLUSH = "ESC and Ctrl-Z"
    SPEEDS = "other speeds"
    INITIALISE = "initialise again"
    RESET = "reset by command"
    REOPEN = "close and open the port"
    POWER = "power command"
    ALARM = "alarm"


# Each with the pause before the modem is asked again, in seconds; after a restart its own boot time comes on top.
_RUNGS: tuple[tuple[Step, float], ...] = (
    (Step.SPEEDS, 0.0),  # first only where the modem has never answered
    (Step.ATTENTION, 1.0),
    (Step.ATTENTION, 5.0),
    (Step.FLUSH, 1.0),
    (Step.SPEEDS, 0.0),
    (Step.INITIALISE, 1.0),
    (Step.INITIALISE, 5.0),
    (Step.INITIALISE, 15.0),
    (Step.RESET, 3.0),
    (Step.REOPEN, 2.0),
    (Step.POWER, 5.0),
    (Step.ALARM, 60.0),
)
_ONLY_DEAF = frozenset({Step.ATTENTION, Step.FLUSH, Step.SPEEDS})
# How often within an hour; a modem that needs more is broken, and a USB stick is lost for seconds each time.
LIMITS = {Step.RESET: 2, Step.REOPEN: 4, Step.POWER: 1}
_WINDOW_S = 3600.0
# After the alarm the modem is asked once a minute; the whole ladder is climbed again after the first, then the second.
RESTS_S = (900.0, 3600.0)
RESTING_PAUSE_S = 60.0
# What ``status`` shows: two whole climbs.
MAX_HISTORY = 24


@dataclass(slots=True)
class Climbed:
    """A step that was tried. ``outcome``: "under way", "did not help" or "helped"."""

    step: Step
    at: float
    outcome: str = "under way"


class Ladder:
    """Sans-IO; one per modem, across the losses of its port."""

    def __init__(self, *, can_power: bool) -> None:
        self.history: deque[Climbed] = deque(maxlen=MAX_HISTORY)
        self._can_power = can_power
        self._next = 0
        self._rests = 0
        self._rest_until: float | None = None
        self._used: dict[Step, deque[float]] = {step: deque(maxlen=limit) for step, limit in LIMITS.items()}

    def climb(
        self,
        now: float,
        *,
        deaf: bool,
        entry_open: bool = False,
        speeds: bool = False,
        never_heard: bool = False,
        start: Step | None = None,
    ) -> tuple[Step, float]:
        """The next step and the pause after it in seconds. ``start``: not below this one.

        ``deaf``: AT has no answer. ``entry_open``: it may still be taking in a message. ``speeds``: others can be tried,
        and are at once where it was ``never_heard``.
        """
        self._settle("did not help")
        if self._rest_until is not None:
            if now < self._rest_until:
                return Step.ATTENTION if deaf else Step.INITIALISE, RESTING_PAUSE_S
            self._rest_until, self._next = None, 0
        if start is not None:
            self._next = max(
                self._next, next(at for at, rung in enumerate(_RUNGS) if at and rung[0] is start)
            )
        if self._next == 0 and not never_heard:
            self._next = 1
        while True:
            step, pause = _RUNGS[self._next]
            self._next += 1
            if self._fits(step, now, deaf=deaf, entry_open=entry_open, speeds=speeds):
                break
        self.history.append(Climbed(step, now))
        if step in self._used:
            self._used[step].append(now)
        if step is Step.ALARM:
            self._rest_until = now + RESTS_S[min(self._rests, len(RESTS_S) - 1)]
            self._rests += 1
        return step, pause

    def well(self) -> None:
        """It works: the next trouble begins at the bottom. The limits per hour stay."""
        self._settle("helped")
        self._next = self._rests = 0
        self._rest_until = None

    def port_lost(self) -> None:
        """What comes back may be another modem, or this one started anew: begin at the bottom."""
        self._settle("did not help")
        self._next, self._rest_until = 0, None

    def _settle(self, outcome: str) -> None:
        if self.history and self.history[-1].outcome == "under way":
            self.history[-1].outcome = outcome

    def _fits(self, step: Step, now: float, *, deaf: bool, entry_open: bool, speeds: bool) -> bool:
        if step in _ONLY_DEAF and not deaf:
            return False
        match step:
            case Step.FLUSH:
                return entry_open
            case Step.SPEEDS:
                return speeds
            case Step.INITIALISE:
                return not deaf
            case Step.POWER if not self._can_power:
                return False
        used = self._used.get(step)
        return used is None or len(used) < LIMITS[step] or now - used[0] > _WINDOW_S
