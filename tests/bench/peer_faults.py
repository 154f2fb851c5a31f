"""What becomes of a backlog of numbered texts when something goes wrong in the middle of it, and of a wrong PIN."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from figures import Value
from peer_daemons import Daemon
from peer_modem import SimModem, numbered

_POLL_S = 0.02
# A repetition that was decided on comes within this after everything else is over.
_SETTLED_S = 4.0
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Strike:
    """``fault``: what the modem is asked for; None: the program itself is killed."""

    key: str
    words: str
    fault: Mapping[str, Any] | None = field(default=None)


FAULTS = (
    Strike("lost_ok", "an OK lost, twice", {"kind": "lost_ok"}),
    Strike("hang", "a hang of 8 s, twice", {"kind": "hang", "seconds": 8}),
    Strike("reset", "a reset, twice", {"kind": "reset"}),
    Strike("unplug", "unplugged for 5 s, twice", {"kind": "unplug", "seconds": 5}),
    Strike("kill", "kill -9 between PDU and answer"),
)


def after_fault(
    modem: SimModem, daemon: Daemon, strike: Strike, count: int, patience_s: float
) -> dict[str, Value]:
    """Queue ``count`` texts, start, let it strike, and count what the phone shows when all is over or patience ends."""
    if strike.fault is not None:
        _arm(modem, strike.fault, count)
    daemon.put([numbered(number) for number in range(count)])
    began = time.monotonic()
    daemon.start()
    is_killed = strike.fault is not None
    quiet_since, seen = began, 0
    while (now := time.monotonic()) < began + patience_s:
        time.sleep(_POLL_S if is_killed else 0.002)
        daemon.mind(now)
        if not is_killed and _is_between_pdu_and_answer(modem, count // 2):
            daemon.kill()
            daemon.start()
            is_killed = True
        if len(modem.records()) != seen:
            seen, quiet_since = len(modem.records()), now
        if now - quiet_since > _SETTLED_S and daemon.queued() == 0:
            break
    return _counted(modem, daemon, strike, count, began)


def pin_tries(modem: SimModem, daemon: Daemon, seconds: float) -> int:
    """How many PINs a program has given to the card over three starts of ``seconds`` each."""
    daemon.put([numbered(0)])
    for _ in range(_STARTS):
        daemon.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            daemon.mind(time.monotonic())
        daemon.stop()
    return len(modem.commands("AT+CPIN="))


def _arm(modem: SimModem, fault: Mapping[str, Any], count: int) -> None:
    """At a third of the texts the network has the message when it strikes, at two thirds it has not."""
    own = {} if fault["kind"] == "lost_ok" else {"taken": True}
    modem.ask(do="fault", after=count // 3, **fault, **own)
    own = {} if fault["kind"] == "lost_ok" else {"taken": False}
    modem.ask(do="fault", after=2 * count // 3, **fault, **own)


def _is_between_pdu_and_answer(modem: SimModem, at: int) -> bool:
    events = Counter(record["ev"] for record in modem.records())
    return events["pdu"] > at and events["pdu"] > events["sms"]


def _counted(modem: SimModem, daemon: Daemon, strike: Strike, count: int, began: float) -> dict[str, Value]:
    shown, queued = Counter(modem.shown()), daemon.queued()
    unmarked = Counter(modem.shown(marked=False))
    arrivals = [record["t"] for record in modem.records() if record["ev"] == "msg"]
    found: dict[str, Value] = {
        f"{strike.key}_missing": max(0, count - len(shown) - queued),
        f"{strike.key}_waiting": queued,
        f"{strike.key}_told": daemon.told(),
        f"{strike.key}_repeated": sum(times - 1 for times in unmarked.values()),
        f"{strike.key}_marked": len(modem.shown(marked=True)),
        f"{strike.key}_s": arrivals[-1] - began if arrivals else None,
    }
    if strike.key == "unplug":
        found["back"] = _back_s(modem)
    return found


def _back_s(modem: SimModem) -> float | None:
    """The longest time from the port's being there again to the next AT+CMGS; None where none came."""
    plugged = [record["t"] for record in modem.records() if record["ev"] == "plugged"]
    commands = modem.commands("AT+CMGS")
    waits = [next((t - at for t in commands if t > at), None) for at in plugged]
    return None if None in waits or not waits else max(wait for wait in waits if wait is not None)
