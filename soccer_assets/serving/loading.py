"""The champion's predictions out of PostgreSQL: it writes the JSON, the worker only takes it."""

import struct
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import sqlalchemy as sa

from soccer_assets.serving.snapshot import Piece, Snapshot
from soccer_assets.warehouse.served_model import ServedModel

STATEMENT_TIMEOUT_MS = 30_000
#: Matches a piece: about half a megabyte, so that neither side ever holds the whole in one buffer.
PIECE_ROWS = 1_000
#: Of the server: all matches are sorted in memory.
WORK_MEM = "96MB"

_SERVED_MODEL = sa.text(
    """
    SELECT model_name, version, run_id, data_revision, promoted_at, metrics, refreshed_at
    FROM soccer.served_model
    """
)
# The kick-off is the match's, not the one predicted for: a fixture may have moved since.
# COPY takes no parameters: the three that go in are numbers and a time of our own.
_PREDICTIONS = """
COPY (
    SELECT
        string_agg(
            int8send(match_id::bigint)
            || int8send((extract(epoch FROM kickoff_at) * 1000000)::bigint)
            || int8send(tournament_id::bigint)
            || int8send(home_team_id::bigint)
            || int8send(away_team_id::bigint)
            || boolsend(status = 'scheduled')
            || int4send(octet_length(body)),
            ''::bytea
        ),
        string_agg(body, ''::bytea)
    FROM (
        SELECT
            row_number() OVER () / {piece} AS piece, found.*,
            convert_to(row_to_json(answer)::text, 'UTF8') AS body
        FROM (
            SELECT
                m.match_id, m.kickoff AS kickoff_at, m.status, m.tournament_id, m.tournament_name,
                m.region_name, m.season_name, m.home_team_id, m.home_team_name, m.away_team_id,
                m.away_team_name, p.p_home, p.p_draw, p.p_away, p.features_as_of, p.predicted_at,
                p.predicted_at < least(p.kickoff, m.kickoff) AS made_before_kickoff
            FROM soccer.prediction AS p
            JOIN soccer.match AS m ON m.match_id = p.match_id
            WHERE p.model_version = {version} AND m.kickoff >= '{since}'
        ) AS found
        CROSS JOIN LATERAL (
            SELECT
                found.match_id, {kickoff} AS kickoff, found.status, found.tournament_id,
                found.tournament_name, found.region_name, found.season_name, found.home_team_id,
                found.home_team_name, found.away_team_id, found.away_team_name, found.p_home,
                found.p_draw, found.p_away, {features_as_of} AS features_as_of,
                {predicted_at} AS predicted_at, found.made_before_kickoff,
                {version} AS model_version
        ) AS answer
    ) AS rendered
    GROUP BY piece
) TO STDOUT (FORMAT binary)
"""


class NoChampion(LookupError):
    """No model is served yet."""


def load_snapshot(engine: sa.Engine, now: datetime, *, recent_days: int) -> Snapshot:
    """Read the champion and its predictions as of one moment of the database.

    Raises:
        NoChampion: no model is served yet.
    """
    with engine.connect() as opened:
        connection = opened.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        connection.execute(
            sa.text(
                f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS};"
                f"SET LOCAL work_mem = '{WORK_MEM}'; SET LOCAL DateStyle = 'ISO';"
                "SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL jit = off"
            )
        )
        row = connection.execute(_SERVED_MODEL).one_or_none()
        if row is None:
            raise NoChampion("no champion is served yet")
        model = ServedModel(
            name=row.model_name,
            version=row.version,
            run_id=row.run_id,
            data_revision=row.data_revision,
            promoted_at=row.promoted_at.astimezone(UTC),
            metrics=MappingProxyType(dict(row.metrics)),
        )
        since = now.astimezone(UTC) - timedelta(days=recent_days)
        return Snapshot.build(
            model,
            _pieces(connection, model.version, since),
            refreshed_at=row.refreshed_at.astimezone(UTC),
            loaded_at=now,
        )


def _pieces(connection: sa.Connection, version: int, since: datetime) -> list[Piece]:
    statement = _PREDICTIONS.format(
        piece=PIECE_ROWS,
        version=int(version),
        since=since.isoformat(),
        kickoff=_as_text("found.kickoff_at"),
        features_as_of=_as_text("found.features_as_of"),
        predicted_at=_as_text("found.predicted_at"),
    )
    received = _Rows()
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, received)
    except driver.Error as error:  # as SQLAlchemy tells the errors of what it runs itself
        raise sa.exc.DBAPIError("COPY", None, error) from error
    return received.complete()


def _as_text(moment: str) -> str:
    """SQL of a timestamp as ``2025-03-01T14:00:00Z``, with a fraction if it has one."""
    return f"translate(({moment} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'"


class _Rows:
    """Takes what COPY sends in its binary format: rows of two values, of type bytea.

    See "Binary Format" of COPY in PostgreSQL's documentation.
    """

    _SIGNATURE = b"PGCOPY\n\xff\r\n\0"
    _HEADER = struct.Struct(">11sii")
    _COUNT, _SIZE = struct.Struct(">h"), struct.Struct(">i")

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._rest = b""
        self._began = self._ended = False

    def write(self, data: bytes) -> int:
        """The server sends a row a message, which is not promised: what is cut off waits."""
        waiting = self._rest + data if self._rest else data
        at = 0
        try:
            if not self._began:
                signature, _, extension = self._HEADER.unpack_from(waiting)
                if signature != self._SIGNATURE:
                    raise ValueError("not PostgreSQL's binary format")
                at = self._HEADER.size + extension
                self._began = True
            while at < len(waiting) and not self._ended:
                at = self._row(waiting, at)
        except struct.error:  # needs more
            pass
        self._rest = waiting[at:]
        return len(data)

    def _row(self, waiting: bytes, at: int) -> int:
        (count,) = self._COUNT.unpack_from(waiting, at)
        at += self._COUNT.size
        if count == -1:
            self._ended = True
            return at
        values = []
        for _ in range(count):
            (size,) = self._SIZE.unpack_from(waiting, at)
            at += self._SIZE.size
            if at + size > len(waiting):
                raise struct.error("cut off")
            values.append(waiting[at : at + size])
            at += size
        self._pieces.append(Piece(*values))
        return at

    def complete(self) -> list[Piece]:
        if not self._ended:
            raise ValueError("PostgreSQL sent no end")
        return self._pieces
