"""Behind PgBouncer as Debian installs it, in both modes that its documentation recommends."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.runner import open_instance
from soccer_assets.serving.loading import load_snapshot
from soccer_assets.serving.service import serving_engine
from soccer_assets.settings import get_settings
from soccer_assets.simulator.server import FeedServer
from soccer_assets.warehouse.connection import get_engine
from soccer_assets_tests.conftest import MIDSEASON
from soccer_assets_tests.end_to_end.shell import free_port, wait_until
from soccer_assets_tests.platform import platform
from soccer_assets_tests.serving.conftest import Database

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = [
    pytest.mark.skipif(not PGBOUNCER, reason="pgbouncer is not installed"),
    pytest.mark.system,
]

CONFIGURATION = """
[databases]
* = host={host} port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
ignore_startup_parameters = extra_float_digits
pool_mode = {mode}
"""


def answers(url: str) -> bool:
    try:
        sa.create_engine(url, poolclass=sa.NullPool).connect().close()
    except sa.exc.OperationalError:
        return False
    return True


@pytest.fixture(params=[pytest.param("session", marks=pytest.mark.slow), "transaction"])
def pooled_url(request: pytest.FixtureRequest, database_url: str) -> Iterator[str]:
    """URL of a database of this test's own, by way of a pooler."""
    assert PGBOUNCER
    url = sa.make_url(database_url)
    data_dir, port = Path(str(url.query["host"])), free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(CONFIGURATION.format(host=data_dir, port=port, mode=request.param))
        file.flush()
        # It refuses to be run by root. The server's own user may enter the folder of its socket.
        os.fchmod(file.fileno(), 0o644)
        data_dir.parent.chmod(0o711)
        user = data_dir.stat()
        process = subprocess.Popen(
            [PGBOUNCER, "--quiet", file.name],
            **({} if os.geteuid() else {"user": user.st_uid, "group": user.st_gid}),
        )
        try:
            pooled = url.set(host="127.0.0.1", port=port, query={})
            pooled_url = pooled.render_as_string(hide_password=False)
            wait_until(lambda: process.poll() is not None or answers(pooled_url))
            assert process.poll() is None
            yield pooled_url
        finally:
            process.terminate()
            process.wait(60)


def test_warehouse_lake_worker_and_dagster_work_behind_a_pooler(
    pooled_url: str, tmp_path: Path, feed: FeedServer
) -> None:
    environment = {"SOCCER_AS_OF": MIDSEASON.isoformat()}
    with (
        platform(tmp_path, feed, pooled_url, environment) as ephemeral,
        open_instance() as instance,
    ):
        here = replace(ephemeral, instance=instance)
        for assets, partitions in (
            (("livescores", "match_raw", "match"), ("2025-02-28", "2025-03-02")),
            (("match_raw_parquet", "match_parquet"), ("2025-02-01", "2025-02-01")),
        ):
            result = here.run(*assets, partitions=partitions)
            assert instance.get_run_by_id(result.run_id).is_success  # type: ignore[union-attr]
            assert set(here.recorded(result)) == set(assets)
        Database(pooled_url, get_engine(get_settings())).serve(7, MIDSEASON)
        snapshot = load_snapshot(serving_engine(pooled_url), MIDSEASON, recent_days=7)
        assert snapshot.model.version == 7
        assert snapshot.size
        # What Dagster's webserver sets for its sessions is not the warehouse's.
        instance.optimize_for_webserver(statement_timeout=50, pool_recycle=3600, max_overflow=5)
        instance.get_run_records(limit=1)
        with get_engine(get_settings()).connect() as connection:
            assert connection.scalar(sa.text("SELECT pg_sleep(0.3)")) == ""
            assert connection.scalar(sa.text("SHOW TimeZone")) == "UTC"
