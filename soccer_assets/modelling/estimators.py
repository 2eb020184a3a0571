"""The learners that a candidate may be, by name.

Adding a learner is adding its parameters to ``params.training.LEARNERS`` and a class that learns by
them to ``_ESTIMATORS``. One that needs certain features finds them by their names in the rows.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import numpy as np

from soccer_assets.arrays import Float32Array, FloatArray
from soccer_assets.modelling.rows import GOALS, Rows
from soccer_assets.modelling.score_grid import fit_score_model, input_columns
from soccer_assets.params.training import (
    BoostingParams,
    DixonColesParams,
    LearnerParams,
    LogisticParams,
    learner_params,
)

#: Shares that boosting begins with are no less, for it could not come back from nothing.
SMALLEST_START = 1e-6


class Estimator(Protocol):
    """What every learner offers."""

    @property
    def params(self) -> LearnerParams:
        """What it learns by."""
        ...

    @property
    def size(self) -> int | None:
        """How large it grew in ``fit`` with ``later`` rows; None where no size is to be found."""
        ...

    @property
    def is_sized(self) -> bool:
        """Whether ``later`` rows change what ``fit`` learns."""
        ...

    def fit(self, rows: Rows, later: Rows | None = None) -> Self:
        """Learn from ``rows``; ``later`` ones may only decide how large the model grows.

        Raises ``ValueError`` when a feature is missing that it cannot do without.
        """
        ...

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3), home, draw, away, of features (n, features) in the order of the rows'."""
        ...

    def at_size(self, size: int) -> "Estimator":
        """An unfitted twin that grows exactly so large, whatever rows follow."""
        ...

    def importances(self, features: Float32Array) -> FloatArray:
        """float64 (features,), not negative, summing to 1 (or all 0): how much each moves the
        predictions of these rows, or of all where it is the same."""
        ...


class LogisticEstimator:
    """Multinomial logistic regression on standardised features.

    Missing values become the median and an indicator column. Values further than ``CLIP`` standard
    deviations from the mean are drawn in, lest one odd value decide a match.
    """

    CLIP = 8.0
    is_sized = False
    size = None

    def __init__(self, params: LogisticParams, seed: int) -> None:
        self.params = params
        self.seed = seed

    def fit(self, rows: Rows, later: Rows | None = None) -> Self:
        """Fit by L-BFGS; ``later`` rows are not looked at."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        fitted = rows.latest(self.params.max_rows)
        self._width = len(rows.names)
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
        self._pipeline.fit(
            # In single precision L-BFGS stops early, at a point that depends on rounding.
            fitted.features.astype(np.float64),
            fitted.outcomes,
            logisticregression__sample_weight=fitted.weights(),
        )
        return self

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3); an outcome the fitted rows never showed has probability 0."""
        found = self._pipeline.predict_proba(features.astype(np.float64))
        probabilities = np.zeros((len(features), 3))
        probabilities[:, self._pipeline.classes_.astype(int)] = found
        return probabilities

    def at_size(self, size: int) -> "LogisticEstimator":
        """The same, unfitted: there is no size to it."""
        return LogisticEstimator(self.params, self.seed)

    def contributions(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3, features): what each feature adds to the logarithm of each outcome's share,
        the indicator of a missing value to its feature's."""
        terms = self._pipeline[:-1].transform(features.astype(np.float64))
        added = terms[:, None, :] * self._pipeline[-1].coef_
        found = np.zeros((len(features), 3, self._width))
        classes = self._pipeline.classes_.astype(int)
        found[:, classes] = added[:, :, : self._width]
        indicated = self._pipeline[0].indicator_.features_
        found[np.ix_(range(len(features)), classes, indicated)] += added[:, :, self._width :]
        return found

    def importances(self, features: Float32Array) -> FloatArray:
        """Mean absolute standardised coefficient, the indicator's added to its feature's."""
        weights = np.abs(self._pipeline[-1].coef_).mean(axis=0)
        per_feature = weights[: self._width].copy()
        indicated = self._pipeline[0].indicator_.features_
        per_feature[indicated] += weights[self._width :]
        return _shares(per_feature)


class BoostingEstimator:
    """Gradient-boosted trees (LightGBM; Ke et al. 2017), multi-class log-loss, deterministic.

    Missing values are handled natively. With ``start_c`` the trees begin at what a logistic regression of
    that strength gives, and learn what it lacks: most of what features tell of a match is smooth, which
    steps come near to with many trees only. The same rows, parameters, seed and ``n_jobs`` on the same
    build of LightGBM give the same bytes.
    """

    is_sized = True
    #: None, too, of models that were kept when there was no other beginning.
    _start: LogisticEstimator | None = None

    def __init__(self, params: BoostingParams, seed: int) -> None:
        self.params = params
        self.seed = seed

    def fit(self, rows: Rows, later: Rows | None = None) -> Self:
        """Boost; with ``later`` rows, keep the rounds at which their log-loss was lowest."""
        import lightgbm

        fitted = rows.latest(self.params.max_rows)
        settings = self._settings()
        self._start = self._fitted_start(fitted)
        data = lightgbm.Dataset(
            fitted.features,
            fitted.outcomes,
            weight=fitted.weights(),
            init_score=self._start_scores(fitted.features),
            params=settings,
            free_raw_data=True,
        )
        callbacks: list[Callable[..., Any]] = []
        held_out = []
        if later is not None:
            held_out.append(
                lightgbm.Dataset(
                    later.features,
                    later.outcomes,
                    init_score=self._start_scores(later.features),
                    reference=data,
                )
            )
            patience = self.params.early_stopping_rounds
            callbacks.append(lightgbm.early_stopping(patience, verbose=False))
        booster = lightgbm.train(
            settings,
            data,
            num_boost_round=self.params.rounds,
            valid_sets=held_out,
            callbacks=callbacks,
        )
        self._rounds = int(booster.best_iteration) if held_out else self.params.rounds
        # Through its text form, the booster lets go of the data and of every live handle.
        text = booster.model_to_string(num_iteration=self._rounds)
        self._booster = lightgbm.Booster(model_str=text)
        return self

    @property
    def size(self) -> int:
        """Boosting rounds kept."""
        return self._rounds

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3)."""
        found = self._booster.predict(features, raw_score=True, num_threads=self.params.n_jobs)
        scores = np.asarray(found, dtype=np.float64).reshape(len(features), 3)
        if (start := self._start_scores(features)) is not None:
            scores += start
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def at_size(self, size: int) -> "BoostingEstimator":
        """An unfitted twin that boosts exactly so many rounds."""
        return BoostingEstimator(self.params.model_copy(update={"rounds": size}), self.seed)

    def importances(self, features: Float32Array) -> FloatArray:
        """Mean absolute SHAP value (Lundberg & Lee 2017) over the rows and outcomes, of the trees and
        what they begin with together."""
        found = self._booster.predict(features, pred_contrib=True, num_threads=self.params.n_jobs)
        # Each outcome has a column a feature, and one for what is expected of any match.
        values = np.asarray(found).reshape(len(features), 3, features.shape[1] + 1)[:, :, :-1]
        if self._start is not None:
            values = values + self._start.contributions(features)
        return _shares(np.abs(values).mean(axis=(0, 1)))

    def _fitted_start(self, rows: Rows) -> LogisticEstimator | None:
        if self.params.start_c is None:
            return None
        params = LogisticParams(C=self.params.start_c, max_rows=len(rows))
        return LogisticEstimator(params, self.seed).fit(rows)

    def _start_scores(self, features: Float32Array) -> FloatArray | None:
        """float64 (n, 3), logarithms of shares."""
        if self._start is None:
            return None
        return np.log(np.maximum(self._start.predict_proba(features), SMALLEST_START))

    def _settings(self) -> dict[str, Any]:
        ours = {"rounds", "early_stopping_rounds", "n_jobs", "max_rows", "start_c"}
        return self.params.model_dump(exclude=ours) | {
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


class DixonColesEstimator:
    """The results of score grids (Dixon & Coles 1997), which it learns from goals.

    A handful of numbers on the features of ``score_grid.INPUTS``; no other feature is looked at.
    """

    is_sized = False
    size = None

    def __init__(self, params: DixonColesParams, seed: int) -> None:
        self.params = params
        self.seed = seed

    def fit(self, rows: Rows, later: Rows | None = None) -> Self:
        """Fit by maximum likelihood; ``later`` rows are not looked at.

        Raises ``ValueError``, also when the rows have no goals.
        """
        fitted = rows.latest(self.params.max_rows)
        if fitted.goals is None:
            raise ValueError(f"dixon_coles learns from goals: {' and '.join(GOALS)} are missing")
        self._width, self._inputs = len(rows.names), input_columns(rows.names)
        self._model = fit_score_model(
            fitted.features[:, self._inputs], fitted.goals, fitted.weights()
        )
        return self

    def predict_proba(self, features: Float32Array) -> FloatArray:
        """float64 (n, 3)."""
        return self._model.grids(features[:, self._inputs]).outcomes()

    def at_size(self, size: int) -> "DixonColesEstimator":
        """The same, unfitted: there is no size to it."""
        return DixonColesEstimator(self.params, self.seed)

    def importances(self, features: Float32Array) -> FloatArray:
        """By how much an input moves the difference of the logarithms of both means."""
        x = self._model.centred(features[:, self._inputs])
        slopes = np.subtract(self._model.home.slopes, self._model.away.slopes)
        shares = np.zeros(self._width)
        shares[self._inputs] = x.std(axis=0) * np.abs(slopes)
        return _shares(shares)


_ESTIMATORS: dict[type[LearnerParams], Callable[[Any, int], Estimator]] = {
    LogisticParams: LogisticEstimator,
    BoostingParams: BoostingEstimator,
    DixonColesParams: DixonColesEstimator,
}


def estimator_of(params: LearnerParams, seed: int) -> Estimator:
    """The unfitted estimator that learns by these parameters."""
    return _ESTIMATORS[type(params)](params, seed)


def make_estimator(
    learner: str, params: Mapping[str, Any] | None = None, seed: int = 0
) -> Estimator:
    """The unfitted estimator of a learner; ``params`` override its defaults.

    Raises ``UnknownLearner`` or ``BadLearnerParams``, both ``ValueError``.
    """
    return estimator_of(learner_params(learner, params), seed)


def _shares(values: FloatArray) -> FloatArray:
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values)
