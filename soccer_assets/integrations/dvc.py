"""DVC outs as Dagster assets, in the manner of ``@dbt_assets``.

``@dvc_assets`` turns every out of ``dvc.yaml`` into an asset: its dependencies are the stage's, its
code version covers the stage's command and code, its data version is DVC's hash of the bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.pipeline import Stage, read_stages
from soccer_assets.dvc.workspace import DvcWorkspace


class DvcTranslator:
    """How stages and outs become asset specs. Override what should differ.

    Args:
        group_name, owners, automation_condition: given to every out.
        external: dependency paths of stages that no stage makes -> the asset behind them.
    """

    def __init__(
        self,
        *,
        group_name: str,
        owners: Sequence[str],
        external: Mapping[str, dg.AssetKey],
        automation_condition: dg.AutomationCondition | None = None,
    ) -> None:
        self.group_name = group_name
        self.owners = owners
        self.automation_condition = automation_condition
        self.external = external

    def key(self, path: str) -> dg.AssetKey:
        """``data/features_meta.json`` -> ``features_meta``."""
        return dg.AssetKey(PurePosixPath(path).stem)

    def dep(self, path: str) -> dg.AssetDep:
        if path in self.external:
            # A stage reads the whole lake, whatever partitions its source has.
            return dg.AssetDep(self.external[path], partition_mapping=dg.AllPartitionMapping())
        return dg.AssetDep(self.key(path))

    def spec(self, stage: Stage, out: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            self.key(out),
            deps=[self.dep(path) for path in stage.deps],
            description=stage.outs[out],
            group_name=self.group_name,
            owners=self.owners,
            kinds={"dvc", PurePosixPath(out).suffix.lstrip(".")},
            code_version=stage.code_version,
            automation_condition=self.automation_condition,
            metadata={"dvc/stage": stage.name, "dvc/command": stage.command, "dvc/out": out},
        )


def dvc_assets(
    *,
    name: str,
    translator: DvcTranslator,
    pool: str | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """A multi-asset of all outs of the project's ``dvc.yaml``, subsettable by out.

    Two reproductions cannot share a workspace, so give it a pool of one slot.
    """
    specs = [translator.spec(stage, out) for stage in read_stages() for out in stage.outs]
    return dg.multi_asset(
        name=name, specs=specs, check_specs=check_specs, can_subset=True, pool=pool
    )


def reproduce(
    context: dg.AssetExecutionContext,
    workspace: DvcWorkspace,
    lake_manifest: bytes,
    check: Callable[[dg.AssetKey], Iterable[dg.AssetCheckResult]] = lambda _: (),
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Reproduce the selected outs, push them, save a commit and report what they are.

    Args:
        check: evaluates the checks of an out, which are told before it is called made.

    Raises:
        DvcError: a stage failed.
    """
    selected = [
        spec for spec in context.assets_def.specs if spec.key in context.selected_asset_keys
    ]
    stages = list(dict.fromkeys(spec.metadata["dvc/stage"] for spec in selected))
    with workspace.alone():
        workspace.prepare(lake_manifest)
        before = workspace.outs()
        with closing(workspace.reproduce(stages)) as lines:  # a run that is ended ends DVC
            for line in lines:
                context.log.info(line)
        workspace.push()
        revision = workspace.save_point(f"Dagster run {context.run.run_id}: {', '.join(stages)}")
        after = workspace.outs()
        paths = [spec.metadata["dvc/out"] for spec in selected]
        described = {path: _describe(workspace, after[path]) for path in paths}
        checked = {spec.key: list(check(spec.key)) for spec in selected}
    for spec, path in zip(selected, paths, strict=True):
        yield from checked[spec.key]
        yield dg.MaterializeResult(
            asset_key=spec.key,
            data_version=dg.DataVersion(after[path].md5),
            metadata={
                **described[path],
                "dvc/md5": after[path].md5,
                "dvc/revision": revision,
                "dvc/changed": before.get(path) != after[path],
            },
        )


def _describe(workspace: DvcWorkspace, out: Out) -> dict[str, Any]:
    path = workspace.path(out.path)
    described: dict[str, Any] = {"bytes": out.size, "dagster/uri": str(path)}
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        described["dagster/row_count"] = file.metadata.num_rows
        described["dagster/column_schema"] = dg.TableSchema(
            [dg.TableColumn(field.name, str(field.type)) for field in file.schema_arrow]
        )
    return described
