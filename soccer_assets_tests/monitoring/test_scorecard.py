import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.metrics import scorecard
from soccer_assets.monitoring.scorecard import score_settled


@pytest.fixture
def predictions() -> pd.DataFrame:
    # 2024-01-07 is a Sunday: matches 1 and 2 are in one week, match 3 opens the next.
    return pd.DataFrame(
        {
            "match_id": [1, 2, 3, 4],
            "kickoff": pd.to_datetime(
                ["2024-01-02 12:00", "2024-01-07 23:59", "2024-01-08 00:00", "2024-01-20 15:00"],
                utc=True,
            ),
            "p_home": [0.5, 0.2, 0.6, 0.4],
            "p_draw": [0.3, 0.3, 0.25, 0.3],
            "p_away": [0.2, 0.5, 0.15, 0.3],
        }
    )


@pytest.fixture
def results() -> pd.DataFrame:
    return pd.DataFrame({"match_id": [3, 2, 1, 99], "outcome": [1, 0, 0, 2]})


def test_overall_and_weekly(predictions, results):
    found = score_settled(predictions, results)
    p = predictions[["p_home", "p_draw", "p_away"]].to_numpy()
    assert found.overall == scorecard(p[:3], [0, 0, 1])
    assert (found.settled, found.unsettled) == (3, 1)
    weekly = found.weekly
    assert weekly["week"].tolist() == [
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-01-08", tz="UTC"),
    ]
    assert weekly["n"].tolist() == [2, 1]
    assert weekly["log_loss"].tolist() == pytest.approx([-np.log(0.5 * 0.2) / 2, -np.log(0.25)])


def test_only_the_last_prediction_before_kickoff_counts(predictions, results):
    early, late, after = (
        predictions.assign(predicted_at=predictions["kickoff"] + shift)
        for shift in pd.to_timedelta(["-2D", "-1h", "0h"])
    )
    early[["p_home", "p_draw", "p_away"]] = [1.0, 0.0, 0.0]
    after[["p_home", "p_draw", "p_away"]] = [0.0, 0.0, 1.0]
    found = score_settled(pd.concat([late, after, early]), results)
    assert found.overall == score_settled(predictions, results).overall
    assert found.settled == 3


def test_nothing_settled(predictions, results):
    found = score_settled(predictions, results.iloc[:0])
    assert found.overall is None
    assert found.weekly.empty
    assert list(found.weekly.columns[:2]) == ["week", "n"]
    assert (found.settled, found.unsettled) == (0, 4)


def test_naive_kickoffs_and_an_outcome_column_of_their_own(predictions, results):
    odd = predictions.assign(kickoff=predictions["kickoff"].dt.tz_localize(None), outcome=2)
    pd.testing.assert_frame_equal(
        score_settled(odd, results).weekly, score_settled(predictions, results).weekly
    )


def test_malformed_input_is_refused(predictions, results):
    with pytest.raises(ValueError, match="predictions lack columns: p_draw"):
        score_settled(predictions.drop(columns="p_draw"), results)
    with pytest.raises(ValueError, match="results hold a match twice"):
        score_settled(predictions, pd.concat([results, results]))
    with pytest.raises(ValueError, match="no predicted_at"):
        score_settled(pd.concat([predictions, predictions]), results)
    with pytest.raises(ValueError, match="sum to 1"):
        score_settled(predictions.assign(p_home=0.9), results)
