"""The one feature function: training and serving both call it, on one history."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from soccer_assets.features.params import FeatureParams
from soccer_assets.features.ratings import MatchLog, rate
from soccer_assets.features.windows import Floats, Ints, Lookback, look_back, seconds_of

KEY_COLUMNS = ["match_id", "kickoff", "tournament_id", "sex", "is_finished"]
#: League averages before a league has a history: home wins, draws, goals a match.
LEAGUE_PRIOR = {"home_wins": 0.45, "draws": 0.26, "goals": 2.65}
MAX_REST_DAYS = 30.0
#: Matches after which one more adds nothing to know a team by.
EXPERIENCED = 50


def build_features(
    finished: pd.DataFrame, fixtures: pd.DataFrame, params: FeatureParams
) -> pd.DataFrame:
    """Features of every match as known at its kick-off.

    A result counts from ``params.result_delay_minutes`` after its own kick-off, so no feature sees
    a result that was not known when the match it describes began.

    Args:
        finished: ``match_id, kickoff (UTC), tournament_id, sex, home_team_id, away_team_id,
            home_score, away_score``; 90-minute scores, not null.
        fixtures: the same without scores.

    Returns:
        One row a match, sorted by kick-off and id: KEY_COLUMNS, then float32 features (NaN where a
        team has no history).
    """
    frame = _in_order(finished, fixtures)
    log = _match_log(frame)
    delay = params.result_delay_minutes * 60
    ratings = rate(log, params.ratings, delay)
    parts = {name: ratings[name].to_numpy() for name in ratings.columns}
    parts.update(_team_features(log, params, delay))
    parts.update(_league_features(log, params, delay))
    parts["women"] = frame["sex"].to_numpy()
    features = pd.DataFrame({name: np.asarray(v, np.float32) for name, v in parts.items()})
    return pd.concat([frame[KEY_COLUMNS], features], axis=1)


def feature_names(frame: pd.DataFrame) -> list[str]:
    """The feature columns of what ``build_features`` returned."""
    return [column for column in frame.columns if column not in KEY_COLUMNS]


def _in_order(finished: pd.DataFrame, fixtures: pd.DataFrame) -> pd.DataFrame:
    columns = ["match_id", "kickoff", "tournament_id", "sex", "home_team_id", "away_team_id"]
    frame = pd.concat(
        [
            finished[[*columns, "home_score", "away_score"]].assign(is_finished=True),
            fixtures[columns].assign(home_score=-1, away_score=-1, is_finished=False),
        ],
        ignore_index=True,
    )
    if frame["match_id"].duplicated().any():
        twice = frame.loc[frame["match_id"].duplicated(), "match_id"].head().tolist()
        raise ValueError(f"matches twice among finished and fixtures: {twice}")
    return frame.sort_values(["kickoff", "match_id"], ignore_index=True)


def _match_log(frame: pd.DataFrame) -> MatchLog:
    teams, _ = pd.factorize(pd.concat([frame["home_team_id"], frame["away_team_id"]]))
    leagues, _ = pd.factorize(frame["tournament_id"])
    return MatchLog(
        seconds=seconds_of(frame["kickoff"]),
        home=teams[: len(frame)].astype(np.int64),
        away=teams[len(frame) :].astype(np.int64),
        league=leagues.astype(np.int64),
        home_goals=frame["home_score"].to_numpy(np.int64),
        away_goals=frame["away_score"].to_numpy(np.int64),
    )


def _team_features(
    log: MatchLog, params: FeatureParams, delay: int
) -> Iterator[tuple[str, Floats]]:
    """Form over the last matches, at any venue and at this one; rest; experience.

    Of a team's matches that kick off at one moment, those at home count as the earlier.
    """
    played = log.played
    event_team = np.concatenate([log.home[played], log.away[played]])
    event_seconds = np.tile(log.seconds[played], 2)
    scored = np.concatenate([log.home_goals[played], log.away_goals[played]]).astype(float)
    conceded = np.concatenate([log.away_goals[played], log.home_goals[played]]).astype(float)
    points = np.where(scored > conceded, 3.0, np.where(scored == conceded, 1.0, 0.0))
    values = {"points": points, "scored": scored, "conceded": conceded}
    at_home = np.repeat([0, 1], played.sum())
    cutoff = log.seconds - delay

    for side, team, venue in (("home", log.home, 0), ("away", log.away, 1)):
        anywhere = look_back(event_team, event_seconds, team, cutoff)
        for window in params.form_windows:
            yield from _means(anywhere.within(window), values, f"{side}_{{}}_last{window}")
        here = look_back(event_team * 2 + at_home, event_seconds, team * 2 + venue, cutoff)
        yield from _means(
            here.within(params.venue_window), values, f"{side}_{{}}_venue{params.venue_window}"
        )
        # Capped, because a count that only grows would drift by its nature.
        yield f"{side}_experience", np.log1p(np.minimum(anywhere.counts, EXPERIENCED))
        rest = (log.seconds - anywhere.latest(event_seconds.astype(float))) / 86_400
        yield f"{side}_rest_days", np.minimum(rest, MAX_REST_DAYS)


def _means(
    lookback: Lookback, values: dict[str, Floats], name: str
) -> Iterator[tuple[str, Floats]]:
    for what, series in values.items():
        yield name.format(what), lookback.means(series)


def _league_features(
    log: MatchLog, params: FeatureParams, delay: int
) -> Iterator[tuple[str, Floats]]:
    """The league's recent averages, shrunk towards LEAGUE_PRIOR while it has few matches."""
    played = log.played
    home_goals, away_goals = log.home_goals[played], log.away_goals[played]
    values = {
        "home_wins": (home_goals > away_goals).astype(float),
        "draws": (home_goals == away_goals).astype(float),
        "goals": (home_goals + away_goals).astype(float),
    }
    seconds: Ints = log.seconds[played]
    recent = look_back(log.league[played], seconds, log.league, log.seconds - delay).within(
        params.league_window
    )
    weight = params.league_prior_matches
    for name, series in values.items():
        shrunk = recent.sums(series) + weight * LEAGUE_PRIOR[name]
        yield f"league_{name}", shrunk / np.maximum(recent.counts + weight, 1e-9)
