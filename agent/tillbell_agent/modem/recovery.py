"""Brings a modem back that does not answer or does not work: takes the steps that the ladder says, one at a time.

It writes to the modem only while no command is open, asks the caller for what is not a matter of octets (the port's
speed, the port itself, the power), and after each step finds out anew whether anybody is there.
"""

from collections.abc import Callable
from typing import Any

from tillbell_agent.modem.dialogue import SYNC_TRIES
from tillbell_agent.modem.events import (
    Deaf,
    ModemAlarm,
    ModemEvent,
    PowerWanted,
    RecoveryStep,
    ReopenWanted,
    SpeedWanted,
)
from tillbell_agent.modem.facts import Facts, ModemSettings
from tillbell_agent.modem.ladder import RESTING_PAUSE_S, Ladder, Step
from tillbell_agent.modem.stage import Stage

# Speeds that modules are set to, the usual ones first.
SPEEDS = (115200, 57600, 38400, 19200, 9600)
# A modem that finds its speed by listening needs two or three ``AT``.
SEARCH_TRIES = 3
# While a modem may still be starting, it is asked again without a pause worth the name.
STARTING_PAUSE_S = 0.5
# Commands without an answer, or errors of the modem's own, in a row: then setting it up anew is not enough.
MAX_TROUBLES = 3
# A port that goes away with a reset is back within the modem's start, and a few seconds for the system to name it.
RETURN_S = 10.0
# One that went by itself may have been unplugged by somebody, who has so long to plug it in again.
GONE_S = 600.0
# Pauses where only a person can help.
_PERSON_PAUSES_S = (1.0, 5.0, 15.0, 60.0)


class Recovery:
    """Sans-IO. ``again_at``: when the modem is asked again; None: nothing is waited for."""

    def __init__(
        self, stage: Stage, facts: Facts, settings: ModemSettings, tell: Callable[[ModemEvent], None]
    ) -> None:
        self.again_at: float | None = None
        self.gone_until: float | None = None  # while the port is lost: when help is called
        self.why = "starting"
        self.is_deaf = self.is_resetting = False
        self._stage, self._facts, self._tell = stage, facts, tell
        self._ladder = Ladder(can_power=settings.can_power)
        self._speed_is_known = False
        self._home = facts.speed = settings.baudrate
        self._search: list[int] = []
        self._searches = False
        self._grace_until = 0.0
        self._troubles = self._person_tries = 0
        self._asked_to_reopen = False

    @property
    def waits(self) -> bool:
        """Nothing is written until ``again_at``."""
        return self.again_at is not None

    def history(self, now: float) -> list[dict[str, Any]]:
        """The steps taken, the latest last, in the types of JSON."""
        return [
            {"step": each.step.value, "at_s_ago": round(now - each.at, 1), "outcome": each.outcome}
            for each in self._ladder.history
        ]

    def tick(self, now: float) -> None:
        if self.again_at is not None and now >= self.again_at:
            self.ask_again(now)

    def ask_again(self, now: float) -> None:
        """Is anybody there, now?"""
        self.again_at = None
        self._stage.dialogue.synchronise(now, SEARCH_TRIES if self._searches else SYNC_TRIES)

    def no_answer(self, tries: int, now: float) -> None:
        """``AT`` went unanswered."""
        if self._searches and self._search:
            self._try_speed(self._search.pop(0), now)
            return
        if self._searches:
            self._searches = False
            self._set_speed(self._home)
            self.why = "no answer to AT at any speed"
        else:
            self.why = f"no answer to AT, {tries} times"
        self.is_deaf = True
        if now < self._grace_until:
            self.again_at = now + STARTING_PAUSE_S
            return
        self.is_resetting = False
        dialogue = self._stage.dialogue
        speeds = self._home is not None
        step, pause = self._ladder.climb(
            now,
            deaf=True,
            entry_open=dialogue.entry_open,
            speeds=speeds,
            never_heard=not self._speed_is_known,
        )
        self._take(step, pause, now)
        self._tell(Deaf(self.why, 0.0 if self.again_at is None else self.again_at - now))

    def in_step(self) -> None:
        """It answered ``AT``."""
        self.is_deaf = self.is_resetting = False
        if self._searches:
            self._searches = False
            self._search.clear()
        self._home = self._facts.speed
        self._speed_is_known = True

    def trouble(self) -> None:
        """A command had no answer though ``AT`` has, or the modem told an error of its own."""
        self._troubles += 1

    def works(self) -> None:
        """A segment was taken: whatever was wrong, is not."""
        self._troubles = 0

    def came_up(self) -> None:
        """It is initialised."""
        self._person_tries = 0
        self._ladder.well()

    @property
    def should_reset(self) -> bool:
        """It answers, and has failed too often since it last did its work."""
        return self._troubles >= MAX_TROUBLES

    def reset(self, now: float) -> None:
        """Go on with the ladder at the reset."""
        self._troubles = 0
        self.why = f"{MAX_TROUBLES} commands in a row without success"
        self._take(*self._ladder.climb(now, deaf=False, start=Step.RESET), now)

    def not_up(self, why: str, now: float, *, person: bool) -> None:
        """It answers and cannot be set up. ``person``: no step of ours would change that."""
        self.why = why
        if person:
            place = min(self._person_tries, len(_PERSON_PAUSES_S) - 1)
            self._person_tries += 1
            self.again_at = now + _PERSON_PAUSES_S[place]
            return
        self._take(*self._ladder.climb(now, deaf=False), now)

    def lost(self, why: str, now: float) -> None:
        """The port is gone; where a step of ours did that, the ladder stays where it is, and it must come back soon."""
        self.again_at, self.why = None, why
        self.is_deaf = self._searches = False
        self._search.clear()
        if self._asked_to_reopen or self.is_resetting:
            self.gone_until = now + RETURN_S + self._facts.profile.boot_s
        else:
            self.gone_until = now + GONE_S
            self._ladder.port_lost()

    def tick_while_lost(self, now: float) -> None:
        """The port does not come back: its power, where we have a command for that, then somebody has to look."""
        if self.gone_until is None or now < self.gone_until:
            return
        why = f"its port does not come back: {self.why}"
        step, pause = self._ladder.climb(now, deaf=True, start=Step.POWER)
        self.gone_until = now + pause
        if step is Step.POWER:
            self._tell(RecoveryStep(step.value, why))
            self._tell(PowerWanted(why))
            self.is_resetting = True
            self.gone_until += RETURN_S + self._facts.profile.boot_s
        elif step is Step.ALARM:
            self.is_resetting = self._asked_to_reopen = False
            self._tell(ModemAlarm(why))

    def reopened(self, now: float) -> None:
        """A port is there. A modem that was known there may only be starting: it is given its time."""
        self.why, self.gone_until = "the port was opened", None
        self.is_deaf = self._asked_to_reopen
        if self._speed_is_known and not self._asked_to_reopen:
            self._grace_until = now + self._facts.profile.boot_s
        self._asked_to_reopen = False
        self.ask_again(now)

    def _take(self, step: Step, pause: float, now: float) -> None:
        if pause != RESTING_PAUSE_S:
            self._tell(RecoveryStep(step.value, self.why))
        self.again_at = now + pause
        match step:
            case Step.FLUSH:
                self._stage.dialogue.flush()
            case Step.SPEEDS:
                self._begin_search(now)
            case Step.RESET:
                self._stage.dialogue.write_unheard(self._facts.profile.reset)
                self._starts_anew(now)
            case Step.REOPEN:
                self._asked_to_reopen = True
                self._tell(ReopenWanted(self.why))
            case Step.POWER:
                self._tell(PowerWanted(self.why))
                self._starts_anew(now)
            case Step.ALARM:
                self._tell(ModemAlarm(self.why))

    def _starts_anew(self, now: float) -> None:
        self.is_resetting = True
        self._grace_until = (self.again_at or now) + self._facts.profile.boot_s

    def _begin_search(self, now: float) -> None:
        self._searches = True
        self._search = [speed for speed in SPEEDS if speed != self._home]
        self._try_speed(self._search.pop(0), now)

    def _try_speed(self, baudrate: int, now: float) -> None:
        self._set_speed(baudrate)
        self.ask_again(now)

    def _set_speed(self, baudrate: int | None) -> None:
        if baudrate is not None and baudrate != self._facts.speed:
            self._facts.speed = baudrate
            self._tell(SpeedWanted(baudrate))
