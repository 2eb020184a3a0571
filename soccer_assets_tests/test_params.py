import pytest
from pydantic import ValidationError

from soccer_assets.params.gates import GateParams
from soccer_assets.params.training import TrainingParams


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sead": 1}, "sead"),
        ({"holdout_share": 1.5}, "holdout_share"),
        ({"candidates": {}}, "candidates"),
        ({"candidates": {"forest": {}}}, "forest"),
        ({"candidates": {"boosting": {"leaves": 3}}}, "leaves"),
        ({"calibration_share": 0.6, "validation_share": 0.5}, "nothing to train on"),
    ],
)
def test_mistakes_are_named(given, named):
    with pytest.raises(ValidationError, match=named):
        TrainingParams.model_validate(given)


def test_gate_params_are_strict():
    with pytest.raises(ValidationError, match="drawz"):
        GateParams.model_validate({"drawz": 1})


def test_params_survive_json():
    params = TrainingParams(holdout_from="2024-07-01", candidates={"logistic": {"C": 0.5}})
    assert TrainingParams.model_validate_json(params.model_dump_json()) == params
