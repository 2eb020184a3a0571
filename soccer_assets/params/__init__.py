"""Parameters of the pipeline, from ``params.yaml`` (or the file ``SOCCER_PARAMS`` names)."""

from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from soccer_assets.alerting.params import AlertingParams
from soccer_assets.bounds import Day, DaysOfYear, Hours, Number, Section, WholeDays
from soccer_assets.features.params import FeatureParams
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.params.document import read_document
from soccer_assets.params.gates import GateParams
from soccer_assets.params.maintenance import MaintenanceParams as MaintenanceParams
from soccer_assets.params.monitoring import DriftParams as DriftParams
from soccer_assets.params.monitoring import MonitoringParams
from soccer_assets.params.retraining import RetrainingParams
from soccer_assets.params.training import TrainingParams
from soccer_assets.settings import SettingsError


class IngestionParams(Section):
    first_day: Day = Field(date(1998, 1, 1), description="where the history begins")
    days_back: DaysOfYear = Field(
        2, ge=0, description="days before today that every hour asks for again"
    )
    days_ahead: DaysOfYear = Field(15, ge=0, description="days of fixtures ahead")
    volume_min_share: Number = Field(
        0.25, gt=0, lt=1, description="of the usual matches, with fewer of which a day is unusual"
    )
    volume_min_expected: Number = Field(
        12, ge=1, description="usual matches, with fewer of which a day is not judged"
    )
    limits: FeedLimits = FeedLimits()

    def is_to_come(self) -> SettingsError:
        """What is said where the first day is after the last one: only a clock can tell."""
        return SettingsError(
            f"ingestion.first_day: {self.first_day} is after the last day that fixtures are asked "
            f"for, {self.days_ahead} days ahead"
        )


class ServingParams(Section):
    recent_days: WholeDays = Field(30, ge=0, description="how long predictions outlive their match")
    max_age_hours: Hours = Field(
        36, gt=0, description="age of predictions from which on a worker is not ready"
    )
    when_stale: Literal["mark", "refuse"] = Field(
        "mark",
        description="what a worker does with predictions of that age: answer with `stale: true`, or "
        "refuse with 503",
    )

    @property
    def max_age(self) -> timedelta:
        return timedelta(hours=self.max_age_hours)


class Params(Section):
    """All sections."""

    ingestion: IngestionParams = IngestionParams()
    features: FeatureParams = FeatureParams()
    training: TrainingParams = TrainingParams()
    gates: GateParams = GateParams()
    serving: ServingParams = ServingParams()
    monitoring: MonitoringParams = MonitoringParams()
    retraining: RetrainingParams = RetrainingParams()
    alerting: AlertingParams = AlertingParams()
    maintenance: MaintenanceParams = MaintenanceParams()


def read_params(path: Path) -> Params:
    """Parse a parameters file.

    Raises:
        SettingsError: it cannot be read, or holds an unknown key or a value that cannot be.
    """
    document = read_document(path)
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        raise SettingsError(f"parameters {path}: {complaints(error)}") from None


def complaints(error: ValidationError) -> str:
    """What pydantic found, in one line: ``serving.recent_days: Input should be ...``."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc']))}: {found['msg']}".removeprefix(": ")
        for found in error.errors()
    )
