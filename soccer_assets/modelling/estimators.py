"""The learners a model can be built on, by name.

An estimator sees a float32 matrix (n, features), rows in order of time and NaN where a value is
unknown, and integer outcomes (n,) coded 0 = home, 1 = draw, 2 = away. Adding a learner is adding a
class with its parameters and an entry in ``ESTIMATORS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from soccer_assets.arrays import Float32Array, FloatArray, IntArray
from soccer_assets.params.training import (
    BoostingParams,
    LogisticParams,
    estimator_params,
)


@dataclass(frozen=True, eq=False)
class Validation:
    """Rows later than the fitted ones, on which an estimator may decide when to stop."""

    features: Float32Array
    outcomes: IntArray


class Estimator(Protocol):
    """What every learner offers."""

    sized_by_validation: bool
    """Whether a validation changes what ``fit`` learns."""

    def fit(
        self, features: Float32Array, outcomes: IntArray, validation: Validation | None = None
    ) -> Self:
        """Learn; ``validation`` may only decide the size of the model."""
        ...

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3): home, draw, away."""
        ...

    def at_fitted_size(self) -> "Estimator":
        """An unfitted twin that needs no validation, as large as this one grew."""
        ...

    def importances(self) -> FloatArray:
        """float64 (features,), not negative, summing to 1 (or all 0)."""
        ...


class LogisticEstimator:
    """Multinomial logistic regression on standardised features.

    Missing values become the median and an indicator column. Values further than ``CLIP`` standard
    deviations from the mean are drawn in, lest one odd value decide a match.
    """

    CLIP = 8.0
    sized_by_validation = False

    def __init__(self, params: LogisticParams, seed: int) -> None:
        self.params = params
        self.seed = seed

    def fit(
        self, features: Float32Array, outcomes: IntArray, validation: Validation | None = None
    ) -> Self:
        """Fit by L-BFGS; ``validation`` is not looked at."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        latest = slice(max(0, len(outcomes) - self.params.max_rows), None)
        self._width = features.shape[1]
        self._pipeline = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            StandardScaler(),
            FunctionTransformer(
                np.clip, kw_args={"a_min": -self.CLIP, "a_max": self.CLIP}, validate=False
            ),
            LogisticRegression(
                C=self.params.C, max_iter=self.params.max_iter, random_state=self.seed
            ),
        )
        # In single precision L-BFGS stops early, at a point that depends on rounding.
        self._pipeline.fit(features[latest].astype(np.float64), outcomes[latest])
        return self

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3); an outcome the fitted rows never showed has probability 0."""
        found = self._pipeline.predict_proba(features.astype(np.float64))
        probabilities = np.zeros((len(features), 3))
        probabilities[:, self._pipeline.classes_.astype(int)] = found
        return probabilities

    def at_fitted_size(self) -> "LogisticEstimator":
        """The same, unfitted: nothing here is sized by a validation."""
        return LogisticEstimator(self.params, self.seed)

    def importances(self) -> FloatArray:
        """Mean absolute standardised coefficient, the indicator's added to its feature's."""
        weights = np.abs(self._pipeline[-1].coef_).mean(axis=0)
        per_feature = weights[: self._width].copy()
        indicated = self._pipeline[0].indicator_.features_
        per_feature[indicated] += weights[self._width :]
        return _shares(per_feature)


class BoostingEstimator:
    """Gradient-boosted trees (LightGBM; Ke et al. 2017), multi-class log-loss, deterministic.

    Missing values are handled natively. The same rows, parameters, seed and ``n_jobs`` on the same
    build of LightGBM give the same bytes.
    """

    sized_by_validation = True

    def __init__(self, params: BoostingParams, seed: int) -> None:
        self.params = params
        self.seed = seed

    def fit(
        self, features: Float32Array, outcomes: IntArray, validation: Validation | None = None
    ) -> Self:
        """Boost; with ``validation``, keep the rounds at which its log-loss was lowest."""
        import lightgbm

        settings = self._settings()
        data = lightgbm.Dataset(features, outcomes, params=settings, free_raw_data=True)
        callbacks: list[Callable[..., Any]] = []
        held_out = []
        if validation is not None:
            held_out.append(
                lightgbm.Dataset(validation.features, validation.outcomes, reference=data)
            )
            callbacks.append(
                lightgbm.early_stopping(self.params.early_stopping_rounds, verbose=False)
            )
        booster = lightgbm.train(
            settings,
            data,
            num_boost_round=self.params.rounds,
            valid_sets=held_out,
            callbacks=callbacks,
        )
        self._rounds = int(booster.best_iteration) if validation is not None else self.params.rounds
        # Through its text form, the booster lets go of the data and of every live handle.
        text = booster.model_to_string(num_iteration=self._rounds)
        self._booster = lightgbm.Booster(model_str=text)
        return self

    @property
    def rounds(self) -> int:
        """Boosting rounds kept."""
        return self._rounds

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3)."""
        found = self._booster.predict(features, num_threads=self.params.n_jobs)
        return np.asarray(found, dtype=np.float64).reshape(len(features), 3)

    def at_fitted_size(self) -> "BoostingEstimator":
        """An unfitted twin that boosts exactly as many rounds as this one kept."""
        return BoostingEstimator(self.params.model_copy(update={"rounds": self.rounds}), self.seed)

    def importances(self) -> FloatArray:
        """Share of the total gain."""
        gains = self._booster.feature_importance(importance_type="gain")
        return _shares(np.asarray(gains, dtype=np.float64))

    def _settings(self) -> dict[str, Any]:
        settings = self.params.model_dump(exclude={"rounds", "early_stopping_rounds", "n_jobs"})
        return settings | {
            "objective": "multiclass",
            "num_class": 3,
            "metric": "multi_logloss",
            "deterministic": True,
            "force_row_wise": True,
            "seed": self.seed,
            "data_random_seed": self.seed,
            "bagging_seed": self.seed,
            "feature_fraction_seed": self.seed,
            "num_threads": self.params.n_jobs,
            "verbosity": -1,
        }


def make_estimator(name: str, params: Mapping[str, Any] | None = None, seed: int = 0) -> Estimator:
    """The unfitted estimator called ``name``; ``params`` override its defaults.

    Raises ``UnknownEstimator`` or ``BadEstimatorParams``, both ``ValueError``.
    """
    parsed = estimator_params(name, params)
    if isinstance(parsed, BoostingParams):
        return BoostingEstimator(parsed, seed)
    return LogisticEstimator(parsed, seed)


def _shares(values: FloatArray) -> FloatArray:
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values)
