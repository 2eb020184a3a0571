"""Each step of the whole graph in a process of its own, on a machine of its own that has nothing yet:
what steps know of each other is in the services."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soccer_assets_tests.services.machines import DAYS, MONTHS, Machine, outcome
from soccer_assets_tests.services.servers import Shared

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(3600)]

#: What makes several assets at once is one of them.
STEPS = (
    *("finished", "fixtures", "features,feature_states,features_meta", "dataset"),
    *("trained_model", "registered_model", "candidate_model", "champion_model"),
    *("serving_features", "predictions", "serving_workers"),
    *("data_freshness", "data_volume", "feature_drift", "ledger"),
    *("prediction_decay", "prediction_scorecard", "prediction_shift"),
)
#: Below the home of a step all of whose services are elsewhere: what is there for, as docs/deployment.md
#: has it.
CACHES = {
    "dvc": "the workspace of DVC with its cache: only of the step that makes features",
    "matplotlib": "which fonts there are",
}


@dataclass
class Forgetful:
    """Machines that did one step each."""

    place: Path
    settings: dict[str, str]
    machines: dict[str, Machine] = field(default_factory=dict)

    def new(self, name: str) -> Machine:
        home = self.place / f"amnesia-{len(self.machines)}"
        assert not home.exists()
        machine = self.machines[name] = Machine(home, self.settings)
        return machine


@pytest.fixture(scope="module")
def forgetful(place: Path, shared: Shared, season: dict[str, str]) -> Iterator[Forgetful]:
    with shared.world("amnesia") as world:
        made = Forgetful(place, {**world, **season})
        for job, ends in (("ingest", DAYS), ("export", MONTHS)):
            machine = made.new(job)
            machine.finish(machine.job(job, *ends))
        for step in STEPS:
            made.new(step).run("dagster", "asset", "materialize", "--select", step)
        yield made


@pytest.fixture(scope="module")
def remembered(forgetful: Forgetful) -> dict[str, Any]:
    return outcome(forgetful.new("outcome"))


def test_the_steps_are_all_that_there_are(forgetful: Forgetful, alone: dict[str, Any]) -> None:
    from soccer_assets.definitions import defs

    keys = defs.resolve_asset_graph().materializable_asset_keys
    assets = {name for step in STEPS for name in step.split(",")}
    ingested = {"livescores", "match", "match_raw", "match_parquet", "match_raw_parquet"}
    assert {key.to_user_string() for key in keys} == assets | ingested


@pytest.mark.parametrize("what", ["champion", "versions", "metrics", "features", "mlflow_runs"])
def test_the_champion_and_the_hashes_are_those_of_one_machine(
    remembered: dict[str, Any], alone: dict[str, Any], what: str
) -> None:
    assert remembered[what] == alone[what]


@pytest.mark.parametrize("table", ["match", "match_raw", "prediction", "promotion"])
def test_the_rows_are_those_of_one_machine(
    remembered: dict[str, Any], alone: dict[str, Any], table: str
) -> None:
    assert alone["tables"][table]
    assert remembered["tables"][table] == alone["tables"][table]


def test_what_is_left_in_a_home_are_caches(forgetful: Forgetful) -> None:
    for step, machine in forgetful.machines.items():
        kept = {path.partition("/")[0] for path in machine.files()}
        assert kept <= set(CACHES), step
        if "dvc" in kept:
            assert set(step.split(",")) & {"finished", "fixtures", "features", "dataset"}, step
