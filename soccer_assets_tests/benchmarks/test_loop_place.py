"""The matches of the scoring loop's benchmark are those of the source, and busy days of theirs are now."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.loop_place import BUSY_SUNDAY, Place, matches_of, put_forward
from benchmarks.source import Source
from soccer_assets.feed.fields import FeedStatus
from soccer_assets.sources.replay import ReplayBackend

INVENTED = Source(None, 9_000)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"), "postgresql://nobody@nowhere/none", INVENTED)


def test_invented_matches_are_as_the_simulator_played_them(tmp_path: Path) -> None:
    pq.write_table(matches_of(INVENTED), tmp_path / "matches.parquet")
    replayed, played = ReplayBackend(tmp_path / "matches.parquet"), INVENTED.backend()
    for day in (BUSY_SUNDAY, BUSY_SUNDAY + timedelta(days=6)):
        results = [
            Counter(
                (match["id"], match["homeTeamName"], match["homeScore"], match["awayScore"])
                for tournament in backend.payload(day, INVENTED.as_of)["tournaments"]
                for match in tournament["matches"]
                if match["status"] == FeedStatus.FINISHED
            )
            for backend in (replayed, played)
        ]
        assert results[0] == results[1]
        assert results[0]


def test_dates_are_put_forward_by_whole_weeks() -> None:
    table = matches_of(INVENTED)
    later = put_forward(table, 3)
    assert later.drop_columns("date") == table.drop_columns("date")
    days = zip(table["date"].to_pylist(), later["date"].to_pylist(), strict=True)
    assert {after - before for before, after in days} == {timedelta(weeks=3)}


def test_a_busy_sunday_was_in_the_last_week(place: Place) -> None:
    days = Counter(pq.read_table(place.file, columns=["date"])["date"].to_pylist())
    sunday = place.now.date() - timedelta(days=(place.now.date().weekday() + 1) % 7)
    original = Counter(matches_of(INVENTED)["date"].to_pylist())
    assert days[sunday] == original[BUSY_SUNDAY] > 20
    assert max(days) > place.now.date() > date.min


def test_what_is_made_once_stays(place: Place) -> None:
    again = Place(place.folder, place.database, Source(None, 18_000))
    assert (again.now, again.matches) == (place.now, place.matches)


def test_each_correction_is_another_result_than_before(place: Place) -> None:
    sunday = place.now.date() - timedelta(days=(place.now.date().weekday() + 1) % 7)
    with place.feed() as feed:
        before = feed.backend.payload(sunday, place.now)
        scores = []
        for _ in range(20):
            place.correct(feed, sunday)
            found = feed._overrides[sunday]
            differ = [
                (old["homeScore"], new["homeScore"])
                for old, new in zip(_matches(before), _matches(found), strict=True)
                if old != new
            ]
            assert len(differ) == 1
            scores.append(differ[0][1])
        assert all(one != other for one, other in pairwise(scores))
    # Another process goes on where this one was.
    with Place(place.folder, place.database, INVENTED).feed() as feed:
        place.correct(feed, sunday)
        found = feed._overrides[sunday]
    assert found != before
    assert scores[-1] not in [
        new["homeScore"]
        for old, new in zip(_matches(before), _matches(found), strict=True)
        if old != new
    ]


def _matches(payload: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    return [match for t in payload["tournaments"] for match in t["matches"]]  # type: ignore[attr-defined]
