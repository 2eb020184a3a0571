"""The outs of this project's pipeline as assets, materialized for real."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import psutil
import pytest

from soccer_assets.assets.features import FeaturesTranslator
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.definition import PIPELINE_FILE, stage_code_version
from soccer_assets.dvc.pipeline import Pipeline
from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.integrations.dvc import dvc_assets
from soccer_assets.integrations.revisions import reproduce_from_lake
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.dvc.test_command import forks_of_forks
from soccer_assets_tests.dvc.test_workspace import all_sums, sums
from soccer_assets_tests.end_to_end.shell import wait_until
from soccer_assets_tests.small_lake import make_lake

pytestmark = pytest.mark.system

SOURCE = dg.AssetKey("match_parquet")
KEYS = {"finished", "fixtures", "features", "feature_states", "features_meta", "dataset"}


class Prefixed(FeaturesTranslator):
    """A project that calls its assets otherwise."""

    def get_asset_key(self, path: str) -> dg.AssetKey:
        return super().get_asset_key(path).with_prefix("dvc")


def assets_of(
    workspace: DvcWorkspace, lake: Path, translator: type[FeaturesTranslator] = FeaturesTranslator
) -> dg.AssetsDefinition:
    @dvc_assets(pipeline=PIPELINE_FILE, name="outs", translator=translator(), pool="dvc_workspace")
    def outs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        store = LocalStore(lake)
        yield from reproduce_from_lake(context, workspace, read_manifest(store).to_bytes(), store)

    return outs


@pytest.fixture(scope="module")
def lake(tables: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    make_lake(tables, LocalStore(folder))
    return folder


@pytest.fixture(scope="module")
def workspace(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DvcWorkspace]:
    root = tmp_path_factory.mktemp("dvc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKE_URI", str(lake))
        patch.setenv("SOCCER_HOME", str(root / "home"))
        yield DvcWorkspace(root / "workspace", str(root / "remote"), DEFAULT_PARAMS)


Materialized = dict[str, dg.AssetMaterialization]


@pytest.fixture(scope="module")
def first(workspace: DvcWorkspace, lake: Path) -> Materialized:
    """Everything, materialized in one run."""
    return materialize(assets_of(workspace, lake))


def materialize(
    assets: dg.AssetsDefinition, selection: list[dg.AssetKey] | None = None
) -> Materialized:
    result = dg.materialize([assets], selection=selection, instance=dg.DagsterInstance.ephemeral())
    assert result.success
    found = result.asset_materializations_for_node(assets.node_def.name)
    return {one.asset_key.to_user_string(): one for one in found}


def data_version(materialization: dg.AssetMaterialization) -> str:
    assert materialization.tags
    return materialization.tags["dagster/data_version"]


def value(materialization: dg.AssetMaterialization, name: str) -> object:
    return materialization.metadata[name].value


# Specs


def test_every_out_is_an_asset_described_by_its_stage(workspace: DvcWorkspace, lake: Path) -> None:
    specs = {spec.key.to_user_string(): spec for spec in assets_of(workspace, lake).specs}
    assert set(specs) == KEYS
    for stage in Pipeline.read(PIPELINE_FILE).stages:
        for out in stage.outs:
            spec = specs[Path(out.path).stem]
            assert spec.code_version == stage_code_version(stage.name)
            assert spec.description == out.description
            assert spec.group_name == "features"
            assert list(spec.owners) == ["team:soccer-data"]
            assert spec.kinds == {"dvc", Path(out.path).suffix[1:] or "parquet"}
            assert spec.automation_condition is None
            assert spec.metadata == {
                "dvc/stage": stage.name,
                "dvc/command": f"python -m soccer_assets.dvc.stages.{stage.name}",
                "dvc/out": out.path,
            }


def test_dependencies_are_those_of_the_stage(workspace: DvcWorkspace, lake: Path) -> None:
    specs = assets_of(workspace, lake).specs
    deps = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in specs
    }
    assert deps == {
        "finished": {"match_parquet"},
        "fixtures": {"match_parquet"},
        "features": {"finished", "fixtures"},
        "feature_states": {"finished", "fixtures"},
        "features_meta": {"finished", "fixtures"},
        "dataset": {"finished", "features", "features_meta"},
    }
    for spec in specs:
        for dep in spec.deps:
            whole = isinstance(dep.partition_mapping, dg.AllPartitionMapping)
            assert whole == (dep.asset_key == SOURCE)


def test_outs_share_a_pool_and_can_be_selected_singly(workspace: DvcWorkspace, lake: Path) -> None:
    assets = assets_of(workspace, lake)
    assert assets.can_subset
    assert assets.op.pool == "dvc_workspace"


# Runs


def test_data_versions_are_the_hashes_of_the_bytes(
    first: Materialized, workspace: DvcWorkspace
) -> None:
    assert set(first) == KEYS
    for out in workspace.outs().values():
        materialization = first[Path(out.path).stem]
        assert data_version(materialization) == sums(workspace.root, out.path)[-1] == out.md5
        assert value(materialization, "dvc/md5") == out.md5
        assert value(materialization, "dvc/revision") == workspace.revision.name
        assert value(materialization, "dvc/changed") is True
        assert value(materialization, "dvc/ran") is True
        assert value(materialization, "dvc/pushed") == len(all_sums(workspace))
        assert value(materialization, "dvc/remote") == str(workspace.root.parent / "remote")
        assert value(materialization, "bytes") == out.size
        assert value(materialization, "dagster/uri") == str(workspace.root / out.path)


def test_tables_are_described_by_their_rows_and_columns(
    first: Materialized, workspace: DvcWorkspace
) -> None:
    for name in KEYS - {"features_meta"}:
        frame = pd.read_parquet(workspace.path(f"data/{name}"))
        assert value(first[name], "dagster/row_count") == len(frame) > 0
        schema = first[name].metadata["dagster/column_schema"].value
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns] == list(frame.columns)
    assert "dagster/row_count" not in first["features_meta"].metadata


def test_a_second_run_of_one_out_reports_it_alone_and_unchanged(
    first: Materialized, workspace: DvcWorkspace, lake: Path
) -> None:
    """Under another key, too: what a translator calls an out is what is reported."""
    lock = (workspace.root / "dvc.lock").read_bytes()
    key = dg.AssetKey(["dvc", "features"])
    again = materialize(assets_of(workspace, lake, Prefixed), [key])
    assert set(again) == {"dvc/features"}
    assert value(again["dvc/features"], "dvc/changed") is False
    assert value(again["dvc/features"], "dvc/ran") is False
    assert value(again["dvc/features"], "dvc/pushed") == 0
    assert data_version(again["dvc/features"]) == data_version(first["features"])
    assert value(again["dvc/features"], "dvc/revision") == value(first["features"], "dvc/revision")
    assert (workspace.root / "dvc.lock").read_bytes() == lock


def test_a_failed_stage_fails_the_run_with_what_it_printed(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_URI", str(tmp_path / "another lake"))
    workspace = DvcWorkspace(tmp_path / "workspace", str(tmp_path / "remote"), DEFAULT_PARAMS)
    with pytest.raises(DvcError, match="ObjectNotFound: 'tables/match/"):
        materialize(assets_of(workspace, lake), [dg.AssetKey("finished")])


CANCELED = """
import signal
import sys
from pathlib import Path

import dagster as dg

from soccer_assets.dvc.workspace import DvcWorkspace
from soccer_assets.settings import DEFAULT_PARAMS
from soccer_assets_tests.integrations.test_revisions import assets_of

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, too
root, lake = map(Path, sys.argv[1:])
workspace = DvcWorkspace(root / "workspace", str(root / "remote"), DEFAULT_PARAMS)
assets = assets_of(workspace, lake)
dg.materialize([assets], instance=dg.DagsterInstance.ephemeral())
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_canceled_in_the_middle_of_a_stage_ends_and_takes_the_stage_along(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setenv("LAKE_URI", str(lake))
    monkeypatch.setenv("SOCCER_HOME", str(tmp_path / "home"))
    run = subprocess.Popen(
        [sys.executable, "-c", CANCELED, tmp_path, lake],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    assert any("dvc.stages.f" in line for line in run.stdout)
    wait_until(lambda: bool(stages_of(run.pid)))
    children = psutil.Process(run.pid).children(recursive=True)
    stages_of(run.pid)[0].suspend()  # one that would never end by itself
    run.send_signal(how)
    printed, _ = run.communicate()
    assert run.returncode
    assert "Interrupt" in printed
    wait_until(lambda: not any(child.is_running() for child in children))


def stages_of(pid: int) -> list[psutil.Process]:
    return forks_of_forks(psutil.Process(pid).children(recursive=True))
