"""What the prediction service reads: predictions and the champion's record."""

import io
import json
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from soccer_assets.warehouse.schema import SCHEMA
from soccer_assets.warehouse.served_model import ServedModel

_ODDS = pa.schema(
    [("match_id", pa.int64()), ("bookmaker", pa.string()), ("phase", pa.string())]
    + [(f"odds_{side}", pa.float64()) for side in ("home", "draw", "away")]
)
#: Of a match: it is to be played, or was.
_TAKES_PLACE = "status NOT IN ('cancelled', 'postponed')"


def publish_predictions(
    engine: sa.Engine, predictions: pd.DataFrame, model: ServedModel, now: datetime
) -> int:
    """Upsert predictions of ``model`` and make it the served one, in one transaction.

    Once a match has begun, what was predicted for it stays as it was.

    Args:
        predictions: ``match_id, kickoff, p_home, p_draw, p_away, features_as_of``.

    Returns:
        Rows inserted or updated.
    """
    rows = predictions.assign(model_version=model.version, predicted_at=now)
    columns = [
        "match_id", "model_version", "kickoff", "p_home", "p_draw", "p_away",
        "features_as_of", "predicted_at",
    ]  # fmt: skip
    updated = ", ".join(f"{c} = excluded.{c}" for c in columns[2:])
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"CREATE TEMP TABLE stage_prediction (LIKE {SCHEMA}.prediction) ON COMMIT DROP")
        )
        _copy(connection, "stage_prediction", rows[columns])
        changed = connection.execute(
            sa.text(
                f"""
                INSERT INTO {SCHEMA}.prediction AS p ({", ".join(columns)})
                SELECT {", ".join(columns)} FROM stage_prediction
                ON CONFLICT (match_id, model_version) DO UPDATE SET {updated}
                WHERE excluded.kickoff > :now
                """
            ),
            {"now": now},
        ).rowcount
        connection.execute(
            sa.text(
                f"""
                INSERT INTO {SCHEMA}.served_model
                    (model_name, version, run_id, data_revision, promoted_at, metrics, refreshed_at)
                VALUES (:name, :version, :run_id, :data_revision, :promoted_at,
                    CAST(:metrics AS jsonb), :now)
                ON CONFLICT (singleton) DO UPDATE SET model_name = excluded.model_name,
                    version = excluded.version, run_id = excluded.run_id,
                    data_revision = excluded.data_revision, promoted_at = excluded.promoted_at,
                    metrics = excluded.metrics, refreshed_at = excluded.refreshed_at
                """
            ),
            {**vars(model), "metrics": json.dumps(dict(model.metrics)), "now": now},
        )
    return changed


def served_model(engine: sa.Engine) -> ServedModel | None:
    """The champion whose predictions were published last; None before the first."""
    query = sa.text(
        f"SELECT model_name AS name, version, run_id, data_revision, promoted_at, metrics"
        f" FROM {SCHEMA}.served_model"
    )
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return ServedModel(**row) if row else None


def published_version(engine: sa.Engine) -> str:
    """Changes with the served model and with any bit of what it predicted for any match; not with
    when that was."""
    query = sa.text(
        f"""SELECT concat_ws(':', s.version, s.run_id, count(p.match_id), bit_xor(hashtextextended(
                concat_ws(' ', match_id, extract(epoch FROM p.kickoff), p_home, p_draw, p_away,
                          extract(epoch FROM p.features_as_of)), 0)))
            FROM {SCHEMA}.served_model s LEFT JOIN {SCHEMA}.prediction p ON p.model_version = s.version
            GROUP BY s.version, s.run_id"""
    )
    with engine.connect() as connection:
        return str(connection.scalar(query) or "none")


def read_settled(engine: sa.Engine, version: int, after: datetime) -> tuple[Any, Any]:
    """Predictions of a version for matches after a moment, and the results there are for them.

    Returns:
        Frames ``match_id, kickoff, p_home, p_draw, p_away, predicted_at`` and ``match_id,
        outcome`` (0 home win, 1 draw, 2 away win).
    """
    predictions = sa.text(
        f"""SELECT match_id, kickoff, p_home, p_draw, p_away, predicted_at
            FROM {SCHEMA}.prediction WHERE model_version = :version AND kickoff >= :after"""
    )
    results = sa.text(
        f"""SELECT match_id, 1 - sign(home_score - away_score)::int AS outcome
            FROM {SCHEMA}.match WHERE status = 'finished' AND kickoff >= :after
              AND home_score IS NOT NULL AND away_score IS NOT NULL"""
    )
    with engine.connect() as connection:
        return (
            pd.read_sql(predictions, connection, params={"version": version, "after": after}),
            pd.read_sql(results, connection, params={"after": after}),
        )


def read_odds(engine: sa.Engine, after: datetime) -> pa.Table:
    """Every bookmaker's odds of matches after a moment: ``match_id, bookmaker, phase, odds_home,
    odds_draw, odds_away``."""
    query = sa.text(
        f"""SELECT match_id, bookmaker, phase, o.odds_home, o.odds_draw, o.odds_away
            FROM {SCHEMA}.match_odds o JOIN {SCHEMA}.match USING (match_id)
            WHERE kickoff >= :after"""
    )
    with engine.connect() as connection:
        rows = pd.read_sql(query, connection, params={"after": after})
    return pa.Table.from_pandas(rows, schema=_ODDS, preserve_index=False)


def read_played_days(engine: sa.Engine, after: datetime, until: datetime) -> pd.DataFrame:
    """How many matches each competition had on each day: ``tournament_id, day, matches``. What was
    called off is not counted."""
    query = sa.text(
        f"""SELECT tournament_id, (kickoff AT TIME ZONE 'UTC')::date AS day, count(*) AS matches
            FROM {SCHEMA}.match WHERE kickoff >= :after AND kickoff < :until AND {_TAKES_PLACE}
            GROUP BY 1, 2"""
    )
    with engine.connect() as connection:
        return pd.read_sql(query, connection, params={"after": after, "until": until})


def read_known_of_matches(engine: sa.Engine, after: datetime, until: datetime) -> pd.DataFrame:
    """What is known of each match that was to take place: ``match_id, tournament_id, kickoff,
    is_settled, no_score, no_odds, no_kickoff`` (midnight, which is what a day without a time is)."""
    query = sa.text(
        f"""SELECT match_id, tournament_id, kickoff, status = 'finished' AS is_settled,
                   home_score IS NULL OR away_score IS NULL AS no_score,
                   NOT EXISTS (SELECT FROM {SCHEMA}.match_odds o
                               WHERE o.match_id = m.match_id) AS no_odds,
                   (kickoff AT TIME ZONE 'UTC')::time = '00:00' AS no_kickoff
            FROM {SCHEMA}.match m WHERE kickoff >= :after AND kickoff < :until AND {_TAKES_PLACE}
            ORDER BY kickoff, match_id"""
    )
    with engine.connect() as connection:
        return pd.read_sql(query, connection, params={"after": after, "until": until})


def read_served(engine: sa.Engine, after: datetime) -> pd.DataFrame:
    """The served model's predictions of matches after a moment, with their competition."""
    query = sa.text(
        f"""SELECT match_id, p.kickoff, p_home, p_draw, p_away, tournament_id,
                   region_name AS region, sex
            FROM {SCHEMA}.prediction p JOIN {SCHEMA}.served_model s ON s.version = p.model_version
            JOIN {SCHEMA}.match m USING (match_id) WHERE p.kickoff >= :after"""
    )
    with engine.connect() as connection:
        return pd.read_sql(query, connection, params={"after": after})


def _copy(connection: sa.Connection, table: str, rows: pd.DataFrame) -> None:
    buffer = io.StringIO(rows.to_csv(index=False))
    cursor = connection.connection.cursor()
    cursor.copy_expert(
        f"COPY {table} ({', '.join(rows.columns)}) FROM STDIN (FORMAT csv, HEADER)", buffer
    )


def simplex_violations(engine: sa.Engine) -> list[int]:
    """Match ids whose served probabilities are not in [0, 1] or do not sum to 1."""
    query = sa.text(
        f"""SELECT p.match_id FROM {SCHEMA}.prediction p
            JOIN {SCHEMA}.served_model s ON s.version = p.model_version
            WHERE NOT (p_home BETWEEN 0 AND 1 AND p_draw BETWEEN 0 AND 1 AND p_away BETWEEN 0 AND 1
                       AND abs(p_home + p_draw + p_away - 1) < 1e-6)
            ORDER BY p.match_id"""
    )
    with engine.connect() as connection:
        return list(connection.scalars(query))


def upcoming_table(engine: sa.Engine, now: datetime, limit: int) -> pd.DataFrame:
    """The next matches with the champion's probabilities, for people to read."""
    query = sa.text(
        f"""SELECT to_char(m.kickoff, 'YYYY-MM-DD HH24:MI') AS kickoff, m.tournament_name AS league,
                   m.home_team_name AS home, m.away_team_name AS away,
                   p.p_home, p.p_draw, p.p_away, p.model_version AS version
            FROM {SCHEMA}.prediction p JOIN {SCHEMA}.match m USING (match_id)
            JOIN {SCHEMA}.served_model s ON s.version = p.model_version
            WHERE m.status = 'scheduled' AND m.kickoff > :now
            ORDER BY m.kickoff, m.match_id LIMIT :limit"""
    )
    with engine.connect() as connection:
        return pd.read_sql(query, connection, params={"now": now, "limit": limit})
