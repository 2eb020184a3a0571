import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from soccer_assets.modelling.profile import ReferenceProfile
from soccer_assets.monitoring.drift import drift_report, expected_psi, feature_drift, psi
from soccer_assets.params import DriftParams


def sample(n: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "elo": 200.0 * (rng.normal(size=n) * scale + shift) + 50,
            "skewed": rng.exponential(2.0, n) * scale + 2.0 * shift,
            "binary": (rng.random(n) < np.clip(0.3 + 0.4 * shift, 0, 1)).astype(float),
            "count": rng.poisson(2.5 * (1 + shift), n).astype(float),
            "gappy": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n) + shift),
        }
    )


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    frame = sample(20_000, 0)
    return ReferenceProfile.build(frame, list(frame))


def test_psi_by_hand():
    assert psi([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5))
    assert psi([0.2, 0.8], [0.2, 0.8]) == 0.0
    assert np.isfinite(psi([1.0, 0.0], [0.0, 1.0]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=2, max_size=12))
def test_psi_is_symmetric_and_not_negative(pairs):
    a, b = np.array(pairs).T
    a, b = a / a.sum(), b / b.sum()
    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, b) >= -1e-12


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1.0], [0.5, 0.5], "alike"), ([0.5, 0.6], [0.5, 0.5], "sum"), ([1.5, -0.5], [1, 0], "neg")],
)
def test_malformed_shares_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        psi(a, b)


@pytest.mark.parametrize("n", [60, 200, 5000])
def test_no_drift_within_one_distribution(profile, n):
    for seed in range(1, 21):
        report = drift_report(profile, sample(n, seed))
        assert report.drifted_features == []
        assert not report.drifted


@pytest.mark.parametrize("n", [200, 5000])
def test_a_shift_is_seen_in_every_feature(profile, n):
    report = drift_report(profile, sample(n, 1, shift=1.0))
    assert set(report.drifted_features) == {"elo", "skewed", "binary", "count", "gappy"}
    assert report.share_drifted == 1.0
    assert report.drifted
    assert report.as_dict()["live_rows"] == n


def test_a_change_of_spread_is_seen(profile):
    table = feature_drift(profile, sample(2000, 1, scale=2.5)).set_index("feature")
    assert table.loc["elo", "drifted"]
    assert table.loc["skewed", "drifted"]
    assert not table.loc["binary", "drifted"]


def test_the_bias_of_psi_is_taken_off(profile):
    corrected = [
        feature_drift(profile, sample(200, seed)).set_index("feature").loc["elo", "psi"]
        for seed in range(1, 41)
    ]
    assert abs(np.mean(corrected)) < 0.25 * expected_psi(10, 200, 20_000)
    assert expected_psi(10, 200, 20_000) == pytest.approx(9 * (1 / 200 + 1 / 20_000))


def test_wasserstein_agrees_with_scipy(profile):
    reference, live = sample(20_000, 0), sample(3000, 5, shift=0.7)
    table = feature_drift(profile, live).set_index("feature")
    for name in ("elo", "skewed"):
        exact = wasserstein_distance(reference[name], live[name]) / reference[name].std(ddof=0)
        assert table.loc[name, "wasserstein"] == pytest.approx(exact, rel=0.03)


def test_missing_values_drift_by_themselves(profile):
    live = sample(1000, 3)
    live.loc[:299, "elo"] = np.nan
    live["binary"] = np.nan
    table = feature_drift(profile, live).set_index("feature")
    assert table.loc["elo", "missing_shift"] == pytest.approx(0.3)
    assert table.loc["elo", "drifted"]
    assert table.loc["binary", "drifted"]
    assert np.isnan(table.loc["binary", "psi"])
    assert not table.loc["gappy", "drifted"]


def test_too_few_rows_are_not_judged(profile):
    table = feature_drift(profile, sample(20, 1, shift=3.0))
    assert not table["drifted"].any()
    assert (table["psi"].dropna() > 0.5).any()
    empty = drift_report(profile, sample(0, 1))
    assert (empty.live_rows, empty.drifted) == (0, False)


def test_constant_and_unknown_features():
    reference = pd.DataFrame({"constant": np.full(500, 3.0), "unknown": np.full(500, np.nan)})
    profile = ReferenceProfile.build(reference, ["constant", "unknown"])
    same = feature_drift(profile, reference)
    assert not same["drifted"].any()
    moved = feature_drift(profile, reference.assign(constant=5.0, unknown=1.0))
    assert moved["drifted"].all()
    below = feature_drift(profile, reference.assign(constant=1.0)).set_index("feature")
    assert below.loc["constant", "drifted"]


def test_thresholds_decide(profile):
    live = sample(3000, 1, shift=0.3)
    strict = DriftParams(psi=0.02, wasserstein=0.05)
    lax = DriftParams(psi=5.0, wasserstein=5.0)
    assert drift_report(profile, live, strict).drifted
    assert not drift_report(profile, live, lax).drifted
    one = sample(3000, 1).assign(elo=1e4)
    assert drift_report(profile, one).share_drifted == pytest.approx(0.2)
    assert not drift_report(profile, one).drifted
    assert drift_report(profile, one, DriftParams(max_share_drifted=0.2)).drifted


def test_ignored_features_are_left_out(profile):
    live = sample(1000, 1).assign(elo=1e4).drop(columns="gappy")
    table = feature_drift(profile, live, DriftParams(ignored=("elo", "gappy")))
    assert set(table["feature"]) == {"skewed", "binary", "count"}
    assert not table["drifted"].any()


def test_profiles_survive_json():
    frame = sample(300, 0).assign(unknown=np.nan)
    profile = ReferenceProfile.build(frame, list(frame))
    again = ReferenceProfile.from_json(profile.to_json())
    assert again.to_json() == profile.to_json()
    live = sample(200, 1).assign(unknown=1.0)
    pd.testing.assert_frame_equal(feature_drift(profile, live), feature_drift(again, live))
    with pytest.raises(ValueError, match="not a reference profile"):
        ReferenceProfile.from_json('{"rows": 3}')
    with pytest.raises(ValueError, match="Expecting"):
        ReferenceProfile.from_json("no json")


def test_malformed_input_is_refused(profile):
    frame = sample(100, 0)
    with pytest.raises(ValueError, match="absent: elo"):
        feature_drift(profile, frame.drop(columns="elo"))
    with pytest.raises(ValueError, match="absent: speed"):
        ReferenceProfile.build(frame, ["speed"])
    with pytest.raises(ValueError, match="no rows"):
        ReferenceProfile.build(frame.iloc[:0], ["elo"])
    with pytest.raises(ValueError, match="bins"):
        ReferenceProfile.build(frame, ["elo"], bins=1)


def test_the_order_of_reference_rows_does_not_matter(profile):
    frame = sample(20_000, 0).sample(frac=1.0, random_state=1)
    again = ReferenceProfile.build(frame, list(frame))
    assert again.features["elo"].edges == profile.features["elo"].edges
    assert again.features["count"].shares == profile.features["count"].shares
