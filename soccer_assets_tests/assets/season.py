"""The whole graph over most of a season, in stages that each leave a picture of what they did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from soccer_assets.clock import utc_now
from soccer_assets.dvc.definition import PIPELINE_FILE
from soccer_assets.modelling.registry import CANDIDATE, CHAMPION, PREVIOUS, SMOKE
from soccer_assets.params import ServingParams
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.schemas import ModelInfo, PredictionPage
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import get_settings
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.databases import copy_of
from soccer_assets_tests.platform import Platform, platform

SINCE = "2024-08-01"
TOKEN = "reload-token-of-this-test"
#: Two small candidates, compared once.
TRAINING = {
    "seed": 7,
    "folds": 1,
    "candidates": {
        "plain": {"learner": "logistic", "C": 0.001},
        "boosting": {"rounds": 40, "early_stopping_rounds": 10, "min_data_in_leaf": 50},
    },
}
#: Early in a history the ratings still move, so a good part of the features always "drifts".
MONITORING = {
    "volume_min_rows": 100,
    "volume_min_share": 0.01,
    "drift": {"max_share_drifted": 0.8},
}
#: So few held-out matches cannot be told from calibrated any closer than this.
LENIENT = {"ece_limit": 0.08}
#: A calibration error smaller than 99 of 100 perfectly calibrated models show.
STRICT = {"ece_limit": 1e-6, "ece_quantile": 0.01}


@dataclass(frozen=True)
class Stage:
    """What a run did, and what there was when it had ended."""

    result: dg.ExecuteInProcessResult
    now: datetime
    mlflow_runs: set[str]
    aliases: dict[str, int]
    served: dict[str, Any] | None
    predictions: pd.DataFrame
    """The table of that name, by match and version."""
    matches: pd.DataFrame
    """``status`` and ``kickoff`` by match, as the warehouse has them."""
    revision: str
    """Of the features."""
    worker: ModelInfo | None
    """What the worker says that it serves; None when it serves nothing."""
    first_page: PredictionPage | None


@dataclass(frozen=True)
class Season:
    """A platform with a history, a parameters file that can be changed, and a worker."""

    platform: Platform
    worker: WorkerClient
    params: Path
    patch: pytest.MonkeyPatch

    def set_gates(self, gates: dict[str, float]) -> None:
        write_params(self.params, gates)

    def set_clock(self, now: datetime) -> None:
        self.patch.setenv("SOCCER_AS_OF", now.isoformat())

    def stage(self, job: str, tags: dict[str, str] | None = None) -> Stage:
        """Run a job and look at what there is afterwards."""
        result = self.platform.run_job(job, tags=tags)
        registry = self.platform.registry
        found = {
            alias: registry.by_alias(alias) for alias in (SMOKE, CANDIDATE, CHAMPION, PREVIOUS)
        }
        with self.platform.engine.connect() as connection:
            served = connection.execute(sa.text("SELECT * FROM soccer.served_model")).mappings()
            one = served.one_or_none()
            predictions = pd.read_sql(sa.text("SELECT * FROM soccer.prediction"), connection)
            matches = pd.read_sql(
                sa.text("SELECT match_id, status, kickoff FROM soccer.match"), connection
            )
        return Stage(
            result=result,
            now=utc_now(),
            mlflow_runs={run.info.run_id for run in mlflow_runs()},
            aliases={alias: version.number for alias, version in found.items() if version},
            served=dict(one) if one else None,
            predictions=predictions.set_index(["match_id", "model_version"]).sort_index(),
            matches=matches.set_index("match_id"),
            revision=self.workspace.revision.name,
            worker=self.worker.model() if one else None,
            first_page=self.worker.predictions(limit=20) if one else None,
        )

    @property
    def workspace(self) -> Any:
        from soccer_assets.resources import make_resources

        return make_resources(get_settings())["dvc"].workspace


def write_params(path: Path, gates: dict[str, float]) -> None:
    """The package's parameters with a small training and these gates."""
    document = yaml.safe_load((PIPELINE_FILE.parent / "params.yaml").read_text())
    document["training"] |= TRAINING
    document["monitoring"] |= MONITORING
    document["gates"] |= gates
    path.write_text(yaml.safe_dump(document))


def mlflow_client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient(get_settings().tracking_uri)


def mlflow_runs() -> list[Any]:
    client = mlflow_client()
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


@contextmanager
def begin_season(tables: str, home: Path, world: LeagueSimulator) -> Iterator[Season]:
    """Everything up to the lake, as of ``MIDSEASON``, and a worker that has nothing to serve."""
    params = home / "params.yaml"
    write_params(params, STRICT)
    with (
        copy_of(tables) as url,
        FeedServer(world, clock=utc_now) as feed,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SOCCER_AS_OF", MIDSEASON.isoformat())
        with (
            ServiceProcess(
                url, TOKEN, params=ServingParams(max_age_hours=720)
            ) as process,  # its clock stands still
            WorkerClient(process.base_url) as worker,
            platform(
                home,
                feed,
                url,
                {
                    "SOCCER_PARAMS": str(params),
                    "SERVING_WORKERS": process.base_url,
                    "SERVING_TOKEN": TOKEN,
                    # Events of a range of days are stored by the hundred, as `soccer` does.
                    "DAGSTER_EVENT_BATCH_SIZE": "500",
                },
            ) as here,
        ):
            season = Season(here, worker, params, patch)
            here.run_job("ingest", partitions=(SINCE, "2025-03-16"))
            here.run_job("export", partitions=(SINCE, "2025-03-01"))
            yield season
