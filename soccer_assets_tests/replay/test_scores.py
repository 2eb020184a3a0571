"""What counts of a replay was predicted before its match began."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.replay.plan import TooLate
from soccer_assets.replay.scores import SYSTEMS, assert_in_time, reigns, settled_predictions
from soccer_assets.warehouse.ledger import BASELINES
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.promotions import PROMOTED, REJECTED, ROLLED_BACK, Decision, Holder
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
    frame = predictions(*matches, kickoff=kickoff)
    frame[BASELINES] = [0.4, 0.3, 0.3, 0.5, 0.25, 0.25]
    publish_predictions(engine, frame, champion(version), at)


def test_the_last_prediction_before_kick_off_counts(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0), finished(2, 1, 1), a_match(3))])
    with engine.begin() as connection:  # the feed had them as fixtures until now
        connection.execute(sa.text("UPDATE soccer.match SET status = 'scheduled'"))
    publish(engine, 1, 2, 3, version=1, at=KICKOFF - 3 * HOUR)
    publish(engine, 1, version=2, at=KICKOFF - HOUR)
    publish(engine, 1, 2, 3, version=3, at=KICKOFF + HOUR)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE soccer.match SET status = 'finished' WHERE match_id < 3")
        )

    settled = settled_predictions(engine, FIRST).set_index("match_id")

    assert settled["model_version"].to_dict() == {1: 2, 2: 1}
    assert settled["outcome"].to_dict() == {1: 0, 2: 1}
    assert settled["elo"].tolist() == pytest.approx([-np.log(0.4), -np.log(0.3)])
    assert settled["prior"].tolist() == pytest.approx([-np.log(0.5), -np.log(0.25)])
    assert settled["market"].isna().all()
    assert settled_predictions(engine, date(2024, 3, 10)).empty


@pytest.mark.parametrize("late", [timedelta(), HOUR, None])
def test_a_match_that_began_before_it_was_predicted_is_an_error(late: timedelta | None) -> None:
    made = [KICKOFF - HOUR, pd.NaT if late is None else KICKOFF + late]
    frame = pd.DataFrame({"match_id": [1, 2], "kickoff": KICKOFF, "made_at": made})

    assert_in_time(frame.iloc[:1])
    with pytest.raises(TooLate, match="match 2"):
        assert_in_time(frame)


def decided(kind: str, before: int | None, about: int | None, days: int) -> Decision:
    holders = [None if one is None else Holder(one, f"run-{one}") for one in (before, about)]
    at = KICKOFF + timedelta(days=days)
    return Decision(f"{kind}-{days}", at, kind, *holders, reason="better", who="gate")


def told(*rows: tuple[int, int, float]) -> pd.DataFrame:
    """Version, day on which it predicted, and every system's loss."""
    return pd.DataFrame(
        {
            "match_id": range(len(rows)),
            "made_at": [KICKOFF + timedelta(days=day) for _, day, _ in rows],
            "model_version": [version for version, _, _ in rows],
            **{name: [loss for _, _, loss in rows] for name in SYSTEMS},
        }
    )


def test_a_version_that_comes_back_reigns_twice() -> None:
    decisions = [
        decided(ROLLED_BACK, 2, 1, 20),
        decided(REJECTED, 2, 3, 15),
        decided(PROMOTED, 1, 2, 10),
        decided(PROMOTED, None, 1, 0),
    ]
    settled = told((1, 1, 1.0), (1, 5, 3.0), (2, 11, 4.0), (1, 21, 8.0))

    found = reigns(decisions, settled)

    assert found["version"].tolist() == [1, 2, 1]
    assert found["matches"].tolist() == [2, 1, 1]
    assert found["model"].tolist() == [2.0, 4.0, 8.0]
    assert found["last"].tolist()[:2] == found["first"].tolist()[1:]
    assert pd.isna(found["last"].iloc[2])


def test_what_a_version_said_just_after_its_end_is_of_its_own_time() -> None:
    decisions = [decided(PROMOTED, None, 1, 0), decided(PROMOTED, 1, 2, 10)]

    found = reigns(decisions, told((1, 10, 1.0), (2, 11, 5.0)))

    assert found["model"].tolist() == [1.0, 5.0]


def test_without_a_champion_nobody_reigns() -> None:
    decisions = [decided(PROMOTED, None, 1, 0), decided("moved_by_hand", 1, None, 5)]

    found = reigns(decisions, told())

    assert found["version"].tolist() == [1]
    assert found["matches"].tolist() == [0]
    assert found["last"].tolist() == [KICKOFF + timedelta(days=5)]
