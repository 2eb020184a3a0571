"""What this computer talks to: the database, the lake, MLflow, the feed, Slack.

Nothing here imports Dagster or MLflow, which takes longer than all of it.
"""

import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path

import httpx
import sqlalchemy as sa

from soccer_assets.clock import CLOCKS_DISAGREE_BY
from soccer_assets.doctor import broker
from soccer_assets.doctor.finding import PATIENCE, Look, Wrong
from soccer_assets.lake.manifest import read_manifest
from soccer_assets.modelling.mlflow_service import place
from soccer_assets.modelling.mlflow_sqlite import sqlite_path
from soccer_assets.settings import Settings, revealed
from soccer_assets.sources.http import USER_AGENT
from soccer_assets.storage.opening import s3_client
from soccer_assets.storage.store import LocalStore, ObjectStore, S3Store
from soccer_assets.urls import bare, credentials, is_loopback
from soccer_assets.warehouse.connection import database_url
from soccer_assets.warehouse.migrate import standing
from soccer_assets.warehouse.session import open_engine

#: Seconds that the embedded server may take to start, and to recover from a crash.
STARTING = 30.0
#: Of the patience; what is left is for a service to say no in its own words.
_TIMEOUT = PATIENCE * 0.75


#: Lines without which the tables cannot be asked.
SCHEMA = ("database", "database schema")


class Services:
    """The services that the settings name, opened at first use and left as they are."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engine(self) -> sa.Engine:
        """An engine that leaves the schema as it is.

        Raises:
            Wrong: the embedded server was never started.
        """
        settings = self.settings
        if settings.postgres_url is None and not (settings.soccer_home / "postgres").exists():
            raise Wrong(
                "the embedded server was never started: soccer demo starts it, as dagster dev does"
            )
        return open_engine(
            database_url(settings),
            "soccer doctor",
            pool_size=2,
            max_overflow=2,
            connect_args={"connect_timeout": int(_TIMEOUT)},
        )

    @cached_property
    def lake(self) -> ObjectStore:
        """Not ``open_lake``: that makes a bucket, and has the patience of a run."""
        uri = self.settings.lake
        if not uri.startswith("s3://"):
            return LocalStore(Path(uri))
        client = s3_client(
            self.settings.s3_endpoint_url,
            self.settings.aws_region,
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return S3Store(client, bucket, prefix)

    @property
    def has_registry(self) -> bool:
        """Whether there is anything to ask for a model: to ask an embedded MLflow makes it."""
        store = sqlite_path(self.settings.tracking_uri)
        return store is None or store.exists()


def looks(services: Services) -> tuple[list[Look], list[Look]]:
    """At what there is, and at what is in the database that there is."""
    settings = services.settings
    # What is imported first while it is looked would be taken for a service that is slow.
    if settings.lake.startswith("s3://"):
        import boto3  # noqa: F401
    if settings.slack_bot_token:
        import slack_sdk  # noqa: F401
    if settings.tracking_uri.startswith("http"):
        import requests  # noqa: F401
    embedded = settings.postgres_url is None
    return [
        Look("database", lambda: database(services), patience=STARTING if embedded else None),
        Look("lake", lambda: lake(services)),
        Look("mlflow", lambda: mlflow(services)),
        Look("feed", lambda: feed(settings)),
        Look("slack", lambda: slack(settings)),
        broker.look(settings),
    ], [
        Look("database schema", lambda: schema(services), ("database",)),
        Look("database clock", lambda: database_clock(services), ("database",)),
    ]


def database(services: Services) -> str:
    with services.engine.connect() as connection:
        version = connection.scalar(sa.text("SHOW server_version"))
        if connection.scalar(sa.text("SHOW transaction_read_only")) == "on":
            raise Wrong("it can only be read from: name the primary server in POSTGRES_URL")
    url = services.engine.url
    where = f"{url.host}:{url.port or 5432}/{url.database}" if url.host else f"{url.database}"
    where = where if services.settings.postgres_url else "embedded"
    return f"PostgreSQL {str(version).split()[0]}, {where}"


def schema(services: Services) -> str:
    found, newest = standing(services.engine)
    if found != newest:
        raise Wrong(
            f"at revision {found or 'none'}, this version needs {newest}: start any process of "
            "soccer_assets, such as soccer alerts, it migrates"
        )
    return f"at the newest revision, {newest}"


def database_clock(services: Services) -> str:
    with services.engine.connect() as connection:
        theirs = connection.scalar(sa.text("SELECT clock_timestamp()"))
    assert isinstance(theirs, datetime)
    return _agreeing(theirs)


def _agreeing(theirs: datetime) -> str:
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCKS_DISAGREE_BY.total_seconds():
        raise Wrong(f"its clock and this machine's are {apart:,.0f} s apart: set both by NTP")
    return f"its clock and this machine's are {apart:.0f} s apart"


def lake(services: Services) -> str:
    store = services.lake
    if isinstance(store, LocalStore):
        folder = Path(services.settings.lake)
        if not folder.exists():
            return f"{store.uri}, not made yet"
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise Wrong(f"{store.uri} cannot be written to by this user")
    months = len(read_manifest(store).tables.get("match", {}))
    return (
        f"{store.uri}, {f'{months} months are exported' if months else 'still without an export'}"
    )


def mlflow(services: Services) -> str:
    """Whether it answers, and lets this user in. Its client is not asked: that has the patience of a
    training, and takes seconds to import."""
    uri, is_given = (
        services.settings.tracking_uri,
        services.settings.mlflow_tracking_uri is not None,
    )
    file = sqlite_path(uri)
    if file is not None and is_given and not file.parent.is_dir():
        raise Wrong(f"MLFLOW_TRACKING_URI: there is no folder {file.parent}")
    if not services.has_registry:
        return f"{place(uri) if is_given else 'embedded'}, still without a training"
    if uri.startswith("http"):
        return _mlflow_server(services.settings, uri)
    if file is None:
        timeout = {"connect_timeout": int(_TIMEOUT)}
        sa.create_engine(uri, poolclass=sa.NullPool, connect_args=timeout).connect().close()
    return f"{'' if is_given else 'embedded, '}{place(uri)}"


def _mlflow_server(settings: Settings, uri: str) -> str:
    import requests

    login = credentials(revealed(settings.mlflow_tracking_uri)) or (
        os.environ.get("MLFLOW_TRACKING_USERNAME", ""),
        os.environ.get("MLFLOW_TRACKING_PASSWORD", ""),
    )
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    try:
        answer = requests.get(
            f"{uri}/api/2.0/mlflow/experiments/search",
            params={"max_results": "1"},
            auth=login if any(login) else None,
            headers={"Authorization": f"Bearer {token}"} if token and not any(login) else {},
            timeout=_TIMEOUT,
            verify=os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() != "true",
        )
    except requests.RequestException as error:
        raise Wrong(f"{uri} does not answer ({type(error).__name__})") from None
    if answer.status_code in (401, 403):
        raise Wrong(f"{uri} refuses these credentials ({answer.status_code})")
    if answer.status_code >= 500:
        raise Wrong(f"{uri} answers {answer.status_code}")
    try:
        is_mlflow = answer.ok and isinstance(answer.json(), dict)
    except ValueError:
        is_mlflow = False
    if not is_mlflow:
        raise Wrong(f"{uri} does not answer as MLflow does ({answer.status_code})")
    return uri


def feed(settings: Settings) -> str:
    """Whether the site answers, be it with an error that asks for other words than ours."""
    if settings.livescores_source == "file":
        file = settings.livescores_file
        if file is None or not file.is_file():
            raise Wrong(f"LIVESCORES_FILE: there is no file {file}")
        return f"the file {file}"
    football_data = settings.livescores_source == "football_data"
    url = settings.football_data_url if football_data else settings.livescores_url
    if url is None:
        return "the embedded simulator"
    told = _asked(revealed(url))
    if settings.livescores_source == "browser":
        told += f"; through the grid {_asked(revealed(settings.selenium_remote_url), '/status')}"
    return told


def _asked(url: str, path: str = "") -> str:
    shown = bare(url)
    try:
        # The answer may be long, and is not read.
        with httpx.stream(
            "GET",
            f"{url}{path}",
            timeout=_TIMEOUT,
            headers={"User-Agent": USER_AGENT},
            trust_env=not is_loopback(url),  # as it is asked for matches
        ) as answer:
            status, date = answer.status_code, answer.headers.get("Date")
    except httpx.HTTPError as error:
        raise Wrong(f"{shown} does not answer ({type(error).__name__})") from None
    if status >= 500:
        raise Wrong(f"{shown} answers {status}")
    try:
        theirs = parsedate_to_datetime(date) if date else None
    except ValueError:
        theirs = None
    if theirs is None or theirs.tzinfo is None:
        return f"{shown} answers"
    return f"{shown} answers, {_agreeing(theirs)}"


def slack(settings: Settings) -> str:
    """Whether the token is taken; without one, nobody is told but the log."""
    if settings.slack_bot_token is None:
        return "no SLACK_BOT_TOKEN: alerts go to the log, soccer alerts lists them"
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError, SlackClientError

    client = WebClient(
        revealed(settings.slack_bot_token),
        base_url=f"{settings.slack_api_url.rstrip('/')}/",
        timeout=int(_TIMEOUT),
        retry_handlers=[],
    )
    try:
        client.auth_test()
    except SlackApiError as error:
        said = error.response.get("error") or f"status {error.response.status_code}"
        raise Wrong(f"Slack does not take SLACK_BOT_TOKEN ({said})") from None
    except (SlackClientError, OSError) as error:
        raise Wrong(f"Slack does not answer ({type(error).__name__})") from None
    return f"takes the token; alerts go to {settings.slack_channel}"
