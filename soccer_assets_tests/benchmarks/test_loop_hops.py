"""What counts as the platform's own work on the way of a corrected result, and what does not."""

import time
from collections.abc import Iterator
from itertools import pairwise

import dagster as dg
import pytest

from benchmarks.loop_hops import PATH, RUN_STARTS, Event, Hop, Lap, fastest, hops, told
from soccer_assets.assets.common import evaluate
from soccer_assets.assets.features import timed

BEGAN = 1000.0


def step(name: str, begins: float, ends: float, run: str = "b") -> list[Event]:
    return [
        Event(run, "STEP_START", name, BEGAN + begins),
        Event(run, "STEP_SUCCESS", name, BEGAN + ends),
    ]


def said(message: str, at: float, step: str = "dvc_outs", run: str = "b") -> Event:
    return Event(run, None, step, BEGAN + at, message)


#: Two runs, the first with one step; a step beside the way between the second's.
EVENTS = [
    Event("a", RUN_STARTS, None, BEGAN + 2),
    *step("ingest_days", 3, 5, "a"),
    Event("b", RUN_STARTS, None, BEGAN + 10),
    *step("export_months", 11, 12),
    *step("dvc_outs", 12, 20),
    said("soccer_assets.dvc.stages.finished took 1.25 s", 14),
    said("soccer_assets.dvc.stages.features took 2.00 s", 16),
    said("check feature_ranges took 0.50 s", 19),
    said("2 files pushed", 18),
    said("check feature_ranges took 9.00 s", 19, run="another"),
    said("check newest_prediction took 9.00 s", 23, step="predictions"),
    *step("data_volume", 20, 21),
    *step("serving_features", 21, 22),
    *step("predictions", 22, 24),
    *step("serving_workers", 24, 25),
    *step("ingest_days", 26, 30, "c"),
]


def test_the_hops_are_the_whole_way_and_no_more() -> None:
    found = hops(EVENTS, BEGAN)
    assert sum(hop.seconds for hop in found) == pytest.approx(25)
    assert [hop.name for hop in found if hop.own] == list(PATH)
    assert found[0] == Hop("until run 1 starts", 2.0)
    assert Hop("until run 2 starts", 5.0) in found
    assert all(0 <= hop.own <= hop.seconds for hop in found)


def test_of_dvc_stages_and_contracts_are_own_work_and_nothing_else() -> None:
    own = {hop.name: hop.own for hop in hops(EVENTS, BEGAN)}
    assert own["dvc_outs"] == pytest.approx(1.25 + 2 + 0.5)
    assert own["predictions"] == pytest.approx(2)


def test_a_contract_says_how_long_it_took_where_it_is_read() -> None:
    """As Dagster has it on record, of a step that takes no time but for the contract's."""

    def slow() -> dg.AssetCheckResult:
        time.sleep(0.2)
        return dg.AssetCheckResult(passed=True)

    @dg.asset(name="dvc_outs", check_specs=[dg.AssetCheckSpec("ranges", asset="dvc_outs")])
    def made(context: dg.AssetExecutionContext) -> Iterator[object]:
        yield from evaluate(context, dg.AssetKey("dvc_outs"), timed(context, {"ranges": slow}))
        yield dg.MaterializeResult()

    with dg.instance_for_test() as instance:
        began = time.time()
        run = dg.materialize([made], instance=instance).run_id
        logs = instance.all_logs(run)
    events = [
        Event(
            entry.run_id,
            entry.dagster_event and entry.dagster_event.event_type_value,
            entry.step_key,
            entry.timestamp,
            entry.user_message,
        )
        for entry in logs
    ]
    found = {hop.name: hop for hop in hops(events, began)}
    assert 0.2 <= found["dvc_outs"].own <= found["dvc_outs"].seconds
    assert "until run 1 starts" in found


def test_a_step_beside_the_way_is_waited_for() -> None:
    waits = {hop.name: hop for hop in hops(EVENTS, BEGAN)}
    assert waits["until serving_features starts"] == Hop("until serving_features starts", 1.0)


def test_what_starts_meanwhile_does_not_take_from_a_step() -> None:
    meanwhile = [*EVENTS, Event("another", RUN_STARTS, None, BEGAN + 23)]
    assert hops(meanwhile, BEGAN) == hops(EVENTS, BEGAN)


def test_the_order_in_which_processes_write_does_not_matter() -> None:
    """Each its own in order, but those of another run before or after."""
    by_run = sorted(EVENTS, key=lambda event: event.run_id, reverse=True)
    assert by_run != EVENTS
    assert hops(by_run, BEGAN) == hops(EVENTS, BEGAN)


def test_a_way_that_is_not_at_its_end_is_told_as_far_as_it_came() -> None:
    found = hops([event for event in EVENTS if event.step != PATH[-1]][:9], BEGAN)
    assert found[-1].name == "dvc_outs"
    assert all(hop.seconds >= 0 for hop in found)


def test_the_share_of_orchestration_is_what_is_not_own() -> None:
    lap = Lap([Hop("until run 1 starts", 3), Hop("ingest_days", 5, 5), Hop("dvc_outs", 2, 1)])
    assert (lap.seconds, lap.own) == (10, 6)
    assert lap.orchestration == pytest.approx(0.4)
    lines = told(lap).splitlines()
    assert "10.0 s" in lines[0]
    assert "40% orchestration" in lines[0]
    assert len(lines) == 4
    slower = Lap([Hop("ingest_days", 11, 11)])
    assert fastest([slower, lap, slower]) is lap


def test_the_path_is_that_of_the_graph() -> None:
    """Each step is made from the one before it."""
    from soccer_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    made_by = {
        name: {key for key in graph.materializable_asset_keys if _step_of(graph, key) == name}
        for name in PATH
    }
    assert all(made_by.values())
    for before, after in pairwise(PATH):
        deps = {dep for key in made_by[after] for dep in graph.get(key).parent_keys}
        assert deps & made_by[before], after


def _step_of(graph: object, key: object) -> str:
    return graph.get(key).assets_def.node_def.name  # type: ignore[attr-defined]
