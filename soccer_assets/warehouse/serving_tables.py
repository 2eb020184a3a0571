"""What the prediction service reads: predictions and the champion's record."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from soccer_assets.warehouse.ledger import BASELINES, copy_frame, enter_predictions, lock_ledger
from soccer_assets.warehouse.schema import SCHEMA
from soccer_assets.warehouse.served_model import ServedModel

_PREDICTED = ["match_id", "kickoff", "p_home", "p_draw", "p_away", "features_as_of"]
#: Where predictions wait within the transaction that publishes them.
_STAGED = "stage_prediction"
#: Of a match: it is to be played, or was.
_TAKES_PLACE = "status NOT IN ('cancelled', 'postponed')"
_UTC = "datetime64[ns, UTC]"


def publish_predictions(
    engine: sa.Engine,
    predictions: pd.DataFrame,
    model: ServedModel,
    now: datetime,
    data_revision: str | None = None,
) -> int:
    """Upsert predictions of ``model``, enter them in the ledger, and make it the served one, in one
    transaction.

    Once a match has begun, what was predicted for it stays as it was. What is first predicted then
    is served, but not entered in the ledger.

    Args:
        predictions: ``match_id, kickoff, p_home, p_draw, p_away, features_as_of``, and what the
            version's baselines say, ``elo_home`` to ``prior_away``, where it has them.
        data_revision: of the features that they were made from.

    Returns:
        Rows inserted or updated.
    """
    columns = [
        "match_id", "model_version", "kickoff", "p_home", "p_draw", "p_away",
        "features_as_of", "predicted_at",
    ]  # fmt: skip
    rows = predictions.reindex(columns=[*_PREDICTED, *BASELINES]).assign(
        **{name: _microseconds(predictions[name]) for name in ("kickoff", "features_as_of")},
        model_version=model.version,
        predicted_at=now,
    )
    rows[BASELINES] = rows[BASELINES].astype("float64")
    updated = ", ".join(f"{c} = excluded.{c}" for c in columns[2:])
    with engine.begin() as connection:
        lock_ledger(connection)
        connection.execute(
            sa.text(
                f"CREATE TEMP TABLE {_STAGED} (LIKE {SCHEMA}.prediction,"
                f" {', '.join(f'{name} float8' for name in BASELINES)}) ON COMMIT DROP"
            )
        )
        copy_frame(connection, _STAGED, rows)
        changed = connection.execute(
            sa.text(
                f"""
                INSERT INTO {SCHEMA}.prediction AS p ({", ".join(columns)})
                SELECT {", ".join(columns)} FROM {_STAGED}
                ON CONFLICT (match_id, model_version) DO UPDATE SET {updated}
                WHERE excluded.kickoff > :now
                """
            ),
            {"now": now},
        ).rowcount
        enter_predictions(connection, rows, _STAGED, model, now, data_revision)
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


def read_played_days(engine: sa.Engine, after: datetime, until: datetime) -> pd.DataFrame:
    """How many matches each competition had on each day: ``tournament_id, day, matches``. What was
    called off is not counted."""
    query = sa.text(
        f"""SELECT tournament_id, (kickoff AT TIME ZONE 'UTC')::date AS day, count(*) AS matches
            FROM {SCHEMA}.match WHERE kickoff >= :after AND kickoff < :until AND {_TAKES_PLACE}
            GROUP BY 1, 2"""
    )
    types = {"tournament_id": "int64", "matches": "int64"}
    return _read(engine, query, types, after=after, until=until)


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
    types = {
        **{"match_id": "int64", "tournament_id": "int64", "kickoff": _UTC},
        **dict.fromkeys(["is_settled", "no_score", "no_odds", "no_kickoff"], "bool"),
    }
    return _read(engine, query, types, after=after, until=until)


def read_served(engine: sa.Engine, after: datetime) -> pd.DataFrame:
    """The served model's predictions of matches after a moment, with their competition."""
    query = sa.text(
        f"""SELECT match_id, p.kickoff, p_home, p_draw, p_away, tournament_id,
                   region_name AS region, sex
            FROM {SCHEMA}.prediction p JOIN {SCHEMA}.served_model s ON s.version = p.model_version
            JOIN {SCHEMA}.match m USING (match_id) WHERE p.kickoff >= :after"""
    )
    types = {
        **{"match_id": "int64", "tournament_id": "int64", "kickoff": _UTC},
        **dict.fromkeys(["p_home", "p_draw", "p_away"], "float64"),
    }
    return _read(engine, query, types, after=after)


def _read(
    engine: sa.Engine, query: sa.TextClause, types: Mapping[str, str], **parameters: Any
) -> pd.DataFrame:
    """Of these types also where there are no rows, of which pandas cannot tell any."""
    with engine.connect() as connection:
        return pd.read_sql_query(query, connection, params=parameters, dtype=dict(types))


def _microseconds(times: pd.Series) -> pd.Series:
    """As PostgreSQL keeps them, UTC."""
    return pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")


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
