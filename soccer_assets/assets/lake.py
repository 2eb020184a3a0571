"""Lake: the tables as monthly parquet, from one database snapshot, behind one manifest.

Odds and statistics belong to ``match_parquet``, as they belong to ``match`` in the database.
"""

from collections.abc import Collection, Iterator, Mapping
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
    told_by_check,
)
from soccer_assets.assets.warehouse import MATCH, MATCH_RAW, TABLES
from soccer_assets.automation.check_alerts import FIGURES
from soccer_assets.automation.partitions import month_of
from soccer_assets.lake import export
from soccer_assets.lake.export import ExportResult
from soccer_assets.lake.manifest import Manifest, read_manifest
from soccer_assets.lake.parity import Parity, compare_with_database
from soccer_assets.lake.tables import CorruptFile, SchemaMismatch, read_table
from soccer_assets.resources import LakeResource, WarehouseResource
from soccer_assets.storage.store import ObjectNotFound

MATCH_RAW_PARQUET = dg.AssetKey("match_raw_parquet")
MATCH_PARQUET = dg.AssetKey("match_parquet")
PARITY, UNIQUE_IDS = "parity_with_postgres", "unique_ids"
#: Metadata of an export: the loads whose rows it saw.
_LOADS = "loads"
#: Metadata of the check: differences that stayed though their months were exported again.
_TRIED = "stayed"
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
            "database and lake. Months that differ are exported again once before it is judged. "
            "Months are behind, and no fault, whose days were loaded again since the export. "
            "Nothing is made from `match_raw`: its months are a warning.",
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
        parity = _parity(warehouse, lake, loads)
        yield from evaluate(
            context, MATCH_PARQUET, _contracts(lake, parity, _tried(context.instance))
        )
        return
    months = [key[:7] for key in context.partition_keys]
    result = export.export_months(warehouse.engine, lake.store, months, context.log.info)
    parity = _parity(warehouse, lake, result.loads)
    again = _not_exported_again_yet(context.instance, parity)
    if again:
        context.log.warning(f"exported again, for they differ: {', '.join(sorted(again))}")
        repaired = export.export_months(warehouse.engine, lake.store, again, context.log.info)
        result = result.followed_by(repaired)
        parity = _parity(warehouse, lake, result.loads)
    contracts = {MATCH_PARQUET: _contracts(lake, parity, parity.differences, again)}
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


def _contracts(
    lake: LakeResource, parity: Parity, tried: Mapping[str, Any], again: Collection[str] = ()
) -> Checks:
    return {
        PARITY: lambda: _parity_with_postgres(lake, parity, tried, again),
        UNIQUE_IDS: lambda: _unique_ids(lake),
    }


def _parity(warehouse: WarehouseResource, lake: LakeResource, loads: str | None) -> Parity:
    manifest = read_manifest(lake.store)
    return compare_with_database(warehouse.engine, lake.store, manifest, loads)


def _not_exported_again_yet(instance: dg.DagsterInstance, parity: Parity) -> set[str]:
    """The months whose difference is not the one that an export of its own did not end: it is tried
    once for each."""
    tried = _tried(instance) if parity.differences else {}
    return {
        where.partition("/")[2]
        for where, difference in parity.differences.items()
        if tried.get(where) != difference
    }


def _tried(instance: dg.DagsterInstance) -> Mapping[str, Any]:
    """The differences that stayed, as the check told them last."""
    return told_by_check(instance, dg.AssetCheckKey(MATCH_PARQUET, PARITY)).get(_TRIED, {})


def _parity_with_postgres(
    lake: LakeResource, parity: Parity, tried: Mapping[str, Any], again: Collection[str]
) -> dg.AssetCheckResult:
    """Only what somebody reads is stopped: nothing is made from ``match_raw``. Of ``match`` and what
    is beside it, everything behind the lake reads every month, for a rating goes on from all matches
    before."""
    read = parity.tables.intersection(_EXPORTED[MATCH_PARQUET])
    return dg.AssetCheckResult(
        passed=not parity.differences,
        severity=dg.AssetCheckSeverity.ERROR if read else dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": read_manifest(lake.store).rows("match"),
            "differences": parity.differences,
            FIGURES: parity.figures,
            _TRIED: dict(tried),
            "exported_again": sorted(again),
            "behind": parity.behind,
        },
    )


def _unique_ids(lake: LakeResource) -> dg.AssetCheckResult:
    try:
        ids = read_table(lake.store, read_manifest(lake.store), "match", ["match_id"])["match_id"]
    except (CorruptFile, SchemaMismatch, ObjectNotFound) as error:
        return dg.AssetCheckResult(passed=False, metadata={"unreadable": str(error)})
    counts = ids.value_counts().to_pandas() if len(ids) else []
    twice = [row["values"] for row in counts if row["counts"] > 1]
    return dg.AssetCheckResult(
        passed=not twice, metadata={"matches": len(counts), "twice": twice[:50]}
    )
