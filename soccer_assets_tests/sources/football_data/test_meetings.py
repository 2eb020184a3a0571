"""Which rows are one match, and the number of a meeting."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from soccer_assets.sources.football_data.leagues import MAIN_BY_DIV
from soccer_assets.sources.football_data.meetings import number_meetings
from soccer_assets.sources.football_data.parsing import CsvRow

START = date(2024, 8, 1)


def listed(day: int, score: tuple[int, int] | None = None, file: str = "season") -> CsvRow:
    """A match of the same two teams, so many days into the season."""
    on = START + timedelta(days=day)
    return CsvRow(
        file=file,
        line=2,
        league=MAIN_BY_DIV["SC0"],
        season=2024,
        season_name="2024/2025",
        date=on,
        kickoff=datetime(on.year, on.month, on.day, 15, tzinfo=UTC),
        home="Hearts",
        away="Celtic",
        home_goals=score and score[0],
        away_goals=score and score[1],
        columns=(),
        text="",
    )


def meetings(*rows: CsvRow) -> dict[int, tuple[int, bool]]:
    """Day and whether it is over, by meeting number."""
    numbered = number_meetings(rows, lambda row: (1, 2))
    assert len({number for _, number in numbered}) == len(numbered)
    return {number: ((row.date - START).days, row.finished) for row, number in numbered}


def test_results_are_numbered_by_date() -> None:
    assert meetings(listed(200, (1, 1)), listed(30, (2, 0))) == {1: (30, True), 2: (200, True)}


def test_matches_to_come_follow_the_results() -> None:
    rows = [listed(30, (2, 0)), listed(200), listed(120)]
    assert meetings(*rows) == {1: (30, True), 2: (120, False), 3: (200, False)}


def test_a_result_wins_over_its_announcement() -> None:
    for played in (28, 30, 31, 44):  # brought forward, as planned, put off
        assert meetings(listed(played, (0, 3)), listed(30, file="fixtures")) == {1: (played, True)}


def test_teams_may_meet_again_within_days() -> None:
    assert meetings(listed(26, (0, 3)), listed(30)) == {1: (26, True), 2: (30, False)}
    assert meetings(listed(26, (0, 3)), listed(30, (1, 1))) == {1: (26, True), 2: (30, True)}


def test_of_two_announcements_close_together_the_later_read_counts() -> None:
    assert meetings(listed(30), listed(37, file="fixtures")) == {1: (37, False)}
    assert meetings(listed(37), listed(30, file="fixtures")) == {1: (30, False)}
    assert meetings(listed(30), listed(60)) == {1: (30, False), 2: (60, False)}


def test_of_two_lines_of_one_day_the_last_result_counts() -> None:
    rows = [listed(30, (1, 0)), listed(30, (1, 1)), listed(30)]
    (numbered,) = number_meetings(rows, lambda row: (1, 2))
    assert (numbered[0].home_goals, numbered[0].away_goals) == (1, 1)


def test_pairs_are_numbered_apart() -> None:
    rows = [listed(30, (1, 0)), listed(31, (1, 0))]
    numbered = number_meetings(rows, lambda row: (row.date.day, 0))
    assert [number for _, number in numbered] == [1, 1]


results = st.sets(st.integers(0, 300), max_size=5)


@given(results, st.sets(st.integers(301, 400), max_size=4))
def test_results_keep_their_numbers_when_later_ones_are_added(
    first: set[int], later: set[int]
) -> None:
    before = meetings(*(listed(day, (0, 0)) for day in first))
    after = meetings(*(listed(day, (0, 0)) for day in first | later))
    assert before.items() <= after.items()


@given(results, st.integers(304, 400), st.integers(304, 400))
def test_a_match_keeps_its_number_when_it_is_moved_and_when_it_is_played(
    played: set[int], planned: int, moved: int
) -> None:
    known = [listed(day, (0, 0)) for day in played]
    number = len(played) + 1
    assert meetings(*known, listed(planned))[number] == (planned, False)
    assert meetings(*known, listed(moved))[number] == (moved, False)
    assert meetings(*known, listed(moved, (1, 0)))[number] == (moved, True)


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=8))
def test_every_result_is_there_once_however_often_it_is_listed(
    listings: list[tuple[int, bool]],
) -> None:
    rows = [listed(day, (0, 0) if over else None) for day, over in listings]
    once, twice = meetings(*rows), meetings(*rows, *rows)
    assert {day for day, over in once.values() if over} == {day for day, over in listings if over}
    assert once == twice
