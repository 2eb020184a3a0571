"""What an out is as an asset, and what is shown of it, without DVC."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.pipeline import Pipeline, Stage, StageOut
from soccer_assets.dvc.project import DvcProject
from soccer_assets.integrations.dvc import DvcPipelineComponent, DvcTranslator, dvc_assets
from soccer_assets.integrations.dvc.metadata import IMAGE_BYTES, describe, metrics_of

FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6))
EAGER = dg.AutomationCondition.eager()


class Everything(DvcTranslator):
    """Overrides all that there is."""

    def get_asset_key(self, path: str) -> dg.AssetKey:
        return dg.AssetKey(["mine", path.replace(".", "_")])

    def get_description(self, stage: Stage, out: StageOut) -> str:
        return f"{out.path} of {stage.name}"

    def get_group_name(self, stage: Stage, out: StageOut) -> str:
        return stage.name

    def get_owners(self, stage: Stage, out: StageOut) -> list[str]:
        return [out.meta["owner"]]

    def get_kinds(self, stage: Stage, out: StageOut) -> set[str]:
        return {"python"}

    def get_tags(self, stage: Stage, out: StageOut) -> dict[str, str]:
        return {"role": out.role}

    def get_metadata(self, stage: Stage, out: StageOut) -> dict[str, Any]:
        return {"frozen": stage.frozen}

    def get_automation_condition(self, stage: Stage, out: StageOut) -> dg.AutomationCondition:
        return EAGER

    def get_freshness_policy(self, stage: Stage, out: StageOut) -> dg.FreshnessPolicy:
        return FRESH

    def get_code_version(self, pipeline: Pipeline, stage: Stage) -> str:
        return "7"


def pipeline(folder: Path, outs: dict[str, Any]) -> Path:
    """A ``dvc.yaml`` of one stage that makes these."""
    folder.mkdir(exist_ok=True)
    file = folder / "dvc.yaml"
    file.write_text(json.dumps({"stages": {"one": {"cmd": "make", "deps": ["raw.csv"], **outs}}}))
    return file


def test_a_translator_says_all_that_an_asset_is(tmp_path: Path) -> None:
    file = pipeline(tmp_path, {"outs": [{"a.csv": {"meta": {"owner": "team:me"}}}]})
    assets = dvc_assets(pipeline=file, translator=Everything(), name="one")(lambda context: None)
    assert list(assets.specs) == [
        dg.AssetSpec(
            ["mine", "a_csv"],
            deps=[dg.AssetDep(["mine", "raw_csv"])],
            description="a.csv of one",
            group_name="one",
            owners=["team:me"],
            kinds={"python"},
            tags={"role": "out"},
            metadata={
                "frozen": False,
                "dvc/stage": "one",
                "dvc/command": "make",
                "dvc/out": "a.csv",
            },
            automation_condition=EAGER,
            freshness_policy=FRESH,
            code_version="7",
            skippable=True,
        )
    ]


def test_a_component_in_a_folder_of_any_name_has_an_op(tmp_path: Path) -> None:
    file = pipeline(tmp_path / "my-orders 2", {"outs": ["a.csv"]})
    component = DvcPipelineComponent(pipeline=file)
    [assets] = component.build_defs(ComponentTree.for_test().load_context).assets or ()
    assert isinstance(assets, dg.AssetsDefinition)
    assert assets.node_def.name == "my_orders_2"


def shown(folder: Path, outs: dict[str, Any], path: str) -> dict[str, Any]:
    """The metadata of an out."""
    [stage] = Pipeline.read(pipeline(folder, outs)).stages
    project = DvcProject(folder)
    return {**metrics_of(project, stage), **describe(project, stage, Out(path, "0" * 32, 1))}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("m.json", '{"auc": {"test": 0.5, "rows": 3}, "by": "hand", "nan": NaN}', (0.5, 3)),
        ("m.yaml", "auc: {test: 0.5, rows: 3}", (0.5, 3)),
        ("m.toml", "[auc]\ntest = 0.5\nrows = 3", (0.5, 3)),
        ("m.json", '{"auc": ', None),
        ("m.txt", "0.5", None),
    ],
)
def test_numbers_of_metrics_are_shown_and_nothing_else(
    tmp_path: Path, name: str, text: str, told: tuple[float, int] | None
) -> None:
    (tmp_path / name).write_text(text)
    found = shown(tmp_path, {"outs": ["a.csv"], "metrics": [name]}, "a.csv")
    numbers = {key: value for key, value in found.items() if key.startswith("m/")}
    assert numbers == ({"m/auc.test": told[0], "m/auc.rows": told[1]} if told else {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "day,loss\n1,0.5\n2,\n"),
        ("p.tsv", "day\tloss\n1\t0.5\n2\n"),
        ("p.json", '[{"day": "1", "loss": "0.5"}, {"day": "2"}]'),
        ("p.json", '{"title": "Loss", "points": [{"day": "1", "loss": "0.5"}, {"day": "2"}]}'),
        ("p.yaml", "[{day: '1', loss: '0.5'}, {day: '2'}]"),
    ],
)
def test_the_points_of_a_plot_are_a_table(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    table = shown(tmp_path, {"plots": [{name: {"x": "day"}}]}, name)["plot"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = [record.data for record in table.records]
    assert rows == [{"day": "1", "loss": "0.5"}, {"day": "2", "loss": ""}]


def test_pictures_are_shown_unless_they_are_large(tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    folder.mkdir()
    (folder / "small.png").write_bytes(b"\x89PNG")
    (folder / "large.png").write_bytes(bytes(IMAGE_BYTES + 1))
    (folder / "data.bin").write_bytes(b"")
    found = shown(tmp_path, {"plots": ["plots"]}, "plots")
    assert found["plot/small.png"] == dg.MetadataValue.md(
        "![small.png](data:image/png;base64,iVBORw==)"
    )
    assert found["plot/large.png"] == dg.MetadataValue.path(str(folder / "large.png"))
    assert [name for name in found if name.startswith("plot")] == [
        "plot/large.png",
        "plot/small.png",
    ]
