"""The code location: assets, checks, jobs, schedules, sensors and resources, bound together."""

import dagster as dg

from soccer_assets.assets import features, ingestion, lake, model, monitoring, registry, serving
from soccer_assets.automation.alerts import SENSORS
from soccer_assets.automation.freshness import with_freshness
from soccer_assets.automation.jobs import JOBS
from soccer_assets.automation.schedules import SCHEDULES
from soccer_assets.resources import (
    DvcResource,
    LakeResource,
    LivescoresResource,
    MlflowTrackingResource,
    ModelRegistryResource,
    SlackAlertResource,
    WarehouseResource,
    WorkersResource,
)
from soccer_assets.settings import get_settings

GROUPS = [ingestion, lake, features, model, registry, serving, monitoring]
settings = get_settings()

defs = dg.Definitions(
    assets=with_freshness(dg.load_assets_from_modules(GROUPS)),
    asset_checks=dg.load_asset_checks_from_modules(GROUPS),
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    # A step costs milliseconds in process and seconds as a process of its own.
    executor=dg.in_process_executor,
    resources={
        "livescores": LivescoresResource(
            url=settings.livescores_url,
            timeout_seconds=settings.livescores_timeout_seconds,
            attempts=settings.livescores_attempts,
        ),
        "warehouse": WarehouseResource(),
        "lake": LakeResource(
            uri=settings.lake, endpoint_url=settings.s3_endpoint_url, region=settings.aws_region
        ),
        "dvc": DvcResource(remote=settings.dvc_remote, endpoint_url=settings.s3_endpoint_url),
        "mlflow_tracking": MlflowTrackingResource(),
        "registry": ModelRegistryResource(),
        "workers": WorkersResource(urls=settings.workers),
        "slack": SlackAlertResource(channel=settings.slack_channel, api_url=settings.slack_api_url),
    },
)
