"""The parameters of the pipeline."""

import dagster as dg

from soccer_assets.params import Params, read_params
from soccer_assets.settings import Settings


class ParamsResource(dg.ConfigurableResource):
    """``params.yaml``, or the file that ``SOCCER_PARAMS`` names."""

    settings: dg.ResourceDependency[Settings]

    def read(self) -> Params:
        """As the file is now. Raises SettingsError."""
        return read_params(self.settings.params_file)
