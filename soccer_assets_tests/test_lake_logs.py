"""What the steps printed is in the lake, if that is a bucket, and fails no run."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from soccer_assets.dagster_internals import ComputeIOType
from soccer_assets.lake_logs import LakeComputeLogManager
from soccer_assets.runner import open_instance
from soccer_assets_tests.conftest import S3Service


@dg.asset
def prints() -> None:
    print("told by the step")


def printed(instance: dg.DagsterInstance, run_id: str) -> str:
    """As the UI shows it."""
    manager = instance.compute_log_manager
    keys = [
        record.event_log_entry.dagster_event.logs_captured_data.file_key  # type: ignore[union-attr]
        for record in instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED
        ).records
    ]
    logs = [
        manager.get_log_data_for_type([run_id, "compute_logs", key], ComputeIOType.STDOUT, 0, None)
        for key in keys
        if key
    ]
    return b"".join(data or b"" for data, _ in logs).decode()


@pytest.fixture
def bucket(
    tmp_path: Path, household_url: str, s3_service: S3Service, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A machine whose lake is a bucket."""
    name = f"logs-{uuid4().hex[:12]}"
    s3_service.client.create_bucket(Bucket=name)
    for variable, value in {
        "SOCCER_HOME": str(tmp_path / "home"),
        "POSTGRES_URL": household_url,
        "LAKE_URI": f"s3://{name}/soccer/lake",
        "S3_ENDPOINT_URL": s3_service.url,
        "AWS_ACCESS_KEY_ID": "key-of-this-test",
        "AWS_SECRET_ACCESS_KEY": "secret-of-this-test",
    }.items():
        monkeypatch.setenv(variable, value)
    return name


def test_another_machine_shows_what_a_step_printed(
    bucket: str, s3_service: S3Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance() as instance:
        run_id = dg.materialize([prints], instance=instance).run_id
    found = s3_service.client.list_objects_v2(Bucket=bucket)["Contents"]
    keys = [entry["Key"] for entry in found]
    assert len(keys) == 2
    assert all(key.startswith(f"soccer/lake/dagster_logs/storage/{run_id}/") for key in keys)

    monkeypatch.setenv("SOCCER_HOME", str(tmp_path / "other"))
    with open_instance() as instance:
        assert "told by the step" in printed(instance, run_id)
        manager = instance.compute_log_manager
        log_key = [run_id, "compute_logs", keys[0].rpartition("/")[2].partition(".")[0]]
        url = manager.get_log_metadata(log_key).stdout_download_url
        assert url
        assert url.startswith("/logs/")


@pytest.fixture(params=["closed", "silent", "no such bucket"])
def away(request: pytest.FixtureRequest, bucket: str) -> Iterator[dict[str, str]]:
    """The variables of a lake that takes nothing."""
    if request.param == "no such bucket":
        yield {"LAKE_URI": "s3://not-there/lake"}
        return
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param == "silent":
            server.listen()
        yield {"S3_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}


def test_a_lake_that_is_away_fails_no_run_and_the_output_stays_here(
    away: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LakeComputeLogManager, "PATIENCE_SECONDS", 1.0)
    for variable, value in away.items():
        monkeypatch.setenv(variable, value)
    with caplog.at_level(logging.WARNING), open_instance() as instance:
        result = dg.materialize([prints], instance=instance)
        assert result.success
        assert "told by the step" in printed(instance, result.run_id)
        gone = ["another run", "compute_logs", "step"]
        manager = instance.compute_log_manager
        assert manager.get_log_data_for_type(gone, ComputeIOType.STDOUT, 0, None)[0] is None
    told = [message for message in caplog.messages if "stays on this machine" in message]
    assert len(told) == 1
