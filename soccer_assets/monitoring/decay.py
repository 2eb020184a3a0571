"""Has the champion become worse than it promised? Asked after every settled match.

Five tests, each an e-process (``e_process``) from the champion's first match on. Matches of one moment
are known together and stand in order of their id. What is held to a bound is held in the promise, too:

| test | is about | a match's value, held to |
|---|---|---|
| elo | the loss less Elo's on the same match, beyond the promised gap | .25 nats |
| promise | the loss, beyond the promised one | 1 nat |
| home | home wins less predicted ones, both ways | 1 |
| market | the loss less that of the closing odds, where known, beyond the promised gap | .25 nats |
| league | in each league the mean of three: elo, home, and the loss beyond the predicted entropy | |

The first is the sharpest: paired on a match, the standard deviation is .13 nats instead of .4. Of a
league nothing was promised, but whoever is calibrated expects a loss as large as the entropy of what is
predicted. Of the leagues those ring that e-Benjamini-Hochberg names on the first day that it names any.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from soccer_assets.arrays import AnyArray, BoolArray, FloatArray, IntArray
from soccer_assets.features.odds import margin_free
from soccer_assets.monitoring.e_process import (
    alarm_of,
    e_benjamini_hochberg,
    log_e_process,
    log_e_process_two_sided,
    scaled,
)
from soccer_assets.params.monitoring import DecayParams

#: Bounds to which a match's value is held, in nats: paired differences, and the loss itself.
PAIRED_BOUND, LOSS_BOUND = 0.25, 1.0
#: No probability is taken for less; Elo and odds never say so of an outcome.
_FLOOR = 1e-6
#: Days; a champion is expected to serve no longer.
_A_YEAR = 365.0
#: Of a settled prediction, one row a match; odds are decimal, NaN where unknown.
COLUMNS = (
    *("match_id", "tournament_id", "kickoff", "made_at", "model_version"),
    *("p_home", "p_draw", "p_away", "elo_home", "elo_draw", "elo_away", "outcome"),
    *("odds_home", "odds_draw", "odds_away"),
)


@dataclass(frozen=True)
class Promise:
    """What the champion's judge achieved before it was promoted: means of held values, in nats."""

    loss: float
    to_elo: float
    to_market: float | None
    """None where no judged match had odds."""

    @classmethod
    def of(cls, judged: pd.DataFrame) -> Self:
        """Of judged matches, laid out as ``COLUMNS``. Raises ``ValueError`` where there are none."""
        if judged.empty:
            raise ValueError("no judged matches: nothing was promised")
        loss, elo, market = _losses(judged)
        priced = np.isfinite(market)
        return cls(
            loss=float(loss.mean()),
            to_elo=float(_held(loss - elo).mean()),
            to_market=float(_held(loss - market)[priced].mean()) if priced.any() else None,
        )


@dataclass(frozen=True, eq=False)
class DecayReport:
    """What the tests say of a champion's life so far."""

    tests: pd.DataFrame
    """One row a test, and one a league that rings: ``test``, ``league`` (None but for leagues),
    ``e_value`` (the largest so far), ``rung``, ``since`` (kick-off of the match at which it rang),
    ``after`` (matches until then), ``matches`` (in all), ``mean`` and ``allowed``."""
    settled: int

    @property
    def holds(self) -> bool:
        return not self.tests["rung"].any()

    @property
    def rung(self) -> list[str]:
        """Names of the tests that ring, in the order of the table, each once."""
        return list(dict.fromkeys(self.tests.loc[self.tests["rung"], "test"]))


def decay_report(settled: pd.DataFrame, promise: Promise, limits: DecayParams) -> DecayReport:
    """Judge the settled predictions of one champion.

    ``settled`` has the ``COLUMNS``, in any order. Rows made at or after kick-off are no predictions and
    are left out. Raises ``ValueError`` on an absent column or a match that occurs twice.
    """
    rows = in_order(settled)
    told = _Told.of(rows)
    table = [
        _row(name, None, kickoffs, log_e, limits.alarm, values, allowed)
        for name, (log_e, values, allowed, kickoffs) in _streams(told, promise, limits).items()
    ]
    table += _league_rows(rows, told, promise, limits)
    tests = pd.DataFrame(table, columns=_TABLE)
    # Without an alarm there is no time zone to be guessed from.
    tests["since"] = pd.to_datetime(tests["since"], utc=True)
    return DecayReport(tests=tests, settled=len(rows))


def in_order(settled: pd.DataFrame) -> pd.DataFrame:
    """The rows made before kick-off, in order of kick-off and match, kick-offs in UTC."""
    if absent := [name for name in COLUMNS if name not in settled.columns]:
        raise ValueError(f"settled predictions lack columns: {', '.join(absent)}")
    kickoff, made = (pd.to_datetime(settled[name], utc=True) for name in ("kickoff", "made_at"))
    rows = settled.assign(kickoff=kickoff, made_at=made)[made < kickoff]
    if rows["match_id"].duplicated().any():
        raise ValueError("a match is settled twice")
    return rows.sort_values(["kickoff", "match_id"], ignore_index=True)


def beginnings(kickoffs: AnyArray, every_days: int) -> IntArray:
    """Positions of the first match of every period, counted from the first kick-off, of rising
    kick-offs (datetime64)."""
    if not len(kickoffs):
        return np.zeros(0, dtype=np.int64)
    since = (kickoffs - kickoffs[0]) // np.timedelta64(every_days, "D")
    return np.unique(since, return_index=True)[1].astype(np.int64)


_TABLE = ["test", "league", "e_value", "rung", "since", "after", "matches", "mean", "allowed"]
_Stream = tuple[FloatArray, FloatArray, float, AnyArray]


@dataclass(frozen=True, eq=False)
class _Told:
    """What settled matches tell, (n,) each, in order."""

    kickoffs: AnyArray
    """datetime64, UTC."""
    loss: FloatArray
    to_elo: FloatArray
    to_market: FloatArray
    """Held, as ``to_elo`` is; both are NaN where the other says nothing."""
    surprise: FloatArray
    """The loss beyond the entropy of what was predicted."""
    home: FloatArray

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Self:
        loss, elo, market = _losses(rows)
        p = rows[["p_home", "p_draw", "p_away"]].to_numpy(dtype=np.float64)
        wins = (rows["outcome"].to_numpy() == 0).astype(np.float64)
        return cls(
            kickoffs=rows["kickoff"].dt.tz_localize(None).to_numpy(),
            loss=loss,
            to_elo=_held(loss - elo),
            to_market=_held(loss - market),
            surprise=loss + (p * np.log(np.maximum(p, _FLOOR))).sum(axis=1),
            home=wins - p[:, 0],
        )

    def __getitem__(self, part: IntArray | BoolArray) -> Self:
        return type(self)(**{name: values[part] for name, values in vars(self).items()})


def _streams(told: _Told, promise: Promise, limits: DecayParams) -> dict[str, _Stream]:
    """Name -> logarithm of the e-process, values, what their mean may be, and kick-offs."""

    def one_sided(values: FloatArray, allowed: float, bound: float, of: _Told) -> _Stream:
        starts = beginnings(of.kickoffs, limits.begin_days)
        log_e = log_e_process(
            scaled(values, allowed, bound), starts, spread=_A_YEAR / limits.begin_days
        )
        return log_e, values, allowed, of.kickoffs

    days = limits.home_begin_days
    starts = beginnings(told.kickoffs, days)
    surplus = log_e_process_two_sided(told.home, limits.home_margin, starts, spread=_A_YEAR / days)
    elo, loss = promise.to_elo + limits.elo_margin, told.loss - promise.loss
    compared = told[np.isfinite(told.to_elo)]
    streams = {
        "elo": one_sided(compared.to_elo, elo, PAIRED_BOUND, compared),
        "promise": one_sided(loss, limits.promise_margin, LOSS_BOUND, told),
        "home": (surplus, told.home, limits.home_margin, told.kickoffs),
    }
    priced = told[np.isfinite(told.to_market)]
    if len(priced.loss) and promise.to_market is not None:
        market = promise.to_market + limits.market_margin
        streams["market"] = one_sided(priced.to_market, market, PAIRED_BOUND, priced)
    return streams


def _row(
    test: str,
    league: object,
    kickoffs: Any,
    log_e: FloatArray,
    level: float,
    values: FloatArray,
    allowed: float,
) -> dict[str, Any]:
    alarm = alarm_of(log_e, level)
    return {
        "test": test,
        "league": league,
        "e_value": alarm.e_value,
        "rung": alarm.rung,
        "since": pd.NaT if alarm.first is None else pd.Timestamp(kickoffs[alarm.first], tz="UTC"),
        "after": None if alarm.first is None else alarm.first + 1,
        "matches": len(values),
        "mean": float(values.mean()) if len(values) else None,
        "allowed": allowed,
    }


def _league_rows(
    rows: pd.DataFrame, told: _Told, promise: Promise, limits: DecayParams
) -> list[dict[str, Any]]:
    """The leagues named on the first day that any is; one row of silence where none ever was."""
    days = told.kickoffs.astype("datetime64[D]")
    places = rows.groupby("tournament_id", sort=True).indices
    streams = {
        league: _league_log_e(told[np.asarray(at)], promise, limits)
        for league, at in places.items()
    }
    found = _first_named(days, {k: np.asarray(v) for k, v in places.items()}, streams, limits.alarm)
    largest = max((float(log_e.max()) for log_e in streams.values()), default=0.0)
    nothing: dict[str, Any] = {
        "test": "league",
        "league": None,
        "e_value": float(np.exp(min(largest, 700.0))),
    }
    nothing |= {"rung": False, "since": pd.NaT, "after": None, "matches": len(rows)}
    if found is None:
        return [nothing | {"mean": None, "allowed": None}]
    day, named = found
    return [
        {
            "test": "league",
            "league": league,
            "e_value": float(np.exp(min(float(streams[league].max()), 700.0))),
            "rung": True,
            "since": pd.Timestamp(day, tz="UTC"),
            "after": int((days[places[league]] <= day).sum()),
            "matches": len(places[league]),
            "mean": None,
            "allowed": None,
        }
        for league in named
    ]


def _league_log_e(told: _Told, promise: Promise, limits: DecayParams) -> FloatArray:
    """The mean of a league's three e-processes, which is one."""
    starts, spread = beginnings(told.kickoffs, 3 * limits.begin_days), 4.0
    elo = promise.to_elo + limits.league_elo_margin
    # Where Elo says nothing, nothing is bet.
    against_elo = np.where(np.isfinite(told.to_elo), told.to_elo, elo)
    each = [
        log_e_process(scaled(against_elo, elo, PAIRED_BOUND), starts, spread=spread),
        log_e_process(
            scaled(told.surprise, limits.league_loss_margin, LOSS_BOUND), starts, spread=spread
        ),
        log_e_process_two_sided(told.home, limits.league_home_margin, starts, spread=spread),
    ]
    return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))


def _first_named(
    days: Any, places: dict[Any, IntArray], streams: dict[Any, FloatArray], level: float
) -> tuple[Any, list[Any]] | None:
    """The first day at whose end leagues fall, of those that have played by then, and which."""
    leagues = list(places)
    order = np.concatenate([places[league] for league in leagues]) if leagues else np.zeros(0, int)
    whose = np.repeat(np.arange(len(leagues)), [len(places[league]) for league in leagues])
    said = np.concatenate([streams[league] for league in leagues]) if leagues else np.zeros(0)
    in_time = np.argsort(order, kind="stable")
    whose, said, days = whose[in_time], said[in_time], days[order[in_time]]
    now = np.full(len(leagues), -np.inf)
    ends = np.flatnonzero(np.append(days[1:] != days[:-1], len(days) > 0)) + 1
    start = 0
    for end in ends.tolist():
        now[whose[start:end]] = said[start:end]  # of several on a day the last stays
        start = end
        played = np.flatnonzero(np.isfinite(now))
        fallen = e_benjamini_hochberg(np.exp(np.minimum(now[played], 700.0)), 1.0 / level)
        if len(fallen):
            return days[end - 1], [leagues[k] for k in played[fallen]]
    return None


def _losses(rows: pd.DataFrame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-loss of the model, of Elo and of the odds (NaN where unknown), each (n,)."""
    outcomes = rows["outcome"].to_numpy(dtype=np.int64)
    at = np.arange(len(rows))
    p, elo, odds = (
        rows[[f"{name}_{side}" for side in ("home", "draw", "away")]].to_numpy(dtype=np.float64)
        for name in ("p", "elo", "odds")
    )
    market = margin_free(odds)
    return (
        -np.log(np.maximum(p[at, outcomes], _FLOOR)),
        -np.log(np.maximum(elo[at, outcomes], _FLOOR)),
        -np.log(np.maximum(market[at, outcomes], _FLOOR)),
    )


def _held(paired: FloatArray) -> FloatArray:
    return np.clip(paired, -PAIRED_BOUND, PAIRED_BOUND)
