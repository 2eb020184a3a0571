"""The ledger as an asset and as commands, on a platform on which something was predicted."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.cli import app
from soccer_assets.lake.ledger import key_of
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.serving_tables import publish_predictions
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.platform import Platform, checks_of, metadata_of, platform
from soccer_assets_tests.warehouse.test_serving_tables import champion, predictions

DAY = timedelta(days=1)


@pytest.fixture
def here(tables: str, world: LeagueSimulator, tmp_path: Path) -> Iterator[Platform]:
    """Of yesterday and the day before there are predictions."""
    environment = {"SOCCER_AS_OF": MIDSEASON.isoformat()}
    with (
        copy_of(tables) as url,
        FeedServer(world) as feed,
        platform(tmp_path, feed, url, environment) as made,
    ):
        for days, match in ((2, 1), (1, 2)):
            now = MIDSEASON - days * DAY
            frame = predictions(match, kickoff=now + DAY)
            publish_predictions(made.engine, frame, champion(), now)
        yield made


def forge(here: Platform, *statements: str) -> None:
    with here.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role TO replica"))
        for statement in statements:
            connection.execute(sa.text(statement))


def test_days_are_closed_and_a_chain_that_is_made_anew_does_not_hold(here: Platform) -> None:
    result = here.run("ledger")
    assert checks_of(result)["chain_holds"].passed
    told = metadata_of(result, "ledger")
    yesterday = (MIDSEASON - DAY).date()
    assert (told["dagster/row_count"], told["head_day"]) == (2, str(yesterday))
    assert checks_of(here.run("ledger"))["chain_holds"].passed

    # All of it, so that it holds in itself: only Dagster's log knows another head.
    forge(
        here,
        "DELETE FROM soccer.prediction_ledger WHERE match_id = 2",
        "DELETE FROM soccer.prediction_ledger_day",
    )
    for key in here.store.list("ledger/"):
        here.store.delete(key)
    for _ in range(2):  # nor does it the next time
        found = checks_of(here.run("ledger"))["chain_holds"]
        assert not found.passed
        assert str(found.metadata["broken"].value).startswith("2025-02-")


def test_the_commands_say_whether_it_holds(
    here: Platform, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here.run("ledger")
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        app(["ledger", "verify"])
    assert ended.value.code == 0
    assert capfd.readouterr().out.startswith("2 predictions and 2 closed days hold")
    with pytest.raises(SystemExit) as ended:
        app(["ledger", "export", str(tmp_path / "out"), "--from", "2025-02-28"])
    assert ended.value.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "2025-02-28.json",
        "2025-02-28.jsonl",
        "verify.py",
    ]
    here.store.delete(key_of((MIDSEASON - 2 * DAY).date()))
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        app(["ledger", "verify"])
    assert ended.value.code == 1
    said = capfd.readouterr()
    assert said.err.startswith("soccer: the ledger is broken: 2025-02-27: its manifest is not in")
    assert said.err.count("\n") == 1
