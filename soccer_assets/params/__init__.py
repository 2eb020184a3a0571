"""Parameters of the pipeline, from ``params.yaml`` (or the file ``SOCCER_PARAMS`` names)."""

from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soccer_assets.alerting.params import AlertingParams
from soccer_assets.features.params import FeatureParams
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.params.gates import GateParams
from soccer_assets.params.retraining import RetrainingParams
from soccer_assets.params.training import TrainingParams
from soccer_assets.settings import SettingsError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IngestionParams(_Section):
    first_day: date = Field(date(1998, 1, 1), description="where the history begins")
    days_back: int = Field(2, ge=0, description="days before today that every hour asks for again")
    days_ahead: int = Field(15, ge=0, description="days of fixtures ahead")
    volume_min_share: float = Field(
        0.25, gt=0, lt=1, description="of the usual matches, with fewer of which a day is unusual"
    )
    volume_min_expected: float = Field(
        12, ge=1, description="usual matches, with fewer of which a day is not judged"
    )
    limits: FeedLimits = FeedLimits()


class ServingParams(_Section):
    recent_days: int = Field(30, ge=0, description="how long predictions outlive their match")
    max_age_hours: float = Field(
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


class DriftParams(_Section):
    """From which values on a feature counts as drifted, chance allowed for."""

    psi: float = Field(
        0.2, gt=0, description="of the bias-corrected PSI; 0.2 is the customary 'significant shift'"
    )
    wasserstein: float = Field(
        0.5, gt=0, description="in reference standard deviations, on top of what chance explains"
    )
    missing_shift: float = Field(
        0.1, gt=0, description="absolute change of the share of missing values"
    )
    min_rows: int = Field(
        50, ge=1, description="known values of a feature, with fewer of which it is not judged"
    )
    max_share_drifted: float = Field(
        0.3, gt=0, le=1, description="of the features: from it on, the whole set has drifted"
    )
    ignored: tuple[str, ...] = Field(
        (), description="features left out: a month always drifts in a window of a few weeks"
    )


class MonitoringParams(_Section):
    drift: DriftParams = DriftParams()
    volume_min_share: float = Field(0.02, ge=0, description="matches gained since training")
    volume_min_rows: int = Field(500, ge=0)
    scorecard_min_matches: int = Field(300, ge=1, description="settled matches to judge on")
    scorecard_tolerance: float = Field(
        0.02, ge=0, description="log loss beyond the promised one that is no decay"
    )


class Params(_Section):
    """All sections."""

    ingestion: IngestionParams = IngestionParams()
    features: FeatureParams = FeatureParams()
    training: TrainingParams = TrainingParams()
    gates: GateParams = GateParams()
    serving: ServingParams = ServingParams()
    monitoring: MonitoringParams = MonitoringParams()
    retraining: RetrainingParams = RetrainingParams()
    alerting: AlertingParams = AlertingParams()


def read_params(path: Path) -> Params:
    """Parse a parameters file.

    Raises:
        SettingsError: it cannot be read, or holds an unknown key or a value that cannot be.
    """
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()) or {})
    except OSError as error:
        raise SettingsError(f"parameters {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"parameters {path}: not YAML: {reason}") from None
    except ValidationError as error:
        raise SettingsError(f"parameters {path}: {complaints(error)}") from None


def complaints(error: ValidationError) -> str:
    """What pydantic found, in one line: ``serving.recent_days: Input should be ...``."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc']))}: {found['msg']}".removeprefix(": ")
        for found in error.errors()
    )
