"""A run over a range of days is tried again as far as something of it is left to make."""

import dagster as dg

from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG
from soccer_assets.automation.retry_policy import with_causes_noted
from soccer_assets_tests.assets.test_retries import Daemon


def test_what_has_a_day_left_is_tried_again() -> None:
    days = ("2025-03-01", "2025-03-02")
    daily = dg.StaticPartitionsDefinition([*days, "2025-03-03"])
    once = {"partitions_def": daily, "backfill_policy": dg.BackfillPolicy.single_run()}

    @dg.asset(**once)
    def first() -> None: ...

    @dg.asset(deps=[first], **once)
    def second() -> None:
        raise ConnectionRefusedError("not there")

    tags = {FIRST_TAG: days[0], LAST_TAG: days[1]}
    with dg.DagsterInstance.ephemeral() as instance:
        assets = with_causes_noted([first, second])
        daemon = Daemon(dg.Definitions(assets=assets), instance)
        daemon.run("__ASSET_JOB", tags=tags)
        instance.report_runless_asset_event(dg.AssetMaterialization("second", partition=days[0]))
        [request] = daemon.tick()
        assert request.asset_selection == [dg.AssetKey("second")]
        assert tags.items() <= request.tags.items()
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(dg.Definitions(assets=assets), instance)
        daemon.run("__ASSET_JOB", tags=tags)
        for day in days:
            instance.report_runless_asset_event(dg.AssetMaterialization("second", partition=day))
        assert daemon.tick() == []  # others have made it
