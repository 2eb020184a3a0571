"""The paths through the graph that people and schedules ask for by name."""

import dagster as dg

_SCORING = dg.AssetSelection.groups("features", "serving", "monitoring")
_TRAINING = dg.AssetSelection.groups("model", "registry")


def ends_within(hours: float) -> dict[str, str]:
    """Tags of a run that is ended when it takes longer; dead ones are noticed without."""
    return {"dagster/max_runtime": str(int(hours * 3600))}


#: A day, or a range of days, of the feed into the warehouse.
ingest_job = dg.define_asset_job(
    "ingest",
    dg.AssetSelection.groups("ingestion", "warehouse"),
    description="Feed days into the warehouse; takes any range of days.",
    tags=ends_within(hours=24),  # all of history, at the pace of a public site, is six
)
#: Changed months into the lake.
export_job = dg.define_asset_job(
    "export",
    dg.AssetSelection.groups("lake"),
    description="Warehouse months into the lake; takes any range of months.",
    tags=ends_within(hours=2),
)
refresh_job = dg.define_asset_job(
    "refresh",
    _SCORING,
    description="From the lake to predictions with today's champion; no training.",
    tags=ends_within(hours=1),
)
retrain_job = dg.define_asset_job(
    "retrain",
    _SCORING | _TRAINING,
    description="From the lake to a new model through its gates, and predictions with the champion.",
    tags=ends_within(hours=6),
)

JOBS = [ingest_job, export_job, refresh_job, retrain_job]
