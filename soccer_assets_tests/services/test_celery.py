"""The whole graph on step workers of two machines, of which one after the other is cut off."""

import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psutil
import pytest
from mlflow.tracking import MlflowClient

from soccer_assets_tests.services.machines import (
    DAYS,
    MONTHS,
    Machine,
    Records,
    kill_whole,
    outcome,
    wait_until,
)
from soccer_assets_tests.services.servers import Shared, rabbitmq, redis

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(3600)]

STEPS = {
    *("dvc_outs", "trained_model", "registered_model", "candidate_model", "champion_model"),
    *("serving_features", "predictions", "serving_workers"),
    *("data_freshness", "data_volume", "feature_drift", "ledger"),
    *("prediction_decay", "prediction_scorecard", "prediction_shift"),
}


@dataclass
class Cluster:
    """One machine that starts runs, and two with step workers."""

    starter: Machine
    machines: dict[str, Machine]
    broker: str
    records: Records

    def start_worker(self, name: str) -> None:
        self.machines[name].start("soccer", "step-worker", "--name", name)

    def start_missing(self) -> None:
        for name, machine in self.machines.items():
            if machine.started[-1].poll() is not None:
                self.start_worker(name)

    def cut_off(self, name: str) -> None:
        kill_whole(self.machines[name].started[-1])

    def began(self, job: str, step: str, times: int = 1) -> tuple[str, str]:
        """The newest run of a job whose step has begun so many times, and on which machine."""

        def begun() -> tuple[str, str] | None:
            run = self.records.newest_run(job)
            if run is None or self.records.times(run, "STEP_START")[step] < times:
                return None
            worker = self.records.worker_of(run, step)
            return (run, worker) if worker else None

        found: tuple[str, str] = wait_until(begun, partial(self.told, step))
        return found

    def told(self, what: str = "") -> str:
        logs = [machine.log for machine in (self.starter, *self.machines.values())]
        printed = [f"{log.name}: {log.read_text()[-2500:]}" for log in logs if log.exists()]
        return "\n".join([what, *printed])

    def end(self) -> None:
        for machine in (self.starter, *self.machines.values()):
            machine.end()


def cluster_on(broker: str, place: Path, world: Mapping[str, str], prefix: str) -> Cluster:
    settings = {
        **world,
        "SOCCER_EXECUTOR": "celery",
        "SOCCER_CELERY_BROKER": broker,
        "SOCCER_CELERY_VISIBILITY_SECONDS": "20",
    }
    machines = {name: Machine(place / f"{prefix}-{name}", settings) for name in ("one", "two")}
    records = Records(world["POSTGRES_URL"])
    return Cluster(Machine(place / f"{prefix}-starter", settings), machines, broker, records)


@pytest.fixture(scope="module")
def world(shared: Shared, season: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings of every machine."""
    with shared.world("celery") as settings:
        yield {**settings, **season}


@pytest.fixture(scope="module")
def cluster(place: Path, world: dict[str, str]) -> Iterator[Cluster]:
    with rabbitmq(place) as broker:
        made = cluster_on(broker, place, world, "rabbit")
        try:
            yield made
        finally:
            made.end()


@dataclass
class Survived:
    """A run that lost a worker in the features and another in the training."""

    run: str
    outcome: dict[str, Any]


def is_training(tracking: str, run: str) -> bool:
    """Whether a training of the run has begun and not ended."""
    client = MlflowClient(tracking)
    experiment = client.get_experiment_by_name("soccer_assets")
    if experiment is None:
        return False
    found = client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    return any(run in each.data.tags.values() for each in found)


@pytest.fixture(scope="module")
def survived(cluster: Cluster, world: dict[str, str]) -> Survived:
    for name in cluster.machines:
        cluster.start_worker(name)
    cluster.starter.finish(cluster.starter.job("ingest", *DAYS))
    cluster.starter.finish(cluster.starter.job("export", *MONTHS))
    retraining = cluster.starter.job("retrain")

    run, victim = cluster.began("retrain", "dvc_outs")
    half_made = cluster.machines[victim].home / "dvc" / "data" / "finished"
    wait_until(half_made.exists, cluster.told)
    cluster.cut_off(victim)
    _, heir = cluster.began("retrain", "dvc_outs", times=2)
    assert heir != victim
    cluster.start_worker(victim)

    _, victim = cluster.began("retrain", "trained_model")
    wait_until(lambda: is_training(world["MLFLOW_TRACKING_URI"], run), cluster.told)
    cluster.cut_off(victim)
    _, heir = cluster.began("retrain", "trained_model", times=2)
    assert heir != victim

    cluster.starter.finish(retraining)
    return Survived(run, outcome(cluster.starter))


def test_the_run_ends_right_and_each_step_once(cluster: Cluster, survived: Survived) -> None:
    assert cluster.records.status(survived.run) == "SUCCESS"
    begun = cluster.records.times(survived.run, "STEP_START")
    assert set(begun) == STEPS
    assert {step for step, times in begun.items() if times != 1} == {"dvc_outs", "trained_model"}
    assert begun["dvc_outs"] == begun["trained_model"] == 2
    assert cluster.records.times(survived.run, "STEP_SUCCESS") == dict.fromkeys(STEPS, 1)
    made = cluster.records.query(
        "SELECT asset_key, count(*) FROM event_logs WHERE run_id = %s"
        " AND dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY 1 HAVING count(*) > 1",
        survived.run,
    )
    assert made == []


def test_no_effect_is_doubled(survived: Survived, alone: dict[str, Any]) -> None:
    assert survived.outcome["versions"] == alone["versions"] == [1]
    assert survived.outcome["tables"]["promotion"] == alone["tables"]["promotion"]
    assert survived.outcome["mlflow_runs"] == ["FINISHED", "KILLED"]
    assert alone["mlflow_runs"] == ["FINISHED"]


@pytest.mark.parametrize("table", ["match", "match_raw", "prediction"])
def test_the_tables_are_those_of_one_process(
    survived: Survived, alone: dict[str, Any], table: str
) -> None:
    assert len(alone["tables"][table]) > 100
    assert survived.outcome["tables"][table] == alone["tables"][table]


@pytest.mark.parametrize("what", ["champion", "metrics", "features"])
def test_features_and_model_are_those_of_one_process(
    survived: Survived, alone: dict[str, Any], what: str
) -> None:
    assert alone[what]
    assert survived.outcome[what] == alone[what]


def test_the_password_of_the_broker_is_nowhere(cluster: Cluster, survived: Survived) -> None:
    password = urlsplit(cluster.broker).password
    assert password
    words = [password, unquote(password), quote(unquote(password))]
    everywhere = [
        *(
            path
            for machine in (cluster.starter, *cluster.machines.values())
            for path in [machine.log, *machine.home.rglob("*")]
            if path.is_file()
        ),
    ]
    assert len(everywhere) > 50
    for path in everywhere:
        content = path.read_bytes()
        assert not [word for word in words if word.encode() in content], path
    for word in words:
        for table, column in (
            ("event_logs", "event"),
            ("runs", "run_body"),
            ("snapshots", "snapshot_body::text"),
        ):
            found = cluster.records.query(
                f"SELECT count(*) FROM {table} WHERE position(%s in {column}) > 0", word
            )
            assert found == [(0,)], table
    commands = [" ".join(process.cmdline()) for process in psutil.process_iter() if process.pid > 2]
    assert any("step-worker" in command for command in commands)
    assert not [command for command in commands if any(word in command for word in words)]


def test_machines_keep_caches_alone(cluster: Cluster, survived: Survived) -> None:
    """The workspace of DVC with its cache, and what draws plots knows of fonts; of a step whose
    worker was killed, what it had printed."""
    kept = {
        re.sub(r"^(dvc|matplotlib|dagster/compute_logs)/.*", r"\1", path)
        for machine in cluster.machines.values()
        for path in machine.files()
    }
    assert kept <= {"dvc", "matplotlib", "dagster/compute_logs"}
    assert cluster.starter.files() == set()


def test_a_backfill_is_spread_over_the_machines(
    cluster: Cluster, survived: Survived, alone: dict[str, Any]
) -> None:
    cluster.start_missing()
    before = cluster.records.query("SELECT max(id) FROM runs")[0][0]
    cluster.starter.run("dagster", "instance", "concurrency", "set", "livescores", "2")
    days = ("--since", "2024-08-01", "--until", "2024-11-30", "--again")
    cluster.starter.run("soccer", "backfill", *days, "--at-once", "2", "--months", "1")
    runs = cluster.records.query(
        "SELECT run_id, status FROM runs WHERE id > %s AND pipeline_name = 'ingest'", before
    )
    assert [status for _, status in runs] == ["SUCCESS"] * 4
    workers = {cluster.records.worker_of(run, "ingest_days") for run, _ in runs}
    assert workers == set(cluster.machines)
    assert outcome(cluster.starter)["tables"]["match"] == alone["tables"]["match"]


def test_a_worker_that_is_asked_to_end_finishes_what_it_has_begun(
    cluster: Cluster, survived: Survived
) -> None:
    cluster.start_missing()
    refreshing = cluster.starter.job("refresh")
    run, worker = cluster.began("refresh", "dvc_outs")
    asked = cluster.machines[worker].started[-1]
    asked.send_signal(signal.SIGTERM)
    cluster.starter.finish(refreshing)
    assert asked.wait(60) == 0
    assert cluster.records.times(run, "STEP_START")["dvc_outs"] == 1


def test_with_redis_it_takes_as_long_as_a_step_is_invisible(
    cluster: Cluster, survived: Survived, world: dict[str, str], place: Path
) -> None:
    """And a step that takes longer than that is not done twice."""
    cluster.end()
    with redis(place) as broker:
        redone = cluster_on(broker, place, world, "redis")
        try:
            for name in redone.machines:
                redone.start_worker(name)
            refreshing = redone.starter.job("refresh")
            before = cluster.records.newest_run("refresh")
            wait_until(lambda: redone.records.newest_run("refresh") != before, redone.told)
            run, victim = redone.began("refresh", "dvc_outs")
            redone.cut_off(victim)
            _, heir = redone.began("refresh", "dvc_outs", times=2)
            assert heir != victim
            redone.starter.finish(refreshing)
            begun = redone.records.times(run, "STEP_START")
            assert begun.pop("dvc_outs") == 2
            assert set(begun.values()) == {1}
            assert outcome(redone.starter)["tables"] == survived.outcome["tables"]
        finally:
            redone.end()
