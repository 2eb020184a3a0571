"""``soccer migrate``, which goes before all other processes of a new release."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from soccer_assets_tests.conftest import S3Service
from soccer_assets_tests.databases import empty_database
from soccer_assets_tests.end_to_end.shell import Shell

pytestmark = pytest.mark.system


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    with empty_database(postgres_server) as url:
        yield url


def test_makes_all_tables_and_the_bucket_and_again_changes_nothing(
    url: str, s3_service: S3Service, tmp_path: Path
) -> None:
    shell = Shell(
        tmp_path,
        {
            "SOCCER_HOME": str(tmp_path),
            "POSTGRES_URL": url,
            "LAKE_URI": "s3://not-there-yet/soccer",
            "S3_ENDPOINT_URL": s3_service.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
    )
    shell.run("soccer", "migrate")
    made = tables(url)
    assert {("soccer", "match"), ("public", "event_logs"), ("public", "runs")} <= made.keys()
    assert "not-there-yet" in {
        bucket["Name"] for bucket in s3_service.client.list_buckets()["Buckets"]
    }
    shell.run("soccer", "migrate")
    assert tables(url) == made


def test_takes_over_the_tables_of_an_older_dagster(url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"SOCCER_HOME": str(tmp_path), "POSTGRES_URL": url})
    shell.run("soccer", "migrate")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    newest = revision(engine)
    before = "7e2f3204cf8e"
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": before})
    shell.run("soccer", "migrate")
    assert revision(engine) == newest


def revision(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def tables(url: str) -> dict[tuple[str, str], int]:
    """Every table, by its schema and name, as the server's number for it."""
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT schemaname, tablename, (quote_ident(schemaname) || '.' ||"
                " quote_ident(tablename))::regclass::oid FROM pg_tables"
                " WHERE schemaname IN ('public', 'soccer')"
            )
        )
        return {(schema, name): number for schema, name, number in rows}
