"""The site as the livescores feed: days, ids that stay, and faults that name the file."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from soccer_assets.feed.faults import FetchFault
from soccer_assets.feed.fields import HEADER_FIELDS, MATCH_FIELDS
from soccer_assets.ingestion.odds import Odds, match_odds
from soccer_assets.sources.football_data.faults import FootballDataFault
from soccer_assets.sources.football_data.leagues import LEAGUES
from soccer_assets.sources.football_data.source import FootballDataSource
from soccer_assets.sources.request_policy import RequestPolicy
from soccer_assets.storage.store import LocalStore
from soccer_assets_tests.sources.football_data.site import (
    Answer,
    Site,
    at,
    csv_file,
    extra,
    matches,
    parsed,
    played,
)

SEASON, FIXTURES = "mmz4281/2425/E0.csv", "fixtures.csv"
BRAZIL, EXTRA_FIXTURES = "new/BRA.csv", "new_league_fixtures.csv"
SATURDAY = date(2024, 11, 23)
SUNDAY = date(2024, 11, 24)
NOW = at(2024, 11, 22, 12)

Match = dict[str, Any]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site").running() as running:
        yield running


@pytest.fixture
def source(site: Site) -> Iterator[Callable[..., FootballDataSource]]:
    """Makes sources of the site, as a new run does."""
    opened: list[FootballDataSource] = []

    def make(**options: Any) -> FootballDataSource:
        known: dict[str, Any] = {
            "clock": NOW,
            "policy": RequestPolicy(timeout=5, attempts=2, backoff=0.01),
        }
        opened.append(FootballDataSource(site.url, **known | options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


Make = Callable[..., FootballDataSource]


def only(source: FootballDataSource, day: date) -> Match:
    (match,) = matches(source, day)
    return match


# What a day looks like


def test_a_finished_match(site: Site, source: Make) -> None:
    row = played(
        SATURDAY, "Arsenal", "Nott'm Forest", "3-0", Time="15:00", HY=1, AY="2", HR="", B365H=1.5
    )
    site.put(SEASON, csv_file([row]))
    match = only(source(), SATURDAY)
    assert match["status"] == "finished"
    assert match["kickoff"] == datetime(2024, 11, 23, 15, tzinfo=UTC)
    assert (match["home_team_name"], match["away_team_name"]) == ("Arsenal", "Nott'm Forest")
    assert (match["home_score"], match["away_score"]) == (3, 0)
    assert (match["region_name"], match["tournament_name"]) == ("England", "Premier League")
    assert (match["tournament_id"], match["season_id"], match["sex"]) == (9011, 90112024, 0)
    assert match["season_name"] == "2024/2025"
    raw = parsed(source(), SATURDAY).raw.to_pylist()[0]
    assert raw["start_time"] == "2024-11-23T15:00:00"
    assert (raw["home_yellow_cards"], raw["away_yellow_cards"]) == (1, 2)
    assert (raw["home_red_cards"], raw["winner_field"], raw["elapsed"]) == (None, 0, "FT")


def test_a_match_to_come(site: Site, source: Make) -> None:
    site.put(SEASON, csv_file([played(date(2024, 11, 10), "Arsenal", "Chelsea", "1-1")]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "Arsenal", "Everton", Time="20:00")]))
    match = only(source(), SATURDAY)
    assert match["status"] == "scheduled"
    assert (match["home_score"], match["away_score"]) == (None, None)
    assert match["season_id"] == 90112024
    assert match["csv"]["file"] == FIXTURES


def test_the_row_is_kept_verbatim_and_its_odds_can_be_read(site: Site, source: Make) -> None:
    row = played(SATURDAY, " Arsenal ", "Chelsea", "3-0", Referee="", PSCH="1.90", PSCD=3, PSCA=4)
    site.put(SEASON, csv_file([row]))
    match = only(source(), SATURDAY)
    assert match["csv"] == {
        "Div": "E0",
        "Date": "23/11/2024",
        "HomeTeam": " Arsenal ",
        "AwayTeam": "Chelsea",
        "FTHG": "3",
        "FTAG": "0",
        "PSCH": "1.90",
        "PSCD": "3",
        "PSCA": "4",
        "file": SEASON,
    }
    assert match_odds(match["csv"]) == [Odds("PS", "closing", 1.9, 3, 4)]


def test_every_field_of_the_feed_is_there(site: Site, source: Make) -> None:
    site.put(SEASON, csv_file([played(SATURDAY, "Arsenal", "Chelsea", "3-0")]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "Everton", "Fulham")]))
    payload = orjson.loads(source().fetch(SATURDAY))
    (header,) = payload["tournaments"]
    assert tuple(header) == (*HEADER_FIELDS, "matches")
    assert [tuple(m) for m in header["matches"]] == [(*MATCH_FIELDS, "footballData")] * 2
    assert parsed(source(), SATURDAY).new_fields == ()


def test_a_match_is_of_the_utc_day_of_its_kickoff(site: Site, source: Make) -> None:
    summer = date(2024, 9, 1)
    rows = [
        extra(summer, "A", "B", "1-0", season="2024", Time="00:30"),
        extra(summer, "C", "D", "1-0", season="2024", Time="01:00"),
    ]
    site.put(BRAZIL, csv_file(rows))
    made = source()
    assert only(made, date(2024, 8, 31))["home_team_name"] == "A"
    assert only(made, summer)["home_team_name"] == "C"
    assert matches(made, date(2024, 9, 2)) == []


def test_a_payload_is_the_same_bytes_every_time(site: Site, source: Make) -> None:
    rows = [played(SATURDAY, f"Home {n}", f"Away {n}", "1-0") for n in range(5)]
    site.put(SEASON, csv_file(rows))
    first = source().fetch(SATURDAY)
    site.put(SEASON, csv_file(rows[::-1]))
    assert source().fetch(SATURDAY) == first


def test_a_day_before_the_first_season_is_empty_and_asks_for_nothing(
    site: Site, source: Make
) -> None:
    assert source().fetch(date(1990, 1, 1)) == b'{"tournaments":[]}'
    assert site.requests == {}


# Files


def test_a_day_needs_the_files_of_its_seasons_once(site: Site, source: Make) -> None:
    site.put(SEASON, csv_file([played(SATURDAY, "Arsenal", "Chelsea", "3-0")]))
    made = source()
    for day in (SATURDAY, SUNDAY, date(2024, 10, 1), date(2025, 2, 1)):
        made.fetch(day)
    expected = {league.file(2024) for league in LEAGUES} | {FIXTURES, EXTRA_FIXTURES}
    assert site.requests == dict.fromkeys(expected, 1)


def test_the_past_needs_no_file_of_coming_matches(site: Site, source: Make) -> None:
    york = played("13/08/05", "York", "Crawley", "0-0", div="EC")
    site.put("mmz4281/0506/EC.csv", csv_file([york]))
    assert only(source(), date(2005, 8, 13))["home_team_name"] == "York"
    assert FIXTURES not in site.requests
    assert not any(path.startswith("new") for path in site.requests)
    assert {path for path in site.requests if path.endswith("EC.csv")} == {"mmz4281/0506/EC.csv"}


def test_days_fetched_at_once_are_the_same_and_share_their_files(site: Site, source: Make) -> None:
    days = [SATURDAY + timedelta(days=n) for n in range(-3, 4)]
    rows = [played(day, f"Home {day}", "Away", "1-0") for day in days]
    site.put(SEASON, csv_file(rows))
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(source().fetch, days))
    assert site.sent == {SEASON: 1}
    assert max(site.requests.values()) == 1
    assert together == [source().fetch(day) for day in days]


def test_every_file_is_handed_over_to_be_kept_and_only_when_it_has_changed(
    site: Site, source: Make, store: LocalStore
) -> None:
    first = csv_file([played(SATURDAY, "Arsenal", "Chelsea", "3-0")])
    second = csv_file([played(SATURDAY, "Arsenal", "Chelsea", "3-1")])
    site.put(SEASON, first)
    site.put(FIXTURES, csv_file([played(SUNDAY, "Everton", "Fulham")]))
    runs = []
    for body in (first, first, second):
        site.put(SEASON, body)
        handed: dict[str, bytes] = {}
        source(cache=store, archive=handed.__setitem__).fetch(SATURDAY)
        runs.append(handed)
    assert runs[0] == {SEASON: first, FIXTURES: (site.folder / FIXTURES).read_bytes()}
    assert runs[1:] == [{}, {SEASON: second}]
    assert site.sent == {SEASON: 2, FIXTURES: 1}


def test_a_file_is_handed_over_even_when_it_cannot_be_used(site: Site, source: Make) -> None:
    site.put(SEASON, b"not,the,columns\n")
    handed: dict[str, bytes] = {}
    with pytest.raises(FootballDataFault, match="no column Date"):  # and no other league has a file
        source(archive=handed.__setitem__).fetch(SATURDAY)
    assert handed == {SEASON: b"not,the,columns\n"}


def test_an_unusable_file_is_asked_for_whole_in_the_next_run(
    site: Site, source: Make, store: LocalStore
) -> None:
    site.put(SEASON, b"not,the,columns\n")
    for _ in range(2):
        with pytest.raises(FootballDataFault):
            source(cache=store).fetch(SATURDAY)
    assert site.sent == {SEASON: 2}


# Seasons of coming matches, which their files do not say


@pytest.mark.parametrize(
    ("known", "coming", "season"),
    [
        (date(2024, 5, 19), date(2024, 8, 16), 2024),  # a season begins
        (date(2024, 5, 19), date(2024, 5, 25), 2023),  # a season ends
        (date(2020, 7, 26), date(2020, 8, 7), 2019),  # a season ends late
        (date(2020, 7, 26), date(2020, 9, 12), 2020),
        (date(2024, 12, 15), date(2025, 2, 1), 2024),  # a season goes on after a break
    ],
)
def test_the_season_of_a_coming_match(
    site: Site, source: Make, known: date, coming: date, season: int
) -> None:
    start = known.year if known.month > 7 else known.year - 1
    rows = [played(known, "Arsenal", "Chelsea", "3-0")]
    site.put(f"mmz4281/{start % 100}{start % 100 + 1}/E0.csv", csv_file(rows))
    site.put(FIXTURES, csv_file([played(coming, "Arsenal", "Chelsea")]))
    site.put(BRAZIL, csv_file([extra(known, "Santos", "Bahia", "1-0", season=str(known.year))]))
    made = source(clock=at(coming.year, coming.month, coming.day))
    match = only(made, coming)
    assert (match["season_id"], match["status"]) == (90110000 + season, "scheduled")


@pytest.mark.parametrize(
    ("known", "label", "coming", "season", "name"),
    [
        (date(2024, 12, 8), "2024", date(2025, 3, 29), 2025, "2025"),
        (date(2024, 12, 8), "2024", date(2024, 12, 12), 2024, "2024"),
        (date(2021, 1, 18), "2020", date(2021, 1, 25), 2020, "2020"),  # it ends in January
        (date(2024, 12, 8), "2024/2025", date(2025, 2, 20), 2024, "2024/2025"),
        (date(2025, 5, 25), "2024/2025", date(2025, 7, 18), 2025, "2025/2026"),
    ],
)
def test_the_season_of_a_coming_match_of_an_extra_league(
    site: Site, source: Make, known: date, label: str, coming: date, season: int, name: str
) -> None:
    site.put(BRAZIL, csv_file([extra(known, "Santos", "Bahia", "1-0", season=label)]))
    site.put(EXTRA_FIXTURES, csv_file([extra(coming, "Bahia", "Santos")]))
    match = only(source(clock=at(coming.year, coming.month, coming.day)), coming)
    assert (match["season_id"], match["season_name"]) == (91410000 + season, name)
    site.put(
        BRAZIL,
        csv_file(
            [
                extra(known, "Santos", "Bahia", "1-0", season=label),
                extra(coming, "Bahia", "Santos", "2-2", season=name),
            ]
        ),
    )
    over = only(source(clock=at(coming.year, coming.month, coming.day)), coming)
    assert over["match_id"] == match["match_id"]
    assert over["status"] == "finished"


def test_a_league_that_has_no_file_yet_has_its_coming_matches(site: Site, source: Make) -> None:
    site.put("mmz4281/2425/E1.csv", csv_file([played(SUNDAY, "Leeds", "Luton", "3-0", div="E1")]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "Arsenal", "Chelsea")]))
    site.put(EXTRA_FIXTURES, csv_file([extra(SATURDAY, "Bahia", "Santos")]))
    seasons = {match["season_name"] for match in matches(source(), SATURDAY)}
    assert seasons == {"2024/2025", "2024"}


# Ids that stay


def test_a_match_that_is_moved_keeps_its_id(site: Site, source: Make) -> None:
    site.put(SEASON, csv_file([played(date(2024, 11, 10), "Everton", "Fulham", "1-1")]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "Arsenal", "Chelsea")]))
    before = only(source(), SATURDAY)
    site.put(FIXTURES, csv_file([played(SUNDAY, "Arsenal", "Chelsea", Time="16:30")]))
    moved = source()
    assert matches(moved, SATURDAY) == []
    assert only(moved, SUNDAY)["match_id"] == before["match_id"]


def test_a_result_wins_over_its_announcement_and_has_its_id(site: Site, source: Make) -> None:
    earlier = played(date(2024, 8, 17), "Arsenal", "Everton", "1-1")
    site.put(SEASON, csv_file([earlier]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "Arsenal", "Chelsea", B365H=2)]))
    before = only(source(), SATURDAY)
    site.put(SEASON, csv_file([earlier, played(SATURDAY, "Arsenal", "Chelsea", "3-0")]))
    after = only(source(), SATURDAY)
    assert after["match_id"] == before["match_id"]
    assert (after["status"], after["csv"]["file"]) == ("finished", SEASON)


def test_ids_stay_when_a_file_gains_rows(site: Site, source: Make) -> None:
    teams = ["Celtic", "Hearts", "Rangers", "Dundee"]
    days = [date(2024, 8, 3) + timedelta(days=7 * n) for n in range(24)]
    pairs = [(home, away) for home in teams for away in teams if home != away] * 2
    rows = [played(day, *pair, "1-0", div="SC0") for day, pair in zip(days, pairs, strict=True)]
    seen: dict[int, date] = {}
    for count in (1, 12, 13, 24):
        site.put("mmz4281/2425/SC0.csv", csv_file(rows[:count]))
        made = source()
        now = {only(made, day)["match_id"]: day for day in days[:count]}
        assert len(now) == count
        assert seen.items() <= now.items()
        seen = now


def test_the_matches_of_two_seasons_leagues_and_grounds_are_different(
    site: Site, source: Make
) -> None:
    rows = [
        extra(date(2023, 6, 3), "Bahia", "Santos", "1-0", season="2023"),
        extra(date(2024, 6, 1), "Bahia", "Santos", "1-0", season="2024"),
        extra(date(2024, 6, 1), "Santos", "Bahia", "1-0", season="2024"),
    ]
    site.put(BRAZIL, csv_file(rows))
    made = source()
    found = [*matches(made, date(2023, 6, 3)), *matches(made, date(2024, 6, 1))]
    assert len({match["match_id"] for match in found}) == 3
    assert len({match["home_team_id"] for match in found}) == 2


def test_a_team_under_another_name_is_the_same_team(
    site: Site, source: Make, tmp_path: Path
) -> None:
    def rows(name: str) -> bytes:
        return csv_file([played(SATURDAY, name, "Betis", "1-0", div="SP1")])

    def seen(name: str, **options: Any) -> Match:
        site.put("mmz4281/2425/SP1.csv", rows(name))
        return only(source(**options), SATURDAY)

    one, other = seen("Ath Madrid"), seen("Atl. Madrid")
    for field in ("match_id", "home_team_id", "home_team_name"):
        assert one[field] == other[field]
    assert other["csv"]["HomeTeam"] == "Atl. Madrid"
    assert seen("Atleti")["home_team_id"] != one["home_team_id"]
    path = tmp_path / "ours.csv"
    path.write_text("country,published_name,canonical_name\nSpain,Atleti,Atl. Madrid\n")
    assert seen("Atleti", aliases=path)["match_id"] == one["match_id"]


# Faults


def refused(source: FootballDataSource, day: date = SATURDAY) -> FootballDataFault:
    with pytest.raises(FetchFault) as caught:
        source.fetch(day)
    assert isinstance(caught.value, FootballDataFault)
    assert caught.value.day == day
    assert str(caught.value) == f"football-data.co.uk {day}: {caught.value.fault}"
    return caught.value


def test_no_file_of_any_league_is_a_fault(site: Site, source: Make) -> None:
    fault = refused(source())
    assert fault.fault == f"{site.url}: has no league's file, {SEASON} for one"


MAIN = {league.tournament_id for league in LEAGUES if not league.extra}
EXTRA = {league.tournament_id for league in LEAGUES if league.extra}
ENGLAND, USA, BRAZILIAN = {9011}, {9271}, {9141}
LEEDS = played(SATURDAY, "Leeds", "Luton", "1-0", div="E1")


def gaps(source: FootballDataSource, day: date = SATURDAY) -> dict[str, set[int]]:
    """Fault -> the leagues that may lack matches for it; the other leagues have theirs."""
    return {gap.fault: set(gap.tournament_ids) for gap in parsed(source, day).gaps}


@pytest.fixture
def second_tier(site: Site) -> None:
    """Another league, whose file is sound."""
    site.put("mmz4281/2425/E1.csv", csv_file([LEEDS]))


@pytest.mark.usefixtures("second_tier")
@pytest.mark.parametrize(
    ("path", "leagues"),
    [(SEASON, ENGLAND), ("new/USA.csv", USA), (FIXTURES, MAIN), (EXTRA_FIXTURES, EXTRA)],
)
def test_a_bad_answer_costs_the_leagues_of_its_file_and_is_told(
    site: Site, source: Make, path: str, leagues: set[int]
) -> None:
    for answer, fault in (
        (Answer(500, b"oops"), "HTTP 500 (2 attempts)"),
        (Answer(403, b"no"), "HTTP 403"),
        (Answer(200, b"<html>sorry</html>"), "an HTML page instead of CSV"),
        (Answer(200, b""), "is empty"),
        (Answer(200, b"not,the,columns\n"), "line 1: no column Date"),
    ):
        site.answers[path] = answer
        made = source()
        [(told, found)] = gaps(made).items()
        assert told.startswith(path)
        assert told.endswith(fault)
        assert found == leagues
        assert only(made, SATURDAY)["home_team_name"] == "Leeds"


@pytest.mark.usefixtures("second_tier")
@pytest.mark.parametrize(
    "answer",
    [Answer(429, b"later", {"Retry-After": "0"}), Answer(503, b"busy", {"Retry-After": "0"})],
    ids=lambda answer: str(answer.status),
)
def test_a_site_that_is_busy_is_the_fault_of_the_day_and_asked_no_more(
    site: Site, source: Make, answer: Answer
) -> None:
    site.answers[SEASON] = answer
    made = source()
    for day in (SATURDAY, SUNDAY):
        found = refused(made, day)
        assert found.fault == f"{SEASON}: HTTP {answer.status} (2 attempts)"
        assert (found.file, found.line, found.body) == (SEASON, None, answer.body)
        assert found.passing
    assert site.requests == {SEASON: 2}  # the attempts of one file
    del site.answers[SEASON]
    assert only(source(), SATURDAY)["home_team_name"] == "Leeds"


def test_a_site_whose_files_are_all_bad_is_the_fault_of_the_day(site: Site, source: Make) -> None:
    site.answers[SEASON] = Answer(500)
    fault = refused(source())
    assert (fault.file, fault.passing) == (SEASON, True)


def test_coming_matches_with_a_mark_and_one_odd_byte_are_read(site: Site, source: Make) -> None:
    body = csv_file([played(SATURDAY, "Arsenal", "Malaga", Referee="Jos?")])
    assert body.startswith(b"\xef\xbb\xbf")
    site.put(SEASON, csv_file([played(date(2024, 11, 9), "Everton", "Fulham", "1-1")]))
    site.put(FIXTURES, body.replace(b"Jos?", b"Jos\xe9"))
    match = only(source(), SATURDAY)
    assert (match["home_team_name"], match["csv"]["Referee"]) == ("Arsenal", "José")


@pytest.mark.usefixtures("second_tier")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ((b"Div", b"League"), "fixtures.csv line 1: no column Div"),
        ((b"E0", b"Premier League"), "fixtures.csv: holds Premier League, none of which"),
    ],
)
def test_coming_matches_that_do_not_say_their_league_are_told(
    site: Site, source: Make, change: tuple[bytes, bytes], fault: str
) -> None:
    body = csv_file([played(SATURDAY, "Arsenal", "Everton")])
    site.put(FIXTURES, body.replace(*change))
    [(told, leagues)] = gaps(source()).items()
    assert told.startswith(fault)
    assert leagues == MAIN


def test_a_coming_match_without_its_league_may_be_of_any(site: Site, source: Make) -> None:
    site.put(SEASON, csv_file([played(date(2024, 11, 9), "Everton", "Fulham", "1-1")]))
    wednesday = date(2024, 11, 27)
    rows = [played(SATURDAY, "A", "B"), played(wednesday, "C", "D", div="")]
    site.put(FIXTURES, csv_file(rows))
    made = source()
    assert gaps(made) == {}
    assert only(made, SATURDAY)["home_team_name"] == "A"
    assert gaps(made, wednesday) == {"fixtures.csv line 3: no Div": MAIN}


def test_a_line_of_another_league_is_no_match_of_the_file(site: Site, source: Make) -> None:
    rows = [played(SATURDAY, "Arsenal", "Chelsea", "3-0"), LEEDS]
    site.put(SEASON, csv_file(rows))
    made = source()
    assert only(made, SATURDAY)["home_team_name"] == "Arsenal"
    assert gaps(made) == {f"{SEASON} line 3: Div 'E1' in the file of E0": ENGLAND}
    other = {**extra(SATURDAY, "Boca", "River", "1-0", season="2024"), "Country": "Argentina"}
    site.put(BRAZIL, csv_file([other, extra(SATURDAY, "Bahia", "Santos", "1-0", season="2024")]))
    assert len(matches(source(), SATURDAY)) == 2
    assert f"{BRAZIL} line 2: Country 'Argentina' in the file of Brazil" in gaps(source())


@pytest.mark.parametrize("note", ["E0", "Note: matches of Sunday follow", "E0,,,,,"])
def test_a_line_that_speaks_of_no_match_is_told_and_costs_nothing(
    site: Site, source: Make, note: str
) -> None:
    good = csv_file([played(SATURDAY, "Arsenal", "Chelsea", "3-0")])
    site.put(SEASON, good + f"{note}\r\n".encode())
    made = source()
    assert only(made, SATURDAY)["home_team_name"] == "Arsenal"
    [(told, leagues)] = gaps(made).items()
    assert told.startswith(f"{SEASON} line 3: ")
    assert leagues == set() or "in the file of E0" in told
    assert matches(made, SUNDAY) == []


def test_a_bad_line_costs_its_own_match_only(site: Site, source: Make) -> None:
    rows = [
        played(SATURDAY, "Arsenal", "Chelsea", "3-x"),
        played(SATURDAY, "Leeds", "Luton", "2-2"),
        played(SUNDAY, "Everton", "Fulham", "1-1"),
    ]
    site.put(SEASON, csv_file(rows))
    made = source()
    assert gaps(made) == {f"{SEASON} line 2: FTAG 'x' is not a number of goals": ENGLAND}
    assert only(made, SATURDAY)["home_team_name"] == "Leeds"
    assert only(made, SUNDAY)["home_team_name"] == "Everton"
    assert gaps(made, SUNDAY) == {}


def test_a_bad_line_does_not_shift_the_numbers_of_other_meetings(site: Site, source: Make) -> None:
    """Celtic meet Hearts twice at home; when the first line is spoilt, the second is not taken
    for the first meeting."""
    path, later = "mmz4281/2425/SC0.csv", date(2025, 3, 1)

    def rows(score: str) -> bytes:
        first = played(SATURDAY, "Celtic", "Hearts", score, div="SC0")
        other = played(later, "Rangers", "Dundee", "0-0", div="SC0")
        return csv_file([first, played(later, "Celtic", "Hearts", "2-0", div="SC0"), other])

    site.put(path, rows("1-0"))
    assert len(matches(source(), later)) == 2
    site.put(path, rows("1-?"))
    made = source()
    assert only(made, later)["home_team_name"] == "Rangers"
    assert list(gaps(made, later).values()) == [{9021}]


def test_a_line_without_a_day_costs_its_pair_and_is_told_all_season(
    site: Site, source: Make
) -> None:
    good = played(SATURDAY, "Everton", "Fulham", "1-1")
    site.put(SEASON, csv_file([good, played("tba", "Arsenal", "Chelsea")]))
    site.put("mmz4281/2324/E0.csv", csv_file([played("18/11/2023", "A", "B", "1-0")]))
    made = source()
    fault = {f"{SEASON} line 3: Date 'tba' is not a date": ENGLAND}
    assert only(made, SATURDAY)["home_team_name"] == "Everton"
    assert gaps(made) == gaps(made, date(2025, 3, 1)) == fault
    assert only(made, date(2023, 11, 18))["home_team_name"] == "A"
    assert gaps(made, date(2023, 11, 18)) == {}


def test_a_line_of_an_extra_league_without_a_day_is_told_in_its_season(
    site: Site, source: Make
) -> None:
    rows = [
        extra(date(2019, 6, 1), "Bahia", "Santos", "1-0", season="2019"),
        {**extra(date(2014, 6, 1), "Bahia", "Santos", "1-0", season="2014"), "Date": "?"},
    ]
    site.put(BRAZIL, csv_file(rows))
    made = source()
    assert list(gaps(made, date(2014, 8, 1)).values()) == [BRAZILIAN]
    assert only(made, date(2019, 6, 1))["home_team_name"] == "Bahia"


def test_a_coming_match_without_a_day_is_told_for_the_days_to_come(
    site: Site, source: Make
) -> None:
    site.put(SEASON, csv_file([played(date(2024, 11, 9), "Everton", "Fulham", "1-1")]))
    site.put(FIXTURES, csv_file([played(SATURDAY, "A", "B"), played("soon", "C", "D")]))
    made = source()
    assert only(made, SATURDAY)["home_team_name"] == "A"
    assert list(gaps(made).values()) == list(gaps(made, SUNDAY).values()) == [ENGLAND]
    assert only(made, date(2024, 11, 9))["home_team_name"] == "Everton"
    assert gaps(made, date(2024, 11, 9)) == {}


def test_trouble_with_the_coming_matches_does_not_touch_the_past(site: Site, source: Make) -> None:
    site.put("mmz4281/0506/E0.csv", csv_file([played("13/08/05", "York", "Crawley", "0-0")]))
    site.answers[FIXTURES] = Answer(500)
    assert only(source(), date(2005, 8, 13))["home_team_name"] == "York"
