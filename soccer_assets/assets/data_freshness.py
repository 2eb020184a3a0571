"""How fresh the data is, hop by hop, as one report: what the ages of assets do not tell, for an hour
that brought nothing new makes an asset, too."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg
import pandas as pd
import pyarrow.compute as pc

from soccer_assets.assets.common import OWNERS, recorded, table
from soccer_assets.assets.features import FEATURES
from soccer_assets.assets.warehouse import MATCH
from soccer_assets.clock import utc_now
from soccer_assets.dvc import outs
from soccer_assets.feed.faults import FeedFault
from soccer_assets.ingestion.ingest import days_between
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.lake.tables import read_table
from soccer_assets.monitoring.hops import (
    JUDGED_FOR,
    OVER_AFTER,
    Hop,
    Lag,
    Pending,
    lags,
    troubles,
)
from soccer_assets.not_yet import NotYet
from soccer_assets.params import IngestionParams
from soccer_assets.resources import (
    DvcResource,
    LakeResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
    WorkersResource,
)
from soccer_assets.resources.mlflow import champion_training
from soccer_assets.serving.client import WorkerClient, WorkerError
from soccer_assets.warehouse.results import (
    known_since,
    newest_known_to_predictions,
    newest_result,
    open_matches,
)

DATA_FRESHNESS, LEVEL = "data_freshness", "hops_are_level"
#: Months of the lake in which the newest result is looked for.
_MONTHS = 3
_WORKER_SECONDS = 5.0


@dg.asset(
    name=DATA_FRESHNESS,
    # Of the first hop alone: where a later one fails, this report is what tells it.
    deps=[dg.AssetDep(MATCH, partition_mapping=dg.AllPartitionMapping())],
    group_name="monitoring",
    owners=OWNERS,
    kinds={"report"},
    # After all others of its run, whose results it tells of.
    op_tags={"dagster/priority": "-10", "dagster-celery/priority": "0"},
    check_specs=[
        dg.AssetCheckSpec(
            LEVEL,
            asset=DATA_FRESHNESS,
            description="No hop has lacked for hours a result that the one before it knows, and "
            "matches that should be over have results.",
        )
    ],
)
def data_freshness(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    lake: LakeResource,
    dvc: DvcResource,
    registry: ModelRegistryResource,
    workers: WorkersResource,
    params: ParamsResource,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """The newest result that the feed, the warehouse, the lake, the features, the predictions and
    the workers know; what is missing, what is to come, and how old the champion's data is."""
    now, ingestion = utc_now(), params.read().ingestion
    found = lags(_hops(context, warehouse, lake, dvc, workers, ingestion), now)
    matches = open_matches(warehouse.engine, now, OVER_AFTER, JUDGED_FOR)
    pending = Pending(matches.due, matches.lacking, matches.oldest)
    told = troubles(found, pending)
    trained_until = _trained_until(context, registry)
    yield dg.AssetCheckResult(
        passed=not told, severity=dg.AssetCheckSeverity.WARN, metadata={"troubles": told}
    )
    yield dg.MaterializeResult(
        metadata={
            "hops": table(_as_rows(found)),
            "matches_due": pending.due,
            "results_pending": pending.lacking,
            "oldest_pending_result": _told(pending.oldest),
            "newest_fixture": _told(matches.last),
            "champion_trained_until": _told(trained_until),
            **({"champion_data_days": (now - trained_until).days} if trained_until else {}),
        }
    )


def _hops(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    lake: LakeResource,
    dvc: DvcResource,
    workers: WorkersResource,
    ingestion: IngestionParams,
) -> list[Hop]:
    engine, days = warehouse.engine, ingestion.limits.kickoff_days

    def hop(name: str, newest: datetime | None) -> Hop:
        return Hop(name, newest, known_since(engine, newest, days) if newest else None)

    shown, fetched_at = _newest_in_feed(lake, ingestion)
    in_warehouse = newest_result(engine, days)
    # Where the feed's last days show no result, the warehouse knows the last one that it showed.
    known = [moment for moment in (shown, in_warehouse) if moment]
    hops = [
        Hop("feed", max(known, default=None)),
        Hop("warehouse", in_warehouse, fetched_at),
        hop("lake", _newest_in_lake(lake)),
        hop("features", _newest_in_features(context, dvc)),
        hop("predictions", newest_known_to_predictions(engine)),
    ]
    for url in workers.urls:
        hops.append(hop(f"worker {url}", _newest_in_worker(context, url)))
    return hops


def _newest_in_feed(
    lake: LakeResource, ingestion: IngestionParams
) -> tuple[datetime | None, datetime | None]:
    """The kick-off of the newest result in the archived payloads of the rolling window, and when
    its payload was fetched."""
    today = utc_now().date()
    found: list[tuple[datetime, datetime]] = []
    for day in days_between(today - timedelta(days=ingestion.days_back), today):
        payload = lake.archive.latest(day)
        if payload is None:
            continue
        try:
            parsed = parse_day(
                day,
                lake.archive.read(payload),
                payload_key=payload.key,
                fetched_at=payload.fetched_at,
                limits=ingestion.limits,
            )
        except FeedFault:  # the day's own run tells it
            continue
        if newest := _newest_of(parsed.match):
            found.append((newest, payload.fetched_at))
    return max(found, default=(None, None))


def _newest_in_lake(lake: LakeResource) -> datetime | None:
    manifest = read_manifest(lake.store)
    until = f"{utc_now() + timedelta(days=3):%Y-%m}"
    months = [month for month in sorted(manifest.tables.get("match", {})) if month <= until]
    columns = ["kickoff", "status", "home_score", "away_score"]
    for start in range(len(months), 0, -_MONTHS):
        some = months[max(start - _MONTHS, 0) : start]
        if newest := _newest_of(read_table(lake.store, manifest, "match", columns, some)):
            return newest
    return None


def _newest_of(matches: object) -> datetime | None:
    """Of rows of ``match``."""
    rows = matches
    is_result = pc.and_(
        pc.equal(rows["status"], "finished"),  # type: ignore[index]
        pc.and_(pc.is_valid(rows["home_score"]), pc.is_valid(rows["away_score"])),  # type: ignore[index]
    )
    newest: datetime | None = pc.max(rows["kickoff"].filter(is_result)).as_py()  # type: ignore[index]
    return newest


def _newest_in_features(context: dg.AssetExecutionContext, dvc: DvcResource) -> datetime | None:
    try:
        made = dvc.at(recorded(context, FEATURES, REVISION))
    except NotYet:
        return None
    as_of = made.document(outs.FEATURES_META)["features_as_of"]
    return datetime.fromisoformat(as_of) if as_of else None


def _newest_in_worker(context: dg.AssetExecutionContext, url: str) -> datetime | None:
    """As the predictions it serves say; None where it does not answer, or serves none: that is
    told by the reload."""
    try:
        with WorkerClient(url, timeout=_WORKER_SECONDS) as client:
            served = client.predictions(limit=1).predictions
    except WorkerError as error:
        context.log.warning(str(error))
        return None
    return served[0].features_as_of if served else None


def _trained_until(
    context: dg.AssetExecutionContext, registry: ModelRegistryResource
) -> datetime | None:
    try:
        with registry.opened(context) as models:
            until: datetime = champion_training(models)[1].trained_until.to_pydatetime()
    except NotYet:
        return None
    return until


def _as_rows(found: list[Lag]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "hop": lag.hop.name,
                "newest result (kick-off, UTC)": _told(lag.hop.newest),
                "a newer one waits (hours)": round(lag.waits.total_seconds() / 3600, 1),
                "allowed (hours)": lag.allowed.total_seconds() / 3600,
                "level": lag.is_level,
            }
            for lag in found
        ]
    )


def _told(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "none"
