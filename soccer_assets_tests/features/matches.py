"""Small histories of matches: drawn by hypothesis, or written out row by row."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from soccer_assets.features.build import SIDES
from soccer_assets.features.log import STATISTICS
from soccer_assets.features.odds import ODDS_COLUMNS

START = pd.Timestamp("2020-03-01T12:00Z")
HALF_HOUR = 1800
DELAY = 180 * 60


@dataclass(frozen=True)
class Row:
    """A match; ``score`` is None while it has no result."""

    match_id: int
    seconds: int
    tournament_id: int
    home: int
    away: int
    score: tuple[int, int] | None
    season: int = 1
    is_neutral: bool | None = None
    statistics: tuple[tuple[float, float], ...] | None = None
    """Home and away, of each of STATISTICS; None where the source has none."""
    odds: tuple[float, float, float] | None = None

    def without_result(self) -> "Row":
        return replace(self, score=None)


def frames(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What ``build_features`` takes: the finished matches and the fixtures, typed as in the lake."""
    table = pd.DataFrame(
        {
            "match_id": np.array([row.match_id for row in rows], dtype=np.int64),
            "kickoff": START + pd.to_timedelta([row.seconds for row in rows], unit="s"),
            "tournament_id": np.array([row.tournament_id for row in rows], dtype=np.int64),
            "season_id": np.array([row.season for row in rows], dtype=np.int64),
            "sex": np.array([row.tournament_id % 2 for row in rows], dtype=np.int64),
            "home_team_id": np.array([row.home for row in rows], dtype=np.int64),
            "away_team_id": np.array([row.away for row in rows], dtype=np.int64),
            "is_neutral": np.array(
                [np.nan if row.is_neutral is None else row.is_neutral for row in rows], np.float32
            ),
        }
    )
    is_finished = np.array([row.score is not None for row in rows], dtype=bool)
    scores = [row.score for row in rows if row.score is not None]
    finished = table[is_finished].assign(
        home_score=np.array([home for home, _ in scores], dtype=np.int16),
        away_score=np.array([away for _, away in scores], dtype=np.int16),
        **{
            f"{side}_{name}": np.array(
                [row.statistics[n][k] if row.statistics else np.nan for row in rows if row.score],
                dtype=np.float32,
            )
            for n, name in enumerate(STATISTICS)
            for k, side in enumerate(SIDES)
        },
        **{
            name: np.array(
                [row.odds[k] if row.odds else np.nan for row in rows if row.score], dtype=np.float32
            )
            for k, name in enumerate(ODDS_COLUMNS)
        },
    )
    return finished, table[~is_finished]


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.seconds, row.match_id))


scores = st.tuples(st.integers(0, 9), st.integers(0, 9))
statistics = st.tuples(*[st.tuples(st.integers(0, 30), st.integers(0, 30)) for _ in STATISTICS])
odds = st.tuples(*[st.sampled_from([1.1, 1.9, 2.5, 3.5, 9.0])] * 3).filter(
    lambda three: sum(1 / one for one in three) > 0.9
)


@st.composite
def histories(draw: st.DrawFn, min_size: int = 0, max_size: int = 24, teams: int = 5) -> list[Row]:
    """Up to ``max_size`` matches at half hours of three days, so that many share a kick-off and
    many follow another within the result delay; some without a result."""
    ids = draw(st.lists(st.integers(1, 10_000), min_size=min_size, max_size=max_size, unique=True))
    rows = []
    for match_id in ids:
        home = draw(st.integers(0, teams - 1))
        rows.append(
            Row(
                match_id,
                draw(st.integers(0, 144)) * HALF_HOUR,
                draw(st.integers(0, 2)),
                home,
                (home + draw(st.integers(1, teams - 1))) % teams,
                draw(st.one_of(scores, scores, scores, st.none())),
                season=draw(st.integers(1, 2)),
                is_neutral=draw(st.sampled_from([None, None, False, True])),
                statistics=draw(st.none() | statistics),
                odds=draw(st.none() | odds),
            )
        )
    return rows
