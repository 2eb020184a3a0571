"""Every feature there is: its name, what it means, and what values it can have at all.

What is built, the contract on it and the data dictionary come from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from soccer_assets.features.params import FeatureParams

#: Groups of features, as the data dictionary has them.
ELO, PI, GOALS, FORM, CALENDAR, LEAGUE, KIND = (
    *("Elo", "pi-rating", "goals ratings"),
    *("form", "calendar", "league", "kind of match"),
)
_NO_HISTORY = "no result of the team is known"
_RESULTS = "results"
_SIDES = {"home": "the home team", "away": "the away team"}


@dataclass(frozen=True)
class Feature:
    """One column of the features."""

    name: str
    group: str
    low: float
    """The smallest value that is possible at all; one below is a fault, not an outlier."""
    high: float
    """The largest."""
    meaning: str
    null: str = ""
    """What it means that there is no value; empty where there always is one."""
    source: str = _RESULTS
    """What it is made of."""
    dtype: str = "float32"


def declared(params: FeatureParams) -> tuple[Feature, ...]:
    """The features that are built with these parameters, in the order of their columns."""
    return (*_ratings(), *_team_features(params), *_league_features(params), *_kind())


def _ratings() -> Iterator[Feature]:
    for side, team in _SIDES.items():
        yield Feature(f"elo_{side}", ELO, 0, 4000, f"World Football Elo of {team}")
    yield Feature("elo_difference", ELO, -3000, 3000, "home less away, with the home advantage")
    for side, where in (("home", "at home"), ("away", "on the road")):
        yield Feature(f"pi_{side}", PI, -12, 12, f"pi-rating of {_SIDES[side]} {where}")
    yield Feature("pi_difference", PI, -12, 12, "home less away")
    for side, team in _SIDES.items():
        yield Feature(
            f"goals_expected_{side}", GOALS, 0, 7.5, f"goals of {team}, by attack and defence"
        )
    yield Feature("goals_expected_difference", GOALS, -7.5, 7.5, "home less away")


def _team_features(params: FeatureParams) -> Iterator[Feature]:
    for side, team in _SIDES.items():
        windows = [
            *((f"last{n}", f"last {n} matches") for n in params.form_windows),
            (
                f"venue{params.venue_window}",
                f"last {params.venue_window} matches {'at home' if side == 'home' else 'away'}",
            ),
        ]
        for suffix, matches in windows:
            for what, high in (("points", 3), ("scored", 99), ("conceded", 99)):
                words = {"points": "points", "scored": "goals scored", "conceded": "goals conceded"}
                yield Feature(
                    f"{side}_{what}_{suffix}",
                    FORM,
                    0,
                    high,
                    f"mean {words[what]} of {team} in its {matches}",
                    _NO_HISTORY,
                )
        yield Feature(
            f"{side}_experience",
            CALENDAR,
            0,
            4,
            f"log(1 + known matches of {team}, at most 50)",
        )
        yield Feature(
            f"{side}_rest_days",
            CALENDAR,
            0,
            30,
            f"days since the last known match of {team}, at most 30",
            _NO_HISTORY,
        )


def _league_features(params: FeatureParams) -> Iterator[Feature]:
    of = f"in the last {params.league_window} matches of the competition, drawn to a prior"
    yield Feature("league_home_wins", LEAGUE, 0, 1, f"share of home wins {of}")
    yield Feature("league_draws", LEAGUE, 0, 1, f"share of draws {of}")
    yield Feature("league_goals", LEAGUE, 0, 198, f"mean goals {of}")


def _kind() -> Iterator[Feature]:
    yield Feature("women", KIND, 0, 1, "1 for a match of women", source="the feed")
