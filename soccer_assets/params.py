"""Parameters of the pipeline, from ``params.yaml`` (or the file ``SOCCER_PARAMS`` names)."""

from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soccer_assets.features.params import FeatureParams
from soccer_assets.feed.limits import FeedLimits
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


class MonitoringParams(_Section):
    psi_threshold: float = Field(0.2, gt=0, description="drift of one feature")
    drifted_share: float = Field(0.3, gt=0, le=1, description="drifted features that mean drift")
    volume_min_share: float = Field(0.02, ge=0, description="matches gained since training")
    volume_min_rows: int = Field(500, ge=0)
    scorecard_min_matches: int = Field(300, ge=1, description="settled matches to judge on")


class Params(_Section):
    """All sections. ``training`` and ``gates`` stay mappings here and are parsed by their domain,
    so that loading the code location does not import it."""

    ingestion: IngestionParams = IngestionParams()
    features: FeatureParams = FeatureParams()
    training: dict = Field(default_factory=dict)
    gates: dict = Field(default_factory=dict)
    serving: ServingParams = ServingParams()
    monitoring: MonitoringParams = MonitoringParams()


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
