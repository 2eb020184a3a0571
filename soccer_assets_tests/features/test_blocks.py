"""A league's block of states stays a normal distribution, whoever comes and goes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.features import blocks
from soccer_assets.features.build import MATCH_COLUMNS, in_order, result_columns
from soccer_assets.features.log import COMPETITION, TEAM, match_log
from soccer_assets.features.params import FeatureParams
from soccer_assets.features.rating import Sparse
from soccer_assets.features.state_space import (
    COVARIANCE,
    DAY,
    LEAGUE,
    MATCHES,
    MEANS,
    SLOT,
    SLOTS,
    VAR_ATTACK,
    StateSpace,
)
from soccer_assets.features.walk import walk
from soccer_assets_tests.features.matches import Row, frames

PARAMS = FeatureParams()
HOUR = 3600


def _symmetric(cov: np.ndarray) -> np.ndarray:
    lower = np.tril(cov)
    return lower + np.tril(cov, -1).T


def _walked(rows: list[Row]) -> dict[str, np.ndarray]:
    """Tables of the filter after all of these results."""
    finished, fixtures = frames(rows)
    frame = in_order(finished[[*MATCH_COLUMNS, *result_columns(PARAMS)]], fixtures)
    rating = StateSpace("chances", PARAMS.strength, PARAMS.strength.variants["chances"])
    end = int(frame["kickoff"].max().timestamp()) + 10 * 86_400
    log = match_log(frame, PARAMS.chances)
    memory = walk(log, (rating,), 3 * HOUR, remember=[end]).memories[end]
    return memory.rows((rating,), memory.ids)["chances"]


def _season(teams: int, competition: int, start: int, first: int = 0) -> list[Row]:
    """Every team plays its neighbour, twice."""
    rows = []
    for n in range(2 * teams):
        home, away = first + n % teams, first + (n + 1) % teams
        number = 100_000 * competition + start + n
        rows.append(Row(number, (start + n) * 6 * HOUR, competition, home, away, (n % 4, n % 3)))
    return rows


def test_more_teams_than_slots_leave_whole_teams_behind() -> None:
    """Whoever has not played for longest makes room, and keeps what is known of it alone."""
    found = _walked(_season(60, 1, 0))
    teams, slots = found[TEAM], found[SLOTS][0]
    inside = teams[:, SLOT] >= 0
    assert inside.sum() == blocks.SLOTS == slots[blocks.USED]
    owners = slots[blocks.OWNERS : blocks.OWNERS + blocks.SLOTS].astype(int)
    assert sorted(owners) == np.flatnonzero(inside).tolist()
    assert teams[~inside, DAY].max() <= teams[inside, DAY].min()
    assert (teams[~inside, VAR_ATTACK] > 0).all()
    assert (teams[~inside, VAR_ATTACK] < PARAMS.strength.start_variance).all()
    assert (teams[:, MATCHES] == 4).all()
    assert (teams[:, LEAGUE] == 0).all()


@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 49), st.integers(1, 49), st.integers(0, 9)),
        min_size=1,
        max_size=120,
    )
)
def test_covariances_stay_those_of_a_distribution(drawn: list[tuple[int, int, int, int]]) -> None:
    rows = [
        Row(n + 1, n * 12 * HOUR, competition, home, (home + apart) % 50, (goals, n % 3))
        for n, (competition, home, apart, goals) in enumerate(drawn)
    ]
    found = _walked(rows)
    for cov in found[COVARIANCE].reshape(-1, blocks.STATES, blocks.STATES):
        assert np.linalg.eigvalsh(_symmetric(cov)).min() > -1e-12
    assert len(found[COMPETITION]) == len({row.tournament_id for row in rows})


def test_a_result_tells_of_whoever_they_have_played() -> None:
    """B has lost to A; that C beats B high makes A stronger, too."""
    before = [Row(1, 0, 1, 0, 1, (1, 0)), Row(2, 12 * HOUR, 1, 1, 2, (0, 0))]

    def attack_of_first(goals: int) -> float:
        found = _walked([*before, Row(3, 24 * HOUR, 1, 2, 1, (goals, 0))])
        return float(found[MEANS][0, blocks.attack_in(int(found[TEAM][0, SLOT]))])

    assert attack_of_first(0) != attack_of_first(7)


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, float("nan")]), min_size=6, max_size=6))
def test_sparse_rows_are_the_rows_to_the_bit(values: list[float]) -> None:
    rows = np.array(values).reshape(2, 3)
    assert Sparse.of(rows).rows().tobytes() == rows.tobytes()
