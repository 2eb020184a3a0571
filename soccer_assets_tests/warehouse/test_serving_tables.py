"""What the service reads: predictions, and the champion's record."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.schema import prediction, served_model
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets.warehouse.serving_tables import (
    publish_predictions,
    published_version,
    read_known_of_matches,
    read_played_days,
    read_served,
    simplex_violations,
    upcoming_table,
)
from soccer_assets_tests.feed_days import a_match, finished, parsed

NOW = datetime(2024, 3, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def champion(version: int = 1, **changes: Any) -> ServedModel:
    known = {
        "name": "soccer-1x2",
        "version": version,
        "run_id": f"run-{version}",
        "data_revision": "abc",
        "promoted_at": NOW - HOUR,
        "metrics": {"log_loss": 0.98},
    }
    return ServedModel(**{**known, **changes})


def predictions(
    *match_ids: int, kickoff: datetime = NOW + HOUR, p_home: float = 0.5
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "match_id": match_ids,
            "kickoff": pd.Series([kickoff] * len(match_ids), dtype="datetime64[us, UTC]"),
            "p_home": p_home,
            "p_draw": 0.8 - p_home,
            "p_away": 0.2,
            "features_as_of": NOW - HOUR,
        }
    )


def rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(table).order_by(*table.primary_key))
        return [dict(row) for row in found.mappings()]


def p_home(engine: sa.Engine) -> dict[tuple[int, int], float]:
    return {(r["match_id"], r["model_version"]): r["p_home"] for r in rows(engine, prediction)}


def spoil(engine: sa.Engine, match_id: int, *values: Any) -> None:
    """Have a prediction say what the table would not take."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("ALTER TABLE soccer.prediction DROP CONSTRAINT prediction_simplex")
        )
        connection.execute(
            sa.update(prediction)
            .where(prediction.c.match_id == match_id)
            .values(dict(zip(("p_home", "p_draw", "p_away"), values, strict=True)))
        )


# Predictions


def test_predictions_are_published_with_their_model(engine: sa.Engine) -> None:
    assert publish_predictions(engine, predictions(1, 2), champion(), NOW) == 2
    first, second = rows(engine, prediction)
    assert (first["match_id"], second["match_id"]) == (1, 2)
    assert first["model_version"] == 1
    assert (first["p_home"], first["p_away"]) == (0.5, 0.2)
    assert first["kickoff"] == NOW + HOUR
    assert first["features_as_of"] == NOW - HOUR
    assert first["predicted_at"] == NOW
    (model,) = rows(engine, served_model)
    del model["singleton"]
    assert model == {
        "model_name": "soccer-1x2",
        "version": 1,
        "run_id": "run-1",
        "data_revision": "abc",
        "promoted_at": NOW - HOUR,
        "metrics": {"log_loss": 0.98},
        "refreshed_at": NOW,
    }


def test_the_prediction_of_a_match_to_come_is_renewed(engine: sa.Engine) -> None:
    publish_predictions(engine, predictions(1), champion(), NOW)
    later = NOW + HOUR / 2
    assert publish_predictions(engine, predictions(1, p_home=0.6), champion(), later) == 1
    (row,) = rows(engine, prediction)
    assert (row["p_home"], row["predicted_at"]) == (0.6, later)


@pytest.mark.parametrize("minutes", [0, 1])
def test_the_prediction_of_a_match_that_has_begun_stays(engine: sa.Engine, minutes: int) -> None:
    publish_predictions(engine, predictions(1), champion(), NOW)
    (before,) = rows(engine, prediction)
    begun = NOW + HOUR + timedelta(minutes=minutes)
    assert publish_predictions(engine, predictions(1, p_home=0.6), champion(), begun) == 0
    assert rows(engine, prediction) == [before]
    assert rows(engine, served_model)[0]["refreshed_at"] == begun


def test_each_version_has_predictions_of_its_own(engine: sa.Engine) -> None:
    publish_predictions(engine, predictions(1), champion(1), NOW)
    publish_predictions(engine, predictions(1, p_home=0.6), champion(2), NOW)
    assert p_home(engine) == {(1, 1): 0.5, (1, 2): 0.6}


def test_one_model_is_served(engine: sa.Engine) -> None:
    publish_predictions(engine, predictions(1), champion(1), NOW)
    newer = champion(2, metrics={"log_loss": 0.97, "ece": 0.01}, data_revision="def")
    publish_predictions(engine, predictions(1), newer, NOW + HOUR)
    (model,) = rows(engine, served_model)
    assert (model["version"], model["run_id"], model["data_revision"]) == (2, "run-2", "def")
    assert model["metrics"] == {"log_loss": 0.97, "ece": 0.01}
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(served_model.insert(), {**model, "singleton": False})


@pytest.mark.parametrize(
    ("p_home", "p_draw", "p_away"),
    [(0.5, 0.3, 0.3), (0.5, 0.3, 0.19), (1.2, -0.1, -0.1), (-0.1, 0.6, 0.5), ("NaN", 0.5, 0.5)],
)
def test_probabilities_off_the_simplex_are_refused_and_found(
    engine: sa.Engine, p_home: Any, p_draw: float, p_away: float
) -> None:
    bad = predictions(7).assign(p_home=p_home, p_draw=p_draw, p_away=p_away)
    with pytest.raises(Exception, match="prediction_simplex"):
        publish_predictions(engine, bad, champion(), NOW)
    assert rows(engine, served_model) == rows(engine, prediction) == []

    publish_predictions(engine, predictions(1, 2, 7), champion(), NOW)
    spoil(engine, 7, p_home, p_draw, p_away)
    assert simplex_violations(engine) == [7]


def test_probabilities_on_the_simplex_pass(engine: sa.Engine) -> None:
    edge = predictions(1).assign(p_home=1.0, p_draw=0.0, p_away=0.0)
    thirds = predictions(2).assign(p_home=1 / 3, p_draw=1 / 3, p_away=1 / 3)
    publish_predictions(engine, pd.concat([edge, thirds]), champion(), NOW)
    assert simplex_violations(engine) == []


def test_only_served_predictions_are_searched_for_violations(engine: sa.Engine) -> None:
    publish_predictions(engine, predictions(1), champion(1), NOW)
    spoil(engine, 1, 0.9, 0.9, 0.9)
    publish_predictions(engine, predictions(1), champion(2), NOW)
    assert simplex_violations(engine) == []


# Reading back


def test_the_next_matches_for_people_to_read(engine: sa.Engine) -> None:
    load_days(
        engine,
        [
            parsed(
                a_match(1, startTimeUtc="2024-03-09T18:30:00Z"),
                a_match(2, startTimeUtc="2024-03-09T15:00:00Z"),
                a_match(3, startTimeUtc="2024-03-09T11:00:00Z"),
                a_match(4, status=2),
                a_match(5),
                finished(6, 1, 0),
            )
        ],
    )
    publish_predictions(engine, predictions(5), champion(1), NOW)
    publish_predictions(engine, predictions(1, 2, 3, 4, 6), champion(2), NOW)
    table = upcoming_table(engine, NOW, limit=10)
    assert table["home"].tolist() == ["Home 2", "Home 1"]
    assert table.iloc[0].to_dict() == {
        "kickoff": "2024-03-09 15:00",
        "league": "Premier Division",
        "home": "Home 2",
        "away": "Away 2",
        "p_home": 0.5,
        "p_draw": 0.8 - 0.5,
        "p_away": 0.2,
        "version": 2,
    }
    assert len(upcoming_table(engine, NOW, limit=1)) == 1


def test_a_version_of_what_is_published_changes_with_every_bit_and_not_with_the_time(
    engine: sa.Engine,
) -> None:
    def publish(frame: pd.DataFrame, version: int = 1, now: datetime = NOW) -> str:
        publish_predictions(engine, frame, champion(version), now)
        return published_version(engine)

    assert published_version(engine) == "none"
    first = publish(predictions(1, 2))
    assert publish(predictions(1, 2), now=NOW + timedelta(minutes=1)) == first
    assert publish(predictions(2, 1)) == first
    others = [
        publish(predictions(1, 2, p_home=float(np.nextafter(0.5, 1)))),
        publish(predictions(1, 2, kickoff=NOW + 2 * HOUR)),
        publish(predictions(1, 2, 3)),
        publish(predictions(1, 2), version=2),
    ]
    assert len({first, *others}) == 5
    # Of a match that has begun nothing is published, whatever is predicted for it now.
    late = published_version(engine)
    assert publish(predictions(1, p_home=0.7), version=2, now=NOW + 3 * HOUR) == late


# What monitoring reads


def test_columns_have_their_types_also_where_no_match_is_coming(engine: sa.Engine) -> None:
    """As in the weeks between two seasons."""

    def read() -> list[pd.DataFrame]:
        ends = NOW - 48 * HOUR, NOW + 48 * HOUR
        both = [read_played_days(engine, *ends), read_known_of_matches(engine, *ends)]
        return [*both, read_served(engine, ends[0])]

    before = read()
    load_days(engine, [parsed(finished(1, 2, 0), a_match(2))])
    publish_predictions(engine, predictions(1, 2), champion(), NOW)
    for none, some in zip(before, read(), strict=True):
        assert none.empty
        assert len(some)
        assert none.dtypes.drop(["day", "region", "sex"], errors="ignore").equals(
            some.dtypes.drop(["day", "region", "sex"], errors="ignore")
        )
