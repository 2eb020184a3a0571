"""What the feed said and when: moves, disappearances, corrections, and the past rebuilt."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soccer_assets.feed.fields import FeedStatus
from soccer_assets.feed.states import MatchState
from soccer_assets.ingestion.ingest import ingest_days
from soccer_assets.ingestion.parsing import parse_day
from soccer_assets.ingestion.rebuild import REBUILT, rebuild_warehouse
from soccer_assets.storage.archive import PayloadArchive
from soccer_assets.storage.store import LocalStore
from soccer_assets.warehouse.history import matches_as_of
from soccer_assets.warehouse.load import LoadResult, load_days
from soccer_assets.warehouse.merge import TableChange
from soccer_assets.warehouse.rows import ParsedDay
from soccer_assets.warehouse.schema import match, match_change, match_odds, match_statistics
from soccer_assets_tests.databases import empty
from soccer_assets_tests.feed_days import DAY, FETCHED, a_match, a_payload, finished, parsed

NEXT = DAY + timedelta(days=1)
HOUR = timedelta(hours=1)
LATER = FETCHED + HOUR

Rows = list[dict[str, Any]]


def rows(engine: sa.Engine, table: sa.Table = match) -> Rows:
    with engine.connect() as connection:
        found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


def changes(engine: sa.Engine) -> list[tuple[int, str, Any, Any]]:
    return [(c["match_id"], c["field"], c["old"], c["new"]) for c in rows(engine, match_change)]


def test_a_first_sight_is_no_change(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0))])
    assert changes(engine) == []


def test_a_correction_is_kept_with_what_it_corrects(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0), finished(2, 1, 1))])
    corrected = parsed(finished(1, 2, 1), finished(2, 1, 1), fetched_at=LATER)
    load_days(engine, [corrected])
    assert changes(engine) == [(1, "away_score", 0, 1)]
    (change,) = rows(engine, match_change)
    assert (change["changed_at"], change["payload_key"]) == (LATER, corrected.payload_key)


def test_a_result_changes_the_state_and_both_scores(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1))])
    load_days(engine, [parsed(finished(1, 2, 0), fetched_at=LATER)])
    assert changes(engine) == [
        (1, "away_score", None, 0),
        (1, "decided_in", None, "regular_time"),
        (1, "home_score", None, 2),
        (1, "status", "scheduled", "finished"),
    ]


def test_a_match_that_no_day_shows_is_marked_and_kept(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1), a_match(2))])
    result = load_days(engine, [parsed(a_match(2), fetched_at=LATER)])
    assert result == LoadResult(vanished=1)
    gone, there = rows(engine)
    assert (gone["vanished_at"], gone["changed_at"]) == (LATER, LATER)
    assert there["vanished_at"] is None
    (change,) = rows(engine, match_change)
    assert (change["field"], change["old"]) == ("vanished_at", None)
    assert datetime.fromisoformat(change["new"]) == LATER


def test_a_match_that_comes_back_is_no_longer_marked(engine: sa.Engine) -> None:
    shown = parsed(a_match(1))
    load_days(engine, [shown])
    load_days(engine, [parsed(fetched_at=LATER)])
    result = load_days(engine, [parsed(a_match(1), fetched_at=LATER + HOUR)])
    assert result.match == TableChange(updated=1)
    (row,) = rows(engine)
    assert row["vanished_at"] is None
    assert row["first_seen_at"] == FETCHED


def test_a_match_moved_to_an_earlier_day_follows_when_its_old_day_drops_it(
    engine: sa.Engine,
) -> None:
    load_days(engine, [parsed(a_match(1, NEXT), day=NEXT)])
    load_days(engine, [parsed(a_match(1, DAY), fetched_at=LATER)])
    assert rows(engine)[0]["feed_day"] == NEXT  # both show it: the later day
    result = load_days(engine, [parsed(day=NEXT, fetched_at=LATER + HOUR)])
    assert result == LoadResult(TableChange(updated=1), TableChange(updated=1))
    (row,) = rows(engine)
    assert (row["feed_day"], row["vanished_at"]) == (DAY, None)
    assert row["changed_at"] == LATER + HOUR


def test_a_payload_older_than_what_its_day_holds_changes_nothing(engine: sa.Engine) -> None:
    load_days(engine, [parsed(finished(1, 2, 0), fetched_at=LATER)])
    assert load_days(engine, [parsed(a_match(1), a_match(2))], LATER + HOUR) == LoadResult(
        passed_over=(DAY,)
    )
    assert rows(engine)[0]["home_score"] == 2


def test_odds_are_kept_apart_and_updated(engine: sa.Engine) -> None:
    def priced(home: str, fetched_at: datetime = FETCHED) -> Any:
        cells = {"B365H": home, "B365D": "3.4", "B365A": "3.5"}
        return parsed(a_match(1) | {"footballData": cells}, fetched_at=fetched_at)

    load_days(engine, [priced("2.1")])
    load_days(engine, [priced("2.0", LATER)])
    assert rows(engine, match_odds) == [
        {
            "match_id": 1,
            "bookmaker": "B365",
            "phase": "pre",
            "odds_home": 2.0,
            "odds_draw": 3.4,
            "odds_away": 3.5,
            "changed_at": LATER,
        }
    ]
    assert changes(engine) == []


def counted(*cells: dict[str, str] | None, day: date = DAY, hours: int = 0) -> ParsedDay:
    """A day of finished matches, from 1 on, of which those that are not None have such a row."""
    shown = [
        finished(n, 2, 1, day) | ({} if row is None else {"footballData": row})
        for n, row in enumerate(cells, 1)
    ]
    return parsed(*shown, day=day, fetched_at=FETCHED + hours * HOUR)


def statistics(engine: sa.Engine) -> dict[int, tuple[Any, ...]]:
    """Of each match: shots of both teams, corners of the home team, and when they changed."""
    return {
        row["match_id"]: (
            row["home_shots"],
            row["away_shots"],
            row["home_corners"],
            (row["changed_at"] - FETCHED) // HOUR,
        )
        for row in rows(engine, match_statistics)
    }


def test_statistics_are_as_the_newest_record_has_them(engine: sa.Engine) -> None:
    load_days(engine, [counted({"HS": "12", "AS": "7"}, {"HC": "3"}, None)])
    assert statistics(engine) == {1: (12, 7, None, 0), 2: (None, None, 3, 0)}
    # One is corrected and one of its values gone, the next has none any more, the last has some.
    load_days(engine, [counted({"HS": "13"}, None, {"HC": "0"}, hours=1)])
    assert statistics(engine) == {1: (13, None, None, 1), 3: (None, None, 0, 1)}
    # What is said again is no change.
    load_days(engine, [counted({"HS": "13"}, {}, {"HC": "0"}, hours=2)])
    assert statistics(engine) == {1: (13, None, None, 1), 3: (None, None, 0, 1)}
    assert changes(engine) == []


def test_statistics_of_a_record_that_another_day_outdoes_do_not_count(engine: sa.Engine) -> None:
    load_days(engine, [counted({"HS": "12"}, day=NEXT)])
    load_days(engine, [counted({"HS": "1"}, hours=1)])
    assert statistics(engine) == {1: (12, None, None, 0)}
    load_days(engine, [counted(None, hours=2)])
    assert statistics(engine) == {1: (12, None, None, 0)}


def test_odds_of_a_record_that_another_day_outdoes_do_not_count(engine: sa.Engine) -> None:
    """Here one that loses to a record which it had outdone before."""

    def priced(row: dict[str, Any], home: str, day: date = DAY, hours: int = 0) -> ParsedDay:
        cells = {"B365H": home, "B365D": "3.4", "B365A": "3.5"}
        return parsed(row | {"footballData": cells}, day=day, fetched_at=FETCHED + hours * HOUR)

    load_days(engine, [priced(a_match(1, NEXT), "2.1", NEXT)])
    load_days(engine, [priced(finished(1, 2, 0), "2.2", hours=1)])
    load_days(engine, [priced(a_match(1), "9.9", hours=2)])
    assert [row["feed_day"] for row in rows(engine)] == [NEXT]
    assert [row["odds_home"] for row in rows(engine, match_odds)] == [2.2]


def test_statistics_move_with_their_match_and_stay_when_no_day_shows_it(engine: sa.Engine) -> None:
    load_days(engine, [counted({"HS": "12"})])
    load_days(engine, [counted({"HS": "12"}, day=NEXT, hours=1)])
    load_days(engine, [counted(day=DAY, hours=2)])
    assert statistics(engine) == {1: (12, None, None, 0)}
    load_days(engine, [counted(day=NEXT, hours=3)])
    assert rows(engine)[0]["vanished_at"] is not None
    assert statistics(engine) == {1: (12, None, None, 0)}


def test_statistics_stay_where_a_day_cannot_tell_of_their_match(engine: sa.Engine) -> None:
    load_days(engine, [counted({"HS": "12"}, {"HS": "5"})])
    told = a_payload(finished(2, 2, 1) | {"footballData": {"HS": "6"}}, tournamentId=12)
    told["gaps"] = [{"tournamentIds": [11], "fault": "E0.csv: is empty"}]
    day = parse_day(DAY, orjson.dumps(told), payload_key="gaps", fetched_at=LATER)
    load_days(engine, [day])
    assert statistics(engine) == {1: (12, None, None, 0), 2: (6, None, None, 1)}


@pytest.mark.parametrize(
    "values", [{"home_shots": -1}, {"away_shots": 2, "away_shots_on_target": 3}]
)
def test_statistics_that_cannot_be_are_refused_by_the_table(
    engine: sa.Engine, values: dict[str, int]
) -> None:
    row = {"match_id": 1, "changed_at": FETCHED, **values}
    with (
        pytest.raises(sa.exc.IntegrityError, match="match_statistics"),
        engine.begin() as connection,
    ):
        connection.execute(match_statistics.insert().values(row))


def test_a_naive_moment_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="time zone"):
        matches_as_of(engine, datetime(2024, 3, 9))


# Any history of the feed, against a plain model of it


MATCHES, DAYS = (1, 2, 3), (DAY, NEXT, DAY + timedelta(days=2))
#: What a day may say of a match: nothing, or a state and a home score.
said = st.one_of(st.none(), st.tuples(st.sampled_from(list(MatchState)), st.integers(0, 2)))
payloads = st.tuples(st.sampled_from(DAYS), st.fixed_dictionaries(dict.fromkeys(MATCHES, said)))
histories = st.lists(payloads, min_size=1, max_size=8)
SETTINGS = settings(
    deadline=None,
    max_examples=25,
    # The same each time, as long as one rare history is known to come out otherwise (see below).
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def body_of(day: date, content: dict[int, Any]) -> bytes:
    shown = []
    for match_id, what in content.items():
        if what is None:
            continue
        state, home = what
        if state is MatchState.UNKNOWN:
            shown.append(a_match(match_id, day, status=FeedStatus.FINISHED.value))
        else:
            code = FeedStatus[state.name].value
            row = {} if home == 1 else {"footballData": {"HS": str(home), "HC": "4"}}
            shown.append(a_match(match_id, day, status=code, homeScore=home) | row)
    return orjson.dumps(a_payload(*shown))


class Model:
    """The rules in words of one line each."""

    def __init__(self) -> None:
        self.showing: dict[date, dict[int, Any]] = {}
        self.last: dict[int, tuple[str, date, int | None, datetime | None]] = {}

    def hear(self, day: date, content: dict[int, Any], at: datetime) -> None:
        self.showing[day] = content
        order = list(MatchState)
        for match_id in MATCHES:
            records = [
                (order.index(shown[match_id][0]), day, shown[match_id])
                for day, shown in self.showing.items()
                if shown[match_id] is not None
            ]
            if records:
                _, day_shown, (state, home) = max(records, key=lambda record: record[:2])
                known = None if state is MatchState.UNKNOWN else home
                self.last[match_id] = (state.value, day_shown, known, None)
            elif match_id in self.last and self.last[match_id][3] is None:
                self.last[match_id] = (*self.last[match_id][:3], at)


def stand_of(frame: pd.DataFrame) -> dict[int, tuple[Any, ...]]:
    return {
        row.match_id: (
            row.status,
            row.feed_day,
            None if pd.isna(row.home_score) else int(row.home_score),
            None if pd.isna(row.vanished_at) else row.vanished_at.to_pydatetime(),
        )
        for row in frame.itertuples()
    }


_NOTHING: dict[int, Any] = dict.fromkeys(MATCHES)


@SETTINGS
@given(history=histories, cuts=st.sets(st.integers(1, 7)))
@example(  # a record that lost to another day's, read again from the archive
    history=[
        (date(2024, 3, 9), {**_NOTHING, 1: (MatchState.UNKNOWN, 0)}),
        (date(2024, 3, 9), {**_NOTHING, 1: (MatchState.CANCELLED, 1)}),
        (date(2024, 3, 11), {**_NOTHING, 1: (MatchState.CANCELLED, 0)}),
        (date(2024, 3, 9), {**_NOTHING, 1: (MatchState.CANCELLED, 1)}),
    ],
    cuts=set(),
)
def test_any_history_is_told_right_at_every_moment_and_rebuilt_from_the_archive(
    engine: sa.Engine,
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[date, dict[int, Any]]],
    cuts: set[int],
) -> None:
    check(engine, PayloadArchive(LocalStore(tmp_path_factory.mktemp("lake"))), history, cuts)


@pytest.mark.xfail(strict=True, reason="a record that comes back has lost what it said of shots")
def test_statistics_of_a_record_that_comes_back_and_is_read_again_are_rebuilt(
    engine: sa.Engine, tmp_path: Path
) -> None:
    read_again = {**_NOTHING, 2: (MatchState.CANCELLED, 1)}
    history: list[tuple[date, dict[int, Any]]] = [
        (date(2024, 3, 9), {**read_again, 1: (MatchState.UNKNOWN, 1)}),
        *[(date(2024, 3, 10), dict(_NOTHING))] * 2,
        (date(2024, 3, 10), {**_NOTHING, 2: (MatchState.ABANDONED, 0)}),
        *[(date(2024, 3, 10), dict(_NOTHING))] * 2,
        (date(2024, 3, 9), {**read_again, 1: (MatchState.UNKNOWN, 0)}),
    ]
    check(engine, PayloadArchive(LocalStore(tmp_path)), history, set())


def check(
    engine: sa.Engine,
    archive: PayloadArchive,
    history: list[tuple[date, dict[int, Any]]],
    cuts: set[int],
) -> None:
    """At every moment and after a rebuild the tables are what the rules say."""
    empty(engine)
    model, stands, batch = Model(), [], []
    for hour, (day, content) in enumerate(history):
        at = FETCHED + hour * HOUR
        payload = archive.put(day, body_of(day, content), at)
        model.hear(day, content, payload.fetched_at)
        stands.append((at, dict(model.last)))
        batch.append(day)
        # Several days in one load only where no day comes twice.
        if hour + 1 in cuts or history[hour + 1 : hour + 2] == [] or history[hour + 1][0] in batch:
            ingest_days(batch, None, archive, engine)
            batch = []
    for at, stand in stands:
        assert stand_of(matches_as_of(engine, at)) == stand
    assert matches_as_of(engine, FETCHED - HOUR).empty

    before = [rows(engine, table) for table in REBUILT]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE soccer.match SET home_score = 9"))
    rebuild_warehouse(engine, archive)
    assert [rows(engine, table) for table in REBUILT] == before


def test_utc_is_utc(engine: sa.Engine) -> None:
    load_days(engine, [parsed(a_match(1))])
    frame = matches_as_of(engine, FETCHED)
    assert frame["kickoff"][0] == datetime(2024, 3, 9, 15, tzinfo=UTC)
