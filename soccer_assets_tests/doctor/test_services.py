"""What an operator reads of services that are well, away, or not what they have to be."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from soccer_assets.doctor import services as looks
from soccer_assets.doctor.finding import State, Wrong, examine
from soccer_assets.doctor.services import Services
from soccer_assets.lake.export import export_months
from soccer_assets.storage.store import LocalStore, StoreUnavailable
from soccer_assets.warehouse.load import load_days
from soccer_assets.warehouse.session import UnusableDatabase
from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.databases import empty_database
from soccer_assets_tests.doctor.conftest import NOWHERE
from soccer_assets_tests.fake_slack import Slack
from soccer_assets_tests.feed_days import a_match, parsed

LOGIN = "user:hush"
Make = Callable[..., Services]


@contextmanager
def site(
    status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None
) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server with one answer to everything: its address, with a login in it, and what it was
    asked, path and authorization."""
    asked: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response_only(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://{LOGIN}@127.0.0.1:{server.server_port}", asked
        server.shutdown()


def wrong(look: Callable[[], str]) -> str:
    with pytest.raises(Wrong) as told:
        look()
    assert "hush" not in str(told.value)
    return str(told.value)


# The database


def test_a_database_that_is_well(services: Services) -> None:
    first, second = looks.looks(services)
    found = {f.name: f for f in examine([*first, *second], {"database": State.OK})}
    for name in ("database", "database schema", "database clock"):
        assert found[name].state is State.OK, found[name]
    assert found["database"].told.startswith("PostgreSQL 1")
    assert services.engine.url.database in found["database"].told


def test_a_database_that_is_away_or_refuses_is_one_line_without_its_password(
    services_of: Make,
) -> None:
    away = services_of(postgres_url=f"postgresql://{LOGIN}@{NOWHERE}/soccer")
    [database, *_], _ = looks.looks(away)
    [finding] = examine([database], {})
    assert finding.state is State.WRONG
    assert "port 1 failed: Connection refused" in finding.told
    assert "sqlalche.me" not in finding.told
    assert "hush" not in finding.told


def test_an_embedded_server_that_was_never_started_stays_so(services_of: Make) -> None:
    services = services_of()
    assert "never started: soccer demo" in wrong(lambda: looks.database(services))
    assert not services.settings.soccer_home.exists()


def test_a_database_that_can_only_be_read(services: Services) -> None:
    name = services.engine.url.database
    with services.engine.begin() as connection:
        connection.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only=on'))
    services.engine.dispose()
    assert "only be read from" in wrong(lambda: looks.database(services))


def test_tables_that_are_absent_or_behind_or_ahead_are_told_and_left(
    services: Services, services_of: Make, postgres_server: str
) -> None:
    with empty_database(postgres_server) as url:
        empty = services_of(postgres_url=url)
        assert "at revision none, this version needs" in wrong(lambda: looks.schema(empty))
        with empty.engine.connect() as connection:
            assert sa.inspect(connection).get_schema_names() == ["information_schema", "public"]
        empty.engine.dispose()

    def set_revision(number: str) -> None:
        with services.engine.begin() as connection:
            update = "UPDATE soccer.warehouse_version SET version_num = :number"
            connection.execute(sa.text(update), {"number": number})

    set_revision("0001")
    assert "at revision 0001, this version needs" in wrong(lambda: looks.schema(services))
    set_revision("9999")
    with pytest.raises(UnusableDatabase, match="update soccer_assets"):
        looks.schema(services)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_database_whose_clock_is_off(services: Services, hours: int) -> None:
    name = services.engine.url.database
    with services.engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA off",
            "CREATE FUNCTION off.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            f"$$SELECT pg_catalog.clock_timestamp() + interval '{hours} hours'$$",
            f'ALTER DATABASE "{name}" SET search_path = off, pg_catalog',
        ):
            connection.execute(sa.text(statement))
    services.engine.dispose()
    told = wrong(lambda: looks.database_clock(services))
    assert " are 3,6" in told or " are 3,59" in told
    assert told.endswith("set both by NTP")


# The lake


def test_a_lake_on_disk(
    services: Services, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Path(services.settings.lake)
    assert looks.lake(services) == f"{lake}, not made yet"
    assert not lake.exists()
    load_days(engine, [parsed(a_match(1))])
    export_months(engine, LocalStore(lake))
    assert looks.lake(services) == f"{lake}, 1 months are exported"
    monkeypatch.setattr(looks.os, "access", lambda path, mode: False)  # root may write anywhere
    assert "cannot be written to" in wrong(lambda: looks.lake(services))


def test_a_lake_whose_manifest_is_torn_is_a_line(services: Services) -> None:
    tables = Path(services.settings.lake) / "tables"
    tables.mkdir(parents=True)
    (tables / "manifest.json").write_bytes(b'{"tables"')
    [_, lake, *_], _ = looks.looks(services)
    [finding] = examine([lake], {})
    assert finding.state is State.WRONG


def test_a_bucket_is_looked_at_and_not_made(
    services_of: Make, s3_service: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    bucket = f"lake-{uuid4().hex[:12]}"
    services = services_of(lake_uri=f"s3://{bucket}/soccer", s3_endpoint_url=s3_service.url)
    with pytest.raises(StoreUnavailable, match="there is no such bucket"):
        looks.lake(services)
    s3_service.client.create_bucket(Bucket=bucket)
    assert looks.lake(services) == f"s3://{bucket}/soccer, still without an export"
    away = services_of(lake_uri=f"s3://{bucket}/soccer", s3_endpoint_url=f"http://{NOWHERE}")
    with pytest.raises(StoreUnavailable, match=rf"{bucket}.*{NOWHERE}"):
        looks.lake(away)


# MLflow


def test_an_embedded_mlflow_is_not_made_by_a_look(services_of: Make) -> None:
    services = services_of()
    assert looks.mlflow(services) == "embedded, still without a training"
    store = services.settings.soccer_home / "mlflow" / "mlflow.db"
    assert not store.exists()
    store.parent.mkdir(parents=True)
    store.touch()
    assert looks.mlflow(services) == f"embedded, {store}"


def test_an_mlflow_server_that_answers_is_asked_with_its_login(services_of: Make) -> None:
    with site(body=b'{"experiments": []}') as (url, asked):
        told = looks.mlflow(services_of(mlflow_tracking_uri=f"{url}/behind"))
        assert told.endswith("/behind")
        assert "@" not in told
    [(path, authorization)] = asked
    assert path.startswith("/behind/api/2.0/mlflow/experiments/search")
    assert authorization == "Basic dXNlcjpodXNo"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b"{}", r"refuses these credentials \(401\)"),
        (503, b"{}", "answers 503"),
        (404, b"{}", r"does not answer as MLflow does \(404\)"),
        (200, b"<html>", r"does not answer as MLflow does \(200\)"),
    ],
)
def test_an_mlflow_server_that_is_not_as_it_has_to_be(
    services_of: Make, status: int, body: bytes, told: str
) -> None:
    with site(status, body) as (url, _):
        services = services_of(mlflow_tracking_uri=url)
        with pytest.raises(Wrong, match=rf"^http://127.0.0.1:\d+ {told}$"):
            looks.mlflow(services)


def test_an_mlflow_that_is_away(services_of: Make) -> None:
    server = services_of(mlflow_tracking_uri=f"http://{LOGIN}@{NOWHERE}")
    assert (
        wrong(lambda: looks.mlflow(server)) == f"http://{NOWHERE} does not answer (ConnectionError)"
    )
    database = services_of(mlflow_tracking_uri=f"postgresql://{LOGIN}@{NOWHERE}/mlflow")
    [_, _, mlflow, *_], _ = looks.looks(database)
    [finding] = examine([mlflow], {})
    assert finding.state is State.WRONG
    assert "Connection refused" in finding.told
    assert "hush" not in finding.told


def test_an_mlflow_in_a_file_is_where_it_is_said_to_be(services_of: Make, tmp_path: Path) -> None:
    folder = tmp_path / "not mounted"
    services = services_of(mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db")
    told = wrong(lambda: looks.mlflow(services))
    assert told == f"MLFLOW_TRACKING_URI: there is no folder {folder}"
    assert not folder.exists()
    folder.mkdir()
    assert looks.mlflow(services) == f"{folder}/mlflow.db, still without a training"
    (folder / "mlflow.db").touch()
    assert looks.mlflow(services) == f"{folder}/mlflow.db"


# The feed


def test_a_site_that_answers_and_its_clock(services_of: Make) -> None:
    now = datetime.now(UTC)
    with site(404, headers={"Date": format_datetime(now, usegmt=True)}) as (url, _):
        told = looks.feed(services_of(livescores_url=url).settings)
        assert " answers, its clock and this machine's are " in told
        assert "hush" not in told
    late = format_datetime(now - timedelta(hours=2), usegmt=True)
    with site(headers={"Date": late}) as (url, _):
        settings = services_of(livescores_url=url).settings
        assert "set both by NTP" in wrong(lambda: looks.feed(settings))
    with site(headers={"Date": "yesterday"}) as (url, _):
        assert looks.feed(services_of(livescores_url=url).settings).endswith(" answers")


def test_a_site_that_is_away_or_has_a_fault(services_of: Make) -> None:
    settings = services_of(livescores_url=f"http://{LOGIN}@{NOWHERE}").settings
    assert wrong(lambda: looks.feed(settings)) == f"http://{NOWHERE} does not answer (ConnectError)"
    with site(502) as (url, _):
        settings = services_of(livescores_source="football_data", football_data_url=url).settings
        assert wrong(lambda: looks.feed(settings)).endswith(" answers 502")


def test_a_browser_needs_its_grid_as_well(services_of: Make) -> None:
    with site() as (url, asked):
        grid = {"livescores_source": "browser", "livescores_url": url.replace(f"{LOGIN}@", "")}
        settings = services_of(**grid, selenium_remote_url=f"{url}/wd/hub").settings
        assert "through the grid" in looks.feed(settings)
        assert [path for path, _ in asked] == ["/", "/wd/hub/status"]
        away = services_of(**grid, selenium_remote_url=f"http://{NOWHERE}").settings
        assert f"http://{NOWHERE} does not answer" in wrong(lambda: looks.feed(away))


def test_a_file_and_the_simulator(services_of: Make, tmp_path: Path) -> None:
    assert looks.feed(services_of().settings) == "the embedded simulator"
    file = tmp_path / "results.csv"
    settings = services_of(livescores_source="file", livescores_file=file).settings
    assert "there is no file" in wrong(lambda: looks.feed(settings))
    file.touch()
    assert looks.feed(settings) == f"the file {file}"


# Slack


def test_a_token_that_slack_takes_or_does_not(services_of: Make, slack: Slack) -> None:
    assert "alerts go to the log" in looks.slack(services_of().settings)
    settings = services_of(slack_bot_token="xoxb-hush", slack_api_url=slack.url).settings
    assert looks.slack(settings) == "takes the token; alerts go to #soccer-assets"
    [request] = slack.requests
    assert request.method == "auth.test"
    slack.answer = {"ok": False, "error": "token_revoked"}
    assert "does not take SLACK_BOT_TOKEN (token_revoked)" in wrong(lambda: looks.slack(settings))
    slack.is_down()
    assert "(status 503)" in wrong(lambda: looks.slack(settings))
    away = services_of(slack_bot_token="xoxb-hush", slack_api_url=f"http://{NOWHERE}").settings
    assert wrong(lambda: looks.slack(away)) == "Slack does not answer (URLError)"
