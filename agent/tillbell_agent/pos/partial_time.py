"""Times that a terminal tells without a year, or by the day of the year: completed by the moment at which they came."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PartialTime:
    """A terminal's local date and time without a year. ``month`` None: ``day`` is the day of the year, from 1."""

    month: int | None
    day: int
    hour: int
    minute: int
    second: int = 0

    def near(self, moment: datetime) -> datetime | None:
        """The one nearest to ``moment`` (local, its zone is dropped); None where no year near it has such a day or time.

        A slip of 31 December that comes on 1 January is last year's; a terminal whose clock runs ahead over midnight
        is next year's.
        """
        local = moment.replace(tzinfo=None)
        years = (local.year - 1, local.year, local.year + 1)
        found = [each for year in years if (each := self._in(year)) is not None]
        return min(found, key=lambda each: abs(each - local), default=None)

    def _in(self, year: int) -> datetime | None:
        try:
            if self.month is not None:
                return datetime(year, self.month, self.day, self.hour, self.minute, self.second)
            first = datetime(year, 1, 1, self.hour, self.minute, self.second)
        except ValueError:
            return None
        told = first + timedelta(days=self.day - 1)
        return told if told.year == year and self.day >= 1 else None
