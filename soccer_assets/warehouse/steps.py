"""Which days of a load can be applied at once.

Payloads take effect one after the other, in the order of their fetches. Going through the tables
once for each day would be slow, so days whose effects do not meet go together.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg2.extensions

from soccer_assets.clock import CLOCKS_DISAGREE_BY, stamped_now
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import SCHEMA


@dataclass(frozen=True)
class HeldPayload:
    """What a day holds before the load."""

    payload_key: str
    fetched_at: datetime

    def is_newer_than(self, day: ParsedDay) -> bool:
        """Not if it claims to be of the future, where nothing was ever fetched."""
        return day.fetched_at < self.fetched_at <= stamped_now() + CLOCKS_DISAGREE_BY


def held_payloads(
    cursor: psycopg2.extensions.cursor, days: Sequence[date]
) -> dict[date, HeldPayload]:
    """What each of these days holds now, where it holds something."""
    cursor.execute(
        f"SELECT day, payload_key, fetched_at FROM {SCHEMA}.ingested_day WHERE day = ANY(%s)",
        [list(days)],
    )
    return {day: HeldPayload(key, fetched_at) for day, key, fetched_at in cursor.fetchall()}


@dataclass(frozen=True)
class Shown:
    """What the tables hold of some days: the matches that each shows, with their tournaments, and
    which of those another day shows, too."""

    by_day: dict[date, dict[int, int | None]]
    """Day -> match -> its tournament; None when the day does not show it any more."""
    contested: set[int]

    def untold(self, day: ParsedDay) -> set[int]:
        """The known matches of a day of which its payload says nothing that could be used."""
        if not day.gaps and not day.set_aside:
            return set()
        hidden = frozenset[int]().union(*(gap.tournament_ids for gap in day.gaps))
        aside = {match.match_id for match in day.set_aside}
        told = set(day.match["match_id"].to_pylist())
        return {
            match_id
            for match_id, tournament_id in self.by_day[day.day].items()
            if tournament_id is not None
            and (tournament_id in hidden or match_id in aside)
            and match_id not in told
        }


def shown_matches(cursor: psycopg2.extensions.cursor, days: Sequence[date]) -> Shown:
    """What the tables hold of these days now."""
    shown = Shown(defaultdict(dict), set())
    if days:
        cursor.execute(
            f"""
            SELECT match_id, CASE WHEN vanished_at IS NULL THEN tournament_id END, feed_day,
                   EXISTS (SELECT FROM {SCHEMA}.match_shadow s WHERE s.match_id = m.match_id)
            FROM {SCHEMA}.match m WHERE feed_day = ANY(%(days)s)
            UNION ALL
            SELECT match_id, tournament_id, feed_day, true
            FROM {SCHEMA}.match_shadow WHERE feed_day = ANY(%(days)s)
            """,
            {"days": list(days)},
        )
        for match_id, tournament_id, day, contested in cursor:
            shown.by_day[day][match_id] = tournament_id
            if contested:
                shown.contested.add(match_id)
    return shown


def steps_of(
    days: Sequence[ParsedDay], held: dict[date, HeldPayload], shown: Shown, reparse: bool
) -> Iterator[list[ParsedDay]]:
    """Days that can be applied at once with the effect of one after the other.

    No two of them show the same match. A day that holds a payload already goes alone if it may
    give a match back to another day: when it drops one, or shows one that is, or in this load was,
    shown elsewhere.
    """
    together: list[ParsedDay] = []
    ids: set[int] = set()
    earlier: set[int] = set()
    for day in sorted(days, key=lambda d: (d.fetched_at, d.day)):
        before = held.get(day.day)
        if before:
            if before.is_newer_than(day):
                continue
            if before.payload_key == day.payload_key and not reparse:
                continue
        its_ids = set(day.match["match_id"].to_pylist())
        its_ids |= shown.untold(day)
        alone = before is not None and not (
            shown.by_day[day.day].keys() <= its_ids
            and its_ids.isdisjoint(shown.contested)
            and its_ids.isdisjoint(earlier)
            and its_ids.isdisjoint(ids)
        )
        if together and (alone or not ids.isdisjoint(its_ids)):
            yield together
            earlier |= ids
            together, ids = [], set()
        together.append(day)
        ids |= its_ids
        if alone:
            yield together
            earlier |= ids
            together, ids = [], set()
    if together:
        yield together
