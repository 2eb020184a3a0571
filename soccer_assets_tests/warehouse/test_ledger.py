"""The ledger: what is entered, what is never changed, and what settles."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.dvc.stages.details import ODDS_COLUMNS, best_odds
from soccer_assets.ledger_check import FIELDS, row_text, text_hash, time_text
from soccer_assets.warehouse import ledger
from soccer_assets.warehouse.ledger import BASELINES, settled, texts_of, unsettled
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.schema import match_odds, prediction_ledger
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, finished, parsed
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions, rows

#: Kick-off of a match of ``feed_days``.
KICKOFF = datetime(2024, 3, 9, 15, tzinfo=UTC)
NOW = KICKOFF - timedelta(hours=5)
HOUR = timedelta(hours=1)


def publish(engine: sa.Engine, *match_ids: int, now: datetime = NOW, **known: Any) -> None:
    """Predictions for the kick-off of ``feed_days``, unless another is given."""
    version, baselines = known.pop("version", 1), known.pop("baselines", None)
    frame = predictions(*match_ids, **{"kickoff": KICKOFF, **known})
    if baselines is not None:
        frame[BASELINES] = baselines
    publish_predictions(engine, frame, champion(version), now, "f00d")


def entries(engine: sa.Engine) -> list[tuple[Any, ...]]:
    found = sorted(rows(engine, prediction_ledger), key=lambda row: row["entry_id"])
    return [(r["match_id"], r["model_version"], r["p_home"], r["made_at"]) for r in found]


def load(engine: sa.Engine, *matches: Any, later: int = 0, day: date = DAY) -> None:
    at = FETCHED + timedelta(minutes=later)
    load_days(engine, [parsed(*matches, day=day, fetched_at=at)])


# What is entered


def test_a_prediction_is_entered_with_all_that_was_known(engine: sa.Engine) -> None:
    publish(engine, 1, baselines=[0.4, 0.3, 0.3, 0.45, 0.28, 0.27])
    (row,) = rows(engine, prediction_ledger)
    assert row["made_at"] == NOW
    assert row["kickoff"] == KICKOFF
    assert (row["model_version"], row["run_id"], row["data_revision"]) == (1, "run-1", "f00d")
    assert [row[name] for name in ("p_home", "elo_home", "prior_away")] == [0.5, 0.4, 0.27]


def test_an_entry_is_added_when_what_is_predicted_changes_and_then_alone(engine: sa.Engine) -> None:
    publish(engine, 1, 2)
    publish(engine, 1, 2, now=NOW + HOUR)  # the same again
    publish(engine, 1, p_home=0.6, now=NOW + 2 * HOUR)
    publish(engine, 1, p_home=0.6, kickoff=KICKOFF + HOUR, now=NOW + 2 * HOUR)  # it was moved
    publish(engine, 1, p_home=0.6, kickoff=KICKOFF + HOUR, version=2, now=NOW + 3 * HOUR)
    publish(engine, 1, p_home=0.6, kickoff=KICKOFF + HOUR, now=NOW + 4 * HOUR)  # back again
    assert entries(engine) == [
        (1, 1, 0.5, NOW),
        (2, 1, 0.5, NOW),
        (1, 1, 0.6, NOW + 2 * HOUR),
        (1, 1, 0.6, NOW + 2 * HOUR),
        (1, 2, 0.6, NOW + 3 * HOUR),
        (1, 1, 0.6, NOW + 4 * HOUR),
    ]


def test_newer_results_that_change_no_prediction_add_nothing(engine: sa.Engine) -> None:
    frame = predictions(1, kickoff=KICKOFF)
    publish_predictions(engine, frame, champion(), NOW, "f00d")
    newer = frame.assign(features_as_of=NOW)
    publish_predictions(engine, newer, champion(), NOW + HOUR, "beef")
    assert len(entries(engine)) == 1


@pytest.mark.parametrize("late", [timedelta(), timedelta(microseconds=1), timedelta(days=2)])
def test_what_is_first_predicted_after_kick_off_is_shown_and_not_entered(
    engine: sa.Engine, late: timedelta
) -> None:
    publish(engine, 1, now=KICKOFF + late)
    assert entries(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM soccer.prediction")) == 1


@pytest.mark.parametrize(
    "known",
    [
        finished(1, 1, 0),
        a_match(1, status=3),
        finished(1, 1, 0, elapsed="Abd"),
        finished(1, 3, 0, elapsed="Awd"),
        a_match(1, startTimeUtc="2024-03-09T09:59:00Z"),
    ],
    ids=["finished", "in play", "abandoned", "awarded", "brought forward"],
)
def test_a_match_that_has_begun_is_not_predicted_whatever_kick_off_the_features_know(
    engine: sa.Engine, known: Any
) -> None:
    load(engine, known)
    publish(engine, 1)
    assert entries(engine) == []


@pytest.mark.parametrize("known", [{}, {"elapsed": "Post"}, {"elapsed": "Canc"}], ids=str)
def test_of_a_match_that_may_still_be_played_predictions_are_entered(
    engine: sa.Engine, known: dict[str, str]
) -> None:
    load(engine, a_match(1, **known))
    publish(engine, 1)
    assert len(entries(engine)) == 1


def test_predictions_and_their_entries_are_one_transaction(engine: sa.Engine) -> None:
    bad = predictions(1, 2, kickoff=KICKOFF).assign(p_home=[0.5, 0.9])
    with pytest.raises(Exception, match="simplex"):
        publish_predictions(engine, bad, champion(), NOW)
    assert entries(engine) == []


def test_nothing_is_entered_on_a_day_that_is_closed(engine: sa.Engine) -> None:
    """Who was late is entered on the next day; a clock that was put back makes nothing older."""
    with engine.begin() as connection:
        ledger.close_day(connection, DAY, 0, "0" * 64, NOW)
    midnight = datetime(2024, 3, 10, tzinfo=UTC)
    publish(engine, 1, kickoff=midnight + HOUR, now=midnight - timedelta(seconds=1))
    publish(engine, 2, now=NOW - timedelta(days=300))
    assert entries(engine) == [(1, 1, 0.5, midnight)]


# What is never changed


@pytest.mark.parametrize("table", ["prediction_ledger", "prediction_ledger_day"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_change_what_was_entered(
    engine: sa.Engine, table: str, change: str
) -> None:
    publish(engine, 1)
    with engine.begin() as connection:
        ledger.close_day(connection, DAY, 1, "0" * 64, NOW)
    column = "p_home = 0.9" if table == "prediction_ledger" else "predictions = 0"
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(change.format(f"soccer.{table}", column)))
    assert len(entries(engine)) == 1


def test_the_database_refuses_an_entry_that_is_no_prediction(engine: sa.Engine) -> None:
    publish(engine, 1)
    copied = f"INSERT INTO soccer.prediction_ledger ({', '.join(FIELDS)}, content_hash) SELECT "
    late = ["kickoff" if name == "made_at" else name for name in FIELDS]
    with pytest.raises(sa.exc.IntegrityError, match="before_kickoff"), engine.begin() as connection:
        connection.execute(sa.text(f"{copied} {', '.join(late)}, '' FROM soccer.prediction_ledger"))


# Its text


probabilities = st.floats(0, 1) | st.floats(0, 1e-3) | st.sampled_from([0.0, 1.0, 1e-4, 1e-5])


@given(
    st.lists(st.tuples(*[probabilities] * 6, st.none() | probabilities), min_size=1, max_size=20),
    st.text(max_size=5),
)
def test_many_texts_are_the_text_of_each(values: list[tuple[Any, ...]], revision: str) -> None:
    frame = pd.DataFrame(
        [[*v[:3], *v[3:6], v[6], v[6], v[6]] for v in values],
        columns=["p_home", "p_draw", "p_away", *BASELINES],
    ).astype("float64")
    frame["match_id"] = np.arange(len(frame)) - 3
    moments = [KICKOFF + timedelta(microseconds=7 * n) for n in range(len(frame))]
    for name in ("kickoff", "features_as_of"):
        frame[name] = pd.Series(moments, dtype="datetime64[us, UTC]")
    told = {"model_version": 3, "run_id": "r%s", "data_revision": revision}
    told["made_at"] = time_text(NOW)
    one_by_one = []
    for row in frame.assign(**told).to_dict("records"):
        times = {name: time_text(row[name]) for name in ("kickoff", "features_as_of")}
        known = {name: None if value != value else value for name, value in row.items()}
        one_by_one.append(row_text([{**known, **times}[name] for name in FIELDS]))
    assert ledger._texts(frame, told) == one_by_one


def test_what_the_columns_hold_gives_the_hash_that_was_recorded(engine: sa.Engine) -> None:
    rng = np.random.default_rng(5)
    several = rng.dirichlet([1, 1, 0.01], 500)
    frame = predictions(*range(500), kickoff=KICKOFF + timedelta(microseconds=1))
    frame[["p_home", "p_draw", "p_away"]] = several
    frame[BASELINES] = np.hstack([rng.dirichlet([1, 1, 0.01], 500)] * 2)
    frame.loc[:9, BASELINES] = np.nan
    publish_predictions(engine, frame, champion(), NOW + timedelta(microseconds=3))
    with engine.connect() as connection:
        found = texts_of(connection, DAY)
    assert len(found) == 500
    assert all(text_hash(text) == recorded for text, recorded in found)


# What settles


def outcome_by_match(engine: sa.Engine, **asked: Any) -> dict[int, tuple[float, int]]:
    found = settled(engine, **asked)
    values = zip(found["match_id"], found["p_home"], found["outcome"], strict=True)
    return {match: (p, outcome) for match, p, outcome in values}


def why(engine: sa.Engine, now: datetime = KICKOFF + 3 * HOUR) -> dict[int, str]:
    found = unsettled(engine, now)
    return dict(zip(found["match_id"], found["why"], strict=True))


def test_the_last_entry_before_kick_off_settles(engine: sa.Engine) -> None:
    load(engine, a_match(1), a_match(2), a_match(3))
    for hours, p_home in ((0, 0.3), (1, 0.4), (2, 0.45)):
        publish(engine, 1, 2, 3, p_home=p_home, now=NOW + hours * HOUR)
    load(engine, finished(1, 2, 0), finished(2, 1, 1), finished(3, 0, 4), later=1)
    assert outcome_by_match(engine) == {1: (0.45, 0), 2: (0.45, 1), 3: (0.45, 2)}
    assert why(engine) == {}
    found = settled(engine)
    assert found["made_at"].tolist() == [NOW + 2 * HOUR] * 3
    assert found["kickoff"].tolist() == [KICKOFF] * 3
    assert found[BASELINES].isna().all(axis=None)
    assert found["league"].tolist() == ["Albreth Premier Division"] * 3


def test_the_result_after_90_minutes_counts(engine: sa.Engine) -> None:
    publish(engine, 1)
    load(engine, finished(1, 1, 1, homeExtratimeScore=2, awayExtratimeScore=1, elapsed="AET"))
    assert outcome_by_match(engine) == {1: (0.5, 1)}


def test_of_a_version_its_own_last_word_counts(engine: sa.Engine) -> None:
    publish(engine, 1, 2, p_home=0.3)
    publish(engine, 1, p_home=0.4, version=2, now=NOW + HOUR)
    load(engine, finished(1, 2, 0), finished(2, 2, 0))
    assert outcome_by_match(engine) == {1: (0.4, 0), 2: (0.3, 0)}
    assert outcome_by_match(engine, version=1) == {1: (0.3, 0), 2: (0.3, 0)}
    assert outcome_by_match(engine, version=2) == {1: (0.4, 0)}


def test_settled_begins_with_the_moment_asked_for(engine: sa.Engine) -> None:
    publish(engine, 1)
    load(engine, finished(1, 2, 0))
    assert list(outcome_by_match(engine, after=KICKOFF)) == [1]
    assert list(outcome_by_match(engine, after=KICKOFF + HOUR)) == []


def test_a_match_that_was_postponed_settles_by_what_was_said_last(engine: sa.Engine) -> None:
    load(engine, a_match(1))
    publish(engine, 1, p_home=0.3)
    load(engine, a_match(1, elapsed="Post"), later=1)
    assert why(engine) == {1: "postponed"}
    wednesday = date(2024, 3, 13)
    load(engine, later=2)
    load(engine, a_match(1, wednesday), day=wednesday, later=2)
    moved = KICKOFF + timedelta(days=4)
    publish(engine, 1, kickoff=moved, p_home=0.4, now=moved - HOUR)
    assert why(engine) == {1: "to come"}
    load(engine, finished(1, 0, 1, wednesday), day=wednesday, later=24 * 60)
    assert outcome_by_match(engine) == {1: (0.4, 2)}


def test_a_match_that_was_brought_forward_settles_by_what_was_said_before_it_began(
    engine: sa.Engine,
) -> None:
    load(engine, a_match(1), a_match(2))
    publish(engine, 1, p_home=0.3)
    publish(engine, 1, 2, p_home=0.4, now=NOW + 3 * HOUR)
    # Two hours too late for the second, as is told afterwards.
    earlier = {"startTimeUtc": "2024-03-09T11:00:00Z"}
    load(engine, finished(1, 1, 0, **earlier), finished(2, 1, 0, **earlier), later=1)
    assert outcome_by_match(engine) == {1: (0.3, 0)}
    assert why(engine) == {2: "begun before it was predicted"}


def test_an_abandoned_match_settles_when_it_is_played_again(engine: sa.Engine) -> None:
    publish(engine, 1, p_home=0.3)
    load(engine, finished(1, 1, 0, elapsed="Abd"))
    publish(engine, 1, p_home=0.4, now=NOW + HOUR)
    assert outcome_by_match(engine) == {}
    assert why(engine) == {1: "abandoned"}
    assert len(entries(engine)) == 1
    again = {"startTimeUtc": "2024-03-09T21:00:00Z"}
    load(engine, a_match(1, **again), later=1)
    publish(engine, 1, p_home=0.45, kickoff=KICKOFF + 6 * HOUR, now=KICKOFF + 5 * HOUR)
    load(engine, finished(1, 0, 0, **again), later=2)
    assert outcome_by_match(engine) == {1: (0.45, 1)}


def test_a_corrected_result_settles_anew_and_changes_no_entry(engine: sa.Engine) -> None:
    publish(engine, 1)
    before = rows(engine, prediction_ledger)
    load(engine, finished(1, 1, 0))
    assert outcome_by_match(engine) == {1: (0.5, 0)}
    load(engine, finished(1, 1, 1), later=1)
    assert outcome_by_match(engine) == {1: (0.5, 1)}
    assert rows(engine, prediction_ledger) == before


NEVER: list[tuple[Callable[[], list[Any]], str]] = [
    (list, "vanished"),
    (lambda: [a_match(1, elapsed="Canc")], "cancelled"),
    (lambda: [finished(1, 3, 0, elapsed="Awd")], "awarded"),
    (lambda: [a_match(1, status=3)], "no result yet"),
    (lambda: [a_match(1)], "no result yet"),
    (lambda: [a_match(1, startTimeUtc="2024-03-09T20:00:00Z")], "to come"),
    (
        lambda: [finished(1, 0, 0, homeScore=None, awayScore=None, homePenaltyScore=5)],
        "no score after 90 minutes",
    ),
]


@pytest.mark.parametrize(("matches", "reason"), NEVER, ids=[reason for _, reason in NEVER])
def test_it_is_told_why_a_match_is_not_settled(
    engine: sa.Engine, matches: Callable[[], list[Any]], reason: str
) -> None:
    load(engine, a_match(1), a_match(2))
    publish(engine, 1)
    load(engine, *matches(), a_match(2), later=1)
    assert outcome_by_match(engine) == {}
    assert why(engine) == {1: reason}


def test_a_match_that_the_warehouse_does_not_have_has_vanished(engine: sa.Engine) -> None:
    publish(engine, 1)
    assert why(engine) == {1: "vanished"}


def test_a_result_stays_when_the_feed_shows_the_match_no_more(engine: sa.Engine) -> None:
    """As it does for trainings."""
    publish(engine, 1)
    load(engine, finished(1, 1, 0), a_match(2))
    load(engine, a_match(2), later=1)
    assert outcome_by_match(engine) == {1: (0.5, 0)}


def test_the_odds_are_those_that_trainings_compare_with(engine: sa.Engine) -> None:
    rng = np.random.default_rng(2)
    names = ["Max", "Avg", "PS", "B365", "WH", "bb", "1X"]
    priced = [
        (match, name, phase, *rng.uniform(1.1, 9, 3).tolist(), NOW)
        for match in range(1, 40)
        for name in names
        for phase in ("pre", "closing")
        if rng.random() < 0.2
    ]
    columns = [column.name for column in match_odds.columns]
    with engine.begin() as connection:
        connection.execute(
            match_odds.insert(), [dict(zip(columns, row, strict=True)) for row in priced]
        )
    publish(engine, *range(1, 60))
    load(engine, *(finished(match, 1, 0) for match in range(1, 60)))
    table = pa.Table.from_pandas(pd.DataFrame(priced, columns=columns)[ODDS_COLUMNS])
    expected = best_odds(table).set_index("match_id")[ODDS_COLUMNS[3:]]
    found = settled(engine).set_index("match_id")[ODDS_COLUMNS[3:]]
    assert found.dropna().index.size == expected.index.size > 20
    pd.testing.assert_frame_equal(
        found.dropna(), expected, check_names=False, check_index_type=False, check_like=True
    )
