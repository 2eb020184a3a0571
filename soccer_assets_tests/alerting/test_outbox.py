"""What is recorded is one row for as long as it is the same trouble."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from soccer_assets.alerting.kinds import KINDS, Kind, Severity
from soccer_assets.alerting.outbox import Alert, find, record, tidy
from soccer_assets_tests.alerting.conftest import Office

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_the_same_trouble_is_one_row_that_is_counted(office: Office) -> None:
    first = office.now
    assert office.record(Kind.RUN_FAILED, text="once", facts={"rows": "1"})
    office.now += HOUR
    assert not office.record(Kind.RUN_FAILED, text="again", facts={"rows": "2"}, run_id="a-run")
    found = office.entry()
    assert (found.count, found.first_seen, found.last_seen) == (2, first, office.now)
    assert (found.text, found.facts, found.run_id) == ("again", {"rows": "2"}, "a-run")
    assert found.severity is KINDS[Kind.RUN_FAILED].severity


def test_another_key_and_another_kind_are_another_trouble(office: Office) -> None:
    assert office.record(Kind.STALE, "features")
    assert office.record(Kind.STALE, "predictions")
    assert office.record(Kind.RUN_FAILED, "features")
    assert len(find(office.engine)) == 3


def test_a_trouble_that_is_over_begins_anew(office: Office) -> None:
    office.record(Kind.STALE)
    assert office.recover(Kind.STALE)
    assert not office.recover(Kind.STALE)
    office.now += HOUR
    assert office.record(Kind.STALE)
    states = [(row.state, row.count) for row in find(office.engine)]
    assert states == [("open", 1), ("recovered", 1)]


def test_an_event_is_one_row_for_ever_and_does_not_end(office: Office) -> None:
    assert office.record(Kind.PROMOTED, "7:run", "Version 7 is champion")
    assert not office.record(Kind.PROMOTED, "7:run", "another word")
    assert not office.recover(Kind.PROMOTED, "7:run")
    found = office.entry("7:run")
    assert (found.state, found.count, found.text) == ("event", 1, "Version 7 is champion")


def test_the_partitions_of_all_sightings_are_gathered(office: Office) -> None:
    for day in ("2025-03-02", "2025-03-01", "2025-03-02"):
        office.record(Kind.RUN_FAILED, scope={"job": "ingest", "partitions": [day]})
    assert office.entry().scope == {"job": "ingest", "partitions": ["2025-03-01", "2025-03-02"]}


def test_many_at_once_are_counted_all(office: Office) -> None:
    with ThreadPoolExecutor(8) as threads:
        new = list(threads.map(lambda _: office.record(Kind.RUN_FAILED), range(40)))
    assert new.count(True) == 1
    assert office.entry().count == 40


def test_it_can_be_part_of_the_transaction_of_what_it_tells(office: Office) -> None:
    with office.engine.connect() as connection, connection.begin() as transaction:
        record(connection, Alert(Kind.ROLLED_BACK, "3:run", "back to 2"), office.now)
        transaction.rollback()
    assert find(office.engine) == []


def test_what_no_database_takes_is_taken(office: Office) -> None:
    office.record(Kind.RUN_FAILED, "a\x00key", "a\x00text \ud800", facts={"a\x00": "b\x1b[31m"})
    assert not office.record(Kind.RUN_FAILED, "a\x00key")
    assert office.recover(Kind.RUN_FAILED, "a\x00key")


def test_an_unknown_kind_is_refused(office: Office) -> None:
    with pytest.raises(ValueError, match="no such kind"):
        record(office.engine, Alert("no such kind", "this", "that"))


def test_they_are_found_by_kind_state_and_time(office: Office) -> None:
    office.record(Kind.STALE, "old")
    office.now += DAY
    office.record(Kind.RUN_FAILED, "new", severity=Severity.WARNING)
    office.recover(Kind.STALE, "old")
    office.now += DAY
    office.record(Kind.STALE, "newest")
    assert [row.key for row in find(office.engine)] == ["newest", "new", "old"]
    assert [row.key for row in find(office.engine, kinds=[Kind.STALE])] == ["newest", "old"]
    assert [row.key for row in find(office.engine, state="open")] == ["newest", "new"]
    recent = find(office.engine, since=office.now - HOUR)
    assert [row.key for row in recent] == ["newest"]
    # That it ended counts as well.
    assert len(find(office.engine, since=office.now - DAY)) == 3


def test_failed_runs_that_nobody_asks_for_are_closed_and_what_is_long_over_is_removed(
    office: Office,
) -> None:
    office.record(Kind.RUN_FAILED, "told")
    office.record(Kind.STALE, "stays")
    office.deliver()
    office.record(Kind.RUN_FAILED, "untold")
    tidy(office.engine, office.now + 8 * DAY, forget=7 * DAY, keep=180 * DAY)
    assert {row.key for row in find(office.engine, state="open")} == {"stays", "untold"}
    tidy(office.engine, office.now + 200 * DAY, forget=7 * DAY, keep=180 * DAY)
    assert {row.key for row in find(office.engine)} == {"stays", "untold"}


def test_every_kind_says_what_it_means_and_what_to_do() -> None:
    assert set(KINDS) == set(Kind)
    assert all(about.means and about.ends and about.do for about in KINDS.values())
