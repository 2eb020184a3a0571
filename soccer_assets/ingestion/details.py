"""What a source may add to a match beyond the site's fields.

A value that cannot be true is left out and told; it costs itself, never its match or the day.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from soccer_assets.feed.fields import NEUTRAL_FIELD, ROW_FIELD
from soccer_assets.ingestion.odds import match_odds
from soccer_assets.ingestion.statistics import match_statistics
from soccer_assets.text import one_line
from soccer_assets.warehouse.rows import ODDS_SCHEMA, STATISTICS_SCHEMA

#: Told the match and what of it cannot be used.
Tell = Callable[[int, str], None]


def grounds(ids: Sequence[int], extras: Sequence[dict], tell: Tell) -> list[bool | None]:
    """Whether each match is on neutral ground; None where the source does not say."""
    found: list[bool | None] = []
    for match_id, extra in zip(ids, extras, strict=True):
        value = extra.get(NEUTRAL_FIELD)
        if not (value is None or isinstance(value, bool)):
            tell(match_id, f"{NEUTRAL_FIELD} {_shown(value)} is neither true nor false")
            value = None
        found.append(value)
    return found


def odds_table(
    ids: Sequence[int], extras: Sequence[dict], fetched_at: datetime, tell: Tell
) -> pa.Table:
    """The odds among them; ``ODDS_SCHEMA``."""
    rows = [
        {
            "match_id": match_id,
            "bookmaker": odds.bookmaker,
            "phase": odds.when,
            "odds_home": odds.odds_home,
            "odds_draw": odds.odds_draw,
            "odds_away": odds.odds_away,
            "changed_at": fetched_at,
        }
        for match_id, cells in _rows(ids, extras)
        for odds in match_odds(cells, partial(tell, match_id))
    ]
    return pa.Table.from_pylist(rows, schema=ODDS_SCHEMA)


def statistics_table(
    ids: Sequence[int], extras: Sequence[dict], fetched_at: datetime, tell: Tell
) -> pa.Table:
    """The statistics among them; ``STATISTICS_SCHEMA``. A match without any has no row."""
    rows = [
        {"match_id": match_id, **statistics, "changed_at": fetched_at}
        for match_id, cells in _rows(ids, extras)
        if (statistics := match_statistics(cells, partial(tell, match_id)))
    ]
    return pa.Table.from_pylist(rows, schema=STATISTICS_SCHEMA)


def _rows(ids: Sequence[int], extras: Sequence[dict]) -> Iterator[tuple[int, dict[str, str]]]:
    """Matches that have a row of the site's columns, with its texts."""
    for match_id, extra in zip(ids, extras, strict=True):
        if isinstance(cells := extra.get(ROW_FIELD), dict):
            yield match_id, {k: v for k, v in cells.items() if isinstance(v, str)}


def _shown(value: Any) -> str:
    return one_line(f"{value!r:.60}")
