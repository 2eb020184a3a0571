"""Runs the stages of the assets that are selected, and reports what they made."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import dagster as dg

from soccer_assets.dvc.cache import Out
from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.pipeline import Stage
from soccer_assets.dvc.project import DvcProject
from soccer_assets.integrations.dvc.metadata import describe, metrics_of


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    files: int
    """That were not in the remote before."""
    remote: str
    """Its URL."""


@dataclass(frozen=True)
class Reproduction:
    """What came of a reproduction."""

    stages: Mapping[str, Stage]
    before: Mapping[str, Out]
    after: Mapping[str, Out]
    ran: Set[str]
    """The stages that were not up to date."""
    pushed: Pushed | None


def reproduce(
    context: dg.AssetExecutionContext,
    project: DvcProject,
    *,
    pull: bool = False,
    push: bool = True,
) -> Iterator[dg.MaterializeResult]:
    """Reproduce the selected outs and what they need, push them and report what they are.

    Args:
        pull: whether outs that are not on this machine are pulled where nothing changed that they
            are made from. Otherwise they are made again.
        push: whether outs are sent to the default remote, if there is one.

    Raises:
        Occupied: somebody else is at work in the project.
        DvcError: a stage failed, or the outs could not be pushed.
    """
    specs = selected(context)
    with project.alone():
        done = run(context, project, specs, pull=pull, push=push)
        results = [result_of(project, spec, done) for spec in specs]
    yield from results


def selected(context: dg.AssetExecutionContext) -> list[dg.AssetSpec]:
    return [spec for spec in context.assets_def.specs if spec.key in context.selected_asset_keys]


def stages_of(specs: Sequence[dg.AssetSpec]) -> list[str]:
    return list(dict.fromkeys(spec.metadata["dvc/stage"] for spec in specs))


def run(
    context: dg.AssetExecutionContext,
    project: DvcProject,
    specs: Sequence[dg.AssetSpec],
    *,
    pull: bool = False,
    push: bool = True,
) -> Reproduction:
    """Reproduce the stages of these outs and push; what DVC and the stages print is logged line by
    line. For who is alone in the project."""
    stages = stages_of(specs)
    known = {stage.name: stage for stage in project.pipeline.stages}
    before = project.outs()
    ran, files = set(), 0
    remote = project.default_remote() if push else None
    # A run that is ended ends DVC.
    with closing(project.reproduce(stages, pull=pull, push=remote is not None)) as lines:
        for line in lines:
            context.log.info(line)
            if started := re.fullmatch("Running stage '(.+)':", line):
                ran.add(started[1])
            elif sent := re.fullmatch(r"(\d+) files? pushed", line):
                files = int(sent[1])
    for stage in stages:
        if stage not in ran:
            context.log.info(f"{stage}: up to date")
    if remote is None:
        context.log.info("not pushed" + (": the project has no default remote" if push else ""))
    else:
        context.log.info(f"new in {remote}: {files} files")
    pushed = Pushed(files, remote) if remote else None
    return Reproduction(known, before, project.outs(), ran, pushed)


def result_of(
    project: DvcProject, spec: dg.AssetSpec, done: Reproduction, **metadata: Any
) -> dg.MaterializeResult:
    """What an out is after a reproduction.

    Raises:
        DvcError: its stage did not make it.
    """
    path, stage = spec.metadata["dvc/out"], done.stages[spec.metadata["dvc/stage"]]
    made = done.after.get(path)
    if made is None:
        raise DvcError(f"{path} is not in dvc.lock after a run of {stage.name}")
    pushed: dict[str, Any] = {}
    if done.pushed:
        pushed = {"dvc/pushed": done.pushed.files, "dvc/remote": done.pushed.remote}
    return dg.MaterializeResult(
        asset_key=spec.key,
        data_version=dg.DataVersion(made.md5),
        metadata={
            **metrics_of(project, stage),
            **describe(project, stage, made),
            "dvc/md5": made.md5,
            "dvc/ran": stage.name in done.ran,
            "dvc/changed": done.before.get(path) != made,
            **pushed,
            **metadata,
        },
    )
