"""What this computer talks to: the database, the lake, MLflow, the feed, Slack."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import sqlalchemy as sa
from slack_sdk.errors import SlackClientError

from soccer_assets.clock import CLOCKS_DISAGREE_BY
from soccer_assets.doctor.finding import Look, Wrong
from soccer_assets.resources import SlackAlertResource
from soccer_assets.settings import Settings, revealed
from soccer_assets.storage.opening import open_lake
from soccer_assets.urls import bare
from soccer_assets.warehouse.connection import database_url
from soccer_assets.warehouse.migrate import standing
from soccer_assets.warehouse.session import open_engine

TIMEOUT_SECONDS = 10.0


def looks(settings: Settings) -> list[tuple[str, Look]]:
    return [
        ("database", lambda: database(settings)),
        ("database schema", lambda: schema(settings)),
        ("database clock", lambda: database_clock(settings)),
        ("lake", lambda: lake(settings)),
        ("mlflow", lambda: mlflow(settings)),
        ("feed", lambda: feed(settings)),
        ("slack", lambda: slack(settings)),
    ]


def engine_of(settings: Settings) -> sa.Engine:
    """An engine that leaves the schema as it is.

    Raises:
        Wrong: the embedded server was never started.
    """
    if settings.postgres_url is None and not (settings.home / "postgres").exists():
        raise Wrong("the embedded server was never started: soccer demo, or dagster dev, starts it")
    return open_engine(database_url(settings), pool_size=1)


def database(settings: Settings) -> str:
    with engine_of(settings).connect() as connection:
        version = connection.scalar(sa.text("SHOW server_version"))
    where = "POSTGRES_URL" if settings.postgres_url else "embedded"
    return f"PostgreSQL {version} ({where})"


def schema(settings: Settings) -> str:
    found, newest = standing(engine_of(settings))
    if found != newest:
        raise Wrong(
            f"at revision {found or 'none'}, this version needs {newest}: "
            "start any process of soccer_assets, it migrates"
        )
    return f"at the newest revision, {newest}"


def database_clock(settings: Settings) -> str:
    with engine_of(settings).connect() as connection:
        theirs = connection.scalar(sa.text("SELECT clock_timestamp()"))
    assert isinstance(theirs, datetime)
    return _agreeing(theirs)


def _agreeing(theirs: datetime) -> str:
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCKS_DISAGREE_BY.total_seconds():
        raise Wrong(f"its clock is {apart:,.0f} s from this machine's: set both by NTP")
    return f"its clock is {apart:.0f} s from this machine's"


def lake(settings: Settings) -> str:
    store = open_lake(settings.lake, settings.s3_endpoint_url, settings.aws_region)
    has_manifest = bool(store.list("manifest.json"))
    return f"{store.uri}, {'with' if has_manifest else 'still without'} an export"


def mlflow(settings: Settings) -> str:
    """Whether it answers, and lets this user in."""
    store = settings.home / "mlflow" / "mlflow.db"
    if settings.mlflow_tracking_uri is None and not store.exists():
        return "embedded, still without a training"
    from soccer_assets.resources import ModelRegistryResource

    ModelRegistryResource(settings=settings).registry.by_alias("champion")
    return settings.tracking_uri


def feed(settings: Settings) -> str:
    """Whether the site answers, be it with an error that asks for other words than ours."""
    if settings.livescores_source == "file":
        return f"the file {settings.livescores_file}"
    football_data = settings.livescores_source == "football_data"
    url = settings.football_data_url if football_data else settings.livescores_url
    if url is None:
        return "the embedded simulator"
    shown = bare(revealed(url))
    try:
        answer = httpx.get(revealed(url), timeout=TIMEOUT_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        raise Wrong(f"{shown} does not answer ({type(error).__name__})") from None
    if answer.status_code >= 500:
        raise Wrong(f"{shown} answers {answer.status_code}")
    told = f"{shown} answers"
    if "Date" in answer.headers:
        told += f", {_agreeing(parsedate_to_datetime(answer.headers['Date']))}"
    return told


def slack(settings: Settings) -> str:
    """Whether the token is taken; without one, nobody is told but the log."""
    if settings.slack_bot_token is None:
        return "no SLACK_BOT_TOKEN: alerts go to the log"
    resource = SlackAlertResource(
        settings=settings, channel=settings.slack_channel, api_url=settings.slack_api_url
    )
    try:
        resource.get_client().auth_test()
    except (SlackClientError, OSError) as error:
        raise Wrong(f"SLACK_BOT_TOKEN is not taken ({type(error).__name__})") from None
    return f"alerts go to {settings.slack_channel}"
