"""The teams of a league as one normal distribution, and what a result tells of it.

A block has the level of its league and the attack and defence of each team that has a slot in it.
Blocks are independent of each other. Of a covariance, which is symmetric, the lower triangle alone is
kept.
"""

from soccer_assets.arrays import FloatArray
from soccer_assets.features.compiled import compiled

#: Teams that a block can hold: the largest leagues have fewer, those that went of late included.
SLOTS = 40
#: The state that is the league's level; those of a slot follow: see ``attack_in``.
LEVEL = 0
STATES = 1 + 2 * SLOTS
# A row of slots: how many were ever in use; the day up to which the level's variance has grown; and of
# each slot whether it is taken, by which team, and the day of that team's latest match.
USED, LEVEL_DAY, TAKEN, OWNERS, SEEN = 0, 1, 2, 2 + SLOTS, 2 + 2 * SLOTS
SLOTS_WIDTH = 2 + 3 * SLOTS
#: A day before all matches.
NEVER = -1e9


@compiled
def attack_in(slot: int) -> int:
    """The state that is the attack of the team in a slot; its defence is the one after it."""
    return 1 + 2 * slot


@compiled
def slot_for(slots: FloatArray, day: float, forgotten_days: float, spared: int) -> int:
    """A slot for one more team: an empty one, that of a team which has not been seen for long, a new
    one, or, where all are in use, that of whoever has not been seen for longest.

    Args:
        spared: a slot that is not given away; -1 for none.
    """
    used = int(slots[USED])
    oldest = -1
    for slot in range(used):
        if slots[TAKEN + slot] == 0.0:
            return slot
        if slot != spared and (oldest < 0 or slots[SEEN + slot] < slots[SEEN + oldest]):
            oldest = slot
    if used < SLOTS and (oldest < 0 or day - slots[SEEN + oldest] <= forgotten_days):
        slots[USED] = used + 1
        return used
    return oldest


@compiled
def covariance(cov: FloatArray, i: int, j: int) -> float:
    """Of two states, (STATES, STATES)."""
    return cov[i, j] if i >= j else cov[j, i]


@compiled
def place(
    means: FloatArray,
    cov: FloatArray,
    slot: int,
    attack: float,
    defence: float,
    var_attack: float,
    var_defence: float,
    between: float,
) -> None:
    """Put a team into a slot: what is known of it is independent of what is known of the others."""
    a = attack_in(slot)
    for row in (a, a + 1):
        for j in range(row):
            cov[row, j] = 0.0
        for i in range(row + 1, STATES):
            cov[i, row] = 0.0
    means[a], means[a + 1] = attack, defence
    cov[a, a], cov[a + 1, a + 1], cov[a + 1, a] = var_attack, var_defence, between


@compiled
def grown(variance: float, by: float, most: float) -> float:
    """A variance after some time; above ``most`` it does not grow."""
    return min(variance + by, most) if variance < most else variance


@compiled
def along(
    cov: FloatArray, states: int, first: int, second: int, sign: float, out: FloatArray
) -> None:
    """Covariance of each of the first ``states`` states with that of one state plus ``sign`` times
    another."""
    for j in range(states):
        out[j] = covariance(cov, first, j) + sign * covariance(cov, second, j)


@compiled
def learn(
    means: FloatArray,
    cov: FloatArray,
    states: int,
    told: FloatArray,
    spread: float,
    news: float,
) -> None:
    """The step of a Kalman filter of one measurement.

    Args:
        told: covariance of each state with what was measured.
        spread: variance of what was measured, noise included.
        news: what was measured less what was expected, over ``spread``.
    """
    for i in range(states):
        means[i] += told[i] * news
        gain = told[i] / spread
        if gain != 0.0:
            for j in range(i + 1):
                cov[i, j] -= gain * told[j]
