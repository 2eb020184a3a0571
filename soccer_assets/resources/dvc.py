"""The DVC workspace that makes the features."""

import dagster as dg

from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.params import params_file
from soccer_assets.settings import get_settings


class DvcResource(dg.ConfigurableResource):
    """The pipeline of ``soccer_assets/dvc/dvc.yaml``, its outs pushed to ``remote``."""

    remote: str
    endpoint_url: str | None = None
    region: str = "us-east-1"

    @property
    def workspace(self) -> DvcWorkspace:
        settings = get_settings()
        return DvcWorkspace(
            settings.home / "dvc",
            self.remote,
            params_file(),
            self.endpoint_url,
            self.region,
            settings.environment(),
        )
