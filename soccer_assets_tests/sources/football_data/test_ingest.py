"""From the site's files into the archive and the tables, through what the feed goes through."""

from datetime import date
from pathlib import Path

import sqlalchemy as sa

from soccer_assets.ingestion.ingest import IngestReport, ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.sources.football_data.source import FootballDataSource
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.schema import match, match_raw
from soccer_assets_tests.sources.football_data.site import Answer, Site, at, csv_file, played

SATURDAY, SUNDAY = date(2024, 11, 23), date(2024, 11, 24)
SEASON = "mmz4281/2425/E0.csv"
EARLIER = played(date(2024, 11, 9), "Everton", "Fulham", "1-1")


def test_a_coming_match_is_moved_and_played_in_one_row(
    engine: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    archive = PayloadArchive(store)

    def ingest() -> IngestReport:
        with FootballDataSource(site.url, clock=at(2024, 11, 22), cache=store) as source:
            return ingest_days([SATURDAY, SUNDAY], source.fetch, archive, engine, concurrency=2)

    def rows(table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            found = connection.execute(sa.select(*(table.c[name] for name in columns)))
            return [tuple(row) for row in found]

    with Site(tmp_path / "site").running() as site:
        site.put(SEASON, csv_file([EARLIER]))
        site.put("fixtures.csv", csv_file([played(SATURDAY, "Arsenal", "Chelsea", B365H=2.1)]))
        assert ingest().faults == []
        ((first, status, day, score),) = rows(match, "match_id", "status", "feed_day", "home_score")
        assert (status, day, score) == ("scheduled", SATURDAY, None)

        site.put("fixtures.csv", csv_file([played(SUNDAY, "Arsenal", "Chelsea", B365H=2.2)]))
        assert ingest().faults == []
        assert rows(match, "match_id", "status", "feed_day") == [(first, "scheduled", SUNDAY)]

        result = played(SUNDAY, "Arsenal", "Chelsea", "3-0", B365H=2.2, B365CH=2.3)
        site.put(SEASON, csv_file([EARLIER, result]))
        assert ingest().faults == []
        assert rows(match, "match_id", "status", "home_score") == [(first, "finished", 3)]
        ((extra,),) = rows(match_raw, "extra")
        assert extra["footballData"]["B365CH"] == "2.3"

        unchanged = ingest()
        assert unchanged.match.inserted == unchanged.match.updated == 0

        before = rows(match, "match_id", "status", "home_score", "vanished_at")
        site.put("mmz4281/2425/E1.csv", csv_file([played(SUNDAY, "Leeds", "Luton", div="E1")]))
        site.answers[SEASON] = Answer(200, b"<html>sorry</html>")
        broken = ingest()
        assert broken.faults == []
        assert broken.gaps == {
            f"{SEASON}: an HTML page instead of CSV": [SATURDAY, SUNDAY],
        }
        assert broken.changes.vanished == 0
        assert before[0] in rows(match, "match_id", "status", "home_score", "vanished_at")
        assert len(rows(match, "match_id")) == 2  # the sound league is loaded

        del site.answers[SEASON]
        assert ingest().gaps == {}

        site.put("fixtures.csv", b"")
        site.put(
            "mmz4281/2425/E1.csv", csv_file([played(SUNDAY, "Leeds", "Luton", "1-0", div="E1")])
        )
        empty = ingest()
        assert list(empty.gaps) == ["fixtures.csv: is empty"]
        assert empty.changes.vanished == 0
        assert len(rows(match, "match_id")) == 2
        tables = {table: rows(table, *table.c.keys()) for table in (match, match_raw)}
        rebuild_warehouse(engine, archive)
        assert tables == {table: rows(table, *table.c.keys()) for table in tables}
