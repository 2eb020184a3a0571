"""``soccer alerts`` lists the outbox."""

import json

import pytest

from soccer_assets.alerting.kinds import Kind
from soccer_assets.cli import app
from soccer_assets_tests.alerting.conftest import Office


@pytest.fixture
def here(office: Office, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("POSTGRES_URL", database_url)
    office.record(Kind.STALE, text="features is stale")
    office.record(Kind.RUN_FAILED, text="[bold]ingest[/bold] failed")
    office.record(Kind.RUN_FAILED, text="[bold]ingest[/bold] failed", facts={"rows": "3"})
    office.recover(Kind.STALE)
    return office


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        app(["alerts", *arguments])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_it_lists_what_is_open_of_a_kind_since_a_day_and_as_json(
    here: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = (
        "2025-03-01 12:00 error run_failed open [not delivered yet]: [bold]ingest[/bold] failed. "
        "rows: 3 (2 times since 2025-03-01 12:00)"
    )
    assert len(told(capsys)) == 2
    assert told(capsys, "--open") == [failed]
    assert told(capsys, "--kind", "run_failed") == [failed]
    assert told(capsys, "--since", "2025-03-02") == ["no alerts"]
    [line] = told(capsys, "--kind", "stale", "--json")
    assert json.loads(line)["recovery"] == "it is right again"


def test_a_kind_that_there_is_not_is_one_line(
    here: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["alerts", "--kind", "stal"])
    assert ended.value.code == 1
    assert "no kind stal; there are: run_failed" in capsys.readouterr().err
