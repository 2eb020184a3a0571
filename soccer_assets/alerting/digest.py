"""The daily digest: what was predicted, how yesterday's predictions scored, what is open."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from soccer_assets.alerting.kinds import Kind
from soccer_assets.alerting.outbox import OPEN, Alert, find
from soccer_assets.text import shortened

#: Open alerts that are named, and the length of each.
_NAMED, _LINE = 8, 120
#: Of predictions made before kick-off, the last one for each match.
_IN_TIME = """
    SELECT DISTINCT ON (match_id) match_id, p_home, p_draw, p_away
    FROM soccer.prediction_ledger
    WHERE kickoff >= :first AND kickoff < :last
    ORDER BY match_id, entry_id DESC
"""
_SCORES = f"""
    SELECT count(*) AS settled, avg(-ln(greatest(p, 1e-15))) AS log_loss,
           avg((likeliest = outcome)::int) AS accuracy
    FROM (
        SELECT outcome,
               CASE outcome WHEN 'home' THEN p_home WHEN 'draw' THEN p_draw ELSE p_away END AS p,
               CASE WHEN p_home >= greatest(p_draw, p_away) THEN 'home'
                    WHEN p_away >= p_draw THEN 'away' ELSE 'draw' END AS likeliest
        FROM ({_IN_TIME}) AS told
        JOIN (SELECT match_id,
                     CASE WHEN home_score > away_score THEN 'home'
                          WHEN home_score = away_score THEN 'draw' ELSE 'away' END AS outcome
              FROM soccer.match
              WHERE status = 'finished' AND home_score IS NOT NULL AND away_score IS NOT NULL
             ) AS played USING (match_id)
    ) AS settled
"""


def daily_digest(connection: sa.Connection, now: datetime) -> Alert:
    """The digest of the day of ``now`` (UTC); the same day has the same key."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    yesterday = today - timedelta(days=1)
    facts = {
        **_predicted(connection, today, now),
        **_scored(connection, yesterday, today),
        **_ledger(connection, now),
    }
    alerts = [row for row in find(connection, state=OPEN) if row.kind is not Kind.DIGEST]
    facts["open alerts"] = str(len(alerts)) if alerts else "none"
    for row in sorted(alerts, key=lambda row: -row.severity.rank)[:_NAMED]:
        facts[f"{row.kind} since {row.first_seen:%d %b %H:%M}"] = shortened(row.text, _LINE)
    return Alert(Kind.DIGEST, f"{today:%Y-%m-%d}", f"The day of {today:%Y-%m-%d}", facts=facts)


def _predicted(connection: sa.Connection, today: datetime, now: datetime) -> Mapping[str, str]:
    query = """
        SELECT count(DISTINCT match_id) FILTER (WHERE kickoff < :tomorrow) AS today,
               count(DISTINCT match_id) AS coming
        FROM soccer.prediction WHERE kickoff >= :today AND predicted_at < kickoff
    """
    found = _row(connection, query, today=today, tomorrow=today + timedelta(days=1))
    model = connection.execute(
        sa.text("SELECT model_name, version, refreshed_at FROM soccer.served_model")
    ).one_or_none()
    told = {"matches predicted": f"{found['today']} today, {found['coming']} from today on"}
    if model is None:
        return {**told, "served": "nothing: there is no champion"}
    hours = (now - model.refreshed_at).total_seconds() / 3600
    return {**told, "served": f"{model.model_name} {model.version}, made {hours:.0f} h ago"}


def _scored(connection: sa.Connection, first: datetime, last: datetime) -> Mapping[str, str]:
    """Of what was predicted before kick-off: log loss in nats, and how often the likeliest came."""
    found = _row(connection, _SCORES, first=first, last=last)
    if not found["settled"]:
        return {"yesterday": "no predicted match was settled"}
    return {
        "yesterday": f"{found['settled']} settled, log loss {found['log_loss']:.3f}, the likeliest "
        f"outcome in {found['accuracy']:.0%}"
    }


def _ledger(connection: sa.Connection, now: datetime) -> Mapping[str, str]:
    """What was entered in the last 24 hours, and up to when its days are closed."""
    query = """
        SELECT count(*) AS entered, (SELECT max(day) FROM soccer.prediction_ledger_day) AS closed
        FROM soccer.prediction_ledger WHERE made_at > :since AND made_at <= :now
    """
    found = _row(connection, query, since=now - timedelta(days=1), now=now)
    closed = f"closed up to {found['closed']}" if found["closed"] else "no day closed yet"
    return {"ledger": f"{found['entered']} entries in 24 h, {closed}"}


def _row(connection: sa.Connection, query: str, **values: Any) -> Mapping[str, Any]:
    return dict(connection.execute(sa.text(query), values).mappings().one())
