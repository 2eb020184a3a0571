"""Decay is seen by the test that is made for it, and an unharmed champion is left in peace."""

import numpy as np
import pandas as pd
import pytest

from soccer_assets.monitoring.decay import COLUMNS, DecayReport, Promise, decay_report, in_order
from soccer_assets.params.monitoring import DecayParams

LIMITS = DecayParams()
P, ELO, ODDS = (
    [f"{name}_{side}" for side in ("home", "draw", "away")] for name in ("p", "elo", "odds")
)


def season(seed: int, matches: int = 6000, leagues: int = 20) -> pd.DataFrame:
    """A calibrated champion; Elo knows less, the market as much."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0.3, 0.7, matches)
    truth = probabilities(strength)
    outcome = (rng.random((matches, 1)) > truth.cumsum(axis=1)[:, :2]).sum(axis=1)
    kickoff = pd.Timestamp("2023-07-01", tz="UTC") + pd.to_timedelta(
        np.sort(rng.integers(0, 300 * 24, matches)), "h"
    )
    rows = pd.DataFrame({"match_id": rng.permutation(matches), "kickoff": kickoff})
    rows = rows.assign(
        tournament_id=rng.integers(0, leagues, matches),
        made_at=kickoff - pd.Timedelta(hours=2),
        model_version=1,
        outcome=outcome,
    )
    rows[P] = truth
    rows[ELO] = probabilities(strength + rng.normal(0, 0.35, matches))
    rows[ODDS] = np.where(rng.random((matches, 1)) < 0.5, 0.95 / truth, np.nan)
    return rows[list(COLUMNS)]


def probabilities(strength: np.ndarray) -> np.ndarray:
    home, away = (1 / (1 + np.exp(0.6 - side * strength)) for side in (1, -1))
    return np.column_stack([home, 1 - home - away, away])


PROMISE = Promise.of(season(1, 20_000))


def report(rows: pd.DataFrame) -> DecayReport:
    return decay_report(rows, PROMISE, LIMITS)


def test_an_unharmed_champion_is_left_in_peace() -> None:
    for seed in range(2, 5):
        found = report(season(seed))
        assert found.holds, found.tests
        assert found.settled == 6000


def harmed(name: str) -> pd.DataFrame:
    rows = season(2, 12_000)
    late = (rows["kickoff"] >= rows["kickoff"].iloc[3000]).to_numpy()
    rng = np.random.default_rng(9)
    if name == "elo":
        rows.loc[late, P] = rows.loc[late, ELO].to_numpy()
    elif name == "promise":
        rows.loc[late, "outcome"] = rng.integers(0, 3, late.sum())
    elif name == "home":
        lost = late & (rows["outcome"] == 0).to_numpy() & (rng.random(len(rows)) < 0.2)
        rows.loc[lost, "outcome"] = 1
    elif name == "market":
        blurred = 0.6 * rows.loc[late, P].to_numpy() + 0.4 / 3
        rows.loc[late, P] = blurred
    elif name == "league":
        mine = late & (rows["tournament_id"] == 7).to_numpy()
        rows.loc[mine, "outcome"] = 2 - rows.loc[mine, "outcome"]
    return rows


@pytest.mark.parametrize("name", ["elo", "promise", "home", "market", "league"])
def test_each_harm_is_seen_by_its_test_and_after_it_began(name: str) -> None:
    rows = harmed(name)
    found = report(rows)
    assert name in found.rung
    begun = rows["kickoff"].iloc[3000].floor("D")
    told = found.tests[found.tests["test"] == name].iloc[0]
    assert told["since"] >= begun
    assert told["e_value"] >= LIMITS.alarm
    assert 0 < told["after"] <= told["matches"]
    if name == "league":
        assert found.tests.loc[
            found.tests["rung"] & (found.tests["test"] == "league"), "league"
        ].tolist() == [7]


def test_what_comes_later_does_not_move_an_alarm() -> None:
    rows = harmed("promise")
    whole = report(rows).tests.set_index("test")
    at = whole.loc["promise", "since"]
    until_then = report(rows[rows["kickoff"] <= at]).tests.set_index("test")
    assert until_then.loc["promise", "since"] == at
    before = report(rows[rows["kickoff"] < at]).tests.set_index("test")
    assert not before.loc["promise", "rung"]


def test_the_order_of_the_rows_does_not_matter_also_at_one_moment() -> None:
    rows = season(3, 500).assign(kickoff=pd.Timestamp("2024-01-06 15:00", tz="UTC"))
    rows["made_at"] = rows["kickoff"] - pd.Timedelta(hours=1)
    shuffled = rows.sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(report(rows).tests, report(shuffled).tests)
    assert in_order(shuffled)["match_id"].is_monotonic_increasing


def test_predictions_made_at_kick_off_or_later_are_none() -> None:
    rows = season(3, 500)
    rows.loc[:99, "made_at"] = rows.loc[:99, "kickoff"]
    assert report(rows).settled == 400


def test_nothing_settled_holds_and_what_cannot_be_is_refused() -> None:
    rows = season(3, 10)
    empty = report(rows[:0])
    assert empty.holds
    assert empty.settled == 0
    assert str(empty.tests["since"].dtype) == str(report(harmed("elo")).tests["since"].dtype)
    with pytest.raises(ValueError, match="lack columns: outcome"):
        report(rows.drop(columns="outcome"))
    with pytest.raises(ValueError, match="settled twice"):
        report(pd.concat([rows, rows]))
    with pytest.raises(ValueError, match="nothing was promised"):
        Promise.of(rows[:0])
