"""How good teams are: latent attack and defence, and how they change in and between seasons.

The changes are slow and the levels differ between divisions, because ratings and form can only
inform about coming matches in a world where strength persists.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Level:
    """How a competition plays: log goal rate, home advantage, spread of strength, its centre."""

    goals: float
    home: float
    spread: float
    centre: float


LEVELS = (Level(0.10, 0.28, 0.32, 0.16), Level(0.08, 0.26, 0.26, -0.16))
WOMEN_LEVEL = Level(0.22, 0.18, 0.40, 0.0)


def first_strengths(
    divisions: list[list[int]], levels: tuple[Level, ...], rng: np.random.Generator
) -> np.ndarray:
    """Attack and defence of new teams, division after division, (teams, 2)."""
    parts = []
    for division, level in zip(divisions, levels, strict=True):
        overall = level.centre / 2 + rng.normal(0.0, 0.9 * level.spread, (len(division), 1))
        style = rng.normal(0.0, 0.08, (len(division), 1))
        parts.append(np.hstack([overall + style, overall - style]))
    return np.concatenate(parts)


def strength_path(strength: np.ndarray, rng: np.random.Generator, weeks: int = 46) -> np.ndarray:
    """Attack and defence by week: the season's level plus an AR(1) form, (weeks, teams, 2)."""
    shocks = rng.normal(0.0, 0.025, (weeks, *strength.shape))
    form = np.zeros_like(shocks)
    for week in range(1, weeks):
        form[week] = 0.96 * form[week - 1] + shocks[week]
    return strength + form


def next_strengths(
    strength: np.ndarray,
    path: np.ndarray,
    divisions: list[list[int]],
    levels: tuple[Level, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """Strengths of the next season: drawn towards the centre of the division now played in.

    Args:
        strength, path: of the season that ended.
        divisions: after promotion and relegation.
    """
    kept = 0.5 * (strength + path[-1])
    noise = rng.normal(0.0, 0.36, (len(kept), 1)) + rng.normal(0.0, 0.15, kept.shape)
    for division, level in zip(divisions, levels, strict=True):
        centre = level.centre / 2
        fresh = level.spread * noise[division]
        kept[division] = centre + 0.92 * (kept[division] - centre) + fresh
    return kept
