"""A real PostgreSQL with what the pipeline would have written for the service."""

import socket
import threading
from contextlib import suppress
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


class Gate:
    """A port that leads to a database, or a broker, as long as it is open."""

    def __init__(self, url: str) -> None:
        self._target = sa.make_url(url)
        self._listener: socket.socket | None = None
        self._port = 0
        self._through: list[socket.socket] = []
        self.open()
        query = {k: v for k, v in self._target.query.items() if k not in ("host", "port", "plugin")}
        self.url = self._target.set(
            host="127.0.0.1", port=self._port, query=query
        ).render_as_string(hide_password=False)

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def cut(self) -> None:
        """Close it, and every connection that goes through."""
        self.close()
        for connection in self._through:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._through.clear()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = self._connect()
                self._through += [ours, theirs]
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._target.query.get("host") or self._target.host)
        port = int(str(self._target.query.get("port") or self._target.port or 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        theirs = socket.socket(socket.AF_UNIX)
        theirs.connect(f"{host}/.s.PGSQL.{port}")
        return theirs


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def database(database_url: str, engine: sa.Engine) -> Database:
    return Database(database_url, engine)
