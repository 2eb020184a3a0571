"""The outbox: every alert is a row before it is a message.

The same trouble, by kind and key, is one row for as long as it is open: seen again, it is counted.
What was told of a row is in the row, so whoever delivers needs no memory of his own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from soccer_assets.alerting.kinds import KINDS, Kind, Severity
from soccer_assets.clock import utc_now
from soccer_assets.text import terminal
from soccer_assets.warehouse.schema import alert as table

#: States of a row: a trouble that goes on, or is over, and what only happens.
OPEN, RECOVERED, EVENT = "open", "recovered", "event"

Target = sa.Engine | sa.Connection


@dataclass(frozen=True)
class Alert:
    """Something to tell."""

    kind: Kind | str
    key: str
    """With the kind it says what is the same trouble, or the same event."""
    text: str
    """In plain words, of any length; nothing in it is markup."""
    run_id: str | None = None
    """The Dagster run that it is about."""
    severity: Severity | None = None
    """None: that of its kind."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Figures beside the text; of a trouble that goes on, those that changed are marked."""
    scope: Mapping[str, Any] = field(default_factory=dict)
    """What closes it, in the words of whoever records it; its list ``partitions`` gathers those of
    all sightings."""


@dataclass(frozen=True)
class Entry:
    """A row of the outbox."""

    alert_id: int
    kind: Kind
    key: str
    severity: Severity
    text: str
    facts: dict[str, str]
    scope: dict[str, Any]
    run_id: str | None
    first_seen: datetime
    last_seen: datetime
    count: int
    state: str
    recovered_at: datetime | None
    recovery: str | None
    channel: str | None
    slack_ts: str | None
    delivered_at: datetime | None
    told_at: datetime | None
    told_state: str | None
    told_severity: Severity | None
    told_count: int
    told_facts: dict[str, str] | None
    tellings: int
    attempts: int


_COLUMNS = [table.c[name] for name in Entry.__dataclass_fields__]


def record(target: Target, alert: Alert, now: datetime | None = None) -> bool:
    """Put an alert into the outbox, from where it is delivered; returns whether it is a new one.

    A trouble that is open already is counted, and takes the newest words and facts; an event that
    is there already stays as it is.

    Args:
        target: an engine, or a connection whose transaction the alert is to be part of.
        now: when it was seen; None: ``clock.utc_now``.
    """
    kind = Kind(alert.kind)
    about, seen = KINDS[kind], now or utc_now()
    new = insert(table).values(
        kind=kind.value,
        key=terminal(alert.key),
        severity=(alert.severity or about.severity).value,
        # PostgreSQL has no NUL in a text, and what people are to read has no controls.
        text=terminal(alert.text),
        facts={terminal(name): terminal(value) for name, value in alert.facts.items()},
        scope=dict(alert.scope),
        run_id=alert.run_id,
        first_seen=seen,
        last_seen=seen,
        state=OPEN if about.recovers else EVENT,
    )
    same: dict[str, Any] = {
        "index_elements": [table.c.kind, table.c.key],
        "index_where": table.c.state != RECOVERED,
    }
    if not about.recovers:
        statement = new.on_conflict_do_nothing(**same)
    else:
        statement = new.on_conflict_do_update(
            **same,
            set_={
                **{name: new.excluded[name] for name in ("severity", "text", "facts", "run_id")},
                "scope": _joined_scopes(new.excluded.scope),
                "last_seen": sa.func.greatest(table.c.last_seen, new.excluded.last_seen),
                "count": table.c.count + 1,
            },
        )
    with _begun(target) as connection:
        return connection.scalar(statement.returning(table.c.count)) == 1


def _joined_scopes(newest: Any) -> Any:
    """The newest, with the partitions of both."""
    return sa.text(
        "alert.scope || excluded.scope || jsonb_build_object('partitions', (SELECT"
        " coalesce(jsonb_agg(DISTINCT p), '[]') FROM jsonb_array_elements("
        "coalesce(alert.scope->'partitions', '[]') || coalesce(excluded.scope->'partitions', '[]')"
        ") AS p))"
    )


def recover(
    target: Target,
    kind: Kind,
    key: str,
    text: str,
    now: datetime | None = None,
) -> bool:
    """Close a trouble, if it is open; returns whether it was. ``text`` says how it ended."""
    end = (
        table.update()
        .where(table.c.kind == kind.value, table.c.key == terminal(key), table.c.state == OPEN)
        .values(state=RECOVERED, recovered_at=now or utc_now(), recovery=text)
    )
    with _begun(target) as connection:
        return connection.execute(end).rowcount > 0


def narrow(target: Target, alert_id: int, partitions: Collection[str]) -> None:
    """Leave only these partitions in the scope of an open alert."""
    scope = sa.func.jsonb_set(
        table.c.scope, "{partitions}", sa.cast(sorted(partitions), table.c.scope.type)
    )
    with _begun(target) as connection:
        connection.execute(table.update().where(table.c.alert_id == alert_id).values(scope=scope))


def find(
    target: Target,
    *,
    kinds: Collection[Kind] = (),
    state: str | None = None,
    since: datetime | None = None,
    key: str | None = None,
    limit: int = 1000,
) -> list[Entry]:
    """Entries, the last seen first.

    Args:
        kinds: only these; none: all.
        state: only those in it.
        since: only those seen, or over, since then.
        limit: no more than that.
    """
    query = sa.select(*_COLUMNS).order_by(table.c.last_seen.desc(), table.c.alert_id.desc())
    if kinds:
        query = query.where(table.c.kind.in_([kind.value for kind in kinds]))
    if state:
        query = query.where(table.c.state == state)
    if key is not None:
        query = query.where(table.c.key == terminal(key))
    if since:
        query = query.where(sa.func.greatest(table.c.last_seen, table.c.recovered_at) >= since)
    with _begun(target) as connection:
        return [entry(dict(row)) for row in connection.execute(query.limit(limit)).mappings()]


def tidy(target: Target, now: datetime, *, forget: timedelta, keep: timedelta) -> None:
    """Close failed runs that nobody has asked for again for so long, without a word, and remove
    what has been over, and told, for so long."""
    forgotten = (
        table.update()
        .where(
            table.c.kind.in_([Kind.RUN_FAILED.value, Kind.RELOAD_FAILED.value]),
            table.c.state == OPEN,
            table.c.delivered_at.is_not(None),
            table.c.last_seen < now - forget,
        )
        .values(
            state=RECOVERED,
            told_state=RECOVERED,
            recovered_at=now,
            recovery="nothing more was heard of it",
        )
    )
    over = table.delete().where(
        table.c.state != OPEN,
        table.c.told_state == table.c.state,
        sa.func.greatest(table.c.last_seen, table.c.recovered_at) < now - keep,
    )
    with _begun(target) as connection:
        connection.execute(forgotten)
        connection.execute(over)


def entry(row: Mapping[str, Any]) -> Entry:
    """A row of the columns of ``Entry``."""
    told = row["told_severity"]
    return Entry(
        **{
            **row,
            "kind": Kind(row["kind"]),
            "severity": Severity(row["severity"]),
            "told_severity": Severity(told) if told else None,
        }
    )


def columns() -> Sequence[sa.Column[Any]]:
    """Those that ``entry`` takes."""
    return _COLUMNS


@contextmanager
def _begun(target: Target) -> Iterator[sa.Connection]:
    """A transaction of the engine, or the one that the connection is in."""
    if isinstance(target, sa.Connection):
        yield target
    else:
        with target.begin() as connection:
            yield connection
