"""What Dagster has no call for: rows of its tables in PostgreSQL, found and removed by SQL.

No other module writes SQL that changes them. Dagster removes whole runs and whole assets, and ticks;
here are the parts of runs that are removed before them, and what it never removes.

What is found stays removable whatever is recorded meanwhile: newer records can only replace more.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

MATERIALIZATION, OBSERVATION = "ASSET_MATERIALIZATION", "ASSET_OBSERVATION"
PLANNED = "ASSET_MATERIALIZATION_PLANNED"
#: What tells what a run is, and why it failed: goes with the run.
OF_RUNS = (
    "PIPELINE_ENQUEUED",
    "PIPELINE_DEQUEUED",
    "PIPELINE_STARTING",
    "PIPELINE_START",
    "PIPELINE_SUCCESS",
    "PIPELINE_FAILURE",
    "PIPELINE_CANCELING",
    "PIPELINE_CANCELED",
    "STEP_FAILURE",
)
#: What an asset is: goes when it is replaced.
OF_ASSETS = (MATERIALIZATION, OBSERVATION, PLANNED)
#: States of assets, of which only the newest says anything.
STATES = ("FRESHNESS_STATE_CHANGE", "FRESHNESS_STATE_EVALUATION", "ASSET_HEALTH_CHANGED")
#: Beside these: kept whatever their age, for they are few and undo what came before them.
WIPED = "ASSET_WIPED"
KEPT_KINDS = (*OF_RUNS, *OF_ASSETS, *STATES, WIPED)
#: Written just before what a step printed is stored.
PRINTED = "LOGS_CAPTURED"

_ENDED = "('SUCCESS', 'FAILURE', 'CANCELED')"
#: Of Dagster's page on database tuning. There, the first is over ``event::jsonb ->> 'level'``: a cast
#: that refuses a log line with a NUL in it, and with it the run that writes the line; and nothing here
#: asks for a level.
INDEXES = {
    "idx_clear_event_logs_user_logs": "(timestamp) WHERE dagster_event_type IS NULL",
    "idx_clear_event_logs_system_events": (
        "(dagster_event_type, timestamp) WHERE dagster_event_type IS NOT NULL"
    ),
}
#: Those that grow.
TABLES = (
    "event_logs",
    "asset_event_tags",
    "asset_check_executions",
    "runs",
    "run_tags",
    "snapshots",
    "job_ticks",
    "asset_daemon_asset_evaluations",
    "bulk_actions",
)


def sizes(connection: sa.Connection) -> dict[str, int]:
    """Table -> bytes with its indexes, dead rows included: PostgreSQL uses their room again."""
    query = sa.text("SELECT t, pg_total_relation_size(t::regclass) FROM unnest(:tables) AS t")
    return dict(connection.execute(query, {"tables": list(TABLES)}).tuples().all())


def make_indexes(connection: sa.Connection) -> None:
    """Have the indexes by which old events are found; others write meanwhile.

    One that was not finished, by a kill, is unusable and is made again.
    """
    query = sa.text(
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON indexrelid = pg_class.oid"
        " WHERE relname = ANY(:names)"
    )
    found = dict(connection.execute(query, {"names": list(INDEXES)}).tuples().all())
    for name, what in INDEXES.items():
        if found.get(name) is False:
            connection.execute(sa.text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
        if not found.get(name):
            made = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON event_logs {what}"
            connection.execute(sa.text(made))


def assets(connection: sa.Connection) -> list[str]:
    """The keys of all assets, as the tables have them."""
    return list(connection.scalars(sa.text("SELECT asset_key FROM asset_keys ORDER BY 1")))


def replaced_events(
    connection: sa.Connection, asset: str, kind: str, before: datetime, newest: int
) -> list[int]:
    """Ids of an asset's events of a kind that newer ones have replaced.

    Of each partition there stay the newest event, and the newest that brought another data version
    than the one before it: by these two it is told, for any moment, whether the asset has changed
    since. What tells no version counts as another one.

    Args:
        newest: so many of the asset stay, of whatever partitions.
    """
    query = sa.text("""
        WITH found AS (
            SELECT e.id, e.timestamp, e.partition, (
                SELECT max(t.value) FROM asset_event_tags t
                WHERE t.event_id = e.id AND t.key = 'dagster/data_version'
            ) AS version
            FROM event_logs e
            WHERE e.asset_key = :asset AND e.dagster_event_type = :kind
        ), compared AS (
            SELECT id, timestamp, partition,
                version IS NULL OR version IS DISTINCT FROM lag(version) OVER in_order AS is_other,
                row_number() OVER (PARTITION BY partition ORDER BY id DESC) AS in_partition,
                row_number() OVER (ORDER BY id DESC) AS in_asset
            FROM found WINDOW in_order AS (PARTITION BY partition ORDER BY id)
        ), judged AS (
            SELECT *, max(id) FILTER (WHERE is_other) OVER (PARTITION BY partition) AS changed
            FROM compared
        )
        SELECT id FROM judged
        WHERE in_partition > 1 AND id IS DISTINCT FROM changed AND in_asset > :newest
            AND timestamp < :before
        ORDER BY id
    """)
    named = {"asset": asset, "kind": kind, "newest": newest, "before": _stored(before)}
    return list(connection.scalars(query, named))


def planned_events(connection: sa.Connection, asset: str, before: datetime) -> list[int]:
    """Ids of what ended runs had planned of an asset, and nobody asks about any more.

    There stay the asset's newest, which names its last run, and of each partition the newest of a
    failed run, unless the partition was made since.
    """
    query = sa.text(f"""
        WITH planned AS (
            SELECT id, run_id, partition, timestamp,
                row_number() OVER (PARTITION BY partition ORDER BY id DESC) AS in_partition,
                row_number() OVER (ORDER BY id DESC) AS in_asset
            FROM event_logs WHERE asset_key = :asset AND dagster_event_type = '{PLANNED}'
        ), made AS (
            SELECT partition, max(id) AS id FROM event_logs
            WHERE asset_key = :asset AND dagster_event_type = '{MATERIALIZATION}'
                AND partition IS NOT NULL
            GROUP BY partition
        )
        SELECT planned.id
        FROM planned
            LEFT JOIN runs ON runs.run_id = planned.run_id
            LEFT JOIN made ON made.partition = planned.partition
        WHERE (runs.status IS NULL OR runs.status IN {_ENDED})
            AND in_asset > 1 AND planned.timestamp < :before
            AND NOT coalesce(
                runs.status = 'FAILURE' AND planned.partition IS NOT NULL AND in_partition = 1
                    AND (made.id IS NULL OR made.id < planned.id),
                false)
        ORDER BY planned.id
    """)
    named = {"asset": asset, "before": _stored(before)}
    return list(connection.scalars(query, named))


def remove_events(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Remove events and what is told of them, at once: an event without its tags would count as a
    change."""
    statement = sa.text("""
        WITH gone AS (DELETE FROM event_logs WHERE id = ANY(:ids) RETURNING id)
        DELETE FROM asset_event_tags USING gone WHERE event_id = gone.id
    """)
    connection.execute(statement, {"ids": list(ids)})


def kinds_of_logs(connection: sa.Connection) -> list[str | None]:
    """The kinds of events that only tell what happened in a run, but for ``PRINTED``; None: lines that
    somebody logged. One look into the index a kind."""
    query = sa.text("""
        WITH RECURSIVE kinds AS (
            (SELECT dagster_event_type AS kind FROM event_logs
                WHERE dagster_event_type IS NOT NULL ORDER BY dagster_event_type LIMIT 1)
            UNION ALL
            SELECT (SELECT dagster_event_type FROM event_logs
                WHERE dagster_event_type > kinds.kind ORDER BY dagster_event_type LIMIT 1)
            FROM kinds WHERE kinds.kind IS NOT NULL
        ) SELECT kind FROM kinds WHERE kind IS NOT NULL
    """)
    found = connection.scalars(query)
    return [None, *(kind for kind in found if kind not in (*KEPT_KINDS, PRINTED))]


def remove_logs(connection: sa.Connection, kind: str | None, before: datetime, rows: int) -> int:
    """Remove some of the old events of a kind; returns how many."""
    of_kind = "dagster_event_type IS NULL" if kind is None else "dagster_event_type = :kind"
    statement = sa.text(f"""
        DELETE FROM event_logs WHERE id = ANY(ARRAY(
            SELECT id FROM event_logs WHERE {of_kind} AND timestamp < :before
            ORDER BY timestamp LIMIT :rows
        ))
    """)
    named = {"before": _stored(before), "rows": rows, **({"kind": kind} if kind else {})}
    return connection.execute(statement, named).rowcount


def printed(connection: sa.Connection, before: datetime) -> list[str]:
    """The runs that printed before, and of which that is still recorded."""
    query = sa.text(
        f"SELECT DISTINCT run_id FROM event_logs WHERE dagster_event_type = '{PRINTED}'"
        " AND timestamp < :before"
    )
    return list(connection.scalars(query, {"before": _stored(before)}))


def remove_printed(connection: sa.Connection, run_id: str) -> None:
    """Have it no longer recorded that a run printed."""
    statement = f"DELETE FROM event_logs WHERE run_id = :run AND dagster_event_type = '{PRINTED}'"
    connection.execute(sa.text(statement), {"run": run_id})


def checks(connection: sa.Connection) -> list[tuple[str, str]]:
    """Asset and name of all checks that were ever planned."""
    query = sa.text(
        "SELECT DISTINCT asset_key, check_name FROM asset_check_executions ORDER BY 1, 2"
    )
    return [(asset, name) for asset, name in connection.execute(query)]


def replaced_checks(
    connection: sa.Connection, asset: str, check: str, before: datetime
) -> list[int]:
    """Ids of a check's executions that newer ones have replaced: of each partition there stay the
    newest, and the newest that was completed."""
    query = sa.text("""
        WITH known AS (
            SELECT id, evaluation_event_timestamp AS at,
                row_number() OVER (PARTITION BY partition ORDER BY id DESC) AS place,
                row_number() OVER (
                    PARTITION BY partition, execution_status = 'PLANNED' ORDER BY id DESC
                ) AS place_of_kind,
                execution_status = 'PLANNED' AS is_planned
            FROM asset_check_executions WHERE asset_key = :asset AND check_name = :check
        )
        SELECT id FROM known
        WHERE place > 1 AND (is_planned OR place_of_kind > 1) AND at < :before ORDER BY id
    """)
    named = {"asset": asset, "check": check, "before": _stored(before)}
    return list(connection.scalars(query, named))


def remove_checks(connection: sa.Connection, ids: Sequence[int]) -> None:
    statement = sa.text("DELETE FROM asset_check_executions WHERE id = ANY(:ids)")
    connection.execute(statement, {"ids": list(ids)})


def runs_of_nothing(connection: sa.Connection, before: datetime, newest: int) -> list[str]:
    """Runs that ended before, and that nothing which is kept is about: no state of an asset, no
    evaluation of a check; oldest first.

    Args:
        newest: so many of each job and status stay.
    """
    query = sa.text(f"""
        WITH placed AS (
            SELECT id, run_id, status, coalesce(end_time, extract(epoch FROM update_timestamp)) AS ended,
                row_number() OVER (PARTITION BY pipeline_name, status ORDER BY id DESC) AS place
            FROM runs
        )
        SELECT run_id FROM placed
        WHERE status IN {_ENDED} AND ended < :before AND place > :newest
            AND NOT EXISTS (
                SELECT FROM event_logs e WHERE e.run_id = placed.run_id
                AND e.dagster_event_type = ANY(:kinds))
            AND NOT EXISTS (SELECT FROM asset_check_executions c WHERE c.run_id = placed.run_id)
        ORDER BY id
    """)
    kinds = [*OF_ASSETS, *STATES, WIPED, PRINTED]
    named = {"before": before.timestamp(), "newest": newest, "kinds": kinds}
    return list(connection.scalars(query, named))


def remove_backfills(connection: sa.Connection, before: datetime) -> int:
    """Remove backfills that are over and have no run left; returns how many."""
    statement = sa.text("""
        WITH gone AS (
            DELETE FROM bulk_actions b
            WHERE timestamp < :before AND status NOT IN ('REQUESTED', 'CANCELING', 'FAILING')
                AND NOT EXISTS (SELECT FROM runs WHERE runs.backfill_id = b.key)
            RETURNING key
        ), untagged AS (DELETE FROM backfill_tags USING gone WHERE backfill_id = gone.key)
        SELECT count(*) FROM gone
    """)
    return int(connection.scalar(statement, {"before": _stored(before)}) or 0)


def in_batches(ids: Collection[int], rows: int) -> Iterator[Sequence[int]]:
    ordered = list(ids)
    yield from (ordered[start : start + rows] for start in range(0, len(ordered), rows))


def told(found: Mapping[str, int]) -> str:
    """Bytes of the tables for people, the largest first."""
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in ordered)


def _stored(moment: datetime) -> datetime:
    """As the tables have it: UTC, which they do not say."""
    return moment.astimezone(UTC).replace(tzinfo=None)
