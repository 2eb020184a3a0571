"""What a source may add to a match beyond the site's fields.

A value that cannot be true is left out and told; it costs itself, never its match or the day.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from soccer_assets.feed.fields import NEUTRAL_FIELD, ODDS_FIELD
from soccer_assets.ingestion.odds import match_odds
from soccer_assets.text import one_line
from soccer_assets.warehouse.rows import ODDS_SCHEMA

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


def odds_table(ids: Sequence[int], extras: Sequence[dict], fetched_at: datetime) -> pa.Table:
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
        for match_id, extra in zip(ids, extras, strict=True)
        if isinstance(cells := extra.get(ODDS_FIELD), dict)
        for odds in match_odds({k: v for k, v in cells.items() if isinstance(v, str)})
    ]
    return pa.Table.from_pylist(rows, schema=ODDS_SCHEMA)


def _shown(value: Any) -> str:
    return one_line(f"{value!r:.60}")
