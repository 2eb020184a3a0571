"""A real PostgreSQL with what the pipeline would have written for the service."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from soccer_assets.warehouse import schema

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Database:
    """What the pipeline would have written."""

    url: str
    engine: sa.Engine

    def add_match(self, match_id: int, kickoff: datetime, **changes: object) -> None:
        row: dict[str, object] = {
            "match_id": match_id,
            "feed_day": kickoff.date(),
            "kickoff": kickoff,
            "status": "scheduled",
            "region_id": 252,
            "region_name": "England",
            "tournament_id": 2,
            "tournament_name": "Premier League",
            "season_id": 10316,
            "season_name": "2024/2025",
            "stage_id": 23400,
            "sex": 0,
            "home_team_id": 13,
            "home_team_name": "Arsenal",
            "away_team_id": 32,
            "away_team_name": "Manchester United",
            "content_hash": 0,
            "first_seen_at": kickoff,
            "changed_at": kickoff,
        }
        with self.engine.begin() as connection:
            connection.execute(schema.match.insert(), {**row, **changes})

    def serve(
        self,
        version: int,
        at: datetime = NOW,
        probabilities: tuple[float, float, float] = (0.5, 0.3, 0.2),
    ) -> None:
        """Predict every match with ``version`` and make it the champion, in one transaction."""
        p_home, p_draw, p_away = probabilities
        with self.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM soccer.served_model"))
            connection.execute(
                schema.served_model.insert(),
                {
                    "model_name": "soccer-1x2",
                    "version": version,
                    "run_id": f"run-{version}",
                    "data_revision": f"revision-{version}",
                    "promoted_at": at,
                    "metrics": {"log_loss": 0.98},
                    "refreshed_at": at,
                },
            )
            connection.execute(
                schema.prediction.delete().where(schema.prediction.c.model_version == version)
            )
            matches = connection.execute(sa.select(schema.match)).all()
            if matches:
                connection.execute(
                    schema.prediction.insert(),
                    [
                        {
                            "match_id": match.match_id,
                            "model_version": version,
                            "kickoff": match.kickoff,
                            "p_home": p_home,
                            "p_draw": p_draw,
                            "p_away": p_away,
                            "features_as_of": at - HOUR,
                            "predicted_at": at,
                        }
                        for match in matches
                    ],
                )

    def unserve(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM soccer.served_model"))


@pytest.fixture
def database(database_url: str, engine: sa.Engine) -> Database:
    return Database(database_url, engine)
