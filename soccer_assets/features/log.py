"""Matches as arrays, in order of kick-off."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import AnyArray, BoolArray, FloatArray, IntArray
from soccer_assets.features.odds import ODDS_COLUMNS, margin_free
from soccer_assets.features.params import ChancesParams

DAY_SECONDS = 86_400.0
#: What ratings can know something of. An edition is one season of a competition, a place is where one
#: team stands in it.
TEAM, COMPETITION, SEASON, EDITION, PLACE = ("team", "competition", "season", "edition", "place")
#: What a match may tell beside its goals.
STATISTICS = ("shots", "shots_on_target", "corners")

Ids = dict[str, IntArray]


@dataclass(frozen=True, eq=False)
class MatchLog:
    """Arrays of one length; teams and the like are codes from 0."""

    seconds: IntArray
    """Kick-off, since 1970."""
    days: FloatArray
    """The same in days."""
    home: IntArray
    away: IntArray
    competition: IntArray
    edition: IntArray
    home_place: IntArray
    away_place: IntArray
    is_neutral: FloatArray
    """1 on neutral ground, 0 elsewhere and where the source does not say."""
    home_goals: FloatArray
    """NaN without a result."""
    away_goals: FloatArray
    home_chances: FloatArray
    """What was created rather than scored, in goals; the goals where a source has no statistics."""
    away_chances: FloatArray
    has_statistics: FloatArray
    """1 where chances are more than the goals, else 0."""
    market_supremacy: FloatArray
    """What the odds say of home against away win, ln(p_home / p_away); NaN without odds."""
    market_draws: FloatArray
    """What they say of a draw, ln(p_draw / sqrt(p_home p_away)); NaN without odds."""
    ids: Ids
    """Kind -> the id behind each code, in the order in which results first name them; then those
    that only fixtures name."""

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def played(self) -> BoolArray:
        return ~np.isnan(self.home_goals)


def match_log(frame: pd.DataFrame, chances: ChancesParams, known: Ids | None = None) -> MatchLog:
    """Arrays of matches that are in order of kick-off and id.

    Args:
        frame: ``kickoff (UTC), tournament_id, season_id, home_team_id, away_team_id, is_neutral,
            home_score, away_score`` (NaN without a result) and a column ``home_..., away_...`` of
            each of STATISTICS, NaN where unknown.
            Decimal ODDS_COLUMNS, NaN where unknown, may be there.
        chances: what a shot is worth.
        known: ids that have a code already.
    """
    codes = _Codes(known or {}, ~np.isnan(frame["home_score"].to_numpy(np.float64)))
    home, away = codes.of(TEAM, frame["home_team_id"].to_numpy(), frame["away_team_id"].to_numpy())
    (competition,) = codes.of(COMPETITION, frame["tournament_id"].to_numpy())
    # A season's id is taken for unique within its competition only.
    (season,) = codes.of(SEASON, frame["season_id"].to_numpy())
    (edition,) = codes.of(EDITION, _pair(competition, season))
    home_place, away_place = codes.of(PLACE, _pair(edition, home), _pair(edition, away))
    seconds = frame["kickoff"].to_numpy("datetime64[s]").astype(np.int64)
    home_chances, away_chances = (_chances(frame, side, chances) for side in ("home", "away"))
    has_statistics = ~np.isnan(home_chances + away_chances)
    home_goals, away_goals = (
        frame[f"{side}_score"].to_numpy(np.float64) for side in ("home", "away")
    )
    market_supremacy, market_draws = _market(frame)
    return MatchLog(
        seconds=seconds,
        days=seconds / DAY_SECONDS,
        home=home,
        away=away,
        competition=competition,
        edition=edition,
        home_place=home_place,
        away_place=away_place,
        is_neutral=np.nan_to_num(frame["is_neutral"].to_numpy(np.float64)),
        home_goals=home_goals,
        away_goals=away_goals,
        home_chances=np.where(has_statistics, home_chances, home_goals),
        away_chances=np.where(has_statistics, away_chances, away_goals),
        has_statistics=has_statistics.astype(np.float64),
        market_supremacy=market_supremacy,
        market_draws=market_draws,
        ids=codes.ids,
    )


class _Codes:
    """Numbers things in the order in which results first name them, so that the numbers do not depend
    on what is not played yet."""

    def __init__(self, known: Ids, played: BoolArray) -> None:
        self._known = known
        self._played = played
        self.ids: Ids = {}

    def of(self, kind: str, *ids: AnyArray) -> list[IntArray]:
        table = np.stack(ids, axis=1).astype(np.int64)
        before = self._known.get(kind, np.empty(0, np.int64))
        named = table[self._played].ravel()
        codes, unique = pd.factorize(np.concatenate([before, named, table[~self._played].ravel()]))
        self.ids[kind] = np.asarray(unique, np.int64)
        found = np.empty_like(table)
        middle = len(before) + len(named)
        found[self._played] = codes[len(before) : middle].reshape(-1, len(ids))
        found[~self._played] = codes[middle:].reshape(-1, len(ids))
        return [np.ascontiguousarray(column) for column in found.T]


def _pair(first: IntArray, second: IntArray) -> IntArray:
    """One number for two codes, each of them below 2**31."""
    return first << 32 | second


def _chances(frame: pd.DataFrame, side: str, params: ChancesParams) -> FloatArray:
    """NaN unless all of it is known."""
    blend = params.goals * frame[f"{side}_score"].to_numpy(np.float64)
    for name in STATISTICS:
        blend += getattr(params, name) * frame[f"{side}_{name}"].to_numpy(np.float64)
    return blend


def _market(frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    if not set(ODDS_COLUMNS) <= set(frame.columns):
        return np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    home, draw, away = np.log(margin_free(frame[ODDS_COLUMNS].to_numpy(np.float64))).T
    return home - away, draw - (home + away) / 2
