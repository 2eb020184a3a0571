"""Small histories of matches: drawn by hypothesis, or written out row by row."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from soccer_assets.features.ratings import MatchLog

START = pd.Timestamp("2020-03-01T12:00Z")
HALF_HOUR = 1800
DELAY = 180 * 60
KEYS = ["match_id", "kickoff", "tournament_id", "sex", "home_team_id", "away_team_id"]


@dataclass(frozen=True)
class Row:
    """A match; ``score`` is None while it has no result."""

    match_id: int
    seconds: int
    tournament_id: int
    home: int
    away: int
    score: tuple[int, int] | None

    def without_result(self) -> "Row":
        return replace(self, score=None)


def frames(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What ``build_features`` takes: the finished matches and the fixtures, typed as in the lake."""
    table = pd.DataFrame(
        {
            "match_id": np.array([row.match_id for row in rows], dtype=np.int64),
            "kickoff": START + pd.to_timedelta([row.seconds for row in rows], unit="s"),
            "tournament_id": np.array([row.tournament_id for row in rows], dtype=np.int64),
            "sex": np.array([row.tournament_id % 2 for row in rows], dtype=np.int64),
            "home_team_id": np.array([row.home for row in rows], dtype=np.int64),
            "away_team_id": np.array([row.away for row in rows], dtype=np.int64),
        }
    )
    is_finished = np.array([row.score is not None for row in rows], dtype=bool)
    scores = [row.score for row in rows if row.score is not None]
    finished = table[is_finished].assign(
        home_score=np.array([home for home, _ in scores], dtype=np.int16),
        away_score=np.array([away for _, away in scores], dtype=np.int16),
    )
    return finished, table[~is_finished]


def log_of(rows: list[Row]) -> MatchLog:
    """The rows, in order of kick-off, as ``rate`` takes them; teams and leagues are codes."""
    columns = {
        "seconds": [row.seconds for row in rows],
        "home": [row.home for row in rows],
        "away": [row.away for row in rows],
        "league": [row.tournament_id for row in rows],
        "home_goals": [row.score[0] if row.score else -1 for row in rows],
        "away_goals": [row.score[1] if row.score else -1 for row in rows],
    }
    return MatchLog(**{name: np.array(values, np.int64) for name, values in columns.items()})


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.seconds, row.match_id))


scores = st.tuples(st.integers(0, 9), st.integers(0, 9))


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
            )
        )
    return rows
