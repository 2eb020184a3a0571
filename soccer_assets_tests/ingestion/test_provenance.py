"""A warehouse and an archive hold the matches of one source and refuse those of another."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from soccer_assets.ingestion.provenance import OtherSource, claim
from soccer_assets.settings import Settings
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore

DAY = date(2025, 3, 1)


@pytest.fixture
def archive(store: LocalStore) -> PayloadArchive:
    return PayloadArchive(store)


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO soccer.ingested_day VALUES (:day, 'key', now(), now(), 0)"),
            {"day": DAY},
        )


def archive_something(archive: PayloadArchive) -> None:
    archive.put(DAY, b"{}", datetime(2025, 3, 2, tzinfo=UTC))


def names(engine: Engine, archive: PayloadArchive) -> tuple[str | None, str | None]:
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT name FROM soccer.source")), archive.source


def test_the_first_source_is_remembered_and_may_come_again(
    engine: Engine, archive: PayloadArchive
) -> None:
    for _ in range(2):
        claim("simulator 20", engine, archive)
        fill_once(engine)
        archive_something(archive)
    assert names(engine, archive) == ("simulator 20", "simulator 20")


def fill_once(engine: Engine) -> None:
    with engine.connect() as connection:
        empty = not connection.scalar(sa.text("SELECT count(*) FROM soccer.ingested_day"))
    if empty:
        fill(engine)


@pytest.mark.parametrize("filled", ["the warehouse", "the lake at "])
def test_another_source_is_refused_with_the_way_out(
    engine: Engine, archive: PayloadArchive, filled: str
) -> None:
    claim("simulator 20", engine, archive)
    if filled == "the warehouse":
        fill(engine)
    else:
        archive_something(archive)
    with pytest.raises(OtherSource) as refused:
        claim("site feed.example", engine, archive)
    told = str(refused.value)
    assert told.startswith(filled)
    assert "'simulator 20'" in told
    assert "SOCCER_HOME" in told
    assert told.endswith("set LIVESCORES_NAME='simulator 20'")
    assert names(engine, archive) == ("simulator 20", "simulator 20")


def test_a_name_that_nothing_came_under_gives_way(engine: Engine, archive: PayloadArchive) -> None:
    """A mistyped address that never answered."""
    claim("site fed.example", engine, archive)
    claim("site feed.example", engine, archive)
    assert names(engine, archive) == ("site feed.example", "site feed.example")


def test_what_was_filled_before_names_were_kept_takes_the_first(
    engine: Engine, archive: PayloadArchive
) -> None:
    fill(engine)
    archive_something(archive)
    claim("site feed.example", engine, archive)
    with pytest.raises(OtherSource):
        claim("simulator 20", engine, archive)


def test_a_moved_lake_is_known_by_itself(
    engine: Engine, archive: PayloadArchive, tmp_path: Path
) -> None:
    """Another warehouse over the same archive would load what the archive holds."""
    claim("simulator 20", engine, archive)
    archive_something(archive)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM soccer.source"))
    with pytest.raises(OtherSource, match=r"^the lake at "):
        claim("simulator 21", engine, archive)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "simulator 20"),
        ({"simulator_seed": 21}, "simulator 21"),
        ({"livescores_url": "https://user:hush@feed.example:8443/x"}, "site feed.example"),
        (
            {
                "livescores_source": "browser",
                "livescores_url": "http://feed.example",
                "selenium_remote_url": "http://grid:4444",
            },
            "site feed.example",
        ),
        ({"livescores_source": "football_data"}, "football-data.co.uk"),
        (
            {"livescores_source": "football_data", "football_data_url": "http://mirror"},
            "football-data.co.uk",
        ),
        ({"livescores_source": "file", "livescores_file": "/data/world.csv"}, "file world"),
        ({"livescores_url": "http://moved.example", "livescores_name": "site old"}, "site old"),
    ],
)
def test_a_source_goes_by_what_stays_when_its_address_changes(
    given: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    assert Settings(**given).source_name == name
