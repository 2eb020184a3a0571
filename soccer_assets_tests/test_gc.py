"""``soccer gc``: who needs a revision, and that nothing goes while somebody makes one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from mlflow import MlflowClient

from soccer_assets.assets.model import MLFLOW_RUN
from soccer_assets.cli import app
from soccer_assets.dvc.garbage import OBJECTS
from soccer_assets.integrations.revisions import REVISION
from soccer_assets.modelling.registry import ModelRegistry
from soccer_assets.runner import open_instance
from soccer_assets.settings import get_settings
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.automation.loop import Loop
from soccer_assets_tests.dvc.test_garbage import made, whole


@pytest.fixture
def instance(
    household_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path))
    monkeypatch.setenv("POSTGRES_URL", household_url)
    monkeypatch.setenv("LAKE_URI", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with open_instance() as instance:
        yield instance


@pytest.fixture
def gc(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app(["gc", *arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return run


def test_models_newest_and_young_revisions_stay(
    instance: dg.DagsterInstance,
    gc: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = LocalStore(Path(get_settings().lake))
    remote = LocalStore(tmp_path / "dvc-remote")
    of_model, newest, forgotten = (
        made(lake, remote, {"1.parquet": "january", "2.parquet": text}, f"about {text}")
        for text in ("of a model", "newest", "forgotten")
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization("features", metadata={REVISION: newest.name})
    )
    monkeypatch.setattr(ModelRegistry, "data_revisions", lambda _: {1: of_model.name, 2: None})
    assert gc("--remove")[0] == 0
    assert len(lake.list("revisions/")) == 3  # they are young
    later = datetime.now(UTC) + timedelta(days=15)
    monkeypatch.setattr("soccer_assets.clock.utc_now", lambda: later)
    code, told = gc()
    assert code == 0
    assert "version 2: its training is gone" in told
    assert "Nothing is removed without --remove" in told
    assert len(lake.list("revisions/")) == 3
    assert gc("--remove")[0] == 0
    assert lake.list("revisions/") == sorted(
        f"revisions/{revision.name}.json" for revision in (of_model, newest)
    )
    assert whole(of_model, lake, remote)
    assert whole(newest, lake, remote)
    assert len(remote.list(OBJECTS)) == 7
    monkeypatch.setattr(ModelRegistry, "data_revisions", lambda _: {})  # the model was deleted
    assert gc("--remove")[0] == 0
    assert lake.list("revisions/") == [f"revisions/{newest.name}.json"]
    assert forgotten.name != newest.name


def test_nothing_goes_while_a_run_makes_features(
    instance: dg.DagsterInstance, gc: Callable[..., tuple[int, str]]
) -> None:
    run = Loop(instance).begin("features")
    code, told = gc("--remove")
    assert code == 1
    assert f"run {run.run_id} makes features: try again when it has ended" in told
    assert gc()[0] == 0  # which only looks


def test_nothing_goes_that_the_services_of_another_installation_do_not_need(
    instance: dg.DagsterInstance,
    gc: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = datetime.now(UTC) + timedelta(days=15)
    monkeypatch.setattr("soccer_assets.clock.utc_now", lambda: later)
    lake = LocalStore(Path(get_settings().lake))
    remote = LocalStore(tmp_path / "dvc-remote")
    old = made(lake, remote, {"1.parquet": "january"}, "about a champion")

    def refuses(why: str) -> None:
        for arguments in ((), ("--remove",)):
            code, told = gc(*arguments)
            assert code == 1
            assert why in " ".join(told.split())
        assert whole(old, lake, remote)

    refuses("has 1 revisions of features, the database has none on record")
    instance.report_runless_asset_event(
        dg.AssetMaterialization("features", metadata={REVISION: "f" * 64})
    )
    refuses(f"revision {'f' * 64}, are not in")
    instance.report_runless_asset_event(
        dg.AssetMaterialization("features", metadata={REVISION: old.name})
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization("trained_model", metadata={MLFLOW_RUN: "e" * 32})
    )
    refuses(f"the newest training on record, run {'e' * 32}, is not in MLflow")
    client = MlflowClient(get_settings().tracking_uri)
    training = client.create_run("0").info.run_id
    instance.report_runless_asset_event(
        dg.AssetMaterialization("trained_model", metadata={MLFLOW_RUN: training})
    )
    assert gc("--remove")[0] == 0
