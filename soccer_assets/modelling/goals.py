"""What a training finds out about goals: a model of scores, and how it did on the judged matches."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soccer_assets.arrays import BoolArray, FloatArray, IntArray
from soccer_assets.modelling.bootstrap import blocked_intervals
from soccer_assets.modelling.metrics import SMALLEST_PROBABILITY
from soccer_assets.modelling.rows import GOALS, Rows
from soccer_assets.modelling.score_grid import (
    INPUTS,
    LINES,
    ScoreGrids,
    ScoreModel,
    fit_score_model,
    independent_poisson,
    input_columns,
)
from soccer_assets.modelling.splits import Timeline


@dataclass(frozen=True, eq=False)
class Goals:
    """All that a training leaves of goals."""

    model: ScoreModel
    """What goes with the model that serves: fitted on every row."""
    scores: pd.DataFrame
    """One row a score: ``score``, ``n``, ``value``, ``baseline`` (of independent Poisson goals, the
    same for all matches), ``difference`` (below 0 where grids are better), ``low``, ``high`` (of the
    difference, 95 %). Scores are those of ``goal_losses``."""

    def metrics(self) -> dict[str, float]:
        """``goals_<score>``, and of the baseline ``goals_poisson_<score>``."""
        scores = self.scores.set_index("score")
        return {f"goals_{name}": float(value) for name, value in scores["value"].items()} | {
            f"goals_poisson_{name}": float(value) for name, value in scores["baseline"].items()
        }


def learn_goals(
    rows: Rows,
    cut: Timeline,
    probabilities: FloatArray,
    weeks: IntArray,
    seed: int,
    progress: Callable[[str], None],
) -> Goals | None:
    """Fit on the rows before the judged ones and score once on those, then fit on all.

    Args:
        rows: of the whole timeline.
        cut: says which are judged.
        probabilities: of home win, draw and away win that the judge gives the judged rows, (judged, 3).
        weeks: of all rows, (n,).
        seed: of the resamples for the intervals.
        progress: is told a line.

    Returns:
        None where the goals or a feature among ``INPUTS`` are missing, which ``progress`` is told.
    """
    absent = [name for name in INPUTS if name not in rows.names]
    if rows.goals is None or absent:
        lacking = ", ".join([*GOALS, *absent] if rows.goals is None else absent)
        progress(f"goals: left out, the dataset lacks {lacking}")
        return None
    inputs, goals = rows.features[:, input_columns(rows.names)], rows.goals
    weights = rows[cut.before].weights()
    model = fit_score_model(inputs[cut.before], goals[cut.before], weights)
    tilted = model.grids(inputs[cut.judged]).tilted(probabilities)
    baseline = independent_poisson(goals[cut.before], weights).grids(inputs[cut.judged])
    ours, theirs = (goal_losses(grids, goals[cut.judged]) for grids in (tilted, baseline))
    scores = _scores(ours, theirs, weeks[cut.judged], seed)
    over = scores.set_index("score").loc["over25_log_loss"]
    progress(f"judged: over 2.5 goals log-loss {over['value']:.4f}, Poisson {over['baseline']:.4f}")
    return Goals(fit_score_model(inputs, goals, rows.weights()), scores)


def _scores(
    ours: dict[str, FloatArray], theirs: dict[str, FloatArray], weeks: IntArray, seed: int
) -> pd.DataFrame:
    differences = np.column_stack([ours[name] - theirs[name] for name in ours])
    low, high = blocked_intervals(differences, weeks, seed=seed)
    return pd.DataFrame(
        {
            "score": list(ours),
            "n": len(weeks),
            "value": [float(losses.mean()) for losses in ours.values()],
            "baseline": [float(losses.mean()) for losses in theirs.values()],
            "difference": differences.mean(axis=0),
            "low": low,
            "high": high,
        }
    )


def goal_losses(grids: ScoreGrids, goals: IntArray) -> dict[str, FloatArray]:
    """Score -> what every match adds to it, float64 (n,), of the goals that were scored, int (n, 2).

    Log-loss, nats, of over and under each line (``over25_log_loss``), of both teams to score and of the
    correct score; of the goals to be expected the absolute error (``mae``) and the Poisson deviance,
    each the mean of both teams'.
    """
    from scipy.special import xlogy

    total, expected = goals.sum(axis=1), grids.expected_goals()
    losses = {
        f"over{round(10 * line):02d}_log_loss": _binary_log_loss(grids.over(line), total > line)
        for line in LINES
    }
    both = goals.min(axis=1) > 0
    exact = np.maximum(grids.of_scores(goals), SMALLEST_PROBABILITY)
    deviance = 2.0 * (xlogy(goals, goals / expected) - (goals - expected))
    return losses | {
        "both_score_log_loss": _binary_log_loss(grids.both_score(), both),
        "correct_score_log_loss": -np.log(exact),
        "mae": np.abs(goals - expected).mean(axis=1),
        "deviance": deviance.mean(axis=1),
    }


def _binary_log_loss(probability: FloatArray, happened: BoolArray) -> FloatArray:
    of_what_happened = np.where(happened, probability, 1.0 - probability)
    return -np.log(np.maximum(of_what_happened, SMALLEST_PROBABILITY))
