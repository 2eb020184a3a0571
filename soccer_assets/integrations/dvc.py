"""DVC outs as Dagster assets, in the manner of ``@dbt_assets``.

``@dvc_assets`` turns every out of ``dvc.yaml`` into an asset: its dependencies are the stage's, its
code version covers the stage's command and code, its data version is DVC's hash of the bytes. What is
recorded of an out names the revision that it was made in, from which whoever follows reads it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.lock import LOCK_FILE
from soccer_assets.dvc.pipeline import Stage, read_stages
from soccer_assets.dvc.revisions import UnknownRevision, get_revision, put_revision
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.storage.store import ObjectStore

#: Metadata of an out: the revision that it was made in.
REVISION = "dvc/revision"


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
            kinds={"dvc", *filter(None, [PurePosixPath(out).suffix.lstrip(".")])},
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
    revisions: ObjectStore,
    check: Callable[[dg.AssetKey, str], Iterable[dg.AssetCheckResult]] = lambda *_: (),
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Reproduce the selected outs, push them, save their revision and report what they are.

    A workspace that is new here goes on from the revision that was recorded last.

    Args:
        revisions: where they are stored.
        check: evaluates the checks of an out, given its key and the revision to read it from; they
            are told before the out is called made.

    Raises:
        DvcError: a stage failed.
    """
    selected = [
        spec for spec in context.assets_def.specs if spec.key in context.selected_asset_keys
    ]
    stages = list(dict.fromkeys(spec.metadata["dvc/stage"] for spec in selected))
    with workspace.alone():
        is_new = not workspace.path(LOCK_FILE).exists()
        if is_new:
            _go_on(context, workspace, revisions)
        workspace.prepare(lake_manifest)
        before = workspace.outs()
        with closing(
            workspace.reproduce(stages, pull=is_new)
        ) as lines:  # a run that is ended ends DVC
            for line in lines:
                context.log.info(line)
        workspace.push()
        revision = workspace.revision
        put_revision(revisions, revision)
        workspace.save_point(f"{', '.join(stages)}: revision {revision.name}")
        after = workspace.outs()
        paths = [spec.metadata["dvc/out"] for spec in selected]
        described = {path: _describe(workspace, after[path]) for path in paths}
    checked = {spec.key: list(check(spec.key, revision.name)) for spec in selected}
    for spec, path in zip(selected, paths, strict=True):
        yield from checked[spec.key]
        yield dg.MaterializeResult(
            asset_key=spec.key,
            data_version=dg.DataVersion(after[path].md5),
            metadata={
                **described[path],
                "dvc/md5": after[path].md5,
                REVISION: revision.name,
                "dvc/changed": before.get(path) != after[path],
            },
        )


def _go_on(
    context: dg.AssetExecutionContext, workspace: DvcWorkspace, revisions: ObjectStore
) -> None:
    """Start where the newest of these assets was made, on whatever machine that was."""
    events = [
        context.instance.get_latest_materialization_event(spec.key)
        for spec in context.assets_def.specs
    ]
    newest = max((event for event in events if event), key=lambda e: e.timestamp, default=None)
    made = newest.asset_materialization if newest else None
    if made is None or REVISION not in made.metadata:
        return
    try:
        revision = get_revision(revisions, str(made.metadata[REVISION].value))
    except UnknownRevision as error:
        context.log.warning(f"the stages run from the beginning: {error}")
        return
    context.log.info(f"this workspace is new: it goes on from revision {revision.name}")
    workspace.go_on_from(revision)


def _describe(workspace: DvcWorkspace, out: Out) -> dict[str, Any]:
    path = workspace.path(out.path)
    described: dict[str, Any] = {"bytes": out.size, "dagster/uri": str(path)}
    if out.is_directory:
        described["dvc/files"] = out.files
    parts = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if all(part.suffix == ".parquet" for part in parts) and parts:
        footers = [pq.ParquetFile(part) for part in parts]
        described["dagster/row_count"] = sum(footer.metadata.num_rows for footer in footers)
        described["dagster/column_schema"] = dg.TableSchema(
            [dg.TableColumn(field.name, str(field.type)) for field in footers[-1].schema_arrow]
        )
    return described
