"""The one feature function: training and serving both call it, on one history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import FloatArray
from soccer_assets.features.elo import Elo
from soccer_assets.features.league import League
from soccer_assets.features.log import STATISTICS, match_log
from soccer_assets.features.market import Market
from soccer_assets.features.odds import ODDS_COLUMNS
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.pi import Pi
from soccer_assets.features.rating import Memory, Rating
from soccer_assets.features.state_space import READ, StateSpace
from soccer_assets.features.table import LeagueTable
from soccer_assets.features.walk import BEGINNING, walk

KEY_COLUMNS = ["match_id", "kickoff", "tournament_id", "sex", "is_finished"]
SIDES = ("home", "away")
#: Columns of the history: what every match has, and what a source may know of one that is over.
MATCH_COLUMNS = [
    *("match_id", "kickoff", "tournament_id", "season_id", "sex"),
    *("home_team_id", "away_team_id", "is_neutral"),
]
RESULT_COLUMNS = [
    *("home_score", "away_score"),
    *(f"{side}_{name}" for name in STATISTICS for side in SIDES),
]
#: Counts beyond these tell nothing more, and one that only grows would drift by its nature.
MOST_KNOWN = {"league": 2000.0, "home": 200.0, "away": 200.0}
LONGEST_SEASON = 1.5


@dataclass(frozen=True, eq=False)
class Built:
    """Features, and what was known at some moments on the way to them."""

    features: pd.DataFrame
    memories: dict[int, Memory]


def build_features(
    finished: pd.DataFrame, fixtures: pd.DataFrame, params: FeatureParams
) -> pd.DataFrame:
    """Features of every match as known at its kick-off.

    A result counts from ``params.result_delay_minutes`` after its own kick-off, so no feature sees
    a result that was not known when the match it describes began.

    Args:
        finished: MATCH_COLUMNS and ``result_columns(params)``; kick-offs UTC, scores of 90 minutes,
            not null; the ground, statistics and odds NaN where unknown.
        fixtures: MATCH_COLUMNS.

    Returns:
        One row a match, sorted by kick-off and id: KEY_COLUMNS, then float32 features (NaN where
        ``registry`` says what that means).
    """
    return build_on(finished, fixtures, params).features


def build_on(
    finished: pd.DataFrame,
    fixtures: pd.DataFrame,
    params: FeatureParams,
    *,
    memory: Memory | None = None,
    since: int = BEGINNING,
    remember: Sequence[int] = (),
) -> Built:
    """``build_features`` of the matches that kick off at ``since`` or later.

    Args:
        memory: what was known at ``since``, seconds since 1970.
        finished: from ``since`` less the result delay on, at least.
        remember: moments, rising, at which to keep what is known.
    """
    frame = in_order(finished[[*MATCH_COLUMNS, *result_columns(params)]], fixtures)
    log = match_log(frame, params.chances, memory.ids if memory else None)
    ratings = ratings_of(params)
    walked = walk(
        log,
        ratings,
        params.result_delay_minutes * 60,
        memory=memory,
        since=since,
        remember=remember,
    )
    asked = log.seconds >= since
    columns = {
        f"{rating.name} {name}": column[asked]
        for rating in ratings
        for name, column in zip(rating.columns, walked.read[rating.name].T, strict=True)
    }
    parts = dict(_features(columns, params))
    parts["women"] = frame["sex"].to_numpy()[asked]
    parts["neutral_ground"] = log.is_neutral[asked]
    features = pd.DataFrame({name: np.asarray(v, np.float32) for name, v in parts.items()})
    keys = frame.loc[asked, KEY_COLUMNS].reset_index(drop=True)
    return Built(pd.concat([keys, features], axis=1), walked.memories)


def feature_names(frame: pd.DataFrame) -> list[str]:
    """The feature columns of what ``build_features`` returned."""
    return [column for column in frame.columns if column not in KEY_COLUMNS]


def ratings_of(params: FeatureParams) -> tuple[Rating, ...]:
    """Every system that features are made of."""
    strengths = (
        StateSpace(name, params.strength, variant)
        for name, variant in params.strength.variants.items()
    )
    return (
        Elo(params.ratings),
        Pi(params.ratings),
        *strengths,
        LeagueTable(),
        League(params.league),
        *([Market(params.market)] if params.market.is_used else []),
    )


def result_columns(params: FeatureParams) -> list[str]:
    """Those of RESULT_COLUMNS, and the odds if they are used."""
    return [*RESULT_COLUMNS, *(ODDS_COLUMNS if params.market.is_used else [])]


def in_order(finished: pd.DataFrame, fixtures: pd.DataFrame) -> pd.DataFrame:
    """Both, by kick-off and id; raises ``ValueError`` if a match is there twice."""
    frame = pd.concat(
        [
            finished.assign(is_finished=True),
            fixtures[MATCH_COLUMNS].assign(is_finished=False),
        ],
        ignore_index=True,
    )
    if frame["match_id"].duplicated().any():
        twice = frame.loc[frame["match_id"].duplicated(), "match_id"].head().tolist()
        raise ValueError(f"matches twice among finished and fixtures: {twice}")
    return frame.sort_values(["kickoff", "match_id"], ignore_index=True)


def _features(
    read: dict[str, FloatArray], params: FeatureParams
) -> Iterator[tuple[str, FloatArray]]:
    for side in SIDES:
        yield f"elo_{side}", read[f"elo elo_{side}"]
    yield (
        "elo_difference",
        read["elo elo_home"] + params.ratings.elo_home_advantage - read["elo elo_away"],
    )
    for side in SIDES:
        yield f"pi_{side}", read[f"pi pi_{side}"]
    yield "pi_difference", read["pi pi_home"] - read["pi pi_away"]
    yield from _strengths(read, params)
    yield from _standings(read)
    if params.market.is_used:
        for name in Market.columns:
            yield name, read[f"market {name}"]


def _strengths(
    read: dict[str, FloatArray], params: FeatureParams
) -> Iterator[tuple[str, FloatArray]]:
    for name in params.strength.variants:
        home, away = read[f"{name} log_rate_home"], read[f"{name} log_rate_away"]
        yield f"supremacy_{name}", home - away
        yield f"total_{name}", home + away
    main = {column: read[f"{params.strength.main} {column}"] for column in READ}
    for side in SIDES:
        yield f"expected_goals_{side}", np.exp(main[f"log_rate_{side}"])
    for side in SIDES:
        yield f"attack_{side}", main[f"attack_{side}"]
        yield f"defence_{side}", main[f"defence_{side}"]
    yield "uncertainty", main["variance"]
    yield "uncertainty_difference", main["variance_home"] - main["variance_away"]
    yield "home_advantage", main["home_advantage"]
    yield "league_level", main["level"]
    yield "league_gap", main["league_gap"]
    for side in SIDES:
        yield f"form_fast_{side}", main[f"form_fast_{side}"]
        yield f"form_slow_{side}", main[f"form_slow_{side}"]
    yield "steady_competition", main["steady"]
    for side in SIDES:
        yield f"own_league_{side}", main[f"own_league_{side}"]


def _standings(read: dict[str, FloatArray]) -> Iterator[tuple[str, FloatArray]]:
    for side in SIDES:
        for what in ("points_per_match", "goal_difference_per_match", "rank", "points_behind"):
            yield f"table_{what}_{side}", read[f"table {side}_{what}"]
        yield f"season_matches_{side}", read[f"table {side}_played"]
    length = read["table season_length"]
    yield (
        "season_progress",
        np.minimum(read["table season_matches"] / length, LONGEST_SEASON),
    )
    yield "season_length", length
    yield "season_teams", read["table season_teams"]
    for name in ("home_wins", "draws", "goals", "statistics"):
        yield f"league_{name}", read[f"league league_{name}"]
    for what, most in MOST_KNOWN.items():
        known = read[f"league {what}_known_matches"]
        yield f"{what}_experience", np.log1p(np.minimum(known, most))
