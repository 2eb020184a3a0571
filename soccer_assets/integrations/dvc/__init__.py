"""DVC pipelines as Dagster assets: every out of ``dvc.yaml`` is one, in the manner of dagster-dbt.

This package and the modules of ``dvc/`` that it imports know nothing of any particular pipeline; see
``docs/dvc.md``.
"""

from soccer_assets.integrations.dvc.assets import dvc_assets
from soccer_assets.integrations.dvc.component import DvcPipelineComponent
from soccer_assets.integrations.dvc.execution import reproduce
from soccer_assets.integrations.dvc.translator import DvcTranslator

__all__ = ["DvcPipelineComponent", "DvcTranslator", "dvc_assets", "reproduce"]
