"""Every feature there is: its name, what it means, and what values it can have at all.

What is built, the contract on it and the data dictionary come from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from soccer_assets.features.params import FeatureParams

#: Groups of features, as the data dictionary has them.
ELO, PI, STRENGTH, FORM, TABLE, SEASON, LEAGUE, MARKET, KIND = (
    *("Elo", "pi-rating", "attack and defence", "form", "league table", "season"),
    *("competition", "market", "kind of match"),
)
RESULTS, CHANCES, ODDS, FEED = (
    *("results", "results; shots and corners where known", "odds of past matches"),
    "the feed",
)
_NOT_IN_TABLE = "no result of the team in this season is known"
_NO_ODDS = "of one of the teams no odds are known"
_FIRST_SEASON = "no season of the competition before this one is known"
_SIDES = {"home": "the home team", "away": "the away team"}
#: The largest logarithm of a rate that ratings can come to: they move by steps that surprises bound.
_LOG = 40.0


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
    source: str = RESULTS
    """What it is made of."""
    dtype: str = "float32"


def declared(params: FeatureParams) -> tuple[Feature, ...]:
    """The features that are built with these parameters, in the order of their columns."""
    groups = (
        _ratings(),
        _strengths(params),
        _table(),
        _season(),
        _league(),
        _market(params),
        _kind(),
    )
    return tuple(feature for group in groups for feature in group)


def _ratings() -> Iterator[Feature]:
    for side, team in _SIDES.items():
        yield Feature(f"elo_{side}", ELO, -4000, 8000, f"World Football Elo of {team}")
    yield Feature("elo_difference", ELO, -9000, 9000, "home less away, with the home advantage")
    for side, where in (("home", "at home"), ("away", "on the road")):
        yield Feature(f"pi_{side}", PI, -12, 12, f"pi-rating of {_SIDES[side]} {where}")
    yield Feature("pi_difference", PI, -24, 24, "home less away")


def _strengths(params: FeatureParams) -> Iterator[Feature]:
    for name, variant in params.strength.variants.items():
        source = CHANCES if variant.told_by == "chances" else RESULTS
        of = f"of the goals to be expected, filter `{name}`"
        yield Feature(f"supremacy_{name}", STRENGTH, -_LOG, _LOG, f"log ratio {of}", source=source)
        yield Feature(f"total_{name}", STRENGTH, -_LOG, _LOG, f"log product {of}", source=source)
    main = params.strength.main
    source = CHANCES if params.strength.variants[main].told_by == "chances" else RESULTS

    def of_main(name: str, low: float, high: float, meaning: str, group: str = STRENGTH) -> Feature:
        return Feature(name, group, low, high, f"{meaning}, filter `{main}`", source=source)

    for side, team in _SIDES.items():
        yield of_main(f"expected_goals_{side}", 0, 1e6, f"goals to be expected of {team}")
    for side, team in _SIDES.items():
        yield of_main(f"attack_{side}", -_LOG, _LOG, f"log attack of {team}")
        yield of_main(f"defence_{side}", -_LOG, _LOG, f"log defence of {team}")
    # Of two states with this variance each, the sum has four times as much at most.
    most = ceil(16 * params.strength.start_variance)
    yield of_main("uncertainty", 0, most, "variance of how much stronger one team is")
    yield of_main(
        "uncertainty_difference", -most, most, "variance of attack and defence, home less away"
    )
    yield of_main("home_advantage", -_LOG, _LOG, "log of the competition's home advantage")
    yield of_main("league_level", -_LOG, _LOG, "log of the competition's goals")
    yield of_main(
        "league_gap", -_LOG, _LOG, "level of the home team's league less that of the other's"
    )
    for side, team in _SIDES.items():
        for speed in ("fast", "slow"):
            yield of_main(
                f"form_{speed}_{side}",
                -3,
                3,
                f"by how much {team} has been better than expected of late, in standard deviations "
                f"of a goal difference, memory {getattr(params.strength, f'form_{speed}'):g}",
                FORM,
            )
    yield of_main(
        "steady_competition",
        0,
        1,
        "share of teams that come to the competition from a match in it",
        KIND,
    )
    for side, team in _SIDES.items():
        yield of_main(f"own_league_{side}", 0, 1, f"1 if this is the league of {team}", KIND)


def _table() -> Iterator[Feature]:
    for side, team in _SIDES.items():
        for name, low, high, meaning in (
            ("points_per_match", 0, 3, f"points a match of {team} this season"),
            ("goal_difference_per_match", -99, 99, f"goal difference a match of {team}"),
            ("rank", 0, 1, f"rank of {team}, 0 for the first, 1 for the last"),
            ("points_behind", 0, 3000, f"points from {team} to the first"),
        ):
            yield Feature(f"table_{name}_{side}", TABLE, low, high, meaning, _NOT_IN_TABLE)
        yield Feature(
            f"season_matches_{side}", SEASON, 0, 1000, f"matches of {team} known of this season"
        )


def _season() -> Iterator[Feature]:
    yield Feature(
        "season_progress",
        SEASON,
        0,
        1.5,
        "matches of the two teams this season, of those that a team had in the season before; at "
        "most 1.5",
        _FIRST_SEASON,
    )
    yield Feature(
        "season_length", SEASON, 0, 1000, "matches a team in the season before", _FIRST_SEASON
    )
    yield Feature("season_teams", SEASON, 0, 100_000, "teams in the table")


def _league() -> Iterator[Feature]:
    yield Feature("league_home_wins", LEAGUE, 0, 1, "share of home wins, fading with matches")
    yield Feature("league_draws", LEAGUE, 0, 1, "share of draws, fading with matches")
    yield Feature("league_goals", LEAGUE, 0, 198, "mean goals, fading with matches")
    yield Feature(
        "league_statistics",
        LEAGUE,
        0,
        1,
        "share of matches with shots and corners known, fading with matches",
        source=CHANCES,
    )
    yield Feature(
        "league_experience", LEAGUE, 0, 8, "log(1 + known matches of the competition, at most 2000)"
    )
    for side, team in _SIDES.items():
        yield Feature(
            f"{side}_experience", LEAGUE, 0, 6, f"log(1 + known matches of {team}, at most 200)"
        )


def _market(params: FeatureParams) -> Iterator[Feature]:
    if params.market.is_used:
        for name, low, high, meaning in (
            ("supremacy", -_LOG, _LOG, "ln(p_home / p_away) that past odds of both teams lead to"),
            ("draws", -_LOG, _LOG, "ln(p_draw / sqrt(p_home p_away)) that they lead to"),
            ("uncertainty", 0, ceil(2 * params.market.start_variance), "variance of the first"),
        ):
            yield Feature(f"market_{name}", MARKET, low, high, meaning, _NO_ODDS, ODDS)


def _kind() -> Iterator[Feature]:
    yield Feature("women", KIND, 0, 1, "1 for a match of women", source=FEED)
    yield Feature(
        "neutral_ground",
        KIND,
        0,
        1,
        "1 on neutral ground, 0 elsewhere and where the source does not say",
        source=FEED,
    )
