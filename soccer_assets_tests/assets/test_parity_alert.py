"""A lake that is not what the database holds, as people are told of it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from soccer_assets.alerting.kinds import Kind
from soccer_assets_tests.assets.conftest import INGESTION, LAKE
from soccer_assets_tests.assets.test_lake import FEBRUARY, MONTHS, RANGE, spoil
from soccer_assets_tests.automation.alert_desk import TOKEN, Desk
from soccer_assets_tests.fake_slack import Slack, slack_server
from soccer_assets_tests.platform import Platform


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as told:
        yield told


@pytest.fixture
def desk(midseason: Platform, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Both months are in the lake, and it has looked once, so that it tells what comes."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    midseason.run(*INGESTION, partitions=RANGE)
    midseason.run(*LAKE, partitions=MONTHS)
    desk = Desk(midseason.instance, slack, midseason.definitions)
    desk.tell()
    return desk


def test_a_month_that_stays_different_is_one_message_with_its_figures_and_closed_when_it_agrees(
    midseason: Platform, desk: Desk, slack: Slack
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        spoil(midseason, "match", patch)
        for _ in range(3):  # hour after hour
            assert not midseason.run(*LAKE, partition=MONTHS[1], raise_on_error=False).success
            desk.tell(timedelta(hours=1))
    [row] = [row for row in desk.outbox if row.kind is Kind.PARITY_DIFFERS]
    assert (row.key, row.count) == ("match_parquet/parity_with_postgres", 3)
    [text] = [text for text in slack.posted if "parity_with_postgres" in text]
    first, *facts, _ = text.splitlines()
    assert first == ":red_circle: check parity_with_postgres of match_parquet failed"
    [figures] = [fact for fact in facts if fact.startswith(f"match/{FEBRUARY}: ")]
    assert "rows; lake: CorruptFile" in figures

    midseason.run(*LAKE, partition=MONTHS[0])
    desk.tell(timedelta(hours=1))
    passes = ":white_check_mark: check parity_with_postgres of match_parquet passes again"
    assert [text.startswith(passes) for text in slack.posted].count(True) == 1


def test_what_one_more_export_puts_right_is_not_told(
    midseason: Platform, desk: Desk, slack: Slack
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        spoil(midseason, "match", patch)
    assert midseason.run(*LAKE, partition=MONTHS[1]).success
    desk.tell(timedelta(hours=1))
    assert [row for row in desk.outbox if row.kind is Kind.PARITY_DIFFERS] == []
    assert not [text for text in slack.posted if "parity_with_postgres" in text]
