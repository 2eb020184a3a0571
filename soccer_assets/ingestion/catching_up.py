"""Which of the overdue days are asked for next, and when those that fail are asked for again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Self

#: How long a day is left alone that failed once, twice, ...; the last one from then on.
PAUSES = tuple(timedelta(hours=hours) for hours in (0.25, 1, 4, 12, 24))


@dataclass(frozen=True)
class Asked:
    """That a day was asked for, how often and when last."""

    times: int
    at: datetime

    @property
    def due(self) -> datetime:
        return self.at + PAUSES[min(self.times, len(PAUSES)) - 1]


@dataclass
class CatchUp:
    """Overdue days, asked for newest first in stretches of bounded length.

    A day that stays overdue although it was asked for gets growing pauses, so that one that the
    source refuses for ever neither holds the others up nor is asked for every minute; when none of
    a whole stretch came in, all of them wait for the shortest pause. Forgetting what was asked for
    does no harm.
    """

    asked: dict[date, Asked] = field(default_factory=dict)
    """Days that were asked for and are overdue all the same."""
    stretch: list[date] = field(default_factory=list)
    """Those that were asked for last."""

    def ask(self, overdue: Sequence[date], now: datetime, longest: int) -> list[date]:
        """The days to ask for now, newest first, no further apart than ``longest`` days and with
        none between them that is left alone; none if all of them are."""
        still = set(overdue)
        # What was asked for by a clock that was ahead would not be due for as long.
        self.asked = {d: asked for d, asked in self.asked.items() if d in still and asked.at <= now}
        in_vain = bool(self.stretch) and all(day in self.asked for day in self.stretch)
        if in_vain and now < max(self.asked[day].at for day in self.stretch) + PAUSES[0]:
            return []
        stretch: list[date] = []
        for day in overdue:
            waits = day in self.asked and now < self.asked[day].due
            if stretch and (waits or (stretch[0] - day).days >= longest):
                break
            if not waits:
                stretch.append(day)
        for day in stretch:
            times = self.asked[day].times if day in self.asked else 0
            self.asked[day] = Asked(times + 1, now)
        if stretch:
            self.stretch = stretch
        return stretch

    def to_json(self) -> str:
        return json.dumps(
            {
                "asked": {str(day): [a.times, a.at.isoformat()] for day, a in self.asked.items()},
                "stretch": [str(day) for day in self.stretch],
            }
        )

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        if not text:
            return cls()
        known = json.loads(text)
        return cls(
            {
                date.fromisoformat(day): Asked(times, datetime.fromisoformat(at))
                for day, (times, at) in known["asked"].items()
            },
            [date.fromisoformat(day) for day in known["stretch"]],
        )
