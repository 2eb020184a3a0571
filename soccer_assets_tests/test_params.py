import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from soccer_assets.bounds import MOST_DAYS, MOST_HOURS, Section
from soccer_assets.feed.limits import FeedLimits
from soccer_assets.params import Params, ServingParams, read_params
from soccer_assets.params.document import read_document
from soccer_assets.params.gates import GateParams
from soccer_assets.params.maintenance import MaintenanceParams
from soccer_assets.params.training import LEARNERS, LearnerParams, TrainingParams
from soccer_assets.settings import DEFAULT_PARAMS, SettingsError


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


def _sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model, and those of its fields, whatever holds them."""
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _sections(kind)


SECTIONS = list(dict.fromkeys([*_sections(Params), *LEARNERS.values()]))


def _numbers() -> Iterator[tuple[type[BaseModel], str, bool]]:
    """Every field that is a number: its model, its name, whether it is a list of them."""
    for model in SECTIONS:
        for name, schema in model.model_json_schema()["properties"].items():
            kinds = [schema, *schema.get("anyOf", []), schema.get("items", {})]
            if any(kind.get("type") in ("number", "integer") for kind in kinds):
                yield model, name, schema.get("type") == "array"


NUMBERS = list(_numbers())
#: What may be less than nothing: a depth of -1 is none, the others are differences.
MAY_BE_BELOW_ZERO = {
    *("max_depth", "elo_home_advantage"),
    *("start_level", "start_advantage", "start_attack", "start_defence"),
}


def test_every_section_and_every_number_is_looked_at() -> None:
    assert all(issubclass(model, Section) for model in SECTIONS)
    assert len(SECTIONS) > 20
    assert len(NUMBERS) > 120
    assert {name for _, name, _ in NUMBERS} >= MAY_BE_BELOW_ZERO


def refused_for(model: type[BaseModel], given: dict[str, Any]) -> set[str]:
    """The keys that are named where the values are refused."""
    try:
        model.model_validate(given)
    except ValidationError as error:
        return {str(found["loc"][0]) for found in error.errors()}
    return set()


@pytest.mark.parametrize(
    "value",
    [
        *(float("inf"), float("-inf"), float("nan"), 1e300, -1e300, 10**400, 10**12),
        *(True, "7", "36:00", -1),
    ],
    ids=lambda value: repr(value)[:8],
)
def test_no_number_is_taken_that_nothing_can_compute_with(value: Any) -> None:
    """Whatever the section: what is no number, has no end or is absurd is refused by its key."""
    given = [
        (model, name, [value] if is_list else value)
        for model, name, is_list in NUMBERS
        if not (value == -1 and name in MAY_BE_BELOW_ZERO)
    ]
    taken = [name for model, name, value in given if refused_for(model, {name: value}) != {name}]
    assert taken == []


@pytest.mark.parametrize(("model", "name"), [(model, name) for model, name, _ in NUMBERS])
def test_a_bound_that_a_field_has_of_its_own_holds_beside_the_shared_one(
    model: type[BaseModel], name: str
) -> None:
    schema = model.model_json_schema()["properties"][name]
    beyond = [schema[key] - 1 for key in ("minimum", "exclusiveMinimum") if key in schema]
    beyond += [schema[key] + 1 for key in ("maximum", "exclusiveMaximum") if key in schema]
    for value in beyond:
        assert refused_for(model, {name: value}) == {name}


def test_the_longest_spans_there_may_be_are_some_that_moments_can_be_moved_by() -> None:
    serving = ServingParams(max_age_hours=MOST_HOURS, recent_days=MOST_DAYS)
    kept = MaintenanceParams(run_days=MOST_DAYS, planned_hours=MOST_HOURS)
    limits = FeedLimits(kickoff_days=MOST_DAYS)
    recent = timedelta(days=serving.recent_days)
    for span in (serving.max_age, kept.run_age, kept.planned_age, limits.kickoff_span, recent):
        for now in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)):
            assert now - span < now < now + span


def told(folder: Path, text: str | bytes) -> str:
    """What is said of a file of parameters that is refused."""
    file = folder / "own.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as raised:
        read_params(file)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"parameters {file}: ")
    return line.removeprefix(f"parameters {file}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gates: {seed: 1}\nserving: {}\ngates: {}", "gates: given twice, in lines 1 and 3"),
        ("gates:\n  seed: 1\n  draws: 200\n  seed: 2", "seed: given twice, in lines 2 and 4"),
        ('gates: {seed: 1, "seed": 2}', "seed: given twice"),
        ("[" * 3000, "not YAML: nested too deeply"),
        ("a: " + "{a: " * 3000, "not YAML: nested too deeply"),
        ("ingestion: {first_day: 2024-02-30}", "not YAML: day .*"),
        ("gates: {seed: " + "9" * 5000 + "}", "not YAML: Exceeds the limit"),
        (b"\xff", "not YAML: 'utf-8' codec"),
        ("gates: {[1]: 2}", "not YAML: .*unhashable key"),
        ("serving: {max_age_hours: 36:00}", "serving.max_age_hours: Input should be a valid num"),
        ("serving: {max_age_hours: yes}", "serving.max_age_hours: Input should be a valid number"),
        ("serving: {max_age_hours: true}", "serving.max_age_hours: Input should be a valid num"),
        ("serving: {max_age_hours: .inf}", "serving.max_age_hours: Input should be a finite"),
        ("serving: {max_age_hours: 1e12}", "serving.max_age_hours: .*than 876,600"),
        ("serving: {recent_days: 1000000}", "serving.recent_days: .*than 36,525"),
        ("gates: {seed: 020}", "gates.seed: Input should be a valid integer"),
        ("gates: {seed: 0x10}", "gates.seed: Input should be a valid integer"),
        ("gates: {seed: 1:30}", "gates.seed: Input should be a valid integer"),
        ("training: {half_life_days: .inf}", "training.half_life_days: .*finite"),
        ("training: {candidates: {logistic: {C: .nan}}}", "training: .*'logistic': C: .*finite"),
        ("ingestion: {days_ahead: 10000000}", "ingestion.days_ahead: .*than 366"),
        ("ingestion: {first_day: 0}", "ingestion.first_day: .*a day like 2025-03-01"),
        ("ingestion: {first_day: '0'}", "ingestion.first_day: .*a day like 2025-03-01"),
        ("ingestion: {first_day: '9999-12-31'}", "ingestion.first_day: .*years 1863 to 2125"),
        ("ingestion: {first_day: 0001-01-01}", "ingestion.first_day: .*years 1863 to 2125"),
        ("training: {judge_from: 0}", "training.judge_from: .*a day like 2025-03-01"),
        ("training: {judge_from: 9999-12-31}", "training.judge_from: .*years 1863 to 2125"),
        ("alerting: {repeat_hours: [24, 1]}", "alerting.repeat_hours: .*longer than the one before"),
        ("alerting: {repeat_hours: [1, 1]}", "alerting.repeat_hours: .*longer than the one before"),
        ("monitoring: {shift: {odd_years: 99}}", "monitoring.shift: .*odd_years 99 must be less than"),
        ("monitoring: {shift: {odd_years: 5}}", "monitoring.shift: .*former_years 5"),
        *((nothing, "Input should be a valid dictionary") for nothing in ("false", "0", "[]", "''")),
    ],
)  # fmt: skip
def test_what_a_file_must_not_say_is_told_in_one_line(
    tmp_path: Path, text: str | bytes, line: str
) -> None:
    assert re.match(line, told(tmp_path, text))


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "{}"])
def test_an_empty_file_is_all_defaults(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    assert read_params(tmp_path / "own.yaml") == Params()


def test_what_anybody_reads_as_a_number_is_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "ingestion: {first_day: 2010-08-14}\n"
        "features: &shared {market: {is_used: true}, ratings: {elo_home_advantage: -.5}}\n"
        "gates: {seed: 0, older_margin: 1e-3, draws: 20_000, ece_limit: 2.}\n"
        "training: {candidates: {logistic: {C: 1e-3}}, half_life_days: null}\n"
        "monitoring: {drift: {ignored: [elo_home]}}\n"
        "serving: {<<: {recent_days: 3, max_age_hours: 4}, recent_days: +5}\n"
    )
    read = read_params(tmp_path / "own.yaml")
    assert read.ingestion.first_day == date(2010, 8, 14)
    assert (read.features.market.is_used, read.features.ratings.elo_home_advantage) == (True, -0.5)
    assert (read.gates.seed, read.gates.older_margin, read.gates.draws) == (0, 0.001, 20_000)
    assert read.gates.ece_limit == 2
    assert read.training.candidates == {"logistic": {"C": 0.001}}
    assert read.training.half_life_days is None
    assert read.monitoring.drift.ignored == ("elo_home",)
    assert (read.serving.recent_days, read.serving.max_age_hours) == (5, 4)


def test_the_parameters_of_the_package_are_read_as_yaml_reads_them() -> None:
    """Nothing in the file has two readings, so no revision and no recipe depends on who reads it."""
    document = yaml.safe_load(DEFAULT_PARAMS.read_text())
    assert read_document(DEFAULT_PARAMS) == document
    read = read_params(DEFAULT_PARAMS)
    assert read == Params.model_validate(document)
    assert Params.model_validate(read.model_dump(mode="json")) == read
