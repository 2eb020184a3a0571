"""The record of champions: rows are added, once each, and nobody changes them."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from soccer_assets.warehouse.promotions import (
    AWAITING,
    PROMOTED,
    REJECTED,
    Decision,
    Holder,
    deciding,
    decisions,
    record,
)

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
FIRST = Decision("one", NOON, PROMOTED, None, Holder(1, "a"), "the first", "gate")
SECOND = Decision(
    "two", NOON, REJECTED, Holder(1, "a"), Holder(2, "b"), "worse", "gate", "run", {"gate": [1.5]}
)


def test_what_is_recorded_is_read_back_newest_first(engine: sa.Engine) -> None:
    assert record(engine, FIRST)
    assert record(engine, SECOND)
    assert decisions(engine) == [SECOND, FIRST]
    assert decisions(engine, 1) == [SECOND]
    assert decisions(engine, kinds=(PROMOTED, AWAITING)) == [FIRST]
    assert decisions(engine, about=Holder(2, "b")) == [SECOND]
    assert decisions(engine, about=Holder(2, "of another registry")) == []


def test_a_decision_is_one_row_however_often_it_is_written_down(engine: sa.Engine) -> None:
    assert record(engine, FIRST)
    assert not record(engine, FIRST)
    assert decisions(engine) == [FIRST]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE soccer.promotion SET who = 'nobody'",
        "DELETE FROM soccer.promotion",
        "TRUNCATE soccer.promotion",
        "DELETE FROM soccer.promotion WHERE false",
    ],
)
def test_the_database_refuses_to_change_what_is_recorded(engine: sa.Engine, statement: str) -> None:
    record(engine, FIRST)
    with (
        pytest.raises(sa.exc.IntegrityError, match="added and never changed"),
        engine.begin() as connection,
    ):
        connection.execute(sa.text(statement))
    assert decisions(engine) == [FIRST]


def test_a_kind_that_there_is_not_is_refused(engine: sa.Engine) -> None:
    odd = Decision("odd", NOON, "crowned", None, Holder(1, "a"), "", "")
    with pytest.raises(sa.exc.IntegrityError, match="promotion_kind_known"):
        record(engine, odd)


def test_who_decides_waits_for_who_is_deciding(engine: sa.Engine) -> None:
    seen: list[int] = []

    def decide() -> None:
        with deciding(engine):
            seen.append(len(decisions(engine)))

    other = threading.Thread(target=decide)
    with deciding(engine):
        other.start()
        with engine.connect() as outside:  # until it stands in line
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not outside.scalar(waiting):
                outside.rollback()
        record(engine, FIRST)
    other.join()
    assert seen == [1]
