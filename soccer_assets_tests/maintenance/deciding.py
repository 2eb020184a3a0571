"""All that is decided by what Dagster has recorded, and what it is decided by."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.test_utils import freeze_time

from soccer_assets.automation.attempts import read_attempts, read_evidence
from soccer_assets.automation.maintenance import NEEDS
from soccer_assets.automation.records import read_records
from soccer_assets.automation.training import CHECKS
from soccer_assets.automation.updates import follow, updates, young_nodes
from soccer_assets.definitions import defs
from soccer_assets.maintenance.storage import Done, Needs, maintain
from soccer_assets.params import MaintenanceParams, Params
from soccer_assets.runs import overdue

#: Nothing is too young to go.
AT_ONCE = MaintenanceParams.model_construct(
    run_days=0, check_days=0, printed_days=0, planned_hours=0, statement_rows=7, max_minutes=10
)
#: As little as the followers need, so that little history is enough to test it.
NEWEST_ALONE = Needs(events=1, runs_of_job=0, runs=NEEDS.runs)


def tidied(
    instance: dg.DagsterInstance,
    at: datetime,
    params: MaintenanceParams = AT_ONCE,
    needs: Needs = NEEDS,
) -> Done:
    done = maintain(instance, params, needs, at)
    assert done.is_complete
    assert not done.failed
    return done


def followers(instance: dg.DagsterInstance, at: datetime) -> list[Any]:
    """What ``updates`` knows, asks for and says, then and a week later."""
    repository = defs.get_repository_def()
    found: list[Any] = []
    for moment in (at, at + timedelta(days=7)):
        with freeze_time(moment):
            months, wholes = follow(repository)
            young = young_nodes(repository)
            found.append(read_records(instance, repository, {**months, **wholes}, young))
            told: Any = updates.evaluate_tick(
                dg.build_sensor_context(instance=instance, definitions=defs)
            )
            found.append([_request(one) for one in told.run_requests or ()])
            found.append(told.skip_message)
    return found


def trainings(instance: dg.DagsterInstance, at: datetime) -> list[Any]:
    """What is known of trainings, and what the conditions ask for, then and a month later."""
    found: list[Any] = []
    for moment in (at, at + timedelta(days=30)):
        with freeze_time(moment):
            found.append(read_attempts(instance, moment.timestamp()))
            found.append(read_evidence(instance, Params(), CHECKS))
        asked = dg.evaluate_automation_conditions(defs, instance, evaluation_time=moment)
        found.append(sorted(_asked(asked)))
    return found


def freshness(instance: dg.DagsterInstance) -> list[Any]:
    """What the ages of assets are judged by, and how they were judged last."""
    keys = sorted(defs.resolve_asset_graph().materializable_asset_keys)
    newest = {key: instance.get_latest_materialization_event(key) for key in keys}
    return [newest, instance.get_freshness_state_records(keys)]


def slowness(instance: dg.DagsterInstance, at: datetime) -> dict[str, str]:
    """Which runs take too long."""
    return overdue(instance, at.astimezone(UTC))


def _asked(evaluated: dg.EvaluateAutomationConditionsResult) -> Iterator[tuple[str, list[str]]]:
    for key in defs.resolve_asset_graph().materializable_asset_keys:
        if partitions := evaluated.get_requested_partitions(key):
            yield key.to_user_string(), sorted(map(str, partitions))


def _request(one: dg.RunRequest) -> tuple[Any, ...]:
    assets = sorted(key.to_user_string() for key in one.asset_selection or ())
    return one.run_key, assets, one.partition_key, dict(one.tags)
