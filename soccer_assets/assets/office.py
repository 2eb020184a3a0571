"""Jobs about the champion's office: what people decide, and the daily review of the champion.

The sensor ``champion_alias`` sees what they did, and has it followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from soccer_assets.assets.common import recorded
from soccer_assets.assets.features import DATASET
from soccer_assets.automation.jobs import ends_within
from soccer_assets.automation.retry_policy import note_cause
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.not_yet import NotYet
from soccer_assets.resources import (
    DvcResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
)
from soccer_assets.resources.mlflow import failures_told

if TYPE_CHECKING:
    import pandas as pd


class Approval(dg.Config):
    """Config of the job ``approve``."""

    version: int
    who: str
    why: str | None = None


class Rejection(dg.Config):
    """Config of the job ``reject``."""

    version: int
    who: str
    why: str


class Rollback(dg.Config):
    """Config of the job ``rollback``; without a version, to the champion's predecessor."""

    version: int | None = None
    who: str
    why: str


@contextmanager
def _refusals_told() -> Iterator[None]:
    from soccer_assets.modelling.office import NotPossible

    with failures_told():
        try:
            yield
        except NotPossible as error:
            raise dg.Failure(str(error), allow_retries=False) from error


@dg.op(pool="registry", description="Makes the version that waits for it the champion.")
def approve_version(
    context: dg.OpExecutionContext,
    config: Approval,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
) -> None:
    from soccer_assets.modelling.office import By, Office

    with _refusals_told():
        office = Office(registry.registry, warehouse.engine)
        version = office.approve(config.version, config.why, By(config.who, context.run_id))
    context.log.info(f"{version} is the champion")


@dg.op(pool="registry", description="Has the version that waits for it wait no longer.")
def reject_version(
    context: dg.OpExecutionContext,
    config: Rejection,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
) -> None:
    from soccer_assets.modelling.office import By, Office

    with _refusals_told():
        office = Office(registry.registry, warehouse.engine)
        version = office.reject(config.version, config.why, By(config.who, context.run_id))
    context.log.info(f"{version} is rejected")


@dg.op(pool="registry", description="Puts another version into office.")
def roll_back_champion(
    context: dg.OpExecutionContext,
    config: Rollback,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
) -> None:
    from soccer_assets.modelling.office import By, Office

    with _refusals_told():
        office = Office(registry.registry, warehouse.engine)
        version = office.roll_back(config.version, config.why, By(config.who, context.run_id))
    context.log.info(f"{version} is the champion")


@dg.op(
    pool="registry",
    description="The champion against its predecessor on what was settled since both have learnt.",
)
def review_of_champion(
    context: dg.OpExecutionContext,
    registry: ModelRegistryResource,
    warehouse: WarehouseResource,
    dvc: DvcResource,
    params: ParamsResource,
) -> None:
    from soccer_assets.dvc import outs
    from soccer_assets.modelling.office import REVIEW, By, Office
    from soccer_assets.monitoring.review import review_champion

    with _refusals_told():
        office = Office(registry.registry, warehouse.engine)
        try:
            made = dvc.at(recorded(context, DATASET, REVISION))
        except NotYet as early:
            context.log.info(str(early))
            return

        def settled(since: str) -> "pd.DataFrame":
            months = [name for name in made.tables(outs.DATASET) if name >= since]
            if not months:
                return made.frame(outs.DATASET, files=made.tables(outs.DATASET)[-1:]).iloc[:0]
            return made.frame(outs.DATASET, files=months)

        gates = params.read().gates
        review = review_champion(registry.registry, office, settled, gates)
        context.log.info(review.told)
        if review.is_worse:
            by = By(REVIEW, context.run_id)
            version = office.roll_back(
                review.predecessor, review.told, by, review.figures, instead_of=review.champion
            )
            context.log.warning(f"{version} is the champion again")


@dg.job(
    description="Signs a version off that has passed every gate.",
    tags=ends_within(hours=1),
    hooks={note_cause},
)
def approve() -> None:
    approve_version()


@dg.job(
    description="Refuses a version that waits for a sign-off.",
    tags=ends_within(hours=1),
    hooks={note_cause},
)
def reject() -> None:
    reject_version()


@dg.job(
    description="Puts the champion's predecessor, or the version named, back into office.",
    tags=ends_within(hours=1),
    hooks={note_cause},
)
def rollback() -> None:
    roll_back_champion()


@dg.job(
    description="Compares the champion with its predecessor on settled matches; one that is surely "
    "worse is rolled back.",
    tags=ends_within(hours=1),
    hooks={note_cause},
)
def review() -> None:
    review_of_champion()


OFFICE_JOBS = [approve, reject, rollback, review]

review_schedule = dg.ScheduleDefinition(
    name="daily_review",
    job=review,
    cron_schedule="30 5 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The champion is reviewed once a day.",
)
