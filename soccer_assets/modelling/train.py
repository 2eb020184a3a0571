"""From a dataset to a model that is chosen, judged, and fresh.

    history, the later part of it walked over in folds | judged matches      (in order of kick-off)

The candidates are compared by walking forward through the folds, where sizes are found and the
calibration, too. That recipe, fitted on all that was before, is scored once on the judged matches,
which nothing has looked at until then. What serves is the same recipe fitted on everything, to the
last result.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soccer_assets.arrays import Float32Array, FloatArray, IntArray
from soccer_assets.modelling.baselines import ELO_COLUMN, Baselines, ClassPrior, EloOrderedLogit
from soccer_assets.modelling.calibration import VectorScaling, scaling_if_better
from soccer_assets.modelling.context import with_context
from soccer_assets.modelling.estimators import Estimator, estimator_of
from soccer_assets.modelling.goals import Goals, learn_goals
from soccer_assets.modelling.holdout import holdout_table, losses_of
from soccer_assets.modelling.market import market_probabilities
from soccer_assets.modelling.metrics import Scorecard, scorecard
from soccer_assets.modelling.model import MissingFeatures, OutcomeModel, feature_matrix
from soccer_assets.modelling.profile import ReferenceProfile
from soccer_assets.modelling.rows import Rows, goals_of
from soccer_assets.modelling.selection import Walk, simplest_of_the_best, walk, walks_table
from soccer_assets.modelling.splits import Timeline, timeline, utc_kickoffs, weeks_of
from soccer_assets.modelling.tuning import Tuning, tune
from soccer_assets.params.training import LogisticParams, TrainingParams

__all__ = ["PartBounds", "TrainingParams", "TrainingResult", "prepared", "train"]


#: The systems every training reports on.
MODEL, CLASS_PRIOR, ELO_LOGIT, LOGISTIC = "model", "class_prior", "elo_ordered_logit", "logistic"
#: Of the matches that have odds, where there are any.
MARKET = "market"
#: Judged matches over which importances are taken.
IMPORTANCE_ROWS = 2000
#: From the last kick-off that a model has learnt from, to the first that it has not.
INSTANT = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class PartBounds:
    """Extent of one part of the timeline; kick-offs UTC, both included."""

    rows: int
    first: pd.Timestamp
    last: pd.Timestamp

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"rows": self.rows, "first": self.first.isoformat(), "last": self.last.isoformat()}


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """All that a training leaves."""

    model: OutcomeModel
    """What serves: it has learnt from every row."""
    judge: OutcomeModel
    """The same recipe before it had seen the judged matches: what all scores are of."""
    chosen: str
    """Name of the chosen candidate."""
    learner: str
    """What it is."""
    size: int | None
    """Boosting rounds of what serves, say, as walking forward found them; None where the learner has no
    size."""
    bounds: dict[str, PartBounds]
    """history, walk_forward, judged."""
    cv: pd.DataFrame
    """Candidate x fold: see ``selection.walks_table``."""
    report: dict[str, Scorecard]
    """System -> scores on the judged matches: model, class_prior, elo_ordered_logit, logistic."""
    holdout_predictions: pd.DataFrame
    """Every system's of the judged matches, match by match: see ``holdout``."""
    importances: dict[str, float]
    """Feature -> share of importance in the model, largest first."""
    reference: ReferenceProfile
    """Of the latest rows, for watching drift."""
    params: TrainingParams
    """Those given, with what was found by a search of them."""
    baselines: Baselines
    """Of the same rows as the model, to be served beside it."""
    goals: Goals | None = None
    """None where the dataset lacks what it takes to learn about them."""
    tunings: dict[str, Tuning] = field(default_factory=dict)
    """Candidate -> its search, if there was one."""

    def losses(self, system: str) -> FloatArray:
        """Log-loss of a system on every judged match, nats, (matches,); ``KeyError`` if unknown."""
        return losses_of(self.holdout_predictions, system)

    def report_table(self) -> pd.DataFrame:
        """The report as a frame: systems x scores."""
        return pd.DataFrame({name: asdict(card) for name, card in self.report.items()}).T


@dataclass(frozen=True, eq=False)
class Recipe:
    """What walking forward has found: all that a model is but for the rows it learns from."""

    name: str
    estimator: Callable[[int], Estimator]
    """A new, unfitted one, of the size for so many rows."""
    calibrator: VectorScaling

    def fit(self, rows: Rows, until: pd.Timestamp) -> OutcomeModel:
        """The model of these rows, all of which kick off before ``until`` (UTC)."""
        return OutcomeModel(
            name=self.name,
            features=rows.names,
            estimator=self.estimator(len(rows)).fit(rows),
            calibrator=self.calibrator,
            trained_until=until,
            medians=_medians(rows.features, rows.names),
        )


def train(
    dataset: pd.DataFrame,
    features: Sequence[str],
    params: TrainingParams | None = None,
    progress: Callable[[str], None] = lambda message: None,
    journals: Path | None = None,
) -> TrainingResult:
    """Train on ``dataset``, one row a finished match.

    It has ``match_id``, ``kickoff`` (UTC), ``tournament_id``, ``sex``, ``outcome`` (0 home win, 1
    draw, 2 away win), ``elo_difference`` (Elo points) and the numeric columns ``features``, NaN
    where unknown. There may be ``home_goals`` and ``away_goals``, for what there is to learn of goals;
    what else a report tells matches apart by, ``region`` (a name), ``home_team_id`` and
    ``away_team_id``; and what it compares with, decimal odds ``odds_home``, ``odds_draw`` and
    ``odds_away``. Its order does not matter. ``progress`` is told a line at every step.
    A search for parameters keeps its state in the folder ``journals``, and goes on from what is
    there: one of the same dataset, features, params and code.

    Deterministic: the same dataset, features, params and library versions give the same model and
    predictions, byte by byte. Raises ``ValueError`` on a malformed dataset (``MissingFeatures``
    for absent columns, ``TooFewRows`` when a part of the timeline is too small).
    """
    settings = params or TrainingParams()
    frame, rows = prepared(dataset, features, settings)
    cut = timeline(frame["kickoff"], settings)
    bounds = {name: _bounds(frame["kickoff"].iloc[part]) for name, part in cut.parts().items()}
    progress("rows: " + ", ".join(f"{name} {part.rows}" for name, part in bounds.items()))

    tunings = _search(rows, cut, settings, progress, journals) if settings.trials else {}
    for name, tuning in tunings.items():
        settings = settings.with_learner(name, tuning.params)
    walks = {name: _walk(name, rows, cut, settings, progress) for name in settings.candidates}
    weeks = weeks_of(frame["kickoff"])
    chosen = simplest_of_the_best(walks, weeks[cut.walked])
    recipe = _recipe(chosen, walks[chosen], rows, cut, weeks, settings)
    calibration = "none" if recipe.calibrator.is_identity else "vector scaling"
    progress(f"chosen: {chosen}, calibration {calibration}")

    judge = recipe.fit(rows[cut.before], cut.judged_from)
    progress(f"judge: fitted on {len(rows[cut.before])} rows before {cut.judged_from}")
    matches = with_context(frame).iloc[cut.judged]
    systems = {MODEL: judge.predict_proba(matches)}
    systems |= _baselines(frame.iloc[cut.before], matches)
    systems[LOGISTIC] = _logistic(systems[MODEL], chosen, rows, cut, settings)
    outcomes = rows.outcomes[cut.judged]
    report = {name: scorecard(probabilities, outcomes) for name, probabilities in systems.items()}
    for name, card in report.items():
        progress(f"judged: {name} log-loss {card.log_loss:.4f}, RPS {card.rps:.4f}")

    goals = learn_goals(rows, cut, systems[MODEL], weeks, settings.seed, progress)
    market = market_probabilities(matches)
    held_out = systems if market is None else systems | {MARKET: market}
    model = recipe.fit(rows, frame["kickoff"].iloc[-1] + INSTANT)
    progress(f"served: fitted on {len(rows)} rows, the last of {frame['kickoff'].iloc[-1]}")
    return TrainingResult(
        model=model,
        judge=judge,
        chosen=chosen,
        learner=settings.learner(chosen)[0],
        size=model.estimator.size,
        bounds=bounds,
        cv=walks_table(walks, rows, cut.folds),
        report=report,
        holdout_predictions=holdout_table(matches, held_out),
        importances=model.importances(matches.iloc[:: len(matches) // IMPORTANCE_ROWS + 1]),
        reference=ReferenceProfile.build(frame.tail(settings.reference_max_rows), features),
        params=settings,
        baselines=Baselines.fit(frame),
        goals=goals,
        tunings=tunings,
    )


def prepared(
    dataset: pd.DataFrame, features: Sequence[str], params: TrainingParams
) -> tuple[pd.DataFrame, Rows]:
    """The dataset in order of time, and its rows as learners see them.

    Raises ``ValueError`` as ``train`` does on a malformed dataset.
    """
    if not features:
        raise ValueError("there is no feature to train on")
    if len(set(features)) != len(features):
        raise ValueError("a feature is named twice")
    needed = ["match_id", "kickoff", "outcome", ELO_COLUMN, *features]
    absent = [name for name in dict.fromkeys(needed) if name not in dataset.columns]
    if absent:
        raise MissingFeatures(absent)
    if dataset["match_id"].duplicated().any():
        raise ValueError("the dataset holds a match twice")
    if not dataset["outcome"].isin((0, 1, 2)).all():
        raise ValueError("outcomes must be 0 (home win), 1 (draw) or 2 (away win)")
    times = utc_kickoffs(dataset["kickoff"])
    order = np.lexsort((dataset["match_id"].to_numpy(), times.asi8))
    if (order[1:] > order[:-1]).all():
        frame = dataset.reset_index(drop=True)
    else:
        frame = dataset.iloc[order].reset_index(drop=True)
    frame = frame.assign(kickoff=times[order])
    rows = Rows(
        names=tuple(features),
        features=feature_matrix(frame, features),
        outcomes=frame["outcome"].to_numpy(dtype=np.int64),
        times=times.asi8[order],
        goals=goals_of(frame),
        half_life_days=params.half_life_days,
    )
    return frame, rows


def _bounds(kickoff: pd.Series) -> PartBounds:
    return PartBounds(len(kickoff), kickoff.iloc[0], kickoff.iloc[-1])


def _search(
    rows: Rows,
    cut: Timeline,
    params: TrainingParams,
    progress: Callable[[str], None],
    journals: Path | None,
) -> dict[str, Tuning]:
    """Every candidate whose learner has something to search."""
    learners = {name: params.learner(name)[1] for name in params.candidates}
    return {
        name: tune(
            name,
            learner,
            rows,
            cut.folds,
            params.trials,
            params.seed,
            journals / f"{name}.log" if journals else None,
            progress,
        )
        for name, learner in learners.items()
        if learner.search_space
    }


def _walk(
    name: str,
    rows: Rows,
    cut: Timeline,
    params: TrainingParams,
    progress: Callable[[str], None],
) -> Walk:
    _, learner_params = params.learner(name)
    return walk(
        lambda: estimator_of(learner_params, params.seed),
        rows,
        cut.folds,
        lambda number, score: progress(
            f"{name}: fold {number} of {len(cut.folds)}, log-loss {score.losses.mean():.4f}"
        ),
    )


def _recipe(
    chosen: str,
    walked: Walk,
    rows: Rows,
    cut: Timeline,
    weeks: IntArray,
    params: TrainingParams,
) -> Recipe:
    _, learner_params = params.learner(chosen)

    def estimator(count: int) -> Estimator:
        new = estimator_of(learner_params, params.seed)
        size = walked.size_on(min(count, learner_params.max_rows))
        return new if size is None else new.at_size(size)

    calibrator = scaling_if_better(
        [fold.probabilities for fold in walked.folds],
        [rows.outcomes[fold.test] for fold in cut.folds],
        weeks[cut.folds[-1].test],
        params.seed,
    )
    return Recipe(chosen, estimator, calibrator)


def _medians(matrix: Float32Array, features: tuple[str, ...]) -> dict[str, float]:
    medians = {}
    for position, name in enumerate(features):
        column = matrix[:, position]
        known = column[~np.isnan(column)]
        medians[name] = float(np.median(known)) if len(known) else float("nan")
    return medians


def _baselines(past: pd.DataFrame, matches: pd.DataFrame) -> dict[str, FloatArray]:
    """The two simple baselines, fitted on every row before the judged ones: their best case."""
    return {
        CLASS_PRIOR: ClassPrior().fit(past).predict_proba(matches),
        ELO_LOGIT: EloOrderedLogit().fit(past).predict_proba(matches),
    }


def _logistic(
    of_model: FloatArray, chosen: str, rows: Rows, cut: Timeline, params: TrainingParams
) -> FloatArray:
    """The first logistic candidate's predictions of the judged matches, or those of the learner as it
    is by default; the model's own, when it is that candidate."""
    first = next((name for name in params.candidates if params.learner(name)[0] == LOGISTIC), None)
    if first == chosen:
        return of_model
    learner_params = params.learner(first)[1] if first else LogisticParams()
    fitted = estimator_of(learner_params, params.seed).fit(rows[cut.before])
    return fitted.predict_proba(rows.features[cut.judged])
