"""Which record of a match is in the tables, where several days show it.

The one with the further state wins, then the later day; the others wait in shadow tables, and come
back when the winner's day drops it.
"""

import psycopg2.extensions
import sqlalchemy as sa

from soccer_assets.warehouse.schema import SCHEMA, STATUSES, match, match_raw
from soccer_assets.warehouse.staging import CAUSE, DAYS, column_list


def decide_contests(cursor: psycopg2.extensions.cursor) -> str:
    """Leave the winners that are new in the staging tables, and the losers in the shadow tables.

    Returns:
        Ids of all matches that the step touches: those of its days, now and before. An array as
        PostgreSQL writes it: thousands of numbers would take it longer to read than to look up.
    """
    cursor.execute(_TOUCHED)
    (touched,) = cursor.fetchone() or ("{}",)
    cursor.execute(_POOL, {"touched": touched})
    cursor.execute(_RENEW)
    cursor.execute(_CONTESTED)
    contested: dict[str, list[int]] = dict(cursor.fetchall())
    if contested:
        moved = {"lost": contested.get("main", []), "returned": contested.get("shadow", [])}
        cursor.execute(_MOVE, moved)
    return touched


# Looked up by hash, other than in an array.
_OF_OTHER_DAYS = "feed_day NOT IN (SELECT day FROM stage_day)"
_RANK = "array_position(ARRAY[{}], status)".format(", ".join(f"'{s}'" for s in STATUSES))


def _shadow_moves(table: sa.Table) -> str:
    """Put the losers of the pool into the shadow and take the winners out of it."""
    name, columns = table.name, column_list(table)
    taken = ", ".join(
        CAUSE.format("fetched_at", "s.feed_day") if c.name == "changed_at" else f"s.{c.name}"
        for c in table.columns
    )
    return f"""
    INSERT INTO {SCHEMA}.{name}_shadow ({columns})
        SELECT {columns} FROM stage_{name} JOIN pool USING (match_id, feed_day)
        WHERE origin = 'stage' AND place > 1
        UNION ALL
        SELECT {columns} FROM {SCHEMA}.{name} WHERE match_id = ANY (%(lost)s);
    DELETE FROM stage_{name} s USING pool p
        WHERE s.match_id = p.match_id AND s.feed_day = p.feed_day
          AND p.origin = 'stage' AND p.place > 1;
    INSERT INTO stage_{name} ({columns})
        SELECT {taken} FROM {SCHEMA}.{name}_shadow s JOIN pool USING (match_id, feed_day)
        WHERE match_id = ANY (%(returned)s) AND origin = 'shadow' AND place = 1;
    DELETE FROM {SCHEMA}.{name}_shadow s USING pool p
        WHERE s.match_id = ANY (%(returned)s)
          AND s.match_id = p.match_id AND s.feed_day = p.feed_day
          AND p.origin = 'shadow' AND p.place = 1;
    """


# Every match that the step touches: those of its days, now and before.
_TOUCHED = f"""
SELECT coalesce(array_agg(match_id), '{{}}')::text FROM (
    SELECT match_id FROM stage_match
    UNION SELECT match_id FROM {SCHEMA}.match WHERE feed_day = {DAYS}
) touched
"""
# The records of those that other days show, and the step's own of the same matches. First place
# wins. Most matches are shown by one day, and in no contest.
_POOL = f"""
INSERT INTO pool
WITH rivals AS (
    SELECT match_id, feed_day, status, 'shadow' AS origin FROM {SCHEMA}.match_shadow
        WHERE match_id = ANY (%(touched)s) AND {_OF_OTHER_DAYS}
    UNION ALL
    SELECT match_id, feed_day, status, 'main' FROM {SCHEMA}.match
        WHERE match_id = ANY (%(touched)s) AND {_OF_OTHER_DAYS} AND vanished_at IS NULL
), records AS (
    SELECT * FROM rivals
    UNION ALL
    SELECT match_id, feed_day, status, 'stage' FROM stage_match
        WHERE match_id IN (SELECT match_id FROM rivals)
)
SELECT match_id, feed_day, origin,
       row_number() OVER (PARTITION BY match_id ORDER BY {_RANK} DESC, feed_day DESC)
FROM records;
"""
# What the step's days say anew. That a record was known before stays so, as it does in the tables.
_RENEW = "".join(
    f"""
    UPDATE stage_{table.name} s SET first_seen_at = least(s.first_seen_at, o.first_seen_at)
        FROM {SCHEMA}.{table.name}_shadow o
        WHERE o.feed_day = {DAYS} AND o.match_id = s.match_id AND o.feed_day = s.feed_day;
    DELETE FROM {SCHEMA}.{table.name}_shadow WHERE feed_day = {DAYS};
    """
    for table in (match_raw, match)
)
_CONTESTED = """
SELECT origin, array_agg(match_id) FROM pool WHERE (origin = 'shadow') = (place = 1) GROUP BY origin
"""
# Afterwards the staging tables hold the winners that are new.
_MOVE = _shadow_moves(match_raw) + _shadow_moves(match)
