"""How likely every score of a match is, from the goals to be expected of both teams.

Goals are Poisson with calibrated means, but for the four lowest scores, whose dependence Dixon & Coles
(1997, "Modelling association football scores and inefficiencies in the football betting market", Applied
Statistics 46(2), 265-280) found. All that is said about goals comes from one grid, so nothing in it
contradicts anything else; ``ScoreGrids.tilted`` makes it say the same about the result as another model.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np

from soccer_assets.arrays import BoolArray, Float32Array, FloatArray, IntArray

#: The features that means are made of, all of them goals: what a rating expects of both teams, and those
#: of a match of the competition.
INPUTS = ("expected_goals_home", "expected_goals_away", "league_goals")
#: Of a team, in a grid: the last row and column stand for this many or more.
MAX_GOALS = 10
#: Over how many goals matches are bet on.
LINES = (0.5, 1.5, 2.5, 3.5, 4.5)
#: Inputs are drawn in to this, goals: nothing beyond is ever true.
LEAST_GOALS, MOST_GOALS = 0.05, 12.0
#: Added to the variances of inputs: one that is never known has none.
RIDGE = 1e-9
#: No score is made less likely by dependence than this share of its probability without.
LEAST_SHARE = 0.01
_HOME_GOALS, _AWAY_GOALS = np.indices((MAX_GOALS + 1, MAX_GOALS + 1))
_ALL_GOALS = _HOME_GOALS + _AWAY_GOALS
#: Home win, draw, away win, bool (3, MAX_GOALS + 1, MAX_GOALS + 1).
_REGIONS: BoolArray = np.stack(
    [_HOME_GOALS > _AWAY_GOALS, _HOME_GOALS == _AWAY_GOALS, _HOME_GOALS < _AWAY_GOALS]
)
#: What an outcome comes to where the grid holds it to be impossible: its lowest score.
_LOWEST_SCORES = ((1, 0), (0, 0), (0, 1))


@dataclass(frozen=True, eq=False)
class ScoreGrids:
    """Of n matches, how likely every score is."""

    cells: FloatArray
    """float64 (n, MAX_GOALS + 1, MAX_GOALS + 1), by goals of the home team and of the away team, each
    match's summing to 1; the last row and column stand for ``MAX_GOALS`` or more, their corner for a
    draw."""

    def outcomes(self) -> FloatArray:
        """Probabilities of home win, draw and away win, float64 (n, 3)."""
        return np.column_stack([self._share(region) for region in _REGIONS])

    def over(self, line: float) -> FloatArray:
        """Probability of more goals than ``line``, float64 (n,); exact up to ``MAX_GOALS`` of them."""
        return self._share(np.greater(_ALL_GOALS, line))

    def both_score(self) -> FloatArray:
        """Probability that both teams score, float64 (n,)."""
        return self._share((_HOME_GOALS > 0) & (_AWAY_GOALS > 0))

    def of_scores(self, goals: IntArray) -> FloatArray:
        """Probability of one score a match, float64 (n,), of ``goals`` int (n, 2), home and away."""
        home, away = np.minimum(goals, MAX_GOALS).T
        return self.cells[np.arange(len(self.cells)), home, away]

    def expected_goals(self) -> FloatArray:
        """float64 (n, 2), home and away; ``MAX_GOALS`` or more count as ``MAX_GOALS``."""
        count = np.arange(MAX_GOALS + 1.0)
        return np.column_stack([self.cells.sum(axis=2) @ count, self.cells.sum(axis=1) @ count])

    def tilted(self, outcomes: FloatArray) -> "ScoreGrids":
        """The same with these probabilities of home win, draw and away win, float (n, 3).

        Given its outcome, a score stays as likely as it was: of all distributions with these
        probabilities this is the nearest (in Kullback-Leibler divergence). An outcome without a likely
        score comes to its lowest one.
        """
        before = self.outcomes()
        factors = np.divide(outcomes, before, out=np.zeros_like(before), where=before > 0)
        cells = self.cells * np.tensordot(factors, _REGIONS.astype(np.float64), axes=1)
        for code, (home, away) in enumerate(_LOWEST_SCORES):
            impossible = before[:, code] == 0
            cells[impossible, home, away] = outcomes[impossible, code]
        return ScoreGrids(cells)

    def _share(self, scores: BoolArray) -> FloatArray:
        return self.cells[:, scores].sum(axis=1)


@dataclass(frozen=True)
class Rate:
    """How the mean of a team's goals follows the inputs: ``exp(level + sum(slopes * (ln inputs -
    centre)))``.

    Both teams' expected goals count for either: of what a rating expects, the total is less to be
    relied on than the difference.
    """

    level: float
    slopes: tuple[float, ...]
    """One for each input."""

    def mean(self, x: FloatArray) -> FloatArray:
        """Float64 (n,) of inputs as in ``ScoreModel.centred``."""
        return np.exp(self.level + x @ np.array(self.slopes))


@dataclass(frozen=True)
class ScoreModel:
    """What makes grids of the ``INPUTS``."""

    centre: tuple[float, ...]
    """Of the logarithms of the inputs: what one that is not known counts as."""
    home: Rate
    away: Rate
    dependence: float
    """rho of Dixon & Coles: below 0, 0:0 and 1:1 are likelier than of independent teams, 1:0 and 0:1
    less likely."""

    def centred(self, inputs: FloatArray | Float32Array) -> FloatArray:
        """Logarithms of inputs, less their centre, float64 (n, 3)."""
        return np.nan_to_num(_logarithms(inputs) - np.array(self.centre), nan=0.0)

    def grids(self, inputs: FloatArray | Float32Array) -> ScoreGrids:
        """Of matches with these ``INPUTS``, float (n, 3), NaN where unknown."""
        x = self.centred(inputs)
        home, away = self.home.mean(x), self.away.mean(x)
        cells = _poisson(home)[:, :, None] * _poisson(away)[:, None, :]
        # As much as leaves every score possible, which for large means is less.
        keep = 1.0 - LEAST_SHARE
        lowest = -keep / np.maximum(np.maximum(home, away), 1.0)
        rho = np.clip(self.dependence, lowest, keep / np.maximum(home * away, 1.0))
        cells[:, 0, 0] *= 1.0 - home * away * rho
        cells[:, 0, 1] *= 1.0 + home * rho
        cells[:, 1, 0] *= 1.0 + away * rho
        cells[:, 1, 1] *= 1.0 - rho
        return ScoreGrids(cells)

    def to_json(self) -> str:
        """All that a grid needs besides the formula, see docs/goals.md."""
        fixed = {
            "inputs": INPUTS,
            "drawn_in": (LEAST_GOALS, MOST_GOALS),
            "least_share": LEAST_SHARE,
            "max_goals": MAX_GOALS,
        }
        return json.dumps(asdict(self) | fixed, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ``ValueError`` or ``LookupError`` on anything else than ``to_json`` gives."""
        given = json.loads(text)
        home, away = (
            Rate(given[side]["level"], tuple(given[side]["slopes"])) for side in ("home", "away")
        )
        return cls(tuple(given["centre"]), home, away, given["dependence"])


def input_columns(features: Sequence[str]) -> list[int]:
    """Where the ``INPUTS`` stand among features; raises ``ValueError`` that names those that do not."""
    absent = [name for name in INPUTS if name not in features]
    if absent:
        raise ValueError(f"score grids need the features {', '.join(absent)}")
    return [list(features).index(name) for name in INPUTS]


def fit_score_model(
    inputs: FloatArray | Float32Array, goals: IntArray, weights: FloatArray | None = None
) -> ScoreModel:
    """The likeliest model of n matches, by BFGS.

    Args:
        inputs: the ``INPUTS``, float (n, 3), NaN where unknown.
        goals: those that were scored, int (n, 2), home and away.
        weights: of the matches, float (n,); None: all count alike.

    Raises:
        ValueError: there is no match, or goals are negative.
    """
    from scipy.optimize import minimize

    if len(goals) == 0:
        raise ValueError("scores cannot be fitted on no matches")
    if goals.min() < 0:
        raise ValueError("goals must not be negative")
    weights = np.ones(len(goals)) if weights is None else weights
    weights = weights / weights.sum()
    # In which order sums are rounded depends on how the memory is laid out.
    inputs = np.ascontiguousarray(inputs, np.float64)
    baseline = independent_poisson(goals, weights)
    logs = _logarithms(inputs)
    model = replace(baseline, centre=tuple(_mean(column, weights) for column in logs.T))
    x = model.centred(inputs).T
    # Inputs of one variance that do not go together take a third of the steps.
    unit = np.linalg.cholesky(np.linalg.inv(weights * x @ x.T + RIDGE * np.eye(len(x))))
    start = np.zeros((2, 1 + len(x)))
    start[:, 0] = baseline.home.level, baseline.away.level
    found = minimize(
        _negative_log_likelihood,
        np.append(start, 0.0),
        args=(unit.T @ x, goals.T.astype(np.float64), weights, _low_scores(goals)),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-7},
    )
    sides = _by_side(found.x)
    home, away = (Rate(float(side[0]), tuple((unit @ side[1:]).tolist())) for side in sides)
    return replace(model, home=home, away=away, dependence=float(found.x[-1]))


def independent_poisson(goals: IntArray, weights: FloatArray | None = None) -> ScoreModel:
    """The baseline: whoever plays, the mean goals of ``goals``, int (n, 2), home and away."""
    means = np.average(goals, axis=0, weights=weights)
    nothing = (0.0,) * len(INPUTS)
    home, away = (Rate(level, nothing) for level in _logarithms(means).tolist())
    return ScoreModel(nothing, home, away, 0.0)


def _logarithms(goals: FloatArray | Float32Array) -> FloatArray:
    return np.log(np.clip(np.asarray(goals, dtype=np.float64), LEAST_GOALS, MOST_GOALS))


def _mean(values: FloatArray, weights: FloatArray) -> float:
    """Of what is known; 0 where nothing is."""
    known = np.isfinite(values)
    total = weights[known].sum()
    return float((values[known] * weights[known]).sum() / total) if total > 0 else 0.0


def _poisson(means: FloatArray) -> FloatArray:
    """float64 (n, MAX_GOALS + 1), the last of ``MAX_GOALS`` or more."""
    from scipy.special import gammaln, pdtrc

    count = np.arange(MAX_GOALS)
    below = np.exp(count * np.log(means)[:, None] - means[:, None] - gammaln(count + 1.0))
    return np.column_stack([below, pdtrc(MAX_GOALS - 1, means)])


def _low_scores(goals: IntArray) -> dict[tuple[int, int], IntArray]:
    """Score -> positions of the matches that ended so, of the scores that depend."""
    home, away = goals.T
    return {(i, j): np.flatnonzero((home == i) & (away == j)) for i in (0, 1) for j in (0, 1)}


def _negative_log_likelihood(
    parameters: FloatArray,
    x: FloatArray,
    goals: FloatArray,
    weights: FloatArray,
    low: dict[tuple[int, int], IntArray],
) -> tuple[float, FloatArray]:
    """The mean up to a constant, and its gradient in (home level and slopes, away level and slopes,
    rho), of ``x`` (inputs, n) and ``goals`` (2, n).

    The factor of a low score counts as ``LEAST_SHARE`` where it is less.
    """
    sides, rho = _by_side(parameters), parameters[-1]
    logs = sides[:, :1] + sides[:, 1:] @ x
    means = np.exp(logs)
    by_log = goals - means
    likelihood = ((goals * logs - means) @ weights).sum()
    by_rho = 0.0
    for (i, j), rows in low.items():
        home, away = means[:, rows]
        # What rho is multiplied by, and how that follows the logarithms of the means.
        slope = {(0, 0): -home * away, (0, 1): home, (1, 0): away, (1, 1): -np.ones(len(rows))}[
            i, j
        ]
        factor = 1.0 + slope * rho
        inside = factor > LEAST_SHARE
        factor = np.where(inside, factor, LEAST_SHARE)
        change = np.where(inside, slope / factor, 0.0)
        likelihood += (weights[rows] * np.log(factor)).sum()
        by_rho += (weights[rows] * change).sum()
        by_log[0, rows] += change * rho * (i == 0)
        by_log[1, rows] += change * rho * (j == 0)
    by_log *= weights
    by_side = np.column_stack([by_log.sum(axis=1), by_log @ x.T])
    return -float(likelihood), -np.append(by_side, by_rho)


def _by_side(parameters: FloatArray) -> FloatArray:
    """Level and slopes of home and away, (2, 1 + inputs)."""
    return parameters[:-1].reshape(2, -1)
