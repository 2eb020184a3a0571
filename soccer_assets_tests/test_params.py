import pytest
from pydantic import ValidationError

from soccer_assets.params.gates import GateParams
from soccer_assets.params.training import LEARNERS, LearnerParams, TrainingParams


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sead": 1}, "sead"),
        ({"judge_days": 0}, "judge_days"),
        ({"candidates": {}}, "candidates"),
        ({"candidates": {"forest": {}}}, "forest"),
        ({"candidates": {"boosting": {"leaves": 3}}}, "leaves"),
        ({"candidates": {"trees": {"learner": "boosting", "C": 1}}}, "boosting.*C"),
        ({"candidates": {"../plain": {"learner": "logistic"}}}, "candidates"),
        ({"candidates": {"trees": {"num_leaves": 7}}}, "unknown learner 'trees'"),
    ],
)
def test_mistakes_are_named(given, named):
    with pytest.raises(ValidationError, match=named):
        TrainingParams.model_validate(given)


def test_gate_params_are_strict():
    with pytest.raises(ValidationError, match="drawz"):
        GateParams.model_validate({"drawz": 1})


def test_candidates_have_names_of_their_own_and_any_number_a_learner():
    params = TrainingParams(
        candidates={
            "logistic": {},
            "weak": {"learner": "logistic", "C": 0.001},
            "trees": {"learner": "boosting", "rounds": 5},
        }
    )
    found = [params.learner(name) for name in params.candidates]
    assert [learner for learner, _ in found] == ["logistic", "logistic", "boosting"]
    assert found[1][1].model_dump()["C"] == 0.001
    assert found[2][1].model_dump()["rounds"] == 5


def test_a_learner_that_cannot_weigh_rows_is_refused_by_name(monkeypatch):
    class Unweighing(LearnerParams):
        weighs_rows = False

    monkeypatch.setitem(LEARNERS, "unweighing", Unweighing)
    candidates = {"heavy": {"learner": "unweighing"}}
    with pytest.raises(ValidationError, match="'heavy': unweighing cannot weigh rows"):
        TrainingParams(candidates=candidates)
    assert TrainingParams(candidates=candidates, half_life_days=None).candidates == candidates


def test_params_survive_json():
    params = TrainingParams(judge_from="2024-07-01", candidates={"logistic": {"C": 0.5}})
    assert TrainingParams.model_validate_json(params.model_dump_json()) == params
