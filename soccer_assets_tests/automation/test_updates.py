"""What the real definitions ask for because it is behind, in every order things can happen in."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.data_version import CODE_VERSION_TAG
from dagster._core.test_utils import freeze_time

from soccer_assets.automation.behind import PAUSE
from soccer_assets.automation.records import FIRST_TAG, LAST_TAG, PARTITION_TAG
from soccer_assets.definitions import defs, make_definitions
from soccer_assets.settings import Settings
from soccer_assets_tests.automation.loop import (
    BLOCKING,
    FEATURES,
    MONITORING,
    REGISTRY,
    REPORTS,
    SERVING,
    UNPARTITIONED,
    Loop,
)

LAKE = ("match_raw_parquet", "match_parquet")
#: What is made from the lake without a training.
SCORING = {*FEATURES, *SERVING, *MONITORING}


#: Made from what days are loaded into, without the lake.
FRESHNESS = "data_freshness"


def all_behind(lake: Iterable[str], *months: str) -> dict[str, set[str | None]]:
    """Months of the lake whose days changed, and in the same run all that is made from them."""
    others = {asset: {None} for asset in (*SCORING, FRESHNESS)}
    return {**{key: set(months) for key in lake}, **others}


def month(key: str) -> dict[str, str]:
    return {PARTITION_TAG: key}


def test_nothing_is_asked_for_at_rest(loop: Loop) -> None:
    assert loop.behind() == {}
    assert "everything is made from the newest" in loop.waiting()


# What follows what


def test_days_that_changed_ask_for_their_months_old_ones_too(loop: Loop) -> None:
    for day in ("2025-02-28", "2025-03-01", "1999-05-08", "1999-05-09"):
        loop.made("match_raw", "match", partition=day)
    months = {"1999-05-01", "2025-02-01", "2025-03-01"}
    assert loop.behind() == {**dict.fromkeys(LAKE, months), FRESHNESS: {None}}
    assert [request.partition_key for request in loop.requests()] == ["1999-05-01", None, None]
    loop.catches_up()


def test_a_changed_table_asks_for_its_own_month(loop: Loop) -> None:
    loop.made("match", partition="2024-11-30")
    assert loop.behind() == all_behind(["match_parquet"], "2024-11-01")
    loop.catches_up()
    loop.made("match_raw", partition="2024-11-30")
    assert loop.behind() == {"match_raw_parquet": {"2024-11-01"}}  # nothing is made from it


def test_a_changed_result_goes_all_the_way_in_one_run(loop: Loop) -> None:
    """Over the end of a month, too."""
    for days in (["2025-03-01"], ["2025-02-28", "2025-03-01"]):
        for day in days:
            loop.made("match_raw", "match", partition=day)
        [request] = loop.requests()
        assert set(loop.behind()) == {*LAKE, *SCORING, FRESHNESS}
        assert request.tags["soccer/because"].startswith("match, match_raw newer than data_fresh")
        loop.catches_up()
        assert loop.behind() == {}


def test_what_failed_in_that_run_is_asked_for_again_with_growing_pauses(loop: Loop) -> None:
    """Without the months, which were made; and without what would be skipped with it once more."""
    moment = datetime.now(UTC)
    loop.made("match_raw", "match", partition="2025-03-01")
    with freeze_time(moment):
        [request] = loop.requests()
        tags = {**request.tags, **month(request.partition_key or "")}
        run = loop.begin(*LAKE, *SCORING, FRESHNESS, tags=tags)
        loop.makes(run, *LAKE, FRESHNESS)
        loop.fails(run)
        assert "finished is behind: failed 1 times, again in 1 min" in loop.waiting()
    with freeze_time(moment + timedelta(seconds=PAUSE + 1)):
        [request] = loop.requests()
        assert {key.to_user_string() for key in request.asset_selection or ()} == {
            "finished",
            "fixtures",
        }
        assert request.tags["soccer/attempt"] == "2"
        assert request.partition_key is None


def test_months_that_failed_are_asked_for_again_alone(loop: Loop) -> None:
    loop.made("match_raw", "match", partition="2025-03-01")
    [request] = loop.requests()
    tags = {**request.tags, **month(request.partition_key or "")}
    run = loop.begin(*LAKE, *SCORING, FRESHNESS, tags=tags)
    loop.makes(run, FRESHNESS)
    loop.fails(run)
    assert "again in" in loop.waiting()
    with freeze_time(datetime.now(UTC) + timedelta(seconds=PAUSE + 1)):
        assert loop.behind() == {key: {"2025-03-01"} for key in LAKE}


def test_a_month_waits_alone_while_its_features_are_being_made(loop: Loop) -> None:
    features = loop.begin(*FEATURES)
    loop.made("match_raw", "match", partition="2025-03-01")
    assert not {"finished", "predictions"} & loop.behind().keys()
    assert set(LAKE) <= loop.behind().keys()
    loop.ends(features)
    loop.catches_up()


def test_a_changed_month_asks_for_features_and_what_is_served_but_for_no_training(
    loop: Loop,
) -> None:
    loop.runs(*LAKE, tags=month("1999-05-01"))
    [request] = loop.requests()
    assert {key.to_user_string() for key in request.asset_selection or ()} == SCORING
    assert request.tags["soccer/because"] == "match_parquet newer than finished, fixtures"
    loop.catches_up()


def test_a_new_champion_asks_for_predictions_and_reports_but_for_no_features(loop: Loop) -> None:
    loop.runs("champion_model")
    assert set(loop.behind()) == {"predictions", "serving_workers", *MONITORING}
    loop.catches_up()


def test_a_new_training_goes_through_the_gates_and_is_served(loop: Loop) -> None:
    loop.runs("trained_model")
    assert set(loop.behind()) == {*REGISTRY, "predictions", "serving_workers", *MONITORING}
    loop.catches_up()


def test_a_run_over_the_whole_graph_leaves_nothing_behind(loop: Loop) -> None:
    loop.runs(*FEATURES, "trained_model", *REGISTRY, *SERVING, *MONITORING)
    assert loop.behind() == {}


def test_without_a_champion_nothing_is_predicted() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        loop.runs(*LAKE, tags=month("2025-03-01"))
        assert set(loop.behind()) == {*FEATURES, "serving_features"}
        loop.runs(*FEATURES, "serving_features")
        assert loop.behind() == {}


def test_a_gate_that_shut_and_made_nothing_is_not_asked_again(loop: Loop) -> None:
    """Without a version behind the alias there is nothing to materialize, only a verdict."""
    with dg.DagsterInstance.ephemeral() as instance:
        loop = Loop(instance)
        loop.runs("trained_model")
        assert set(loop.behind()) == {*REGISTRY}
        run = loop.begin(*REGISTRY)
        instance.report_runless_asset_event(dg.AssetObservation("registered_model"))
        loop.ends(run)
        assert loop.behind() == {}
        loop.runs("trained_model")
        assert "registered_model" in loop.behind()


def test_no_month_is_exported_while_the_warehouse_is_rebuilt(loop: Loop) -> None:
    job = defs.resolve_job_def("rebuild")
    rebuild = loop.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    loop.made("match_raw", "match", partition="1999-05-08")
    assert loop.behind() == {}
    assert (
        "match_parquet 1999-05-01 is behind: what it is made from is being made" in loop.waiting()
    )
    loop.ends(rebuild)
    assert loop.behind() == all_behind(LAKE, "1999-05-01")


# What has not changed


def test_days_that_are_the_same_again_ask_for_nothing(loop: Loop) -> None:
    """Hour after hour; old ones, too."""
    days = ("2025-02-28", "2025-03-01", "2025-03-02")
    for day in days:
        loop.made("match_raw", "match", partition=day, version=f"of {day}")
    loop.catches_up()
    for _ in range(2):
        for day in days:
            loop.runs("match_raw", "match", tags={PARTITION_TAG: day}, version=f"of {day}")
        assert loop.behind() == {}
        assert "everything is made from the newest" in loop.waiting()


def test_a_corrected_result_goes_on(loop: Loop) -> None:
    for day in ("2025-03-01", "2025-03-02"):
        loop.made("match_raw", "match", partition=day, version="1:0")
    loop.catches_up()
    loop.made("match_raw", "match", partition="2025-03-01", version="1:0")
    loop.made("match", partition="2025-03-02", version="2:0")
    assert loop.behind() == all_behind(["match_parquet"], "2025-03-01")
    loop.runs("match_parquet", tags=month("2025-03-01"), version="corrected")
    assert set(loop.behind()) == {*SCORING, FRESHNESS}
    loop.catches_up()


def test_a_month_that_came_out_the_same_asks_for_no_features(loop: Loop) -> None:
    loop.runs(*LAKE, tags=month("2025-03-01"), version="a file")
    loop.catches_up()
    loop.runs(*LAKE, tags=month("2025-03-01"), version="a file")
    assert loop.behind() == {}
    loop.runs(*LAKE, tags=month("2025-02-01"), version="a file")  # of another month
    assert {"finished", "fixtures"} <= loop.behind().keys()


def test_a_gate_that_stays_as_it_was_changes_no_predictions(loop: Loop) -> None:
    for champion, follows in (("6", True), ("6", False), ("7", True)):
        loop.runs("champion_model", version=champion)
        assert ("predictions" in loop.behind()) == follows
        loop.catches_up()


def test_what_was_changed_and_changed_back_during_a_run_is_followed(loop: Loop) -> None:
    """It may have read what was there in between."""
    day = "2025-03-05"
    loop.made("match", partition=day, version="1:0")
    loop.catches_up()
    export = loop.begin("match_parquet", tags=month("2025-03-01"))
    loop.made("match", partition=day, version="0:1")
    loop.makes(export, "match_parquet")
    loop.ends(export)
    loop.made("match", partition=day, version="1:0")
    assert loop.behind()["match_parquet"] == {"2025-03-01"}
    loop.catches_up()
    loop.made("match", partition=day, version="1:0")
    assert loop.behind() == {}


def test_what_says_nothing_of_its_version_has_changed(loop: Loop) -> None:
    """As what was made before there were versions, or is reported by hand."""
    loop.made("champion_model", version="7")
    loop.catches_up()
    loop.made("champion_model")
    assert "predictions" in loop.behind()
    loop.catches_up()
    loop.made("champion_model", version="7")
    assert "predictions" in loop.behind()


def test_what_a_run_changed_that_failed_later_is_followed(loop: Loop) -> None:
    loop.made("champion_model", version="7")
    loop.catches_up()
    run = loop.begin("champion_model")
    loop.makes(run, "champion_model", version="8")
    loop.fails(run)
    assert "predictions" in loop.behind()


def test_the_same_again_ends_no_pause(loop: Loop) -> None:
    loop.runs("champion_model", version="7")
    [request] = loop.requests()
    loop.fails(loop.begin("predictions", "serving_workers", *MONITORING, tags=request.tags))
    assert "again in" in loop.waiting()
    loop.runs("champion_model", version="7")
    assert "again in" in loop.waiting()
    loop.runs("champion_model", version="8")
    assert "predictions" in loop.behind()


def test_other_code_asks_for_its_outs_and_what_is_made_from_them(loop: Loop) -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey("dataset"))
    for code in (node.code_version, "of before"):
        tags = {CODE_VERSION_TAG: code or "", "dagster/input_data_version/features": "1"}
        loop.instance.report_runless_asset_event(dg.AssetMaterialization("dataset", tags=tags))
    assert loop.requests() == []
    with freeze_time(datetime.now(UTC) + timedelta(hours=1)):
        [request] = loop.requests()
        assert request.asset_selection == [dg.AssetKey("dataset")]
        assert request.tags["soccer/because"] == "dataset: its code has changed"
        loop.catches_up()


# What a day brings


def test_what_may_not_be_older_is_made_once_a_day_in_one_run(loop: Loop) -> None:
    noon = datetime(2025, 3, 10, 12, tzinfo=UTC)
    with freeze_time(noon):
        loop.made("match_raw", "match", partition="2025-03-10", version="1")
        loop.runs(*LAKE, tags=month("2025-02-01"), version="1")
        loop.runs(*LAKE, tags=month("2025-03-01"), version="1")
        loop.runs(*UNPARTITIONED, version="1")
    with freeze_time(noon + timedelta(hours=23)):
        assert loop.behind() == {}
    with freeze_time(noon + timedelta(hours=24)):
        assert loop.behind() == all_behind(LAKE, "2025-03-01")
        [request] = loop.requests()
        assert "match_parquet" in request.tags["soccer/because"]
        assert request.tags["soccer/because"].endswith(": it is a day old")
        loop.runs(*LAKE, *SCORING, FRESHNESS, tags=month("2025-03-01"), version="1")
        assert loop.behind() == {}


# What used to be lost


def test_a_parent_made_while_its_childs_run_runs_is_followed(loop: Loop) -> None:
    child = loop.begin("predictions", "serving_workers")
    loop.runs("champion_model")
    assert not SERVING[1:] & loop.behind().keys()
    loop.makes(child, "predictions", "serving_workers")
    assert not SERVING[1:] & loop.behind().keys()  # its run is not over
    loop.ends(child)
    assert {"predictions", "serving_workers"} <= loop.behind().keys()
    loop.catches_up()


def test_days_loaded_while_their_month_is_exported_are_exported(loop: Loop) -> None:
    export = loop.begin(*LAKE, tags=month("2025-03-01"))
    loop.made("match_raw", "match", partition="2025-03-05")
    loop.makes(export, *LAKE)
    loop.ends(export)
    assert loop.behind() == all_behind(LAKE, "2025-03-01")


def test_a_parent_made_shortly_after_its_child_is_followed(loop: Loop) -> None:
    """In one window between two ticks, child first."""
    loop.runs("predictions", "serving_workers")
    loop.runs("champion_model")
    assert {"predictions", "serving_workers"} <= loop.behind().keys()
    loop.catches_up()


def test_what_was_made_while_nobody_looked_is_followed(loop: Loop) -> None:
    """The daemon was down while everything was made, children before their parents."""
    for asset in reversed([*FEATURES, *REGISTRY, *SERVING, *MONITORING]):
        loop.runs(asset)
    loop.runs(*LAKE, tags=month("2025-02-01"))
    loop.made("match_raw", "match", partition="2025-02-01")
    assert loop.behind().keys() == {*LAKE, *SCORING, *REGISTRY[1:], FRESHNESS}
    loop.catches_up()


def test_a_run_that_failed_is_asked_for_again_with_growing_pauses(loop: Loop) -> None:
    loop.runs("champion_model")
    moment, pauses = datetime.now(UTC), []
    for attempt in range(1, 4):
        with freeze_time(moment):
            [request] = loop.requests()
            assert request.tags["soccer/attempt"] == str(attempt)
            run = loop.begin(
                *(key.to_user_string() for key in request.asset_selection or ()), tags=request.tags
            )
            loop.fails(run)
            assert "again in" in loop.waiting()
        pause = PAUSE * 2 ** (attempt - 1)
        with freeze_time(moment + timedelta(seconds=pause - 1)):
            assert loop.requests() == []
        moment += timedelta(seconds=pause + 1)
        pauses.append(pause)
    assert pauses == [60, 120, 240]
    # For a newer version it does not wait.
    loop.runs("champion_model")
    [request] = loop.requests()
    assert request.tags["soccer/attempt"] == "1"


def test_a_canceled_run_is_asked_for_again_too(loop: Loop) -> None:
    """A deployment ends runs so."""
    loop.runs("champion_model")
    [request] = loop.requests()
    run = loop.begin("predictions", tags=request.tags)
    loop.instance.report_run_canceled(run)
    with freeze_time(datetime.now(UTC) + timedelta(seconds=PAUSE + 1)):
        assert "predictions" in loop.behind()


def test_what_fails_does_not_take_others_with_it(loop: Loop) -> None:
    """Features that cannot be made do not keep a new champion from being served."""
    loop.runs(*LAKE, tags=month("2025-03-01"))
    [request] = loop.requests()
    run = loop.begin(
        *(key.to_user_string() for key in request.asset_selection or ()), tags=request.tags
    )
    loop.fails(run)
    loop.runs("champion_model")
    assert set(loop.behind()) == {"predictions", "serving_workers", *MONITORING}
    with freeze_time(datetime.now(UTC) + timedelta(seconds=PAUSE + 1)):
        retried, served = sorted(loop.requests(), key=lambda one: -int(one.tags["soccer/attempt"]))
        assert {k.to_user_string() for k in retried.asset_selection or ()} == {
            "finished",
            "fixtures",
        }
        assert "soccer/because" in served.tags


def test_there_is_no_cursor_to_lose(loop: Loop) -> None:
    loop.runs("champion_model")
    assert loop._look().cursor is None
    assert loop.requests() == loop.requests()


def test_other_bounds_of_the_partitions_lose_nothing(loop: Loop, tmp_path: Path) -> None:
    loop.made("match_raw", "match", partition="2025-03-05")
    loop.made("match_raw", "match", partition="1999-05-08")
    params = tmp_path / "params.yaml"
    params.write_text('ingestion: {first_day: "2024-07-01"}')
    later = replace(loop, definitions=make_definitions(Settings(soccer_params=params)))
    assert later.behind() == all_behind(LAKE, "2025-03-01")
    months = {"1999-05-01", "2025-03-01"}
    assert loop.behind() == {**dict.fromkeys(LAKE, months), FRESHNESS: {None}}


# What it waits for


@pytest.mark.parametrize(
    "status",
    [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
)
def test_nothing_is_asked_for_that_an_unfinished_run_makes(
    loop: Loop, status: dg.DagsterRunStatus
) -> None:
    loop.runs("champion_model")
    loop.creates("predictions", "serving_workers", *MONITORING, status=status)
    assert "is being made" in loop.waiting()


def test_a_run_that_dagster_is_about_to_start_again_is_not_anticipated(loop: Loop) -> None:
    loop.runs("champion_model")
    run = loop.begin("predictions", "serving_workers", *MONITORING)
    loop.fails(run)
    loop.instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    assert "is being made" in loop.waiting()
    # It never came.
    with freeze_time(datetime.now(UTC) + timedelta(hours=1)):
        assert "predictions" in loop.behind()
    # It came.
    loop.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "another"})
    assert "predictions" in loop.behind()


def test_a_run_that_was_never_launched_does_not_hold_things_up_for_ever(loop: Loop) -> None:
    """The daemon, killed between creating and launching it, launches it if it is asked for again."""
    loop.runs("champion_model")
    loop.creates("predictions", "serving_workers", *MONITORING)
    assert "is being made" in loop.waiting()
    with freeze_time(datetime.now(UTC) + timedelta(hours=1)):
        assert "predictions" in loop.behind()


def test_a_job_that_waits_for_its_next_try_is_not_anticipated_but_its_own_tries_are(
    loop: Loop,
) -> None:
    loop.runs("champion_model")
    waiting = loop.begin("predictions", "serving_workers", *MONITORING)
    loop.fails(waiting)
    loop.instance.add_run_tags(waiting.run_id, {"soccer/retry": "waits"})
    assert "is being made" in loop.waiting()
    loop.instance.add_run_tags(waiting.run_id, {"soccer/retry": "given up"})
    [request] = loop.requests()
    own = loop.begin("predictions", "serving_workers", *MONITORING, tags=dict(request.tags))
    loop.fails(own)
    loop.instance.add_run_tags(own.run_id, {"soccer/retry": "waits"})
    with freeze_time(datetime.now(UTC) + timedelta(seconds=PAUSE + 1)):
        assert "predictions" in loop.behind()


def test_a_backfill_holds_up_its_own_months_alone(loop: Loop) -> None:
    loop.begin("match_raw", "match", tags={FIRST_TAG: "1999-04-20", LAST_TAG: "1999-05-10"})
    for day in ("1999-05-08", "2025-03-01"):
        loop.made("match_raw", "match", partition=day)
    others = all_behind(LAKE, "2025-03-01")
    others.pop(FRESHNESS)  # which tells of all days
    assert loop.behind() == others


def test_a_named_job_counts_by_the_assets_it_makes(loop: Loop) -> None:
    loop.runs("champion_model")
    loop.instance.create_run(
        **{
            **_bare_run("refresh"),
            "status": dg.DagsterRunStatus.STARTED,
        }
    )
    assert "predictions is behind: it is being made" in loop.waiting()


def _bare_run(job: str) -> dict[str, object]:
    return {"job_name": job, "run_id": None, "run_config": {}, "tags": {}} | dict.fromkeys(
        (
            "resolved_op_selection",
            "step_keys_to_execute",
            "root_run_id",
            "parent_run_id",
            "job_snapshot",
            "execution_plan_snapshot",
            "parent_job_snapshot",
            "asset_selection",
            "asset_check_selection",
            "op_selection",
            "remote_job_origin",
            "job_code_origin",
            "asset_graph",
        )
    )


@pytest.mark.parametrize(
    ("asset", "check", "downstream"),
    [
        ("match_parquet", "parity_with_postgres", {"finished", "fixtures"}),
        ("match_parquet", "unique_ids", {"finished", "fixtures"}),
        ("features", "feature_ranges", {"serving_features"}),
        ("predictions", "probability_simplex", {"serving_workers"}),
    ],
)
def test_what_fails_a_blocking_check_is_not_built_on_until_it_passes(
    loop: Loop, asset: str, check: str, downstream: set[str]
) -> None:
    loop.runs(asset, tags=month("2025-03-01") if asset == "match_parquet" else None)
    loop.checked(asset, check, False, blocking=True)
    assert not downstream & loop.behind().keys()
    loop.checked(asset, check, True, blocking=True)
    assert downstream <= loop.behind().keys()


# Its contracts


def test_what_is_asked_for_brings_all_its_checks(loop: Loop) -> None:
    loop.made("match_raw", "match", partition="2025-03-01")
    requests = loop.requests()
    loop.catches_up()
    loop.runs("trained_model")
    loop.runs(*LAKE, tags=month("2025-03-01"))
    requests += loop.requests()
    checks = {key for request in requests for key in request.asset_check_keys or ()}
    found = {(key.asset_key.to_user_string(), key.name) for key in checks}
    blocking = {(asset, check) for asset, names in BLOCKING.items() for check in names}
    others = {
        ("finished", "newest_result"),
        ("candidate_model", "champion_loads"),
        (FRESHNESS, "hops_are_level"),
        ("ledger", "chain_holds"),
    }
    assert found == blocking | set(REPORTS.items()) | others


# What it costs


def test_a_look_takes_as_many_queries_however_long_the_history_is(loop: Loop) -> None:
    def queries() -> int:
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            seen.append(statement)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            assert loop.behind() == {}
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
        return len(seen)

    before = queries()
    for year in range(1999, 2003):
        loop.made("match_raw", "match", partition=f"{year}-05-08")
        loop.runs(*LAKE, tags=month(f"{year}-05-01"))
    loop.catches_up()
    assert queries() == before
