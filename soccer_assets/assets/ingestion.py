"""Ingestion and warehouse: a day of the feed, archived, then loaded into two tables.

One step makes all three assets, so that a range of days costs one pass with batching inside, and a
day that fails leaves the other days of its range loaded and marked as such.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from typing import Any

import dagster as dg

from soccer_assets.assets.common import OWNERS, column_schema
from soccer_assets.automation.conditions import FILL_RECENT_GAPS
from soccer_assets.automation.partitions import daily
from soccer_assets.livescores.ingest import IngestReport, ingest_days
from soccer_assets.resources import LakeResource, LivescoresResource, WarehouseResource
from soccer_assets.warehouse.load import settled_days
from soccer_assets.warehouse.schema import match, match_raw

LIVESCORES, MATCH_RAW, MATCH = (dg.AssetKey(k) for k in ("livescores", "match_raw", "match"))
FEED_SCHEMA = dg.AssetCheckKey(LIVESCORES, "feed_schema")


class IngestConfig(dg.Config):
    """How a range of days is gone through."""

    resume: bool = False
    """Skip days that are loaded and have settled, as a resumed backfill does."""
    batch_days: int = 31
    """Days a transaction."""
    concurrency: int = 4
    """Days asked for at once; a public host is limited to one request in 2 s all the same."""


def _spec(key: dg.AssetKey, **attributes: Any) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        owners=OWNERS,
        partitions_def=daily,
        automation_condition=FILL_RECENT_GAPS,
        **attributes,
    )


@dg.multi_asset(
    name="ingest_days",
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="livescores",
    specs=[
        _spec(
            LIVESCORES,
            group_name="ingestion",
            kinds={"http", "json"},
            description="One day's livescores feed, archived verbatim before anything parses it.",
        ),
        _spec(
            MATCH_RAW,
            deps=[LIVESCORES],
            group_name="warehouse",
            kinds={"postgres", "table"},
            description="Every field of the feed, verbatim; one row a match. Unchanged rows stay "
            "untouched.",
            metadata=column_schema(match_raw),
        ),
        _spec(
            MATCH,
            deps=[LIVESCORES],
            group_name="warehouse",
            kinds={"postgres", "table"},
            description="Canonical matches: typed, UTC, one row a match, whichever day shows it.",
            metadata=column_schema(match),
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "feed_schema",
            asset=LIVESCORES,
            blocking=True,
            description="Every payload is the feed's JSON: required fields present and of their "
            "type, known statuses, possible scores, no match id twice.",
        )
    ],
)
def ingest(
    context: dg.AssetExecutionContext,
    config: IngestConfig,
    livescores: LivescoresResource,
    lake: LakeResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult]:
    selected = context.selected_asset_keys
    days = [date.fromisoformat(key) for key in context.partition_keys]
    if config.resume:
        settled = settled_days(warehouse.engine)
        days = [day for day in days if day not in settled]
        skipped = len(context.partition_keys) - len(days)
        context.log.info(f"{skipped} days are loaded and settled already, {len(days)} to go")

    # Without livescores selected, the tables are made from the archive again.
    source = livescores.client() if LIVESCORES in selected else nullcontext()
    with source as client:
        report = ingest_days(
            days,
            client.fetch if client else None,
            lake.archive,
            warehouse.engine,
            batch_days=config.batch_days,
            concurrency=config.concurrency,
            progress=context.log.info,
        )
    if report.faults:
        _keep_what_went_well(context, report)
        raise dg.Failure(
            f"{len(report.faults)} of {len(days)} days failed: "
            + "; ".join(str(fault) for fault in report.faults[:10]),
            metadata={
                "faults": dg.MetadataValue.md(
                    "\n".join(f"- {fault}" for fault in report.faults[:200])
                )
            },
            allow_retries=False,
        )
    for key, metadata in _metadata(report).items():
        if key in selected:
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=metadata,
                check_results=_schema_check(report) if key == LIVESCORES else [],
            )


def _metadata(report: IngestReport) -> dict[dg.AssetKey, dict[str, Any]]:
    return {
        LIVESCORES: {
            "dagster/row_count": report.matches,
            "days": len(report.loaded),
            "new_fields": sorted(report.new_fields),
        },
        MATCH_RAW: {"dagster/row_count": report.matches, **vars(report.match_raw)},
        MATCH: {"dagster/row_count": report.matches, **vars(report.match)},
    }


def _schema_check(report: IngestReport) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=not report.faults,
            check_name=FEED_SCHEMA.name,
            metadata={"days": len(report.loaded), "faults": [str(f) for f in report.faults[:50]]},
        )
    ]


def _keep_what_went_well(context: dg.AssetExecutionContext, report: IngestReport) -> None:
    """Record the good days of a range as materialized although the step is about to fail."""
    for key in context.selected_asset_keys:
        for day in report.loaded:
            context.log_event(
                dg.AssetMaterialization(
                    key,
                    partition=day.day.isoformat(),
                    metadata={"dagster/row_count": day.matches, "payload": day.payload_key},
                )
            )
    if LIVESCORES in context.selected_asset_keys:
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=LIVESCORES,
                check_name=FEED_SCHEMA.name,
                passed=False,
                blocking=True,
                metadata={"faults": [str(fault) for fault in report.faults[:50]]},
            )
        )
