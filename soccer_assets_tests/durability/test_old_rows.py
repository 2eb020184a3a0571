"""Rows that were brought in before a day's kick-offs had bounds, in archive, tables and lake."""

import json
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from soccer_assets.dvc.outs import (
    DATASET,
    FEATURE_STATES,
    FEATURES,
    FEATURES_META,
    FINISHED,
    FIXTURES,
)
from soccer_assets.dvc.stages import dataset, features, finished, fixtures
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.feed.payload import Row
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.ingestion.rebuild import rebuild_warehouse
from soccer_assets.lake.export import export_months
from soccer_assets.params import read_params
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.feed_days import DAY, a_match, a_payload
from soccer_assets_tests.feed_days import finished as a_result

pytestmark = pytest.mark.system

#: Days that reach beyond the calendar: no bounds at all.
UNBOUNDED = FeedLimits.model_construct(kickoff_days=5_000_000)
TEAMS = 6
DAYS = [DAY + timedelta(days=k) for k in range(30)]
#: Id -> a kick-off that no match of its day has.
ODD = {
    9001: "0001-01-01T15:00:00Z",
    9002: "9999-12-31T15:00:00Z",
    9003: "2099-05-01T15:00:00Z",
    9004: "1996-03-09T15:00:00Z",
}


def a_day(day: date, ids: "count[int]") -> list[Row]:
    """Each team plays another; what is a fixture is so on the last days."""
    matches = []
    for k in range(0, TEAMS, 2):
        home, away = (k + day.toordinal()) % TEAMS, (k + 1 + 2 * day.toordinal()) % TEAMS
        teams = {"homeTeamId": 100 + home, "awayTeamId": 100 + (away + (home == away)) % TEAMS}
        if day in DAYS[-3:]:
            matches.append(a_match(next(ids), day, **teams))
        else:
            matches.append(a_result(next(ids), home % 4, away % 3, day, **teams))
    return matches


@pytest.fixture
def old(store: LocalStore, engine: sa.Engine) -> PayloadArchive:
    """An archive, and tables made of it, whose days show the odd results among the others."""
    ids = count(1)
    shown = {day: a_day(day, ids) for day in DAYS}
    for day, (match_id, kickoff) in zip(DAYS[3:], ODD.items(), strict=False):
        teams = {"homeTeamId": 100, "awayTeamId": 101}
        shown[day].append(a_result(match_id, 5, 0, day, startTimeUtc=kickoff, **teams))
    bodies = {day: orjson.dumps(a_payload(*matches)) for day, matches in shown.items()}
    archive = PayloadArchive(store)
    report = ingest_days(DAYS, bodies.__getitem__, archive, engine, limits=UNBOUNDED)
    assert not report.faults
    assert not report.set_aside
    return archive


def outs(
    engine: sa.Engine, store: LocalStore, folder: Path, patch: pytest.MonkeyPatch
) -> dict[str, bytes]:
    """What the stages make of the tables, through the lake; the folder is the current one."""
    folder.mkdir()
    manifest = export_months(engine, store).manifest
    (folder / "lake.json").write_bytes(manifest.to_bytes())
    (folder / "params.yaml").write_bytes(DEFAULT_PARAMS.read_bytes())
    stages = (finished, fixtures, features, dataset)
    names = [stage.__name__.rpartition(".")[2] for stage in stages]
    (folder / "code.json").write_text(json.dumps(dict.fromkeys(names, "this")))
    with patch.context() as here:
        here.chdir(folder)
        here.setenv("LAKE_URI", store.uri)
        for stage in stages:
            stage.main()
        folders = (FINISHED, FIXTURES, FEATURES, FEATURE_STATES, DATASET)
        files = [FEATURES_META, *(file for path in folders for file in path.glob("*.parquet"))]
        return {str(path): path.read_bytes() for path in files}


def test_nothing_is_made_of_them_and_a_rebuild_sets_them_aside_by_name(
    old: PayloadArchive,
    engine: sa.Engine,
    store: LocalStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The stages make the same of the tables with them and of those without, to the last byte."""
    with_them = outs(engine, store, tmp_path / "before", monkeypatch)
    printed = capsys.readouterr().out
    assert all(f"left out: match {match_id} of " in printed for match_id in ODD)

    told: list[str] = []
    rebuild_warehouse(engine, old, told.append, limits=read_params(DEFAULT_PARAMS).ingestion.limits)
    for day, (match_id, kickoff) in zip(DAYS[3:], ODD.items(), strict=False):
        (line,) = [line for line in told if f"match {match_id}" in line]
        assert line.startswith(f"{day}: set aside: ")
        assert kickoff[:10] in line
    with engine.connect() as connection:
        ids = set(connection.scalars(sa.text("SELECT match_id FROM soccer.match")))
        assert ids == set(range(1, len(DAYS) * TEAMS // 2 + 1))
        assert connection.scalar(sa.text("SELECT count(*) FROM soccer.match_raw")) == len(ids)

    without_them = outs(engine, store, tmp_path / "after", monkeypatch)
    assert "left out" not in capsys.readouterr().out
    assert with_them == without_them
