"""The whole truth about a match, past and to come. What of it is shown when is the view's part."""

from dataclasses import dataclass
from enum import IntEnum

from soccer_assets.simulator.leagues.clubs import Team
from soccer_assets.simulator.leagues.competitions import Stage
from soccer_assets.simulator.leagues.units import HOUR

FINAL_WHISTLE = 2 * HOUR  # after kick-off, extra time and penalties included


class Kind(IntEnum):
    """What becomes of a match."""

    NORMAL = 0
    POSTPONED = 1
    CORRECTED = 2
    CANCELLED = 3
    ABANDONED = 4
    AWARDED = 5


@dataclass(slots=True)
class Match:
    """Moments are seconds since 1970; ``score`` is that of 90 minutes."""

    id: int
    stage: Stage
    home: Team
    away: Team
    kickoff: int
    known_at: int
    """When the fixture first appears."""
    kind: Kind
    score: tuple[int, int]
    goal_minutes: tuple[list[int], list[int]]
    cards: list[int]
    """Yellow of home and away, red of home and away."""
    misreported: tuple[int, int] | None = None
    """What a corrected match's score was first given as."""
    extra_time: tuple[int, int] | None = None
    """The score after 120 minutes."""
    penalties: tuple[int, int] | None = None
    moved_to: int | None = None
    """A postponed match's new kick-off."""

    @property
    def result(self) -> tuple[int, int] | None:
        """The score that counts for the table, if any."""
        if self.kind in (Kind.CANCELLED, Kind.ABANDONED):
            return None
        return self.award if self.kind is Kind.AWARDED else self.score

    @property
    def award(self) -> tuple[int, int]:
        """The score given at the green table."""
        return (3, 0) if self.id % 2 else (0, 3)

    @property
    def abandoned_minute(self) -> int:
        return 30 + self.id % 45
