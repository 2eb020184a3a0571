"""The matches as they were known at a past moment, from the log of their changes."""

from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from soccer_assets.warehouse.schema import SCHEMA, match

_COLUMNS = [c.name for c in match.columns if c.name not in ("content_hash", "changed_at")]
# Of each field the oldest value that was replaced after the moment is the one it had then.
_AS_OF = f"""
SELECT {", ".join(f"past.{name}" for name in _COLUMNS)}
FROM {SCHEMA}.match m
LEFT JOIN (
    SELECT match_id, jsonb_object_agg(field, old) AS values
    FROM (SELECT DISTINCT ON (match_id, field) match_id, field, old
          FROM {SCHEMA}.match_change WHERE changed_at > :moment
          ORDER BY match_id, field, change_id) first_replaced
    GROUP BY match_id) replaced USING (match_id)
CROSS JOIN LATERAL jsonb_populate_record(m, coalesce(replaced.values, '{{}}')) AS past
WHERE m.first_seen_at <= :moment
ORDER BY m.match_id
"""


def matches_as_of(engine: sa.Engine, moment: datetime) -> pd.DataFrame:
    """Rows of ``match`` as the table stood at ``moment``, so that features can be built on what was
    known then: without later results, corrections, moves, or matches.

    Args:
        moment: aware; fetches at it count as known.

    Returns:
        The columns of ``match`` but ``content_hash`` and ``changed_at``, by match id; times UTC.

    Raises:
        ValueError: the moment is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("the moment needs a time zone")
    with engine.connect() as connection:
        return pd.read_sql(sa.text(_AS_OF), connection, params={"moment": moment})
