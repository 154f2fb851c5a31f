"""Times that a terminal tells without a year, or by the day of the year: completed by the moment at which they came."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# What is told has happened, so only a clock that is wrong makes it lie ahead; such clocks are days wrong, not months.
MOST_AHEAD: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PartialTime:
    """A terminal's local date and time without a year. ``month`` None: ``day`` is the day of the year, from 1."""

    month: int | None
    day: int
    hour: int
    minute: int
    second: int = 0

    def near(self, moment: datetime) -> datetime | None:
        """The latest that lies no more than ``MOST_AHEAD`` ahead of ``moment`` (local, its zone is dropped).

        A slip of 31 December that comes on 1 January is last year's; a terminal whose clock runs ahead over midnight
        is next year's. None where no year near it has such a day or time.
        """
        local = moment.replace(tzinfo=None)
        years = (local.year + 1, local.year, local.year - 1)
        found = (each for year in years if (each := self.in_year(year)) is not None)
        return next((each for each in found if each - local <= MOST_AHEAD), None)

    def in_year(self, year: int) -> datetime | None:
        """The one of that year; None where it has no such day or time."""
        try:
            if self.month is not None:
                return datetime(year, self.month, self.day, self.hour, self.minute, self.second)
            first = datetime(year, 1, 1, self.hour, self.minute, self.second)
        except ValueError:
            return None
        told = first + timedelta(days=self.day - 1)
        return told if told.year == year and self.day >= 1 else None
