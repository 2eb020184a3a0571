"""The DVC workspace that makes the features."""

import dagster as dg

from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import Settings


class DvcResource(dg.ConfigurableResource):
    """The pipeline of ``soccer_assets/dvc/dvc.yaml``, its outs pushed to ``remote``."""

    settings: dg.ResourceDependency[Settings]
    remote: str
    endpoint_url: str | None = None
    region: str = "us-east-1"

    @property
    def workspace(self) -> DvcWorkspace:
        return DvcWorkspace(
            self.settings.home / "dvc",
            self.remote,
            self.settings.params_file,
            self.endpoint_url,
            self.region,
            self.settings.environment(),
        )
