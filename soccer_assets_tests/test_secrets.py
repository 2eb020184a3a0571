"""No secret of any setting is in anything that is written, with every service down."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.remote_representation.external_data import RepositorySnap

from soccer_assets.automation.failures import failure_text
from soccer_assets.definitions import make_definitions
from soccer_assets.settings import Settings, SettingsError, get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets_tests.end_to_end.shell import open_shell
from soccer_assets_tests.fake_slack import Slack, slack_server
from soccer_assets_tests.platform import Platform, platform

#: In every value that nobody may see.
MARK = "hush"
LOGIN = f"{MARK}-user:{MARK}-pass%21word"
#: Nobody listens there.
NOWHERE = "127.0.0.1:1"
SECRETS = {
    "LIVESCORES_URL": f"http://{LOGIN}@{NOWHERE}/site",
    "LIVESCORES_TOKEN": f"{MARK}-livescores",
    "FOOTBALL_DATA_URL": f"http://{LOGIN}@{NOWHERE}/mirror",
    "SELENIUM_REMOTE_URL": f"http://{LOGIN}@{NOWHERE}/wd/hub",
    "MLFLOW_TRACKING_URI": f"http://{LOGIN}@{NOWHERE}/mlflow",
    "SLACK_BOT_TOKEN": f"xoxb-{MARK}-slack",
    "SERVING_TOKEN": f"{MARK}-serving",
    "SERVING_WORKERS": f"http://{NOWHERE}",
    "AWS_ACCESS_KEY_ID": f"{MARK}-aws-id",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}-aws-key",
    "AWS_SESSION_TOKEN": f"{MARK}-aws-session",
}
#: Down at once, instead of after minutes.
HASTE = {
    "LIVESCORES_ATTEMPTS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


@pytest.fixture
def down(tmp_path: Path, feed: FeedServer, database_url: str, slack: Slack) -> Iterator[Platform]:
    """A platform that has its database and nothing else."""
    url = sa.make_url(database_url).set(password=f"{MARK}-postgres")
    settings = {**SECRETS, **HASTE, "SLACK_API_URL": slack.url}
    with platform(tmp_path, feed, url.render_as_string(hide_password=False), settings) as here:
        yield here
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        os.environ.pop(name, None)


def written(here: Platform) -> str:
    """All that the instance keeps of its runs."""
    return "".join(
        dg.serialize_value(record.dagster_run)
        + "".join(map(dg.serialize_value, here.instance.all_logs(record.dagster_run.run_id)))
        for record in here.instance.get_run_records()
    )


@pytest.mark.parametrize(
    ("assets", "partition", "settings"),
    [
        (("livescores", "match_raw", "match"), "2025-03-01", {}),
        (("livescores", "match"), "2025-03-01", {"LIVESCORES_SOURCE": "football_data"}),
        (
            ("livescores", "match"),
            "2025-03-01",
            {"LIVESCORES_SOURCE": "browser", "LIVESCORES_URL": f"http://{NOWHERE}"},
        ),
        (("registered_model",), None, {}),
        (("predictions", "serving_workers"), None, {}),
        (("feature_drift", "prediction_scorecard", "data_volume"), None, {}),
    ],
    ids=["feed", "football_data", "browser", "registry", "serving", "monitoring"],
)
def test_a_run_that_fails_tells_no_secret(
    down: Platform,
    slack: Slack,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    assets: tuple[str, ...],
    partition: str | None,
    settings: dict[str, str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    here = Platform(down.home, down.feed, down.instance, make_definitions(get_settings()))
    with caplog.at_level("DEBUG"):
        result = here.run(*assets, partition=partition, raise_on_error=False)
        assert not result.success
        resource = here.definitions.resources["slack"]
        resource.send(failure_text(here.instance, result.dagster_run))
    printed = capfd.readouterr()
    assert len(slack.texts) == 1
    told = {
        "events": written(here),
        "printed": printed.out + printed.err,
        "logs": caplog.text,
        "Slack": slack.texts[0],
    }
    assert "STEP_FAILURE" in told["events"]
    assert [place for place, text in told.items() if MARK in text.lower()] == []


def test_the_definitions_tell_no_secret(down: Platform) -> None:
    repository = make_definitions(get_settings()).get_repository_def()
    shown = dg.serialize_value(RepositorySnap.from_def(repository, defer_snapshots=False))
    assert "livescores" in shown
    assert MARK not in shown.lower()


def test_the_settings_do_not_show_their_secrets(down: Platform) -> None:
    settings = get_settings()
    assert MARK not in repr(settings)
    assert MARK not in str(settings.model_dump())
    assert settings.environment()["MLFLOW_TRACKING_URI"] == SECRETS["MLFLOW_TRACKING_URI"]
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == f"{MARK}-user"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == f"{MARK}-pass!word"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, f"http://{LOGIN}@host") for name in ("S3_ENDPOINT_URL", "SLACK_API_URL")),
        *((name, f"http://{LOGIN}@host") for name in ("DAGSTER_WEBSERVER_URL", "SERVING_WORKERS")),
        *(
            (name, f"http://host/?key={MARK}")
            for name in (*SECRETS, "S3_ENDPOINT_URL", "DAGSTER_WEBSERVER_URL", "SLACK_API_URL")
            if name.endswith(("URL", "URI", "WORKERS"))
        ),
        *((name, f"{MARK}://host") for name in SECRETS if name.endswith("URL")),
        *((name, f"http://host:{MARK}") for name in SECRETS if name.endswith("URL")),
        ("POSTGRES_URL", f"mysql://{LOGIN}@host/db"),
        ("POSTGRES_URL", f"postgresql://{LOGIN}@host:{MARK}/db"),
        ("LAKE_URI", f"s3://{LOGIN}@bucket/prefix"),
        ("LAKE_URI", f"s3://bucket/prefix?key={MARK}"),
        ("LAKE_URI", f"https://{LOGIN}@bucket/prefix"),
    ],
)
def test_an_address_is_refused_without_a_word_of_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    """A secret where it would be shown, and one in an address that is none."""
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    monkeypatch.setenv(setting, value)
    with pytest.raises(SettingsError, match=f"^{setting}") as refused:
        get_settings()
    assert MARK not in str(refused.value)
    assert refused.value.__suppress_context__


BACKFILL = ("soccer", "backfill", "--since", "2026-01-01", "--until", "2026-01-03")
REFRESH = ("dagster", "job", "execute", "-j", "refresh")
COMMANDS = [
    ("soccer", "demo", "--days", "90"),
    BACKFILL,
    ("soccer", "rebuild"),
    ("dagster", "definitions", "validate"),
    ("dagster", "instance", "info"),
    ("dagster", "asset", "materialize", "--select", "match_parquet", "--partition", "2026-01-01"),
    REFRESH,
    ("dagster", "job", "execute", "-j", "retrain"),
]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("lake", "commands"),
    [("", COMMANDS), ("s3://bucket/lake", [BACKFILL, REFRESH])],
    ids=["a lake on disk", "a lake that is down"],
)
def test_nothing_that_any_command_writes_holds_a_secret(
    lake: str, commands: list[tuple[str, ...]], slack: Slack
) -> None:
    """Every command, its output, every file of the home and every row of the database."""
    variables = {
        **SECRETS,
        **HASTE,
        "LAKE_URI": lake,
        "S3_ENDPOINT_URL": f"http://{NOWHERE}",
        "SLACK_API_URL": slack.url,
    }
    with open_shell(variables) as shell:
        for command in commands:
            _, printed = shell.attempt(*command)
            assert MARK not in printed.lower(), command
        assert list(files_with_mark(shell.home)) == []
        with shell.warehouse() as engine:
            assert list(tables_with_mark(engine)) == []
    assert MARK not in json.dumps(slack.texts).lower()


def files_with_mark(home: Path) -> Iterator[Path]:
    for path in home.rglob("*"):
        inside = path.relative_to(home).parts
        if path.is_file() and "postgres" not in inside and MARK.encode() in path.read_bytes():
            yield path


def tables_with_mark(engine: sa.Engine) -> Iterator[str]:
    with engine.connect() as connection:
        tables = connection.execute(
            sa.text(
                "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
                " WHERE table_schema IN ('public', 'soccer')"
            )
        )
        for (table,) in tables.all():
            found = sa.text(f"SELECT count(*) FROM {table} AS t WHERE t::text ILIKE '%{MARK}%'")
            if connection.scalar(found):
                yield table
