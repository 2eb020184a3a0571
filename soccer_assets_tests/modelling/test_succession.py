"""Who follows the champion: not worse and newer, or surely better; and never by trying again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.arrays import FloatArray
from soccer_assets.modelling.succession import (
    Challenge,
    fresh_from,
    fresh_matches,
    share_of_level,
    succession,
)
from soccer_assets.params.gates import GateParams

PARAMS = GateParams(draws=1000)
N = 6000
WEEKS = np.arange(N) // 230


def failed(
    difference: FloatArray,
    *,
    newer_days: float = 30.0,
    attempt: int = 1,
    fresh: object = None,
    barred: str | None = None,
    since: object = None,
) -> list[str]:
    """The criteria that a challenger with these differences to the champion does not meet."""
    champion = np.random.default_rng(0).exponential(1.0, len(difference))
    rows = np.ones(len(difference), dtype=bool) if fresh is None else np.asarray(fresh)
    settled_since = None if since is None else np.asarray(since)
    challenge = Challenge(rows, newer_days, attempt, barred, settled_since)
    found = succession(champion + difference, champion, challenge, PARAMS, WEEKS)
    return [one.name for one in found if not one.passed]


def differences(mean: float, sd: float = 0.02, seed: int = 1) -> FloatArray:
    noise = np.random.default_rng(seed).normal(0.0, sd, N)
    return mean + noise - noise.mean()


def test_an_equal_with_newer_data_succeeds_and_one_with_the_same_data_does_not() -> None:
    assert failed(differences(0.0)) == []
    assert failed(differences(0.0), newer_days=3.0) == ["newer_or_better"]


def test_one_on_the_same_data_has_to_be_surely_better() -> None:
    assert failed(differences(-0.002), newer_days=0.0) == []


def test_one_that_is_worse_by_more_than_the_margin_does_not_succeed_however_new() -> None:
    assert failed(differences(0.0012)) == ["not_inferior"]
    assert failed(differences(0.0012), newer_days=179.0) == ["not_inferior"]


def test_one_that_cannot_be_told_from_the_champion_waits_until_the_champion_is_old() -> None:
    vague = differences(0.0, sd=0.2)
    assert failed(vague) == ["not_inferior"]
    assert failed(vague, newer_days=180.0) == []
    # But a worse one waits for ever.
    assert failed(differences(0.002), newer_days=2000.0) == ["not_inferior"]


def test_what_the_champion_was_chosen_by_does_not_keep_an_equal_out_for_ever() -> None:
    since = np.arange(N) >= N // 2
    # The champion was lucky on the matches it was chosen by; on those settled since they are equals.
    lucky = differences(0.0) + np.where(since, 0.0, 0.0017)
    assert failed(lucky, newer_days=60.0, since=since) == []
    assert failed(lucky, newer_days=59.0, since=since) == ["not_inferior"]
    # Worse on what nobody chose by, or by more than luck explains: not an equal.
    assert failed(lucky[::-1], newer_days=60.0, since=since) == ["not_inferior"]
    assert failed(lucky + 0.0007, newer_days=60.0, since=since) == ["not_inferior"]
    # A handful settled since says nothing.
    assert failed(lucky[::-1], newer_days=60.0, since=np.arange(N) >= N - 299) == []


def test_one_that_was_better_lately_and_much_worse_before_does_not_succeed() -> None:
    late = np.arange(N) >= N // 2
    difference = differences(0.0) + np.where(late, -0.002, 0.006)
    assert failed(difference, fresh=late) == ["holds_on_older_matches"]
    assert failed(differences(0.0) + np.where(late, -0.002, 0.001), fresh=late) == []
    # Too few older matches say nothing.
    assert failed(differences(0.0), fresh=np.arange(N) >= 299) == []


def test_what_is_barred_does_not_succeed_whatever_it_is_worth() -> None:
    assert failed(differences(-0.01), barred="it was replaced before") == ["may_challenge"]


def test_the_same_figures_pass_a_first_attempt_and_not_a_fifth() -> None:
    close = differences(0.00045)
    assert failed(close) == []
    assert failed(close, attempt=5) == ["not_inferior"]
    better = differences(-0.0004)
    assert failed(better, newer_days=0.0) == []
    assert failed(better, newer_days=0.0, attempt=5) == ["newer_or_better"]


@given(st.integers(1, 10_000))
def test_however_many_attempts_spend_no_more_than_two_first_ones(attempts: int) -> None:
    assert sum(share_of_level(k) for k in range(1, attempts + 1)) < np.pi**2 / 6


def test_the_fresh_window_holds_all_that_was_settled_since_and_nine_months() -> None:
    until = pd.Timestamp("2025-03-01", tz="UTC")
    kickoffs = pd.Series(pd.date_range("2024-03-01", "2025-03-01", freq="6h", tz="UTC"))
    for champion, begins in (("2025-02-01", "2024-06-04"), ("2024-05-01", "2024-05-01")):
        since = fresh_from(until, pd.Timestamp(champion, tz="UTC"), PARAMS)
        assert since == pd.Timestamp(begins, tz="UTC")
        fresh = fresh_matches(kickoffs, since, PARAMS)
        assert (kickoffs[fresh] >= since).all()
        assert fresh.sum() == (kickoffs >= since).sum()
    # A handful would be sure of anything.
    assert fresh_matches(kickoffs[-299:], until, PARAMS).all()


def test_losses_of_other_matches_are_refused() -> None:
    champion = np.ones(10)
    with pytest.raises(ValueError, match="alike"):
        succession(np.ones(10), champion, Challenge(np.ones(9, dtype=bool), 1.0), PARAMS)
