"""What becomes of the model is told: a training and why, and each verdict once."""

from typing import Any

import dagster as dg

from soccer_assets_tests.automation.alert_desk import Desk
from soccer_assets_tests.fake_slack import Slack


def verdicts(**of_gates: bool) -> dg.Definitions:
    """A training whose version 7 passes some gates, as the real assets say it."""

    def told(passed: bool) -> dict[str, Any]:
        verdict = "log loss -0.004 against the champion"
        return {"version": 7, "mlflow_run_id": "abc", "promoted": passed, "verdict": verdict}

    @dg.asset
    def trained_model() -> None: ...

    def gate(name: str, passed: bool) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=[trained_model])
        def asset() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata=told(passed))

        return asset

    @dg.asset(deps=[trained_model], output_required=False)
    def registered_model(context: dg.AssetExecutionContext) -> Any:
        context.log_event(dg.AssetObservation("registered_model", metadata=told(True)))
        yield from ()

    assets = [trained_model, registered_model, *(gate(*one) for one in of_gates.items())]
    job = dg.define_asset_job("nightly", dg.AssetSelection.all())
    return dg.Definitions(assets=assets, jobs=[job])


def test_a_training_and_its_reasons_and_the_new_champion_are_told(desk: Desk, slack: Slack) -> None:
    desk.definitions = verdicts(candidate_model=True, champion_model=True)
    desk.run(tags={"soccer/trigger": "shift, volume", "soccer/because": "812 new matches"})
    desk.tell()
    desk.run(tags={"soccer/trigger": "update"})  # the same version: nothing new of it
    desk.tell()
    told = [text.splitlines()[:2] for text in slack.posted if "champion" in text]
    assert told == [
        [":trophy: Version 7 is champion", "verdict: log loss -0.004 against the champion"]
    ]
    [begun, _] = [text for text in slack.posted if "begun" in text]
    assert begun.startswith(":gear: A training has begun: shift, volume")
    assert "because: 812 new matches" in begun


def test_a_version_that_a_gate_refuses_is_told_with_what_it_lacks(desk: Desk, slack: Slack) -> None:
    desk.definitions = verdicts(candidate_model=False)
    for _ in range(2):
        desk.run()
        desk.tell()
    [text] = [text for text in slack.posted if "refused" in text]
    assert text.startswith(":information_source: Version 7 was refused at the gate candidate")
    assert "verdict: log loss -0.004" in text
