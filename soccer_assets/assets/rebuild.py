"""The job ``rebuild``: both tables of the warehouse again, from the whole archive.

A job of its own, not a way to make the assets: it makes all of their partitions, and calls those
made that it found to be other than they were.
"""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg

from soccer_assets.assets.common import check_evaluation, report_partitions
from soccer_assets.assets.warehouse import MATCH, TABLES, warehouse_checks
from soccer_assets.automation.jobs import ends_within
from soccer_assets.automation.records import MAKES_TAG
from soccer_assets.automation.retry_policy import note_cause
from soccer_assets.dagster_internals import DATA_VERSION_TAG
from soccer_assets.ingestion import rebuild
from soccer_assets.resources import LakeResource, ParamsResource, WarehouseResource
from soccer_assets.warehouse.ingested_days import EMPTY, matches_by_day, versions_by_day


@dg.op(
    pool="livescores",
    out={},
    description="Empties the tables and loads every archived payload, in one transaction.",
)
def rebuild_warehouse(
    context: dg.OpExecutionContext,
    lake: LakeResource,
    warehouse: WarehouseResource,
    params: ParamsResource,
) -> Iterator[dg.DagsterEvent | dg.AssetCheckEvaluation]:
    engine, ingestion = warehouse.engine, params.read().ingestion
    result = rebuild.rebuild_warehouse(
        engine, lake.archive, context.log.info, limits=ingestion.limits
    )
    context.log.info(f"rebuilt: {result.match.inserted:,} matches")
    matches = matches_by_day(engine)
    for key, table in TABLES.items():
        changed = _changed(context.instance, key, versions_by_day(engine, table))
        context.log.info(f"{key.to_user_string()}: {len(changed)} days are not as they were")
        if key == MATCH:
            for found in warehouse_checks(engine, changed, ingestion):
                yield check_evaluation(found)
        yield from report_partitions(
            context,
            key,
            {str(day): version for day, version in changed.items()},
            lambda day: {"dagster/row_count": matches.get(date.fromisoformat(day), 0)},
        )


def _changed(
    instance: dg.DagsterInstance, key: dg.AssetKey, versions: Mapping[date, str]
) -> dict[date, str]:
    """The days, with the version of their rows, that are not as they were called made last.

    Not as they were before the rebuild: one that was killed in between may have changed them.
    """
    recorded = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    known = {date.fromisoformat(day): tags[DATA_VERSION_TAG] for day, tags in recorded.items()}
    now = {**dict.fromkeys(known, EMPTY), **versions}
    return {day: now[day] for day in sorted(now) if now[day] != known.get(day)}


@dg.job(
    name="rebuild",
    description="The warehouse made again from the whole archive, without a request to the "
    "source. What follows it follows for the days that came out differently.",
    tags={
        **ends_within(hours=6),
        MAKES_TAG: " ".join(key.to_user_string() for key in TABLES),
    },
    hooks={note_cause},
)
def rebuild_job() -> None:
    rebuild_warehouse()
