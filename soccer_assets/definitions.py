"""The code location: assets, checks, jobs, schedules, sensors and resources, bound together."""

from typing import Any

import dagster as dg

from soccer_assets.assets import (
    data_freshness,
    features,
    ingestion,
    lake,
    ledger,
    model,
    monitoring,
    registry,
    serving,
)
from soccer_assets.assets.office import OFFICE_JOBS, review_schedule
from soccer_assets.assets.rebuild import rebuild_job
from soccer_assets.automation.alerts import SENSORS
from soccer_assets.automation.aliases import champion_alias
from soccer_assets.automation.catching_up import catch_up_sensor
from soccer_assets.automation.conditions import with_gaps_filled
from soccer_assets.automation.freshness import with_freshness
from soccer_assets.automation.jobs import JOBS
from soccer_assets.automation.maintenance import maintenance, maintenance_schedule
from soccer_assets.automation.partitions import with_partitions
from soccer_assets.automation.retries import retry_sensors
from soccer_assets.automation.retry_policy import with_causes_noted
from soccer_assets.automation.schedules import feed_schedules
from soccer_assets.automation.training import with_retraining
from soccer_assets.engines import make_executor
from soccer_assets.params import read_params
from soccer_assets.resources import make_resources
from soccer_assets.run_processes import fork_runs, is_code_server
from soccer_assets.settings import Settings, get_settings

GROUPS = [
    *(ingestion, lake, features, model, registry, serving),
    *(monitoring, data_freshness, ledger),
]


def make_definitions(settings: Settings) -> dg.Definitions:
    """Everything, on the services that the settings name."""
    ingestion = read_params(settings.params_file).ingestion
    assets = with_partitions(dg.load_assets_from_modules(GROUPS), ingestion)
    assets = with_freshness(with_gaps_filled(assets, ingestion))
    assets = with_retraining(assets, settings.params_file)
    jobs: list[Any] = [*JOBS, rebuild_job, *OFFICE_JOBS, maintenance]
    return dg.Definitions(
        assets=with_causes_noted(assets),
        jobs=jobs,
        schedules=[*feed_schedules(ingestion), review_schedule, maintenance_schedule],
        sensors=[
            *SENSORS,
            champion_alias,
            catch_up_sensor(ingestion.first_day),
            *retry_sensors(jobs),
        ],
        executor=make_executor(settings),
        resources=make_resources(settings),
    )


defs = make_definitions(get_settings())
if is_code_server():
    fork_runs(get_settings())
