"""Has the mean of a stream moved, asked after every match, without alarms by impatience?

A test by betting: a player whose stake grows by ``1 + bet * x`` at every value ``x`` of [-1, 1] cannot
get rich where the mean is at most 0, given what was known before. The stake is an e-process: by
Ville's inequality the chance that it ever reaches 1 / level is at most ``level``, however often one
looks. So an alarm at 20 is false in at most one of twenty streams, over their whole life.
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS-B 86.)

The right bet depends on the size of what is looked for, and on when it began: the stake is spread over
a grid of bets, and over the moments at which the player may begin. Whoever began before a fault has
lost by then; whoever begins after it has not. Half of the stake bets from the first value on, and of
what waits a share goes to each later beginning: all parts sum to at most 1, and so the whole remains an
e-process. (The price is log(2) at first, and 3 to 4 for one of twelve later beginnings, where an alarm
takes 3 itself.)

There is no package to be had for these lines: ``confseq``, by the authors, was last released for Python
3.10, needs a C++ compiler with Boost's headers, and does not build on 3.12; the others that are
published for Python test averages of A/B experiments, or have no mixture over beginnings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray

#: An e-process that reaches it is false in at most 5 % of streams.
ALARM = 20.0
#: Shares of the stake that are bet, from those that find the smallest shifts to the boldest.
BETS: FloatArray = np.geomspace(0.01, 0.64, 7)


@dataclass(frozen=True)
class Alarm:
    """What a stream says."""

    e_value: float
    """The largest that it ever was; 1 for an empty stream."""
    first: int | None
    """Position of the value at which it first reached the level."""

    @property
    def rung(self) -> bool:
        return self.first is not None


def log_e_process(
    values: ArrayLike,
    beginnings: Sequence[int] | IntArray = (0,),
    bets: FloatArray = BETS,
    *,
    spread: float = 12.0,
) -> FloatArray:
    """Logarithm of the e-process of "the mean is at most 0" after each value, float64 (n,).

    Args:
        values: (n,), in order of time, each in [-1, 1]: positive ones speak against the hypothesis.
        beginnings: rising positions at which parts of the stake begin to bet; chosen without a look
            at the values.
        bets: (bets,), in (0, 1).
        spread: each later beginning gets 1 / spread of what still waits.

    Raises:
        ValueError: a value or a bet is out of its range.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not (np.abs(x) <= 1.0).all():
        raise ValueError("the values must be (n,) and in [-1, 1]")
    if not ((bets > 0) & (bets < 1)).all():
        raise ValueError("bets must be in (0, 1)")
    grown = np.zeros((len(x) + 1, len(bets)))
    np.cumsum(np.log1p(np.outer(x, bets)), axis=0, out=grown[1:])
    starts = np.asarray(beginnings, dtype=np.int64)
    shares = np.full(len(starts), 1.0 / spread)
    shares[:1] = 0.5
    waiting = np.cumprod(1.0 - shares)  # after each beginning
    given = np.append(1.0, waiting[:-1])[: len(starts)] * shares
    # What began at s has grown by grown[t] - grown[s]: of all that have begun, one sum a bet.
    began = np.logaddexp.accumulate(np.log(given)[:, None] - grown[starts], axis=0)
    begun = np.searchsorted(starts, np.arange(len(x)), side="right") - 1
    betting = _log_mean_exp(grown[1:] + began[begun])
    return np.asarray(np.where(begun < 0, 0.0, np.logaddexp(betting, np.log(waiting)[begun])))


def log_e_process_two_sided(
    values: ArrayLike,
    margin: float = 0.0,
    beginnings: Sequence[int] | IntArray = (0,),
    bets: FloatArray = BETS,
    *,
    spread: float = 12.0,
) -> FloatArray:
    """The same of "the mean is within the margin of 0", (n,): half the stake for either side."""
    x = np.asarray(values, dtype=np.float64)
    up, down = (
        log_e_process(scaled(side, margin, 1.0), beginnings, bets, spread=spread)
        for side in (x, -x)
    )
    return np.logaddexp(up, down) - np.log(2.0)


def scaled(values: ArrayLike, allowed: ArrayLike, bound: float) -> FloatArray:
    """Values held to [-bound, bound], less what their mean may be, as numbers of [-1, 1].

    A bet needs bounds, and log-losses have none. So the hypothesis is about the held value, and
    whoever promises its mean has to hold it likewise. ``allowed`` is held to the bound, too.
    """
    held = np.clip(np.asarray(values, dtype=np.float64), -bound, bound)
    return np.asarray((held - np.clip(allowed, -bound, bound)) / (2.0 * bound))


def alarm_of(log_e: FloatArray, level: float = ALARM) -> Alarm:
    """The largest value of an e-process and where it first reached the level."""
    if not len(log_e):
        return Alarm(1.0, None)
    reached = np.flatnonzero(log_e >= np.log(level))
    largest = float(np.exp(min(float(log_e.max()), 700.0)))
    return Alarm(largest, int(reached[0]) if len(reached) else None)


def e_benjamini_hochberg(e_values: ArrayLike, level: float = 1.0 / ALARM) -> IntArray:
    """Positions of the hypotheses that fall, largest e-value first.

    Of those that it names, at most the share ``level`` is false in expectation, however the e-values
    depend on one another: the k largest fall when each is at least n / (level k), for the largest such
    k. (Wang and Ramdas 2022, "False discovery rate control with e-values", JRSS-B 84.)
    """
    e = np.asarray(e_values, dtype=np.float64)
    order = np.argsort(-e, kind="stable")
    enough = np.flatnonzero(e[order] * np.arange(1, len(e) + 1) >= len(e) / level)
    return order[: enough[-1] + 1] if len(enough) else order[:0]


def _log_mean_exp(logs: FloatArray) -> FloatArray:
    """Over the last axis."""
    if not len(logs):
        return np.zeros(0)
    top = logs.max(axis=-1)
    return np.asarray(top + np.log(np.exp(logs - top[:, None]).mean(axis=-1)))
