"""Whether the graph keeps itself fresh: its daemon, its runs, its days, its assets, its model."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg

from soccer_assets.clock import utc_now
from soccer_assets.doctor.finding import Look, Wrong
from soccer_assets.doctor.services import engine_of
from soccer_assets.params import read_params
from soccer_assets.resources import ModelRegistryResource
from soccer_assets.resources.workers import DEFAULT_WORKER
from soccer_assets.runs import leases_of
from soccer_assets.serving.client import WorkerClient, WorkerError, WorkerUnreachable
from soccer_assets.settings import Settings
from soccer_assets.warehouse.ingested_days import overdue_days
from soccer_assets.warehouse.served_model import ServedModel
from soccer_assets.warehouse.serving_tables import served_model

#: As long, the sensor that catches up has to ask for a day before it is told of.
PATIENCE = timedelta(days=1)
#: Overdue days and stale assets that are named.
NAMED = 5
Open = Callable[[], dg.DagsterInstance]


def looks(
    settings: Settings, instance: Open, definitions: dg.Definitions
) -> list[tuple[str, Look]]:
    """Args:
    instance: opens Dagster's; called by each look, for it is what may be away.
    """
    graph = definitions.resolve_asset_graph()
    groups: defaultdict[str, list[dg.AssetKey]] = defaultdict(list)
    for key in graph.toposorted_asset_keys:
        groups[graph.get(key).group_name].append(key)
    return [
        ("daemon", lambda: daemon(instance())),
        ("pools", lambda: pools(instance())),
        ("days", lambda: days(settings)),
        *(
            (f"assets: {group}", lambda keys=keys: assets(instance(), keys))
            for group, keys in groups.items()
        ),
        ("champion", lambda: champion(settings)),
        ("workers", lambda: workers(settings)),
    ]


def daemon(instance: dg.DagsterInstance) -> str:
    """Without it nothing is asked for by itself."""
    statuses = instance.get_daemon_statuses()
    silent = sorted(name for name, status in statuses.items() if not status.healthy)
    if silent:
        beats = [s.last_heartbeat.timestamp for s in statuses.values() if s.last_heartbeat]
        since = f"since {_moment(max(beats))}" if beats else "it never ran"
        raise Wrong(f"no heartbeat of {', '.join(silent)}, {since}: dagster-daemon run")
    return f"{len(statuses)} parts of it are alive"


def pools(instance: dg.DagsterInstance) -> str:
    """Whether slots are held by runs that do not run."""
    leases = leases_of(instance)
    held = instance.event_log_storage.get_concurrency_run_ids()
    dead = []
    for run_id in sorted(held):
        run = instance.get_run_by_id(run_id)
        is_dead = leases is not None and leases.is_alive(run_id) is False
        if run is None or run.is_finished or is_dead:
            dead.append(run_id[:8])
    if dead:
        raise Wrong(
            f"held by runs that are over: {', '.join(dead)}; the next run that waits frees them"
        )
    return f"{len(held)} runs hold slots" if held else "no run holds a slot"


def days(settings: Settings) -> str:
    """Whether past days wait to be brought in."""
    first_day = read_params(settings.params_file).ingestion.first_day
    overdue = overdue_days(engine_of(settings), utc_now(), first_day, patience=PATIENCE)
    if overdue:
        named = ", ".join(str(day) for day in overdue[:NAMED])
        more = f" and {len(overdue) - NAMED} more" if len(overdue) > NAMED else ""
        raise Wrong(f"{len(overdue)} days are overdue: {named}{more}; see the sensor catch_up")
    return "no day is overdue"


def assets(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> str:
    """Whether all of a group were made, and are as young as they have to be."""
    records = {r.asset_entry.asset_key: r.asset_entry for r in instance.get_asset_records(keys)}
    made = {
        key: record.last_materialization.timestamp
        for key, record in records.items()
        if record.last_materialization
    }
    never = [key for key in keys if key not in made]
    states = instance.get_freshness_state_records(keys)
    stale = [key for key, record in states.items() if record.freshness_state.value == "FAIL"]
    if never:
        raise Wrong(f"never made: {_names(never)}")
    if stale:
        oldest = min(made[key] for key in stale)
        raise Wrong(f"too old: {_names(stale)}, the oldest of {_moment(oldest)}")
    return f"{len(made)}, the oldest made {_moment(min(made.values()))}"


def champion(settings: Settings) -> str:
    """Whether a model serves, and is the one whose predictions are published."""
    version = ModelRegistryResource(settings=settings).registry.by_alias("champion")
    if version is None:
        raise Wrong("there is none: nothing can be predicted; the job retrain makes one")
    published = served_model(engine_of(settings))
    if published is None:
        raise Wrong(f"{version} has published no predictions: the job refresh makes them")
    if published.run_id != version.run_id:
        raise Wrong(f"{version} is not the one that serves, version {published.version} is")
    return f"{version}, since {published.promoted_at:%Y-%m-%d %H:%M} UTC"


def workers(settings: Settings) -> str:
    """Whether each is ready and serves what was published last."""
    published = served_model(engine_of(settings))
    found = [_worker(url, published) for url in settings.workers or [DEFAULT_WORKER]]
    wrong = [told for told in found if told is not None]
    if wrong:
        if not settings.workers and isinstance(wrong[0], WorkerUnreachable):
            return "none runs here (soccer serve starts one)"
        raise Wrong("; ".join(str(told) for told in wrong))
    return f"{len(found)} serve version {published.version if published else None}"


def _worker(url: str, published: ServedModel | None) -> Exception | None:
    with WorkerClient(url, timeout=5) as client:
        try:
            ready = client.ready()
            if not ready.ready:
                return Wrong(f"{url}: not ready: {ready.reason}")
            serves = client.model()
        except WorkerError as error:
            return error
    if published and serves.run_id != published.run_id:
        return Wrong(f"{url}: serves version {serves.version}, not {published.version}")
    return None


def _names(keys: list[dg.AssetKey]) -> str:
    names = [key.to_user_string() for key in keys]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _moment(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"
