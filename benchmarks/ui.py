"""What Dagster's UI asks for when a page of assets is opened, answered in this process.

The queries are as its pages make them, cut to what comes from the storage; the server of the UI adds HTTP
to them, which does not grow with what is stored.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_graphql.schema import create_schema

from soccer_assets.instance import CODE_LOCATION

#: The graph with the state of every asset, its checks and partitions.
GRAPH = """query ($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys, loadMaterializations: true) {
    assetKey { path } staleStatus
    assetMaterializations(limit: 1) { runId timestamp }
    partitionStats { numMaterialized numMaterializing numPartitions numFailed }
    assetChecksOrError { ... on AssetChecks { checks { name
      executionForLatestMaterialization { status runId evaluation { success } } } } }
  }
  assetsLatestInfo(assetKeys: $keys) {
    assetKey { path } latestMaterialization { runId timestamp }
    latestRun { id status } inProgressRunIds unstartedRunIds
  }
}"""
#: The page of one asset: its plots, its history, the runs in it.
ASSET = """query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { __typename ... on Asset {
    assetMaterializations(limit: 100) { runId timestamp partition
      metadataEntries { label ... on FloatMetadataEntry { floatValue } ... on IntMetadataEntry { intValue } }
      runOrError { ... on Run { id status startTime } } }
    assetObservations(limit: 100) { runId timestamp }
    assetEventHistory(limit: 50, eventTypeSelectors: [MATERIALIZATION, OBSERVATION]) {
      results { __typename } }
} } }"""
#: The history of one check.
CHECK = """query ($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 25) {
    id runId status timestamp evaluation { success } } }"""
#: The newest runs, with their tags.
RUNS = """{ runsOrError(limit: 25) { ... on Runs { results { id status startTime endTime
    tags { key value } } } } }"""


@dataclass(frozen=True)
class Ui:
    """What a browser asks."""

    context: WorkspaceProcessContext
    schema: Any

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = self.context.create_request_context()
        asked = self.schema.execute_async(query, context_value=request, variable_values=variables)
        answer = asyncio.run(asked)
        if answer.errors:
            raise RuntimeError(str(answer.errors[:3]))
        data: dict[str, Any] = answer.data
        return data

    def graph(self, *assets: str) -> dict[str, Any]:
        return self.ask(GRAPH, keys=[{"path": [asset]} for asset in assets])

    def asset(self, asset: str) -> dict[str, Any]:
        return self.ask(ASSET, key={"path": [asset]})

    def check(self, asset: str, check: str) -> dict[str, Any]:
        return self.ask(CHECK, key={"path": [asset]}, check=check)

    def runs(self) -> dict[str, Any]:
        return self.ask(RUNS)


@contextmanager
def opened(instance: dg.DagsterInstance) -> Iterator[Ui]:
    """The UI on the definitions, which a code server of its own loads."""
    target = ModuleTarget("soccer_assets.definitions", None, None, CODE_LOCATION)
    with WorkspaceProcessContext(instance, target) as context:
        yield Ui(context, create_schema())
