"""One modem's line: octets between its port and its session, the session's events to its courier."""

import sqlite3
from collections.abc import Callable
from typing import Any, Protocol

from tillbell_agent.courier import Courier
from tillbell_agent.database import StoreError
from tillbell_agent.line import Line, TalkLine
from tillbell_agent.modem.conditions import NEXT_STEP, WAITS_FOR, Condition
from tillbell_agent.modem.events import (
    Deaf,
    Identified,
    ModemAlarm,
    ModemEvent,
    NotReady,
    PinTried,
    PinWanted,
    PowerWanted,
    Ready,
    RecoveryStep,
    ReopenWanted,
    Sampled,
    SimChanged,
    SimIdentified,
    SpeedWanted,
    StepRefused,
    UnknownLine,
    UrcReceived,
)
from tillbell_agent.modem.profile import Profile
from tillbell_agent.modem.session import Session
from tillbell_agent.moment import Moment
from tillbell_agent.pin_book import PinBook
from tillbell_agent.shell.log import Log
from tillbell_agent.shell.ports import PortError
from tillbell_agent.world import DuplexPort

_UNKNOWN_A_MINUTE = 20
_SAMPLES = ("operator", "signal_dbm", "voltage_mv", "temperature_c", "credit")


class Power(Protocol):
    """Switches the modem's power off and on. Neither call waits."""

    def start(self, profile: Profile) -> str | None:
        """Begin; returns why not."""

    def trouble(self) -> str | None:
        """Why it ended badly, told once; None while it runs, or where it ended well."""


class ModemLine:
    """The port may come and go; the session lives on, and initialises what comes back."""

    def __init__(
        self,
        name: str,
        path: str,
        open_port: Callable[[], DuplexPort],
        courier: Courier,
        log: Log,
        pin_book: PinBook,
        power: Power | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.line = TalkLine(open_port)
        self.courier = courier
        self.identity: Identified | None = None
        self._pin_book = pin_book
        self.alarm: str | None = None
        self._imsi_tail: str | None = None
        self._samples: dict[str, int | str | None] = {}
        self._power = power
        self._alarm_stays = False
        self._minute_ends, self._unknown_lines = 0.0, 0
        self._told_not_ready = ""
        self._opened = False
        self._log = log

    @property
    def session(self) -> Session:
        return self.courier.session

    @property
    def wants_to_write(self) -> bool:
        """Octets wait until the port takes more."""
        return self.line.wants_to_write

    def facts(self, now: float) -> dict[str, Any]:
        """What ``status`` shows, in the types of JSON; no number that names the SIM but its last four digits."""
        is_open, session = self.line.port is not None, self.session
        condition = session.condition if is_open else Condition.UNPLUGGED
        since = session.condition_since if is_open else self.line.since
        identity = self.identity
        return {
            "name": self.name,
            "port": self.path,
            "open": is_open,
            "ready": is_open and session.ready,
            "condition": condition.value,
            "doing": session.doing if is_open else self.line.trouble,
            "since_s": round(now - since, 1),
            "waits_for": session.waits_for if is_open else WAITS_FOR[condition],
            "next_step": NEXT_STEP[condition],
            "model": f"{identity.manufacturer} {identity.model}".strip() if identity else None,
            "profile": session.profile.name if identity else None,
            "imsi_tail": self._imsi_tail,
            **{name: self._samples.get(name) for name in _SAMPLES},
            "baudrate": session.speed,
            "ladder": session.ladder(now),
            "alarm": self.alarm,
            "segments_sent": self.courier.sent,
        }

    def open(self, now: float) -> None:
        """Try to open the port and begin a session on it."""
        before = self.line.trouble
        if self.line.open(now):
            self._log.info("modem_open", modem=self.name)
            self._set_speed()
            if self._opened:
                self.session.reopened(now)
            self._opened = True
            self.flush()
        elif self.line.trouble != before:
            self._log.warning("modem_closed", modem=self.name, why=self.line.trouble)

    @property
    def lines(self) -> tuple[Line[DuplexPort]]:
        """Its one line."""
        return (self.line,)

    def readable(self, _line: Line[DuplexPort], now: float, moment: Moment) -> None:
        """The port has octets, or is gone."""
        if self.line.port is None:
            return
        try:
            data = self.line.port.read()
        except PortError as error:
            self._lose(str(error), now, moment)
            return
        self.line.heard()
        try:
            self._take(self.session.receive_data(data, now), now, moment)
        finally:
            self.flush()  # not after the turn: the next message's AT+CMGS is among it

    def next_deadline(self) -> float | None:
        """Monotonic seconds; long ago where a port that refuses to be written to is to be closed."""
        if self.line.write_trouble is not None:
            return 0.0
        if self.line.port is not None:
            return self.session.next_deadline()
        due = [self.line.reopen_at, self.session.next_deadline() if self._opened else None]
        return min((each for each in due if each is not None), default=None)

    def tick(self, now: float, moment: Moment) -> None:
        if self.line.write_trouble is not None:
            self._lose(self.line.write_trouble, now, moment)
        if self.line.due(now):
            self.open(now)
        if self._opened:  # also while its port is gone: what waits for it too long calls for help
            self._take(self.session.tick(now), now, moment)
        trouble = self._power.trouble() if self._power is not None else None
        if trouble is not None:
            self._log.error("power_command_failed", modem=self.name, why=trouble)

    def flush(self) -> None:
        """Write what the session wants to say, as far as the port takes it. One that refuses is lost: see ``tick``."""
        if self.line.takes_octets:
            self.line.write(self.session.bytes_to_send())

    def close(self, now: float) -> None:
        self.courier.stop()
        self.courier.settle(now)
        self.line.close()

    def _lose(self, why: str, now: float, moment: Moment) -> None:
        self._log.warning("modem_closed", modem=self.name, why=why)
        self.line.lose(why, now)
        self._take(self.session.lost(now, why), now, moment)

    def _set_speed(self) -> None:
        speed = self.session.speed
        if self.line.port is None or speed is None:
            return
        try:
            self.line.port.set_speed(speed)
        except PortError as error:
            self._log.warning("modem_speed_refused", modem=self.name, why=error)

    def _switch_power(self, why: str) -> None:
        if self._power is None:
            return
        self._log.warning("modem_power", modem=self.name, why=why)
        trouble = self._power.start(self.session.profile)
        if trouble is not None:
            self._log.error("power_command_failed", modem=self.name, why=trouble)

    def _raise(self, why: str, *, stays: bool = False) -> None:
        """Show an alarm: until the modem works again, or until the agent is started anew."""
        self.alarm, self._alarm_stays = why, stays
        self._log.error("modem_alarm", modem=self.name, why=why)

    def _take(self, events: list[ModemEvent], now: float, moment: Moment) -> None:
        """Every event is told, also where the disk refuses what one of them leads to. Raises what it said then."""
        refused: StoreError | sqlite3.Error | None = None
        for event in events:
            try:
                self._tell(event, now, moment)
            except (StoreError, sqlite3.Error) as error:
                refused = error
        if refused is not None:
            raise refused

    def _tell(self, event: ModemEvent, now: float, moment: Moment) -> None:
        match event:
            case Identified() | SimIdentified() | SimChanged() | Sampled():
                self._learn(event)
            case RecoveryStep() | SpeedWanted() | ReopenWanted() | PowerWanted() | ModemAlarm():
                self._help(event, now, moment)
            case Ready():
                self._told_not_ready = ""
                if not self._alarm_stays:
                    self.alarm = None
                self._log.info("modem_ready", modem=self.name)
            case NotReady(why) | Deaf(why, _):
                if why != self._told_not_ready:  # a modem that stays deaf is asked for ever, and told once
                    self._log.warning("modem_not_ready", modem=self.name, why=why)
                self._told_not_ready = why
            case PinWanted(left):
                self._pin_book.about_to_try(left)
                self.session.pin_noted(now)
            case PinTried(accepted):
                self._log.warning("pin_tried", modem=self.name, accepted=accepted)
                self._pin_book.tried(accepted=accepted)
            case StepRefused(command, answer):
                self._log.info("modem_step_refused", modem=self.name, command=command, answer=answer)
            case UnknownLine(text):
                self._log_unknown(text, now)
            case UrcReceived():
                pass  # it changes nothing, and rings and signal reports would fill the log
            case _:
                self.courier.on_event(event, now, moment)

    def _log_unknown(self, text: str, now: float) -> None:
        """A modem that hangs may say the same for hours: the log has so many a minute, and how many there were."""
        if now >= self._minute_ends:
            if self._unknown_lines > _UNKNOWN_A_MINUTE:
                self._log.warning("modem_unknown_lines", modem=self.name, count=self._unknown_lines)
            self._minute_ends, self._unknown_lines = now + 60.0, 0
        self._unknown_lines += 1
        if self._unknown_lines <= _UNKNOWN_A_MINUTE:
            self._log.info("modem_unknown_line", modem=self.name, text=text)

    def _learn(self, event: Identified | SimIdentified | SimChanged | Sampled) -> None:
        match event:
            case Identified():
                self.identity = event
                self._log.info(
                    "modem_identified", modem=self.name, model=event.model, revision=event.revision
                )
            case SimIdentified(imsi_tail):
                self._imsi_tail = imsi_tail
            case SimChanged(was_tail, imsi_tail):
                self._raise(
                    f"the SIM was changed: its IMSI ends in {imsi_tail}, it was {was_tail}", stays=True
                )
            case Sampled(name, value):
                self._samples[name] = value

    def _help(
        self,
        event: RecoveryStep | SpeedWanted | ReopenWanted | PowerWanted | ModemAlarm,
        now: float,
        moment: Moment,
    ) -> None:
        match event:
            case RecoveryStep(step, why):
                self._log.warning("modem_recovery", modem=self.name, step=step, why=why)
            case SpeedWanted():
                self._set_speed()
            case ReopenWanted(why):
                self._lose(f"closed, to be opened again: {why}", now, moment)
            case PowerWanted(why):
                self._switch_power(why)
            case ModemAlarm(why):
                self._raise(why)
