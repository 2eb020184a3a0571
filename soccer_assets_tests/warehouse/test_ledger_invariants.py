"""Whatever is published, moved and decided in whatever order: what settles was said before kick-off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soccer_assets.ledger_check import text_hash
from soccer_assets.warehouse.ledger import close_day, settled, texts_of, unsettled
from soccer_assets.warehouse.schema import match, prediction_ledger
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.feed_days import a_match, parsed
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions, rows

START = datetime(2024, 3, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
#: Of a match, in hours after START: little room, so that everything happens before and after it.
kickoffs = st.integers(0, 30)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 8)),
        st.tuples(st.just("publish"), st.integers(1, 2), st.integers(1, 9), st.booleans()),
        st.tuples(st.just("move"), kickoffs),
        st.tuples(
            st.just("state"),
            st.sampled_from(["scheduled", "postponed", "in_play", "abandoned", "finished"]),
        ),
        st.tuples(st.just("vanish")),
        st.tuples(st.just("close")),
    ),
    min_size=3,
    max_size=25,
)


@pytest.fixture(scope="module")
def shared(tables: str) -> Any:
    """One database for all examples, each of which has a match of its own."""
    with copy_of(tables) as url:
        engine = sa.create_engine(url, connect_args={"options": "-c timezone=UTC"})
        yield {"engine": engine, "match": 0}
        engine.dispose()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=kickoffs, steps=steps)
def test_what_settles_was_said_before_kick_off_and_nothing_entered_is_changed(
    shared: Any, first: int, steps: list[tuple[Any, ...]]
) -> None:
    shared["match"] += 1
    engine, match_id = shared["engine"], shared["match"]
    play(engine, match_id, START + first * HOUR, steps)


def play(engine: sa.Engine, match_id: int, kickoff: datetime, steps: list[tuple[Any, ...]]) -> None:
    # Later than all that earlier examples have closed.
    offset = timedelta(days=5 * match_id)
    now, kickoff = START + offset, kickoff + offset
    state, published_for = "scheduled", kickoff
    known = {"match_id": match_id, "kickoff": kickoff, "status": state}
    with engine.begin() as connection:
        row = parsed(a_match(match_id)).match.to_pylist()[0]
        connection.execute(match.insert(), {**row, **known, "vanished_at": None})
    said: list[dict[str, Any]] = []
    for step, *given_ in steps:
        change: dict[str, Any] = {}
        if step == "wait":
            now += given_[0] * HOUR
        elif step == "publish":
            version, tenths, is_up_to_date = given_
            if is_up_to_date:
                published_for = kickoff
            frame = predictions(match_id, kickoff=published_for, p_home=0.05 * tenths)
            publish_predictions(engine, frame, champion(version), now)
            said.append({"at": now, "for": published_for, "actual": kickoff, "state": state})
        elif step == "move":
            kickoff = START + offset + given_[0] * HOUR
            change = {"kickoff": kickoff}
        elif step == "state":
            state = given_[0]
            score = {"home_score": 1, "away_score": 0} if state == "finished" else {}
            change = {"status": state, "home_score": None, "away_score": None, **score}
        elif step == "vanish":
            change = {"vanished_at": now}
        else:
            with engine.begin() as connection:
                newest = connection.scalar(
                    sa.text("SELECT max(day) FROM soccer.prediction_ledger_day")
                )
                yesterday = (now - timedelta(days=1)).date()
                if newest is None or newest < yesterday:
                    close_day(connection, yesterday, 0, "0" * 64, now)
        if change:
            with engine.begin() as connection:
                connection.execute(
                    sa.update(match).where(match.c.match_id == match_id).values(change)
                )
    check(engine, match_id, kickoff, state, said)


def check(
    engine: sa.Engine, match_id: int, kickoff: datetime, state: str, said: list[dict[str, Any]]
) -> None:
    entered = [row for row in rows(engine, prediction_ledger) if row["match_id"] == match_id]
    # An oracle in plain words: it was said while the match had not begun, by all that was known.
    fair = [
        s["at"]
        for s in said
        if s["at"] < min(s["for"], s["actual"]) and s["state"] in ("scheduled", "postponed")
    ]
    assert {row["made_at"] for row in entered} <= set(fair)
    assert bool(entered) == bool(fair)
    assert all(row["made_at"] < row["kickoff"] for row in entered)
    assert [text_hash(text) for text, _ in texts(engine, entered)] == [
        recorded for _, recorded in texts(engine, entered)
    ]
    in_time = [row for row in entered if row["made_at"] < kickoff]
    found = of(settled(engine), match_id)
    waiting = of(unsettled(engine, START), match_id)
    if state == "finished" and in_time:
        (one,) = found
        last = max(in_time, key=lambda row: row["entry_id"])
        assert one["made_at"] == last["made_at"] < min(one["kickoff"], last["kickoff"])
        assert one["p_home"] == last["p_home"]
        assert one["outcome"] == 0
        assert waiting == []
    else:
        assert found == []
        assert len(waiting) == bool(entered)


def of(frame: pd.DataFrame, match_id: int) -> list[dict[Any, Any]]:
    return frame[frame["match_id"] == match_id].to_dict("records")


def texts(engine: sa.Engine, entered: list[dict[str, Any]]) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        days = sorted({row["made_at"].date() for row in entered})
        return [pair for day in days for pair in texts_of(connection, day)]
