"""Microseconds since the start that never wrap, of a counter that does."""

import time


class Ticks:
    """Ask oftener than the counter wraps: every eight minutes at least."""

    def __init__(self) -> None:
        self._last = time.ticks_us()
        self._passed = 0

    def now(self) -> int:
        ticks = time.ticks_us()
        self._passed += time.ticks_diff(ticks, self._last)
        self._last = ticks
        return self._passed
