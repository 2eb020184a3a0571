"""Data versions of the real assets: they change with content, and with nothing else."""

import copy
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import orjson
import pytest

from soccer_assets.automation.updates import updates
from soccer_assets.simulator.server import FeedServer
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets_tests.assets.conftest import INGESTION, LAKE
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import Platform

DAYS = ("2025-02-27", "2025-02-28", "2025-03-01")
RANGE, MONTHS = (DAYS[0], DAYS[-1]), ("2025-02-01", "2025-03-01")


@pytest.fixture
def exported(midseason: Platform) -> Platform:
    midseason.run(*INGESTION, partitions=RANGE)
    midseason.run(*LAKE, partitions=MONTHS)
    return midseason


def asked(here: Platform) -> dict[str, set[str | None]]:
    """Asset of the lake -> its partitions that the sensor asks for, whatever follows in the run."""
    context = dg.build_sensor_context(instance=here.instance, definitions=here.definitions)
    requests = updates.evaluate_tick(context).run_requests or ()
    return {
        key.to_user_string(): {request.partition_key}
        for request in requests
        for key in request.asset_selection or ()
        if key.to_user_string() in LAKE
    }


def correct(feed: FeedServer, day: str) -> dict[str, Any]:
    """Another result of one match of the day."""
    payload = copy.deepcopy(feed.backend.payload(date.fromisoformat(day), MIDSEASON))
    match = next(m for t in payload["tournaments"] for m in t["matches"] if m["status"] == 6)
    match["awayScore"] += 1
    feed.override(date.fromisoformat(day), payload)
    return payload


def test_days_that_are_the_same_again_have_their_versions_and_ask_for_no_export(
    exported: Platform, feed: FeedServer
) -> None:
    first = exported.run(*INGESTION, partitions=RANGE)
    for day in DAYS:
        again = exported.run(*INGESTION, partition=day)
        for asset in INGESTION:
            versions = exported.versions(first, asset)
            assert len(set(versions.values())) == len(DAYS)
            assert exported.versions(again, asset) == {day: versions[day]}
    assert not asked(exported).keys() & {*LAKE}

    correct(feed, DAYS[0])
    corrected = exported.run(*INGESTION, partitions=RANGE)
    for asset in INGESTION:
        before, now = exported.versions(first, asset), exported.versions(corrected, asset)
        assert {day for day in DAYS if before[day] != now[day]} == {DAYS[0]}
    assert asked(exported) == {asset: {MONTHS[0]} for asset in LAKE}


def test_what_was_corrected_and_corrected_back_has_another_version(
    exported: Platform, feed: FeedServer
) -> None:
    """So that nothing is lost if what reported the first correction was killed."""
    seen = [exported.versions(exported.run(*INGESTION, partition=DAYS[0]), "match")]
    for _ in range(2):
        correct(feed, DAYS[0])
        seen.append(exported.versions(exported.run(*INGESTION, partition=DAYS[0]), "match"))
        feed.clear(date.fromisoformat(DAYS[0]))
        seen.append(exported.versions(exported.run(*INGESTION, partition=DAYS[0]), "match"))
    assert len({version[DAYS[0]] for version in seen}) == len(seen)


def test_an_export_tells_of_every_month_that_it_changed(
    exported: Platform, feed: FeedServer
) -> None:
    again = exported.run(*LAKE, partitions=MONTHS)
    before = {asset: exported.versions(again, asset) for asset in LAKE}
    correct(feed, DAYS[0])
    exported.run(*INGESTION, partition=DAYS[0])
    result = exported.run(*LAKE, partition=MONTHS[1])  # February comes along
    for asset in LAKE:
        now = exported.versions(result, asset)
        assert now.keys() == {*MONTHS}
        assert {month for month in MONTHS if now[month] != before[asset][month]} == {MONTHS[0]}
    assert not asked(exported).keys() & {*LAKE}


def test_a_day_and_a_month_without_matches_have_a_version(
    midseason: Platform, feed: FeedServer
) -> None:
    day = "2024-06-30"
    payload = feed.backend.payload(date.fromisoformat(day), MIDSEASON)
    feed.override(date.fromisoformat(day), {**payload, "tournaments": []})
    found = midseason.run(*INGESTION, partition=day)
    assert midseason.versions(found, "match") == {day: "empty"}
    exported = midseason.run(*LAKE, partition="2024-06-01")
    assert midseason.versions(exported, LAKE[0]) == {"2024-06-01": "empty"}


def test_a_rebuild_asks_for_the_months_that_it_changed_alone(
    exported: Platform, feed: FeedServer
) -> None:
    exported.run_job("rebuild")
    assert not asked(exported).keys() & {*LAKE}
    payload = orjson.dumps(correct(feed, DAYS[0]))
    day = date.fromisoformat(DAYS[0])
    PayloadArchive(exported.store).put(day, payload, datetime.now(UTC))
    exported.run_job("rebuild")
    assert asked(exported) == {asset: {MONTHS[0]} for asset in LAKE}
