"""The only place that reads a clock."""

import time
from zoneinfo import ZoneInfo

from tillbell_agent.moment import Moment


class Clock:
    """Monotonic seconds for timers, the shop's wall clock for what people read."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)

    def monotonic(self) -> float:
        return time.monotonic()

    def moment(self) -> Moment:
        return Moment.at(time.time(), self._zone)
