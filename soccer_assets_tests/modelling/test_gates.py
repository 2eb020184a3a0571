import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.gates import candidate_gate, champion_gate, smoke_gate
from soccer_assets.modelling.metrics import per_match_log_loss
from soccer_assets.modelling.verdict import Verdict
from soccer_assets.params.gates import GateParams

FAST = GateParams(draws=300, ece_draws=50)


@dataclass
class Formula:
    """A stand-in model: a logistic curve of Elo, or whatever ``answer`` gives."""

    answer: object = None
    slope: float = 1 / 200
    features: tuple[str, ...] = ("elo_difference",)
    asked: list[int] = field(default_factory=list)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        self.asked.append(len(frame))
        if callable(self.answer):
            return self.answer(frame)
        elo = frame["elo_difference"].fillna(0).to_numpy()
        home = 0.1 + 0.6 / (1 + np.exp(-self.slope * elo))
        return np.column_stack([home, np.full(len(home), 0.2), 0.8 - home])

    def typical_match(self) -> pd.DataFrame:
        return pd.DataFrame({"elo_difference": [40.0]})


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"elo_difference": np.random.default_rng(0).normal(50, 150, 200)})


def failed(verdict) -> list[str]:
    return [criterion.name for criterion in verdict.failures]


def test_smoke_passes_a_working_model(frame):
    verdict = smoke_gate(Formula(), frame)
    assert verdict.passed
    assert verdict.summary() == "smoke gate passed (7 criteria)"


def test_smoke_probes_a_typical_match_when_elo_is_scarce(frame):
    model = Formula()
    assert smoke_gate(model, frame.head(5)).passed
    assert model.asked == [5, 1, 1]
    assert failed(smoke_gate(Formula(slope=-1 / 200), frame.head(5))) == ["reacts_to_elo"]


@pytest.mark.parametrize(
    ("model", "unmet"),
    [
        (Formula(slope=-1 / 200), ["reacts_to_elo"]),
        (Formula(features=("elo_difference", "form")), ["features_present"]),
        (Formula(answer=lambda f: np.full((len(f), 3), np.nan)), ["sane_probabilities"]),
        (Formula(answer=lambda f: np.full((len(f), 3), 0.5)), ["sane_probabilities"]),
        (Formula(answer=lambda f: np.full((len(f), 2), 0.5)), ["sane_probabilities"]),
        (Formula(answer=lambda f: 1 / 0), ["predicts"]),
        (
            Formula(answer=lambda f: np.tile([0.4, 0.3, 0.3], (len(f), 1))),
            ["not_constant", "reacts_to_elo"],
        ),
        (
            Formula(answer=lambda f: np.tile([0.98, 0.01, 0.01], (len(f), 1))),
            ["not_constant", "not_one_sided", "reacts_to_elo"],
        ),
    ],
)
def test_smoke_names_what_is_broken(frame, model, unmet):
    verdict = smoke_gate(model, frame)
    assert not verdict.passed
    assert failed(verdict) == unmet
    assert "failed" in verdict.summary()
    json.dumps(verdict.as_dict(), allow_nan=False)


def test_smoke_needs_rows(frame):
    assert failed(smoke_gate(Formula(), frame.iloc[:0])) == ["rows_present"]


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    return np.random.default_rng(1).exponential(1.0, 3000)


def shifted(losses: np.ndarray, by: float) -> np.ndarray:
    return losses + by + np.random.default_rng(2).normal(0, 0.05, len(losses))


def test_candidate_passes_without_champion_and_within_noise(losses):
    assert candidate_gate(losses, None, FAST).passed
    assert candidate_gate(losses, losses, FAST).passed
    assert candidate_gate(shifted(losses, -0.02), losses, FAST).passed
    assert candidate_gate(shifted(losses, 0.0), losses, FAST).passed


def test_candidate_fails_when_surely_worse(losses):
    verdict = candidate_gate(shifted(losses, 0.02), losses, FAST)
    assert failed(verdict) == ["not_worse_than_champion"]
    assert verdict.reasons[0].observed == pytest.approx(0.02, abs=0.005)
    assert "not_worse_than_champion 0.0" in verdict.summary()


def test_candidate_refuses_unlike_losses(losses):
    with pytest.raises(ValueError, match="alike"):
        candidate_gate(losses, losses[:-1], FAST)


def test_a_candidate_may_look_worse_within_a_margin_on_what_the_champion_was_chosen_by(losses):
    since = np.arange(len(losses)) >= len(losses) // 2
    noise = np.random.default_rng(3).normal(0.0, 0.005, len(losses))
    worse = losses + noise - noise.mean() + 0.0004
    assert candidate_gate(worse, losses, FAST).passed
    assert not candidate_gate(worse + 0.0006, losses, FAST).passed
    # What nobody has chosen by says the same: no luck.
    told = candidate_gate(worse, losses, FAST, since=since)
    assert failed(told) == ["not_worse_than_champion"]
    assert f"on {since.sum()} matches settled since" in told.reasons[0].explanation
    assert candidate_gate(worse - 0.0006 * since, losses, FAST, since=since).passed


@dataclass
class Judged:
    """A calibrated challenger on 4000 simulated matches, and its rivals."""

    p: np.ndarray
    y: np.ndarray
    prior: np.ndarray
    elo: np.ndarray
    worse: np.ndarray

    def gate(self, p=None, **changed):
        arguments = {
            "baseline_losses": {"class_prior": self.prior, "elo_ordered_logit": self.elo},
            "champion_losses": self.worse,
            "params": FAST,
        }
        return champion_gate(self.p if p is None else p, self.y, **arguments | changed)


@pytest.fixture(scope="module")
def judged() -> Judged:
    rng = np.random.default_rng(3)
    p = rng.dirichlet([4.0, 2.5, 3.0], size=4000)
    uniform = rng.random(4000)
    y = (uniform >= p[:, 0]).astype(int) + (uniform >= p[:, 0] + p[:, 1])

    def blurred(share: float) -> np.ndarray:
        return per_match_log_loss((1 - share) * p + share * p.mean(axis=0), y)

    return Judged(p, y, prior=blurred(1.0), elo=blurred(0.5), worse=blurred(0.4))


def test_champion_passes_a_better_calibrated_model(judged):
    verdict = judged.gate(slices={"all": np.ones(4000, dtype=bool)})
    assert verdict.passed, verdict.summary()
    assert [criterion.name for criterion in verdict.reasons] == [
        "better_than_class_prior",
        "not_worse_than_elo",
        "may_challenge",
        "not_inferior",
        "newer_or_better",
        "calibrated",
        "slice_holds[all]",
    ]
    assert judged.gate(champion_losses=None).passed
    json.dumps(verdict.as_dict(), allow_nan=False)


FAULT = "version 1 of soccer_1x2: the files of its model are gone"


def test_in_place_of_a_champion_that_cannot_be_used_a_candidate_meets_the_baselines(judged):
    def gate(losses):
        baselines = {"class_prior": judged.prior, "elo_ordered_logit": judged.elo}
        return candidate_gate(losses, None, FAST, baseline_losses=baselines, champion_fault=FAULT)

    verdict = gate(per_match_log_loss(judged.p, judged.y))
    assert verdict.passed, verdict.summary()
    told = {criterion.name: criterion for criterion in verdict.reasons}
    assert set(told) == {"not_worse_than_champion", "better_than_class_prior", "not_worse_than_elo"}
    assert FAULT in told["not_worse_than_champion"].explanation
    assert told["not_worse_than_champion"].observed is None
    assert failed(gate(judged.prior)) == ["better_than_class_prior", "not_worse_than_elo"]


def test_a_champion_that_cannot_be_used_is_named_in_the_verdict_on_its_successor(judged):
    verdict = judged.gate(champion_losses=None, champion_fault=FAULT)
    assert verdict.passed
    [told] = [one for one in verdict.reasons if one.name == "not_inferior"]
    assert FAULT in told.explanation


def test_a_verdict_is_read_back_as_it_was(judged):
    verdict = judged.gate()
    assert Verdict.from_dict(json.loads(json.dumps(verdict.as_dict()))) == verdict


def test_champion_fails_the_prior_itself(judged):
    prior = np.tile(judged.p.mean(axis=0), (4000, 1))
    assert failed(judged.gate(prior)) == [
        "better_than_class_prior",
        "not_worse_than_elo",
        "not_inferior",
        "newer_or_better",
    ]


def test_champion_fails_below_elo_alone(judged):
    own = per_match_log_loss(judged.p, judged.y)
    rivals = {"class_prior": judged.prior, "elo_ordered_logit": own - 0.001}
    assert failed(judged.gate(baseline_losses=rivals)) == ["not_worse_than_elo"]


def test_a_difference_to_elo_that_may_be_chance_is_let_pass(judged):
    own = per_match_log_loss(judged.p, judged.y)
    luckier = own - 0.001 + np.tile([0.5, -0.5], len(own) // 2)
    rivals = {"class_prior": judged.prior, "elo_ordered_logit": luckier}
    assert failed(judged.gate(baseline_losses=rivals)) == []


def test_champion_fails_when_the_current_one_is_as_good(judged):
    own = per_match_log_loss(judged.p, judged.y)
    verdict = judged.gate(champion_losses=own)
    assert failed(verdict) == ["newer_or_better"]
    assert verdict.failures[0].observed == 0.5


def test_champion_fails_when_overconfident(judged):
    sharp = judged.p**1.6 / (judged.p**1.6).sum(axis=1, keepdims=True)
    own = per_match_log_loss(sharp, judged.y)
    rivals = {"class_prior": own + shifted(own, 1.0) * 0 + 0.1, "elo_ordered_logit": own + 0.1}
    verdict = judged.gate(sharp, baseline_losses=rivals, champion_losses=None)
    assert failed(verdict) == ["calibrated"]


def test_few_matches_are_granted_the_noise_of_calibration(judged):
    few = slice(0, 250)
    verdict = champion_gate(
        judged.p[few],
        judged.y[few],
        {"class_prior": judged.prior[few], "elo_ordered_logit": judged.elo[few]},
        None,
        params=FAST,
    )
    calibrated = next(one for one in verdict.reasons if one.name == "calibrated")
    assert calibrated.observed > FAST.ece_limit
    assert calibrated.passed


def test_champion_fails_on_a_broken_slice_but_not_on_a_small_one(judged):
    broken = np.arange(4000) < 400
    p = judged.p.copy()
    p[broken] = p[broken][:, ::-1] ** 2
    p /= p.sum(axis=1, keepdims=True)
    loose = FAST.model_copy(update={"ece_limit": 1.0})
    slices = {"broken": broken, "fine": ~broken, "small": np.arange(4000) < 200}
    rivals = {"class_prior": judged.prior, "elo_ordered_logit": judged.prior + 1}
    verdict = judged.gate(
        p, baseline_losses=rivals, champion_losses=None, slices=slices, params=loose
    )
    names = [criterion.name for criterion in verdict.reasons]
    assert "slice_holds[broken]" in failed(verdict)
    assert "slice_holds[fine]" not in failed(verdict)
    assert "slice_holds[small]" not in names


def test_blocks_are_passed_on(judged):
    free = judged.gate()
    blocked = judged.gate(blocks=np.arange(4000) // 40)
    assert free.reasons[1].explanation != blocked.reasons[1].explanation
    assert blocked.passed


def test_malformed_arguments_raise(judged):
    with pytest.raises(KeyError, match="elo_ordered_logit"):
        judged.gate(baseline_losses={"class_prior": judged.prior})
    with pytest.raises(ValueError, match="slice 'x'"):
        judged.gate(slices={"x": np.ones(3, dtype=bool)})
    with pytest.raises(ValueError, match="finite"):
        judged.gate(np.full((4000, 3), np.nan))
