"""The source of the days is chosen by one setting; every source ends in the same tables."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import sqlalchemy as sa

from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.resources import LivescoresResource, make_resources
from soccer_assets.settings import SettingsError, get_settings
from soccer_assets.sources.results_file import REQUIRED_COLUMNS
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.schema import match, match_odds, match_statistics
from soccer_assets_tests.sources.football_data.site import Site

DAY = date(2024, 8, 17)
E0 = """Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H,B365D,B365A,HS,AS,HST,AST,HC,AC
E0,17/08/2024,15:00,Arsenal,Wolves,2,0,H,1.18,7.5,13,18,9,6,3,8,2
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOCCER_AS_OF", "2024-08-20")
    return monkeypatch


def configured() -> LivescoresResource:
    resource = make_resources(get_settings())["livescores"]
    assert isinstance(resource, LivescoresResource)
    return resource


def ingest(engine: sa.Engine, store: LocalStore) -> None:
    archive = PayloadArchive(store)
    with configured().source(archive, store) as source:
        report = ingest_days([DAY], source.fetch, archive, engine)
    assert not report.faults


def the_match(engine: sa.Engine) -> dict[str, object]:
    query = sa.text(
        "SELECT home_team_name, away_team_name, home_score, away_score, status, kickoff"
        " FROM soccer.match"
    )
    with engine.connect() as connection:
        return dict(connection.execute(query).mappings().one())


ARSENAL = {
    "home_team_name": "Arsenal",
    "away_team_name": "Wolves",
    "home_score": 2,
    "away_score": 0,
    "status": "finished",
    "kickoff": datetime(2024, 8, 17, 14, tzinfo=UTC),
}


def test_football_data_with_its_odds_and_statistics(
    environment: pytest.MonkeyPatch, engine: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    site = Site(tmp_path / "site")
    site.put("mmz4281/2425/E0.csv", E0.encode())
    with site.running():
        environment.setenv("LIVESCORES_SOURCE", "football_data")
        environment.setenv("FOOTBALL_DATA_URL", site.url)
        ingest(engine, store)
    assert the_match(engine) == ARSENAL
    with engine.connect() as connection:
        odds = connection.execute(
            sa.text("SELECT bookmaker, phase, odds_home FROM soccer.match_odds")
        )
        assert odds.all() == [("B365", "pre", 1.18)]
        statistics = connection.execute(sa.select(match_statistics)).one()
        assert statistics[:7] == (statistics.match_id, 18, 9, 6, 3, 8, 2)
    (kept,) = store.list("source_files/football_data/mmz4281/2425/")
    assert kept.endswith(".gz")


def test_a_results_file(
    environment: pytest.MonkeyPatch, engine: sa.Engine, store: LocalStore, tmp_path: Path
) -> None:
    row = dict.fromkeys(REQUIRED_COLUMNS, 1) | {
        "date": DAY, "time": "14:00", "country": "England", "competition": "League",
        "is_international": False, "women": False, "neutral": False, "home_team": "Arsenal",
        "away_team": "Wolves", "home_score": 2, "away_score": 0, "ft_flag": "F",
        "away_team_id": 2, "odds_h": 1.2, "odds_d": 7, "odds_a": 15, "odds_type": "avg_close",
        "home_shots": 18, "home_corners": "many",
    }  # fmt: skip
    environment.setenv("LIVESCORES_SOURCE", "file")
    environment.setenv("LIVESCORES_FILE", str(tmp_path / "results.csv"))

    def write(day: str) -> None:
        pd.DataFrame([row | {"date": day}]).to_csv(tmp_path / "results.csv", index=False)

    write(f"{DAY:%d/%m/%Y}")
    with pytest.raises(dg.Failure, match=r"^LIVESCORES_FILE: .*results.csv row 1, column date: "):
        ingest(engine, store)
    environment.setenv("LIVESCORES_DATE_FORMAT", "%d/%m/%Y")
    ingest(engine, store)
    assert the_match(engine) == ARSENAL
    with engine.connect() as connection:
        assert connection.scalar(sa.select(match.c.is_neutral)) is False
        odds = connection.execute(sa.select(match_odds)).one()
        assert odds[:6] == (1, "Avg", "closing", 1.2, 7.0, 15.0)
        statistics = connection.execute(sa.select(match_statistics)).one()
        assert (statistics.home_shots, statistics.home_corners) == (18, None)
    environment.delenv("LIVESCORES_DATE_FORMAT")
    write(DAY.isoformat())
    ingest(engine, store)
    assert the_match(engine) == ARSENAL


def test_without_any_setting_the_simulator_plays(
    environment: pytest.MonkeyPatch, engine: sa.Engine, store: LocalStore
) -> None:
    for name in ("LIVESCORES_SOURCE", "LIVESCORES_URL"):
        environment.delenv(name, raising=False)
    ingest(engine, store)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM soccer.match")) > 0


@pytest.mark.parametrize(
    ("source", "needs"),
    [("browser", "LIVESCORES_URL and SELENIUM_REMOTE_URL"), ("file", "LIVESCORES_FILE")],
)
def test_a_source_that_lacks_a_setting_names_it(
    environment: pytest.MonkeyPatch, source: str, needs: str
) -> None:
    environment.setenv("LIVESCORES_SOURCE", source)
    with pytest.raises(SettingsError, match=f"^LIVESCORES_SOURCE={source} needs {needs}$"):
        get_settings()


def test_an_unknown_source_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LIVESCORES_SOURCE", "carrier_pigeon")
    with pytest.raises(SettingsError, match=r"^LIVESCORES_SOURCE: .*'feed', 'browser'"):
        get_settings()


def test_no_secret_is_in_the_configuration(environment: pytest.MonkeyPatch) -> None:
    for name in ("LIVESCORES_TOKEN", "SELENIUM_REMOTE_URL", "SLACK_BOT_TOKEN", "SERVING_TOKEN"):
        environment.setenv(name, "http://user:hush@host")
    environment.setenv("POSTGRES_URL", "postgresql://user:hush@host/db")
    for resource in make_resources(get_settings()).values():
        assert "hush" not in str(resource)
        assert "hush" not in str(resource._resolved_config_dict)
