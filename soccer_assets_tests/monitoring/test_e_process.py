"""An e-process is rarely wrong however often one looks, and finds what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.monitoring.e_process import (
    alarm_of,
    e_benjamini_hochberg,
    log_e_process,
    log_e_process_two_sided,
    scaled,
)

STREAMS, LENGTH = 300, 1000
#: 5 %, and three standard errors of so many streams.
LIMIT = 0.05 + 3 * (0.05 * 0.95 / STREAMS) ** 0.5


def rung_share(draw, process) -> float:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(11)
    return float(np.mean([alarm_of(process(draw(rng))).rung for _ in range(STREAMS)]))


DRAWS = {
    "signs": lambda rng: rng.choice([-1.0, 1.0], LENGTH),
    "rarely and much": lambda rng: np.where(rng.random(LENGTH) < 0.02, 0.98, -0.02),
    "changing spread": lambda rng: rng.normal(0, np.linspace(0.01, 0.3, LENGTH)).clip(-1, 1),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_stream_without_a_shift_rarely_rings_ever(draw) -> None:  # type: ignore[no-untyped-def]
    begun = range(0, LENGTH, 300)
    assert rung_share(draw, lambda x: log_e_process(x, begun)) <= LIMIT
    assert rung_share(draw, lambda x: log_e_process_two_sided(x, 0.0, begun)) <= LIMIT


def test_a_shift_that_begins_late_is_seen_sooner_by_a_stake_that_waited() -> None:
    rng = np.random.default_rng(3)
    quiet, harmed = rng.normal(-0.05, 0.2, 8000), rng.normal(0.05, 0.2, 4000)
    x = np.concatenate([quiet, harmed]).clip(-1, 1)
    once, anew = (alarm_of(log_e_process(x, b)) for b in ((0,), range(0, 12000, 1000)))
    assert anew.first is not None
    assert 8000 < anew.first < 8600
    assert once.first is None or once.first > anew.first


def test_both_sides_are_seen_and_a_margin_is_granted() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.3, 6000).clip(-0.8, 0.8)
    for mean in (-0.06, 0.06):
        assert alarm_of(log_e_process_two_sided(noise + mean, 0.01)).rung
        assert not alarm_of(log_e_process_two_sided(noise + mean, 0.08)).rung


@given(st.lists(st.floats(-1, 1), max_size=30), st.integers(0, 29))
def test_what_comes_later_changes_nothing_before(values: list[float], cut: int) -> None:
    whole = log_e_process(values, (0,))
    assert log_e_process(values[:cut], (0,)) == pytest.approx(whole[:cut])


@given(st.floats(0.001, 0.999))
def test_a_fair_bet_gains_nothing_in_the_mean(p: float) -> None:
    # Two outcomes with mean 0: the expected stake after one of them is the stake before.
    up, down = (1 - p), -p
    gained = p * np.exp(log_e_process([up]))[0] + (1 - p) * np.exp(log_e_process([down]))[0]
    assert gained == pytest.approx(1.0)


def test_values_out_of_bounds_are_refused_and_scaling_keeps_them() -> None:
    with pytest.raises(ValueError, match="in \\[-1, 1\\]"):
        log_e_process([1.5])
    held = scaled([-9.0, 0.1, 9.0], 0.1, 0.5)
    assert held == pytest.approx([-0.6, 0.0, 0.4])
    assert alarm_of(log_e_process([])).e_value == 1.0


def test_hypotheses_fall_by_their_rank() -> None:
    assert e_benjamini_hochberg([1.0, 60.0, 1.0]).tolist() == [1]
    assert e_benjamini_hochberg([1.0, 59.0, 1.0]).tolist() == []
    # Two at 30 fall together though each alone would not.
    assert sorted(e_benjamini_hochberg([30.0, 1.0, 30.0]).tolist()) == [0, 2]
    assert e_benjamini_hochberg([]).tolist() == []
