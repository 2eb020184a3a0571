"""Where teams stand in their league's table, and how far the season has come.

Three points a win. The table is that of the results known at the kick-off; a team that has none of
this season is not in it.
"""

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.compiled import compiled
from soccer_assets.features.log import COMPETITION, EDITION, PLACE, MatchLog
from soccer_assets.features.rating import State

# A place's row; ``NEXT`` is the code of another place in the same table, -1 for none.
POINTS, DIFFERENCE, PLAYED, NEXT = range(4)
# An edition's row. ``FIRST`` is the code of the place that came last into its table.
FIRST, TEAMS, MATCHES = range(3)
# A competition's row: its latest edition, how many matches a team of the one before had.
LATEST, LENGTH = range(2)

_OF_A_TEAM = ("points_per_match", "goal_difference_per_match", "rank", "points_behind", "played")


class LeagueTable:
    """Of both teams, and of the season."""

    name = "table"
    columns = (
        *(f"{side}_{what}" for side in ("home", "away") for what in _OF_A_TEAM),
        *("season_matches", "season_length", "season_teams"),
    )

    def __init__(self) -> None:
        self.fresh: State = {
            PLACE: np.array([0.0, 0.0, 0.0, -1.0]),
            EDITION: np.array([-1.0, 0.0, 0.0]),
            COMPETITION: np.array([-1.0, np.nan]),
        }

    def walk(self, log: MatchLog, moments: IntArray, state: State, out: FloatArray) -> None:
        """See ``Rating``."""
        _walk(
            moments,
            log.home_place,
            log.away_place,
            log.edition,
            log.competition,
            log.home_goals,
            log.away_goals,
            state[PLACE],
            state[EDITION],
            state[COMPETITION],
            out,
        )


@compiled
def _walk(
    moments: IntArray,
    home: IntArray,
    away: IntArray,
    edition: IntArray,
    competition: IntArray,
    home_goals: FloatArray,
    away_goals: FloatArray,
    places: FloatArray,
    editions: FloatArray,
    comps: FloatArray,
    out: FloatArray,
) -> None:
    for moment in moments:
        i = moment if moment >= 0 else ~moment
        h, a, e, c = home[i], away[i], edition[i], competition[i]
        if moment >= 0:
            for first, place in ((0, h), (5, a)):
                per_match, difference, rank, behind = _stand(
                    places, place, editions[e, FIRST], editions[e, TEAMS]
                )
                out[i, first], out[i, first + 1] = per_match, difference
                out[i, first + 2], out[i, first + 3] = rank, behind
                out[i, first + 4] = places[place, PLAYED]
            out[i, 10] = 0.5 * (places[h, PLAYED] + places[a, PLAYED])
            out[i, 11] = comps[c, LENGTH]
            out[i, 12] = editions[e, TEAMS]
            continue
        if comps[c, LATEST] != e:
            before = int(comps[c, LATEST])
            if before >= 0:
                comps[c, LENGTH] = 2.0 * editions[before, MATCHES] / editions[before, TEAMS]
            comps[c, LATEST] = e
        for place in (h, a):
            if places[place, PLAYED] == 0.0:
                places[place, NEXT] = editions[e, FIRST]
                editions[e, FIRST] = place
                editions[e, TEAMS] += 1.0
            places[place, PLAYED] += 1.0
        editions[e, MATCHES] += 1.0
        margin = home_goals[i] - away_goals[i]
        places[h, DIFFERENCE] += margin
        places[a, DIFFERENCE] -= margin
        places[h, POINTS] += 3.0 if margin > 0 else 1.0 if margin == 0 else 0.0
        places[a, POINTS] += 3.0 if margin < 0 else 1.0 if margin == 0 else 0.0


@compiled
def _stand(
    places: FloatArray,
    place: int,
    first: float,
    teams: float,
) -> tuple[float, float, float, float]:
    """Points and goal difference a match, rank from 0 (first) to 1 (last), points behind the first;
    NaN of a team that is not in the table."""
    played = places[place, PLAYED]
    if played == 0.0:
        return np.nan, np.nan, np.nan, np.nan
    better, most = 0.0, 0.0
    other = int(first)
    while other >= 0:
        points = places[other, POINTS]
        most = max(most, points)
        ahead = points - places[place, POINTS]
        if ahead > 0 or (ahead == 0 and places[other, DIFFERENCE] > places[place, DIFFERENCE]):
            better += 1.0
        other = int(places[other, NEXT])
    return (
        places[place, POINTS] / played,
        places[place, DIFFERENCE] / played,
        better / max(teams - 1.0, 1.0),
        most - places[place, POINTS],
    )
