from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.serving import loading
from soccer_assets.serving.loading import NoChampion, load_snapshot
from soccer_assets.serving.schemas import Prediction
from soccer_assets.serving.snapshot import Entry, Snapshot
from soccer_assets.warehouse import schema
from soccer_assets_tests.serving.building import Match, piece_of
from soccer_assets_tests.serving.conftest import HOUR, NOW, Database

NAMES = ("home_team_name", "away_team_name", "tournament_name", "region_name")


def entries(snapshot: Snapshot) -> list[Entry]:
    return [snapshot.entry(row) for row in range(snapshot.size)]


def answer(snapshot: Snapshot, match_id: int) -> dict[str, Any]:
    body = snapshot.body(match_id)
    assert body is not None
    return orjson.loads(body)


def test_no_champion(database: Database) -> None:
    with pytest.raises(NoChampion, match="no champion is served yet"):
        load_snapshot(database.engine, NOW, recent_days=7)


def test_a_champion_without_matches(database: Database) -> None:
    database.serve(4)
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    assert (snapshot.model.version, snapshot.size) == (4, 0)


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
    assert [entry.match_id for entry in entries(snapshot)] == [2, 4, 5, 3]
    assert [entry.match_id for entry in snapshot.coming(NOW, limit=9).entries] == [4, 5]
    assert {n for n in range(9) if snapshot.body(n)} == {2, 3, 4, 5}
    body = answer(snapshot, 5)
    assert (body["p_home"], body["p_draw"], body["p_away"]) == (0.5, 0.3, 0.2)
    assert (body["model_version"], body["kickoff"]) == (2, "2025-03-01T14:00:00Z")


def test_a_moved_match_has_its_new_kickoff(database: Database) -> None:
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE soccer.match SET kickoff = :later"), {"later": NOW + 48 * HOUR}
        )
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    assert answer(snapshot, 1)["kickoff"] == "2025-03-03T12:00:00Z"


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
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    assert answer(snapshot, 1)["made_before_kickoff"] is made_before


def test_one_moment_of_the_database(database: Database) -> None:
    """A promotion between the two queries is not seen by half."""
    database.add_match(1, NOW + HOUR)
    database.serve(1)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)

    promoted = False

    @sa.event.listens_for(engine, "after_cursor_execute")
    def promote_meanwhile(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal promoted
        if "soccer.served_model" in statement:
            promoted = True
            database.serve(2)
            with database.engine.begin() as connection:
                connection.execute(sa.text("DELETE FROM soccer.prediction WHERE model_version = 1"))

    snapshot = load_snapshot(engine, NOW, recent_days=7)
    assert promoted
    assert (snapshot.model.version, snapshot.size) == (1, 1)


def test_a_snapshot_cannot_be_changed(database: Database) -> None:
    database.serve(1)
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    with pytest.raises(AttributeError):
        snapshot.pieces = ()  # type: ignore[misc]


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


def test_the_json_is_what_the_tables_hold(database: Database) -> None:
    """Names with all that JSON escapes, times with a fraction, numbers to the last digit."""
    kickoff = datetime(2025, 3, 2, 12, 30, 0, 120_000, tzinfo=UTC)
    names = ['Zürich "01"', "back\\slash\n\ttab", "名古屋グランパス 🏆", "+00:00"]
    third = 1 / 3
    database.add_match(2**40, kickoff, **dict(zip(NAMES, names, strict=True)), season_name=None)
    database.serve(5, probabilities=(third, third, 1 - 2 * third))
    found = answer(load_snapshot(database.engine, NOW, recent_days=7), 2**40)
    assert found == {
        "match_id": 2**40,
        "kickoff": found["kickoff"],
        "status": "scheduled",
        "tournament_id": 2,
        "season_name": None,
        "home_team_id": 13,
        "away_team_id": 32,
        **dict(zip(NAMES, names, strict=True)),
        "p_home": third,
        "p_draw": third,
        "p_away": 1 - 2 * third,
        "features_as_of": "2025-03-01T11:00:00Z",
        "predicted_at": "2025-03-01T12:00:00Z",
        "made_before_kickoff": True,
        "model_version": 5,
    }
    assert Prediction.model_validate(found).kickoff == kickoff


def test_more_matches_than_go_into_one_piece(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PIECE_ROWS", 3)
    for match_id in range(1, 12):
        database.add_match(match_id, NOW + HOUR * (match_id % 4))
    database.serve(1)
    snapshot = load_snapshot(database.engine, NOW, recent_days=7)
    assert len(snapshot.pieces) == 4
    assert [entry.match_id for entry in entries(snapshot)] == sorted(
        range(1, 12), key=lambda match_id: (match_id % 4, match_id)
    )
    assert [answer(snapshot, n)["match_id"] for n in range(1, 12)] == list(range(1, 12))


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_what_copy_sends_may_be_cut_anywhere(size: int) -> None:
    pieces = [piece_of([Match(1, body=b"{1}"), Match(2, body=b"")]), piece_of([Match(3)])]
    stream = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for piece in pieces:
        stream += (2).to_bytes(2, "big")
        stream += b"".join(len(part).to_bytes(4, "big") + part for part in piece)
    rows = loading._Rows()
    for at in range(0, len(stream), size):
        rows.write(stream[at : at + size])
    with pytest.raises(ValueError, match="no end"):
        rows.complete()
    rows.write(b"\xff\xff")
    assert rows.complete() == pieces
