"""Every finding of the orchestration audit, closed: what had to be done by hand is done by itself.

One platform on real services (PostgreSQL, lake, DVC, MLflow, a feed and a worker over HTTP, Slack's API)
lives through some weeks. Dagster's own daemons decide what is done; nobody asks for anything.
"""

import copy
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow.compute as pc
import pytest

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, find
from soccer_assets.automation.freshness import FRESHNESS, RETRAINED_AFTER
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.automation.reasons import BECAUSE_TAG, TRAINING_TAG, TRIGGER_TAG
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.runner import run_job
from soccer_assets.simulator.faults import Fault
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.end_to_end.unattended import FIRST_DAY, Household, open_household

pytestmark = [pytest.mark.system, pytest.mark.timeout(1800)]

BACKFILL_TAG = "dagster/backfill"
STAGES = ("finished", "fixtures", "features", "feature_states", "features_meta", "dataset")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def house(
    tables_of_dagster_too: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Household]:
    """Its history was asked for, and all else has come by itself."""
    home = tmp_path_factory.mktemp("household")
    with copy_of(tables_of_dagster_too) as url:
        world = LeagueSimulator(seed=20, first_season=2024)
        with open_household(home, url, world) as house:
            house.backfill("livescores", "match_raw", "match")
            house.live()
            yield house


# OR-01


def test_or_01_dvc_stages_and_trainings_are_made_by_triggers(house: Household) -> None:
    """The audit: no job runs `dvc repro`, and the retraining loop is manual."""
    first = trainings(house.runs)[-1]
    assert first["dagster/sensor_name"] == "training"
    assert first[TRIGGER_TAG] == "no model yet"
    before = {stage: house.made(stage) for stage in STAGES}
    house.live_until(18, 10)  # results come in, and the lake changes
    for stage, old in before.items():
        new = house.made(stage)
        assert (new.asked_by, new.at > old.at) == ("updates", True)
        assert "match_parquet" in new.run[BECAUSE_TAG]
        assert new.metadata[REVISION] == house.resources["dvc"].workspace.revision.name
        assert new.metadata[REVISION] != old.metadata[REVISION]
    made = house.made("finished").metadata["dagster/row_count"]
    assert before["finished"].metadata["dagster/row_count"] < made == results_in_lake(house)
    assert not trainings(house.runs[-10:]) or trainings(house.runs)[-1] == first


def results_in_lake(house: Household) -> int:
    store = house.resources["lake"].store
    rows = read_table(store, read_manifest(store), "match", ["status"])
    return int(pc.sum(pc.equal(rows["status"], "finished")).as_py())


def trainings(runs: list[dg.DagsterRun]) -> list[dict[str, str]]:
    """The tags of those that trained."""
    return [dict(run.tags) for run in runs if run.tags.get(TRAINING_TAG)]


# OR-02


def test_or_02_predictions_serving_features_and_workers_follow(house: Household) -> None:
    """The audit: no job predicts in batch, and features for serving go stale."""
    before, then = served(house), house.now
    house.live_until(23, 10)
    for asset in ("serving_features", "predictions", "serving_workers"):
        [made] = house.made_after(then, asset)[-1:]
        assert made.asked_by == "updates"
    newest = datetime.fromisoformat(house.made("serving_features").metadata["features_as_of"])
    after = served(house)
    assert before["features_as_of"] < after["features_as_of"] == newest
    assert before["refreshed_at"] < after["refreshed_at"]
    champion = house.resources["registry"].registry.champion()
    assert after["version"] == champion.number


def served(house: Household) -> dict[str, Any]:
    """What the worker answers with."""
    with house.worker() as worker:
        model, [coming] = worker.model(), worker.predictions(limit=1).predictions
    assert coming.model_version == model.version
    told = model.version, model.refreshed_at, coming.features_as_of
    return dict(zip(("version", "refreshed_at", "features_as_of"), told, strict=True))


# OR-03


def test_or_03_the_lake_follows_the_tables_and_no_more_than_changed(house: Household) -> None:
    """The audit: the raw export is started by hand."""
    house.live_until(3, 10)  # all that is played is settled
    before, then = months_of(house), house.now
    day = date(2025, 2, 28)
    payload = copy.deepcopy(house.site.payload(day, house.now))
    corrected = next(m for t in payload["tournaments"] for m in t["matches"] if m["status"] == 6)
    corrected["homeScore"] += 3
    house.feed.override(day, payload)
    house.live_until(4, 10)
    for asset in ("match_raw_parquet", "match_parquet"):
        made = house.made_after(then, asset)
        assert {(one.partition, one.asked_by) for one in made} == {("2025-02-01", "updates")}
    after = months_of(house)
    assert {month for month in after if after[month] != before.get(month)} == {"2025-02"}
    store = house.resources["lake"].store
    rows = read_table(store, read_manifest(store), "match", ["match_id", "home_score"])
    [row] = rows.filter(pc.equal(rows["match_id"], corrected["id"])).to_pylist()
    assert row["home_score"] == corrected["homeScore"]


def months_of(house: Household) -> dict[str, str]:
    """Month of the lake's matches -> the hash of its file."""
    files = read_manifest(house.resources["lake"].store).tables["match"]
    return {month: file.sha256 for month, file in files.items()}


# OR-04


@pytest.fixture(scope="module")
def outage(house: Household) -> tuple[list[str], list[str]]:
    """What Slack was told while the feed was away for some hours, and when it was back."""
    house.live()
    start = len(house.slack.posted)
    house.feed.inject(None, Fault.http_500())
    for _ in range(3):
        house.live(HOUR)
    during = house.slack.posted[start:]
    house.feed.clear()
    house.live(HOUR)
    return during, house.slack.posted[start + len(during) :]


def told(messages: list[str], *words: str) -> bool:
    return any(all(word in message for word in words) for message in messages)


def test_or_04_what_fails_is_told_on_slack(
    house: Household, outage: tuple[list[str], list[str]]
) -> None:
    """The audit: nobody is told of failures."""
    during, after = outage
    assert told(during, ":red_circle:", "ingest", "failed", "HTTP 500")
    assert told(during, "livescores is stale")
    assert told(after, ":white_check_mark:", "went through")

    start = len(house.slack.posted)
    house.feed.inject(None, Fault.missing_field("elapsed"))
    house.restart_worker("the token of somebody else")
    house.live_until(23, 10)
    during = house.slack.posted[start:]
    assert told(during, "check feed_fields of livescores failed", "elapsed")
    assert told(during, ":red_circle:", "serving_workers: 1 of 1 workers do not serve")

    house.feed.clear()
    house.restart_worker()
    house.live(2 * HOUR)
    after = house.slack.posted[start + len(during) :]
    assert told(after, ":white_check_mark:", "check feed_fields of livescores passes again")
    assert told(after, ":white_check_mark:", "serving_workers went through")
    kinds = {row.kind for row in find(house.resources["warehouse"].engine) if row.state != OPEN}
    assert {Kind.RUN_FAILED, Kind.CHECK_FAILED, Kind.STALE, Kind.RELOAD_FAILED} <= kinds


# OR-05


def recipe(house: Household) -> None:
    house.set("training", candidates={"plain": {"learner": "logistic", "C": 0.002}})


def volume(house: Household) -> None:
    house.set("monitoring", volume_min_rows=50, volume_min_share=0.0)


def shift(house: Household) -> None:
    house.site.frozen_at = house.now  # no result comes in any more


def decay(house: Household) -> None:
    house.site.reversed_since = house.now.date() + DAY


def age(house: Household) -> None:
    first = house.now.date()
    house.clock.advance(RETRAINED_AFTER - 2 * DAY)
    # Else a report of the feed's last days may come before the days between: a shift, as far as it sees.
    run_job("ingest", print, partitions=(str(first), str(house.now.date())))
    house.live()


def nothing_any_more(house: Household) -> None:
    house.site.frozen_at = house.site.reversed_since = None
    house.set("monitoring", volume_min_rows=100_000)


@pytest.mark.parametrize("cause", [recipe, volume, age, shift, decay])
def test_or_05_a_training_is_asked_for(
    house: Household, cause: Callable[[Household], None]
) -> None:
    """The audit: no drift, no metric and no volume asks for a training."""
    count = len(house.runs)
    cause(house)
    for _ in range(4):
        house.live_until(23, 10, days=1)  # as far apart as the feed's window of three days allows
        if trainings(house.runs[count:]):
            break
    nothing_any_more(house)
    [tags] = trainings(house.runs[count:])
    assert tags["dagster/sensor_name"] == "training"
    assert tags[TRIGGER_TAG] == cause.__name__, tags[BECAUSE_TAG]
    assert tags[BECAUSE_TAG]


# OR-06


def test_or_06_partitions_and_backfills_have_computed_bounds(house: Household) -> None:
    """The audit: the bounds of the backfill are written into its code."""
    days, months = (house.graph.get(dg.AssetKey(a)) for a in ("livescores", "match_parquet"))
    # The backfill that the history came by was asked for without any.
    first, last = str(FIRST_DAY), str(MIDSEASON.date() + 15 * DAY)
    [backfill] = [run for run in house.runs if BACKFILL_TAG in run.tags]
    assert (backfill.tags[FIRST_TAG], backfill.tags[LAST_TAG]) == (first, last)
    covered = keys_at(days, MIDSEASON)
    assert (covered[0], covered[-1]) == (first, last)
    assert set(covered) <= house.instance.get_materialized_partitions(days.key)
    filled = [month for month in keys_at(months, MIDSEASON) if month <= f"{MIDSEASON:%Y-%m-01}"]
    assert set(filled) <= house.instance.get_materialized_partitions(months.key)
    # As time goes on, so do they.
    for moment in (house.now, house.now + 31 * DAY):
        last_day = moment.date() + 15 * DAY
        assert keys_at(days, moment)[-1] == str(last_day)
        assert f"{last_day:%Y-%m-01}" in keys_at(months, moment)


def keys_at(asset: Any, moment: datetime) -> list[str]:
    with dg.partition_loading_context(effective_dt=moment):
        return list(asset.partitions_def.get_partition_keys())


# OR-07


def test_or_07_every_asset_has_a_freshness_policy_and_its_changes_are_told(
    house: Household, outage: tuple[list[str], list[str]]
) -> None:
    """The audit: nobody sees how old what a stage made is."""
    keys = list(house.graph.materializable_asset_keys)
    for key in keys:
        assert house.graph.get(key).freshness_policy == FRESHNESS[key.to_user_string()]
    states = house.instance.get_freshness_state_records(keys)
    assert set(states) == set(keys)  # the daemon judges them all
    during, after = outage
    assert told(during, ":hourglass: livescores is stale (WARN)", "stale with it: match, match_raw")
    assert told(after, ":white_check_mark: livescores is fresh again")
