"""Searching a candidate's parameters on the folds that candidates are compared on.

Optuna's TPE (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"), a trial that is
worse than the median of those before after a fold is given up. A search that was broken off goes on
from its journal, and finds what it would have found: each proposal depends on the seed and on the
trials that came to an end before, and on nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soccer_assets.modelling.estimators import estimator_of
from soccer_assets.modelling.rows import Rows
from soccer_assets.modelling.selection import FoldScore, walk
from soccer_assets.modelling.splits import Fold
from soccer_assets.params.training import LearnerParams

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried."""

    number: int
    """From 0, which are those given."""
    params: dict[str, Any]
    """Those that are searched."""
    losses: tuple[float, ...]
    """Mean log-loss over the folds up to each one, nats; of one given up, up to there."""
    pruned: bool
    """Given up before the last fold."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search has found."""

    params: LearnerParams
    trials: tuple[Trial, ...]
    importances: dict[str, float]
    """Parameter -> share of the variance of the loss that it explains (fANOVA; Hutter et al. 2014),
    largest first; empty where too few trials came to the last fold."""


def tune(
    name: str,
    params: LearnerParams,
    rows: Rows,
    folds: Sequence[Fold],
    trials: int,
    seed: int,
    journal: Path | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Tuning:
    """Search the learner's ``search_space``, beginning with the parameters given.

    Args:
        name: of the candidate, for ``progress``.
        trials: how many come to an end, given up ones included.
        journal: a file that is made, and gone on from if it is there. One of the same rows, folds,
            parameters and seed, which is not checked here.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(journal)

    def objective(trial: "optuna.Trial") -> float:
        tried = _tried(trial, params)
        scores: list[FoldScore] = []

        def after_fold(number: int, score: FoldScore) -> None:
            scores.append(score)
            trial.report(_mean(scores), step=number)
            if number < len(folds) and trial.should_prune():
                raise optuna.TrialPruned

        walk(lambda: estimator_of(tried, seed), rows, folds, after_fold)
        return _mean(scores)

    while (done := len(_ended(study))) < trials:
        study.sampler = optuna.samplers.TPESampler(seed=seed + done, constant_liar=False)
        if done == 0 and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial({name: getattr(params, name) for name in params.search_space})
        study.optimize(objective, n_trials=1)
        last = _trial(done, _ended(study)[-1])
        progress(
            f"{name}: trial {done + 1} of {trials}, log-loss {last.losses[-1]:.4f}"
            f"{', given up' if last.pruned else ''}, best {study.best_value:.4f}"
        )
    return Tuning(
        params=params.model_copy(update=study.best_params),
        trials=tuple(_trial(number, one) for number, one in enumerate(_ended(study))),
        importances=_importances(study, seed),
    )


def _study(journal: Path | None) -> "optuna.Study":
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = None
    if journal is not None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        if journal.exists():  # whoever was killed may have left half a line
            body = journal.read_bytes()
            journal.write_bytes(body[: body.rfind(b"\n") + 1])
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        study_name="search",
        storage=storage,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(),
    )
    for left in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):  # by one killed
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
    return study


def _ended(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _tried(trial: "optuna.Trial", params: LearnerParams) -> LearnerParams:
    """The parameters that a trial proposes; what was given is always within reach."""
    proposed: dict[str, Any] = {}
    for name, (low, high, log) in params.search_space.items():
        given = getattr(params, name)
        low, high = min(low, given), max(high, given)
        if isinstance(given, int):
            proposed[name] = trial.suggest_int(name, int(low), int(high), log=log)
        else:
            proposed[name] = trial.suggest_float(name, low, high, log=log)
    return params.model_copy(update=proposed)


def _mean(scores: Sequence[FoldScore]) -> float:
    """Over all matches of the folds."""
    total = sum(float(score.losses.sum()) for score in scores)
    return total / sum(len(score.losses) for score in scores)


def _trial(number: int, ended: "optuna.trial.FrozenTrial") -> Trial:
    losses = tuple(loss for _, loss in sorted(ended.intermediate_values.items()))
    return Trial(number, dict(ended.params), losses, ended.state.name == "PRUNED")


def _importances(study: "optuna.Study", seed: int) -> dict[str, float]:
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if len({one.value for one in complete}) < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(seed=seed)
    return dict(get_param_importances(study, evaluator=evaluator))
