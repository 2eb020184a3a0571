"""From the feed to verified workers: one season, five runs, and what each has left behind."""

import base64
import itertools
import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from soccer_assets.assets.serving import SERVING_FEATURES
from soccer_assets.automation.retry_policy import CONTENT, FAILED_BY_TAG, SURROUNDINGS
from soccer_assets.cli import app
from soccer_assets.definitions import make_definitions
from soccer_assets.modelling.holdout import PROBABILITY_COLUMNS
from soccer_assets.modelling.registry import MODEL_NAME
from soccer_assets.params import ServingParams
from soccer_assets.runner import JobFailed
from soccer_assets.serving.addresses import Address
from soccer_assets.serving.client import WorkerClient
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import get_settings
from soccer_assets.simulator.leagues import LeagueSimulator
from soccer_assets.storage.frames import get_frame, put_frame
from soccer_assets.warehouse.connection import database_url
from soccer_assets.warehouse.promotions import decisions
from soccer_assets_tests.assets.season import (
    LENIENT,
    STRICT,
    TOKEN,
    TRAINING,
    Season,
    Stage,
    begin_season,
    mlflow_client,
)
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.platform import Platform, checks_of, faults_of, metadata_of

pytestmark = pytest.mark.system

FEATURES = {"finished", "fixtures", "feature_states", "features", "features_meta", "dataset"}
MODEL = {"trained_model", "registered_model", "candidate_model", "champion_model"}
NEED_A_CHAMPION = {
    *("predictions", "serving_workers"),
    *("feature_drift", "prediction_scorecard", "data_volume", "ledger"),
    *("prediction_decay", "prediction_shift"),
}
SYSTEMS = ("model", "logistic", "elo_ordered_logit", "class_prior")
TRIGGERS = {"shift", "decay", "volume"}
#: For a transaction: what may only be added to can be changed.
ANY_CHANGE = "SET LOCAL session_replication_role TO replica"
A_WEEK_LATER = MIDSEASON + timedelta(days=7)


@pytest.fixture(scope="module")
def season(
    tables: str, world: LeagueSimulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Season]:
    with begin_season(tables, tmp_path_factory.mktemp("season"), world) as begun:
        yield begun


@pytest.fixture(scope="module")
def rejected(season: Season) -> Stage:
    """A first training, under gates that it cannot pass."""
    season.set_gates(STRICT)
    return season.stage("retrain")


@pytest.fixture(scope="module")
def promoted(season: Season, rejected: Stage) -> Stage:
    """A second training on the same data, under gates that it can pass."""
    season.set_gates(LENIENT)
    return season.stage("retrain")


@pytest.fixture(scope="module")
def challenged(season: Season, promoted: Stage) -> Stage:
    """A third one that is refused again, with a champion in office."""
    season.set_gates(STRICT)
    return season.stage("retrain", tags={"soccer/trigger": "drift: feature_drift"})


@pytest.fixture(scope="module")
def older_workspace(season: Season, challenged: Stage) -> Path:
    """The workspace as it was a week ago."""
    return Path(shutil.copytree(season.workspace.root, season.platform.home / "older"))


@pytest.fixture(scope="module")
def refreshed(season: Season, challenged: Stage, older_workspace: Path) -> Stage:
    """A week later: new results and fixtures, and no training."""
    season.set_clock(A_WEEK_LATER)
    here = season.platform
    here.run_job("ingest", partitions=("2025-02-26", "2025-03-23"))
    here.run_job("export", partitions=("2025-02-01", "2025-03-01"))
    return season.stage("refresh")


# A first model that no gate lets through


def test_a_first_model_that_is_refused_serves_nothing_and_is_no_error(
    season: Season, rejected: Stage
) -> None:
    assert rejected.result.success
    assert len(rejected.mlflow_runs) == 1
    assert rejected.aliases == {"smoke": 1, "candidate": 1}
    made = set(season.platform.recorded(rejected.result))
    assert made == FEATURES | MODEL - {"champion_model"} | {"serving_features", "data_freshness"}
    assert season.platform.not_started(rejected.result) == NEED_A_CHAMPION
    assert rejected.served is None
    assert rejected.predictions.empty


def test_the_refusal_is_recorded_with_its_reasons(season: Season, rejected: Stage) -> None:
    version = mlflow_client().get_model_version(MODEL_NAME, "1")
    verdict = json.loads(version.tags["verdict.champion"])
    assert not verdict["passed"]
    assert [one["name"] for one in verdict["reasons"] if not one["passed"]] == ["calibrated"]
    observed = season.platform.instance.fetch_observations(dg.AssetKey("champion_model"), limit=1)
    metadata = observed.records[0].asset_observation.metadata
    assert metadata["promoted"].value is False
    assert metadata["version"].value == 1
    assert metadata["verdict"].value.startswith("champion gate failed: calibrated ")


# Features


def test_features_are_checked_and_named_by_a_revision(promoted: Stage) -> None:
    for asset in FEATURES:
        assert metadata_of(promoted.result, asset)["dvc/revision"] == promoted.revision
    assert checks_of(promoted.result)["feature_ranges"].passed
    finished, fixtures, features, dataset = (
        metadata_of(promoted.result, asset)["dagster/row_count"]
        for asset in ("finished", "fixtures", "features", "dataset")
    )
    assert features == finished + fixtures
    assert dataset == finished
    assert finished > 4000
    assert fixtures > 300


def test_results_that_have_stopped_coming_are_noticed(
    season: Season, refreshed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks_of(refreshed.result)["newest_result"].passed
    later = A_WEEK_LATER + timedelta(days=30)
    monkeypatch.setenv("SOCCER_AS_OF", later.isoformat())
    found = checks_of(season.platform.check("finished", "newest_result"))["newest_result"]
    assert not found.passed
    assert found.metadata["age"].value == 30
    assert found.metadata["allowed"].value < 30


# Training


def test_every_asset_of_the_run_is_made_and_every_check_passes(
    season: Season, promoted: Stage
) -> None:
    assert promoted.result.success
    made = set(season.platform.recorded(promoted.result))
    assert made == FEATURES | MODEL | {"serving_features", "data_freshness"} | NEED_A_CHAMPION
    found = checks_of(promoted.result)
    others = {"newest_result", "feature_ranges", "champion_loads", "probability_simplex"}
    others |= {"hops_are_level", "chain_holds"}
    assert set(found) == others | TRIGGERS
    assert all(check.passed for check in found.values())


def test_the_training_is_one_finished_mlflow_run_of_known_data_and_seed(
    rejected: Stage, promoted: Stage
) -> None:
    told = metadata_of(promoted.result, "trained_model")
    assert promoted.mlflow_runs - rejected.mlflow_runs == {told["mlflow_run_id"]}
    run = mlflow_client().get_run(told["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert json.loads(run.data.params["seed"]) == TRAINING["seed"]
    assert json.loads(run.data.params["candidates"]) == TRAINING["candidates"]
    tags = run.data.tags
    assert tags["soccer.data_revision"] == promoted.revision == told["data_revision"]
    assert tags["dagster_run_id"] == promoted.result.run_id
    assert tags["soccer.trigger"] == "manual"
    assert tags["soccer.chosen"] == told["chosen"]
    assert told["chosen"] in TRAINING["candidates"]


def test_the_holdout_compares_the_model_with_every_baseline_on_the_same_matches(
    promoted: Stage,
) -> None:
    told = metadata_of(promoted.result, "trained_model")
    metrics = mlflow_client().get_run(told["mlflow_run_id"]).data.metrics
    assert len({metrics[f"{system}_n"] for system in SYSTEMS}) == 1
    assert metrics["model_n"] == told["split"]["judged"]["rows"] > 500
    assert metrics["model_log_loss"] == told["holdout_log_loss"]
    assert metrics["model_log_loss"] < metrics["elo_ordered_logit_log_loss"]
    assert metrics["elo_ordered_logit_log_loss"] < metrics["class_prior_log_loss"]
    for system in SYSTEMS:
        assert f"| {system} " in plain(told["holdout"])
        assert {f"{system}_{score}" for score in ("brier", "rps", "ece", "accuracy")} <= set(
            metrics
        )


def test_the_parts_of_the_split_follow_each_other_and_lose_no_match(promoted: Stage) -> None:
    told = metadata_of(promoted.result, "trained_model")
    parts = [told["split"][name] for name in ("history", "walk_forward", "judged")]
    assert sum(part["rows"] for part in parts) == told["dagster/row_count"]
    for before, after in itertools.pairwise(parts):
        assert before["last"] < after["first"]


def learnt_until(stage: Stage) -> pd.Timestamp:
    return pd.Timestamp(metadata_of(stage.result, "trained_model")["learnt_until"])


def test_what_serves_has_learnt_from_the_last_result(season: Season, promoted: Stage) -> None:
    told = metadata_of(promoted.result, "trained_model")
    judged_until = pd.Timestamp(told["split"]["judged"]["last"])
    assert learnt_until(promoted) == judged_until + timedelta(microseconds=1)
    champion = season.platform.registry.by_alias("champion")
    assert champion is not None
    assert season.platform.registry.load(champion).trained_until == learnt_until(promoted)


def test_the_report_is_in_the_metadata_itself(season: Season, promoted: Stage) -> None:
    told = metadata_of(promoted.result, "trained_model")
    for kind in ("region", "earlier matches of a team", "Elo gap"):
        assert f"| {kind} " in plain(told["slices"])
    assert "| Zoravia " in plain(told["slices"])
    assert told["card"].startswith("# 1X2 model")
    version = mlflow_client().get_model_version(MODEL_NAME, "2")
    assert version.description == told["card"]
    text = told["report"]
    prefix = "![plot](data:image/png;base64,"
    assert text.startswith(prefix)
    assert base64.b64decode(text[len(prefix) : -1]).startswith(b"\x89PNG")


def test_the_same_data_gives_the_same_holdout_to_the_byte(
    rejected: Stage, promoted: Stage, tmp_path: Path
) -> None:
    def holdout(stage: Stage) -> bytes:
        run_id = metadata_of(stage.result, "trained_model")["mlflow_run_id"]
        folder = tmp_path / run_id
        folder.mkdir()
        found = mlflow_client().download_artifacts(run_id, "holdout.parquet", str(folder))
        return Path(found).read_bytes()

    assert holdout(rejected) == holdout(promoted)


def test_the_model_comes_out_the_same_when_it_is_trained_again(
    season: Season, promoted: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["rebuild-model", "2"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0, shown
    assert "version 2 of soccer_1x2 came out the same to the bit" in shown
    assert f"data revision {promoted.revision}" in shown


# Registry


def test_a_model_that_passes_every_gate_becomes_the_champion(
    season: Season, promoted: Stage
) -> None:
    assert promoted.aliases == {"smoke": 2, "candidate": 2, "champion": 2}
    champion = season.platform.registry.by_alias("champion")
    assert champion is not None
    assert champion.run_id == metadata_of(promoted.result, "trained_model")["mlflow_run_id"]
    gates = ("registered_model", "smoke"), ("candidate_model",) * 2, ("champion_model",) * 2
    for asset, name in gates:
        verdict = champion.verdict(name.removesuffix("_model"))
        assert verdict is not None
        assert verdict.passed
        told = metadata_of(promoted.result, asset)
        assert (told["version"], told["promoted"], told["alias_version"]) == (2, True, 2)
        assert told["mlflow_run_id"] == champion.run_id
        for reason in verdict.reasons:
            assert f"| {reason.name} " in plain(told["criteria"])


def test_a_refused_challenger_leaves_the_champion_in_office(
    season: Season, promoted: Stage, challenged: Stage
) -> None:
    assert challenged.result.success
    assert challenged.aliases == {"smoke": 3, "candidate": 3, "champion": 2}
    told = metadata_of(challenged.result, "champion_model")
    assert (told["version"], told["promoted"], told["alias_version"]) == (3, False, 2)
    challenger = season.platform.registry.by_alias("candidate")
    assert challenger is not None
    verdict = challenger.verdict("champion")
    assert verdict is not None
    failed = {one.name for one in verdict.failures}
    # A twin of the champion is no better than it.
    assert failed == {"newer_or_better", "calibrated"}
    assert [
        (one.kind, one.before and one.before.version, one.about and one.about.version)
        for one in reversed(decisions(season.platform.engine))
    ] == [("rejected", None, 1), ("promoted", None, 2), ("rejected", 2, 3)]
    assert all(name in told["verdict"] for name in failed)
    # The others still have what they need: predictions by the champion.
    assert metadata_of(challenged.result, "predictions")["champion_version"] == 2
    assert challenged.served is not None
    assert promoted.served is not None
    assert challenged.served["run_id"] == promoted.served["run_id"]
    assert set(challenged.predictions.index.unique("model_version")) == {2}


def test_what_asked_for_a_training_is_on_its_run(promoted: Stage, challenged: Stage) -> None:
    [run_id] = challenged.mlflow_runs - promoted.mlflow_runs
    tags = mlflow_client().get_run(run_id).data.tags
    assert tags["soccer.trigger"] == "drift: feature_drift"


# Serving


def test_every_coming_match_has_one_prediction_that_sums_to_one(promoted: Stage) -> None:
    table = promoted.predictions
    assert set(table.index.unique("model_version")) == {2}
    assert np.abs(table[PROBABILITY_COLUMNS].sum(axis=1) - 1).max() < 1e-9
    assert table[PROBABILITY_COLUMNS].to_numpy().min() > 0
    coming = promoted.matches[promoted.matches["status"] == "scheduled"]
    predicted = table.index.get_level_values("match_id")
    assert set(coming.index) <= set(predicted)
    assert len(coming) > 300
    # The others are recent ones.
    rest = table.loc[~predicted.isin(coming.index)]
    assert (rest["kickoff"] >= pd.Timestamp(MIDSEASON) - timedelta(days=30)).all()
    assert (table["predicted_at"] == pd.Timestamp(MIDSEASON)).all()
    assert (table["features_as_of"] < pd.Timestamp(MIDSEASON)).all()


def test_served_features_are_those_of_the_training_data_to_the_last_bit(
    season: Season, refreshed: Stage
) -> None:
    """As the lake holds them, against the file that the training data is cut from."""
    features = pd.read_parquet(season.workspace.path("data/features")).set_index("match_id")
    told = metadata_of(refreshed.result, "serving_features")
    served = get_frame(season.platform.store, told["frame"]).set_index("match_id")
    assert len(served) == told["dagster/row_count"]
    assert set(served.pop("features_as_of")) == {pd.Timestamp(told["features_as_of"])}
    pd.testing.assert_frame_equal(served, features.loc[served.index], check_exact=True)


def test_only_the_newest_features_for_serving_and_those_before_are_kept(
    season: Season, challenged: Stage, refreshed: Stage
) -> None:
    newest = metadata_of(refreshed.result, "serving_features")["frame"]
    before = metadata_of(challenged.result, "serving_features")["frame"]
    assert before != newest
    assert season.platform.store.list("serving/") == sorted([before, newest])


def test_the_worker_that_was_verified_serves_the_champion(season: Season, promoted: Stage) -> None:
    told = metadata_of(promoted.result, "serving_workers")
    assert (told["champion_version"], told["dagster/row_count"]) == (2, 1)
    assert told["embedded"] is False
    assert season.worker.url in plain(told["workers"])
    assert promoted.worker is not None
    assert promoted.worker.version == 2
    assert promoted.worker.run_id == metadata_of(promoted.result, "trained_model")["mlflow_run_id"]
    assert promoted.worker.data_revision == promoted.revision
    page = promoted.first_page
    assert page is not None
    assert len(page.predictions) == 20
    for one in page.predictions:
        stored = promoted.predictions.loc[(one.match_id, 2)]
        assert (one.p_home, one.p_draw, one.p_away) == tuple(stored[PROBABILITY_COLUMNS])
        assert one.kickoff > MIDSEASON


def test_a_worker_that_does_not_answer_fails_the_run_and_is_named(
    season: Season, refreshed: Stage
) -> None:
    dead = "http://127.0.0.1:9"  # the discard port: nobody listens there
    settings = get_settings().model_copy(update={"serving_workers": f"{season.worker.url},{dead}"})
    here = replace(season.platform, definitions=make_definitions(settings))
    result = here.run("serving_workers", raise_on_error=False)
    [told] = faults_of(result)
    assert told.startswith("1 of 2 workers do not serve version 2: ")
    assert dead in told
    assert failed_by(here, result) == SURROUNDINGS


def test_without_a_worker_one_is_started_for_the_proof(season: Season, refreshed: Stage) -> None:
    settings = get_settings().model_copy(update={"serving_workers": ""})
    here = replace(season.platform, definitions=make_definitions(settings))
    told = metadata_of(here.run("serving_workers"), "serving_workers")
    assert told["embedded"] is True
    assert (told["champion_version"], told["dagster/row_count"]) == (2, 1)


def test_the_homes_own_worker_is_found_on_any_port_and_never_another_homes(
    season: Season, refreshed: Stage, tmp_path: Path
) -> None:
    """The other's file even lies here, as of a worker whose port it has by now."""
    settings = get_settings().model_copy(update={"serving_workers": ""})
    here = replace(season.platform, definitions=make_definitions(settings))
    url, folder = database_url(settings), settings.serving_folder
    with (
        ServiceProcess(url, TOKEN, state=folder, params=ServingParams(max_age_hours=720)) as own,
        ServiceProcess(url, "another home's token", state=tmp_path) as stranger,
        WorkerClient(stranger.base_url) as client,
    ):
        [theirs] = (tmp_path / "workers").glob("*.json")
        address = Address.model_validate_json(theirs.read_bytes())
        stale = folder / "workers" / "stale.json"
        stale.write_text(address.model_copy(update={"instance": "killed"}).model_dump_json())
        before = client.model()
        try:
            result = here.run("serving_workers")
        finally:
            stale.unlink()
        assert client.model() == before
    told = metadata_of(result, "serving_workers")
    assert told["embedded"] is False
    assert (told["champion_version"], told["dagster/row_count"]) == (2, 1)
    assert f"{own.port} |" in str(
        told["workers"]
    )  # of the address, which Markdown spells its own way
    warnings = [
        entry.user_message
        for entry in here.instance.all_logs(result.run_id)
        if entry.level == logging.WARNING
    ]
    assert [line for line in warnings if stranger.base_url in line and "somebody else" in line]


def test_a_loop_that_fails_at_its_workers_shows_scorecard_and_predictions_before_it_says_so(
    season: Season,
    refreshed: Stage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def loop(*_: object) -> None:
        raise JobFailed("refresh: serving_workers: 1 of 1 workers do not serve version 2")

    monkeypatch.setattr("soccer_assets.demo.run_loop", loop)
    with pytest.raises(SystemExit) as ended:
        app(["demo", "--days", "90"])
    assert ended.value.code == 1
    shown, told = capsys.readouterr()
    assert "Holdout of champion version 2" in shown
    assert "Coming matches" in shown
    assert shown.count("v2") == 15
    assert told == "soccer: refresh: serving_workers: 1 of 1 workers do not serve version 2\n"


# A champion that is not what it should be


@contextmanager
def champion(season: Season, version: str) -> Iterator[None]:
    """Somebody moves the alias by hand, and back."""
    client = mlflow_client()
    before = client.get_model_version_by_alias(MODEL_NAME, "champion").version
    client.set_registered_model_alias(MODEL_NAME, "champion", version)
    try:
        yield
    finally:
        client.set_registered_model_alias(MODEL_NAME, "champion", before)


def served(season: Season) -> dict[str, object]:
    with season.platform.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM soccer.served_model"))
        return dict(rows.mappings().one())


def failed_by(here: Platform, result: dg.ExecuteInProcessResult) -> str | None:
    run = here.instance.get_run_by_id(result.run_id)
    assert run is not None
    return run.tags.get(FAILED_BY_TAG)


def plain(markdown: str) -> str:
    """Without the escapes that keep text from being read as markup."""
    return re.sub(r"\\(.)", r"\1", markdown.replace("\u2060", ""))


def test_a_champion_by_hand_without_a_date_of_promotion_is_served(
    season: Season, refreshed: Stage
) -> None:
    with restored(season, "prediction"), restored(season, "served_model"):
        with champion(season, "3"):  # it was refused
            result = season.platform.run("predictions")
        assert metadata_of(result, "predictions")["champion_version"] == 3
        assert served(season)["version"] == 3


def test_a_champion_that_was_not_made_here_is_refused_by_name(
    season: Season, refreshed: Stage
) -> None:
    client = mlflow_client()
    run = client.create_run(client.search_experiments()[0].experiment_id)
    source = client.get_model_version(MODEL_NAME, "3").source
    made = client.create_model_version(MODEL_NAME, source, run.info.run_id)
    before = served(season)
    names = ("predictions", "feature_drift", "prediction_scorecard", "data_volume")
    with champion(season, made.version):
        found = {name: season.platform.run(name, raise_on_error=False) for name in names}
    for result in found.values():
        [told] = faults_of(result)
        assert told.startswith(f"version {made.version} of {MODEL_NAME}, trained by run ")
        assert "lacks the tags soccer.data_revision" in told
        assert failed_by(season.platform, result) == CONTENT
    assert served(season) == before
    client.delete_model_version(MODEL_NAME, made.version)


def test_a_champion_whose_files_are_gone_is_named_and_does_not_bar_its_replacement(
    season: Season, refreshed: Stage
) -> None:
    here = season.platform
    before, champion = served(season), here.registry.champion()
    assert champion is not None
    model = Path(here.home / "mlflow" / "artifacts" / "models")
    lost = model / here.registry.training(champion).model_uri.removeprefix("models:/")
    aside = lost.rename(here.home / "aside")
    for worked_out in (here.home / "mlflow" / "artifacts").rglob("comparison"):
        shutil.rmtree(worked_out)
    season.set_gates(LENIENT)
    try:
        [told] = faults_of(here.run("predictions", raise_on_error=False))
        assert told == f"version 2 of {MODEL_NAME}: the files of its model are gone"
        assert served(season) == before
        result = here.run("candidate_model")
    finally:
        aside.rename(lost)
        season.set_gates(STRICT)
    found = checks_of(result)["champion_loads"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["fault"].value == told
    criteria = metadata_of(result, "candidate_model")["criteria"]
    assert "files of its model are gone" in plain(criteria)
    smoke = here.registry.by_alias("smoke")
    assert here.registry.by_alias("candidate") == smoke


def test_an_mlflow_that_is_away_is_named_and_the_last_predictions_stay(
    season: Season, refreshed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = served(season)
    away = get_settings().model_copy(
        update={"mlflow_tracking_uri": SecretStr("http://somebody:hunter2@127.0.0.1:9")}
    )
    here = replace(season.platform, definitions=make_definitions(away))
    # MLflow puts there what it was last told, for the next test to find.
    for name in ("URI", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
    for asset in ("predictions", "trained_model", "candidate_model"):
        result = here.run(asset, raise_on_error=False)
        [told] = faults_of(result)
        assert told.startswith("MLflow at http://127.0.0.1:9 does not answer (")
        assert failed_by(season.platform, result) == SURROUNDINGS
        everything = "".join(
            str(entry) for entry in season.platform.instance.all_logs(result.run_id)
        )
        assert "hunter2" not in everything
    assert served(season) == before


def test_the_run_of_a_training_that_was_killed_is_ended_by_whoever_comes_next(
    season: Season, refreshed: Stage
) -> None:
    here = season.platform
    alive = here.instance.create_run_for_job(
        here.definitions.resolve_job_def("refresh"), status=dg.DagsterRunStatus.STARTED
    )
    registry = here.registry
    left = {
        name: registry.begin_training(name, "retrain")
        for name in (refreshed.result.run_id, alive.run_id, "of another Dagster")
    }
    here.run("data_volume")
    statuses = [mlflow_client().get_run(run).info.status for run in left.values()]
    assert statuses == ["KILLED", "RUNNING", "RUNNING"]
    for run in left.values():
        mlflow_client().delete_run(run)
    here.instance.delete_run(alive.run_id)


# The scoring loop


def test_a_refresh_trains_nothing_and_moves_no_alias(challenged: Stage, refreshed: Stage) -> None:
    assert refreshed.result.success
    assert refreshed.mlflow_runs == challenged.mlflow_runs
    assert refreshed.aliases == challenged.aliases


def test_versions_change_with_content_and_with_nothing_else(
    season: Season, promoted: Stage, challenged: Stage, refreshed: Stage
) -> None:
    def version(stage: Stage, asset: str) -> str | None:
        return season.platform.versions(stage.result, asset).get(None)

    served = ("serving_features", "predictions", "serving_workers")
    for asset in ("features", *served, "champion_model"):  # a training that was refused
        assert version(challenged, asset) == version(promoted, asset)
    for asset in ("trained_model", "registered_model", "candidate_model"):
        assert version(challenged, asset) != version(promoted, asset)
    for asset in ("features", *served):  # a week
        assert version(refreshed, asset) != version(challenged, asset)
    again = season.stage("refresh")
    for asset in served:
        assert version(again, asset) == version(refreshed, asset)


def test_a_refresh_predicts_what_is_new_and_leaves_what_has_begun(
    challenged: Stage, refreshed: Stage
) -> None:
    then, now = (
        stage.predictions.xs(2, level="model_version") for stage in (challenged, refreshed)
    )
    kickoff = refreshed.matches["kickoff"].reindex(now.index)
    begun = kickoff <= pd.Timestamp(A_WEEK_LATER)
    old = begun & now.index.isin(then.index)
    assert (old & (kickoff > pd.Timestamp(MIDSEASON))).sum() > 100
    pd.testing.assert_frame_equal(now[old], then.reindex(now.index[old]))
    coming = refreshed.matches[refreshed.matches["status"] == "scheduled"].index
    assert len(set(coming) - set(then.index)) > 50
    assert (now.loc[coming, "predicted_at"] == pd.Timestamp(A_WEEK_LATER)).all()
    assert (now.loc[coming, "features_as_of"] > then["features_as_of"].max()).all()


def test_the_worker_serves_the_refreshed_predictions(refreshed: Stage) -> None:
    assert refreshed.worker is not None
    assert refreshed.worker.version == 2
    assert refreshed.worker.refreshed_at == A_WEEK_LATER
    assert refreshed.first_page is not None
    for one in refreshed.first_page.predictions:
        stored = refreshed.predictions.loc[(one.match_id, 2)]
        assert (one.p_home, one.p_draw, one.p_away) == tuple(stored[PROBABILITY_COLUMNS])


def test_the_served_model_names_the_data_it_was_trained_on(
    promoted: Stage, refreshed: Stage
) -> None:
    assert refreshed.revision != promoted.revision
    assert refreshed.worker is not None
    assert refreshed.worker.data_revision == promoted.revision


def test_a_run_of_somebody_else_is_not_registered(season: Season, refreshed: Stage) -> None:
    """Newer than the training here, in the same experiment, and a training in every tag."""
    client, here = mlflow_client(), season.platform
    ours = metadata_of(here.run("registered_model"), "registered_model")["mlflow_run_id"]
    run = client.get_run(ours)
    theirs = client.create_run(run.info.experiment_id, tags=dict(run.data.tags)).info.run_id
    client.set_terminated(theirs)
    again = metadata_of(here.run("registered_model"), "registered_model")
    assert again["mlflow_run_id"] == ours
    client.delete_run(theirs)


# Other machines


def test_every_step_reads_what_was_made_and_not_what_lies_in_a_workspace(
    season: Season, refreshed: Stage
) -> None:
    """Each on a machine of its own, whose workspace is empty, and stays so."""
    here = season.platform
    names = [
        *("serving_features", "predictions", "data_volume"),
        *("trained_model", "registered_model", "candidate_model", "champion_model"),
    ]
    with moved_away(season.workspace.root):
        found = {name: here.run(name) for name in names}
        checked = here.check("features", "feature_ranges")
        assert not season.workspace.root.exists()
    assert checks_of(checked)["feature_ranges"].passed
    again = metadata_of(found["serving_features"], "serving_features")
    assert again["frame"] == metadata_of(refreshed.result, "serving_features")["frame"]
    trained = metadata_of(found["trained_model"], "trained_model")
    assert trained["data_revision"] == refreshed.revision
    run = metadata_of(found["registered_model"], "registered_model")["mlflow_run_id"]
    assert run == trained["mlflow_run_id"]


def test_a_machine_whose_workspace_is_behind_serves_the_newest_features(
    season: Season, older_workspace: Path, refreshed: Stage
) -> None:
    with moved_away(season.workspace.root):
        shutil.copytree(older_workspace, season.workspace.root)
        assert season.workspace.revision.name != refreshed.revision
        result = season.platform.run("serving_features")
    assert metadata_of(result, "serving_features")["data_revision"] == refreshed.revision


def test_what_people_report_without_saying_more_stops_nobody(
    season: Season, refreshed: Stage
) -> None:
    here = season.platform
    for asset in (*FEATURES, "serving_features", "trained_model"):
        here.instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    result = here.run("serving_features", "predictions", "data_volume")
    told = metadata_of(result, "serving_features")
    assert told["data_revision"] == refreshed.revision


def test_what_is_gone_from_the_lake_is_told_with_the_way_out(
    season: Season, refreshed: Stage
) -> None:
    here, lake = season.platform, season.platform.home / "lake"
    with moved_away(lake / "serving" / "features"):
        [told] = faults_of(here.run("predictions", raise_on_error=False))
        assert "is not in the lake: materialize serving_features again" in told
    with moved_away(lake / "revisions"):
        [told] = faults_of(here.run("registered_model", raise_on_error=False))
        assert told.startswith("what the version was trained on is gone: revision ")
        assert told.endswith(" is not in the lake; train again")


@pytest.mark.slow
def test_machines_in_turn_make_the_same_features(
    season: Season, older_workspace: Path, refreshed: Stage
) -> None:
    """One whose workspace is a week behind, and one that is new and goes on from the other."""
    root = season.workspace.root
    with moved_away(root):
        shutil.copytree(older_workspace, root)
        behind = season.platform.run(*FEATURES)
        shutil.rmtree(root)
        new = season.platform.run(*FEATURES)
    for result in (behind, new):
        for name in FEATURES:
            told, before = metadata_of(result, name), metadata_of(refreshed.result, name)
            assert told["dvc/md5"] == before["dvc/md5"]
            assert told["dvc/revision"] == before["dvc/revision"]
            assert told["dvc/changed"] is (result is behind)


@contextmanager
def moved_away(folder: Path) -> Iterator[None]:
    """A folder that is not there for the length of the block."""
    aside = folder.with_name("away")
    folder.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


# Monitoring


def test_reports_on_a_fresh_champion_ask_for_nothing(promoted: Stage) -> None:
    found = checks_of(promoted.result)
    assert all(found[name].severity is dg.AssetCheckSeverity.WARN for name in TRIGGERS)
    volume = metadata_of(promoted.result, "data_volume")
    assert volume["gained"] == 0
    assert volume["required"] == 100
    drift = metadata_of(promoted.result, "feature_drift")
    assert drift["dagster/row_count"] == len(promoted.predictions)
    assert 0 <= drift["share_drifted"] < 0.8
    assert drift["features"].startswith("| feature ")


def test_the_scorecard_settles_the_predictions_that_have_results_and_taught_nothing(
    promoted: Stage, challenged: Stage, refreshed: Stage
) -> None:
    told = metadata_of(refreshed.result, "prediction_scorecard")
    of_the_champion = refreshed.predictions.xs(2, level="model_version")
    # Of those that are served, none counts that was first predicted after its match had begun.
    in_time = of_the_champion[of_the_champion["predicted_at"] < of_the_champion["kickoff"]]
    assert len(in_time) < len(of_the_champion)
    status = refreshed.matches["status"].reindex(in_time.index)
    assert told["dagster/row_count"] == (status == "finished").sum()
    assert told["unsettled"] == (status != "finished").sum()
    assert told["unsettled_because"]["to come"] <= told["unsettled"]
    assert sum(told["unsettled_because"].values()) == told["unsettled"]
    assert told["dagster/row_count"] > 100
    assert told["vs_prior"] < 0.1
    assert "vs_elo" in told
    assert metadata_of(challenged.result, "prediction_scorecard")["dagster/row_count"] == 0
    assert told["champion_version"] == 2
    # Below log(3), what knowing nothing scores.
    assert told["log_loss"] < np.log(3)
    assert told["weekly"].count("\n") > 1


def test_enough_new_results_ask_for_a_training_and_fail_nothing(refreshed: Stage) -> None:
    assert refreshed.result.success
    told = metadata_of(refreshed.result, "data_volume")
    assert told["gained"] >= told["required"] == 100
    found = checks_of(refreshed.result)["volume"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN


def test_a_shift_of_every_feature_is_drift(season: Season, refreshed: Stage) -> None:
    names = json.loads(season.workspace.path("data/features_meta.json").read_text())["features"]
    rows = features_for_serving(season)
    with serving(season, rows.assign(**rows[names] * 3 + 1)):
        result = season.platform.run("feature_drift")
    told = metadata_of(result, "feature_drift")
    assert told["share_drifted"] > 0.8
    assert set(told["drifted"]) >= {"elo_home", "pi_away", "league_goals"}
    assert not checks_of(result)


def test_predictions_worse_than_promised_are_decay(season: Season, refreshed: Stage) -> None:
    sound = checks_of(season.platform.run("prediction_decay"))["decay"]
    with restored(season, "prediction_ledger"):
        execute(
            season,
            ANY_CHANGE,
            "UPDATE soccer.prediction_ledger SET p_home = 0.1, p_draw = 0.8, p_away = 0.1",
        )
        result = season.platform.run("prediction_decay", "ledger")
        assert not checks_of(result)["chain_holds"].passed
    found = checks_of(result)["decay"]
    assert sound.passed
    assert sound.metadata["settled"].value == found.metadata["settled"].value > 30
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert {"elo", "promise", "home"} <= set(found.metadata["tests"].value)
    assert found.metadata["e_value"].value >= 20
    assert found.metadata["since"].value


def test_what_was_predicted_after_kick_off_is_no_evidence(season: Season, refreshed: Stage) -> None:
    # It turned out to have been played before.
    with restored(season, "match"):
        execute(
            season,
            "UPDATE soccer.match m SET kickoff = made_at FROM soccer.prediction_ledger "
            "WHERE prediction_ledger.match_id = m.match_id",
        )
        found = checks_of(season.platform.run("prediction_decay"))["decay"]
    assert found.passed
    assert found.metadata["settled"].value == 0


def test_a_feed_that_gives_no_results_any_more_is_a_shift(season: Season, refreshed: Stage) -> None:
    assert checks_of(refreshed.result)["shift"].passed
    with restored(season, "match"):
        execute(
            season,
            "UPDATE soccer.match SET status = 'scheduled', home_score = NULL, away_score = NULL "
            "WHERE status = 'finished'",
        )
        found = checks_of(season.platform.run("prediction_shift"))["shift"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert "frozen" in found.metadata["tests"].value


def test_predictions_that_are_no_probabilities_do_not_reach_the_workers(
    season: Season, refreshed: Stage
) -> None:
    here = season.platform
    # Of a match that has begun, whose prediction is not made anew.
    bad = int(
        refreshed.predictions.query("kickoff < @A_WEEK_LATER").index.get_level_values("match_id")[0]
    )
    with restored(season, "prediction"):
        execute(
            season,
            "ALTER TABLE soccer.prediction DROP CONSTRAINT prediction_simplex",
            f"UPDATE soccer.prediction SET p_home = 0.9, p_draw = 0.9 WHERE match_id = {bad}",
        )
        result = here.run("predictions", "serving_workers", raise_on_error=False)
    assert not result.success
    found = checks_of(result)["probability_simplex"]
    assert not found.passed
    assert found.blocking
    assert found.metadata["violations"].value == [bad]
    assert here.not_started(result) == {"serving_workers"}


def test_in_a_pause_of_the_seasons_nothing_is_predicted_and_nothing_fails(
    season: Season, refreshed: Stage
) -> None:
    with serving(season, features_for_serving(season)[:0]):
        result = season.platform.run("predictions", "serving_workers", "feature_drift")
    assert result.success
    assert metadata_of(result, "predictions")["dagster/row_count"] == 0
    found = checks_of(result)
    assert found["probability_simplex"].passed


def execute(season: Season, *statements: str) -> None:
    with season.platform.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def features_for_serving(season: Season) -> pd.DataFrame:
    return get_frame(season.platform.store, _frame(season))


@contextmanager
def serving(season: Season, rows: pd.DataFrame) -> Iterator[None]:
    """These rows are the newest features for serving for the length of the block."""
    before = _frame(season)
    _report_frame(season, put_frame(season.platform.store, "serving/features/", rows))
    yield
    _report_frame(season, before)


def _frame(season: Season) -> str:
    made = season.platform.instance.get_latest_materialization_event(SERVING_FEATURES)
    assert made is not None
    assert made.asset_materialization is not None
    return str(made.asset_materialization.metadata["frame"].value)


def _report_frame(season: Season, key: str) -> None:
    season.platform.instance.report_runless_asset_event(
        dg.AssetMaterialization(SERVING_FEATURES, metadata={"frame": key})
    )


@contextmanager
def restored(season: Season, table: str) -> Iterator[None]:
    """A table whose rows are afterwards what they were before."""
    copy = f"soccer.{table}_as_it_was"
    execute(season, f"CREATE TABLE {copy} AS TABLE soccer.{table}")
    try:
        yield
    finally:
        execute(
            season,
            ANY_CHANGE,
            f"TRUNCATE soccer.{table}",
            f"INSERT INTO soccer.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {copy}",
            f"DROP TABLE {copy}",
        )
