"""Lake: the tables as monthly parquet, from one database snapshot, behind one manifest.

Odds and statistics belong to ``match_parquet``, as they belong to ``match`` in the database.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import dagster as dg

from soccer_assets.assets.common import (
    OWNERS,
    Checks,
    column_schema,
    evaluate,
    report_partitions,
    reported,
)
from soccer_assets.assets.warehouse import MATCH, MATCH_RAW, TABLES
from soccer_assets.automation.partitions import month_of
from soccer_assets.lake import export
from soccer_assets.lake.export import ExportResult
from soccer_assets.lake.manifest import Manifest, read_manifest
from soccer_assets.lake.parity import compare_with_database
from soccer_assets.lake.tables import read_table
from soccer_assets.resources import LakeResource, WarehouseResource

MATCH_RAW_PARQUET = dg.AssetKey("match_raw_parquet")
MATCH_PARQUET = dg.AssetKey("match_parquet")
PARITY, UNIQUE_IDS = "parity_with_postgres", "unique_ids"
#: Metadata of an export: the loads whose rows it saw.
_LOADS = "loads"
_SOURCES = {MATCH_RAW_PARQUET: MATCH_RAW, MATCH_PARQUET: MATCH}
#: What is exported under each name, the table of that name first.
_EXPORTED = {
    MATCH_RAW_PARQUET: ("match_raw",),
    MATCH_PARQUET: ("match", "match_statistics", "match_odds"),
}


@dg.multi_asset(
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="lake",
    specs=[
        dg.AssetSpec(
            key,
            deps=[source],
            group_name="lake",
            owners=OWNERS,
            kinds={"parquet", "s3"},
            description=f"{', '.join(f'`{table}`' for table in _EXPORTED[key])} as monthly "
            "parquet, published by a manifest that is replaced last; files are named by their content "
            "and never rewritten.",
            metadata=column_schema(TABLES[source]),
        )
        for key, source in _SOURCES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            PARITY,
            asset=MATCH_PARQUET,
            blocking=True,
            description="Rows, content fingerprints, goals and shots of every month agree between "
            "database and lake. Months are behind, and no fault, whose days were loaded again "
            "since the export.",
        ),
        dg.AssetCheckSpec(
            UNIQUE_IDS,
            asset=MATCH_PARQUET,
            blocking=True,
            description="No match is in the lake twice, in one month or in two.",
        ),
    ],
)
def export_months(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, lake: LakeResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult | dg.DagsterEvent]:
    if not context.selected_asset_keys:
        loads = _exported_loads(context.instance)
        yield from evaluate(context, MATCH_PARQUET, _contracts(warehouse, lake, loads))
        return
    months = [key[:7] for key in context.partition_keys]
    result = export.export_months(warehouse.engine, lake.store, months, context.log.info)
    contracts = {MATCH_PARQUET: _contracts(warehouse, lake, result.loads)}
    for key, tables in _EXPORTED.items():
        if key not in context.selected_asset_keys:
            continue
        yield from evaluate(context, key, contracts.get(key, {}))
        yield from _report_months(context, key, tables, months, result, lake.store.uri)
        yield reported(key)


def _report_months(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    tables: tuple[str, ...],
    asked: list[str],
    result: ExportResult,
    uri: str,
) -> Iterator[dg.DagsterEvent]:
    """That months were made: those asked for, and others whose rows had changed."""
    table, *beside = tables
    files = result.manifest.tables.get(table, {})
    of_run = {
        "rows_in_table": result.manifest.rows(table),
        **{f"rows_in_{name}": result.manifest.rows(name) for name in beside},
        "files_written": sum(
            f"/{name}/" in written for written in result.written for name in tables
        ),
        "manifest": result.manifest.digest,
        _LOADS: result.loads,
        "dagster/uri": uri,
    }

    def describe(partition: str) -> dict[str, Any]:
        file = files.get(partition[:7])
        return {"dagster/row_count": file.rows if file else 0, **of_run}

    months = sorted({*asked, *(month for name in tables for month in result.changed(name))})
    versions = {month_of(month): _version(result.manifest, tables, month) for month in months}
    yield from report_partitions(context, key, versions, describe)


def _version(manifest: Manifest, tables: tuple[str, ...], month: str) -> str:
    """Of a month's files: the hash of the only one, or of all hashes."""
    hashes = [months[month].sha256 for name in tables if month in (months := manifest.tables[name])]
    if len(hashes) > 1:
        return sha256(" ".join(hashes).encode()).hexdigest()
    return hashes[0] if hashes else "empty"


def _exported_loads(instance: dg.DagsterInstance) -> str | None:
    """The loads that the newest export saw, where the checks are run without one."""
    exported = instance.get_latest_materialization_event(MATCH_PARQUET)
    made = exported.asset_materialization if exported else None
    loads = made.metadata.get(_LOADS) if made else None
    return str(loads.value) if loads else None


def _contracts(warehouse: WarehouseResource, lake: LakeResource, loads: str | None) -> Checks:
    return {
        PARITY: lambda: _parity_with_postgres(warehouse, lake, loads),
        UNIQUE_IDS: lambda: _unique_ids(lake),
    }


def _parity_with_postgres(
    warehouse: WarehouseResource, lake: LakeResource, loads: str | None
) -> dg.AssetCheckResult:
    manifest = read_manifest(lake.store)
    parity = compare_with_database(warehouse.engine, lake.store, manifest, loads)
    return dg.AssetCheckResult(
        passed=not parity.differences,
        metadata={
            "rows": manifest.rows("match"),
            "differences": parity.differences,
            "behind": parity.behind,
        },
    )


def _unique_ids(lake: LakeResource) -> dg.AssetCheckResult:
    ids = read_table(lake.store, read_manifest(lake.store), "match", ["match_id"])["match_id"]
    counts = ids.value_counts().to_pandas() if len(ids) else []
    twice = [row["values"] for row in counts if row["counts"] > 1]
    return dg.AssetCheckResult(
        passed=not twice, metadata={"matches": len(counts), "twice": twice[:50]}
    )
