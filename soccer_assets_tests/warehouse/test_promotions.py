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
    with deciding(engine) as connection:
        assert record(connection, FIRST)
        assert record(connection, SECOND)
        assert decisions(connection) == [SECOND, FIRST]
        assert decisions(connection, 1) == [SECOND]
        assert decisions(connection, kinds=(PROMOTED, AWAITING)) == [FIRST]


def test_a_decision_is_one_row_however_often_it_is_written_down(engine: sa.Engine) -> None:
    for added in (True, False):
        with deciding(engine) as connection:
            assert record(connection, FIRST) is added
    with engine.connect() as connection:
        assert decisions(connection) == [FIRST]


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
    with deciding(engine) as connection:
        record(connection, FIRST)
    with (
        pytest.raises(sa.exc.IntegrityError, match="added and never changed"),
        engine.begin() as connection,
    ):
        connection.execute(sa.text(statement))
    with engine.connect() as connection:
        assert decisions(connection) == [FIRST]


def test_a_kind_that_there_is_not_is_refused(engine: sa.Engine) -> None:
    odd = Decision("odd", NOON, "crowned", None, Holder(1, "a"), "", "")
    with pytest.raises(sa.exc.IntegrityError, match="promotion_kind_known"), deciding(engine) as c:
        record(c, odd)


def test_who_decides_waits_for_who_is_deciding(engine: sa.Engine) -> None:
    seen: list[int] = []

    def decide() -> None:
        with deciding(engine) as connection:
            seen.append(len(decisions(connection)))

    other = threading.Thread(target=decide)
    with deciding(engine) as connection:
        other.start()
        with engine.connect() as outside:  # until it stands in line
            waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not outside.scalar(waiting):
                outside.rollback()
        record(connection, FIRST)
    other.join()
    assert seen == [1]
