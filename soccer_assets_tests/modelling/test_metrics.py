import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soccer_assets.modelling import metrics

P = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.6, 0.25, 0.15]])
Y = np.array([0, 0, 1])


def simulated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([4.0, 2.5, 3.0], size=n)
    uniform = rng.random(n)
    return p, (uniform >= p[:, 0]).astype(int) + (uniform >= p[:, 0] + p[:, 1])


def test_scores_match_hand_computation():
    assert metrics.per_match_log_loss(P, Y) == pytest.approx(-np.log([0.5, 0.2, 0.25]))
    assert metrics.log_loss(P, Y) == pytest.approx(-np.log(0.5 * 0.2 * 0.25) / 3)
    # Row 1: .25 + .09 + .04; row 2: .64 + .09 + .25; row 3: .36 + .5625 + .0225.
    assert metrics.brier(P, Y) == pytest.approx((0.38 + 0.98 + 0.945) / 3)
    # Cumulative gaps, row 1: .5, .2; row 2: .8, .5; row 3: .6, .15.
    assert metrics.rps(P, Y) == pytest.approx(((0.25 + 0.04) + (0.64 + 0.25) + (0.36 + 0.0225)) / 6)
    assert metrics.accuracy(P, Y) == pytest.approx(1 / 3)


def test_rps_punishes_the_far_outcome_more_than_the_near_one():
    far, near = [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]]
    assert metrics.rps(far, [0]) == pytest.approx(1.0)
    assert metrics.rps(near, [0]) == pytest.approx(0.5)
    assert metrics.brier(far, [0]) == metrics.brier(near, [0]) == pytest.approx(2.0)


def test_scores_agree_with_sklearn():
    from sklearn.metrics import log_loss, roc_auc_score

    p, y = simulated(2000, 1)
    assert metrics.log_loss(p, y) == pytest.approx(log_loss(y, p))
    assert metrics.auc_ovr(p, y) == pytest.approx(roc_auc_score(y, p, multi_class="ovr"))


def test_auc_is_half_for_constants_and_nan_when_one_outcome_only():
    assert metrics.auc_ovr(np.tile([0.4, 0.3, 0.3], (3, 1)), [0, 1, 2]) == pytest.approx(0.5)
    assert np.isnan(metrics.auc_ovr(P, [0, 0, 0]))


def test_ece_of_a_constant_is_the_distance_to_the_frequencies():
    constant = np.tile([0.5, 0.3, 0.2], (10, 1))
    outcomes = [0] * 7 + [1] * 2 + [2]
    assert metrics.ece(constant, outcomes) == pytest.approx((0.2 + 0.1 + 0.1) / 3)


def test_the_top_label_ece_looks_at_the_likeliest_outcome_alone():
    constant = np.tile([0.5, 0.3, 0.2], (10, 1))
    assert metrics.top_label_ece(constant, [0] * 7 + [1] * 2 + [2]) == pytest.approx(0.2)
    p, y = simulated(20_000, 2)
    sharp = p**2 / (p**2).sum(axis=1, keepdims=True)
    assert metrics.top_label_ece(p, y) < 0.02 < metrics.top_label_ece(sharp, y)


def test_ece_does_not_depend_on_the_order_of_rows():
    p, y = simulated(500, 3)
    p = np.round(p, 1)
    p[:, 2] = 1 - p[:, 0] - p[:, 1]
    p = np.clip(p, 0, 1)
    order = np.random.default_rng(0).permutation(500)
    assert metrics.ece(p, y) == pytest.approx(metrics.ece(p[order], y[order]), abs=1e-12)


def test_noise_ceiling_holds_calibrated_models_and_catches_overconfident_ones():
    over = 0
    for seed in range(40):
        p, y = simulated(800, seed)
        over += metrics.ece(p, y) > metrics.ece_noise_ceiling(p, draws=100, seed=seed)
    assert over <= 7
    p, y = simulated(5000, 99)
    sharp = p**2 / (p**2).sum(axis=1, keepdims=True)
    assert metrics.ece(sharp, y) > 2 * metrics.ece_noise_ceiling(sharp)


def test_noise_ceiling_shrinks_with_rows_and_is_deterministic():
    p, _ = simulated(8000, 5)
    small, large = metrics.ece_noise_ceiling(p[:500]), metrics.ece_noise_ceiling(p)
    assert small == metrics.ece_noise_ceiling(p[:500])
    assert small / large == pytest.approx(4.0, rel=0.3)


def test_reliability_curve_carries_the_ece():
    p, y = simulated(3000, 7)
    curve = metrics.reliability_curve(p, y)
    gaps = (curve["mean_probability"] - curve["observed_share"]).abs() * curve["n"]
    assert gaps.sum() / (3 * 3000) == pytest.approx(metrics.ece(p, y))
    assert (curve.groupby("outcome")["n"].sum() == 3000).all()
    assert (curve.groupby("outcome")["n"].agg(np.ptp) <= 1).all()
    assert (
        (curve["low"] <= curve["observed_share"]) & (curve["observed_share"] <= curve["high"])
    ).all()


def test_scorecard_holds_every_score():
    card = metrics.scorecard(P, Y)
    assert card.as_dict() == {
        "n": 3,
        "log_loss": metrics.log_loss(P, Y),
        "brier": metrics.brier(P, Y),
        "rps": metrics.rps(P, Y),
        "ece": metrics.ece(P, Y),
        "ece_top": metrics.top_label_ece(P, Y),
        "accuracy": metrics.accuracy(P, Y),
        "auc_ovr": card.auc_ovr,
    }


def test_a_zero_probability_stays_a_finite_loss():
    assert metrics.log_loss([[0.0, 0.5, 0.5]], [0]) == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize(
    ("probabilities", "outcomes", "message"),
    [
        ([[0.5, 0.5]], [0], "shape"),
        ([0.5, 0.3, 0.2], [0], "shape"),
        (np.empty((0, 3)), [], "no row"),
        ([[np.nan, 0.5, 0.5]], [0], "finite"),
        ([[1.2, -0.1, -0.1]], [0], r"\[0, 1\]"),
        ([[0.5, 0.3, 0.2001]], [0], "sum to 1"),
        ([[0.5, 0.3, 0.2]], [3], "outcomes"),
        ([[0.5, 0.3, 0.2]], [0.5], "outcomes"),
        ([[0.5, 0.3, 0.2]], [0, 1], "outcomes"),
    ],
)
def test_malformed_input_is_refused(probabilities, outcomes, message):
    with pytest.raises(ValueError, match=message):
        metrics.scorecard(probabilities, outcomes)


weights = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(weights, st.integers(0, 2)), min_size=1, max_size=40))
def test_scores_stay_in_their_ranges_and_mirror(rows):
    p = np.array([row for row, _ in rows])
    p /= p.sum(axis=1, keepdims=True)
    y = np.array([code for _, code in rows])
    card = metrics.scorecard(p, y)
    assert card.log_loss >= 0
    assert 0 <= card.brier <= 2
    assert 0 <= card.rps <= 1
    assert 0 <= card.ece <= 1
    # Swapping the two teams changes nothing about how good a forecast was.
    mirrored = metrics.scorecard(p[:, ::-1], 2 - y)
    assert mirrored.rps == pytest.approx(card.rps)
    assert mirrored.brier == pytest.approx(card.brier)
    assert mirrored.ece == pytest.approx(card.ece)


@settings(max_examples=40, deadline=None)
@given(weights, weights)
def test_the_truth_has_the_best_expected_score(truth, other):
    truth, other = np.array(truth) / sum(truth), np.array(other) / sum(other)
    for score in (metrics.log_loss, metrics.brier, metrics.rps):
        expected = [
            sum(truth[k] * score(forecast[None], [k]) for k in range(3))
            for forecast in (truth, other)
        ]
        assert expected[0] <= expected[1] + 1e-12
