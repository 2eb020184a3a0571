"""Is what comes in another world than the one that the champion learnt from? Asked before any result.

Five tests, none of which needs to know how a match ended, so that they speak within days:

- prediction: by group of leagues, the mean of what is predicted (home win, entropy) and of what matters
  most to the model, against the same leagues in the reference: a league counts as often as it is played
  now, so that a summer full of other leagues is no shift;
- silence: a league that was playing has no match for three weeks, and no fixture in two weeks ahead, in
  which in former years it had some, also when its breaks are moved by two weeks. Season breaks are in the
  former years, of which an odd one does not count;
- volume: of all leagues together far fewer matches than in the same weeks of former years;
- missing: the share of matches without odds, score or kick-off rises, against the same leagues before;
- frozen: matches were due, and of none is there a result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from soccer_assets.arrays import FloatArray, IntArray
from soccer_assets.params.monitoring import ShiftParams

#: Whole weeks, so that a Saturday is compared with Saturdays.
YEAR_DAYS = 364
#: Rows of a league in the reference, with fewer of which nothing is expected of it.
_KNOWN_LEAGUE = 20
#: Standard errors over leagues that are chance: they are few, and their means have heavy tails.
_CHANCE = 4.0
ALL, WOMEN, INTERNATIONAL, MEN = "all", "women", "international", "men"
_TABLE = ["test", "group", "what", "found", "expected", "limit", "matches", "since", "rung"]


@dataclass(frozen=True, eq=False)
class ShiftReport:
    """What the tests say at a moment."""

    tests: pd.DataFrame
    """One row a comparison: ``test``, ``group`` (of leagues, or a league), ``what``, ``found``,
    ``expected``, ``limit``, ``matches`` (it rests on), ``since`` (where that can be said), ``rung``."""

    @property
    def holds(self) -> bool:
        return not self.tests["rung"].any()

    @property
    def rung(self) -> list[str]:
        """Names of the tests that ring, each once."""
        return list(dict.fromkeys(self.tests.loc[self.tests["rung"], "test"]))


def report_of(*tables: Sequence[Mapping[str, Any]]) -> ShiftReport:
    """What the tests found, as one table."""
    rows = [row for table in tables for row in table]
    tests = pd.DataFrame(rows, columns=_TABLE).astype({"rung": bool})
    tests["since"] = pd.to_datetime(tests["since"], utc=True)
    return ShiftReport(tests)


def groups_of(rows: pd.DataFrame) -> pd.Series:
    """Group of leagues of each row, by columns ``sex`` (1 women) and ``region``."""
    women = pd.to_numeric(rows["sex"], errors="coerce").fillna(0).eq(1)
    abroad = rows["region"].astype(str).str.lower().eq("international")
    named = np.select([women, abroad], [WOMEN, INTERNATIONAL], MEN)
    return pd.Series(named, index=rows.index)


def entropy(probabilities: FloatArray) -> FloatArray:
    """Of predictions (n, 3), nats (n,)."""
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1))


def shifted_means(
    reference: pd.DataFrame, live: pd.DataFrame, margins: Mapping[str, float], min_matches: int
) -> list[dict[str, Any]]:
    """Means of columns of ``live`` against those of the same leagues in ``reference``.

    Both have ``tournament_id``, ``group`` and the columns of ``margins`` (column -> how far its mean may
    move). Leagues that the reference hardly knows are left out. Rings where a group's mean has moved by
    more than the margin and what chance may do with so many leagues.
    """
    known = reference.groupby("tournament_id")[list(margins)].agg(["mean", "size"])
    rows: list[dict[str, Any]] = []
    for group, part in [(ALL, live), *live.groupby("group")]:
        for column, margin in margins.items():
            means = known[column]
            expected = means["mean"].where(means["size"] >= _KNOWN_LEAGUE)
            value = part[column] - part["tournament_id"].map(expected)
            value = value[np.isfinite(value)]
            if len(value) < min_matches:
                continue
            centred = value - value.mean()
            by_league = centred.groupby(part["tournament_id"].loc[value.index]).sum()
            # Clustered by league: its matches are of the same few teams.
            error = float(np.sqrt((by_league**2).sum()) / len(value))
            moved, limit = float(value.mean()), margin + _CHANCE * error * _few(len(by_league))
            found = float(part[column].loc[value.index].mean())
            rows.append(
                _row(
                    "prediction", group, column, found, found - moved, limit, len(value),
                    rung=abs(moved) > limit,
                )
            )  # fmt: skip
    return rows


class Calendar:
    """How many matches each league had on each day, for counting in windows of days."""

    def __init__(
        self, tournaments: ArrayLike, days: ArrayLike, counts: ArrayLike | None = None
    ) -> None:
        """Of matches, or of (league, day, number of matches)."""
        self.leagues, place = np.unique(np.asarray(tournaments), return_inverse=True)
        numbers = np.asarray(days, dtype="datetime64[D]").astype(np.int64)
        self.first = int(numbers.min()) if len(numbers) else 0
        length = int(numbers.max()) - self.first + 1 if len(numbers) else 0
        table = np.zeros((len(self.leagues), length + 1), dtype=np.int64)
        np.add.at(table, (place, numbers - self.first + 1), 1 if counts is None else counts)
        self._before = table.cumsum(axis=1)

    def count(self, since: int, until: int) -> IntArray:
        """Matches of each league on the days from ``since`` to before ``until``, (leagues,)."""
        length = self._before.shape[1] - 1
        a, b = (min(max(day - self.first, 0), length) for day in (since, until))
        return np.asarray(self._before[:, b] - self._before[:, a])


def silent_leagues(calendar: Calendar, now: datetime, limits: ShiftParams) -> list[dict[str, Any]]:
    """Leagues that fell silent, one row each; one row that holds where there is none."""
    end = _day(now)
    start = end - limits.quiet_days
    ahead = end + limits.ahead_days
    usual = _usual(calendar, start, end, limits)
    # Where former years were over by then, or paused, this one may be so a little earlier.
    goes_on = _usual(calendar, end, ahead, limits) >= limits.usual_matches
    playing = calendar.count(start - limits.season_days, start) >= limits.usual_matches
    silent = (
        (calendar.count(start, ahead) == 0) & playing & goes_on & (usual >= limits.usual_matches)
    )
    rows = [
        _row(
            "silence", str(calendar.leagues[k]), "matches", 0, float(usual[k]), 1, int(usual[k]),
            since=pd.Timestamp(start, unit="D", tz="UTC"), rung=True,
        )
        for k in np.flatnonzero(silent)
    ]  # fmt: skip
    return rows or [_row("silence", ALL, "leagues", 0, 0, 1, int(playing.sum()), rung=False)]


def volume(calendar: Calendar, now: datetime, limits: ShiftParams) -> list[dict[str, Any]]:
    """All matches of the window against the fewest that former years had in the same weeks."""
    end = _day(now)
    start = end - limits.window_days
    found = int(calendar.count(start, end).sum())
    former = [
        min(
            int(calendar.count(start - shift, end - shift).sum())
            for shift in _shifts(year, limits.slack_days)
        )
        for year in range(1, limits.former_years + 1)
    ]
    expected = min(former)
    if expected < limits.min_matches:
        return []
    limit = limits.volume_share * expected
    return [_row("volume", ALL, "matches", found, expected, limit, found, rung=found < limit)]


def missing_shares(
    before: pd.DataFrame, live: pd.DataFrame, columns: Sequence[str], limits: ShiftParams
) -> list[dict[str, Any]]:
    """Share of matches that lack something, against the same leagues before.

    Both have ``tournament_id`` and boolean ``columns``, true where it is missing.
    """
    rows = []
    size = before.groupby("tournament_id").size()
    for column in columns:
        usual = before.groupby("tournament_id")[column].mean().where(size >= _KNOWN_LEAGUE)
        expected = live["tournament_id"].map(usual)
        known = expected.notna()
        if known.sum() < limits.min_matches:
            continue
        found, share = float(live.loc[known, column].mean()), float(expected[known].mean())
        limit = share + limits.missing_margin
        rows.append(
            _row("missing", ALL, column, found, share, limit, int(known.sum()), rung=found > limit)
        )
    return rows


def frozen_feed(
    kickoffs: pd.Series, is_settled: pd.Series, now: datetime, limits: ShiftParams
) -> list[dict[str, Any]]:
    """Whether of the matches that were due lately none has a result.

    ``kickoffs`` (UTC) and ``is_settled`` are of all matches known to have been scheduled, but for those
    called off.
    """
    due = pd.Timestamp(now) - pd.Timedelta(hours=limits.result_hours)
    lately = (kickoffs <= due) & (kickoffs > due - pd.Timedelta(days=limits.frozen_days))
    matches, settled = int(lately.sum()), int(is_settled[lately].sum())
    if matches < limits.frozen_matches:
        return []
    played = kickoffs[is_settled & (kickoffs <= due)]
    return [
        _row(
            "frozen", ALL, "results", settled, matches, 1, matches,
            since=played.max() if len(played) else None, rung=settled == 0,
        )
    ]  # fmt: skip


def _usual(calendar: Calendar, start: int, end: int, limits: ShiftParams) -> IntArray:
    """The fewest matches that a league had in the window, and in shifts of it, in any former year but
    the oddest."""
    fewest = [
        np.min(
            [
                calendar.count(start - shift, end - shift)
                for shift in _shifts(year, limits.slack_days)
            ],
            axis=0,
        )
        for year in range(1, limits.former_years + 1)
    ]
    return np.asarray(np.sort(fewest, axis=0)[min(limits.odd_years, len(fewest) - 1)])


def _shifts(year: int, slack: int) -> tuple[int, int, int]:
    return (year * YEAR_DAYS - slack, year * YEAR_DAYS, year * YEAR_DAYS + slack)


def _day(now: datetime) -> int:
    """Days since 1970 of the day of ``now``, which is not over and so not counted."""
    return int(pd.Timestamp(now).timestamp() // 86400)


def _few(leagues: int) -> float:
    """A standard error from few leagues is too small; as the t distribution's sd is larger."""
    return float(np.sqrt((leagues - 1) / (leagues - 3))) if leagues > 3 else float("inf")


def _row(
    test: str,
    group: str,
    what: str,
    found: float,
    expected: float,
    limit: float,
    matches: int,
    *,
    rung: bool,
    since: pd.Timestamp | None = None,
) -> dict[str, Any]:
    values = (test, group, what, found, expected, limit, matches, since, rung)
    return dict(zip(_TABLE, values, strict=True))
