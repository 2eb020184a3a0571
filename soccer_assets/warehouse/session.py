"""What every connection to PostgreSQL gets, whoever opens it and whatever its URL says already.

A part of the URL (``session_url``), so that engines which others make of it, Dagster's, have it too.
"""

import os
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from soccer_assets.settings import SettingsError
from soccer_assets.text import one_line

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
#: Seconds that a statement may take, and a transaction wait for its next one: whoever takes longer has
#: lost its client, or holds up others for nothing.
STATEMENT_SECONDS, IDLE_SECONDS = 300.0, 600.0
#: The same where a table or a snapshot is gone through: loads of years, exports, rebuilds, migrations.
LONG_SECONDS = 4 * 3600.0
#: Where a connection keeps which limits are ours to set.
_LIMITS = "soccer_limits"
_LIMITED = ("statement_timeout", "idle_in_transaction_session_timeout")
#: Of the operator's, whatever others have set in the session since.
_UNTOUCHED = "SELECT name FROM pg_settings WHERE reset_val = '0' AND name IN " + repr(_LIMITED)
_PREPARE = (
    "SET TimeZone = 'UTC';"
    "SELECT set_config(name, value, false) FROM (VALUES "
    + ", ".join(f"('{name}', '{new}', '{old}')" for name, (new, old) in _SESSION.items())
    # An older server does not know all of them; where there is no TCP, it shows them as 0.
    + ") AS wanted (name, value, untouched) WHERE current_setting(name, true) = untouched"
)


class UnusableDatabase(SettingsError):
    """The database cannot be used as it is; says in one line why and what to do."""


def no_answer(error: sa.exc.OperationalError) -> str:
    """What to tell of one that ends a command: all that the driver said, without the statement and the
    address of a page, which SQLAlchemy adds."""
    said = one_line(str(error.orig))
    return f"PostgreSQL does not answer: {said} (POSTGRES_URL says where it is)"


def session_url(url: str, application: str = "soccer_assets") -> str:
    """``url`` with what is missing in it; ``application`` is the name of those without one, to which
    each process adds its number.

    Rows are read and written as UTF-8, whatever ``PGCLIENTENCODING`` says.

    Raises:
        UnusableDatabase: it is no URL.
    """
    parsed = _parse(url)
    query = {**_CONNECTION, **parsed.query, "client_encoding": "utf8"}
    query["fallback_application_name"] = application
    plugin = query.get("plugin", ())
    present = (plugin,) if isinstance(plugin, str) else plugin
    # Ours comes first, for it has to know the process before another one connects in a way of its own.
    query["plugin"] = tuple(dict.fromkeys((_PLUGIN, *present)))
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


def open_engine(
    url: str,
    application: str = "soccer_assets",
    *,
    statement_seconds: float = STATEMENT_SECONDS,
    **options: Any,
) -> sa.Engine:
    """An engine for reads and writes of the warehouse; ``options`` are SQLAlchemy's.

    Its transactions end with an error when a statement takes longer than ``statement_seconds``, or the
    next one is not there after ``IDLE_SECONDS``; where the operator has set such a limit, it is his.
    """
    engine = sa.create_engine(session_url(url, application), **options)

    @sa.event.listens_for(engine, "connect")
    def look(connection: Any, record: Any) -> None:
        # Not in a transaction, whose isolation cannot be chosen after a query.
        with connection, connection.cursor() as cursor:
            cursor.execute(_UNTOUCHED)
            record.info[_LIMITS] = {name for (name,) in cursor.fetchall()}

    # By the transaction: behind a pooler that hands out servers so, others' settings stay behind,
    # such as the time that Dagster's webserver gives a statement.
    @sa.event.listens_for(engine, "begin")
    def limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(_limits(connection, statement_seconds, IDLE_SECONDS))

    return engine


def allow_long(connection: sa.Connection, seconds: float = LONG_SECONDS) -> None:
    """Have the transaction that this connection is in take long: for what goes through whole tables."""
    connection.exec_driver_sql(_limits(connection, seconds, seconds))


def _limits(connection: sa.Connection, *seconds: float) -> str:
    ours = connection.info.get(_LIMITS, ())
    return ";".join(
        f"SET LOCAL {name} TO {round(1000 * most) if name in ours else 'DEFAULT'}"
        for name, most in zip(_LIMITED, seconds, strict=True)
    )


class SessionSettings(sa.CreateEnginePlugin):
    """``plugin=soccer_session``: prepares each new connection."""

    def update_url(self, url: sa.URL) -> sa.URL:
        return url

    def engine_created(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "connect", _prepare)
        application = engine.url.query.get("fallback_application_name")

        @sa.event.listens_for(engine, "do_connect")
        def name_process(_: Any, __: Any, ___: Any, parameters: dict[str, Any]) -> None:
            if application:
                parameters["fallback_application_name"] = f"{application} {os.getpid()}"


def _prepare(connection: Any, _: object) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(_PREPARE)
