"""When a country plays: first and last weekend, breaks, cup midweeks, kick-off times."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from soccer_assets.simulator.leagues.countries import Country
from soccer_assets.simulator.leagues.units import HOUR

Pattern = tuple[tuple[int, int, int], ...]

# (days from Saturday, hour, minute) in local time; a round of m matches takes the first m.
WEEKEND: Pattern = (
    *((0, 15, 0), (0, 17, 30), (1, 14, 0), (1, 16, 30), (-1, 20, 0)),
    *((0, 12, 30), (0, 15, 0), (2, 20, 0), (1, 14, 0), (0, 20, 0)),
)
WOMEN_WEEKEND: Pattern = (
    *((1, 12, 0), (1, 14, 0), (0, 13, 0), (1, 12, 30), (1, 15, 0), (0, 11, 30)),
)
LAST_ROUND: Pattern = ((1, 16, 0),)
# (days from Tuesday, hour, minute)
MIDWEEK: Pattern = ((0, 19, 0), (1, 19, 0), (0, 19, 45), (1, 20, 0), (0, 20, 30), (1, 18, 30))

#: How far into the season each cup round is played.
CUP_ROUND_SHARES = (0.12, 0.32, 0.53, 0.74, 0.93)


@dataclass(frozen=True)
class SeasonCalendar:
    """One country's season that begins in ``year``."""

    country: Country
    year: int

    @property
    def season_name(self) -> str:
        return str(self.year) if self.country.calendar_year else f"{self.year}/{self.year + 1}"

    @property
    def first_day(self) -> date:
        """The Saturday of the first round."""
        if self.country.calendar_year:
            earliest = date(self.year, 3, 3)
        else:
            earliest = date(self.year, 8, 5 + 7 * (self.country.id % 2))
        return earliest + timedelta(days=(5 - earliest.weekday()) % 7)

    @property
    def last_day(self) -> date:
        """The Saturday of the last round."""
        return self.first_day + timedelta(weeks=38 if self.country.calendar_year else 40)

    @property
    def published_at(self) -> int:
        """When the fixtures appear: after the previous season is decided."""
        moment = (self.year - 1, 12, 20) if self.country.calendar_year else (self.year, 6, 24)
        return int(datetime(*moment, 10, tzinfo=UTC).timestamp())

    @property
    def weekends(self) -> list[date]:
        """The Saturdays with league football."""
        weeks = (self.last_day - self.first_day).days // 7 + 1
        saturdays = [self.first_day + timedelta(weeks=k) for k in range(weeks)]
        return [saturday for saturday in saturdays if not self._is_break(saturday)]

    @property
    def cup_tuesdays(self) -> list[date]:
        """The Tuesday of each cup round's midweek."""
        weeks = (self.last_day - self.first_day).days // 7
        return [
            self.first_day + timedelta(days=3 + 7 * round(weeks * share))
            for share in CUP_ROUND_SHARES
        ]

    def kickoffs(
        self, pattern: Pattern, day: date, matches: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Local days and times of a round's matches, dealt out at random."""
        slots = np.array([pattern[i % len(pattern)] for i in range(matches)])
        slots = slots[rng.permutation(matches)]
        times = slots[:, 1] * HOUR + (slots[:, 2] + self.country.minutes_later) * 60
        return day.toordinal() + slots[:, 0], times

    def _is_break(self, saturday: date) -> bool:
        """No league football around this Saturday: internationals, or the winter break."""
        month, week = saturday.month, (saturday.day - 1) // 7
        if self.country.calendar_year:  # the June break comes one country after the other
            return month == 6 and week == self.country.id % 3
        winter = (month == 12 and saturday.day > 22) or (month == 1 and saturday.day < 13)
        international = (month, week) in {(9, 0), (10, 1), (11, 2), (3, 3)}
        return international or (self.country.winter_break and winter)
