"""What the warehouse knows of results: the newest, those that are missing, and what is to come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from soccer_assets.warehouse.schema import SCHEMA

#: As the features choose them: a 90-minute score, near the day that shows it.
_RESULT = """status = 'finished' AND home_score IS NOT NULL AND away_score IS NOT NULL
    AND kickoff >= feed_day - :days * interval '1 day'
    AND kickoff < feed_day + (:days + 1) * interval '1 day'"""
_OPEN = "status IN ('scheduled', 'in_play') AND vanished_at IS NULL"


def newest_result(engine: sa.Engine, kickoff_days: int) -> datetime | None:
    """The latest kick-off of a match with a result."""
    query = f"SELECT max(kickoff) FROM {SCHEMA}.match WHERE {_RESULT}"
    return _one(engine, query, days=kickoff_days)


def known_since(engine: sa.Engine, after: datetime, kickoff_days: int) -> datetime | None:
    """When the first result of a match that kicked off after a moment came in; of one corrected
    since, when that was."""
    query = f"SELECT min(changed_at) FROM {SCHEMA}.match WHERE {_RESULT} AND kickoff > :after"
    return _one(engine, query, days=kickoff_days, after=after)


@dataclass(frozen=True)
class OpenMatches:
    """``due`` and ``lacking``: matches that kicked off in a span, all of them and those without a
    result; ``oldest``: kick-off of the first that lacks it, whenever that was; ``last``: kick-off of
    the last fixture."""

    due: int
    lacking: int
    oldest: datetime | None
    last: datetime | None


def open_matches(
    engine: sa.Engine, now: datetime, over_after: timedelta, judged_for: timedelta
) -> OpenMatches:
    """Matches without a result, of those that kicked off so long ago that they are over, and of
    those to come."""
    query = sa.text(
        f"""SELECT
            count(*) FILTER (WHERE kickoff > :first AND kickoff <= :over) AS due,
            count(*) FILTER (WHERE kickoff > :first AND kickoff <= :over AND {_OPEN}) AS lacking,
            min(kickoff) FILTER (WHERE kickoff <= :over AND {_OPEN}) AS oldest,
            max(kickoff) FILTER (WHERE kickoff > :now AND {_OPEN}) AS last
            FROM {SCHEMA}.match WHERE (status = 'finished' OR {_OPEN})
              AND (kickoff > :first OR {_OPEN})"""
    )
    moments = {"now": now, "over": now - over_after, "first": now - over_after - judged_for}
    with engine.connect() as connection:
        return OpenMatches(**connection.execute(query, moments).mappings().one())


def newest_known_to_predictions(engine: sa.Engine) -> datetime | None:
    """The newest result that the predictions of the served model are made from."""
    return _one(
        engine,
        f"""SELECT max(features_as_of) FROM {SCHEMA}.prediction p
            JOIN {SCHEMA}.served_model s ON s.version = p.model_version""",
    )


def _one(engine: sa.Engine, query: str, **given: object) -> datetime | None:
    with engine.connect() as connection:
        moment: datetime | None = connection.scalar(sa.text(query), given)
    return moment
