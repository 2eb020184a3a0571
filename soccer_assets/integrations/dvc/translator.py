"""How the outs of a pipeline become assets."""

from collections.abc import Mapping, Sequence, Set
from pathlib import PurePosixPath
from typing import Any

import dagster as dg

from soccer_assets.dvc.pipeline import Pipeline, Stage, StageOut


class DvcTranslator:
    """Makes the spec of an out. Override what should differ; each method is asked for every out.

    By default a stage depends on what other stages make, and on files that no stage makes, which are
    assets of somebody else; files of code are no assets, but what the code version is of.
    """

    def get_asset_spec(self, pipeline: Pipeline, stage: Stage, out: StageOut) -> dg.AssetSpec:
        """All that is known of an out before it is made."""
        return dg.AssetSpec(
            self.get_asset_key(out.path),
            deps=self.get_deps(pipeline, stage),
            description=self.get_description(stage, out),
            group_name=self.get_group_name(stage, out),
            owners=self.get_owners(stage, out),
            kinds=set(self.get_kinds(stage, out)),
            tags=self.get_tags(stage, out),
            code_version=self.get_code_version(pipeline, stage),
            automation_condition=self.get_automation_condition(stage, out),
            freshness_policy=self.get_freshness_policy(stage, out),
            metadata={
                **self.get_metadata(stage, out),
                "dvc/stage": stage.name,
                "dvc/command": stage.command,
                "dvc/out": out.path,
            },
        )

    def get_asset_key(self, path: str) -> dg.AssetKey:
        """Of an out, or of a file that no stage makes: ``data/clean.csv`` -> ``data/clean``."""
        return dg.AssetKey(
            [part for part in PurePosixPath(path).with_suffix("").parts if part != "/"]
        )

    def get_deps(self, pipeline: Pipeline, stage: Stage) -> Sequence[dg.AssetDep]:
        """What a stage depends on, but for code."""
        paths = [path for path in stage.deps if not pipeline.code(path)]
        made = {path: pipeline.made(path) for path in paths}
        sources = dict.fromkeys(out.path if (out := made[path]) else path for path in paths)
        return [self.get_dep(source) for source in sources]

    def get_dep(self, path: str) -> dg.AssetDep:
        """The dependency on an out, or on a file that no stage makes."""
        return dg.AssetDep(self.get_asset_key(path))

    def get_description(self, stage: Stage, out: StageOut) -> str | None:
        return out.description or None

    def get_group_name(self, stage: Stage, out: StageOut) -> str | None:
        return None

    def get_owners(self, stage: Stage, out: StageOut) -> Sequence[str]:
        return []

    def get_kinds(self, stage: Stage, out: StageOut) -> Set[str]:
        """``dvc``, and the suffix of the file."""
        suffix = PurePosixPath(out.path).suffix.lstrip(".")
        return {"dvc", suffix} if suffix else {"dvc"}

    def get_tags(self, stage: Stage, out: StageOut) -> Mapping[str, str]:
        return {}

    def get_metadata(self, stage: Stage, out: StageOut) -> Mapping[str, Any]:
        """Beside the stage, its command and the path of the out."""
        return {}

    def get_automation_condition(
        self, stage: Stage, out: StageOut
    ) -> dg.AutomationCondition | None:
        return None

    def get_freshness_policy(self, stage: Stage, out: StageOut) -> dg.FreshnessPolicy | None:
        return None

    def get_code_version(self, pipeline: Pipeline, stage: Stage) -> str | None:
        """Of the command and of the files of code that the stage depends on."""
        return pipeline.code_version(stage)
