"""A DVC pipeline from a ``defs.yaml``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver

from soccer_assets.dvc.pipeline import Pipeline, Stage, StageOut
from soccer_assets.dvc.project import DvcProject
from soccer_assets.integrations.dvc.assets import dvc_assets
from soccer_assets.integrations.dvc.execution import reproduce
from soccer_assets.integrations.dvc.translator import DvcTranslator

Named = tuple[Stage, StageOut]


def _beside_the_component(context: dg.ResolutionContext, path: str) -> Path:
    folder = dg.ComponentLoadContext.from_resolution_context(context).path
    return folder / context.resolve_value(path, as_type=str)


class DvcPipelineComponent(dg.Component, dg.Model, dg.Resolvable):
    """The outs of a DVC pipeline as assets, one reproduction at a time.

    In a subclass, override ``execute`` to do more in a run, or ``get_asset_spec`` for what a
    translation in yaml cannot say.
    """

    pipeline: Annotated[
        Path,
        dg.Resolver(
            _beside_the_component,
            model_field_type=str,
            description="The path of dvc.yaml, relative to the folder of defs.yaml.",
        ),
    ]
    name: Annotated[
        str | None,
        dg.Resolver.default(description="Of the op; by default that of the pipeline's folder."),
    ] = None
    pool: Annotated[
        str | None,
        dg.Resolver.default(description="The op's pool, of one slot: two runs cannot share it."),
    ] = None
    pull: Annotated[
        bool,
        dg.Resolver.default(
            description="Whether outs that are not on this machine are pulled, where nothing "
            "changed that they are made from."
        ),
    ] = False
    push: Annotated[
        bool, dg.Resolver.default(description="Whether outs are sent to the default remote.")
    ] = True
    translation: Annotated[
        TranslationFn[Named] | None,
        TranslationFnResolver[Named](lambda named: {"stage": named[0], "out": named[1]}),
    ] = None
    """Attributes of the assets; ``{{ stage.name }}``, ``{{ out.path }}`` and their other fields can
    be used, and ``{{ spec }}``, what the asset is without."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        project = DvcProject(self.pipeline.parent)

        @dvc_assets(
            pipeline=self.pipeline,
            translator=_ComponentTranslator(self),
            name=self.name or re.sub(r"\W", "_", self.pipeline.absolute().parent.name),
            pool=self.pool,
        )
        def outs(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield from self.execute(context, project)

        return dg.Definitions(assets=[outs])

    def execute(self, context: dg.AssetExecutionContext, project: DvcProject) -> Iterator[Any]:
        """Make what is selected."""
        yield from reproduce(context, project, pull=self.pull, push=self.push)

    def get_asset_spec(self, pipeline: Pipeline, stage: Stage, out: StageOut) -> dg.AssetSpec:
        """What is known of an out before it is made."""
        spec = DvcTranslator().get_asset_spec(pipeline, stage, out)
        return self.translation(spec, (stage, out)) if self.translation else spec


class _ComponentTranslator(DvcTranslator):
    def __init__(self, component: DvcPipelineComponent) -> None:
        self._component = component

    def get_asset_spec(self, pipeline: Pipeline, stage: Stage, out: StageOut) -> dg.AssetSpec:
        return self._component.get_asset_spec(pipeline, stage, out)
