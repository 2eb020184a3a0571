"""What Dagster has recorded of the assets that follow others, read in a few queries however many
partitions there are."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

import dagster as dg

from soccer_assets.automation.behind import Failure, Made, Node, Records
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG, month_of, months_between
from soccer_assets.automation.reasons import TRIGGER_TAG
from soccer_assets.dagster_internals import (
    AssetCheckExecutionRecordStatus,
    Partitions,
    get_current_timestamp,
    newest_changes,
    origins_of,
)

#: Value of the trigger tag, and more tags of the runs that were asked for: the newest version of
#: what is above, and which try it is.
UPDATE = "update"
UPSTREAM_TAG, ATTEMPT_TAG = "soccer/upstream", "soccer/attempt"
#: Of a job that has no assets of its own: those that its runs make, all partitions of each.
MAKES_TAG = "soccer/makes"
PARTITION_TAG = "dagster/partition"

_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_UNFINISHED = [status for status in dg.DagsterRunStatus if status not in _ENDED]
#: What runs are marked with that failed and are started again soon: by Dagster, by ``retries``.
_BY_DAGSTER, _BY_RETRIES = {"dagster/will_retry": "true"}, {"soccer/retry": "waits"}
#: A run that failed longer ago will not be; nor will one be launched that was created longer ago.
_FORGOTTEN_AFTER_SECONDS = 1800.0
#: More runs than that are not looked at; a thousand may be queued by one backfill.
_MOST_RUNS = 2000
#: More failures than that are not looked at.
MOST_FAILURES = 100
FAILED_UPDATES = dg.RunsFilter(
    statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED], tags={TRIGGER_TAG: UPDATE}
)
_ALL_DAYS = ("0001-01-01", "9999-12-31")
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION

Parents = Mapping[Node, Collection[Node]]


def read_records(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    graph: Parents,
    young: Set[Node] = frozenset(),
) -> Records:
    """All that there is to know of these nodes and their parents, months of days among them."""
    nodes = set(graph).union(*graph.values())
    now = get_current_timestamp()
    found = Records(
        made=_made(instance, nodes),
        busy=frozenset(_busy(instance, repository, now)),
        unsound=_unsound(instance, repository, {node.asset for node in nodes}),
        failures=list(_failures(instance, repository)),
        young=young,
        outdated=frozenset(_outdated(instance, repository, nodes)),
        now=now,
    )
    judged = [n for n in graph if n.partition is None and found.unseen(n, graph[n])]
    found = replace(found, judged=_judged(instance, judged))
    return replace(found, changed=_changed(instance, repository, graph, found))


def _made(instance: dg.DagsterInstance, nodes: Collection[Node]) -> dict[Node, Made]:
    storage = instance.event_log_storage
    whole = {node.asset for node in nodes if node.partition is None}
    latest = storage.get_latest_materialization_storage_ids([_key(asset) for asset in whole])
    at = {Node(key.to_user_string()): found for key, found in latest.items() if found}
    for asset in {node.asset for node in nodes if node.partition}:
        days = storage.get_latest_storage_id_by_partition(_key(asset), _MATERIALIZATION)
        for day, found in days.items():
            month = Node(asset, month_of(day))
            at[month] = max(found, at.get(month, 0))
    at = {node: found for node, found in at.items() if node in nodes}
    return _with_origins(instance, at)


def _judged(instance: dg.DagsterInstance, nodes: Iterable[Node]) -> dict[Node, Made]:
    at = {}
    for node in nodes:
        if found := instance.fetch_observations(_key(node.asset), limit=1).records:
            at[node] = found[0].storage_id
    return _with_origins(instance, at)


def _with_origins(instance: dg.DagsterInstance, at: Mapping[Node, int]) -> dict[Node, Made]:
    origins = origins_of(instance, set(at.values()))
    made = {}
    for node, event in at.items():
        if origin := origins.get(event):
            made[node] = Made(event, origin.began or event, origin.run, origin.at)
    return made


def _changed(
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    graph: Parents,
    found: Records,
) -> dict[Node, Made]:
    """When those came to be what they are that were made since something was made from them."""
    since: dict[Node, int] = {}
    for node, parents in graph.items():
        mine = found.newest(node)
        if mine and node not in found.busy:
            for parent in found.unseen(node, parents):
                since[parent] = min(mine.began, since.get(parent, mine.began))
    at: dict[Node, int] = {}
    for asset in {node.asset for node in since}:
        in_parts = repository.asset_graph.get(_key(asset)).is_partitioned
        asked = {node: _partitions(node, in_parts) for node in since if node.asset == asset}
        changes = newest_changes(
            instance, _key(asset), {asked[node]: since[node] for node in asked}
        )
        at |= {node: changes[asked[node]] for node in asked if asked[node] in changes}
    unchanged = dict.fromkeys(since, Made(0, 0))
    return {**unchanged, **_with_origins(instance, at)}


def _partitions(node: Node, in_parts: bool) -> Partitions:
    """The days of a month, or all there are."""
    if not in_parts:
        return None
    return (node.partition, f"{node.partition[:8]}31") if node.partition else _ALL_DAYS


def _outdated(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, nodes: Collection[Node]
) -> Iterator[Node]:
    """What was made by other code than there is now, of those that say what theirs is."""
    graph = repository.asset_graph
    now = {}
    for node in nodes:
        if node.partition is None and (version := graph.get(_key(node.asset)).code_version):
            now[_key(node.asset)] = version
    for key, version in instance.get_latest_materialization_code_versions(now).items():
        if version is not None and version != now[key]:
            yield Node(key.to_user_string())


def _busy(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, now: float
) -> Iterator[Node]:
    """What unfinished runs make, and failed ones that are about to be started again."""
    unfinished = dg.RunsFilter(statuses=_UNFINISHED)
    for record in instance.get_run_records(unfinished, limit=_MOST_RUNS):
        run = record.dagster_run
        forgotten = now - record.create_timestamp.timestamp() > _FORGOTTEN_AFTER_SECONDS
        if not (run.status is dg.DagsterRunStatus.NOT_STARTED and forgotten):
            yield from _nodes_of(run, repository)
    for tags in (_BY_DAGSTER, _BY_RETRIES):
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags=tags)
        for record in instance.get_run_records(failed, limit=100):
            run = record.dagster_run
            started = "dagster/auto_retry_run_id" in run.tags
            asked_here = tags is _BY_RETRIES and run.tags.get(TRIGGER_TAG) == UPDATE
            forgotten = now - (record.end_time or 0.0) > _FORGOTTEN_AFTER_SECONDS
            if not (started or asked_here or forgotten):
                yield from _nodes_of(run, repository)


def _failures(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition
) -> Iterator[Failure]:
    for record in instance.get_run_records(FAILED_UPDATES, limit=MOST_FAILURES):
        run = record.dagster_run
        yield Failure(
            nodes=frozenset(_nodes_of(run, repository)),
            upstream=int(run.tags.get(UPSTREAM_TAG, 0)),
            attempt=int(run.tags.get(ATTEMPT_TAG, 1)),
            ended=record.end_time or record.update_timestamp.timestamp(),
            run=run.run_id,
        )


def _nodes_of(run: dg.DagsterRun, repository: dg.RepositoryDefinition) -> Iterator[Node]:
    """The assets that a run is to make, and their months."""
    keys: Iterable[dg.AssetKey] = run.asset_selection or ()
    everything = run.asset_selection is None and not run.asset_check_selection
    if everything and repository.has_job(run.job_name):
        job = repository.get_job(run.job_name)
        keys = job.asset_layer.asset_graph.materializable_asset_keys
        for asset in job.tags.get(MAKES_TAG, "").split():
            yield Node(asset)
            partitions = repository.asset_graph.get(_key(asset)).partitions_def
            if partitions:
                months = {month_of(key) for key in partitions.get_partition_keys()}
                yield from (Node(asset, month) for month in months)
    one = run.tags.get(PARTITION_TAG)
    first, last = run.tags.get(FIRST_TAG, one), run.tags.get(LAST_TAG, one)
    for key in keys:
        asset = key.to_user_string()
        yield Node(asset)
        if first and last:
            for month in months_between(first, last):
                yield Node(asset, month)


def _unsound(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, assets: Iterable[str]
) -> dict[Node, str]:
    """Assets whose blocking checks failed when they were last evaluated."""
    graph = repository.asset_graph
    failing = {}
    for check in graph.get_check_keys_for_assets({_key(asset) for asset in assets}):
        if not graph.get(check).blocking:
            continue
        newest: Any = instance.event_log_storage.get_asset_check_execution_history(
            check,
            limit=1,
            status={
                AssetCheckExecutionRecordStatus.SUCCEEDED,
                AssetCheckExecutionRecordStatus.FAILED,
            },
        )
        if newest and _fails(newest[0].event.dagster_event.asset_check_evaluation_data):
            failing[Node(check.asset_key.to_user_string())] = check.name
    return failing


def _fails(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR


def _key(asset: str) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(asset)
