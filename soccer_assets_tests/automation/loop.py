"""What the real definitions ask for by themselves, over an instance that only the test writes to."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.events import StepMaterializationData

from soccer_assets.automation.records import FIRST_TAG, LAST_TAG, PARTITION_TAG
from soccer_assets.automation.training import TRIGGERS
from soccer_assets.automation.updates import updates
from soccer_assets.dagster_internals import DATA_VERSION_TAG
from soccer_assets.definitions import defs

FEATURES = ("finished", "fixtures", "features", "feature_states", "features_meta", "dataset")
REGISTRY = ("registered_model", "candidate_model", "champion_model")
SERVING = ("serving_features", "predictions", "serving_workers")
#: Report -> the check whose failure asks for a training.
REPORTS = {report: check for check, report in TRIGGERS.items()}
#: All that follow a champion, or what it is told of.
MONITORING = (*REPORTS, "feature_drift", "prediction_scorecard", "ledger")
#: In an order in which they can be made.
UNPARTITIONED = (*FEATURES, "trained_model", *REGISTRY, *SERVING, *MONITORING, "data_freshness")
BLOCKING = {
    "match_parquet": ("parity_with_postgres", "unique_ids"),
    "features": ("feature_ranges",),
    "predictions": ("probability_simplex",),
}
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)

Requested = dict[str, set[str | None]]


@dataclass
class Loop:
    """Both sensors that ask for runs, and what they see."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions = defs
    now: datetime = NOON
    cursor: Any = None
    results: list[dg.AutomationResult] = field(default_factory=list)

    def tick(self, after: timedelta = timedelta(minutes=1)) -> Requested:
        """Asset -> the partitions (None: it has none) that the conditions ask for now."""
        self.now += after
        evaluated = dg.evaluate_automation_conditions(
            self.definitions, self.instance, evaluation_time=self.now, cursor=self.cursor
        )
        self.cursor, self.results = evaluated.cursor, evaluated.results
        asked = {
            key.to_user_string(): set(evaluated.get_requested_partitions(key))
            for key in self.definitions.resolve_asset_graph().materializable_asset_keys
        }
        return {asset: partitions for asset, partitions in asked.items() if partitions}

    def tick_at(self, moment: datetime) -> Requested:
        return self.tick(moment - self.now)

    def requests(self) -> list[dg.RunRequest]:
        """What is asked for now because it is behind."""
        return list(self._look().run_requests or ())

    def behind(self) -> Requested:
        """Asset -> the partitions (None: it has none) that are asked for because they are behind."""
        asked = defaultdict(set)
        for request in self.requests():
            for key in request.asset_selection or ():
                asset = key.to_user_string()
                asked[asset] |= set(partitions_of(asset, request.tags, request))
        return dict(asked)

    def waiting(self) -> str:
        """Why nothing is asked for."""
        told = self._look()
        assert not told.run_requests
        return told.skip_message or ""

    def _look(self) -> Any:
        return updates.evaluate_tick(
            dg.build_sensor_context(instance=self.instance, definitions=self.definitions)
        )

    # What happens

    def made(self, *assets: str, partition: str | None = None, version: str | None = None) -> None:
        """Some assets have been materialized, by no run."""
        for asset in assets:
            self.instance.report_runless_asset_event(_materialization(asset, partition, version))

    def creates(
        self,
        *assets: str,
        tags: Mapping[str, str] | None = None,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED,
    ) -> dg.DagsterRun:
        """There is a run of some assets, in this status."""
        keys = frozenset(dg.AssetKey(asset) for asset in assets)
        return self.instance.create_run_for_job(
            self.definitions.resolve_implicit_global_asset_job_def().get_subset(
                asset_selection=set(keys)
            ),
            asset_selection=keys,
            tags=tags,
            status=status,
        )

    def begin(self, *assets: str, tags: Mapping[str, str] | None = None) -> dg.DagsterRun:
        """A run of some assets begins."""
        run = self.creates(*assets, tags=tags)
        self._report(run, dg.DagsterEventType.RUN_START)
        return run

    def makes(self, run: dg.DagsterRun, *assets: str, version: str | None = None) -> None:
        """A run has materialized some assets, in all its partitions."""
        for asset in assets:
            for partition in partitions_of(asset, run.tags):
                event = _materialization(asset, partition, version)
                self._report(
                    run, dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event)
                )

    def makes_some(self, run: dg.DagsterRun, asset: str, *partitions: str) -> None:
        """A run has materialized some partitions of an asset."""
        for partition in partitions:
            made = StepMaterializationData(_materialization(asset, partition, None))
            self._report(run, dg.DagsterEventType.ASSET_MATERIALIZATION, made)

    def ends(self, run: dg.DagsterRun) -> None:
        self._report(run, dg.DagsterEventType.RUN_SUCCESS)

    def fails(self, run: dg.DagsterRun) -> None:
        self._report(run, dg.DagsterEventType.RUN_FAILURE)

    def runs(
        self, *assets: str, tags: Mapping[str, str] | None = None, version: str | None = None
    ) -> None:
        """A run makes some assets, from its beginning to its end."""
        run = self.begin(*assets, tags=tags)
        self.makes(run, *assets, version=version)
        self.ends(run)

    def catches_up(self) -> None:
        """All that is asked for is made, until nothing is."""
        for _ in range(5):
            requests = self.requests()
            for request in requests:
                assets = [key.to_user_string() for key in request.asset_selection or ()]
                partition = {PARTITION_TAG: request.partition_key} if request.partition_key else {}
                self.runs(*assets, tags={**request.tags, **partition})
            if not requests:
                return
        raise AssertionError(f"still asked for: {requests}")

    def checked(self, asset: str, check: str, passed: bool, *, blocking: bool = False) -> None:
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=check,
                passed=passed,
                severity=severity,
                blocking=blocking,
            )
        )

    def reported(self, report: str, passed: bool) -> None:
        """A monitoring report has been renewed, and its check evaluated."""
        self.made(report)
        self.checked(report, REPORTS[report], passed)

    def labels_that_held(self, asset: str) -> set[str]:
        """Of the parts of an asset's condition at the last tick."""
        held = set()

        def walk(result: dg.AutomationResult) -> None:
            label = result.condition.get_label()
            if label and not result.true_subset.is_empty:
                held.add(label)
            for child in result.child_results:
                walk(child)

        walk(next(r for r in self.results if r.key == dg.AssetKey(asset)))
        return held

    def _report(self, run: dg.DagsterRun, kind: dg.DagsterEventType, data: Any = None) -> None:
        self.instance.report_dagster_event(
            dg.DagsterEvent(kind.value, run.job_name, event_specific_data=data), run.run_id
        )


def _materialization(
    asset: str, partition: str | None, version: str | None
) -> dg.AssetMaterialization:
    tags = {DATA_VERSION_TAG: version} if version else {}
    return dg.AssetMaterialization(asset, partition=partition, tags=tags)


def partitions_of(
    asset: str, tags: dict[str, str] | Any, request: dg.RunRequest | None = None
) -> Iterator[str | None]:
    """The partitions of an asset that a run covers by its tags; None: the asset has none."""
    if not defs.resolve_asset_graph().get(dg.AssetKey(asset)).is_partitioned:
        yield None
        return
    one = (request.partition_key if request else None) or tags.get(PARTITION_TAG)
    if FIRST_TAG in tags:
        keys = defs.resolve_asset_graph().get(dg.AssetKey("match_parquet")).partitions_def
        assert keys is not None
        yield from (k for k in keys.get_partition_keys() if tags[FIRST_TAG] <= k <= tags[LAST_TAG])
    else:
        yield one
