"""Bookmakers' 1X2 odds in a row of the site, and the probabilities they imply.

Odds are a yardstick of predictions; those of past matches can be a feature, which is off unless asked
for (``features/market.py``). The site names a column by the bookmaker's code, ``C`` for closing odds, and
the outcome: ``PSCH`` is Pinnacle, closing, home. ``Max`` and ``Avg`` stand for the best and the mean of
the market. Columns without all three outcomes (handicaps, totals) are not 1X2 odds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray
from soccer_assets.text import one_line

#: Codes that end in C by themselves.
_ENDING_IN_C = frozenset({"VC"})
#: Codes of old files, and today's for the same.
_RENAMED = {"P": "PS", "BbMx": "Max", "BbAv": "Avg"}
_OUTCOMES = "HDA"
#: Longer names are none of the site's; they would not fit into the key of ``match_odds``.
_LONGEST_CODE = 16
_STEPS = 60


@dataclass(frozen=True)
class Odds:
    """Decimal odds of one bookmaker on the result after 90 minutes."""

    bookmaker: str
    """The site's code, e.g. ``B365``, ``PS``, ``Avg``."""
    when: Literal["pre", "closing"]
    """``pre`` for odds collected a day or two before, ``closing`` for the last ones."""
    odds_home: float
    odds_draw: float
    odds_away: float
    market: Literal["1x2"] = "1x2"


def match_odds(
    cells: Mapping[str, str], tell: Callable[[str], None] = lambda _: None
) -> list[Odds]:
    """All complete 1X2 odds of a ``footballData`` object, in the order of its columns.

    Odds that are not numbers of at least 1 are left out, with the other two of their triple.

    Args:
        cells: column -> text.
        tell: told each cell that is no odds.
    """
    found: dict[tuple[str, str], Odds] = {}
    for column in cells:
        code = column[:-1]
        if (
            not 0 < len(code) <= _LONGEST_CODE
            or column[-1] != "H"
            or any(code + o not in cells for o in _OUTCOMES)
        ):
            continue
        closing = code.endswith("C") and code not in _ENDING_IN_C and len(code) > 1
        bookmaker = code[:-1] if closing else code
        bookmaker = _RENAMED.get(bookmaker, bookmaker)
        home, draw, away = (_price(cells[code + outcome]) for outcome in _OUTCOMES)
        if home >= 1 and draw >= 1 and away >= 1:
            when: Literal["pre", "closing"] = "closing" if closing else "pre"
            found.setdefault((bookmaker, when), Odds(bookmaker, when, home, draw, away))
        else:
            for outcome, price in zip(_OUTCOMES, (home, draw, away), strict=True):
                text = cells[code + outcome]
                if text.strip() and not price >= 1:
                    tell(one_line(f"{code}{outcome} {text!r:.40} are no odds (1 or more)"))
    return list(found.values())


def _price(text: str) -> float:
    """The number, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def implied_probabilities(
    odds: ArrayLike, method: Literal["power", "proportional"] = "power"
) -> FloatArray:
    """Probabilities of the outcomes, with the bookmaker's margin removed.

    ``power``: p_i = (1 / o_i) ** k, with the k that makes them sum to one. Takes more margin off
    outsiders than off favourites, as bookmakers put it on. Vovk and Zhdanov (2009), Prediction with
    expert advice for the Brier game, JMLR 10; compared with others in Clarke, Kovalchik and Ingram
    (2017), Adjusting bookmaker's odds to allow for overround, American Journal of Sports Science
    5(6), doi:10.11648/j.ajss.20170506.12.
    ``proportional``: p_i = (1 / o_i) / sum(1 / o).

    Args:
        odds: decimal, at least 1, outcomes in the last axis; rows with NaN give NaN.

    Raises:
        ValueError: odds below 1, or an unknown method.
    """
    prices = np.asarray(odds, np.float64)
    if (prices < 1).any():
        raise ValueError("decimal odds are at least 1")
    inverse = 1 / prices
    if method == "power":
        inverse = np.exp(_exponents(np.log(inverse))[..., None] * np.log(inverse))
    elif method != "proportional":
        raise ValueError(f"unknown method {method!r}")
    return inverse / inverse.sum(axis=-1, keepdims=True)


def _exponents(logs: FloatArray) -> FloatArray:
    """k with sum(exp(k * logs)) = 1, by bisection: the sum falls from the number of outcomes."""
    low = np.zeros(logs.shape[:-1])
    high = np.ones(logs.shape[:-1])
    for _ in range(_STEPS):
        above = np.exp(high[..., None] * logs).sum(axis=-1) > 1
        if not above.any() or high.max() > 2**20:  # odds of 1 never get there: their limit is 1
            break
        high = np.where(above, 2 * high, high)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = np.exp(middle[..., None] * logs).sum(axis=-1) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high
