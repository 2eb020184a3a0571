import pickle

import numpy as np
import pandas as pd
import pytest

from soccer_assets.modelling.calibration import VectorScaling
from soccer_assets.modelling.estimators import make_estimator
from soccer_assets.modelling.model import MissingFeatures, OutcomeModel
from soccer_assets_tests.modelling.synthetic import FEATURES, rows_of, simulate_matches


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return simulate_matches(800)


@pytest.fixture(scope="module", params=["logistic", "boosting"])
def model(request, frame) -> OutcomeModel:
    params = {"rounds": 15, "n_jobs": 1} if request.param == "boosting" else {}
    rows = rows_of(frame)
    estimator = make_estimator(request.param, params).fit(rows)
    return OutcomeModel(
        name=request.param,
        features=tuple(FEATURES),
        estimator=estimator,
        calibrator=VectorScaling().fit(estimator.predict_proba(rows.features), rows.outcomes),
        trained_until=frame["kickoff"].max(),
        medians={"elo_difference": 60.0},
    )


def test_probabilities_are_whole(model, frame):
    found = model.predict_proba(frame)
    assert found.shape == (800, 3)
    assert found.dtype == np.float64
    assert np.abs(found.sum(axis=1) - 1).max() <= 1e-9
    assert found.min() >= 1e-6


def test_columns_order_and_extras_do_not_matter(model, frame):
    shuffled = frame[frame.columns[::-1]].assign(extra="x").drop(columns="outcome")
    assert (model.predict_proba(shuffled) == model.predict_proba(frame)).all()


def test_absent_columns_are_named(model, frame):
    with pytest.raises(MissingFeatures, match="2 feature columns: form, sparse") as caught:
        model.predict_proba(frame.drop(columns=["sparse", "form"]))
    assert caught.value.columns == ("form", "sparse")
    assert pickle.loads(pickle.dumps(caught.value)).columns == ("form", "sparse")


def test_pickle_keeps_the_predictions(model, frame):
    assert (
        pickle.loads(pickle.dumps(model)).predict_proba(frame) == model.predict_proba(frame)
    ).all()


def test_unknown_and_infinite_values_are_predicted(model):
    odd = pd.DataFrame({name: [np.nan, np.inf, -np.inf, 1e300] for name in FEATURES})
    found = model.predict_proba(odd)
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(found[0])


def test_nullable_columns_and_no_rows(model, frame):
    nullable = frame[FEATURES].convert_dtypes()
    assert model.predict_proba(nullable) == pytest.approx(model.predict_proba(frame))
    assert model.predict_proba(frame.iloc[:0]).shape == (0, 3)


def test_typical_match_and_importances(model, frame):
    typical = model.typical_match()
    assert list(typical) == FEATURES
    assert typical["elo_difference"].item() == 60.0
    assert model.predict_proba(typical).shape == (1, 3)
    shares = model.importances(frame)
    assert next(iter(shares)) in ("elo_difference", "form")
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_certainty_is_kept_off_zero(frame):
    class Certain:
        def predict_proba(self, features):
            return np.tile([1.0, 0.0, 0.0], (len(features), 1))

    model = OutcomeModel(
        "certain", ("form",), Certain(), VectorScaling(), pd.Timestamp(0, tz="UTC")
    )
    found = model.predict_proba(frame)
    assert found.min() >= 1e-6
    assert np.abs(found.sum(axis=1) - 1).max() <= 1e-9
