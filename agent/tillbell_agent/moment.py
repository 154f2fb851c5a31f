"""A point in time as the agent needs it: Unix seconds where the clock can be trusted, and the shop's local day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

# The first second of the payload's time scale. A board without a clock battery starts far below it.
EARLIEST_TRUSTED = 1_735_689_600


@dataclass(frozen=True, slots=True)
class Moment:
    """``unix``: seconds as the system clock has them. ``local``: the same in the shop's zone."""

    unix: int
    local: datetime

    @classmethod
    def at(cls, unix: float, zone: tzinfo) -> "Moment":
        """``unix`` in seconds, ``zone`` the shop's."""
        return cls(int(unix), datetime.fromtimestamp(int(unix), UTC).astimezone(zone))

    @property
    def trusted(self) -> bool:
        """False on a board whose clock was never set: its time is then told as unknown."""
        return self.unix >= EARLIEST_TRUSTED

    @property
    def day(self) -> date:
        """The shop's calendar day, which daily totals count by."""
        return self.local.date()


def earliest(*times: float | None) -> float | None:
    """The first of some deadlines, None standing for one that there is not."""
    return min((time for time in times if time is not None), default=None)
