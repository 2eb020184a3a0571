"""Everything behind the warehouse follows what it is made from: nobody has to ask."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from soccer_assets.automation.behind import Due, Node, Plan, plan
from soccer_assets.automation.freshness import YOUNG
from soccer_assets.automation.partitions import FIRST_TAG, LAST_TAG, month_of, months_between
from soccer_assets.automation.reasons import BECAUSE_TAG, TRIGGER_TAG
from soccer_assets.automation.records import (
    ATTEMPT_TAG,
    UPDATE,
    UPSTREAM_TAG,
    Parents,
    read_records,
)
from soccer_assets.dagster_internals import get_current_timestamp

#: What is made again as soon as it is behind. A training is not: see ``training``.
FOLLOWERS = dg.AssetSelection.groups("lake", "features", "registry", "serving", "monitoring")
#: When that is, in words.
FOLLOWS = "what it is made from has changed"


@dg.sensor(
    asset_selection=FOLLOWERS,
    minimum_interval_seconds=4,  # the daemon looks every 5 seconds, and a bit: 5 would be every other time
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for what is behind: made before what it is made from changed last, or by a "
    "run that had begun before that, or by other code. What was made again and came out the same, "
    "by its data version, is no change. Asks once a day for what may not be older. Looks at what "
    "is, not at what happened since its last tick, so it misses nothing. Waits for unfinished runs "
    "and for blocking checks upstream; what failed is tried again with growing pauses.",
)
def updates(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    assert context.repository_def is not None
    months, wholes = follow(context.repository_def)
    young = young_nodes(context.repository_def)
    records = read_records(context.instance, context.repository_def, {**months, **wholes}, young)
    lake = plan(months, records)
    ranges = list(_months_in_ranges(lake))
    writing = {Node(node.asset) for node in lake.asked}
    if len(ranges) == 1 and all(due.attempt == 1 for due in lake.asked.values()):
        rest = plan(wholes, records, first=writing)
        requests = list(_in_runs(rest, ranges[0]))
    else:  # what is made from the lake waits for all of it
        rest = plan(wholes, replace(records, busy=records.busy | writing))
        requests = [*map(_request, ranges), *_in_runs(rest)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    waiting = {**lake.waiting, **rest.waiting}
    return dg.SkipReason(
        "; ".join(f"{node} is behind: {why}" for node, why in waiting.items())
        or "everything is made from the newest version of what it is made from"
    )


def follow(repository: dg.RepositoryDefinition) -> tuple[Parents, Parents]:
    """Each month of the lake -> the same month of what it is made from; each other follower ->
    what it is made from. What comes first is made first."""
    months: dict[Node, list[Node]] = {}
    wholes: dict[Node, list[Node]] = {}
    graph = repository.asset_graph
    followers = FOLLOWERS.resolve(graph)
    for key in graph.toposorted_asset_keys:
        if key not in followers:
            continue
        asset, node = key.to_user_string(), graph.get(key)
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        if node.partitions_def:
            for month in node.partitions_def.get_partition_keys():
                months[Node(asset, month)] = [Node(parent, month) for parent in parents]
        else:
            wholes[Node(asset)] = [Node(parent) for parent in parents]
    return months, wholes


def young_nodes(repository: dg.RepositoryDefinition) -> set[Node]:
    """What is made once a day; of the lake, the month of today."""
    graph = repository.asset_graph
    today = datetime.fromtimestamp(get_current_timestamp(), UTC).date()
    return {
        Node(key.to_user_string(), month_of(str(today)) if graph.get(key).is_partitioned else None)
        for key in YOUNG.resolve(graph)
    }


def _in_runs(found: Plan, lake: Mapping[Node, Due] | None = None) -> Iterator[dg.RunRequest]:
    """One run for all that is asked for the first time, months of the lake before it, and one for
    what failed as often."""
    by_attempt: defaultdict[int, dict[Node, Due]] = defaultdict(dict)
    if lake:
        by_attempt[1] |= lake
    for node, due in found.asked.items():
        by_attempt[due.attempt][node] = due
    for asked in by_attempt.values():
        yield _request(asked)


def _months_in_ranges(found: Plan) -> Iterator[dict[Node, Due]]:
    """Each unbroken range of months of the same assets."""
    by_month: defaultdict[tuple[str, int], dict[Node, Due]] = defaultdict(dict)
    for node, due in found.asked.items():
        assert node.partition is not None
        by_month[node.partition, due.attempt][node] = due
    joined: dict[Node, Due] = {}
    last: tuple[str, int, frozenset[str]] | None = None
    for (month, attempt), asked in sorted(by_month.items()):
        here = (month, attempt, frozenset(node.asset for node in asked))
        goes_on = last and here[1:] == last[1:] and len(months_between(last[0], month)) == 2
        if joined and not goes_on:
            yield joined
            joined = {}
        joined |= asked
        last = here
    if joined:
        yield joined


def _request(asked: Mapping[Node, Due]) -> dg.RunRequest:
    upstream = max(due.upstream for due in asked.values())
    attempt = max(due.attempt for due in asked.values())
    assets = list(dict.fromkeys(node.asset for node in asked))
    behind = sorted({node.asset for node, due in asked.items() if due.upstream})
    months = sorted({node.partition for node in asked if node.partition})
    scope = {FIRST_TAG: months[0], LAST_TAG: months[-1]} if len(months) > 1 else {}
    return dg.RunRequest(
        # The same is asked for once, whatever becomes of the tick.
        run_key=" ".join([*behind, *months[:1], *months[-1:], f"after {upstream}, try {attempt}"]),
        asset_selection=[dg.AssetKey.from_user_string(asset) for asset in assets],
        partition_key=months[0] if len(months) == 1 else None,
        tags={
            **scope,
            TRIGGER_TAG: UPDATE,
            UPSTREAM_TAG: str(upstream),
            ATTEMPT_TAG: str(attempt),
            BECAUSE_TAG: _because(asked),
        },
    )


def _because(asked: Mapping[Node, Due]) -> str:
    """Why a run is asked for, in words."""
    reasons: defaultdict[str, set[str]] = defaultdict(set)
    for node, due in asked.items():
        if due.why:
            reasons[due.why].add(node.asset)
    following = {node.asset: due for node, due in asked.items() if due.upstream and not due.why}
    newer = sorted({parent.asset for due in following.values() for parent in due.newer})
    told = [f"{', '.join(newer)} newer than {', '.join(sorted(following))}"] if following else []
    return "; ".join(
        [*told, *(f"{', '.join(sorted(assets))}: {why}" for why, assets in reasons.items())]
    )
