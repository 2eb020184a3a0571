"""DVC pipelines as assets: the example of the documentation, with real DVC, git and a remote."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster.components.core.component_tree import ComponentTree

import soccer_assets
from soccer_assets.dvc.command import WORKSPACE_VARIABLE, DvcError
from soccer_assets.dvc.project import DvcProject
from soccer_assets.integrations.dvc import dvc_assets, reproduce
from soccer_assets_tests.end_to_end.shell import wait_until
from soccer_assets_tests.integrations.example import make_example

pytestmark = pytest.mark.system

KEYS = {"data/months", "model", "metrics", "curve", "bars", "report"}
Made = dict[str, dg.AssetMaterialization]


@contextmanager
def importable(project: Path) -> Iterator[None]:
    """Its package ``orders``, and nobody else's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(project / "src")
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "orders"]:
        del sys.modules[name]


def in_python(project: Path) -> dg.AssetsDefinition:
    """The assets of ``definitions.py``."""
    with importable(project):
        orders: dg.AssetsDefinition = import_module("orders.definitions").orders
    return orders


def in_yaml(project: Path) -> dg.AssetsDefinition:
    """The assets of ``defs.yaml``."""
    with importable(project):
        [assets] = ComponentTree.for_project(project).build_defs().assets or ()
    assert isinstance(assets, dg.AssetsDefinition)
    return assets


def materialize(assets: dg.AssetsDefinition, *keys: str) -> tuple[Made, list[str]]:
    """What is made, by its key, and what the run logged."""
    with dg.DagsterInstance.ephemeral() as instance:
        selection = [dg.AssetKey.from_user_string(key) for key in keys] or None
        result = dg.materialize([assets], selection=selection, instance=instance)
        logged = [record.user_message for record in instance.all_logs(result.run_id)]
    made = result.asset_materializations_for_node(assets.node_def.name)
    return {one.asset_key.to_user_string(): one for one in made}, logged


def value(made: dg.AssetMaterialization, name: str) -> object:
    return made.metadata[name].value


def specs(assets: dg.AssetsDefinition) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in assets.specs}


def deps(spec: dg.AssetSpec) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in spec.deps}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_example(tmp_path_factory.mktemp("example") / "project")


@pytest.fixture(scope="module")
def first(pristine: Path) -> tuple[Made, list[str]]:
    """Everything, materialized in one run."""
    return materialize(in_python(pristine))


@pytest.fixture
def project(pristine: Path, first: tuple[Made, list[str]], tmp_path: Path) -> Path:
    """A copy of the one where everything was made, with a remote of its own."""
    for name in ("project", "store"):
        shutil.copytree(pristine.with_name(name), tmp_path / name)
    configuration = tmp_path / "project/.dvc/config"
    configuration.write_text(configuration.read_text().replace(str(pristine.parent), str(tmp_path)))
    return tmp_path / "project"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# Before anything is made


def test_every_file_that_a_stage_makes_is_an_asset(pristine: Path) -> None:
    found = specs(in_python(pristine))
    assert set(found) == KEYS
    assert deps(found["data/months"]) == {"raw/orders"}  # the script is code
    assert deps(found["model"]) == {"data/months"}
    assert deps(found["report"]) == {"model"}
    assert found["model"].description == "What an order of each weekday is worth."
    assert found["curve"].kinds == {"dvc", "csv"}
    assert found["data/months"].kinds == {"dvc"}
    assert found["curve"].group_name == "orders"
    assert found["curve"].automation_condition == dg.AutomationCondition.eager()


def test_the_code_version_is_of_the_command_and_the_code(pristine: Path, tmp_path: Path) -> None:
    project = make_example(tmp_path / "project")

    def changed() -> set[str]:
        before, after = specs(in_python(pristine)), specs(in_python(project))
        return {key for key in KEYS if before[key].code_version != after[key].code_version}

    edit(project / "raw/orders.csv", "10", "11")
    assert changed() == set()
    edit(project / "steps/fit.py", "last_months", "last_month")
    edit(project / "dvc.yaml", "a model of", "the model of")
    assert changed() == {"model", "metrics", "curve", "bars", "report"}


def test_a_component_translates_in_yaml(pristine: Path) -> None:
    assets = in_yaml(pristine)
    found = specs(assets)
    assert set(found) == {f"dvc/{key}" for key in KEYS}
    assert deps(found["dvc/model"]) == {"dvc/data/months"}
    assert deps(found["dvc/data/months"]) == {"raw/orders"}
    assert found["dvc/model"].group_name == "orders"
    assert found["dvc/model"].description == "model.json, by fit"
    assert list(found["dvc/model"].owners) == ["team:orders"]
    assert assets.op.pool == "orders_dvc"


def test_two_outs_of_one_name_are_told_apart_by_the_translator_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "dvc.yaml"
    file.write_text("stages: {one: {cmd: make, outs: [a.csv, a.svg]}}")
    with pytest.raises(DvcError, match=r"a\.csv and a\.svg of .* are both the asset a: translate"):
        dvc_assets(pipeline=file)


@pytest.mark.slow
def test_dg_knows_what_the_yaml_may_say(tmp_path: Path) -> None:
    project = make_example(tmp_path / "project")
    dg_check = [Path(sys.executable).with_name("dg"), "check", "yaml"]
    subprocess.run(dg_check, cwd=project, check=True)
    edit(project / "src/orders/defs/pipeline/defs.yaml", "pool:", "pol:")
    done = subprocess.run(dg_check, cwd=project, capture_output=True, text=True)
    assert "'pol' was unexpected" in done.stdout + done.stderr


# What is made


def test_data_versions_are_dvcs_hashes_and_everything_is_pushed(
    first: tuple[Made, list[str]], pristine: Path
) -> None:
    made, _ = first
    outs = DvcProject(pristine).outs()
    assert set(made) == KEYS
    assert {value(one, "dvc/md5") for one in made.values()} == {out.md5 for out in outs.values()}
    for one in made.values():
        assert one.tags is not None
        assert one.tags["dagster/data_version"] == value(one, "dvc/md5")
        assert value(one, "dvc/ran") is True
        # Five files, and of the months three and their listing; DVC does not keep the metrics.
        assert value(one, "dvc/pushed") == 8
        assert value(one, "dvc/remote") == str(pristine.with_name("store"))
    assert len(list(pristine.with_name("store").glob("files/md5/*/*"))) == 8


def test_a_folder_of_parquet_has_rows_columns_and_files(first: tuple[Made, list[str]]) -> None:
    months = first[0]["data/months"]
    assert value(months, "dvc/files") == 3
    assert value(months, "dagster/row_count") == 6
    schema = value(months, "dagster/column_schema")
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns] == ["day", "worth"]


def test_metrics_are_numbers_and_plots_are_shown(first: tuple[Made, list[str]]) -> None:
    made, _ = first
    for key in ("model", "metrics", "curve"):
        assert value(made[key], "metrics/orders") == 4
        assert value(made[key], "metrics/error.mean") == pytest.approx(1.25)
    assert not [name for name in made["report"].metadata if name.startswith("metrics/")]
    table = made["curve"].metadata["plot"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["month"] for record in table.records] == ["2024-02", "2024-03"]
    picture = made["bars"].metadata["plot"]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert str(picture.value).startswith("![bars.svg](data:image/svg+xml;base64,")


def test_what_is_printed_is_logged_line_by_line(first: tuple[Made, list[str]]) -> None:
    _, logged = first
    assert "2024-01: 2 orders" in logged
    assert "> python steps/fit.py" in logged
    assert any(re.fullmatch("new in .*/store: 8 files", line) for line in logged)


def test_what_did_not_change_is_told_as_up_to_date(project: Path) -> None:
    edit(project / "params.yaml", "2", "3")
    made, logged = materialize(in_yaml(project), "dvc/data/months", "dvc/model")
    assert set(made) == {"dvc/data/months", "dvc/model"}
    months, model = made["dvc/data/months"], made["dvc/model"]
    assert [value(months, "dvc/ran"), value(months, "dvc/changed")] == [False, False]
    assert [value(model, "dvc/ran"), value(model, "dvc/changed")] == [True, True]
    assert "split: up to date" in logged
    assert "fit: up to date" not in logged
    assert value(model, "metrics/orders") == 6


SUBFOLDER = """
vars: [{n: 3}]
stages:
  first: {wdir: work, cmd: "echo ${n} > x.txt", outs: [x.txt]}
  each:
    foreach: [p, q]
    do: {cmd: "cat work/x.txt > ${item}.txt", deps: [work/x.txt], outs: ["${item}.txt"]}
"""


@pytest.mark.slow
def test_a_pipeline_may_have_items_and_lie_in_a_subfolder(tmp_path: Path) -> None:
    folder = make_example(tmp_path / "project") / "sub"
    (folder / "work").mkdir(parents=True)
    (folder / "dvc.yaml").write_text(SUBFOLDER)

    @dvc_assets(pipeline=folder / "dvc.yaml")
    def outs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield from reproduce(context, DvcProject(folder))

    assert deps(specs(outs)["q"]) == {"work/x"}
    materialize(outs, "p")
    made, _ = materialize(outs)
    assert {key: value(one, "dvc/ran") for key, one in made.items()} == {
        "work/x": False,
        "p": False,
        "q": True,
    }
    assert (folder / "q.txt").read_text() == "3\n"


# What goes wrong


def test_a_failed_stage_fails_the_step_with_what_it_printed(project: Path) -> None:
    edit(project / "steps/fit.py", "import json", "import jsonn")
    with pytest.raises(DvcError, match=r"No module named 'jsonn'[\s\S]*failed to reproduce 'fit'"):
        materialize(in_python(project), "model")


def test_a_failed_push_fails_the_step_in_one_line(project: Path) -> None:
    store = project.with_name("store")
    shutil.rmtree(store)
    store.write_text("no folder")
    edit(project / "params.yaml", "2", "3")
    with pytest.raises(DvcError) as caught:
        materialize(in_python(project), "model")
    assert re.fullmatch(rf"outs could not be pushed to {store}: \S.*", str(caught.value))
    store.unlink()
    made, _ = materialize(in_python(project), "model")
    assert value(made["model"], "dvc/ran") is False
    assert value(made["model"], "dvc/pushed") == 7


def test_a_project_without_a_remote_pushes_nothing(project: Path) -> None:
    (project / ".dvc/config").write_text("")
    made, logged = materialize(in_python(project), "report")
    assert "dvc/pushed" not in made["report"].metadata
    assert "not pushed: the project has no default remote" in logged


@pytest.mark.slow
def test_a_machine_that_has_nothing_pulls_what_is_up_to_date(project: Path) -> None:
    outs = DvcProject(project).outs()
    for place in (".dvc/cache", "data/months"):
        shutil.rmtree(project / place)
    (project / "model.json").unlink()
    edit(project / "src/orders/defs/pipeline/defs.yaml", "  pool:", "  pull: true\n  pool:")
    made, _ = materialize(in_yaml(project), "dvc/model")
    assert value(made["dvc/model"], "dvc/ran") is False
    assert DvcProject(project).outs() == outs
    assert (project / "model.json").exists()
    assert len(list((project / "data/months").iterdir())) == 3


RUN = """
import dagster as dg
from orders.definitions import orders
dg.materialize([orders], instance=dg.DagsterInstance.ephemeral())
"""


@pytest.mark.slow
def test_a_run_that_is_killed_in_a_stage_takes_it_along_and_the_next_is_right(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(project / "steps/fit.py", "by_month =", "__import__('time').sleep(600)\nby_month =")
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=project / "src", stderr=subprocess.DEVNULL
    )
    wait_until(lambda: any("steps/fit.py" in " ".join(p.cmdline()) for p in at_work(project)))
    run.kill()
    run.wait()
    wait_until(lambda: not at_work(project))
    lock = project / "dvc.lock"
    lock.write_text(lock.read_text()[:900])  # as if DVC had been writing it
    edit(project / "steps/fit.py", "__import__('time').sleep(600)\n", "")
    made, _ = materialize(in_python(project))
    assert "dvc.lock was unreadable, removed" in caplog.text
    assert ".dvc/tmp/rwlock was left over" in caplog.text
    assert {value(one, "dvc/pushed") for one in made.values()} == {0}


def at_work(project: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(WORKSPACE_VARIABLE) == str(project):
                found.append(process)
    return found


# Without this project


LIFTED = """
import sys
import dagster as dg
sys.modules["soccer_assets"] = None
from orders.definitions import orders
result = dg.materialize([orders], instance=dg.DagsterInstance.ephemeral())
print(*sorted(one.asset_key.to_user_string() for one in result.asset_materializations_for_node("orders")))
"""


@pytest.mark.slow
def test_the_modules_that_the_page_names_run_without_this_project(tmp_path: Path) -> None:
    project = make_example(tmp_path / "project")
    source, lifted = Path(soccer_assets.__file__).parent, project / "src/lifted"
    shutil.copytree(source / "integrations/dvc", lifted / "integrations/dvc")
    (lifted / "dvc").mkdir()
    core = (
        "__main__",
        "boot",
        "cache",
        "command",
        "forks",
        "lock",
        "occupancy",
        "pipeline",
        "project",
    )
    for name in core:
        shutil.copy(source / "dvc" / f"{name}.py", lifted / "dvc")
    for file in (*lifted.rglob("*.py"), project / "src/orders/definitions.py"):
        file.write_text(file.read_text().replace("soccer_assets", "lifted"))
    done = subprocess.run(
        [sys.executable, "-c", LIFTED],
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout.split() == sorted(KEYS)
