"""What happens in the matches: goals from both teams' strengths, cards, cup ties decided."""

import numpy as np

from soccer_assets.simulator.leagues.clubs import Squad
from soccer_assets.simulator.leagues.competitions import Stage
from soccer_assets.simulator.leagues.fixtures import Fixtures
from soccer_assets.simulator.leagues.match import Kind, Match
from soccer_assets.simulator.leagues.strengths import Level

LOW_SCORE_CORRELATION = -0.10
SHOOTOUTS = ((5, 4), (4, 3), (4, 2), (5, 3), (3, 2), (3, 1), (6, 5), (4, 1), (7, 6))


def goal_rates(
    fixtures: Fixtures, path: np.ndarray, start: int, level: Level
) -> tuple[np.ndarray, np.ndarray]:
    """Expected goals of home and away, with the strengths of each match's week.

    Args:
        path: strengths by week, (weeks, teams, 2).
        start: the season's first day, an ordinal.
    """
    week = np.clip((fixtures.day - start) // 7 + 1, 0, len(path) - 1)
    home, away = path[week, fixtures.home], path[week, fixtures.away]
    lam = np.exp(level.goals + level.home + home[:, 0] - away[:, 1])
    mu = np.exp(level.goals + away[:, 0] - home[:, 1])
    return lam, mu


def play(
    stage: Stage,
    first_id: int,
    squad: Squad,
    fixtures: Fixtures,
    rates: tuple[np.ndarray, np.ndarray],
    known_at: int,
    rng: np.random.Generator,
) -> list[Match]:
    """The matches of ``fixtures``, played as planned and numbered from ``first_id``."""
    n = len(fixtures.home)
    scores = _draw_scores(*rates, rng)
    minutes = rng.integers(1, 91, (n, 2, 10)).tolist()
    cards = np.column_stack([rng.poisson((1.9, 2.2), (n, 2)), rng.random((n, 2)) < 0.08])
    columns = (fixtures.home, fixtures.away, fixtures.day, fixtures.time, scores, cards)
    rows = zip(*(column.tolist() for column in columns), minutes, strict=True)
    return [
        Match(
            first_id + i,
            stage,
            squad.teams[home],
            squad.teams[away],
            stage.moment(day, time),
            known_at,
            Kind.NORMAL,
            (score[0], score[1]),
            (minute[0][: score[0]], minute[1][: score[1]]),
            card,
        )
        for i, (home, away, day, time, score, card, minute) in enumerate(rows)
    ]


def decide(match: Match, lam: float, mu: float, rng: np.random.Generator) -> int:
    """Extra time and penalties where needed; the side (0 home, 1 away) that goes through."""
    home, away = match.score
    if home == away:
        home, away = home + int(rng.poisson(0.3 * lam)), away + int(rng.poisson(0.3 * mu))
        match.extra_time = (home, away)
    if home == away:
        shootout = SHOOTOUTS[int(rng.integers(len(SHOOTOUTS)))]
        home, away = match.penalties = shootout if rng.random() < 0.5 else shootout[::-1]
    return int(away > home)


def _draw_scores(lam: np.ndarray, mu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poisson goals up to 10 with the Dixon-Coles correction of low scores, (matches, 2)."""
    goals = np.arange(11)
    factorial = np.cumprod(np.maximum(goals, 1)).astype(float)
    home = np.exp(-lam)[:, None] * lam[:, None] ** goals / factorial
    away = np.exp(-mu)[:, None] * mu[:, None] ** goals / factorial
    joint = home[:, :, None] * away[:, None, :]
    rho = LOW_SCORE_CORRELATION
    joint[:, 0, 0] *= 1 - lam * mu * rho
    joint[:, 0, 1] *= np.maximum(0.0, 1 + lam * rho)
    joint[:, 1, 0] *= np.maximum(0.0, 1 + mu * rho)
    joint[:, 1, 1] *= 1 - rho
    cumulative = joint.reshape(len(lam), -1).cumsum(axis=1)
    targets = rng.random(len(lam)) * cumulative[:, -1]
    cells = (cumulative <= targets[:, None]).sum(axis=1)
    return np.column_stack(np.divmod(cells, len(goals)))
