"""Ingestion: a day of the feed, archived, then loaded into the two tables of ``warehouse``.

One step makes all three assets, so that a range of days costs one pass with batching inside, and a
day that fails leaves the other days of its range loaded and marked as such.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from typing import Any

import dagster as dg

from soccer_assets.assets.common import OWNERS, check_evaluation, report_partitions, reported
from soccer_assets.assets.warehouse import (
    MATCH,
    MATCH_RAW,
    TABLE_CHECKS,
    TABLE_SPECS,
    TABLES,
    warehouse_checks,
)
from soccer_assets.feed.faults import FeedFault
from soccer_assets.ingestion import ingest
from soccer_assets.ingestion.ingest import IngestReport, LoadedDay
from soccer_assets.ingestion.provenance import OtherSource
from soccer_assets.resources import (
    LakeResource,
    LivescoresResource,
    ParamsResource,
    WarehouseResource,
)
from soccer_assets.surroundings import is_of_surroundings
from soccer_assets.text import markdown_list
from soccer_assets.warehouse.ingested_days import payloads_loaded, settled_days, versions_by_day

LIVESCORES = dg.AssetKey("livescores")
FEED_SCHEMA, FEED_FIELDS = "feed_schema", "feed_fields"
POSSIBLE_KICKOFFS, WHOLE_DAYS = "possible_kickoffs", "whole_days"
POSSIBLE_DETAILS = "possible_details"

Checks = dict[dg.AssetKey, list[dg.AssetCheckResult]]
Results = Iterator[dg.MaterializeResult | dg.DagsterEvent]


class IngestConfig(dg.Config):
    """How a range of days is gone through."""

    resume: bool = False
    """Skip days that are loaded and have settled, as a resumed backfill does."""
    batch_days: int = 31
    """Days a transaction."""
    concurrency: int = 4
    """Days asked for at once; a public host is limited to one request in 2 s all the same."""


@dg.multi_asset(
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="livescores",
    specs=[
        dg.AssetSpec(
            LIVESCORES,
            owners=OWNERS,
            group_name="ingestion",
            kinds={"http", "json"},
            description="One day's livescores feed, archived verbatim before anything parses it.",
        ),
        *TABLE_SPECS,
    ],
    check_specs=[
        dg.AssetCheckSpec(
            FEED_SCHEMA,
            asset=LIVESCORES,
            blocking=True,
            description="Every payload is the feed's JSON: required fields present and of their "
            "type, known statuses, possible scores, no match id twice.",
        ),
        dg.AssetCheckSpec(
            FEED_FIELDS,
            asset=LIVESCORES,
            description="The feed has the fields it used to have: no new one, none gone.",
        ),
        dg.AssetCheckSpec(
            POSSIBLE_KICKOFFS,
            asset=LIVESCORES,
            description="Every match kicks off near the day that shows it, none is over before it "
            "began, and none has one team only; one that cannot be is named and stays out of the "
            "tables.",
        ),
        dg.AssetCheckSpec(
            POSSIBLE_DETAILS,
            asset=LIVESCORES,
            description="Odds, statistics and ground that a source adds to a match can be true; a "
            "value that cannot is named and stays out of the tables, by itself.",
        ),
        dg.AssetCheckSpec(
            WHOLE_DAYS,
            asset=LIVESCORES,
            description="The source could tell all of each day; a file or line of it that cannot be "
            "used is named, and costs its own league only.",
        ),
        *TABLE_CHECKS,
    ],
)
def ingest_days(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    livescores: LivescoresResource,
    lake: LakeResource,
    warehouse: WarehouseResource,
    params: ParamsResource,
) -> Results:
    # In the order that their dependencies ask for.
    selected = [k for k in (LIVESCORES, MATCH_RAW, MATCH) if k in context.selected_asset_keys]
    days = [date.fromisoformat(key) for key in context.partition_keys]
    ingestion = params.read().ingestion
    if LIVESCORES in selected:
        try:
            livescores.claim(warehouse.engine, lake.archive)
        except OtherSource as error:
            raise dg.Failure(str(error), allow_retries=False) from None
    if config.resume:
        settled = settled_days(warehouse.engine)
        days = [day for day in days if day not in settled]
        skipped = len(context.partition_keys) - len(days)
        context.log.info(f"{skipped} days are loaded and settled already, {len(days)} to go")

    # Without livescores selected, the tables are made from the archive again.
    source = (
        livescores.source(lake.archive, lake.store) if LIVESCORES in selected else nullcontext()
    )
    with source as client:
        report = ingest.ingest_days(
            days,
            client.fetch if client else None,
            lake.archive,
            warehouse.engine,
            batch_days=config.batch_days,
            concurrency=config.concurrency,
            limits=ingestion.limits,
            progress=context.log.info,
        )
    checks: Checks = {
        LIVESCORES: [
            _schema_check(report),
            _fields_check(report),
            _kickoff_check(report),
            _details_check(report),
            _whole_days_check(report),
        ],
        MATCH: warehouse_checks(warehouse.engine, days, ingestion),
    }
    if report.faults:
        yield from _keep_what_went_well(context, warehouse, report, checks)
        raise dg.Failure(
            f"{len(report.faults)} of {len(days)} days failed: "
            + "; ".join(str(fault) for fault in report.faults[:10]),
            metadata={"faults": dg.MetadataValue.md(markdown_list(map(str, report.faults[:200])))},
            allow_retries=False,
        ) from _culprit(report)
    asked = [date.fromisoformat(key) for key in context.partition_keys]
    for key in selected:
        yield from _report_days(context, warehouse, key, asked, report)
        yield reported(key, checks.get(key, []))


def _report_days(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    key: dg.AssetKey,
    days: list[date],
    report: IngestReport,
) -> Iterator[dg.DagsterEvent]:
    """That the days were made, each with the version of what there is of it now."""
    if key == LIVESCORES:
        versions = payloads_loaded(warehouse.engine, days)
    else:
        versions = versions_by_day(warehouse.engine, TABLES[key], days)
    of_run = _of_run(key, report)
    of_day = {str(day.day): _of_day(day) for day in report.loaded}
    yield from report_partitions(
        context,
        key,
        {str(day): versions[day] for day in days},
        lambda day: of_run | of_day.get(day, {}),
    )


def _culprit(report: IngestReport) -> FeedFault:
    """The fault that decides what becomes of the run: a bug, for its stack, or else one that
    another try would not mend."""
    lasting = (fault for fault in report.faults if not is_of_surroundings(fault))
    return next(iter(report.unexpected), None) or next(lasting, report.faults[0])


def _of_day(day: LoadedDay) -> dict[str, Any]:
    return {"dagster/row_count": day.matches, "payload": day.payload_key}


def _of_run(key: dg.AssetKey, report: IngestReport) -> dict[str, Any]:
    """What the run did, over all its days."""
    changed = {MATCH_RAW: report.match_raw, MATCH: report.match}.get(key)
    return {
        "days_in_run": len(report.loaded),
        **({"passed_over_in_run": report.passed_over[:200]} if report.passed_over else {}),
        **(
            {"inserted_by_run": changed.inserted, "updated_by_run": changed.updated}
            if changed
            else {}
        ),
        **({"vanished_in_run": report.changes.vanished} if key == MATCH else {}),
        **({"set_aside_in_run": aside} if (aside := _aside_by_day(report)[:50]) else {}),
    }


def _schema_check(report: IngestReport) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not report.faults,
        asset_key=LIVESCORES,
        check_name=FEED_SCHEMA,
        metadata={"days": len(report.loaded), "faults": [str(f) for f in report.faults[:50]]},
    )


def _fields_check(report: IngestReport) -> dg.AssetCheckResult:
    """New and missing fields are told by name; a required one that is missing is a fault."""
    return dg.AssetCheckResult(
        passed=not report.new_fields and not report.missing_fields,
        asset_key=LIVESCORES,
        check_name=FEED_FIELDS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "new_fields": sorted(report.new_fields),
            "missing_fields": sorted(report.missing_fields),
        },
    )


def _kickoff_check(report: IngestReport) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not report.set_aside,
        asset_key=LIVESCORES,
        check_name=POSSIBLE_KICKOFFS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"set_aside": _aside_by_day(report)[:50]},
    )


def _details_check(report: IngestReport) -> dg.AssetCheckResult:
    told = [f"{day}: {line}" for day, lines in report.unusable.items() for line in lines]
    return dg.AssetCheckResult(
        passed=not told,
        asset_key=LIVESCORES,
        check_name=POSSIBLE_DETAILS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"left_out": told[:50]},
    )


def _whole_days_check(report: IngestReport) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not report.gaps,
        asset_key=LIVESCORES,
        check_name=WHOLE_DAYS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "faults": [
                f"{fault} ({len(days)} days from {min(days)} to {max(days)})"
                for fault, days in list(report.gaps.items())[:50]
            ]
        },
    )


def _aside_by_day(report: IngestReport) -> list[str]:
    return [f"{day}: {match}" for day, found in report.set_aside.items() for match in found]


def _keep_what_went_well(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    report: IngestReport,
    checks: Checks,
) -> Iterator[dg.DagsterEvent]:
    """Record the good days of a range as materialized, and what the checks found, although the
    step is about to fail."""
    for key in context.selected_asset_keys:
        loaded = [day.day for day in report.loaded]
        yield from _report_days(context, warehouse, key, loaded, report)
        for found in checks.get(key, []):
            context.log_event(check_evaluation(found, blocking=found.check_name == FEED_SCHEMA))
