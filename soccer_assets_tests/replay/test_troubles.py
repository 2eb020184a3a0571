"""Each trouble that has nothing to do with what matches are like is told, ends, is told to have ended, and
leaves nothing wrong that is served without a mark or an alert."""

from datetime import datetime, timedelta

import pandas as pd
import pytest

from soccer_assets_tests.replay.conftest import TROUBLES
from soccer_assets_tests.replay.invented import DAY, Replayed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def span(name: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """From the first moment of the first day to that of the first one without it."""
    first, until = TROUBLES[name]
    return pd.Timestamp(first, tz="UTC"), pd.Timestamp(until, tz="UTC")


def seen_in(replayed: Replayed, name: str, kind: str, key: str = "") -> pd.DataFrame:
    """Alerts of a kind that were seen first while a fault was there."""
    first, until = span(name)
    found = replayed.of_kind(kind, key)
    return found[(found["first_seen"] >= first) & (found["first_seen"] < until)]


def are_over(alerts: pd.DataFrame, by: pd.Timestamp) -> bool:
    return bool((alerts["state"] == "recovered").all() and (alerts["recovered_at"] < by).all())


def test_nothing_wrong_is_served_silently(troubled: Replayed) -> None:
    assert [day.tick for day in troubled.days if day.is_silently_wrong] == []
    assert all(day.served_version for day in troubled.days)


def test_faults_begin_and_end_on_their_days(troubled: Replayed) -> None:
    for name, (first, until) in TROUBLES.items():
        assert f"{name} begins" in troubled.day(first).faults
        assert f"{name} ends" in troubled.day(until).faults


def test_a_bad_challenger_is_refused_and_the_champion_serves_on(troubled: Replayed) -> None:
    refused = seen_in(troubled, "bad-challenger", "rejected")
    first, until = TROUBLES["bad-challenger"]

    assert len(refused) == 1
    assert "refused" in refused["text"].iloc[0]
    assert seen_in(troubled, "bad-challenger", "promoted").empty
    versions = {troubled.day(day).served_version for day in (first, until)}
    assert len(versions) == 1
    assert not troubled.day(until).open_alerts


def test_a_killed_run_is_tried_again_on_the_same_day(troubled: Replayed) -> None:
    day = troubled.day(TROUBLES["killed-run"][0])
    first, until = span("killed-run")
    events = troubled.tables["timeline"]
    died = events[
        (events["kind"] == "failed run") & (events["at"] >= first) & (events["at"] < until)
    ]

    assert died["what"].tolist() == ["ingest"]
    assert died["why"].tolist() == ["its process died"]
    assert not day.wrong
    assert day.ready
    assert day.age_hours is not None
    assert day.age_hours < 3
    told = seen_in(troubled, "killed-run", "run_failed")
    assert are_over(told, until)


def test_a_worker_that_will_not_reload_is_told_and_so_is_its_return(troubled: Replayed) -> None:
    first, until = TROUBLES["worker-wont-reload"]
    told = seen_in(troubled, "worker-wont-reload", "reload_failed")

    assert len(told) == 1
    assert are_over(told, pd.Timestamp(until + DAY, tz="UTC"))
    assert any("reload_failed" in one for one in troubled.day(first).open_alerts)
    after = troubled.day(until)
    assert not after.wrong
    assert after.ready
    assert not any("reload_failed" in one for one in after.open_alerts)


def test_an_outage_of_slack_delays_messages_and_loses_none(troubled: Replayed) -> None:
    first, until = span("slack-down")
    digests = seen_in(troubled, "slack-down", "digest")
    silent = [said for said in troubled.said if first <= pd.Timestamp(said["at"]) < until]

    assert len(digests) == 1
    assert silent == []
    assert (digests["delivered_at"] >= until).all()
    assert (digests["delivered_at"] < until + timedelta(days=1)).all()
    assert troubled.alerts["delivered_at"].notna().all()


@pytest.mark.parametrize(("name", "words"), [("feed-down", "500"), ("schema-change", "homeTeamId")])
def test_what_the_feed_lacks_is_told_and_so_is_its_return(
    troubled: Replayed, name: str, words: str
) -> None:
    first, until = TROUBLES[name]
    told = seen_in(troubled, name, "run_failed")
    last = troubled.day(until - DAY)

    assert told["text"].str.contains(words, regex=False).any()
    assert last.failed
    assert any("run_failed" in one for one in last.open_alerts)
    assert are_over(told, pd.Timestamp(until + 2 * DAY, tz="UTC"))
    end = troubled.day(until + DAY)
    assert not any("run_failed" in one for one in end.open_alerts)
    assert end.ready
    assert not end.failed
    assert troubled.day(first).served_version == end.served_version


def test_the_days_that_the_feed_was_away_are_in_the_ledger_all_the_same(troubled: Replayed) -> None:
    settled = troubled.tables["predictions"]
    first, until = span("feed-down")
    during = settled[(settled["kickoff"] >= first) & (settled["kickoff"] < until)]

    assert len(during)
    assert (during["made_at"] < during["kickoff"]).all()


def test_every_message_to_slack_has_the_time_of_the_replay(troubled: Replayed) -> None:
    times = [datetime.fromisoformat(said["at"]) for said in troubled.said]

    assert times
    assert times == sorted(times)
    assert {time.year for time in times} == {2025}
    alerts = troubled.alerts
    for name in ("first_seen", "last_seen", "delivered_at", "recovered_at"):
        assert set(alerts[name].dropna().dt.year) == {2025}
