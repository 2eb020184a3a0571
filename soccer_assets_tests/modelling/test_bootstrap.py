import numpy as np
import pytest
from scipy.stats import norm

from soccer_assets.modelling.bootstrap import blocked_standard_error, paired_bootstrap


def losses(n: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    b = rng.exponential(1.0, n)
    return b + rng.normal(shift, 0.2, n), b


def test_agrees_with_the_normal_theory():
    a, b = losses(4000, -0.004)
    found = paired_bootstrap(a, b, draws=4000)
    difference = a - b
    error = difference.std() / np.sqrt(4000)
    assert found.mean_difference == pytest.approx(difference.mean())
    assert found.low == pytest.approx(difference.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(difference.mean() + 1.96 * error, abs=0.15 * error)
    assert found.probability_a_better == pytest.approx(
        norm.cdf(-difference.mean() / error), abs=0.02
    )
    assert found.n == 4000


def test_antisymmetric_and_deterministic():
    a, b = losses(500, 0.01)
    forward, backward = paired_bootstrap(a, b, seed=5), paired_bootstrap(b, a, seed=5)
    assert forward == paired_bootstrap(a, b, seed=5)
    assert forward.low == pytest.approx(-backward.high)
    assert forward.probability_a_better == pytest.approx(1 - backward.probability_a_better)


def test_the_same_model_is_a_coin_toss():
    a, _ = losses(100, 0.0)
    found = paired_bootstrap(a, a)
    assert (found.mean_difference, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.probability_a_better == 0.5


def test_blocks_widen_the_interval_when_days_share_a_shock():
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(60), 50)
    difference = rng.normal(0, 0.3, 60)[day] + rng.normal(0, 0.1, 3000)
    zero = np.zeros(3000)
    free = paired_bootstrap(difference, zero)
    blocked = paired_bootstrap(difference, zero, blocks=day)
    assert (blocked.high - blocked.low) > 4 * (free.high - free.low)
    assert blocked.mean_difference == free.mean_difference


def test_blocks_of_one_match_are_no_blocks():
    a, b = losses(300, 0.0)
    assert paired_bootstrap(a, b, blocks=np.arange(300)) == paired_bootstrap(a, b)


def test_more_rows_than_a_chunk(monkeypatch):
    a, b = losses(300, 0.0)
    whole = paired_bootstrap(a, b, draws=101)
    monkeypatch.setattr("soccer_assets.modelling.bootstrap.CHUNK_ELEMENTS", 100)
    assert paired_bootstrap(a, b, draws=101).mean_difference == whole.mean_difference


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1.0], [1.0, 2.0], {}, "alike"),
        ([], [], {}, "no match"),
        ([np.nan], [1.0], {}, "finite"),
        ([1.0], [1.0], {"draws": 0}, "draws"),
        ([1.0], [1.0], {"confidence": 1.0}, "confidence"),
        ([1.0], [1.0], {"blocks": [1, 2]}, "blocks"),
    ],
)
def test_malformed_input_is_refused(a, b, options, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(a, b, **options)


def test_the_standard_error_of_blocks_is_that_of_their_means():
    rng = np.random.default_rng(3)
    values = rng.normal(size=600)
    alone = blocked_standard_error(values, np.arange(600))
    assert alone == pytest.approx(values.std(ddof=1) / np.sqrt(600))
    shared = np.repeat(rng.normal(size=60), 10)
    assert blocked_standard_error(shared, np.repeat(np.arange(60), 10)) == pytest.approx(
        shared[::10].std(ddof=1) / np.sqrt(60)
    )
    assert blocked_standard_error(values, np.zeros(600)) == np.inf
