from datetime import timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.serving.snapshot import NoChampion, load_snapshot
from soccer_assets.warehouse import schema
from soccer_assets_tests.serving.conftest import HOUR, NOW, Database


def test_no_champion(database: Database) -> None:
    with pytest.raises(NoChampion, match="no champion is served yet"):
        load_snapshot(database.engine, NOW, recent_days=7)


def test_a_champion_without_matches(database: Database) -> None:
    database.serve(4)
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    assert (snapshot.model.version, snapshot.entries) == (4, ())


def test_only_the_champions_predictions_of_recent_and_coming_matches(database: Database) -> None:
    database.add_match(1, NOW - timedelta(days=8), status="finished")
    database.add_match(2, NOW - timedelta(days=6), status="finished")
    database.add_match(5, NOW + 2 * HOUR)
    database.add_match(4, NOW + 2 * HOUR)
    database.add_match(3, NOW + 9 * HOUR, status="postponed")
    database.serve(1, probabilities=(0.2, 0.2, 0.6))
    database.serve(2, probabilities=(0.5, 0.3, 0.2))

    snapshot = load_snapshot(database.engine, NOW, recent_days=7)

    assert snapshot.model.version == 2
    assert [entry.match_id for entry in snapshot.entries] == [2, 4, 5, 3]
    assert [entry.match_id for entry in snapshot.scheduled] == [4, 5]
    assert set(snapshot.by_match) == {2, 3, 4, 5}
    body = orjson.loads(snapshot.by_match[5].body)
    assert (body["p_home"], body["p_draw"], body["p_away"]) == (0.5, 0.3, 0.2)
    assert (body["model_version"], body["kickoff"]) == (2, "2025-03-01T14:00:00Z")


def test_a_moved_match_has_its_new_kickoff(database: Database) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE soccer.match SET kickoff = :later"), {"later": NOW + 48 * HOUR}
        )
    (entry,) = load_snapshot(database.engine, NOW, recent_days=7).entries
    assert orjson.loads(entry.body)["kickoff"] == "2025-03-03T12:00:00Z"


@pytest.mark.parametrize(
    ("known_as", "is_really", "made_before"),
    [(1, 1, True), (0, 0, False), (-1, -1, False), (1, -1, False), (-1, 1, False)],
)
def test_what_was_first_computed_after_kick_off_is_marked(
    database: Database, known_as: int, is_really: int, made_before: bool
) -> None:
    database.add_match(1, kickoff=NOW + known_as * HOUR)
    database.serve(1)
    with database.engine.begin() as connection:
        connection.execute(sa.update(schema.match).values(kickoff=NOW + is_really * HOUR))
    (entry,) = load_snapshot(database.engine, NOW, recent_days=7).entries
    assert orjson.loads(entry.body)["made_before_kickoff"] is made_before


def test_one_moment_of_the_database(database: Database) -> None:
    """A promotion between the two queries is not seen by half."""
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def promote_meanwhile(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "soccer.prediction" in statement:
            database.serve(2)
            with database.engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM soccer.prediction WHERE model_version = 1"))

    snapshot = load_snapshot(engine, NOW, recent_days=7)
    assert (snapshot.model.version, len(snapshot.entries)) == (1, 1)


def test_a_snapshot_cannot_be_changed(database: Database) -> None:
    database.serve(1)
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    with pytest.raises(AttributeError):
        snapshot.entries = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        snapshot.by_match[1] = None  # type: ignore[index]


def test_the_load_writes_nothing(database: Database) -> None:
    database.serve(1)
    seen: list[str] = []
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def remember(_c: Any, cursor: Any, *_: Any) -> None:
        info = cursor.connection
        seen.append(f"{info.readonly} {info.isolation_level}")

    load_snapshot(engine, NOW, recent_days=7)
    assert set(seen) == {"True 2"}  # 2: repeatable read
