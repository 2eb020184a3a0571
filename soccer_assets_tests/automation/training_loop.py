"""The condition of a training and its sensor, on a graph of what they look at, over virtual time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import StepMaterializationData
from dagster._core.test_utils import freeze_time

from soccer_assets.automation.attempts import MATCHES, MLFLOW_RUN, RECIPE
from soccer_assets.automation.reasons import MATCHES_TAG, RECIPE_TAG, TRIGGER_TAG
from soccer_assets.automation.training import TRIGGERS, training, with_retraining
from soccer_assets.dagster_internals import DATA_VERSION_TAG
from soccer_assets.dvc.definition import stage_code_version

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
TRAINED = dg.AssetKey("trained_model")
#: What becomes of a training that is asked for.
FAILS, REFUSED, PROMOTED, LEFT_OUT, RUNS = "fails", "refused", "promoted", "left out", "runs"
DAY = timedelta(days=1)


def definitions(params_file: Path) -> dg.Definitions:
    """As small as it can be, with the real condition and sensor."""

    def asset(name: str, *deps: str, **more: Any) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=list(deps), **more)
        def made(): ...  # type: ignore[no-untyped-def]

        return made

    reports = [
        asset(name, check_specs=[dg.AssetCheckSpec(check, asset=name)])
        for check, name in TRIGGERS.items()
    ]
    ranges = dg.AssetCheckSpec("feature_ranges", asset="features", blocking=True)
    assets = [
        asset("finished"),
        asset("features", check_specs=[ranges], code_version=stage_code_version("features")),
        asset("dataset", code_version=stage_code_version("dataset")),
        asset("trained_model", "features", "dataset"),
        asset("champion_model", "trained_model"),
        *reports,
    ]
    return dg.Definitions(assets=with_retraining(assets, params_file), sensors=[training])


@dataclass
class TrainingLoop:
    """What the sensor asks for, and what it sees."""

    instance: dg.DagsterInstance
    params_file: Path
    becomes: str = PROMOTED
    now: datetime = NOON
    matches: int = 20_000
    cursor: str | None = None
    asked: list[dg.RunRequest] = field(default_factory=list)
    evaluations: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.definitions = definitions(self.params_file)

    @contextmanager
    def _time(self) -> Iterator[None]:
        with freeze_time(self.now):
            yield

    def tick(self, after: timedelta = timedelta(minutes=1)) -> dg.RunRequest | None:
        """What is asked for after some time; it becomes a run at once."""
        self.now += after
        with self._time(), self._context() as context:
            found = training.evaluate_tick(context)
            self.cursor = found.cursor
            self.evaluations = [*found.automation_condition_evaluations] or self.evaluations
            requests = [*(found.run_requests or ())]
            for request in requests:
                self.train(self.becomes, request.tags)
        self.asked += requests
        assert len(requests) <= 1
        return requests[0] if requests else None

    def _context(self) -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, cursor=self.cursor
        )

    def loses_everything_it_remembers(self) -> None:
        """The sensor's cursor, and the code location with all that it may have kept."""
        self.cursor = None
        self.definitions = definitions(self.params_file)

    def labels(self, *, held: bool = True) -> set[str]:
        """Of the parts that held, or did not, in the newest evaluation."""
        return {
            node.condition_snapshot.label
            for evaluation in self.evaluations
            for node in evaluation.iter_nodes()
            if node.condition_snapshot.label and node.true_subset.is_empty is not held
        }

    # What happens

    def features(self) -> None:
        """They are made, of the matches that there are."""
        self.made("finished", **{"dagster/row_count": self.matches})
        for asset in ("features", "dataset"):
            self.made(asset)

    def made(self, asset: str, version: str | None = None, **metadata: Any) -> None:
        tags = {DATA_VERSION_TAG: version} if version else {}
        with self._time():
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset, metadata=metadata, tags=tags)
            )

    def reported(self, check: str, passed: bool) -> None:
        self.checked(TRIGGERS[check], check, passed)

    def checked(self, asset: str, check: str, passed: bool, *, blocking: bool = False) -> None:
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        with self._time():
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(asset),
                    check_name=check,
                    passed=passed,
                    severity=severity,
                    blocking=blocking,
                    metadata={"share": 0.25},
                )
            )

    def plans(self, check: dg.AssetCheckKey) -> None:
        """A run that is to evaluate a check has been created."""
        with self._time():
            run = self.instance.create_run_for_job(
                self.definitions.resolve_implicit_global_asset_job_def()
            )
            planned = AssetCheckEvaluationPlanned(asset_key=check.asset_key, check_name=check.name)
            self._report(run, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)

    def train(self, becomes: str, tags: Mapping[str, str]) -> dg.DagsterRun:
        """A run that was to train, and what became of it."""
        with self._time():
            job = self.definitions.resolve_implicit_global_asset_job_def()
            run = self.instance.create_run_for_job(
                job.get_subset(asset_selection={TRAINED}),
                asset_selection=frozenset({TRAINED}),
                tags=dict(tags),
            )
            self._report(run, dg.DagsterEventType.RUN_START)
            if becomes in (REFUSED, PROMOTED):
                metadata = {
                    MLFLOW_RUN: f"mlflow-{run.run_id}",
                    MATCHES: int(tags.get(MATCHES_TAG, self.matches)),
                    "trigger": tags.get(TRIGGER_TAG, "manual"),
                }
                if RECIPE_TAG in tags:
                    metadata[RECIPE] = tags[RECIPE_TAG]
                made = dg.AssetMaterialization("trained_model", metadata=metadata)
                self._report(
                    run, dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made)
                )
            if becomes == PROMOTED:
                self.made("champion_model", version=f"1:mlflow-{run.run_id}")
            if becomes == FAILS:
                self._report(run, dg.DagsterEventType.RUN_FAILURE)
            elif becomes != RUNS:
                self._report(run, dg.DagsterEventType.RUN_SUCCESS)
        return run

    def ends(self, run: dg.DagsterRun) -> None:
        """A run that ran has failed."""
        with self._time():
            self._report(run, dg.DagsterEventType.RUN_FAILURE)

    def _report(self, run: dg.DagsterRun, kind: dg.DagsterEventType, data: Any = None) -> None:
        self.instance.report_dagster_event(
            dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data), run.run_id
        )
