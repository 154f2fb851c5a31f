"""The REPL for whoever asked for it: from a fresh start, since what ran before leaves memory in pieces.

A file says that it is wanted, and is gone before anything else happens: the next start runs the application again. It counts
only for a reset: where the power went, whoever asked has to ask again.
"""

import os

try:
    import machine
except ImportError:  # an interpreter without a board
    machine = None  # type: ignore[assignment]

from tillbell_start import small_file

WATCHDOG_MS = 8000  # an RP2040's most is 8388
_FOR_MS, _FEED_MS = 600_000, 2000
_WANTED = "/repl"
_TIMERS = (-1, 0)  # RP2's is virtual, an ESP32 has its own


def ask(root: str) -> None:
    """The next start leads there. Raises OSError where the flash refuses."""
    small_file.write(root + _WANTED, b"1")


def is_wanted(root: str) -> bool:
    try:
        os.remove(root + _WANTED)
    except OSError:
        return False
    return not _had_no_power()


def stay() -> None:
    """For ten minutes: a laptop that was forgotten keeps no bridge from hearing. Nothing on a board without a watchdog."""
    if not hasattr(machine, "WDT"):
        return
    watchdog, fed = machine.WDT(timeout=WATCHDOG_MS), [0]

    def feed(_: object) -> None:
        fed[0] += _FEED_MS
        if fed[0] < _FOR_MS:
            watchdog.feed()

    for number in _TIMERS:
        try:
            _kept.append(machine.Timer(number, period=_FEED_MS, mode=machine.Timer.PERIODIC, callback=feed))
            return
        except (OSError, ValueError):
            pass  # this board has no timer of that number


def _had_no_power() -> bool:
    cause = getattr(machine, "reset_cause", None)
    return cause is not None and cause() == getattr(machine, "PWRON_RESET", None)


_kept = []  # type: list[object]  # what nobody holds is collected
