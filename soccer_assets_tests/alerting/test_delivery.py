"""What is due reaches people once, whatever Slack does meanwhile."""

import logging
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from soccer_assets.alerting.delivery import CLAIM
from soccer_assets.alerting.kinds import Kind, Severity
from soccer_assets.alerting.outbox import find
from soccer_assets.alerting.params import AlertingParams
from soccer_assets.resources import SlackAlertResource
from soccer_assets.settings import get_settings
from soccer_assets_tests.alerting.conftest import CHANNEL, TOKEN, UI, Office
from soccer_assets_tests.fake_slack import Slack

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


# One trouble


def test_a_trouble_is_one_message_with_its_words_facts_and_link(
    office: Office, slack: Slack
) -> None:
    office.record(Kind.CHECK_FAILED, text="check a of b failed", facts={"rows": "3"}, run_id="r1")
    assert office.deliver().sent == 1
    assert office.deliver().sent == 0
    [request] = slack.requests
    assert request.path == "/api/chat.postMessage"
    assert request.fields["channel"] == CHANNEL
    assert request.fields["text"].splitlines() == [
        ":red_circle: check a of b failed",
        "rows: 3",
        f"{UI}/runs/r1",
    ]


def test_the_token_is_in_the_header_and_nowhere_else(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE)
    office.deliver()
    [request] = slack.requests
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    others = [v for name, v in request.headers.items() if name != "Authorization"]
    assert TOKEN not in request.raw + request.path + "".join(others)


def test_one_that_goes_on_has_its_message_updated_at_growing_intervals(
    office: Office, slack: Slack
) -> None:
    """Every hour for three days, and looked at every ten minutes."""
    for _ in range(72):
        office.record(Kind.RUN_FAILED)
        for _ in range(6):
            office.deliver(10 * MINUTE)
    assert len(slack.posted) == 1
    assert len(slack.updated) == 4
    assert "56 times, 01 Mar 12:00 to 03 Mar 19:00 UTC" in slack.updated[-1]
    message = {fields["ts"] for fields in slack.taken("chat.update")}
    assert message == {"1.000100"}


def test_what_changed_since_it_was_told_is_marked(office: Office, slack: Slack) -> None:
    office.record(Kind.CHECK_FAILED, facts={"rows": "3", "goals": "1", "gone": "x"})
    office.deliver()
    office.record(Kind.CHECK_FAILED, facts={"rows": "5", "goals": "1", "cards": "9"})
    office.deliver(2 * HOUR)
    told = set(slack.updated[0].splitlines()[1:4])
    assert told == {"rows: 5 (was 3)", "goals: 1", "cards: 9 (new)"}
    assert "no more: gone" in slack.updated[0]


def test_its_end_is_told_once_below_the_message_and_in_it(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE, text="features is stale")
    office.deliver()
    office.recover(Kind.STALE, text="features is fresh again")
    for _ in range(3):
        office.deliver(HOUR)
    said = ":white_check_mark: features is fresh again (was: features is stale)"
    assert slack.posted[1:] == [said]
    assert slack.updated == [said]
    assert slack.taken("chat.postMessage")[1]["thread_ts"] == "1.000100"
    assert slack.taken("chat.postMessage")[1]["reply_broadcast"] is not False


def test_one_that_was_over_before_it_was_told_is_told_as_that(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE)
    office.recover(Kind.STALE, text="it is right again")
    office.deliver()
    office.deliver(DAY)
    assert slack.texts == [":white_check_mark: it is right again (was: this is off)"]


def test_a_warning_that_becomes_an_error_is_a_new_message(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE, text="stale (WARN)", severity=Severity.WARNING)
    office.deliver()
    office.record(Kind.STALE, text="stale (FAIL)", severity=Severity.ERROR)
    office.deliver(MINUTE)
    office.record(Kind.STALE, text="stale (WARN)", severity=Severity.WARNING)
    office.deliver(MINUTE)
    assert [text.splitlines()[0] for text in slack.posted] == [
        ":hourglass: stale (WARN)",
        ":red_circle: stale (FAIL)",
    ]


def test_an_event_is_told_once(office: Office, slack: Slack) -> None:
    for _ in range(3):
        office.record(Kind.PROMOTED, text="Version 7 is champion")
        office.deliver(2 * DAY)
    assert slack.texts == [":trophy: Version 7 is champion"]


def test_a_message_that_was_deleted_is_posted_again(office: Office, slack: Slack) -> None:
    office.record(Kind.RUN_FAILED)
    office.deliver()
    office.record(Kind.RUN_FAILED)
    slack.answer = {"ok": False, "error": "message_not_found"}
    office.deliver(2 * HOUR)
    slack.is_up()
    with office.engine.begin() as connection:  # Slack would refuse the update alone
        connection.execute(sa.text("UPDATE soccer.alert SET slack_ts = NULL"))
    office.deliver()
    assert len(slack.posted) == 2
    assert "2 times" in slack.posted[1]


# Where to


def test_kinds_and_owners_have_channels_and_the_kind_comes_first(
    office: Office, slack: Slack
) -> None:
    office.params = AlertingParams(channels={"model": "#models", "promoted": "#news"})
    for kind in (Kind.PROMOTED, Kind.REJECTED, Kind.STALE):
        office.record(kind, kind)
    office.deliver()
    channels = {
        fields["text"].split()[1]: fields["channel"] for fields in slack.taken("chat.postMessage")
    }
    assert channels == {"promoted": "#news", "rejected": "#models", "stale": CHANNEL}


def test_what_a_channel_does_not_take_goes_to_that_of_everything(
    office: Office, slack: Slack
) -> None:
    office.params = AlertingParams(channels={"promoted": "#typo"})
    slack.channels = {CHANNEL}
    office.record(Kind.PROMOTED, text="Version 7 is champion")
    assert office.deliver().sent == 1
    assert "(#typo did not take it: Slack answers channel_not_found)" in slack.posted[0]
    assert office.entry().channel == CHANNEL


def test_an_unknown_kind_or_owner_in_the_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind and no owner"):
        AlertingParams(channels={"promotd": "#news"})


# Faults of Slack


@pytest.mark.parametrize("fault", ["5xx", "429", "slow", "refused", "token"])
def test_a_slack_that_is_away_delays_and_loses_nothing(
    office: Office, slack: Slack, fault: str
) -> None:
    here = office.slack
    if fault == "5xx":
        slack.is_down(503)
    elif fault == "429":
        slack.is_down(429)
        slack.headers = {"Retry-After": "600"}
    elif fault == "slow":
        slack.seconds = 0.5
        office.slack = SlackAlertResource(
            settings=get_settings(), channel=CHANNEL, api_url=slack.url, timeout_seconds=0.05
        )
    elif fault == "token":
        slack.answer = {"ok": False, "error": "invalid_auth"}
    else:
        office.slack = SlackAlertResource(
            settings=get_settings(), channel=CHANNEL, api_url="http://127.0.0.1:9/api/"
        )
    for day in range(3):
        office.record(Kind.STALE, f"asset {day}")
    for _ in range(3):
        told = office.deliver(HOUR)
        assert (told.sent, told.waiting) == (0, 3)
        assert told.fault
    assert all(row.delivered_at is None for row in find(office.engine))
    slack.is_up()
    slack.requests.clear()
    office.slack = here
    assert office.deliver(HOUR).sent == 3
    assert sorted(text.split()[2] for text in slack.posted) == ["0", "1", "2"]
    assert office.deliver(HOUR).sent == 0


def test_a_short_pause_is_waited_for_and_a_long_one_is_told(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE)
    slack.is_down(429)
    slack.headers = {"Retry-After": "600"}
    told = office.deliver()
    assert (told.sent, told.retry_after, len(slack.requests)) == (0, 600.0, 1)
    slack.is_up()
    slack.first, slack.headers = [429], {"Retry-After": "0"}
    assert office.deliver().sent == 1
    assert len(slack.requests) == 3


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_that_is_an_error_is_asked_for_again(
    office: Office, slack: Slack, status: int
) -> None:
    office.record(Kind.STALE)
    slack.first = [status]
    assert office.deliver().sent == 1
    assert len(slack.requests) == 2


def test_what_comes_while_slack_is_down_for_hours_comes_as_one_digest(
    office: Office, slack: Slack
) -> None:
    office.record(Kind.RUN_FAILED, "before", "before failed")
    office.deliver()
    slack.is_down()
    for hour in range(12):
        office.record(Kind.RUN_FAILED, f"job {hour}", f"job {hour} failed")
        office.record(Kind.STALE, f"asset {hour}", f"asset {hour} is stale")
        office.deliver(HOUR)
    office.recover(Kind.STALE, "asset 0", "asset 0 is fresh again")
    office.recover(Kind.RUN_FAILED, "before", "before went through")
    slack.is_up()
    assert office.deliver().sent == 1
    for _ in range(3):
        assert office.deliver(MINUTE).sent == 0
    [_, digest] = slack.posted
    assert digest.startswith(":card_index_dividers: 25 alerts since 01 Mar 12:00 UTC")
    assert "job 7 failed" in digest
    assert "… and 10 more: soccer alerts lists them" in digest
    assert all(row.told_state == row.state for row in find(office.engine))
    # Those that went on are told by themselves when it is time; those that ended, when they end.
    office.recover(Kind.STALE, "asset 5", "asset 5 is fresh again")
    office.deliver(11 * MINUTE)
    assert slack.posted[2:] == [":white_check_mark: asset 5 is fresh again (was: asset 5 is stale)"]


def test_a_flood_of_a_kind_is_one_digest_and_another_kind_is_not_in_it(
    office: Office, slack: Slack
) -> None:
    for number in range(300):
        office.record(Kind.RUN_FAILED, f"job {number}")
    office.record(Kind.PROMOTED, text="Version 7 is champion")
    assert office.deliver().sent == 2
    assert sorted(text.split(maxsplit=1)[0] for text in slack.posted) == [
        ":card_index_dividers:",
        ":trophy:",
    ]


def test_one_after_the_other_they_are_no_flood_of_messages_either(
    office: Office, slack: Slack
) -> None:
    for number in range(120):
        office.record(Kind.RUN_FAILED, f"job {number}")
        office.deliver(30 * timedelta(seconds=1))
    for _ in range(30):
        office.deliver(MINUTE)
    assert len(slack.posted) <= 20
    assert all(row.delivered_at for row in find(office.engine))


def test_a_text_that_slack_refuses_keeps_no_other_back(office: Office, slack: Slack) -> None:
    slack.answer = {"ok": False, "error": "msg_blocked"}
    for number in range(5):
        office.record(Kind.STALE, f"asset {number}")
    assert office.deliver().sent == 0
    assert len(slack.requests) == 3
    slack.is_up()
    office.deliver()
    # Those that were not refused come first.
    assert [text.split()[2] for text in slack.posted] == ["3", "4", "0", "1", "2"]


# Two at once, and none


def test_two_who_deliver_at_once_send_nothing_twice(office: Office, slack: Slack) -> None:
    for kind in (Kind.STALE, Kind.RUN_FAILED, Kind.CHECK_FAILED):
        for number in range(4):
            office.record(kind, f"{kind} {number}")
    slack.seconds = 0.02
    others = [replace(office) for _ in range(4)]
    threads = [threading.Thread(target=other.deliver) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    office.deliver()
    assert len(slack.posted) == len(set(slack.posted)) == 12


def test_what_somebody_claimed_who_died_is_delivered_later(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE)
    claim = sa.text("UPDATE soccer.alert SET claimed_until = clock_timestamp() + :time")
    with office.engine.begin() as connection:
        connection.execute(claim, {"time": timedelta(seconds=CLAIM)})
    assert office.deliver().sent == 0
    with office.engine.begin() as connection:
        connection.execute(claim, {"time": -timedelta(seconds=1)})
    assert office.deliver().sent == 1


def test_recording_does_not_wait_for_slack(office: Office, slack: Slack) -> None:
    office.record(Kind.STALE)
    slack.seconds = 1.0
    delivery = threading.Thread(target=replace(office).deliver)
    delivery.start()
    while not slack.requests:
        pass
    office.record(Kind.STALE)
    office.record(Kind.STALE, "another")
    assert delivery.is_alive()
    delivery.join()
    assert (office.entry().count, office.entry().told_count) == (2, 1)


def test_without_a_token_the_log_is_told_and_that_counts(
    office: Office, slack: Slack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    office.slack = SlackAlertResource(settings=get_settings(), channel=CHANNEL, api_url=slack.url)
    office.record(Kind.STALE, text="a & b is stale")
    with caplog.at_level(logging.WARNING, logger="soccer_assets"):
        assert office.deliver().sent == 1
        assert office.deliver(DAY).sent == 0
    assert slack.requests == []
    [line] = caplog.messages
    assert line == "alert (no SLACK_BOT_TOKEN set): :red_circle: a & b is stale"
    assert office.entry().delivered_at is not None
