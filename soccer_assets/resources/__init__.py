"""Handles on everything outside, made from the settings; thin Dagster resources."""

from soccer_assets.resources.dvc import DvcResource
from soccer_assets.resources.lake import LakeResource
from soccer_assets.resources.livescores import LivescoresResource
from soccer_assets.resources.mlflow import MlflowTrackingResource, ModelRegistryResource
from soccer_assets.resources.slack import SlackAlertResource
from soccer_assets.resources.warehouse import WarehouseResource
from soccer_assets.resources.workers import WorkersResource

__all__ = [
    "DvcResource",
    "LakeResource",
    "LivescoresResource",
    "MlflowTrackingResource",
    "ModelRegistryResource",
    "SlackAlertResource",
    "WarehouseResource",
    "WorkersResource",
]
