"""What every connection to PostgreSQL gets, whoever opens it and whatever its URL says already.

A part of the URL (``session_url``), so that engines which others make of it, Dagster's, have it too.
"""

from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from soccer_assets.settings import SettingsError

_PLUGIN = "soccer_session"
#: Parameters of the connection, where the URL does not have them: an end to every wait for a server
#: that is gone.
_CONNECTION = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
#: Settings of the session, where nobody has set them (in the URL's ``options``, for the role, on
#: the server): a client that is gone is noticed, and what it had locked is free again. By statement
#: and not by ``options``, which PgBouncer refuses. Name -> (what is set, what is so untouched).
_SESSION = {
    "client_connection_check_interval": ("5s", "0"),
    "tcp_keepalives_idle": ("30", "7200"),
    "tcp_keepalives_interval": ("10", "75"),
    "tcp_keepalives_count": ("3", "9"),
}
_PREPARE = (
    "SET TimeZone = 'UTC';"
    "SELECT set_config(name, value, false) FROM (VALUES "
    + ", ".join(f"('{name}', '{new}', '{old}')" for name, (new, old) in _SESSION.items())
    # An older server does not know all of them; where there is no TCP, it shows them as 0.
    + ") AS wanted (name, value, untouched) WHERE current_setting(name, true) = untouched"
)


class UnusableDatabase(SettingsError):
    """The database cannot be used as it is; says in one line why and what to do."""


def session_url(url: str, application: str = "soccer_assets") -> str:
    """``url`` with what is missing in it; ``application`` is the name of those without one.

    Rows are read and written as UTF-8, whatever ``PGCLIENTENCODING`` says.

    Raises:
        UnusableDatabase: it is no URL.
    """
    parsed = _parse(url)
    query = {**_CONNECTION, **parsed.query, "client_encoding": "utf8"}
    query["fallback_application_name"] = application
    plugin = query.get("plugin", ())
    present = (plugin,) if isinstance(plugin, str) else plugin
    query["plugin"] = tuple(dict.fromkeys((*present, _PLUGIN)))
    return parsed.set(query=query).render_as_string(hide_password=False)


def _parse(url: str) -> sa.URL:
    with suppress(sa.exc.ArgumentError, ValueError):  # their text may have the password in it
        parsed = sa.make_url(url)
        if "@" not in (parsed.host or ""):  # it is of the password, and would be told as a host
            return parsed
    raise UnusableDatabase(
        "POSTGRES_URL: not like postgresql://user:password@host:5432/database; in user and password,"
        " characters other than letters and digits are written as in %40 for @"
    )


def open_engine(url: str, application: str = "soccer_assets", **options: Any) -> sa.Engine:
    """An engine for reads and writes of the warehouse; ``options`` are SQLAlchemy's."""
    engine = sa.create_engine(session_url(url, application), **options)

    # Behind a pooler that hands out servers by the transaction, others' settings stay behind, such
    # as the time that Dagster's webserver gives a statement.
    @sa.event.listens_for(engine, "begin")
    def forget_others(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL statement_timeout TO DEFAULT")

    return engine


class SessionSettings(sa.CreateEnginePlugin):
    """``plugin=soccer_session``: prepares each new connection."""

    def update_url(self, url: sa.URL) -> sa.URL:
        return url

    def engine_created(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "connect", _prepare)


def _prepare(connection: Any, _: object) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(_PREPARE)
