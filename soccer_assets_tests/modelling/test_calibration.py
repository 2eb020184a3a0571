import numpy as np
import pytest
from scipy.optimize import check_grad

from soccer_assets.modelling import calibration
from soccer_assets.modelling.calibration import VectorScaling, scaling_if_better
from soccer_assets.modelling.metrics import ece, log_loss


def simulated(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([4.0, 2.5, 3.0], size=n)
    uniform = rng.random(n)
    return p, (uniform >= p[:, 0]).astype(int) + (uniform >= p[:, 0] + p[:, 1])


def sharpened(p: np.ndarray) -> np.ndarray:
    return p**2 / (p**2).sum(axis=1, keepdims=True)


def test_overconfidence_is_undone():
    p, y = simulated(20_000)
    scaling = VectorScaling().fit(sharpened(p), y)
    assert scaling.scale == pytest.approx(0.5, abs=0.05)
    later, truth = simulated(20_000, seed=1)
    corrected = scaling.transform(sharpened(later))
    assert ece(corrected, truth) < 0.5 * ece(sharpened(later), truth)
    assert log_loss(corrected, truth) == pytest.approx(log_loss(later, truth), abs=2e-3)
    assert corrected.sum(axis=1) == pytest.approx(1.0)


def test_calibrated_probabilities_are_left_nearly_alone():
    p, y = simulated(20_000)
    assert VectorScaling().fit(p, y).transform(p) == pytest.approx(p, abs=0.03)


def test_the_fitted_rows_never_score_worse():
    for seed in range(5):
        p, y = simulated(300, seed)
        assert log_loss(VectorScaling(ridge=1).fit(p, y).transform(p), y) <= log_loss(p, y) + 1e-9


def test_few_rows_leave_the_identity():
    p, y = simulated(199)
    scaling = VectorScaling().fit(p, y)
    assert scaling.is_identity
    assert (scaling.transform(p) == p).all()


def test_the_ridge_pulls_to_the_identity():
    p, y = simulated(400)
    scaling = VectorScaling(ridge=1e9).fit(sharpened(p), y)
    assert scaling.scale == pytest.approx(1.0, abs=1e-5)
    assert scaling.bias == pytest.approx(0.0, abs=1e-5)


def test_zero_probabilities_are_survived():
    p, y = simulated(500)
    p[:50] = [1.0, 0.0, 0.0]
    assert np.isfinite(VectorScaling().fit(p, y).transform(p)).all()


def test_gradient_is_analytic():
    p, y = simulated(100)
    logs = np.log(p)
    error = check_grad(
        lambda t: calibration._penalised_loss(t, logs, y, 3.0)[0],
        lambda t: calibration._penalised_loss(t, logs, y, 3.0)[1],
        np.array([0.8, 1.1, 1.3, 0.1, -0.2, 0.0]),
    )
    assert error < 1e-6


def test_a_negative_ridge_is_refused():
    with pytest.raises(ValueError, match="ridge"):
        VectorScaling(ridge=-1)


def test_scaling_is_kept_only_if_it_helps_out_of_time():
    folds = [simulated(2000, seed) for seed in range(3)]
    truth = [y for _, y in folds]
    weeks = np.arange(2000) // 50
    calibrated = [p for p, _ in folds]
    assert scaling_if_better(calibrated, truth, weeks, seed=0).is_identity
    too_sure = [sharpened(p) for p, _ in folds]
    kept = scaling_if_better(too_sure, truth, weeks, seed=0)
    assert kept.scale == pytest.approx(0.5, abs=0.1)
    all_of_it = VectorScaling().fit(np.concatenate(too_sure), np.concatenate(truth))
    assert (kept.scale == all_of_it.scale).all()
    # What was off once and is so no more has nothing to undo.
    mended = [*too_sure[:2], calibrated[2]]
    assert scaling_if_better(mended, truth, weeks, seed=0).is_identity
    assert scaling_if_better(too_sure[:1], truth[:1], weeks, seed=0).is_identity
