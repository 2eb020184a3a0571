"""What counts of a replay was predicted before its match began."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.replay.plan import TooLate
from soccer_assets.replay.scores import losses, reigns, settled_predictions
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.feed_days import a_match, finished, parsed
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

FIRST = date(2024, 3, 1)
#: Of the matches of the parsed day.
KICKOFF = datetime(2024, 3, 9, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def publish(
    engine: sa.Engine, *matches: int, version: int, at: datetime, kickoff: datetime = KICKOFF
) -> None:
    publish_predictions(engine, predictions(*matches, kickoff=kickoff), champion(version), at)


def test_the_last_prediction_before_kick_off_counts(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0), finished(2, 1, 1), a_match(3))])
    publish(engine, 1, 2, 3, version=1, at=KICKOFF - 3 * HOUR)
    publish(engine, 1, version=2, at=KICKOFF - HOUR)
    publish(engine, 1, 2, 3, version=3, at=KICKOFF + HOUR)

    settled = settled_predictions(engine, FIRST).set_index("match_id")

    assert settled["model_version"].to_dict() == {1: 2, 2: 1}
    assert settled["outcome"].to_dict() == {1: 0, 2: 1}


def test_a_match_that_began_before_it_was_predicted_is_an_error(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0))])
    publish(engine, 1, version=1, at=KICKOFF + HOUR, kickoff=KICKOFF + 2 * HOUR)

    with pytest.raises(TooLate, match="match 1: predicted 2024-03-09 16:00"):
        settled_predictions(engine, FIRST)


def test_matches_before_the_replay_do_not_count(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0))])
    publish(engine, 1, version=1, at=KICKOFF - HOUR)

    assert settled_predictions(engine, date(2024, 3, 10)).empty


def test_losses_are_unknown_where_probabilities_are() -> None:
    found = losses(np.array([[0.5, 0.3, 0.2], [np.nan] * 3]), np.array([1, 0]))
    assert found[0] == pytest.approx(-np.log(0.3))
    assert np.isnan(found[1])


def test_reigns_are_in_the_order_of_their_beginnings() -> None:
    settled = pd.DataFrame(
        {
            "match_id": [1, 2, 3],
            "predicted_at": [KICKOFF, KICKOFF + HOUR, KICKOFF + 2 * HOUR],
            "model_version": [7, 3, 3],
            **{name: [1.0, 2.0, 4.0] for name in ("model", "elo", "prior", "market")},
        }
    )
    found = reigns(settled)
    assert found["version"].tolist() == [7, 3]
    assert found["matches"].tolist() == [1, 2]
    assert found["model"].tolist() == [1.0, 3.0]
