"""The outs of a pipeline as one multi-asset, in the manner of ``@dbt_assets``."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.pipeline import Pipeline
from soccer_assets.integrations.dvc.translator import DvcTranslator


def dvc_assets(
    *,
    pipeline: Path | str,
    translator: DvcTranslator | None = None,
    name: str | None = None,
    pool: str | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    op_tags: Mapping[str, Any] | None = None,
    retry_policy: dg.RetryPolicy | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """A multi-asset of all that the stages of a ``dvc.yaml`` make, subsettable by out.

    The decorated function reproduces what is selected: see ``reproduce``. Two reproductions cannot
    share a project, so give it a pool of one slot where runs may overlap; without one, the second
    waits for a minute, and fails.

    Args:
        pipeline: the path of ``dvc.yaml``.

    Raises:
        DvcError: it is no pipeline, or two of its outs would be one asset.
    """
    return dg.multi_asset(
        name=name,
        specs=_specs(Pipeline.read(Path(pipeline)), translator or DvcTranslator()),
        check_specs=check_specs,
        can_subset=True,
        pool=pool,
        op_tags=op_tags,
        retry_policy=retry_policy,
    )


def _specs(pipeline: Pipeline, translator: DvcTranslator) -> list[dg.AssetSpec]:
    """Of all outs; where the spec of one has another key than its path does, dependencies on it
    follow."""
    outs = [(stage, out) for stage in pipeline.stages for out in stage.outs]
    specs = [translator.get_asset_spec(pipeline, stage, out) for stage, out in outs]
    paths: dict[dg.AssetKey, str] = {}
    for spec, (_, out) in zip(specs, outs, strict=True):
        if (other := paths.setdefault(spec.key, out.path)) != out.path:
            both = f"{other} and {out.path} of {pipeline.file}"
            raise DvcError(f"{both} are both the asset {spec.key.to_user_string()}: translate one")
    keys = {translator.get_asset_key(path): key for key, path in paths.items()}
    return [
        spec.replace_attributes(deps=[_renamed(dep, keys) for dep in spec.deps]) for spec in specs
    ]


def _renamed(dep: dg.AssetDep, keys: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.AssetDep:
    key = keys.get(dep.asset_key, dep.asset_key)
    return dg.AssetDep(key, partition_mapping=dep.partition_mapping)
