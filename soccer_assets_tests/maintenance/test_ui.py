"""The UI's pages after maintenance: the state of every asset as before, and its history as far as kept."""

from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from benchmarks.ui import opened
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.automation.records import PARTITION_TAG
from soccer_assets_tests.automation.loop import FEATURES, NOON, SERVING, UNPARTITIONED, Loop
from soccer_assets_tests.maintenance.deciding import NEWEST_ALONE, tidied

DAY = timedelta(days=1)
PARTITIONED = ("match", "match_raw", "match_parquet")


@pytest.mark.system
def test_the_pages_of_assets_tell_the_same_state(instance: dg.DagsterInstance) -> None:
    loop = Loop(instance)
    with freeze_time(NOON - 90 * DAY):
        loop.made(*UNPARTITIONED, version="1")
    for day in (50, 40, 35):
        with freeze_time(NOON - day * DAY):
            run = loop.begin(
                "match", "match_raw", tags={FIRST_TAG: "2025-01-01", LAST_TAG: "2025-01-03"}
            )
            loop.makes_some(run, "match", "2025-01-01", "2025-01-02")
            loop.fails(run)
            loop.runs("match_parquet", *FEATURES, *SERVING, tags={PARTITION_TAG: "2025-01-01"})
            loop.checked("features", "feature_ranges", day != 40, blocking=True)
    with opened(instance) as ui:
        before = ui.graph(*UNPARTITIONED, *PARTITIONED)
        history = ui.asset("features")["assetOrError"]["assetMaterializations"]
        assert len(history) == 4
        assert before["assetNodes"]
        tidied(instance, NOON, needs=NEWEST_ALONE)
        for asset in PARTITIONED:  # found anew, by what is left
            instance.event_log_storage.wipe_asset_cached_status(dg.AssetKey(asset))
        assert ui.graph(*UNPARTITIONED, *PARTITIONED) == before
        assert ui.asset("features")["assetOrError"]["assetMaterializations"] == history[:1]
        assert history[0]["runOrError"]["status"] == "SUCCESS"
        [left] = ui.check("features", "feature_ranges")["assetCheckExecutions"][-1:]
        assert left["status"] == "SUCCEEDED"
        assert {"FAILURE", "SUCCESS"} >= {
            run["status"] for run in ui.runs()["runsOrError"]["results"]
        }
        asked = {node["assetKey"]["path"][0]: node for node in before["assetNodes"]}
        assert asked["match"]["partitionStats"]["numFailed"] == 1
