"""The command that shows, and removes, what only takes room."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soccer_assets.cli.app import WrongUse, app, console
from soccer_assets.settings import get_settings

if TYPE_CHECKING:
    from soccer_assets.modelling.registry import ModelRegistry
    from soccer_assets.storage.store import ObjectStore


@app.command()
def gc(
    remove: Annotated[bool, typer.Option("--remove", help="Remove it, too.")] = False,
) -> None:
    """Show revisions of the features that nobody needs any more, and what they alone consist of.

    Revisions that a model in the registry was trained on stay as long as the model does, the newest ones
    too, others as long as `maintenance.revision_days` of the parameters says. The archive of payloads,
    the tables of the lake and MLflow are never touched.
    """
    from rich.table import Table

    from soccer_assets.clock import utc_now
    from soccer_assets.dvc.garbage import RevisionNeeded, find_garbage, remove_garbage
    from soccer_assets.params import read_params
    from soccer_assets.resources import make_resources
    from soccer_assets.storage.opening import open_lake

    settings = get_settings()
    resources = make_resources(settings)
    lake = resources["lake"].store
    remote = open_lake(resources["dvc"].remote, settings.s3_endpoint_url, settings.aws_region)
    age = timedelta(days=read_params(settings.params_file).maintenance.revision_days)
    needed = _needed(resources, lake, if_idle=remove)
    found = find_garbage(lake, remote, needed, utc_now() - age)
    table = Table("", "stays", "MB", "goes", "MB")
    for what, kept, gone in (
        ("revisions", found.kept_revisions, found.revisions),
        ("objects of the DVC remote", found.kept_objects, found.objects),
    ):
        sizes = [f"{sum(one.size for one in part.values()) / 1e6:,.1f}" for part in (kept, gone)]
        table.add_row(what, f"{len(kept):,}", sizes[0], f"{len(gone):,}", sizes[1])
    console.print(table)
    for name in found.unreadable:
        _say(f"revision {name} stays, and is not whole in {remote.uri}")
    if not remove:
        _say("Nothing is removed without --remove")
        return
    try:
        remove_garbage(lake, remote, found, _say)
    except RevisionNeeded as error:
        raise WrongUse(str(error)) from None
    _tidy_cache(resources["dvc"].workspace)


def _needed(resources: dict[str, Any], lake: "ObjectStore", *, if_idle: bool) -> set[str]:
    """Names of the revisions of registered models, of those that were recorded last, and of the one
    that the workspace here is at."""
    from soccer_assets.assets.features import dvc_outs
    from soccer_assets.assets.model import MLFLOW_RUN, TRAINED_MODEL
    from soccer_assets.dvc.lock import LOCK_FILE
    from soccer_assets.integrations.revisions import REVISION
    from soccer_assets.runner import open_instance

    registry = resources["registry"].registry
    with open_instance() as instance:
        if if_idle and (busy := _makes_features(instance)):
            raise WrongUse(f"run {busy} makes features: try again when it has ended")
        made = (_recorded(instance, spec.key, REVISION) for spec in dvc_outs.specs)
        needed = {revision for revision in made if revision}
        training = _recorded(instance, TRAINED_MODEL, MLFLOW_RUN)
    _belong_together(lake, needed, registry, training)
    for version, revision in registry.data_revisions().items():
        if revision is None:
            _say(
                f"version {version}: its training is gone, and nothing tells what it was trained on"
            )
        else:
            needed.add(revision)
    workspace = resources["dvc"].workspace
    if workspace.path(LOCK_FILE).exists():
        needed.add(workspace.revision.name)
    return needed


def _recorded(instance: Any, asset: Any, what: str) -> str | None:
    """Of the newest materialization of an asset."""
    event = instance.get_latest_materialization_event(asset)
    made = event.asset_materialization if event else None
    return str(made.metadata[what].value) if made and what in made.metadata else None


def _belong_together(
    lake: "ObjectStore", recorded: set[str], registry: "ModelRegistry", training: str | None
) -> None:
    """A setting that is absent, or another installation's, leads to a service that knows of nothing
    that is needed, and so to all of it being removed: what the database has on record has to be there.

    Args:
        recorded: revisions of the features that were made last.
        training: MLflow's run of the newest one.

    Raises:
        WrongUse: it is not.
    """
    from soccer_assets.dvc.revisions import FOLDER, key_of

    kept = lake.stored(FOLDER)
    if kept and not recorded:
        raise WrongUse(
            f"{lake.uri} has {len(kept)} revisions of features, the database has none on record: "
            "are POSTGRES_URL and LAKE_URI of one installation?"
        )
    if absent := sorted(name for name in recorded if key_of(name) not in kept):
        raise WrongUse(
            f"the features that were made last, revision {absent[0]}, are not in {lake.uri}: are "
            "POSTGRES_URL and LAKE_URI of one installation? If so, materialize features first"
        )
    if training and not registry.has_training(training):
        raise WrongUse(
            f"the newest training on record, run {training}, is not in MLflow: are POSTGRES_URL and "
            "MLFLOW_TRACKING_URI of one installation? If so, the job retrain makes a new one"
        )


def _makes_features(instance: Any) -> str | None:
    """An unfinished run that may push outs."""
    import dagster as dg

    from soccer_assets.assets.features import dvc_outs
    from soccer_assets.automation.catching_up import UNFINISHED
    from soccer_assets.definitions import defs

    made = {spec.key for spec in dvc_outs.specs}
    repository = defs.get_repository_def()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        keys = run.asset_selection
        if keys is None and repository.has_job(run.job_name):
            graph = repository.get_job(run.job_name).asset_layer.asset_graph
            keys = graph.materializable_asset_keys
        if made & set(keys or ()):
            return str(run.run_id)
    return None


def _tidy_cache(workspace: Any) -> None:
    """The cache of this machine's workspace, down to what its own outs consist of; as each run does."""
    from soccer_assets.dvc.lock import LOCK_FILE

    if not workspace.path(LOCK_FILE).exists():
        return
    with workspace.alone():
        _say(f"the cache in {workspace.cache} has the newest outs alone")


def _say(line: str) -> None:
    from soccer_assets.text import terminal

    console.print(terminal(line), highlight=False, markup=False, soft_wrap=True)
