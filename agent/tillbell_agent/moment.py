"""A point in time as the agent needs it: Unix seconds where the clock can be trusted, and the shop's local day."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

# The first second of the payload's time scale. A board without a clock battery starts far below it.
EARLIEST_TRUSTED = 1_735_689_600


@dataclass(frozen=True, slots=True)
class Moment:
    """``unix``: seconds as the system clock has them. ``local``: the same in the shop's zone.

    ``is_known`` False: something was heard before this, and nobody knows when.
    """

    unix: int
    local: datetime
    is_known: bool = True

    @classmethod
    def at(cls, unix: float, zone: tzinfo) -> "Moment":
        """``unix`` in seconds, ``zone`` the shop's."""
        return cls(int(unix), datetime.fromtimestamp(int(unix), UTC).astimezone(zone))

    @property
    def trusted(self) -> bool:
        """False on a board whose clock was never set, and where nobody knows when: the time is then told as unknown."""
        return self.is_known and self.clock_is_set

    @property
    def clock_is_set(self) -> bool:
        """The year can be told by it."""
        return self.unix >= EARLIEST_TRUSTED

    def before(self, seconds: float) -> "Moment":
        """So much earlier, by the same clock."""
        earlier = timedelta(seconds=int(seconds))
        local = (self.local.astimezone(UTC) - earlier).astimezone(self.local.tzinfo)
        return replace(self, unix=self.unix - int(seconds), local=local)

    def unknown(self) -> "Moment":
        """At some time before."""
        return replace(self, is_known=False)

    @property
    def day(self) -> date:
        """The shop's calendar day, which daily totals count by."""
        return self.local.date()


def earliest(*times: float | None) -> float | None:
    """The first of some deadlines, None standing for one that there is not."""
    return min((time for time in times if time is not None), default=None)
