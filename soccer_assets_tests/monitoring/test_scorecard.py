import numpy as np
import pandas as pd
import pytest

from soccer_assets.features.odds import margin_free
from soccer_assets.modelling.metrics import scorecard
from soccer_assets.monitoring.scorecard import score_settled

P = ["p_home", "p_draw", "p_away"]


@pytest.fixture
def settled() -> pd.DataFrame:
    # 2024-01-07 is a Sunday: matches 1 and 2 are in one week, match 3 opens the next.
    return pd.DataFrame(
        {
            "match_id": [1, 2, 3],
            "kickoff": pd.to_datetime(
                ["2024-01-02 12:00", "2024-01-07 23:59", "2024-01-08 00:00"], utc=True
            ),
            "league": ["Albreth Cup", "Albreth Premier", "Albreth Premier"],
            "model_version": [1, 2, 2],
            "p_home": [0.5, 0.2, 0.6],
            "p_draw": [0.3, 0.3, 0.25],
            "p_away": [0.2, 0.5, 0.15],
            "elo_home": [np.nan, 0.3, 0.5],
            "elo_draw": [np.nan, 0.3, 0.3],
            "elo_away": [np.nan, 0.4, 0.2],
            "prior_home": 0.45,
            "prior_draw": 0.27,
            "prior_away": 0.28,
            "odds_home": [2.0, np.nan, np.nan],
            "odds_draw": [3.5, np.nan, np.nan],
            "odds_away": [4.0, np.nan, np.nan],
            "outcome": [0, 0, 1],
        }
    )


def test_overall_and_weekly(settled: pd.DataFrame) -> None:
    found = score_settled(settled)
    assert found.overall == scorecard(settled[P].to_numpy(), [0, 0, 1])
    assert found.settled == 3
    weekly = found.weekly
    assert weekly["week"].tolist() == [
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-01-08", tz="UTC"),
    ]
    assert weekly["n"].tolist() == [2, 1]
    assert weekly["log_loss"].tolist() == pytest.approx([-np.log(0.5 * 0.2) / 2, -np.log(0.25)])


def test_predictions_are_compared_on_the_matches_that_the_other_knows(
    settled: pd.DataFrame,
) -> None:
    found = score_settled(settled)
    losses = -np.log([0.5, 0.2, 0.25])
    market = margin_free(np.array([[2.0, 3.5, 4.0]]))[0, 0]
    assert found.against == pytest.approx(
        {
            "vs_prior": (losses + np.log([0.45, 0.45, 0.27])).mean(),
            "vs_elo": (losses[1:] + np.log([0.3, 0.3])).mean(),
            "vs_market": losses[0] + np.log(market),
        }
    )
    first, second = found.versions.to_dict("records")
    assert (first["model_version"], first["n"], first["priced"]) == (1, 1, 1)
    assert (second["model_version"], second["n"], second["priced"]) == (2, 2, 0)
    assert np.isnan(first["vs_elo"])
    assert np.isnan(second["vs_market"])


def test_by_day_and_by_league(settled: pd.DataFrame) -> None:
    found = score_settled(settled)
    assert found.daily["day"].dt.day.tolist() == [2, 7, 8]
    assert found.daily["log_loss"].tolist() == pytest.approx((-np.log([0.5, 0.2, 0.25])).tolist())
    assert found.leagues["league"].tolist() == ["Albreth Premier", "Albreth Cup"]
    assert found.leagues["n"].tolist() == [2, 1]


def test_nothing_settled(settled: pd.DataFrame) -> None:
    found = score_settled(settled.iloc[:0])
    assert found.overall is None
    assert found.against == {}
    for table in (found.weekly, found.daily, found.leagues, found.versions):
        assert table.empty
        assert list(table.columns[1:3]) == ["n", "log_loss"]


def test_predictions_alone_are_enough(settled: pd.DataFrame) -> None:
    alone = settled[["match_id", "kickoff", "outcome", *P]]
    naive = alone.assign(kickoff=alone["kickoff"].dt.tz_localize(None))
    found = score_settled(naive)
    assert found.against == {}
    columns = ["week", "n", "log_loss"]
    pd.testing.assert_frame_equal(found.weekly[columns], score_settled(settled).weekly[columns])


def test_malformed_input_is_refused(settled: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="predictions lack columns: p_draw"):
        score_settled(settled.drop(columns="p_draw"))
    with pytest.raises(ValueError, match="predictions hold a match twice"):
        score_settled(pd.concat([settled, settled]))
    with pytest.raises(ValueError, match="sum to 1"):
        score_settled(settled.assign(p_home=0.9))
