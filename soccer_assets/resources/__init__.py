"""Handles on everything outside, made from the settings; thin Dagster resources.

Each is given the settings as a dependency, of which Dagster shows the name alone: its configuration
is what may be seen.
"""

from typing import Any

from soccer_assets.resources.dvc import DvcResource
from soccer_assets.resources.lake import LakeResource
from soccer_assets.resources.livescores import LivescoresResource
from soccer_assets.resources.mlflow import MlflowTrackingResource, ModelRegistryResource
from soccer_assets.resources.params import ParamsResource
from soccer_assets.resources.slack import SlackAlertResource
from soccer_assets.resources.warehouse import WarehouseResource
from soccer_assets.resources.workers import WorkersResource
from soccer_assets.settings import Settings

__all__ = [
    "DvcResource",
    "LakeResource",
    "LivescoresResource",
    "MlflowTrackingResource",
    "ModelRegistryResource",
    "ParamsResource",
    "SlackAlertResource",
    "WarehouseResource",
    "WorkersResource",
    "make_resources",
]


def make_resources(settings: Settings) -> dict[str, Any]:
    """Every resource of the code location, by the name that assets ask for it."""
    lake = LakeResource(
        uri=settings.lake, endpoint_url=settings.s3_endpoint_url, region=settings.aws_region
    )
    return {
        "livescores": LivescoresResource(
            settings=settings,
            kind=settings.livescores_source,
            timeout_seconds=settings.livescores_timeout_seconds,
            attempts=settings.livescores_attempts,
        ),
        "warehouse": WarehouseResource(settings=settings),
        "lake": lake,
        "dvc": DvcResource(settings=settings, lake=lake, remote=settings.dvc_remote),
        "mlflow_tracking": MlflowTrackingResource(settings=settings),
        "registry": ModelRegistryResource(settings=settings),
        "workers": WorkersResource(settings=settings, urls=settings.workers),
        "slack": SlackAlertResource(
            settings=settings, channel=settings.slack_channel, api_url=settings.slack_api_url
        ),
        "params": ParamsResource(settings=settings),
    }
