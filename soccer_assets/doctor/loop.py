"""Whether the graph keeps itself fresh: its daemon, its sensors, its runs, its days, its assets."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from soccer_assets.automation.freshness import FRESHNESS
from soccer_assets.clock import utc_now
from soccer_assets.dagster_internals import InstigatorState
from soccer_assets.dagster_tables import standing
from soccer_assets.doctor.finding import Look, Wrong
from soccer_assets.doctor.lines import GROUPS
from soccer_assets.doctor.services import SCHEMA, Services
from soccer_assets.params import read_params
from soccer_assets.runner import open_instance
from soccer_assets.runs import leases_of
from soccer_assets.warehouse.ingested_days import overdue_days

#: As long, the sensor that catches up has to ask for a day before it is told of.
DAYS_PATIENCE = timedelta(days=1)
#: Overdue days and stale assets that are named.
NAMED = 5
#: Seconds in which the definitions load on a machine that is busy.
OF_DEFINITIONS = 60.0


class Graph:
    """Definitions and instance of Dagster, as the daemon has them."""

    def __init__(self, engine: sa.Engine, stack: ExitStack) -> None:
        self._engine = engine
        self._stack = stack
        self.instance: dg.DagsterInstance
        self.definitions: dg.Definitions

    def open(self) -> str:
        """Load the one and open the other, where there is one: to open it makes its tables."""
        found, newest = standing(self._engine)
        if found is None:
            raise Wrong("it has kept nothing in this database yet: soccer demo, or dagster dev")
        if found != newest:
            raise Wrong(
                f"its tables are at revision {found}, not {newest}: dagster instance migrate"
            )
        from soccer_assets.definitions import defs

        self.definitions = defs
        self.instance = self._stack.enter_context(open_instance())
        assets = len(defs.resolve_asset_graph().materializable_asset_keys)
        return f"version {dg.__version__}; the definitions load, {assets} assets"


def looks(services: Services, graph: Graph) -> list[Look]:
    needs = ("dagster",)
    return [
        Look("daemon", lambda: daemon(graph.instance), needs),
        Look("sensors", lambda: sensors(graph.instance, graph.definitions), needs),
        Look("pools", lambda: pools(graph.instance), needs),
        Look("days", lambda: days(services), ("parameters", *SCHEMA)),
        *(
            Look(f"assets: {group}", lambda group=group: assets(graph, group), needs)  # type: ignore[misc]
            for group in GROUPS
        ),
    ]


def daemon(instance: dg.DagsterInstance) -> str:
    """Without it nothing is asked for by itself."""
    statuses = instance.get_daemon_statuses()
    silent = sorted(name for name, status in statuses.items() if not status.healthy)
    if not silent:
        return f"its {len(statuses)} parts give signs of life"
    beats = [s.last_heartbeat.timestamp for s in statuses.values() if s.last_heartbeat]
    if not beats:
        raise Wrong("it never ran here: start dagster-daemon run, or dagster dev")
    who = "" if len(silent) == len(statuses) else f" of {', '.join(silent)}"
    raise Wrong(
        f"no sign of life{who} since {_moment(max(beats))}: start dagster-daemon run, its log says "
        "why it went"
    )


def sensors(instance: dg.DagsterInstance, definitions: dg.Definitions) -> str:
    """Whether somebody has stopped a sensor or a schedule that is to run."""
    repository = definitions.get_repository_def()
    defined: list[dg.SensorDefinition | dg.ScheduleDefinition] = [
        *repository.sensor_defs,
        *repository.schedule_defs,
    ]
    running = {one.name for one in defined if one.default_status.value == "RUNNING"}
    states: list[InstigatorState] = list(instance.all_instigator_state())
    stopped = sorted(
        state.instigator_name
        for state in states
        if state.instigator_name in running and not state.is_running
    )
    if stopped:
        raise Wrong(
            f"stopped by somebody: {', '.join(stopped)}; to start them: Automation in the UI, or "
            "dagster sensor start, dagster schedule start"
        )
    return f"all {len(running)} sensors and schedules that are to run are on"


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
            f"held by runs that are over: {', '.join(dead)}; the daemon frees them within half a "
            "minute, as does the next command that starts a run"
        )
    return f"{len(held)} runs hold or wait for slots" if held else "no run holds a slot"


def days(services: Services) -> str:
    """Whether past days wait to be brought in."""
    first_day = read_params(services.settings.params_file).ingestion.first_day
    overdue = overdue_days(services.engine, utc_now(), first_day, patience=DAYS_PATIENCE)
    if overdue:
        named = ", ".join(str(day) for day in overdue[:NAMED])
        more = f" and {len(overdue) - NAMED} more" if len(overdue) > NAMED else ""
        raise Wrong(
            f"{len(overdue)} days are overdue: {named}{more}; the sensor catch_up asks for them, or "
            f"soccer backfill --since {min(overdue)}"
        )
    return "no past day of the feed is overdue"


def assets(graph: Graph, group: str) -> str:
    """Whether all of a group were made, and none is older than its policy allows."""
    of_graph = graph.definitions.resolve_asset_graph()
    keys = [
        key
        for key in of_graph.toposorted_asset_keys
        if key in of_graph.materializable_asset_keys and of_graph.get(key).group_name == group
    ]
    made = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization.timestamp
        for record in graph.instance.get_asset_records(keys)
        if record.asset_entry.last_materialization
    }
    never = [key for key in keys if key not in made]
    if never:
        raise Wrong(f"never made: {_names(never)}; each page in the UI says what it waits for")
    # As the policies have it, and not as the daemon said last: it may be what is away.
    now = datetime.now(UTC).timestamp()
    old = [key for key in keys if now - made[key] > _limit(key).total_seconds()]
    if old:
        oldest = min(made[key] for key in old)
        raise Wrong(f"too old: {_names(old)}, the oldest of {_moment(oldest)}")
    first, last = min(made.values()), max(made.values())
    some = "1 asset" if len(made) == 1 else f"{len(made)} assets"
    return f"{some}; made last {_moment(last)}, the oldest {_moment(first)}"


def _limit(key: dg.AssetKey) -> timedelta:
    window: timedelta = FRESHNESS[key.to_user_string()].fail_window.to_timedelta()  # type: ignore[attr-defined]
    return window


def _names(keys: list[dg.AssetKey]) -> str:
    names = [key.to_user_string() for key in keys]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _moment(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"
