"""Real matches in through the feed and out of the lake: the same matches, field by field."""

import time
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.ingestion.ingest import days_between, ingest_days
from soccer_assets.lake.export import export_months
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.simulator.server import FeedServer
from soccer_assets.sources.livescores import LivescoresClient
from soccer_assets.sources.replay import ReplayBackend
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore

pytestmark = pytest.mark.real_data

#: After all of them were played.
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
#: Weeks with cups that went to extra time and penalties, and one with women's matches.
CUTS = [(date(2016, 6, 1), date(2016, 8, 31)), (date(2024, 5, 1), date(2024, 5, 31))]


@pytest.fixture(autouse=True)
def _after_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCCER_AS_OF", AS_OF.isoformat())


@pytest.fixture
def cut(real_matches: Path, tmp_path: Path) -> Path:
    matches = pd.read_parquet(real_matches)
    path = tmp_path / "cut.parquet"
    parts = [matches[matches["date"].dt.date.between(*cut)] for cut in CUTS]
    pd.concat(parts).to_parquet(path, index=False)
    return path


def through_the_lake(
    file: Path, days: list[date] | None, engine: sa.Engine, store: LocalStore
) -> tuple[pd.DataFrame, ...]:
    """``match`` and ``match_raw``, read from the lake, by match id. ``days``: default all."""
    backend = ReplayBackend(file)
    with (
        FeedServer(backend, clock=lambda: AS_OF) as server,
        LivescoresClient(server.url) as client,
    ):
        report = ingest_days(
            days or list(days_between(*backend.days)),
            client.fetch,
            PayloadArchive(store),
            engine,
            concurrency=4,
        )
    assert report.faults == []
    assert report.matches == report.match.inserted == report.match_raw.inserted == len(backend)
    assert report.match.updated == report.match_raw.updated == report.changes.vanished == 0
    export_months(engine, store)
    manifest = read_manifest(store)
    return tuple(
        read_table(store, manifest, table).to_pandas().set_index("match_id").sort_index()
        for table in ("match", "match_raw")
    )


def assert_the_same(file: Path, match: pd.DataFrame, raw: pd.DataFrame) -> pd.DataFrame:
    """Every match of the file is there once, with what the file says of it, and no other."""
    source = pd.read_parquet(file).set_index("match_id").sort_index()
    for frame in (match, raw):
        assert frame.index.tolist() == source.index.tolist()
    for column in ("region_id", "tournament_id", "home_team_id", "away_team_id"):
        assert (match[column] == source[column]).all(), column
        assert (raw[column] == source[column]).all(), column
    for column, name in {
        "region_name": "country",
        "tournament_name": "competition",
        "home_team_name": "home_team",
        "away_team_name": "away_team",
    }.items():
        assert (match[column] == source[name].astype(object)).all(), column
        assert (raw[column] == source[name].astype(object)).all(), column
    assert (match["sex"] == source["women"].astype(int)).all()

    clock = source["time"].astype(object)
    clock = clock.where(clock.str.fullmatch(r"\d\d:\d\d", na=False), "12:00")
    day = source["date"].dt.strftime("%Y-%m-%d")
    kickoff = pd.to_datetime(day + " " + clock, utc=True, format="%Y-%m-%d %H:%M")
    assert (match["kickoff"] == kickoff).all()
    assert (raw["start_time_utc"] == kickoff.dt.strftime("%Y-%m-%dT%H:%M:%SZ")).all()
    assert (pd.to_datetime(match["feed_day"]) == source["date"]).all()

    assert (match["status"] == "finished").all()
    assert match["vanished_at"].isna().all()
    regular = source["ft_flag"] == "F"
    decided = (
        source["ft_flag"]
        .astype(object)
        .map({"F": "regular_time", "E": "extra_time", "P": "penalties"})
    )
    assert (match["decided_in"] == decided).all()
    for frame in (match, raw):
        for side in ("home", "away"):
            score, later = frame[f"{side}_score"], frame[f"{side}_extratime_score"]
            assert (score[regular] == source.loc[regular, f"{side}_score"]).all()
            assert score[~regular].isna().all()
            assert (later[~regular] == source.loc[~regular, f"{side}_score"]).all()
            assert later[regular].isna().all()
            assert frame[f"{side}_penalty_score"].isna().all()
    return source


def test_two_cuts_of_the_real_matches_come_out_as_they_went_in(
    cut: Path, engine: sa.Engine, store: LocalStore
) -> None:
    days = [day for first, last in CUTS for day in days_between(first, last)]
    source = assert_the_same(cut, *through_the_lake(cut, days, engine, store))
    assert len(source) > 5_000
    assert set(source["ft_flag"]) == {"F", "E", "P"}
    assert source["women"].any()
    assert source["is_international"].any()
    assert source["time"].isna().any()
    assert source["time"].notna().any()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_real_match_comes_out_as_it_went_in(
    real_matches: Path, engine: sa.Engine, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    started = time.monotonic()
    tables = through_the_lake(real_matches, None, engine, store)
    passed = time.monotonic() - started
    source = assert_the_same(real_matches, *tables)
    with capsys.disabled():
        print(
            f"\n{len(source):,} real matches through the feed and out of the lake: {passed:.0f} s"
        )
