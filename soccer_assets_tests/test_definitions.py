"""The code location as a whole: what is in it, how it hangs together, and what it costs to load."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_representation.external_data import RepositorySnap

import soccer_assets
from soccer_assets.automation.freshness import FRESHNESS
from soccer_assets.automation.updates import FOLLOWERS
from soccer_assets.definitions import defs, make_definitions
from soccer_assets.resources import (
    DvcResource,
    LakeResource,
    LivescoresResource,
    ModelRegistryResource,
    ParamsResource,
    WarehouseResource,
    WorkersResource,
)
from soccer_assets.settings import Settings
from soccer_assets.warehouse.schema import match, match_raw

GROUPS = {
    "ingestion": {"livescores"},
    "warehouse": {"match_raw", "match"},
    "lake": {"match_raw_parquet", "match_parquet"},
    "features": {"finished", "fixtures", "features", "feature_states", "features_meta", "dataset"},
    "model": {"trained_model"},
    "registry": {"registered_model", "candidate_model", "champion_model"},
    "serving": {"serving_features", "predictions", "serving_workers"},
    "monitoring": {
        *("feature_drift", "prediction_scorecard", "prediction_decay", "prediction_shift"),
        *("data_volume", "data_freshness", "ledger"),
    },
}
DEPENDENCIES = {
    "livescores": set(),
    "match_raw": {"livescores"},
    "match": {"livescores"},
    "match_raw_parquet": {"match_raw"},
    "match_parquet": {"match"},
    "finished": {"match_parquet"},
    "fixtures": {"match_parquet"},
    "features": {"finished", "fixtures"},
    "feature_states": {"finished", "fixtures"},
    "features_meta": {"finished", "fixtures"},
    "dataset": {"finished", "features", "features_meta"},
    "trained_model": {"dataset", "features", "features_meta"},
    "registered_model": {"trained_model"},
    "candidate_model": {"registered_model"},
    "champion_model": {"candidate_model"},
    "serving_features": {"features", "features_meta"},
    "predictions": {"serving_features", "champion_model"},
    "serving_workers": {"predictions"},
    "feature_drift": {"serving_features", "champion_model"},
    "prediction_scorecard": {"predictions", "finished"},
    "prediction_decay": {"predictions", "finished"},
    "prediction_shift": {"predictions"},
    "data_volume": {"finished", "champion_model"},
    "ledger": {"predictions"},
    "data_freshness": {"match"},
}
DAILY, MONTHLY = {"livescores", "match_raw", "match"}, {"match_raw_parquet", "match_parquet"}
#: Check -> whether what is downstream waits for it.
CHECKS = {
    "livescores:feed_schema": True,
    "livescores:feed_fields": False,
    "livescores:possible_kickoffs": False,
    "livescores:possible_details": False,
    "livescores:whole_days": False,
    "match:usual_volume": False,
    "match:no_day_overdue": False,
    "match_parquet:parity_with_postgres": True,
    "match_parquet:unique_ids": True,
    "finished:newest_result": False,
    "features:feature_ranges": True,
    "candidate_model:champion_loads": False,
    "predictions:probability_simplex": True,
    "prediction_decay:decay": False,
    "prediction_shift:shift": False,
    "data_volume:volume": False,
    "ledger:chain_holds": False,
    "data_freshness:hops_are_level": False,
}
CHANNEL = "#channel-of-this-test"
GRAPH = defs.resolve_asset_graph()
NODES = {key.to_user_string(): GRAPH.get(key) for key in GRAPH.materializable_asset_keys}


def names(keys: object) -> set[str]:
    return {key.to_user_string() for key in keys}  # type: ignore[attr-defined]


def test_everything_resolves() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_groups_are_these() -> None:
    found = defaultdict(set)
    for name, node in NODES.items():
        found[node.group_name].add(name)
    assert dict(found) == GROUPS
    assert set(FRESHNESS) == set(NODES)


def test_the_dependencies_are_these() -> None:
    assert {name: names(node.parent_keys) for name, node in NODES.items()} == DEPENDENCIES


def test_nothing_comes_from_outside() -> None:
    """Every dependency is an asset that can be materialized here."""
    assert set(GRAPH.get_all_asset_keys()) == set(GRAPH.materializable_asset_keys)


@pytest.mark.parametrize("name", sorted(NODES))
def test_every_asset_says_what_it_is_whose_it_is_and_when_it_is_made(name: str) -> None:
    node = NODES[name]
    assert node.description
    assert node.owners == ["team:soccer-data"]
    assert node.kinds
    assert node.freshness_policy == FRESHNESS[name]
    if dg.AssetKey(name) not in FOLLOWERS.resolve(GRAPH):
        assert node.automation_condition is not None
        assert node.automation_condition.get_label()


def test_tables_show_their_columns() -> None:
    for name, table in (("match_raw", match_raw), ("match", match)):
        for asset in (name, f"{name}_parquet"):
            schema = NODES[asset].metadata["dagster/column_schema"]
            assert isinstance(schema, dg.TableSchema)
            assert [c.name for c in schema.columns] == [c.name for c in table.columns]


def test_partitions_are_days_of_the_feed_and_months_of_the_lake() -> None:
    kinds = {
        name: type(node.partitions_def) if node.partitions_def else None
        for name, node in NODES.items()
    }
    assert {name for name, kind in kinds.items() if kind is dg.DailyPartitionsDefinition} == DAILY
    monthly = {name for name, kind in kinds.items() if kind is dg.MonthlyPartitionsDefinition}
    assert monthly == MONTHLY
    assert {name for name, kind in kinds.items() if kind is None} == set(NODES) - DAILY - MONTHLY


def test_any_range_of_partitions_is_one_run() -> None:
    for name in DAILY | MONTHLY:
        assert NODES[name].backfill_policy == dg.BackfillPolicy.single_run()


def test_the_checks_are_these_and_those_that_protect_are_blocking() -> None:
    found = {
        f"{key.asset_key.to_user_string()}:{key.name}": GRAPH.get(key).blocking
        for key in GRAPH.asset_check_keys
    }
    assert found == CHECKS
    for key in GRAPH.asset_check_keys:
        assert GRAPH.get(key).description


def test_what_has_a_condition_of_its_own_does_not_follow_as_well() -> None:
    """Or two sensors would ask for the same."""
    followers = names(FOLLOWERS.resolve(GRAPH))
    conditions = {name for name, node in NODES.items() if node.automation_condition}
    assert followers == set(NODES) - conditions
    assert conditions == {"livescores", "match_raw", "match", "trained_model"}


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_a_check_is_evaluated_by_the_step_that_makes_its_asset(check: str) -> None:
    """So it is in every run that does, also where the run was asked for without it, as automated
    runs are once one of their assets has checks of its own."""
    asset, name = check.split(":")
    made_by = defs.get_repository_def().assets_defs_by_key[dg.AssetKey(asset)]
    assert dg.AssetCheckKey(dg.AssetKey(asset), name) in made_by.check_keys


@pytest.mark.parametrize(
    ("job", "groups"),
    [
        ("ingest", {"ingestion", "warehouse"}),
        ("export", {"lake"}),
        ("refresh", {"features", "serving", "monitoring"}),
        ("retrain", {"features", "model", "registry", "serving", "monitoring"}),
    ],
)
def test_a_job_runs_its_groups_with_all_their_checks(job: str, groups: set[str]) -> None:
    graph = defs.resolve_job_def(job).asset_layer.asset_graph
    assets = set.union(*(GROUPS[group] for group in groups))
    assert names(graph.materializable_asset_keys) == assets
    checks = {f"{key.asset_key.to_user_string()}:{key.name}" for key in graph.asset_check_keys}
    assert checks == {check for check in CHECKS if check.split(":")[0] in assets}
    assert defs.resolve_job_def(job).description


def test_a_rebuild_is_a_job_of_its_own_over_all_partitions() -> None:
    job = defs.resolve_job_def("rebuild")
    assert job.partitions_def is None
    assert job.description
    assert [op.pools for op in job.all_node_defs] == [{"livescores"}]


def test_a_step_that_cannot_share_what_it_uses_has_a_pool() -> None:
    pools = {
        op.name: op.pool
        for op in defs.resolve_implicit_global_asset_job_def().all_node_defs
        if isinstance(op, dg.OpDefinition)
    }
    assert pools["ingest_days"] == "livescores"
    assert pools["export_months"] == "lake"
    assert pools["dvc_outs"] == "dvc_workspace"
    assert pools["trained_model"] == "training"
    assert {pools[f"{name}_model"] for name in ("registered", "candidate", "champion")} == {
        "registry"
    }


def test_no_secret_is_in_what_the_ui_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration of the resources is part of what the code location tells about itself."""
    secrets = {
        "POSTGRES_URL": "postgresql://someone:secret-of-postgres@nowhere/soccer",
        "LIVESCORES_TOKEN": "secret-of-livescores",
        "SLACK_BOT_TOKEN": "secret-of-slack",
        "SERVING_TOKEN": "secret-of-serving",
        "MLFLOW_TRACKING_URI": "postgresql://someone:secret-of-mlflow@nowhere/mlflow",
        "AWS_SECRET_ACCESS_KEY": "secret-of-aws",
        "SLACK_CHANNEL": CHANNEL,
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    repository = make_definitions(Settings()).get_repository_def()
    shown = dg.serialize_value(RepositorySnap.from_def(repository, defer_snapshots=False))
    assert "livescores" in shown
    assert CHANNEL in shown
    assert "secret-of" not in shown


HEAVY = ("mlflow", "dvc", "lightgbm", "sklearn", "matplotlib", "torch")


def test_loading_imports_nothing_that_only_a_run_needs() -> None:
    script = (
        "import sys\n"
        "from soccer_assets.definitions import defs\n"
        "defs.resolve_all_job_defs(), defs.resolve_asset_graph()\n"
        f"print(*sorted(set({HEAVY}) & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == []


def test_definitions_use_the_settings_they_are_given(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says."""
    for name, value in {
        "SOCCER_HOME": str(tmp_path / "other"),
        "POSTGRES_URL": "postgresql://nobody@127.0.0.1:9/none",
        "LAKE_URI": "s3://other/lake",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "LIVESCORES_SOURCE": "football_data",
        "SERVING_TOKEN": "other",
        "SOCCER_PARAMS": str(tmp_path / "none.yaml"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "own.yaml").write_text("serving: {recent_days: 5}")
    given = Settings(
        soccer_home=tmp_path / "home",
        postgres_url=database_url,
        lake_uri=str(tmp_path / "lake"),
        mlflow_tracking_uri=f"sqlite:///{tmp_path / 'own.db'}",
        livescores_source="feed",
        serving_token="own",
        soccer_params=tmp_path / "own.yaml",
        serving_workers="",
    )

    @dg.asset
    def looks(
        warehouse: WarehouseResource,
        lake: LakeResource,
        dvc: DvcResource,
        registry: ModelRegistryResource,
        livescores: LivescoresResource,
        workers: WorkersResource,
        params: ParamsResource,
    ) -> dict[str, object]:
        with warehouse.engine.connect() as connection:
            database = connection.scalar(sa.text("SELECT current_database()"))
        return {
            "database": database,
            "lake": lake.store.uri,
            "workspace": dvc.workspace.root,
            "registry": registry.settings.tracking_uri,
            "kind": livescores.kind,
            "token": workers.settings.reload_token,
            "recent days": params.read().serving.recent_days,
        }

    resources = make_definitions(given).resources or {}
    result = dg.materialize([looks], resources=dict(resources))
    assert result.output_for_node("looks") == {
        "database": sa.make_url(database_url).database,
        "lake": str(tmp_path / "lake"),
        "workspace": tmp_path / "home" / "dvc",
        "registry": f"sqlite:///{tmp_path / 'own.db'}",
        "kind": "feed",
        "token": "own",
        "recent days": 5,
    }
    assert not (tmp_path / "other").exists()


#: What a process begins with: commands, what Dagster makes by its name in ``dagster.yaml``, and the
#: code location.
ENTRY_POINTS = {
    "cli.alerts",
    "cli.arguments",
    "cli.checks",
    "cli.data",
    "cli.garbage",
    "cli.ledger",
    "cli.models",
    "cli.office",
    "cli.season",
    "cli.services",
    "cli.steps",
    "dagster_command",
    "dagster_home",
    "definitions",
    "doctor.rounds",
    "instance",
    "replay.season",
    "replay.world",
}


def test_settings_are_taken_by_entry_points_alone() -> None:
    package = Path(soccer_assets.__file__).parent
    takers = {
        ".".join(file.relative_to(package).with_suffix("").parts)
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Name) and node.id == "get_settings"
    }
    assert takers == ENTRY_POINTS
