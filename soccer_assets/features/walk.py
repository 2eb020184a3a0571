"""One pass through time: what kicks off at a moment is read before any of it is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.features.log import COMPETITION, EDITION, PLACE, SEASON, TEAM, MatchLog
from soccer_assets.features.rating import Memory, Rating

#: Before every kick-off.
BEGINNING = -(2**62)


@dataclass(frozen=True, eq=False)
class Walked:
    """What a walk saw."""

    read: dict[str, FloatArray]
    """Rating -> float64 (matches, its columns); NaN for matches from before the walk's beginning."""
    memories: dict[int, Memory]
    """Moment -> what was known then."""


def walk(
    log: MatchLog,
    ratings: tuple[Rating, ...],
    result_delay: int,
    *,
    memory: Memory | None = None,
    since: int = BEGINNING,
    remember: Sequence[int] = (),
) -> Walked:
    """Rate every match that kicks off at ``since`` or later.

    Args:
        log: these matches; and the results before ``since`` that were not known by then.
        ratings: systems, each of which goes through time by itself.
        result_delay: seconds after kick-off when a result is known; above zero.
        memory: what was known at ``since``; its ids have the same codes in ``log``.
        remember: moments, rising, from ``since`` on.
    """
    blank = memory or Memory.blank(ratings)
    states = blank.rows(ratings, log.ids)
    moments, cuts = _moments(log, result_delay, since, remember)
    read = {rating.name: np.full((len(log), len(rating.columns)), np.nan) for rating in ratings}
    memories = {}
    for part, moment in zip(np.split(moments, cuts), [*remember, None], strict=True):
        for rating in ratings:
            rating.walk(log, part, states[rating.name], read[rating.name])
        if moment is not None:
            memories[moment] = Memory.of(log.ids, states, _named_before(log, moment, blank))
    return Walked(read, memories)


def _moments(
    log: MatchLog, result_delay: int, since: int, remember: Sequence[int]
) -> tuple[IntArray, IntArray]:
    """What happens from ``since`` on, in order, as ``Rating.walk`` takes it; and where in it each of
    the moments to remember lies. A result counts at the moment at which it becomes known."""
    kickoffs = np.flatnonzero(log.seconds >= since)
    results = np.flatnonzero(log.played & (log.seconds + result_delay > since))
    times = np.concatenate([log.seconds[results] + result_delay, log.seconds[kickoffs]])
    is_kickoff = np.repeat([0, 1], [len(results), len(kickoffs)])
    order = np.lexsort((is_kickoff, times))
    moments = np.concatenate([~results, kickoffs])[order].astype(np.int64)
    # At the very moment, what has become known by then is known, and no match is read yet.
    rank = 2 * times[order] + is_kickoff[order]
    return moments, np.searchsorted(rank, 2 * np.asarray(remember, np.int64) + 1)


def _named_before(log: MatchLog, moment: int, memory: Memory) -> dict[str, int]:
    """Kind -> how many codes results have named of matches that kick off before a moment."""
    earlier = log.played & (log.seconds < moment)
    codes = {
        TEAM: (log.home, log.away),
        COMPETITION: (log.competition,),
        EDITION: (log.edition,),
        PLACE: (log.home_place, log.away_place),
    }
    counts = {
        kind: max(
            len(memory.ids.get(kind, ())),
            *(1 + int(code[earlier].max(initial=-1)) for code in of),
        )
        for kind, of in codes.items()
    }
    # The lower half of an edition's id is its season's code: see ``log``.
    seasons = log.ids[EDITION][: counts[EDITION]] & (2**32 - 1)
    return counts | {SEASON: 1 + int(seasons.max(initial=-1))}
