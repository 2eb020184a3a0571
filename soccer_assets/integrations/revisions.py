"""The outs of this project's DVC workspace as assets, whose revisions are kept in the lake.

What is recorded of an out names the revision that it was made in, from which whoever follows reads it.
"""

from collections.abc import Callable, Iterable, Iterator

import dagster as dg

from soccer_assets.dvc.lock import LOCK_FILE
from soccer_assets.dvc.revisions import UnknownRevision, get_revision, put_revision
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.integrations.dvc.execution import result_of, run, selected, stages_of
from soccer_assets.storage.store import ObjectStore

#: Metadata of an out: the revision that it was made in.
REVISION = "dvc/revision"


def reproduce_from_lake(
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
        DvcError: a stage failed, or the outs could not be pushed.
    """
    specs = selected(context)
    with workspace.alone():
        is_new = not workspace.path(LOCK_FILE).exists()
        if is_new:
            _go_on(context, workspace, revisions)
        workspace.prepare(lake_manifest)
        done = run(context, workspace, specs, pull=is_new)
        revision = workspace.revision
        put_revision(revisions, revision)
        workspace.save_point(f"{', '.join(stages_of(specs))}: revision {revision.name}")
        results = [result_of(workspace, spec, done, **{REVISION: revision.name}) for spec in specs]
    checked = {spec.key: list(check(spec.key, revision.name)) for spec in specs}
    for spec, result in zip(specs, results, strict=True):
        yield from checked[spec.key]
        yield result


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
